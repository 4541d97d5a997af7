//! Leases that hosts have from other gateways: asked for before a host's first message goes to the
//! servers, told to the role, and put into the answers (S2-40 to S2-42).

use super::Engine;
use crate::dhcp::former::{Answered, Found, LeaseSource};
use crate::dhcp::v6::{Addressed, Asker};
use roles::event::HostLink;
use roles::{BoundPrefix, Event, Now, Role};
use std::net::Ipv6Addr;
use wire::dhcpv6::FormerLease;
use wire::mh::HomeNetworkPrefix;

/// Length of the prefixes that gateways of a domain give their hosts.
const LINK: u8 = 64;

/// The prefixes of addresses that a host has from elsewhere, each once.
fn prefixes_of(addresses: &[Ipv6Addr]) -> Vec<HomeNetworkPrefix> {
    let prefixes = addresses.iter();
    let prefixes = prefixes.filter_map(|address| HomeNetworkPrefix::new(*address, LINK));
    let mut prefixes: Vec<_> = prefixes.collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    prefixes
}

impl<R: Role> Engine<R> {
    /// Asks this source from now on what hosts have leased. Before that, none is asked for.
    pub fn look_up_leases(&mut self, source: Box<dyn LeaseSource>) {
        self.former.ask_from(source);
    }

    /// The source has answered: the role hears of it, and the message that waited for it goes on.
    pub fn leases_found(&mut self, now: Now, answered: Answered) {
        let link = answered.question.link;
        let Some(Found { waiting, elsewhere }) = self.former.found(answered) else {
            return;
        };
        if let Some(addresses) = elsewhere {
            let found = roles::event::Found::Prefixes(prefixes_of(&addresses));
            self.deliver(now, Event::AnchorsFound { link, found });
        }
        let settings = self.dhcp.as_ref().map(|relay| relay.settings().clone());
        // It may have gone meanwhile.
        let there = !self.home_prefixes(link).is_empty();
        if let (Some(settings), Some(message)) = (settings.filter(|_| there), waiting) {
            self.dhcp_to_servers(&settings, &message);
        }
        self.flush();
    }

    /// Whether a host's message for the servers waits for what the source says of it.
    pub(super) fn waits_for_leases(
        &mut self,
        link: HostLink,
        asker: Option<&Asker>,
        message: &[u8],
    ) -> bool {
        let (Some(asker), Some(prefix)) = (asker, self.home_prefixes(link).first().copied()) else {
            return false;
        };
        let Asker { name, associations } = asker;
        self.former.holds(link, prefix, name, associations, message)
    }

    /// What a server's message for a host is to say of its leases elsewhere.
    pub(super) fn former_leases(
        &mut self,
        now: Now,
        link: HostLink,
        bytes: &[u8],
    ) -> Vec<FormerLease> {
        let Some(addressed) = Addressed::of(bytes) else {
            return Vec::new();
        };
        let led = self.hosts.prefixes(link);
        let led = |address: Ipv6Addr| {
            let holds =
                |it: &BoundPrefix| matches!(it, BoundPrefix::V6(it) if it.contains(address));
            led.iter().any(holds)
        };
        self.former.of(now, link, addressed, led)
    }
}
