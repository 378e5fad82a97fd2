//! `lamplighter health`: asks a running API or worker whether it is ready; for the health checks of
//! containers, whose images hold no other HTTP client.

use std::time::Duration;

use reqwest::{Client, Url};

use crate::installation::Failure;

/// The longest an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Succeeds where `url` answers 2xx; without a path it means `/readyz`.
pub async fn health(url: &str) -> Result<(), Failure> {
    let url = address(url)?;
    // Loopback in a container: no proxy, and no certificates to look for.
    let client = Client::builder()
        .no_proxy()
        .tls_certs_only(std::iter::empty())
        .timeout(PATIENCE)
        .build()?;
    let answer = client
        .get(url.clone())
        .send()
        .await
        .map_err(|error| Failure(format!("{url} does not answer: {}", causes(&error))))?;
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    println!("{status} {}", text.trim());
    if status.is_success() {
        Ok(())
    } else {
        Err(Failure(format!("{url} answers {status}")))
    }
}

fn address(url: &str) -> Result<Url, Failure> {
    let mut parsed = Url::parse(url).map_err(|error| Failure(format!("{url:?} is no address: {error}")))?;
    if parsed.scheme() != "http" {
        return Err(Failure(format!("{url:?} must begin with http://")));
    }
    if parsed.path() == "/" {
        parsed.set_path("/readyz");
    }
    Ok(parsed)
}

/// What lies below; an HTTP client's own words say only that there was an error.
fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_path_means_readiness() {
        for (url, asked) in [
            ("http://127.0.0.1:1", "http://127.0.0.1:1/readyz"),
            ("http://127.0.0.1:1/", "http://127.0.0.1:1/readyz"),
            ("http://127.0.0.1:1/healthz", "http://127.0.0.1:1/healthz"),
        ] {
            assert_eq!(address(url).expect(url).as_str(), asked);
        }
        for url in ["127.0.0.1:1", "https://127.0.0.1", "", "file:///etc/passwd"] {
            assert!(address(url).is_err(), "{url:?}");
        }
    }

    #[tokio::test]
    async fn nobody_there_is_a_failure() {
        // Its provider is installed by main; here by whoever comes first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        assert!(health("http://127.0.0.1:1").await.is_err());
    }
}
