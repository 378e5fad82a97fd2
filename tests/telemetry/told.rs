//! What the table of metrics promises is counted somewhere, and explained to whoever runs this. Read from
//! the sources: some of it happens too seldom to be provoked.

use std::{fs, path::Path};

const TABLE: &str = "shared/src/telemetry/metrics.rs";
const SOURCES: [&str; 4] = ["api/src", "shared/src", "src", "worker/src"];

#[test]
fn every_metric_is_counted_somewhere_and_explained() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(top.join(TABLE)).expect("the table");
    let manual = fs::read_to_string(top.join("docs/operations.md")).expect("the manual");
    let mut code = String::new();
    SOURCES
        .iter()
        .for_each(|folder| read(&top.join(folder), &mut code));
    let uses = |word: &str| {
        let mut words = code.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        words.by_ref().filter(|w| *w == word).count()
    };
    let rows: Vec<(&str, String)> = table
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.split_once(" = \""))
        .filter(|(constant, _)| constant.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .filter_map(|(constant, rest)| Some((constant, format!("lamplighter_{}", rest.split_once('"')?.0))))
        .collect();
    println!("metrics in the table: {}", rows.len());
    assert!(rows.len() > 20, "the table is read wrongly: {rows:?}");
    let idle = rows
        .iter()
        .filter(|(constant, name)| uses(constant) + uses(name) < 2);
    assert_eq!(
        idle.collect::<Vec<_>>(),
        Vec::<&(&str, String)>::new(),
        "never counted"
    );
    let silent = rows
        .iter()
        .filter(|(_, name)| !manual.contains(&format!("`{name}`")));
    assert_eq!(
        silent.collect::<Vec<_>>(),
        Vec::<&(&str, String)>::new(),
        "not explained"
    );
}

/// All sources below a folder, one after the other.
fn read(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(&path).expect("text"));
        }
    }
}
