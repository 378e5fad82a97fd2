//! A field of a change that `null` takes back, which is something else than leaving it out.

use std::borrow::Cow;

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef, Registry},
    types::{ParseFromJSON, ParseResult, ToJSON, Type},
};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// What a change does to one field. Needs `#[serde(default)]`.
#[derive(Debug, Clone)]
pub(crate) struct Clearable<T>(
    /// None: it stays. None within: it is taken back.
    pub Option<Option<T>>,
);

impl<T> Default for Clearable<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Clearable<T> {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        Option::deserialize(value).map(|given| Self(Some(given)))
    }
}

impl<T: Type> Type for Clearable<T> {
    const IS_REQUIRED: bool = false;
    type RawValueType = T::RawValueType;
    type RawElementValueType = T::RawElementValueType;

    fn name() -> Cow<'static, str> {
        format!("optional<{}>", T::name()).into()
    }

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref().merge(MetaSchema {
            nullable: true,
            ..MetaSchema::ANY
        })
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self::RawValueType> {
        self.0.as_ref()?.as_ref()?.as_raw_value()
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self::RawElementValueType> + 'a> {
        match &self.0 {
            Some(Some(value)) => value.raw_element_iter(),
            _ => Box::new(std::iter::empty()),
        }
    }
}

impl<T: ParseFromJSON> ParseFromJSON for Clearable<T> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        Ok(Self(match value {
            None => None,
            Some(Value::Null) => Some(None),
            given => Some(Some(T::parse_from_json(given).map_err(|e| e.propagate())?)),
        }))
    }
}

impl<T: ToJSON> ToJSON for Clearable<T> {
    fn to_json(&self) -> Option<Value> {
        let given = self.0.as_ref()?;
        Some(given.as_ref().and_then(ToJSON::to_json).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Deserialize)]
    struct Change {
        #[serde(default)]
        plan: Clearable<String>,
    }

    #[test]
    fn nothing_null_and_a_value_are_three_things() {
        let read = |body: Value| serde_json::from_value::<Change>(body).expect("a change").plan.0;
        assert_eq!(read(json!({})), None);
        assert_eq!(read(json!({"plan": null})), Some(None));
        assert_eq!(read(json!({"plan": "pro"})), Some(Some("pro".to_owned())));
    }
}
