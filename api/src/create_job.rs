//! The body of `POST /v1/jobs`: its type, for the documentation and the code, and its schema, which
//! judges what comes. The model's own schema judges `input`.

use lamplighter_shared::{config::Jobs, job::Priority};
use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::free_form::FreeForm;

/// The most bytes of `metadata`, as JSON.
pub const MAX_METADATA: usize = 16 * 1024;

/// A job to be run.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct CreateJob {
    /// The model that runs it; see `GET /v1/models`.
    #[oai(validator(min_length = 1, max_length = 200))]
    pub model: String,
    /// Which of the model's tasks; without it the first that `GET /v1/models/{id}` lists.
    #[serde(default)]
    #[oai(validator(min_length = 1, max_length = 100))]
    pub task: Option<String>,
    /// What the task takes, as its `input_schema` says.
    pub input: FreeForm,
    /// Which of your own jobs it overtakes: the higher, the larger its share.
    #[serde(default)]
    pub priority: Option<JobPriority>,
    /// How long the job may wait and run.
    #[serde(default)]
    pub timeout: Option<JobTimeout>,
    /// Your own notes, at most 16 KiB as JSON; given back with the job.
    #[serde(default)]
    pub metadata: Option<FreeForm>,
}

/// Limits on a job's time. What is not given is the server's default.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct JobTimeout {
    /// Seconds the job may wait to start; then it is `expired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(validator(minimum(value = "1")))]
    pub start_seconds: Option<u64>,
    /// Seconds one run may take; then it is stopped and the job `failed` with `timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(validator(minimum(value = "1")))]
    pub run_seconds: Option<u64>,
}

/// Which of its owner's jobs a job overtakes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case", remote = "Priority")]
pub enum JobPriority {
    /// A quarter of the normal share.
    Low,
    /// The normal share.
    Normal,
    /// Four times the normal share.
    High,
}

/// JSON Schema of the body.
pub fn body_schema(limits: &Jobs) -> Value {
    let seconds = |most: u64| json!({"type": "integer", "minimum": 1, "maximum": most});
    json!({
        "type": "object",
        "required": ["model", "input"],
        "additionalProperties": false,
        "properties": {
            "model": {"type": "string", "minLength": 1, "maxLength": 200},
            "task": {"type": "string", "minLength": 1, "maxLength": 100},
            "input": {"type": "object"},
            "priority": {"enum": Priority::ALL.map(Priority::as_str)},
            "timeout": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "start_seconds": seconds(limits.max_start_seconds),
                    "run_seconds": seconds(limits.max_run_seconds),
                }
            },
            "metadata": {"type": "object"},
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use lamplighter_shared::config::Config;
    use poem_openapi::{registry::Registry, types::Type};

    use super::*;

    #[test]
    fn the_schema_and_the_documented_type_name_the_same_fields() {
        let schema = body_schema(&Config::default().jobs);
        let documented = |name: &str| -> BTreeSet<String> {
            let mut registry = Registry::new();
            CreateJob::register(&mut registry);
            registry.schemas[name]
                .properties
                .iter()
                .map(|(name, _)| (*name).to_owned())
                .collect()
        };
        let judged = |schema: &Value| -> BTreeSet<String> {
            schema["properties"]
                .as_object()
                .expect("properties")
                .keys()
                .cloned()
                .collect()
        };
        assert_eq!(judged(&schema), documented("CreateJob"));
        assert_eq!(judged(&schema["properties"]["timeout"]), documented("JobTimeout"));
    }
}
