//! What the scenarios about event streams share: APIs behind proxies that break connections, many listeners
//! at once, and figures about what they saw.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
    time::Duration,
};

use lamplighter_testkit::{
    api::Api,
    fleet::Fleet,
    history::{Entry, History, Seen},
    http_client,
    load::Client,
    proxy::Proxy,
};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::Instant};

/// How long a client is patient.
const PATIENCE: Duration = Duration::from_secs(90);

/// The APIs of a fleet, each behind a proxy.
pub struct Doors {
    /// The proxies.
    pub proxies: Vec<Proxy>,
    /// The APIs as their clients know them.
    pub apis: Vec<Api>,
}

impl Doors {
    /// Before every API of a fleet.
    pub fn before(fleet: &Fleet) -> Self {
        let port = |address: String| {
            let (_, port) = address.rsplit_once(':').expect("HOST:PORT");
            port.parse().expect("a number")
        };
        let ports = fleet.apis.iter().map(|node| port(node.address()));
        let proxies: Vec<Proxy> = ports.map(Proxy::start).collect();
        let known = |proxy: &Proxy| {
            let address = Arc::new(RwLock::new(proxy.address().to_string()));
            Api::new(http_client(), address, fleet.token())
        };
        Self {
            apis: proxies.iter().map(known).collect(),
            proxies,
        }
    }
}

/// Jobs and their listeners.
pub struct Crowd<'a> {
    /// The APIs; listener n starts at number n.
    pub apis: &'a [Api],
    /// What they see.
    pub history: &'a Arc<History>,
    /// The seed of the keys.
    pub seed: u64,
}

impl Crowd<'_> {
    fn client(&self, number: usize) -> Client {
        Client {
            apis: self.apis.to_vec(),
            next: number,
            history: self.history.clone(),
            deadline: Instant::now() + PATIENCE,
        }
    }

    /// Submits so many jobs that stream; their ids.
    pub async fn submit(&self, name: &str, jobs: usize, input: &Value) -> Vec<String> {
        let one = |number: usize| async move {
            let mut input = input.clone();
            input["n"] = number.into();
            let key = format!("{name}-{}-{number}", self.seed);
            let body = json!({"model": "echo", "input": input});
            self.client(number)
                .submit(&key, &body)
                .await
                .expect("it is taken")
        };
        futures::future::join_all((0..jobs).map(one)).await
    }

    /// Sends so many listeners, in turns to these jobs; each stays until it is told `done`.
    pub fn follow(&self, jobs: &[String], listeners: usize) -> JoinSet<()> {
        let mut all = JoinSet::new();
        for (number, job) in jobs.iter().cycle().take(listeners).enumerate() {
            // All listeners of a job are not at the same API, however many jobs there are.
            let mut client = self.client(number + number / jobs.len());
            let job = job.clone();
            all.spawn(async move { client.follow(&job).await });
        }
        all
    }
}

/// How long listeners were without a stream, from each break to the next opening, shortest first.
pub fn reconnects(entries: &[Entry]) -> Vec<Duration> {
    let mut broken: HashMap<u64, Duration> = HashMap::new();
    let mut took = Vec::new();
    for entry in entries {
        match &entry.what {
            Seen::Closed { listener, .. } => {
                broken.entry(*listener).or_insert(entry.ended);
            }
            Seen::Opened { listener, .. } => {
                took.extend(broken.remove(listener).map(|since| entry.ended - since));
            }
            _ => {}
        }
    }
    took.sort_unstable();
    took
}

/// How many events of this name all listeners were told.
pub fn told(entries: &[Entry], name: &str) -> usize {
    let events = entries.iter().filter(|entry| match &entry.what {
        Seen::Event { event, .. } => event.name == name,
        _ => false,
    });
    events.count()
}

/// Each `gap` that a listener was told of, in words, with what it was told next.
pub fn gaps(entries: &[Entry]) -> Vec<String> {
    let mut found = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        let Seen::Event { job, listener, event } = &entry.what else {
            continue;
        };
        if event.name != "gap" {
            continue;
        }
        let of_this = entries[place + 1..].iter().find_map(|later| match &later.what {
            Seen::Event {
                listener: l, event, ..
            } if l == listener => Some(event),
            _ => None,
        });
        let next = of_this.map(|event| (event.name.as_str(), event.id.as_str()));
        found.push(format!(
            "{job}, listener {listener} at {:.3} s: {} at {}, then {next:?}",
            entry.ended.as_secs_f64(),
            event.data,
            event.id
        ));
    }
    found
}

/// What this part of sorted figures keeps; zero where there are none.
pub fn quantile(sorted: &[Duration], part: f64) -> Duration {
    let place = (sorted.len() as f64 * part) as usize;
    let last = sorted.len().saturating_sub(1);
    sorted.get(place.min(last)).copied().unwrap_or_default()
}
