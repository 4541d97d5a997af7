//! Home addresses that hosts have registered themselves (RFC 6275), among the prefixes that hosts are given.
//!
//! ```text
//!   pool, cut into places    │ P1: held by a │ P2          │ P3          │
//!   home addresses                a                 b   c
//!                            a may; others not   nobody may be given P2 but one who is alone in it
//! ```
//!
//! A home address lies in a place that nobody holds, or that its own host holds. Where others have home
//! addresses, a place is given to nobody.

use super::Prefixes;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use wire::mh::{HomeNetworkPrefix, MnIdentifier};

/// Home addresses, each with its host and the session that it is of.
pub(super) type Homes = BTreeMap<Ipv6Addr, (MnIdentifier, u64)>;

impl Prefixes {
    /// The place of an address in the pools, if it has one.
    pub(crate) fn place_of(&self, address: Ipv6Addr) -> Option<HomeNetworkPrefix> {
        let pool = self.pools.iter().find(|it| it.prefix.contains(address))?;
        HomeNetworkPrefix::new(address, pool.length)
    }

    /// Whether a place is held by nobody else than `host`, and kept for nobody else.
    pub(crate) fn is_open_to(&self, place: HomeNetworkPrefix, host: &MnIdentifier) -> bool {
        match self.held.get(&place) {
            Some(holder) => holder == host,
            None => {
                let released = self.released.get(&place);
                released.is_none_or(|released| released.holder == *host)
            }
        }
    }

    /// Whether another than `host` has a home address in `prefix`. One that is an address alone has room
    /// for no home address beside it.
    pub(crate) fn lodges_another(&self, prefix: HomeNetworkPrefix, host: &MnIdentifier) -> bool {
        let first = prefix.prefix;
        let rest = u128::MAX.checked_shr(prefix.length.into()).unwrap_or(0);
        let last = Ipv6Addr::from_bits(first.to_bits() | rest);
        let mut homes = self.homes.range(first..=last);
        homes.any(|(_, (holder, _))| rest == 0 || holder != host)
    }

    /// Whose home address this is, and of which session.
    pub(crate) fn home(&self, address: Ipv6Addr) -> Option<(&MnIdentifier, u64)> {
        let (holder, session) = self.homes.get(&address)?;
        Some((holder, *session))
    }

    /// `host` has `address` for its home address from now on.
    pub(crate) fn take_home(&mut self, address: Ipv6Addr, host: &MnIdentifier, session: u64) {
        self.homes.insert(address, (host.clone(), session));
    }

    /// Nobody has `address` for a home address any more.
    pub(crate) fn release_home(&mut self, address: Ipv6Addr) {
        self.homes.remove(&address);
        if let Some(place) = self.place_of(address) {
            self.lower_frontier(place);
        }
    }
}
