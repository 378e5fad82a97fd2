//! Mail, from the row in the outbox to the mail server: files, SMTP in plain and by TLS, failures that pass and
//! failures that stay, a server that hangs, a process that dies. And that nothing secret is left anywhere.

mod support;

use std::{
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use lamplighter_api::mail::{Locale, Mail, Message};
use lamplighter_shared::{
    clock::{Clock, ManualClock},
    config::MailSecurity,
    db::{
        Db, accounts,
        audit::Origin,
        outbox::{self, MailState, OutboxMail},
        retention::housekeeping,
        tasks,
        users::{self, Role},
    },
    fault,
    id::TaskId,
    key::Key,
};
use lamplighter_testkit::smtp::{Options, Smtp};
use poem::{
    Request,
    http::{Method, StatusCode},
};
use serde_json::Value;
use support::{World, send};
use tokio::{net::TcpListener, task::JoinHandle};

const TOKEN: &str = "canary-token-5f1c";
/// Longer than anything here should take.
const LIMIT: Duration = Duration::from_secs(15);
const HOUR: i64 = 3_600_000;

fn reset(to: &str, locale: Locale) -> Mail {
    let token = TOKEN.to_owned();
    Mail {
        to: to.to_owned(),
        user: None,
        locale,
        message: Message::ResetPassword { token },
    }
}

/// A world whose mails go to this server.
async fn world(smtp: &Smtp, security: MailSecurity, user: &str) -> World {
    let password_file = smtp.authority().with_file_name("password");
    std::fs::write(&password_file, "hunter2\n").expect("a file");
    World::with(|config| {
        config.server.public_url = "https://ai.example.org".to_owned();
        config.mail.host = "localhost".to_owned();
        config.mail.port = smtp.port();
        config.mail.security = security;
        if !user.is_empty() {
            config.mail.username = user.to_owned();
            config.mail.password_file = password_file;
        }
    })
    .await
}

/// Serves the world, and with it its worker of the outbox, until the test ends.
async fn serve(world: &World) -> JoinHandle<std::io::Result<()>> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (state, lifecycle) = (world.state.clone(), world.lifecycle.clone());
    tokio::spawn(lamplighter_api::serve(listener, state, lifecycle))
}

async fn put(world: &World, mail: &Mail) -> TaskId {
    let task = mail.task(&world.state.key).expect("sealed");
    tasks::enqueue(&world.state.db, &task).await.expect("stored")
}

async fn mails(world: &World) -> Vec<OutboxMail> {
    outbox::list(&world.state.db, None, None, 100)
        .await
        .expect("a list")
}

