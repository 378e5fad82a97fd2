//! Invariants I1 to I6 of `docs/architecture.md`: who may know what. They are stated by what is absent,
//! so they are read from the manifests and the sources, not from behaviour. (I7 and I8 are about
//! behaviour: `tenant_matrix/`.)

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// One invariant: these crates are named only in these places.
struct Rule {
    name: &'static str,
    /// Crates by their name in a manifest.
    crates: &'static [&'static str],
    /// Members whose manifest may name them; `""` is the root package.
    members: &'static [&'static str],
    /// Where sources may name them: beginnings of paths.
    sources: &'static [&'static str],
    /// Whether somebody must use them by now; a rule about nothing is a rule misspelt.
    in_use: bool,
}

const RULES: &[Rule] = &[
    Rule {
        name: "I1 only `api` knows poem",
        crates: &["poem", "poem-openapi"],
        members: &["api"],
        sources: &["api/"],
        in_use: true,
    },
    Rule {
        // `bench` holds candle's own models against ours.
        name: "I2 only `worker` knows candle",
        crates: &["candle-core", "candle-nn", "candle-transformers"],
        members: &["worker", "bench"],
        sources: &["worker/", "bench/src/encoder/", "bench/src/pictures.rs"],
        in_use: true,
    },
    Rule {
        name: "I3 fred stays behind the seams",
        crates: &["fred"],
        members: &["shared"],
        sources: &["shared/src/queue/", "shared/src/events/", "shared/src/cache/"],
        in_use: false,
    },
    Rule {
        name: "I3 apalis stays at the queue and where a worker is built",
        crates: &["apalis", "apalis-core"],
        members: &["shared", "worker", "api"],
        sources: &[
            "shared/src/queue/",
            "shared/src/events/",
            "shared/src/cache/",
            "worker/",
            // Mail is sent by a worker, too.
            "api/src/mail/",
        ],
        in_use: true,
    },
    Rule {
        name: "I4 only the database modules know sea-orm",
        crates: &["sea-orm", "sea-orm-migration"],
        members: &["shared", "migrations"],
        sources: &["shared/src/db/", "shared/tests/db/", "migrations/"],
        in_use: true,
    },
    Rule {
        name: "I4 nobody goes round sea-orm, but the benchmark's yardstick",
        crates: &["sqlx"],
        members: &["bench"],
        sources: &["shared/src/db/", "bench/src/"],
        in_use: true,
    },
    Rule {
        name: "I5 only the binary and the tests know the API",
        crates: &["lamplighter-api"],
        members: &[""],
        sources: &["src/", "tests/", "api/"],
        in_use: true,
    },
    Rule {
        name: "I5 only the binary, its tests and the benchmarks know the workers",
        crates: &["lamplighter-worker"],
        members: &["", "bench"],
        sources: &["src/", "tests/", "bench/", "worker/"],
        in_use: true,
    },
];

/// I6: what the pure modules must not name.
const NO_IO: &[&str] = &[
    "std::fs",
    "std::net",
    "std::io",
    "std::env",
    "std::process",
    "std::thread",
    "tokio",
    "reqwest",
    "sea_orm",
];
const PURE: &[&str] = &[
    "shared/src/job.rs",
    "shared/src/run.rs",
    "shared/src/event.rs",
    "shared/src/error.rs",
];

