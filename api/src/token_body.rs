//! The bodies of the operations on tokens: their types, for the documentation and the code, and their schemas,
//! which judge what comes.

use std::sync::LazyLock;

use poem_openapi::Object;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    auth::{
        scope::Scope,
        token::{LONGEST, SHORTEST},
    },
    error::ApiError,
    schema::Schema,
};

/// The longest overlap of a rotated token with the new one, seconds.
const MAX_OVERLAP: u64 = 7 * 86_400;

/// A token to be made.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateToken {
    /// What you call it, 1 to 100 characters.
    #[oai(validator(min_length = 1, max_length = 100))]
    pub name: String,
    /// What it may do; nothing that you may not.
    pub scopes: Vec<String>,
    /// The models it may use. Left out: all that you may use.
    #[serde(default)]
    pub models: Option<Vec<String>>,
    /// A plan of its own, instead of its user's; only an administrator may give one. Left out: its user's.
    #[serde(default)]
    pub plan: Option<String>,
    /// Seconds it is good for, 600 (10 minutes) to 31622400 (366 days). Left out: 30 days.
    #[serde(default)]
    pub expires_in_seconds: Option<u64>,
}

/// How a token is rotated.
#[derive(Debug, Default, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotateToken {
    /// Seconds that the old token goes on, at most 604800 (7 days). Left out: none, it is revoked.
    #[serde(default)]
    pub overlap_seconds: Option<u64>,
    /// Seconds that the new token is good for, 600 to 31622400. Left out: as long as the old one was made for.
    #[serde(default)]
    pub expires_in_seconds: Option<u64>,
}

static CREATE: LazyLock<Schema> = LazyLock::new(|| compiled(&create_schema()));
static ROTATE: LazyLock<Schema> = LazyLock::new(|| compiled(&rotate_schema()));

fn compiled(schema: &Value) -> Schema {
    Schema::new(schema).expect("schemas of ours compile: a test does so")
}

fn create_schema() -> Value {
    json!({
        "type": "object",
        "required": ["name", "scopes"],
        "additionalProperties": false,
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 100},
            "scopes": {
                "type": "array",
                "minItems": 1,
                "maxItems": Scope::ALL.len(),
                "items": {"enum": Scope::ALL.map(Scope::as_str)},
            },
            "models": {
                "type": "array",
                "minItems": 1,
                "maxItems": 100,
                "items": {"type": "string", "minLength": 1, "maxLength": 200},
            },
            "plan": {"type": "string", "minLength": 1, "maxLength": 64},
            "expires_in_seconds": life(),
        }
    })
}

fn rotate_schema() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "overlap_seconds": {"type": "integer", "minimum": 0, "maximum": MAX_OVERLAP},
            "expires_in_seconds": life(),
        }
    })
}

fn life() -> Value {
    json!({"type": "integer", "minimum": SHORTEST.as_secs(), "maximum": LONGEST.as_secs()})
}

impl CreateToken {
    /// Reads a body.
    ///
    /// # Errors
    /// 422 where it does not fit.
    pub fn read(body: &Value) -> Result<Self, ApiError> {
        CREATE.read(body)
    }
}

impl RotateToken {
    /// Reads a body.
    ///
    /// # Errors
    /// 422 where it does not fit.
    pub fn read(body: &Value) -> Result<Self, ApiError> {
        ROTATE.read(body)
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::{registry::Registry, types::Type};

    use super::*;

    #[test]
    fn the_schemas_and_the_documented_types_name_the_same_fields() {
        let mut registry = Registry::new();
        CreateToken::register(&mut registry);
        RotateToken::register(&mut registry);
        for (name, schema) in [("CreateToken", create_schema()), ("RotateToken", rotate_schema())] {
            let mut documented: Vec<&str> = registry.schemas[name]
                .properties
                .iter()
                .map(|(name, _)| *name)
                .collect();
            documented.sort_unstable();
            let judged: Vec<&String> = schema["properties"]
                .as_object()
                .expect("properties")
                .keys()
                .collect();
            assert_eq!(judged, documented, "{name}");
        }
        assert!(CreateToken::read(&json!({"name": "a", "scopes": ["jobs:read"]})).is_ok());
        assert!(RotateToken::read(&json!({})).is_ok());
    }
}
