//! An issuer of OpenID Connect on this machine: honest, until a test tells it what to do wrong.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use openidconnect::{
    JsonWebKeyId, PrivateSigningKey,
    core::{CoreEdDsaPrivateSigningKey, CoreHmacKey, CoreJwsSigningAlgorithm, CoreRsaPrivateSigningKey},
};
use poem::{
    EndpointExt, IntoResponse, Request, Response, Route, Server, get, handler,
    http::StatusCode,
    listener::{Acceptor, Listener, TcpListener},
    post,
    web::{Data, Form, Query},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Who we are to the issuer.
pub const CLIENT: &str = "lamplighter";
/// The secret of that client; characters that an address would not take.
pub const SECRET: &str = "s3cret/+ of & the % client";
/// These keys were made for these tests; they guard nothing.
const RSA: &str = include_str!("rsa.pem");
const ED25519: &str = include_str!("ed25519.pem");

/// What the next ID tokens are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    Honest,
    /// Of another key, which the issuer's document tells of by now.
    NewKey,
    OtherNonce,
    NoNonce,
    OtherAudience,
    TwoAudiences,
    OtherParty,
    OtherIssuer,
    Expired,
    OfTheFuture,
    BrokenSignature,
    NoSignature,
    /// `alg: none`.
    Unsigned,
    /// `alg: HS256`, by the secret that both sides know.
    BySecret,
    /// `alg: HS256`, by the public key, which everybody knows.
    ByPublicKey,
    /// Of a key that the issuer's document does not tell of.
    StrangeKey,
    NoToken,
}

/// What is wrong with what proves nothing.
pub const FORGED: [Twist; 15] = [
    Twist::OtherNonce,
    Twist::NoNonce,
    Twist::OtherAudience,
    Twist::TwoAudiences,
    Twist::OtherParty,
    Twist::OtherIssuer,
    Twist::Expired,
    Twist::OfTheFuture,
    Twist::BrokenSignature,
    Twist::NoSignature,
    Twist::Unsigned,
    Twist::BySecret,
    Twist::ByPublicKey,
    Twist::StrangeKey,
    Twist::NoToken,
];

/// What a test may change.
pub struct Settings {
    pub twist: Twist,
    /// Who logs in: claims of the ID token.
    pub person: Value,
    /// Claims that only `/userinfo` tells.
    pub on_demand: Value,
    /// Answers 503 to everything.
    pub down: bool,
    /// Takes the client's secret in the body only.
    pub secret_in_body: bool,
    codes: HashMap<String, HashMap<String, String>>,
}

/// A running issuer.
#[derive(Clone)]
pub struct Issuer {
    pub address: String,
    pub settings: Arc<Mutex<Settings>>,
    /// How often its document was read.
    pub discoveries: Arc<AtomicUsize>,
    /// How many ID tokens it gave.
    pub given: Arc<AtomicUsize>,
}

impl Issuer {
    pub async fn start() -> Self {
        let acceptor = TcpListener::bind("127.0.0.1:0")
            .into_acceptor()
            .await
            .expect("a port");
        let bound = acceptor.local_addr();
        let port = bound[0].as_socket_addr().expect("a socket").port();
        let issuer = Self {
            address: format!("http://127.0.0.1:{port}"),
            settings: Arc::new(Mutex::new(Settings {
                twist: Twist::Honest,
                person: json!({"sub": "1"}),
                on_demand: json!({}),
                down: false,
                secret_in_body: false,
                codes: HashMap::new(),
            })),
            discoveries: Arc::default(),
            given: Arc::default(),
        };
        let routes = Route::new()
            .at("/.well-known/openid-configuration", get(discovery))
            .at("/jwks", get(jwks))
            .at("/authorize", get(authorize))
            .at("/token", post(token))
            .at("/userinfo", get(userinfo))
            .data(issuer.clone());
        tokio::spawn(Server::new_with_acceptor(acceptor).run(routes));
        issuer
    }

