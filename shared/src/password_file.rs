//! A password that stands in a file of its own (a Docker secret, say) joined into the address of the
//! server that asks for it, so that no password has to stand in a command line or an environment.
//!
//! Pure but for [`read`]. Not here: which settings name such files (`config`).

use std::{fs, io, path::Path};

/// The password in a file: its first line, whatever ends it.
///
/// # Errors
/// Where the file can't be read or holds nothing.
pub fn read(path: &Path) -> io::Result<String> {
    let text = fs::read_to_string(path)?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the file is empty")),
    }
}

/// `scheme://user@host/…` with the password in its place; none where the address has no `://`, or has a
/// password already.
pub fn join(address: &str, password: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if user.contains(':') {
        return None;
    }
    Some(format!("{scheme}://{user}:{}@{host}{path}", escape(password)))
}

/// Everything but the unreserved characters of RFC 3986 as `%XX`.
fn escape(password: &str) -> String {
    let mut text = String::with_capacity(password.len());
    for byte in password.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_takes_its_place_whatever_is_in_it() {
        let joined = |address| join(address, "p@ss/w:rd%1 ü");
        let escaped = "p%40ss%2Fw%3Ard%251%20%C3%BC";
        for (address, expected) in [
            (
                "postgres://ada@db:5432/x?a=b@c",
                format!("postgres://ada:{escaped}@db:5432/x?a=b@c"),
            ),
            (
                "postgres://ada@[::1]/x",
                format!("postgres://ada:{escaped}@[::1]/x"),
            ),
            ("redis://cache:6379", format!("redis://:{escaped}@cache:6379")),
            ("redis://cache?x=1", format!("redis://:{escaped}@cache?x=1")),
        ] {
            assert_eq!(joined(address).as_deref(), Some(expected.as_str()));
        }
        for address in ["postgres://ada:old@db/x", "redis://:old@cache", "db/x", ""] {
            assert_eq!(joined(address), None, "{address}");
        }
    }

    #[test]
    fn a_file_s_first_line_is_the_password() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("password");
        for (text, expected) in [("one", "one"), ("one\n", "one"), ("one \r\ntwo\n", "one ")] {
            fs::write(&path, text).expect("a file");
            assert_eq!(read(&path).expect(text), expected);
        }
        for text in ["", "\n"] {
            fs::write(&path, text).expect("a file");
            assert!(read(&path).is_err(), "{text:?}");
        }
        assert!(read(&folder.path().join("none")).is_err());
    }
}
