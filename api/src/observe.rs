//! The layer around everything: each request gets its place in a trace and a span of log lines, and each
//! answer is counted.

use std::time::Instant;

use lamplighter_shared::{
    telemetry::metrics::{HTTP_REQUEST, HTTP_REQUESTS},
    trace::Trace,
};
use poem::{
    Endpoint, Middleware, Request, Response, Result,
    http::{HeaderMap, HeaderName},
};
use poem_openapi::OperationId;
use tracing::Instrument;

use crate::edge::REQUEST_ID;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The layer. Stands around the edge, where every failure has become an answer.
pub struct Observe;

/// An endpoint within the layer.
pub struct Observed<E>(E);

impl<E: Endpoint<Output = Response>> Middleware<E> for Observe {
    type Output = Observed<E>;

    fn transform(&self, inner: E) -> Self::Output {
        Observed(inner)
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for Observed<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let began = Instant::now();
        let trace = trace(request.headers());
        let span = tracing::info_span!("request", trace_id = trace.trace_id(), span_id = trace.span_id());
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        request.set_data(trace);
        let answer = self.0.call(request).instrument(span.clone()).await;
        let answer = answer.unwrap_or_else(|error| error.into_response());
        let took = began.elapsed();
        // What stands in no document (pages for people, wrong addresses) is one operation: names are bounded.
        let operation = answer.data::<OperationId>().map_or("other", |id| id.0);
        let status = answer.status().as_str().to_owned();
        metrics::counter!(HTTP_REQUESTS, "operation" => operation, "status" => status).increment(1);
        metrics::histogram!(HTTP_REQUEST, "operation" => operation).record(took.as_secs_f64());
        span.in_scope(|| {
            let request_id = answer.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
            tracing::debug!(
                request_id, %method, path, operation, status = answer.status().as_u16(),
                ms = took.as_secs_f64() * 1000.0, "a request was answered"
            );
        });
        Ok(answer)
    }
}

fn trace(headers: &HeaderMap) -> Trace {
    // A value that is no text is no valid one.
    let texts = |name: HeaderName| {
        headers
            .get_all(name)
            .iter()
            .map(|value| value.to_str().unwrap_or("-"))
    };
    Trace::of_request(texts(TRACEPARENT), texts(TRACESTATE))
}

#[cfg(test)]
mod tests {
    use poem::{EndpointExt, endpoint::make, http::StatusCode};

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[tokio::test]
    async fn a_handler_sees_the_caller_s_trace() {
        let told = make(|request: Request| async move {
            let trace = request.data::<Trace>().expect("every request has a trace");
            let text = format!("{trace} {}", trace.state().unwrap_or("none"));
            Response::builder().body(text)
        });
        let endpoint = told.with(Observe);
        let ask = async |parent: &str| {
            let request = Request::builder()
                .header("traceparent", parent)
                .header("tracestate", "a=1")
                .finish();
            let mut answer = endpoint.get_response(request).await;
            assert_eq!(answer.status(), StatusCode::OK);
            answer.take_body().into_string().await.expect("text")
        };
        let continued = ask(PARENT).await;
        assert!(
            continued.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && continued.ends_with("-01 a=1"),
            "{continued}"
        );
        let begun = ask("nonsense").await;
        assert!(!begun.contains("4bf92f35") && begun.ends_with(" none"), "{begun}");
    }
}
