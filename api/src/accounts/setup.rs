//! Set-up tokens: who has the server's machine, or was told by who has, claims an account with one.

use lamplighter_shared::{
    db::{
        Db,
        accounts::{self, SetUp},
        audit::Action,
        challenges::{self, NewChallenge, Purpose},
        users::User,
    },
    email::Email,
    error::ErrorCode,
};

use super::{Stranger, forget_proofs, limits, mailed, proof_invalid, refuse_proof, require_privacy};
use crate::{auth::secret, error::ApiError, message::message, state::App};

/// A new set-up token for the account with an address, and what of it is stored. Whoever has it can claim the
/// account, once, within a week.
///
/// # Errors
/// Where the address is none.
pub fn fresh(email: &str) -> Result<(String, NewChallenge), ApiError> {
    let email = Email::parse(email).map_err(ApiError::internal)?;
    let fresh = mailed::fresh(Purpose::Setup, &email);
    Ok((fresh.token, fresh.challenge))
}

/// A new set-up token for an account that is there, in the place of earlier ones.
///
/// # Errors
/// Where the database fails, or the account's address is none.
pub async fn issue(db: &Db, user: &User) -> Result<String, ApiError> {
    let (token, challenge) = fresh(&user.email)?;
    challenges::replace(db, user.id, &challenge).await?;
    Ok(token)
}

/// Whether a text is a set-up token that is good now.
///
/// # Errors
/// Where the database fails.
pub async fn is_good(db: &Db, token: &str) -> Result<bool, ApiError> {
    let fingerprint = secret::fingerprint(token);
    Ok(challenges::peek(db, Purpose::Setup, &fingerprint)
        .await?
        .is_some())
}

/// Gives the account of a set-up token an address and a password.
///
/// # Errors
/// 422 for a wrong token or a bad password (the token stays good), 409 where another account has the address,
/// 429 where too many come from there.
pub(crate) async fn claim(
    app: &App,
    who: &Stranger,
    token: &str,
    (email, password): (&Email, &str),
) -> Result<(), ApiError> {
    require_privacy(app)?;
    limits::proves(app, &who.client).await?;
    let fingerprint = secret::fingerprint(token);
    if challenges::peek(&app.db, Purpose::Setup, &fingerprint)
        .await?
        .is_none()
    {
        return Err(refuse_proof(app, who, Action::AccountCreate).await?);
    }
    let about = [email.as_str()];
    let hash = app.passwords.hash_new(password, "/password", &about).await?;
    let claimed = accounts::claim(&app.db, &fingerprint, (email.as_str(), &hash), &who.origin()).await?;
    match claimed {
        SetUp::Done(user) => forget_proofs(app, user).await,
        SetUp::Invalid => Err(proof_invalid()),
        SetUp::Taken => {
            let detail = message!("Another account has this address.");
            Err(ApiError::new(ErrorCode::Conflict, detail))
        }
    }
}
