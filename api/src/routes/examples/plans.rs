//! Examples of the operations on plans.

use serde_json::{Value, json};

use super::Examples;

/// The examples of an operation of this group.
pub(super) fn of(operation: &str) -> Option<Examples> {
    Some(match operation {
        "listPlans" => Examples::list(plan()),
        "getPlan" => Examples::json(200, plan()),
        "updatePlan" => Examples::json(200, plan()).asked(json!({"jobs_per_hour": 2000, "running": null})),
        _ => return None,
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
