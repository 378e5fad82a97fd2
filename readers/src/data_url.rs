//! `data:` URLs, as media travel in JSON: `data:image/png;base64,…` to bytes. What the URL says about its
//! content is told to nobody: readers look at the bytes.

use base64::{Engine, engine::general_purpose::STANDARD};

/// Longest part before the comma: a media type with its parameters.
const MAX_HEAD: usize = 256;

/// Why a text is no usable `data:` URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DataUrlError {
    /// It begins otherwise.
    #[error("expected a data URL, like data:{kind}/…;base64,…: other URLs are not fetched")]
    NotData {
        /// `image` or `audio`.
        kind: &'static str,
    },
    /// No comma, or not base64.
    #[error("the data URL must be of the form data:<type>;base64,<data>")]
    NotBase64,
    /// The media type is of another kind.
    #[error("the data URL says {said}, expected {kind}/…")]
    OtherKind {
        /// What it says, cut.
        said: String,
        /// `image` or `audio`.
        kind: &'static str,
    },
    /// Nothing after the comma.
    #[error("the data URL is empty")]
    Empty,
    /// More bytes than allowed.
    #[error("the data URL holds more than {cap} bytes")]
    TooLong {
        /// The cap in bytes.
        cap: usize,
    },
    /// Characters that are none of base64, or a wrong end.
    #[error("the data URL is not valid base64")]
    Damaged,
}

/// The bytes that `url` holds. `kind` is the first half of the media type that is expected (`image`,
/// `audio`); a URL without a media type passes. Nothing is allocated for more than `cap` bytes.
///
/// # Errors
/// [`DataUrlError`], as a sentence for whoever sent it.
pub fn decode(url: &str, kind: &'static str, cap: usize) -> Result<Vec<u8>, DataUrlError> {
    let scheme = url.get(..5).unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("data:") {
        return Err(DataUrlError::NotData { kind });
    }
    let rest = &url[5..];
    let head_end = rest
        .bytes()
        .take(MAX_HEAD)
        .position(|byte| byte == b',')
        .ok_or(DataUrlError::NotBase64)?;
    let (head, data) = (&rest[..head_end], &rest[head_end + 1..]);
    let mut parts = head.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    if !parts.any(|part| part.eq_ignore_ascii_case("base64")) {
        return Err(DataUrlError::NotBase64);
    }
    let said = media.split('/').next().unwrap_or_default();
    if !media.is_empty() && !said.eq_ignore_ascii_case(kind) {
        return Err(DataUrlError::OtherKind {
            said: media.chars().take(40).collect(),
            kind,
        });
    }
    bytes(data.trim(), cap)
}

/// Decodes what stands after the comma.
fn bytes(data: &str, cap: usize) -> Result<Vec<u8>, DataUrlError> {
    if data.is_empty() {
        return Err(DataUrlError::Empty);
    }
    let padding = data.bytes().rev().take(2).filter(|&byte| byte == b'=').count();
    if data.len() / 4 * 3 > cap + padding {
        return Err(DataUrlError::TooLong { cap });
    }
    let bytes = STANDARD.decode(data).map_err(|_| DataUrlError::Damaged)?;
    if bytes.len() > cap {
        return Err(DataUrlError::TooLong { cap });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_whatever_the_case_and_the_parameters() {
        for url in [
            "data:image/png;base64,aGk=",
            "DATA:Image/PNG;BASE64,aGk=",
            "data:image/png;charset=x;base64, aGk= ",
            "data:;base64,aGk=",
        ] {
            assert_eq!(decode(url, "image", 2).expect(url), b"hi", "{url}");
        }
    }

    #[test]
    fn what_is_no_data_url_is_told_why() {
        let error = |url: &str| decode(url, "image", 4).expect_err(url).to_string();
        for (url, part) in [
            ("", "expected a data URL"),
            ("https://example.org/a.png", "not fetched"),
            ("é", "expected a data URL"),
            ("data:é", "form data:"),
            ("data:image/png;base64", "form data:"),
            ("data:image/png,hello", "form data:"),
            ("data:audio/wav;base64,aGk=", "says audio/wav, expected image/"),
            ("data:image/png;base64,", "is empty"),
            ("data:image/png;base64,aGk", "not valid base64"),
            ("data:image/png;base64,a*k=", "not valid base64"),
            ("data:image/png;base64,aGVsbG8=", "more than 4 bytes"),
            ("data:image/png;base64,aGVsbG8gd29ybGQ=", "more than 4 bytes"),
        ] {
            let said = error(url);
            assert!(said.contains(part), "{url}: {said}");
        }
    }

    #[test]
    fn the_cap_is_exact() {
        for length in 0..64_usize {
            let url = format!("data:image/png;base64,{}", STANDARD.encode(vec![7; length + 1]));
            assert_eq!(decode(&url, "image", length + 1).expect("fits").len(), length + 1);
            assert!(decode(&url, "image", length).is_err(), "{length}");
        }
    }
}
