//! Hand-made histories: a good one is clean, and each kind of violation is found.

use serde_json::{Value, json};

use super::*;
use crate::sse::Event;

/// A history under construction; each entry takes a millisecond of its own.
#[derive(Default)]
struct Story(Vec<Entry>);

impl Story {
    fn add(mut self, what: Seen) -> Self {
        let began = Duration::from_millis(2 * self.0.len() as u64);
        let ended = began + Duration::from_millis(1);
        self.0.push(Entry { began, ended, what });
        self
    }

    fn submit(self, key: &str, answer: Answer) -> Self {
        self.add(Seen::Submit {
            key: key.to_owned(),
            body: json!({"model": "echo", "input": {"n": 1, "chunks": 2}}),
            api: 0,
            answer,
        })
    }

    fn taken(self) -> Self {
        self.submit("k", got(202, json!({"id": "job_1", "status": "queued"})))
    }

    fn read(self, view: Value) -> Self {
        self.answered(got(200, view))
    }

    fn answered(self, answer: Answer) -> Self {
        self.add(Seen::Read {
            job: "job_1".to_owned(),
            api: 0,
            answer,
        })
    }

    fn event(self, name: &str, id: &str, data: Value) -> Self {
        self.add(Seen::Event {
            job: "job_1".to_owned(),
            listener: 7,
            event: Event {
                name: name.to_owned(),
                id: id.to_owned(),
                data,
            },
        })
    }

    fn chunk(self, id: &str, index: u64) -> Self {
        self.event("output", id, json!({"index": index, "chunk": "x"}))
    }

    fn done(self, id: &str) -> Self {
        self.event("done", id, ended())
    }

    fn verdict(&self) -> Verdict {
        Verdict::of(&self.0, &[row("succeeded")])
    }
}

fn got(status: u16, body: Value) -> Answer {
    Answer::Got {
        status,
        retry_after: (status == 503).then_some(1.0),
        body,
    }
}

fn ended() -> Value {
    json!({"id": "job_1", "status": "succeeded", "output": {"n": 1, "chunks": 2}, "completed_at": "t1"})
}

fn row(state: &str) -> Row {
    Row {
        id: "job_1".to_owned(),
        state: state.to_owned(),
        attempt: 1,
        epoch: 1,
        crashes: 0,
        lease_losses: 0,
        worker: "w".to_owned(),
    }
}

/// The one complaint of a story, which must be of the kind that `list` picks.
fn found(story: &Story, list: fn(&Verdict) -> &Vec<String>) -> String {
    let verdict = story.verdict();
    let kinds = [
        &verdict.lost,
        &verdict.doubly_visible,
        &verdict.wrong,
        &verdict.improper,
        &verdict.given_up,
        &verdict.unfinished,
    ];
    let all: usize = kinds.iter().map(|list| list.len()).sum();
    assert_eq!((all, list(&verdict).len()), (1, 1), "{verdict:?}");
    list(&verdict)[0].clone()
}

fn doubly(verdict: &Verdict) -> &Vec<String> {
    &verdict.doubly_visible
}

#[test]
fn a_good_history_is_clean_whatever_the_network_did() {
    let story = Story::default()
        .submit("k", Answer::None("connection reset".to_owned()))
        .submit("k", got(503, json!({})))
        .submit("k", got(409, json!({})))
        .taken()
        .taken()
        .event("status", "0-0", json!({"status": "processing"}))
        .chunk("1-1", 0)
        .event("reset", "1-1", json!({"epoch": 2}))
        .event("status", "1-1", json!({"status": "processing"}))
        .chunk("2-1", 0)
        .event("progress", "2-2", json!({"fraction": 0.5}))
        .read(json!({"id": "job_1", "status": "processing"}))
        .chunk("2-3", 1)
        .done("2-3")
        .read(ended());
    let verdict = story.verdict();
    verdict.assert_clean();
    assert_eq!(
        (verdict.acknowledged, verdict.executions, verdict.extra()),
        (1, 1, 0)
    );
    let submits = &verdict.submits;
    assert_eq!(
        (
            submits.tries,
            submits.taken,
            submits.unavailable,
            submits.unanswered
        ),
        (5, 2, 1, 1)
    );
    println!("{verdict}");
}

#[test]
fn gaps_excuse_what_they_announce() {
    let gap = |before| json!({"after": 0, "before": before});
    let story = Story::default()
        .taken()
        .event("gap", "0-0", gap(5))
        .chunk("1-5", 1)
        .done("1-5");
    story.verdict().assert_clean();
    let story = Story::default().taken().event("gap", "0-0", gap(9)).done("0-0");
    story.verdict().assert_clean();
    let story = Story::default()
        .taken()
        .event("gap", "0-0", gap(3))
        .chunk("1-5", 1)
        .done("1-5");
    assert!(found(&story, doubly).contains("without `gap`"));
}

#[test]
fn lost_jobs_are_found() {
    let lost = |story: &Story, rows: &[Row]| Verdict::of(&story.0, rows).lost;
    let story = Story::default().taken();
    assert_eq!(lost(&story, &[]).len(), 1);
    assert_eq!(lost(&story, &[row("queued")]).len(), 1);
    assert_eq!(lost(&story, &[row("processing")]).len(), 1);
    assert_eq!(lost(&story, &[row("canceled")]).len(), 0);
    let story = story.answered(got(404, json!({"code": "not_found"})));
    assert!(found(&story, |verdict| &verdict.lost).contains("404"));
}

