//! What of an installation can be reached. Here are no containers, so this has two halves: what compose.yaml
//! publishes, read; and where the processes that it starts listen, as the kernel tells.

use std::{collections::BTreeSet, fs};

use lamplighter_testkit::process;

use crate::{
    compose,
    stack::{OURS, Stack},
};

/// `LISTEN` in `/proc/net/tcp`.
const LISTENS: &str = "0A";

/// The inodes of the sockets that a process, or one that it started, holds.
fn sockets(pid: u32) -> BTreeSet<String> {
    let files = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    let links = files.filter_map(|file| fs::read_link(file.path()).ok());
    let inode = |link: std::path::PathBuf| {
        let text = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
        Some(text.to_owned())
    };
    let mut inodes: BTreeSet<String> = links.filter_map(inode).collect();
    inodes.extend(process::children(pid).into_iter().flat_map(sockets));
    inodes
}

/// Where a process listens: `ADDRESS:PORT` in the kernel's own digits, with the table that has it.
fn listens(pid: u32) -> BTreeSet<String> {
    let own = sockets(pid);
    let mut found = BTreeSet::new();
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (Some(local), Some(state), Some(inode)) = (fields.get(1), fields.get(3), fields.get(9))
            else {
                continue;
            };
            if own.contains(*inode) && (*state == LISTENS || table.starts_with("udp")) {
                found.insert(format!("{table} {local}"));
            }
        }
    }
    found
}

/// As the kernel writes an address of this machine.
fn here(address: &str) -> String {
    let port: u16 = address
        .rsplit_once(':')
        .expect("a port")
        .1
        .parse()
        .expect("a number");
    format!("tcp 0100007F:{port:04X}")
}

#[test]
fn only_nginx_has_a_port_outside_and_nobody_listens_beside_what_they_are_told() {
    let compose = compose::load();
    let services = compose["services"].as_object().expect("services");
    let published: Vec<String> = services
        .iter()
        .flat_map(|(name, service)| {
            let ports = compose::strings(&service["ports"]).into_iter();
            ports.map(move |port| format!("{name} {port}"))
        })
        .collect();
    assert_eq!(published, ["nginx 8080:8080"]);
    for (name, service) in services {
        // Both would open ports without `ports`.
        assert!(service["network_mode"].is_null(), "{name}");
        assert!(service["extra_hosts"].is_null(), "{name}");
    }

    let stack = Stack::shared();
    let mut sockets = 0;
    for service in OURS {
        let told = stack.listens_at(service);
        let found = listens(stack.pid(service));
        assert_eq!(found, BTreeSet::from([here(&told)]), "{service}, told {told}");
        sockets += found.len();
    }
    let nginx = listens(stack.nginx().pid());
    assert_eq!(nginx, BTreeSet::from([here(&stack.nginx().address())]), "nginx");
    println!(
        "S18 exposure: of {} services compose.yaml publishes a port of 1 (nginx); {} processes of ours listen at {sockets} \
         sockets, nginx at {}, nobody beside what they are told. That Docker opens nothing else was not tried here",
        services.len(),
        OURS.len(),
        nginx.len()
    );
}
