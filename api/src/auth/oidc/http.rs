//! How issuers are reached: with time limits, without redirects or the machine's proxies, and never in plain text
//! but on this machine.

use std::{future::Future, pin::Pin, time::Duration};

use lamplighter_shared::oidc_provider::is_this_machine;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse, http};

/// One request, its answer included, takes no longer.
const LIMIT: Duration = Duration::from_secs(10);
/// The largest answer that is read, bytes.
const MOST: usize = 1 << 20;

/// The client.
pub(super) struct Http(reqwest::Client);

/// No answer. Says nothing of what was sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    /// The issuer's document names an address that others could listen to.
    #[error("{0} is not an https address")]
    NotSafe(String),
    /// More than an answer should be.
    #[error("the answer is larger than {MOST} bytes")]
    TooLarge,
    /// Everything else.
    #[error("{0:?}")]
    Failed(String),
}

impl Http {
    /// `plain`: for an issuer on this machine, spoken to without TLS; a machine without certificates has no
    /// other client.
    pub(super) fn new(plain: bool) -> Result<Self, HttpError> {
        let mut builder = reqwest::Client::builder();
        if plain {
            builder = builder.tls_certs_only(std::iter::empty());
        }
        let client = builder
            .timeout(LIMIT)
            .connect_timeout(LIMIT / 2)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build();
        client.map(Self).map_err(failed)
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let uri = request.uri();
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if uri.scheme_str() != Some("https") && !is_this_machine(host) {
            return Err(HttpError::NotSafe(format!("//{host}{}", uri.path())));
        }
        let request = reqwest::Request::try_from(request).map_err(failed)?;
        let mut response = self.0.execute(request).await.map_err(failed)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MOST {
                return Err(HttpError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let mut answer = http::Response::new(body);
        *answer.status_mut() = response.status();
        *answer.headers_mut() = response.headers().clone();
        Ok(answer)
    }
}

/// The whole chain of reasons, without the address: its query may hold what is nobody's business.
fn failed(error: reqwest::Error) -> HttpError {
    let error = error.without_url();
    let mut reasons = vec![error.to_string()];
    let mut source = std::error::Error::source(&error);
    while let Some(reason) = source {
        reasons.push(reason.to_string());
        source = reason.source();
    }
    HttpError::Failed(reasons.join(": "))
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}
