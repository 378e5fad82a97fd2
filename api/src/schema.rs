//! JSON Schema as the judge of bodies: what does not fit becomes a list of pointers, codes and sentences.
//! The sentences never repeat the value: it may be long, and it is not ours.

use jsonschema::{Validator, error::ValidationErrorKind as Kind};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    error::{ApiError, Fault},
    message::{Message, message},
    strict_json::push_token,
};

/// Faults told in one answer.
const MAX_ERRORS: usize = 20;

/// A compiled schema.
#[derive(Debug, Clone)]
pub struct Schema(Validator);

impl Schema {
    /// Compiles a schema of ours.
    ///
    /// # Errors
    /// Where it is not a schema.
    pub fn new(schema: &Value) -> Result<Self, String> {
        jsonschema::validator_for(schema)
            .map(Self)
            .map_err(|e| e.to_string())
    }

    /// Reads a whole body.
    ///
    /// # Errors
    /// 422 with pointers where it does not fit.
    pub fn read<T: DeserializeOwned>(&self, body: &Value) -> Result<T, ApiError> {
        let faults = self.faults(body, "");
        if !faults.is_empty() {
            return Err(ApiError::invalid(faults));
        }
        serde_path_to_error::deserialize(body).map_err(|e| {
            // Only what JSON Schema lets pass and our types don't: 1.0 for an integer.
            let mut pointer = String::new();
            e.path()
                .iter()
                .for_each(|segment| push_token(&mut pointer, &segment.to_string()));
            let fault = Fault::at(pointer, "wrong_type", message!("is not of the right type"));
            ApiError::invalid(vec![fault])
        })
    }

    /// What is wrong with `value`, which stands at `base` in the body; empty when it fits.
    pub fn faults(&self, value: &Value, base: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut alternatives = Vec::new();
        for error in self.0.iter_errors(value) {
            // That no alternative fits, or several do, tells nothing beside the fault that is the reason.
            if matches!(
                error.kind(),
                Kind::OneOfNotValid { .. } | Kind::OneOfMultipleValid { .. }
            ) {
                let pointer = format!("{base}{}", error.instance_path().as_str());
                alternatives.push(Fault::at(
                    pointer,
                    "one_of",
                    message!("must have exactly one of the fields that stand for each other"),
                ));
                continue;
            }
            let pointer = format!("{base}{}", error.instance_path().as_str());
            describe(error.kind(), pointer, &mut faults);
            if faults.len() >= MAX_ERRORS {
                faults.truncate(MAX_ERRORS);
                break;
            }
        }
        if faults.is_empty() {
            faults = alternatives;
        }
        faults
    }
}

fn describe(kind: &Kind, pointer: String, faults: &mut Vec<Fault>) {
    let below = |name: &str| {
        let mut pointer = pointer.clone();
        push_token(&mut pointer, name);
        pointer
    };
    let (code, detail) = match kind {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            return faults.push(Fault::at(below(name), "required", message!("is required")));
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let unknown = |name: &String| {
                Fault::at(
                    below(name),
                    "unknown_field",
                    message!("is not a field of this object"),
                )
            };
            return faults.extend(unexpected.iter().map(unknown));
        }
        Kind::Type { kind } => ("wrong_type", type_named(kind)),
        Kind::MaxLength { limit } => (
            "too_long",
            message!("must have at most {limit} characters", limit = *limit),
        ),
        Kind::MinLength { limit } => (
            "too_short",
            message!("must have at least {limit} character(s)", limit = *limit),
        ),
        Kind::MaxItems { limit } => (
            "too_many",
            message!("must have at most {limit} items", limit = *limit),
        ),
        Kind::MinItems { limit } => (
            "too_few",
            message!("must have at least {limit} item(s)", limit = *limit),
        ),
        Kind::MaxProperties { limit } => (
            "too_many",
            message!("must have at most {limit} field(s)", limit = *limit),
        ),
        Kind::MinProperties { limit } => (
            "too_few",
            message!("must have at least {limit} field(s)", limit = *limit),
        ),
        Kind::Maximum { limit } => (
            "too_large",
            message!("must be at most {limit}", limit = limit.to_string()),
        ),
        Kind::Minimum { limit } => (
            "too_small",
            message!("must be at least {limit}", limit = limit.to_string()),
        ),
        Kind::ExclusiveMaximum { limit } => (
            "too_large",
            message!("must be less than {limit}", limit = limit.to_string()),
        ),
        Kind::ExclusiveMinimum { limit } => (
            "too_small",
            message!("must be more than {limit}", limit = limit.to_string()),
        ),
        Kind::Enum { options } => (
            "not_allowed",
            message!("must be one of {options}", options = options.to_string()),
        ),
        other => (
            "invalid",
            message!("does not fit the schema ({keyword})", keyword = other.keyword()),
        ),
    };
    faults.push(Fault::at(pointer, code, detail));
}

fn type_named(kind: &jsonschema::error::TypeKind) -> Message {
    match kind {
        jsonschema::error::TypeKind::Single(one) => {
            message!("must be of type {kind}", kind = one.to_string())
        }
        jsonschema::error::TypeKind::Multiple(_) => message!("must be of another type"),
    }
}

#[cfg(test)]
mod tests {
    use lamplighter_shared::task::Task;
    use serde_json::json;

    use super::*;

    fn faults(value: &Value) -> Vec<(String, String)> {
        let schema = Schema::new(&Task::TextEmbedding.input_schema(3)).expect("a schema of ours");
        let faults = schema.faults(value, "/input");
        faults
            .into_iter()
            .map(|f| (f.pointer.unwrap_or_default(), f.code))
            .collect()
    }

    #[test]
    fn faults_point_at_their_place() {
        let fault = |pointer: &str, code: &str| (pointer.to_owned(), code.to_owned());
        assert_eq!(faults(&json!({"texts": ["a", "b"]})), []);
        assert_eq!(faults(&json!({"text": "a"})), []);
        assert_eq!(
            faults(&json!({"texts": ["a", 1]})),
            [fault("/input/texts/1", "wrong_type")]
        );
        assert_eq!(faults(&json!({"texts": []})), [fault("/input/texts", "too_few")]);
        assert_eq!(
            faults(&json!({"texts": ["a", "b", "c", "d"]})),
            [fault("/input/texts", "too_many")]
        );
        assert_eq!(faults(&json!({})), [fault("/input", "one_of")]);
        assert_eq!(
            faults(&json!({"text": "a", "texts": ["b"]})),
            [fault("/input", "one_of")]
        );
        assert_eq!(faults(&json!([])), [fault("/input", "wrong_type")]);
        assert_eq!(
            faults(&json!({"a/b": 1})),
            [fault("/input/a~1b", "unknown_field")]
        );
        assert_eq!(faults(&json!({"text": ""})), [fault("/input/text", "too_short")]);
    }

    #[test]
    fn a_flood_of_faults_is_cut() {
        let schema = Schema::new(&json!({"items": {"type": "string"}})).expect("a schema");
        assert_eq!(schema.faults(&json!(vec![1; 1000]), "").len(), MAX_ERRORS);
    }
}
