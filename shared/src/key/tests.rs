//! Files and rotations of keys, without a process.

use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn is_made_once_with_mode_0600_and_read_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("secret.key");
    let first = Key::load_or_create(&path).expect("made");
    let again = Key::load_or_create(&path).expect("read");
    assert_eq!(
        first.sealing().secret().as_bytes(),
        again.sealing().secret().as_bytes()
    );
    assert_eq!(
        fs::metadata(&path).expect("there").permissions().mode() & 0o777,
        0o600
    );
    let text = fs::read_to_string(&path).expect("text");
    assert!(text.starts_with("k4.local.") && text.lines().count() == 1);
    assert_eq!(fs::read_dir(dir.path()).expect("folder").count(), 1);
}

#[test]
fn processes_that_start_at_once_agree() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("secret.key");
    let keys: Vec<Vec<u8>> = std::thread::scope(|s| {
        let start = || {
            s.spawn(|| {
                Key::load_or_create(&path)
                    .expect("a key")
                    .sealing()
                    .secret()
                    .as_bytes()
                    .to_vec()
            })
        };
        let threads: Vec<_> = (0..8).map(|_| start()).collect();
        threads.into_iter().map(|t| t.join().expect("no panic")).collect()
    });
    assert!(keys.iter().all(|k| *k == keys[0]));
}

#[test]
fn hexadecimal_is_read_and_weak_or_broken_keys_are_not() {
    let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1F";
    assert_eq!(
        Key::parse(hex).expect("hex").sealing().secret().as_bytes()[31],
        0x1f
    );
    for bad in [
        "",
        "secret",
        &"0".repeat(64),
        &hex[1..],
        "k4.local.AAAA",
        "k4.secret.AAAA",
        &"é".repeat(32),
    ] {
        assert!(Key::parse(bad).is_err(), "{bad}");
    }
    assert_eq!(format!("{:?}", Key::parse(hex).expect("hex")), "Key(…)");
}

/// Two processes that read the file at different times, at each step of a rotation.
#[test]
fn no_step_of_a_rotation_seals_what_another_process_cannot_open() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("secret.key");
    let (one, two) = (Key::create(&path).expect("made"), Key::load(&path).expect("read"));
    let mut sealed = Vec::new();
    let mut refused = 0;
    let mut step = |one: &Key, two: &Key| {
        sealed.push(one.seal("a", "text").expect("sealed"));
        sealed.push(two.seal("a", "text").expect("sealed"));
        let keys = [one, two];
        let tries = sealed.iter().flat_map(|text| keys.map(|key| key.open("a", text)));
        refused += tries.filter(Option::is_none).count();
    };
    step(&one, &two);
    Key::rotate(&path, Duration::from_secs(3600)).expect("rotated");
    assert_eq!(
        fs::metadata(&path).expect("there").permissions().mode() & 0o777,
        0o600
    );
    assert!(Key::rotate(&path, Duration::ZERO).is_err(), "one at a time");
    assert_eq!(Key::retire(&path).expect("nothing"), 0, "the old one still seals");
    step(&one, &two);
    one.refresh();
    step(&one, &two);
    two.refresh();
    // The time comes, and one of the two hears of it first.
    let text = fs::read_to_string(&path).expect("text");
    let begins = text.find(" from=").expect("the new key waits");
    let line = text.find('\n').expect("a line");
    fs::write(&path, format!("{}{}", &text[..begins], &text[line..])).expect("written");
    one.refresh();
    assert_ne!(one.sealing().footer(), two.sealing().footer());
    step(&one, &two);
    two.refresh();
    step(&one, &two);
    println!(
        "S18 rotation: {} sealed, opened by both at each step, refused: {refused}",
        sealed.len()
    );
    assert_eq!(refused, 0);
    assert_eq!(Key::retire(&path).expect("retired"), 1);
    one.refresh();
    let void = sealed.iter().filter(|text| one.open("a", text).is_none()).count();
    println!("S18 retired: {void} of the old key refused");
    assert_eq!(void, 7);
}

/// As a process that stood still, or could not read the file, from before the rotation until after it.
#[test]
fn who_missed_the_whole_grace_opens_what_the_new_key_seals() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("secret.key");
    let missed = Key::create(&path).expect("made");
    let old = missed.seal("a", "text").expect("sealed");
    Key::rotate(&path, Duration::ZERO).expect("rotated");
    let new = Key::load(&path).expect("read").seal("a", "text").expect("sealed");
    assert_eq!(missed.open("b", &new), None, "for another purpose");
    assert_eq!(missed.open("a", &new).as_deref(), Some("text"));
    assert_eq!(missed.open("a", &old).as_deref(), Some("text"));
    // A name that nobody knows changes nothing, nor does a file that is none.
    let foreign = Key::generate().expect("a key").seal("a", "text").expect("sealed");
    assert_eq!(missed.open("a", &foreign), None);
    assert!(!missed.file.as_ref().expect("a file").has_changed());
    fs::write(&path, "no key").expect("written");
    assert_eq!(missed.open("a", &foreign), None);
    assert_eq!(missed.open("a", &old).as_deref(), Some("text"));
    assert_eq!(missed.open("a", &new).as_deref(), Some("text"));
}

#[test]
fn files_with_too_many_or_equal_keys_are_refused() {
    let line = |n: u8| format!("{:02x}{}\n", n, "ab".repeat(31));
    assert!(Key::parse(&[line(1), line(2), line(3)].concat()).is_ok());
    assert!(Key::parse(&[line(1), line(2), line(3), line(4)].concat()).is_err());
    assert!(Key::parse(&[line(1), line(1)].concat()).is_err());
    assert!(Key::parse(&format!("{} from=tomorrow", line(1).trim())).is_err());
    assert!(Key::parse("\n\n").is_err());
}
