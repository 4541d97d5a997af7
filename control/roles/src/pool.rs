//! Prefixes for hosts: the pools they come from, and who holds or held which.
//!
//! A pool is a prefix that is cut into home network prefixes of one length. Where in the pool a
//! host's prefix is looked for first follows from its identifier alone, so that an anchor that has
//! lost all its state most likely gives a host the prefix that it had. A host that comes back gets
//! the prefix that it held before, for as long as that is remembered (S1-40): what was released first
//! is forgotten first, and is fresh again.
//!
//! ```text
//!      fresh ─────► held ──► released, remembered for its holder ──┐
//!                    ▲                                             │ only when there is nothing
//!                    └─────────────── oldest first ────────────────┘ fresh, or too much to remember
//! ```

mod homes;

use crate::keyed::Keyed;
use crate::several::Several;
use homes::Homes;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use wire::mh::{HomeNetworkPrefix, MnIdentifier};

/// Why a pool, or a set of pools, cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPool {
    /// The prefix is `::/…`, multicast or link-local, or has bits set past its length.
    #[error("{0} is not a prefix that hosts can have addresses from; name one of your own")]
    Prefix(HomeNetworkPrefix),
    /// The length of the hosts' prefixes does not fit.
    #[error("{pool} cannot be cut into prefixes of length {length}; choose {} to {}",
        pool.length, pool.length.saturating_add(63).min(128))]
    Length {
        /// The pool.
        pool: HomeNetworkPrefix,
        /// The length that was asked for.
        length: u8,
    },
    /// Two pools share addresses.
    #[error("the pools {0} and {1} overlap; keep one of them or make them smaller")]
    Overlap(HomeNetworkPrefix, HomeNetworkPrefix),
}

/// A prefix that is cut into home network prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pool {
    prefix: HomeNetworkPrefix,
    length: u8,
}

impl Pool {
    /// The pool `prefix`, cut into prefixes of `length` bits: at least as long as the pool and at
    /// most 63 bits longer.
    pub fn new(prefix: HomeNetworkPrefix, length: u8) -> Result<Self, BadPool> {
        let address = prefix.prefix;
        if !prefix.is_well_formed()
            || prefix.is_request()
            || address.is_multicast()
            || address.is_unicast_link_local()
        {
            return Err(BadPool::Prefix(prefix));
        }
        let longer = length.checked_sub(prefix.length);
        if length > 128 || longer.is_none_or(|longer| longer > 63) {
            return Err(BadPool::Length {
                pool: prefix,
                length,
            });
        }
        Ok(Self { prefix, length })
    }

    /// The prefix that is cut.
    pub const fn prefix(&self) -> HomeNetworkPrefix {
        self.prefix
    }

    /// Length of the hosts' prefixes.
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// How many prefixes there are in it.
    pub const fn size(&self) -> u64 {
        1 << (self.length - self.prefix.length)
    }

    fn nth(&self, index: u64) -> HomeNetworkPrefix {
        let bits = u128::from(index)
            .checked_shl(128 - u32::from(self.length))
            .unwrap_or(0);
        HomeNetworkPrefix {
            prefix: Ipv6Addr::from_bits(self.prefix.prefix.to_bits() | bits),
            length: self.length,
        }
    }

    /// The place of a prefix that was cut from it.
    fn index(&self, prefix: HomeNetworkPrefix) -> u64 {
        let behind = prefix.prefix.to_bits() ^ self.prefix.prefix.to_bits();
        let index = behind.checked_shr(128 - u32::from(self.length));
        u64::try_from(index.unwrap_or(0)).unwrap_or(u64::MAX)
    }

    /// The first place behind `wide`, in which some place lies.
    fn index_behind(&self, wide: HomeNetworkPrefix) -> u64 {
        if wide.length <= self.prefix.length {
            return self.size();
        }
        let places = 1 << self.length.saturating_sub(wide.length);
        self.index(wide).saturating_add(places)
    }
}

/// The pools of an anchor: no two overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pools(Vec<Pool>);

impl Pools {
    /// A set of pools; they are drawn from in this order.
    pub fn new(pools: impl IntoIterator<Item = Pool>) -> Result<Self, BadPool> {
        let pools: Vec<Pool> = pools.into_iter().collect();
        for (i, one) in pools.iter().enumerate() {
            for other in pools.iter().skip(i + 1) {
                if overlap(one.prefix, other.prefix) {
                    return Err(BadPool::Overlap(one.prefix, other.prefix));
                }
            }
        }
        Ok(Self(pools))
    }

    /// The pools, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Pool> {
        self.0.iter()
    }

    /// How many prefixes all of them have.
    pub fn size(&self) -> u64 {
        self.0
            .iter()
            .fold(0, |sum, pool| sum.saturating_add(pool.size()))
    }
}

/// Whether the two share an address.
pub(crate) fn overlap(one: HomeNetworkPrefix, other: HomeNetworkPrefix) -> bool {
    if one.length <= other.length {
        one.contains(other.prefix)
    } else {
        other.contains(one.prefix)
    }
}

/// How many places that follow from the identifier are tried before the next in order.
const PROBES: u64 = 8;

