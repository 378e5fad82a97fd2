//! Private Postgres, Redis and Lamplighter processes for tests and benchmarks, and a small client for both.
//!
//! Start with [`server`]: a real `lamplighter serve` in a folder of its own. Then [`api`] (talk to it),
//! [`sse`] (listen to it), [`postgres`], [`redis`] and [`smtp`] (servers of one's own) and [`process`] (what keeps
//! children from outliving the test).
//!
//! Everything here panics instead of returning errors: a test that can't set itself up has failed.
//! Not here: anything that knows the inside of Lamplighter; this crate depends on none of its crates.

pub mod server;
pub mod fleet;
pub mod scenario;
pub mod load;
pub mod history;
pub mod checker;
pub mod api;
pub mod sse;
pub mod postgres;
pub mod redis;
pub mod smtp;
mod wire;
pub mod proxy;
pub mod port;
pub mod process;

use std::sync::Once;

/// An HTTP client without proxies. Each call makes one of its own: connections belong to the runtime
/// of the test that opened them.
pub fn http_client() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Somebody else in this process may have installed one already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder()
        .no_proxy()
        // Tests talk to 127.0.0.1 only; without this a machine with no certificates can't build a client.
        .tls_certs_only(std::iter::empty())
        .build()
        .expect("the settings of the client are fixed")
}
