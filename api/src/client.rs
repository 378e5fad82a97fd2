//! Where a request comes from, as the edge found out: for limits by address, the audit log, and logs.

use std::net::{IpAddr, Ipv4Addr};

use lamplighter_shared::network::Network;
use poem::{Request, http::header};

/// Characters of `User-Agent` that are kept.
const MAX_USER_AGENT: usize = 300;

/// The client of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientInfo {
    /// Its address; that of this machine where the request came through no socket.
    pub address: IpAddr,
    /// The id of the request.
    pub request_id: String,
    /// Whether it runs on this machine, and no proxy stands between.
    pub is_local: bool,
    /// What it says it is; for people to read only.
    pub user_agent: Option<String>,
}

impl ClientInfo {
    /// What the edge knows: the client's `address`, where the request came through a socket, and who is `trusted`
    /// as a proxy.
    pub(crate) fn new(
        request: &Request,
        address: Option<IpAddr>,
        trusted: &[Network],
        request_id: &str,
    ) -> Self {
        let peer = request.remote_addr().as_socket_addr();
        let is_local = peer.is_none_or(|peer| {
            let peer = peer.ip().to_canonical();
            peer.is_loopback() && !trusted.iter().any(|proxy| proxy.contains(peer))
        });
        let agent = request.headers().get(header::USER_AGENT);
        let agent = agent.map(|agent| {
            let text = String::from_utf8_lossy(agent.as_bytes());
            text.chars()
                .filter(|c| !c.is_control())
                .take(MAX_USER_AGENT)
                .collect::<String>()
        });
        Self {
            address: address.unwrap_or(Ipv4Addr::LOCALHOST.into()),
            request_id: request_id.to_owned(),
            is_local,
            user_agent: agent.filter(|agent| !agent.is_empty()),
        }
    }

    /// Of a request that went through the edge.
    pub fn of(request: &Request) -> Self {
        let edge = request.data::<Self>().cloned();
        edge.unwrap_or_else(|| Self::new(request, None, &[], ""))
    }
}
