//! Who watches in this process: one subscription a watched job, one connection for all of them.
//!
//! Whenever something may have been missed (the connection was lost, or messages came faster than they were
//! taken) all live channels end. Watchers then subscribe again and replay.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fred::{
    clients::Client,
    prelude::{EventInterface, PubsubInterface},
    types::Message,
};
use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        mpsc, watch,
    },
    time::{MissedTickBehavior, interval, timeout},
};

use super::{job_of, key, wire};
use crate::{
    cache::redis::{Backoff, LIMIT, Link, Redis, RedisError},
    event::JobEvent,
    id::JobId,
};

/// Room between the connection and the slowest watcher before that watcher has to replay.
const LIVE_CAPACITY: usize = 128;
/// Subscriptions that are made together.
const ORDERS: usize = 128;
/// How often the connection is asked for a sign of life, and jobs that nobody watches are let go.
const TICK: Duration = Duration::from_secs(1);

/// Who watches in this process.
pub(super) struct Hub {
    watched: Mutex<HashMap<JobId, Watched>>,
    orders: mpsc::UnboundedSender<Order>,
}

struct Watched {
    live: broadcast::Sender<JobEvent>,
    /// Whether the subscription stands; none: not yet known.
    stands: watch::Receiver<Option<bool>>,
}

/// In the order in which they are given: a job that is let go and watched again at once stays subscribed.
pub(super) enum Order {
    Watch(JobId, watch::Sender<Option<bool>>),
    LetGo(JobId),
}

