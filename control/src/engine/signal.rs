//! From the bytes of a punted Mobility Header to an event, or to the answer that RFC 6275 section
//! 9.2 gives for what is wrong with it.

use super::{Engine, KERNEL_PER_POLL};
use crate::authentication::Refused;
use crate::counters::Counter;
use crate::frame::{self, Received, Refusal};
use dataplane::key::InterfaceId;
use hashbrown::HashMap;
use roles::event::{HostLink, Sign};
use roles::{Event, Now, Role};
use std::net::Ipv6Addr;
use std::time::Instant;
use wire::ether::{ethertype, Frame, MacAddr};
use wire::icmpv6::{may_send_error, ErrorMessage};
use wire::ipv6::next_header;
use wire::mh::{BindingError, Message, MobilityOption};
use wire::udp::PMIP_CONTROL;

/// Gateways over IPv4 whose updates do not come from the port of signalling, which are remembered.
const ODD_PORTS: usize = 1_024;

/// Where messages to gateways over IPv4 go: to the port that their last message came from (RFC 5844 section
/// 4.1.3.2), which is that of signalling unless they have another.
#[derive(Debug, Default)]
pub(super) struct Ports {
    odd: HashMap<Ipv6Addr, u16>,
}

impl Ports {
    /// A gateway's message came from this port.
    fn answer_to(&mut self, peer: Ipv6Addr, port: u16) {
        if port == PMIP_CONTROL {
            self.odd.remove(&peer);
            return;
        }
        if self.odd.len() >= ODD_PORTS {
            // Whoever is there sends its next update before long.
            self.odd.clear();
        }
        self.odd.insert(peer, port);
    }

    fn of(&self, peer: Ipv6Addr) -> u16 {
        self.odd.get(&peer).copied().unwrap_or(PMIP_CONTROL)
    }
}

impl<R: Role> Engine<R> {
    /// A mobility message for one of our addresses.
    pub(super) fn mobility(&mut self, now: Now, bytes: &[u8]) {
        if frame::is_ipv4(bytes) {
            return self.mobility_datagram(now, bytes);
        }
        let Ok(received) = Received::of(bytes) else {
            return self.out.counters.count(Counter::PacketMalformed);
        };
        let ours = self.routing.owns(received.destination)
            || self.routing.is_anchor_address(received.destination);
        if !ours {
            return self.out.counters.count(Counter::PacketForeign);
        }
        self.mobility_packet(now, &received);
    }

    /// Takes what has come by way of the kernel, which has seen to it that it is for us; returns how
    /// much there was.
    pub(super) fn hear_kernel(&mut self, now: Now) -> usize {
        for count in 0..KERNEL_PER_POLL {
            let Some(packet) = self.out.hear() else {
                return count;
            };
            self.taken_at = Some(Instant::now());
            match Received::of_packet(MacAddr::default(), &packet) {
                Ok(received) => self.mobility_packet(now, &received),
                Err(_) => self.out.counters.count(Counter::PacketMalformed),
            }
            self.taken_at = None;
        }
        KERNEL_PER_POLL
    }

    /// A packet for us that was taken apart.
    fn mobility_packet(&mut self, now: Now, received: &Received<'_>) {
        let upper = match frame::upper(received) {
            Ok(upper) => upper,
            Err(refusal) => return self.refuse(now, received, refusal),
        };
        if upper.kind != next_header::MOBILITY {
            return self.out.counters.count(Counter::PacketUnexpected);
        }
        if self.draining {
            return self.out.counters.count(Counter::MessageDraining);
        }
        match Message::parse(received.source, received.destination, upper.bytes) {
            Ok(message) => self.understood(now, received, message, upper.bytes),
            Err(error) => {
                self.out.counters.malformed(error.name());
                tracing::debug!(from = %received.source, %error, "malformed mobility message");
                if let Some(pointer) = error.parameter_problem_pointer() {
                    let offset = upper.offset + usize::from(pointer);
                    self.problem(now, received, frame::erroneous_field(offset));
                }
            }
        }
    }

    /// A message that is whole.
    fn understood(&mut self, now: Now, received: &Received<'_>, message: Message, octets: &[u8]) {
        if let Message::Other { .. } = message {
            self.out.counters.count(Counter::MessageUnknownType);
            return self.binding_error(now, received);
        }
        if let Err(refused) = self.authenticate_message(now, received, &message, octets) {
            return self.unauthenticated(now, received, message, refused);
        }
        for option in message.options() {
            if matches!(option, MobilityOption::Skipped { .. }) {
                self.out.counters.count(Counter::MessageOptionSkipped);
            }
        }
        let event = Event::Message {
            from: received.source,
            to: received.destination,
            message,
        };
        self.take_message(now, event);
    }

    /// A datagram for the port of signalling over IPv4 (RFC 5844 section 4). Its addresses are in their
    /// IPv6 form from here on.
    fn mobility_datagram(&mut self, now: Now, bytes: &[u8]) {
        let Some(datagram) = frame::Datagram4::of(bytes) else {
            return self.out.counters.count(Counter::PacketMalformed);
        };
        if !self.routing.owns(datagram.destination) {
            return self.out.counters.count(Counter::PacketForeign);
        }
        if datagram.ports.1 != PMIP_CONTROL {
            return self.out.counters.count(Counter::PacketUnexpected);
        }
        if self.draining {
            return self.out.counters.count(Counter::MessageDraining);
        }
        let received = datagram.received();
        match Message::parse_datagram(datagram.payload) {
            Ok(message) => {
                self.ports.answer_to(received.source, datagram.ports.0);
                self.understood(now, &received, message, datagram.payload);
            }
            Err(error) => {
                self.out.counters.malformed(error.name());
                tracing::debug!(from = %datagram.source, %error, "malformed mobility message");
            }
        }
    }

