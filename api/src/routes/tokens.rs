//! `/v1/tokens`: the user's API tokens, and `/v1/token`: the one that asks.

use std::{sync::Arc, time::Duration};

use lamplighter_shared::{
    db::{
        audit::Action,
        own_tokens::{self, Token},
    },
    error::ErrorCode,
    id::{TokenId, UserId},
    proof::{Fingerprint, ProofKind},
};
use poem::http::StatusCode;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    registry::{MetaResponse, Registry},
    types::Type,
};

use super::{
    Tag,
    jobs::{built, documented},
};
use crate::{
    answer::{self, Answer, Documented},
    auth::{
        hand_on::HandOn,
        principal::Principal,
        scope::{AccountRead, Anybody, Scope, TokensWrite},
        token::{CreateError, IssuedToken, NewApiToken, Rotation, issue, rotate},
        void::void,
    },
    error::ApiError,
    json_body::JsonBody,
    message::message,
    openapi::Failures,
    optional_body::OptionalBody,
    state::App,
    token_body::{CreateToken, RotateToken},
    token_usage::TokenUsage,
    token_view::{OwnToken, TokenList, TokenView},
};

/// The operations on tokens.
pub(crate) struct TokenRoutes(pub(super) Option<Arc<App>>);

#[OpenApi(tag = "Tag::Tokens")]
impl TokenRoutes {
    /// Create a token
    ///
    /// Makes an API token and shows it, this once. A login must be recent. A token makes only tokens that may
    /// do no more than it may and that do not outlive it. Only an administrator gives a `plan`. Needs the scope `tokens:write`.
    #[oai(path = "/v1/tokens", method = "post", operation_id = "createToken")]
    async fn create(
        &self,
        principal: Principal<TokensWrite>,
        body: JsonBody<CreateToken>,
    ) -> Result<Answer<Made>, ApiError> {
        let app = built(&self.0)?;
        let hand_on = HandOn::of(app, &principal).await?;
        let wanted = CreateToken::read(&body.value)?;
        let faults = hand_on.faults(app, &wanted);
        if !faults.is_empty() {
            return Err(ApiError::invalid(faults));
        }
        let new = NewApiToken {
            user: principal.user,
            expires_in: hand_on.life(wanted.expires_in_seconds)?,
            models: hand_on.models(wanted.models),
            name: wanted.name,
            scopes: wanted.scopes,
        };
        let terms = hand_on.terms(app, wanted.plan);
        let new = (new, hand_on.not_after());
        let made = issue(&app.db, &app.key, new, &terms, &principal.origin).await;
        shown_once(app, principal.user, made.map_err(refused)?).await
    }

    /// List tokens
    ///
    /// Your tokens, newest first, also those that have ended. Needs the scope `account:read`.
    #[oai(path = "/v1/tokens", method = "get", operation_id = "listTokens")]
    async fn list(
        &self,
        principal: Principal<AccountRead>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
        /// Tokens on the page, 1 to 100.
        #[oai(default = "page", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u64>,
    ) -> Result<Answer<Listed>, ApiError> {
        let app = built(&self.0)?;
        let before = cursor.0.as_deref().map(str::parse).transpose();
        let before =
            before.map_err(|_| ApiError::bad_parameter("cursor", message!("is not a cursor of ours")))?;
        // One more than asked for tells whether there is another page.
        let mut tokens = own_tokens::list(&app.db, principal.user, before, limit.0 + 1).await?;
        let more = tokens.len() as u64 > limit.0;
        tokens.truncate(usize::try_from(limit.0).unwrap_or(usize::MAX));
        let next_cursor = tokens.last().filter(|_| more).map(|token| token.id.to_string());
        Answer::json(
            StatusCode::OK,
            &TokenList {
                object: "list".to_owned(),
                data: tokens.into_iter().map(TokenView::new).collect(),
                next_cursor,
            },
        )
    }