impl Hub {
    pub(super) fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<Order>) {
        let (orders, inbox) = mpsc::unbounded_channel();
        let watched = Mutex::default();
        (Arc::new(Self { watched, orders }), inbox)
    }

    /// Watches a job; whether the subscription stands, so that everything published from now on comes.
    pub(super) async fn watch(&self, job: JobId) -> (broadcast::Receiver<JobEvent>, bool) {
        let (live, mut stands) = {
            let mut watched = self.lock();
            let entry = watched.entry(job).or_insert_with(|| {
                let (tell, stands) = watch::channel(None);
                // The task that takes them lives as long as we do.
                let _ = self.orders.send(Order::Watch(job, tell));
                Watched {
                    live: broadcast::channel(LIVE_CAPACITY).0,
                    stands,
                }
            });
            (entry.live.subscribe(), entry.stands.clone())
        };
        let known = timeout(LIMIT, stands.wait_for(Option::is_some)).await;
        let stands = known.is_ok_and(|known| known.is_ok_and(|known| *known == Some(true)));
        (live, stands)
    }

    /// How many jobs are watched.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Keeps the subscriptions, for ever.
    pub(super) async fn run(self: Arc<Self>, redis: Redis, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut backoff = Backoff::default();
        loop {
            let opened = {
                let open = Link::open(redis.config());
                tokio::pin!(open);
                loop {
                    tokio::select! {
                        opened = &mut open => break opened,
                        Some(order) = orders.recv() => refuse(order),
                    }
                }
            };
            let error = match opened {
                Ok(mut link) => {
                    backoff.worked();
                    let client = link.client().clone();
                    // Those who came while there was no connection missed what was told meanwhile.
                    self.end_all();
                    let why = tokio::select! {
                        why = self.serve(&client, &mut orders) => why,
                        why = link.ended() => RedisError::Unavailable(why),
                    };
                    self.end_all();
                    why
                }
                Err(error) => error,
            };
            backoff.failed("listen for events", &error);
            let pause = backoff.pause();
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    () = &mut pause => break,
                    Some(order) = orders.recv() => refuse(order),
                }
            }
        }
    }

    /// Serves until the connection is of no use.
    async fn serve(&self, client: &Client, orders: &mut mpsc::UnboundedReceiver<Order>) -> RedisError {
        let unavailable = |why: &str| RedisError::Unavailable(why.to_owned());
        let mut messages = client.message_rx();
        let mut batch = Vec::new();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let step = tokio::select! {
                message = messages.recv() => match message {
                    Ok(message) => {
                        self.deliver(&message);
                        Ok(())
                    }
                    Err(RecvError::Lagged(_)) => {
                        tracing::warn!("events came faster than they were taken; watchers replay");
                        self.end_all_but_keep();
                        Ok(())
                    }
                    Err(RecvError::Closed) => return unavailable("it was closed"),
                },
                _ = orders.recv_many(&mut batch, ORDERS) => {
                    carry_out(client, std::mem::take(&mut batch)).await
                }
                _ = ticks.tick() => {
                    self.let_go();
                    sign_of_life(client).await
                }
            };
            if let Err(error) = step {
                return error;
            }
        }
    }

    fn deliver(&self, message: &Message) {
        let Some(job) = job_of(&message.channel) else {
            return;
        };
        let watched = self.lock();
        let Some(entry) = watched.get(&job) else {
            // Left over from a watcher that was told to come again and did not. Whoever watches from now on
            // orders so after this.
            let _ = self.orders.send(Order::LetGo(job));
            return;
        };
        for event in wire::read_all(message.value.as_bytes().unwrap_or_default()) {
            // Nobody watching is no fault: the job is let go in a moment.
            let _ = entry.live.send(event);
        }
    }

    /// Ends all live channels.
    fn end_all(&self) {
        self.lock().clear();
    }

    /// The same, while the connection stands: its subscriptions end, too.
    fn end_all_but_keep(&self) {
        let mut watched = self.lock();
        for (job, _) in watched.drain() {
            let _ = self.orders.send(Order::LetGo(job));
        }
    }

    /// Lets go of jobs that nobody watches any more.
    fn let_go(&self) {
        let mut watched = self.lock();
        watched.retain(|job, entry| {
            let needed = entry.live.receiver_count() > 0;
            if !needed {
                let _ = self.orders.send(Order::LetGo(*job));
            }
            needed
        });
        if watched.capacity() > 1024 && watched.len() < watched.capacity() / 8 {
            watched.shrink_to_fit();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without a connection there is no subscription; the watcher learns so at once.
fn refuse(order: Order) {
    if let Order::Watch(_, tell) = order {
        tell.send_replace(Some(false));
    }
}

/// Carries orders out in their order, those of one kind that follow each other as one command.
async fn carry_out(client: &Client, orders: Vec<Order>) -> Result<(), RedisError> {
    let mut orders = orders.into_iter().peekable();
    while let Some(order) = orders.next() {
        match order {
            Order::Watch(job, tell) => {
                let (mut channels, mut waiting) = (vec![key(job)], vec![tell]);
                while let Some(Order::Watch(..)) = orders.peek() {
                    if let Some(Order::Watch(job, tell)) = orders.next() {
                        channels.push(key(job));
                        waiting.push(tell);
                    }
                }
                bounded(client.subscribe(channels)).await?;
                for tell in waiting {
                    tell.send_replace(Some(true));
                }
            }
            Order::LetGo(job) => {
                let mut channels = vec![key(job)];
                while let Some(Order::LetGo(_)) = orders.peek() {
                    if let Some(Order::LetGo(job)) = orders.next() {
                        channels.push(key(job));
                    }
                }
                bounded(client.unsubscribe(channels)).await?;
            }
        }
    }
    Ok(())
}

async fn sign_of_life(client: &Client) -> Result<(), RedisError> {
    let ping = crate::cache::redis::say(client, "PING", Vec::new());
    match timeout(2 * LIMIT, ping).await {
        Ok(answer) => answer.map(drop),
        Err(_) => Err(RedisError::Unavailable("it gives no sign of life".to_owned())),
    }
}

async fn bounded(command: impl Future<Output = Result<(), fred::error::Error>>) -> Result<(), RedisError> {
    match timeout(2 * LIMIT, command).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(RedisError::Unavailable("it gives no sign of life".to_owned())),
    }
}
