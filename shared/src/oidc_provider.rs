//! An issuer of OpenID Connect in the settings (`[[oidc]]`), and what is wrong with one.
//!
//! Not here: what it says of itself and how people log in there; that is the API's.

use std::{
    io,
    net::IpAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::password_file;

/// An issuer of OpenID Connect.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcProvider {
    /// Its name in addresses: lower-case letters, digits and `-`.
    pub id: String,
    /// Its name for people; empty: `id`.
    #[serde(default)]
    pub name: String,
    /// Its address (`https://accounts.google.com`), exactly as it writes it itself.
    pub issuer: String,
    /// Who we are to it.
    pub client_id: String,
    /// A file whose first line is the secret; empty: a client without one.
    #[serde(default)]
    pub client_secret_file: PathBuf,
    /// What is asked for beside `openid`.
    #[serde(default = "usual_scopes")]
    pub scopes: Vec<String>,
}

fn usual_scopes() -> Vec<String> {
    vec!["email".to_owned(), "profile".to_owned()]
}

impl OidcProvider {
    /// Its name for people.
    pub fn display_name(&self) -> &str {
        if self.name.is_empty() {
            &self.id
        } else {
            &self.name
        }
    }

    /// The secret, read anew: it may have been replaced. None for a client without one.
    ///
    /// # Errors
    /// Where the file can't be read or holds nothing.
    pub fn client_secret(&self) -> io::Result<Option<String>> {
        if self.client_secret_file == Path::new("") {
            return Ok(None);
        }
        password_file::read(&self.client_secret_file).map(Some)
    }
}

/// What is wrong with these providers: a sentence that names the key.
///
/// # Errors
/// The first thing that is wrong.
pub(crate) fn check(providers: &[OidcProvider]) -> Result<(), String> {
    for (i, provider) in providers.iter().enumerate() {
        let id = &provider.id;
        let harmless = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=32).contains(&id.len()) || !id.bytes().all(harmless) {
            return Err(format!(
                "oidc.id must be 1 to 32 lower-case letters, digits and '-', not {id:?}"
            ));
        }
        if providers[..i].iter().any(|other| other.id == *id) {
            return Err(format!("oidc.id: {id:?} is there twice"));
        }
        if !is_safe_address(&provider.issuer) {
            return Err(format!(
                "oidc.issuer of {id:?} must be an https:// address without a query (http:// only for this machine), \
                 not {:?}",
                provider.issuer
            ));
        }
        if provider.client_id.is_empty() {
            return Err(format!("oidc.client_id of {id:?} is empty"));
        }
        provider.client_secret().map_err(|e| {
            let file = provider.client_secret_file.display();
            format!("oidc.client_secret_file of {id:?} ({file}): {e}")
        })?;
    }
    Ok(())
}

fn is_safe_address(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let plain = !rest.contains(['?', '#', '@', '\\']) && !rest.chars().any(|c| c.is_control() || c == ' ');
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    plain && !host.is_empty() && (scheme == "https" || (scheme == "http" && is_this_machine(host)))
}

/// Whether a host's name or address (IPv6 without brackets) is this machine's own.
pub fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(id: &str, issuer: &str) -> OidcProvider {
        OidcProvider {
            id: id.to_owned(),
            name: String::new(),
            issuer: issuer.to_owned(),
            client_id: "client".to_owned(),
            client_secret_file: PathBuf::new(),
            scopes: usual_scopes(),
        }
    }

    #[test]
    fn only_addresses_that_nobody_listens_to_are_issuers() {
        for good in [
            "https://accounts.google.com",
            "https://a.example:8443/realms/x",
            "http://127.0.0.1:9000",
            "http://localhost",
            "http://[::1]:9000/x",
        ] {
            check(&[provider("a", good)]).expect(good);
        }
        for bad in [
            "",
            "accounts.google.com",
            "http://a.example",
            "http://localhost.a.example",
            "http://127.0.0.1@a.example",
            "https://",
            "https://a.example/?x=y",
            "https://a.example/#x",
            "ftp://localhost",
        ] {
            assert!(check(&[provider("a", bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_are_plain_and_unique_and_secrets_are_there() {
        for bad in ["", "A", "a/b", "a b", "ä", &"a".repeat(33)] {
            assert!(check(&[provider(bad, "https://a.example")]).is_err(), "{bad}");
        }
        let twice = [
            provider("a", "https://a.example"),
            provider("a", "https://b.example"),
        ];
        assert!(check(&twice).expect_err("twice").contains("twice"));
        let mut one = provider("a", "https://a.example");
        assert_eq!(one.display_name(), "a");
        one.client_secret_file = "/nowhere/secret".into();
        assert!(check(&[one]).expect_err("no file").contains("client_secret_file"));
    }
}
