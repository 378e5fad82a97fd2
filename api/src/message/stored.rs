//! What was stored in English and is told in another language: what a job is at and why it failed, why a model can't
//! run now. The sentences are those of `worker`, `readers` and `shared`; the values are read back out of the text.
//! One that is not listed stays English: what a model itself says, and what is wrong with the files of a model.

use std::sync::LazyLock;

use super::{Piece, catalogue, fill, pieces};
use crate::locale::Locale;

/// Values within values are words of ours too, down to here: `the model can't be loaded: the canary of …`.
const DEPTH: usize = 3;

/// Every sentence. A test holds them against the sources.
pub(super) const SENTENCES: &[&str] = &[
    // What a model is doing.
    "detecting",
    "finding text",
    "listening",
    "reading",
    "running",
    "transcribing",
    "writing",
    // Why a run ended.
    "the input is gone",
    "the input is not JSON: {error}",
    "the input is not an object",
    "the input could not be prepared: a panic",
    "the model does not do the job's task any more",
    "the model gave no answer",
    "the model gave no result",
    "the model panicked",
    "the model's process ended: {description}",
    "the output has {bytes} bytes; the most is {most}",
    "the result could not be stored",
    "the run took longer than {limit} s",
    "the worker was lost in every one of the runs",
    "an allocation of {bytes} bytes failed",
    // What a model refuses.
    "the model has no head for {task}",
    "give either `texts` or `text`",
    "{count} texts; a job takes 1 to {most}",
    "a text has more than {most} tokens, which is all the model reads, and `truncate` is false",
    "max_side is {side}; it may be {least} to {most}",
    "min_confidence is {value}; it may be 0 to 1",
    "min_size is {value}; it may be {least} to {most}",
    "top_k is {value}; it may be 1 to {most}",
    "letters has none or more than {most}",
    "letters has {letter}, which the model does not know",
    "`threshold` is from 0.01 to 0.99",
    "times in milliseconds are at most 60000",
    "`max_speech_duration_s` is from 1 to {most}",
    "`max_speech_duration_s` is too short: with this `speech_pad_ms` and `min_speech_duration_ms` it is at least {least}",
    "the model does not know the language {code}: use an ISO 639-1 code, as \"en\"",
    "crash, overflow, panic, hang, spin and allocate_mb are for tests, and not allowed here (worker.echo_faults)",
    "tokenizer.json does not fit the model: a token is not in its vocabulary",
    "token {token} is not in the model's vocabulary",
    "not a list of texts",
    "not a prompt",
    // What a model that writes refuses.
    "give `messages`, and no `prompt`",
    "give `prompt`, and no `messages`",
    "there are no messages",
    "the messages use every character there is",
    "the model has no chat template",
    "the model's chat template refuses these messages: {error}",
    "the prompt has no tokens",
    "the prompt has {bytes} bytes; the model reads at most {most} tokens, the answer included",
    "the prompt has {count} tokens; the model reads at most {most}, and at least one is for the answer",
    "the shortest answer that fits the schema takes up to {least} tokens; there are {most}",
    "the model can't write this format: its vocabulary has no token for the byte {byte}",
    "the model computed a number that is not finite",
    "no token can come next",
    "`max_tokens` must be at least 1",
    "`seed` is {seed}; it must be below {most}",
    "`stop` can't be kept together with a `response_format`: it could cut it in two",
    "`stop` takes up to {most} texts of 1 to {longest} characters",
    "`top_logprobs` needs `logprobs`",
    "`top_logprobs` takes up to {most}",
    "`{name}` is {value}; it must be from {least} to {most}",
    "`json_schema` comes with the type json_schema, and with no other",
    "`response_format.json_schema.schema`: {error}",
    "a sequence belongs to another model",
    "there are no tokens to compute",
    "token {token} is not in the vocabulary",
    "{count} tokens do not fit behind {place} of {most}",
    // What it refuses of a schema.
    "{at}: the schema nests deeper than {most}",
    "{at}: the schema has more than {most} parts",
    "{at}: the schema lists more than {most} values",
    "{at}: not a schema that anything fits",
    "{at}: no value fits `enum` and `type`",
    "{at}: give `enum`, a list, or `const`",
    "{at}: a value fits more than one of `oneOf`",
    "{at}: alternatives must be of different types (of an object, a list, a string, a number, a boolean, null)",
    "{at}: {least} is more than {most}",
    "{at}/allOf: more than one schema is not supported",
    "{at}/{keyword}: not a list of schemas",
    "{at}/{keyword}: this keyword is not supported here",
    "{at}/{keyword}: more than {most}",
    "{at}/{keyword}: not a count",
    "{at}/minimum: only 0 is supported",
    "{at}/items: nothing fits `false`",
    "{at}/type: {kind} is not a type",
    "{at}/type: not a type or a list of types",
    "{at}/properties: not an object",
    "{at}/required: not a list of names",
    "{at}/required: {name} is not one of `properties`",
    "{at}/required: {name} is there twice",
    "{at}/$ref: must be a pointer into this schema, as in #/$defs/name",
    "{at}/$ref: a schema that refers to itself is not supported",
    // What readers refuse.
    "expected a data URL, like data:{kind}/…;base64,…: other URLs are not fetched",
    "the data URL must be of the form data:<type>;base64,<data>",
    "the data URL says {said}, expected {kind}/…",
    "the data URL is empty",
    "the data URL holds more than {most} bytes",
    "the data URL is not valid base64",
    "the image is neither PNG nor JPEG nor WebP",
    "the image is neither PNG nor JPEG nor WebP, but {kind}",
    "the image has {bytes} bytes, the most is {most}",
    "the image is {width} x {height} pixels: the most is {side} a side and {pixels} in all",
    "the image costs too much to decode: send it smaller, or saved in a plainer way",
    "the image is of a kind that is not read: {kind}",
    "the image ends too early",
    "the image is damaged: {problem}",
    "a PNG with a chunk that only some programs know",
    "a JPEG that is neither baseline nor progressive",
    "a JPEG with other than 8 bits a sample",
    "this colour space of JPEG",
    "this number of bits a sample",
    "it has no pixels",
    "the decoder gave up",
    "the sound is a file of {bytes} bytes; at most {most} are taken",
    "the sound is longer than {most} seconds, the most that is taken: send it in parts",
    "the sound has too many samples for its length: send it with at most 2 channels of 96 kHz",
    "the sound is not a WAV, MP3, FLAC or Ogg Vorbis file",
    "the sound can't be read: {problem}",
    "the sound has {rate} samples a second; 4000 to 192000 are taken",
    "the sound has {count} channels; 1 to 8 are taken",
    "the sound is damaged: {problem}",
    "the sound is empty",
    "there is no sound in it",
    "there is no Vorbis or FLAC in it",
    "it does not say how it is coded",
    "it ends before the sound begins",
    "its samples are compressed; those of a WAV are read as PCM only",
    "its sample rate or its channels change in the middle",
    "most of its pages can't be read",
    "the decoder gave up on it",
    // Why a model can't run now.
    "the model is switched off",
    "no live worker serves this model",
    "the model can't be loaded",
    "the model can't be loaded: {detail}",
    "the model's files are being fetched",
    "the model's files are being fetched: {detail}",
    "the model is not in memory; it is loaded when there is room for it",
    "the model is being loaded",
    "the model is being loaded: {detail}",
    "switched off by an administrator",
    "its process keeps ending",
    "it takes {need}, and all models of this worker may take {budget} (worker.memory_bytes)",
    "{file}: {done} of {total} MiB",
    "no runner could be started: {error}",
    "while loading: {end}",
    "the runner ended: {description}",
    "the model was not loaded within {time}",
    "the canary of {task} failed: {detail}",
    "no answer",
    "model {model} is not here; fetch it (`lamplighter models pull {model}`)",
    "model {model} could not be fetched:{reasons}",
    "model {model} is not here as it should be:{reasons}",
    "there is no pip on this machine (install it: on Debian and Ubuntu `apt install python3-pip`)",
];

