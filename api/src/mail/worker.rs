//! Sends what stands in the outbox: a feeder claims mails that are due, an apalis worker carries each to the mail
//! server. Every process with an API does it, and none sends what another has in hand.
//!
//! Not here: how a mail reads (`render`), how it is sent (`transport`), when a written one goes (`files`).

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use apalis::{
    layers::tracing::TraceLayer,
    prelude::{Data, Monitor, Task, WorkerBuilder, WorkerBuilderExt},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use lamplighter_shared::{
    db::{
        DbError, attempts, reminders,
        task_claims::{self, Claimed},
        tasks::TaskKind,
    },
    email::Email,
    fault,
    lifecycle::Lifecycle,
    queue::channel::{ChannelBackend, Numbered},
    telemetry::metrics::MAILS,
};
use metrics::counter;
use sha2::{Digest, Sha256};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    Locale, Mail, Message,
    compose::compose,
    files,
    transport::{self, Sent},
};
use crate::state::App;

/// Mails on their way at once: a server that hangs holds up no others.
const AT_ONCE: usize = 8;
/// Between two looks, where nobody says that there is something (± 20 %).
const POLL: Duration = Duration::from_secs(1);
/// Between two looks for tokens that end soon (± 20 %).
const REMIND: Duration = Duration::from_secs(60);
/// Until the second try; twice as long before each further one, up to [`LONGEST`] (± 20 %).
const FIRST_PAUSE: Duration = Duration::from_secs(30);
/// The longest pause between two tries.
const LONGEST: Duration = Duration::from_secs(6 * 3600);

/// A mail in hand.
struct InHand {
    task: Claimed,
    /// Its place among those on their way.
    _place: OwnedSemaphorePermit,
}

impl Numbered for InHand {
    fn task_id(&self) -> String {
        self.task.id.to_string()
    }

    fn attempt(&self) -> usize {
        self.task.attempt as usize
    }
}

/// Sends until the lifecycle's soft token is cancelled and the last mail in hand has gone, or its hard one is.
pub(crate) async fn run(app: Arc<App>, lifecycle: Lifecycle) {
    let (sender, mails) = mpsc::channel(AT_ONCE);
    let stop = lifecycle.soft.clone();
    let all = async {
        tokio::join!(
            feed(&app, sender, &stop),
            work(app.clone(), mails),
            remind(&app, &stop),
            files::keep_house(&app, &stop)
        )
    };
    tokio::select! {
        _ = all => {}
        // What is on its way is due again once its lease is over.
        () = lifecycle.hard.cancelled() => {}
    }
}

async fn feed(app: &App, sender: mpsc::Sender<InHand>, stop: &CancellationToken) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        tokio::select! {
            () = sleep(jitter(POLL)) => {}
            () = app.outbox.0.notified() => {}
            () = stop.cancelled() => return,
        }
        let taken = stop.run_until_cancelled(take(app, &sender, &places)).await;
        if let Some(Err(error)) = taken {
            tracing::warn!(%error, "mails that are due could not be claimed");
        }
    }
}

/// Hands out what is due; returns once nothing is.
async fn take(app: &App, sender: &mpsc::Sender<InHand>, places: &Arc<Semaphore>) -> Result<(), DbError> {
    loop {
        let Ok(first) = places.clone().acquire_owned().await else {
            return Ok(());
        };
        let mut free = vec![first];
        while let Ok(place) = places.clone().try_acquire_owned() {
            free.push(place);
        }
        let tasks = task_claims::claim(&app.db, TaskKind::Mail, free.len()).await?;
        let all = tasks.len() < free.len();
        for (task, place) in tasks.into_iter().zip(free) {
            let mail = InHand { task, _place: place };
            // There is a place in the channel for each that is in hand.
            if sender.send(mail).await.is_err() {
                return Ok(());
            }
        }
        if all {
            return Ok(());
        }
    }
}

async fn work(app: Arc<App>, mails: mpsc::Receiver<InHand>) {
    let backend = Mutex::new(Some(ChannelBackend(mails)));
    let monitor = Monitor::new().register(move |_| {
        // Our backend can't fail, so the monitor never asks for a second worker.
        let backend = backend.lock().unwrap_or_else(PoisonError::into_inner).take();
        let backend = backend.unwrap_or_else(|| ChannelBackend(mpsc::channel(1).1));
        let span = |task: &Task<InHand>| {
            let InHand { task, .. } = &task.args;
            tracing::info_span!("mail", task = %task.id, attempt = task.attempt)
        };
        WorkerBuilder::new("mail")
            .backend(backend)
            .data(app.clone())
            .concurrency(AT_ONCE)
            .catch_panic()
            .layer(TraceLayer::new().make_span_with(span))
            .build(deliver)
    });
    if let Err(error) = monitor.run().await {
        tracing::error!(%error, "the mail worker ended with an error");
    }
}

/// What became of a try.
enum Outcome {
    Sent { rest: String },
    PutOff(Duration),
    Failed { reason: String, for_good: bool },
}

