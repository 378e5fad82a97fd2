//! Rates: never more than the burst and what time adds, whoever asks and how often.

use std::time::{Duration, Instant};

use lamplighter_shared::cache::{Admission, Cache, Rate, RedisCache};
use lamplighter_testkit::{
    redis::Redis,
    scenario::{Scenario, sized},
};
use rand::{Rng, RngExt};

use crate::world::caches;

fn rate(per_second: f64, burst: u32) -> Rate {
    Rate { per_second, burst }
}

#[tokio::test]
async fn the_burst_is_let_through_at_once_and_then_it_is_told_when() {
    for pair in caches().await {
        let name = pair.name;
        let slow = rate(0.5, 3);
        for left in [2, 1, 0] {
            let admission = pair.here.admit("k", slow, 1).await.expect(name);
            assert!(admission.allowed && admission.retry_after.is_zero(), "{name}");
            assert_eq!(admission.remaining, left, "{name}");
        }
        let refused = pair.there.admit("k", slow, 1).await.expect(name);
        assert!(!refused.allowed && refused.remaining == 0, "{name}");
        let (retry, reset) = (refused.retry_after.as_secs_f64(), refused.reset.as_secs_f64());
        assert!((1.0..=2.0).contains(&retry), "{name}: again in {retry} s");
        assert!((5.0..=6.0).contains(&reset), "{name}: full in {reset} s");
        assert!(
            pair.here.admit("other", slow, 3).await.expect(name).allowed,
            "{name}"
        );
        let larger = pair.here.admit("third", slow, 4).await.expect(name);
        assert!(!larger.allowed && larger.remaining == 3, "{name}: {larger:?}");
        assert!(
            pair.here.admit("third", slow, 3).await.expect(name).allowed,
            "{name}: nothing was taken"
        );
    }
}

#[tokio::test]
async fn what_is_told_is_true() {
    for pair in caches().await {
        let (name, quick) = (pair.name, rate(20.0, 2));
        for _ in 0..5 {
            let refused = loop {
                let admission = pair.here.admit("k", quick, 2).await.expect(name);
                if !admission.allowed {
                    break admission;
                }
            };
            tokio::time::sleep(refused.retry_after + Duration::from_millis(1)).await;
            let again = pair.there.admit("k", quick, 2).await.expect(name);
            assert!(again.allowed, "{name}: {refused:?} then {again:?}");
        }
    }
}

