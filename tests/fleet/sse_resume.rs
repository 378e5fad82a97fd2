//! R14: streams whose API is killed, or whose connection is cut, go on at another API: each client sees every
//! event of a run once and in order, and hears by `reset` that a run is void when its worker was killed.

use std::time::Duration;

use lamplighter_testkit::scenario::sized;
use rand::{RngExt, rngs::StdRng};
use serde_json::json;
use tokio::time::{interval, sleep};

use crate::{
    streams::{Crowd, Doors, gaps, quantile, reconnects, told},
    support::Trial,
};

/// Long enough for the kills to fall into it.
const RUN_MS: u64 = 6_000;
const CHUNKS: u64 = 60;
/// A lost worker's jobs run again soon, so that this fits the time that a test may take.
const CONFIG: &str = "[jobs]\nlease_seconds = 3\nheartbeat_seconds = 0.5\nreap_seconds = 0.2\n\
    reap_confirm_seconds = 1\n[server]\nstreams_per_owner = 3000\n";
/// A part of the connections that is cut each second.
const CUT: f64 = 0.1;
/// From a break to the next stream, for 99 of 100: half a second on a free machine.
const BACK_WITHIN: Duration = Duration::from_secs(6);

/// Kills APIs by turns of chance, and now and then a worker. A whole worker: the jobs of a killed runner run
/// again one after the other, which is another scenario's business.
async fn kill(trial: &mut Trial, times: usize, random: &mut StdRng) {
    for number in 0..times {
        sleep(Duration::from_millis(random.random_range(700..1400))).await;
        if number % 6 == 1 {
            let workers = &mut trial.fleet.workers;
            let worker = random.random_range(0..workers.len());
            workers[worker].kill9();
            trial.history.fault(format!("worker-{worker} is killed"));
            workers[worker].spawn().await;
        }
        let api = random.random_range(0..trial.fleet.apis.len());
        trial.fleet.apis[api].kill9();
        trial.history.fault(format!("api-{api} is killed"));
        trial.fleet.apis[api].restart().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r14_streams_go_on_where_they_were_at_another_api() {
    let mut trial = Trial::begin("R14 SSE resume", |builder| builder.alone().config(CONFIG)).await;
    let mut random = trial.scenario.random();
    let doors = Doors::before(&trial.fleet);
    let (jobs, streams, kills) = sized((50, 200, 5), (200, 1000, 20));
    let history = trial.history.clone();
    let crowd = Crowd {
        apis: &doors.apis,
        history: &history,
        seed: trial.scenario.seed(),
    };
    let input = json!({"sleep_ms": RUN_MS, "chunks": CHUNKS});
    let jobs = crowd.submit("r14", jobs, &input).await;
    let listeners = crowd.follow(&jobs, streams);
    let proxies = doors.proxies;
    let cutting = tokio::spawn(async move {
        let mut seconds = interval(Duration::from_secs(1));
        loop {
            seconds.tick().await;
            proxies.iter().for_each(|proxy| proxy.cut(CUT));
        }
    });
    kill(&mut trial, kills, &mut random).await;
    listeners.join_all().await;
    cutting.abort();
    let verdict = trial.settle(Duration::from_secs(30)).await;
    let entries = history.entries();
    let back = reconnects(&entries);
    let (resets, gaps) = (told(&entries, "reset"), gaps(&entries));
    trial.scenario.report(&format_args!(
        "{verdict} streams={streams} api_kills={kills} events={} resets={resets} gaps={} reconnects={} \
         reconnect_p50={:?} p99={:?} max={:?}",
        told(&entries, "output"),
        gaps.len(),
        back.len(),
        quantile(&back, 0.5),
        quantile(&back, 0.99),
        quantile(&back, 1.0),
    ));
    verdict.assert_clean();
    assert_eq!(verdict.count("succeeded"), jobs.len());
    assert!(back.len() > streams && resets > 0, "the test did its worst");
    // Redis was there all the time: nothing may be missing.
    assert!(gaps.is_empty(), "{}", gaps.join("\n"));
    assert!(
        quantile(&back, 0.99) <= BACK_WITHIN,
        "{:?}",
        quantile(&back, 0.99)
    );
}
