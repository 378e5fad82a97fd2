//! Everybody who asks.

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Without a token or a cookie.
    Anonymous,
    /// Registered, and never showed that the address is theirs: what they tried to log in with, and what it gave.
    Unverified,
    /// With a token that the operator made for an account that shows its address to be its own, and that nobody has let in.
    PendingToken,
    /// Without an account, with the cookie that trying a public model gave.
    Guest,
    /// With a token that was altered.
    Forger,
    /// With a token of the owner's that was revoked.
    Revoked,
    /// With a token of an account that was disabled afterwards.
    Disabled,
    /// With a session of that account.
    DisabledSession,
    /// With a token of the owner's that has only this scope.
    Narrow(&'static str),
    /// With a token of the owner's that may read everything and change nothing.
    ReadOnly,
    /// Another user, by a token.
    Other,
    /// Another user, by a session.
    OtherSession,
    /// The installation's administrator, who is another user like any, by a token.
    Administrator,
    /// Another administrator, by a session.
    AdministratorSession,
    /// One more, by a token that has every scope but `admin`: another user like any.
    AdministratorWithoutScope,
    /// The one whose jobs they are, by a token.
    Owner,
    /// The same by a session.
    OwnerSession,
}

impl Who {
    /// Everybody.
    pub const ALL: [Self; 21] = [
        Self::Anonymous,
        Self::Unverified,
        Self::PendingToken,
        Self::Guest,
        Self::Forger,
        Self::Revoked,
        Self::Disabled,
        Self::DisabledSession,
        Self::Narrow("jobs:read"),
        Self::Narrow("jobs:write"),
        Self::Narrow("models:read"),
        Self::Narrow("account:read"),
        Self::Narrow("tokens:write"),
        Self::ReadOnly,
        Self::Other,
        Self::OtherSession,
        Self::Administrator,
        Self::AdministratorSession,
        Self::AdministratorWithoutScope,
        Self::Owner,
        Self::OwnerSession,
    ];

    /// The address of those who ask with a session that is good.
    pub fn logged_in(self) -> Option<&'static str> {
        match self {
            Self::OtherSession => Some("carol@example.com"),
            Self::AdministratorSession => Some("root@example.com"),
            Self::OwnerSession => Some("alice@example.com"),
            _ => None,
        }
    }

    /// Whether the jobs are theirs.
    pub fn owns(self) -> bool {
        matches!(
            self,
            Self::Owner | Self::OwnerSession | Self::Narrow(_) | Self::ReadOnly
        )
    }

    /// Whether they may steer the installation.
    pub fn administrates(self) -> bool {
        matches!(self, Self::Administrator | Self::AdministratorSession)
    }
}
