//! From a JSON Schema to a grammar. Only what can be kept is taken; every other keyword is refused by name.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::grammar::{Field, Grammar, Id, Node, least, rests};

/// Schemas nest so deep at most.
const MAX_DEPTH: usize = 16;

/// Nodes of a grammar.
const MAX_NODES: usize = 2_000;

/// Values of all its lists: each is looked at for every token that may come next.
const MAX_VALUES: usize = 1_000;

/// Counts of characters and items: more than any answer has.
const MAX_COUNT: usize = 1 << 30;

/// Keywords that say nothing about what fits.
const REMARKS: [&str; 11] = [
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
];

/// Compiles a schema.
///
/// # Errors
/// A sentence with the place, where the schema says something that can't be kept, or that nothing can fit.
pub(in crate::models::llama) fn compile(schema: &Value) -> Result<Grammar, String> {
    let mut compiler = Compiler {
        root: schema,
        nodes: Vec::new(),
        least: Vec::new(),
        values: 0,
        named: HashMap::new(),
    };
    let root = compiler.node(schema, "", 0)?;
    Ok(Grammar {
        nodes: compiler.nodes,
        least: compiler.least,
        root,
    })
}

struct Compiler<'a> {
    root: &'a Value,
    nodes: Vec<Node>,
    least: Vec<usize>,
    /// Values of lists so far.
    values: usize,
    /// What references point to; none while it is being compiled.
    named: HashMap<String, Option<Id>>,
}

