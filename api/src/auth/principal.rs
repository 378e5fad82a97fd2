//! The proof that a request comes from a live token or session that allows what a handler needs. It is an
//! argument of the handler: without it there is no owner, and without an owner no query.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use lamplighter_shared::{
    clock::UnixMillis,
    db::{
        DbError, api_tokens,
        audit::{ActorKind, Origin},
        sessions,
        submit::{self, Earlier},
        users::{self, Role},
    },
    error::ErrorCode,
    id::{SessionId, TokenId, UserId},
};
use poem::{Request, RequestBody};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaSecurityScheme, Registry},
};

use super::{
    bearer::{challenge, credentials, insufficient_scope, invalid_token, no_session, nobody},
    cookies, guest,
    scope::{Needs, Scope},
    secret,
    share::Share,
    token::{self, Fingerprint},
    witness::Witness,
};
use crate::{
    client::ClientInfo,
    error::ApiError,
    message::message,
    preferences::idempotency_key,
    state::{App, TOUCH_GRAIN},
    submit::Client,
};

/// Who asks, with what `S` needs.
pub struct Principal<S> {
    /// The user; owner of everything the handler touches.
    pub user: UserId,
    /// The user's role.
    pub role: Role,
    /// What proves it.
    pub credential: Credential,
    /// What the proof allows.
    pub scopes: Vec<Scope>,
    /// The models that may be used; none: all.
    pub models: Option<Vec<String>>,
    /// Whose use it counts as.
    pub share: Share,
    /// The same for the audit log.
    pub origin: Origin,
    /// What the idempotency key of a submission made before.
    pub earlier: Option<Earlier>,
    needs: PhantomData<S>,
}

/// What proves who asks; to ask again whether it is still good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// An API token.
    Token {
        /// Its row.
        id: TokenId,
        /// The token, as the database knows it.
        fingerprint: Fingerprint,
    },
    /// A session.
    Session {
        /// Its row.
        id: SessionId,
        /// The cookie, as the database knows it.
        fingerprint: Fingerprint,
        /// When the user last showed who they are.
        authenticated_at: UnixMillis,
    },
    /// The sealed cookie of somebody without an account.
    Guest {
        /// The user that holds their jobs.
        user: UserId,
        /// Whether they have no cookie yet, and no row: the first job of theirs that is stored makes both.
        new: bool,
    },
}

impl Credential {
    /// The token, where it is one.
    pub fn token(&self) -> Option<TokenId> {
        match self {
            Self::Token { id, .. } => Some(*id),
            Self::Session { .. } | Self::Guest { .. } => None,
        }
    }

    /// Whether it is still good, by the database.
    ///
    /// # Errors
    /// Where the database does not say.
    pub(crate) async fn still_good(&self, app: &App) -> Result<bool, DbError> {
        match self {
            Self::Token { fingerprint, .. } => Ok(api_tokens::live(&app.db, fingerprint).await?.is_some()),
            Self::Session { fingerprint, .. } => Ok(sessions::live(&app.db, fingerprint, app.idle_ms())
                .await?
                .is_some()),
            // A row is made with the first job that is stored.
            Self::Guest { new: true, .. } => Ok(true),
            Self::Guest { user, .. } => Ok(users::now_of_guest(&app.db, *user).await?.is_some()),
        }
    }
}

impl<S: Needs> Principal<S> {
    /// Of a request, for a route that needs one only sometimes.
    ///
    /// # Errors
    /// As where it is a handler's argument.
    pub(crate) async fn of(app: &Arc<App>, request: &Request) -> Result<Self, ApiError> {
        authenticate(app, request).await
    }
}

impl<S> Principal<S> {
    /// Counts one request against the rate of the share.
    ///
    /// # Errors
    /// 429 where it comes too soon.
    pub(crate) async fn charge(&self, app: &App) -> Result<(), ApiError> {
        app.request_rate.charge(&self.share).await
    }

    /// Whether a model is among those that may be used.
    pub(crate) fn may_use(&self, model: &str) -> bool {
        self.models
            .as_ref()
            .is_none_or(|models| models.iter().any(|own| own == model))
    }

