//! Jobs: each acknowledged one ends once, stays ended, and has the right result.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use serde_json::Value;

use super::{Row, Verdict};
use crate::{
    history::{Answer, Entry, Seen},
    load::is_terminal,
};

/// What is known of one job.
#[derive(Default)]
struct Known<'a> {
    /// What was seen of its end; a view may lack the output.
    status: Option<&'a Value>,
    completed_at: Option<&'a Value>,
    output: Option<&'a Value>,
    /// When its end was first seen.
    ended: Option<Duration>,
    /// Asked for, and answered as not ended.
    open: Vec<(Duration, &'a Value)>,
    complaints: Vec<String>,
}

impl<'a> Known<'a> {
    /// A whole or brief view of the job that came at `ended`; `asked` where it was asked for then.
    fn saw(&mut self, asked: Option<Duration>, ended: Duration, view: &'a Value) {
        if !is_terminal(&view["status"]) {
            if let Some(asked) = asked {
                self.open.push((asked, &view["status"]));
            }
            return;
        }
        self.ended = Some(self.ended.map_or(ended, |before| before.min(ended)));
        let parts = [
            ("status", &mut self.status),
            ("completed_at", &mut self.completed_at),
            ("output", &mut self.output),
        ];
        for (name, known) in parts {
            let Some(value) = view.get(name) else { continue };
            match known {
                Some(before) if *before != value => {
                    self.complaints
                        .push(format!("{name} was {before} and then {value}"));
                }
                _ => *known = Some(value),
            }
        }
    }
}

pub(super) fn judge(verdict: &mut Verdict, entries: &[Entry], rows: &[Row], bodies: &HashMap<String, Value>) {
    let mut known: HashMap<&str, Known> = HashMap::new();
    let mut missing: HashSet<&str> = HashSet::new();
    for entry in entries {
        match &entry.what {
            Seen::Submit { answer, .. } => {
                if let Some(view) = answer.success()
                    && let Some(id) = view["id"].as_str()
                {
                    known
                        .entry(id)
                        .or_default()
                        .saw(Some(entry.began), entry.ended, view);
                }
            }
            Seen::Read { job, answer, .. } => match answer {
                Answer::Got { status: 404, .. } => {
                    missing.insert(job);
                }
                answer => {
                    if let Some(view) = answer.success() {
                        known
                            .entry(job)
                            .or_default()
                            .saw(Some(entry.began), entry.ended, view);
                    }
                }
            },
            // An event may have waited in a socket: when it was true is not known.
            Seen::Event { job, event, .. } if matches!(event.name.as_str(), "status" | "done") => {
                known.entry(job).or_default().saw(None, entry.ended, &event.data);
            }
            _ => {}
        }
    }
    let rows: HashMap<&str, &Row> = rows.iter().map(|row| (row.id.as_str(), row)).collect();
    for (id, body) in bodies {
        match rows.get(id.as_str()) {
            None => verdict.lost.push(format!("{id} has no row")),
            Some(row) => look_at_row(verdict, row, known.get(id.as_str())),
        }
        if missing.contains(id.as_str()) {
            verdict.lost.push(format!("{id} was not found (404)"));
        }
        if let Some(known) = known.get(id.as_str()) {
            look_at_views(verdict, id, known, body);
        }
    }
}

fn look_at_row(verdict: &mut Verdict, row: &Row, known: Option<&Known>) {
    let Row { id, state, .. } = row;
    *verdict.states.entry(state.clone()).or_default() += 1;
    verdict.executions += row.attempt;
    verdict.claims += row.epoch;
    if !is_terminal(&Value::from(state.as_str())) {
        verdict.lost.push(format!("{id} is {state}, not ended"));
    }
    let seen = known.and_then(|known| known.status?.as_str());
    if let Some(seen) = seen.filter(|seen| seen != state) {
        verdict
            .doubly_visible
            .push(format!("{id} was seen as {seen}, its row says {state}"));
    }
}

fn look_at_views(verdict: &mut Verdict, id: &str, known: &Known, body: &Value) {
    let complaints = known
        .complaints
        .iter()
        .map(|complaint| format!("{id}: {complaint}"));
    verdict.doubly_visible.extend(complaints);
    // Only what was asked for after the end had been seen: two requests at once may overtake each other.
    let late = |(asked, _): &&(Duration, &Value)| known.ended.is_some_and(|ended| *asked > ended);
    if let Some((asked, status)) = known.open.iter().find(late) {
        verdict.doubly_visible.push(format!(
            "{id} had ended, and was {status} when asked at {:.3} s",
            asked.as_secs_f64()
        ));
    }
    let succeeded = known.status.is_some_and(|status| status == "succeeded");
    if body["model"] == "echo" && succeeded && known.output.is_some_and(|output| *output != body["input"]) {
        verdict
            .wrong
            .push(format!("{id}: {:?} of {}", known.output, body["input"]));
    }
}