/// How many released prefixes a host is given again.
const FORMER: usize = 16;

/// Who holds which prefix, and who held it before.
#[derive(Clone, Debug)]
pub(crate) struct Prefixes {
    pools: Pools,
    /// Released prefixes that are kept for their former holders, at most.
    remember: usize,
    held: Keyed<HomeNetworkPrefix, MnIdentifier>,
    homes: Homes,
    released: Keyed<HomeNetworkPrefix, Released>,
    /// The released ones by age.
    oldest: BTreeMap<u64, HomeNetworkPrefix>,
    former: Several<MnIdentifier, HomeNetworkPrefix>,
    releases: u64,
    /// Per pool: no place below is fresh.
    frontier: Vec<u64>,
    /// Prefixes that policy fixes for hosts, none within another.
    fixed: BTreeSet<HomeNetworkPrefix>,
}

#[derive(Clone, Debug)]
struct Released {
    order: u64,
    holder: MnIdentifier,
    interface: Interface,
}

/// What tells interfaces of one host apart, or nothing does: a hash of the link-layer identifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interface(u64);

impl Interface {
    /// The interface with a link-layer identifier, if one is known.
    pub(crate) fn of(link_layer: Option<&[u8]>) -> Self {
        Self(link_layer.map_or(0, |id| hash(id.iter().copied())))
    }
}

impl Prefixes {
    pub(crate) fn new(pools: Pools, remember: usize) -> Self {
        Self {
            frontier: vec![0; pools.0.len()],
            pools,
            remember,
            held: Keyed::default(),
            homes: Homes::new(),
            released: Keyed::default(),
            oldest: BTreeMap::new(),
            former: Several::default(),
            releases: 0,
            fixed: BTreeSet::new(),
        }
    }

    /// Takes the prefixes that policy gives to hosts out of the pools.
    pub(crate) fn fix(&mut self, prefixes: impl IntoIterator<Item = HomeNetworkPrefix>) {
        self.fixed.clear();
        let mut prefixes: Vec<_> = prefixes.into_iter().collect();
        prefixes.sort_unstable_by_key(|prefix| (prefix.length, prefix.prefix));
        for prefix in prefixes {
            if self.covering(prefix).is_none() {
                self.fixed.insert(prefix);
            }
        }
        // What it gave up may be below.
        self.frontier.fill(0);
    }

    /// The fixed prefix that contains `prefix`.
    fn covering(&self, prefix: HomeNetworkPrefix) -> Option<HomeNetworkPrefix> {
        let end = HomeNetworkPrefix {
            prefix: prefix.prefix,
            length: 128,
        };
        let &before = self.fixed.range(..=end).next_back()?;
        (before.length <= prefix.length && before.contains(prefix.prefix)).then_some(before)
    }

    /// Whether policy gives any of `prefix` to a host.
    pub(crate) fn is_fixed(&self, prefix: HomeNetworkPrefix) -> bool {
        self.covering(prefix).is_some()
            || self
                .fixed
                .range(prefix..)
                .next()
                .is_some_and(|inner| prefix.contains(inner.prefix))
    }

    /// Whether it is one of the prefixes that the pools are cut into.
    pub(crate) fn is_pooled(&self, prefix: HomeNetworkPrefix) -> bool {
        prefix.is_well_formed()
            && self
                .pools
                .iter()
                .any(|pool| pool.length == prefix.length && pool.prefix.contains(prefix.prefix))
    }

    /// Whether `host` may be given `prefix`, which is from a pool, because it asks for it: nobody
    /// holds it, and it is kept for nobody else.
    pub(crate) fn is_free_for(&self, prefix: HomeNetworkPrefix, host: &MnIdentifier) -> bool {
        self.is_pooled(prefix)
            && !self.is_fixed(prefix)
            && !self.held.contains_key(&prefix)
            && !self.lodges_another(prefix, host)
            && self
                .released
                .get(&prefix)
                .is_none_or(|released| released.holder == *host)
    }

    /// Who holds it.
    pub(crate) fn holder(&self, prefix: HomeNetworkPrefix) -> Option<&MnIdentifier> {
        self.held.get(&prefix)
    }

    /// How many prefixes are held, home addresses among them.
    pub(crate) fn held(&self) -> usize {
        self.held.len() + self.homes.len()
    }

    /// So many prefixes that an interface of `host` would be given now: what it had before, or else the
    /// host had, then fresh ones, then what was released longest ago. `None`: there are not so many.
    /// Takes nothing yet.
    pub(crate) fn choose(
        &mut self,
        host: &MnIdentifier,
        interface: Interface,
        many: usize,
    ) -> Option<Vec<HomeNetworkPrefix>> {
        let mut chosen = Vec::with_capacity(many);
        for _ in 0..many {
            let next = self.choose_one(host, interface, &chosen)?;
            chosen.push(next);
        }
        chosen.sort_unstable();
        Some(chosen)
    }

