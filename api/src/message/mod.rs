//! What the server tells people, in the language they ask for. A [`Message`] is an English sentence with the values
//! in it; the sentence is the key under which `locales/*.json` has its translations. What is stored and logged is
//! English. Not here: mail, which has words of its own (`mail`), and the web app's texts.

mod catalogue;
mod stored;
mod schema;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod tests;

use std::fmt;

pub(crate) use schema::translate as translate_schema;
pub(crate) use stored::translate as translate_stored;

use crate::locale::Locale;

/// A sentence of ours, with the values of its `{placeholders}`: `message!("The most is {limit}.", limit = 3)`.
macro_rules! message {
    ($text:literal $(, $name:ident = $value:expr)* $(,)?) => {
        $crate::message::Message::new($text, [$((stringify!($name), $crate::message::Part::from($value))),*])
    };
}
pub(crate) use message;

/// A sentence, in every language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    text: &'static str,
    /// A slice, which is smaller: failures carry it.
    values: Box<[(&'static str, Part)]>,
}

/// What stands in a placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// A name, a number, or words that nobody translates.
    Verbatim(String),
    /// Words of ours.
    Words(Message),
}

impl Message {
    /// By [`message!`], where a test finds the text.
    pub(crate) fn new(text: &'static str, values: impl Into<Box<[(&'static str, Part)]>>) -> Self {
        let values = values.into();
        Self { text, values }
    }

    /// The sentence in a language; in English where it has no translation.
    pub fn in_locale(&self, locale: Locale) -> String {
        let text = catalogue::translation(locale, self.text).unwrap_or(self.text);
        fill(text, |name| {
            let (_, value) = self.values.iter().find(|(known, _)| *known == name)?;
            Some(match value {
                Part::Verbatim(text) => text.clone(),
                Part::Words(message) => message.in_locale(locale),
            })
        })
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_locale(Locale::English))
    }
}

macro_rules! verbatim {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Part {
            fn from(value: $kind) -> Self {
                Self::Verbatim(value.to_string())
            }
        }
    )*};
}

verbatim!(&str, &String, u32, u64, usize, f64);

impl From<String> for Part {
    fn from(text: String) -> Self {
        Self::Verbatim(text)
    }
}

impl From<Message> for Part {
    fn from(message: Message) -> Self {
        Self::Words(message)
    }
}

/// One of ours in the language, else what it is: a title of a code, the description of a model that comes with us.
pub(crate) fn translate(locale: Locale, text: &str) -> String {
    catalogue::translation(locale, text).unwrap_or(text).to_owned()
}

/// A text with each placeholder (`{name}`) replaced; one without a value stays. Values are not looked into.
fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut filled = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Placeholder(name) => match value(name) {
                Some(value) => filled.push_str(&value),
                None => filled.extend(["{", name, "}"]),
            },
        }
    }
    filled
}

/// A part of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Placeholder(&'a str),
}

/// The parts of a sentence. Braces around anything but a name are text: `{}`.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut from, mut at) = (0, 0);
    while let Some(found) = text[at..].find('{') {
        let open = at + found;
        let after = &text[open + 1..];
        let length = after
            .bytes()
            .take_while(|byte| byte.is_ascii_lowercase() || *byte == b'_')
            .count();
        at = open + 1;
        if length > 0 && after.as_bytes().get(length) == Some(&b'}') {
            if open > from {
                pieces.push(Piece::Text(&text[from..open]));
            }
            pieces.push(Piece::Placeholder(&after[..length]));
            at = open + length + 2;
            from = at;
        }
    }
    if from < text.len() {
        pieces.push(Piece::Text(&text[from..]));
    }
    pieces
}
