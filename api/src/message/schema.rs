//! The texts for people in a JSON Schema of ours. What programs read stays as it is: names, values, examples.

use serde_json::{Map, Value};

use super::translate as words;
use crate::locale::Locale;

/// Whose values are schemas by names that are not keywords.
const OF_NAMES: [&str; 4] = ["properties", "patternProperties", "$defs", "dependentSchemas"];
/// Whose values are data.
const DATA: [&str; 5] = ["const", "default", "enum", "examples", "required"];

/// Translates each title and description of a schema.
pub(crate) fn translate(locale: Locale, schema: &mut Value) {
    match schema {
        Value::Object(keywords) => keywords
            .iter_mut()
            .for_each(|(keyword, value)| keyword_of(locale, keyword, value)),
        Value::Array(schemas) => schemas.iter_mut().for_each(|schema| translate(locale, schema)),
        _ => {}
    }
}

fn keyword_of(locale: Locale, keyword: &str, value: &mut Value) {
    match (keyword, value) {
        ("title" | "description", Value::String(text)) => *text = words(locale, text),
        (names, Value::Object(schemas)) if OF_NAMES.contains(&names) => each(locale, schemas),
        (data, _) if DATA.contains(&data) => {}
        (_, value) => translate(locale, value),
    }
}

fn each(locale: Locale, schemas: &mut Map<String, Value>) {
    schemas.values_mut().for_each(|schema| translate(locale, schema));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_titles_and_descriptions_change_and_never_a_field_of_that_name() {
        let mut schema = json!({
            "title": "Texts",
            "default": {"title": "Texts"},
            "examples": [{"description": "Texts"}],
            "properties": {
                "title": {"type": "string", "enum": ["Texts"], "title": "Texts"},
                "description": {"const": "Texts", "description": "Nobody has translated this."},
                "list": {"items": {"title": "Texts"}, "anyOf": [{"title": "Texts"}]}
            },
            "required": ["title"]
        });
        let before = schema.clone();
        translate(Locale::English, &mut schema);
        assert_eq!(schema, before);
        translate(Locale::Japanese, &mut schema);
        let expected = json!({
            "title": "テキスト",
            "default": {"title": "Texts"},
            "examples": [{"description": "Texts"}],
            "properties": {
                "title": {"type": "string", "enum": ["Texts"], "title": "テキスト"},
                "description": {"const": "Texts", "description": "Nobody has translated this."},
                "list": {"items": {"title": "テキスト"}, "anyOf": [{"title": "テキスト"}]}
            },
            "required": ["title"]
        });
        assert_eq!(schema, expected);
    }
}
