//! What every operation gives to everybody. A new operation gets its row here, or the test fails.

use serde_json::{Value, json};

use crate::who::Who;

/// What a caller needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Not even a token.
    Nothing,
    /// Any live token.
    Anything,
    /// A token with this scope.
    Scope(&'static str),
    /// A token with the scope `admin`, of a user who is one.
    Admin,
    /// A session; no token will do.
    Person,
}

/// What the `{id}` of the path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// There is none, or it belongs to nobody.
    None,
    /// A job of the owner that has ended.
    Finished,
    /// A job of the owner that runs.
    Running,
    /// The worker.
    Worker,
    /// A token of the owner that may do little.
    Token,
    /// A session of the owner, beside the one that asks.
    Session,
    /// An account that nobody here uses.
    User,
    /// That account, and a token of it as `{token}`.
    UserToken,
}

impl Target {
    /// Whether it belongs to the installation: administrators find it, and nobody else is told of it.
    pub fn is_installations(self) -> bool {
        matches!(self, Self::Worker | Self::User | Self::UserToken)
    }
}

/// One operation.
pub struct Row {
    /// Its operationId.
    pub operation: &'static str,
    /// Its method.
    pub method: &'static str,
    /// Its path, as in the document.
    pub path: &'static str,
    /// What it needs.
    pub needs: Needs,
    /// What it is tried on.
    pub target: Target,
    /// What the owner gets; for an administrator's operation, the administrator; for a person's, who has a session.
    pub owner: &'static [u16],
}

const READ: Needs = Needs::Scope("jobs:read");
const WRITE: Needs = Needs::Scope("jobs:write");
const ACCOUNT: Needs = Needs::Scope("account:read");
const TOKENS: Needs = Needs::Scope("tokens:write");
const MODELS: Needs = Needs::Scope("models:read");

