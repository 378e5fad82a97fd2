//! Where a request comes from, as the edge found out: for limits by address, the audit log, and logs.

use std::net::{IpAddr, Ipv4Addr};

use poem::Request;

/// The client of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientInfo {
    /// Its address; that of this machine where the request came through no socket.
    pub address: IpAddr,
    /// The id of the request.
    pub request_id: String,
}

impl ClientInfo {
    /// Of a request that went through the edge.
    pub fn of(request: &Request) -> Self {
        request.data::<Self>().cloned().unwrap_or_else(|| Self {
            address: Ipv4Addr::LOCALHOST.into(),
            request_id: String::new(),
        })
    }
}
