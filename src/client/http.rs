//! Requests to a server: where it is, who asks, and what a refusal means.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url, header::HeaderMap};
use serde::Deserialize;

use super::{ClientArgs, Failure};

const DEFAULT_SERVER: &str = "http://127.0.0.1:8080";
/// A connection that can't be made in this time will not be.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// The server writes to an event stream every 15 s at least; thrice that without a byte is a dead line.
const SILENCE_LIMIT: Duration = Duration::from_secs(45);

/// A server to talk to.
#[derive(Debug, Clone)]
pub struct Connection {
    http: Client,
    place: Place,
    token: Option<String>,
}

/// How we know where the server is.
#[derive(Debug, Clone)]
enum Place {
    /// Somebody said so, or nobody did and this is the default.
    At(Url),
    /// A server on this machine wrote it down; read again each time, a restart may change it.
    File(PathBuf),
}

/// A request without the answer it was made for.
#[derive(Debug)]
pub enum CallError {
    /// No connection: the server has seen nothing of it.
    NotConnected(String),
    /// The connection was lost before the whole answer was there.
    Lost(String),
    /// The server refuses for now.
    Busy(Refusal),
    /// The server refuses.
    Refused(Refusal),
    /// The request can't be made.
    Usage(String),
}

/// The answer of a server that refuses.
#[derive(Debug)]
pub struct Refusal {
    /// Its status.
    pub status: StatusCode,
    /// For people: `code: detail`, then a line for each pointer.
    pub text: String,
    /// When to come back.
    pub retry_after: Option<Duration>,
}

impl From<CallError> for Failure {
    fn from(e: CallError) -> Self {
        match e {
            CallError::NotConnected(text) | CallError::Lost(text) => Self::Unreachable(text),
            CallError::Busy(refusal) | CallError::Refused(refusal) => Self::Failed(refusal.text),
            CallError::Usage(text) => Self::Usage(text),
        }
    }
}

impl Connection {
    /// Finds server and token.
    ///
    /// # Errors
    /// Where the address is none.
    pub fn new(args: &ClientArgs) -> Result<Self, Failure> {
        let dir = args.data_dir.clone().unwrap_or_else(|| PathBuf::from("data"));
        let server = args.server.as_deref().filter(|text| !text.trim().is_empty());
        let place = match server {
            Some(text) => Place::At(parse_server(text).map_err(Failure::Usage)?),
            None if dir.join("server.addr").is_file() => Place::File(dir.join("server.addr")),
            None => Place::At(parse_server(DEFAULT_SERVER).map_err(Failure::Usage)?),
        };
        let local = match &place {
            Place::At(url) => is_loopback(url),
            Place::File(_) => true,
        };
        // The owner's token stays on this machine unless somebody points at its folder.
        let from_file = || {
            (local || args.data_dir.is_some())
                .then(|| read_token(&dir))
                .flatten()
        };
        let token = args
            .token
            .clone()
            .filter(|t| !t.trim().is_empty())
            .or_else(from_file);
        let mut builder = Client::builder()
            .user_agent(concat!("lamplighter/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_LIMIT)
            .read_timeout(SILENCE_LIMIT);
        if local {
            builder = builder.no_proxy();
        }
        if !matches!(&place, Place::At(url) if url.scheme() == "https") {
            // Plain HTTP works on a machine that has no certificates.
            builder = builder.tls_certs_only(std::iter::empty());
        }
        let http = builder
            .build()
            .map_err(|e| Failure::Failed(format!("can't set up TLS: {}", causes(&e))))?;
        Ok(Self {
            http,
            place,
            token: token.map(|t| t.trim().to_owned()),
        })
    }

    /// A request to the path made of these segments; they and the query's values may hold anything.
    ///
    /// # Errors
    /// Where the address of the server is unknown by now.
    pub fn request(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<RequestBuilder, CallError> {
        let mut url = self.base()?;
        url.path_segments_mut()
            .expect("an http address has a path")
            .pop_if_empty()
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.http.request(method, url);
        Ok(match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
    }

    /// Sends a request; anything but success is an error.
    ///
    /// # Errors
    /// Where there is no answer or a refusal.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, CallError> {
        let response = request.send().await.map_err(|e| self.lost(&e))?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(self.refusal(response).await)
        }
    }

    /// Sends a request and reads the whole answer as text.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub async fn text(&self, request: RequestBuilder) -> Result<String, CallError> {
        let response = self.send(request.timeout(SILENCE_LIMIT)).await?;
        response
            .text()
            .await
            .map_err(|e| CallError::Lost(self.unreachable(&e)))
    }

    fn lost(&self, e: &reqwest::Error) -> CallError {
        if e.is_builder() {
            return CallError::Usage(format!("the request can't be made: {}", causes(e)));
        }
        let text = self.unreachable(e);
        if e.is_connect() {
            CallError::NotConnected(text)
        } else {
            CallError::Lost(text)
        }
    }

    fn unreachable(&self, e: &reqwest::Error) -> String {
        let place = match &self.place {
            Place::At(url) => url.as_str().trim_end_matches('/').to_owned(),
            Place::File(path) => match self.base() {
                Ok(url) => format!("{} (from {})", url.as_str().trim_end_matches('/'), path.display()),
                Err(_) => format!("the server of {}", path.display()),
            },
        };
        let hint = if e.is_connect() {
            "\nIs it running? `lamplighter serve` starts one."
        } else {
            ""
        };
        format!("can't reach {place}: {}{hint}", causes(e))
    }

    fn base(&self) -> Result<Url, CallError> {
        match &self.place {
            Place::At(url) => Ok(url.clone()),
            Place::File(path) => {
                let text = fs::read_to_string(path).unwrap_or_default();
                let here = reachable(text.trim());
                // A server that starts anew writes the file anew; until then there is none.
                parse_server(&here).map_err(|e| CallError::NotConnected(format!("{}: {e}", path.display())))
            }
        }
    }

    async fn refusal(&self, response: Response) -> CallError {
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let body = response.text().await.unwrap_or_default();
        let mut text = describe(status, &body);
        if status == StatusCode::UNAUTHORIZED {
            text.push_str(if self.token.is_some() {
                "\nThe token was not accepted. "
            } else {
                "\nNo token was given and none was found. "
            });
            text.push_str(
                "A server's first token is in DIR/owner.token of its data folder (--data-dir DIR);\n\
                 `lamplighter token create` on that machine makes more. Pass one with --token or LAMPLIGHTER_TOKEN.",
            );
        }
        let refusal = Refusal {
            status,
            text,
            retry_after,
        };
        // Somebody has switched the model off: only they can change that.
        let off = refusal.text.starts_with("model_unavailable");
        match status.as_u16() {
            429 | 502 | 503 | 504 if !off => CallError::Busy(refusal),
            _ => CallError::Refused(refusal),
        }
    }
}

/// A problem document, as far as people read it.
#[derive(Deserialize)]
struct Problem {
    code: Option<String>,
    title: Option<String>,
    detail: Option<String>,
    #[serde(default)]
    errors: Vec<Pointer>,
}

#[derive(Deserialize)]
struct Pointer {
    #[serde(default)]
    pointer: String,
    #[serde(default)]
    detail: String,
}

fn describe(status: StatusCode, body: &str) -> String {
    let Ok(problem) = serde_json::from_str::<Problem>(body) else {
        return format!("the server answers {status}");
    };
    let code = problem.code.unwrap_or_else(|| status.to_string());
    let mut text = format!("{code}: {}", problem.detail.or(problem.title).unwrap_or_default());
    for Pointer { pointer, detail } in problem.errors {
        text.push_str(&format!("\n  {pointer}: {detail}"));
    }
    text
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get("retry-after")?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}

/// Reads an address; one without a scheme is plain HTTP.
fn parse_server(text: &str) -> Result<Url, String> {
    let whole = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    match Url::parse(&whole) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        Ok(_) => Err(format!("{text:?} is not an http or https address")),
        Err(e) => Err(format!("{text:?} is not a server's address: {e}")),
    }
}

