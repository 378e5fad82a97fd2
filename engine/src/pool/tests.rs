//! What the pool promises, under threads that panic, wait and take turns.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use super::{Pool, share};

#[test]
fn every_lane_runs_once() {
    for lanes in [1, 2, 3, 8] {
        let pool = Pool::new(lanes);
        assert_eq!(pool.lanes(), lanes);
        for _ in 0..200 {
            let seen = Mutex::new(Vec::new());
            pool.run(|lane| seen.lock().unwrap().push((lane, thread::current().id())));
            let mut seen = seen.into_inner().unwrap();
            seen.sort_by_key(|(lane, _)| *lane);
            let (numbers, threads): (Vec<usize>, BTreeSet<_>) =
                seen.iter().map(|(lane, id)| (*lane, format!("{id:?}"))).unzip();
            assert_eq!(numbers, (0..lanes).collect::<Vec<_>>());
            assert_eq!(threads.len(), lanes);
            assert_eq!(seen[0].1, thread::current().id());
        }
    }
}

#[test]
fn no_lane_passes_the_barrier_before_all_are_there() {
    // More lanes than most machines that test this have cores.
    for lanes in [1, 2, 7] {
        let pool = Pool::new(lanes);
        let steps = AtomicUsize::new(0);
        pool.run(|_| {
            for round in 0..300 {
                steps.fetch_add(1, SeqCst);
                pool.barrier();
                assert_eq!(steps.load(SeqCst), (round + 1) * lanes);
                pool.barrier();
            }
        });
        assert_eq!(steps.load(SeqCst), 300 * lanes);
    }
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_lives() {
    let pool = Pool::new(3);
    for culprit in [0, 1, 2] {
        let end = catch_unwind(AssertUnwindSafe(|| {
            pool.run(|lane| {
                assert!(lane != culprit, "lane {lane} has had enough");
                // Those who wait for it must not wait for ever.
                pool.barrier();
            });
        }));
        let panic = end.expect_err("a lane panicked");
        let said = panic.downcast_ref::<String>().expect("a message");
        assert_eq!(*said, format!("lane {culprit} has had enough"));
        let count = AtomicUsize::new(0);
        pool.run(|_| {
            count.fetch_add(1, SeqCst);
            pool.barrier();
        });
        assert_eq!(count.load(SeqCst), 3);
    }
}

#[test]
fn a_pool_in_a_pool_is_refused() {
    for lanes in [1, 2] {
        let (outer, inner) = (Pool::new(lanes), Pool::new(lanes));
        let end = catch_unwind(AssertUnwindSafe(|| outer.run(|_| inner.run(|_| {}))));
        assert!(end.is_err());
        // After the panic it is in order again.
        outer.run(|_| {});
    }
}

#[test]
fn several_threads_take_turns() {
    let pool = Pool::new(2);
    let inside = AtomicUsize::new(0);
    let runs = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    pool.run(|_| {
                        assert!(inside.fetch_add(1, SeqCst) < 2);
                        pool.barrier();
                        runs.fetch_add(1, SeqCst);
                        inside.fetch_sub(1, SeqCst);
                        pool.barrier();
                    });
                }
            });
        }
    });
    assert_eq!(runs.load(SeqCst), 800);
}

#[test]
fn shares_cover_everything_once_in_steps() {
    for lanes in 1..6 {
        for count in 0..70 {
            for step in [1, 3, 16] {
                let shares: Vec<_> = (0..lanes).map(|lane| share(lane, lanes, count, step)).collect();
                assert_eq!(
                    shares.iter().cloned().flatten().collect::<Vec<_>>(),
                    (0..count).collect::<Vec<_>>()
                );
                let steps: Vec<usize> = shares.iter().map(|s| s.len().div_ceil(step)).collect();
                assert!(shares.iter().all(|s| s.start % step == 0 || s.is_empty()));
                let (most, least) = (steps.iter().max().unwrap(), steps.iter().min().unwrap());
                assert!(most - least <= 1, "{shares:?}");
            }
        }
    }
}
