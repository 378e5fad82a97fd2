//! Pages for people: the API reference (Swagger UI, embedded, works offline), the table of error codes
//! that problem documents point at, and the OpenAPI document itself.

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use lamplighter_shared::error::ErrorCode;
use poem::{Endpoint, Response, endpoint::make_sync, get, http::header};
use sha2::{Digest, Sha256};

use crate::openapi;

/// A page and the policy it can live with.
struct Page {
    html: Bytes,
    policy: String,
}

/// `/openapi.json`.
pub(super) fn openapi() -> impl Endpoint {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| openapi::json().into());
    get(make_sync(|_| {
        Response::builder()
            .content_type("application/json")
            .body(TEXT.clone())
    }))
}

/// `/docs`.
pub(super) fn reference() -> impl Endpoint {
    static PAGE: LazyLock<Page> = LazyLock::new(reference_page);
    get(make_sync(|_| page(&PAGE)))
}

/// `/docs/errors`.
pub(super) fn errors() -> impl Endpoint {
    static PAGE: LazyLock<Page> = LazyLock::new(errors_page);
    get(make_sync(|_| page(&PAGE)))
}

fn page(page: &'static Page) -> Response {
    Response::builder()
        .content_type("text/html; charset=utf-8")
        .header(header::CONTENT_SECURITY_POLICY, &page.policy)
        .body(page.html.clone())
}

fn reference_page() -> Page {
    let service = super::service(None);
    // Our document has more in it than the framework's; a tag in it must not end the script.
    let document = openapi::document().to_string().replace('<', "\\u003c");
    let html = service.swagger_ui_html().replacen(&service.spec(), &document, 1);
    // Only these two scripts may run; both are ours.
    let hashes: Vec<String> = scripts(&html)
        .iter()
        .map(|s| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(s))))
        .collect();
    let policy = format!(
        "default-src 'none'; script-src {}; style-src 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hashes.join(" ")
    );
    Page {
        html: html.into(),
        policy,
    }
}

/// The texts of the page's two inline scripts.
fn scripts(html: &str) -> Vec<&str> {
    let between = |start: &str, end: &str| {
        let from = html.find(start)? + start.len();
        let to = html.rfind(end).filter(|to| *to >= from)?;
        html.get(from..to)
    };
    let library = between("<script charset=\"UTF-8\">", "</script>\n</head>");
    let starter = between("<div id=\"ui\"></div>\n<script>", "</script>\n\n</body>");
    library.into_iter().chain(starter).collect()
}

fn errors_page() -> Page {
    let mut rows = String::new();
    for code in ErrorCode::ALL {
        let retry = if code.retryable() { "yes" } else { "no" };
        rows.push_str(&format!(
            "<tr id=\"{code}\"><td><code>{code}</code><td>{}<td>{}<td>{retry}\n",
            code.status(),
            code.title()
        ));
    }
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Lamplighter: error codes</title>\n\
         <style>body{{font:16px/1.5 sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}}\
         td,th{{text-align:left;padding:.3rem 1rem .3rem 0}}tr:target{{background:#ffd}}</style>\n\
         <h1>Error codes</h1><table><tr><th>code<th>status<th>meaning<th>may succeed when sent again\n{rows}</table></html>\n"
    );
    Page {
        html: html.into(),
        policy: "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_needs_nothing_from_elsewhere_and_carries_our_document() {
        let page = reference_page();
        let html = std::str::from_utf8(&page.html).expect("text");
        assert_eq!(scripts(html).len(), 2);
        assert!(scripts(html)[1].contains("streamJobEvents") && scripts(html)[1].contains("/docs/errors"));
        assert_eq!(page.policy.matches("'sha256-").count(), 2);
        for from_elsewhere in ["<script src", "<link ", "@import", "<img "] {
            assert!(!html[..200].contains(from_elsewhere) && !scripts(html)[1].contains(from_elsewhere));
        }
    }

    #[test]
    fn every_code_has_its_anchor() {
        let page = errors_page();
        let html = std::str::from_utf8(&page.html).expect("text");
        assert!(
            ErrorCode::ALL
                .iter()
                .all(|code| html.contains(&format!("id=\"{code}\"")))
        );
    }
}
