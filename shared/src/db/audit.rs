//! The table `audit_log`: who did what, when, from where, and whether it worked. It only grows. An entry is
//! written in the transaction of what it tells of ([`record_in`]), or by itself where nothing was changed.

use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use serde_json::Value as Json;

use super::{Db, DbError, connection::Txn};
use crate::{
    clock::UnixMillis,
    id::{AuditId, UserId},
};

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorKind {
    /// A person with a session; their user id.
    User,
    /// A program with a token; the token's id.
    Token,
    /// Somebody without an account; their network.
    Guest,
    /// Nobody known.
    Anonymous,
    /// Whoever has a terminal on the server's machine.
    Operator,
    /// The server by itself.
    System,
}

impl ActorKind {
    /// The name in the API and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Token => "token",
            Self::Guest => "guest",
            Self::Anonymous => "anonymous",
            Self::Operator => "operator",
            Self::System => "system",
        }
    }
}

/// Who asks, and from where: the same for all entries of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// What kind of actor.
    pub kind: ActorKind,
    /// Which one.
    pub id: Option<String>,
    /// The client's address.
    pub address: Option<String>,
    /// The id of the request.
    pub request_id: Option<String>,
}

impl Origin {
    /// The terminal of the server's machine.
    pub fn operator() -> Self {
        Self::bare(ActorKind::Operator)
    }

    /// The server by itself.
    pub fn system() -> Self {
        Self::bare(ActorKind::System)
    }

    fn bare(kind: ActorKind) -> Self {
        Self {
            kind,
            id: None,
            address: None,
            request_id: None,
        }
    }

    /// An entry of this origin: something that worked.
    pub fn did(&self, action: Action) -> Entry {
        Entry {
            origin: self.clone(),
            action,
            success: true,
            user: None,
            subject: None,
            detail: None,
        }
    }

    /// An entry of this origin: something that was refused.
    pub fn failed(&self, action: Action) -> Entry {
        Entry {
            success: false,
            ..self.did(action)
        }
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action { $($(#[$doc])* $name,)* }

        impl Action {
            /// All actions.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name in the API and in the database.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The action of this name.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|action| action.as_str() == text)
            }
        }
    };
}

actions! {
    /// Somebody asked for an account.
    AccountRegister = "account.register";
    /// An address was shown to be its user's.
    AccountVerify = "account.verify";
    /// An admin let somebody in.
    AccountApprove = "account.approve";
    /// A recovery was asked for.
    AccountRecover = "account.recover";
    /// A password was set by a mailed token.
    AccountReset = "account.reset";
    /// A password was changed.
    PasswordChange = "password.change";
    /// A new address was asked for, or confirmed.
    EmailChange = "email.change";
    /// The profile was changed.
    ProfileChange = "profile.change";
    /// An account is to be deleted, or no longer.
    AccountDelete = "account.delete";
    /// A deletion was taken back.
    AccountRestore = "account.restore";
    /// The data of a deleted account are gone.
    AccountPurge = "account.purge";
    /// An account was made on the server's machine or by the set-up token.
    AccountCreate = "account.create";
    /// A role was changed.
    RoleChange = "role.change";
    /// A plan was given to a user.
    PlanAssign = "plan.assign";
    /// An account was disabled.
    AccountDisable = "account.disable";
    /// An account was enabled again.
    AccountEnable = "account.enable";
    /// Somebody logged in, or tried to.
    SessionCreate = "session.create";
    /// A session was ended.
    SessionEnd = "session.end";
    /// All sessions of a user were ended.
    SessionEndAll = "session.end_all";
    /// An account at an issuer was linked.
    IdentityLink = "identity.link";
    /// An account at an issuer was taken away, or was to be.
    IdentityUnlink = "identity.unlink";
    /// A token was made.
    TokenCreate = "token.create";
    /// A token was rotated.
    TokenRotate = "token.rotate";
    /// A token was revoked.
    TokenRevoke = "token.revoke";
    /// A token was deleted.
    TokenDelete = "token.delete";
    /// An admin gave a token a plan or limits of its own.
    TokenLimit = "token.limit";
    /// A plan was changed.
    PlanChange = "plan.change";
    /// Somebody was invited.
    InvitationCreate = "invitation.create";
    /// An invitation was taken back.
    InvitationRevoke = "invitation.revoke";
    /// A mail that was given up is sent again.
    MailRetry = "mail.retry";
    /// An order was given to a worker.
    WorkerOrder = "worker.order";
    /// A model was switched off.
    ModelDisable = "model.disable";
    /// A model was switched on again.
    ModelEnable = "model.enable";
}

/// One entry. Nothing secret belongs in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Who, and from where.
    pub origin: Origin,
    /// What.
    pub action: Action,
    /// Whether it worked.
    pub success: bool,
    /// Whose account it concerns.
    pub user: Option<UserId>,
    /// What it concerns, as an id (`tok_…`).
    pub subject: Option<String>,
    /// What else is to be known.
    pub detail: Option<Json>,
}

impl Entry {
    /// Names the account it concerns.
    #[must_use]
    pub fn user(mut self, user: UserId) -> Self {
        self.user = Some(user);
        self
    }

    /// Names what it concerns.
    #[must_use]
    pub fn subject(mut self, subject: impl ToString) -> Self {
        self.subject = Some(subject.to_string());
        self
    }