    /// Says who logs in next.
    pub fn person(&self, subject: &str, email: &str, verified: bool) {
        let person =
            json!({"sub": subject, "email": email, "email_verified": verified, "name": "Ada Lovelace"});
        self.set(|settings| settings.person = person);
    }

    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn ask<T>(&self, read: impl FnOnce(&mut Settings) -> T) -> T {
        read(&mut self.settings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn rsa() -> CoreRsaPrivateSigningKey {
    CoreRsaPrivateSigningKey::from_pem(RSA, Some(JsonWebKeyId::new("one".to_owned()))).expect("a key")
}

fn ed25519() -> CoreEdDsaPrivateSigningKey {
    CoreEdDsaPrivateSigningKey::from_ed25519_pem(ED25519, Some(JsonWebKeyId::new("two".to_owned())))
        .expect("a key")
}

fn away(issuer: &Issuer) -> Option<Response> {
    let down = issuer.ask(|settings| settings.down);
    down.then(|| StatusCode::SERVICE_UNAVAILABLE.into_response())
}

fn answer(status: StatusCode, value: &Value) -> Response {
    Response::builder()
        .status(status)
        .content_type("application/json")
        .body(value.to_string())
}

#[handler]
fn discovery(issuer: Data<&Issuer>) -> Response {
    if let Some(away) = away(&issuer) {
        return away;
    }
    issuer.discoveries.fetch_add(1, Ordering::Relaxed);
    let base = &issuer.address;
    let method = match issuer.ask(|settings| settings.secret_in_body) {
        true => "client_secret_post",
        false => "client_secret_basic",
    };
    answer(
        StatusCode::OK,
        &json!({
            "issuer": base,
            "authorization_endpoint": format!("{base}/authorize"),
            "token_endpoint": format!("{base}/token"),
            "userinfo_endpoint": format!("{base}/userinfo"),
            "jwks_uri": format!("{base}/jwks"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            // An issuer that says it signs with anything: we still take no secrets.
            "id_token_signing_alg_values_supported": ["RS256", "EdDSA", "HS256", "none"],
            "token_endpoint_auth_methods_supported": [method],
        }),
    )
}

#[handler]
fn jwks(issuer: Data<&Issuer>) -> Response {
    if let Some(away) = away(&issuer) {
        return away;
    }
    let key = match issuer.ask(|settings| settings.twist) {
        Twist::NewKey => serde_json::to_value(ed25519().as_verification_key()),
        _ => serde_json::to_value(rsa().as_verification_key()),
    };
    answer(StatusCode::OK, &json!({"keys": [key.expect("a key")]}))
}

/// The person is logged in here already, and agrees to everything.
#[handler]
fn authorize(issuer: Data<&Issuer>, query: Query<HashMap<String, String>>) -> Response {
    if let Some(away) = away(&issuer) {
        return away;
    }
    assert_eq!(query["response_type"], "code");
    assert_eq!(query["client_id"], CLIENT);
    assert_eq!(query["code_challenge_method"], "S256");
    assert_eq!(query["scope"], "openid email profile");
    assert!(query["state"].len() >= 43 && query["nonce"].len() >= 43);
    let code = URL_SAFE_NO_PAD.encode(Sha256::digest(&query["state"]));
    let back = format!("{}?code={code}&state={}", query["redirect_uri"], query["state"]);
    issuer.ask(|settings| settings.codes.insert(code, query.0.clone()));
    Response::builder()
        .status(StatusCode::FOUND)
        .header("location", back)
        .finish()
}

#[handler]
fn token(issuer: Data<&Issuer>, request: &Request, form: Form<HashMap<String, String>>) -> Response {
    if let Some(away) = away(&issuer) {
        return away;
    }
    if !is_client(&issuer, request, &form) {
        return answer(StatusCode::UNAUTHORIZED, &json!({"error": "invalid_client"}));
    }
    let asked = issuer.ask(|settings| settings.codes.remove(&form["code"]));
    let shown = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
    let good = |asked: &HashMap<String, String>| {
        asked["code_challenge"] == shown && asked["redirect_uri"] == form["redirect_uri"]
    };
    let Some(asked) = asked.filter(good) else {
        return answer(StatusCode::BAD_REQUEST, &json!({"error": "invalid_grant"}));
    };
    issuer.given.fetch_add(1, Ordering::Relaxed);
    let mut body = json!({"access_token": "of no use", "token_type": "Bearer", "expires_in": 60});
    if issuer.ask(|settings| settings.twist) != Twist::NoToken {
        body["id_token"] = json!(id_token(&issuer, &asked["nonce"]));
    }
    answer(StatusCode::OK, &body)
}

fn is_client(issuer: &Issuer, request: &Request, form: &HashMap<String, String>) -> bool {
    if issuer.ask(|settings| settings.secret_in_body) {
        return form.get("client_secret").is_some_and(|secret| secret == SECRET)
            && form.get("client_id").is_some_and(|id| id == CLIENT);
    }
    let escaped: String = SECRET
        .bytes()
        .map(|b| match b {
            b' ' => "+".to_owned(),
            b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
            b => format!("%{b:02X}"),
        })
        .collect();
    let expected = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{escaped}")));
    request.header("authorization") == Some(&expected)
}

#[handler]
fn userinfo(issuer: Data<&Issuer>) -> Response {
    let told = issuer.ask(|settings| settings.on_demand.clone());
    answer(StatusCode::OK, &told)
}

/// An ID token of the person, with what the twist does to it.
fn id_token(issuer: &Issuer, nonce: &str) -> String {
    let (twist, person) = issuer.ask(|settings| (settings.twist, settings.person.clone()));
    let now = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_secs();
    let mut claims = json!({
        "iss": issuer.address, "aud": CLIENT, "nonce": nonce, "iat": now, "exp": now + 300,
    });
    for (name, value) in person.as_object().expect("claims") {
        claims[name] = value.clone();
    }
    match twist {
        Twist::OtherNonce => claims["nonce"] = json!("another"),
        Twist::NoNonce => drop(claims.as_object_mut().expect("claims").remove("nonce")),
        Twist::OtherAudience => claims["aud"] = json!("somebody else"),
        Twist::TwoAudiences => claims["aud"] = json!([CLIENT, "somebody else"]),
        Twist::OtherParty => claims["azp"] = json!("somebody else"),
        Twist::OtherIssuer => claims["iss"] = json!("https://issuer.example"),
        Twist::Expired => claims["exp"] = json!(now - 90),
        Twist::OfTheFuture => claims["iat"] = json!(now + 200),
        _ => {}
    }
    let by = |alg, kid| {
        let header = json!({"alg": alg, "kid": kid, "typ": "JWT"});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}", part(&header), part(&claims))
    };
    let signed = |text: String, signature: Vec<u8>| format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature));
    match twist {
        Twist::NewKey => {
            let text = by("EdDSA", "two");
            let signature = ed25519().sign(&CoreJwsSigningAlgorithm::EdDsa, text.as_bytes());
            signed(text, signature.expect("signed"))
        }
        Twist::StrangeKey => {
            let text = by("EdDSA", "one");
            let signature = ed25519().sign(&CoreJwsSigningAlgorithm::EdDsa, text.as_bytes());
            signed(text, signature.expect("signed"))
        }
        Twist::Unsigned => format!("{}.", by("none", "one")),
        Twist::BySecret | Twist::ByPublicKey => {
            let public = serde_json::to_value(rsa().as_verification_key()).expect("a key")["n"].to_string();
            let secret = if twist == Twist::BySecret { SECRET } else { &public };
            let text = by("HS256", "one");
            let signature =
                CoreHmacKey::new(secret).sign(&CoreJwsSigningAlgorithm::HmacSha256, text.as_bytes());
            signed(text, signature.expect("signed"))
        }
        Twist::NoSignature => format!("{}.", by("RS256", "one")),
        _ => {
            let text = by("RS256", "one");
            let signature = rsa().sign(&CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256, text.as_bytes());
            let mut signature = signature.expect("signed");
            if twist == Twist::BrokenSignature {
                signature[7] ^= 1;
            }
            signed(text, signature)
        }
    }
}
