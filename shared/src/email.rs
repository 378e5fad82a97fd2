//! E-mail addresses as accounts have them: checked, and in one spelling. Whether anybody reads what is sent to
//! one shows a mail only.

use std::fmt;

/// The most bytes of an address (RFC 5321).
const MAX_BYTES: usize = 254;
/// The most bytes of what stands before the `@`.
const MAX_LOCAL: usize = 64;

/// An address in lower case, without anything that means something in a mail's header or envelope. ASCII only:
/// two addresses that look the same are the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

/// The text is no address that mail can be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an e-mail address")]
pub struct InvalidEmail;

impl Email {
    /// Reads an address; the case of its letters is forgotten.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        if text.len() > MAX_BYTES {
            return Err(InvalidEmail);
        }
        let (local, domain) = text.split_once('@').ok_or(InvalidEmail)?;
        if is_local_part(local) && is_domain(domain) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(InvalidEmail)
        }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether no mail can reach it from outside: names that are kept for a machine itself, and for what is nobody's
    /// address (RFC 6761). Accounts there are the server's own.
    pub fn is_reserved(&self) -> bool {
        let domain = self.0.rsplit('@').next().unwrap_or_default();
        let top = domain.rsplit('.').next().unwrap_or_default();
        ["localhost", "invalid"].contains(&top)
    }

    /// What tries at this address are counted under: without dots and `+tag`, which many servers ignore, so
    /// that one mailbox has one count.
    pub fn limit_key(&self) -> String {
        let (local, domain) = self.0.split_once('@').unwrap_or((&self.0, ""));
        let local = local.split('+').next().unwrap_or_default();
        format!("{}@{domain}", local.replace('.', ""))
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The unquoted form of RFC 5322: quoted ones are legal, unused, and a way to smuggle.
fn is_local_part(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    text.len() <= MAX_LOCAL
        && text
            .split('.')
            .all(|atom| !atom.is_empty() && atom.bytes().all(allowed))
}

fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_spelling() {
        for (text, expected) in [
            ("Ada@Example.ORG", "ada@example.org"),
            ("owner@localhost", "owner@localhost"),
            ("a.b+tag@x-y.example", "a.b+tag@x-y.example"),
        ] {
            assert_eq!(Email::parse(text).expect(text).as_str(), expected);
        }
    }

    #[test]
    fn addresses_of_the_server_itself_are_known() {
        for (text, reserved) in [
            ("owner@localhost", true),
            ("x@GUEST.invalid", true),
            ("a@mail.localhost", true),
            ("a@localhost.example", false),
            ("invalid@example.org", false),
        ] {
            assert_eq!(Email::parse(text).expect(text).is_reserved(), reserved, "{text}");
        }
    }

    #[test]
    fn what_could_mean_something_else_in_a_mail_is_refused() {
        let long = format!("{}@example.org", "a".repeat(65));
        let longer = format!("a@{}example.org", "a.".repeat(130));
        for bad in [
            "",
            "a",
            "@",
            "a@",
            "@b",
            "a@b@c",
            "a b@example.org",
            " a@example.org",
            "a@example.org\r\nBcc: all@example.org",
            "a@example.org\n",
            "a\0@example.org",
            "<a@example.org>",
            "\"a\"@example.org",
            "a,b@example.org",
            "a@[127.0.0.1]",
            ".a@example.org",
            "a..b@example.org",
            "a@-x.org",
            "a@x..org",
            "a@x.org.",
            "ä@example.org",
            "a@exämple.org",
            // Small letters of these are ASCII letters.
            "a@\u{212a}elvin.org",
            &long,
            &longer,
        ] {
            assert_eq!(Email::parse(bad), Err(InvalidEmail), "{bad:?}");
        }
    }

    #[test]
    fn one_mailbox_has_one_count() {
        let key = |text: &str| Email::parse(text).expect(text).limit_key();
        for variant in ["ada.l@x.org", "adal+1@x.org", "A.D.A.L+b+c@X.org", "adal@x.org"] {
            assert_eq!(key(variant), "adal@x.org");
        }
        assert_ne!(key("adal@y.org"), key("adal@x.org"));
        assert_ne!(key("adal@x.y.org"), key("adal@xy.org"));
    }
}
