//! The web app in front of the API: its page under a policy, its files, and what stays the API's. Where the app was not
//! built, a page says so; the rest holds all the same.

mod support;

use std::{fs, path::PathBuf};

use poem::{
    Endpoint,
    http::{Method, StatusCode},
};
use support::{Read, World, send};

const PAGE: &[(&str, &str)] = &[("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];

/// Where the app was built, before this test was.
fn built() -> Option<PathBuf> {
    let site = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../web/dist/site"));
    site.join("index.html").is_file().then_some(site)
}

async fn ask(world: &World, method: Method, path: &str, headers: &[(&str, &str)]) -> Read {
    let mut request = world.request(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(world.api(), request.finish()).await
}

#[tokio::test]
async fn every_address_of_the_app_is_its_page_with_a_nonce_of_its_own() {
    let world = World::new().await;
    let mut nonces = Vec::new();
    for path in ["/", "/playground", "/jobs/job_x", "/admin/fleet", "/v1x"] {
        let read = ask(&world, Method::GET, path, PAGE).await;
        assert_eq!(read.status, StatusCode::OK, "{path}");
        assert_eq!(read.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(read.header("cache-control"), "no-store");
        let policy = read.header("content-security-policy").to_owned();
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        if built().is_none() {
            assert!(read.text.contains("build-web.sh"), "{}", read.text);
            continue;
        }
        let nonce = policy
            .split("'nonce-")
            .nth(1)
            .and_then(|rest| rest.split('\'').next());
        let nonce = nonce.expect("a nonce").to_owned();
        assert!(
            read.text.contains(&format!("content=\"{nonce}\"")),
            "{}",
            read.text
        );
        assert!(!read.text.contains("__CSP_NONCE__"));
        assert!(!nonces.contains(&nonce), "it is used once");
        nonces.push(nonce);
    }
}

/// The addresses of the app, as the app has them.
fn paths() -> Vec<&'static str> {
    let source = include_str!("../../web/src/config/paths.ts");
    let paths = source.split("} as const").next().expect("a first list");
    let paths: Vec<&str> = paths.split('\'').skip(1).step_by(2).collect();
    assert!(paths.contains(&"/admin/users/$id"), "{paths:?}");
    paths
}

#[tokio::test]
async fn programs_that_take_anything_get_the_page_where_the_app_has_one() {
    let world = World::new().await;
    for path in paths() {
        for headers in [&[][..], &[("accept", "*/*")], &[("accept", "text/html")]] {
            let read = ask(&world, Method::GET, path, headers).await;
            assert_eq!(read.status, StatusCode::OK, "{path} {headers:?}");
            assert_eq!(read.header("content-type"), "text/html; charset=utf-8");
        }
        let data = [("accept", "application/json, text/plain, */*")];
        let read = ask(&world, Method::GET, path, &data).await;
        assert_eq!(read.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(read.header("content-type"), "application/problem+json");
    }
    for path in ["/v2/jobs", "/api/jobs", "/job", "/playgrounds"] {
        let read = ask(&world, Method::GET, path, &[("accept", "*/*")]).await;
        assert_eq!(read.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(read.json()["code"], "not_found", "{path}");
    }
}

#[tokio::test]
async fn what_is_the_apis_and_what_is_not_there_stay_so() {
    let world = World::new().await;
    for path in ["/v1/nothing", "/v1", "/docs/nothing", "/metrics/x", "/healthz/x"] {
        let read = ask(&world, Method::GET, path, PAGE).await;
        assert_eq!(read.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(read.json()["code"], "not_found", "{path}");
    }
    for (path, headers) in [
        ("/playground", &[("accept", "application/json")][..]),
        ("/assets/gone.js", &[("accept", "*/*")]),
        ("/index.html", &[]),
        ("/../Cargo.toml", &[]),
        ("/%2e%2e/manifest.json", &[]),
        ("/.gitignore", &[]),
    ] {
        let read = ask(&world, Method::GET, path, headers).await;
        assert_eq!(read.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(
        ask(&world, Method::GET, "/docs", PAGE).await.status,
        StatusCode::OK
    );
    let posted = ask(&world, Method::POST, "/playground", PAGE).await;
    assert!(posted.status.is_client_error(), "{}", posted.status);
}

#[tokio::test]
async fn files_are_kept_for_ever_and_come_packed_where_that_is_taken() {
    let world = World::new().await;
    let Some(site) = built() else {
        return;
    };
    let names = fs::read_dir(site.join("assets")).expect("files");
    let names: Vec<String> = names
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let script = names.iter().find(|name| name.ends_with(".js")).expect("a script");
    let path = format!("/assets/{script}");
    let plain = ask(&world, Method::GET, &path, &[]).await;
    assert_eq!(plain.status, StatusCode::OK);
    assert!(plain.header("content-type").starts_with("text/javascript"));
    assert_eq!(
        plain.header("cache-control"),
        "public, max-age=31536000, immutable"
    );
    assert_eq!(plain.header("x-content-type-options"), "nosniff");
    let wanted = fs::read_to_string(site.join("assets").join(script)).expect("a text");
    assert_eq!(plain.text, wanted);
    let request = world
        .request(Method::GET, &path)
        .header("accept-encoding", "br, gzip;q=0.9");
    let mut packed = world.api().get_response(request.finish()).await;
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert_eq!(packed.headers()["vary"], "accept-encoding");
    let body = packed.take_body().into_bytes().await.expect("bytes");
    assert!(body.starts_with(&[0x1f, 0x8b]) && body.len() < wanted.len());
    let refused = ask(&world, Method::GET, &format!("{path}.gz"), &[]).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND, "it has one address");
}
