//! `/v1/account/identities`: the logins at providers that open one's own account. `GET /v1/account` lists them, and a
//! login with `link` adds one (`third_party`).

use std::sync::Arc;

use lamplighter_shared::{db::identities::Identity, error::ErrorCode};
use poem::Request;
use poem_openapi::{
    Object, OpenApi,
    param::Path,
    registry::{MetaResponse, Registry},
};
use serde::Serialize;

use super::{
    Tag,
    account::session,
    jobs::{built, documented},
};
use crate::{
    accounts::{
        Asker, account,
        identities::{id_of, unlink},
    },
    answer::{self, Answer, Documented},
    auth::{principal::Principal, scope::Person},
    error::ApiError,
    openapi::Failures,
    state::App,
    timestamp::Timestamp,
};

/// The operations on identities.
pub(crate) struct IdentityRoutes(pub(super) Option<Arc<App>>);

#[OpenApi(tag = "Tag::Accounts")]
impl IdentityRoutes {
    /// Remove a login at a provider
    ///
    /// Needs a recent login. The account at the provider opens yours no longer, and all other sessions end; a mail
    /// says so. Refused (409) where nothing else opens the account: choose a password first, by
    /// `POST /v1/account/recover`.
    #[oai(
        path = "/v1/account/identities/:id",
        method = "delete",
        operation_id = "deleteIdentity"
    )]
    async fn delete(
        &self,
        request: &Request,
        principal: Principal<Person>,
        /// The identity's identifier; `GET /v1/account` tells it.
        id: Path<String>,
    ) -> Result<Answer<Unlinked>, ApiError> {
        let app = built(&self.0)?;
        principal.require_recent_login(app).await?;
        let user = account(app, principal.user).await?;
        let asker = Asker::of(&principal.origin, request);
        unlink(app, &user, &id, (session(&principal)?, &asker)).await?;
        Ok(Answer::empty())
    }
}

/// An account at an issuer of OpenID Connect.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Identity")]
pub(super) struct IdentityView {
    /// Its identifier.
    id: String,
    /// The issuer's address.
    issuer: String,
    /// The e-mail address it has there.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// When it was linked.
    created_at: Timestamp,
    /// When it was used last.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_login_at: Option<Timestamp>,
}

impl From<Identity> for IdentityView {
    fn from(identity: Identity) -> Self {
        Self {
            id: id_of(&identity),
            issuer: identity.issuer,
            email: identity.email,
            created_at: Timestamp(identity.created_at),
            last_login_at: identity.last_login_at.map(Timestamp),
        }
    }
}

documented! {
    /// Of an identity.
    Unlinked<> = vec![answer::bare(204, "It opens the account no longer.")];
}

/// What these operations may fail with, beside what follows from the way of a request to them.
pub(super) const FAILURES: &[Failures] = &[(
    "deleteIdentity",
    &[ErrorCode::LoginTooOld, ErrorCode::NotFound, ErrorCode::Conflict],
)];
