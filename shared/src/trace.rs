//! W3C trace context: which request, of whichever system, a job comes from. It is read from the headers
//! of a request, stored with the job, and written to the log lines of everybody on the job's path.
//!
//! Not here: spans and exporters. A trace is followed through the logs.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Longest `tracestate` that is carried along, in bytes; more is shortened as the specification says.
const MAX_STATE: usize = 512;
/// Most members of a `tracestate`.
const MAX_MEMBERS: usize = 32;
/// Members longer than this leave first where a `tracestate` is too long.
const LONG_MEMBER: usize = 128;
/// "The caller may have recorded it": the one flag of version 00, and "its id is random" of level 2.
const KNOWN_FLAGS: u8 = 0b11;
/// What a trace that begins here says: recorded (in the logs), random.
const OWN_FLAGS: u8 = 0b11;

/// A place in a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    flags: u8,
    state: Option<String>,
}

/// The text is no `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no traceparent")]
pub struct NoTrace;

impl Trace {
    /// A trace that begins here.
    pub fn begin() -> Self {
        Self {
            trace_id: nonzero(rand::random()),
            span_id: nonzero(rand::random()),
            flags: OWN_FLAGS,
            state: None,
        }
    }

    /// What a request with these header values continues: its own place below the caller's, or a new
    /// trace where there is no valid `traceparent`. Several `traceparent` are as good as none.
    pub fn of_request<'a>(
        parents: impl IntoIterator<Item = &'a str>,
        states: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut parents = parents.into_iter();
        match (parents.next().map(str::parse::<Self>), parents.next()) {
            (Some(Ok(caller)), None) => caller.with_state(states).child(),
            _ => Self::begin(),
        }
    }

    /// The same place, with the members of these `tracestate` values where all of them are valid.
    #[must_use]
    pub fn with_state<'a>(mut self, states: impl IntoIterator<Item = &'a str>) -> Self {
        self.state = state(states);
        self
    }

    /// A place of its own below this one.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            span_id: nonzero(rand::random()),
            ..self.clone()
        }
    }

    /// What all places of the trace have in common: 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        hex(&self.trace_id)
    }

    /// This place: 16 hexadecimal digits.
    pub fn span_id(&self) -> String {
        hex(&self.span_id)
    }

    /// What other systems carry along with it.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

/// The value of `traceparent`.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id(), self.span_id(), self.flags)
    }
}

/// Reads a `traceparent`, of later versions as much of it as version 00 knows.
impl FromStr for Trace {
    type Err = NoTrace;

    fn from_str(text: &str) -> Result<Self, NoTrace> {
        let bytes = text.as_bytes();
        let version = byte(bytes.get(..2).ok_or(NoTrace)?).ok_or(NoTrace)?;
        let whole = match version {
            0xff => false,
            0 => bytes.len() == 55,
            _ => bytes.len() == 55 || bytes.get(55) == Some(&b'-'),
        };
        if !whole || [2, 35, 52].iter().any(|dash| bytes[*dash] != b'-') {
            return Err(NoTrace);
        }
        let (trace_id, span_id) = (
            unhex(&bytes[3..35]).ok_or(NoTrace)?,
            unhex(&bytes[36..52]).ok_or(NoTrace)?,
        );
        if trace_id == [0; 16] || span_id == [0; 8] {
            return Err(NoTrace);
        }
        Ok(Self {
            trace_id,
            span_id,
            flags: byte(&bytes[53..55]).ok_or(NoTrace)? & KNOWN_FLAGS,
            state: None,
        })
    }
}

/// As the text of `traceparent`; the state stays behind.
impl Serialize for Trace {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Trace {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// Zeros mean "none"; chance gives them once in a world's age, and then not here.
fn nonzero<const N: usize>(mut id: [u8; N]) -> [u8; N] {
    if id == [0; N] {
        id[N - 1] = 1;
    }
    id
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    for (place, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *place = byte(pair)?;
    }
    Some(bytes)
}

/// Two digits; capitals are not allowed.
fn byte(pair: &[u8]) -> Option<u8> {
    let digit = |d: u8| match d {
        b'0'..=b'9' => Some(d - b'0'),
        b'a'..=b'f' => Some(d - b'a' + 10),
        _ => None,
    };
    match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    }
}

/// All members in order, shortened where they are too long; none where one of them is wrong.
fn state<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut members = Vec::<&str>::new();
    for member in values.into_iter().flat_map(|value| value.split(',')) {
        let member = member.trim_matches([' ', '\t']);
        if member.is_empty() {
            continue;
        }
        let (key, value) = member.split_once('=')?;
        let known = members
            .iter()
            .any(|m| m.split_once('=').is_some_and(|(k, _)| k == key));
        if known || !is_key(key) || !is_value(value) || members.len() == MAX_MEMBERS {
            return None;
        }
        members.push(member);
    }
    let length = |members: &[&str]| members.iter().map(|m| m.len() + 1).sum::<usize>();
    if length(&members) > MAX_STATE + 1 {
        members.retain(|m| m.len() <= LONG_MEMBER);
    }
    while length(&members) > MAX_STATE + 1 {
        // The oldest stand last.
        members.pop();
    }
    (!members.is_empty()).then(|| members.join(","))
}