    /// The same, as somebody who submits jobs.
    pub(crate) fn client(&self) -> Client<'_> {
        let is_guest = matches!(self.credential, Credential::Guest { .. });
        Client {
            user: self.user,
            is_guest,
            share: &self.share,
            // Guests are told otherwise which models are for them.
            models: self.models.as_deref().filter(|_| !is_guest),
            token: self.credential.token(),
        }
    }

    /// Whose open streams count together: the user's; of guests those of their network, for each of them may be
    /// as many users as they like.
    pub(crate) fn stream_owner(&self) -> String {
        match self.credential {
            Credential::Guest { .. } => self.share.key.clone(),
            _ => self.user.to_string(),
        }
    }

    /// For what a stolen cookie must not be enough.
    ///
    /// # Errors
    /// 403 where the session's user last logged in too long ago.
    pub(crate) async fn require_recent_login(&self, app: &App) -> Result<(), ApiError> {
        let Credential::Session { authenticated_at, .. } = &self.credential else {
            return Ok(());
        };
        let recent = Duration::from_secs_f64(app.config.accounts.recent_login_minutes * 60.0);
        let recent = i64::try_from(recent.as_millis()).unwrap_or(i64::MAX);
        if app.db.now().await? - authenticated_at > recent {
            let detail = message!("You logged in too long ago for this; log in again.");
            return Err(ApiError::new(ErrorCode::LoginTooOld, detail));
        }
        Ok(())
    }
}

const BEARER: &str = "token";
const API_KEY: &str = "apiKey";
const COOKIE: &str = "session";

impl<'a, S: Needs> ApiExtractor<'a> for Principal<S> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let scheme = |ty, description| MetaSecurityScheme {
            ty,
            description: Some(description),
            name: None,
            key_in: None,
            scheme: None,
            bearer_format: None,
            flows: None,
            openid_connect_url: None,
        };
        let bearer = scheme("http", "An API token (`lmp_…`) in `Authorization: Bearer`.");
        registry.create_security_scheme(
            BEARER,
            MetaSecurityScheme {
                scheme: Some("bearer"),
                bearer_format: Some("PASETO"),
                ..bearer
            },
        );
        let key = scheme(
            "apiKey",
            "The same token in `x-api-key`, for clients that can't set `Authorization`.",
        );
        registry.create_security_scheme(
            API_KEY,
            MetaSecurityScheme {
                name: Some("x-api-key"),
                key_in: Some("header"),
                ..key
            },
        );
        let cookie = scheme(
            "apiKey",
            "The cookie of a login (`__Host-sid` over https), for browsers.",
        );
        registry.create_security_scheme(
            COOKIE,
            MetaSecurityScheme {
                name: Some("sid"),
                key_in: Some("cookie"),
                ..cookie
            },
        );
    }

    fn security_schemes() -> Vec<&'static str> {
        if S::PERSON {
            vec![COOKIE]
        } else {
            vec![BEARER, API_KEY, COOKIE]
        }
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let app = request
            .data::<Arc<App>>()
            .ok_or_else(|| ApiError::internal("a route without state"))?;
        Ok(authenticate(app, request).await?)
    }
}

async fn authenticate<S: Needs>(app: &Arc<App>, request: &Request) -> Result<Principal<S>, ApiError> {
    let mut principal = match credentials(request.headers())? {
        Some(text) => by_token(app, request, text).await?,
        None => match app.cookies.read(request.headers(), cookies::SESSION) {
            Some(cookie) => by_session(app, request, &cookie).await?,
            None if S::GUESTS => by_guest(app, request).await?,
            None => return Err(nobody(request.headers())),
        },
    };
    if S::SUBMITS {
        principal.earlier = earlier(app, &principal, request).await?;
    }
    let repeated = principal.earlier.is_some();
    if repeated {
        app.request_rate.charge_repetition(&principal.share).await?;
    } else {
        principal.charge(app).await?;
    }
    if S::PERSON && !matches!(principal.credential, Credential::Session { .. }) {
        let detail = message!("This is for a person who is logged in; a token can't do it.");
        let error = ApiError::new(ErrorCode::InsufficientScope, detail);
        return Err(challenge(
            error,
            "Bearer realm=\"lamplighter\", error=\"insufficient_scope\"",
        ));
    }
    match S::SCOPE {
        Some(scope) if !principal.scopes.contains(&scope) => return Err(insufficient_scope(scope)),
        _ => {}
    }
    if S::SUBMITS && !repeated {
        app.queue_room.check(&app.db).await?;
    }
    Witness::note(request, &principal.credential);
    Ok(principal)
}

