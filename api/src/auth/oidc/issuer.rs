//! One issuer: where it sends people ([`Issuer::begin`]) and what it says of one who comes back
//! ([`Issuer::redeem`]). What it says of itself, its keys included, is read at the first login and every hour.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use lamplighter_shared::{clock::UnixMillis, config::OidcProvider, error::ErrorCode};
use openidconnect::{
    AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken, IssuerUrl,
    Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope,
    SignatureVerificationError, TokenResponse,
    core::{
        CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreErrorResponseType, CoreIdTokenClaims,
        CoreJwsSigningAlgorithm as Algorithm, CoreProviderMetadata, CoreTokenResponse, CoreUserInfoClaims,
    },
};
use poem::http::{HeaderValue, header};
use tokio::sync::Mutex;

use super::http::Http;
use crate::{error::ApiError, message::message};

/// What an issuer says of itself is read anew after this long.
const FRESH: Duration = Duration::from_secs(3600);
/// One that did not answer is left alone this long: else everybody who wants to log in would wait for it.
const REST: Duration = Duration::from_secs(2);
/// How much an issuer's clock may differ from the database's, milliseconds.
const SKEW_MS: i64 = 60_000;

/// Signatures that only the issuer can make. Not `none`, and no secret that both sides know.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RsaSsaPkcs1V15Sha256,
    Algorithm::RsaSsaPkcs1V15Sha384,
    Algorithm::RsaSsaPkcs1V15Sha512,
    Algorithm::RsaSsaPssSha256,
    Algorithm::RsaSsaPssSha384,
    Algorithm::RsaSsaPssSha512,
    Algorithm::EcdsaP256Sha256,
    Algorithm::EcdsaP384Sha384,
    Algorithm::EdDsa,
];

/// An issuer.
pub(crate) struct Issuer {
    /// What the settings say of it.
    pub settings: OidcProvider,
    /// What it says of itself.
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    link: Option<Arc<Link>>,
    failed_at: Option<Instant>,
}

/// The issuer, as it was read at one time.
struct Link {
    http: Http,
    metadata: CoreProviderMetadata,
    secret: Option<ClientSecret>,
    at: Instant,
}

/// A login that the browser is to go on with at the issuer.
pub(crate) struct Begun {
    /// Where.
    pub address: String,
    /// See `Flow`.
    pub state: String,
    /// See `Flow`.
    pub nonce: String,
    /// See `Flow`.
    pub verifier: String,
}

/// What the callback brought and the browser carried.
pub(crate) struct Redeem {
    /// The issuer's, for one ID token.
    pub code: String,
    /// See `Flow`.
    pub nonce: String,
    /// See `Flow`.
    pub verifier: String,
    /// The address of the callback.
    pub callback: String,
    /// The database's clock.
    pub now: UnixMillis,
}

/// What an issuer says of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claims {
    /// Its name for them.
    pub subject: String,
    /// Their address, as they wrote it.
    pub email: Option<String>,
    /// Whether the issuer has seen that it is theirs.
    pub email_verified: bool,
    /// What they are called.
    pub name: Option<String>,
    /// Their language (BCP 47).
    pub locale: Option<String>,
}

impl Issuer {
    pub(super) fn new(settings: OidcProvider) -> Self {
        Self {
            settings,
            known: Mutex::default(),
        }
    }

