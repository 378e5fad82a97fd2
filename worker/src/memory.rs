//! How much memory there is for models, and how much each takes: said, guessed, or measured.

use std::{
    fs,
    path::{Path, PathBuf},
};

use lamplighter_shared::model_spec::{Family, ModelSpec};

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

/// What a model takes, bytes: what the catalogue says, else a guess from the weights in `dir`.
pub fn need(spec: &ModelSpec, dir: Option<&Path>) -> u64 {
    if let Some(bytes) = spec.limits.memory_bytes {
        return bytes;
    }
    let listed = spec.files.iter().filter(|f| is_weights(Path::new(&f.path)));
    let weights: u64 = match (spec.family, dir) {
        (Family::Echo | Family::EchoJoint, _) => 0,
        (_, Some(dir)) if spec.files.is_empty() => weights_in(dir),
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

fn weights_in(dir: &Path) -> u64 {
    let files = fs::read_dir(dir).into_iter().flatten().flatten();
    files
        .filter(|file| is_weights(&file.path()))
        .filter_map(|file| Some(fs::metadata(file.path()).ok()?.len()))
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