    /// Adds details.
    #[must_use]
    pub fn detail(mut self, detail: Json) -> Self {
        self.detail = Some(detail);
        self
    }
}

/// Writes an entry within the transaction of what it tells of.
pub(super) async fn record_in(db: &Db, txn: &Txn, entry: &Entry) -> Result<(), DbErr> {
    let sql = "INSERT INTO audit_log (id, at, action, outcome, actor_kind, actor_id, user_id, subject, address, request_id, detail)
        VALUES ($1, {now}, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let origin = &entry.origin;
    let values = [
        AuditId::generate().0.into(),
        entry.action.as_str().into(),
        outcome(entry.success).into(),
        origin.kind.as_str().into(),
        origin.id.clone().into(),
        entry.user.map(|user| user.0).into(),
        entry.subject.clone().into(),
        origin.address.clone().into(),
        origin.request_id.clone().into(),
        entry.detail.as_ref().map(ToString::to_string).into(),
    ];
    txn.execute_raw(db.statement(sql, values)).await?;
    Ok(())
}

/// Writes an entry by itself.
///
/// # Errors
/// Where the database fails.
pub async fn record(db: &Db, entry: &Entry) -> Result<(), DbError> {
    db.transaction(|txn| {
        let (db, entry) = (db.clone(), entry.clone());
        Box::pin(async move { record_in(&db, txn, &entry).await })
    })
    .await
}

/// Which entries a list holds.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this action.
    pub action: Option<Action>,
    /// About this account.
    pub user: Option<UserId>,
    /// By this actor: an id, as in [`Origin::id`].
    pub actor: Option<String>,
    /// Of what worked, or of what was refused.
    pub success: Option<bool>,
    /// Written at this time or later.
    pub since: Option<UnixMillis>,
    /// Written before this time.
    pub until: Option<UnixMillis>,
    /// Older than this entry, where the last page ended; nothing is older than one that there is not.
    pub before: Option<AuditId>,
    /// At most so many.
    pub limit: u64,
}

/// An entry as it stands in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its identifier.
    pub id: AuditId,
    /// When it was written.
    pub at: UnixMillis,
    /// What was done.
    pub action: String,
    /// Whether it worked.
    pub success: bool,
    /// The kind of actor.
    pub actor_kind: String,
    /// Which actor.
    pub actor_id: Option<String>,
    /// Whose account it concerns.
    pub user: Option<UserId>,
    /// What it concerns.
    pub subject: Option<String>,
    /// The client's address.
    pub address: Option<String>,
    /// The id of the request.
    pub request_id: Option<String>,
    /// What else is known.
    pub detail: Option<Json>,
}

/// The entries, newest first by the database's clock, which all writers share.
///
/// # Errors
/// Where the database fails.
pub async fn list(db: &Db, filter: &Filter) -> Result<Vec<Record>, DbError> {
    let last = match filter.before {
        None => None,
        Some(id) => match written(db, id).await? {
            None => return Ok(Vec::new()),
            Some(at) => Some((at, id)),
        },
    };
    let conditions: [(&str, Option<Value>); 6] = [
        ("action =", filter.action.map(|action| action.as_str().into())),
        ("user_id =", filter.user.map(|user| user.0.into())),
        ("actor_id =", filter.actor.clone().map(Value::from)),
        ("outcome =", filter.success.map(|success| outcome(success).into())),
        ("at >=", filter.since.map(Value::from)),
        ("at <", filter.until.map(Value::from)),
    ];
    let mut sql =
        "SELECT id, at, action, outcome, actor_kind, actor_id, user_id, subject, address, request_id, detail
        FROM audit_log WHERE true"
            .to_owned();
    let mut values = Vec::new();
    for (condition, value) in conditions {
        if let Some(value) = value {
            values.push(value);
            sql.push_str(&format!(" AND {condition} ${}", values.len()));
        }
    }
    if let Some((at, id)) = last {
        values.extend([at.into(), id.0.into()]);
        let count = values.len();
        sql.push_str(&format!(" AND (at, id) < (${}, ${count})", count - 1));
    }
    values.push(i64::try_from(filter.limit).unwrap_or(i64::MAX).into());
    sql.push_str(&format!(" ORDER BY at DESC, id DESC LIMIT ${}", values.len()));
    let rows = db.query_all(&sql, values).await?;
    rows.iter().map(record_of).collect()
}

/// When an entry was written, if there is one.
async fn written(db: &Db, id: AuditId) -> Result<Option<UnixMillis>, DbError> {
    let sql = "SELECT at FROM audit_log WHERE id = $1";
    let row = db.query_one(sql, vec![id.0.into()]).await?;
    Ok(row.map(|row| row.try_get("", "at")).transpose()?)
}

fn outcome(success: bool) -> &'static str {
    if success { "success" } else { "failure" }
}

fn record_of(row: &QueryResult) -> Result<Record, DbError> {
    let detail: Option<String> = row.try_get("", "detail")?;
    let detail = detail.map(|text| serde_json::from_str(&text)).transpose();
    Ok(Record {
        id: AuditId(row.try_get("", "id")?),
        at: row.try_get("", "at")?,
        action: row.try_get("", "action")?,
        success: row.try_get::<String>("", "outcome")? == outcome(true),
        actor_kind: row.try_get("", "actor_kind")?,
        actor_id: row.try_get("", "actor_id")?,
        user: row.try_get::<Option<uuid::Uuid>>("", "user_id")?.map(UserId),
        subject: row.try_get("", "subject")?,
        address: row.try_get("", "address")?,
        request_id: row.try_get("", "request_id")?,
        detail: detail.map_err(|e| DbError::Statement(format!("the detail of an entry: {e}")))?,
    })
}
