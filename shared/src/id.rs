//! Public identifiers: a prefix, then a UUIDv7 in 26 lower-case Crockford base 32 digits.
//!
//! They sort by time of creation, as text and as number, so a cursor is just the last id seen.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use ulid::Ulid;
use uuid::Uuid;

/// The text is not an identifier of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid identifier")]
pub struct InvalidId;

macro_rules! prefixed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new identifier, later than every earlier one of this process.
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, Ulid(self.0.as_u128()).to_string().to_ascii_lowercase())
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let digits = text.strip_prefix($prefix).ok_or(InvalidId)?;
                let id = Self(Uuid::from_u128(Ulid::from_string(digits).map_err(|_| InvalidId)?.0));
                // Only the canonical spelling: one job has one address.
                if id.to_string() == text { Ok(id) } else { Err(InvalidId) }
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }
    };
}

prefixed_id!(
    /// A job, `job_…`.
    JobId,
    "job_"
);
prefixed_id!(
    /// A user, `user_…`.
    UserId,
    "user_"
);
prefixed_id!(
    /// An API token's row, `tok_…`. Not the secret.
    TokenId,
    "tok_"
);
prefixed_id!(
    /// A login, `ses_…`. Not the cookie.
    SessionId,
    "ses_"
);
prefixed_id!(
    /// Something to be done later, `task_…`: a mail, for example.
    TaskId,
    "task_"
);
prefixed_id!(
    /// An entry of the audit log, `aud_…`.
    AuditId,
    "aud_"
);
prefixed_id!(
    /// An invitation, `inv_…`. Not its secret.
    InvitationId,
    "inv_"
);
prefixed_id!(
    /// One start of a worker, `worker_…`.
    WorkerId,
    "worker_"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_and_sort_by_time() {
        let ids: Vec<JobId> = (0..100).map(|_| JobId::generate()).collect();
        let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
        assert!(texts.is_sorted());
        for (id, text) in ids.iter().zip(&texts) {
            assert_eq!(text.parse(), Ok(*id));
            assert_eq!(text.len(), 30);
        }
    }

    #[test]
    fn only_the_canonical_spelling_is_read() {
        let text = JobId::generate().to_string();
        for bad in [
            "",
            "job_",
            "job_x",
            &text.to_uppercase(),
            &text.replace("job_", "user_"),
            &format!("{text}0"),
        ] {
            assert_eq!(bad.parse::<JobId>(), Err(InvalidId), "{bad}");
        }
    }
}
