//! The converting process from the inside: it limits itself, then converts, then answers.

use std::{
    io::{self, Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
};

use lamplighter_shared::job::JobError;
use nix::sys::resource::{Resource, setrlimit};

use super::{
    process::{Answer, Request},
    unavailable,
};
use crate::models::{self, Files};

/// The longest request.
const REQUEST: u64 = 16 << 20;
/// Descriptors it may have open.
const DESCRIPTORS: u64 = 64;

/// Converts what standard input says. For the hidden command `convert` and nothing else.
pub fn main() -> ExitCode {
    let mut told = Vec::new();
    let request = io::stdin().take(REQUEST).read_to_end(&mut told);
    let Some(request) = request
        .ok()
        .and_then(|_| serde_json::from_slice::<Request>(&told).ok())
    else {
        eprintln!("convert: this command is started by lamplighter only");
        return ExitCode::from(2);
    };
    let error = convert(&request).err();
    let code = ExitCode::from(u8::from(error.is_some()));
    let answer = serde_json::to_vec(&Answer { error }).unwrap_or_default();
    match io::stdout().write_all(&answer) {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}

fn convert(request: &Request) -> Result<(), JobError> {
    let limits = request.limits;
    for (resource, most) in [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_AS, limits.memory),
        (Resource::RLIMIT_CPU, limits.cpu),
        (Resource::RLIMIT_FSIZE, limits.written),
        (Resource::RLIMIT_NOFILE, DESCRIPTORS),
    ] {
        // Where ours are lower already, those stand.
        if let Err(error) = setrlimit(resource, most, most)
            && error != nix::errno::Errno::EPERM
        {
            return Err(unavailable(format!("the conversion can't be limited: {error}")));
        }
    }
    let Some(convert) = models::conversion(request.spec.family) else {
        return Err(unavailable("the model's family reads its files as they are"));
    };
    let files = Files {
        dir: request.dir.clone(),
        converted: request.out.clone(),
    };
    models::headers::check(&request.spec, &files)?;
    catch_unwind(AssertUnwindSafe(|| {
        convert(&request.spec, &request.dir, &request.out)
    }))
    .unwrap_or_else(|_| Err(unavailable("the model's files could not be converted: a panic")))
}
