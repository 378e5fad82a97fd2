//! A mail server of the test's own (aiosmtpd): in a temporary folder, on a port of its own, dead when the test is.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{port::free_port, process};

const START_LIMIT: Duration = Duration::from_secs(20);
const MISSING: &str = "the mail server of the tests does not start: install the package `python3-aiosmtpd`, for \
    example `apt-get install python3-aiosmtpd`";

/// How a server is to be.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `none` (also where empty), `starttls` or `tls`.
    pub security: &'static str,
    /// Whether it offers TLS at all; of `localhost`, signed by [`Smtp::authority`].
    pub certificate: bool,
    /// Who has to log in, and their password; empty: nobody.
    pub user: &'static str,
    /// See `user`.
    pub password: &'static str,
}

/// A running server; stopped and removed when dropped.
#[derive(Debug)]
pub struct Smtp {
    options: Options,
    folder: TempDir,
    port: u16,
    server: Option<Child>,
}

impl Smtp {
    /// Starts one in plain.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start() -> Self {
        Self::start_with(Options::default())
    }

    /// Starts one.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start_with(options: Options) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        if options.certificate {
            make_certificates(folder.path());
        }
        let mut server = Self {
            options,
            folder,
            port: free_port(),
            server: None,
        };
        server.restart();
        server
    }

    /// Its port, the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate of the authority that it shows a certificate of.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            process::signal(server.id(), Signal::SIGKILL);
            let _ = server.wait();
        }
    }

    /// Starts it (again) on its port; mails it took are still there.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn restart(&mut self) {
        self.kill();
        let folder = self.folder.path();
        let _ = fs::remove_file(folder.join("port"));
        let file = |name: &str| match self.options.certificate {
            true => folder.join(name).display().to_string(),
            false => String::new(),
        };
        let settings = json!({
            "folder": folder.join("mails"), "port": self.port, "security": self.options.security,
            "certificate": file("certificate.pem"), "key": file("key.pem"),
            "user": self.options.user, "password": self.options.password,
        });
        fs::create_dir_all(folder.join("mails")).expect("a folder");
        let _ = fs::remove_file(folder.join("mails/port"));
        fs::write(folder.join("smtp.py"), include_str!("smtp.py")).expect("a file");
        let mut command = Command::new(python());
        command.arg(folder.join("smtp.py")).arg(settings.to_string());
        let log = fs::File::create(folder.join("log")).expect("a file");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut server = process::spawn(command, Signal::SIGKILL);
        let started = Instant::now();
        while !folder.join("mails/port").exists() {
            let ended = server.try_wait().expect("it is our child");
            let log = || fs::read_to_string(folder.join("log")).unwrap_or_default();
            let waits = ended.is_none() && started.elapsed() < START_LIMIT;
            assert!(waits, "{MISSING}\n{}", log());
            thread::sleep(Duration::from_millis(10));
        }
        self.server = Some(server);
    }

    /// What it answers from now on: lines of `RECIPIENT ANSWER`, where the first may be `*` and the second is a
    /// line of SMTP or `hang`. Whoever is not named is taken.
    ///
    /// # Panics
    /// Where the folder is gone.
    pub fn answers(&self, lines: &str) {
        let folder = self.folder.path().join("mails");
        fs::write(folder.join(".answers"), lines).expect("a file");
        fs::rename(folder.join(".answers"), folder.join("answers")).expect("a file");
    }

    /// The mails it took, in order: `from`, `to`, `tls`, `authenticated`, `headers`, `parts` by media type.
    ///
    /// # Panics
    /// Where one can't be read.
    pub fn mails(&self) -> Vec<Value> {
        let folder = fs::read_dir(self.folder.path().join("mails")).expect("a folder");
        let mut files: Vec<PathBuf> = folder
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .collect();
        files.sort();
        let read = |path: &PathBuf| fs::read(path).expect("a mail");
        let mail = |path| serde_json::from_slice(&read(path)).expect("a mail is JSON");
        files.iter().map(mail).collect()
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The system's Python has the system's packages; another one may stand before it in the path.
fn python() -> &'static str {
    let system = "/usr/bin/python3";
    if Path::new(system).exists() {
        system
    } else {
        "python3"
    }
}

/// An authority, and a certificate of `localhost` that it signed: `ca.pem`, `certificate.pem`, `key.pem`.
fn make_certificates(folder: &Path) {
    let curve = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ];
    let days = ["-days", "2"];
    let openssl = |arguments: &[&str]| {
        let mut command = Command::new("openssl");
        let made = command.current_dir(folder).args(arguments).output();
        let made = made.expect("openssl is installed");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    let ca = [
        "req",
        "-x509",
        "-subj",
        "/CN=ca of a test",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
    ];
    openssl(&[&ca[..], &curve, &days].concat());
    let request = [
        "req",
        "-subj",
        "/CN=localhost",
        "-keyout",
        "key.pem",
        "-out",
        "request.pem",
    ];
    openssl(&[&request[..], &curve].concat());
    let extensions = "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n";
    fs::write(folder.join("extensions"), extensions).expect("a file");
    let sign = [
        "x509",
        "-req",
        "-in",
        "request.pem",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
    ];
    let out = ["-extfile", "extensions", "-out", "certificate.pem"];
    openssl(&[&sign[..], &out, &days].concat());
}
