//! What the binding table is asked for, and what its keys are: addresses in network order, as they
//! stand in a packet, so that none is turned round on the way.

use super::hash::Seed;
use crate::key::{BindingKey, Domain};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Set in the `meta` of a probe or key of IPv4.
const IPV4: u64 = 1 << 24;

/// A family of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    /// IPv6.
    V6,
    /// IPv4.
    V4,
}

impl Family {
    /// The family of all of these, if they have one.
    #[inline(always)]
    pub(crate) fn of_all(probes: &[Probe]) -> Option<Self> {
        let (all, any) = probes.iter().fold((IPV4, 0), |(all, any), probe| {
            (all & probe.meta, any | probe.meta)
        });
        match (all & IPV4 != 0, any & IPV4 != 0) {
            (_, false) => Some(Self::V6),
            (true, true) => Some(Self::V4),
            (false, true) => None,
        }
    }
}

/// An address to look up, in its routing domain. A binding matches when it covers it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probe {
    high: u64,
    low: u64,
    /// Family and domain.
    meta: u64,
}

impl Probe {
    /// Of an address of either family.
    #[inline]
    pub fn new(domain: Domain, address: IpAddr) -> Self {
        match address {
            IpAddr::V6(v6) => Self::ipv6(domain, v6.octets()),
            IpAddr::V4(v4) => Self::ipv4(domain, v4.octets()),
        }
    }

    /// Of an IPv4 address as it stands in a header.
    #[inline(always)]
    pub fn ipv4(domain: Domain, address: [u8; 4]) -> Self {
        Self {
            high: u32::from_le_bytes(address).into(),
            low: 0,
            meta: IPV4 | u64::from(domain.0),
        }
    }

    /// Of an IPv6 address as it stands in a header.
    #[inline(always)]
    pub const fn ipv6(domain: Domain, address: [u8; 16]) -> Self {
        let bits = u128::from_le_bytes(address);
        Self {
            high: bits as u64,
            low: (bits >> 64) as u64,
            meta: domain.0 as u64,
        }
    }

    /// Its family.
    pub(super) fn family(&self) -> Family {
        match self.meta & IPV4 {
            0 => Family::V6,
            _ => Family::V4,
        }
    }

    pub(super) fn is(&self, family: Family) -> bool {
        (self.meta & IPV4 != 0) == (family == Family::V4)
    }

    /// Routing domain.
    #[inline(always)]
    pub(crate) const fn domain(&self) -> Domain {
        Domain(self.meta as u16)
    }

    /// An IPv6 address.
    #[inline(always)]
    pub(crate) fn address(&self) -> Ipv6Addr {
        let bits = u128::from(self.low) << 64 | u128::from(self.high);
        Ipv6Addr::from(bits.to_le_bytes())
    }

    /// An IPv4 address.
    #[inline(always)]
    pub(crate) const fn ipv4_address(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits((self.high as u32).swap_bytes())
    }
}

/// A key as it stands in an entry. An IPv4 prefix stands in the first four octets of `high`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Key {
    pub(super) high: u64,
    pub(super) low: u64,
    /// Family (0: IPv6, 1: IPv4), prefix length and domain.
    pub(super) meta: u64,
}

/// What makes keys of one prefix length: computed once for all addresses.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    high: u64,
    low: u64,
    length: u64,
}

impl Cut {
    /// To `length` bits, which is not above the family's.
    #[inline(always)]
    pub(super) fn to(length: u32) -> Self {
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        Self {
            high: ((mask >> 64) as u64).swap_bytes(),
            low: (mask as u64).swap_bytes(),
            length: u64::from(length) << 16,
        }
    }

    /// The key of an address.
    #[inline(always)]
    pub(super) fn key(self, probe: &Probe) -> Key {
        Key {
            high: probe.high & self.high,
            low: probe.low & self.low,
            meta: probe.meta | self.length,
        }
    }

    /// Whether addresses with one key are of one site: have the upper 64 bits of IPv6 in common, or all of IPv4.
    #[inline(always)]
    pub(super) fn has_site(self, family: Family) -> bool {
        let site = match family {
            Family::V6 => u64::MAX,
            Family::V4 => u32::MAX.into(),
        };
        self.high & site == site
    }

    /// What keys of two addresses differ in: nothing of the same.
    #[inline(always)]
    pub(super) fn differ(self, one: &Probe, other: &Probe) -> u64 {
        (one.high ^ other.high) & self.high
            | (one.low ^ other.low) & self.low
            | (one.meta ^ other.meta)
    }
}

impl Key {
    pub(super) fn family(self) -> Family {
        match self.meta & IPV4 {
            0 => Family::V6,
            _ => Family::V4,
        }
    }

    pub(super) fn length(self) -> u32 {
        (self.meta >> 16 & 0xff) as u32
    }

    /// Whether it is the same, in one branch: what is compared mostly is.
    #[inline(always)]
    pub(super) fn is(&self, other: &Self) -> bool {
        (self.high ^ other.high) | (self.low ^ other.low) | (self.meta ^ other.meta) == 0
    }

    #[inline(always)]
    pub(super) fn hash(self, seed: &Seed) -> u64 {
        seed.hash(self.high, self.low, self.meta)
    }
}

impl From<BindingKey> for Key {
    /// A length above the family's counts as full; bits past the length count as zero.
    fn from(key: BindingKey) -> Self {
        let whole = if key.prefix.is_ipv4() { 32 } else { 128 };
        let cut = Cut::to(u32::from(key.length).min(whole));
        cut.key(&Probe::new(key.domain, key.prefix))
    }
}

impl From<Key> for BindingKey {
    fn from(key: Key) -> Self {
        let high = key.high.swap_bytes();
        let prefix = match key.family() {
            Family::V4 => IpAddr::V4(Ipv4Addr::from_bits((high >> 32) as u32)),
            Family::V6 => {
                let bits = u128::from(high) << 64 | u128::from(key.low.swap_bytes());
                IpAddr::V6(Ipv6Addr::from_bits(bits))
            }
        };
        Self {
            domain: Domain(key.meta as u16),
            prefix,
            length: key.length() as u8,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_and_is_cut_to_its_length() {
        for (prefix, length, cut, bits) in [
            ("2001:db8:1:2::", 64, "2001:db8:1:2::", 64),
            ("2001:db8::1", 128, "2001:db8::1", 128),
            ("2001:db8::1", 200, "2001:db8::1", 128),
            ("2001:db8:ffff::1", 33, "2001:db8:8000::", 33),
            ("2001:db8::1", 0, "::", 0),
            ("192.0.2.129", 25, "192.0.2.128", 25),
            ("192.0.2.129", 32, "192.0.2.129", 32),
            ("192.0.2.129", 128, "192.0.2.129", 32),
            ("192.0.2.129", 0, "0.0.0.0", 0),
        ] {
            let key = |prefix: &str, length| BindingKey {
                domain: Domain(0xfffe),
                prefix: prefix.parse().unwrap(),
                length,
            };
            assert_eq!(
                BindingKey::from(Key::from(key(prefix, length))),
                key(cut, bits)
            );
        }
    }
}
