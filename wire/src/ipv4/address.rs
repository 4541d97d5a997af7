//! Where an address may stand (RFC 1812 section 5.3.7, RFC 3927 section 2.7, RFC 6890).

use std::net::Ipv4Addr;

/// Whether no packet that a router handles may come from `address`: this network, loopback, a group,
/// the reserved class E and with it the limited broadcast.
#[inline]
pub const fn never_a_source(address: Ipv4Addr) -> bool {
    matches!(address.octets()[0], 0 | 127 | 224..)
}

/// Whether no packet that a router handles may go to `address`, groups and the limited broadcast
/// apart: this network, loopback, the reserved class E.
#[inline]
pub const fn never_a_destination(address: Ipv4Addr) -> bool {
    matches!(address.octets()[0], 0 | 127 | 240..) && !address.is_broadcast()
}

/// Whether a packet to `address` is for everyone on the link or for those of them in a group.
#[inline]
pub const fn is_group(address: Ipv4Addr) -> bool {
    address.is_multicast() || address.is_broadcast()
}

/// The address in the form that IPv6 has for it (RFC 4291 section 2.5.5.2), which stands in no IPv6
/// packet.
#[inline]
pub const fn mapped(address: [u8; 4]) -> std::net::Ipv6Addr {
    let bits = u32::from_be_bytes(address) as u128;
    std::net::Ipv6Addr::from_bits(0xffff << 32 | bits)
}

/// The IPv4 address in the lower 32 bits of its IPv6 form.
#[inline]
pub const fn unmapped(address: std::net::Ipv6Addr) -> Ipv4Addr {
    Ipv4Addr::from_bits(address.to_bits() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn martians() {
        let is = |text: &str| {
            let address = text.parse().unwrap();
            (
                never_a_source(address),
                never_a_destination(address),
                is_group(address),
            )
        };
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.255.0.1",
            "240.0.0.1",
        ] {
            assert_eq!(is(text), (true, true, false), "{text}");
        }
        for text in ["224.0.0.1", "239.255.255.255", "255.255.255.255"] {
            assert_eq!(is(text), (true, false, true), "{text}");
        }
        for text in [
            "1.0.0.0",
            "10.0.0.1",
            "126.0.0.1",
            "128.0.0.1",
            "169.254.0.1",
            "223.255.255.255",
        ] {
            assert_eq!(is(text), (false, false, false), "{text}");
        }
    }

    #[test]
    fn the_ipv6_form_is_the_standard_librarys() {
        let address = Ipv4Addr::new(192, 0, 2, 33);
        assert_eq!(mapped(address.octets()), address.to_ipv6_mapped());
        assert_eq!(unmapped(mapped(address.octets())), address);
    }
}
