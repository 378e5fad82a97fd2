//! What a runner takes of memory after 1,000 mixed jobs (long, short, refused, cancelled, of every task) is what it
//! took when it had seen one of each.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use lamplighter_shared::{
    model_spec::{Catalog, ModelSpec},
    task::Task,
};
use lamplighter_testkit::scenario::sized;
use lamplighter_worker::{
    convert, memory,
    runner::{
        Runner, RunnerOptions,
        protocol::{About, FromRunner, Ticket, ToRunner},
    },
    weights,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json, value::to_raw_value};
use tokio::time::timeout;

/// Longer than a job takes on a busy machine; reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(60);
/// Jobs at a time.
const TOGETHER: usize = 8;
/// What may be added by an allocator that keeps pages for the next job.
const SLACK: u64 = 16 << 20;

/// The one runner under test.
struct Bench {
    runner: Runner,
    spec: ModelSpec,
    random: StdRng,
    last: Ticket,
}

/// How many jobs ended in which way.
#[derive(Debug, Default)]
struct Ends {
    done: usize,
    failed: usize,
    canceled: usize,
}

impl Bench {
    async fn start(id: &str) -> Self {
        let spec = Catalog::built_in().get(id).expect("built in").clone();
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("a workspace");
        let models = std::env::var_os("LAMPLIGHTER_MODELS_DIR")
            .map_or_else(|| workspace.join("data/models"), PathBuf::from);
        let program = PathBuf::from(env!("CARGO_BIN_EXE_lamplighter-runner"));
        let dir = weights::ensure(&spec, &models, &|_| {}).expect("the model's files");
        let files = convert::files(&spec, &dir, &models, &program).expect("they convert");
        let options = RunnerOptions {
            program,
            threads: 2,
            load_timeout: PATIENCE,
            faults: false,
        };
        let (runner, _) = Runner::start(&spec, &files, &options)
            .await
            .expect("the model loads");
        Self {
            runner,
            spec,
            random: StdRng::seed_from_u64(5),
            last: 0,
        }
    }

    fn resident(&self) -> u64 {
        memory::resident(self.runner.pid()).expect("Linux tells")
    }

    async fn next(&mut self) -> FromRunner {
        timeout(PATIENCE, self.runner.recv())
            .await
            .expect("an answer in time")
            .expect("a living runner")
    }

    async fn send(&self, message: ToRunner) {
        self.runner.send(message).await.expect("a living runner");
    }

    /// A task of the model and an input for it; one in ten is none.
    fn job(&mut self) -> (Task, Value) {
        let task = self.spec.tasks[self.random.random_range(0..self.spec.tasks.len())];
        if self.random.random_ratio(1, 10) {
            return (task, json!({"image": "data:image/png;base64,AAAA", "texts": [1]}));
        }
        let input = match task {
            Task::TextEmbedding | Task::Similarity => json!({"texts": self.texts()}),
            Task::ZeroShotClassification => json!({"texts": self.texts(), "labels": ["art", "sport"]}),
            Task::Chat => json!({
                "messages": [{"role": "user", "content": self.text(8)}],
                "max_tokens": self.random.random_range(1..6),
                "temperature": 0.9,
            }),
            Task::TextGeneration => json!({"prompt": self.text(8), "max_tokens": 2}),
            Task::VoiceActivity => json!({"audio": self.sound()}),
            _ => task.example(),
        };
        (task, input)
    }

    fn text(&mut self, most: usize) -> String {
        let words = self.random.random_range(1..=most);
        let mut word = || format!("word{} ", self.random.random_range(0..1000));
        (0..words).map(|_| word()).collect()
    }

    fn texts(&mut self) -> Vec<String> {
        let count = if self.random.random_ratio(1, 20) { 16 } else { 2 };
        (0..count).map(|_| self.text(8)).collect()
    }

    /// Up to two seconds of noise.
    fn sound(&mut self) -> String {
        let count = self.random.random_range(1..32_000_u32);
        let mut bytes = b"RIFF".to_vec();
        bytes.extend((count * 2 + 36).to_le_bytes());
        bytes.extend(b"WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00");
        bytes.extend(16_000_u32.to_le_bytes());
        bytes.extend(32_000_u32.to_le_bytes());
        bytes.extend(b"\x02\x00\x10\x00data");
        bytes.extend((count * 2).to_le_bytes());
        bytes.extend((0..count).flat_map(|_| self.random.random::<i16>().to_le_bytes()));
        format!("data:audio/wav;base64,{}", BASE64_STANDARD.encode(bytes))
    }

    /// Prepares some jobs, runs those that can be run, cancels one in ten.
    async fn some(&mut self, count: usize, ends: &mut Ends) {
        let mut tickets = Vec::new();
        for _ in 0..count {
            self.last += 1;
            let (ticket, (task, input)) = (self.last, self.job());
            let input = to_raw_value(&input).expect("JSON");
            let about = About::default();
            self.send(ToRunner::Prepare {
                ticket,
                task,
                input,
                about,
            })
            .await;
            match self.next().await {
                FromRunner::Prepared { .. } => tickets.push(ticket),
                FromRunner::Failed { .. } => ends.failed += 1,
                other => panic!("{other:?}"),
            }
        }
        if tickets.is_empty() {
            return;
        }
        let run = tickets.clone();
        self.send(ToRunner::Run { tickets: run }).await;
        for ticket in tickets {
            if self.random.random_ratio(1, 10) {
                self.send(ToRunner::Forget { ticket }).await;
            }
        }
        loop {
            match self.next().await {
                FromRunner::Done { .. } => ends.done += 1,
                FromRunner::Canceled { .. } => ends.canceled += 1,
                FromRunner::Failed { error, .. } => panic!("{error:?}"),
                FromRunner::BatchDone { .. } => return,
                _ => {}
            }
        }
    }

    async fn many(&mut self, count: usize) -> Ends {
        let (mut ends, mut left) = (Ends::default(), count);
        while left > 0 {
            let now = left.min(TOGETHER);
            self.some(now, &mut ends).await;
            left -= now;
        }
        ends
    }
}

async fn returns(id: &str, warm: usize, jobs: usize) {
    let mut bench = Bench::start(id).await;
    let loaded = bench.resident();
    bench.many(warm).await;
    let before = bench.resident();
    let ends = bench.many(jobs).await;
    let after = bench.resident();
    println!(
        "{id}: {jobs} mixed jobs ({ends:?}); resident {} loaded, {} after the first {warm}, {} at the end",
        memory::mib(loaded),
        memory::mib(before),
        memory::mib(after)
    );
    assert_eq!(ends.done + ends.failed + ends.canceled, jobs);
    assert!(ends.done > jobs / 2 && ends.failed > 0, "{ends:?}");
    assert!(
        after <= before + SLACK,
        "{id}: it grew from {before} to {after} bytes"
    );
    bench.runner.shutdown().await;
}

#[tokio::test]
async fn texts_leave_nothing_behind() {
    returns("minilm", 200, 1000).await;
}

#[tokio::test]
async fn generations_leave_nothing_behind() {
    returns("smollm2", 100, 1000).await;
}

#[tokio::test]
async fn sounds_leave_nothing_behind() {
    returns("silero-vad", 100, 1000).await;
    returns("whisper-base", 4, sized(16, 1000)).await;
}

#[tokio::test]
async fn pictures_leave_nothing_behind() {
    returns("efficientnet-lite0", 20, sized(200, 1000)).await;
    returns("mtcnn", 20, sized(100, 1000)).await;
    returns("ocr-en", 4, sized(16, 1000)).await;
}
