//! Tasks: what a kind of model takes and gives, as JSON Schema. The API validates against them, the
//! playground draws its form from them, the documentation shows them. One file a group of tasks.

mod audio;
mod generation;
mod image;
mod text;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use text::MAX_TEXT_CHARS;

/// The most characters of a picture or a sound in a data URL: what a body of 16 MiB holds beside the rest.
pub const MAX_MEDIA_CHARS: usize = (16 << 20) - 4096;

/// The kind of work a model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Texts to vectors.
    TextEmbedding,
    /// How near each of some texts is to each other one.
    Similarity,
    /// Texts to scores of labels that the caller names.
    ZeroShotClassification,
    /// A query and texts to how well each text answers it.
    Rerank,
    /// Texts to scores of the model's own labels.
    TextClassification,
    /// The next message of a conversation.
    Chat,
    /// How a text goes on.
    TextGeneration,
    /// Speech to text.
    SpeechToText,
    /// Where in a recording somebody speaks.
    VoiceActivity,
    /// A picture to scores of the model's own labels.
    ImageClassification,
    /// Where in a picture faces are.
    FaceDetection,
    /// A picture to the text in it.
    Ocr,
    /// A picture of an identity document to what its machine readable zone says.
    Mrz,
    /// The input comes back; for demonstrations and fault tests.
    Echo,
}

impl Task {
    /// All tasks.
    pub const ALL: [Self; 14] = [
        Self::TextEmbedding,
        Self::Similarity,
        Self::ZeroShotClassification,
        Self::Rerank,
        Self::TextClassification,
        Self::Chat,
        Self::TextGeneration,
        Self::SpeechToText,
        Self::VoiceActivity,
        Self::ImageClassification,
        Self::FaceDetection,
        Self::Ocr,
        Self::Mrz,
        Self::Echo,
    ];

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TextEmbedding => "text-embedding",
            Self::Similarity => "similarity",
            Self::ZeroShotClassification => "zero-shot-classification",
            Self::Rerank => "rerank",
            Self::TextClassification => "text-classification",
            Self::Chat => "chat",
            Self::TextGeneration => "text-generation",
            Self::SpeechToText => "speech-to-text",
            Self::VoiceActivity => "voice-activity",
            Self::ImageClassification => "image-classification",
            Self::FaceDetection => "face-detection",
            Self::Ocr => "ocr",
            Self::Mrz => "mrz",
            Self::Echo => "echo",
        }
    }

    /// The task with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|task| task.as_str() == name)
    }

    /// Whether its input carries a picture or a sound, and so may be large.
    pub fn takes_media(self) -> bool {
        match self {
            Self::SpeechToText
            | Self::VoiceActivity
            | Self::ImageClassification
            | Self::FaceDetection
            | Self::Ocr
            | Self::Mrz => true,
            Self::TextEmbedding
            | Self::Similarity
            | Self::ZeroShotClassification
            | Self::Rerank
            | Self::TextClassification
            | Self::Chat
            | Self::TextGeneration
            | Self::Echo => false,
        }
    }

    /// JSON Schema (2020-12) of the input. `max_items` caps the list a job may carry.
    pub fn input_schema(self, max_items: usize) -> Value {
        match self {
            Self::TextEmbedding => text::embedding_input(max_items),
            Self::Similarity => text::similarity_input(max_items),
            Self::ZeroShotClassification => text::zero_shot_input(max_items),
            Self::Rerank => text::rerank_input(max_items),
            Self::TextClassification => text::classification_input(max_items),
            Self::Chat => generation::chat_input(),
            Self::TextGeneration => generation::completion_input(),
            Self::SpeechToText => audio::speech_input(),
            Self::VoiceActivity => audio::voice_input(),
            Self::ImageClassification => image::classification_input(),
            Self::FaceDetection => image::faces_input(),
            Self::Ocr => image::ocr_input(),
            Self::Mrz => image::mrz_input(),
            Self::Echo => echo_input(),
        }
    }

    /// JSON Schema (2020-12) of the output.
    pub fn output_schema(self) -> Value {
        match self {
            Self::TextEmbedding => text::embedding_output(),
            Self::Similarity => text::similarity_output(),
            Self::ZeroShotClassification | Self::TextClassification => text::classification_output(),
            Self::Rerank => text::rerank_output(),
            Self::Chat | Self::TextGeneration => generation::output(),
            Self::SpeechToText => audio::speech_output(),
            Self::VoiceActivity => audio::voice_output(),
            Self::ImageClassification => image::classification_output(),
            Self::FaceDetection => image::faces_output(),
            Self::Ocr => image::ocr_output(),
            Self::Mrz => image::mrz_output(),
            Self::Echo => json!({"type": "object", "additionalProperties": true}),
        }
    }

    /// An input to show and to try; what a model computes before it is taken for ready.
    pub fn example(self) -> Value {
        match self {
            Self::TextEmbedding => text::embedding_example(),
            Self::Similarity => text::similarity_example(),
            Self::ZeroShotClassification => text::zero_shot_example(),
            Self::Rerank => text::rerank_example(),
            Self::TextClassification => text::classification_example(),
            Self::Chat => generation::chat_example(),
            Self::TextGeneration => generation::completion_example(),
            Self::SpeechToText | Self::VoiceActivity => audio::example(),
            Self::ImageClassification => image::classification_example(),
            Self::FaceDetection => image::faces_example(),
            Self::Ocr => image::ocr_example(),
            Self::Mrz => image::mrz_example(),
            Self::Echo => json!({"hello": "world"}),
        }
    }

    /// How much work an input is, in units of the task; what fair sharing counts. At least 1.
    pub fn cost(self, input: &Value) -> i64 {
        match self {
            Self::TextEmbedding
            | Self::Similarity
            | Self::ZeroShotClassification
            | Self::Rerank
            | Self::TextClassification => text::cost(input),
            Self::Chat | Self::TextGeneration => generation::cost(input),
            Self::SpeechToText | Self::VoiceActivity => audio::cost(input),
            Self::ImageClassification | Self::FaceDetection | Self::Ocr | Self::Mrz | Self::Echo => 1,
        }
    }
}

