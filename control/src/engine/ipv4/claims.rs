//! Who may say in ARP that it has an address: the default router is us, and a host's address is its own.
//!
//! An access link is shared, so a host that claims the default router's address draws the packets of
//! others to itself until they ask again. The gateway cannot keep such a frame from them; it counts it,
//! and takes the address back at once by an announcement of its own (RFC 5227 section 2.4 c), of which it
//! sends no more than one a second on a link, however many claims there are.

use crate::counters::Counter;
use crate::engine::Engine;
use crate::frame;
use crate::routing::Link;
use dataplane::key::InterfaceId;
use hashbrown::HashMap;
use roles::effect::Ipv4Service;
use roles::event::HostLink;
use roles::{Now, Role};
use std::net::Ipv4Addr;
use std::time::Duration;
use wire::arp::Packet;
use wire::ether::MacAddr;

/// The least time between two announcements on a link.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(1);

/// Whose an address is on one interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// A host's.
    Host(HostLink),
    /// The default router's of so many hosts: ours.
    Router(usize),
}

/// The addresses that somebody has, by interface.
#[derive(Debug, Default)]
pub(super) struct Claims {
    owners: HashMap<(u16, Ipv4Addr), Owner>,
    announced: HashMap<u16, Duration>,
}

impl Claims {
    /// A host has IPv4 from now on.
    pub(super) fn add(&mut self, host: HostLink, service: &Ipv4Service) {
        let interface = host.interface;
        let router = (interface, service.router);
        match self.owners.get_mut(&router) {
            Some(Owner::Router(users)) => *users += 1,
            _ => {
                self.owners.insert(router, Owner::Router(1));
            }
        }
        let own = (interface, service.address);
        if !matches!(self.owners.get(&own), Some(Owner::Router(_))) {
            self.owners.insert(own, Owner::Host(host));
        }
    }

    /// It has it no longer.
    pub(super) fn remove(&mut self, host: HostLink, service: &Ipv4Service) {
        let interface = host.interface;
        let router = (interface, service.router);
        match self.owners.get_mut(&router) {
            Some(Owner::Router(users)) if *users > 1 => *users -= 1,
            _ => {
                self.owners.remove(&router);
            }
        }
        let own = (interface, service.address);
        if self.owners.get(&own) == Some(&Owner::Host(host)) {
            self.owners.remove(&own);
        }
    }

    /// Whether the address is somebody's, and not this host's.
    fn of_another(&self, host: HostLink, address: Ipv4Addr) -> Option<Owner> {
        let owner = self.owners.get(&(host.interface, address)).copied()?;
        (owner != Owner::Host(host)).then_some(owner)
    }
}

impl<R: Role> Engine<R> {
    /// Whether a host speaks from an address that is not its own; then that is counted, and the address
    /// defended if it is ours.
    pub(in crate::engine) fn arp_spoofed(
        &mut self,
        now: Now,
        host: HostLink,
        address: Ipv4Addr,
    ) -> bool {
        let interface = InterfaceId(host.interface);
        let Some(link) = self.routing.link(interface) else {
            return false;
        };
        let (owned, ours) = (Link::owns(link, address), link.interface.mac);
        let owner = self.ipv4.claims.of_another(host, address);
        if !owned && owner.is_none() {
            return false;
        }
        self.out.counters.count(Counter::ArpSpoofed);
        if self.log.take(now.monotonic, &mut self.out.counters) {
            let (interface, host) = (&link.interface.name, host.mac);
            tracing::warn!(%address, interface, %host, "a host claims an address that is not its own");
        }
        if owned || matches!(owner, Some(Owner::Router(_))) {
            let announced = &mut self.ipv4.claims.announced;
            let last = announced.get(&interface.0).copied();
            if last.is_none_or(|last| now.monotonic >= last + ANNOUNCE_EVERY) {
                announced.insert(interface.0, now.monotonic);
                let packet = Packet::request(ours, address, address);
                let macs = (ours, MacAddr::BROADCAST);
                if self.out.frame(interface, &frame::arp_frame(macs, &packet)) {
                    self.out.counters.count(Counter::ArpDefended);
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::mh::DhcpMode;

    #[test]
    fn an_address_is_its_owners_until_that_has_gone_and_the_routers_as_long_as_one_host_has_it() {
        let host = |last| HostLink {
            interface: 1,
            mac: MacAddr([2, 0, 0, 0, 0, last]),
        };
        let router = Ipv4Addr::new(10, 1, 0, 1);
        let address = |last| Ipv4Addr::new(10, 1, 0, last);
        let service = |last| Ipv4Service {
            address: address(last),
            prefix_length: 16,
            router,
            dhcp: DhcpMode::Server,
        };
        let mut claims = Claims::default();
        claims.add(host(7), &service(7));
        claims.add(host(8), &service(8));
        assert_eq!(claims.of_another(host(7), address(7)), None);
        let owner = Some(Owner::Host(host(7)));
        assert_eq!(claims.of_another(host(8), address(7)), owner);
        assert_eq!(claims.of_another(host(8), address(9)), None);
        let elsewhere = HostLink {
            interface: 2,
            ..host(8)
        };
        assert_eq!(claims.of_another(elsewhere, address(7)), None);
        claims.remove(host(8), &service(8));
        assert_eq!(claims.of_another(host(7), router), Some(Owner::Router(1)));
        claims.remove(host(7), &service(7));
        assert_eq!(claims.of_another(host(8), address(7)), None);
        assert_eq!(claims.of_another(host(8), router), None);
        assert!(claims.owners.is_empty());
    }
}
