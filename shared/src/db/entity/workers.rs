//! `workers`.

use sea_orm::entity::prelude::*;

/// One start of a worker.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "workers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub boot: Uuid,
    pub name: String,
    pub host: String,
    pub version: String,
    /// A JSON object: each model's state by its id.
    pub models: String,
    pub started_at: i64,
    pub last_seen_at: i64,
    pub device: String,
    pub memory_bytes: i64,
    pub memory_used_bytes: i64,
    pub in_flight: i32,
    /// How far it is with its order.
    pub phase: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
