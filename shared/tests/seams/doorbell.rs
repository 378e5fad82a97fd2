//! The contract of doorbells.

use std::time::{Duration, Instant};

use lamplighter_shared::id::JobId;

use crate::world::{PATIENCE, SILENCE, doorbells, rung, settle};

#[tokio::test]
async fn a_ring_before_the_wait_is_not_lost_and_other_models_stay_silent() {
    for pair in doorbells().await {
        let (mut a, mut b) = (pair.there.listen("a"), pair.there.listen("b"));
        settle(&*pair.here, "a", &mut a).await;
        settle(&*pair.here, "b", &mut b).await;
        pair.here.ring("a", JobId::generate()).await;
        // Given time to arrive before anybody waits.
        assert!(
            !rung(&mut b, SILENCE).await,
            "{}: another model is rung",
            pair.name
        );
        assert!(rung(&mut a, PATIENCE).await, "{}", pair.name);
        assert!(
            !rung(&mut a, SILENCE).await,
            "{}: one ring rings twice",
            pair.name
        );
    }
}

#[tokio::test]
async fn every_listener_is_rung_also_one_that_came_later() {
    for pair in doorbells().await {
        let mut first = pair.there.listen("m");
        settle(&*pair.here, "m", &mut first).await;
        let mut second = pair.there.listen("m");
        let mut own = pair.here.listen("m");
        settle(&*pair.here, "m", &mut own).await;
        while rung(&mut first, SILENCE).await || rung(&mut second, SILENCE).await {}
        pair.here.ring("m", JobId::generate()).await;
        for (who, listener) in [("first", &mut first), ("second", &mut second), ("own", &mut own)] {
            assert!(rung(listener, PATIENCE).await, "{}: {who}", pair.name);
        }
    }
}

#[tokio::test]
async fn cancellations_reach_every_process_with_the_job_they_name() {
    for pair in doorbells().await {
        let mut listener = pair.there.listen("m");
        settle(&*pair.here, "m", &mut listener).await;
        let (mut one, mut two) = (pair.there.listen_cancels(), pair.there.listen_cancels());
        let jobs: Vec<JobId> = (0..20).map(|_| JobId::generate()).collect();
        for job in &jobs {
            pair.here.ring_cancel(*job).await;
        }
        for receiver in [&mut one, &mut two] {
            for job in &jobs {
                let heard = tokio::time::timeout(PATIENCE, receiver.recv()).await;
                assert_eq!(heard.expect("in time"), Ok(*job), "{}", pair.name);
            }
        }
    }
}

#[tokio::test]
async fn a_burst_of_20_000_rings_costs_a_few_kilobytes_and_ends_in_silence() {
    for pair in doorbells().await {
        let mut listener = pair.there.listen("m");
        settle(&*pair.here, "m", &mut listener).await;
        let memory = |pair: &crate::world::Pair<_>| {
            let server: Option<&lamplighter_testkit::redis::Redis> = pair.server.as_ref();
            server.map_or(0, |s| s.info("used_memory").parse::<i64>().expect("a number"))
        };
        let (before, start) = (memory(&pair), Instant::now());
        let ringers: Vec<_> = (0..20)
            .map(|_| {
                let bell = pair.here.clone();
                tokio::spawn(async move {
                    for _ in 0..1000 {
                        bell.ring("m", JobId::generate()).await;
                    }
                })
            })
            .collect();
        assert!(rung(&mut listener, PATIENCE).await, "{}", pair.name);
        for ringer in ringers {
            ringer.await.expect("rung");
        }
        let took = start.elapsed();
        while rung(&mut listener, SILENCE).await {
            assert!(start.elapsed() < 2 * PATIENCE, "{}: it never ends", pair.name);
        }
        if let Some(server) = &pair.server {
            let kept = server.command(&["XLEN", "lamplighter:bell:m"]).number();
            let grown = memory(&pair) - before;
            println!(
                "20,000 rings in {} ms; kept {kept:?}; Redis grew by {grown} bytes",
                took.as_millis()
            );
            assert!(kept.is_some_and(|n| n < 1000));
            // The stream itself is a few KiB; buffers of connections come and go.
            let stream = server
                .command(&["MEMORY", "USAGE", "lamplighter:bell:m"])
                .number();
            assert!(stream.is_some_and(|n| n < 64 * 1024), "{stream:?}");
        }
        // Still alive.
        pair.here.ring("m", JobId::generate()).await;
        assert!(rung(&mut listener, PATIENCE).await, "{}", pair.name);
    }
}

#[tokio::test]
async fn a_ring_is_heard_within_milliseconds() {
    for pair in doorbells().await {
        let mut listener = pair.there.listen("m");
        settle(&*pair.here, "m", &mut listener).await;
        let mut took = Vec::new();
        for _ in 0..100 {
            let start = Instant::now();
            pair.here.ring("m", JobId::generate()).await;
            assert!(rung(&mut listener, PATIENCE).await, "{}", pair.name);
            took.push(start.elapsed());
            while rung(&mut listener, Duration::from_millis(5)).await {}
        }
        took.sort_unstable();
        println!(
            "{}: ring to wake p50 {:?}, p99 {:?}",
            pair.name, took[50], took[98]
        );
        // Expected: 2 ms, most of it deliberate.
        assert!(took[50] < Duration::from_millis(50), "{}", pair.name);
    }
}
