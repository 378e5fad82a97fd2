//! `models`: entries of `models.toml`, whether models work, and what is said where they don't.

use std::{fs, path::Path, time::Instant};

use serde_json::Value;

use crate::{Ended, command, end};

/// Echo with a name of its own, one that can't start, and a folder without a model.
const CATALOG: &str = r#"
[[model]]
id = "mine"
task = "echo"
family = "echo"

[[model]]
id = "starved"
task = "echo"
family = "echo"
memory_limit = 1048576
default = false

[[model]]
id = "foreign"
path = "@/foreign"
default = false
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let foreign = folder.path().join("foreign");
    fs::create_dir(&foreign).expect("a folder");
    fs::write(foreign.join("config.json"), r#"{"model_type": "t5"}"#).expect("written");
    fs::write(foreign.join("model.safetensors"), "").expect("written");
    write_catalog(folder.path(), CATALOG);
    folder
}

fn write_catalog(folder: &Path, text: &str) {
    let text = text.replace('@', &folder.display().to_string());
    fs::write(folder.join("models.toml"), text).expect("written");
}

async fn models(folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = command(folder, &["models"]);
    command.args(arguments).env("LAMPLIGHTER_DATA_DIR", folder);
    end(command.spawn().expect("the program starts")).await
}

fn by_id<'a>(lines: &'a [Value], id: &str) -> &'a Value {
    let found = lines.iter().find(|line| line["id"] == id);
    found.unwrap_or_else(|| panic!("no {id}: {lines:?}"))
}

#[tokio::test]
async fn verify_runs_each_model_and_tells_speed_and_memory() {
    let folder = folder();
    let ended = models(folder.path(), &["verify", "mine", "echo"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines = ended.lines();
    for id in ["mine", "echo"] {
        let line = by_id(&lines, id);
        assert_eq!(line["ok"], true, "{line}");
        let speed = &line["tasks"][0];
        assert_eq!(speed["task"], "echo", "{line}");
        let (first, best) = (speed["first_ms"].as_f64(), speed["best_ms"].as_f64());
        assert!(best > Some(0.0) && first >= best, "{line}");
        assert!(line["load_ms"].is_u64(), "{line}");
        assert!(line["memory_bytes"].as_u64() > Some(1 << 20), "{line}");
    }
}

#[tokio::test]
async fn verify_tells_what_does_not_work_and_goes_on_with_the_others() {
    let folder = folder();
    let ended = models(folder.path(), &["verify", "starved", "minilm", "mine"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let lines = ended.lines();
    assert_eq!(by_id(&lines, "mine")["ok"], true);
    let starved = by_id(&lines, "starved");
    assert!(
        starved["error"].as_str().is_some_and(|error| !error.is_empty()),
        "{starved}"
    );
    let missing = by_id(&lines, "minilm")["error"]
        .as_str()
        .expect("its files are not here");
    assert!(missing.contains("config.json: is missing"), "{missing}");
    assert!(
        ended.err.contains("minilm") && ended.err.contains("starved"),
        "{ended:?}"
    );
    // Its files are nothing, which is all that is asked for.
    let ended = models(folder.path(), &["verify", "--files-only", "starved"]).await;
    assert_eq!(
        (ended.code, &ended.json()["ok"]),
        (Some(0), &Value::Bool(true)),
        "{ended:?}"
    );
}

#[tokio::test]
async fn an_entry_that_can_not_be_served_says_what_to_do() {
    let folder = folder();
    for arguments in [&["verify", "foreign"][..], &["pull", "foreign"]] {
        let ended = models(folder.path(), arguments).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        println!("{}", ended.err);
    }
    let ended = models(folder.path(), &["verify", "foreign"]).await;
    for part in [
        "config.json",
        "\"t5\" is not known",
        "known are model_type bert",
        "llama",
    ] {
        assert!(ended.err.contains(part), "{part}: {ended:?}");
    }
    assert_eq!(
        models(folder.path(), &["list"]).await.code,
        Some(0),
        "the others are listed"
    );
    for (bad, named, part) in [
        (CATALOG.to_owned(), r#"["foreign"]"#, "\"t5\" is not known"),
        (
            CATALOG.replace("@/foreign\"", "@/nowhere\""),
            r#"["foreign"]"#,
            "nowhere is not there",
        ),
        (
            CATALOG.replace("family = \"echo\"", "family = \"parrot\""),
            "[]",
            "models.toml",
        ),
    ] {
        write_catalog(folder.path(), &bad);
        let began = Instant::now();
        let serve = command(folder.path(), &["serve", "--bind", "127.0.0.1:0"])
            .env("LAMPLIGHTER_DATA_DIR", folder.path())
            .env("LAMPLIGHTER_MODELS__ENABLED", named)
            .spawn();
        let ended = end(serve.expect("the program starts")).await;
        println!(
            "the start is refused after {:?}: {}",
            began.elapsed(),
            ended.err.trim()
        );
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.err.contains(part), "{part}: {ended:?}");
    }
}

#[tokio::test]
async fn an_entry_that_can_not_be_served_does_not_stop_the_others() {
    let folder = folder();
    let away = CATALOG.replace("@/foreign\"\ndefault = false", "@/nowhere\"");
    // Nothing is to be fetched.
    let small = "[[model]]\nid = \"minilm\"\ntask = \"echo\"\nfamily = \"echo\"\n";
    write_catalog(folder.path(), &format!("{away}{small}"));
    let mut serve = command(folder.path(), &["serve", "--bind", "127.0.0.1:0"])
        .env("LAMPLIGHTER_DATA_DIR", folder.path())
        .env("LAMPLIGHTER_MODELS__PUBLIC", r#"["foreign"]"#)
        .spawn()
        .expect("the program starts");
    let address = folder.path().join("server.addr");
    let began = Instant::now();
    while !address.exists() && began.elapsed() < crate::LIMIT {
        assert_eq!(serve.try_wait().expect("it can be asked"), None, "it goes on");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(address.exists(), "it listens");
    serve.start_kill().expect("it ends");
    let ended = end(serve).await;
    let log = format!("{}{}", ended.out, ended.err);
    assert!(
        log.contains("nowhere is not there") && log.contains("the others are served"),
        "{log}"
    );
}