fn is_key(key: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-*/".contains(&b);
    let part = |part: &str, most: usize| {
        part.len() <= most
            && part.bytes().all(plain)
            && part
                .bytes()
                .next()
                .is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    match key.split_once('@') {
        Some((tenant, system)) => part(tenant, 241) && part(system, 14),
        None => part(key, 256),
    }
}

fn is_value(value: &str) -> bool {
    (1..=256).contains(&value.len())
        && value
            .bytes()
            .all(|b| (0x20..=0x7e).contains(&b) && b != b',' && b != b'=')
        && !value.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_place_is_read_and_written() {
        let trace: Trace = PARENT.parse().expect("valid");
        assert_eq!(trace.to_string(), PARENT);
        assert_eq!(trace.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace.span_id(), "00f067aa0ba902b7");
        let later = PARENT.replacen("00", "cc", 1) + "-what-comes-later";
        assert_eq!(later.parse(), Ok(trace), "of a later version what is known");
    }

    #[test]
    fn what_is_no_traceparent_is_refused() {
        let bad = [
            String::new(),
            "00".to_owned(),
            PARENT[..54].to_owned(),
            format!("{PARENT}-x"),
            format!("{PARENT}0"),
            PARENT.to_uppercase(),
            PARENT.replacen("00", "ff", 1),
            PARENT.replacen("00", "0g", 1),
            PARENT.replacen("00", "cc", 1) + "x",
            PARENT.replace('-', "_"),
            PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            PARENT.replace("00f067aa0ba902b7", &"0".repeat(16)),
            PARENT.replace("b7-01", "b7-0x"),
            PARENT.replace("4bf9", "4é9"),
            format!(" {PARENT}"),
        ];
        for text in bad {
            assert_eq!(text.parse::<Trace>(), Err(NoTrace), "{text:?}");
        }
    }

    #[test]
    fn a_request_continues_its_caller_s_trace_or_begins_one() {
        let caller: Trace = PARENT.parse().expect("valid");
        let continued = Trace::of_request([PARENT], ["a=1, b=2", "c=3"]);
        assert_eq!(continued.trace_id(), caller.trace_id());
        assert_ne!(continued.span_id(), caller.span_id(), "a place of its own");
        assert_eq!(continued.state(), Some("a=1,b=2,c=3"));
        for begun in [
            Trace::of_request([], ["a=1"]),
            Trace::of_request(["nonsense"], ["a=1"]),
            Trace::of_request([PARENT, PARENT], ["a=1"]),
        ] {
            assert_ne!(begun.trace_id(), caller.trace_id());
            assert_eq!(begun.state(), None, "a state belongs to its parent");
        }
        let wrong = ["A=1", "a", "a=", "a=1,a=2", "a=\u{7f}", "@a=1", "a=b=c"];
        for states in wrong {
            assert_eq!(Trace::of_request([PARENT], [states]).state(), None, "{states:?}");
        }
    }

    #[test]
    fn a_long_state_loses_its_long_members_then_its_last() {
        let long = format!("long={}", "x".repeat(200));
        let many: Vec<String> = (0..31).map(|n| format!("k{n:02}={}", "v".repeat(20))).collect();
        let all = format!("{long},{}", many.join(","));
        let kept = state([all.as_str()]).expect("a part");
        assert!(kept.len() <= MAX_STATE && kept.starts_with("k00="), "{kept}");
        assert!(all.contains(&kept), "in order");
        assert!(kept.len() + many[0].len() + 1 > MAX_STATE, "as many as fit");
        let too_many: Vec<String> = (0..33).map(|n| format!("k{n}=v")).collect();
        assert_eq!(state([too_many.join(",").as_str()]), None);
    }

    proptest! {
        #[test]
        fn every_place_survives_writing_and_reading(trace in any::<[u8; 16]>(), span in any::<[u8; 8]>(), flags in 0..4_u8) {
            let trace = Trace { trace_id: nonzero(trace), span_id: nonzero(span), flags, state: None };
            let text = trace.to_string();
            prop_assert_eq!(text.len(), 55);
            prop_assert_eq!(text.parse::<Trace>(), Ok(trace.clone()));
            let child = trace.child();
            prop_assert!(child.trace_id == trace.trace_id && child.flags == trace.flags);
        }

        #[test]
        fn nothing_that_a_client_sends_panics_or_grows(parent in "\\PC{0,80}", near in "[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}.{0,3}", states in prop::collection::vec("\\PC{0,700}|([a-z]{1,3}=[a-z]{0,40},){0,40}", 0..4)) {
            for parent in [parent.as_str(), near.as_str()] {
                let trace = Trace::of_request([parent], states.iter().map(String::as_str));
                prop_assert!(trace.state().is_none_or(|s| s.len() <= MAX_STATE && !s.is_empty()));
                prop_assert_eq!(trace.to_string().len(), 55);
            }
        }
    }
}
