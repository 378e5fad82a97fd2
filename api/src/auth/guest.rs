//! Somebody without an account, who tries a public model: a sealed cookie names the user that holds their
//! jobs. The cookie proves nothing but that these jobs are theirs; what they may have counts by network, so
//! dropping it gains nothing. It is good only for users that are guests by the database: whoever has the key, and
//! so can seal cookies, gets at nobody's account.

use lamplighter_shared::{
    db::{DbError, users},
    id::UserId,
};
use poem::http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use super::{
    bearer::no_token,
    cookies::GUEST,
    principal::{Credential, Principal},
};
use crate::{error::ApiError, state::App};

/// Bound to the seal: nothing else that is sealed here passes for a guest.
const PURPOSE: &str = "guest:v1";
/// How long a guest is known.
const LIFE_SECONDS: u64 = 30 * 86_400;

/// What the cookie says.
#[derive(Serialize, Deserialize)]
struct Claims {
    user: String,
    issued_at: i64,
}

/// The guest whose cookie a request brings; a cookie that is not ours, is too old, or names nobody who may go on as a
/// guest, is none.
///
/// # Errors
/// Where the database does not answer.
pub(crate) async fn of(app: &App, headers: &HeaderMap) -> Result<Option<UserId>, DbError> {
    let Some(claims) = app
        .cookies
        .read(headers, GUEST)
        .and_then(|cookie| app.key.open(PURPOSE, &cookie))
        .and_then(|text| serde_json::from_str::<Claims>(&text).ok())
    else {
        return Ok(None);
    };
    let Ok(user) = claims.user.parse() else {
        return Ok(None);
    };
    let now = users::now_of_guest(&app.db, user).await?;
    Ok(now
        .filter(|now| now - claims.issued_at < LIFE_SECONDS as i64 * 1000)
        .map(|_| user))
}

/// Lets a guest submit a job for a model; the cookie to set on the answer, where they have none yet. The user
/// that holds the job is made with it, so nothing is left of who is refused. Of everybody else it asks nothing.
///
/// # Errors
/// 401 where the model is not for guests, 403 where no cookie is safe here.
pub(crate) async fn admit<S>(
    app: &App,
    principal: &Principal<S>,
    model: &str,
) -> Result<Option<HeaderValue>, ApiError> {
    let Credential::Guest { new, .. } = principal.credential else {
        return Ok(None);
    };
    if !app.is_public(model) {
        return Err(no_token());
    }
    if new {
        cookie(app, principal.user).await.map(Some)
    } else {
        Ok(None)
    }
}

async fn cookie(app: &App, user: UserId) -> Result<HeaderValue, ApiError> {
    let claims = Claims {
        user: user.to_string(),
        issued_at: app.db.now().await?,
    };
    let text = serde_json::to_string(&claims).map_err(ApiError::internal)?;
    let sealed = app.key.seal(PURPOSE, &text).map_err(ApiError::internal)?;
    app.cookies.set(GUEST, &sealed, LIFE_SECONDS)
}