impl Compiler<'_> {
    fn node(&mut self, schema: &Value, at: &str, depth: usize) -> Result<Id, String> {
        if depth > MAX_DEPTH {
            return Err(format!("{at}: the schema nests deeper than {MAX_DEPTH}"));
        }
        let object = match schema {
            Value::Bool(true) => return self.push(Node::Any, at),
            Value::Object(object) => object,
            _ => return Err(format!("{at}: not a schema that anything fits")),
        };
        if let Some(reference) = object.get("$ref") {
            only(object, &["$ref"], at)?;
            return self.reference(reference, at, depth);
        }
        if object.contains_key("enum") || object.contains_key("const") {
            return self.literal(object, at);
        }
        for (keyword, exclusive) in [("anyOf", false), ("oneOf", true), ("allOf", true)] {
            if let Some(list) = object.get(keyword) {
                only(object, &[keyword], at)?;
                let list = list.as_array().filter(|list| !list.is_empty());
                let list = list.ok_or_else(|| format!("{at}/{keyword}: not a list of schemas"))?;
                if keyword == "allOf" && list.len() > 1 {
                    return Err(format!("{at}/allOf: more than one schema is not supported"));
                }
                let ids = list
                    .iter()
                    .enumerate()
                    .map(|(n, schema)| self.node(schema, &format!("{at}/{keyword}/{n}"), depth + 1))
                    .collect::<Result<Vec<Id>, String>>()?;
                return self.choice(ids, exclusive, at);
            }
        }
        self.typed(object, at, depth)
    }

    fn push(&mut self, node: Node, at: &str) -> Result<Id, String> {
        if self.nodes.len() >= MAX_NODES {
            return Err(format!("{at}: the schema has more than {MAX_NODES} parts"));
        }
        self.least.push(least(&node, &self.least));
        self.nodes.push(node);
        Ok(self.nodes.len() - 1)
    }

    fn reference(&mut self, reference: &Value, at: &str, depth: usize) -> Result<Id, String> {
        let name = reference.as_str().unwrap_or_default();
        let pointer = name
            .strip_prefix('#')
            .filter(|_| name.is_ascii() || !name.contains('%'));
        let target = pointer.and_then(|pointer| self.root.pointer(pointer));
        let Some(target) = target else {
            return Err(format!(
                "{at}/$ref: must be a pointer into this schema, as in #/$defs/name"
            ));
        };
        match self.named.get(name) {
            Some(Some(id)) => return Ok(*id),
            Some(None) => {
                return Err(format!(
                    "{at}/$ref: a schema that refers to itself is not supported"
                ));
            }
            None => {}
        }
        self.named.insert(name.to_owned(), None);
        let id = self.node(target, &name[1..], depth + 1)?;
        self.named.insert(name.to_owned(), Some(id));
        Ok(id)
    }

    fn literal(&mut self, object: &Map<String, Value>, at: &str) -> Result<Id, String> {
        only(object, &["enum", "const", "type"], at)?;
        let values = match (object.get("enum"), object.get("const")) {
            (Some(Value::Array(values)), None) => values.clone(),
            (None, Some(value)) => vec![value.clone()],
            _ => return Err(format!("{at}: give `enum`, a list, or `const`")),
        };
        let types = types(object, at)?;
        let fits = |value: &Value| types.is_empty() || types.iter().any(|kind| is_of(value, kind));
        let mut texts: Vec<Vec<u8>> = values
            .iter()
            .filter(|v| fits(v))
            .map(|v| v.to_string().into())
            .collect();
        texts.sort_unstable();
        texts.dedup();
        if texts.is_empty() {
            return Err(format!("{at}: no value fits `enum` and `type`"));
        }
        self.values += texts.len();
        if self.values > MAX_VALUES {
            return Err(format!("{at}: the schema lists more than {MAX_VALUES} values"));
        }
        self.push(Node::Literal(texts), at)
    }

    /// One of several: which one must be clear from the first byte.
    fn choice(&mut self, ids: Vec<Id>, exclusive: bool, at: &str) -> Result<Id, String> {
        if let [id] = ids[..] {
            return Ok(id);
        }
        let literals: Option<Vec<&Vec<Vec<u8>>>> = ids
            .iter()
            .map(|&id| match &self.nodes[id] {
                Node::Literal(texts) => Some(texts),
                _ => None,
            })
            .collect();
        if let Some(lists) = literals {
            let mut texts = lists.into_iter().flatten().cloned().collect::<Vec<_>>();
            let count = texts.len();
            texts.sort_unstable();
            texts.dedup();
            if exclusive && texts.len() < count {
                return Err(format!("{at}: a value fits more than one of `oneOf`"));
            }
            return self.push(Node::Literal(texts), at);
        }
        let node = Node::Choice(ids.clone());
        let id = self.push(node, at)?;
        let grammar = Grammar {
            nodes: std::mem::take(&mut self.nodes),
            least: Vec::new(),
            root: id,
        };
        let clash = (0..=u8::MAX).any(|byte| ids.iter().filter(|&&id| grammar.begins(id, byte)).count() > 1);
        self.nodes = grammar.nodes;
        match clash {
            true => Err(format!(
                "{at}: alternatives must be of different types (of an object, a list, a string, a number, a boolean, null)"
            )),
            false => Ok(id),
        }
    }

    fn typed(&mut self, object: &Map<String, Value>, at: &str, depth: usize) -> Result<Id, String> {
        let mut kinds = types(object, at)?;
        if kinds.is_empty() {
            let shapes = [("properties", "object"), ("items", "array")];
            kinds.extend(
                shapes
                    .iter()
                    .filter(|(key, _)| object.contains_key(*key))
                    .map(|(_, kind)| *kind),
            );
        }
        if kinds.is_empty() {
            only(object, &[], at)?;
            return self.push(Node::Any, at);
        }
        let keywords: Vec<&str> = kinds
            .iter()
            .flat_map(|kind| keywords(kind))
            .copied()
            .chain(["type"])
            .collect();
        only(object, &keywords, at)?;
        // Every whole number is a number: the wider is enough.
        if kinds.contains(&"number") {
            kinds.retain(|kind| *kind != "integer");
        }
        let ids = kinds
            .iter()
            .map(|kind| self.one_type(kind, object, at, depth))
            .collect::<Result<Vec<Id>, String>>()?;
        self.choice(ids, false, at)
    }

    fn one_type(
        &mut self,
        kind: &str,
        object: &Map<String, Value>,
        at: &str,
        depth: usize,
    ) -> Result<Id, String> {
        let node = match kind {
            "null" => Node::Literal(vec![b"null".to_vec()]),
            "boolean" => Node::Literal(vec![b"false".to_vec(), b"true".to_vec()]),
            "integer" | "number" => Node::Number {
                integer: kind == "integer",
                unsigned: unsigned(object, at)?,
            },
            "string" => {
                let (min, max) = range(object, "minLength", "maxLength", at)?;
                Node::Text { min, max }
            }
            "array" => {
                let (min, max) = range(object, "minItems", "maxItems", at)?;
                let items = object.get("items").unwrap_or(&Value::Bool(true));
                let item = match items {
                    Value::Bool(false) => return Err(format!("{at}/items: nothing fits `false`")),
                    items => self.node(items, &format!("{at}/items"), depth + 1)?,
                };
                Node::List { item, min, max }
            }
            "object" => return self.object(object, at, depth),
            other => return Err(format!("{at}/type: {other:?} is not a type")),
        };
        self.push(node, at)
    }

    fn object(&mut self, object: &Map<String, Value>, at: &str, depth: usize) -> Result<Id, String> {
        let none = Map::new();
        let properties = match object.get("properties") {
            None => &none,
            Some(Value::Object(properties)) => properties,
            Some(_) => return Err(format!("{at}/properties: not an object")),
        };
        let required = match object.get("required") {
            None => Vec::new(),
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            Some(_) => return Err(format!("{at}/required: not a list of names")),
        };
        if let Some(unknown) = required.iter().find(|name| !properties.contains_key(**name)) {
            return Err(format!("{at}/required: {unknown:?} is not one of `properties`"));
        }
        let extra = object.get("additionalProperties").unwrap_or(&Value::Bool(true));
        if properties.is_empty() && *extra != Value::Bool(false) {
            let value = self.node(extra, &format!("{at}/additionalProperties"), depth + 1)?;
            return self.push(Node::Free(value), at);
        }
        // Those that are required come first, in that order: it is the only one that travels with the schema.
        let optional = properties
            .keys()
            .map(String::as_str)
            .filter(|name| !required.contains(name));
        let mut fields: Vec<Field> = Vec::new();
        for name in required.iter().copied().chain(optional) {
            let key = Value::from(name).to_string().into_bytes();
            if fields.iter().any(|field| field.key == key) {
                return Err(format!("{at}/required: {name:?} is there twice"));
            }
            fields.push(Field {
                key,
                value: self.node(&properties[name], &format!("{at}/properties/{name}"), depth + 1)?,
                required: required.contains(&name),
            });
        }
        let rest = rests(&fields, &self.least);
        self.push(Node::Fields { fields, rest }, at)
    }
}