    /// Get a token
    ///
    /// One of your tokens, without its text, and what was used with it. Needs the scope `account:read`.
    #[oai(path = "/v1/tokens/:id", method = "get", operation_id = "getToken")]
    async fn get(
        &self,
        principal: Principal<AccountRead>,
        /// The token's identifier.
        id: Path<String>,
    ) -> Result<Answer<One>, ApiError> {
        let app = built(&self.0)?;
        let token = find(app, principal.user, &id).await?;
        let usage = TokenUsage::of(app, token.user, token.id).await?;
        Answer::json(StatusCode::OK, &TokenView::used(token, usage))
    }

    /// Revoke a token
    ///
    /// Ends the token: from the answer on it is refused everywhere, and event streams opened with it end
    /// within 5 seconds. Revoking again is no fault. Needs the scope `tokens:write`.
    #[oai(path = "/v1/tokens/:id/revoke", method = "post", operation_id = "revokeToken")]
    async fn revoke(
        &self,
        principal: Principal<TokensWrite>,
        /// The token's identifier.
        id: Path<String>,
    ) -> Result<Answer<Ended>, ApiError> {
        let app = built(&self.0)?;
        let token = self.changeable(&principal, &id).await?;
        let entry = principal.origin.did(Action::TokenRevoke);
        let entry = entry.user(principal.user).subject(token.id);
        let found = own_tokens::revoke(&app.db, principal.user, token.id, &entry).await?;
        forget(app, found.ok_or_else(no_such_token)?).await?;
        Ok(Answer::empty())
    }

    /// Rotate a token
    ///
    /// Makes a token with the same name, scopes, models and limits in the place of this one, which is revoked,
    /// or ends after `overlap_seconds`. The new one is shown this once. The body may be left out. A login must be
    /// recent. Needs the scope `tokens:write`.
    #[oai(path = "/v1/tokens/:id/rotate", method = "post", operation_id = "rotateToken")]
    async fn rotate(
        &self,
        principal: Principal<TokensWrite>,
        /// The token's identifier.
        id: Path<String>,
        body: OptionalBody<RotateToken>,
    ) -> Result<Answer<Made>, ApiError> {
        let app = built(&self.0)?;
        let hand_on = HandOn::of(app, &principal).await?;
        let wanted = RotateToken::read(&body.value)?;
        let old = find(app, principal.user, &id).await?;
        hand_on.covers(&old)?;
        if !old.is_live() {
            return Err(refused(CreateError::Ended));
        }
        let rotation = Rotation {
            expires_in: hand_on.next_life(wanted.expires_in_seconds, &old)?,
            not_after: hand_on.next_not_after(&old),
            overlap: Duration::from_secs(wanted.overlap_seconds.unwrap_or(0)),
        };
        let most = app.config.accounts.max_tokens;
        let made = rotate(&app.db, &app.key, (&old, rotation), most, &principal.origin).await;
        let made = made.map_err(refused)?;
        // Also where it goes on for a while: the cache knows another end.
        forget(app, old.fingerprint).await?;
        shown_once(app, principal.user, made).await
    }

    /// Delete a token
    ///
    /// Revokes the token and removes it from the list. Needs the scope `tokens:write`.
    #[oai(path = "/v1/tokens/:id", method = "delete", operation_id = "deleteToken")]
    async fn delete(
        &self,
        principal: Principal<TokensWrite>,
        /// The token's identifier.
        id: Path<String>,
    ) -> Result<Answer<Deleted>, ApiError> {
        let app = built(&self.0)?;
        let token = self.changeable(&principal, &id).await?;
        let entry = principal.origin.did(Action::TokenDelete);
        let entry = entry.user(principal.user).subject(token.id);
        let found = own_tokens::delete(&app.db, principal.user, token.id, &entry).await?;
        forget(app, found.ok_or_else(no_such_token)?).await?;
        Ok(Answer::empty())
    }

