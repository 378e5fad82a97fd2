//! From the probability of speech in each chunk to stretches of speech: a threshold with hysteresis, least
//! lengths of speech and of silence, a cut where speech goes on for too long, and some room at both ends.

use lamplighter_readers::audio::SAMPLE_RATE;

use super::network::CHUNK;

/// Silence that a cut of long speech may use, ms.
const CUT_SILENCE_MS: u32 = 98;

/// What counts as speech.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rules {
    /// The probability from which speech begins; it ends 0.15 below.
    pub(super) threshold: f32,
    pub(super) min_speech_ms: u32,
    pub(super) min_silence_ms: u32,
    /// Room at both ends.
    pub(super) pad_ms: u32,
    /// Longer speech is cut, best in a silence; none: never.
    pub(super) max_speech_s: Option<f64>,
}

impl Rules {
    /// Samples of speech after which it is cut: no longer than is asked for with the room at both ends.
    fn max_speech(&self) -> f64 {
        self.max_speech_s.map_or(f64::INFINITY, |seconds| {
            f64::from(SAMPLE_RATE) * seconds - CHUNK as f64 - 2.0 * samples(self.pad_ms)
        })
    }

    /// Says what is wrong where speech would be cut before it is long enough to count, into slivers.
    pub(super) fn check(&self) -> Result<(), String> {
        // A cut is at the beginning of a chunk.
        let least = samples(self.min_speech_ms) + CHUNK as f64;
        // Half a sample is what a number like 1.314 may be off by.
        if self.max_speech() + 0.5 >= least {
            return Ok(());
        }
        let needed = least + CHUNK as f64 + 2.0 * samples(self.pad_ms);
        Err(format!(
            "`max_speech_duration_s` is too short: with this `speech_pad_ms` and `min_speech_duration_ms` it is at \
             least {}",
            (needed / samples(1)).ceil() / 1e3
        ))
    }
}

/// A stretch of speech, in samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    /// The mean probability of its chunks.
    pub(super) fn confidence(&self, probabilities: &[f32]) -> f64 {
        let end = self.end.div_ceil(CHUNK).min(probabilities.len());
        let chunks = &probabilities[(self.start / CHUNK).min(end)..end];
        chunks.iter().map(|&p| f64::from(p)).sum::<f64>() / chunks.len().max(1) as f64
    }
}

fn samples(ms: u32) -> f64 {
    f64::from(SAMPLE_RATE) * f64::from(ms) / 1000.0
}

/// Goes through the chunks.
struct Scan<'a> {
    rules: &'a Rules,
    spans: Vec<Span>,
    /// Where the speech under way began.
    start: Option<usize>,
    /// Where the silence began that may end it; silence at the very beginning ends nothing.
    quiet: Option<usize>,
    /// Silences in it: where, and how long.
    silences: Vec<(usize, usize)>,
    max_speech: f64,
}

/// The stretches of speech in a recording of `length` samples.
pub(super) fn find(probabilities: &[f32], length: usize, rules: &Rules) -> Vec<Span> {
    let mut scan = Scan {
        rules,
        spans: Vec::new(),
        start: None,
        quiet: None,
        silences: Vec::new(),
        max_speech: rules.max_speech(),
    };
    for (index, &probability) in probabilities.iter().enumerate() {
        scan.chunk(index * CHUNK, probability);
    }
    if let Some(start) = scan.start
        && length.saturating_sub(start) as f64 > samples(rules.min_speech_ms)
    {
        scan.spans.push(Span { start, end: length });
    }
    padded(scan.spans, length, samples(rules.pad_ms))
}

