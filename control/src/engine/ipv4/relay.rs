//! DHCPv4 messages that are relayed: hosts' to the servers of the domain, and servers' to hosts
//! ([`Relay`]).

use super::{own, payload};
use crate::counters::Counter;
use crate::dhcp::v4::relay::{Refused, Relay};
use crate::engine::Engine;
use crate::frame;
use dataplane::key::InterfaceId;
use roles::effect::Ipv4Service;
use roles::event::HostLink;
use roles::{Now, Role};
use std::net::Ipv4Addr;
use wire::dhcpv4::{kind, Message, SERVER_PORT};
use wire::ether::{ethertype, Frame};
use wire::ipv4::Header;
use wire::mh::DhcpMode;

impl<R: Role> Engine<R> {
    /// Passes a host's message on to every server.
    pub(super) fn relay_dhcpv4(
        &mut self,
        host: HostLink,
        (identifier, service): (Ipv4Addr, &Ipv4Service),
        message: &Message,
    ) {
        let Some(relay) = &self.ipv4.relay else {
            return self.out.counters.count(Counter::Dhcpv4Unrelayed);
        };
        if matches!(message.kind(), Some(kind::DECLINE | kind::RELEASE)) {
            self.out.counters.count(Counter::Dhcpv4GivenUp);
        }
        let domain = self.routing.domain_of(InterfaceId(host.interface));
        let relayed = match relay.to_server(host, service, (identifier, domain), message) {
            Ok(relayed) => relayed.emit(),
            Err(refused) => return self.out.counters.count(counter_of(refused)),
        };
        let settings = relay.settings();
        let ours = settings.address;
        for &server in settings.servers(domain) {
            let ends = ((ours, SERVER_PORT), (server, SERVER_PORT));
            if self.out.packet(&frame::datagram_packet(ends, &relayed)) {
                self.out.counters.count(Counter::Dhcpv4Relayed);
            }
        }
    }

    /// A server's message to the relay agent.
    pub(in crate::engine) fn dhcpv4_server(&mut self, now: Now, bytes: &[u8]) {
        let Some(mut relay) = self.ipv4.relay.take() else {
            return self.out.counters.count(Counter::Dhcpv4Stranger);
        };
        let done = self.server_message(now, &mut relay, bytes);
        self.ipv4.relay = Some(relay);
        if let Err(why) = done {
            self.out.counters.count(why);
        }
    }

    fn server_message(&mut self, now: Now, relay: &mut Relay, bytes: &[u8]) -> Result<(), Counter> {
        let frame = Frame::parse(bytes).map_err(|_| Counter::Dhcpv4Malformed)?;
        let whole = Some(frame.payload).filter(|_| frame.ethertype == ethertype::IPV4);
        let packet = whole.ok_or(Counter::Dhcpv4Malformed)?;
        let parts = Header::split(packet).map_err(|_| Counter::Dhcpv4Malformed)?;
        let from = Ipv4Addr::from(parts.header.source);
        let to = Ipv4Addr::from(parts.header.destination);
        let settings = relay.settings();
        if !settings.knows(from) || to != settings.address {
            return Err(Counter::Dhcpv4Stranger);
        }
        let payload = payload(packet).ok_or(Counter::Dhcpv4Malformed)?;
        let message = Message::parse(payload).map_err(|_| Counter::Dhcpv4Malformed)?;
        let host = Relay::addressee(&message).ok_or(Counter::Dhcpv4Unmatched)?;
        let interface = InterfaceId(host.interface);
        // A server of one domain has nothing to say to hosts of another.
        if !settings
            .servers(self.routing.domain_of(interface))
            .contains(&from)
        {
            return Err(Counter::Dhcpv4Stranger);
        }
        let link = self.routing.link(interface);
        let identifier = link.and_then(own).ok_or(Counter::Dhcpv4Unmatched)?;
        let service = self.ipv4.service(host).copied();
        let service = service
            .filter(|service| service.dhcp == DhcpMode::Relay)
            .ok_or(Counter::Dhcpv4Unmatched)?;
        let told = (identifier, self.ipv4.mtu);
        let answer = relay.to_host(host, &service, told, &message);
        let answer = answer.map_err(|refused| {
            if refused == Refused::Mismatch && self.log.take(now.monotonic, &mut self.out.counters)
            {
                let (host, given, home) = (host.mac, message.given, service.address);
                tracing::warn!(%host, server = %from, %given, %home, "a DHCPv4 server leases what is not the host's address");
            }
            counter_of(refused)
        })?;
        if self.tell_dhcp_client(host, identifier, &answer) {
            self.out.counters.count(Counter::Dhcpv4Replied);
        }
        Ok(())
    }
}

/// Where a message is counted that goes no further.
const fn counter_of(refused: Refused) -> Counter {
    match refused {
        Refused::NotForUs | Refused::OtherServer => Counter::Dhcpv4Ignored,
        Refused::Mismatch => Counter::Dhcpv4Mismatched,
    }
}
