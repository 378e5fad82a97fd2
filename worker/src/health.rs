//! `/healthz`, `/readyz` and `/metrics` of a worker, on a port of their own. Plain HTTP, three addresses,
//! no token: for whoever watches the process, behind the wall.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use lamplighter_shared::telemetry::{
    metrics,
    probes::{Probes, Standing},
};
use serde::Serialize;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    board::Board,
    liveness::{Liveness, STORE_SILENCE},
};

/// How often the database and Redis are asked whether they are there.
const ASK: Duration = Duration::from_secs(1);
/// Longest time a client may take to send the head of a request.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// Longest life of a connection.
const CONNECTION_LIMIT: Duration = Duration::from_secs(300);
/// Most connections at once; more have to wait.
const CONNECTIONS: usize = 64;

/// What a worker shows of itself.
#[derive(Clone)]
pub struct Signs {
    /// When its parts last worked.
    pub liveness: Arc<Liveness>,
    /// How far its models are.
    pub board: Arc<Board>,
}

/// What a worker's health is read from.
pub struct Health {
    /// What it shows of itself.
    pub signs: Signs,
    /// What it needs.
    pub probes: Probes,
    /// Cancelled when it stops.
    pub stop: CancellationToken,
}

/// The body of `/readyz`.
#[derive(Debug, Serialize)]
struct Readiness {
    status: &'static str,
    checks: Checks,
}

#[derive(Debug, Serialize)]
struct Checks {
    database: Standing,
    redis: Standing,
    claim_loop: Standing,
    models: BTreeMap<String, &'static str>,
}

/// Answers until the process ends; also while it stops, so it belongs to no lifecycle.
pub async fn serve(listener: TcpListener, health: Health) {
    let health = Arc::new(health);
    tokio::spawn(keep_asking(health.clone()));
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((socket, _)) => {
                let health = health.clone();
                tokio::spawn(async move {
                    let _permit = permit;
                    // Somebody who stays for ever must not keep others out.
                    let _ = timeout(CONNECTION_LIMIT, converse(socket, health)).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the health port was not accepted");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(socket: TcpStream, health: Arc<Health>) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let health = health.clone();
        async move { Ok::<_, Infallible>(health.answer(request.method(), request.uri().path()).await) }
    });
    // How a client breaks off is its own business.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(16 << 10)
        .serve_connection(TokioIo::new(socket), answer)
        .await;
}

/// Asks the database and Redis for signs of life.
async fn keep_asking(health: Arc<Health>) {
    loop {
        let (database, redis) = tokio::join!(health.probes.database(), health.probes.redis());
        if database != Standing::Unavailable {
            health.signs.liveness.database_answered();
        }
        if redis.is_well() {
            health.signs.liveness.redis_answered();
        }
        sleep(ASK).await;
    }
}

impl Health {
    async fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if !["/healthz", "/readyz", "/metrics"].contains(&path) {
            return text(StatusCode::NOT_FOUND, "text/plain", "there is nothing here\n");
        }
        if method != Method::GET && method != Method::HEAD {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET only\n");
            answer
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        match path {
            "/healthz" => text(StatusCode::OK, "application/json", "{\"status\":\"ok\"}\n"),
            "/metrics" => text(StatusCode::OK, metrics::CONTENT_TYPE, metrics::render()),
            _ => self.readiness().await,
        }
    }

    async fn readiness(&self) -> Response<Full<Bytes>> {
        let readiness = self.look().await;
        let body = serde_json::to_string(&readiness).expect("a readiness can always be written as JSON");
        if readiness.status == "ready" {
            return text(StatusCode::OK, "application/json", body);
        }
        let mut answer = text(StatusCode::SERVICE_UNAVAILABLE, "application/json", body);
        answer
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("2"));
        answer
    }

    async fn look(&self) -> Readiness {
        let claim_loop = match (self.stop.is_cancelled(), self.signs.liveness.claims()) {
            (true, _) => Standing::Stopping,
            (false, true) => Standing::Ok,
            (false, false) => Standing::Stuck,
        };
        let (database, redis) = tokio::join!(self.probes.database(), self.probes.redis());
        let checks = Checks {
            // A hiccup is none of a watcher's business, a lasting silence is.
            database: lasting(database, self.signs.liveness.database_silence()),
            redis: lasting(redis, self.signs.liveness.redis_silence()),
            claim_loop,
            models: self.signs.board.statuses(),
        };
        let status = match checks.claim_loop {
            Standing::Stopping => "stopping",
            Standing::Ok if checks.database.is_well() && checks.redis.is_well() => "ready",
            _ => "unavailable",
        };
        Readiness { status, checks }
    }
}

/// What is not there is missed only after a while.
fn lasting(now: Standing, silence: Duration) -> Standing {
    match now {
        Standing::Unavailable if silence <= STORE_SILENCE => Standing::Ok,
        other => other,
    }
}

fn text(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
