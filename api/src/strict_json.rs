//! A JSON parser for what strangers send: it refuses what parsers disagree about (duplicate keys, lone
//! surrogates, numbers out of range), what databases choke on (NUL) and what exhausts a stack (depth).
//! Not here: whether the document fits an operation (`schema`).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::message::{Message, Part, message};

/// The deepest nesting of arrays and objects that is read.
pub const MAX_DEPTH: usize = 64;

/// The most values in one document: each takes memory beyond its text. No body of 256 KiB has so many.
const MAX_VALUES: usize = 256 << 10;

/// Why a text was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong, with line and column.
    pub detail: Message,
    /// JSON pointer to the place, where the text is JSON up to there.
    pub pointer: Option<String>,
}

/// Reads one JSON document.
///
/// # Errors
/// Where the text is not JSON, or is JSON that this parser refuses.
pub fn parse(text: &[u8]) -> Result<Value, Refused> {
    let mut at = String::new();
    let mut refused = None;
    let mut left = MAX_VALUES;
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let seed = Seed {
        depth: 0,
        at: &mut at,
        refused: &mut refused,
        left: &mut left,
    };
    seed.deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|e| {
            let (pointer, reason) = refused.unzip();
            Refused {
                detail: placed(&e, reason),
                pointer,
            }
        })
}

/// What is wrong, in our words or serde's, and where.
fn placed(error: &serde_json::Error, ours: Option<Message>) -> Message {
    let (line, column) = (error.line(), error.column());
    let reason = ours.map_or_else(
        || {
            let text = error.to_string();
            let place = format!(" at line {line} column {column}");
            Part::from(text.strip_suffix(&place).unwrap_or(&text))
        },
        Part::from,
    );
    message!(
        "{reason} at line {line} column {column}",
        reason = reason,
        line = line,
        column = column
    )
}

/// Appends one token to a JSON pointer.
pub fn push_token(pointer: &mut String, token: &str) {
    pointer.push('/');
    for c in token.chars() {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            c => pointer.push(c),
        }
    }
}

/// Reads one value, knowing where it stands.
struct Seed<'a> {
    depth: usize,
    at: &'a mut String,
    /// Where we refused what is JSON, and why.
    refused: &'a mut Option<(String, Message)>,
    /// Values that may still come.
    left: &'a mut usize,
}

impl Seed<'_> {
    fn refuse<E: serde::de::Error>(self, why: Message) -> E {
        let error = E::custom(&why);
        *self.refused = Some((self.at.clone(), why));
        error
    }

    fn deeper<'b>(&'b mut self) -> Seed<'b> {
        Seed {
            depth: self.depth + 1,
            at: self.at,
            refused: self.refused,
            left: self.left,
        }
    }

    fn text<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        if text.contains('\0') {
            Err(self.refuse(message!("a string holds a NUL character")))
        } else {
            Ok(())
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.left.checked_sub(1) {
            Some(left) => *self.left = left,
            None => return Err(self.refuse(message!("more than {most} values", most = MAX_VALUES))),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Value, E> {
        match Number::from_f64(v) {
            Some(n) => Ok(Value::Number(n)),
            None => Err(self.refuse(message!("a number is out of range"))),
        }
    }

    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<Value, E> {
        self.text(v)?;
        Ok(Value::String(v.to_owned()))
    }

    fn visit_string<E: serde::de::Error>(self, v: String) -> Result<Value, E> {
        self.text(&v)?;
        Ok(Value::String(v))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        if self.depth >= MAX_DEPTH {
            return Err(self.refuse(message!("nested deeper than {most}", most = MAX_DEPTH)));
        }
        let mut list = Vec::new();
        loop {
            let length = self.at.len();
            push_token(self.at, &list.len().to_string());
            let Some(value) = items.next_element_seed(self.deeper())? else {
                self.at.truncate(length);
                return Ok(Value::Array(list));
            };
            self.at.truncate(length);
            list.push(value);
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        if self.depth >= MAX_DEPTH {
            return Err(self.refuse(message!("nested deeper than {most}", most = MAX_DEPTH)));
        }
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let length = self.at.len();
            push_token(self.at, &key);
            if key.contains('\0') {
                return Err(self.refuse(message!("a key holds a NUL character")));
            }
            if map.contains_key(&key) {
                return Err(self.refuse(message!("a key stands twice in one object")));
            }
            let value = entries.next_value_seed(self.deeper())?;
            self.at.truncate(length);
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_is_json() {
        let text = r#" {"a":[1,-2,3.5,1e3,true,null,"x\u00e9\ud83d\ude00"],"":{"b":{}}} "#;
        let want = json!({"a": [1, -2, 3.5, 1e3, true, null, "xé😀"], "": {"b": {}}});
        assert_eq!(parse(text.as_bytes()), Ok(want));
    }

    #[test]
    fn a_long_text_may_not_become_more_values_than_a_short_one() {
        let many = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert!(parse(many(MAX_VALUES - 1).as_bytes()).is_ok());
        let refused = parse(many(MAX_VALUES).as_bytes()).expect_err("one too many");
        assert!(refused.detail.to_string().contains("values"), "{refused:?}");
    }

    #[test]
    fn refuses_what_parsers_disagree_about_and_says_where() {
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        let cases: &[(&[u8], Option<&str>)] = &[
            (br#"{"a":1,"a":2}"#, Some("/a")),
            (br#"{"x":{"a":1,"\u0061":2}}"#, Some("/x/a")),
            (br#"{"a/b":[1,{"k~":"\u0000"}]}"#, Some("/a~1b/1/k~0")),
            (br#"{"a\u0000":1}"#, Some("/a\0")),
            (
                deep.as_bytes(),
                Some(
                    "/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0",
                ),
            ),
            (br#"{"a":1e400}"#, None),
            (br#"{"a":-1e400}"#, None),
            (br#"{"a":"\ud800"}"#, None),
            (br#"{"a":"\udc00\ud800"}"#, None),
            (b"{\"a\":\"\xff\"}", None),
            (b"\xef\xbb\xbf{}", None),
            (b"", None),
            (b"{", None),
            (b"{} {}", None),
            (b"{'a':1}", None),
            (b"{\"a\":NaN}", None),
            (b"{\"a\":01}", None),
            (b"{\"a\":\"\n\"}", None),
            (b"[1,]", None),
        ];
        for (text, pointer) in cases {
            let refused = parse(text).expect_err(&String::from_utf8_lossy(text));
            assert_eq!(
                refused.pointer.as_deref(),
                *pointer,
                "{}",
                String::from_utf8_lossy(text)
            );
            assert!(refused.detail.to_string().contains("line"), "{}", refused.detail);
        }
        println!("refused kinds of JSON: {}", cases.len());
    }

    #[test]
    fn the_deepest_that_is_allowed_is_read() {
        let text = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert!(parse(text.as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn never_panics_and_agrees_with_serde_where_it_accepts(text in "[\\[\\]{}:,\"a0-9eE+.\\\\u -]{0,40}") {
            if let Ok(value) = parse(text.as_bytes()) {
                prop_assert_eq!(serde_json::from_str::<Value>(&text).ok(), Some(value));
            }
        }
    }
}
