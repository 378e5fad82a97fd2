//! What `docker compose up` would start, started from `compose.yaml` as processes of this machine: the same
//! commands, environments, secrets and health checks. Only places differ (ports instead of containers,
//! folders instead of volumes), and [`Places`] lists every difference.
//!
//! Not here: nginx (`nginx`).

use std::{
    collections::BTreeMap,
    env, fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, OnceLock, RwLock},
    thread::{panicking, sleep},
    time::{Duration, Instant},
};

use lamplighter_testkit::{
    api::Api,
    http_client,
    port::free_port,
    postgres::Postgres,
    process::{self, Signal},
};
use serde_json::Value;

use crate::{compose, dockerfile::Dockerfile, nginx::Nginx, servers};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lamplighter");
/// The most that a service may take to be healthy.
const HEALTHY: Duration = Duration::from_secs(60);
/// The services that are `lamplighter`, in the order they are started.
pub const OURS: [&str; 3] = ["api-1", "api-2", "worker"];

/// Everything that runs. Stopped when dropped.
pub struct Stack {
    compose: Value,
    folder: PathBuf,
    places: Places,
    running: BTreeMap<&'static str, Child>,
    nginx: Nginx,
    token: String,
    /// Variables of every service of ours, beside those of the file.
    extra: Vec<(String, String)>,
    // After those who use them.
    redis: servers::Redis,
    postgres: Postgres,
}

/// What stands in compose.yaml, and what it is here.
#[derive(Clone, Default)]
struct Places {
    /// For every service.
    all: Vec<(String, String)>,
    /// For one.
    own: BTreeMap<String, Vec<(String, String)>>,
}

impl Places {
    fn put(&self, service: &str, text: &str) -> String {
        let own = self.own.get(service).into_iter().flatten();
        own.chain(&self.all)
            .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }
}

