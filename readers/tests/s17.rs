//! S17: files of weights that lie, are something else or lead elsewhere are refused at once and in little memory.
//! Alone in its process, whose memory it measures.
#![cfg(target_os = "linux")]

mod lying;

use std::{
    fs,
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use lamplighter_readers::weights::{
    Mapped, WeightsError, gguf_check, open_inside, read_pickle, safetensors_check,
};

use lying::{Gguf, safetensors};

/// Most memory that this process has had, bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

/// From now on, not from the process' beginning: the files were made in memory.
fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").expect("this kernel forgets");
}

/// Opens a file of a model's folder as a runner would.
fn open(dir: &Path, name: &str) -> Result<(), WeightsError> {
    let path: PathBuf = open_inside(dir, name)?;
    if name.ends_with(".gguf") {
        return gguf_check::read(&Mapped::open(&path)?).map(|_| ());
    }
    if name.ends_with(".pt") {
        return read_pickle(&Mapped::open(&path)?).map(|_| ());
    }
    safetensors_check::check(&path).map(|_| ())
}

/// A file with this beginning and so many zeros after it, which take no room on the disk.
fn sparse(path: &Path, beginning: &[u8], size: u64) {
    fs::write(path, beginning).expect("written");
    let file = fs::OpenOptions::new().write(true).open(path).expect("opened");
    file.set_len(size).expect("sized");
}

/// A file with this beginning and then each of the pieces, with a mebibyte of zeros after it.
fn scattered(path: &Path, beginning: &[u8], pieces: &[Vec<u8>]) {
    let mut file = fs::File::create(path).expect("created");
    let mut end = 0;
    for (piece, zeros) in [(beginning, 0)]
        .into_iter()
        .chain(pieces.iter().map(|p| (&p[..], 1 << 20)))
    {
        file.seek(SeekFrom::Start(end)).expect("a place");
        file.write_all(piece).expect("written");
        end += piece.len() as u64 + zeros;
    }
    file.set_len(end).expect("sized");
}

/// The bad files of S17 that the readers meet, small and huge.
fn bad_files(dir: &Path, outside: &Path) -> Vec<&'static str> {
    let write = |name: &str, bytes: &[u8]| fs::write(dir.join(name), bytes).expect("written");
    let mut counts = Gguf::new(1 << 32, 1 << 32);
    counts.0.resize(64, 0);
    write("counts.gguf", &counts.0);
    // As many counts as a file of a terabyte could have; the zeros after them are empty names.
    sparse(&dir.join("zeros.gguf"), &Gguf::new(0, 1 << 30).0, 32 << 30);
    sparse(
        &dir.join("list.gguf"),
        &Gguf::new(0, 1).key("k", 9).list(0, 1 << 33).0,
        32 << 30,
    );
    // Lists of 100 MiB, of which each is short enough; as many texts as there is room for; 100 MiB of few texts.
    let lists: Vec<_> = (0..100)
        .map(|n: u32| Gguf(Vec::new()).key(&n.to_string(), 9).list(0, 1 << 20).0)
        .collect();
    scattered(&dir.join("lists.gguf"), &Gguf::new(0, 100).0, &lists);
    let empty = Gguf::new(0, 3).key("k", 9).list(8, (4 << 20) - 100);
    sparse(&dir.join("empty.gguf"), &empty.0, 32 << 20);
    let texts = vec![(1_u64 << 20).to_le_bytes().to_vec(); 100];
    let begin = Gguf::new(0, 1).key("k", 9).list(8, 200);
    scattered(&dir.join("texts.gguf"), &begin.0, &texts);
    write(
        "shape.gguf",
        &Gguf::new(1, 0).tensor("a", &[1 << 40, 1 << 40], 0, 0).data(64).0,
    );
    write(
        "cut.gguf",
        &Gguf::new(1, 0).tensor("a", &[1 << 20], 0, 0).data(64).0,
    );
    write("length.safetensors", &u64::MAX.to_le_bytes());
    sparse(
        &dir.join("header.safetensors"),
        &(101_u64 << 20).to_le_bytes(),
        1 << 30,
    );
    let shape = r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#;
    write("shape.safetensors", &safetensors(shape, 0));
    let entry = r#"{"a":{"dtype":"F32","shape":[1048576],"data_offsets":[0,4194304]}}"#;
    write("cut.safetensors", &safetensors(entry, 100));
    let lengths = format!(
        r#"{{"a":{{"dtype":"F32","shape":[{}1],"data_offsets":[0,4]}}}}"#,
        "1,".repeat(5 << 20)
    );
    write("lengths.safetensors", &safetensors(&lengths, 4));
    write("pickle.safetensors", include_bytes!("fixtures/plain.legacy.pt"));
    write("function.pt", include_bytes!("fixtures/function.zip.pt"));
    let mut million = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e\x80\x02".to_vec();
    million.resize(40 << 20, b'(');
    write("brackets.pt", &million);
    fs::write(outside, safetensors("{}", 0)).expect("written");
    std::os::unix::fs::symlink(outside, dir.join("link.safetensors")).expect("a link");
    let names = [
        "counts.gguf",
        "zeros.gguf",
        "list.gguf",
        "lists.gguf",
        "empty.gguf",
        "texts.gguf",
        "shape.gguf",
        "cut.gguf",
        "length.safetensors",
    ];
    let more = [
        "header.safetensors",
        "shape.safetensors",
        "cut.safetensors",
        "lengths.safetensors",
    ];
    let last = [
        "pickle.safetensors",
        "function.pt",
        "brackets.pt",
        "link.safetensors",
    ];
    [&names[..], &more, &last].concat()
}

#[test]
fn bad_files_are_refused_at_once_and_in_little_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("model");
    fs::create_dir(&dir).expect("a folder");
    let names = bad_files(&dir, &folder.path().join("outside"));
    forget_peak();
    let (mut slowest, before) = (Duration::ZERO, peak());
    let mut refused = 0;
    for name in &names {
        // The best of five: the machine may be busy, the file is as bad each time.
        let took = (0..5).map(|_| {
            let begun = Instant::now();
            let told = open(&dir, name).expect_err(name).to_string();
            let took = begun.elapsed();
            assert!(told.contains(';') && told.len() < 600, "{name}: {told}");
            took
        });
        slowest = slowest.max(took.min().unwrap_or_default());
        refused += 1;
    }
    let grown = (peak() - before) as f64 / f64::from(1 << 20);
    println!(
        "S17: refused {refused} of {} files, slowest {:.1} ms, +{grown:.1} MiB",
        names.len(),
        slowest.as_secs_f64() * 1e3
    );
    assert!(slowest < Duration::from_millis(100), "{slowest:?}");
    assert!(grown <= 50.0, "{grown} MiB");
}
