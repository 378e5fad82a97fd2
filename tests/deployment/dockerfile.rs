//! Dockerfiles, as far as tests ask: instructions, stages, variables.

use std::{collections::BTreeMap, fs};

use serde_json::Value;

use crate::compose;

/// A Dockerfile's instructions.
pub struct Dockerfile {
    /// Name and the rest of the line, continued lines joined.
    pub instructions: Vec<(String, String)>,
}

impl Dockerfile {
    /// Reads one below `docker/`.
    pub fn read(name: &str) -> Self {
        let text = fs::read_to_string(compose::file(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
        let instruction = |line: &str| {
            let (name, rest) = line.trim().split_once(' ')?;
            let rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
            Some((name.to_owned(), rest))
        };
        Self {
            instructions: joined.lines().filter_map(instruction).collect(),
        }
    }

    /// The instructions of this name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let of_name = self.instructions.iter().filter(|(n, _)| n == name);
        of_name.map(|(_, rest)| rest.as_str()).collect()
    }

    /// The last of this name.
    pub fn last(&self, name: &str) -> &str {
        self.all(name).pop().unwrap_or_else(|| panic!("no {name}"))
    }

    /// `ENTRYPOINT` and the like in their JSON form.
    pub fn words(&self, name: &str) -> Vec<String> {
        let rest = self.last(name);
        let json: Value = serde_json::from_str(rest).unwrap_or_else(|e| panic!("{name} {rest}: {e}"));
        compose::strings(&json)
    }

    /// Variables of the last stage.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let stage = self.instructions.iter().rposition(|(name, _)| name == "FROM");
        let stage = &self.instructions[stage.expect("it has stages")..];
        let variables = stage.iter().filter(|(name, _)| name == "ENV");
        variables
            .flat_map(|(_, rest)| rest.split(' '))
            .map(|pair| pair.split_once('=').expect("NAME=value"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}
