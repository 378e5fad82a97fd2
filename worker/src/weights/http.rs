//! Asks a model hub, within time limits. The token is for the hub alone: whoever it redirects to does not get it.

use std::{net::IpAddr, time::Duration};

use ureq::{
    Agent, Body, BodyReader,
    http::{Response, StatusCode, Uri},
};

use super::Origins;

/// The public hub.
const HUB: &str = "https://huggingface.co";
/// A hub that can't be reached for this long is given up.
const CONNECT: Duration = Duration::from_secs(30);
/// A hub that sends nothing for this long is given up.
const STALLED: Duration = Duration::from_secs(60);
/// The most redirects of one request.
const REDIRECTS: usize = 8;

/// Who asks.
pub(super) struct Client {
    agent: Agent,
    hub: String,
    token: Option<String>,
}

impl Client {
    pub(super) fn new(origins: &Origins) -> Self {
        let config = Agent::config_builder()
            // Followed by us: each step is looked at.
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_per_read(Some(STALLED))
            .timeout_per_write(Some(STALLED))
            .user_agent(concat!("lamplighter/", env!("CARGO_PKG_VERSION")))
            // Places in a file are those of its own bytes.
            .accept_encoding("identity");
        let hub = origins.hub.as_deref().unwrap_or(HUB);
        Self {
            agent: config.build().into(),
            hub: hub.trim_end_matches('/').to_owned(),
            token: origins.hub_token.clone(),
        }
    }

    /// What the hub gives at a path; of a file, what comes after its first `from` bytes.
    ///
    /// # Errors
    /// A sentence that says why it gives nothing.
    pub(super) fn get(&self, path: &str, from: Option<u64>) -> Result<Answer, String> {
        let address = format!("{}{path}", self.hub);
        let hub: Uri = address
            .parse()
            .map_err(|error| format!("{address:?} is not an address: {error}"))?;
        let (mut address, mut linked, mut last) = (hub.clone(), None, None);
        for _ in 0..=REDIRECTS {
            let mut request = self.agent.get(address.clone());
            if let Some(from) = from {
                request = request.header("Range", format!("bytes={from}-"));
            }
            if let Some(token) = self.token.as_ref().filter(|_| is_same(&address, &hub)) {
                request = request.header("Authorization", format!("Bearer {token}"));
            }
            let response = request.call().map_err(|error| error.to_string())?;
            // What the hub says of the file counts more than what a store of its does.
            linked = linked.or_else(|| header(&response, "x-linked-etag"));
            last = header(&response, "etag").or(last);
            let status = response.status();
            if status.is_redirection() {
                let to = header(&response, "location")
                    .ok_or_else(|| format!("the hub answers {status} and does not say where to"))?;
                address = next(&address, &to, &hub)?;
                continue;
            }
            // Asked for what comes after the end of a file, it says that there is nothing.
            let after_end = from > Some(0) && status == StatusCode::RANGE_NOT_SATISFIABLE;
            if status.is_success() || after_end {
                return Ok(Answer {
                    response,
                    etag: linked.or(last),
                });
            }
            return Err(refusal(status));
        }
        Err(format!("the hub redirects more than {REDIRECTS} times"))
    }
}

/// An answer whose body has not been read.
pub(super) struct Answer {
    response: Response<Body>,
    etag: Option<String>,
}

impl Answer {
    /// Which version of the file it is about. Anything may stand there.
    pub(super) fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// The place in the file that the body begins at; none where it has nothing of it.
    pub(super) fn begin(&self) -> Option<u64> {
        match self.response.status() {
            StatusCode::PARTIAL_CONTENT => self.range().map(|(begin, _)| begin),
            StatusCode::OK => Some(0),
            _ => None,
        }
    }

    /// Bytes of the whole file, where that is said.
    pub(super) fn size(&self) -> Option<u64> {
        match self.response.status() {
            StatusCode::PARTIAL_CONTENT => self.range().and_then(|(_, size)| size),
            _ => self.response.body().content_length(),
        }
    }

