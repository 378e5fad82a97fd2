//! Examples of event streams.

use super::{Examples, JOB};

/// The examples of an operation of this group.
pub(super) fn of(operation: &str) -> Option<Examples> {
    Some(match operation {
        "streamJobEvents" => Examples::stream(stream()),
        _ => return None,
    })
}

/// What a client reads of a job that runs through.
pub(super) fn stream() -> String {
    let status = |name: &str| format!("{{\"id\":\"{JOB}\",\"object\":\"job\",\"status\":\"{name}\"}}");
    [
        "retry: 2000\n\n".to_owned(),
        format!("id: 0-0\nevent: status\ndata: {}\n\n", status("queued")),
        "id: 1-1\nevent: progress\ndata: {\"fraction\":0.5,\"stage\":\"running\"}\n\n".to_owned(),
        "id: 1-2\nevent: output\ndata: {\"chunk\":\"Hello\",\"index\":0}\n\n".to_owned(),
        format!("id: 1-2\nevent: done\ndata: {}\n\n", status("succeeded")),
    ]
    .concat()
}
