//! The contract of the cache.

use std::time::Duration;

use lamplighter_shared::cache::{Cache, Found, Lease, RedisCache};

use crate::world::{caches, connected, until};

const LONG: Duration = Duration::from_secs(60);

fn value(text: &str) -> Result<Found, lamplighter_shared::cache::Unavailable> {
    Ok(Found::Value(text.as_bytes().to_vec()))
}

async fn leased(cache: &dyn Cache, key: &str) -> Lease {
    let lease = cache.lease(key, LONG).await.expect("it answers");
    lease.expect("nobody else has it")
}

#[tokio::test]
async fn values_are_found_replaced_deleted_and_forgotten() {
    for pair in caches().await {
        let (here, there, name) = (&pair.here, &pair.there, pair.name);
        assert_eq!(there.get("k").await, Ok(Found::Nothing), "{name}");
        here.set("k", b"one", LONG).await.expect(name);
        assert_eq!(there.get("k").await, value("one"), "{name}");
        here.set("k", b"", LONG).await.expect(name);
        assert_eq!(there.get("k").await, value(""), "{name}");
        here.set("k", b"-\0\xff", LONG).await.expect(name);
        assert_eq!(
            there.get("k").await,
            Ok(Found::Value(b"-\0\xff".to_vec())),
            "{name}"
        );
        here.delete("k").await.expect(name);
        assert_eq!(there.get("k").await, Ok(Found::Nothing), "{name}");
        here.set("k", b"short", Duration::from_millis(50))
            .await
            .expect(name);
        until("it is forgotten", || async {
            there.get("k").await == Ok(Found::Nothing)
        })
        .await;
        here.set("k", b"never", Duration::ZERO).await.expect(name);
        assert_eq!(there.get("k").await, Ok(Found::Nothing), "{name}");
    }
}