/// What the idempotency key of the request made before, where it brings one: that was charged.
async fn earlier<S>(
    app: &Arc<App>,
    principal: &Principal<S>,
    request: &Request,
) -> Result<Option<Earlier>, ApiError> {
    // A key that can't be read is refused later.
    match idempotency_key(request.headers()) {
        Ok(Some(key)) => Ok(submit::earlier(&app.db, principal.user, &key).await?),
        _ => Ok(None),
    }
}

async fn by_token<S>(app: &Arc<App>, request: &Request, text: &str) -> Result<Principal<S>, ApiError> {
    let fingerprint = token::check(&app.key, text).map_err(|_| invalid_token())?;
    let live = app.tokens.live(&fingerprint).await?.ok_or_else(invalid_token)?;
    let client = ClientInfo::of(request);
    if app.should_touch(live.token.0, TOUCH_GRAIN) {
        let (app, token, address) = (app.clone(), live.token, client.address.to_string());
        // Off the request path: when a token was last used is nice to know, not worth a wait.
        tokio::spawn(async move {
            if let Err(e) = api_tokens::touch(&app.db, token, &address).await {
                tracing::debug!(error = %e, "the use of a token was not noted");
            }
        });
    }
    // A scope is what a token was made for; the role is what its user may still do.
    let scopes = live.scopes.iter().filter_map(|scope| scope.parse().ok());
    let scopes = scopes.filter(|scope| may(live.role, *scope)).collect();
    Ok(Principal {
        user: live.user,
        role: live.role,
        credential: Credential::Token {
            id: live.token,
            fingerprint,
        },
        scopes,
        share: Share::of_token(&app.plans, &live).await,
        models: live.models,
        origin: origin(ActorKind::Token, live.token.to_string(), client),
        earlier: None,
        needs: PhantomData,
    })
}

async fn by_session<S>(app: &Arc<App>, request: &Request, cookie: &str) -> Result<Principal<S>, ApiError> {
    let fingerprint = secret::fingerprint(cookie);
    let live = app.sessions.live(&fingerprint).await?.ok_or_else(no_session)?;
    let grain = app.session_grain();
    if app.should_touch(live.session.0, grain) {
        let (app, session) = (app.clone(), live.session);
        let grain_ms = i64::try_from(grain.as_millis()).unwrap_or(i64::MAX);
        // Off the request path, as with a token.
        tokio::spawn(async move {
            if let Err(e) = sessions::touch(&app.db, session, grain_ms).await {
                tracing::debug!(error = %e, "the use of a session was not noted");
            }
        });
    }
    Ok(Principal {
        user: live.user,
        role: live.role,
        credential: Credential::Session {
            id: live.session,
            fingerprint,
            authenticated_at: live.authenticated_at,
        },
        scopes: Scope::ALL
            .into_iter()
            .filter(|scope| may(live.role, *scope))
            .collect(),
        share: Share::of_session(&app.plans, &live).await,
        models: None,
        origin: origin(ActorKind::User, live.user.to_string(), ClientInfo::of(request)),
        earlier: None,
        needs: PhantomData,
    })
}

/// Somebody without an account: known by a cookie, or, where the handler takes strangers, not yet.
async fn by_guest<S: Needs>(app: &Arc<App>, request: &Request) -> Result<Principal<S>, ApiError> {
    if app.public_models.is_empty() {
        return Err(nobody(request.headers()));
    }
    let known = guest::of(app, request.headers()).await?;
    let user = match known {
        Some(user) => user,
        None if S::STRANGERS => UserId::generate(),
        None => return Err(nobody(request.headers())),
    };
    let client = ClientInfo::of(request);
    Ok(Principal {
        user,
        role: Role::User,
        credential: Credential::Guest {
            user,
            new: known.is_none(),
        },
        scopes: vec![Scope::JobsWrite, Scope::JobsRead, Scope::ModelsRead],
        models: Some(app.public_models.clone()),
        share: Share::of_guest(&app.plans, client.address).await,
        origin: origin(ActorKind::Guest, user.to_string(), client),
        earlier: None,
        needs: PhantomData,
    })
}

/// Whether a user of this role may have the scope at all.
pub(crate) fn may(role: Role, scope: Scope) -> bool {
    scope != Scope::Admin || role == Role::Admin
}

fn origin(kind: ActorKind, id: String, client: ClientInfo) -> Origin {
    Origin {
        kind,
        id: Some(id),
        address: Some(client.address.to_string()),
        request_id: Some(client.request_id),
    }
}
