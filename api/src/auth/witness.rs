//! What proved who asks, kept with the request to be looked at again. A client may take its time to send a body,
//! and a token may be revoked or a login ended meanwhile: what comes then comes from nobody.

use std::sync::{Arc, OnceLock};

use lamplighter_shared::error::ErrorCode;
use poem::Request;

use super::principal::Credential;
use crate::{error::ApiError, message::message, state::App};

/// The proof that a request brought, once it was found to be good.
#[derive(Debug, Clone, Default)]
pub(crate) struct Witness(Arc<OnceLock<Credential>>);

impl Witness {
    /// Notes the proof. A request has one.
    pub(crate) fn note(request: &Request, credential: &Credential) {
        if let Some(witness) = request.data::<Self>() {
            // Whoever looked first looked at the same headers.
            let _ = witness.0.set(credential.clone());
        }
    }

    /// Asks the database whether the proof of a request is still good; without a proof there is nothing to ask.
    ///
    /// # Errors
    /// 401 where it is not.
    pub(crate) async fn ask_again(request: &Request) -> Result<(), ApiError> {
        let witness = request.data::<Self>().and_then(|witness| witness.0.get());
        let (Some(credential), Some(app)) = (witness, request.data::<Arc<App>>()) else {
            return Ok(());
        };
        if credential.still_good(app).await? {
            return Ok(());
        }
        let detail = message!("What proved who you are ended while the request was on its way.");
        Err(ApiError::new(ErrorCode::Unauthorized, detail))
    }
}