    /// Of `bytes 5-7/8`: 5 and 8.
    fn range(&self) -> Option<(u64, Option<u64>)> {
        let text = header(&self.response, "content-range")?;
        let (places, size) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (begin, _) = places.split_once('-')?;
        Some((begin.trim().parse().ok()?, size.trim().parse().ok()))
    }

    /// The body as a text, if it is not too long for one.
    pub(super) fn text(mut self) -> Result<String, String> {
        let body = self.response.body_mut();
        body.read_to_string().map_err(|error| error.to_string())
    }

    /// The body.
    pub(super) fn body(self) -> BodyReader<'static> {
        self.response.into_body().into_reader()
    }
}

fn refusal(status: StatusCode) -> String {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            format!("the hub answers {status}: the model may need a token (HF_TOKEN)")
        }
        _ => format!("the hub answers {status}"),
    }
}

fn header(response: &Response<Body>, name: &str) -> Option<String> {
    let value = response.headers().get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

/// Where a redirect leads, if that is followed: by https, to the hub itself, or from this machine to this machine.
fn next(from: &Uri, to: &str, hub: &Uri) -> Result<Uri, String> {
    let refused = || format!("the hub redirects to {to:?}, which is neither https nor the hub itself");
    let whole = match (from.scheme_str(), from.authority()) {
        (Some(scheme), Some(authority)) if to.starts_with('/') && !to.starts_with("//") => {
            format!("{scheme}://{authority}{to}")
        }
        _ => to.to_owned(),
    };
    let address: Uri = whole.parse().map_err(|_| refused())?;
    let here = address.scheme_str() == Some("http") && is_here(&address) && is_here(hub);
    match address.scheme_str() == Some("https") || is_same(&address, hub) || here {
        true => Ok(address),
        false => Err(refused()),
    }
}

/// Whether both are the same scheme, host and port.
fn is_same(one: &Uri, other: &Uri) -> bool {
    let port = |uri: &Uri| match uri.scheme_str() {
        Some("https") => uri.port_u16().unwrap_or(443),
        _ => uri.port_u16().unwrap_or(80),
    };
    let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
    one.scheme_str() == other.scheme_str() && host(one) == host(other) && port(one) == port(other)
}

/// Whether it is this machine.
fn is_here(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().expect("an address")
    }

    #[test]
    fn only_safe_redirects_are_followed_and_the_token_stays_at_the_hub() {
        let hub = uri("https://hub.example/a");
        for (to, there, same) in [
            ("/b?x=1", "https://hub.example/b?x=1", true),
            ("https://hub.example:443/b", "https://hub.example:443/b", true),
            ("https://HUB.example/b", "https://HUB.example/b", true),
            ("https://store.example/b", "https://store.example/b", false),
            ("https://hub.example:8443/b", "https://hub.example:8443/b", false),
        ] {
            let found = next(&hub, to, &hub).expect(to);
            assert_eq!(
                (found.to_string(), is_same(&found, &hub)),
                (uri(there).to_string(), same),
                "{to}"
            );
        }
        for to in [
            "http://hub.example/b",
            "http://store.example/b",
            "http://127.0.0.1/b",
            "file:///etc/passwd",
            "//store.example/b",
            "b",
            "",
        ] {
            assert!(next(&hub, to, &hub).is_err(), "{to:?}");
        }
        // A store's relative redirect stays at the store.
        let store = uri("https://store.example/b");
        assert!(next(&store, "/c", &hub).is_ok_and(|found| !is_same(&found, &hub)));
        // A mirror without https, and a hub on this machine.
        let mirror = uri("http://mirror.example/a");
        assert!(next(&mirror, "/b", &mirror).is_ok());
        assert!(next(&mirror, "http://127.0.0.1:9/b", &mirror).is_err());
        let local = uri("http://127.0.0.1:1/a");
        assert!(next(&local, "http://[::1]:2/b", &local).is_ok_and(|found| !is_same(&found, &local)));
    }
}
