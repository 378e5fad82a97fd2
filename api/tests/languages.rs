//! Answers come in the language that `Accept-Language` asks for: problems, models, why a job failed or waits. What
//! programs read is the same in each.

mod support;

use lamplighter_shared::{db::finish::Outcome, error::ErrorCode, job::JobError, model_spec::Catalog};
use poem::http::{Method, StatusCode};
use serde_json::{Value, json};
use support::{Read, World, send};

/// What a client may ask for, and what it gets.
const ASKED: [(Option<&str>, &str); 10] = [
    (None, "en"),
    (Some("en"), "en"),
    (Some("zh-TW"), "zh-Hant"),
    (Some("zh-TW,zh;q=0.9,en;q=0.8"), "zh-Hant"),
    (Some("ja"), "ja"),
    (Some("en;q=0.3, ja;q=0.7"), "ja"),
    (Some("de, ja;q=0.5"), "ja"),
    (Some("ja;q=0, zh;q=0.1"), "zh-Hant"),
    (Some("fr"), "en"),
    (Some("fr, *;q=0.5"), "en"),
];

async fn ask(world: &World, method: Method, path: &str, language: Option<&str>, body: Option<Value>) -> Read {
    let mut request = world.request(method, path);
    if let Some(language) = language {
        request = request.header("accept-language", language);
    }
    let request = match body {
        Some(body) => request.content_type("application/json").body(body.to_string()),
        None => request.finish(),
    };
    send(&world.api(), request).await
}

fn is_marked(read: &Read, language: &str) {
    assert_eq!(read.header("content-language"), language, "{read:?}");
    let varies = |name: &str| read.headers.get_all("vary").iter().any(|value| value == name);
    assert!(
        varies("Accept-Language") && varies("Origin"),
        "{:?}",
        read.headers
    );
}

#[tokio::test]
async fn pages_for_people_are_in_the_language_that_is_asked_for() {
    let world = World::new().await;
    for (asked, expected) in ASKED {
        let (title, word) = match expected {
            "zh-Hant" => ("錯誤代碼", "額度已用完"),
            "ja" => ("エラーコード", "利用枠を使い切りました"),
            _ => ("Error codes", "A quota is used up"),
        };
        for (path, has) in [("/docs/errors", word), ("/docs", title)] {
            let read = ask(&world, Method::GET, path, asked, None).await;
            assert_eq!(read.status, StatusCode::OK);
            is_marked(&read, expected);
            let tag = format!("<html lang=\"{expected}\">");
            assert!(
                read.text.contains(&tag) && read.text.contains(has),
                "{path}, {expected}"
            );
        }
    }
}

