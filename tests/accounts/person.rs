//! Somebody with a browser and a mailbox.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use reqwest::{Client, Method, StatusCode, header};
use serde_json::{Value, json};

/// What everybody here chooses.
pub const PASSWORD: &str = "nine blue herons over the canal";

/// A person: their address, where their mail arrives, and the cookie their browser holds.
pub struct Person {
    pub email: String,
    http: Client,
    /// `HOST:PORT` of each API; they are asked in turn.
    addresses: Vec<String>,
    mailboxes: Vec<PathBuf>,
    asked: usize,
    cookie: Option<String>,
}

impl Person {
    pub fn new(email: &str, addresses: Vec<String>, mailboxes: Vec<PathBuf>) -> Self {
        Self {
            email: email.to_owned(),
            http: lamplighter_testkit::http_client(),
            addresses,
            mailboxes,
            asked: 0,
            cookie: None,
        }
    }

    /// Asks the next API, with the cookie.
    pub async fn ask(&mut self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        self.asked += 1;
        let address = &self.addresses[self.asked % self.addresses.len()];
        let mut request = self.http.request(method, format!("http://{address}{path}"));
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.expect("an answer");
        let status = response.status();
        for set in response.headers().get_all(header::SET_COOKIE) {
            let pair = set.to_str().expect("text").split(';').next().unwrap_or_default();
            if let Some(value) = pair.strip_prefix("sid=") {
                self.cookie = (!value.is_empty()).then(|| pair.to_owned());
            }
        }
        let text = response.text().await.expect("a whole answer");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub async fn post(&mut self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.ask(Method::POST, path, Some(body)).await
    }

    pub async fn get(&mut self, path: &str) -> (StatusCode, Value) {
        self.ask(Method::GET, path, None).await
    }

    /// The token of the newest mail to this person whose link leads to `page`.
    pub async fn mailed_token(&self, page: &str) -> String {
        let began = Instant::now();
        loop {
            let mut mails: Vec<_> = self.mailboxes.iter().flat_map(eml_files).collect();
            mails.sort();
            let found = mails.iter().rev().find_map(|(_, text)| self.token_in(text, page));
            if let Some(token) = found {
                return token;
            }
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "no mail to {} leads to {page}; there are {}",
                self.email,
                mails.len()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn token_in(&self, mail: &str, page: &str) -> Option<String> {
        if !mail.contains(&self.email) {
            return None;
        }
        let (_, rest) = mail.split_once(&format!("{page}#token="))?;
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c));
        Some(rest[..end.unwrap_or(rest.len())].to_owned())
    }

    /// Registers and shows that the address is theirs.
    pub async fn join(&mut self) {
        let body = json!({"email": self.email, "password": PASSWORD});
        let (status, answer) = self.post("/v1/account/register", &body).await;
        assert_eq!(status, 202, "{answer}");
        let token = self.mailed_token("/verify").await;
        let (status, answer) = self.post("/v1/account/verify", &json!({"token": token})).await;
        assert_eq!(status, 204, "{answer}");
    }

    /// Logs in; the cookie is kept.
    pub async fn log_in(&mut self) {
        let body = json!({"email": self.email, "password": PASSWORD});
        let (status, answer) = self.post("/v1/session", &body).await;
        assert_eq!(status, 201, "{answer}");
        assert!(self.cookie.is_some(), "a login sets a cookie");
    }
}

fn eml_files(folder: &PathBuf) -> Vec<(String, String)> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let mails = files.filter(|file| file.path().extension().is_some_and(|end| end == "eml"));
    mails
        .filter_map(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            Some((name, fs::read_to_string(file.path()).ok()?))
        })
        .collect()
}
