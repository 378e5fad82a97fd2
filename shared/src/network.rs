//! A network of IP addresses, as settings write it: `10.0.0.0/8`, or one address alone.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};

/// All addresses with the same first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// The text is no network.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is neither an address nor a network (10.0.0.0/8)")]
pub struct NotANetwork(String);

impl Network {
    /// Whether the address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(asked)) => {
                let differing = u32::from(ours) ^ u32::from(asked);
                differing.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(ours), IpAddr::V6(asked)) => {
                let differing = u128::from(ours) ^ u128::from(asked);
                differing.leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let read = || {
            let (address, bits) = match text.split_once('/') {
                Some((address, bits)) => (address, Some(bits)),
                None => (text, None),
            };
            let address: IpAddr = address.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = match bits {
                Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
                Some(_) => return None,
                None => most,
            };
            (bits <= most).then_some(Self { address, bits })
        };
        read().ok_or_else(|| NotANetwork(text.to_owned()))
    }
}

impl TryFrom<String> for Network {
    type Error = NotANetwork;

    fn try_from(text: String) -> Result<Self, NotANetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn networks_are_read_strictly() {
        for (good, written) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.0.0.1", "10.0.0.1/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("fd00::/8", "fd00::/8"),
            ("::1", "::1/128"),
        ] {
            let network: Network = good.parse().expect(good);
            assert_eq!(network.to_string(), written);
            assert_eq!(written.parse::<Network>().expect(written), network);
        }
        for bad in [
            "",
            " 10.0.0.1",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "nginx",
            "*",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad:?}");
        }
        let all: Network = "0.0.0.0/0".parse().expect("a network");
        assert!(
            !all.contains("::1".parse().expect("an address")),
            "the families stay apart"
        );
    }

    proptest! {
        #[test]
        fn a_network_holds_exactly_the_addresses_that_share_its_bits(
            base in any::<u128>(), asked in any::<u128>(), bits in 0_u8..=128,
        ) {
            // Near addresses, too: random ones share few bits.
            for asked in [asked, base ^ (asked >> bits.min(127))] {
                let network = Network { address: IpAddr::V6(base.into()), bits };
                let mask = if bits == 0 { 0 } else { u128::MAX << (128 - u32::from(bits)) };
                prop_assert_eq!(network.contains(IpAddr::V6(asked.into())), base & mask == asked & mask);
            }
        }
    }
}
