//! A job as the API gives it: its text, untouched, and the few fields the client looks at.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Failure;

/// A job: what the server wrote, and what we read in it.
#[derive(Debug, Clone)]
pub struct Job {
    /// The whole job as JSON text.
    pub text: String,
    /// The fields we use.
    pub view: View,
}

/// The fields of a job that the client uses. Unknown ones, and missing ones, do not matter.
#[derive(Debug, Clone, Deserialize)]
pub struct View {
    /// Its identifier.
    pub id: String,
    /// Where it stands.
    pub status: String,
    /// The model.
    #[serde(default)]
    pub model: String,
    /// When it was accepted, RFC 3339.
    #[serde(default)]
    pub created_at: Option<String>,
    /// Its place in the queue.
    #[serde(default)]
    pub queue: Option<Queue>,
    /// How far its run is.
    #[serde(default)]
    pub progress: Option<Progress>,
    /// The result, letter by letter.
    #[serde(default)]
    pub output: Option<Box<RawValue>>,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<JobError>,
    /// How it went.
    #[serde(default)]
    pub metrics: Option<Metrics>,
}

/// The place of a waiting job.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Queue {
    /// Jobs before it.
    #[serde(default)]
    pub position: Option<u64>,
    /// Seconds until it starts, by measure.
    #[serde(default)]
    pub eta_seconds: Option<f64>,
    /// Whether anything can run it now.
    #[serde(default = "yes")]
    pub possible: bool,
    /// Why not.
    #[serde(default)]
    pub reason: Option<String>,
}

fn yes() -> bool {
    true
}

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Progress {
    /// From 0 to 1.
    pub fraction: f64,
    /// What the model is doing.
    #[serde(default)]
    pub stage: Option<String>,
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct JobError {
    /// The code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code in words.
    #[serde(default)]
    pub title: String,
    /// What happened.
    #[serde(default)]
    pub detail: String,
}

/// The figures of a run that a list shows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Metrics {
    /// From submit to the end, milliseconds.
    #[serde(default)]
    pub total_ms: Option<f64>,
}

impl Job {
    /// Reads a job.
    ///
    /// # Errors
    /// Where the text is none; most likely the server is no Lamplighter.
    pub fn parse(text: String) -> Result<Self, Failure> {
        match serde_json::from_str(&text) {
            Ok(view) => Ok(Self { text, view }),
            Err(e) => Err(Failure::Failed(format!("the server's answer is not a job: {e}"))),
        }
    }

    /// The end of a job as the exit of a program: its output's text, or why there is none.
    ///
    /// # Errors
    /// Where it did not succeed: `code: detail`.
    pub fn outcome(&self) -> Result<&str, Failure> {
        let View {
            id,
            status,
            output,
            error,
            ..
        } = &self.view;
        match (status.as_str(), error) {
            ("succeeded", _) => Ok(output.as_ref().map_or("null", |raw| raw.get())),
            (_, Some(JobError { kind, title, detail })) => Err(Failure::Failed(format!(
                "{kind}: {}",
                if detail.is_empty() { title } else { detail }
            ))),
            ("canceled", None) => Err(Failure::Failed(format!("canceled: {id} was canceled"))),
            ("expired", None) => Err(Failure::Failed(format!(
                "expired: {id} waited longer than it was allowed to"
            ))),
            (other, None) => Err(Failure::Failed(format!("{other}: {id} has no output"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(text: &str) -> Result<String, String> {
        let job = Job::parse(text.to_owned()).expect("it is a job");
        job.outcome().map(str::to_owned).map_err(|f| f.to_string())
    }

    #[test]
    fn only_a_succeeded_job_has_an_outcome() {
        assert_eq!(
            outcome(r#"{"id":"j","status":"succeeded","output":{"x": 1.10}}"#),
            Ok(r#"{"x": 1.10}"#.to_owned())
        );
        let failed = r#"{"id":"j","status":"failed","output":null,"error":{"type":"timeout","title":"T","detail":"took 3 s"}}"#;
        assert_eq!(outcome(failed), Err("timeout: took 3 s".to_owned()));
        assert!(outcome(r#"{"id":"j","status":"canceled"}"#).is_err_and(|e| e.starts_with("canceled: ")));
        assert!(outcome(r#"{"id":"j","status":"expired"}"#).is_err_and(|e| e.starts_with("expired: ")));
        assert!(Job::parse("<html>".to_owned()).is_err());
    }
}
