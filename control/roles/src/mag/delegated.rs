//! Prefixes that are delegated to hosts (RFC 7148 section 5.1).
//!
//! A server delegates, and the anchor is told: from then on packets for the prefix come to this gateway and
//! go on to the host, which is a router for it. A gateway that the host comes to later asks the anchor
//! which prefixes there are. When the last one has ended the anchor is told of none any more, by an update
//! without the option.

use super::update::ListEntry;
use super::Mag;
use crate::effect::{Effect, Notice};
use crate::event::HostLink;
use crate::message::ProxyOptions;
use crate::Now;
use wire::mh::{DelegatedPrefix, HomeNetworkPrefix, MobilityOption, Status};

/// How many prefixes of a host its anchor is told of: their options have to fit into one message.
const MOST: usize = 8;

/// What an update says of delegated prefixes.
pub(super) fn named(entry: &ListEntry) -> Vec<MobilityOption> {
    let any = [HomeNetworkPrefix::REQUEST];
    let named = match entry.delegated.as_deref() {
        None => &[],
        Some([]) => &any[..],
        Some(named) => named,
    };
    let named = named.iter().copied().map(DelegatedPrefix::V6);
    named.map(MobilityOption::DelegatedPrefix).collect()
}

/// The delegated prefixes that an acknowledgement gives.
pub(super) fn given(entry: &ListEntry, options: &ProxyOptions<'_>) -> Vec<HomeNetworkPrefix> {
    let told = options.delegated.iter().flatten();
    let told = told.filter(|prefix| entry.delegated.is_some() && prefix.is_well_formed());
    let mut told: Vec<_> = told.copied().collect();
    told.sort_unstable();
    told.dedup();
    told
}

impl ListEntry {
    /// The anchor has answered which prefixes there are, if it was asked that.
    pub(super) fn is_told_delegated(&mut self, given: Vec<HomeNetworkPrefix>) {
        if let Some(wanted) = self.delegated.as_mut().filter(|wanted| wanted.is_empty()) {
            *wanted = given;
        }
    }

    /// Says that the anchor does not take what was delegated.
    pub(super) fn delegation_refused(&self, status: Status) -> Effect {
        let notice = Notice::DelegationRefused {
            link: self.link,
            mn_identifier: self.mn_identifier.clone(),
            status,
        };
        Effect::Notify { notice }
    }

    /// Names those no more that the anchor was told of and did not give, for it has no room or no place for
    /// them; whether there were any.
    pub(super) fn drops_delegated(&mut self, given: &[HomeNetworkPrefix]) -> bool {
        let Some(wanted) = &mut self.delegated else {
            return false;
        };
        let before = wanted.len();
        wanted.retain(|it| given.contains(it));
        let drops = wanted.len() < before;
        if drops && wanted.is_empty() {
            self.delegated = None;
        }
        drops
    }

    /// Names no delegated prefixes any more after a refusal; whether there were any.
    pub(super) fn settles_for_less_delegated(&mut self, status: Status) -> bool {
        let refused = matches!(
            status,
            Status::NOT_AUTHORIZED_FOR_DELEGATED_PREFIX | Status::DELEGATED_PREFIX_IN_USE
        );
        refused && self.delegated.take().is_some()
    }
}

impl Mag {
    /// A server has delegated prefixes to a host, or some of them have ended.
    pub(super) fn on_delegations(
        &mut self,
        now: Now,
        link: HostLink,
        delegated: &[HomeNetworkPrefix],
        withdrawn: &[HomeNetworkPrefix],
        effects: &mut Vec<Effect>,
    ) {
        let visitor = self.visitors.get_mut(&link);
        let Some(registration) = visitor.and_then(|it| it.registration.as_mut()) else {
            return;
        };
        if registration.bound.is_none() || !self.core.config.delegation {
            return;
        }
        let wanted = &mut registration.list.delegated;
        let before = wanted.clone();
        for prefix in withdrawn {
            if let Some(known) = wanted {
                known.retain(|it| it != prefix);
            }
        }
        for &prefix in delegated {
            let known = wanted.get_or_insert_default();
            if !known.contains(&prefix) && known.len() < MOST {
                known.push(prefix);
                known.sort_unstable();
            }
        }
        if *wanted == before {
            return;
        }
        if wanted.as_ref().is_some_and(Vec::is_empty) {
            *wanted = None;
        }
        // An update may be on its way that does not say it.
        registration.untold = registration.list.update.is_some();
        self.extend(now, link, effects);
    }
}
