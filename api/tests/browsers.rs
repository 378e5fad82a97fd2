//! S10 at the router: what browsers send for other sites' pages, who may read answers, and the headers that
//! every answer has. A real browser asks in the root package's tests.

mod support;

use lamplighter_shared::config::Config;
use poem::http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::json;
use support::{Read, World, send};

const APP: &str = "https://app.example";

async fn world() -> World {
    World::with(|config: &mut Config| config.server.cors_origins = vec![APP.to_owned()]).await
}

/// Asks with these headers and nothing else.
async fn ask(world: &World, method: Method, path: &str, headers: &[(&str, &[u8])]) -> Read {
    let mut request = poem::Request::builder()
        .method(method)
        .uri_str(path)
        .header("host", "127.0.0.1:8080")
        .body(json!({"model": "echo", "input": {}}).to_string());
    for (name, value) in headers {
        let name: HeaderName = name.parse().expect("a name");
        request
            .headers_mut()
            .append(name, HeaderValue::from_bytes(value).expect("a value"));
    }
    send(world.api(), request).await
}

fn varies(read: &Read) -> bool {
    read.headers.get_all("vary").iter().any(|value| value == "Origin")
}

#[tokio::test]
async fn no_page_of_another_site_changes_anything_or_reads_by_cookie() {
    let world = world().await;
    let (mut asked, mut reflected, mut refused) = (0, 0, 0);
    let origins: [&[u8]; 6] = [
        b"null",
        b"http://evil.example",
        b"http://127.0.0.1:8081",
        b"http://127.0.0.1:8080.evil.example",
        b"\xff",
        APP.as_bytes(),
    ];
    for origin in origins {
        for site in [None, Some(&b"cross-site"[..]), Some(b"same-site")] {
            for kind in [
                "application/x-www-form-urlencoded",
                "text/plain",
                "multipart/form-data; boundary=x",
                "application/json",
            ] {
                for cookie in [
                    None,
                    Some(&b"sid=abc"[..]),
                    Some(b"a=b; guest=x"),
                    Some(b"sid=x; sid=\xff"),
                ] {
                    let mut headers = vec![("origin", origin), ("content-type", kind.as_bytes())];
                    headers.extend(site.map(|site| ("sec-fetch-site", site)));
                    headers.extend(cookie.map(|cookie| ("cookie", cookie)));
                    let read = ask(&world, Method::POST, "/v1/jobs", &headers).await;
                    assert_eq!(read.status, StatusCode::FORBIDDEN, "{headers:?}: {}", read.text);
                    assert_eq!(read.json()["code"], "cross_site");
                    assert!(varies(&read));
                    let allowed = read.headers.get("access-control-allow-origin");
                    reflected += usize::from(allowed.is_some_and(|allowed| allowed != APP));
                    assert!(!read.headers.contains_key("access-control-allow-credentials"));
                    refused += 1;
                    if cookie.is_some() {
                        let job = "/v1/jobs/job_01ke1c2v7h8q9r0s1t2v3w4x5y/events";
                        let stream = ask(&world, Method::GET, job, &headers).await;
                        assert_eq!(stream.status, StatusCode::FORBIDDEN, "{headers:?}");
                        refused += 1;
                    }
                    asked += 1;
                }
            }
        }
    }
    let stored = world.stored().await;
    println!(
        "S10 router: {asked} posts, {refused} refused, state changes {stored}, reflected origins {reflected}"
    );
    assert_eq!((stored, reflected), (0, 0));
}