async fn deliver(mail: InHand, app: Data<Arc<App>>) {
    let task = &mail.task;
    let outcome = attempt(&app, task).await;
    fault::point("mail.before_done").await;
    // A mail that was sent and not noted comes twice: worth a few tries.
    for pause in [1, 2, 4] {
        match note(&app, task, &outcome).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "what became of a mail could not be noted"),
        }
        sleep(Duration::from_secs(pause)).await;
    }
}

async fn attempt(app: &App, task: &Claimed) -> Outcome {
    let failed = |reason: String, for_good| Outcome::Failed { reason, for_good };
    if task.attempt > app.config.mail.max_attempts {
        // Its last try took the process with it, or was lost.
        return failed(
            format!("no answer to the last of {} tries", task.attempt - 1),
            true,
        );
    }
    let Some((mail, rest)) = Mail::open(task, &app.key) else {
        return failed("the mail can't be opened: was the key replaced?".to_owned(), true);
    };
    match put_off(app, task, &mail.to).await {
        Ok(None) => {}
        Ok(Some(wait)) => return Outcome::PutOff(wait),
        Err(error) => return failed(error.to_string(), false),
    }
    let envelope = match compose(&app.config.mail, task.id, &mail, app.public_url()) {
        Ok(envelope) => envelope,
        Err(unsendable) => return failed(unsendable.to_string(), true),
    };
    match transport::send(&app.config, envelope, task.id).await {
        Ok(Sent::Accepted) => Outcome::Sent { rest },
        Ok(Sent::Written(path)) => {
            tracing::info!(template = mail.message.name(), file = %path.display(), "a mail was written");
            Outcome::Sent { rest }
        }
        Err(not_sent) => failed(not_sent.reason, not_sent.for_good),
    }
}

/// How long the mail has to wait because its address got many: asked once a mail, not once a try.
async fn put_off(app: &App, task: &Claimed, to: &str) -> Result<Option<Duration>, DbError> {
    if task.attempt > 1 {
        return Ok(None);
    }
    let settings = &app.config.mail;
    // Dots and tags make no other mailbox.
    let box_name = Email::parse(to).map_or_else(|_| to.to_owned(), |email| email.limit_key());
    let key = format!(
        "mail:{}",
        URL_SAFE_NO_PAD.encode(Sha256::digest(box_name.as_bytes()))
    );
    let per_second = settings.per_address_per_hour / 3600.0;
    let admission = attempts::admit(&app.db, &key, per_second, settings.per_address_burst).await?;
    Ok((!admission.allowed).then_some(admission.retry_after))
}

async fn note(app: &App, task: &Claimed, outcome: &Outcome) -> Result<(), DbError> {
    let (name, held) = match outcome {
        Outcome::Sent { rest } => (
            "sent",
            task_claims::done(&app.db, task, Some(rest.clone())).await?,
        ),
        Outcome::PutOff(wait) => ("put_off", task_claims::put_off(&app.db, task, *wait).await?),
        Outcome::Failed { reason, for_good } => {
            let last = *for_good || task.attempt >= app.config.mail.max_attempts;
            let again = (!last).then(|| pause(task.attempt));
            tracing::warn!(reason, given_up = last, "a mail was not sent");
            let held = task_claims::failed(&app.db, task, reason, again).await?;
            (if last { "dead" } else { "failed" }, held)
        }
    };
    counter!(MAILS, "outcome" => name).increment(1);
    if !held {
        tracing::warn!("a mail took longer than its lease; another process has it");
    }
    Ok(())
}

/// Until the next try, after this one.
fn pause(attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    jitter(FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST))
}

pub(super) fn jitter(time: Duration) -> Duration {
    time.mul_f64(rand::random_range(0.8..1.2))
}

/// Tells the owners of tokens that end soon.
async fn remind(app: &App, stop: &CancellationToken) {
    let key = app.key.clone();
    let write: reminders::Write = Arc::new(move |ending| {
        let mail = Mail {
            to: ending.email.clone(),
            user: Some(ending.user),
            locale: Locale::of(ending.locale.as_deref(), None),
            message: Message::TokenExpires {
                name: ending.name.clone(),
                days: ending.days,
            },
        };
        mail.task(&key).map_err(|error| error.to_string())
    });
    let mut next = Instant::now();
    while stop
        .run_until_cancelled(tokio::time::sleep_until(next))
        .await
        .is_some()
    {
        match reminders::remind(&app.db, write.clone()).await {
            Ok(0) => {}
            Ok(_) => app.outbox.wake(),
            Err(error) => tracing::warn!(%error, "owners of tokens that end soon were not told"),
        }
        next = Instant::now() + jitter(REMIND);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_six_hours() {
        let seconds = |attempt| pause(attempt).as_secs_f64();
        for (attempt, middle) in [
            (1, 30.0),
            (2, 60.0),
            (5, 480.0),
            (10, 15_360.0),
            (12, 21_600.0),
            (99, 21_600.0),
        ] {
            let pause = seconds(attempt);
            assert!(
                pause >= middle * 0.79 && pause <= middle * 1.21,
                "{attempt}: {pause}"
            );
        }
    }
}
