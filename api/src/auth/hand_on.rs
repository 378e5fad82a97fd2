//! What somebody may hand on in a token. A person hands on what they may themselves, after a recent login. A
//! token with the scope `tokens:write` makes, rotates and ends only tokens that may do no more than it may:
//! no other scopes and models, the plan and limits an admin gave it, and none that outlives it. Only itself it
//! may rotate for as long as it was made for.
//!
//! A plan of its own is for administrators to give, whichever it is: what is used with such a token counts apart
//! from its user, so even with a smaller plan whoever made many would have more than their own plan allows.

use std::time::Duration;

use lamplighter_shared::{
    clock::UnixMillis,
    db::own_tokens::{self, Terms, Token},
    error::ErrorCode,
};

use super::{
    bearer::invalid_token,
    principal::{Credential, Principal},
    scope::{Scope, TokensWrite},
    token::{LONGEST, SHORTEST},
};
use crate::{
    error::{ApiError, Fault},
    message::message,
    plans::unknown_plan,
    state::App,
    token_body::CreateToken,
};

/// How long a token is good, unless the request says otherwise.
const USUAL: Duration = Duration::from_secs(30 * 86_400);

/// What may be handed on.
pub(crate) struct HandOn<'a> {
    principal: &'a Principal<TokensWrite>,
    /// The token that asks, where it is one.
    token: Option<Token>,
    now: UnixMillis,
}

impl<'a> HandOn<'a> {
    /// What this one may hand on.
    ///
    /// # Errors
    /// 403 where the login is too old, 401 where the token has ended.
    pub async fn of(app: &App, principal: &'a Principal<TokensWrite>) -> Result<Self, ApiError> {
        let token = match &principal.credential {
            Credential::Token { id, .. } => {
                // A token that ended since it was let in hands nothing on: without it nothing bounds what it may.
                let token = own_tokens::get(&app.db, principal.user, *id).await?;
                Some(token.filter(Token::is_live).ok_or_else(invalid_token)?)
            }
            Credential::Session { .. } | Credential::Guest { .. } => {
                principal.require_recent_login(app).await?;
                None
            }
        };
        let now = app.db.now().await?;
        Ok(Self {
            principal,
            token,
            now,
        })
    }

    /// Faults of a token to be made; none: it may be.
    pub fn faults(&self, app: &App, wanted: &CreateToken) -> Vec<Fault> {
        let mut faults = Vec::new();
        if wanted.name.chars().any(char::is_control) {
            faults.push(Fault::at(
                "/name",
                "not_allowed",
                message!("must have no control characters"),
            ));
        }
        for (at, scope) in wanted.scopes.iter().enumerate() {
            if !self.principal.scopes.iter().any(|own| own.as_str() == scope) {
                let pointer = format!("/scopes/{at}");
                faults.push(Fault::at(
                    pointer,
                    "not_allowed",
                    message!("is more than you may do"),
                ));
            }
        }
        if let Some(plan) = &wanted.plan {
            if !self.may_give(plan) {
                let detail = message!("is for an administrator to give");
                faults.push(Fault::at("/plan", "not_allowed", detail));
            } else if !app.config.plans.contains_key(plan) {
                faults.push(unknown_plan());
            }
        }
        for (at, model) in wanted.models.iter().flatten().enumerate() {
            let pointer = format!("/models/{at}");
            if app.catalog.get(model).is_none() {
                faults.push(Fault::at(pointer, "unknown_model", message!("is no model here")));
            } else if self
                .principal
                .models
                .as_ref()
                .is_some_and(|own| !own.contains(model))
            {
                faults.push(Fault::at(
                    pointer,
                    "not_allowed",
                    message!("is a model that you may not use"),
                ));
            }
        }
        faults
    }

    /// Whether a token to be made may have this plan of its own. Who has the scope `admin` may give any token any,
    /// but a token that was given limits hands on no others.
    fn may_give(&self, plan: &str) -> bool {
        let bound = self.token.as_ref().filter(|token| has_own_limits(token));
        self.principal.scopes.contains(&Scope::Admin)
            && bound.is_none_or(|token| token.plan.as_deref() == Some(plan))
    }

