//! Grammars, masks and schemas: random walks always end in JSON that fits.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Every byte, and some longer pieces, as a vocabulary has them.
fn vocabulary() -> (Vocabulary, Vec<Vec<u8>>) {
    let mut tokens: Vec<Vec<u8>> = vec![Vec::new()];
    tokens.extend((0..=u8::MAX).map(|byte| vec![byte]));
    let pieces = [
        "{\"",
        "\":",
        " \"",
        "\", \"",
        "\"}",
        "},",
        "]}",
        "[[",
        "{}",
        "[]",
        "}}",
        ": ",
        ",\n",
        "\n  ",
        "name",
        "na",
        "nam\":",
        " the",
        "the",
        "hello",
        "tr",
        "true",
        "false",
        "null",
        "12",
        "3.5",
        "e9",
        "-1",
        "0.",
        "\\n",
        "\\\"",
        "\\u00",
        "é",
        "水",
        "日本",
        "😀",
        "a\"",
        "ab",
        "abc",
        "{\"name\":",
        "\"age\"",
        "1, 2",
        "red",
        "\"red\"",
    ];
    tokens.extend(pieces.iter().map(|piece| piece.as_bytes().to_vec()));
    // Pieces of characters, as byte-level vocabularies have them.
    tokens.push("水".as_bytes()[..2].to_vec());
    tokens.push([&"水".as_bytes()[2..], b"\""].concat());
    tokens.push("😀".as_bytes()[..3].to_vec());
    (Vocabulary::new(&tokens), tokens)
}

fn schemas() -> Vec<Value> {
    vec![
        json!({"type": "object"}),
        json!({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
               "required": ["name", "age"], "additionalProperties": false}),
        json!({"type": "object", "properties": {"na": {"type": "null"}, "name": {"type": "string", "minLength": 3, "maxLength": 5},
               "nam": {"type": "boolean"}, "z": {"type": "number"}}, "required": ["nam"]}),
        json!({"type": "array", "items": {"enum": ["red", "green", 1, 12, 1.5, null, {"a": [1]}]}, "minItems": 2, "maxItems": 4}),
        json!({"type": "object", "additionalProperties": {"type": "array", "items": {"type": ["string", "null"]}, "minItems": 1}}),
        json!({"type": "object", "properties": {"è\"\n水": {"const": "日本"}, "b": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/p"}]}},
               "required": ["è\"\n水", "b"], "$defs": {"p": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}}}),
        json!({"type": "string", "maxLength": 3}),
        json!({"type": "array", "minItems": 1, "items": {"type": "array", "minItems": 2, "items": {"type": "boolean"}}}),
        json!({"enum": [1, 12, 123]}),
        json!({"type": "number"}),
        json!(true),
    ]
}

