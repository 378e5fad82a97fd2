//! What people do in these tests: call as a browser would, read their mail, log in.

use lamplighter_shared::db::tasks::{self, TaskKind};
use poem::{
    Request,
    http::{Method, StatusCode},
};
use serde_json::{Value, json};

use crate::support::{Read, World, send};

/// A password that nobody guesses.
pub const PASSWORD: &str = "seven quiet otters row home";
/// Another one.
pub const OTHER_PASSWORD: &str = "eight loud herons fly south";

/// A request with a body and, unless it is empty, the cookie of a session.
pub async fn call(world: &World, (method, path): (Method, &str), body: &Value, cookie: &str) -> Read {
    let mut request = Request::builder().method(method).uri_str(path);
    if !cookie.is_empty() {
        request = request.header("cookie", cookie);
    }
    let request = if body.is_null() {
        request.finish()
    } else {
        request.content_type("application/json").body(body.to_string())
    };
    send(world.api(), request).await
}

/// A POST of somebody who is not logged in; its status.
pub async fn post(world: &World, path: &str, body: &Value) -> u16 {
    call(world, (Method::POST, path), body, "").await.status.as_u16()
}

/// All mails so far, oldest first: what they say.
pub async fn mails(world: &World) -> Vec<Value> {
    let mut tasks = tasks::open(&world.state.db, TaskKind::Mail, 10_000)
        .await
        .expect("tasks");
    tasks.sort_by_key(|(id, _)| *id);
    let read = |(_, payload): (_, String)| {
        let envelope: Value = serde_json::from_str(&payload).expect("an envelope");
        let sealed = envelope["sealed"].as_str().expect("sealed");
        let text = world.state.key.open("mail:v1", sealed).expect("by this key");
        let mut message: Value = serde_json::from_str(&text).expect("a message");
        message["locale"] = envelope["locale"].clone();
        message
    };
    tasks.into_iter().map(read).collect()
}

/// The newest mail.
pub async fn last_mail(world: &World) -> Value {
    mails(world).await.pop().expect("a mail")
}

/// The token of the newest mail.
pub async fn last_token(world: &World) -> String {
    last_mail(world).await["token"]
        .as_str()
        .expect("a token")
        .to_owned()
}

/// Registers, and gives the token of the mail.
pub async fn register(world: &World, email: &str) -> String {
    let body = json!({"email": email, "password": PASSWORD});
    assert_eq!(post(world, "/v1/account/register", &body).await, 202);
    last_token(world).await
}

/// Registers, verifies and logs in; the cookie.
pub async fn arrive(world: &World, email: &str) -> String {
    let token = register(world, email).await;
    assert_eq!(
        post(world, "/v1/account/verify", &json!({"token": token})).await,
        204
    );
    log_in(world, email, PASSWORD).await.expect("logged in")
}

/// Logs in; the cookie, or the status of the refusal.
pub async fn log_in(world: &World, email: &str, password: &str) -> Result<String, u16> {
    let body = json!({"email": email, "password": password});
    let read = call(world, (Method::POST, "/v1/session"), &body, "").await;
    if read.status != StatusCode::CREATED {
        return Err(read.status.as_u16());
    }
    let cookies = read.headers.get_all("set-cookie").iter();
    let mut cookies = cookies.map(|line| line.to_str().expect("text"));
    let session = cookies.find(|line| line.starts_with("sid=")).expect("a cookie");
    Ok(session.split(';').next().expect("a pair").to_owned())
}

/// Whether a cookie is that of a session.
pub async fn is_logged_in(world: &World, cookie: &str) -> bool {
    let read = call(world, (Method::GET, "/v1/account"), &Value::Null, cookie).await;
    read.status == StatusCode::OK
}
