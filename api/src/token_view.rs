//! Tokens as the API shows them. The text of a token is shown once, in the answer that made it.

use lamplighter_shared::db::own_tokens::Token;
use poem_openapi::{Enum, Object};
use serde::Serialize;

use crate::{timestamp::Timestamp, token_usage::TokenUsage};

/// An API token.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Token")]
pub(crate) struct TokenView {
    /// Its identifier. Not the secret.
    id: String,
    /// Always `token`.
    object: String,
    /// The token itself. Only in the answer that made it: nobody can read it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// What its owner calls it.
    name: String,
    /// The last four characters of the token, to tell it from others. Left out of tokens from before these were kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    last4: Option<String>,
    /// What it may do.
    scopes: Vec<String>,
    /// The models it may use. Left out: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    models: Option<Vec<String>>,
    /// Whether it may be used.
    status: TokenStatus,
    /// The plan an administrator gave it. Left out: its owner's.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
    /// When it was made.
    created_at: Timestamp,
    /// When it ends.
    expires_at: Timestamp,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
    /// The address it was last used from.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_address: Option<String>,
    /// The token that took its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    rotated_to: Option<String>,
    /// What was used with it. Only where one token is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<TokenUsage>,
}

/// Whether a token may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
enum TokenStatus {
    /// It may.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

/// A page of tokens.
#[derive(Debug, Serialize, Object)]
pub(crate) struct TokenList {
    /// Always `list`.
    pub object: String,
    /// The tokens, newest first.
    pub data: Vec<TokenView>,
    /// Give it as `cursor` for the next page. Left out on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// The token that a request was made with.
#[derive(Debug, Serialize, Object)]
pub(crate) struct OwnToken {
    /// Its identifier. Not the secret.
    id: String,
    /// Always `token`.
    object: String,
    /// What its owner calls it.
    name: String,
    /// What it may do now: what it was made for, as far as its owner still may.
    scopes: Vec<String>,
    /// The models it may use. Left out: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    models: Option<Vec<String>>,
    /// When it ends.
    expires_at: Timestamp,
    /// Whose token it is.
    user: String,
    /// The plan that its use is measured by.
    plan: String,
}

impl TokenView {
    /// The token, without its text.
    pub fn new(token: Token) -> Self {
        let status = match (token.revoked_at, token.expired) {
            (Some(_), _) => TokenStatus::Revoked,
            (None, true) => TokenStatus::Expired,
            (None, false) => TokenStatus::Active,
        };
        Self {
            id: token.id.to_string(),
            object: "token".to_owned(),
            token: None,
            name: token.name,
            last4: token.last4,
            scopes: token.scopes,
            models: token.models,
            status,
            plan: token.plan,
            created_at: Timestamp(token.created_at),
            expires_at: Timestamp(token.expires_at),
            revoked_at: token.revoked_at.map(Timestamp),
            last_used_at: token.last_used_at.map(Timestamp),
            last_used_address: token.last_used_address,
            rotated_to: token.rotated_to.map(|id| id.to_string()),
            usage: None,
        }
    }

    /// The token with what was used.
    pub fn used(token: Token, usage: TokenUsage) -> Self {
        Self {
            usage: Some(usage),
            ..Self::new(token)
        }
    }

    /// The token with its text.
    pub fn made(token: Token, text: String) -> Self {
        Self {
            token: Some(text),
            ..Self::new(token)
        }
    }
}

impl OwnToken {
    /// The token of a request.
    pub fn new(token: Token, scopes: Vec<String>, plan: String) -> Self {
        Self {
            id: token.id.to_string(),
            object: "token".to_owned(),
            name: token.name,
            scopes,
            models: token.models,
            expires_at: Timestamp(token.expires_at),
            user: token.user.to_string(),
            plan,
        }
    }
}
