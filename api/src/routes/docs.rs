//! Pages for people: the API reference (Swagger UI, embedded, works offline), the table of error codes
//! that problem documents point at, and the OpenAPI document itself. What is ours on them follows `Accept-Language`;
//! Swagger UI and the document are English.

use std::sync::{LazyLock, OnceLock};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use lamplighter_shared::error::ErrorCode;
use poem::{Endpoint, Request, Response, endpoint::make_sync, get, http::header};
use sha2::{Digest, Sha256};

use crate::{
    locale::Locale,
    message::{message, translate},
    openapi,
};

/// A page and the policy it can live with.
struct Page {
    html: Bytes,
    policy: String,
}

/// One in each language, made when somebody first asks for it.
struct Pages([OnceLock<Page>; Locale::ALL.len()]);

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
    static PAGES: Pages = Pages::none();
    get(make_sync(|request| PAGES.answer(&request, reference_page)))
}

/// `/docs/errors`.
pub(super) fn errors() -> impl Endpoint {
    static PAGES: Pages = Pages::none();
    get(make_sync(|request| PAGES.answer(&request, errors_page)))
}

impl Pages {
    /// None made yet.
    const fn none() -> Self {
        Self([const { OnceLock::new() }; Locale::ALL.len()])
    }

    fn answer(&self, request: &Request, make: impl FnOnce(Locale) -> Page) -> Response {
        let locale = Locale::asked_for(request.headers());
        let page = self.0[locale as usize].get_or_init(|| make(locale));
        let mut response = Response::builder()
            .content_type("text/html; charset=utf-8")
            .header(header::CONTENT_SECURITY_POLICY, &page.policy)
            .body(page.html.clone());
        locale.mark(response.headers_mut());
        response
    }
}

/// What both pages begin with: up to and with the bar at the top, which leads back to the app. The `styles` are those
/// of the light look, and what the dark one adds.
fn frame(locale: Locale, title: &str, styles: [&str; 2], links: &[(&str, String)]) -> String {
    let [light, dark] = styles;
    let links: String = links
        .iter()
        .map(|(address, text)| format!("<a href=\"{address}\">{text}</a>\n"))
        .collect();
    format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <link rel=\"icon\" href=\"/favicon.svg\" type=\"image/svg+xml\">\n\
         <title>{title} · Lamplighter</title>\n<style>{light}{FRAME_CSS}</style>\n\
         <style id=\"dark\" media=\"screen and (prefers-color-scheme:dark)\">{FRAME_DARK_CSS}{dark}</style>\n\
         <script>{SCHEME_JS}</script>\n</head>\n<body>\n\
         <header class=\"bar\">\n<a href=\"/\">Lamplighter</a>\n{links}</header>\n",
        locale.as_str()
    )
}

fn reference_page(locale: Locale) -> Page {
    let ui = super::service(None).swagger_ui_html();
    let library = between(&ui, "<script charset=\"UTF-8\">", "</script>\n</head>");
    let styles = between(&ui, "<style charset=\"UTF-8\">", "</style>\n");
    // The framework's document has less in it than ours; a tag in ours must not end the script.
    let document = openapi::document().to_string().replace('<', "\\u003c");
    let starter =
        format!("SwaggerUIBundle({{dom_id:'#ui',deepLinking:true,validatorUrl:null,spec:{document}}})");
    let title = message!("API reference").in_locale(locale);
    let links = [
        ("/guide", message!("Guide").in_locale(locale)),
        ("/docs/errors", message!("Error codes").in_locale(locale)),
    ];
    let note = match locale {
        Locale::English => String::new(),
        _ => format!(
            "<p>{}</p>\n",
            message!("What follows is in English only; the guide is in your language, too.")
                .in_locale(locale)
        ),
    };
    let frame = frame(locale, &title, [styles, REFERENCE_DARK_CSS], &links);
    let html = format!(
        "{frame}<main>\n<div class=\"title\"><h1>{title}</h1>\n{note}</div>\n<div id=\"ui\" lang=\"en\"></div>\n</main>\n\
         <script>{library}</script>\n<script>{starter}</script>\n</body>\n</html>\n"
    );
    // Only these three scripts may run; all are ours.
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}' 'sha256-{}' 'sha256-{}'; style-src 'unsafe-inline'; \
         img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(SCHEME_JS),
        hash(library),
        hash(&starter)
    );
    Page {
        html: html.into(),
        policy,
    }
}

/// A script as a policy names it.
fn hash(script: &str) -> String {
    STANDARD.encode(Sha256::digest(script))
}

/// A part of the framework's page.
fn between<'a>(html: &'a str, start: &str, end: &str) -> &'a str {
    html.split_once(start)
        .and_then(|(_, rest)| rest.split_once(end))
        .map_or("", |(part, _)| part)
}

