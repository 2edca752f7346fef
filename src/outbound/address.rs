//! Which addresses may be connected to. What is checked is what DNS answered, at the moment of
//! connecting: a name that answers differently the second time gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::config::PrivateAddress;

/// Which addresses may be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Any: the operator named the server.
    Anywhere,
    /// Those of the public internet alone: somebody else named the server, and must not make this
    /// machine call its own neighbours for him.
    PublicOnly,
    /// Those of the public internet, and the ones of one's own network that an operator has named.
    PublicAnd(Arc<[PrivateAddress]>),
}

impl Reach {
    /// Whether an address may be connected to, to which this host led. In clear (`plain`) nothing goes to
    /// the public internet: what goes this way holds tokens.
    pub(super) fn allows(&self, host: &str, address: IpAddr, plain: bool) -> bool {
        match self {
            Self::Anywhere => !plain || address.is_loopback(),
            Self::PublicOnly => !plain && is_public(address),
            Self::PublicAnd(_) if is_public(address) => !plain,
            Self::PublicAnd(named) => named.iter().any(|named| named.covers(host, address)),
        }
    }

    /// What it asks of an address, for the error about one that is refused.
    pub(super) fn rule(&self, plain: bool) -> &'static str {
        match (self, plain) {
            (Self::PublicAnd(_), true) => {
                "`http` goes only to addresses of one's own network that `[webhooks] allow_private` names"
            }
            (Self::PublicAnd(_), false) => {
                "addresses of one's own network are called only where `[webhooks] allow_private` names them"
            }
            (_, true) => "`http` goes to this machine itself only",
            (_, false) => "only addresses of the public internet may be called",
        }
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Everything but the blocks of IANA's special-purpose registry that are not globally reachable.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        // carrier-grade NAT
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        // 6to4 relays
        || (a == 192 && b == 88 && c == 99)
        // benchmarks
        || (a == 198 && (18..20).contains(&b))
        // multicast, reserved, broadcast
        || a >= 224)
}

/// Global unicast, less what wraps another address or leads nowhere.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([one, two], [three, four]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(one, two, three, four))
    };
    match (a, b) {
        // IPv4-mapped
        (0, 0) if (c, d, e, f) == (0, 0, 0, 0xffff) => embedded(g, h),
        // NAT64
        (0x64, 0xff9b) if (c, d, e, f) == (0, 0, 0, 0) => embedded(g, h),
        // 6to4
        (0x2002, _) => embedded(b, c),
        // Teredo, benchmarks, ORCHID and others of 2001::/23
        (0x2001, 0..=0x1ff) => false,
        // documentation
        (0x2001, 0xdb8) | (0x3fff, 0..=0xfff) => false,
        _ => (0x2000..0x4000).contains(&a),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_not_public() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:c0a8:101::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert!(!Reach::PublicOnly.allows("", address, false), "{address}");
            assert!(Reach::Anywhere.allows("", address, false), "{address}");
        }
    }

    #[test]
    fn the_internet_is() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert!(Reach::PublicOnly.allows("", address, false), "{address}");
        }
    }

    #[test]
    fn what_is_named_may_be_called_and_in_clear_nothing_else() {
        let named = Reach::PublicAnd(Arc::new([
            PrivateAddress::Host("books.internal".to_owned()),
            PrivateAddress::Network {
                address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)),
                bits: 8,
            },
        ]));
        for (host, address, in_tls, plain) in [
            ("shop.example", "10.9.8.7", true, true),
            ("books.internal", "192.168.1.1", true, true),
            ("shop.example", "192.168.1.1", false, false),
            ("shop.example", "127.0.0.1", false, false),
            ("shop.example", "169.254.169.254", false, false),
            ("shop.example", "8.8.8.8", true, false),
            ("books.internal", "8.8.8.8", true, false),
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(named.allows(host, address, false), in_tls, "{host} {address}");
            assert_eq!(
                named.allows(host, address, true),
                plain,
                "{host} {address} in clear"
            );
        }
    }
}
