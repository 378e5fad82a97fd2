//! `api_tokens`: fingerprints only.

use sea_orm::entity::prelude::*;

/// An issued token.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: Uuid,
    pub name: String,
    /// A JSON list.
    pub scopes: String,
    /// SHA-256 of the token's text.
    #[sea_orm(unique)]
    pub fingerprint: Vec<u8>,
    pub created_at: i64,
    pub expires_at: i64,
    pub revoked_at: Option<i64>,
    pub last_used_at: Option<i64>,
    /// A JSON list; none: all.
    pub models: Option<String>,
    /// A plan of its own.
    pub plan: Option<String>,
    /// Limits of its own, a JSON object.
    pub limits: Option<String>,
    pub rotated_to: Option<Uuid>,
    pub last_used_address: Option<String>,
    /// For which of the reminders before its end a mail was written: days.
    pub reminded_days: Option<i32>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "super::users::Entity",
        from = "Column::UserId",
        to = "super::users::Column::Id"
    )]
    User,
}

impl Related<super::users::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::User.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
