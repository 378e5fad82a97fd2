//! The accounts at issuers that open an account: what they are called here, and taking one away.

use lamplighter_shared::{
    db::{
        accounts::{self, Unlink, Unlinked},
        identities::{self, Identity},
        users::User,
    },
    error::ErrorCode,
    id::SessionId,
};
use sha2::{Digest, Sha256};

use super::{Asker, forget_proofs, mail};
use crate::{error::ApiError, mail::Message, message::message, state::App};

/// The identifier of an identity, `idn_…`: made of the issuer and its name for the account, which it does not tell.
pub(crate) fn id_of(identity: &Identity) -> String {
    let mut hash = Sha256::new();
    hash.update(b"identity:v1\0");
    hash.update(&identity.issuer);
    hash.update(b"\0");
    hash.update(&identity.subject);
    let digits = hash.finalize();
    let digits = digits[..16].iter().map(|byte| format!("{byte:02x}"));
    format!("idn_{}", digits.collect::<String>())
}

/// Takes the identity of this identifier away from an account; all sessions but `keep` end.
///
/// # Errors
/// 404 where the account has no such identity, 409 where nothing else opens it.
pub(crate) async fn unlink(
    app: &App,
    user: &User,
    id: &str,
    (keep, asker): (SessionId, &Asker<'_>),
) -> Result<(), ApiError> {
    let own = identities::of_user(&app.db, user.id).await?;
    let identity = own.into_iter().find(|identity| id_of(identity) == id);
    let identity = identity.ok_or_else(no_such_identity)?;
    let issuers = app.oidc.all().iter().map(|issuer| &issuer.settings);
    let name = issuers
        .clone()
        .find(|settings| settings.issuer == identity.issuer);
    let name = name.map_or(identity.issuer.as_str(), |settings| settings.display_name());
    let message = Message::LoginUnlinked {
        issuer: name.to_owned(),
    };
    let unlink = Unlink {
        user: user.id,
        notice: mail(app, &user.email, asker.locale(user), message)?,
        issuers: issuers.map(|settings| settings.issuer.clone()).collect(),
        issuer: identity.issuer,
        subject: identity.subject,
        keep,
        origin: asker.origin.clone(),
    };
    match accounts::unlink(&app.db, unlink).await? {
        Unlinked::Done => forget_proofs(app, user.id).await,
        Unlinked::NotFound => Err(no_such_identity()),
        Unlinked::OnlyWay => {
            let detail = message!(
                "Nothing else opens your account; choose a password first (POST /v1/account/recover)."
            );
            Err(ApiError::new(ErrorCode::Conflict, detail))
        }
    }
}

fn no_such_identity() -> ApiError {
    ApiError::new(ErrorCode::NotFound, message!("There is no such identity."))
}
