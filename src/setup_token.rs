//! The set-up token of the first administrator, in the data folder of `lamplighter serve`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use lamplighter_api::accounts::setup::{is_good, issue};
use lamplighter_shared::db::Db;

use crate::{
    installation::{Failure, write_private},
    token::owner,
};

/// Sees to it that `DIR/setup.token` holds a token that works while the owner has no password, and is gone
/// afterwards; where it is.
pub async fn keep(db: &Db, data_dir: &Path) -> Result<Option<PathBuf>, Failure> {
    let path = data_dir.join("setup.token");
    let owner = owner(db).await?;
    if owner.password_hash.is_some() {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(None),
        };
    }
    let present = fs::read_to_string(&path).unwrap_or_default();
    if !is_good(db, present.trim()).await? {
        let token = issue(db, &owner).await?;
        write_private(&path, &format!("{token}\n"))?;
    }
    Ok(Some(path))
}
