//! `users`.

use sea_orm::entity::prelude::*;

/// A person with an account.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    #[sea_orm(unique)]
    pub email: String,
    pub role: String,
    pub created_at: i64,
    /// A PHC string; none: no login by password.
    pub password_hash: Option<String>,
    pub display_name: String,
    pub locale: Option<String>,
    pub plan: String,
    pub is_guest: bool,
    pub verified_at: Option<i64>,
    pub approved_at: Option<i64>,
    pub disabled_at: Option<i64>,
    /// When the account will be gone.
    pub delete_at: Option<i64>,
    pub last_login_at: Option<i64>,
    pub last_login_address: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(has_many = "super::api_tokens::Entity")]
    ApiTokens,
}

impl Related<super::api_tokens::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::ApiTokens.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