#[test]
fn crates_are_named_only_where_they_may_be() {
    let (manifests, sources) = (manifests(), sources());
    println!("{} manifests, {} sources", manifests.len(), sources.len());
    let mut broken = Vec::new();
    for rule in RULES {
        broken.extend(misplaced_dependencies(rule, &manifests));
        broken.extend(misplaced_uses(rule, &sources));
        let used = sources
            .iter()
            .any(|(_, code)| rule.crates.iter().any(|name| names(code, name)));
        let depended = manifests
            .iter()
            .any(|(_, has)| rule.crates.iter().any(|name| has.contains(*name)));
        if rule.in_use && !(used && depended) {
            broken.push(format!(
                "{}: nobody uses {:?}; is it spelt right?",
                rule.name, rule.crates
            ));
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn pure_modules_do_no_io() {
    let sources = sources();
    for path in PURE {
        let (_, code) = sources
            .iter()
            .find(|(p, _)| p == path)
            .unwrap_or_else(|| panic!("{path} is gone"));
        let named: Vec<_> = NO_IO.iter().filter(|name| names(code, name)).collect();
        assert!(named.is_empty(), "I6: {path} names {named:?}");
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<PathBuf> = rust_files()
        .into_iter()
        .filter(|path| !read(path).starts_with("//!"))
        .collect();
    // A line before the module doc may only be an attribute of the file.
    let silent: Vec<_> = silent
        .into_iter()
        .filter(|path| !read(path).starts_with("#!"))
        .collect();
    assert!(silent.is_empty(), "without a module doc: {silent:?}");
}

#[test]
fn the_scanner_sees_what_it_should() {
    let rule = &RULES[0];
    let source = |path: &str, code: &str| [(path.to_owned(), without_comments(code))];
    for code in [
        "use poem::web::Data;",
        "let x = poem_openapi::Tags;",
        "use {poem::Route};",
        "pub use poem;",
    ] {
        assert_eq!(
            misplaced_uses(rule, &source("worker/src/lib.rs", code)).len(),
            1,
            "{code}"
        );
        assert!(
            misplaced_uses(rule, &source("api/src/lib.rs", code)).is_empty(),
            "{code}"
        );
    }
    for code in [
        "// use poem::x;",
        "//! See poem::Route.",
        "let poem_like = 1;",
        "use my_poem::x;",
        "let poem = 1;",
    ] {
        assert!(
            misplaced_uses(rule, &source("worker/src/lib.rs", code)).is_empty(),
            "{code}"
        );
    }
    let manifest = |text: &str| [("worker".to_owned(), dependencies(text))];
    for text in [
        "[dependencies]\npoem.workspace = true",
        "[dev-dependencies]\npoem = \"3\"",
        "[target.'cfg(unix)'.dependencies]\npoem = \"3\"",
        "[dependencies]\nverse = { package = \"poem\", version = \"3\" }",
        "[dependencies.poem]\nversion = \"3\"",
    ] {
        assert_eq!(misplaced_dependencies(rule, &manifest(text)).len(), 1, "{text}");
    }
}

fn misplaced_dependencies(rule: &Rule, manifests: &[(String, BTreeSet<String>)]) -> Vec<String> {
    let outside = manifests
        .iter()
        .filter(|(member, _)| !rule.members.contains(&member.as_str()));
    outside
        .flat_map(|(member, has)| {
            rule.crates
                .iter()
                .filter(|name| has.contains(**name))
                .map(move |name| (member, name))
        })
        .map(|(member, name)| format!("{}: {member}/Cargo.toml depends on {name}", rule.name))
        .collect()
}

fn misplaced_uses(rule: &Rule, sources: &[(String, String)]) -> Vec<String> {
    let outside = sources
        .iter()
        .filter(|(path, _)| !rule.sources.iter().any(|start| path.starts_with(start)));
    outside
        .flat_map(|(path, code)| {
            rule.crates
                .iter()
                .filter(|name| names(code, name))
                .map(move |name| (path, name))
        })
        .map(|(path, name)| format!("{}: {path} names {name}", rule.name))
        .collect()
}

/// Whether code names a path that begins with this crate (or module): `NAME::…`, `use NAME;`.
fn names(code: &str, name: &str) -> bool {
    let name = name.replace('-', "_");
    code.match_indices(&name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let free = before.is_none_or(|c| !(c.is_alphanumeric() || c == '_' || c == ':'));
        let rest = &code[at + name.len()..];
        let imported = code[..at].trim_end().ends_with("use") && rest.trim_start().starts_with([';', ' ']);
        free && (rest.starts_with("::") || imported || is_last_segment(&name, rest))
    })
}

/// A module path such as `std::fs` may be the end of a path in a `use`.
fn is_last_segment(name: &str, rest: &str) -> bool {
    name.contains("::") && !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// The crates a manifest's dependency tables name, by their real names.
fn dependencies(text: &str) -> BTreeSet<String> {
    let manifest: toml::Table = text.parse().expect("a manifest is TOML");
    let mut found = BTreeSet::new();
    collect(&manifest, &mut found);
    found
}

fn collect(table: &toml::Table, found: &mut BTreeSet<String>) {
    for (key, value) in table {
        let Some(inner) = value.as_table() else { continue };
        match key.as_str() {
            "dependencies" | "dev-dependencies" | "build-dependencies" => {
                for (name, how) in inner {
                    let renamed = how.get("package").and_then(|p| p.as_str());
                    found.insert(renamed.unwrap_or(name).to_owned());
                }
            }
            "target" => inner
                .values()
                .filter_map(|t| t.as_table())
                .for_each(|t| collect(t, found)),
            _ => {}
        }
    }
}

fn manifests() -> Vec<(String, BTreeSet<String>)> {
    let root: toml::Table = read(&folder().join("Cargo.toml"))
        .parse()
        .expect("a manifest is TOML");
    let members = root["workspace"]["members"]
        .as_array()
        .expect("the workspace has members")
        .clone();
    let members = members
        .iter()
        .map(|m| m.as_str().expect("a member is a path").to_owned());
    let named = |member: String| {
        let manifest = dependencies(&read(&folder().join(&member).join("Cargo.toml")));
        (member, manifest)
    };
    members.chain([String::new()]).map(named).collect()
}

/// Every Rust file by its path from the top, without comment lines. This file names everything.
fn sources() -> Vec<(String, String)> {
    let named = |path: PathBuf| {
        let code = without_comments(&read(&path));
        let path = path
            .strip_prefix(folder())
            .expect("it is below the top")
            .to_string_lossy()
            .replace('\\', "/");
        (path, code)
    };
    rust_files()
        .into_iter()
        .map(named)
        .filter(|(path, _)| path != "tests/invariants.rs")
        .collect()
}

fn without_comments(code: &str) -> String {
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn rust_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(folder(), &mut found);
    found.sort();
    found
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the sources can be read") {
        let path = entry.expect("the sources can be read").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            // Build products and other languages; hidden folders.
            if !(name.starts_with('.')
                || ["target", "node_modules", "data", "sdk", "web"].contains(&name.as_str()))
            {
                walk(&path, found);
            }
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
