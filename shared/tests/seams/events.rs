//! The contract of events.

use std::time::{Duration, Instant};

use lamplighter_shared::{
    event::{EventId, JobEvent, Progress},
    events::{MemoryLimits, REPLAY, RedisEvents, Subscription},
    id::JobId,
    lifecycle::Lifecycle,
};
use tokio::sync::broadcast::error::RecvError;

use crate::world::{PATIENCE, SILENCE, at, connected, events, output, outputs, subscribed, until};

async fn next(subscription: &mut Subscription) -> Result<JobEvent, RecvError> {
    tokio::time::timeout(PATIENCE, subscription.live.recv())
        .await
        .expect("an event in time")
}

/// The next event after those that the replay had already.
async fn next_after(subscription: &mut Subscription, last: EventId) -> JobEvent {
    loop {
        let event = next(subscription).await.expect("live");
        if event.id().is_none_or(|id| id > last) {
            return event;
        }
    }
}

/// Waits until what was published can be replayed elsewhere.
async fn arrived(events: &dyn lamplighter_shared::events::Events, job: JobId, last: EventId) {
    until("the events are kept", || async {
        let before = at(last.epoch, last.seq - 1);
        let kept = subscribed(events, job, before).await.replay;
        kept.last().and_then(JobEvent::id) == Some(last)
    })
    .await;
}

#[tokio::test]
async fn a_watcher_resumes_without_a_hole() {
    for pair in events(MemoryLimits::default()).await {
        let job = JobId::generate();
        pair.here.publish(job, outputs(1, 1..=5)).await;
        arrived(&*pair.there, job, at(1, 5)).await;
        let mut subscription = subscribed(&*pair.there, job, at(1, 3)).await;
        pair.here.publish(job, vec![output(1, 6)]).await;
        assert_eq!(subscription.replay, outputs(1, 4..=5), "{}", pair.name);
        assert!(!subscription.gap && !subscription.more, "{}", pair.name);
        assert_eq!(next_after(&mut subscription, at(1, 5)).await, output(1, 6));
    }
}

#[tokio::test]
async fn everything_of_an_event_arrives_and_in_order() {
    for pair in events(MemoryLimits::default()).await {
        let job = JobId::generate();
        let mut subscription = subscribed(&*pair.there, job, EventId::default()).await;
        let progress = JobEvent::Progress {
            id: at(1, 2),
            progress: Progress {
                fraction: 0.25,
                stage: "läuft 走る \"\u{1}".to_owned(),
            },
        };
        let told = vec![output(1, 1), progress, JobEvent::Changed, output(1, 3)];
        pair.here.publish(job, told.clone()).await;
        for event in told {
            assert_eq!(next(&mut subscription).await, Ok(event), "{}", pair.name);
        }
    }
}

#[tokio::test]
async fn dropped_events_are_told_as_a_gap() {
    let limits = MemoryLimits {
        events_per_job: 3,
        ..Default::default()
    };
    for pair in events(limits).await {
        let job = JobId::generate();
        pair.here.publish(job, outputs(1, 1..=5)).await;
        arrived(&*pair.there, job, at(1, 5)).await;
        for (after, gap, first) in [(0, true, 3), (1, true, 3), (2, false, 3), (3, false, 4)] {
            let subscription = subscribed(&*pair.there, job, at(1, after)).await;
            assert_eq!(subscription.gap, gap, "{} after {after}", pair.name);
            assert_eq!(
                subscription.replay.first(),
                Some(&output(1, first)),
                "{}",
                pair.name
            );
        }
    }
}

