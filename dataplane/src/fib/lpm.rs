//! Longest-prefix match over the routes of one domain and family.

use crate::key::{NextHop, Route};
use crate::mem;
use crate::table::hash::Seed;
use std::net::IpAddr;

/// Longest-prefix match by one hash table for each length, longest first. Most destinations have no
/// route of more than 64 bits, and one look into the table of those that have says so.
pub(super) struct Lpm {
    /// Of more than 64 bits.
    longer: Vec<Exact<NextHop>>,
    /// The upper 64 bits of those, none when there are none.
    sites: Option<Exact<()>>,
    /// Of 64 bits and less, but not 0.
    lengths: Vec<Exact<NextHop>>,
    /// What the prefix of length 0 says, which covers all that no other does.
    default: Option<NextHop>,
}

/// Bits of a prefix that names a link, which is where the sites end.
const SITE: usize = 64;

impl Lpm {
    pub(super) fn new<'a>(
        routes: impl Iterator<Item = &'a Route>,
        longest: u8,
        seed: Seed,
    ) -> Self {
        let mut by_length: Vec<Vec<(u128, NextHop)>> = Vec::new();
        by_length.resize_with(usize::from(longest) + 1, Vec::new);
        for route in routes {
            let bits = match route.prefix {
                IpAddr::V6(v6) => v6.to_bits(),
                IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
            };
            if let Some(group) = by_length.get_mut(usize::from(route.length.min(longest))) {
                group.push((bits, route.next_hop));
            }
        }
        let default = by_length.first_mut().map(std::mem::take);
        let default = default.and_then(|group| group.first().map(|(_, next_hop)| *next_hop));
        let groups = by_length.into_iter().enumerate().rev();
        let used = groups.filter(|(_, group)| !group.is_empty());
        let (longer, lengths): (Vec<_>, Vec<_>) = used.partition(|(length, _)| *length > SITE);
        let all = longer.iter().flat_map(|(_, group)| group);
        let sites: Vec<(u128, ())> = all.map(|(bits, _)| (*bits, ())).collect();
        let compile = |groups: Vec<(usize, Vec<(u128, NextHop)>)>| {
            let tables = groups.into_iter();
            tables.map(|(length, group)| Exact::new(length, &group, seed))
        };
        Self {
            longer: compile(longer).collect(),
            sites: (!sites.is_empty()).then(|| Exact::new(SITE, &sites, seed)),
            lengths: compile(lengths).collect(),
            default,
        }
    }

    /// Hints that this will be asked for soon.
    #[inline(always)]
    pub(super) fn prefetch(&self, bits: u128) {
        if let Some(sites) = &self.sites {
            sites.prefetch(bits);
        }
        for exact in &self.lengths {
            exact.prefetch(bits);
        }
    }

    /// What the longest prefix says, and whether no prefix of more than 64 bits is near.
    #[inline(always)]
    pub(super) fn get(&self, bits: u128) -> (Option<NextHop>, bool) {
        let near = self.sites.as_ref().and_then(|sites| sites.get(bits));
        if near.is_some() {
            let found = self.longer.iter().find_map(|exact| exact.get(bits));
            if found.is_some() {
                return (found, false);
            }
        }
        let found = self.lengths.iter().find_map(|exact| exact.get(bits));
        (found.or(self.default), near.is_none())
    }
}

/// Prefixes of one length: linear probing, at most half full.
pub(super) struct Exact<V> {
    mask: u128,
    seed: Seed,
    /// A power of two, so that `shift` takes an index from the upper bits of a hash.
    slots: Vec<Option<Slot<V>>>,
    shift: u32,
}

#[derive(Clone, Copy)]
struct Slot<V> {
    high: u64,
    low: u64,
    value: V,
}

impl<V: Copy> Exact<V> {
    /// Of two with the same prefix the first counts.
    pub(super) fn new(length: usize, routes: &[(u128, V)], seed: Seed) -> Self {
        let mask = u128::MAX.checked_shl(128 - length as u32).unwrap_or(0);
        let size = (routes.len() * 2).next_power_of_two();
        let mut exact = Self {
            mask,
            seed,
            slots: vec![None; size],
            shift: 64 - size.trailing_zeros(),
        };
        for (bits, value) in routes {
            exact.put(bits & mask, *value);
        }
        exact
    }

    fn put(&mut self, bits: u128, value: V) {
        let new = Slot {
            high: (bits >> 64) as u64,
            low: bits as u64,
            value,
        };
        let mut at = self.first(new.high, new.low);
        while let Some(slot) = self.slots.get_mut(at) {
            match slot {
                Some(old) if (old.high, old.low) == (new.high, new.low) => return,
                Some(_) => at = (at + 1) & (self.slots.len() - 1),
                None => {
                    *slot = Some(new);
                    return;
                }
            }
        }
    }

    #[inline(always)]
    fn first(&self, high: u64, low: u64) -> usize {
        (self.seed.hash(high, low, 0) >> self.shift) as usize
    }

    #[inline(always)]
    fn prefetch(&self, bits: u128) {
        let bits = bits & self.mask;
        let at = self.first((bits >> 64) as u64, bits as u64);
        if let Some(slot) = self.slots.get(at) {
            mem::prefetch(slot);
        }
    }

    #[inline(always)]
    pub(super) fn get(&self, bits: u128) -> Option<V> {
        let bits = bits & self.mask;
        let (high, low) = ((bits >> 64) as u64, bits as u64);
        let mut at = self.first(high, low);
        // Ends: at least half of the slots are empty.
        while let Some(Some(slot)) = self.slots.get(at) {
            if slot.high == high && slot.low == low {
                return Some(slot.value);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
        None
    }
}
