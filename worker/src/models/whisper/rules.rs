//! What may be written next: words, and times that come in pairs and never go back.

use super::folder::{Folder, Tokens};

/// The latest time a window may begin with: one second.
const LATEST_FIRST: u32 = 50;

/// Goes over the logits of a step; what may not be written becomes minus infinity.
pub(super) struct Rules<'a> {
    folder: &'a Folder,
    tokens: &'a Tokens,
    timestamps: bool,
}

impl<'a> Rules<'a> {
    pub(super) fn new(folder: &'a Folder, timestamps: bool) -> Self {
        Self {
            folder,
            tokens: &folder.tokens,
            timestamps,
        }
    }

    /// `written`: the tokens of the window so far.
    pub(super) fn apply(&self, written: &[u32], logits: &mut [f32]) {
        let mut forbid = |token: u32| {
            if let Some(logit) = logits.get_mut(token as usize) {
                *logit = f32::NEG_INFINITY;
            }
        };
        self.folder.suppressed.iter().copied().for_each(&mut forbid);
        if written.is_empty() {
            self.folder.suppressed_first.iter().copied().for_each(&mut forbid);
        }
        // Never after the prompt: tasks, languages, the start.
        forbid(self.tokens.no_timestamps);
        forbid(self.tokens.start);
        self.folder.languages().for_each(&mut forbid);
        let words = (self.tokens.first_time as usize).min(logits.len());
        if self.timestamps {
            self.pairs(written, logits, words);
            prefer_times(logits, words);
        } else {
            logits[words..].fill(f32::NEG_INFINITY);
        }
    }

    fn pairs(&self, written: &[u32], logits: &mut [f32], words: usize) {
        let is_time = |token: u32| token >= self.tokens.first_time;
        let (last, before) = match *written {
            [] => {
                // Begins with a time that is not late.
                logits[..words].fill(f32::NEG_INFINITY);
                let latest = (words + LATEST_FIRST as usize + 1).min(logits.len());
                logits[latest..].fill(f32::NEG_INFINITY);
                return;
            }
            [last] => (is_time(last), true),
            [.., before, last] => (is_time(last), is_time(before)),
        };
        if last && before {
            // A segment has begun: words.
            logits[words..].fill(f32::NEG_INFINITY);
        } else if last {
            // A segment has ended: the next begins, or the text is over.
            logits[..self.tokens.end as usize].fill(f32::NEG_INFINITY);
        }
        if let Some(&time) = written.iter().rev().find(|&&token| is_time(token)) {
            // The next segment may begin where one ended; else times go on.
            let least = if last && !before { time } else { time + 1 };
            let least = (least as usize).clamp(words, logits.len());
            logits[words..least].fill(f32::NEG_INFINITY);
        }
    }
}

/// If a time, whichever, is more likely than the likeliest word, it is a time.
fn prefer_times(logits: &mut [f32], words: usize) {
    let (text, times) = logits.split_at_mut(words);
    let top = |numbers: &[f32]| numbers.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (word, time) = (top(text), top(times));
    if time == f32::NEG_INFINITY {
        return;
    }
    let sum: f32 = times.iter().map(|logit| (logit - time).exp()).sum();
    if time + sum.ln() > word {
        text.fill(f32::NEG_INFINITY);
    }
}

/// The natural logarithm of the sum of exponentials.
pub(super) fn log_sum(logits: &[f32]) -> f32 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    top + logits.iter().map(|logit| (logit - top).exp()).sum::<f32>().ln()
}

/// The likeliest token.
pub(super) fn best(logits: &[f32]) -> u32 {
    let better =
        |best: (usize, f32), next: (usize, &f32)| if *next.1 > best.1 { (next.0, *next.1) } else { best };
    logits.iter().enumerate().fold((0, f32::NEG_INFINITY), better).0 as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_unsure_times_beat_one_word() {
        let mut logits = [1.0, 0.5, 0.6, 0.6, 0.6];
        prefer_times(&mut logits, 2);
        assert_eq!(logits[..2], [f32::NEG_INFINITY; 2]);
        let mut logits = [3.0, 0.5, 0.6, 0.6, 0.6];
        prefer_times(&mut logits, 2);
        assert_eq!(logits[0], 3.0);
        assert_eq!(best(&logits), 0);
        assert!((log_sum(&[0.0, 0.0]) - 2_f32.ln()).abs() < 1e-6);
    }
}
