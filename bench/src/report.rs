//! The figures of a run, as the table that RESULTS.md keeps.

use std::fmt;

/// Figures, in the order they were measured.
#[derive(Debug, Default)]
pub struct Report(Vec<Line>);

#[derive(Debug)]
struct Line {
    what: String,
    figure: String,
    required: String,
    met: Option<bool>,
}

impl Report {
    /// Adds a figure that nothing is required of.
    pub fn note(&mut self, what: &str, figure: String) {
        eprintln!("{what}: {figure}");
        self.0.push(Line {
            what: what.to_owned(),
            figure,
            required: String::new(),
            met: None,
        });
    }

    /// Adds a figure with what is required of it.
    pub fn judge(&mut self, what: &str, figure: String, required: String, met: bool) {
        eprintln!(
            "{what}: {figure}, required {required}: {}",
            if met { "met" } else { "MISSED" }
        );
        self.0.push(Line {
            what: what.to_owned(),
            figure,
            required,
            met: Some(met),
        });
    }

    /// Whether every requirement that was measured is met.
    pub fn all_met(&self) -> bool {
        self.0.iter().all(|line| line.met != Some(false))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | figure | required | met |\n|---|---|---|---|")?;
        for line in &self.0 {
            let met = match line.met {
                Some(true) => "yes",
                Some(false) => "**no**",
                None => "",
            };
            writeln!(
                f,
                "| {} | {} | {} | {met} |",
                line.what, line.figure, line.required
            )?;
        }
        Ok(())
    }
}
