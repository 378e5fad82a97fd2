//! The examples of the OpenAPI document: what a request and its answers look like.

use lamplighter_shared::{error::ErrorCode, task::Task};
use serde_json::{Value, json};

use crate::error::problem_type;

/// The examples of one operation.
#[derive(Default)]
pub struct Examples {
    /// Of the body.
    pub request: Option<Value>,
    /// Of answers: status, media type (none where there is no content), example.
    pub responses: Vec<(u16, Option<&'static str>, Value)>,
}

const JSON: Option<&str> = Some("application/json");
const EVENTS: Option<&str> = Some("text/event-stream");
/// What secrets of links look like.
const SECRET: &str = "Jb3nT0xkq5Zc8mYw2RfVd7sLh9AgQe1uPiXoKzBtN4M";
const ID: &str = "job_01ke1c2v7h8q9r0s1t2v3w4x5y";
const USER: &str = "user_01ke1bzz4m3n2p1q0r9s8t7v6w";
const TOKEN: &str = "tok_01ke1c2v7h8q9r0s1t2v3w4x5y";

/// The examples of an operation.
pub fn of(operation: &str) -> Examples {
    let responses = match operation {
        "createJob" => vec![
            (200, JSON, succeeded()),
            (200, EVENTS, json!(stream())),
            (202, JSON, queued()),
        ],
        "retryJob" => {
            let mut job = queued();
            job["retry_of"] = "job_01ke1bzz4m3n2p1q0r9s8t7v6w".into();
            vec![
                (200, JSON, succeeded()),
                (200, EVENTS, json!(stream())),
                (202, JSON, job),
            ]
        }
        "listJobs" => vec![(200, JSON, list())],
        "getJob" => vec![(200, JSON, succeeded())],
        "cancelJob" => vec![(200, JSON, canceled()), (202, JSON, canceling())],
        "deleteJob" => vec![(204, None, json!("DELETE /v1/jobs/job_01ke1c2v7h8q9r0s1t2v3w4x5y"))],
        "streamJobEvents" => vec![(200, EVENTS, json!(stream()))],
        "listModels" => vec![(200, JSON, json!({"object": "list", "data": [model()]}))],
        "getModel" => vec![(200, JSON, model())],
        "listWorkers" => vec![(200, JSON, json!({"object": "list", "data": [worker("active")]}))],
        "getWorker" | "resumeWorker" => vec![(200, JSON, worker("active"))],
        "drainWorker" => vec![(200, JSON, worker("draining"))],
        "maintainWorker" => vec![(200, JSON, worker("maintenance"))],
        "listQueues" => vec![(200, JSON, json!({"object": "list", "data": [queue()]}))],
        "createSession" => {
            let mut session = session();
            session["restored"] = true.into();
            vec![(201, JSON, session)]
        }
        "getSession" => vec![(200, JSON, session())],
        "listSessions" => vec![(200, JSON, json!({"object": "list", "data": [session_item()]}))],
        "deleteSession" => vec![(204, None, json!("DELETE /v1/session"))],
        "endSession" => vec![(
            204,
            None,
            json!("DELETE /v1/sessions/ses_01ke1c2v7h8q9r0s1t2v3w4x5y"),
        )],
        "endSessions" => vec![(204, None, json!("DELETE /v1/sessions?keep_current=true"))],
        "listUsers" => vec![(200, JSON, json!({"object": "list", "data": [user()]}))],
        "getUser" | "changeUser" => vec![(200, JSON, user())],
        "endUserSessions" => vec![(204, None, json!(format!("POST /v1/users/{USER}/sessions/end")))],
        "listUserTokens" => vec![(200, JSON, json!({"object": "list", "data": [user_token()]}))],
        "limitUserToken" => vec![(200, JSON, user_token())],
        "revokeUserToken" => vec![(
            204,
            None,
            json!(format!("POST /v1/users/{USER}/tokens/{TOKEN}/revoke")),
        )],
        "listAudit" => vec![(200, JSON, json!({"object": "list", "data": [audit_entry()]}))],
        "createToken" | "rotateToken" => {
            let mut made = token();
            made["token"] = "lmp_v4.local.bm90IGEgdG9rZW4sIGJ1dCBhbiBleGFtcGxl_0a1B2c".into();
            vec![(201, JSON, made)]
        }
        "listTokens" => vec![(200, JSON, json!({"object": "list", "data": [token()]}))],
        "getToken" => vec![(200, JSON, token())],
        "getOwnToken" => vec![(200, JSON, own_token())],
        "revokeToken" => vec![(204, None, json!(format!("POST /v1/tokens/{TOKEN}/revoke")))],
        "deleteToken" => vec![(204, None, json!(format!("DELETE /v1/tokens/{TOKEN}")))],
        "listOutbox" => vec![(200, JSON, json!({"object": "list", "data": [mail("dead")]}))],
        "retryMail" => vec![(200, JSON, mail("queued"))],
        "registerAccount" | "resendVerification" | "recoverAccount" => {
            vec![(202, JSON, json!({"status": "accepted"}))]
        }
        "verifyAccount" => vec![(204, None, json!("POST /v1/account/verify"))],
        "resetPassword" => vec![(204, None, json!("POST /v1/account/reset"))],
        "setUpAccount" => vec![(204, None, json!("POST /v1/setup"))],
        "changePassword" => vec![(204, None, json!("POST /v1/account/password"))],
        "getAccount" | "updateAccount" => vec![(200, JSON, account())],
        "deleteAccount" => vec![(202, JSON, json!({"deletes_at": "2026-02-07T12:00:00.000Z"}))],
        "listInvitations" => vec![(200, JSON, json!({"object": "list", "data": [invitation()]}))],
        "createInvitation" => {
            let mut made = invitation();
            made["token"] = SECRET.into();
            vec![(201, JSON, made)]
        }
        "revokeInvitation" => {
            vec![(
                204,
                None,
                json!("DELETE /v1/invitations/inv_01ke1c2v7h8q9r0s1t2v3w4x5y"),
            )]
        }
        "listPlans" => vec![(200, JSON, json!({"object": "list", "data": [plan()]}))],
        "getPlan" | "updatePlan" => vec![(200, JSON, plan())],
        "getUsage" => vec![(200, JSON, usage())],
        "listLoginProviders" => {
            let google = json!({"id": "google", "name": "Google"});
            vec![(200, JSON, json!({"object": "list", "data": [google]}))]
        }
        "beginProviderLogin" => vec![(
            303,
            None,
            json!("Location: https://accounts.google.com/o/oauth2/v2/auth?…"),
        )],
        "endProviderLogin" => vec![(303, None, json!("Location: /playground"))],
        "getHealth" => vec![(200, JSON, json!({"status": "ok"}))],
        "getReadiness" => {
            let checks = |database| json!({"database": database, "redis": "ok"});
            vec![
                (200, JSON, json!({"status": "ready", "checks": checks("ok")})),
                (
                    503,
                    JSON,
                    json!({"status": "unavailable", "checks": checks("unavailable")}),
                ),
            ]
        }
        _ => Vec::new(),
    };
    Examples {
        request: request(operation),
        responses,
    }
}

/// The example of an operation's body, where it has one.
fn request(operation: &str) -> Option<Value> {
    let body = match operation {
        "updatePlan" => json!({"jobs_per_hour": 2000, "running": null}),
        "createJob" => json!({
            "model": "minilm",
            "input": Task::TextEmbedding.example(),
            "priority": "normal",
            "timeout": {"run_seconds": 60},
            "metadata": {"batch": "2026-01"},
        }),
        "createSession" => json!({"email": "ada@example.org", "password": "nine copper lanterns"}),
        "changeUser" => json!({"plan": "pro", "approved": true}),
        "limitUserToken" => json!({"plan": "pro", "limits": {"jobs_per_day": 500}}),
        "createToken" => json!({
            "name": "nightly batch",
            "scopes": ["jobs:write", "jobs:read"],
            "models": ["minilm"],
            "expires_in_seconds": 7_776_000,
        }),
        "rotateToken" => json!({"overlap_seconds": 3600}),
        "registerAccount" => json!({
            "email": "ada@example.org",
            "password": "seven quiet otters row home",
            "display_name": "Ada",
            "locale": "en",
        }),
        "verifyAccount" => json!({"token": SECRET}),
        "resendVerification" | "recoverAccount" => json!({"email": "ada@example.org"}),
        "resetPassword" => json!({"token": SECRET, "password": "eight loud herons fly south"}),
        "setUpAccount" => json!({
            "token": SECRET, "email": "ada@example.org", "password": "seven quiet otters row home",
        }),
        "updateAccount" => json!({"display_name": "Ada L.", "locale": "ja"}),
        "changePassword" => json!({
            "current_password": "seven quiet otters row home",
            "new_password": "eight loud herons fly south",
        }),
        "createInvitation" => json!({
            "email": "grace@example.org", "role": "user", "plan": "pro", "expires_in_seconds": 604_800,
        }),
        _ => return None,
    };
    Some(body)
}

/// A problem document with this code.
pub fn problem(code: ErrorCode) -> Value {
    let mut problem = json!({
        "type": problem_type(code),
        "title": code.title(),
        "status": code.status(),
        "detail": format!("{}.", code.title()),
        "instance": "/v1/jobs",
        "code": code.as_str(),
        "request_id": "req_019bc0c16ce17a3c8e4b1f0e6c3a5d27",
    });
    if code == ErrorCode::ValidationFailed {
        problem["detail"] = "/input/texts/1: must be of type string".into();
        let fault =
            json!({"pointer": "/input/texts/1", "code": "wrong_type", "detail": "must be of type string"});
        problem["errors"] = json!([fault]);
    }
    let violated = match code {
        ErrorCode::RateLimited => Some("burst"),
        ErrorCode::QuotaExceeded => Some("hourly"),
        _ => None,
    };
    if let Some(policy) = violated {
        problem["violated-policies"] = json!([policy]);
    }
    problem
}

fn account() -> Value {
    json!({
        "id": "user_01ke1c2v7h8q9r0s1t2v3w4x5y",
        "object": "account",
        "email": "ada@example.org",
        "verified": true,
        "role": "user",
        "plan": "basic",
        "display_name": "Ada",
        "locale": "en",
        "has_password": true,
        "identities": [{
            "issuer": "https://accounts.google.com",
            "email": "ada@example.org",
            "created_at": "2026-01-31T12:03:00.000Z",
        }],
        "created_at": "2026-01-31T12:00:00.000Z",
        "last_login_at": "2026-01-31T12:05:00.000Z",
        "last_login_address": "192.0.2.7",
    })
}

fn invitation() -> Value {
    json!({
        "id": "inv_01ke1c2v7h8q9r0s1t2v3w4x5y",
        "object": "invitation",
        "email": "grace@example.org",
        "role": "user",
        "plan": "pro",
        "created_by": "user_01ke1c2v7h8q9r0s1t2v3w4x5y",
        "created_at": "2026-01-31T12:00:00.000Z",
        "expires_at": "2026-02-07T12:00:00.000Z",
    })
}

fn queued() -> Value {
    json!({
        "id": ID,
        "object": "job",
        "model": "minilm",
        "task": "text-embedding",
        "status": "queued",
        "input": Task::TextEmbedding.example(),
        "queue": {
            "position": 3,
            "position_is_minimum": false,
            "eta_seconds": 1.5,
            "eta_basis": "service_rate",
            "possible": true,
        },
        "priority": "normal",
        "attempt": 0,
        "created_at": "2026-01-31T12:00:00.000Z",
        "deadline": "2026-02-01T12:00:00.000Z",
        "timeout": {"start_seconds": 86_400, "run_seconds": 60},
        "metadata": {"batch": "2026-01"},
        "data_removed": false,
        "urls": {
            "get": format!("/v1/jobs/{ID}"),
            "cancel": format!("/v1/jobs/{ID}/cancel"),
            "events": format!("/v1/jobs/{ID}/events"),
        },
    })
}

/// A job without a place in the queue, with these fields over it.
fn later(fields: Value) -> Value {
    let mut job = queued();
    if let (Some(job), Value::Object(fields)) = (job.as_object_mut(), fields) {
        job.remove("queue");
        job.extend(fields);
    }
    job
}

fn succeeded() -> Value {
    later(json!({
        "status": "succeeded",
        "version": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "output": {"embeddings": [[0.0439, 0.0589, -0.0261], [0.0812, -0.0143, 0.0377]], "usage": {"tokens": 14}},
        "attempt": 1,
        "started_at": "2026-01-31T12:00:00.040Z",
        "completed_at": "2026-01-31T12:00:00.062Z",
        "expires_at": "2026-02-07T12:00:00.062Z",
        "worker": "lamp-1",
        "metrics": {
            "queue_ms": 40, "compute_ms": 18.4, "total_ms": 62, "batch_size": 8, "dtype": "f32", "device": "cpu",
        },
    }))
}

fn canceled() -> Value {
    later(json!({
        "status": "canceled",
        "cancel_requested_at": "2026-01-31T12:00:01.000Z",
        "completed_at": "2026-01-31T12:00:01.000Z",
        "expires_at": "2026-02-07T12:00:01.000Z",
    }))
}

fn canceling() -> Value {
    later(json!({
        "status": "processing",
        "attempt": 1,
        "started_at": "2026-01-31T12:00:00.040Z",
        "cancel_requested_at": "2026-01-31T12:00:01.000Z",
        "worker": "lamp-1",
    }))
}

fn list() -> Value {
    let mut job = succeeded();
    if let Some(job) = job.as_object_mut() {
        job.remove("input");
        job.remove("output");
    }
    json!({"object": "list", "data": [job], "next_cursor": ID})
}

fn model() -> Value {
    let task = Task::TextEmbedding;
    json!({
        "id": "minilm",
        "object": "model",
        "description": "Sentence embeddings, 384 numbers a text.",
        "task": task.as_str(),
        "status": "ready",
        "workers": 1,
        "version": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "dtype": "f32",
        "license": "Apache-2.0",
        "public": false,
        "limits": {"max_job_items": 128, "max_batch_jobs": 64, "max_batch_items": 256, "max_batch_tokens": 16_384},
        "input_schema": task.input_schema(128),
        "output_schema": task.output_schema(),
        "example": task.example(),
    })
}

fn worker(state: &str) -> Value {
    let in_memory = state != "maintenance";
    json!({
        "id": "worker_01ke1c2v7h8q9r0s1t2v3w4x5y",
        "object": "worker",
        "name": "lamp-1",
        "host": "lamp-1.example",
        "version": env!("CARGO_PKG_VERSION"),
        "state": state,
        "device": "cuda:0",
        "memory": {"budget_bytes": 17_179_869_184_u64, "used_bytes": if in_memory { 147_139_902 } else { 0 }},
        "in_flight": if in_memory { 3 } else { 0 },
        "models": [{
            "id": "minilm",
            "status": if in_memory { "ready" } else { "unloaded" },
            "version": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        }],
        "started_at": "2026-01-31T08:00:00.000Z",
        "last_seen_at": "2026-01-31T12:00:00.000Z",
    })
}

fn queue() -> Value {
    json!({
        "model": "minilm",
        "object": "queue",
        "depth": 42,
        "depth_by_priority": {"low": 30, "normal": 12, "high": 0},
        "oldest_seconds": 3.2,
        "in_flight": 8,
        "service_rate": 55.4,
        "workers": 1,
        "eta_seconds": 0.2,
    })
}

fn session() -> Value {
    json!({
        "id": "ses_01ke1c2v7h8q9r0s1t2v3w4x5y",
        "object": "session",
        "user": {
            "id": "user_01ke1bzz4m3n2p1q0r9s8t7v6w",
            "email": "ada@example.org",
            "role": "user",
            "display_name": "Ada",
            "locale": "en",
            "plan": "basic",
        },
        "created_at": "2026-01-31T12:00:00.000Z",
        "authenticated_at": "2026-01-31T12:00:00.000Z",
        "expires_at": "2026-02-07T12:00:00.000Z",
    })
}

fn session_item() -> Value {
    json!({
        "id": "ses_01ke1c2v7h8q9r0s1t2v3w4x5y",
        "object": "session",
        "current": true,
        "created_at": "2026-01-31T12:00:00.000Z",
        "authenticated_at": "2026-01-31T12:00:00.000Z",
        "last_used_at": "2026-01-31T12:20:00.000Z",
        "expires_at": "2026-02-07T12:00:00.000Z",
        "address": "203.0.113.7",
        "user_agent": "Mozilla/5.0",
    })
}

fn user() -> Value {
    json!({
        "id": USER,
        "object": "user",
        "email": "ada@example.org",
        "display_name": "Ada",
        "locale": "en",
        "role": "user",
        "plan": "pro",
        "status": "active",
        "has_password": true,
        "created_at": "2026-01-30T08:00:00.000Z",
        "verified_at": "2026-01-30T08:02:11.000Z",
        "approved_at": "2026-01-30T09:00:00.000Z",
        "last_login_at": "2026-01-31T12:00:00.000Z",
        "last_login_address": "192.0.2.7",
    })
}

fn user_token() -> Value {
    json!({
        "id": TOKEN,
        "object": "user_token",
        "name": "laptop",
        "scopes": ["jobs:read", "jobs:write"],
        "plan": "pro",
        "limits": {"jobs_per_day": 500},
        "created_at": "2026-01-30T09:10:00.000Z",
        "expires_at": "2026-03-01T09:10:00.000Z",
        "last_used_at": "2026-01-31T12:00:00.000Z",
        "last_used_address": "192.0.2.7",
    })
}

fn audit_entry() -> Value {
    json!({
        "id": "aud_01ke1c2v7h8q9r0s1t2v3w4x5y",
        "object": "audit_entry",
        "at": "2026-01-31T12:00:00.000Z",
        "action": "plan.assign",
        "outcome": "success",
        "actor": {"kind": "user", "id": "user_01ke1bzy0a1b2c3d4e5f6g7h8j"},
        "user": USER,
        "subject": USER,
        "address": "192.0.2.1",
        "request_id": "req_019bc0c16ce17a3c8e4b1f0e6c3a5d27",
        "detail": {"from": "basic", "to": "pro"},
    })
}

fn token() -> Value {
    json!({
        "id": TOKEN,
        "object": "token",
        "name": "nightly batch",
        "scopes": ["jobs:write", "jobs:read"],
        "models": ["minilm"],
        "status": "active",
        "created_at": "2026-01-31T12:00:00.000Z",
        "expires_at": "2026-05-01T12:00:00.000Z",
    })
}

fn own_token() -> Value {
    json!({
        "id": TOKEN,
        "object": "token",
        "name": "nightly batch",
        "scopes": ["jobs:write", "jobs:read"],
        "models": ["minilm"],
        "expires_at": "2026-05-01T12:00:00.000Z",
        "user": "user_01ke1b0000000000000000000a",
        "plan": "basic",
    })
}

fn mail(state: &str) -> Value {
    json!({
        "id": "task_01ke1c2v7h8q9r0s1t2v3w4x5y",
        "object": "mail",
        "template": "verify_address",
        "recipient": "ada@example.org",
        "locale": "en",
        "state": state,
        "attempts": if state == "dead" { 10 } else { 0 },
        "created_at": "2026-01-31T12:00:00.000Z",
        "run_at": "2026-01-31T20:32:10.000Z",
        "last_error": "the mail server said 550: 5.1.1 no such user",
    })
}

fn plan() -> Value {
    json!({
        "name": "basic",
        "object": "plan",
        "requests_per_minute": 600,
        "burst": 300,
        "jobs_per_hour": 2000,
        "jobs_per_day": 10_000,
        "waiting": 200,
        "running": 8,
        "weight": 2,
        "priorities": ["low", "normal"],
        "changed": ["jobs_per_hour"],
    })
}

fn usage() -> Value {
    let counts = json!({
        "requests": 42, "succeeded": 40, "failed": 1, "units": 80, "tokens": 1140, "compute_ms": 310.5,
    });
    let hour = json!({"used": 45, "limit": 1000, "remaining": 955});
    json!({
        "object": "usage",
        "plan": "basic",
        "used_this_hour": 45,
        "limit": 1000,
        "remaining": 955,
        "this_hour": hour,
        "today": {"used": 45, "limit": 10_000, "remaining": 9955},
        "waiting": {"used": 2, "limit": 200, "remaining": 198},
        "running": {"used": 1, "limit": 8},
        "from": "2026-01-30T13:00:00.000Z",
        "to": "2026-01-31T12:30:00.000Z",
        "grain": "hour",
        "totals": counts,
        "data": [{"starts_at": "2026-01-31T12:00:00.000Z", "used": counts}],
    })
}

fn stream() -> String {
    let status = |name: &str| format!("{{\"id\":\"{ID}\",\"object\":\"job\",\"status\":\"{name}\"}}");
    [
        "retry: 2000\n\n".to_owned(),
        format!("id: 0-0\nevent: status\ndata: {}\n\n", status("queued")),
        "id: 1-1\nevent: progress\ndata: {\"fraction\":0.5,\"stage\":\"running\"}\n\n".to_owned(),
        "id: 1-2\nevent: output\ndata: {\"chunk\":\"Hello\",\"index\":0}\n\n".to_owned(),
        format!("id: 1-2\nevent: done\ndata: {}\n\n", status("succeeded")),
    ]
    .concat()
}