/// Whether a value fits a schema of this file: the usual meaning, written once more.
fn fits(root: &Value, schema: &Value, value: &Value) -> bool {
    if let Some(name) = schema["$ref"].as_str() {
        return fits(root, root.pointer(&name[1..]).expect("there"), value);
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    let count = |key: &str, default: u64| schema[key].as_u64().unwrap_or(default) as usize;
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_i64() || n.is_u64() || n.as_f64() == Some(0.0) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let typed = kinds.is_empty() || kinds.contains(&kind) || kind == "integer" && kinds.contains(&"number");
    let inner = match value {
        Value::String(text) => {
            let chars = text.chars().count();
            chars >= count("minLength", 0) && chars <= count("maxLength", u64::MAX)
        }
        Value::Array(items) => {
            items.len() >= count("minItems", 0)
                && items.len() <= count("maxItems", u64::MAX)
                && items
                    .iter()
                    .all(|item| schema.get("items").is_none_or(|s| fits(root, s, item)))
        }
        Value::Object(object) => {
            let field = |(key, value): (&String, &Value)| match schema["properties"].get(key) {
                Some(schema) => fits(root, schema, value),
                None => schema
                    .get("additionalProperties")
                    .is_none_or(|s| fits(root, s, value)),
            };
            let required = schema["required"].as_array().into_iter().flatten();
            required
                .filter_map(Value::as_str)
                .all(|key| object.contains_key(key))
                && object.iter().all(field)
        }
        Value::Number(n) => schema.get("minimum").is_none() || n.as_f64() >= Some(0.0),
        _ => true,
    };
    typed
        && inner
        && schema
            .get("enum")
            .is_none_or(|values| values.as_array().is_some_and(|v| v.contains(value)))
        && schema.get("const").is_none_or(|v| v == value)
        && schema.get("anyOf").is_none_or(|v| {
            v.as_array()
                .is_some_and(|v| v.iter().any(|s| fits(root, s, value)))
        })
        && *schema != Value::Bool(false)
}

/// Generates with whatever `choose` picks of the tokens that may come; the text, and tokens used.
fn generate(
    grammar: &Grammar,
    budget: usize,
    mut choose: impl FnMut(&[usize]) -> Option<usize>,
) -> (Vec<u8>, usize) {
    let (vocabulary, tokens) = vocabulary();
    let (mut state, mut text, mut mask) = (State::new(grammar), Vec::new(), Vec::new());
    for used in 0..budget {
        if state.is_whole() {
            return (text, used);
        }
        vocabulary.mask(grammar, &state, &mut mask);
        let left = budget - used - 1;
        let allowed: Vec<usize> = (0..mask.len())
            .filter(|&id| mask[id].is_some_and(|close| close <= left))
            .collect();
        if state.may_end(grammar) && (allowed.is_empty() || choose(&[0, 1]) == Some(0)) {
            return (text, used);
        }
        assert!(
            !allowed.is_empty(),
            "nothing may follow {:?}",
            String::from_utf8_lossy(&text)
        );
        let id = choose(&allowed).expect("one of them");
        for &byte in &tokens[id] {
            state = state.next(grammar, byte).expect("the mask said so");
        }
        assert_eq!(mask[id], Some(state.close(grammar)));
        text.extend(&tokens[id]);
    }
    assert!(
        state.may_end(grammar),
        "cut off: {:?}",
        String::from_utf8_lossy(&text)
    );
    (text, budget)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_is_picked_parses_and_fits_within_the_budget(
        which in 0..11_usize, extra in 0..60_usize, picks in prop::collection::vec(any::<prop::sample::Index>(), 300)
    ) {
        let schema = &schemas()[which];
        let grammar = compile(schema).expect("supported");
        let mut picks = picks.into_iter();
        let (text, _) = generate(&grammar, grammar.least() + extra, |allowed| {
            let pick = picks.next().map_or(0, |index| index.index(allowed.len()));
            Some(allowed[pick])
        });
        let value: Value = serde_json::from_slice(&text)
            .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&text)));
        prop_assert!(fits(schema, schema, &value), "{value} does not fit {schema}");
    }

    #[test]
    fn the_walk_says_of_every_token_what_its_bytes_say(
        which in 0..11_usize, picks in prop::collection::vec(any::<prop::sample::Index>(), 40)
    ) {
        let grammar = compile(&schemas()[which]).expect("supported");
        let (vocabulary, tokens) = vocabulary();
        let (mut state, mut mask) = (State::new(&grammar), Vec::new());
        for pick in picks {
            vocabulary.mask(&grammar, &state, &mut mask);
            for (token, said) in tokens.iter().zip(&mask) {
                let end = token.iter().try_fold(state.clone(), |state, &byte| state.next(&grammar, byte));
                let end = end.filter(|_| !token.is_empty()).map(|state| state.close(&grammar));
                prop_assert_eq!(*said, end, "{:?}", String::from_utf8_lossy(token));
            }
            let allowed: Vec<usize> = (0..mask.len()).filter(|&id| mask[id].is_some()).collect();
            if allowed.is_empty() {
                break;
            }
            for &byte in &tokens[allowed[pick.index(allowed.len())]] {
                state = state.next(&grammar, byte).expect("the mask said so");
            }
        }
    }

    /// What a schema's own values look like when serde writes them is taken, byte for byte, where keys are in order.
    #[test]
    fn texts_are_taken_as_they_are_written(text in ".{0,12}") {
        let value = json!({"name": text, "age": 7});
        let written = format!("{{\"name\": {}, \"age\": 7}}", value["name"]);
        let grammar = compile(&schemas()[1]).expect("supported");
        let end = written.bytes().try_fold(State::new(&grammar), |state, byte| state.next(&grammar, byte));
        prop_assert!(end.is_some_and(|state| state.is_whole()), "{written}");
    }
}

