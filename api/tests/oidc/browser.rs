//! A browser: keeps cookies and follows redirects, between the API (in this process) and issuers.

use std::collections::BTreeMap;

use lamplighter_testkit::http_client;
use poem::{Request, http::Method};

use crate::support::{Read, World, send};

/// Where the API is, for browsers.
pub const HOME: &str = "http://localhost:8080";

/// One person's browser.
#[derive(Default, Clone)]
pub struct Browser {
    pub cookies: BTreeMap<String, String>,
    /// Cookies that were set or taken away, each as the address of the API asks for.
    pub set: usize,
    /// What it says of where a request comes from.
    pub site: Option<&'static str>,
    /// Whether it is a program that wants JSON.
    pub wants_json: bool,
}

impl Browser {
    /// Asks the API and keeps its cookies; follows nothing.
    pub async fn get(&mut self, world: &World, path: &str) -> Read {
        self.ask(world, Method::GET, path).await
    }

    /// The same by another method.
    pub async fn ask(&mut self, world: &World, method: Method, path: &str) -> Read {
        let cookies: Vec<String> = self.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let accept = if self.wants_json {
            "application/json"
        } else {
            "text/html,*/*;q=0.8"
        };
        let request = Request::builder().method(method).uri_str(path);
        let mut request = request.header("accept", accept);
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        if let Some(site) = self.site {
            request = request.header("sec-fetch-site", site);
        }
        let read = send(world.api(), request.finish()).await;
        let secure = world.state.config.server.public_url.starts_with("https://");
        for set in read.headers.get_all("set-cookie") {
            let set = set.to_str().expect("text");
            assert!(set.contains("; Path=/; HttpOnly; SameSite=Lax"), "{set}");
            assert_eq!(set.starts_with("__Host-"), secure, "{set}");
            assert_eq!(set.contains("; Secure"), secure, "{set}");
            assert!(!set.contains("Domain"), "{set}");
            self.set += 1;
            let (name, value) = set
                .split(';')
                .next()
                .expect("a pair")
                .split_once('=')
                .expect("a pair");
            if set.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        read
    }

    /// Begins a login; the path of the callback that the issuer leads to.
    pub async fn reach_callback(&mut self, world: &World, start: &str) -> String {
        let begun = self.get(world, start).await;
        assert_eq!(begun.status, 303, "{start}: {}", begun.text);
        let answer = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only(std::iter::empty())
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client")
            .get(begun.header("location"))
            .send()
            .await
            .expect("the issuer answers");
        assert_eq!(answer.status(), 302, "{}", begun.header("location"));
        let back = answer.headers()["location"].to_str().expect("text").to_owned();
        let home = world.state.config.server.public_url.as_str();
        back.strip_prefix(home).expect("back to us").to_owned()
    }

    /// Logs in; the last answer.
    pub async fn login(&mut self, world: &World, start: &str) -> Read {
        let callback = self.reach_callback(world, start).await;
        // The issuer's page is behind it, and browsers say so.
        let mut there = Self {
            site: Some("cross-site"),
            ..self.clone()
        };
        let done = there.get(world, &callback).await;
        (self.cookies, self.set) = (there.cookies, there.set);
        done
    }

    /// The user it is logged in as.
    pub async fn whoami(&mut self, world: &World) -> Option<String> {
        let read = self.get(world, "/v1/session").await;
        (read.status == 200).then(|| {
            read.json()["user"]["email"]
                .as_str()
                .expect("an address")
                .to_owned()
        })
    }
}

/// Makes TLS of this process ready, as `main` does.
pub fn ready() {
    drop(http_client());
}