/// Every operation.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row("getHealth", "GET", "/healthz", Needs::Nothing, Target::None, &[200]),
    row("getReadiness", "GET", "/readyz", Needs::Nothing, Target::None, &[200]),
    row("listModels", "GET", "/v1/models", MODELS, Target::None, &[200]),
    row("getModel", "GET", "/v1/models/{id}", MODELS, Target::None, &[200]),
    row("updateModel", "PATCH", "/v1/models/{id}", Needs::Admin, Target::None, &[200]),
    row("createJob", "POST", "/v1/jobs", WRITE, Target::None, &[202]),
    row("listJobs", "GET", "/v1/jobs", READ, Target::None, &[200]),
    row("getJob", "GET", "/v1/jobs/{id}", READ, Target::Finished, &[200]),
    row("cancelJob", "POST", "/v1/jobs/{id}/cancel", WRITE, Target::Running, &[200, 202]),
    row("retryJob", "POST", "/v1/jobs/{id}/retry", WRITE, Target::Finished, &[202]),
    row("deleteJob", "DELETE", "/v1/jobs/{id}", WRITE, Target::Finished, &[204]),
    row("streamJobEvents", "GET", "/v1/jobs/{id}/events", READ, Target::Finished, &[200]),
    row("createSession", "POST", "/v1/session", Needs::Nothing, Target::None, &[422]),
    row("getSession", "GET", "/v1/session", Needs::Person, Target::None, &[200]),
    row("deleteSession", "DELETE", "/v1/session", Needs::Person, Target::None, &[204]),
    row("listSessions", "GET", "/v1/sessions", Needs::Person, Target::None, &[200]),
    row("endSessions", "DELETE", "/v1/sessions", Needs::Person, Target::None, &[204]),
    row("endSession", "DELETE", "/v1/sessions/{id}", Needs::Person, Target::Session, &[204]),
    row("createToken", "POST", "/v1/tokens", TOKENS, Target::None, &[201]),
    row("listTokens", "GET", "/v1/tokens", ACCOUNT, Target::None, &[200]),
    row("getToken", "GET", "/v1/tokens/{id}", ACCOUNT, Target::Token, &[200]),
    row("rotateToken", "POST", "/v1/tokens/{id}/rotate", TOKENS, Target::Token, &[201]),
    row("revokeToken", "POST", "/v1/tokens/{id}/revoke", TOKENS, Target::Token, &[204]),
    row("deleteToken", "DELETE", "/v1/tokens/{id}", TOKENS, Target::Token, &[204]),
    row("getOwnToken", "GET", "/v1/token", Needs::Anything, Target::None, &[200]),
    row("listOutbox", "GET", "/v1/outbox", Needs::Admin, Target::None, &[200]),
    // There is no mail of this name; who may not ask does not hear of that.
    row("retryMail", "POST", "/v1/outbox/{id}/retry", Needs::Admin, Target::None, &[404]),
    row("registerAccount", "POST", "/v1/account/register", Needs::Nothing, Target::None, &[422]),
    row("verifyAccount", "POST", "/v1/account/verify", Needs::Nothing, Target::None, &[422]),
    row("resendVerification", "POST", "/v1/account/verify/resend", Needs::Nothing, Target::None, &[422]),
    row("recoverAccount", "POST", "/v1/account/recover", Needs::Nothing, Target::None, &[422]),
    row("resetPassword", "POST", "/v1/account/reset", Needs::Nothing, Target::None, &[422]),
    row("setUpAccount", "POST", "/v1/setup", Needs::Nothing, Target::None, &[422]),
    row("getAccount", "GET", "/v1/account", Needs::Scope("account:read"), Target::None, &[200]),
    row("updateAccount", "PATCH", "/v1/account", Needs::Person, Target::None, &[200]),
    row("deleteAccount", "DELETE", "/v1/account", Needs::Person, Target::None, &[202]),
    // There is no such identity; a person who just logged in hears of that, and nobody else.
    row("deleteIdentity", "DELETE", "/v1/account/identities/{id}", Needs::Person, Target::None, &[404]),
    row("changePassword", "POST", "/v1/account/password", Needs::Person, Target::None, &[422]),
    row("listInvitations", "GET", "/v1/invitations", Needs::Admin, Target::None, &[200]),
    row("createInvitation", "POST", "/v1/invitations", Needs::Admin, Target::None, &[201]),
    row("revokeInvitation", "DELETE", "/v1/invitations/{id}", Needs::Admin, Target::None, &[404]),
    row("listPlans", "GET", "/v1/plans", Needs::Anything, Target::None, &[200]),
    row("getPlan", "GET", "/v1/plans/{name}", Needs::Anything, Target::None, &[200]),
    row("updatePlan", "PATCH", "/v1/plans/{name}", Needs::Admin, Target::None, &[200]),
    row("getUsage", "GET", "/v1/usage", ACCOUNT, Target::None, &[200]),
    row("listLoginProviders", "GET", "/v1/session/providers", Needs::Nothing, Target::None, &[200]),
    row("beginProviderLogin", "GET", "/v1/session/oidc/{provider}", Needs::Nothing, Target::None, &[404]),
    row("endProviderLogin", "GET", "/v1/session/oidc/{provider}/callback", Needs::Nothing, Target::None, &[404]),
    row("listQueues", "GET", "/v1/queues", Needs::Admin, Target::None, &[200]),
    row("listWorkers", "GET", "/v1/workers", Needs::Admin, Target::None, &[200]),
    row("getWorker", "GET", "/v1/workers/{id}", Needs::Admin, Target::Worker, &[200]),
    row("listAudit", "GET", "/v1/audit", Needs::Admin, Target::None, &[200]),
    row("listUsers", "GET", "/v1/users", Needs::Admin, Target::None, &[200]),
    row("getUser", "GET", "/v1/users/{id}", Needs::Admin, Target::User, &[200]),
    row("changeUser", "PATCH", "/v1/users/{id}", Needs::Admin, Target::User, &[200]),
    row("endUserSessions", "POST", "/v1/users/{id}/sessions/end", Needs::Admin, Target::User, &[204]),
    row("listUserTokens", "GET", "/v1/users/{id}/tokens", Needs::Admin, Target::User, &[200]),
    row("limitUserToken", "PATCH", "/v1/users/{id}/tokens/{token}", Needs::Admin, Target::UserToken, &[200]),
    row("revokeUserToken", "POST", "/v1/users/{id}/tokens/{token}/revoke", Needs::Admin, Target::UserToken, &[204]),
    // The last one of these lets the worker go on.
    row("drainWorker", "POST", "/v1/workers/{id}/drain", Needs::Admin, Target::Worker, &[200]),
    row("maintainWorker", "POST", "/v1/workers/{id}/maintenance", Needs::Admin, Target::Worker, &[200]),
    row("resumeWorker", "POST", "/v1/workers/{id}/resume", Needs::Admin, Target::Worker, &[200]),
];

