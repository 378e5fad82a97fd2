//! Web origins (`https://app.example.org:8443`): what a browser calls the place that a page comes from.
//! Compared as text, so there is one form of each: lower case, and no port where it is the scheme's own.

use std::{fmt, net::Ipv6Addr};

/// An origin, in the form in which browsers send it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// The origin of an `http` or `https` address; none where the text is no such address.
    pub fn of(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (scheme, own_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => ("http", 80),
            "https" => ("https", 443),
            _ => return None,
        };
        let authority = rest.split(['/', '?', '#']).next()?;
        let (host, port) = match authority.rfind(':') {
            Some(at) if !authority.ends_with(']') => (&authority[..at], Some(&authority[at + 1..])),
            _ => (authority, None),
        };
        let port = match port {
            Some(port) => Some(port.parse::<u16>().ok().filter(|port| *port > 0)?),
            None => None,
        };
        let host = canonical_host(host)?;
        Some(Self(match port.filter(|port| *port != own_port) {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        }))
    }

    /// An origin that is written as browsers write it, and nothing else: no path, no `*`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::of(text).filter(|origin| origin.0 == text)
    }

    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is reached by TLS.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn canonical_host(host: &str) -> Option<String> {
    if let Some(v6) = host.strip_prefix('[') {
        let address: Ipv6Addr = v6.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let is_name = !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    is_name.then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_origin_has_one_form() {
        for (url, expected) in [
            ("https://ai.example.org", Some("https://ai.example.org")),
            ("https://ai.example.org/", Some("https://ai.example.org")),
            ("HTTPS://AI.Example.org:443/a?b#c", Some("https://ai.example.org")),
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("http://[0:0::1]:80/x", Some("http://[::1]")),
            ("https://a.example:80", Some("https://a.example:80")),
            ("ftp://a.example", None),
            ("a.example", None),
            ("https://", None),
            ("https://a b", None),
            ("https://user@a.example", None),
            ("https://a.example:0", None),
            ("https://a.example:99999", None),
            ("https://a.example:", None),
            ("https://*.example", None),
            ("null", None),
            ("*", None),
        ] {
            assert_eq!(Origin::of(url).as_ref().map(Origin::as_str), expected, "{url}");
        }
        assert!(Origin::parse("https://a.example:8443").is_some());
        for not_as_browsers_write in [
            "https://a.example/",
            "https://A.example",
            "https://a.example:443",
            "*",
        ] {
            assert_eq!(Origin::parse(not_as_browsers_write), None);
        }
    }
}
