//! Making and revoking API tokens: the use-cases around the text of a token and its row.

use std::{sync::Arc, time::Duration};

use lamplighter_shared::{
    cache::Cache,
    clock::UnixMillis,
    db::{
        Db, DbError, api_tokens,
        audit::{Action, Entry, Origin},
        own_tokens::{self, Issued, Terms, Token},
        users::{self, Role},
    },
    id::{TokenId, UserId},
    key::Key,
    proof::ProofKind,
};
use serde_json::json;

use super::{
    scope::{Scope, UnknownScope},
    secret::fingerprint,
    token::{MintRequest, mint, well_formed},
    void::{Voided, void},
};

/// The shortest life of a token.
pub const SHORTEST: Duration = Duration::from_secs(600);
/// The longest life of a token.
pub const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewApiToken {
    /// Whose.
    pub user: UserId,
    /// What its owner calls it.
    pub name: String,
    /// What it allows: names of [`Scope`], at least one.
    pub scopes: Vec<String>,
    /// How long it is good: 10 minutes to 366 days.
    pub expires_in: Duration,
    /// The models it may use; none: all.
    pub models: Option<Vec<String>>,
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// A scope that does not exist.
    #[error(transparent)]
    Scope(#[from] UnknownScope),
    /// No scope at all.
    #[error("a token needs at least one scope")]
    NoScope,
    /// The scope of admins for somebody who is none.
    #[error("only a user whose role is admin can have a token with the scope admin")]
    NotAdmin,
    /// A name that is empty or too long.
    #[error("the name of a token has 1 to 100 characters, none of them a control character")]
    Name,
    /// A life that is too short or too long.
    #[error("a token is good for at least 10 minutes and at most 366 days")]
    Expiry,
    /// The user has as many as they may.
    #[error("there are as many live tokens as the user may have; revoke one first")]
    TooMany,
    /// The token to be rotated is not live, or was rotated before.
    #[error("the token has ended or was rotated already")]
    Ended,
    /// The system gives no randomness.
    #[error("the token could not be sealed")]
    Seal,
    /// The row could not be stored.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// A token that was made.
pub struct IssuedToken {
    /// Its text. Shown once: nobody can read it again.
    pub text: String,
    /// Its row.
    pub id: TokenId,
}

/// How a token is rotated.
#[derive(Debug, Clone, Copy)]
pub struct Rotation {
    /// How long the new one is good.
    pub expires_in: Duration,
    /// When the new one ends at the latest: with whoever asks for it.
    pub not_after: Option<UnixMillis>,
    /// How long the old one goes on.
    pub overlap: Duration,
}

/// Makes a token for whoever has the server's machine, and stores its row; its text.
///
/// # Errors
/// Where the request is not allowed, or the database fails.
pub async fn create(db: &Db, key: &Key, new: NewApiToken) -> Result<String, CreateError> {
    let made = issue(db, key, (new, None), &Terms::default(), &Origin::operator()).await?;
    Ok(made.text)
}

/// Makes a token and stores its row. It ends at the given time at the latest.
///
/// # Errors
/// Where the request is not allowed, or the database fails.
pub async fn issue(
    db: &Db,
    key: &Key,
    (new, not_after): (NewApiToken, Option<UnixMillis>),
    terms: &Terms,
    origin: &Origin,
) -> Result<IssuedToken, CreateError> {
    let (text, row) = mint_row(db, key, new, not_after).await?;
    let entry = entry(origin, Action::TokenCreate, (&row, terms));
    stored(own_tokens::issue(db, &row, terms, &entry).await?, text, row.id)
}

/// Makes a token like this one in its place. The cache is to be told of the old one's end.
///
/// # Errors
/// Where the old one is not live, or the database fails.
pub async fn rotate(
    db: &Db,
    key: &Key,
    (old, rotation): (&Token, Rotation),
    most: u32,
    origin: &Origin,
) -> Result<IssuedToken, CreateError> {
    let new = NewApiToken {
        user: old.user,
        name: old.name.clone(),
        scopes: old.scopes.clone(),
        expires_in: rotation.expires_in,
        models: old.models.clone(),
    };
    let (text, row) = mint_row(db, key, new, rotation.not_after).await?;
    let terms = Terms::of(old, most);
    let overlap = i64::try_from(rotation.overlap.as_millis()).unwrap_or(i64::MAX / 2);
    let entry = entry(origin, Action::TokenRotate, (&row, &terms)).subject(old.id);
    let done = own_tokens::rotate(db, (old.id, overlap), &row, &terms, &entry).await?;
    stored(done, text, row.id)
}

fn stored(done: Issued, text: String, id: TokenId) -> Result<IssuedToken, CreateError> {
    match done {
        Issued::Stored => Ok(IssuedToken { text, id }),
        Issued::TooMany => Err(CreateError::TooMany),
        Issued::Ended => Err(CreateError::Ended),
    }
}

fn entry(origin: &Origin, action: Action, (row, terms): (&api_tokens::NewToken, &Terms)) -> Entry {
    let mut made = json!({"token": row.id.to_string(), "scopes": row.scopes, "expires_at": row.expires_at});
    if let Some(plan) = &terms.plan {
        made["plan"] = json!(plan);
    }
    origin.did(action).user(row.user).subject(row.id).detail(made)
}

/// The text of a token, and its row, not yet stored.
async fn mint_row(
    db: &Db,
    key: &Key,
    new: NewApiToken,
    not_after: Option<UnixMillis>,
) -> Result<(String, api_tokens::NewToken), CreateError> {
    let mut scopes = Vec::new();
    for name in &new.scopes {
        let scope: Scope = name.parse()?;
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    if scopes.is_empty() {
        return Err(CreateError::NoScope);
    }
    if scopes.contains(&Scope::Admin) {
        let user = users::get(db, new.user).await?;
        if user.is_none_or(|user| user.role != Role::Admin) {
            return Err(CreateError::NotAdmin);
        }
    }
    if new.name.is_empty() || new.name.chars().count() > 100 || new.name.chars().any(char::is_control) {
        return Err(CreateError::Name);
    }
    if !(SHORTEST..=LONGEST).contains(&new.expires_in) {
        return Err(CreateError::Expiry);
    }
    let now = db.now().await?;
    let end = now + new.expires_in.as_millis() as i64;
    let request = MintRequest {
        user: new.user,
        token_id: TokenId::generate(),
        scopes,
        expires_at: not_after.map_or(end, |latest| end.min(latest)),
        now,
    };
    let (text, fingerprint) = mint(key, &request).map_err(|_| CreateError::Seal)?;
    let row = api_tokens::NewToken {
        id: request.token_id,
        user: new.user,
        name: new.name,
        scopes: request.scopes.iter().map(ToString::to_string).collect(),
        fingerprint,
        expires_at: request.expires_at,
        models: new.models,
        last4: text.get(text.len().saturating_sub(4)..).map(str::to_owned),
    };
    Ok((text, row))
}

/// What became of a revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// From the next request on it is refused everywhere.
    Now,
    /// The database knows, the cache could not be told: who still reaches the cache may take the token for
    /// another 30 s. Revoking it again tells the cache again.
    Soon,
    /// It was revoked before, at this time.
    Before(UnixMillis),
    /// There is no such token.
    NotFound,
}

/// Revokes a token by its text, for whoever has the server's machine: first in the database, then in the cache.
///
/// # Errors
/// Where the database fails.
pub async fn revoke(db: &Db, cache: &Arc<dyn Cache>, text: &str) -> Result<Revoked, DbError> {
    // Also a token of an older key can be revoked: only the outer form is checked.
    if !well_formed(text) {
        return Ok(Revoked::NotFound);
    }
    let fingerprint = fingerprint(text);
    let found = api_tokens::revoke(db, &fingerprint, &Origin::operator()).await?;
    // Also where it was revoked before: perhaps the cache was not told then.
    let told = void(db, cache, vec![ProofKind::Token.cache_key(&fingerprint)]).await?;
    Ok(match (found, told) {
        (None, _) => Revoked::NotFound,
        (Some(_), Voided::Soon) => Revoked::Soon,
        (Some(api_tokens::Revocation::Before(at)), Voided::Now) => Revoked::Before(at),
        (Some(api_tokens::Revocation::Now), Voided::Now) => Revoked::Now,
    })
}
