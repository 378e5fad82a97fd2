//! Clients that behave as clients should: they come at a rate of their own, go to another API when one is
//! away, repeat with the same idempotency key, wait as long as they are told, and write down what they see.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    api::Api,
    history::{Answer, History, Seen},
    http_client,
    sse::{Event, Events, OpenError},
};

/// The most one request may take before the client gives it up.
pub const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// The most a client waits because it is told to.
const LONGEST_WAIT: f64 = 5.0;
/// What a client waits before it tries again unasked: twice as long each time, up to two seconds and a half.
const FIRST_BACK_OFF: f64 = 0.02;
const DOUBLINGS: u32 = 7;

/// What a load does.
#[derive(Debug, Clone)]
pub struct Load {
    /// The APIs, as one user.
    pub apis: Vec<Api>,
    /// How many jobs.
    pub jobs: usize,
    /// Jobs a second, whether the fleet keeps up or not.
    pub rate: f64,
    /// How many of them are watched: read again and again until they have ended, from 0 to 1.
    pub watched: f64,
    /// How many are followed by their events, from 0 to 1.
    pub followed: f64,
    /// How long a client tries to have its job taken, and then watches it.
    pub patience: Duration,
    /// The seed of keys and choices.
    pub seed: u64,
}

impl Load {
    /// So many jobs at a rate; a tenth is watched and a tenth followed.
    pub fn new(apis: Vec<Api>, jobs: usize, rate: f64, seed: u64) -> Self {
        Self {
            apis,
            jobs,
            rate,
            watched: 0.1,
            followed: 0.1,
            patience: Duration::from_secs(60),
            seed,
        }
    }

    /// Sends the jobs that `body` makes of their number and a source of chance; returns when the last client
    /// is through. A body gets an idempotency key by itself.
    ///
    /// # Panics
    /// Where a client panics.
    pub async fn run(self, history: Arc<History>, body: impl Fn(usize, &mut StdRng) -> Value) {
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut clients = JoinSet::new();
        let start = Instant::now();
        for number in 0..self.jobs {
            sleep_until(start + Duration::from_secs_f64(number as f64 / self.rate)).await;
            let dice = random.random_range(0.0..1.0);
            let client = Client {
                apis: self.apis.clone(),
                next: number,
                history: history.clone(),
                deadline: Instant::now() + self.patience,
            };
            let key = format!("{}-{number}", self.seed);
            let body = body(number, &mut random);
            let (watched, followed) = (self.watched, self.watched + self.followed);
            clients.spawn(async move {
                let mut client = client;
                let Some(job) = client.submit(&key, &body).await else {
                    return;
                };
                if dice < watched {
                    client.watch(&job).await;
                } else if dice < followed {
                    client.follow(&job).await;
                }
            });
        }
        while let Some(client) = clients.join_next().await {
            client.expect("a client ends well");
        }
    }

    /// The load of `echo` jobs, half of which sleep up to 100 ms, some of which tell chunks.
    pub fn echo(number: usize, random: &mut StdRng) -> Value {
        let mut input = json!({"n": number, "salt": random.random_range(0..u32::MAX)});
        if random.random_bool(0.5) {
            input["sleep_ms"] = random.random_range(1..100).into();
        }
        if random.random_bool(0.3) {
            input["chunks"] = random.random_range(1..6).into();
        }
        json!({"model": "echo", "input": input})
    }
}

/// One client with one job.
#[derive(Debug)]
pub struct Client {
    /// The APIs it knows.
    pub apis: Vec<Api>,
    /// Which is next; it goes to another when one does not answer.
    pub next: usize,
    /// Where it writes down what it sees.
    pub history: Arc<History>,
    /// When it gives up.
    pub deadline: Instant,
}

impl Client {
    fn api(&self) -> (usize, &Api) {
        let number = self.next % self.apis.len();
        (number, &self.apis[number])
    }

    fn in_time(&self) -> bool {
        Instant::now() < self.deadline
    }

    /// Submits until it is taken; the job's id. None when it was refused for good or time is up; the history
    /// has why.
    pub async fn submit(&mut self, key: &str, body: &Value) -> Option<String> {
        for tries in 0.. {
            if !self.in_time() {
                break;
            }
            let (number, api) = self.api();
            let began = self.history.now();
            let request = api
                .request(Method::POST, "/v1/jobs")
                .header("idempotency-key", key)
                .json(body);
            let answer = read(request.timeout(REQUEST_LIMIT).send().await).await;
            let what = Seen::Submit {
                key: key.to_owned(),
                body: body.clone(),
                api: number,
                answer: answer.clone(),
            };
            self.history.add(began, what);
            match &answer {
                Answer::Got {
                    status: 200..300,
                    body,
                    ..
                } => return Some(body["id"].as_str()?.to_owned()),
                // Later: overload, a stop, or the first request with this key is still under way.
                Answer::Got {
                    status: 503 | 429 | 409,
                    retry_after,
                    ..
                } => {
                    let told = retry_after.map(|told| told.min(LONGEST_WAIT));
                    again_after(told.unwrap_or_else(|| back_off(tries))).await;
                }
                Answer::Got { .. } => return None,
                Answer::None(_) => again_after(back_off(tries)).await,
            }
            self.next += 1;
        }
        None
    }

