//! What is bound and what is asked for, the same for both tables.

use dataplane::key::{AdjacencyId, BindingKey, Domain, Forwarding, TunnelId};
use dataplane::table::Probe;
use dpdk::HashKey;
use std::net::{IpAddr, Ipv6Addr};

/// Bindings beside those that are asked for: the writer makes and removes them all the time.
pub const CHURN: u32 = 64;

/// Tunnels that bindings lead to.
pub const TUNNELS: u32 = 8;

/// A small generator of numbers (xorshift64), so that drawing one costs next to nothing.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (((self.0 >> 32) * u64::from(end)) >> 32) as u32
    }
}

/// The bindings: one prefix for each number.
#[derive(Clone, Copy)]
pub struct Prefixes {
    /// Prefix length of every binding, 64 or 128.
    pub length: u8,
}

impl Prefixes {
    /// The address in the binding of `n` that is asked for.
    pub fn address(self, n: u32) -> Ipv6Addr {
        let high = 0x2001_0db8_u128 << 96 | u128::from(n) << 64;
        Ipv6Addr::from_bits(match self.length {
            64 => high | 0x0200_5eff_fe00_5300,
            _ => high | u128::from(n.wrapping_mul(0x9e37_79b1)),
        })
    }

    /// The binding's prefix.
    fn prefix(self, n: u32) -> Ipv6Addr {
        match self.length {
            64 => Ipv6Addr::from_bits(self.address(n).to_bits() >> 64 << 64),
            _ => self.address(n),
        }
    }

    /// Our key of binding `n`.
    pub fn key(self, n: u32) -> BindingKey {
        BindingKey {
            domain: Domain(0),
            prefix: IpAddr::V6(self.prefix(n)),
            length: self.length,
        }
    }

    /// What our table is asked for it.
    pub fn probe(self, n: u32) -> Probe {
        Probe::new(Domain(0), IpAddr::V6(self.address(n)))
    }

    /// DPDK's key of it, cut to the prefix length already.
    pub fn hash_key(self, n: u32) -> HashKey {
        self.prefix(n).octets()
    }
}

/// The forwarding of binding `n` in its `version`-th place. It tells the binding, so that every
/// answer can be checked, and a mixture of two places would show.
pub fn forwarding(n: u32, version: u32) -> Forwarding {
    let tunnel = tunnel(n, version);
    Forwarding::Access {
        tunnel: TunnelId(tunnel),
        host: AdjacencyId(n << 3 | tunnel),
    }
}

fn tunnel(n: u32, version: u32) -> u32 {
    (n ^ version) % TUNNELS
}

/// Whether an answer for binding `n` is one that it ever had.
pub fn is_of(n: u32, forwarding: Forwarding) -> bool {
    let Forwarding::Access { tunnel, host } = forwarding else {
        return false;
    };
    tunnel.0 < TUNNELS && host.0 == n << 3 | tunnel.0
}

/// The same forwarding as the word that stands in a line beside DPDK's table.
pub fn word(n: u32, version: u32) -> u64 {
    u64::from(n) << 32 | u64::from(tunnel(n, version))
}

/// Whether a word for binding `n` is one that it ever had.
pub fn is_word_of(n: u32, word: u64) -> bool {
    word >> 32 == u64::from(n) && word & 0xffff_ffff < u64::from(TUNNELS)
}
