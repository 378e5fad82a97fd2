//! Register → mail → verify → log in → token → job → revoke → 401.

use lamplighter_testkit::{fleet::Fleet, server::Options};
use reqwest::Method;
use serde_json::json;

use crate::{PROGRAM, person::Person};

async fn whole_flow(mut ada: Person, api_as: impl Fn(&str) -> Vec<lamplighter_testkit::api::Api>) {
    let early = json!({"email": ada.email, "password": crate::person::PASSWORD});
    assert_eq!(
        ada.post("/v1/session", &early).await.0,
        401,
        "nobody of that name yet"
    );
    ada.join().await;
    assert_eq!(ada.get("/v1/session").await.0, 401, "to verify is not to log in");
    ada.log_in().await;
    let (status, account) = ada.get("/v1/account").await;
    assert_eq!(
        (status.as_u16(), &account["email"]),
        (200, &json!(ada.email)),
        "{account}"
    );

    let body = json!({"name": "laptop", "scopes": ["jobs:write", "jobs:read"], "models": ["echo"], "expires_in_seconds": 3600});
    let (status, made) = ada.post("/v1/tokens", &body).await;
    assert_eq!(status, 201, "{made}");
    let (id, token) = (
        made["id"].as_str().expect("an id"),
        made["token"].as_str().expect("a token"),
    );
    let apis = api_as(token);
    let first = &apis[0];
    let job = first
        .post_job(&json!({"model": "echo", "input": {"hello": "world"}}))
        .await;
    let done = first.wait(&job).await;
    assert_eq!(done["status"], "succeeded", "{done}");
    let (status, refused) = first
        .post("/v1/jobs", &json!({"model": "echo-joint", "input": {}}))
        .await;
    assert!([403, 422].contains(&status.as_u16()), "{refused}");

    // A person sees what their tokens did, and works without one.
    let path = format!("/v1/jobs/{}", job["id"].as_str().expect("an id"));
    assert_eq!(ada.get(&path).await.0, 200);
    let (status, own) = ada.post("/v1/jobs", &json!({"model": "echo", "input": {}})).await;
    assert_eq!(status, 202, "{own}");
    let (status, usage) = ada.get("/v1/usage").await;
    assert_eq!(status, 200, "{usage}");
    assert_eq!(usage["used_this_hour"], 2, "{usage}");

    let (status, answer) = ada
        .ask(Method::POST, &format!("/v1/tokens/{id}/revoke"), None)
        .await;
    assert_eq!(status, 204, "{answer}");
    let mut refused = 0;
    for api in &apis {
        let (status, answer) = api.get("/v1/jobs").await;
        assert_eq!(status, 401, "{answer}");
        refused += 1;
    }
    assert_eq!(ada.ask(Method::DELETE, "/v1/session", None).await.0, 204);
    assert_eq!(ada.get("/v1/account").await.0, 401);
    println!(
        "S0 flow: registered, verified, logged in, ran 2 jobs, revoked; refused by {refused} of {} APIs",
        apis.len()
    );
}

#[tokio::test]
async fn from_the_registration_to_a_revoked_token_in_one_process() {
    let server = Options::new(PROGRAM).models(&["echo"]).start().await;
    let mailbox = server.data_dir().join("mail");
    let ada = Person::new("ada@example.org", vec![server.api().address()], vec![mailbox]);
    whole_flow(ada, |token| vec![server.api_as(token)]).await;
}

#[tokio::test]
async fn from_the_registration_to_a_revoked_token_in_a_fleet() {
    let fleet = Fleet::builder(PROGRAM).apis(2).workers(1).start().await;
    let addresses = fleet.apis.iter().map(|node| node.address()).collect();
    let mailboxes = fleet
        .apis
        .iter()
        .map(|node| node.data_dir().join("mail"))
        .collect();
    let ada = Person::new("ada@example.org", addresses, mailboxes);
    whole_flow(ada, |token| (0..2).map(|n| fleet.api_as(n, token)).collect()).await;
}
