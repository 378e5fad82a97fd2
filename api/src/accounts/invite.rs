//! Inviting somebody: a secret that is shown once, and mailed where an address is given.

use std::time::Duration;

use lamplighter_shared::{
    db::{
        audit::Origin,
        invitations::{self, Invitation, NewInvitation},
        users::{self, Role},
    },
    email::Email,
    id::{InvitationId, UserId},
};

use super::mail;
use crate::{
    auth::secret,
    error::ApiError,
    mail::{Locale, Message},
    state::App,
};

/// Who is invited, and as what.
pub(crate) struct Guest {
    /// The only address it is good for; none: any.
    pub email: Option<Email>,
    /// What they may do.
    pub role: Role,
    /// Their plan.
    pub plan: String,
    /// How long the invitation is good.
    pub lifetime: Duration,
}

/// Makes an invitation; it, and its secret.
///
/// # Errors
/// Where the database fails.
pub(crate) async fn invite(
    app: &App,
    admin: UserId,
    guest: Guest,
    origin: &Origin,
) -> Result<(Invitation, String), ApiError> {
    let (token, fingerprint) = secret::fresh();
    let mail = match &guest.email {
        Some(email) => {
            let message = Message::Invitation { token: token.clone() };
            // Nobody knows the guest's language; who invites them writes to them in theirs.
            let host = users::get(&app.db, admin).await?;
            let locale = Locale::of(host.and_then(|host| host.locale).as_deref(), None);
            Some(mail(app, email.as_str(), locale, message)?)
        }
        None => None,
    };
    let new = NewInvitation {
        id: InvitationId::generate(),
        fingerprint,
        email: guest.email.map(|email| email.as_str().to_owned()),
        role: guest.role,
        plan: guest.plan,
        created_by: admin,
        lifetime: guest.lifetime,
        mail,
    };
    Ok((invitations::create(&app.db, &new, origin).await?, token))
}
