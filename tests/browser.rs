//! S10 with a real browser: pages of other origins (other ports of this machine) try to change and to read
//! what a person with a cookie has here. A port is no part of a site, so the browser sends the cookie along:
//! only the server stands between.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use lamplighter_testkit::{
    http_client, process,
    server::{Options, Server},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// Tries everything and reports what came of it, by name.
const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><body><script>
const target = "TARGET", job = "JOB", token = "TOKEN";
const seen = {};
const body = JSON.stringify({model: "echo", input: {}});
const within = (promise, ms) => Promise.race([promise, new Promise(done => setTimeout(() => done("nothing"), ms))]);
const attempt = async (name, url, options) => {
  const answer = fetch(target + url, options);
  seen[name] = await within(answer.then(a => a.type === "opaque" ? "opaque" : String(a.status), () => "blocked"), 5000);
};
const form = enctype => new Promise(done => {
  const frame = document.createElement("iframe");
  frame.name = "f" + Math.random();
  document.body.append(frame);
  const form = document.createElement("form");
  Object.assign(form, {method: "post", action: target + "/v1/jobs", enctype, target: frame.name});
  const field = document.createElement("input");
  field.name = '{"model":"echo","input":{},"x":"'; field.value = '"}';
  form.append(field); document.body.append(form);
  frame.onload = () => done(); setTimeout(done, 3000);
  form.submit();
});
const stream = withCredentials => new Promise(done => {
  const source = new EventSource(target + "/v1/jobs/" + job + "/events", {withCredentials});
  source.onopen = () => done("open");
  source.onerror = () => done(source.readyState === 2 ? "closed" : "retrying");
  source.addEventListener("status", () => done("read"));
});
(async () => {
  for (const kind of ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"]) await form(kind);
  for (const kind of ["text/plain", "application/x-www-form-urlencoded"])
    await attempt("no-cors post " + kind, "/v1/jobs",
      {method: "POST", mode: "no-cors", credentials: "include", headers: {"content-type": kind}, body});
  await attempt("json post with cookie", "/v1/jobs",
    {method: "POST", credentials: "include", headers: {"content-type": "application/json"}, body});
  await attempt("delete with cookie", "/v1/jobs/" + job, {method: "DELETE", credentials: "include"});
  await attempt("list with cookie", "/v1/jobs", {credentials: "include"});
  seen["stream with cookie"] = await within(stream(true), 5000);
  seen["stream without cookie"] = await within(stream(false), 5000);
  await attempt("list with token", "/v1/jobs", {headers: {authorization: "Bearer " + token}});
  await attempt("post with token", "/v1/jobs",
    {method: "POST", headers: {authorization: "Bearer " + token, "content-type": "application/json"}, body});
  await fetch("/report", {method: "POST", body: JSON.stringify(seen)});
})();
</script>"#;

/// Another origin: a page with a script, and a place for its report.
struct Site {
    listener: TcpListener,
    origin: String,
}

impl Site {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let origin = format!("http://{}", listener.local_addr().expect("an address"));
        Self { listener, origin }
    }

    /// Lets a browser run the page, which the browser gets with this cookie; what the page saw.
    async fn visit(self, page: String, cookie: &str) -> Value {
        let folder = tempfile::tempdir().expect("a folder");
        let mut browser = Command::new("chromium");
        browser
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-component-update",
                "--no-first-run",
                "--no-proxy-server",
            ])
            .arg(format!("--user-data-dir={}", folder.path().display()))
            .arg("--remote-debugging-port=0")
            .arg(&self.origin)
            // It complains of everything that a desktop has and this machine has not.
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut browser = process::spawn(browser, process::Signal::SIGKILL);
        let (tell, mut told) = mpsc::channel(1);
        let head =
            format!("Content-Type: text/html\r\nSet-Cookie: {cookie}; Path=/; HttpOnly; SameSite=Lax\r\n");
        let listener = self.listener;
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(answer(socket, head.clone(), page.clone(), tell.clone()));
            }
        });
        let report = tokio::time::timeout(Duration::from_secs(60), told.recv()).await;
        let _ = browser.kill();
        let _ = browser.wait();
        serving.abort();
        report.expect("the page reports in time").expect("a report")
    }
}