    /// Sends the octets of a mobility message, over the family of its ends; whether a ring took it.
    pub(super) fn send_octets(
        &mut self,
        now: Now,
        from: Ipv6Addr,
        to: Ipv6Addr,
        mut octets: Vec<u8>,
    ) -> bool {
        let (Some(from4), Some(to4)) = (from.to_ipv4_mapped(), to.to_ipv4_mapped()) else {
            let packet = frame::mobility_packet(from, to, &octets);
            return self.send_packet(now, to, packet);
        };
        // The datagram's checksum is in the place of its own (RFC 5844 section 4.1.3.2).
        if let Some(sum) = octets.get_mut(4..6) {
            sum.fill(0);
        }
        let port = self.ports.of(to);
        let ends = ((from4, PMIP_CONTROL), (to4, port));
        self.send_packet(now, to, frame::datagram_packet(ends, &octets))
    }

    /// Whether a message is from whom it says, and new.
    fn authenticate_message(
        &mut self,
        now: Now,
        received: &Received<'_>,
        message: &Message,
        octets: &[u8],
    ) -> Result<(), Refused> {
        let (from, to) = (received.source, received.destination);
        let associations = &mut self.associations;
        associations.check(now.wall, from, to, message, octets)
    }

    /// A message that is not taken. Only an update may be answered, by the role.
    fn unauthenticated(
        &mut self,
        now: Now,
        received: &Received<'_>,
        message: Message,
        refused: Refused,
    ) {
        self.out.counters.count(match refused {
            Refused::NoAssociation => Counter::MessageNoAssociation,
            Refused::Unauthenticated => Counter::MessageUnauthenticated,
            Refused::Forged | Refused::Disordered => Counter::MessageForged,
            Refused::NoTimestamp => Counter::MessageNoTimestamp,
            Refused::Replayed => Counter::MessageReplayed,
            Refused::Unmatched => Counter::MessageUnmatched,
        });
        let (Message::BindingUpdate(update), Some(status)) = (message, refused.status()) else {
            return;
        };
        // Anyone can send what is refused, in anyone's name.
        if !self.answers.take(now.monotonic) {
            return self.out.counters.count(Counter::AnswerLimited);
        }
        let event = Event::Unauthenticated {
            from: received.source,
            to: received.destination,
            update,
            status,
        };
        self.deliver(now, event);
    }

    /// A packet whose extension headers ended its journey.
    pub(super) fn refuse(&mut self, now: Now, received: &Received<'_>, refusal: Refusal) {
        let (counter, answer) = match refusal {
            Refusal::Chain(_) => (Counter::PacketMalformed, None),
            Refusal::Fragment => (Counter::PacketFragment, None),
            Refusal::Option(answer) => (Counter::OptionDiscarded, answer),
            Refusal::Routing(answer) => (Counter::PacketMalformed, Some(answer)),
        };
        self.out.counters.count(counter);
        if let Some(answer) = answer {
            self.problem(now, received, answer);
        }
    }

    /// Answers with a Parameter Problem, from the address that the packet was for.
    fn problem(&mut self, now: Now, received: &Received<'_>, error: ErrorMessage) {
        if !may_send_error(error, received.packet) {
            self.out.counters.count(Counter::AnswerForbidden);
        } else if !self.answers.take(now.monotonic) {
            self.out.counters.count(Counter::AnswerLimited);
        } else {
            let packet = frame::error_packet(received.destination, received, error);
            if self.out.packet(&packet) {
                self.out.counters.count(Counter::ProblemSent);
            }
        }
    }

    /// Answers a message of an unknown type with a Binding Error (RFC 6275 section 9.3.3).
    fn binding_error(&mut self, now: Now, received: &Received<'_>) {
        if received.source.is_unspecified() || received.source.is_multicast() {
            return self.out.counters.count(Counter::AnswerForbidden);
        }
        if !self.answers.take(now.monotonic) {
            return self.out.counters.count(Counter::AnswerLimited);
        }
        let mut message = Message::BindingError(BindingError {
            status: BindingError::UNRECOGNIZED_MH_TYPE,
            home_address: Ipv6Addr::UNSPECIFIED,
            options: Vec::new(),
        });
        let from = received.destination;
        if let Ok(octets) = self
            .associations
            .seal(now.wall, from, received.source, &mut message)
        {
            if self.send_octets(now, from, received.source, octets) {
                self.out.counters.count(Counter::BindingErrorSent);
            }
        }
    }

    /// The first packet of a host that is not attached, on an access link.
    pub(super) fn unknown_host(&mut self, now: Now, interface: InterfaceId, bytes: &[u8]) {
        // An IPv4 source tells nothing that is not to be had from the anchor.
        let (mac, source) = match (Received::of(bytes), Frame::parse(bytes)) {
            (Ok(received), _) => (received.mac, received.source),
            (Err(_), Ok(frame)) if frame.ethertype == ethertype::IPV4 => {
                (frame.header.source, Ipv6Addr::UNSPECIFIED)
            }
            _ => return self.out.counters.count(Counter::PacketMalformed),
        };
        if mac.is_group() {
            return self.out.counters.count(Counter::PacketMalformed);
        }
        let link = HostLink {
            interface: interface.0,
            mac,
        };
        self.host_seen(now, link, Sign::Packet { source });
    }

    /// Tells the role that a host showed itself.
    pub(super) fn host_seen(&mut self, now: Now, link: HostLink, sign: Sign) {
        if self.draining {
            return self.out.counters.count(Counter::MessageDraining);
        }
        self.out.counters.count(Counter::HostSeen);
        self.deliver(now, Event::HostSeen { link, sign });
    }
}
