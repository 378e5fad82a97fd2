//! Where mails go: to an SMTP server, or, where there is none, into files beside the database.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use lamplighter_shared::{
    config::{self, Config, MailSecurity},
    id::TaskId,
    password_file,
};
use mail_send::{
    Credentials, SmtpClient, SmtpClientBuilder,
    smtp::{message::Message as Envelope, tls::build_tls_connector},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout, timeout_at},
};

use crate::timestamp::Timestamp;

/// The longest one mail may take, from the connection to the server's last word.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest wait for the answer to a good-bye.
const GOOD_BYE: Duration = Duration::from_secs(1);

/// What became of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The server has it.
    Accepted,
    /// It is a file.
    Written(PathBuf),
}

/// A mail was not sent. The words hold nothing of what it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NotSent {
    /// Why.
    pub reason: String,
    /// Whether another try is no use.
    pub for_good: bool,
}

impl NotSent {
    fn for_now(reason: impl ToString) -> Self {
        Self {
            reason: reason.to_string(),
            for_good: false,
        }
    }
}

/// Sends a mail once. A failure after the server took it may look like one before: then it comes twice.
///
/// # Errors
/// Where it was not taken within 10 s.
pub async fn send(config: &Config, mail: Envelope<'static>, task: TaskId) -> Result<Sent, NotSent> {
    if config.mail.host.is_empty() {
        let folder = config.server.data_dir.join("mail");
        let written = tokio::task::spawn_blocking(move || write_file(&folder, task, &mail.body)).await;
        return match written {
            Ok(Ok(path)) => Ok(Sent::Written(path)),
            Ok(Err(error)) => Err(NotSent::for_now(error)),
            Err(error) => Err(NotSent::for_now(error)),
        };
    }
    speak(&config.mail, mail).await.map(|()| Sent::Accepted)
}

async fn speak(settings: &config::Mail, mail: Envelope<'static>) -> Result<(), NotSent> {
    let deadline = Instant::now() + PATIENCE;
    let plain = settings.security == MailSecurity::None;
    // Without TLS nobody asks whom we trust, and a machine that trusts nobody can send all the same.
    let tls = build_tls_connector(plain).map_err(NotSent::for_now)?;
    let builder = SmtpClientBuilder::new_with_tls_connector(settings.host.clone(), settings.port(), tls)
        .timeout(PATIENCE)
        .implicit_tls(settings.security == MailSecurity::Tls);
    let builder = match credentials(settings).await? {
        Some(credentials) => builder.credentials(credentials),
        None => builder,
    };
    if plain {
        let client = in_time(deadline, builder.connect_plain()).await?;
        return deliver(client.map_err(not_let_in)?, mail, deadline).await;
    }
    // Never in plain where TLS was asked for: a server without STARTTLS is an error.
    let client = in_time(deadline, builder.connect()).await?;
    deliver(client.map_err(not_let_in)?, mail, deadline).await
}

async fn deliver<T>(
    mut client: SmtpClient<T>,
    mail: Envelope<'static>,
    deadline: Instant,
) -> Result<(), NotSent>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    in_time(deadline, client.send(mail)).await?.map_err(refused)?;
    // The mail is the server's by now, whatever it says to a good-bye.
    let _ = timeout(GOOD_BYE, client.quit()).await;
    Ok(())
}

async fn in_time<T>(deadline: Instant, work: impl Future<Output = T>) -> Result<T, NotSent> {
    timeout_at(deadline, work).await.map_err(|_| {
        let seconds = PATIENCE.as_secs();
        NotSent::for_now(format!("the mail server did not answer within {seconds} s"))
    })
}

/// Who we are to the server, read anew each time: a password that was changed needs no restart.
async fn credentials(settings: &config::Mail) -> Result<Option<Credentials<String>>, NotSent> {
    if settings.username.is_empty() {
        return Ok(None);
    }
    let file = settings.password_file.clone();
    let read = tokio::task::spawn_blocking(move || password_file::read(&file)).await;
    let secret = read
        .map_err(NotSent::for_now)?
        .map_err(|error| NotSent::for_now(format!("mail.password_file: {error}")))?;
    Ok(Some(Credentials::Plain {
        username: settings.username.clone(),
        secret,
    }))
}

/// That the server does not let us in is the operator's to repair; then the mails that wait go out.
fn not_let_in(error: mail_send::Error) -> NotSent {
    NotSent {
        for_good: false,
        ..refused(error)
    }
}

/// A server's 5xx to the mail is for good.
fn refused(error: mail_send::Error) -> NotSent {
    match error {
        mail_send::Error::UnexpectedReply(reply) => NotSent {
            // 530: it wants a log-in or TLS first.
            for_good: (500..600).contains(&reply.code) && reply.code != 530,
            reason: said(reply.code, reply.esc, &reply.message),
        },
        mail_send::Error::AuthenticationFailed(reply) => {
            NotSent::for_now(format!("the mail server does not let us in ({})", reply.code))
        }
        other => NotSent::for_now(format!("mail server: {}", harmless(&other.to_string()))),
    }
}

/// Its codes and words; the second code (RFC 3463) may be missing.
fn said(code: u16, enhanced: [u8; 3], words: &str) -> String {
    let [class, subject, detail] = enhanced;
    let enhanced = match class {
        0 => String::new(),
        _ => format!("{class}.{subject}.{detail} "),
    };
    format!("the mail server said {code}: {enhanced}{}", harmless(words))
}

/// A server's words without what may be a piece of the mail, or say to whom it goes: it may repeat a link with its
/// token, a code, or the address, and they get into the log.
fn harmless(words: &str) -> String {
    let piece = |word: &&str| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        !(word.contains(['#', '@']) || word.contains("token") || word.chars().count() > 40 || digits >= 6)
    };
    let words: Vec<&str> = words
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .map(|word| if piece(&word) { word } else { "[…]" })
        .collect();
    words.join(" ")
}

/// Written aside and renamed: whoever finds the file finds all of it.
fn write_file(folder: &Path, task: TaskId, mail: &[u8]) -> io::Result<PathBuf> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let millis = std::time::UNIX_EPOCH
        .elapsed()
        .map_or(0, |since| since.as_millis());
    let time = Timestamp(i64::try_from(millis).unwrap_or(i64::MAX)).to_string();
    let path = folder.join(format!("{}-{task}.eml", time.replace(':', "")));
    let aside = folder.join(format!(".{task}.tmp"));
    let mut options = fs::File::options();
    let mut file = options
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&aside)?;
    io::Write::write_all(&mut file, mail)?;
    file.sync_all()?;
    fs::rename(&aside, &path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_server_s_words_lose_what_may_be_a_secret() {
        let said = "5.1.1 <ada@example.org>: Recipient address rejected: User unknown in ada@example.org";
        assert_eq!(
            harmless(said),
            "5.1.1 […] Recipient address rejected: User unknown in […]"
        );
        let said = "5.7.1 blocked:\r\nhttps://ai.example.org/reset#token=abc 654321 \
                    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA listed";
        assert_eq!(harmless(said), "5.7.1 blocked: […] […] […] listed");
    }

    #[test]
    fn a_file_is_its_owner_s_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().join("mail");
        let path = write_file(&folder, TaskId::generate(), b"x").expect("written");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&path)), (0o700, 0o600));
        assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 1);
    }
}
