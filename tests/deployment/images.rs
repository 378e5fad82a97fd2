//! The Dockerfiles: what they copy is there, they build the roles that `make check` looks at, and what
//! comes out runs as nobody in particular.

use std::{fs, path::Path};

use crate::{compose, dockerfile::Dockerfile};

/// Each with the role it builds and the service that runs it.
const IMAGES: [(&str, &str, &str); 3] = [
    ("Dockerfile.api", "api", "api-1"),
    ("Dockerfile.worker", "worker", "worker"),
    ("Dockerfile.worker-cuda", "cuda", "worker"),
];

fn manifest() -> toml::Table {
    let text = fs::read_to_string(compose::repository().join("Cargo.toml")).expect("Cargo.toml");
    text.parse().expect("TOML")
}

fn check_script() -> String {
    fs::read_to_string(compose::repository().join("scripts/check.sh")).expect("check.sh")
}

#[test]
fn they_copy_what_the_workspace_needs_and_the_context_has_it() {
    let manifest = manifest();
    let members = manifest["workspace"]["members"].as_array().expect("members");
    let mut needed: Vec<&str> = members.iter().filter_map(|member| member.as_str()).collect();
    needed.extend(["src", "Cargo.toml", "Cargo.lock"]);
    let ignored = fs::read_to_string(compose::repository().join(".dockerignore")).expect(".dockerignore");
    assert!(
        ignored.lines().any(|line| line == "*"),
        "the context holds only what is named"
    );
    for (name, ..) in IMAGES {
        let file = Dockerfile::read(name);
        assert!(file.all("ADD").is_empty(), "{name}");
        let own = file
            .all("COPY")
            .into_iter()
            .filter(|rest| !rest.starts_with("--from="));
        let sources: Vec<&str> = own
            .flat_map(|rest| {
                let words: Vec<&str> = rest.split(' ').collect();
                words[..words.len() - 1].to_vec()
            })
            .collect();
        for needed in &needed {
            assert!(sources.contains(needed), "{name} does not copy {needed}");
        }
        for source in sources {
            assert!(compose::repository().join(source).exists(), "{name}: {source}");
            let mut allowed = ignored.lines().filter_map(|line| line.strip_prefix('!'));
            assert!(
                allowed.any(|allowed| Path::new(source).starts_with(allowed)),
                "{name}: {source} is not in the context"
            );
        }
    }
}

#[test]
fn they_build_the_roles_that_the_checks_look_at() {
    let (manifest, checks) = (manifest(), check_script());
    let features = manifest["features"].as_table().expect("features");
    let rust = manifest["workspace"]["package"]["rust-version"]
        .as_str()
        .expect("a version");
    for (name, feature, _) in IMAGES {
        let file = Dockerfile::read(name);
        let builds = file.all("RUN");
        let build = builds
            .iter()
            .find(|run| run.contains("cargo build"))
            .expect("a build");
        let asked = format!("--package lamplighter --no-default-features --features {feature} ");
        assert!(
            build.contains(&asked) && build.contains("--locked --release"),
            "{name}: {build}"
        );
        let implied = features[feature].as_array().expect("a feature");
        // `cuda` is the worker on another device.
        let role = if feature == "api" { "api" } else { "worker" };
        assert!(
            feature == role || implied.iter().any(|f| f.as_str() == Some(role)),
            "{name}"
        );
        assert!(
            checks.contains(&format!("links_no {role} ")),
            "nobody checks what {name} links"
        );
        let toolchain = format!("rust:{rust}-slim-bookworm ");
        assert!(
            file.all("FROM").iter().any(|from| from.starts_with(&toolchain)),
            "{name}: {toolchain}"
        );
        // All stages of one Debian (or Ubuntu): a program needs the C library it was linked with.
        let bases = file.all("FROM");
        let (build, runtime) = (bases[bases.len() - 2], bases[bases.len() - 1]);
        let release = |base: &str| ["bookworm", "ubuntu24.04"].into_iter().find(|r| base.contains(r));
        assert!(
            release(build).is_some() && release(build) == release(runtime),
            "{name}: {bases:?}"
        );
    }
}

#[test]
fn what_comes_out_runs_as_nobody_in_particular_and_is_watched() {
    let compose = compose::load();
    for (name, _, service) in IMAGES {
        let file = Dockerfile::read(name);
        let service = &compose["services"][service];
        assert_eq!(file.words("ENTRYPOINT"), ["lamplighter"], "{name}");
        assert_eq!(file.words("CMD"), compose::strings(&service["command"]), "{name}");
        assert_eq!(file.last("USER"), "10001:10001", "{name}");
        let tmpfs = compose::strings(&service["tmpfs"]);
        assert!(
            tmpfs[0].starts_with("/var/lib/lamplighter:uid=10001,gid=10001,mode=0700"),
            "{tmpfs:?}"
        );
        assert_eq!(
            file.environment()["LAMPLIGHTER_DATA_DIR"],
            "/var/lib/lamplighter",
            "{name}"
        );
        let health = file.last("HEALTHCHECK");
        let (_, words) = health.split_once(" CMD ").expect("a command");
        let words: serde_json::Value = serde_json::from_str(words).expect("JSON");
        let mut check = vec!["CMD".to_owned()];
        check.extend(compose::strings(&words));
        assert_eq!(check, compose::strings(&service["healthcheck"]["test"]), "{name}");
        // No secret is in a layer: none is an argument, and the context holds none.
        for argument in file.all("ARG") {
            assert_eq!(argument, "COMPUTE_CAP=80", "{name}");
        }
        let port = if name == "Dockerfile.api" { "8080" } else { "8081" };
        assert_eq!(file.last("EXPOSE"), port, "{name}");
    }
}
