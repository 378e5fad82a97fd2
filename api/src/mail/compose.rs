//! A mail as it goes over the wire (RFC 5322): text and HTML, UTF-8, and a head that nobody writes into but us.

use lamplighter_shared::{config, id::TaskId};
use mail_send::{
    mail_builder::{
        MessageBuilder,
        headers::{address::Address, content_type::ContentType, message_id::MessageId, raw::Raw},
        mime::MimePart,
    },
    smtp::message::Message as Envelope,
};

use super::{
    Locale, Mail,
    render::{Rendered, render},
};

/// A mail can't be sent, ever.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unsendable(&'static str);

/// The mail with its envelope; links in it lead to `home`. Every try to send it has the same Message-ID.
///
/// # Errors
/// Where its address is none that a mail server may be told.
pub fn compose(
    settings: &config::Mail,
    task: TaskId,
    mail: &Mail,
    home: &str,
) -> Result<Envelope<'static>, Unsendable> {
    let rendered = render(&mail.message, mail.locale, home);
    let cover = Cover {
        to: &mail.to,
        task,
        locale: mail.locale,
    };
    write(settings, &cover, rendered)
}

/// What stands in the head of a mail beside its subject.
struct Cover<'a> {
    to: &'a str,
    task: TaskId,
    locale: Locale,
}

fn write(
    settings: &config::Mail,
    cover: &Cover<'_>,
    mail: Rendered,
) -> Result<Envelope<'static>, Unsendable> {
    let (name, from) = settings.sender().ok_or(Unsendable("mail.from can't be read"))?;
    if !is_plain_address(cover.to) {
        return Err(Unsendable("the address can't be written in a mail's envelope"));
    }
    let host = from.rsplit_once('@').map_or("localhost", |(_, host)| host);
    let name = (!name.is_empty()).then(|| name.to_owned());
    let builder = MessageBuilder::new()
        .from(Address::new_address(name, from.to_owned()))
        .to(Address::new_address(None::<String>, cover.to.to_owned()))
        .subject(mail.subject)
        .message_id(MessageId::new(format!("{}@{host}", cover.task)))
        .header("Auto-Submitted", Raw::new("auto-generated"))
        .header("Content-Language", Raw::new(cover.locale.as_str()));
    let builder = if settings.host.is_empty() {
        builder.body(as_it_is(&mail.text, &mail.html))
    } else {
        builder.text_body(mail.text).html_body(mail.html)
    };
    let body = builder
        .write_to_vec()
        .map_err(|_| Unsendable("the mail can't be written"))?;
    Ok(Envelope::new(from.to_owned(), [cover.to.to_owned()], body))
}

/// Text and HTML as they are: a mail that is only a file is read by people and their tools, and no server
/// asks for short lines of ASCII.
fn as_it_is(text: &str, html: &str) -> MimePart<'static> {
    let part = |kind: &'static str, text: &str| {
        let kind = ContentType::new(kind).attribute("charset", "utf-8");
        let lines = text.replace("\r\n", "\n").replace('\n', "\r\n");
        MimePart::new(kind, lines).transfer_encoding("8bit")
    };
    let parts = vec![part("text/plain", text), part("text/html", html)];
    MimePart::new("multipart/alternative", parts)
}

/// Nothing in it ends the line or the angle brackets in which a mail server is told the address.
fn is_plain_address(address: &str) -> bool {
    let odd = |c: char| c.is_control() || c.is_whitespace() || c == '<' || c == '>';
    let parts = address.rsplit_once('@');
    parts.is_some_and(|(local, host)| !local.is_empty() && !host.is_empty()) && !address.contains(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_filled_in_makes_a_line_of_the_head() {
        let task = TaskId::generate();
        let mail = |subject: &str| Rendered {
            subject: subject.to_owned(),
            text: "text\r\n.\r\n".to_owned(),
            html: "<p>html</p>".to_owned(),
        };
        let settings = config::Config::default().mail;
        let compose_to = |to: &str, subject: &str| {
            let cover = Cover {
                to,
                task,
                locale: Locale::English,
            };
            write(&settings, &cover, mail(subject))
        };
        for to in [
            "",
            "a",
            "@b",
            "a@",
            "a@b\r\nBcc: c@d",
            "a@b>\r\nRCPT TO:<c@d",
            "a b@c",
            "<a@b>",
        ] {
            assert!(compose_to(to, "x").is_err(), "{to:?}");
        }
        let sent = compose_to("ada@example.org", "one\r\nBcc: eve@example.org").expect("an address");
        let text = String::from_utf8(sent.body.to_vec()).expect("a mail of ours is text");
        let (head, _) = text.split_once("\r\n\r\n").expect("a head and a body");
        let names: Vec<&str> = head
            .split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .filter_map(|line| line.split(':').next())
            .collect();
        println!("{names:?}");
        assert!(!names.contains(&"Bcc"), "{head}");
        for name in [
            "From",
            "To",
            "Subject",
            "Message-ID",
            "Date",
            "Auto-Submitted",
            "MIME-Version",
        ] {
            assert_eq!(names.iter().filter(|n| **n == name).count(), 1, "{name}: {head}");
        }
        assert!(head.contains(&format!("<{task}@localhost>")), "{head}");
    }
}
