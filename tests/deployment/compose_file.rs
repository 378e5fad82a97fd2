//! `compose.yaml` itself: it fits its schema, everything it names is there, and it lets nobody do more
//! than they need.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::{Map, Value};

use crate::{compose, nginx};

/// Settings with a short name of their own in the environment, and what is no setting (the log).
const SHORT_NAMES: [&str; 10] = [
    "BIND",
    "CONFIG",
    "DATABASE_PASSWORD_FILE",
    "DATABASE_URL",
    "DATA_DIR",
    "LOG",
    "LOG_FORMAT",
    "MODELS_DIR",
    "REDIS_PASSWORD_FILE",
    "REDIS_URL",
];

/// Services that do something at the start, and end.
const ONCE: [&str; 2] = ["migrate", "roles"];

fn services(compose: &Value) -> &Map<String, Value> {
    compose["services"].as_object().expect("services")
}

fn is_ours(service: &Value) -> bool {
    service["image"]
        .as_str()
        .is_some_and(|image| image.starts_with("lamplighter"))
}

/// One-shot services end; the others stay.
fn stays(service: &Value) -> bool {
    service["restart"] == "unless-stopped"
}

#[test]
fn it_fits_the_schema() {
    let schema = include_str!("compose.schema.json");
    let schema: Value = serde_json::from_str(schema).expect("JSON");
    let judge = jsonschema::validator_for(&schema).expect("a schema");
    let faults = |compose: &Value| -> Vec<String> {
        let errors = judge.iter_errors(compose);
        errors
            .map(|e| format!("{}: {e}", e.instance_path().as_str()))
            .collect()
    };
    let mut compose = compose::load();
    assert_eq!(faults(&compose), Vec::<String>::new());
    // The schema can refuse.
    compose["services"]["nginx"]["depend_on"] = Value::Null;
    compose["services"]["redis"]["healthcheck"]["interval"] = Value::from(5);
    assert_eq!(faults(&compose).len(), 2);
}

#[test]
fn whatever_it_names_is_there_and_whatever_is_there_is_named() {
    let compose = compose::load();
    for kind in ["secrets", "networks", "volumes"] {
        let defined: BTreeSet<String> = compose::names(&compose[kind]).into_iter().collect();
        let mut used = BTreeSet::new();
        for (name, service) in services(&compose) {
            let mut names = compose::names(&service[kind]);
            if kind == "volumes" {
                let volumes = names.iter().filter_map(|volume| volume.split_once(':'));
                let named = volumes.filter(|(source, _)| !source.starts_with(['.', '/']));
                names = named.map(|(source, _)| source.to_owned()).collect();
            }
            if kind == "networks" {
                assert!(!names.is_empty(), "{name} would join a network that nobody chose");
            }
            used.extend(names);
        }
        assert_eq!(defined, used, "{kind}");
    }
    for (name, service) in services(&compose) {
        for other in compose::names(&service["depends_on"]) {
            let waits_for = services(&compose).get(&other);
            let waits_for = waits_for.unwrap_or_else(|| panic!("{name} waits for {other}"));
            let condition = &service["depends_on"][&other]["condition"];
            assert_eq!(
                condition == "service_completed_successfully",
                !stays(waits_for),
                "{name} waits for {other}: {condition}"
            );
            assert!(
                condition != "service_healthy" || waits_for["healthcheck"].is_object(),
                "{name} waits for the health of {other}, which has no check"
            );
        }
        for volume in compose::strings(&service["volumes"]) {
            let source = volume.split(':').next().unwrap_or_default();
            if let Some(file) = source.strip_prefix("./")
                && !file.starts_with("secrets/")
            {
                assert!(compose::file(file).is_file(), "{name}: {volume}");
            }
        }
    }
}

#[test]
fn nobody_can_do_more_than_they_need() {
    let compose = compose::load();
    for (name, service) in services(&compose) {
        assert_eq!(
            service["ports"].is_array(),
            name == "nginx",
            "{name}: only nginx has a port outside"
        );
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name}");
        assert!(service["cap_add"].is_null(), "{name}");
        assert_eq!(
            service["security_opt"],
            serde_json::json!(["no-new-privileges:true"]),
            "{name}"
        );
        // Our images name their user themselves: `images`.
        let user = service["user"]
            .as_str()
            .unwrap_or(if is_ours(service) { "10001" } else { "root" });
        assert!(user != "root" && !user.starts_with('0'), "{name} runs as root");
        let networks = compose::names(&service["networks"]);
        if ["postgres", "redis", "migrate", "roles"].contains(&name.as_str()) {
            assert_eq!(networks, ["data"], "{name}");
        }
        assert!(
            name != "nginx" || networks == ["edge"],
            "nginx reaches only the APIs"
        );
    }
    assert_eq!(compose["networks"]["data"]["internal"], true);
    let redis = compose::strings(&compose["services"]["redis"]["command"]).join(" ");
    for setting in [
        "--maxmemory-policy noeviction",
        "--maxmemory 256mb",
        "--appendfsync everysec",
    ] {
        assert!(redis.contains(setting), "{redis}");
    }
    let postgres = compose::strings(&compose["services"]["postgres"]["command"]);
    for setting in ["-cfsync=on", "-csynchronous_commit=on", "-cfull_page_writes=on"] {
        assert!(postgres.contains(&setting.to_owned()), "{setting}");
    }
}

