//! Ports for servers that are stopped and started again on the same address.
//!
//! A port that the kernel picks (bind to 0) lies where it also picks the ports of outgoing connections: while
//! its server is down somebody's connection may take it, and a client that keeps trying may even connect to
//! itself. So these ports come from below that range.

use std::{
    net::TcpListener,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// The range searched; Linux gives outgoing connections 32768 and up.
const FIRST: u32 = 10_240;
const COUNT: u32 = 32_768 - FIRST;

/// A port on 127.0.0.1 that nobody listens on at this moment. Somebody else may be faster: who binds it must
/// be ready to try another.
///
/// # Panics
/// Where none is free.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Test processes that run side by side begin at different places.
    let start = process::id().wrapping_mul(2_654_435_761) >> 8;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port =
            u16::try_from(FIRST + start.wrapping_add(step) % COUNT).expect("the range ends below 32768");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!(
        "no port of 127.0.0.1 is free between {FIRST} and {}",
        FIRST + COUNT
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_and_lie_below_those_of_connections() {
        let (one, other) = (free_port(), free_port());
        assert_ne!(one, other);
        assert!(one < 32_768 && other < 32_768);
    }
}
