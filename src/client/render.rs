//! What people see: the progress line on standard error, and the table of jobs.
//!
//! Results are not rendered: they go to standard output as the server wrote them.

use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::job::{Job, Progress, Queue, View};

/// The progress line. Where standard error is no terminal it shows nothing.
pub struct Line {
    bar: ProgressBar,
    waiting: ProgressStyle,
    running: ProgressStyle,
}

impl Line {
    /// A line, drawn at once.
    pub fn start(message: &str) -> Self {
        let waiting =
            ProgressStyle::with_template("{spinner} {msg} ({elapsed})").expect("the template is right");
        let running = ProgressStyle::with_template("{spinner} {msg} [{bar:24}] {percent}% ({elapsed})");
        let running = running.expect("the template is right").progress_chars("=> ");
        let bar = ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::stderr());
        bar.set_style(waiting.clone());
        bar.set_message(message.to_owned());
        bar.enable_steady_tick(std::time::Duration::from_millis(120));
        Self {
            bar,
            waiting,
            running,
        }
    }

    /// Shows where a job stands.
    pub fn job(&self, job: &View) {
        match &job.progress {
            Some(progress) if job.status == "processing" => self.progress(progress),
            _ => self.say(&words(job)),
        }
    }

    /// Shows how far a run is.
    pub fn progress(&self, progress: &Progress) {
        self.bar.set_style(self.running.clone());
        self.bar
            .set_message(progress.stage.clone().unwrap_or_else(|| "running".to_owned()));
        // Rounded to a thousandth of the bar; a fraction outside 0..1 is a model's mistake.
        self.bar
            .set_position((progress.fraction.clamp(0.0, 1.0) * 1000.0) as u64);
    }

    /// Shows a few words.
    pub fn say(&self, message: &str) {
        self.bar.set_style(self.waiting.clone());
        self.bar.set_message(message.to_owned());
    }

    /// Runs `print` with the line out of the way.
    pub fn aside<R>(&self, print: impl FnOnce() -> R) -> R {
        self.bar.suspend(print)
    }

    /// Takes the line away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// Where a job stands, in words.
fn words(job: &View) -> String {
    let Some(Queue {
        position,
        eta_seconds,
        possible,
        reason,
    }) = job.queue.as_ref().filter(|_| job.status == "queued")
    else {
        return job.status.clone();
    };
    let mut text = job.status.clone();
    if !possible {
        text.push_str(": no worker can run it now");
    } else if let Some(position) = position {
        text.push_str(&match position {
            0 => ": next".to_owned(),
            1 => ": 1 job before it".to_owned(),
            n => format!(": {n} jobs before it"),
        });
    }
    if let Some(seconds) = eta_seconds {
        text.push_str(&format!(", starts in about {}", duration(*seconds)));
    }
    if let Some(reason) = reason {
        text.push_str(&format!(" ({reason})"));
    }
    text
}

/// A span of time with one unit: `0.4 s`, `12 s`, `3 min`, `2 h`.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => format!("{s:.1} s"),
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.0} h", s / 3600.0),
    }
}

/// Writes the jobs as a table.
///
/// # Errors
/// Where it can't be written.
pub fn table(out: &mut impl Write, jobs: &[Job]) -> io::Result<()> {
    let mut rows = vec![["ID", "MODEL", "STATUS", "CREATED", "TOOK"].map(str::to_owned)];
    for Job { view, .. } in jobs {
        let created = moment(view.created_at.as_deref().unwrap_or("-"));
        let took = view
            .metrics
            .as_ref()
            .and_then(|m| m.total_ms)
            .map_or("-".to_owned(), |ms| duration(ms / 1000.0));
        rows.push([
            view.id.clone(),
            view.model.clone(),
            view.status.clone(),
            created,
            took,
        ]);
    }
    aligned(out, &rows)
}

/// A time of the API for people: to the second, without the `T`; the zone is always UTC.
pub fn moment(text: &str) -> String {
    text.get(..19).unwrap_or(text).replace('T', " ")
}

/// Writes rows as columns, each as wide as it has to be.
///
/// # Errors
/// Where they can't be written.
pub fn aligned<const N: usize>(out: &mut impl Write, rows: &[[String; N]]) -> io::Result<()> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or(0));
    for row in rows {
        for (cell, width) in row[..N - 1].iter().zip(widths) {
            write!(out, "{cell:width$}  ")?;
        }
        writeln!(out, "{}", row[N - 1])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(text: &str) -> Job {
        Job::parse(text.to_owned()).expect("it is a job")
    }

    #[test]
    fn a_waiting_job_says_for_what() {
        let cases = [
            (r#"{"position":0,"possible":true}"#, "queued: next"),
            (
                r#"{"position":1,"eta_seconds":12.3}"#,
                "queued: 1 job before it, starts in about 12 s",
            ),
            (
                r#"{"position":1000,"eta_seconds":7300}"#,
                "queued: 1000 jobs before it, starts in about 2 h",
            ),
            (
                r#"{"position":4,"possible":false,"reason":"fetching"}"#,
                "queued: no worker can run it now (fetching)",
            ),
            ("null", "queued"),
        ];
        for (queue, text) in cases {
            let job = job(&format!(r#"{{"id":"j","status":"queued","queue":{queue}}}"#));
            assert_eq!(words(&job.view), text);
        }
    }

    #[test]
    fn the_table_is_aligned() {
        let jobs = [
            job(
                r#"{"id":"job_1","status":"succeeded","model":"minilm","created_at":"2026-01-02T03:04:05.678Z","metrics":{"total_ms":420}}"#,
            ),
            job(r#"{"id":"job_22","status":"queued","model":"echo"}"#),
        ];
        let mut out = Vec::new();
        table(&mut out, &jobs).expect("memory can be written");
        let expected = "\
ID      MODEL   STATUS     CREATED              TOOK
job_1   minilm  succeeded  2026-01-02 03:04:05  0.4 s
job_22  echo    queued     -                    -
";
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}
