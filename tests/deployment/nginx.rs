//! Debian's real nginx with the templates of `docker/`, rendered as the image of nginx does it.

use std::{
    collections::BTreeMap,
    env, fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::{panicking, sleep},
    time::{Duration, Instant},
};

use lamplighter_testkit::process::{self, Signal};

use crate::compose;

const MISSING: &str = "nginx is not installed (no `nginx` in PATH or /usr/sbin): \
    install the package `nginx-light`, for example `apt-get install nginx-light`";
/// Where the templates are in the image; the rest of a volume's target is what is rendered.
const TEMPLATES: &str = "/etc/nginx/templates/";

/// A running nginx; stopped when dropped.
pub struct Nginx {
    folder: PathBuf,
    listen: String,
    server: Option<Child>,
}

impl Nginx {
    /// One that does not run yet.
    pub fn planned(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            listen: String::new(),
            server: None,
        }
    }

    /// Renders the templates with these variables into `folder`, and starts nginx.
    ///
    /// # Panics
    /// Where it is not installed or does not start; the message has its words.
    pub fn start(
        folder: &Path,
        listen: &str,
        words: &[String],
        variables: &BTreeMap<String, String>,
    ) -> Self {
        fs::create_dir_all(folder).expect("a folder");
        for (template, target) in templates() {
            // Whatever the environment sets decides how it listens.
            let template = variables
                .get("LISTEN_TEMPLATE")
                .filter(|_| target == "listen.conf")
                .unwrap_or(&template);
            let text = fs::read_to_string(compose::file(template)).expect(template);
            fs::write(folder.join(target), render(&text, variables)).expect("the folder is writable");
        }
        let log = fs::File::create(folder.join("error.log")).expect("a log");
        let mut command = Command::new(program());
        command.args(&words[1..]).stdin(Stdio::null()).stderr(log);
        // SIGTERM: a killed master would leave its workers behind.
        let mut server = process::spawn(command, Signal::SIGTERM);
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(listen).is_err() {
            let ended = server.try_wait().expect("it is our child");
            let words = fs::read_to_string(folder.join("error.log")).unwrap_or_default();
            assert!(
                ended.is_none() && Instant::now() < end,
                "nginx does not start ({ended:?}): {words}"
            );
            sleep(Duration::from_millis(5));
        }
        Self {
            folder: folder.to_owned(),
            listen: listen.to_owned(),
            server: Some(server),
        }
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> String {
        self.listen.clone()
    }

    /// Its process.
    ///
    /// # Panics
    /// Where it does not run.
    pub fn pid(&self) -> u32 {
        self.server.as_ref().expect("it runs").id()
    }

    /// The lines of the access log.
    pub fn access_log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join("access.log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The first line of the access log that has all of this in it. nginx writes a line when the answer is
    /// out, which its client may see first.
    ///
    /// # Panics
    /// Where there is none within a few seconds.
    pub fn logged(&self, parts: &[&str]) -> String {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let lines = self.access_log();
            let found = lines
                .iter()
                .find(|line| parts.iter().all(|part| line.contains(part)));
            if let Some(line) = found {
                return line.clone();
            }
            assert!(
                Instant::now() < end,
                "{parts:?} is not logged:\n{}",
                lines.join("\n")
            );
            sleep(Duration::from_millis(10));
        }
    }

    /// What nginx complained about.
    pub fn error_log(&self) -> String {
        fs::read_to_string(self.folder.join("error.log")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let Some(mut server) = self.server.take() else {
            return;
        };
        process::signal(server.id(), Signal::SIGTERM);
        if process::wait_at_most(&mut server, Duration::from_secs(10)).is_none() {
            for worker in process::children(server.id()) {
                process::signal(worker, Signal::SIGKILL);
            }
            process::signal(server.id(), Signal::SIGKILL);
            let _ = server.wait();
        }
        if panicking() {
            eprintln!("--- error log of nginx ---\n{}\n--- end ---", self.error_log());
        }
    }
}

/// The templates that compose.yaml mounts: file below `docker/`, and what it is rendered to.
pub fn templates() -> Vec<(String, String)> {
    let compose = compose::load();
    let volumes = compose::strings(&compose["services"]["nginx"]["volumes"]);
    let template = |volume: &String| {
        let mut parts = volume.split(':');
        let source = parts.next()?.strip_prefix("./")?.to_owned();
        let target = parts.next()?.strip_prefix(TEMPLATES)?.strip_suffix(".template")?;
        Some((source, target.to_owned()))
    };
    volumes.iter().filter_map(template).collect()
}

/// As `envsubst` with the filter of compose.yaml: `${NAME}` of known names only.
fn render(text: &str, variables: &BTreeMap<String, String>) -> String {
    let filter = variables["NGINX_ENVSUBST_FILTER"]
        .trim_start_matches('^')
        .to_owned();
    let ours = variables.iter().filter(|(name, _)| name.starts_with(&filter));
    ours.fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("${{{name}}}"), value)
    })
}

fn program() -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let mut programs = folders.map(|folder| folder.join("nginx"));
    programs
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("{MISSING}"))
}
