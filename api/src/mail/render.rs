//! What a mail says, in its language: subject, text and HTML. The words stand in `words/*.toml`; there is one
//! layout for all of them. Whatever is filled in is escaped in the HTML.

use std::{borrow::Cow, collections::HashMap, sync::LazyLock};

use serde::Deserialize;

use super::{Locale, Message};

/// A mail that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// For who reads text.
    pub text: String,
    /// For who reads HTML.
    pub html: String,
}

/// All words of a language.
#[derive(Deserialize)]
struct Words {
    hello: String,
    link_hint: String,
    footer: String,
    #[serde(flatten)]
    messages: HashMap<String, Phrases>,
}

/// The words of one message.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Phrases {
    subject: String,
    paragraphs: Vec<String>,
    button: String,
    after: Vec<String>,
}

static WORDS: LazyLock<HashMap<Locale, Words>> = LazyLock::new(|| {
    let read = |locale| {
        let text = match locale {
            Locale::English => include_str!("words/en.toml"),
            Locale::TraditionalChinese => include_str!("words/zh-Hant.toml"),
            Locale::Japanese => include_str!("words/ja.toml"),
        };
        toml::from_str(text).expect("the words of every language can be read: a test does so")
    };
    Locale::ALL
        .into_iter()
        .map(|locale| (locale, read(locale)))
        .collect()
});

/// The page that the button of a message opens, and the token it takes there.
fn page(message: &Message) -> (&'static str, Option<&str>) {
    match message {
        Message::VerifyAddress { token, .. } | Message::ConfirmNewAddress { token, .. } => {
            ("/verify", Some(token))
        }
        Message::ResetPassword { token } | Message::RegisteredAgain { token } => ("/reset", Some(token)),
        Message::Invitation { token } => ("/register", Some(token)),
        Message::AlreadyRegistered | Message::AccountApproved | Message::DeletionScheduled { .. } => {
            ("/login", None)
        }
        Message::TokenExpires { .. } => ("/tokens", None),
        Message::PasswordChanged
        | Message::AddressChanged
        | Message::LoginLinked { .. }
        | Message::LoginUnlinked { .. } => ("/account", None),
    }
}

/// What a message has to fill in, by the names of the words.
fn values(message: &Message) -> Vec<(&'static str, Cow<'_, str>)> {
    match message {
        Message::VerifyAddress { code, .. } | Message::ConfirmNewAddress { code, .. } => {
            vec![("code", code.into())]
        }
        Message::TokenExpires { name, days } => {
            vec![("name", name.into()), ("days", days.to_string().into())]
        }
        Message::DeletionScheduled { days } => vec![("days", days.to_string().into())],
        Message::LoginLinked { issuer } | Message::LoginUnlinked { issuer } => {
            vec![("issuer", issuer.into())]
        }
        Message::AlreadyRegistered
        | Message::RegisteredAgain { .. }
        | Message::ResetPassword { .. }
        | Message::PasswordChanged
        | Message::AddressChanged
        | Message::Invitation { .. }
        | Message::AccountApproved => Vec::new(),
    }
}

/// The mail in this language; links lead to `home` (`https://ai.example.org`).
pub fn render(message: &Message, locale: Locale, home: &str) -> Rendered {
    let words = &WORDS[&locale];
    let phrases = &words.messages[message.name()];
    let mut values = values(message);
    values.push(("home", home.into()));
    let link = match page(message) {
        (page, Some(token)) => format!("{home}{page}#token={token}"),
        (page, None) => format!("{home}{page}"),
    };
    let say = |text: &String| fill(text, &values);
    let parts = Parts {
        locale,
        hello: words.hello.clone(),
        before: phrases.paragraphs.iter().map(say).collect(),
        button: say(&phrases.button),
        link,
        hint: words.link_hint.clone(),
        after: phrases.after.iter().map(say).collect(),
        footer: say(&words.footer),
    };
    Rendered {
        // A name that somebody chose may hold anything; a subject is one line.
        subject: fill(&phrases.subject, &values).replace(char::is_control, " "),
        text: parts.text(),
        html: parts.html(),
    }
}

