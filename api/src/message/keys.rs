//! Every English text that has translations, found where it stands: for the tests of the catalogues.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use lamplighter_shared::{error::ErrorCode, model_spec::Catalog, task::Task};
use serde_json::Value;

use super::stored::SENTENCES;

/// A call of `message!`: its text, and the names of the values that it gives.
#[derive(Debug)]
pub(super) struct Call {
    pub file: PathBuf,
    pub text: String,
    pub names: BTreeSet<String>,
}

/// All keys of the catalogues.
pub(super) fn all() -> BTreeSet<String> {
    let calls = calls().into_iter().map(|call| call.text);
    let titles = ErrorCode::ALL.iter().map(|code| code.title().to_owned());
    let stored = SENTENCES.iter().map(|sentence| (*sentence).to_owned());
    let models = Catalog::built_in().0.into_values().map(|spec| spec.description);
    let mut keys: BTreeSet<String> = calls.chain(titles).chain(stored).chain(models).collect();
    for task in Task::ALL {
        of_schema(&task.input_schema(8), &mut keys);
        of_schema(&task.output_schema(), &mut keys);
    }
    keys
}

/// Texts of a schema, found by themselves: wherever one is called title or description.
fn of_schema(schema: &Value, keys: &mut BTreeSet<String>) {
    match schema {
        Value::Object(keywords) => {
            for (keyword, value) in keywords {
                match value {
                    Value::String(text) if matches!(keyword.as_str(), "title" | "description") => {
                        keys.insert(text.clone());
                    }
                    value => of_schema(value, keys),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| of_schema(value, keys)),
        _ => {}
    }
}

/// Every `message!` of the API outside of its tests.
pub(super) fn calls() -> Vec<Call> {
    let mut calls = Vec::new();
    for (file, source) in product(&["api/src"]) {
        for (at, _) in source.match_indices("message!(") {
            let line = source[..at].rsplit('\n').next().unwrap_or_default();
            if line.trim_start().starts_with("//") {
                continue;
            }
            let rest = source[at + "message!(".len()..].trim_start();
            let (text, length) = literal(rest)
                .unwrap_or_else(|| panic!("{}: message! takes a text as it stands", file.display()));
            calls.push(Call {
                file: file.clone(),
                text,
                names: names(&rest[length..]),
            });
        }
    }
    calls
}

/// The names of `, name = value` up to the end of a call.
fn names(rest: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let (mut depth, mut skip) = (0, 0);
    for (at, c) in rest.char_indices() {
        if at < skip {
            continue;
        }
        match c {
            '"' => skip = at + literal(&rest[at..]).map_or(1, |(_, length)| length),
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                let name: String = rest[at + 1..]
                    .trim_start()
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                    .collect();
                if !name.is_empty() {
                    names.insert(name);
                }
            }
            _ => {}
        }
    }
    names
}

/// The string literals of some folders' sources.
pub(super) fn literals(folders: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in sources(folders) {
        let source = fs::read_to_string(&file).expect("a source");
        let mut at = 0;
        while let Some(next) = source[at..].find('"') {
            let start = at + next;
            let Some((text, length)) = literal(&source[start..]) else {
                break;
            };
            found.insert(text);
            at = start + length;
        }
        // Quotes within comments and characters turn the text inside out: the other half of it, too.
        for line in source.lines() {
            let Some(start) = line.find('"') else { continue };
            let from = line.as_ptr() as usize - source.as_ptr() as usize + start;
            found.extend(literal(&source[from..]).map(|(text, _)| text));
        }
    }
    found
}

/// The string literal that a text begins with, and how long it is there.
pub(super) fn literal(source: &str) -> Option<(String, usize)> {
    let mut chars = source.char_indices().peekable();
    let (_, '"') = chars.next()? else { return None };
    let mut text = String::new();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((text, at + 1)),
            '\\' => match chars.next()?.1 {
                'n' => text.push('\n'),
                '\n' => while chars.next_if(|(_, c)| c.is_whitespace()).is_some() {},
                other => text.push(other),
            },
            c => text.push(c),
        }
    }
    None
}

/// The sources of the program itself, without tests.
pub(super) fn product(folders: &[&str]) -> Vec<(PathBuf, String)> {
    let tests = ["tests.rs", "message/keys.rs", "message/mod.rs"];
    let product = |file: PathBuf| {
        let source = fs::read_to_string(&file).expect("a source");
        let product = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        (file, product.to_owned())
    };
    let files = sources(folders).into_iter();
    files
        .filter(|file| !tests.iter().any(|test| file.ends_with(test)))
        .map(product)
        .collect()
}

/// The Rust sources in folders of the workspace.
fn sources(folders: &[&str]) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut files = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a folder");
            open.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