fn echo_input() -> Value {
    json!({
        "type": "object",
        "title": "Anything",
        "description": "The input object is the output. The keys named here make the run misbehave.",
        "properties": {
            "sleep_ms": {"type": "integer", "minimum": 0, "maximum": 600_000, "description": "Sleep before the answer."},
            "fail": {"type": "string", "maxLength": 1000, "description": "Fail with this message."},
            "crash": {"type": "boolean", "description": "Abort the runner."},
            "overflow": {"type": "boolean", "description": "End the runner's stack."},
            "panic": {"type": "boolean", "description": "Panic."},
            "hang": {"type": "boolean", "description": "Never return."},
            "spin": {"type": "boolean", "description": "Compute for ever."},
            "chunks": {"type": "integer", "minimum": 0, "maximum": 10_000, "description": "Stream this many chunks of output, spread over `sleep_ms`."},
            "chunk_bytes": {"type": "integer", "minimum": 0, "maximum": 16_384, "description": "Make each of these chunks this long at least."},
            "allocate_mb": {"type": "integer", "minimum": 0, "maximum": 1_048_576, "description": "Allocate and touch this much memory, MiB."}
        },
        "additionalProperties": true
    })
}

/// An object with these fields, of which some are needed, and no others.
fn object(title: &str, properties: Value, required: &[&str]) -> Value {
    json!({
        "type": "object",
        "title": title,
        "properties": properties,
        "required": required,
        "additionalProperties": false
    })
}

/// A file of an example, as a data URL.
fn data_url(mime: &str, bytes: &[u8]) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    format!("data:{mime};base64,{}", BASE64_STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_wire() {
        for task in Task::ALL {
            assert_eq!(serde_json::to_value(task).ok(), Some(task.as_str().into()));
            assert_eq!(Task::named(task.as_str()), Some(task));
        }
        assert_eq!(Task::named("nope"), None);
    }

    #[test]
    fn examples_fit_their_schemas_and_are_short() {
        for task in Task::ALL {
            let name = task.as_str();
            let schema = jsonschema::validator_for(&task.input_schema(8));
            let schema = schema.unwrap_or_else(|error| panic!("{name}: {error}"));
            let example = task.example();
            assert!(schema.is_valid(&example), "{name}");
            assert!(example.to_string().len() <= 12 << 10, "{name}");
            let output = jsonschema::validator_for(&task.output_schema());
            assert!(output.is_ok(), "{name}");
            assert!(task.cost(&example) >= 1);
        }
    }
}