impl Scan<'_> {
    fn chunk(&mut self, now: usize, probability: f32) {
        let loud = probability >= self.rules.threshold;
        if loud && let Some(quiet) = self.quiet.take() {
            let silence = now - quiet;
            if silence as f64 > samples(CUT_SILENCE_MS) {
                self.silences.push((quiet, silence));
            }
        }
        let Some(start) = self.start else {
            if loud {
                self.start = Some(now);
            }
            return;
        };
        if (now - start) as f64 > self.max_speech && !self.cut(start, now) {
            return;
        }
        if probability < (self.rules.threshold - 0.15).max(0.01) {
            self.silence(now);
        }
    }

    /// Ends speech that went on for too long: at the longest silence in it, or here. Says whether the
    /// speech goes on after that silence.
    fn cut(&mut self, start: usize, now: usize) -> bool {
        self.quiet = None;
        let silences = std::mem::take(&mut self.silences);
        // The first of the longest.
        let longest = silences.into_iter().rev().max_by_key(|&(_, length)| length);
        let (end, next) = longest.map_or((now, None), |(quiet, length)| (quiet, Some(quiet + length)));
        self.spans.push(Span { start, end });
        self.start = next;
        next.is_some()
    }

    /// A chunk of silence in speech.
    fn silence(&mut self, now: usize) {
        let Some(start) = self.start else { return };
        let quiet = *self.quiet.get_or_insert(now);
        if ((now - quiet) as f64) < samples(self.rules.min_silence_ms) {
            return;
        }
        if (quiet - start) as f64 > samples(self.rules.min_speech_ms) {
            self.spans.push(Span { start, end: quiet });
        }
        self.start = None;
        self.quiet = None;
        self.silences.clear();
    }
}

/// Gives every stretch room; two that are near share what is between them.
fn padded(mut spans: Vec<Span>, length: usize, pad: f64) -> Vec<Span> {
    let before = |start: usize| (start as f64 - pad).max(0.0) as usize;
    let after = |end: usize| (end as f64 + pad).min(length as f64) as usize;
    if let Some(first) = spans.first_mut() {
        first.start = before(first.start);
    }
    for index in 0..spans.len() {
        let Some(next) = spans.get(index + 1).copied() else {
            spans[index].end = after(spans[index].end);
            break;
        };
        let silence = next.start.saturating_sub(spans[index].end);
        if (silence as f64) < 2.0 * pad {
            spans[index].end += silence / 2;
            spans[index + 1].start = next.start - silence / 2;
        } else {
            spans[index].end = after(spans[index].end);
            spans[index + 1].start = before(next.start);
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(max_speech_s: Option<f64>, pad_ms: u32, min_speech_ms: u32) -> Rules {
        Rules {
            threshold: 0.5,
            min_speech_ms,
            min_silence_ms: 100,
            pad_ms,
            max_speech_s,
        }
    }

    #[test]
    fn a_cut_that_would_leave_slivers_is_refused() {
        for good in [
            rules(None, 60_000, 60_000),
            rules(Some(1.0), 30, 250),
            rules(Some(1.314), 500, 250),
            rules(Some(30.0), 500, 250),
        ] {
            assert_eq!(good.check(), Ok(()), "{good:?}");
        }
        for (bad, least) in [
            (rules(Some(1.0), 500, 250), "1.314"),
            (rules(Some(1.3), 500, 250), "1.314"),
            (rules(Some(1.0), 30, 1000), "1.124"),
        ] {
            let why = bad.check().expect_err("refused");
            assert!(
                why.contains("`max_speech_duration_s`") && why.ends_with(least),
                "{why}"
            );
        }
    }

    #[test]
    fn what_is_not_refused_cuts_no_slivers() {
        let speech = vec![0.9; 400];
        let length = 400 * CHUNK;
        for (most, pad_ms, min_speech_ms) in [(1.0, 30, 250), (1.314, 500, 250), (2.0, 100, 1000)] {
            let rules = rules(Some(most), pad_ms, min_speech_ms);
            assert_eq!(rules.check(), Ok(()));
            let spans = find(&speech, length, &rules);
            assert!(spans.len() > 1, "{spans:?}");
            for span in &spans[..spans.len() - 1] {
                let samples = (span.end - span.start) as f64;
                assert!(samples > super::samples(min_speech_ms), "{span:?}");
                assert!(
                    samples <= most * f64::from(SAMPLE_RATE) + CHUNK as f64,
                    "{span:?}"
                );
            }
        }
    }
}