    /// One prefix more than those that are chosen already, as [`choose`](Self::choose) does.
    pub(crate) fn choose_one(
        &mut self,
        host: &MnIdentifier,
        interface: Interface,
        but: &[HomeNetworkPrefix],
    ) -> Option<HomeNetworkPrefix> {
        let former: Vec<_> = self
            .former
            .get(host)
            .filter(|prefix| !but.contains(prefix) && self.is_free_for(*prefix, host))
            .collect();
        let own = |prefix: &&HomeNetworkPrefix| {
            let released = self.released.get(*prefix);
            released.is_some_and(|released| released.interface == interface)
        };
        // What was released last is most likely what the host still knows.
        let own = former.iter().rev().find(own);
        if let Some(prefix) = own.or(former.last()) {
            return Some(*prefix);
        }
        let remembers_more = self.released.len() < self.remember;
        let fresh = remembers_more.then(|| self.fresh(host, but)).flatten();
        fresh
            .or_else(|| {
                let usable = |prefix: &&HomeNetworkPrefix| {
                    !but.contains(prefix)
                        && !self.is_fixed(**prefix)
                        && !self.lodges_another(**prefix, host)
                };
                self.oldest.values().find(usable).copied()
            })
            .or_else(|| self.fresh(host, but))
    }

    /// A prefix that nobody holds and that is kept for nobody, and not one of `but`.
    fn fresh(
        &mut self,
        host: &MnIdentifier,
        but: &[HomeNetworkPrefix],
    ) -> Option<HomeNetworkPrefix> {
        let start = stable_hash(host);
        for at in 0..self.pools.0.len() {
            let pool = *self.pools.0.get(at)?;
            let probes = (0..PROBES).map(|probe| start.wrapping_add(probe) % pool.size());
            let mut near = probes.map(|index| pool.nth(index));
            let is_new =
                |prefix: &HomeNetworkPrefix| self.is_fresh(*prefix, host) && !but.contains(prefix);
            if let Some(prefix) = near.find(is_new) {
                return Some(prefix);
            }
            let mut index = self.frontier.get(at).copied().unwrap_or(pool.size());
            // Whether no place below is fresh.
            let mut settled = true;
            while index < pool.size() {
                let prefix = pool.nth(index);
                let fresh = self.is_fresh(prefix, host);
                if fresh && !but.contains(&prefix) {
                    return Some(prefix);
                }
                settled &= !fresh;
                index = match self.covering(prefix) {
                    Some(fixed) => pool.index_behind(fixed),
                    None => index + 1,
                };
                if let Some(frontier) = self.frontier.get_mut(at).filter(|_| settled) {
                    *frontier = index;
                }
            }
        }
        None
    }

    fn is_fresh(&self, prefix: HomeNetworkPrefix, host: &MnIdentifier) -> bool {
        !self.held.contains_key(&prefix)
            && !self.released.contains_key(&prefix)
            && !self.is_fixed(prefix)
            && !self.lodges_another(prefix, host)
    }

    /// `host` holds `prefix` from now on.
    pub(crate) fn take(&mut self, prefix: HomeNetworkPrefix, host: &MnIdentifier) {
        self.forget(prefix);
        self.held.insert(prefix, host.clone());
    }

    /// Nobody holds `prefix` any more; from a pool, it is remembered for its holder and the interface
    /// that had it.
    pub(crate) fn release(&mut self, prefix: HomeNetworkPrefix, interface: Interface) {
        let Some(holder) = self.held.remove(&prefix) else {
            return;
        };
        if !self.is_pooled(prefix) {
            return;
        }
        // A host looks for a few of those that it held; what it held before them can go to anybody,
        // but its turn comes all the same when everything older has gone.
        let order = self.releases;
        self.releases += 1;
        self.oldest.insert(order, prefix);
        self.former.insert(holder.clone(), prefix);
        let former: Vec<_> = self.former.get(&holder).collect();
        if let Some(&first) = former.first().filter(|_| former.len() > FORMER) {
            self.former.remove(&holder, first);
        }
        let released = Released {
            order,
            holder,
            interface,
        };
        self.released.insert(prefix, released);
        while self.released.len() > self.remember {
            let Some(prefix) = self.oldest.values().next().copied() else {
                break;
            };
            self.forget(prefix);
            self.lower_frontier(prefix);
        }
    }

    /// A prefix is fresh again.
    fn lower_frontier(&mut self, prefix: HomeNetworkPrefix) {
        for (pool, frontier) in self.pools.0.iter().zip(&mut self.frontier) {
            if pool.length == prefix.length && pool.prefix.contains(prefix.prefix) {
                *frontier = pool.index(prefix).min(*frontier);
            }
        }
    }

    fn forget(&mut self, prefix: HomeNetworkPrefix) {
        if let Some(released) = self.released.remove(&prefix) {
            self.oldest.remove(&released.order);
            self.former.remove(&released.holder, prefix);
        }
    }
}

/// A hash that is the same in every process and version (FNV-1a, then a finalizer that spreads it).
pub(crate) fn stable_hash(host: &MnIdentifier) -> u64 {
    hash(std::iter::once(host.subtype()).chain(host.as_bytes().iter().copied()))
}

fn hash(octets: impl Iterator<Item = u8>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for octet in octets {
        hash = (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}
