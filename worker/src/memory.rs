//! How much memory there is for models, and how much each takes: said, guessed, or measured.

use std::{
    fs,
    path::{Path, PathBuf},
};

use lamplighter_shared::{
    catalog::{files_of_model, names_in},
    model_spec::{Family, ModelSpec},
};

/// Of what the machine or the container has, models may take so much.
const SHARE: f64 = 0.8;
/// A model takes so much more than its weights: activations, and copies while it loads.
const FACTOR: f64 = 1.25;
/// A runner takes this much before it has any weights, bytes.
const BASE: u64 = 32 << 20;

/// Memory that models may take, bytes: what the settings say, else most of what there is.
pub fn budget(setting: u64) -> u64 {
    match setting {
        0 => (available() as f64 * SHARE) as u64,
        bytes => bytes,
    }
}

/// What a model takes, bytes: what the catalogue says, else a guess from its weights: those that are listed of it,
/// else those of its files in `dir`.
pub fn need(spec: &ModelSpec, dir: Option<&Path>) -> u64 {
    if let Some(bytes) = spec.limits.memory_bytes {
        return bytes;
    }
    let listed = spec.files.iter().filter(|f| is_weights(Path::new(&f.path)));
    let weights: u64 = match (spec.family, dir) {
        (Family::Echo | Family::EchoJoint, _) => 0,
        (_, Some(dir)) if spec.files.is_empty() => weights_in(dir, &spec.only),
        _ => listed.map(|f| f.size).sum(),
    };
    BASE + (weights as f64 * FACTOR) as u64
}

/// Resident memory of a process, bytes; none where that can't be known here.
pub fn resident(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    kib(&text, "VmRSS:")
}

/// As people say it.
pub fn mib(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}

fn is_weights(path: &Path) -> bool {
    const KINDS: [&str; 5] = ["safetensors", "gguf", "bin", "pth", "pt"];
    let kind = path.extension().and_then(|extension| extension.to_str());
    kind.is_some_and(|kind| KINDS.contains(&kind))
}

/// The weights of the model among the files of a folder: `only` those that its entry names, where it names some.
fn weights_in(dir: &Path, only: &[String]) -> u64 {
    let there = || names_in(dir).unwrap_or_default();
    let names = match only {
        // What can't be told apart is counted together.
        [] => files_of_model(&there()).unwrap_or_else(|_| there()),
        named => named.to_vec(),
    };
    let weights = names.iter().filter(|name| is_weights(Path::new(name)));
    weights
        .filter_map(|name| Some(fs::metadata(dir.join(name)).ok()?.len()))
        .sum()
}

/// The machine's memory, or what our control group allows where that is less.
fn available() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| kib(&text, "MemTotal:"))
        // Not Linux: what every machine that runs models has.
        .unwrap_or(8 << 30);
    groups()
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok())
        .fold(machine, u64::min)
}

/// Where the limits of our control group may stand: version 2, then version 1.
fn groups() -> Vec<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let path = |line: &str| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let path = path.trim_start_matches('/');
        match controllers {
            "" => Some(Path::new("/sys/fs/cgroup").join(path).join("memory.max")),
            "memory" => Some(
                Path::new("/sys/fs/cgroup/memory")
                    .join(path)
                    .join("memory.limit_in_bytes"),
            ),
            _ => None,
        }
    };
    let seen_inside = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ];
    own.lines()
        .filter_map(path)
        .chain(seen_inside.map(PathBuf::from))
        .collect()
}

/// A line `NAME  1234 kB`, in bytes.
fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(number << 10)
}

#[cfg(test)]
mod tests {
    use lamplighter_shared::model_spec::Catalog;

    use super::*;

    #[test]
    fn what_is_said_counts_then_what_the_weights_tell() {
        let catalog = Catalog::built_in();
        let echo = catalog.get("echo").expect("built in");
        assert_eq!(need(echo, None), BASE);
        let minilm = catalog.get("minilm").expect("built in");
        assert_eq!(
            need(minilm, None),
            BASE + 90_868_376 * 5 / 4,
            "the tokenizer is no weights"
        );
        let mut said = minilm.clone();
        said.limits.memory_bytes = Some(7);
        assert_eq!(need(&said, None), 7);
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("model.safetensors"), [0; 1000]).expect("written");
        fs::write(dir.path().join("other.json"), [0; 9000]).expect("written");
        let mut unlisted = minilm.clone();
        unlisted.files.clear();
        assert_eq!(need(&unlisted, Some(dir.path())), BASE + 1250);
        // Other formats of the same weights, and other models beside it.
        fs::write(dir.path().join("pytorch_model.bin"), [0; 7000]).expect("written");
        for (name, size) in [("a.gguf", 400), ("b.gguf", 8000)] {
            fs::write(dir.path().join(name), vec![0; size]).expect("written");
        }
        assert_eq!(need(&unlisted, Some(dir.path())), BASE + 1250);
        unlisted.only = vec!["a.gguf".to_owned()];
        assert_eq!(need(&unlisted, Some(dir.path())), BASE + 500);
    }

    #[test]
    fn there_is_memory_and_we_take_some() {
        let budget = budget(0);
        let own = resident(std::process::id()).expect("Linux tells");
        println!("budget {}, this process {}", mib(budget), mib(own));
        assert!(own > 1 << 20 && budget > own);
        assert_eq!(super::budget(5), 5);
    }
}