#[test]
fn services_that_stay_are_watched_started_again_and_given_time_to_stop() {
    let compose = compose::load();
    let defaults: toml::Table = include_str!("../../shared/src/defaults.toml")
        .parse()
        .expect("TOML");
    let grace = defaults["server"]["grace_seconds"].as_integer().expect("seconds");
    for (name, service) in services(&compose) {
        if !stays(service) {
            assert!(ONCE.contains(&name.as_str()), "{name}");
            continue;
        }
        assert!(service["healthcheck"]["test"].is_array(), "{name}");
        let stop = service["stop_grace_period"]
            .as_str()
            .and_then(|text| text.strip_suffix('s'));
        let stop: i64 = stop.and_then(|text| text.parse().ok()).expect("seconds");
        assert!(stop >= grace + 5, "{name}: {stop} s");
    }
    let staying = services(&compose)
        .values()
        .filter(|service| stays(service))
        .count();
    assert_eq!(staying, services(&compose).len() - ONCE.len());
}

#[test]
fn secrets_come_by_file_and_no_setting_is_misspelt() {
    let compose = compose::load();
    let secrets = compose::names(&compose["secrets"]);
    let defaults: toml::Table = include_str!("../../shared/src/defaults.toml")
        .parse()
        .expect("TOML");
    let is_setting = |name: &str| {
        let Some((section, key)) = name.split_once("__") else {
            return name == "SECRET_KEY_FILE" || SHORT_NAMES.contains(&name);
        };
        let section = defaults.get(&section.to_ascii_lowercase());
        section.is_some_and(|section| section.get(key.to_ascii_lowercase()).is_some())
    };
    for (name, service) in services(&compose) {
        let mounted = compose::strings(&service["secrets"]);
        for (variable, value) in service["environment"].as_object().into_iter().flatten() {
            let value = value.as_str().expect("a string");
            if let Some(secret) = value.strip_prefix("/run/secrets/") {
                assert!(
                    mounted.contains(&secret.to_owned()),
                    "{name}: {variable} is not mounted"
                );
            }
            let names_a_secret = ["PASSWORD", "SECRET", "TOKEN"]
                .iter()
                .any(|word| variable.contains(word));
            assert!(
                !names_a_secret || variable.ends_with("_FILE"),
                "{name}: {variable}"
            );
            // An address with a password in it.
            let authority = value.split_once("://").and_then(|(_, rest)| rest.split_once('@'));
            assert!(
                !authority.is_some_and(|(user, _)| user.contains(':')),
                "{name}: {variable}"
            );
            if let Some(setting) = variable.strip_prefix("LAMPLIGHTER_")
                && is_ours(service)
            {
                assert!(is_setting(setting), "{name}: nobody reads {variable}");
            }
        }
    }
    let makes = fs::read_to_string(compose::file("make-secrets.sh")).expect("make-secrets.sh");
    for secret in secrets {
        assert!(
            makes.contains(&format!("keep {secret} ")),
            "nobody makes {secret}"
        );
    }
    assert!(!is_setting("SERVER__GRACE"), "the check can fail");
}

#[test]
fn nginx_is_told_every_variable_of_its_templates_and_no_other() {
    let compose = compose::load();
    let told = compose::names(&compose["services"]["nginx"]["environment"]);
    let told: BTreeSet<String> = told
        .into_iter()
        .filter(|name| name.starts_with("LAMPLIGHTER_NGINX_"))
        .collect();
    let mut files: BTreeSet<String> = nginx::templates().into_iter().map(|(file, _)| file).collect();
    assert_eq!(files.len(), 2);
    files.insert("nginx-tls.conf".to_owned());
    let mut asked = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(compose::file(&file)).expect("a template");
        let uses = text.split("${LAMPLIGHTER_NGINX_").skip(1);
        let names = uses.filter_map(|rest| rest.split_once('}').map(|(name, _)| name.to_owned()));
        let names = names.filter(|name| {
            name.bytes()
                .all(|b| b.is_ascii_uppercase() || b"_12".contains(&b))
        });
        asked.extend(names.map(|name| format!("LAMPLIGHTER_NGINX_{name}")));
    }
    assert_eq!(asked, told);
}

#[test]
fn the_fixed_addresses_fit_each_other_wherever_the_network_lies() {
    let text = fs::read_to_string(compose::file("compose.yaml")).expect("compose.yaml");
    for (variables, network) in [
        (BTreeMap::new(), "172.30.77"),
        (BTreeMap::from([("LAMPLIGHTER_NETWORK", "10.9.8")]), "10.9.8"),
    ] {
        let compose = compose::parse(&text, &variables);
        let address =
            |service: &str| compose["services"][service]["networks"]["edge"]["ipv4_address"].clone();
        let nginx = &compose["services"]["nginx"]["environment"];
        for (api, variable) in [
            ("api-1", "LAMPLIGHTER_NGINX_API_1"),
            ("api-2", "LAMPLIGHTER_NGINX_API_2"),
        ] {
            let address = address(api);
            assert!(
                address.as_str().is_some_and(|a| a.starts_with(network)),
                "{address}"
            );
            assert_eq!(
                nginx[variable],
                format!("{}:8080", address.as_str().expect("text"))
            );
            let trusted = &compose["services"][api]["environment"]["LAMPLIGHTER_SERVER__TRUSTED_PROXIES"];
            let trusted: Vec<String> = serde_json::from_str(trusted.as_str().expect("text")).expect("a list");
            assert_eq!(
                trusted,
                [self::text(
                    &compose["services"]["nginx"]["networks"]["edge"]["ipv4_address"]
                )]
            );
        }
        assert_ne!(address("api-1"), address("api-2"));
        let subnet = &compose["networks"]["edge"]["ipam"]["config"][0]["subnet"];
        assert_eq!(*subnet, format!("{network}.0/24"));
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}
