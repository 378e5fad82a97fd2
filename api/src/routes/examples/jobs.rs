//! Examples of the operations on jobs.

use lamplighter_shared::task::Task;
use serde_json::{Value, json};

use super::{EVENTS, Examples, JOB, JSON, events};

/// The examples of an operation of this group.
pub(super) fn of(operation: &str) -> Option<Examples> {
    Some(match operation {
        "createJob" => Examples::json(200, succeeded())
            .or(200, EVENTS, json!(events::stream()))
            .or(202, JSON, queued())
            .asked(json!({
                "model": "minilm",
                "input": Task::TextEmbedding.example(),
                "priority": "normal",
                "timeout": {"run_seconds": 60},
                "metadata": {"batch": "2026-01"},
            })),
        "retryJob" => {
            let mut job = queued();
            job["retry_of"] = "job_01ke1bzz4m3n2p1q0r9s8t7v6w".into();
            Examples::json(200, succeeded())
                .or(200, EVENTS, json!(events::stream()))
                .or(202, JSON, job)
        }
        "listJobs" => Examples::json(200, list()),
        "getJob" => Examples::json(200, succeeded()),
        "cancelJob" => Examples::json(200, canceled()).or(202, JSON, canceling()),
        "deleteJob" => Examples::empty(204, format!("DELETE /v1/jobs/{JOB}")),
        _ => return None,
    })
}

fn queued() -> Value {
    json!({
        "id": JOB,
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
        "attempts": [],
        "created_at": "2026-01-31T12:00:00.000Z",
        "deadline": "2026-02-01T12:00:00.000Z",
        "timeout": {"start_seconds": 86_400, "run_seconds": 60},
        "metadata": {"batch": "2026-01"},
        "data_removed": false,
        "urls": {
            "get": format!("/v1/jobs/{JOB}"),
            "cancel": format!("/v1/jobs/{JOB}/cancel"),
            "events": format!("/v1/jobs/{JOB}/events"),
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
        "attempts": [{
            "number": 1,
            "worker": "lamp-1",
            "started_at": "2026-01-31T12:00:00.040Z",
            "ended_at": "2026-01-31T12:00:00.062Z",
            "outcome": "succeeded",
            "batch_size": 8,
        }],
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
        "attempts": [{"number": 1, "worker": "lamp-1", "started_at": "2026-01-31T12:00:00.040Z"}],
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
        job.remove("attempts");
    }
    json!({"object": "list", "data": [job], "next_cursor": JOB})
}