/// A sentence and its parts.
type Pattern = (&'static str, Vec<Piece<'static>>);

/// Those with more words of their own come first.
static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let mut patterns: Vec<Pattern> = SENTENCES.iter().map(|text| (*text, pieces(text))).collect();
    patterns.sort_by_key(|(_, pieces)| std::cmp::Reverse(words(pieces)));
    patterns
});

/// A stored sentence in a language; as it is where it is none of ours.
pub(crate) fn translate(locale: Locale, text: &str) -> String {
    match locale {
        Locale::English => text.to_owned(),
        _ => within(locale, text, DEPTH).unwrap_or_else(|| text.to_owned()),
    }
}

fn within(locale: Locale, text: &str, depth: usize) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    let found = |(sentence, pieces): &Pattern| Some((*sentence, read(pieces, text)?));
    let (sentence, values) = PATTERNS.iter().find_map(found)?;
    let translation = catalogue::translation(locale, sentence)?;
    Some(fill(translation, |name| {
        let (_, value) = values.iter().find(|(known, _)| *known == name)?;
        Some(within(locale, value, depth).unwrap_or_else(|| (*value).to_owned()))
    }))
}

/// The values of the placeholders in a text, where it is this sentence from beginning to end.
fn read<'p, 't>(pieces: &[Piece<'p>], text: &'t str) -> Option<Vec<(&'p str, &'t str)>> {
    let mut values = Vec::new();
    let (mut rest, mut open) = (text, None);
    for (at, piece) in pieces.iter().enumerate() {
        match (piece, open.take()) {
            (Piece::Placeholder(name), _) => open = Some(*name),
            (Piece::Text(words), None) => rest = rest.strip_prefix(words)?,
            (Piece::Text(words), Some(name)) => {
                let last = at + 1 == pieces.len();
                let end = if last {
                    rest.strip_suffix(words)?.len()
                } else {
                    rest.find(words)?
                };
                values.push((name, &rest[..end]));
                rest = &rest[end + words.len()..];
            }
        }
    }
    match open {
        Some(name) => values.push((name, rest)),
        None if !rest.is_empty() => return None,
        None => {}
    }
    Some(values)
}

/// How many bytes of a sentence are words of its own.
fn words(pieces: &[Piece<'_>]) -> usize {
    let length = |piece: &Piece<'_>| match piece {
        Piece::Text(text) => text.len(),
        Piece::Placeholder(_) => 0,
    };
    pieces.iter().map(length).sum()
}
