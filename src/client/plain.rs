//! What plain text on a command line means to a model: the input of its task.

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    Failure,
    http::{CallError, Connection},
    retry,
    stream::Patience,
};

/// What is read of a model.
#[derive(Deserialize)]
struct Model {
    /// The task of a job that names none.
    task: String,
}

/// The input that `text` stands for: of the `task` that is named, else of the model's first.
///
/// # Errors
/// Where the task takes more than a text, or the server can't be asked what the model does.
pub async fn input(
    connection: &Connection,
    model: &str,
    task: Option<&str>,
    text: &str,
    patience: Patience,
) -> Result<Box<RawValue>, Failure> {
    let first;
    let task = match task {
        Some(task) => task,
        None => {
            first = first_task(connection, model, patience).await?;
            &first
        }
    };
    let input = of_task(task, text)?;
    Ok(serde_json::value::to_raw_value(&input).expect("a text is JSON"))
}

/// The task of a job of this model that names none; empty where we may not know: the submit will say why.
async fn first_task(connection: &Connection, model: &str, patience: Patience) -> Result<String, Failure> {
    let asked = retry::persist(patience, async || {
        let request = connection.request(Method::GET, &["v1", "models", model], &[])?;
        connection.text(request).await
    });
    match asked.await {
        Ok(text) => Ok(serde_json::from_str(&text).map_or_else(|_| String::new(), |model: Model| model.task)),
        Err(CallError::Refused(_)) => Ok(String::new()),
        Err(e) => Err(e.into()),
    }
}

/// The input of a task that a text stands for. Of a task that we don't know the server judges.
fn of_task(task: &str, text: &str) -> Result<Value, Failure> {
    let fields = match task {
        "chat" => return Ok(json!({"messages": [{"role": "user", "content": text}]})),
        "text-generation" => return Ok(json!({ "prompt": text })),
        "similarity" | "text-classification" => r#"{"texts": ["..", ".."]}"#,
        "zero-shot-classification" => r#"{"texts": [".."], "labels": ["..", ".."]}"#,
        "rerank" => r#"{"query": "..", "texts": ["..", ".."]}"#,
        "speech-to-text" | "voice-activity" => {
            r#"a recording (@FILE), or {"audio": "data:audio/wav;base64,.."}"#
        }
        "image-classification" | "face-detection" | "ocr" | "mrz" => {
            r#"a picture (@FILE), or {"image": "data:image/png;base64,.."}"#
        }
        _ => return Ok(json!({ "text": text })),
    };
    Err(Failure::Usage(format!(
        "the task {task} does not take plain text: give it {fields}"
    )))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::double::{Double, Reply};

    const PATIENCE: Patience = Patience {
        first: Duration::from_millis(1),
        longest: Duration::from_millis(1),
        total: Duration::from_millis(10),
    };

    #[test]
    fn plain_text_is_the_input_of_the_task_or_a_usage_error_that_names_its_fields() {
        for (task, input) in [
            ("chat", json!({"messages": [{"role": "user", "content": "hi"}]})),
            ("text-generation", json!({"prompt": "hi"})),
            ("text-embedding", json!({"text": "hi"})),
            ("echo", json!({"text": "hi"})),
            ("some-new-task", json!({"text": "hi"})),
        ] {
            assert_eq!(of_task(task, "hi").expect(task), input);
        }
        for (task, field) in [
            ("similarity", "\"texts\""),
            ("text-classification", "\"texts\""),
            ("zero-shot-classification", "\"labels\""),
            ("rerank", "\"query\""),
            ("speech-to-text", "\"audio\""),
            ("voice-activity", "\"audio\""),
            ("image-classification", "\"image\""),
            ("face-detection", "\"image\""),
            ("ocr", "\"image\""),
            ("mrz", "\"image\""),
        ] {
            let failure = of_task(task, "hi").expect_err(task);
            assert_eq!(failure.exit_code(), 2, "{task}");
            let told = failure.to_string();
            assert!(told.contains(task) && told.contains(field), "{told}");
        }
    }

    #[tokio::test]
    async fn the_server_says_what_the_model_does_unless_a_task_is_named() {
        let double = Double::start(vec![
            Reply::cut_off(),
            Reply::status(200, r#"{"id":"smollm2","task":"chat","tasks":[]}"#),
            Reply::status(404, r#"{"code":"not_found","detail":"There is no such model."}"#),
        ]);
        let connection = double.connection();
        let ask = async |model: &str, task: Option<&str>| {
            input(&connection, model, task, "Hello", PATIENCE)
                .await
                .map(|input| serde_json::from_str::<Value>(input.get()).expect("JSON"))
        };
        let named = ask("smollm2", Some("text-generation")).await;
        assert_eq!(named.expect("an input"), json!({"prompt": "Hello"}));
        assert_eq!(double.requests().len(), 0, "nobody was asked");
        let first = ask("smollm2", None).await.expect("an input");
        assert_eq!(first, json!({"messages": [{"role": "user", "content": "Hello"}]}));
        assert!(double.requests()[1].line.starts_with("GET /v1/models/smollm2 "));
        // What is wrong with the model, the submit says.
        assert_eq!(
            ask("nope", None).await.expect("an input"),
            json!({"text": "Hello"})
        );
        let nobody = ask("smollm2", None).await.expect_err("nobody is there");
        assert_eq!(nobody.exit_code(), 3);
    }
}
