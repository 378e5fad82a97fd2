//! Request headers that say how to answer: `Prefer` (RFC 7240), `Accept` and `Idempotency-Key`.

use std::time::Duration;

use poem::http::{HeaderMap, header};

use crate::{error::ApiError, message::message};

/// The longest wait, seconds; also what a bare `wait` means.
pub const MAX_WAIT_SECONDS: u64 = 60;

/// What a client prefers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prefer {
    /// Wait for the end of the job, this many seconds.
    pub wait: Option<u64>,
    /// Answer at once.
    pub respond_async: bool,
}

impl Prefer {
    /// Reads the `Prefer` headers. What is not understood is ignored, as the RFC wants it: a wait that is
    /// no number or below 1 is no wait; one above 60 is 60.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut prefer = Self::default();
        let values = headers.get_all("prefer").iter().filter_map(|v| v.to_str().ok());
        for preference in values.flat_map(|v| v.split(',')) {
            let preference = preference.split(';').next().unwrap_or_default().trim();
            let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
            let (name, value) = (name.trim(), value.trim().trim_matches('"'));
            // The first of a name counts.
            if name.eq_ignore_ascii_case("wait") && prefer.wait.is_none() {
                let seconds = if value.is_empty() {
                    Some(MAX_WAIT_SECONDS)
                } else {
                    value.parse().ok()
                };
                prefer.wait = seconds.filter(|s| *s >= 1).map(|s| s.min(MAX_WAIT_SECONDS));
            }
            prefer.respond_async |= name.eq_ignore_ascii_case("respond-async");
        }
        prefer
    }

    /// How long to wait; none for an answer at once.
    pub fn wait(&self) -> Option<Duration> {
        self.wait.map(Duration::from_secs)
    }

    /// The value of `Preference-Applied`.
    pub fn applied(&self) -> Option<String> {
        match (self.wait, self.respond_async) {
            (Some(seconds), _) => Some(format!("wait={seconds}")),
            (None, true) => Some("respond-async".to_owned()),
            (None, false) => None,
        }
    }
}

/// A form of answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `application/json`.
    Json,
    /// `text/event-stream`.
    EventStream,
}

impl Form {
    fn essence(self) -> (&'static str, &'static str) {
        match self {
            Self::Json => ("application", "json"),
            Self::EventStream => ("text", "event-stream"),
        }
    }
}

/// The form a client likes best of those on offer; the first of equals. `None` where it takes none.
pub fn accepted(headers: &HeaderMap, offered: &[Form]) -> Option<Form> {
    let mut values = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .peekable();
    if values.peek().is_none() {
        return offered.first().copied();
    }
    let ranges: Vec<(String, f32)> = values.flat_map(|v| v.split(',')).map(range).collect();
    let weight = |form: &Form| {
        let (kind, subtype) = form.essence();
        let exact = format!("{kind}/{subtype}");
        let of = |name: &str| ranges.iter().find(|(range, _)| range == name).map(|(_, q)| *q);
        // The most specific range decides.
        of(&exact)
            .or_else(|| of(&format!("{kind}/*")))
            .or_else(|| of("*/*"))
            .unwrap_or(0.0)
    };
    let mut best = None;
    for form in offered {
        let q = weight(form);
        if q > 0.0 && best.is_none_or(|(_, most)| q > most) {
            best = Some((*form, q));
        }
    }
    best.map(|(form, _)| form)
}

fn range(text: &str) -> (String, f32) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let q = parts.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
    (name, q.and_then(|q| q.parse().ok()).unwrap_or(1.0))
}

/// The `Idempotency-Key`, quoted (a structured-field string) or bare.
///
/// # Errors
/// Where it is empty, longer than 255 characters, sent twice, or holds other than printable ASCII.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    const NAME: &str = "Idempotency-Key";
    let mut values = headers.get_all(NAME).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(ApiError::bad_parameter(NAME, message!("was sent more than once")));
    }
    let text = value
        .to_str()
        .map_err(|_| ApiError::bad_parameter(NAME, message!("must be printable ASCII")))?
        .trim();
    let key = if text.starts_with('"') {
        unquote(text)
            .ok_or_else(|| ApiError::bad_parameter(NAME, message!("has a quote that is not closed")))?
    } else {
        text.to_owned()
    };
    if key.is_empty() || key.len() > 255 || !key.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Err(ApiError::bad_parameter(
            NAME,
            message!("must have 1 to 255 printable ASCII characters"),
        ));
    }
    Ok(Some(key))
}

/// A structured-field string (RFC 9651 §3.3.3).
fn unquote(text: &str) -> Option<String> {
    let inner = text
        .strip_prefix('"')?
        .strip_suffix('"')
        .filter(|_| text.len() >= 2)?;
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
            '"' => return None,
            c => plain.push(c),
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use poem::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).expect("a header"),
            );
        }
        headers
    }

    #[test]
    fn waits_are_read_as_documented() {
        let wait = |values: &[&str]| Prefer::of(&headers("prefer", values)).wait;
        for (values, want) in [
            (&["wait=10"][..], Some(10)),
            (&["wait"], Some(60)),
            (&["WAIT=5; x=y"], Some(5)),
            (&["respond-async, wait=5"], Some(5)),
            (&["respond-async", "wait=\"7\""], Some(7)),
            (&["wait=61"], Some(60)),
            (&["wait=0"], None),
            (&["wait=-1"], None),
            (&["wait=soon"], None),
            (&["handling=lenient"], None),
            (&[], None),
        ] {
            assert_eq!(wait(values), want, "{values:?}");
        }
        assert_eq!(
            Prefer::of(&headers("prefer", &["respond-async"]))
                .applied()
                .as_deref(),
            Some("respond-async")
        );
        assert_eq!(
            Prefer::of(&headers("prefer", &["respond-async, wait=5"]))
                .applied()
                .as_deref(),
            Some("wait=5")
        );
        assert_eq!(Prefer::default().applied(), None);
    }

    #[test]
    fn the_form_of_the_answer_follows_accept() {
        use Form::{EventStream, Json};
        let form = |value: &str| accepted(&headers("accept", &[value]), &[Json, EventStream]);
        for (value, want) in [
            ("*/*", Some(Json)),
            ("application/json", Some(Json)),
            ("text/event-stream", Some(EventStream)),
            ("application/json;q=0.5, text/event-stream", Some(EventStream)),
            ("text/*", Some(EventStream)),
            ("text/event-stream;q=0, */*", Some(Json)),
            ("application/xml", None),
        ] {
            assert_eq!(form(value), want, "{value}");
        }
        assert_eq!(accepted(&HeaderMap::new(), &[Json, EventStream]), Some(Json));
    }

    #[test]
    fn keys_are_read_quoted_and_bare() {
        let key = |values: &[&str]| {
            idempotency_key(&headers("idempotency-key", values)).map_err(|e| e.code.as_str())
        };
        assert_eq!(key(&["abc-1"]), Ok(Some("abc-1".to_owned())));
        assert_eq!(key(&["\"abc-1\""]), Ok(Some("abc-1".to_owned())));
        assert_eq!(key(&[r#""a\"b\\""#]), Ok(Some(r#"a"b\"#.to_owned())));
        assert_eq!(key(&[]), Ok(None));
        let long = "x".repeat(256);
        for bad in [
            &[""][..],
            &["\"\""],
            &["\""],
            &["\"a"],
            &[r#""a\n""#],
            &["a", "b"],
            &[&long],
        ] {
            assert_eq!(key(bad), Err("malformed_request"), "{bad:?}");
        }
    }
}