#[test]
fn the_least_budget_gives_the_shortest_text() {
    for schema in schemas() {
        let grammar = compile(&schema).expect("supported");
        let (text, used) = generate(&grammar, grammar.least(), |allowed| allowed.first().copied());
        assert_eq!(
            (text.len(), used),
            (grammar.least(), grammar.least()),
            "{schema}: {}",
            String::from_utf8_lossy(&text)
        );
    }
}

#[test]
fn what_does_not_fit_is_refused_at_its_byte() {
    let cases = [
        (1, r#"{"age""#, 3),
        (1, r#"{"name": "a", "age": -"#, 22),
        (1, r#"{"name": "a"}"#, 13),
        (2, r#"{"nam": true, "name": "ab""#, 26),
        (3, r#"["blue"#, 3),
        (3, r#"[1,12,1.5,null,"#, 15),
        (6, r#""abcd"#, 5),
        (9, "01", 2),
        (9, "1.", 0),
        (10, r#""\ud83d"#, 5),
        (10, "\"\u{1}", 2),
        (10, "nul1", 4),
        (10, "1e999", 5),
    ];
    for (which, text, refused) in cases {
        let grammar = compile(&schemas()[which]).expect("supported");
        let mut state = Some(State::new(&grammar));
        let mut at = 0;
        for (index, byte) in text.bytes().enumerate() {
            state = state.and_then(|state| state.next(&grammar, byte));
            if state.is_none() {
                at = index + 1;
                break;
            }
        }
        assert_eq!(at, refused, "{text}");
    }
}

#[test]
fn what_can_not_be_kept_is_refused_by_name() {
    let deep = (0..40).fold(json!(true), |inner, _| json!({"type": "array", "items": inner}));
    let cases = [
        (json!({"type": "string", "pattern": "^a"}), "/pattern"),
        (json!({"type": "string", "format": "date"}), "/format"),
        (json!({"type": "integer", "minimum": 3}), "/minimum"),
        (
            json!({"anyOf": [{"type": "string"}, {"enum": ["a"]}]}),
            "different types",
        ),
        (
            json!({"anyOf": [{"type": "number"}, {"type": "integer"}]}),
            "different types",
        ),
        (json!({"oneOf": [{"const": 1}, {"const": 1}]}), "more than one"),
        (
            json!({"$ref": "#/$defs/n", "$defs": {"n": {"type": "array", "items": {"$ref": "#/$defs/n"}}}}),
            "itself",
        ),
        (json!({"$ref": "other.json"}), "pointer"),
        (
            json!({"type": "object", "properties": {"a": {}}, "required": ["b"]}),
            "\"b\"",
        ),
        (json!({"type": "array", "minItems": 3, "maxItems": 2}), "minItems"),
        (json!({"type": "array", "items": false}), "/items"),
        (json!({"type": "strnig"}), "strnig"),
        (json!({"enum": ["a"], "type": "number"}), "no value"),
        (json!({"not": {}}), "/not"),
        (deep, "deeper"),
        (json!({"type": "string", "minLength": u64::MAX}), "/minLength"),
        (
            json!({"enum": (0..1001).collect::<Vec<_>>()}),
            "more than 1000 values",
        ),
        (
            json!({"type": "object", "properties": {
                "a": {"enum": (0..600).collect::<Vec<_>>()}, "b": {"enum": (0..600).collect::<Vec<_>>()}
            }}),
            "/properties/b",
        ),
        (json!(false), "not a schema"),
    ];
    for (schema, named) in cases {
        let error = compile(&schema).expect_err("can't be kept");
        assert!(error.contains(named), "{schema}: {error}");
    }
}

#[test]
fn a_schema_of_doubling_references_is_refused_or_small() {
    let mut defs = serde_json::Map::new();
    for n in 0..30 {
        let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
        defs.insert(
            format!("d{n}"),
            json!({"type": "object", "properties": {"a": next, "b": next}, "required": ["a", "b"]}),
        );
    }
    defs.insert("d30".to_owned(), json!({"type": "null"}));
    let error = compile(&json!({"$ref": "#/$defs/d0", "$defs": defs})).expect_err("too deep");
    assert!(error.contains("deeper"), "{error}");
}
