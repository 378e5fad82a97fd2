//! The end of mails that were written into files: a file goes with its row of the outbox. Rows of sent mails go after
//! a week, and with the account that they name; so nothing of a deleted account stays on this machine either.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use lamplighter_shared::{
    db::{Db, outbox},
    id::TaskId,
};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::worker::jitter;
use crate::state::App;

/// Between two looks (± 20 %).
const PAUSE: Duration = Duration::from_secs(60);
/// Files asked about at once.
const CHUNK: usize = 500;

/// Removes what has to go, until the process stops.
pub(super) async fn keep_house(app: &App, stop: &CancellationToken) {
    let folder = app.config.server.data_dir.join("mail");
    let mut next = Instant::now();
    while stop.run_until_cancelled(sleep_until(next)).await.is_some() {
        match tidy(&app.db, &folder).await {
            Ok(0) => {}
            Ok(files) => tracing::info!(files, "files of mails were removed"),
            Err(error) => tracing::warn!(error, "files of mails could not be removed"),
        }
        next = Instant::now() + jitter(PAUSE);
    }
}

/// Removes the files whose mails are gone from the outbox; how many.
async fn tidy(db: &Db, folder: &Path) -> Result<usize, String> {
    let folder = folder.to_owned();
    let listed = tokio::task::spawn_blocking(move || list(&folder)).await;
    let files = listed.map_err(said)?.map_err(said)?;
    let mut gone = Vec::new();
    for some in files.chunks(CHUNK) {
        let ids: Vec<TaskId> = some.iter().map(|(id, _)| *id).collect();
        let kept = outbox::kept(db, &ids).await.map_err(said)?;
        let without = some.iter().filter(|(id, _)| !kept.contains(id));
        gone.extend(without.map(|(_, path)| path.clone()));
    }
    let removed = tokio::task::spawn_blocking(move || remove(&gone)).await;
    removed.map_err(said)?.map_err(said)
}

fn said(error: impl ToString) -> String {
    error.to_string()
}

/// The files of mails in a folder, whole ones and pieces.
fn list(folder: &Path) -> io::Result<Vec<(TaskId, PathBuf)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let Some(id) = entry.file_name().to_str().and_then(mail_of) {
            files.push((id, entry.path()));
        }
    }
    Ok(files)
}

/// The mail that a file is of, by its name.
fn mail_of(name: &str) -> Option<TaskId> {
    let id = match name.strip_suffix(".eml") {
        Some(whole) => whole.rsplit('-').next()?,
        None => name.strip_prefix('.')?.strip_suffix(".tmp")?,
    };
    id.parse().ok()
}

/// Another process may be faster.
fn remove(files: &[PathBuf]) -> io::Result<usize> {
    for file in files {
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(files.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_mails_are_touched() {
        let id = TaskId::generate();
        for (name, mail) in [
            (format!("2026-11-29T101112.131Z-{id}.eml"), Some(id)),
            (format!(".{id}.tmp"), Some(id)),
            (format!("{id}.txt"), None),
            ("notes.eml".to_owned(), None),
            (".tmp".to_owned(), None),
        ] {
            assert_eq!(mail_of(&name), mail, "{name}");
        }
    }
}