/// A server bound to every address is reached at the loopback one.
pub fn reachable(address: &str) -> String {
    match address.parse::<SocketAddr>() {
        Ok(at) if at.ip().is_unspecified() => match at.ip() {
            IpAddr::V4(_) => format!("127.0.0.1:{}", at.port()),
            IpAddr::V6(_) => format!("[::1]:{}", at.port()),
        },
        _ => address.to_owned(),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn read_token(dir: &Path) -> Option<String> {
    fs::read_to_string(dir.join("owner.token"))
        .ok()
        .filter(|t| !t.trim().is_empty())
}

/// An error without its address, and what lies under it.
fn causes(e: &reqwest::Error) -> String {
    let mut source = std::error::Error::source(e);
    let mut last = None;
    while let Some(cause) = source {
        last = Some(cause.to_string());
        source = cause.source();
    }
    last.unwrap_or_else(|| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_a_scheme() {
        for (text, url) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("localhost:80", "http://localhost/"),
            ("https://lamp.example/base/", "https://lamp.example/base/"),
        ] {
            assert_eq!(parse_server(text).expect(text).as_str(), url);
        }
        for bad in ["", "ftp://x", "http://", "::"] {
            assert!(parse_server(bad).is_err(), "{bad}");
        }
        assert_eq!(reachable("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(reachable("[::]:80"), "[::1]:80");
        assert_eq!(reachable("192.0.2.1:80"), "192.0.2.1:80");
    }

    #[test]
    fn the_owners_token_is_not_sent_to_strangers() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().expect("a temporary folder");
        fs::write(dir.path().join("owner.token"), "secret\n").expect("the folder is writable");
        let token = |server: &str, data_dir: bool| {
            let data_dir = data_dir.then(|| dir.path().to_owned());
            let args = ClientArgs {
                server: Some(server.to_owned()),
                token: None,
                data_dir,
            };
            Connection::new(&args).expect("it is an address").token
        };
        assert_eq!(token("http://127.0.0.1:1", true).as_deref(), Some("secret"));
        assert_eq!(token("http://lamp.example", true).as_deref(), Some("secret"));
        // `./data` of the working folder is only for servers on this machine.
        assert_eq!(token("http://lamp.example", false), None);
    }

    #[test]
    fn a_problem_is_told_with_its_pointers() {
        let body = r#"{"status":422,"code":"validation_failed","title":"T","detail":"does not fit","errors":[{"pointer":"/input/texts/3","detail":"too long"}]}"#;
        assert_eq!(
            describe(StatusCode::UNPROCESSABLE_ENTITY, body),
            "validation_failed: does not fit\n  /input/texts/3: too long"
        );
        assert_eq!(
            describe(StatusCode::BAD_GATEWAY, "<html>"),
            "the server answers 502 Bad Gateway"
        );
    }
}
