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
    let max_speech = rules.max_speech_s.map_or(f64::INFINITY, |seconds| {
        f64::from(SAMPLE_RATE) * seconds - CHUNK as f64 - 2.0 * samples(rules.pad_ms)
    });
    let mut scan = Scan {
        rules,
        spans: Vec::new(),
        start: None,
        quiet: None,
        silences: Vec::new(),
        max_speech,
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