#[tokio::test]
async fn a_wrong_request_is_told_in_the_language_that_is_asked_for() {
    let world = World::new().await;
    let body = || json!({"model": "minilm", "input": {"text": ""}});
    for (asked, expected) in ASKED {
        let read = ask(&world, Method::POST, "/v1/jobs", asked, Some(body())).await;
        assert_eq!(read.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", read.text);
        is_marked(&read, expected);
        let problem = read.json();
        let (title, fault) = match expected {
            "zh-Hant" => ("請求不符合其結構描述", "至少 1 個字元"),
            "ja" => ("リクエストがスキーマに合っていません", "1 文字以上にしてください"),
            _ => (
                "The request does not fit its schema",
                "must have at least 1 character(s)",
            ),
        };
        assert_eq!(problem["title"], title, "{asked:?}");
        let error = json!({"pointer": "/input/text", "detail": fault, "code": "too_short"});
        assert_eq!(problem["errors"], json!([error]), "{asked:?}");
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(
            detail.starts_with("/input/text") && detail.ends_with(fault),
            "{asked:?}: {detail}"
        );
        assert_eq!(problem["code"], "validation_failed", "{asked:?}");
    }
}

#[tokio::test]
async fn what_the_edge_and_the_parser_refuse_is_told_so_too() {
    let world = World::new().await;
    let nothing = ask(&world, Method::GET, "/v1/nothing", Some("ja"), None).await;
    assert_eq!(nothing.json()["detail"], "このアドレスには何もありません。");
    is_marked(&nothing, "ja");
    let body = world.submission().header("accept-language", "zh-TW");
    let twice = send(&world.api(), body.body(r#"{"model":"echo","model":"echo"}"#))
        .await
        .json();
    assert_eq!(
        twice["errors"][0]["detail"],
        "同一個物件中有重複的鍵（第 1 行，第 23 欄）"
    );
    // What serde says stays as it is, within a sentence of ours.
    let body = world.submission().header("accept-language", "ja");
    let broken = send(&world.api(), body.body("{")).await.json();
    assert_eq!(broken["detail"], "本文：EOF while parsing an object（1 行 1 列）");
    // An answer that says nothing to people says no language.
    let fine = ask(&world, Method::GET, "/v1/token", Some("ja"), None).await;
    assert_eq!(fine.header("content-language"), "", "{fine:?}");
}

/// Takes the texts for people out of a schema; what is left is for programs.
fn bare(schema: &mut Value, texts: &mut Vec<String>) {
    match schema {
        Value::Object(fields) => {
            for name in ["title", "description"] {
                if let Some(Value::String(text)) = fields.get(name) {
                    texts.push(text.clone());
                    fields.remove(name);
                }
            }
            fields.values_mut().for_each(|value| bare(value, texts));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| bare(value, texts)),
        _ => {}
    }
}

#[tokio::test]
async fn models_are_described_in_the_language_that_is_asked_for() {
    let world = World::new().await;
    let model = async |language| ask(&world, Method::GET, "/v1/models/minilm", Some(language), None).await;
    let (english, japanese) = (model("en").await, model("ja").await);
    is_marked(&english, "en");
    is_marked(&japanese, "ja");
    let japanese_model = japanese.json();
    assert_eq!(
        japanese_model["description"],
        "文の埋め込み。テキストごとに 384 個の数値（all-MiniLM-L6-v2）。"
    );
    assert_eq!(japanese_model["input_schema"]["title"], "埋め込むテキスト");
    assert_eq!(
        japanese_model["input_schema"]["properties"]["texts"]["title"],
        "テキスト"
    );
    let (mut there, mut here) = (english.json(), japanese_model);
    let (mut english_texts, mut japanese_texts) = (Vec::new(), Vec::new());
    bare(&mut there, &mut english_texts);
    bare(&mut here, &mut japanese_texts);
    assert_eq!(there, here, "what programs read");
    assert_eq!(english_texts.len(), japanese_texts.len());
    for (english, japanese) in english_texts.iter().zip(&japanese_texts) {
        assert_ne!(english, japanese);
    }
    println!("texts of minilm in Japanese: {}", japanese_texts.len());
    let list = ask(&world, Method::GET, "/v1/models", Some("zh-HK"), None).await;
    is_marked(&list, "zh-Hant");
    let list = list.json();
    let models = list["data"].as_array().expect("models");
    let minilm = models
        .iter()
        .find(|model| model["id"] == "minilm")
        .expect("minilm");
    assert_eq!(
        minilm["description"],
        "句子嵌入，每段文字 384 個數值（all-MiniLM-L6-v2）。"
    );
}

#[tokio::test]
async fn a_model_of_one_s_own_keeps_its_description() {
    let mut world = World::new().await;
    let mut catalog = Catalog::built_in();
    let own = catalog.0.get_mut("echo").expect("echo");
    own.description = "Something of our own.".to_owned();
    world.state.catalog = std::sync::Arc::new(catalog);
    let api = lamplighter_api::build(world.state.clone());
    let request = world
        .request(Method::GET, "/v1/models/echo")
        .header("accept-language", "ja");
    let model = send(&api, request.finish()).await.json();
    assert_eq!(model["description"], "Something of our own.");
    assert_eq!(model["input_schema"]["title"], "任意の内容");
}

#[tokio::test]
async fn a_job_s_failure_is_stored_in_english_and_told_in_every_language() {
    let world = World::new().await;
    let waiting = world.echo().await;
    let path = format!("/v1/jobs/{waiting}");
    let job = ask(&world, Method::GET, &path, Some("zh-Hant"), None)
        .await
        .json();
    assert_eq!(job["queue"]["reason"], "目前沒有工作節點提供這個模型");
    let run = world.claim().await;
    let error = JobError::new(ErrorCode::InvalidInput, "130 texts; a job takes 1 to 128");
    world.finish(run, Outcome::Failed(error), 0).await;
    for (language, title, detail) in [
        (
            "zh-TW",
            "模型拒絕了輸入",
            "有 130 段文字；一個工作可有 1 到 128 段",
        ),
        (
            "ja",
            "モデルが入力を受け付けませんでした",
            "テキストが 130 件あります。1 つのジョブでは 1 から 128 件です",
        ),
        (
            "fr",
            "The model refuses the input",
            "130 texts; a job takes 1 to 128",
        ),
    ] {
        let one = ask(&world, Method::GET, &path, Some(language), None).await;
        let list = ask(&world, Method::GET, "/v1/jobs", Some(language), None).await;
        is_marked(
            &one,
            if language == "fr" {
                "en"
            } else {
                one.header("content-language")
            },
        );
        for error in [&one.json()["error"], &list.json()["data"][0]["error"]] {
            assert_eq!(
                (&error["title"], &error["detail"]),
                (&json!(title), &json!(detail))
            );
            assert_eq!(error["type"], "invalid_input");
        }
        let events = world
            .request(Method::GET, &format!("{path}/events"))
            .header("accept", "text/event-stream")
            .header("accept-language", language);
        let stream = send(&world.api(), events.finish()).await;
        assert!(stream.text.contains(detail), "{}", stream.text);
    }
    // What a model says in its own words stays so.
    world.echo().await;
    let run = world.claim().await;
    let error = JobError::new(ErrorCode::ModelError, "no such luck");
    world.finish(run, Outcome::Failed(error), 0).await;
    let list = ask(&world, Method::GET, "/v1/jobs", Some("ja"), None)
        .await
        .json();
    assert_eq!(list["data"][0]["error"]["detail"], "no such luck");
    assert_eq!(list["data"][0]["error"]["title"], "モデルの処理が失敗しました");
}