/// Waits until the outbox is as it should be.
async fn until(world: &World, what: &str, is: impl Fn(&[OutboxMail]) -> bool) -> Vec<OutboxMail> {
    let started = Instant::now();
    loop {
        let mails = mails(world).await;
        if is(&mails) {
            return mails;
        }
        assert!(started.elapsed() < LIMIT, "{what}: {mails:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn all_sent(mails: &[OutboxMail]) -> bool {
    mails.iter().all(|mail| mail.state == MailState::Sent)
}

/// The same world with a clock that the test turns.
fn with_clock(mut world: World) -> (World, ManualClock) {
    let clock = ManualClock::at(1_900_000_000_000);
    world.state.db = world.state.db.clone().with_clock(Clock::Manual(clock.clone()));
    (world, clock)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_mails_are_files_of_their_owner() {
    let world = World::new().await;
    let _server = serve(&world).await;
    put(&world, &reset("ada@example.org", Locale::English)).await;
    let sent = until(&world, "a file", all_sent).await;
    let folder = world.folder().join("mail");
    let files: Vec<_> = std::fs::read_dir(folder).expect("a folder").flatten().collect();
    assert_eq!(files.len(), 1);
    let name = files[0].file_name().into_string().expect("text");
    assert!(name.ends_with(&format!("-{}.eml", sent[0].id)), "{name}");
    let text = std::fs::read_to_string(files[0].path()).expect("a mail");
    assert!(
        text.contains("To: <ada@example.org>") && text.contains(TOKEN),
        "{text}"
    );
}

/// What names a deleted account goes with it, also where mails are files; that of others stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_written_mail_goes_with_the_account_it_names() {
    let world = World::new().await;
    let server = serve(&world).await;
    let leaver = users::create(&world.state.db, "ada@example.org", Role::User).await;
    let leaver = leaver.expect("a user").id;
    put(&world, &reset("ada@example.org", Locale::English)).await;
    put(&world, &reset("bob@example.org", Locale::English)).await;
    until(&world, "files", all_sent).await;
    server.abort();
    let folder = world.folder().join("mail");
    let names = |who: &str| {
        let files = std::fs::read_dir(&folder).expect("a folder").flatten();
        let texts = files.map(|file| std::fs::read_to_string(file.path()).unwrap_or_default());
        texts.filter(|text| text.contains(who)).count()
    };
    assert_eq!((names("ada@example.org"), names("bob@example.org")), (1, 1));
    let (grace, origin) = (Duration::ZERO, Origin::system());
    let notice = reset("ada@example.org", Locale::English).task(&world.state.key);
    let notice = notice.expect("sealed");
    accounts::schedule_deletion(&world.state.db, leaver, grace, (&notice, &origin))
        .await
        .expect("scheduled");
    let retention = &world.state.config.retention;
    let report = housekeeping(&world.state.db, retention).await.expect("kept");
    assert_eq!(report.accounts, 1);
    let _server = serve(&world).await;
    let started = Instant::now();
    while names("ada@example.org") > 0 {
        assert!(started.elapsed() < LIMIT, "the file stays");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!(
        "mail: files of mails that name a deleted account: {}, of another one: {}",
        names("ada@example.org"),
        names("bob@example.org")
    );
    assert_eq!(names("bob@example.org"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_language_arrives_as_text_and_html_and_leaves_nothing_secret_behind() {
    let smtp = Smtp::start();
    let world = world(&smtp, MailSecurity::None, "").await;
    for locale in Locale::ALL {
        put(&world, &reset("ada@example.org", locale)).await;
    }
    let waiting = mails(&world).await;
    assert!(waiting.iter().all(|mail| !mail.payload.contains(TOKEN)), "sealed");
    let _server = serve(&world).await;
    let sent = until(&world, "three mails", all_sent).await;
    assert!(
        sent.iter().all(|mail| !mail.payload.contains("sealed")),
        "{sent:?}"
    );
    let received = smtp.mails();
    assert_eq!(received.len(), 3);
    let subject = |mail: &Value| header(mail, "Subject");
    for (locale, words) in [
        ("en", "Choose a new password"),
        ("zh-Hant", "重設您的密碼"),
        ("ja", "パスワードの再設定"),
    ] {
        let mail = received.iter().find(|mail| subject(mail) == words);
        let mail = mail.unwrap_or_else(|| panic!("{words}: {received:?}"));
        assert_eq!(header(mail, "Content-Language"), locale);
        assert_eq!(header(mail, "Auto-Submitted"), "auto-generated");
        for part in ["text/plain", "text/html"] {
            let part = &mail["parts"][part];
            assert_eq!(part["charset"], "utf-8", "{locale}");
            let link = format!("https://ai.example.org/reset#token={TOKEN}");
            assert!(
                part["text"].as_str().is_some_and(|text| text.contains(&link)),
                "{part}"
            );
        }
    }
    println!("mail: 3 of 3 languages as text and HTML");
}

fn header(mail: &Value, name: &str) -> String {
    let headers = mail["headers"].as_array().into_iter().flatten();
    let mut found = headers.filter(|header| header[0] == name);
    let text = found.next().and_then(|header| header[1].as_str());
    text.unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_for_now_is_sent_later_and_once() {
    let mut smtp = Smtp::start();
    let (world, clock) = with_clock(world(&smtp, MailSecurity::None, "").await);
    smtp.kill();
    let _server = serve(&world).await;
    put(&world, &reset("ada@example.org", Locale::English)).await;
    let tried = |n: u32| move |mails: &[OutboxMail]| mails[0].attempts == n && mails[0].last_error.is_some();
    until(&world, "a try without a server", tried(1)).await;
    smtp.answers("* 451 4.7.1 greylisted");
    smtp.restart();
    clock.advance(HOUR);
    let mails = until(&world, "a try that is refused for now", |mails| {
        mails[0]
            .last_error
            .as_deref()
            .is_some_and(|why| why.contains("451"))
    })
    .await;
    assert_eq!((mails[0].state, mails[0].attempts), (MailState::Queued, 2));
    smtp.answers("");
    clock.advance(HOUR);
    until(&world, "a try that succeeds", all_sent).await;
    assert_eq!(smtp.mails().len(), 1, "once");
    println!("mail: server down, then 451, then taken: 1 mail after 3 tries");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_good_is_an_admin_s_to_send_again() {
    let smtp = Smtp::start();
    smtp.answers(&format!(
        "* 550 5.1.1 no such user, see https://x/reset#token={TOKEN}"
    ));
    let world = world(&smtp, MailSecurity::None, "").await;
    let _server = serve(&world).await;
    let id = put(&world, &reset("ada@example.org", Locale::Japanese)).await;
    until(&world, "given up", |mails| mails[0].state == MailState::Dead).await;
    let admin = world.token_with(&["admin"]).await;
    let ask = async |method: Method, path: &str, token: &str| {
        let request = Request::builder().method(method).uri_str(path);
        let request = request.header("authorization", format!("Bearer {token}"));
        send(&world.api(), request.finish()).await
    };
    let list = ask(Method::GET, "/v1/outbox?state=dead", &admin).await.json();
    let mail = &list["data"][0];
    assert_eq!(
        (mail["template"].as_str(), mail["locale"].as_str()),
        (Some("reset_password"), Some("ja"))
    );
    assert_eq!(
        mail["last_error"],
        "the mail server said 550: 5.1.1 no such user, see […]"
    );
    assert!(!list.to_string().contains(TOKEN));
    let retry = format!("/v1/outbox/{id}/retry");
    let forbidden = ask(Method::POST, &retry, &world.token).await;
    assert_eq!(forbidden.status, StatusCode::FORBIDDEN);
    smtp.answers("");
    let again = ask(Method::POST, &retry, &admin).await;
    assert_eq!(
        (again.status, again.json()["state"].as_str()),
        (StatusCode::OK, Some("queued"))
    );
    until(&world, "sent", all_sent).await;
    assert_eq!(
        ask(Method::POST, &retry, &admin).await.status,
        StatusCode::CONFLICT
    );
    for nobody in [
        format!("/v1/outbox/{}/retry", TaskId::generate()),
        "/v1/outbox/x/retry".to_owned(),
    ] {
        assert_eq!(
            ask(Method::POST, &nobody, &admin).await.status,
            StatusCode::NOT_FOUND
        );
    }
    assert_eq!(smtp.mails().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_holds_up_nobody_else() {
    let smtp = Smtp::start();
    smtp.answers("slow@example.org hang");
    let world = world(&smtp, MailSecurity::None, "").await;
    let _server = serve(&world).await;
    let started = Instant::now();
    put(&world, &reset("slow@example.org", Locale::English)).await;
    for i in 0..20 {
        put(&world, &reset(&format!("{i}@example.org"), Locale::English)).await;
    }
    let sent = |mails: &[OutboxMail]| mails.iter().filter(|mail| mail.state == MailState::Sent).count();
    until(&world, "the others", |mails| sent(mails) == 20).await;
    let others = started.elapsed();
    until(&world, "the slow one", |mails| {
        mails.iter().any(|mail| {
            mail.last_error
                .as_deref()
                .is_some_and(|why| why.contains("within 10 s"))
        })
    })
    .await;
    println!(
        "mail: 20 sent in {others:?} beside one that hung for {:?}",
        started.elapsed()
    );
    assert!(others < Duration::from_secs(9), "{others:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_gets_so_many_and_the_rest_later() {
    let smtp = Smtp::start();
    let (world, clock) = with_clock(world(&smtp, MailSecurity::None, "").await);
    let _server = serve(&world).await;
    for spelling in ["a.da@example.org", "ada@example.org", "ada+x@example.org"]
        .iter()
        .cycle()
        .take(9)
    {
        put(&world, &reset(spelling, Locale::English)).await;
    }
    put(&world, &reset("bob@example.org", Locale::English)).await;
    let now = clock.now();
    let settled = |mails: &[OutboxMail]| {
        mails
            .iter()
            .all(|mail| mail.state == MailState::Sent || mail.run_at > now)
    };
    let mails = until(&world, "six and one", settled).await;
    let waiting: Vec<_> = mails
        .iter()
        .filter(|mail| mail.state == MailState::Queued)
        .collect();
    println!(
        "mail: {} of 10 sent at once, {} wait",
        smtp.mails().len(),
        waiting.len()
    );
    assert_eq!((smtp.mails().len(), waiting.len()), (7, 3));
    assert!(waiting.iter().all(|mail| mail.attempts == 0), "{waiting:?}");
    clock.advance(HOUR);
    until(&world, "the rest", all_sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_sent_is_given_up() {
    let world = World::new().await;
    let _server = serve(&world).await;
    put(&world, &reset("a@b\r\nBcc: eve@example.org", Locale::English)).await;
    let other_key = Key::generate().expect("a key");
    let task = reset("ada@example.org", Locale::English)
        .task(&other_key)
        .expect("sealed");
    tasks::enqueue(&world.state.db, &task).await.expect("stored");
    let dead = until(&world, "both", |mails| {
        mails.iter().all(|mail| mail.state == MailState::Dead)
    })
    .await;
    assert!(dead.iter().all(|mail| mail.attempts == 1), "{dead:?}");
}

/// Runs a test of this program in a process of its own, with these variables.
fn in_a_process(test: &str, variables: &[(&str, &Path)], fault: &str) -> std::process::Output {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("FAILPOINTS", fault);
    command.envs(variables.iter().copied());
    command.output().expect("it can be started")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_after_sending_sends_again_and_loses_nothing() {
    let smtp = Smtp::start();
    let (mut world, clock) = with_clock(world(&smtp, MailSecurity::None, "").await);
    let folder = world.folder();
    world.state.key = Arc::new(Key::create(&folder.join("key")).expect("a key"));
    std::fs::write(folder.join("port"), smtp.port().to_string()).expect("a file");
    // Due for the other process, too, whose clock is the true one.
    clock.advance(-clock.now());
    put(&world, &reset("ada@example.org", Locale::English)).await;
    let died = tokio::task::spawn_blocking(move || {
        in_a_process(
            "dies_after_sending",
            &[("MAIL_FOLDER", &folder)],
            "mail.before_done=return(abort)",
        )
    });
    let died = died.await.expect("it ran");
    assert!(!died.status.success(), "it was to die");
    assert_eq!(smtp.mails().len(), 1, "{}", String::from_utf8_lossy(&died.stderr));
    assert_eq!(mails(&world).await[0].state, MailState::Queued, "nobody noted it");
    // Past the lease that the other process took by the true clock.
    clock.advance(4_000_000_000_000);
    let _server = serve(&world).await;
    let sent = until(&world, "sent by another process", all_sent).await;
    println!(
        "mail: died between sending and noting: {} mails of 1, attempt {}",
        smtp.mails().len(),
        sent[0].attempts
    );
    assert_eq!((smtp.mails().len(), sent[0].attempts), (2, 2), "at least once");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the other process of a test"]
async fn dies_after_sending() {
    let Some(folder) = std::env::var_os("MAIL_FOLDER") else {
        return;
    };
    let folder = Path::new(&folder);
    fault::init();
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file");
    let port = read("port").parse().expect("a port");
    let url = format!("sqlite://{}", folder.join("test.db").display());
    let db = Db::connect(&url).await.expect("a database");
    let mut world = World::with(|config| {
        config.mail.host = "localhost".to_owned();
        config.mail.port = port;
        config.mail.security = MailSecurity::None;
    })
    .await;
    world.state.db = db;
    world.state.key = Arc::new(Key::load(&folder.join("key")).expect("a key"));
    let _server = serve(&world).await;
    tokio::time::sleep(LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_checked_and_never_given_up() {
    for (security, setting, certificate, user) in [
        ("starttls", MailSecurity::Starttls, true, "ada"),
        ("tls", MailSecurity::Tls, true, "ada"),
        // A server that offers no TLS gets nothing.
        ("none", MailSecurity::Starttls, false, ""),
        // Nor one that nobody trusts.
        ("starttls", MailSecurity::Starttls, true, ""),
    ] {
        let trusted = !user.is_empty();
        let smtp = Smtp::start_with(Options {
            security,
            certificate,
            user,
            password: "hunter2",
        });
        let folder = smtp.authority().with_file_name("case");
        std::fs::create_dir_all(&folder).expect("a folder");
        let setting = match setting {
            MailSecurity::Tls => "tls",
            _ => "starttls",
        };
        std::fs::write(folder.join("case"), format!("{setting} {} {user}", smtp.port())).expect("a file");
        let authority = if trusted {
            smtp.authority()
        } else {
            "/etc/ssl/certs/ca-certificates.crt".into()
        };
        let place = folder.clone();
        let ran = tokio::task::spawn_blocking(move || {
            in_a_process(
                "sends_by_tls",
                &[("SSL_CERT_FILE", &authority), ("MAIL_FOLDER", &place)],
                "",
            )
        });
        let ran = ran.await.expect("it ran");
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(
            ran.status.success(),
            "{security}: {said}{}",
            String::from_utf8_lossy(&ran.stderr)
        );
        let received = smtp.mails();
        println!(
            "mail: {security} certificate={certificate} trusted={trusted}: {} mails",
            received.len()
        );
        assert_eq!(received.len(), usize::from(trusted), "{said}");
        for mail in received {
            assert_eq!(
                (&mail["tls"], &mail["authenticated"]),
                (&true.into(), &true.into()),
                "{mail}"
            );
        }
        assert!(!said.contains("hunter2") && !said.contains(TOKEN), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the other process of a test"]
async fn sends_by_tls() {
    let Some(folder) = std::env::var_os("MAIL_FOLDER") else {
        return;
    };
    // The program's own `main` chooses the provider of TLS; here this does.
    let _ = lamplighter_testkit::http_client();
    let case = std::fs::read_to_string(Path::new(&folder).join("case")).expect("a file");
    let words: Vec<&str> = case.split(' ').collect();
    let password_file = Path::new(&folder).join("password");
    std::fs::write(&password_file, "hunter2\n").expect("a file");
    let world = World::with(|config| {
        config.mail.host = "localhost".to_owned();
        config.mail.port = words[1].parse().expect("a port");
        config.mail.security = if words[0] == "tls" {
            MailSecurity::Tls
        } else {
            MailSecurity::Starttls
        };
        if !words[2].is_empty() {
            config.mail.username = words[2].to_owned();
            config.mail.password_file = password_file;
        }
    })
    .await;
    let _server = serve(&world).await;
    put(&world, &reset("ada@example.org", Locale::English)).await;
    let mails = until(&world, "a try", |mails| {
        mails[0].state == MailState::Sent || mails[0].last_error.is_some()
    })
    .await;
    println!("{:?}", mails[0].last_error);
}
