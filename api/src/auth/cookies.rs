//! Cookies of ours: their names and attributes follow from how the server is reached.
//!
//! Over https they are `__Host-NAME` with `Secure`: bound to this host, over TLS only. On plain HTTP a browser
//! takes no such cookie; then it is `NAME`, and only on this machine unless the settings allow more.

use lamplighter_shared::{config::Server, error::ErrorCode};
use poem::http::{HeaderMap, HeaderValue, header};

use crate::{error::ApiError, message::message};

/// The cookie of a session.
pub(crate) const SESSION: &str = "sid";
/// The cookie of somebody without an account.
pub(crate) const GUEST: &str = "guest";
/// The cookie of a login at an issuer that has begun.
pub(crate) const OIDC: &str = "oidc";

/// How cookies are set here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cookies {
    /// `__Host-NAME`, `Secure`.
    Secure,
    /// `NAME`, for a server that only this machine reaches, or that is told to.
    Plain,
    /// None: somebody could listen.
    Refused,
}

impl Cookies {
    pub(crate) fn of(server: &Server) -> Self {
        // The address as it is meant, not as it is written: a scheme may have capital letters.
        let origin = server.public_origin();
        let host = match &origin {
            Some(origin) if origin.is_https() => return Self::Secure,
            Some(origin) => origin.as_str().split_once("://").map_or("", |(_, host)| host),
            None => server.bind.as_str(),
        };
        if server.allow_insecure_http || is_this_machine(host) {
            Self::Plain
        } else {
            Self::Refused
        }
    }

    /// The cookie's name in headers.
    pub(crate) fn name(self, base: &str) -> String {
        match self {
            Self::Secure => format!("__Host-{base}"),
            Self::Plain | Self::Refused => base.to_owned(),
        }
    }

    /// The value a request brings, if it brings exactly one.
    pub(crate) fn read(self, headers: &HeaderMap, base: &str) -> Option<String> {
        let name = self.name(base);
        let lines = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok());
        let pairs = lines
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
        let value = values.next()?;
        // Two of one name: somebody planted one.
        values.next().is_none().then(|| value.to_owned())
    }

    /// Whether a request brings a cookie that could prove who somebody is.
    pub(crate) fn proves_somebody(self, headers: &HeaderMap) -> bool {
        let ours = [SESSION, GUEST].map(|base| self.name(base));
        headers.get_all(header::COOKIE).iter().any(|line| {
            String::from_utf8_lossy(line.as_bytes())
                .split(';')
                .filter_map(|pair| pair.trim().split_once('='))
                .any(|(name, _)| ours.iter().any(|own| own == name))
        })
    }

    /// The header that sets a cookie for so many seconds.
    ///
    /// # Errors
    /// 403 where no cookie is safe here.
    pub(crate) fn set(self, base: &str, value: &str, seconds: u64) -> Result<HeaderValue, ApiError> {
        let secure = match self {
            Self::Secure => "; Secure",
            Self::Plain => "",
            Self::Refused => {
                let detail = message!(
                    "Logins need https: the administrator sets server.public_url (or allows plain HTTP)."
                );
                return Err(ApiError::new(ErrorCode::InsecureConnection, detail));
            }
        };
        let name = self.name(base);
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
        HeaderValue::from_str(&text).map_err(ApiError::internal)
    }

    /// The header that removes a cookie.
    ///
    /// # Errors
    /// 403 where no cookie is safe here.
    pub(crate) fn clear(self, base: &str) -> Result<HeaderValue, ApiError> {
        self.set(base, "", 0)
    }
}

fn is_this_machine(host: &str) -> bool {
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use lamplighter_shared::config::Config;

    use super::*;

    fn cookies(public_url: &str, bind: &str, allowed: bool) -> Cookies {
        let mut server = Config::default().server;
        server.public_url = public_url.to_owned();
        server.bind = bind.to_owned();
        server.allow_insecure_http = allowed;
        Cookies::of(&server)
    }

    #[test]
    fn plain_cookies_are_for_this_machine_only() {
        for (url, bind, allowed, expected) in [
            ("https://a.example", "0.0.0.0:80", false, Cookies::Secure),
            ("HTTPS://A.Example", "0.0.0.0:80", false, Cookies::Secure),
            ("Https://a.example:443/x", "0.0.0.0:80", false, Cookies::Secure),
            ("HTTP://Localhost:80/", "0.0.0.0:80", false, Cookies::Plain),
            ("", "127.0.0.1:8080", false, Cookies::Plain),
            ("", "[::1]:8080", false, Cookies::Plain),
            ("", "localhost:8080", false, Cookies::Plain),
            ("", "0.0.0.0:8080", false, Cookies::Refused),
            ("", "0.0.0.0:8080", true, Cookies::Plain),
            ("http://a.example", "127.0.0.1:1", false, Cookies::Refused),
            ("http://localhost:8080", "0.0.0.0:8080", false, Cookies::Plain),
            (
                "http://localhost.evil.example",
                "0.0.0.0:8080",
                false,
                Cookies::Refused,
            ),
        ] {
            assert_eq!(cookies(url, bind, allowed), expected, "{url} {bind} {allowed}");
        }
    }

    #[test]
    fn attributes_and_a_planted_second_cookie() {
        let set = Cookies::Secure.set(SESSION, "abc", 60).expect("set");
        assert_eq!(
            set.to_str().expect("text"),
            "__Host-sid=abc; Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Secure"
        );
        assert!(Cookies::Refused.set(SESSION, "abc", 60).is_err());
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_static(text));
            Cookies::Plain.read(&headers, SESSION)
        };
        assert_eq!(read("a=b; sid=x; c=d").as_deref(), Some("x"));
        assert_eq!(read("sid=x; sid=y"), None);
        assert_eq!(read("__Host-sid=x"), None);
    }
}
