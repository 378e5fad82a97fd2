//! What an answer tells of limits: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers).
//! Whoever decides by a limit notes it; the layer writes what was noted into the answer, whatever it is.

use std::{cell::RefCell, fmt::Write, time::Duration};

use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response, Result,
    http::{HeaderName, HeaderValue},
};
use tokio::task_local;

/// The limits there are.
pub(crate) const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// What is left of them.
pub(crate) const STATE: HeaderName = HeaderName::from_static("ratelimit");

task_local! {
    static NOTED: RefCell<Vec<Policy>>;
}

/// A limit, and what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Its name in the API.
    pub name: &'static str,
    /// How much there is.
    pub quota: u64,
    /// What it is counted over; none: what there is at once.
    pub window: Option<Duration>,
    /// What is left, and until when that stays so, where it is known.
    pub left: Option<(u64, Duration)>,
}

/// Tells of a limit in the answer to the request in hand. The latest word on each counts.
pub(crate) fn note(policy: Policy) {
    // Outside a request there is nobody to tell.
    let _ = NOTED.try_with(|noted| {
        let mut noted = noted.borrow_mut();
        noted.retain(|other| other.name != policy.name);
        noted.push(policy);
    });
}

/// Whole seconds, so that nobody comes too early.
pub(crate) fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// The layer.
pub(crate) struct RateHeaders;

/// An endpoint within the layer.
pub(crate) struct WithRateHeaders<E>(E);

impl<E: Endpoint> Middleware<E> for RateHeaders {
    type Output = WithRateHeaders<E>;

    fn transform(&self, inner: E) -> Self::Output {
        WithRateHeaders(inner)
    }
}

impl<E: Endpoint> Endpoint for WithRateHeaders<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        NOTED
            .scope(RefCell::default(), async {
                let mut response = self.0.call(request).await?.into_response();
                let noted = NOTED.with(RefCell::take);
                for (name, value) in [(POLICY, policies(&noted)), (STATE, state(&noted))] {
                    if let Ok(value) = HeaderValue::from_str(&value)
                        && !value.is_empty()
                    {
                        response.headers_mut().insert(name, value);
                    }
                }
                Ok(response)
            })
            .await
    }
}

fn policies(noted: &[Policy]) -> String {
    let one = |policy: &Policy| {
        let mut text = format!("\"{}\";q={}", policy.name, policy.quota);
        let _ = match policy.window {
            Some(window) => write!(text, ";w={}", seconds(window).max(1)),
            None => write!(text, ";qu=\"concurrent-requests\""),
        };
        text
    };
    noted.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn state(noted: &[Policy]) -> String {
    let one = |policy: &Policy| {
        let (left, time) = policy.left?;
        Some(format!("\"{}\";r={left};t={}", policy.name, seconds(time)))
    };
    noted.iter().filter_map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use poem::{EndpointExt, endpoint::make};

    use super::*;

    #[tokio::test]
    async fn what_was_noted_last_stands_in_the_answer() {
        let burst = |left| Policy {
            name: "burst",
            quota: 60,
            window: Some(Duration::from_millis(59_100)),
            left: Some((left, Duration::from_millis(11_001))),
        };
        let noting = make(move |_| async move {
            note(burst(7));
            note(burst(5));
            note(Policy {
                name: "inflight",
                quota: 8,
                window: None,
                left: None,
            });
        });
        let answer = noting.with(RateHeaders).get_response(Request::default()).await;
        let header = |name| answer.headers()[name].to_str().expect("text").to_owned();
        assert_eq!(
            header("ratelimit-policy"),
            r#""burst";q=60;w=60, "inflight";q=8;qu="concurrent-requests""#
        );
        assert_eq!(header("ratelimit"), r#""burst";r=5;t=12"#);
        let silent = make(|_| async {})
            .with(RateHeaders)
            .get_response(Request::default())
            .await;
        assert!(!silent.headers().contains_key("ratelimit"));
        note(burst(1));
    }
}