impl Stack {
    /// One that all tests share; nobody may stop anything of it.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Stack> = OnceLock::new();
        SHARED.get_or_init(|| Self::start("shared"))
    }

    /// Starts everything in the order the file asks for, and waits until all is healthy.
    pub fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    /// The same, where services of ours have further variables.
    pub fn start_with(name: &str, extra: &[(&str, &str)]) -> Self {
        let started = Instant::now();
        let folder = folder(name);
        let variables = BTreeMap::from([
            ("LAMPLIGHTER_LOG", "info,lamplighter_api=debug"),
            // All tests come from one address.
            ("LAMPLIGHTER_RATE", "1000r/s"),
        ]);
        let text = fs::read_to_string(compose::file("compose.yaml")).expect("compose.yaml");
        let compose = compose::parse(&text, &variables);
        make_secrets(&folder.join("secrets"));
        let password = secret(&folder, "postgres_password");
        let postgres = servers::start_postgres(&compose, &password);
        let redis = servers::Redis::start(&compose, &folder);
        let places = places(&folder, &postgres, redis.port);
        let mut stack = Self {
            nginx: Nginx::planned(&folder.join("nginx")),
            compose,
            folder,
            places,
            running: BTreeMap::new(),
            token: String::new(),
            extra: extra
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            redis,
            postgres,
        };
        let migrated = stack.run("migrate", &[]);
        assert!(migrated.0.success(), "migrate: {}", migrated.1);
        let roles = stack.run_roles();
        assert!(roles.0.success(), "roles: {}", roles.1);
        for name in OURS {
            stack.launch(name);
        }
        for name in OURS {
            stack.wait_healthy(name);
        }
        stack.nginx = stack.front(&stack.folder.join("nginx"), &[]);
        let created = stack
            .command("api-1", &["lamplighter", "token", "create"])
            .output();
        let created = created.expect("the program can be started");
        assert!(created.status.success(), "token create: {created:?}");
        String::from_utf8_lossy(&created.stdout)
            .trim()
            .clone_into(&mut stack.token);
        println!("the stack was up after {} ms", started.elapsed().as_millis());
        stack
    }

    /// The API through nginx, as the owner.
    pub fn through_nginx(&self) -> Api {
        self.api_at(&self.nginx.address())
    }

    /// One of the APIs, past nginx.
    pub fn directly(&self, service: &str) -> Api {
        self.api_at(&self.places.put(service, "127.0.0.1:8080"))
    }

    /// Where a service of ours is told to listen, here.
    pub fn listens_at(&self, service: &str) -> String {
        let words = compose::strings(&self.compose["services"][service]["command"]);
        let address = words.iter().find(|word| word.starts_with("0.0.0.0:"));
        self.places
            .put(service, address.expect("an address in its command"))
    }

    /// The API at an address, as the owner.
    pub fn api_at(&self, address: &str) -> Api {
        let address = Arc::new(RwLock::new(address.to_owned()));
        Api::new(http_client(), address, &self.token)
    }

    /// nginx.
    pub fn nginx(&self) -> &Nginx {
        &self.nginx
    }

    /// Another nginx in front of the same APIs, with some variables of its own.
    pub fn front(&self, folder: &Path, variables: &[(&str, &str)]) -> Nginx {
        let service = &self.compose["services"]["nginx"];
        let mut places = self.places.clone();
        let listen = format!("127.0.0.1:{}", free_port());
        places.own.entry("nginx".to_owned()).or_default().extend([
            ("/tmp".to_owned(), folder.display().to_string()),
            (
                "/dev/stdout".to_owned(),
                folder.join("access.log").display().to_string(),
            ),
        ]);
        let put = |text: &str| places.put("nginx", text);
        let mut environment = environment(service);
        for value in environment.values_mut() {
            *value = put(value);
        }
        environment.insert("LAMPLIGHTER_NGINX_LISTEN".to_owned(), listen.clone());
        for (name, value) in variables {
            environment.insert((*name).to_owned(), (*value).to_owned());
        }
        let words: Vec<String> = compose::strings(&service["command"])
            .iter()
            .map(|w| put(w))
            .collect();
        Nginx::start(folder, &listen, &words, &environment)
    }

    /// A folder of this stack.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The log of a service.
    pub fn log(&self, service: &str) -> String {
        fs::read_to_string(self.folder.join(format!("{service}.log"))).unwrap_or_default()
    }

    /// Runs the service's health check once.
    pub fn is_healthy(&self, service: &str) -> bool {
        let test = compose::strings(&self.compose["services"][service]["healthcheck"]["test"]);
        let (kind, words) = test.split_first().expect("a health check");
        assert_eq!(kind, "CMD");
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut check = self.command(service, &words);
        check.stdout(Stdio::null()).stderr(Stdio::null());
        check.status().expect("the program can be started").success()
    }

    /// A connection to Redis that has said the password.
    ///
    /// # Panics
    /// Where Redis does not take it.
    pub fn redis(&self) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.redis.port)).expect("Redis listens");
        let password = secret(&self.folder, "redis_password");
        stream
            .write_all(format!("AUTH lamplighter {password}\r\n").as_bytes())
            .expect("Redis reads");
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).expect("Redis answers");
        assert_eq!(&answer, b"+OK\r\n");
        stream
    }

    /// Kills a service at once.
    pub fn kill9(&mut self, service: &str) {
        if let Some(mut child) = self.running.remove(service) {
            process::signal(child.id(), Signal::SIGKILL);
            let _ = child.wait();
        }
    }

    /// Asks a service to stop as Docker does, and waits as long as Docker would.
    pub fn stop(&mut self, service: &str) -> (ExitStatus, Duration) {
        let grace = self.compose["services"][service]["stop_grace_period"].as_str();
        let grace = grace.and_then(|text| text.strip_suffix('s')?.parse().ok());
        let grace = Duration::from_secs(grace.expect("seconds"));
        let mut child = self.running.remove(service).expect("it runs");
        let asked = Instant::now();
        process::signal(child.id(), Signal::SIGTERM);
        let status = process::wait_at_most(&mut child, grace).unwrap_or_else(|| {
            process::signal(child.id(), Signal::SIGKILL);
            panic!(
                "{service} has not stopped within {grace:?}:\n{}",
                self.log(service)
            )
        });
        (status, asked.elapsed())
    }

    /// Starts a service that was killed or stopped, and waits until it is healthy.
    pub fn start_again(&mut self, service: &'static str) {
        self.launch(service);
        self.wait_healthy(service);
    }

    /// Runs a service's command to its end, with further variables.
    pub fn run(&self, service: &str, variables: &[(&str, &str)]) -> (ExitStatus, String) {
        let mut command = self.entrypoint(service);
        command.envs(variables.iter().copied());
        let done = command.output().expect("the program can be started");
        (done.status, String::from_utf8_lossy(&done.stderr).into_owned())
    }

    /// Runs the command of the service `roles`, which is no program of ours.
    pub fn run_roles(&self) -> (ExitStatus, String) {
        let words = compose::strings(&self.compose["services"]["roles"]["command"]);
        let words: Vec<String> = words.iter().map(|word| self.places.put("roles", word)).collect();
        let done = Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .output();
        let done = done.expect("sh");
        (done.status, String::from_utf8_lossy(&done.stderr).into_owned())
    }

    /// Runs a statement of the server, past its passwords, outside the database that has them.
    pub fn sql(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.postgres.query("postgres", sql)
    }

    /// Where Postgres listens.
    pub fn postgres_port(&self) -> u16 {
        self.postgres.port()
    }

    /// What Postgres wrote to its log.
    pub fn postgres_log(&self) -> String {
        self.postgres.log()
    }

    /// The process of a service.
    pub fn pid(&self, service: &str) -> u32 {
        self.running[service].id()
    }

    /// A secret of the installation.
    pub fn secret(&self, name: &str) -> String {
        secret(&self.folder, name)
    }

    /// `ENTRYPOINT` of the image and `command` of the service.
    fn entrypoint(&self, service: &str) -> Command {
        let mut words = self.dockerfile(service).words("ENTRYPOINT");
        words.extend(compose::strings(&self.compose["services"][service]["command"]));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.command(service, &words)
    }

    /// A command as it would run in the service's container: nothing in its environment but what the image
    /// and the service say.
    pub fn command(&self, service: &str, words: &[&str]) -> Command {
        let (program, arguments) = words.split_first().expect("a command");
        assert_eq!(*program, "lamplighter", "the image holds no other program");
        let mut variables = self.dockerfile(service).environment();
        variables.extend(environment(&self.compose["services"][service]));
        // Of the models only the one that needs no files.
        variables.insert("LAMPLIGHTER_MODELS__ENABLED".to_owned(), r#"["echo"]"#.to_owned());
        variables.extend(self.extra.iter().cloned());
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments.iter().map(|word| self.places.put(service, word)))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default());
        for (name, value) in variables {
            command.env(name, self.places.put(service, &value));
        }
        command
    }

    fn dockerfile(&self, service: &str) -> Dockerfile {
        let path = self.compose["services"][service]["build"]["dockerfile"].as_str();
        let name = path.and_then(|path| path.strip_prefix("docker/"));
        Dockerfile::read(name.expect("a Dockerfile below docker/"))
    }

    fn launch(&mut self, service: &'static str) {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join(format!("{service}.log")))
            .expect("the log can be written");
        let mut command = self.entrypoint(service);
        command
            .stdout(log.try_clone().expect("a handle can be copied"))
            .stderr(log);
        self.running
            .insert(service, process::spawn(command, Signal::SIGKILL));
    }

    fn wait_healthy(&mut self, service: &str) {
        let end = Instant::now() + HEALTHY;
        while !self.is_healthy(service) {
            let child = self.running.get_mut(service).expect("it was started");
            let ended = child.try_wait().expect("it is our child");
            assert!(
                ended.is_none() && Instant::now() < end,
                "{service} does not get healthy ({ended:?}):\n{}",
                self.log(service)
            );
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        for service in OURS {
            self.kill9(service);
            if panicking() {
                eprintln!("--- log of {service} ---\n{}\n--- end ---", self.log(service));
            }
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// An empty folder below the build's own; those of processes that are gone are removed.
fn folder(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("deployment");
    fs::create_dir_all(&root).expect("the build's folder is writable");
    for entry in fs::read_dir(&root).expect("it can be read").flatten() {
        let pid = entry
            .file_name()
            .to_string_lossy()
            .split('-')
            .next()
            .map(str::parse::<u32>);
        if let Some(Ok(pid)) = pid
            && !process::alive(pid)
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let folder = root.join(format!("{}-{name}", std::process::id()));
    for name in [
        "", "nginx", "models", "redis", "api-1", "api-2", "worker", "migrate",
    ] {
        fs::create_dir_all(folder.join(name)).expect("a folder");
    }
    folder
}

fn make_secrets(folder: &Path) {
    let made = Command::new("sh")
        .arg(compose::file("make-secrets.sh"))
        .arg(folder)
        .output()
        .expect("sh");
    assert!(made.status.success(), "{made:?}");
}

fn secret(folder: &Path, name: &str) -> String {
    let text = fs::read_to_string(folder.join("secrets").join(name)).expect(name);
    text.trim().to_owned()
}

/// The service's variables.
fn environment(service: &Value) -> BTreeMap<String, String> {
    let variables = service["environment"].as_object().into_iter().flatten();
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    variables
        .map(|(name, value)| (name.clone(), text(value)))
        .collect()
}

/// Every difference between the containers and this machine.
fn places(folder: &Path, postgres: &Postgres, redis: u16) -> Places {
    let path = |name: &str| folder.join(name).display().to_string();
    let pair = |from: &str, to: String| (from.to_owned(), to);
    let apis = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
    let health = format!("127.0.0.1:{}", free_port());
    let mut places = Places {
        all: vec![
            pair("/run/secrets", path("secrets")),
            pair("/models", path("models")),
            pair(
                "--host=postgres",
                format!("--host=127.0.0.1 --port={}", postgres.port()),
            ),
            pair("/roles.sql", compose::file("roles.sql").display().to_string()),
            pair("@postgres:5432", format!("@127.0.0.1:{}", postgres.port())),
            pair("@redis:6379", format!("@127.0.0.1:{redis}")),
            pair("172.30.77.11:8080", apis[0].clone()),
            pair("172.30.77.12:8080", apis[1].clone()),
            // nginx connects from here.
            pair("172.30.77.10", "127.0.0.1".to_owned()),
        ],
        own: BTreeMap::new(),
    };
    for (name, port, address) in [
        ("api-1", "8080", &apis[0]),
        ("api-2", "8080", &apis[1]),
        ("worker", "8081", &health),
        ("migrate", "8080", &apis[0]),
    ] {
        // Only where it listens differs: whether people may log in goes by the public address, which stays.
        let own = vec![
            pair("/var/lib/lamplighter", path(name)),
            pair(&format!("0.0.0.0:{port}"), address.clone()),
            pair(&format!("127.0.0.1:{port}"), address.clone()),
        ];
        places.own.insert(name.to_owned(), own);
    }
    places
}