    /// Begins a login.
    ///
    /// # Errors
    /// 503 where the issuer does not answer.
    pub(crate) async fn begin(&self, callback: &str) -> Result<Begun, ApiError> {
        let link = self.link(None).await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let client = self.client(&link, callback)?;
        let mut request = client.authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            || CsrfToken::new_random_len(32),
            || Nonce::new_random_len(32),
        );
        for scope in &self.settings.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        let (address, state, nonce) = request.set_pkce_challenge(challenge).url();
        Ok(Begun {
            address: address.into(),
            state: state.secret().clone(),
            nonce: nonce.secret().clone(),
            verifier: verifier.secret().clone(),
        })
    }

    /// Gives the code for what the issuer says of who came with it.
    ///
    /// # Errors
    /// 422 where the issuer does not take the code, or its answer proves nothing; 503 where it does not answer.
    pub(crate) async fn redeem(&self, redeem: Redeem) -> Result<Claims, ApiError> {
        let mut link = self.link(None).await?;
        let nonce = Nonce::new(redeem.nonce.clone());
        let response = self.exchange(&link, &redeem).await?;
        let token = response
            .id_token()
            .ok_or_else(|| self.refused("there is no ID token"))?;
        let mut verified = self.verify(&link, token, &nonce, redeem.now);
        if let Err(ClaimsVerificationError::SignatureVerification(
            SignatureVerificationError::NoMatchingKey,
        )) = &verified
        {
            // It may have new keys since they were read.
            link = self.link(Some(link.at)).await?;
            verified = self.verify(&link, token, &nonce, redeem.now);
        }
        let claims = verified.map_err(|e| self.refused(e))?;
        let mut claims = of_token(&claims);
        if claims.email.is_none() {
            self.ask(&link, &response, &mut claims, &redeem.callback).await?;
        }
        Ok(claims)
    }

    async fn exchange(&self, link: &Link, redeem: &Redeem) -> Result<CoreTokenResponse, ApiError> {
        let client = self.client(link, &redeem.callback)?;
        let request = client
            .exchange_code(AuthorizationCode::new(redeem.code.clone()))
            .map_err(|e| self.away(e))?
            .set_pkce_verifier(PkceCodeVerifier::new(redeem.verifier.clone()));
        request.request_async(&link.http).await.map_err(|e| match e {
            RequestTokenError::ServerResponse(refusal)
                if *refusal.error() == CoreErrorResponseType::InvalidGrant =>
            {
                self.refused("invalid_grant")
            }
            RequestTokenError::ServerResponse(refusal) => self.away(refusal.error()),
            RequestTokenError::Request(e) => self.away(e),
            // What could not be read may hold a token: not told.
            RequestTokenError::Parse(..) => self.away("the answer can't be read"),
            RequestTokenError::Other(e) => self.away(e),
        })
    }

    fn verify(
        &self,
        link: &Link,
        token: &openidconnect::core::CoreIdToken,
        nonce: &Nonce,
        now: UnixMillis,
    ) -> Result<CoreIdTokenClaims, ClaimsVerificationError> {
        let early = moment(now - SKEW_MS);
        let client = ClientId::new(self.settings.client_id.clone());
        let (issuer, keys) = (link.metadata.issuer().clone(), link.metadata.jwks().clone());
        let verifier =
            openidconnect::core::CoreIdTokenVerifier::new_public_client(client.clone(), issuer, keys)
                .set_allowed_algs(ALGORITHMS)
                .set_time_fn(move || early.into())
                .set_issue_time_verifier_fn(move |at| match at.timestamp_millis() > now + SKEW_MS {
                    true => Err("the ID token is of the future".to_owned()),
                    false => Ok(()),
                });
        let claims = token.claims(&verifier, nonce)?;
        match claims.authorized_party() {
            Some(party) if *party != client => {
                let other = "it was made for somebody else".to_owned();
                Err(ClaimsVerificationError::InvalidAudience(other))
            }
            _ => Ok(claims.clone()),
        }
    }

    /// Asks for what some issuers tell only on demand.
    async fn ask(
        &self,
        link: &Link,
        response: &CoreTokenResponse,
        claims: &mut Claims,
        callback: &str,
    ) -> Result<(), ApiError> {
        let client = self.client(link, callback)?;
        let subject = openidconnect::SubjectIdentifier::new(claims.subject.clone());
        let Ok(request) = client.user_info(response.access_token().clone(), Some(subject)) else {
            return Ok(());
        };
        let told: CoreUserInfoClaims = request
            .request_async(&link.http)
            .await
            .map_err(|e| self.away(e))?;
        claims.email = told.email().map(|email| email.to_string());
        claims.email_verified = told.email_verified() == Some(true);
        if claims.name.is_none() {
            claims.name = told
                .name()
                .and_then(|name| name.get(None))
                .map(|name| name.to_string());
        }
        Ok(())
    }

    /// The issuer as it was read within the hour, or, where `older_than` is given, after that.
    async fn link(&self, older_than: Option<Instant>) -> Result<Arc<Link>, ApiError> {
        let mut known = self.known.lock().await;
        if let Some(link) = &known.link {
            let stale = link.at.elapsed() > FRESH || older_than.is_some_and(|at| link.at <= at);
            if !stale {
                return Ok(link.clone());
            }
        }
        if known.failed_at.is_some_and(|at| at.elapsed() < REST) {
            return Err(self.away("it did not answer a moment ago"));
        }
        match self.read().await {
            Ok(link) => {
                let link = Arc::new(link);
                *known = Known {
                    link: Some(link.clone()),
                    failed_at: None,
                };
                Ok(link)
            }
            Err(e) => {
                known.failed_at = Some(Instant::now());
                Err(e)
            }
        }
    }

    async fn read(&self) -> Result<Link, ApiError> {
        let plain = self.settings.issuer.starts_with("http:");
        let http = Http::new(plain).map_err(|e| self.away(e))?;
        let issuer = IssuerUrl::new(self.settings.issuer.clone()).map_err(|e| self.away(e))?;
        let metadata = CoreProviderMetadata::discover_async(issuer, &http).await;
        let metadata = metadata.map_err(|e| self.away(with_sources(&e)))?;
        let secret = self.settings.client_secret().map_err(|e| self.away(e))?;
        Ok(Link {
            http,
            metadata,
            secret: secret.map(ClientSecret::new),
            at: Instant::now(),
        })
    }

    fn client(&self, link: &Link, callback: &str) -> Result<Client, ApiError> {
        let callback = RedirectUrl::new(callback.to_owned()).map_err(ApiError::internal)?;
        let id = ClientId::new(self.settings.client_id.clone());
        let client = CoreClient::from_provider_metadata(link.metadata.clone(), id, link.secret.clone());
        let methods = link.metadata.token_endpoint_auth_methods_supported();
        let in_body = methods.is_some_and(|methods| {
            !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
                && methods.contains(&CoreClientAuthMethod::ClientSecretPost)
        });
        let auth = if in_body {
            AuthType::RequestBody
        } else {
            AuthType::BasicAuth
        };
        Ok(client.set_redirect_uri(callback).set_auth_type(auth))
    }

    /// The issuer can't be asked now.
    fn away(&self, cause: impl std::fmt::Display) -> ApiError {
        tracing::warn!(provider = self.settings.id, %cause, "an issuer of logins can't be used");
        let name = self.settings.display_name();
        let detail = message!("{name} does not answer; try again in a moment.", name = name);
        ApiError::new(ErrorCode::Unavailable, detail)
            .header(header::RETRY_AFTER, HeaderValue::from_static("5"))
    }

    /// The issuer answers, but that proves nothing.
    fn refused(&self, cause: impl std::fmt::Display) -> ApiError {
        tracing::info!(provider = self.settings.id, %cause, "a login at an issuer was not taken");
        let name = self.settings.display_name();
        let detail = message!("{name} does not confirm the login; begin it again.", name = name);
        ApiError::new(ErrorCode::ProofInvalid, detail)
    }
}

/// The client of an issuer whose document was read.
type Client = CoreClient<
    openidconnect::EndpointSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointMaybeSet,
    openidconnect::EndpointMaybeSet,
>;

fn of_token(claims: &CoreIdTokenClaims) -> Claims {
    Claims {
        subject: claims.subject().to_string(),
        email: claims.email().map(|email| email.to_string()),
        email_verified: claims.email_verified() == Some(true),
        name: claims
            .name()
            .and_then(|name| name.get(None))
            .map(|name| name.to_string()),
        locale: claims.locale().map(|locale| locale.as_ref().to_owned()),
    }
}

fn moment(at: UnixMillis) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(at.max(0) as u64)
}

fn with_sources(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", with_sources(source)),
        None => error.to_string(),
    }
}