    /// The models of a token to be made.
    pub fn models(&self, wanted: Option<Vec<String>>) -> Option<Vec<String>> {
        wanted.or_else(|| self.principal.models.clone())
    }

    /// How long a token to be made is good: what was asked for, or as usual.
    ///
    /// # Errors
    /// 422 where it would be longer than it may.
    pub fn life(&self, wanted: Option<u64>) -> Result<Duration, ApiError> {
        self.within(wanted, USUAL, self.left())
    }

    /// How long the token that takes the place of `old` is good: what was asked for, or what that was made for.
    ///
    /// # Errors
    /// 422 where it would be longer than it may.
    pub fn next_life(&self, wanted: Option<u64>, old: &Token) -> Result<Duration, ApiError> {
        let life = millis(old.expires_at - old.created_at).clamp(SHORTEST, LONGEST);
        self.within(wanted, life, if self.is(old) { life } else { self.left() })
    }

    fn within(&self, wanted: Option<u64>, usual: Duration, most: Duration) -> Result<Duration, ApiError> {
        let life = wanted.map_or(usual.min(most), Duration::from_secs);
        if life <= most && life >= SHORTEST {
            return Ok(life);
        }
        let detail = message!(
            "must be at most {most}: no longer than your token lives",
            most = most.as_secs()
        );
        Err(ApiError::invalid(vec![Fault::at(
            "/expires_in_seconds",
            "too_large",
            detail,
        )]))
    }

    /// When a token to be made ends at the latest: its life is counted from a later moment than what is left was.
    pub fn not_after(&self) -> Option<UnixMillis> {
        self.token.as_ref().map(|token| token.expires_at)
    }

    /// When the token that takes the place of `old` ends at the latest.
    pub fn next_not_after(&self, old: &Token) -> Option<UnixMillis> {
        self.not_after().filter(|_| !self.is(old))
    }

    fn is(&self, token: &Token) -> bool {
        self.token.as_ref().is_some_and(|own| own.id == token.id)
    }

    /// How long whoever asks has left.
    fn left(&self) -> Duration {
        self.token
            .as_ref()
            .map_or(LONGEST, |token| millis(token.expires_at - self.now))
    }

    /// What a token to be made gets besides, where it may have the plan that was asked for.
    pub fn terms(&self, app: &App, plan: Option<String>) -> Terms {
        let most = app.config.accounts.max_tokens;
        match &self.token {
            // A plan that whoever asks does not have counts for itself.
            Some(token) if plan.is_none() || has_own_limits(token) => Terms::of(token, most),
            _ => Terms {
                most: Some(most),
                plan,
                ..Terms::default()
            },
        }
    }

    /// Whether a token may be changed: it may do no more than whoever asks.
    ///
    /// # Errors
    /// 403 where it may.
    pub fn covers(&self, other: &Token) -> Result<(), ApiError> {
        let Some(own) = &self.token else { return Ok(()) };
        let scopes = other.scopes.iter().all(|scope| own.scopes.contains(scope));
        let models = match (&own.models, &other.models) {
            (None, _) => true,
            (Some(own), Some(other)) => other.iter().all(|model| own.contains(model)),
            (Some(_), None) => false,
        };
        // Limits of its own: neither those of another, nor none.
        let limits = own.id == other.id || (&own.plan, &own.limits) == (&other.plan, &other.limits);
        if scopes && models && limits {
            return Ok(());
        }
        let detail = message!("That token may do more than yours.");
        Err(ApiError::new(ErrorCode::InsufficientScope, detail))
    }
}

/// Whether it was given a plan or limits of its own.
fn has_own_limits(token: &Token) -> bool {
    token.plan.is_some() || token.limits.as_ref().is_some_and(|limits| !limits.is_empty())
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