#[tokio::test]
async fn only_the_first_is_stored_where_nothing_is() {
    for pair in caches().await {
        let name = pair.name;
        let mut tasks = Vec::new();
        for n in 0..20u8 {
            let cache = if n % 2 == 0 { &pair.here } else { &pair.there }.clone();
            tasks.push(tokio::spawn(async move {
                cache.set_if_absent("k", &[n], LONG).await.map(|won| (n, won))
            }));
        }
        let mut winners = Vec::new();
        for task in tasks {
            let (n, won) = task.await.expect("no panic").expect(name);
            winners.extend(won.then_some(n));
        }
        assert_eq!(winners.len(), 1, "{name}");
        assert_eq!(pair.here.get("k").await, Ok(Found::Value(winners)), "{name}");
        pair.here.bury("k", LONG).await.expect(name);
        assert_eq!(
            pair.there.set_if_absent("k", b"x", LONG).await,
            Ok(false),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_fill_needs_a_lease_that_stands() {
    for pair in caches().await {
        let (here, there, name) = (&*pair.here, &*pair.there, pair.name);
        let lease = leased(here, "k").await;
        assert_eq!(there.lease("k", LONG).await, Ok(None), "{name}: one at a time");
        let other = leased(there, "other").await;
        assert_eq!(there.fill("k", &other, b"no", LONG).await, Ok(false), "{name}");
        assert_eq!(here.fill("k", &lease, b"yes", LONG).await, Ok(true), "{name}");
        assert_eq!(there.get("k").await, value("yes"), "{name}");
        assert_eq!(
            here.fill("k", &lease, b"twice", LONG).await,
            Ok(false),
            "{name}: used up"
        );
        let short = here.lease("k", Duration::from_millis(30)).await.expect(name);
        let late = until("the lease ends", || async {
            there.lease("k", LONG).await.expect(name).is_some()
        })
        .await;
        assert!(late >= Duration::from_millis(5), "{name}");
        let short = short.expect("nobody else has it");
        assert_eq!(here.fill("k", &short, b"late", LONG).await, Ok(false), "{name}");
        assert_eq!(there.get("k").await, value("yes"), "{name}");
    }
}

/// The race that leaves revoked tokens alive elsewhere: read before the change, stored after it.
#[tokio::test]
async fn what_was_read_before_a_change_is_never_stored_after_it() {
    for pair in caches().await {
        let (here, there, name) = (&*pair.here, &*pair.there, pair.name);
        let lease = leased(here, "k").await;
        there.bury("k", LONG).await.expect(name);
        assert_eq!(here.fill("k", &lease, b"old", LONG).await, Ok(false), "{name}");
        assert_eq!(here.get("k").await, Ok(Found::Buried), "{name}");
        // A lease that is taken after the change reads what is true, but as long as the tombstone stands
        // nobody can tell it from an older one.
        let later = leased(here, "k").await;
        assert_eq!(here.fill("k", &later, b"new", LONG).await, Ok(false), "{name}");
        there.bury("k", Duration::from_millis(50)).await.expect(name);
        until("the tombstone ends", || async {
            here.get("k").await == Ok(Found::Nothing)
        })
        .await;
        let free = leased(here, "k").await;
        assert_eq!(here.fill("k", &free, b"new", LONG).await, Ok(true), "{name}");
        assert_eq!(there.get("k").await, value("new"), "{name}");
    }
}

/// A token that is used all the time must be looked up again as soon as one that is not.
#[tokio::test]
async fn reads_never_extend_the_life_of_a_value() {
    const TTL: Duration = Duration::from_millis(400);
    for pair in caches().await {
        let (here, there, name) = (&*pair.here, &*pair.there, pair.name);
        let lease = leased(here, "k").await;
        let began = std::time::Instant::now();
        assert_eq!(here.fill("k", &lease, b"x", TTL).await, Ok(true), "{name}");
        let (mut reads, mut left) = (0, 400);
        while began.elapsed() < TTL / 2 {
            assert_eq!(
                (here.get("k").await, there.get("k").await),
                (value("x"), value("x")),
                "{name}"
            );
            reads += 2;
            if let Some(server) = &pair.server {
                let now = server.command(&["PTTL", "lamplighter:cache:k"]).number();
                let now = now.expect("a number");
                assert!(now <= left, "{name}: {left} ms, then {now} ms");
                left = now;
            }
            // Who would write where nothing is extends nothing either.
            assert_eq!(there.set_if_absent("k", b"y", LONG).await, Ok(false), "{name}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        until("it ends", || async { here.get("k").await == Ok(Found::Nothing) }).await;
        let took = began.elapsed();
        println!("S5 {name}: a value of {TTL:?}, read {reads} times, was gone after {took:?}");
        assert!(reads > 10 && took >= TTL - Duration::from_millis(5) && took < 5 * TTL);
    }
}

/// A server that comes back may have the lease again, and not the tombstone.
#[tokio::test]
async fn a_lease_of_an_earlier_connection_is_worth_nothing() {
    let server = lamplighter_testkit::redis::Redis::start();
    let cache = RedisCache::with_quarantine(&connected(&server).await, Duration::ZERO);
    let lease = leased(&cache, "k").await;
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    until("the connection is lost", || async {
        cache.get("k").await.is_err()
    })
    .await;
    until("the connection is back", || async {
        cache.get("k").await.is_ok()
    })
    .await;
    let kept = server.command(&["GET", "lamplighter:lease:k"]).text();
    assert!(!kept.is_empty(), "the server has the lease");
    assert_eq!(cache.fill("k", &lease, b"old", LONG).await, Ok(false));
    assert_eq!(cache.get("k").await, Ok(Found::Nothing));
}

/// Many readers and one change, whatever comes between: a value that was true before the change is never
/// found after the change was told.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_and_a_change_race_and_the_change_wins() {
    use std::sync::atomic::{AtomicU8, Ordering};
    const ROUNDS: usize = 150;
    for pair in caches().await {
        let mut filled = 0;
        for round in 0..ROUNDS {
            let key = format!("k{round}");
            let truth = std::sync::Arc::new(AtomicU8::new(1));
            let mut readers = Vec::new();
            for n in 0..6 {
                let cache = if n % 2 == 0 { &pair.here } else { &pair.there }.clone();
                let (key, truth) = (key.clone(), truth.clone());
                readers.push(tokio::spawn(async move {
                    let mut filled = 0;
                    for _ in 0..3 {
                        if let Ok(Some(lease)) = cache.lease(&key, LONG).await {
                            let read = truth.load(Ordering::SeqCst);
                            tokio::task::yield_now().await;
                            filled += usize::from(cache.fill(&key, &lease, &[read], LONG).await == Ok(true));
                        }
                        let _ = cache.delete("nothing").await;
                    }
                    filled
                }));
            }
            if round % 3 > 0 {
                tokio::task::yield_now().await;
                let _ = pair.there.get("nothing").await;
            }
            truth.store(0, Ordering::SeqCst);
            pair.there.bury(&key, LONG).await.expect(pair.name);
            let found = pair.here.get(&key).await;
            assert_eq!(found, Ok(Found::Buried), "{} round {round}", pair.name);
            for reader in readers {
                filled += reader.await.expect("no panic");
            }
            let found = pair.here.get(&key).await;
            assert_eq!(found, Ok(Found::Buried), "{} round {round}", pair.name);
        }
        println!(
            "{}: {ROUNDS} changes against {filled} fills; old values found: 0",
            pair.name
        );
    }
}

#[tokio::test]
async fn every_key_in_redis_has_a_time_to_live() {
    for pair in caches().await {
        let Some(server) = &pair.server else { continue };
        let cache = &*pair.here;
        cache.set("a", b"x", LONG).await.expect("set");
        cache.set_if_absent("b", b"x", LONG).await.expect("set");
        cache.bury("c", LONG).await.expect("buried");
        leased(cache, "d").await;
        let lease = leased(cache, "e").await;
        cache.fill("e", &lease, b"x", LONG).await.expect("filled");
        let rate = lamplighter_shared::cache::Rate {
            per_second: 10.0,
            burst: 5,
        };
        assert!(cache.admit("f", rate, 3).await.expect("admitted").allowed);
        let keys = server.command(&["KEYS", "*"]);
        assert_eq!(keys.list().len(), 6, "{keys:?}");
        for key in keys.list() {
            let left = server.command(&["PTTL", &key.text()]).number();
            assert!(
                left.is_some_and(|ms| (1..=60_000).contains(&ms)),
                "{key:?}: {left:?}"
            );
            assert!(key.text().starts_with("lamplighter:"));
        }
    }
}

/// A server that comes back may remember what was true before a change that it never heard of.
#[tokio::test]
async fn values_are_not_believed_for_a_while_after_a_connection_was_made() {
    let server = lamplighter_testkit::redis::Redis::start();
    let old = RedisCache::with_quarantine(&connected(&server).await, Duration::ZERO);
    old.set("k", b"x", LONG).await.expect("set");
    old.bury("gone", LONG).await.expect("buried");
    let fresh = RedisCache::with_quarantine(&connected(&server).await, Duration::from_millis(700));
    assert_eq!(fresh.get("k").await, Ok(Found::Doubtful));
    assert_eq!(fresh.get("never").await, Ok(Found::Nothing));
    assert_eq!(fresh.get("gone").await, Ok(Found::Buried));
    let waited = until("it is believed", || async { fresh.get("k").await == value("x") }).await;
    println!("believed {waited:?} after the connection was made, of 700 ms");
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    until("the connection is back", || async {
        fresh.get("gone").await.is_ok()
    })
    .await;
    assert_eq!(fresh.get("k").await, Ok(Found::Doubtful), "as after the first");
    until("it is believed", || async { fresh.get("k").await == value("x") }).await;
    assert_eq!(
        RedisCache::new(&connected(&server).await).get("k").await,
        Ok(Found::Doubtful)
    );
}
