//! Examples of the operations on models.

use lamplighter_shared::task::Task;
use serde_json::{Value, json};

use super::Examples;

/// The examples of an operation of this group.
pub(super) fn of(operation: &str) -> Option<Examples> {
    Some(match operation {
        "listModels" => Examples::list(model()),
        "getModel" => Examples::json(200, model()),
        "updateModel" => {
            let mut off = model();
            off["status"] = "disabled".into();
            off["workers"] = 0.into();
            Examples::json(200, off).asked(json!({"enabled": false}))
        }
        _ => return None,
    })
}

fn model() -> Value {
    let task = Task::TextEmbedding;
    json!({
        "id": "minilm",
        "object": "model",
        "description": "Sentence embeddings, 384 numbers a text.",
        "task": task.as_str(),
        "tasks": [{
            "task": task.as_str(),
            "input_schema": task.input_schema(128),
            "output_schema": task.output_schema(),
            "example": task.example(),
        }],
        "status": "ready",
        "workers": 1,
        "version": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "dtype": "f32",
        "license": "Apache-2.0",
        "public": false,
        "limits": {"max_job_items": 128, "max_batch_jobs": 64, "max_batch_items": 256, "max_batch_tokens": 16_384},
        "input_schema": task.input_schema(128),
        "output_schema": task.output_schema(),
        "example": task.example(),
    })
}