const fn row(
    operation: &'static str,
    method: &'static str,
    path: &'static str,
    needs: Needs,
    target: Target,
    owner: &'static [u16],
) -> Row {
    Row {
        operation,
        method,
        path,
        needs,
        target,
        owner,
    }
}

impl Row {
    /// The statuses that a caller may get.
    pub fn allowed(&self, who: Who) -> &'static [u16] {
        let theirs = || match self.target {
            Target::None => self.owner,
            _ => &[404],
        };
        match (self.needs, who) {
            (Needs::Nothing, _) => self.owner,
            (_, Who::Forger | Who::Revoked | Who::Disabled | Who::DisabledSession | Who::PendingToken) => {
                &[401]
            }
            (_, Who::Anonymous | Who::Unverified) if !self.takes_strangers() => &[401],
            (_, Who::Anonymous | Who::Unverified) => theirs(),
            (READ | WRITE | MODELS, Who::Guest) => theirs(),
            (_, Who::Guest) => &[401],
            (Needs::Admin, _) if who.administrates() => self.owner,
            (Needs::Admin, _) => &[403],
            (Needs::Person, _) if who.logged_in().is_none() => &[403],
            // A session is no token.
            _ if self.operation == "getOwnToken" && who.logged_in().is_some() => &[404],
            (Needs::Scope(scope), Who::Narrow(own)) if scope != own => &[403],
            (WRITE | TOKENS, Who::ReadOnly) => &[403],
            // Where the scope is right, the jobs are the owner's: another token of theirs.
            _ if who.owns() => self.owner,
            _ => theirs(),
        }
    }

    /// Whether somebody without an account may begin here, with a public model.
    fn takes_strangers(&self) -> bool {
        matches!(self.operation, "createJob" | "listModels" | "getModel")
    }

    /// Whether the session that asks is over afterwards.
    pub fn ends_the_session(&self) -> bool {
        matches!(self.operation, "deleteSession" | "endSessions" | "deleteAccount")
    }

    /// The body of the request.
    pub fn body(&self) -> Option<Value> {
        Some(match self.operation {
            "createJob" => json!({"model": "echo", "input": {"mark": "of the test"}}),
            "createToken" => json!({"name": "of the test", "scopes": ["tokens:write"]}),
            "createSession" | "rotateToken" | "registerAccount" | "verifyAccount" | "resendVerification"
            | "recoverAccount" | "resetPassword" | "setUpAccount" | "changePassword" | "createInvitation" => {
                json!({})
            }
            "updateAccount" => json!({"display_name": "of the test"}),
            "updateModel" => json!({"enabled": true}),
            "updatePlan" => json!({"waiting": 1000}),
            "changeUser" => json!({"plan": "basic"}),
            "limitUserToken" => json!({"limits": {"jobs_per_day": 7}}),
            _ => return None,
        })
    }

    /// The address with these in the place of its parameters.
    pub fn address(&self, id: &str, token: &str) -> String {
        self.path
            .replace("{id}", id)
            .replace("{token}", token)
            .replace("{name}", "pro")
    }
}
