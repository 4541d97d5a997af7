//! Addresses that follow from other addresses, and where an address may go. The standard library
//! already knows multicast, link-local unicast, loopback and the unspecified address.

use crate::ether::MacAddr;
use std::net::Ipv6Addr;

/// All nodes on the link.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// All routers on the link.
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// The upper 104 bits of every solicited-node multicast address.
const SOLICITED_NODE: u128 = 0xff02_0000_0000_0000_0000_0001_ff00_0000;

/// The solicited-node multicast address of `address` (RFC 4291 section 2.7.1).
#[inline]
pub const fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(SOLICITED_NODE | address.to_bits() & 0x00ff_ffff)
}

/// Whether `address` is some node's solicited-node multicast address.
#[inline]
pub const fn is_solicited_node(address: Ipv6Addr) -> bool {
    address.to_bits() & !0x00ff_ffff == SOLICITED_NODE
}

/// Whether a packet from or to `address` must not be forwarded: link-local unicast, multicast of
/// interface or link scope, loopback, or the unspecified address (RFC 4291 sections 2.5 and 2.7).
#[inline]
pub const fn stays_on_link(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.octets();
    match first {
        0xfe => second & 0xc0 == 0x80,
        0xff => second & 0x0f <= 2,
        0 => address.to_bits() <= 1,
        _ => false,
    }
}

/// The group address that Ethernet carries an IPv6 multicast packet to (RFC 2464 section 7).
#[inline]
pub const fn multicast_mac(group: Ipv6Addr) -> MacAddr {
    let [.., a, b, c, d] = group.octets();
    MacAddr([0x33, 0x33, a, b, c, d])
}

/// The modified EUI-64 interface identifier of a 48-bit address (RFC 4291 appendix A).
#[inline]
pub const fn interface_id(mac: MacAddr) -> [u8; 8] {
    let [a, b, c, d, e, f] = mac.0;
    [a ^ 2, b, c, 0xff, 0xfe, d, e, f]
}

/// The link-local address with the modified EUI-64 interface identifier of `mac`.
#[inline]
pub const fn link_local(mac: MacAddr) -> Ipv6Addr {
    let id = u64::from_be_bytes(interface_id(mac)) as u128;
    Ipv6Addr::from_bits(0xfe80 << 112 | id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    #[test]
    fn solicited_node_addresses() {
        let group = solicited_node(ip("2001:db8::12:3456:789a"));
        assert_eq!(group, ip("ff02::1:ff56:789a"));
        assert!(is_solicited_node(group));
        assert!(!is_solicited_node(ip("ff02::1:fe56:789a")));
        assert_eq!(multicast_mac(group).to_string(), "33:33:ff:56:78:9a");
    }

    #[test]
    fn link_local_addresses_come_from_link_layer_addresses() {
        let mac = MacAddr([0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde]);
        assert_eq!(link_local(mac), ip("fe80::3656:78ff:fe9a:bcde"));
    }

    #[test]
    fn what_stays_on_the_link() {
        for text in [
            "::", "::1", "fe80::1", "febf::1", "ff01::1", "ff02::1", "ff12::9",
        ] {
            assert!(stays_on_link(ip(text)), "{text}");
        }
        for text in [
            "::2",
            "2001:db8::1",
            "fec0::1",
            "fd00::1",
            "ff05::2",
            "ff0e::1",
        ] {
            assert!(!stays_on_link(ip(text)), "{text}");
        }
    }
}
