//! Files from a model hub (`hf:OWNER/NAME@REVISION`).
//!
//! The client library sets no time limits and panics where an answer is odd, so it works on a thread of
//! its own, which is given up when nothing arrives for a while. It keeps what has arrived of a file in a
//! `.part` beside its cache and asks for the rest: of a download that broke off nothing is fetched twice.

use std::{
    fs,
    path::PathBuf,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};

use hf_hub::{
    Repo, RepoType,
    api::{
        Progress,
        sync::{Api, ApiBuilder},
    },
};
use lamplighter_shared::model_spec::ModelFile;
use serde::Deserialize;

use super::{Fetch, FileError, Problem, SourceError};

/// A hub that sends nothing for this long is given up.
const STALLED: Duration = Duration::from_secs(60);

/// Progress is told once in this many bytes, about.
const STEP: u64 = 256 << 10;

pub(super) fn fetch(fetch: &Fetch<'_>, repo: &str, revision: &str) -> Result<(), SourceError> {
    let origins = fetch.job.origins;
    let mut builder = ApiBuilder::new()
        .with_cache_dir(fetch.scratch.join("hub"))
        .with_token(origins.hub_token.clone())
        .with_progress(false)
        .with_user_agent("lamplighter", env!("CARGO_PKG_VERSION"));
    if let Some(hub) = &origins.hub {
        builder = builder.with_endpoint(hub.trim_end_matches('/').to_owned());
    }
    let api = builder
        .build()
        .map_err(|error| SourceError::Fetch(error.to_string()))?;
    let repo = Repo::with_revision(repo.to_owned(), RepoType::Model, revision.to_owned());
    for file in fetch.meant(|| listed(&api, &repo))? {
        let place = fetch.place(&file.path)?;
        if fs::metadata(&place).is_ok_and(|found| found.len() == file.size) {
            // From an attempt before.
            continue;
        }
        let fetched = fetch_file(fetch, &api, &repo, &file)?;
        // The library leaves a link into its cache; what we want is the file.
        fs::rename(fetched.canonicalize()?, place)?;
    }
    Ok(())
}

/// The files of a repository, with their sizes; their digests are not known.
fn listed(api: &Api, repo: &Repo) -> Result<Vec<ModelFile>, SourceError> {
    #[derive(Deserialize)]
    struct Listing {
        siblings: Vec<Sibling>,
    }
    #[derive(Deserialize)]
    struct Sibling {
        rfilename: String,
        size: Option<u64>,
    }
    let failed =
        |error: &dyn std::fmt::Display| SourceError::Fetch(format!("the list of its files: {error}"));
    let mut answer = api
        .repo(repo.clone())
        .info_request()
        .query("blobs", "true")
        .call()
        .map_err(|error| failed(&error))?;
    let text = answer
        .body_mut()
        .read_to_string()
        .map_err(|error| failed(&error))?;
    let listing: Listing = serde_json::from_str(&text).map_err(|error| failed(&error))?;
    let file = |sibling: Sibling| ModelFile {
        path: sibling.rfilename,
        sha256: String::new(),
        // Where the hub does not say it, whatever comes.
        size: sibling.size.unwrap_or(u64::MAX),
    };
    Ok(listing.siblings.into_iter().map(file).collect())
}

/// Fetches one file; gives the place the library put it.
fn fetch_file(fetch: &Fetch<'_>, api: &Api, repo: &Repo, file: &ModelFile) -> Result<PathBuf, SourceError> {
    let (news, arrived) = mpsc::channel();
    let (api, repo, name) = (api.clone(), repo.clone(), file.path.clone());
    let watch = Watch {
        news,
        done: 0,
        told: 0,
        most: file.size,
    };
    let work = move || {
        api.repo(repo)
            .download_with_progress(&name, watch)
            .map_err(|error| error.to_string())
    };
    let download = thread::Builder::new().name("hub".to_owned()).spawn(work)?;
    let mut done = 0;
    // Not every hub says it before.
    let total = if file.size == u64::MAX { 0 } else { file.size };
    loop {
        fetch.tell(&file.path, done, total);
        match arrived.recv_timeout(STALLED) {
            Ok(bytes) => done = bytes,
            // The watch is gone with the download.
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let seconds = STALLED.as_secs();
                return Err(SourceError::Fetch(format!(
                    "{}: nothing arrived for {seconds} s",
                    file.path
                )));
            }
        }
    }
    match download.join() {
        Ok(Ok(place)) => Ok(place),
        Ok(Err(error)) => Err(SourceError::Fetch(format!("{}: {error}", file.path))),
        Err(_) if done > file.size => {
            let problem = Problem::Size {
                expected: file.size,
                found: done,
            };
            Err(FileError {
                file: file.path.clone(),
                problem,
            }
            .into())
        }
        Err(_) => Err(SourceError::Fetch(format!(
            "{}: the hub's answer could not be understood",
            file.path
        ))),
    }
}

/// Follows a download from inside the library.
struct Watch {
    news: Sender<u64>,
    done: u64,
    told: u64,
    most: u64,
}

impl Progress for Watch {
    fn init(&mut self, _size: usize, _name: &str) {
        // Also called when a broken download is taken up again: `update` then counts from the start.
        self.done = 0;
    }

    fn update(&mut self, bytes: usize) {
        self.done += bytes as u64;
        let too_much = self.done > self.most;
        if too_much || self.done.abs_diff(self.told) >= STEP || bytes == 0 {
            self.told = self.done;
            let unheard = self.news.send(self.done).is_err();
            if too_much || unheard {
                // The only way to stop the library: nobody waits for this file, or it would fill the disk.
                std::panic::resume_unwind(Box::new("given up"));
            }
        }
    }

    fn finish(&mut self) {}
}
