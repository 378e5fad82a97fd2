//! S5: a request whose body is held back until what proves who sends it has ended: a token that is revoked or
//! removed, a login that is over. What comes then comes from nobody.

mod support;

use std::{sync::Arc, time::Duration};

use futures::{SinkExt, channel::mpsc};
use poem::{
    Body, Request,
    http::{Method, StatusCode},
};
use serde_json::{Value, json};
use support::{Read, World, send};
use tokio::{task::JoinHandle, time::sleep};

const WIDE: [&str; 5] = ["jobs:write", "jobs:read", "account:read", "tokens:write", "admin"];
/// Longer than a body that counts as prompt.
const HELD: Duration = Duration::from_millis(250);

/// A request on its way: its head is there, of its body the first byte.
struct Held {
    rest: mpsc::Sender<std::io::Result<Vec<u8>>>,
    body: String,
    answer: JoinHandle<Read>,
}

impl Held {
    /// Sends the head, and the first byte of the body once it is asked for: who asks is known then.
    async fn begin(world: &Arc<World>, (path, token): (&str, &str), body: &Value) -> Self {
        // Without room for a second message, so that the first is taken before the next is.
        let (mut rest, bytes) = mpsc::channel(0);
        let request = Request::builder()
            .method(Method::POST)
            .uri_str(path)
            .header("authorization", format!("Bearer {token}"))
            .content_type("application/json")
            .body(Body::from_bytes_stream(bytes));
        let world = world.clone();
        let answer = tokio::spawn(async move { send(world.api(), request).await });
        let body = body.to_string();
        rest.send(Ok(body.as_bytes()[..1].to_vec()))
            .await
            .expect("it is read");
        rest.send(Ok(Vec::new())).await.expect("it is read");
        Self { rest, body, answer }
    }

    /// Sends the rest of the body, late.
    async fn end(mut self) -> Read {
        sleep(HELD).await;
        let rest = self.body.as_bytes()[1..].to_vec();
        // Whoever was refused already reads no more.
        let _ = self.rest.send(Ok(rest)).await;
        drop(self.rest);
        self.answer.await.expect("no panic")
    }
}

async fn token(world: &World, maker: &str, scopes: &[&str]) -> (String, String) {
    let body = json!({"name": "t", "scopes": scopes});
    let request = Request::builder()
        .method(Method::POST)
        .uri_str("/v1/tokens")
        .header("authorization", format!("Bearer {maker}"))
        .content_type("application/json")
        .body(body.to_string());
    let made = send(world.api(), request).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let text = |field: &str| made.json()[field].as_str().expect(field).to_owned();
    (text("id"), text("token"))
}

async fn call(world: &World, token: &str, method: Method, path: &str) -> StatusCode {
    let request = Request::builder()
        .method(method)
        .uri_str(path)
        .header("authorization", format!("Bearer {token}"));
    send(world.api(), request.finish()).await.status
}

#[tokio::test]
async fn a_body_that_comes_after_the_end_of_its_token_is_nobody_s() {
    let world = Arc::new(World::new().await);
    let root = world.token_with(&WIDE).await;
    let (wide, _) = token(&world, &root, &WIDE).await;
    let rotate = format!("/v1/tokens/{wide}/rotate");
    let bodies = [
        ("/v1/tokens", json!({"name": "child", "scopes": ["jobs:read"]})),
        (rotate.as_str(), json!({})),
        ("/v1/jobs", json!({"model": "echo", "input": {}})),
    ];
    let (mut asked, mut taken) = (0, 0);
    for (path, body) in &bodies {
        for removed in [false, true] {
            let (id, narrow) = token(&world, &root, &["tokens:write", "jobs:write"]).await;
            let held = Held::begin(&world, (path, &narrow), body).await;
            let (method, end) = if removed {
                (Method::DELETE, format!("/v1/tokens/{id}"))
            } else {
                (Method::POST, format!("/v1/tokens/{id}/revoke"))
            };
            assert_eq!(call(&world, &root, method, &end).await, StatusCode::NO_CONTENT);
            let answer = held.end().await;
            asked += 1;
            taken += usize::from(answer.status != StatusCode::UNAUTHORIZED);
        }
    }
    // A slow one whose token goes on is taken.
    let held = Held::begin(&world, (bodies[2].0, &root), &bodies[2].1).await;
    assert_eq!(held.end().await.status, StatusCode::ACCEPTED);
    println!("S5 held bodies: {asked} that came after the end of their token, taken {taken}");
    assert_eq!(taken, 0);
    assert_eq!(world.stored().await, 1);
}