/// Puts values in the places of their names, in one pass: what is filled in is not looked at again.
fn fill(text: &str, values: &[(&'static str, Cow<'_, str>)]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        let value = values.iter().find(|(key, _)| *key == name);
        debug_assert!(value.is_some(), "nothing to fill in for {name:?}");
        filled.push_str(value.map_or("", |(_, value)| value));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// A mail in pieces, all of them filled in.
struct Parts {
    locale: Locale,
    hello: String,
    before: Vec<String>,
    button: String,
    link: String,
    hint: String,
    after: Vec<String>,
    footer: String,
}

impl Parts {
    fn text(&self) -> String {
        let mut text = format!("{}\n\n", self.hello);
        for paragraph in &self.before {
            text.push_str(&format!("{paragraph}\n\n"));
        }
        text.push_str(&format!("{}\n{}\n\n", self.button, self.link));
        for paragraph in &self.after {
            text.push_str(&format!("{paragraph}\n\n"));
        }
        text.push_str(&format!("-- \n{}\n", self.footer));
        text
    }

    fn html(&self) -> String {
        let paragraph = |text: &String| format!("<p>{}</p>\n", escape(text));
        let link = escape(&self.link);
        let mut html = format!(
            "<!DOCTYPE html>\n<html lang=\"{}\">\n<head><meta charset=\"utf-8\"></head>\n\
             <body style=\"margin:0;padding:24px;background:#f4f4f5;font-family:sans-serif;color:#18181b\">\n\
             <div style=\"max-width:560px;margin:auto;padding:24px;background:#ffffff;border-radius:8px\">\n",
            self.locale.as_str()
        );
        html.push_str(&paragraph(&self.hello));
        html.extend(self.before.iter().map(paragraph));
        html.push_str(&format!(
            "<p><a href=\"{link}\" style=\"display:inline-block;padding:10px 20px;background:#b45309;color:#ffffff;\
             border-radius:6px;text-decoration:none\">{}</a></p>\n",
            escape(&self.button)
        ));
        html.extend(self.after.iter().map(paragraph));
        let small = "style=\"font-size:13px;color:#52525b\"";
        html.push_str(&format!("<p {small}>{}<br>{link}</p>\n", escape(&self.hint)));
        html.push_str(&format!("<p {small}>{}</p>\n", escape(&self.footer)));
        html.push_str("</div>\n</body>\n</html>\n");
        html
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const HOME: &str = "https://ai.example.org";
    const EVIL: &str = "<script>alert(1)</script>\r\nBcc: eve@example.org {days}";

    /// Each message once.
    pub(super) fn every_message() -> Vec<Message> {
        let (token, code) = ("tok-123".to_owned(), "654321".to_owned());
        vec![
            Message::VerifyAddress {
                token: token.clone(),
                code: code.clone(),
            },
            Message::AlreadyRegistered,
            Message::RegisteredAgain { token: token.clone() },
            Message::ResetPassword { token: token.clone() },
            Message::PasswordChanged,
            Message::ConfirmNewAddress {
                token: token.clone(),
                code,
            },
            Message::AddressChanged,
            Message::TokenExpires {
                name: EVIL.to_owned(),
                days: 7,
            },
            Message::Invitation { token },
            Message::DeletionScheduled { days: 7 },
            Message::AccountApproved,
            Message::LoginLinked {
                issuer: EVIL.to_owned(),
            },
            Message::LoginUnlinked {
                issuer: EVIL.to_owned(),
            },
        ]
    }

    fn places(text: &str) -> BTreeSet<&str> {
        text.split('{')
            .skip(1)
            .filter_map(|rest| rest.split('}').next())
            .collect()
    }

    #[test]
    fn every_message_has_words_in_every_language_and_uses_all_it_has() {
        for locale in Locale::ALL {
            let words = &WORDS[&locale];
            let messages = every_message();
            assert_eq!(words.messages.len(), messages.len(), "{locale:?}");
            for message in messages {
                let phrases = &words.messages[message.name()];
                let texts = [&phrases.subject, &phrases.button];
                let all = texts.into_iter().chain(&phrases.paragraphs).chain(&phrases.after);
                let mut used: BTreeSet<&str> = all.flat_map(|text| places(text)).collect();
                used.remove("home");
                let has: BTreeSet<&str> = values(&message).into_iter().map(|(name, _)| name).collect();
                assert_eq!(used, has, "{locale:?} {}", message.name());
            }
        }
    }

    #[test]
    fn every_mail_is_whole_and_what_is_filled_in_stays_text() {
        let mut mails = 0;
        for locale in Locale::ALL {
            for message in every_message() {
                let mail = render(&message, locale, HOME);
                let name = format!("{locale:?} {}", message.name());
                let (path, token) = page(&message);
                let link = token.map_or(format!("{HOME}{path}"), |t| format!("{HOME}{path}#token={t}"));
                assert!(
                    mail.text.contains(&link) && mail.html.contains(&format!("href=\"{link}\"")),
                    "{name}"
                );
                assert!(
                    mail.html.contains(&format!("lang=\"{}\"", locale.as_str())),
                    "{name}"
                );
                assert!(!mail.html.contains("<script>"), "{name}");
                assert!(
                    !mail.subject.contains(char::is_control),
                    "{name}: {:?}",
                    mail.subject
                );
                let evil = values(&message).iter().any(|(_, value)| value.contains("script"));
                assert_eq!(mail.html.contains("&lt;script&gt;"), evil, "{name}");
                // What was filled in is not filled in again.
                assert_eq!(mail.text.contains('{'), evil, "{name}: {}", mail.text);
                for code in values(&message).iter().filter(|(key, _)| *key == "code") {
                    assert!(
                        mail.text.contains(&*code.1) && mail.html.contains(&*code.1),
                        "{name}"
                    );
                }
                mails += 1;
            }
        }
        println!("{mails} mails were written");
        assert_eq!(mails, 39);
    }
}