#[tokio::test]
async fn a_person_at_a_page_of_ours_is_told_to_log_in_and_a_program_to_send_a_token() {
    let world = world().await;
    let same = ("sec-fetch-site", &b"same-origin"[..]);
    let basic = ("authorization", &b"Basic abc"[..]);
    let (login, token) = (
        "You are not logged in any more.",
        "Send an API token in Authorization: Bearer.",
    );
    for (headers, said) in [
        (vec![same], login),
        (vec![], token),
        (vec![("sec-fetch-site", &b"none"[..])], token),
        (vec![("sec-fetch-site", &b"cross-site"[..])], token),
        (vec![("sec-fetch-site", &b"Same-Origin"[..])], token),
        (vec![same, ("sec-fetch-site", &b"none"[..])], token),
        // A page of ours that sends something else than a token is a program.
        (vec![same, basic], token),
    ] {
        for path in ["/v1/jobs", "/v1/tokens", "/v1/session"] {
            let read = ask(&world, Method::GET, path, &headers).await;
            assert_eq!(read.status, StatusCode::UNAUTHORIZED, "{path} {headers:?}");
            let read = (read.header("www-authenticate").to_owned(), read.json());
            assert_eq!(read.1["detail"], said, "{path} {headers:?}");
            assert_eq!(read.0, "Bearer realm=\"lamplighter\"", "{path} {headers:?}");
        }
    }
}

#[tokio::test]
async fn listed_sites_may_call_with_a_token_and_others_learn_nothing() {
    let world = world().await;
    let bearer = world.bearer();
    let json = ("content-type", &b"application/json"[..]);
    let token = ("authorization", bearer.as_bytes());
    for (origin, listed) in [(APP, true), ("https://evil.example", false), ("null", false)] {
        let origin = ("origin", origin.as_bytes());
        let read = ask(&world, Method::POST, "/v1/jobs", &[origin, json, token]).await;
        assert_eq!(read.status, StatusCode::ACCEPTED, "{}", read.text);
        assert!(varies(&read));
        assert_eq!(
            read.header("access-control-allow-origin"),
            if listed { APP } else { "" }
        );
        let policy = if listed { "cross-origin" } else { "same-origin" };
        assert_eq!(read.header("cross-origin-resource-policy"), policy);
        assert_eq!(
            read.header("access-control-expose-headers").contains("Location"),
            listed
        );

        let wanted = ("access-control-request-method", &b"POST"[..]);
        let preflight = ask(&world, Method::OPTIONS, "/v1/jobs", &[origin, wanted]).await;
        assert!(varies(&preflight));
        if listed {
            assert_eq!(preflight.status, StatusCode::NO_CONTENT);
            assert_eq!(preflight.header("access-control-max-age"), "600");
            assert!(
                preflight
                    .header("access-control-allow-headers")
                    .contains("Authorization")
            );
            assert!(
                preflight
                    .header("access-control-allow-methods")
                    .contains("DELETE")
            );
        } else {
            assert_eq!(preflight.status, StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(preflight.header("access-control-allow-headers"), "");
        }
        for cookies_only in ["/v1/session", "/v1/account", "/v1/setup", "/docs"] {
            let preflight = ask(&world, Method::OPTIONS, cookies_only, &[origin, wanted]).await;
            assert!(preflight.status.is_client_error(), "{cookies_only}");
            assert_eq!(preflight.header("access-control-allow-origin"), "");
        }
    }
    // Without an origin there is nobody to allow.
    let read = ask(&world, Method::POST, "/v1/jobs", &[json, token]).await;
    assert_eq!(
        (read.status, read.header("access-control-allow-origin")),
        (StatusCode::ACCEPTED, "")
    );
}

#[tokio::test]
async fn every_answer_has_its_headers() {
    let plain = world().await;
    let tls = World::with(|config| config.server.public_url = "https://ai.example".to_owned()).await;
    for path in [
        "/healthz",
        "/docs",
        "/docs/errors",
        "/openapi.json",
        "/v1/jobs",
        "/nothing",
    ] {
        for (world, promise) in [(&plain, ""), (&tls, "max-age=63072000; includeSubDomains")] {
            let read = ask(world, Method::GET, path, &[]).await;
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "no-referrer"),
                ("x-frame-options", "DENY"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"),
                ("permissions-policy", "geolocation=(), camera=(), microphone=()"),
                ("strict-transport-security", promise),
                ("vary", "Origin"),
                ("server", ""),
            ] {
                assert_eq!(read.header(name), value, "{path}: {name}");
            }
            let policy = read.header("content-security-policy");
            assert!(
                policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
                "{path}"
            );
        }
    }
}
