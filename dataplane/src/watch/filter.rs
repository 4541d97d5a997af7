//! Which packets are watched.

use super::record::{Came, Record};
use crate::verdict::Verdict;
use packet::PortId;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::ether::{self, ethertype};
use wire::ipv6::{self, next_header, walk};
use zerocopy::FromBytes;

/// IP headers of one packet that are looked at, the outermost first.
const HEADERS: usize = 3;

/// Octets of an IPv4 header without options.
const IPV4_HEADER: usize = 20;

/// A prefix of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefix {
    /// An address of it.
    pub address: IpAddr,
    /// Its length in bits.
    pub length: u8,
}

impl Prefix {
    /// Whether the address is in the prefix.
    #[must_use]
    pub fn covers(&self, address: IpAddr) -> bool {
        let (differs, width) = match (self.address, address) {
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits(), 128),
            (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits() ^ b.to_bits()), 32u32),
            _ => return false,
        };
        let behind = width.saturating_sub(u32::from(self.length));
        differs.checked_shr(behind).unwrap_or(0) == 0
    }
}

/// A set of verdicts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Verdicts([u64; 4]);

// All verdicts have a place.
const _: () = assert!(Verdict::COUNT <= 256);

impl Verdicts {
    /// Those for which `choose` is true.
    #[must_use]
    pub fn of(choose: impl Fn(Verdict) -> bool) -> Self {
        let mut set = Self::default();
        for verdict in Verdict::all().filter(|verdict| choose(*verdict)) {
            if let Some(word) = set.0.get_mut(verdict.index() / 64) {
                *word |= 1 << (verdict.index() % 64);
            }
        }
        set
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it has this one.
    #[must_use]
    pub fn contains(&self, verdict: Verdict) -> bool {
        let word = self.0.get(verdict.index() / 64).copied().unwrap_or(0);
        word >> (verdict.index() % 64) & 1 == 1
    }
}

/// Which packets are watched: those that meet every condition that is given. Addresses and protocols
/// are those of the packet as it came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// Received on this port or, if it was made here, sent on it.
    pub port: Option<PortId>,
    /// Source or destination of any of its IP headers.
    pub address: Option<Prefix>,
    /// Source or destination of its outermost IP header.
    pub outer: Option<Prefix>,
    /// Source or destination of an IP header inside another.
    pub inner: Option<Prefix>,
    /// Next header or protocol of any of its IP headers, extension headers left out.
    pub protocol: Option<u8>,
    /// What became of it. Whether it did shows at the end: all that meets the other conditions
    /// goes alone until then.
    pub verdicts: Option<Verdicts>,
}

impl Filter {
    /// Whether a packet is to be watched, as far as can be told when it comes. `data` is a frame, or a
    /// packet that control made.
    pub(super) fn wants(&self, came: Came, data: &[u8]) -> bool {
        match (self.port, came) {
            (Some(port), Came::Received(on)) if port != on => return false,
            _ => {}
        }
        let reads = self.address.is_some() || self.outer.is_some() || self.inner.is_some();
        if !reads && self.protocol.is_none() {
            return true;
        }
        let mut headers = Headers::of(data);
        let mut missing = *self;
        let mut depth = 0;
        while let Some(header) = headers.next_header() {
            let meets = |prefix: &mut Prefix| {
                prefix.covers(header.source) || prefix.covers(header.destination)
            };
            missing.address.take_if(meets);
            match depth {
                0 => missing.outer.take_if(meets),
                _ => missing.inner.take_if(meets),
            };
            missing.protocol.take_if(|it| *it == header.protocol);
            depth += 1;
        }
        let prefixes = [missing.address, missing.outer, missing.inner];
        missing.protocol.is_none() && prefixes.iter().all(Option::is_none)
    }

    /// Whether a record is one that is wanted, now that all is known.
    pub(super) fn keeps(&self, record: &Record) -> bool {
        let port = match (self.port, record.came) {
            (Some(port), Came::Born(_)) => record.sent == Some(port),
            _ => true,
        };
        let verdict = self.verdicts.is_none_or(|verdicts| {
            let verdict = record.verdict;
            verdict.is_some_and(|verdict| verdicts.contains(verdict))
        });
        port && verdict
    }
}

/// What the filter reads of one IP header.
struct Ip {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
}

/// The IP headers of a packet, from the outermost on.
struct Headers<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Headers<'a> {
    /// Of a frame, or of a packet without link-layer header: the first octet of a frame to us is that
    /// of a link-layer address, so what follows the Ethernet header decides.
    fn of(data: &'a [u8]) -> Self {
        let rest = ip_in_frame(data).unwrap_or(match data.first() {
            Some(first) if matches!(first >> 4, 4 | 6) => data,
            _ => &[],
        });
        Self {
            rest,
            left: HEADERS,
        }
    }

    fn next_header(&mut self) -> Option<Ip> {
        self.left = self.left.checked_sub(1)?;
        let data = std::mem::take(&mut self.rest);
        let (ip, rest) = match data.first()? >> 4 {
            6 => read_ipv6(data)?,
            4 => read_ipv4(data)?,
            _ => return None,
        };
        if matches!(ip.protocol, next_header::IPV6 | next_header::IPV4) {
            self.rest = rest;
        }
        Some(ip)
    }
}