/// Answers one request: a report is taken, everything else gets the page.
async fn answer(mut socket: TcpStream, head: String, page: String, tell: mpsc::Sender<Value>) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((asked, body)) = text.split_once("\r\n\r\n") {
            if !asked.starts_with("POST /report") {
                break;
            }
            if let Ok(report) = serde_json::from_str(body) {
                let _ = tell.send(report).await;
                break;
            }
        }
        match socket.read(&mut buffer).await {
            Ok(n) if n > 0 => bytes.extend_from_slice(&buffer[..n]),
            _ => return,
        }
    }
    let length = page.len();
    let answer =
        format!("HTTP/1.1 200 OK\r\n{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{page}");
    let _ = socket.write_all(answer.as_bytes()).await;
    let _ = socket.shutdown().await;
}

/// Answers of the server so far: of an operation (`other`: none was reached), with a status.
async fn answers(server: &Server, operation: &str, status: &str) -> u64 {
    let response = http_client().get(server.url("/metrics")).send().await;
    let text = response.expect("an answer").text().await.expect("text");
    let (operation, status) = (
        format!("operation=\"{operation}\""),
        format!("status=\"{status}\""),
    );
    let lines = text
        .lines()
        .filter(|line| line.starts_with("lamplighter_http_requests"));
    lines
        .filter(|line| line.contains(&operation) && line.contains(&status))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .map(|count| count as u64)
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_origins_change_nothing_and_read_no_stream() {
    let began = Instant::now();
    let (evil, listed) = (Site::new().await, Site::new().await);
    let config = format!(
        "[server]\ncors_origins = [\"{}\"]\n[models]\npublic = [\"echo\"]\n",
        listed.origin
    );
    let server = Options::new(env!("CARGO_BIN_EXE_lamplighter"))
        .config(&config)
        .start()
        .await;
    let http = http_client();
    // Somebody whose cookie is worth something: they have a job that runs.
    let made = http
        .post(server.url("/v1/jobs"))
        .json(&json!({"model": "echo", "input": {"sleep_ms": 300_000}}))
        .send()
        .await
        .expect("an answer");
    let set = made.headers()["set-cookie"].to_str().expect("text").to_owned();
    let cookie = set.split(';').next().expect("a pair").to_owned();
    let job: Value = made.json().await.expect("JSON");
    let job = job["id"].as_str().expect("an id").to_owned();
    let page = PAGE
        .replace("TARGET", &server.url(""))
        .replace("JOB", &job)
        .replace("TOKEN", server.token());

    let mut stored = answers(&server, "createJob", "202").await;
    for (site, is_listed) in [(evil, false), (listed, true)] {
        let refused = answers(&server, "other", "403").await;
        let seen = site.visit(page.clone(), &cookie).await;
        let refused = answers(&server, "other", "403").await - refused;
        let now = answers(&server, "createJob", "202").await;
        let changes = now - stored - u64::from(is_listed);
        println!(
            "S10 browser, listed {is_listed}: state changes {changes}, refused as cross-site {refused}, {seen}"
        );
        assert_eq!(changes, 0, "beside the one with a token that the list allows");
        stored = now;
        for name in ["json post with cookie", "delete with cookie", "list with cookie"] {
            let answer = seen[name].as_str().expect(name);
            // Its own browser tells a listed page that it was refused, since the answer allows it to read that.
            assert!(
                answer == "blocked" || (is_listed && answer == "403"),
                "{name}: {answer}"
            );
        }
        assert_eq!(seen["stream with cookie"], "closed");
        assert_eq!(seen["stream without cookie"], "closed");
        for (name, allowed) in [("list with token", "200"), ("post with token", "202")] {
            assert_eq!(seen[name], if is_listed { allowed } else { "blocked" }, "{name}");
        }
        // Three forms, two posts without CORS, the list and the stream at the least.
        assert!(refused >= 7, "{refused}");
    }
    // The job is still there, and its cookie good, for whoever is no other site's page.
    let own = http
        .get(server.url(&format!("/v1/jobs/{job}")))
        .header("cookie", &cookie)
        .send()
        .await;
    assert_eq!(own.expect("an answer").status().as_u16(), 200);
    println!("S10 browser: {:.1} s", began.elapsed().as_secs_f64());
}
