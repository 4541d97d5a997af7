//! Leases that hosts have from other gateways: asked for before a host's first message goes to the
//! servers, told to the role, and put into the answers (S2-40 to S2-42).

use super::Engine;
use crate::dhcp::former::{Answered, LeaseSource};
use crate::dhcp::v6::{addressed_name, Asker};
use roles::event::HostLink;
use roles::{BoundPrefix, Now, Role};
use std::net::Ipv6Addr;
use wire::dhcpv6::FormerLease;

impl<R: Role> Engine<R> {
    /// Asks this source from now on what hosts have leased. Before that, none is asked for.
    pub fn look_up_leases(&mut self, source: Box<dyn LeaseSource>) {
        self.former.ask_from(source);
    }

    /// The source has answered: the role hears of it, and the message that waited for it goes on.
    pub fn leases_found(&mut self, now: Now, answered: Answered) {
        let link = answered.question.link;
        let Some((message, found)) = self.former.found(answered) else {
            return;
        };
        let _ = (now, found);
        // It may have gone while the source was asked.
        if let Some(settings) = self.dhcp.as_ref().map(|relay| relay.settings().clone()) {
            if !self.home_prefixes(link).is_empty() {
                self.dhcp_to_servers(&settings, &message);
            }
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
        let Some(name) = addressed_name(bytes) else {
            return Vec::new();
        };
        let led = self.hosts.prefixes(link);
        let led = |address: Ipv6Addr| {
            let holds =
                |it: &BoundPrefix| matches!(it, BoundPrefix::V6(it) if it.contains(address));
            led.iter().any(holds)
        };
        self.former.of(now, link, name, led)
    }
}
