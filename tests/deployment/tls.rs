//! nginx with TLS: `nginx-tls.conf` in the place of `nginx-plain.conf`.

use std::process::Command;

use lamplighter_testkit::http_client;

use crate::stack::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn tls_brings_http_2_and_a_promise_to_stay() {
    let stack = Stack::shared();
    let folder = stack.folder().join("nginx-tls");
    std::fs::create_dir_all(&folder).expect("a folder");
    let (key, certificate) = (folder.join("key.pem"), folder.join("certificate.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "1",
        ])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
        ])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("openssl comes with nginx's library");
    assert!(made.status.success(), "{made:?}");
    let text = |path: &std::path::Path| path.display().to_string();
    let nginx = stack.front(
        &folder,
        &[
            ("LISTEN_TEMPLATE", "nginx-tls.conf"),
            ("LAMPLIGHTER_NGINX_CERTIFICATE", &text(&certificate)),
            ("LAMPLIGHTER_NGINX_KEY", &text(&key)),
        ],
    );
    let _ = http_client();
    // Made here and signed by itself: nobody vouches for it.
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_danger_accept_invalid_certs(true)
        .build()
        .expect("a client");
    let answer = http
        .get(format!("https://{}/healthz", nginx.address()))
        .send()
        .await;
    let answer = answer.expect("an answer");
    assert_eq!(
        (answer.status().as_u16(), answer.version()),
        (200, reqwest::Version::HTTP_2)
    );
    let promise = answer.headers()["strict-transport-security"]
        .to_str()
        .expect("text");
    assert_eq!(promise, "max-age=63072000; includeSubDomains");

    let plain = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .tls_certs_only(std::iter::empty())
        .build()
        .expect("a client");
    let answer = plain
        .get(format!("http://{}/v1/jobs?x=1", nginx.address()))
        .send()
        .await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status().as_u16(), 308);
    let to = answer.headers()["location"].to_str().expect("text");
    assert_eq!(to, format!("https://{}/v1/jobs?x=1", nginx.address()));
}
