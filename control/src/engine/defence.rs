//! Who may speak on an access link in the address of the router: we alone.
//!
//! The link is shared, so a host that says it had that address draws the packets of others to itself until they
//! ask again, and no frame of it can be kept from them here. It is counted, and the address is taken back at once by
//! an advertisement of our own (RFC 4861 section 7.2.6), of which no more than one a second goes to a link,
//! however many claims there are. That is what [`ipv4`](super::ipv4) does about ARP.
//!
//! ```text
//!   advertisement about …    ours ─► counted; once a second: advertisement to all nodes, ours again
//!   anything else from …     ours ─►    "
//! ```

use super::Engine;
use crate::counters::Counter;
use crate::frame::{self, Received};
use dataplane::key::InterfaceId;
use roles::event::HostLink;
use roles::{Now, Role};
use wire::ipv6::address::{multicast_mac, ALL_NODES};
use wire::nd::{NdMessage, NdOption, NeighbourAdvertisement};

impl<R: Role> Engine<R> {
    /// Whether a host speaks in an address of ours, by neighbour discovery. Then that is counted, and the address
    /// taken back.
    pub(super) fn claims_ours(
        &mut self,
        now: Now,
        host: HostLink,
        received: &Received<'_>,
        message: &NdMessage,
    ) -> bool {
        let target = match message {
            NdMessage::NeighbourAdvertisement(told) => told.target,
            _ => received.source,
        };
        let interface = InterfaceId(host.interface);
        let Some(link) = self.routing.link(interface) else {
            return false;
        };
        let ours = link.mac_of(target);
        // Other gateways of the domain show the same router.
        if !link.owns(target) || host.mac == ours {
            return false;
        }
        self.out.counters.count(Counter::DiscoveryConflict);
        if self.log.take(now.monotonic, &mut self.out.counters) {
            let interface = &link.interface.name;
            tracing::warn!(address = %target, interface, host = %host.mac, "a host claims an address of ours");
        }
        if self.hosts.may_take_back(interface, now.monotonic) {
            let answer = NdMessage::NeighbourAdvertisement(NeighbourAdvertisement {
                router: true,
                solicited: false,
                override_cache: true,
                target,
                options: vec![NdOption::TargetLinkLayer(ours)],
            });
            let macs = (ours, multicast_mac(ALL_NODES));
            let frame = frame::discovery_frame(macs, target, ALL_NODES, &answer);
            if frame.is_ok_and(|frame| self.out.frame(interface, &frame)) {
                self.out.counters.count(Counter::DiscoveryDefended);
            }
        }
        true
    }
}
