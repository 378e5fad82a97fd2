//! The table `users`.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{
    Db, DbError,
    entity::users::{Column, Entity, Model},
};
use crate::{clock::UnixMillis, id::UserId};

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Their own jobs and tokens.
    User,
    /// The installation too.
    Admin,
}

impl Role {
    /// The name in the API and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, DbError> {
        match text {
            "user" => Ok(Self::User),
            "admin" => Ok(Self::Admin),
            other => Err(DbError::Statement(format!("unknown role {other:?}"))),
        }
    }
}

/// A person with an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Their identifier.
    pub id: UserId,
    /// Their address; unique.
    pub email: String,
    /// What they may do.
    pub role: Role,
    /// When the account was made.
    pub created_at: UnixMillis,
}

impl TryFrom<Model> for User {
    type Error = DbError;

    fn try_from(row: Model) -> Result<Self, DbError> {
        Ok(Self {
            id: UserId(row.id),
            email: row.email,
            role: Role::parse(&row.role)?,
            created_at: row.created_at,
        })
    }
}

/// Makes an account, or returns the one that has this address, unchanged.
///
/// # Errors
/// Where the database fails.
pub async fn create(db: &Db, email: &str, role: Role) -> Result<User, DbError> {
    db.execute(
        "INSERT INTO users (id, email, role, created_at) VALUES ($1, $2, $3, {now}) ON CONFLICT (email) DO NOTHING",
        vec![UserId::generate().0.into(), email.into(), role.as_str().into()],
    )
    .await?;
    by_email(db, email)
        .await?
        .ok_or_else(|| DbError::Statement("the new user is not there".to_owned()))
}

/// The account with this address.
///
/// # Errors
/// Where the database fails.
pub async fn by_email(db: &Db, email: &str) -> Result<Option<User>, DbError> {
    let found = Entity::find()
        .filter(Column::Email.eq(email))
        .one(&db.read)
        .await?;
    found.map(User::try_from).transpose()
}

/// The account with this identifier.
///
/// # Errors
/// Where the database fails.
pub async fn get(db: &Db, id: UserId) -> Result<Option<User>, DbError> {
    let found = Entity::find_by_id(id.0).one(&db.read).await?;
    found.map(User::try_from).transpose()
}
