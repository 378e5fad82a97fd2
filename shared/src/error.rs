//! Every error code there is, in one table: what a job can fail with and what the API can answer.
//!
//! `docs/api.md` lists the same codes; a test holds the two together. Codes are stable, words are not.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $title:literal, $retryable:literal;)*) => {
        /// A stable, machine-readable code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// All codes, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code as text.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status that carries it. A job's own failure is told in the job, with the status
            /// given here where a compatible API has to answer with one.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The code in words.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// Whether sending the same again may succeed.
            pub fn retryable(self) -> bool {
                match self { $(Self::$name => $retryable,)* }
            }
        }
    };
}

codes! {
    // What a job fails with.
    /// The model refuses the input.
    InvalidInput = "invalid_input", 422, "The model refuses the input", false;
    /// The run took longer than its `run_seconds`.
    Timeout = "timeout", 504, "The run took too long", false;
    /// The runner died each time it ran this job.
    WorkerCrashed = "worker_crashed", 500, "The model crashed while it ran this job", false;
    /// The runner ran out of memory on this job.
    OutOfMemory = "out_of_memory", 507, "The model ran out of memory on this job", false;
    /// The worker was lost during the job too many times.
    LeaseLost = "lease_lost", 503, "The worker was lost while it ran this job", true;
    /// The model can't be loaded.
    ModelUnavailable = "model_unavailable", 503, "The model is not available", true;
    /// The model failed for a reason of its own.
    ModelError = "model_error", 500, "The model failed", true;

    // What the API answers.
    /// The body is not JSON, or a header or parameter can't be read.
    MalformedRequest = "malformed_request", 400, "The request can't be read", false;
    /// The body is JSON but not what the operation takes.
    ValidationFailed = "validation_failed", 422, "The request does not fit its schema", false;
    /// The link, code or invitation is wrong, used, or too old.
    ProofInvalid = "proof_invalid", 422, "The link or code is not valid", false;
    /// The model does not exist or is not enabled.
    UnknownModel = "unknown_model", 422, "There is no such model", false;
    /// The `Idempotency-Key` was used for another body.
    IdempotencyKeyReused = "idempotency_key_reused", 422, "The idempotency key was used for another request", false;
    /// The first request with this key has not been stored yet.
    IdempotencyInFlight = "idempotency_in_flight", 409, "The first request with this key is still being stored", true;
    /// No token, or one that is wrong, expired or revoked.
    Unauthorized = "unauthorized", 401, "A valid token is needed", false;
    /// The token may not do this.
    InsufficientScope = "insufficient_scope", 403, "The token does not allow this", false;
    /// The address or the password is wrong; which of the two is not told.
    WrongCredentials = "wrong_credentials", 401, "The address or the password is wrong", false;
    /// The token may not use this model.
    ModelNotAllowed = "model_not_allowed", 403, "The token does not allow this model", false;
    /// The plan does not have this priority.
    PriorityNotAllowed = "priority_not_allowed", 403, "The plan does not allow this priority", false;
    /// The login is too long ago for this; log in again.
    LoginTooOld = "login_too_old", 403, "A recent login is needed", false;
    /// The address was not shown to be the account's yet.
    EmailNotVerified = "email_not_verified", 403, "The e-mail address is not verified yet", false;
    /// An admin has to let the account in first.
    ApprovalPending = "approval_pending", 403, "The account is not approved yet", false;
    /// The account may do nothing.
    AccountDisabled = "account_disabled", 403, "The account is disabled", false;
    /// Nobody may register, or only with an invitation.
    RegistrationClosed = "registration_closed", 403, "Registration is not open", false;
    /// A page of somewhere else asked.
    CrossSite = "cross_site", 403, "The request comes from another site", false;
    /// The connection can be listened to.
    InsecureConnection = "insecure_connection", 403, "This needs https", false;
    /// Nothing here, or nothing of yours.
    NotFound = "not_found", 404, "Not found", false;
    /// The method does not fit the address.
    MethodNotAllowed = "method_not_allowed", 405, "The method is not allowed here", false;
    /// No answer form the client accepts.
    NotAcceptable = "not_acceptable", 406, "No acceptable form of the answer", false;
    /// The job has ended already.
    JobFinished = "job_finished", 409, "The job has ended already", false;
    /// The job has not ended yet.
    JobActive = "job_active", 409, "The job has not ended yet", false;
    /// There is one like it already, or as many as there may be.
    Conflict = "conflict", 409, "This can't be beside what is there", false;
    /// The address has an account with another way in; log in there, then link the two.
    LinkRequired = "link_required", 409, "The account is to be linked first", false;
    /// The stored input is gone.
    DataRemoved = "data_removed", 410, "The job's data was removed", false;
    /// The body is larger than the operation takes.
    PayloadTooLarge = "payload_too_large", 413, "The body is too large", false;
    /// The body is not `application/json`, or is compressed.
    UnsupportedMediaType = "unsupported_media_type", 415, "The body's media type is not supported", false;
    /// The owner has as many event streams open as allowed.
    TooManyStreams = "too_many_streams", 429, "Too many event streams are open", true;
    /// Requests come faster than they may; `Retry-After` says when to come again.
    RateLimited = "rate_limited", 429, "Too many requests", true;
    /// A quota of the plan is used up; `violated-policies` says which.
    QuotaExceeded = "quota_exceeded", 429, "A quota is used up", true;
    /// Too many tries at something that must not be guessed.
    TooManyAttempts = "too_many_attempts", 429, "Too many tries", true;
    /// A fault of ours; the log has it under the request id.
    Internal = "internal", 500, "Something went wrong on our side", true;
    /// As many jobs wait as the installation takes.
    QueueFull = "queue_full", 503, "The queue is full", true;
    /// The database does not answer.
    Unavailable = "unavailable", 503, "The service is not available right now", true;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ErrorCode {
    type Err = crate::job::UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|c| c.as_str() == text)
            .ok_or_else(|| crate::job::UnknownName(text.to_owned()))
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