#[test]
fn jobs_that_end_twice_are_found() {
    let with = |change: Value| {
        let mut view = ended();
        view.as_object_mut()
            .expect("an object")
            .extend(change.as_object().expect("an object").clone());
        Story::default().taken().read(ended()).read(view)
    };
    with(json!({})).verdict().assert_clean();
    for change in [json!({"output": {"n": 2}}), json!({"completed_at": "t2"})] {
        assert!(found(&with(change), doubly).contains("and then"));
    }
    assert!(found(&with(json!({"status": "processing"})), doubly).contains("had ended"));
    // Seen as failed by one client, as succeeded by its row.
    let story = Story::default().taken().read(json!({"status": "failed"}));
    assert!(found(&story, doubly).contains("its row says succeeded"));
    let story = Story::default()
        .taken()
        .submit("k", got(202, json!({"id": "job_2", "status": "queued"})));
    assert!(!story.verdict().doubly_visible.is_empty(), "two jobs of a key");
}

#[test]
fn requests_that_overtake_each_other_are_no_violation() {
    let mut story = Story::default()
        .taken()
        .read(ended())
        .read(json!({"id": "job_1", "status": "processing"}));
    story.0[2].began = story.0[1].began;
    story.verdict().assert_clean();
}

#[test]
fn wrong_results_and_improper_answers_are_found() {
    let view = json!({"status": "succeeded", "output": {"n": 2}});
    found(&Story::default().taken().read(view), |verdict| &verdict.wrong);
    let improper = |verdict: &Verdict| -> usize { verdict.improper.len() };
    let submitted = |status, retry_after| {
        let answer = Answer::Got {
            status,
            retry_after,
            body: json!({}),
        };
        Story::default().taken().submit("k", answer).verdict()
    };
    for status in [400, 401, 404, 422, 500, 502] {
        assert_eq!(improper(&submitted(status, Some(1.0))), 1, "{status}");
    }
    for status in [503, 429] {
        assert_eq!(improper(&submitted(status, None)), 1, "{status}");
        assert_eq!(improper(&submitted(status, Some(1.0))), 0, "{status}");
    }
    let story = Story::default()
        .taken()
        .submit("other", Answer::None("refused".to_owned()));
    assert_eq!(found(&story, |verdict| &verdict.given_up), "other");
}

#[test]
fn streams_that_skip_repeat_or_go_back_are_found() {
    let begin = || Story::default().taken().chunk("1-1", 0);
    let cases = [
        (begin().done("1-1"), "1 of 2 chunks"),
        (
            begin().chunk("1-2", 1).done("1-2").chunk("1-3", 2),
            "after `done`",
        ),
        (begin().chunk("1-3", 1).done("1-3"), "without `gap`"),
        (
            begin()
                .event("progress", "1-1", json!({}))
                .chunk("1-2", 1)
                .done("1-2"),
            "again",
        ),
        (
            begin().chunk("1-2", 0).chunk("1-3", 1).done("1-3"),
            "chunk 0 where 1 was due",
        ),
        (
            begin().chunk("2-1", 0).chunk("2-2", 1).done("2-2"),
            "without `reset`",
        ),
        (
            begin()
                .event("reset", "1-1", json!({"epoch": 2}))
                .chunk("1-2", 1)
                .chunk("2-1", 0)
                .chunk("2-2", 1)
                .done("2-2"),
            "run 1 after run 2",
        ),
        (
            begin()
                .event("status", "1-4", json!({}))
                .chunk("1-2", 1)
                .done("1-2"),
            "to come",
        ),
        (
            begin()
                .chunk("1-2", 1)
                .event("done", "1-2", json!({"status": "queued"})),
            "but the job is",
        ),
    ];
    for (story, words) in cases {
        let complaint = found(&story, doubly);
        assert!(complaint.contains(words), "{complaint} does not say {words}");
    }
}

#[test]
fn a_stream_that_never_ends_is_found() {
    let opened = || Seen::Opened {
        job: "job_1".to_owned(),
        listener: 7,
    };
    let story = Story::default().taken().add(opened()).chunk("1-1", 0);
    assert!(found(&story, |verdict| &verdict.unfinished).contains("job_1"));
    story
        .add(opened())
        .chunk("1-2", 1)
        .done("1-2")
        .verdict()
        .assert_clean();
}

#[test]
fn a_uuid_becomes_the_public_id() {
    assert_eq!(
        job_id("00000000-0000-0000-0000-000000000000"),
        "job_00000000000000000000000000"
    );
    assert_eq!(
        job_id("ffffffff-ffff-ffff-ffff-ffffffffffff"),
        "job_7zzzzzzzzzzzzzzzzzzzzzzzzz"
    );
    assert_eq!(
        job_id("01563e3a-b5d3-d676-4c61-efb99302bd5b"),
        "job_01arz3ndektsv4rrffq69g5fav"
    );
}
