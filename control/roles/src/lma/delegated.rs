//! Prefixes that are delegated to hosts (RFC 7148 section 5.2).
//!
//! A DHCPv6 server delegates a prefix to a host, and the gateway that relays for the host tells its
//! anchor. The anchor gives none out itself: it sees to it that what is named lies where the operator lets
//! servers delegate from, and that nobody else has any of it.
//!
//! ```text
//!   an update has                       the session has then
//!   no such option                      none
//!   prefixes by value                   those: 178 when one is another's, or of nowhere; 177 when the
//!                                       host may have none
//!   ::/0                                what it had: its next gateway asks so, and is told
//! ```

use super::request::Request;
use super::Lma;
use crate::effect::{Effect, Notice};
use crate::BoundPrefix;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use wire::mh::{HomeNetworkPrefix, Status};

/// What servers delegate from, and whose it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Delegations {
    ranges: Vec<HomeNetworkPrefix>,
    /// By their first address; no two overlap.
    held: BTreeMap<Ipv6Addr, (HomeNetworkPrefix, u64)>,
}

impl Delegations {
    pub(super) fn new(ranges: &[HomeNetworkPrefix]) -> Self {
        Self {
            ranges: ranges.to_vec(),
            held: BTreeMap::new(),
        }
    }

    /// Whether any prefix may be delegated at all.
    pub(super) fn are_there(&self) -> bool {
        !self.ranges.is_empty()
    }

    /// How many are held.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Whether a session may have a prefix: it lies where servers delegate from, and no other session
    /// has any of it.
    pub(super) fn may_hold(&self, prefix: HomeNetworkPrefix, session: Option<u64>) -> bool {
        let within = |range: &HomeNetworkPrefix| {
            range.length <= prefix.length && range.contains(prefix.prefix)
        };
        let known = prefix.is_well_formed() && self.ranges.iter().any(within);
        known
            && self
                .overlapping(prefix)
                .all(|holder| Some(holder) == session)
    }

    /// The sessions that have a part of a prefix, or more than it.
    fn overlapping(&self, prefix: HomeNetworkPrefix) -> impl Iterator<Item = u64> + '_ {
        let before = self.held.range(..prefix.prefix).next_back();
        let before = before.filter(move |(_, (held, _))| held.contains(prefix.prefix));
        let behind = self.held.range(prefix.prefix..);
        let behind = behind.take_while(move |(first, (held, _))| {
            prefix.contains(**first) || held.contains(prefix.prefix)
        });
        before
            .into_iter()
            .chain(behind)
            .map(|(_, (_, holder))| *holder)
    }

    /// Whose a prefix is.
    pub(super) fn holder(&self, prefix: HomeNetworkPrefix) -> Option<u64> {
        let (held, session) = self.held.get(&prefix.prefix)?;
        (*held == prefix).then_some(*session)
    }

    pub(super) fn take(&mut self, prefix: HomeNetworkPrefix, session: u64) {
        self.held.insert(prefix.prefix, (prefix, session));
    }

    pub(super) fn release(&mut self, prefix: HomeNetworkPrefix) {
        self.held.remove(&prefix.prefix);
    }
}

impl Lma {
    /// The prefixes that a session is to have delegated after an update, in order.
    pub(super) fn delegate(
        &self,
        request: &Request<'_>,
        session: Option<u64>,
    ) -> Result<Vec<HomeNetworkPrefix>, Status> {
        let Some(named) = &request.delegated else {
            return Ok(Vec::new());
        };
        if named.is_empty() {
            let entry = session.and_then(|session| self.cache.get(session));
            return Ok(entry.map_or_else(Vec::new, |entry| entry.delegated.clone()));
        }
        if !self.admission.may_delegate(request.mn_identifier) {
            return Err(Status::NOT_AUTHORIZED_FOR_DELEGATED_PREFIX);
        }
        let mut wanted: Vec<HomeNetworkPrefix> = named.clone();
        wanted.sort_unstable();
        wanted.dedup();
        let apart = wanted.windows(2).all(|pair| match pair {
            [one, next] => !one.contains(next.prefix),
            _ => true,
        });
        let free = wanted
            .iter()
            .all(|&prefix| self.delegations.may_hold(prefix, session));
        if !apart || !free {
            return Err(Status::DELEGATED_PREFIX_IN_USE);
        }
        let has = session.and_then(|session| self.cache.get(session));
        let has = has.map_or(0, |entry| entry.delegated.len());
        if !self.has_room_for(wanted.len().saturating_sub(has)) {
            return Err(Status::INSUFFICIENT_RESOURCES);
        }
        Ok(wanted)
    }

    /// Makes a session have these prefixes delegated and no others; returns what it did not have.
    pub(super) fn hold_delegated(
        &mut self,
        session: u64,
        delegated: Vec<HomeNetworkPrefix>,
        effects: &mut Vec<Effect>,
    ) -> Vec<BoundPrefix> {
        let Some(entry) = self.cache.get_mut(session) else {
            return Vec::new();
        };
        let host = entry.mn_identifier.clone();
        let before = std::mem::replace(&mut entry.delegated, delegated.clone());
        let gone = before.iter().filter(|prefix| !delegated.contains(prefix));
        let gone: Vec<BoundPrefix> = gone.copied().map(BoundPrefix::V6).collect();
        for prefix in &before {
            self.delegations.release(*prefix);
        }
        for prefix in &delegated {
            self.delegations.take(*prefix, session);
        }
        effects.extend(gone.iter().map(|&prefix| Effect::Unbind { prefix }));
        effects.extend(gone.into_iter().map(|prefix| Effect::Notify {
            notice: Notice::BindingDown {
                mn_identifier: host.clone(),
                prefix,
            },
        }));
        let added = delegated
            .into_iter()
            .filter(|prefix| !before.contains(prefix));
        added.map(BoundPrefix::V6).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_is_found_whatever_its_length() {
        let prefix = |text: &str| text.parse::<HomeNetworkPrefix>().unwrap();
        let mut delegations = Delegations::new(&[prefix("2001:db8:d000::/40")]);
        delegations.take(prefix("2001:db8:d000:100::/56"), 1);
        delegations.take(prefix("2001:db8:d000:300::/64"), 2);
        for (asked, session, may) in [
            ("2001:db8:d000:100::/56", None, false),
            ("2001:db8:d000:100::/56", Some(1), true),
            ("2001:db8:d000:1ff::/64", Some(2), false),
            ("2001:db8:d000::/48", Some(1), false),
            ("2001:db8:d000:300::/60", Some(1), false),
            ("2001:db8:d000:300::/56", Some(2), true),
            ("2001:db8:d000:200::/56", None, true),
            ("2001:db8:e000::/56", None, false),
            ("2001:db8::/32", None, false),
        ] {
            let prefix = prefix(asked);
            assert_eq!(delegations.may_hold(prefix, session), may, "{asked}");
        }
    }
}