/// Two processes, eight askers, two seconds: in every stretch of time no more than burst + rate × t.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_no_stretch_of_time_more_is_let_through_than_the_rate_says() {
    for (pair, per_second) in caches().await.into_iter().zip([200.0, 200.0]) {
        let (name, burst, start) = (pair.name, 10, Instant::now());
        let mut askers = Vec::new();
        for n in 0..8u32 {
            let cache = if n % 2 == 0 { &pair.here } else { &pair.there }.clone();
            askers.push(tokio::spawn(async move {
                let mut passed = Vec::new();
                let mut asked = 0u32;
                while start.elapsed() < Duration::from_secs(2) {
                    let cost = 1 + asked % 3;
                    asked += 1;
                    let before = start.elapsed();
                    let answer = cache.admit("k", rate(per_second, burst), cost).await;
                    if answer.is_ok_and(|a| a.allowed) {
                        passed.push((before, start.elapsed(), cost));
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                (passed, asked)
            }));
        }
        let (mut passed, mut asked) = (Vec::new(), 0);
        for asker in askers {
            let (mut some, n) = asker.await.expect("no panic");
            passed.append(&mut some);
            asked += n;
        }
        // Decided somewhere between the question and the answer: the widest stretch is what counts.
        passed.sort_unstable();
        let mut worst = f64::MIN;
        for (at, (from, _, _)) in passed.iter().enumerate() {
            let (mut sum, mut to) = (0u32, Duration::ZERO);
            for (_, answered, cost) in &passed[at..] {
                sum += cost;
                to = to.max(*answered);
                let allowed = f64::from(burst) + per_second * (to - *from).as_secs_f64();
                worst = worst.max(f64::from(sum) - allowed);
            }
        }
        let total: u32 = passed.iter().map(|(_, _, cost)| cost).sum();
        println!(
            "{name}: {asked} asked, {total} units let through in 2 s at 200/s + 10; most above: {worst:.2}"
        );
        assert!(worst <= 1.0, "{name}: {worst}");
        // Nor much less than it says.
        assert!(total >= 200, "{name}: {total}");
    }
}

/// A bucket that is filled evenly, by somebody who knows of each decision only that it fell between the question
/// and the answer: how much is in it at least and at most.
struct Bucket {
    rate: Rate,
    least: f64,
    most: f64,
    asked: Instant,
    answered: Instant,
}

impl Bucket {
    /// What a decision can be off by: moments are whole microseconds.
    const SLACK: f64 = 0.05;

    fn full(rate: Rate) -> Self {
        let now = Instant::now();
        let burst = f64::from(rate.burst);
        Self {
            rate,
            least: burst,
            most: burst,
            asked: now,
            answered: now,
        }
    }

    /// Takes note of a decision; whether it can be true.
    fn judge(&mut self, (asked, answered): (Instant, Instant), cost: u32, told: &Admission) -> bool {
        let (burst, cost) = (f64::from(self.rate.burst), f64::from(cost));
        let filled = |time: Duration| time.as_secs_f64() * self.rate.per_second;
        // From the latest moment of the last decision to the earliest of this one, and the other way round.
        let least = self.least + filled(asked.saturating_duration_since(self.answered));
        let most = self.most + filled(answered - self.asked);
        let (least, most) = (least.min(burst), most.min(burst));
        let possible = if told.allowed {
            cost <= most + Self::SLACK
        } else {
            cost > least - Self::SLACK
        };
        // What was decided narrows what can have been there.
        (self.least, self.most) = if told.allowed {
            (least.max(cost) - cost, (most - cost).max(0.0))
        } else {
            (least.min(cost), most.min(cost))
        };
        if told.allowed {
            self.most = self.most.max(self.least);
        }
        (self.asked, self.answered) = (asked, answered);
        let left = f64::from(told.remaining);
        possible && left <= self.most + Self::SLACK && left > self.least - 1.0 - Self::SLACK
    }
}

/// One random sequence over both handles: how many were let through, and how many refused.
async fn sequence(pair: [&dyn Cache; 2], key: &str, random: &mut impl Rng) -> (u32, u32) {
    let rate = rate(random.random_range(20.0..500.0), random.random_range(1..20));
    let (mut bucket, mut counts) = (Bucket::full(rate), (0, 0));
    for step in 0..40 {
        let cost = random
            .random_range(1..=rate.burst + 1)
            .min(random.random_range(1..=24));
        let asked = Instant::now();
        let told = pair[random.random_range(0..2)]
            .admit(key, rate, cost)
            .await
            .expect("an answer");
        let answered = Instant::now();
        let possible = bucket.judge((asked, answered), cost, &told);
        assert!(possible, "step {step}, {rate:?}, cost {cost}: {told:?}");
        if told.allowed {
            counts.0 += 1;
        } else {
            counts.1 += 1;
        }
        if random.random_bool(0.3) {
            tokio::time::sleep(Duration::from_millis(random.random_range(1..12))).await;
        }
    }
    counts
}

/// Any rate, any costs, any pauses, from two processes: what is decided is what a bucket would.
#[tokio::test]
async fn whatever_is_asked_it_is_decided_as_by_a_bucket() {
    let scenario = Scenario::new("rates");
    for pair in caches().await {
        let mut random = scenario.random();
        let (mut passed, mut refused) = (0, 0);
        let sequences = sized(40, 2000);
        for n in 0..sequences {
            let handles = [&*pair.here, &*pair.there];
            let counts = sequence(handles, &format!("model:{n}"), &mut random).await;
            passed += counts.0;
            refused += counts.1;
        }
        println!(
            "R21 rates, {}: {sequences} random sequences against a bucket: {passed} let through, {refused} refused, 0 wrong",
            pair.name
        );
        assert!(passed > sequences && refused > sequences, "{passed}, {refused}");
    }
}

/// A script's text goes over the wire once; from then on its digest does, in one round trip.
#[tokio::test]
async fn a_script_is_sent_once() {
    const TIMES: usize = 50;
    let server = Redis::start();
    let link = lamplighter_shared::cache::Redis::connect(&server.url()).expect("an address");
    assert!(link.connected_within(Duration::from_secs(10)).await);
    let cache = RedisCache::new(&link);
    for _ in 0..TIMES {
        let admission = cache.admit("k", rate(1000.0, 1000), 1).await.expect("an answer");
        assert!(admission.allowed);
    }
    let stats = server.command(&["INFO", "commandstats"]).text();
    let calls = |command: &str| {
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.map_or(0, |rest| {
            rest.split(',')
                .next()
                .unwrap_or_default()
                .parse::<usize>()
                .expect("a number")
        })
    };
    println!(
        "rates: {TIMES} times: text loaded {}, sent {}, digest sent {}",
        calls("script|load"),
        calls("eval"),
        calls("evalsha")
    );
    assert!(calls("script|load") <= 1 && calls("eval") <= 1, "{stats}");
    assert!(calls("evalsha") >= TIMES - 1, "{stats}");
}
