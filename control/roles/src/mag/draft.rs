//! Updates in the draft's form (S1-03, S1-05, S1-07).
//!
//! A gateway names what it knows: the host's address, or else the prefix that policy has for it. When it
//! knows neither, it asks its anchor whether there is a binding, and when there is none, for an address
//! of the anchor's own prefixes, of which the host forms its own. Once that is known, the anchor is told.
//!
//! ```text
//!   address or prefix known ─────► Assigned Home Address ──────────────► 0, with address or prefix
//!   neither ──► Binding Cache Confirmation ──┬─► 0, with address or prefix
//!                                            └─► 141 ──► Assigned Home Address ::/0 ──► 0, with a prefix
//! ```

use super::update::ListEntry;
use super::{LearnFrom, Mag};
use crate::event::HostLink;
use crate::outstanding::Update;
use crate::signalling::confirmation;
use crate::SignallingProfile;
use std::net::Ipv6Addr;
use wire::mh::{AssignedHomeAddress, Experimental, HomeNetworkPrefix, MobilityOption};

/// Length of the prefix of a home link, where a host has shown an address before its prefix was known.
const HOME_LINK: u8 = 64;

/// What an update asks for, in the draft's form; `own` is the type of a confirmation that option 18 does not
/// hold.
pub(super) fn home_addresses(
    entry: &ListEntry,
    update: &Update,
    own: Option<u8>,
) -> Vec<MobilityOption> {
    let assigned = |address, prefix_length| {
        MobilityOption::Experimental(Experimental::AssignedHomeAddress(AssignedHomeAddress {
            address,
            prefix_length,
        }))
    };
    let known = &entry.home_addresses;
    let of = |prefix: &HomeNetworkPrefix| {
        let mut known = known.iter().copied();
        let address = known.find(|address| prefix.contains(*address));
        assigned(address.unwrap_or(prefix.prefix), prefix.length)
    };
    if !update.prefixes.is_empty() {
        update.prefixes.iter().map(of).collect()
    } else if !known.is_empty() {
        known.iter().map(|it| assigned(*it, HOME_LINK)).collect()
    } else if entry.missing {
        vec![assigned(Ipv6Addr::UNSPECIFIED, 0)]
    } else {
        vec![confirmation(own)]
    }
}

impl ListEntry {
    /// Whether the outstanding update only asks whether there is a binding.
    pub(super) fn confirms(&self, profile: SignallingProfile) -> bool {
        let update = self.update.as_ref();
        profile == SignallingProfile::Draft
            && update.is_some_and(|update| update.prefixes.is_empty())
            && self.home_addresses.is_empty()
            && !self.missing
    }
}

impl Mag {
    /// The addresses of a host that its anchor may be told, where the form of updates has them.
    pub(super) fn known_addresses(&self, link: HostLink, lets: bool) -> Vec<Ipv6Addr> {
        let visitor = self.visitors.get(&link);
        let visitor = visitor.filter(|_| self.core.config.profile == SignallingProfile::Draft);
        let known = visitor.into_iter().flat_map(|it| it.host.addresses.iter());
        let known = known.filter(|held| LearnFrom::always(held.by) || lets);
        known.map(|held| held.address).collect()
    }

    /// What is known of a host's addresses has changed.
    pub(super) fn name_addresses(&mut self, link: HostLink) {
        if self.core.config.profile == SignallingProfile::Rfc {
            return;
        }
        let known = self.known_addresses(link, true);
        let visitor = self.visitors.get_mut(&link);
        if let Some(registration) = visitor.and_then(|it| it.registration.as_mut()) {
            registration.list.home_addresses = known;
        }
    }
}