#[tokio::test]
async fn bytes_are_bounded_as_well_and_the_newest_always_stays() {
    let limits = MemoryLimits {
        bytes_per_job: 20_000,
        ..Default::default()
    };
    for pair in events(limits).await {
        let job = JobId::generate();
        let chunk = |seq: u64, size: usize| JobEvent::Output {
            id: at(1, seq),
            index: seq - 1,
            chunk: "x".repeat(size).into(),
        };
        for seq in 1..=200 {
            pair.here.publish(job, vec![chunk(seq, 1000)]).await;
        }
        arrived(&*pair.there, job, at(1, 200)).await;
        let kept = subscribed(&*pair.there, job, EventId::default()).await;
        println!(
            "{}: {} chunks of 1 KB are kept of 200",
            pair.name,
            kept.replay.len()
        );
        assert!(
            (10..=20).contains(&kept.replay.len()) && kept.gap,
            "{}",
            pair.name
        );
        pair.here.publish(job, vec![chunk(201, 100_000)]).await;
        arrived(&*pair.there, job, at(1, 201)).await;
        let kept = subscribed(&*pair.there, job, EventId::default()).await;
        assert_eq!(kept.replay, [chunk(201, 100_000)], "{}", pair.name);
    }
}

#[tokio::test]
async fn a_new_epoch_voids_the_old_one_and_a_zombie_voids_nothing() {
    for pair in events(MemoryLimits::default()).await {
        let job = JobId::generate();
        pair.here.publish(job, outputs(1, 1..=5)).await;
        pair.here.publish(job, vec![output(2, 1)]).await;
        arrived(&*pair.there, job, at(2, 1)).await;
        let mut subscription = subscribed(&*pair.there, job, at(1, 2)).await;
        assert_eq!(subscription.replay, [output(2, 1)], "{}", pair.name);
        assert!(!subscription.gap, "{}", pair.name);
        let zombie = vec![output(1, 6), output(2, 1), output(2, 2), output(1, 7)];
        pair.here.publish(job, zombie).await;
        let heard = next_after(&mut subscription, at(2, 1)).await;
        assert_eq!(heard, output(2, 2), "{}", pair.name);
        let again = subscribed(&*pair.there, job, EventId::default()).await;
        assert_eq!(again.replay, outputs(2, 1..=2), "{}", pair.name);
        pair.here.publish(job, vec![JobEvent::Changed]).await;
        assert_eq!(
            next(&mut subscription).await,
            Ok(JobEvent::Changed),
            "{}",
            pair.name
        );
    }
}

#[tokio::test]
async fn a_long_replay_comes_in_pieces_that_say_so() {
    for pair in events(MemoryLimits::default()).await {
        let job = JobId::generate();
        let all = 2 * REPLAY as u64 + 10;
        pair.here.publish(job, outputs(1, 1..=all)).await;
        arrived(&*pair.there, job, at(1, all)).await;
        let (mut last, mut pieces) = (EventId::default(), 0);
        loop {
            let subscription = subscribed(&*pair.there, job, last).await;
            assert!(!subscription.gap, "{}", pair.name);
            let from = last.seq + 1;
            last = subscription
                .replay
                .last()
                .and_then(JobEvent::id)
                .expect("some are left");
            assert_eq!(subscription.replay, outputs(1, from..=last.seq), "{}", pair.name);
            pieces += 1;
            if !subscription.more {
                break;
            }
        }
        assert_eq!((last.seq, pieces), (all, 3), "{}", pair.name);
    }
}

#[tokio::test]
async fn an_ended_job_replays_to_early_and_late_watchers_and_is_forgotten() {
    let limits = MemoryLimits {
        linger: Duration::from_millis(300),
        ..Default::default()
    };
    for pair in events(limits).await {
        let job = JobId::generate();
        let mut early = subscribed(&*pair.there, job, EventId::default()).await;
        pair.here.publish(job, vec![output(1, 1)]).await;
        pair.here.close(job).await;
        assert_eq!(next(&mut early).await, Ok(output(1, 1)), "{}", pair.name);
        assert_eq!(next(&mut early).await, Ok(JobEvent::Changed), "{}", pair.name);
        let late = subscribed(&*pair.there, job, EventId::default()).await;
        assert_eq!(late.replay, [output(1, 1)], "{}", pair.name);
        drop((early, late));
        until("the events are forgotten", || async {
            // In the process, whoever looks makes it last; entries are looked through when others come.
            tokio::time::sleep(Duration::from_millis(400)).await;
            pair.here.publish(JobId::generate(), vec![output(1, 1)]).await;
            subscribed(&*pair.there, job, EventId::default())
                .await
                .replay
                .is_empty()
        })
        .await;
    }
}