/// The keywords that are understood beside `type`.
fn keywords(kind: &str) -> &'static [&'static str] {
    match kind {
        "object" => &["properties", "required", "additionalProperties"],
        "array" => &["items", "minItems", "maxItems"],
        "string" => &["minLength", "maxLength"],
        "integer" | "number" => &["minimum"],
        _ => &[],
    }
}

/// Refuses every keyword but these and remarks.
fn only(object: &Map<String, Value>, known: &[&str], at: &str) -> Result<(), String> {
    let strange = |key: &&String| !known.contains(&key.as_str()) && !REMARKS.contains(&key.as_str());
    match object.keys().find(strange) {
        Some(key) => Err(format!("{at}/{key}: this keyword is not supported here")),
        None => Ok(()),
    }
}

fn types<'a>(object: &'a Map<String, Value>, at: &str) -> Result<Vec<&'a str>, String> {
    let kinds = match object.get("type") {
        None => Some(Vec::new()),
        Some(Value::String(kind)) => Some(vec![kind.as_str()]),
        Some(Value::Array(kinds)) if !kinds.is_empty() => kinds.iter().map(Value::as_str).collect(),
        Some(_) => None,
    };
    let mut kinds = kinds.ok_or_else(|| format!("{at}/type: not a type or a list of types"))?;
    kinds.sort_unstable();
    kinds.dedup();
    Ok(kinds)
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        _ => false,
    }
}

fn range(object: &Map<String, Value>, min: &str, max: &str, at: &str) -> Result<(usize, usize), String> {
    let number = |key: &str, default: usize| match object.get(key) {
        None => Ok(default),
        Some(value) => match value.as_u64() {
            Some(n) => match usize::try_from(n) {
                Ok(n) if n <= MAX_COUNT => Ok(n),
                _ => Err(format!("{at}/{key}: more than {MAX_COUNT}")),
            },
            None => Err(format!("{at}/{key}: not a count")),
        },
    };
    let (low, high) = (number(min, 0)?, number(max, usize::MAX)?);
    if low > high {
        return Err(format!("{at}: {min} is more than {max}"));
    }
    Ok((low, high))
}

fn unsigned(object: &Map<String, Value>, at: &str) -> Result<bool, String> {
    match object.get("minimum") {
        None => Ok(false),
        Some(value) if value.as_u64() == Some(0) => Ok(true),
        Some(_) => Err(format!("{at}/minimum: only 0 is supported")),
    }
}
