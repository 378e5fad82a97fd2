//! `[mail]`: where mail goes.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ConfigError, check};
use crate::{oidc_provider::is_this_machine, password_file};

/// Where mail goes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// The SMTP server; empty: mails are files in `DATA_DIR/mail`.
    pub host: String,
    /// Its port; 0: what is usual (587, or 465 with `tls`, or 25 with `none`).
    pub port: u16,
    /// How the connection is kept secret.
    pub security: MailSecurity,
    /// Who logs in; empty: nobody.
    pub username: String,
    /// A file whose first line is the password.
    pub password_file: PathBuf,
    /// The sender, `NAME <ADDRESS>` or `ADDRESS`.
    pub from: String,
    /// Mails to one address: an hour, and at once.
    pub per_address_per_hour: f64,
    /// See `per_address_per_hour`.
    pub per_address_burst: u32,
    /// Tries until a mail is given up.
    pub max_attempts: u32,
}

/// How a connection to an SMTP server is kept secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailSecurity {
    /// It begins in plain and must change to TLS.
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// Not at all: for a relay on this machine.
    None,
}

impl Mail {
    /// What the head of every mail is made of, who logs in, and how often.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.sender().is_none() {
            return Err(ConfigError(format!(
                "mail.from must be NAME <ADDRESS> or ADDRESS, not {:?}",
                self.from
            )));
        }
        if self.username.is_empty() != self.password_file.as_os_str().is_empty() {
            return Err(ConfigError(
                "mail.username and mail.password_file go together".to_owned(),
            ));
        }
        if self.security == MailSecurity::None && !self.username.is_empty() && !self.is_near() {
            return Err(ConfigError(format!(
                "mail.security \"none\" would send the password of mail.username in plain to {:?}; it is for a relay \
                 on this machine, so use \"starttls\" or \"tls\"",
                self.host
            )));
        }
        if !self.password_file.as_os_str().is_empty() {
            // Read again for each connection; but who starts the process is told, not who waits for a mail.
            let file = self.password_file.display();
            password_file::read(&self.password_file)
                .map_err(|e| ConfigError(format!("mail.password_file ({file}): {e}")))?;
        }
        if self.max_attempts == 0 || self.per_address_burst == 0 {
            return Err(ConfigError(
                "mail.max_attempts and mail.per_address_burst must be at least 1".to_owned(),
            ));
        }
        check::positive("mail.per_address_per_hour", self.per_address_per_hour)
    }

    /// Whether nobody stands between us and the server: it is this machine, or there is none.
    fn is_near(&self) -> bool {
        self.host.is_empty() || is_this_machine(&self.host)
    }

    /// The sender's name and address; none where `from` is neither `NAME <ADDRESS>` nor `ADDRESS`.
    pub fn sender(&self) -> Option<(&str, &str)> {
        let (name, address) = match self.from.split_once('<') {
            Some((name, rest)) => (name.trim().trim_matches('"'), rest.strip_suffix('>')?),
            None => ("", self.from.as_str()),
        };
        let odd = |c: char| c.is_whitespace() || c.is_control() || "<>\",;:".contains(c);
        let (local, host) = address.rsplit_once('@')?;
        let fits = !local.is_empty() && !host.is_empty() && !address.contains(odd);
        (fits && !name.contains(char::is_control)).then_some((name, address))
    }

    /// The port: the one that is set, else what is usual.
    pub fn port(&self) -> u16 {
        match (self.port, self.security) {
            (0, MailSecurity::Starttls) => 587,
            (0, MailSecurity::Tls) => 465,
            (0, MailSecurity::None) => 25,
            (port, _) => port,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn what_mails_are_made_of_must_fit() {
        let refused = |change: &dyn Fn(&mut Mail)| {
            let mut mail = Config::default().mail;
            change(&mut mail);
            mail.check().err().map(|e| e.to_string())
        };
        for from in ["a@b", "A B <a@b>", "\"A, B\" <a@b>"] {
            assert_eq!(refused(&|mail| mail.from = from.to_owned()), None, "{from}");
        }
        for from in [
            "",
            "a",
            "A <a@b",
            "A <a@b>x",
            "@b",
            "A\r\nBcc: x <a@b>",
            "a@b\r\nBcc: x@y",
            "<a@b, c@d>",
        ] {
            let why = refused(&|mail| mail.from = from.to_owned());
            assert!(why.is_some_and(|why| why.contains("mail.from")), "{from:?}");
        }
        let alone = refused(&|mail| mail.username = "ada".to_owned());
        assert!(alone.is_some_and(|why| why.contains("mail.password_file")));
    }

    #[test]
    fn no_password_goes_to_another_machine_in_plain() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "hunter2\n").expect("written");
        for (host, security, fits) in [
            ("smtp.example.org", MailSecurity::None, false),
            ("10.0.0.5", MailSecurity::None, false),
            ("localhost", MailSecurity::None, true),
            ("127.0.0.1", MailSecurity::None, true),
            ("::1", MailSecurity::None, true),
            ("", MailSecurity::None, true),
            ("smtp.example.org", MailSecurity::Starttls, true),
        ] {
            let mut mail = Config::default().mail;
            (mail.host, mail.security) = (host.to_owned(), security);
            mail.check().expect("nobody logs in");
            mail.username = "ada".to_owned();
            mail.password_file = file.path().to_owned();
            let refused = mail.check().err().map(|e| e.to_string());
            assert_eq!(refused.is_none(), fits, "{host} {security:?}");
            assert!(refused.is_none_or(|why| why.contains("mail.security")), "{host}");
        }
    }
}
