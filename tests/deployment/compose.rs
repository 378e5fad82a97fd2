//! `docker/compose.yaml` as Docker would understand it: variables filled in, `<<` merged.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::Value;

/// A file below `docker/`.
pub fn file(name: &str) -> PathBuf {
    repository().join("docker").join(name)
}

/// The top of the repository.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The whole file, with its variables at their defaults.
pub fn load() -> Value {
    let text = fs::read_to_string(file("compose.yaml")).expect("compose.yaml");
    parse(&text, &BTreeMap::new())
}

/// Reads a file with these variables set.
pub fn parse(text: &str, variables: &BTreeMap<&str, &str>) -> Value {
    let mut yaml: serde_yaml::Value = serde_yaml::from_str(text).expect("YAML");
    // One call leaves the merges of what it merged.
    for _ in 0..4 {
        yaml.apply_merge().expect("`<<` names mappings");
    }
    let mut value = serde_json::to_value(&yaml).expect("keys are strings");
    fill_in(&mut value, variables);
    value
}

/// Fills variables into every string that is a value.
fn fill_in(value: &mut Value, variables: &BTreeMap<&str, &str>) {
    match value {
        Value::String(text) => *text = interpolate(text, variables),
        Value::Array(members) => members.iter_mut().for_each(|member| fill_in(member, variables)),
        Value::Object(members) => members.values_mut().for_each(|member| fill_in(member, variables)),
        _ => {}
    }
}

/// `$$`, `${NAME:-default}`, and `${NAME:+instead}` for what a variable brings along that is set and not empty:
/// compose.yaml leaves no variable without a default.
fn interpolate(text: &str, variables: &BTreeMap<&str, &str>) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        filled.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            filled.push('$');
            rest = after;
            continue;
        }
        let inner = rest
            .strip_prefix('{')
            .unwrap_or_else(|| panic!("{text}: a variable looks like ${{NAME:-default}}"));
        let (inner, after) = inner
            .split_once('}')
            .unwrap_or_else(|| panic!("{text}: `}}` is missing"));
        filled.push_str(match inner.split_once(":+") {
            Some((name, instead)) => match variables.get(name) {
                Some(value) if !value.is_empty() => instead,
                _ => "",
            },
            None => {
                let (name, default) = inner
                    .split_once(":-")
                    .unwrap_or_else(|| panic!("{text}: {inner} has no default"));
                variables.get(name).copied().unwrap_or(default)
            }
        });
        rest = after;
    }
    filled + rest
}

/// A list of strings, or none.
pub fn strings(value: &Value) -> Vec<String> {
    let text = |v: &Value| v.as_str().map(str::to_owned).expect("a string");
    value
        .as_array()
        .map(|list| list.iter().map(text).collect())
        .unwrap_or_default()
}

/// The names in a mapping, or in a list of names.
pub fn names(value: &Value) -> Vec<String> {
    match value.as_object() {
        Some(map) => map.keys().cloned().collect(),
        None => strings(value),
    }
}

#[test]
fn variables_and_merges_are_understood() {
    let text =
        "a: &a {x: '${ONE:-1}.${TWO:-2}${ONE:+no}${TWO:+!}', y: b$$c}\nd: &d {<<: *a, x: 3}\ne: {<<: *d}\n";
    let read = parse(text, &BTreeMap::from([("TWO", "two")]));
    assert_eq!(read["a"]["x"], "1.two!");
    assert_eq!(read["d"], serde_json::json!({"x": 3, "y": "b$c"}));
    assert_eq!(read["e"], read["d"]);
}
