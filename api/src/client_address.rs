//! Where a request comes from: the one place that decides which address counts as the client's.
//!
//! A forwarding header is the word of whoever sent it. It is believed only from a peer that is a proxy of
//! ours, and only as far back as our proxies go: the right-most address that is not one of them is the
//! client's, whatever stands left of it was written by the client itself. `X-Real-IP` and `Forwarded` are
//! not read at all.

use std::net::IpAddr;

use lamplighter_shared::network::Network;
use poem::http::HeaderMap;

const FORWARDED_FOR: &str = "x-forwarded-for";
/// More hops than this nobody has; a longer list is somebody's game.
const MAX_HOPS: usize = 32;

/// The client's address, as far as it can be known: `peer`, unless that is a proxy of ours.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_ours = |address| trusted.iter().any(|network| network.contains(address));
    let mut nearest = peer.to_canonical();
    if !is_ours(nearest) {
        return nearest;
    }
    let lines: Vec<&str> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        // A line that is no text hides what stands left of it.
        .map(|line| line.to_str().unwrap_or("?"))
        .collect();
    let hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
    for hop in hops.take(MAX_HOPS) {
        // What can't be read was not written by a proxy of ours, and neither was anything left of it.
        let Some(address) = hop_address(hop.trim()) else {
            break;
        };
        nearest = address;
        if !is_ours(address) {
            break;
        }
    }
    nearest
}

/// An address, with a port or without: `1.2.3.4`, `1.2.3.4:5`, `::1`, `[::1]`, `[::1]:5`.
fn hop_address(text: &str) -> Option<IpAddr> {
    let plain = || text.parse::<IpAddr>().ok();
    let with_port = || Some(text.parse::<std::net::SocketAddr>().ok()?.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    plain()
        .or_else(with_port)
        .or_else(in_brackets)
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn trusted(texts: &[&str]) -> Vec<Network> {
        texts.iter().map(|text| text.parse().expect(text)).collect()
    }

    fn asked(peer: &str, lines: &[&str], proxies: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(line).expect("a header"));
        }
        let peer = peer.parse().expect("an address");
        client_address(peer, &headers, &trusted(proxies)).to_string()
    }

    #[test]
    fn only_proxies_of_ours_are_believed_and_only_as_far_as_they_go() {
        let ours = &["10.0.0.0/8", "::1"][..];
        for (peer, lines, expected) in [
            // A stranger may write what they like.
            ("203.0.113.7", &["198.51.100.1"][..], "203.0.113.7"),
            ("203.0.113.7", &[], "203.0.113.7"),
            // Behind one proxy, and behind two.
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1, 10.2.0.1"], "198.51.100.1"),
            // What the client wrote itself stands to the left.
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.1,10.0.0.9"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, nonsense, 10.0.0.9"], "10.0.0.9"),
            ("10.0.0.1", &["1.1.1.1, "], "10.0.0.1"),
            // Nothing was said, or only proxies were named.
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
            // Forms of an address.
            ("::1", &["[2001:db8::5]:443"], "2001:db8::5"),
            ("::1", &["198.51.100.1:80"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
            ("::ffff:203.0.113.7", &["198.51.100.1"], "203.0.113.7"),
        ] {
            assert_eq!(asked(peer, lines, ours), expected, "{peer} {lines:?}");
        }
        assert_eq!(
            asked("127.0.0.1", &["1.1.1.1"], &[]),
            "127.0.0.1",
            "by default nobody is"
        );
    }

    #[test]
    fn a_line_that_is_no_text_hides_what_is_left_of_it() {
        let mut headers = HeaderMap::new();
        headers.append(FORWARDED_FOR, HeaderValue::from_static("1.1.1.1"));
        headers.append(FORWARDED_FOR, HeaderValue::from_bytes(b"\xff").expect("a header"));
        headers.append(FORWARDED_FOR, HeaderValue::from_static("10.0.0.2"));
        let peer = IpAddr::from([10, 0, 0, 1]);
        let client = client_address(peer, &headers, &trusted(&["10.0.0.0/8"]));
        assert_eq!(client.to_string(), "10.0.0.2");
    }

    proptest! {
        #[test]
        fn a_stranger_s_headers_change_nothing(line in "[ -~]{0,80}", peer in any::<u32>()) {
            let peer = IpAddr::from(peer.to_be_bytes());
            let mut headers = HeaderMap::new();
            headers.append(FORWARDED_FOR, HeaderValue::from_str(&line).expect("a header"));
            let ours = trusted(&["10.0.0.0/8"]);
            prop_assume!(!ours[0].contains(peer));
            prop_assert_eq!(client_address(peer, &headers, &ours), peer);
        }

        #[test]
        fn what_a_client_writes_before_our_proxy_changes_nothing(
            line in "[ -~]{0,80}",
            client in any::<[u8; 4]>(),
        ) {
            let client = IpAddr::from(client);
            let ours = trusted(&["10.0.0.0/8"]);
            prop_assume!(!ours[0].contains(client));
            let mut headers = HeaderMap::new();
            headers.append(FORWARDED_FOR, HeaderValue::from_str(&format!("{line},{client}")).expect("a header"));
            let peer = IpAddr::from([10, 0, 0, 1]);
            prop_assert_eq!(client_address(peer, &headers, &ours), client);
        }
    }
}