fn errors_page(locale: Locale) -> Page {
    let (yes, no) = (
        message!("yes").in_locale(locale),
        message!("no").in_locale(locale),
    );
    let rows: String = ErrorCode::ALL
        .iter()
        .map(|code| {
            format!(
                "<tr id=\"{code}\"><th scope=\"row\"><code>{}</code></th><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                // A phone breaks it between its words.
                code.as_str().replace('_', "_<wbr>"),
                code.status(),
                translate(locale, code.title()),
                if code.retryable() { &yes } else { &no }
            )
        })
        .collect();
    let title = message!("Error codes").in_locale(locale);
    let lead =
        message!("Every failed request, and every failed job, has one of these codes.").in_locale(locale);
    let columns: String = [
        message!("Code"),
        message!("Status"),
        message!("Meaning"),
        message!("May succeed when sent again"),
    ]
    .iter()
    .map(|column| format!("<th scope=\"col\">{}</th>", column.in_locale(locale)))
    .collect();
    let links = [
        ("/guide", message!("Guide").in_locale(locale)),
        ("/docs", message!("API reference").in_locale(locale)),
    ];
    let html = format!(
        "{}<main class=\"title\">\n<h1>{title}</h1>\n<p>{lead}</p>\n<table>\n<thead><tr>{columns}</tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table>\n</main>\n</body>\n</html>\n",
        frame(locale, &title, [ERRORS_CSS, ""], &links)
    );
    Page {
        html: html.into(),
        policy: format!(
            "default-src 'none'; script-src 'sha256-{}'; style-src 'unsafe-inline'; img-src 'self'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'",
            hash(SCHEME_JS)
        ),
    }
}

/// The bar, the heading, and what of Swagger UI is too pale to read.
const FRAME_CSS: &str = "
body{margin:0;font:16px/1.6 system-ui,sans-serif;background:#fdfcfa;color:#211e1a}
.bar{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;padding:.75rem 1.25rem;border-bottom:1px solid #dcd8d0}
.bar a{color:inherit}.bar a:first-child{font-weight:650}
.title{max-width:1460px;margin:0 auto;padding:1.25rem 1.25rem 0;box-sizing:border-box}
.title h1{margin:0;font-size:1.75rem;line-height:1.3}.title p{margin:.5rem 0 0}
.swagger-ui .opblock.opblock-get .opblock-summary-method{background:#1b62b5}
.swagger-ui .opblock.opblock-post .opblock-summary-method{background:#1b7a4b}
.swagger-ui .opblock.opblock-patch .opblock-summary-method{background:#0b7a68}
.swagger-ui .opblock.opblock-put .opblock-summary-method{background:#8a4f0d}
.swagger-ui .opblock.opblock-delete .opblock-summary-method{background:#c52323}
.swagger-ui .btn.authorize{color:#1b7a4b;border-color:#1b7a4b}.swagger-ui .btn.authorize svg{fill:#1b7a4b}
.swagger-ui .info .title small{background:#57524a}.swagger-ui .info .title small.version-stamp{background:#4a6b00}
";

/// Of the bar and the heading, where it is dark.
const FRAME_DARK_CSS: &str = "
:root{color-scheme:dark}body{background:#1c1a17;color:#e8e5df}.bar{border-color:#36332d}
";

/// Of Swagger UI, where it is dark: this version has no such look of its own.
const REFERENCE_DARK_CSS: &str = include_str!("docs/dark.css");

/// Sets which of the looks it is: the one chosen in the web app, else the system's.
const SCHEME_JS: &str = include_str!("docs/scheme.js");

/// Of the table of codes.
const ERRORS_CSS: &str = "
main.title{max-width:60rem}table{border-collapse:collapse;margin:1rem 0 3rem;width:100%}
th,td{text-align:left;vertical-align:top;padding:.4rem .75rem .4rem 0;border-bottom:1px solid #8884}
th[scope=row]{font-weight:400}code{overflow-wrap:anywhere}tr:target{background:#ffefb8;color:#211e1a}
";

#[cfg(test)]
mod tests {
    use super::*;

    /// The text and the policy.
    fn read(page: &Page) -> (&str, &str) {
        (std::str::from_utf8(&page.html).expect("text"), &page.policy)
    }

    #[test]
    fn the_reference_needs_nothing_from_elsewhere_and_carries_our_document() {
        for locale in Locale::ALL {
            let page = reference_page(locale);
            let (html, policy) = read(&page);
            assert!(html.contains(".swagger-ui{") && html.contains("SwaggerUIBundle="));
            let (_, starter) = html.rsplit_once("<script>").expect("the starter");
            assert!(starter.contains("streamJobEvents") && starter.contains("/docs/errors"));
            assert_eq!(policy.matches("'sha256-").count(), 3);
            assert!(html.contains(REFERENCE_DARK_CSS));
            for from_elsewhere in ["<script src", "@import", "<img ", "//"] {
                assert!(!html[..400].contains(from_elsewhere) && !starter.contains("<img "));
            }
        }
    }

    #[test]
    fn both_pages_are_dark_for_whom_wants_it_so() {
        for make in [reference_page, errors_page] {
            let page = make(Locale::English);
            let (html, policy) = read(&page);
            // Without the script, too: then as the system has it.
            let (_, rest) = html
                .split_once("<style id=\"dark\" media=\"screen and (prefers-color-scheme:dark)\">")
                .expect("the dark look");
            assert!(rest.starts_with(FRAME_DARK_CSS));
            // Before anything is drawn, and exactly what the policy lets run.
            let (_, rest) = rest.split_once("</style>\n<script>").expect("the script");
            let (script, _) = rest.split_once("</script>\n</head>").expect("its end");
            assert!(script.contains("getItem('mantine-color-scheme-value')"));
            assert!(policy.contains(&format!("'sha256-{}'", hash(script))), "{policy}");
        }
    }

    #[test]
    fn every_code_has_its_anchor_and_its_meaning_in_every_language() {
        for locale in Locale::ALL {
            let page = errors_page(locale);
            let (html, _) = read(&page);
            assert!(html.contains(&format!("<html lang=\"{}\">", locale.as_str())));
            for code in ErrorCode::ALL {
                let meaning = translate(locale, code.title());
                assert!(
                    html.contains(&format!("id=\"{code}\"")) && html.contains(&meaning),
                    "{code}"
                );
            }
        }
    }
}
