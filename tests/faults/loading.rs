//! A model that can't be loaded is told as such, harms nothing else, and is tried again ever more rarely.

use std::{fs, time::Duration};

use serde_json::json;

use crate::support::{echo, server_with, text, until};

#[tokio::test]
async fn a_broken_model_waits_and_the_others_work() {
    let files = tempfile::tempdir().expect("a temporary folder");
    let config = json!({"vocab_size": 8, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1,
        "intermediate_size": 4, "hidden_act": "gelu", "hidden_dropout_prob": 0.0, "max_position_embeddings": 8,
        "type_vocab_size": 2, "initializer_range": 0.02, "layer_norm_eps": 1e-12, "pad_token_id": 0,
        "model_type": "bert"});
    fs::write(files.path().join("config.json"), config.to_string()).expect("written");
    let tokenizer = json!({"version": "1.0", "added_tokens": [], "model": {"type": "WordPiece", "unk_token": "[UNK]",
        "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
        "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4, "b": 5, "c": 6, "d": 7}}});
    fs::write(files.path().join("tokenizer.json"), tokenizer.to_string()).expect("written");
    // A header that promises more than there is.
    fs::write(
        files.path().join("model.safetensors"),
        [255, 0, 0, 0, 0, 0, 0, 0, b'{'],
    )
    .expect("written");
    let catalogue = format!(
        "[[model]]\nid = \"broken\"\ntask = \"text-embedding\"\nfamily = \"bert\"\nsources = [{:?}]\n",
        format!("path:{}", files.path().display())
    );
    let (server, _dir) = server_with(&catalogue, &["echo", "broken"]).await;
    let model = || async {
        let (_, model) = server.get("/v1/models/broken").await;
        (model["status"] == "failed").then_some(model)
    };
    let (model, took) = until("the model has failed", model).await;
    let detail = text(&model, "status_detail");
    let job = server
        .post_job(&json!({"model": "broken", "input": {"text": "hello"}}))
        .await;
    assert_eq!(job["status"], "queued", "{job}");
    assert_eq!(job["queue"]["possible"], false, "{job}");
    let echoed = server.wait(&echo(&server, json!({})).await).await;
    assert_eq!(echoed["status"], "succeeded");
    tokio::time::sleep(Duration::from_secs(4)).await;
    let tries = server
        .log()
        .lines()
        .filter(|line| line.contains("can't be served"))
        .count();
    println!(
        "broken model: failed after {took:?} with {detail:?}; {tries} tries in about 4 s; its job waits"
    );
    assert!(detail.len() > 10, "{detail}");
    assert!((2..=4).contains(&tries), "{tries} tries");
    assert!(
        detail.contains("safetensors") || detail.contains("weights"),
        "it names what is broken"
    );
    // A job that waits for it can be cancelled.
    let (status, canceled) = server
        .post(&format!("/v1/jobs/{}/cancel", text(&job, "id")), &json!({}))
        .await;
    assert_eq!(
        (status.as_u16(), &canceled["status"]),
        (200, &json!("canceled")),
        "{canceled}"
    );
}

#[tokio::test]
async fn a_runner_that_ends_while_it_loads_is_tried_again_with_pauses() {
    let catalogue =
        "[[model]]\nid = \"starved\"\ntask = \"echo\"\nfamily = \"echo\"\nmemory_limit = 1048576\n";
    let (server, _dir) = server_with(catalogue, &["echo", "starved"]).await;
    let model = || async {
        let (_, model) = server.get("/v1/models/starved").await;
        (model["status"] == "failed").then_some(model)
    };
    let (model, took) = until("the model has failed", model).await;
    let job = server
        .post_job(&json!({"model": "starved", "input": {"text": "hello"}}))
        .await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let job = server.get_job(&text(&job, "id")).await;
    assert_eq!(
        (&job["status"], &job["attempt"]),
        (&json!("queued"), &json!(0)),
        "no run is counted: {job}"
    );
    let echoed = server.wait(&echo(&server, json!({})).await).await;
    assert_eq!(echoed["status"], "succeeded");
    let tries = server
        .log()
        .lines()
        .filter(|line| line.contains("can't be served"))
        .count();
    println!(
        "starved model: failed after {took:?} with {}; {tries} tries in about 4 s; its job waits",
        model["status_detail"]
    );
    assert!((2..=4).contains(&tries), "{tries} tries");
}