/// The IP packet in a frame, tagged or not.
fn ip_in_frame(data: &[u8]) -> Option<&[u8]> {
    let (header, behind) = ether::Header::ref_from_prefix(data).ok()?;
    let (kind, behind) = match header.ethertype.get() {
        ethertype::VLAN => {
            let (tag, behind) = ether::Tag::ref_from_prefix(behind).ok()?;
            (tag.ethertype.get(), behind)
        }
        kind => (kind, behind),
    };
    matches!(kind, ethertype::IPV6 | ethertype::IPV4).then_some(behind)
}

fn read_ipv6(data: &[u8]) -> Option<(Ip, &[u8])> {
    let (header, payload) = ipv6::Header::ref_from_prefix(data).ok()?;
    let (protocol, rest) = match walk(header.next_header, payload) {
        Ok(chain) => (chain.upper, payload.get(chain.offset..).unwrap_or_default()),
        Err(_) => (header.next_header, &[][..]),
    };
    let ip = Ip {
        source: Ipv6Addr::from(header.source).into(),
        destination: Ipv6Addr::from(header.destination).into(),
        protocol,
    };
    Some((ip, rest))
}

fn read_ipv4(data: &[u8]) -> Option<(Ip, &[u8])> {
    let header = data.first_chunk::<IPV4_HEADER>()?;
    let [first, .., s0, s1, s2, s3, d0, d1, d2, d3] = *header;
    let length = usize::from(first & 0xf) * 4;
    let ip = Ip {
        source: Ipv4Addr::new(s0, s1, s2, s3).into(),
        destination: Ipv4Addr::new(d0, d1, d2, d3).into(),
        protocol: *header.get(9)?,
    };
    Some((ip, data.get(length..).unwrap_or_default()))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::verdict::{Drop, Forward};

    fn prefix(text: &str, length: u8) -> Prefix {
        let address = text.parse().expect("an address");
        Prefix { address, length }
    }

    /// 2001:db8:c::1 to 2001:db8:c::11, and inside 2001:db8:100::10 to 2001:db8:1::5, UDP; as a frame.
    fn tunnelled(tag: bool) -> Vec<u8> {
        use zerocopy::IntoBytes;
        let address = |text: &str| text.parse::<Ipv6Addr>().expect("an address").octets();
        let inner = ipv6::Header::new(
            address("2001:db8:100::10"),
            address("2001:db8:1::5"),
            next_header::UDP,
            64,
            0,
        );
        let outer = ipv6::Header::new(
            address("2001:db8:c::1"),
            address("2001:db8:c::11"),
            next_header::IPV6,
            64,
            40,
        );
        let link: &[u8] = match tag {
            true => &[
                2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, 100, 0x86, 0xdd,
            ],
            false => &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd],
        };
        [link, outer.as_bytes(), inner.as_bytes()].concat()
    }

    #[test]
    fn prefixes_cover_their_own_family() {
        assert!(prefix("2001:db8::", 32).covers("2001:db8:1::1".parse().expect("one")));
        assert!(!prefix("2001:db8::", 48).covers("2001:db8:1::1".parse().expect("one")));
        assert!(prefix("::", 0).covers("2001:db8:1::1".parse().expect("one")));
        assert!(!prefix("::", 0).covers("192.0.2.1".parse().expect("one")));
        assert!(prefix("192.0.2.0", 24).covers("192.0.2.1".parse().expect("one")));
        assert!(!prefix("192.0.2.0", 25).covers("192.0.2.129".parse().expect("one")));
    }

    #[test]
    fn outer_and_inner_headers_are_told_apart() {
        let port = Came::Received(PortId(1));
        let (outer, inner) = (prefix("2001:db8:c::", 48), prefix("2001:db8:1::", 64));
        for frame in [tunnelled(false), tunnelled(true)] {
            let wants = |filter: Filter| filter.wants(port, &frame);
            let none = Filter::default();
            for address in [outer, inner] {
                assert!(wants(Filter {
                    address: Some(address),
                    ..none
                }));
            }
            assert!(wants(Filter {
                outer: Some(outer),
                inner: Some(inner),
                ..none
            }));
            assert!(!wants(Filter {
                outer: Some(inner),
                ..none
            }));
            assert!(!wants(Filter {
                inner: Some(outer),
                ..none
            }));
            assert!(wants(Filter {
                protocol: Some(next_header::UDP),
                ..none
            }));
            assert!(!wants(Filter {
                protocol: Some(next_header::TCP),
                ..none
            }));
            assert!(wants(Filter {
                port: Some(PortId(1)),
                ..none
            }));
            assert!(!wants(Filter {
                port: Some(PortId(0)),
                ..none
            }));
            assert!(!Filter {
                address: Some(outer),
                ..none
            }
            .wants(port, &frame[..30]));
            // Without its link-layer header, as control makes them.
            let bare = &frame[frame.len() - 80..];
            assert!(Filter {
                outer: Some(outer),
                ..none
            }
            .wants(port, bare));
        }
    }

    #[test]
    fn a_set_of_verdicts_has_those_that_were_chosen() {
        let drops = Verdicts::of(|verdict| verdict.kind() == "drop");
        assert!(drops.contains(Verdict::Drop(Drop::Unanswerable)));
        assert!(!drops.contains(Verdict::Forward(Forward::Routed)));
        assert!(Verdicts::of(|_| false).is_empty());
    }
}
