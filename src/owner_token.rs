//! The owner's own token, in the data folder of `lamplighter serve`.

use std::{fs, path::Path, time::Duration};

use lamplighter_api::auth::token::{NewApiToken, check, create};
use lamplighter_shared::{
    db::{Db, api_tokens},
    key::Key,
};

use crate::{
    installation::{Failure, write_private},
    token::{all_scopes, owner},
};

/// How long the owner's token is good; a start after that makes a new one.
const EXPIRY: Duration = Duration::from_secs(366 * 86_400);

/// Sees to it that `DIR/owner.token` holds a token that works.
pub async fn keep(db: &Db, key: &Key, data_dir: &Path) -> Result<(), Failure> {
    let path = data_dir.join("owner.token");
    let present = fs::read_to_string(&path).unwrap_or_default();
    let present = present.trim();
    let owner = owner(db).await?;
    let scopes = all_scopes(&owner);
    // A token of a lost key is as useless as one whose row is gone, and one of an older version may allow less.
    if let Ok(fingerprint) = check(key, present)
        && let Some(live) = api_tokens::live(db, &fingerprint).await?
        && scopes.iter().all(|scope| live.scopes.contains(scope))
    {
        return Ok(());
    }
    let new = NewApiToken {
        user: owner.id,
        name: "owner".to_owned(),
        scopes,
        expires_in: EXPIRY,
        models: None,
    };
    let text = create(db, key, new).await?;
    Ok(write_private(&path, &format!("{text}\n"))?)
}