    /// Reads a job again and again until it has ended.
    pub async fn watch(&mut self, job: &str) {
        while self.in_time() {
            match self
                .read(job)
                .await
                .success()
                .map(|job| is_terminal(&job["status"]))
            {
                Some(true) => return,
                Some(false) => sleep(Duration::from_millis(150)).await,
                None => {
                    self.next += 1;
                    sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    /// Reads a job once.
    pub async fn read(&self, job: &str) -> Answer {
        let (number, api) = self.api();
        let began = self.history.now();
        let request = api.request(Method::GET, &format!("/v1/jobs/{job}"));
        let answer = read(request.timeout(REQUEST_LIMIT).send().await).await;
        let what = Seen::Read {
            job: job.to_owned(),
            api: number,
            answer: answer.clone(),
        };
        self.history.add(began, what);
        answer
    }

    /// Listens to a job until `done`, going on where it was after every break.
    pub async fn follow(&mut self, job: &str) {
        let listener = self.history.listener();
        let http = http_client();
        let mut last: Option<String> = None;
        while self.in_time() {
            let (_, api) = self.api();
            let url = api.url(&format!("/v1/jobs/{job}/events"));
            let opened = Events::open(&http, &url, api.token(), last.as_deref());
            let how = match tokio::time::timeout(REQUEST_LIMIT, opened).await {
                Ok(Ok(events)) => {
                    self.history.note(Seen::Opened {
                        job: job.to_owned(),
                        listener,
                    });
                    match self.listen(events, job, listener, &mut last).await {
                        Ok(()) => return,
                        Err(how) => how,
                    }
                }
                Ok(Err(OpenError::Refused(status, text))) => format!("refused: {status} {text}"),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            self.history.note(Seen::Closed {
                job: job.to_owned(),
                listener,
                how,
            });
            self.next += 1;
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Reads one stream up to `done`; how it ended, where it ended before.
    async fn listen(
        &self,
        mut events: Events,
        job: &str,
        listener: u64,
        last: &mut Option<String>,
    ) -> Result<(), String> {
        loop {
            let event: Event = match tokio::time::timeout_at(self.deadline, events.next()).await {
                Err(_) => return Err("out of patience".to_owned()),
                Ok(None) => return Err("the server ended it".to_owned()),
                Ok(Some(Err(broken))) => return Err(format!("broke: {}", broken.0)),
                Ok(Some(Ok(event))) => event,
            };
            if !event.id.is_empty() {
                *last = Some(event.id.clone());
            }
            let over = event.name == "done";
            self.history.note(Seen::Event {
                job: job.to_owned(),
                listener,
                event,
            });
            if over {
                return Ok(());
            }
        }
    }
}

/// Reads every acknowledged job once, from all APIs by turns, until `stop`; the eyes that must never see a
/// job end twice. Each round takes a random part of the jobs.
pub async fn spot_check(apis: Vec<Api>, history: Arc<History>, seed: u64, stop: Arc<AtomicBool>) {
    let mut random = StdRng::seed_from_u64(seed);
    while !stop.load(Ordering::Relaxed) {
        let jobs = history.acknowledged();
        for _ in 0..20 {
            if let Some(job) = jobs.get(random.random_range(0..jobs.len().max(1))) {
                let client = Client {
                    apis: apis.clone(),
                    next: random.random_range(0..apis.len()),
                    history: history.clone(),
                    deadline: Instant::now(),
                };
                client.read(job).await;
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Reads all these jobs once more, eight at a time: what stays is what counts.
///
/// # Panics
/// Where a reader panics.
pub async fn read_all(apis: &[Api], history: &Arc<History>, jobs: &[String]) {
    let mut readers = JoinSet::new();
    for part in 0..8 {
        let mine: Vec<String> = jobs.iter().skip(part).step_by(8).cloned().collect();
        let client = Client {
            apis: apis.to_vec(),
            next: part,
            history: history.clone(),
            deadline: Instant::now(),
        };
        readers.spawn(async move {
            for job in mine {
                client.read(&job).await;
            }
        });
    }
    while let Some(reader) = readers.join_next().await {
        reader.expect("a reader ends well");
    }
}

/// Waits for about so long: clients that failed together must not come again together.
async fn again_after(seconds: f64) {
    let spread = rand::rng().random_range(0.8..1.2);
    sleep(Duration::from_secs_f64(seconds * spread)).await;
}

fn back_off(tries: u32) -> f64 {
    FIRST_BACK_OFF * f64::from(1_u32 << tries.min(DOUBLINGS))
}

/// Whether a job's status is final.
pub fn is_terminal(status: &Value) -> bool {
    matches!(
        status.as_str(),
        Some("succeeded" | "failed" | "canceled" | "expired")
    )
}

async fn read(sent: reqwest::Result<Response>) -> Answer {
    let response = match sent {
        Ok(response) => response,
        Err(error) => return Answer::None(root(&error)),
    };
    let status = response.status().as_u16();
    let header = response.headers().get("retry-after");
    let retry_after = header.and_then(|value| value.to_str().ok()?.parse().ok());
    match response.text().await {
        Ok(text) => Answer::Got {
            status,
            retry_after,
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        },
        Err(error) => Answer::None(format!("{status}, then {}", root(&error))),
    }
}

/// What is at the bottom of a failed request, without what differs from one to the next.
fn root(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        cause.to_string()
    }
}