    /// Get the token in use
    ///
    /// The token that this request is made with; any live one will do. There is none (404) where a login is
    /// used instead.
    #[oai(path = "/v1/token", method = "get", operation_id = "getOwnToken")]
    async fn own(&self, principal: Principal<Anybody>) -> Result<Answer<Own>, ApiError> {
        let app = built(&self.0)?;
        let detail = message!("This request is not made with a token.");
        let none = || ApiError::new(ErrorCode::NotFound, detail.clone());
        let id = principal.credential.token().ok_or_else(none)?;
        let token = own_tokens::get(&app.db, principal.user, id)
            .await?
            .ok_or_else(none)?;
        let scopes = principal.scopes.iter().map(Scope::to_string).collect();
        let own = OwnToken::new(token, scopes, principal.share.plan_name);
        Answer::json(StatusCode::OK, &own)
    }
}

impl TokenRoutes {
    /// The token of this identifier, where whoever asks may end it.
    async fn changeable(&self, principal: &Principal<TokensWrite>, id: &str) -> Result<Token, ApiError> {
        let app = built(&self.0)?;
        let token = find(app, principal.user, id).await?;
        if principal.credential.token().is_some() {
            HandOn::of(app, principal).await?.covers(&token)?;
        }
        Ok(token)
    }
}

fn page() -> u64 {
    20
}

/// The user's token of this identifier. What is no identifier names none.
async fn find(app: &App, user: UserId, id: &str) -> Result<Token, ApiError> {
    let id: TokenId = id.parse().map_err(|_| no_such_token())?;
    let token = own_tokens::get(&app.db, user, id).await?;
    token.ok_or_else(no_such_token)
}

fn no_such_token() -> ApiError {
    ApiError::new(ErrorCode::NotFound, message!("There is no such token."))
}

/// Tells the cache that what it knows of a token is over.
async fn forget(app: &App, fingerprint: Fingerprint) -> Result<(), ApiError> {
    let key = ProofKind::Token.cache_key(&fingerprint);
    // Where it could not be told now, a task tells it; the database knows.
    void(&app.db, &app.cache, vec![key]).await?;
    Ok(())
}

async fn shown_once(app: &App, user: UserId, made: IssuedToken) -> Result<Answer<Made>, ApiError> {
    let token = own_tokens::get(&app.db, user, made.id).await?;
    let token = token.ok_or_else(|| ApiError::internal("a new token is not there"))?;
    Answer::json(StatusCode::CREATED, &TokenView::made(token, made.text))
}

fn refused(error: CreateError) -> ApiError {
    let detail = match error {
        CreateError::TooMany => {
            message!("There are as many live tokens as the user may have; revoke one first.")
        }
        CreateError::Ended => message!("The token has ended or was rotated already."),
        CreateError::NotAdmin => {
            message!("Only a user whose role is admin can have a token with the scope admin.")
        }
        CreateError::Db(error) => return error.into(),
        // Whatever else could be wrong was looked for before.
        error => return ApiError::internal(error),
    };
    ApiError::new(ErrorCode::Conflict, detail)
}

documented! {
    /// Of a new token.
    Made<TokenView> = vec![answer::json::<TokenView>(201, "The token, with its text.")];
    /// Of a list.
    Listed<TokenList> = vec![answer::json::<TokenList>(200, "A page of tokens.")];
    /// Of a token.
    One<TokenView> = vec![answer::json::<TokenView>(200, "The token.")];
    /// Of the token in use.
    Own<OwnToken> = vec![answer::json::<OwnToken>(200, "The token in use.")];
    /// Of a revocation.
    Ended<> = vec![answer::bare(204, "The token is revoked.")];
    /// Of a deletion.
    Deleted<> = vec![answer::bare(204, "The token is gone.")];
}

/// What these operations may fail with, beside what follows from the way of a request to them.
pub(super) const FAILURES: &[Failures] = &[
    ("createToken", &[ErrorCode::LoginTooOld, ErrorCode::Conflict]),
    ("listTokens", &[ErrorCode::MalformedRequest]),
    ("getToken", &[ErrorCode::NotFound]),
    ("revokeToken", &[ErrorCode::NotFound]),
    (
        "rotateToken",
        &[ErrorCode::LoginTooOld, ErrorCode::NotFound, ErrorCode::Conflict],
    ),
    ("deleteToken", &[ErrorCode::NotFound]),
    ("getOwnToken", &[ErrorCode::NotFound]),
];