#[tokio::test]
async fn watchers_of_one_job_hear_the_same_and_others_nothing() {
    for pair in events(MemoryLimits::default()).await {
        let (job, other) = (JobId::generate(), JobId::generate());
        let mut watchers = Vec::new();
        for _ in 0..50 {
            watchers.push(subscribed(&*pair.there, job, EventId::default()).await);
        }
        let mut stranger = subscribed(&*pair.there, other, EventId::default()).await;
        pair.here.publish(job, outputs(1, 1..=3)).await;
        for watcher in &mut watchers {
            for seq in 1..=3 {
                assert_eq!(next(watcher).await, Ok(output(1, seq)), "{}", pair.name);
            }
        }
        let silent = tokio::time::timeout(SILENCE, stranger.live.recv()).await;
        assert!(silent.is_err(), "{}: {silent:?}", pair.name);
    }
}

/// What is particular to Redis: nothing lives for ever, and nobody stays subscribed for nothing.
#[tokio::test]
async fn every_key_has_a_time_to_live_and_channels_are_let_go() {
    let server = lamplighter_testkit::redis::Redis::start();
    let redis = connected(&server).await;
    let carrier = RedisEvents::start(&redis, &Lifecycle::default());
    let events: &dyn lamplighter_shared::events::Events = &carrier;
    let jobs: Vec<JobId> = (0..20).map(|_| JobId::generate()).collect();
    for job in &jobs {
        events
            .publish(*job, vec![output(1, 1), JobEvent::Changed, output(1, 2)])
            .await;
        arrived(events, *job, at(1, 2)).await;
    }
    events.close(jobs[0]).await;
    let key = |job: &JobId| format!("lamplighter:events:{job}");
    let left = |job: &JobId| server.command(&["PTTL", &key(job)]).number().expect("a number");
    until("the end shortens the time", || async {
        left(&jobs[0]) <= 600_000
    })
    .await;
    for job in &jobs {
        assert!((1..=3_600_000).contains(&left(job)), "{}", left(job));
    }
    // A change of a job without events leaves no key.
    let quiet = JobId::generate();
    events.publish(quiet, vec![JobEvent::Changed]).await;
    events.close(quiet).await;
    let subscriptions = |job: &JobId| {
        let answer = server.command(&["PUBSUB", "NUMSUB", &key(job)]);
        answer.list()[1].number().expect("a number")
    };
    let watcher = subscribed(events, jobs[1], at(1, 2)).await;
    until("channels that nobody watches are let go", || async {
        carrier.watched() == 1 && subscriptions(&jobs[2]) == 0
    })
    .await;
    assert_eq!(subscriptions(&jobs[1]), 1);
    // Let go and watched again at once: the subscription stands.
    drop(watcher);
    for round in 0..200u64 {
        let mut again = subscribed(events, jobs[1], at(1, round + 2)).await;
        events.publish(jobs[1], vec![output(1, round + 3)]).await;
        assert_eq!(
            next_after(&mut again, at(1, round + 2)).await,
            output(1, round + 3)
        );
    }
    assert_eq!(server.command(&["EXISTS", &key(&quiet)]).number(), Some(0));
}

/// A slow Redis must not slow the model.
#[tokio::test]
async fn publishing_does_not_wait_for_redis() {
    let server = lamplighter_testkit::redis::Redis::start();
    let redis = connected(&server).await;
    let carrier = RedisEvents::start(&redis, &Lifecycle::default());
    let events: &dyn lamplighter_shared::events::Events = &carrier;
    let job = JobId::generate();
    server.pause();
    let start = Instant::now();
    for seq in 1..=1000 {
        events.publish(job, vec![output(1, seq)]).await;
    }
    let took = start.elapsed();
    server.resume();
    println!("1000 batches while Redis stands still: {took:?}");
    assert!(took < Duration::from_millis(500));
    // They waited, and are not lost.
    arrived(events, job, at(1, 1000)).await;
    assert!(!subscribed(events, job, EventId::default()).await.gap);
}
