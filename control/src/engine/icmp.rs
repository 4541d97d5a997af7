//! ICMP errors for us: those about tunnels' outer packets (RFC 2473 section 8; over IPv4, RFC 4213 section
//! 3.2.1). Over IPv4 they say what a path carries, and nobody else is told: a sender is when it sends more
//! again than the tunnel takes by then.

use super::relay::Quoted;
use super::tunnels::TooBig;
use super::{Alarm, Engine};
use crate::counters::Counter;
use crate::frame::{self, Received};
use roles::effect::{Encapsulation, TunnelEnds};
use roles::{Now, Role};
use std::net::Ipv4Addr;
use std::time::Duration;
use wire::ether::{ethertype, Frame};
use wire::icmpv4;
use wire::icmpv6::{ErrorMessage, Packet};
use wire::ipv4::{protocol, Header};
use wire::ipv6::next_header;
use wire::udp::PMIP_DATA;
use zerocopy::FromBytes;

/// How long a lowered MTU is gone by before a larger one is tried again (RFC 8201 section 5.3).
const MTU_MEMORY: Duration = Duration::from_secs(600);

/// What links carry, from the most (RFC 1191 section 7).
const PLATEAUS: [u16; 5] = [8_166, 4_352, 1_492, 1_006, 576];

impl<R: Role> Engine<R> {
    /// An ICMPv6 error for one of our addresses.
    pub(super) fn icmp_error(&mut self, now: Now, bytes: &[u8]) {
        let Ok(received) = Received::of(bytes) else {
            return self.out.counters.count(Counter::PacketMalformed);
        };
        let upper = match frame::upper(&received) {
            Ok(upper) if upper.kind == next_header::ICMPV6 => upper,
            Ok(_) => return self.out.counters.count(Counter::PacketUnexpected),
            Err(refusal) => return self.refuse(now, &received, refusal),
        };
        let parsed = Packet::parse(received.source, received.destination, upper.bytes);
        let (error, quoted) = match parsed {
            Ok(Packet::Error(error, quoted)) => (error, quoted),
            Ok(_) => return self.out.counters.count(Counter::PacketUnexpected),
            Err(_) => return self.out.counters.count(Counter::IcmpMalformed),
        };
        // It is about a packet of ours only if it came back to that packet's source, and that
        // packet was a tunnel's.
        let ours = Quoted::read(quoted).filter(|quoted| {
            quoted.ends.local == received.destination && self.tunnels.contains(quoted.ends)
        });
        let Some(ours) = ours else {
            return self.out.counters.count(Counter::IcmpUnmatched);
        };
        let ends = ours.ends;
        let lowered = match error {
            // A path that carries the packet does not send it back.
            ErrorMessage::PacketTooBig { mtu } if mtu as usize >= ours.length => {
                return self.out.counters.count(Counter::IcmpUnmatched);
            }
            ErrorMessage::PacketTooBig { mtu } => self.lower_mtu(now, ends, mtu),
            _ => false,
        };
        let relayed = self.relay(now, error, &ours);
        if relayed {
            self.out.counters.count(Counter::IcmpRelayed);
        }
        let counter = match (lowered, relayed) {
            (true, _) => Counter::IcmpTooBig,
            (false, true) => return,
            (false, false) => Counter::IcmpOther,
        };
        self.out.counters.count(counter);
    }

    /// A path carries outer packets of no more than `mtu` octets; whether that is news.
    fn lower_mtu(&mut self, now: Now, ends: TunnelEnds, mtu: u32) -> bool {
        match self.tunnels.too_big(ends, mtu, &mut self.writer) {
            TooBig::Lowered(mtu) => {
                tracing::info!(remote = %ends.remote, mtu, "tunnel MTU lowered");
                let at = now.monotonic + MTU_MEMORY;
                self.wheel.set(Alarm::TunnelMtu(Box::new(ends)), at);
                true
            }
            TooBig::Unchanged | TooBig::NoTunnel => false,
        }
    }

    /// An ICMPv4 error for one of our addresses.
    pub(super) fn icmpv4_error(&mut self, now: Now, bytes: &[u8]) {
        let counter = match read_ipv4(bytes) {
            Err(counter) => counter,
            Ok((ends, _, _)) if !self.tunnels.contains(ends) => Counter::IcmpUnmatched,
            Ok((ends, error, length)) => match carries(error, length) {
                // A path that carries the packet does not send it back.
                Some(mtu) if mtu >= length => Counter::IcmpUnmatched,
                Some(mtu) if self.lower_mtu(now, ends, mtu.into()) => Counter::IcmpTooBig,
                _ => Counter::IcmpOther,
            },
        };
        self.out.counters.count(counter);
    }
}

/// The tunnel whose packet an ICMPv4 error is about, the error, and the octets of that packet. GRE is left
/// out: with keys, a tunnel is a session, and the error shows only one of its keys.
fn read_ipv4(bytes: &[u8]) -> Result<(TunnelEnds, icmpv4::ErrorMessage, u16), Counter> {
    let frame = Frame::parse(bytes).map_err(|_| Counter::PacketMalformed)?;
    let whole = Some(frame.payload).filter(|_| frame.ethertype == ethertype::IPV4);
    let parts = Header::split(whole.ok_or(Counter::PacketMalformed)?);
    let parts = parts.map_err(|_| Counter::PacketMalformed)?;
    if parts.header.protocol != protocol::ICMP || parts.header.is_fragment() {
        return Err(Counter::PacketUnexpected);
    }
    let (error, quoted) = match icmpv4::Packet::parse(parts.payload) {
        Ok(icmpv4::Packet::Error(error, quoted)) => (error, quoted),
        Ok(_) => return Err(Counter::PacketUnexpected),
        Err(_) => return Err(Counter::IcmpMalformed),
    };
    let (outer, rest) = Header::ref_from_prefix(quoted).map_err(|_| Counter::IcmpMalformed)?;
    // Behind options that we never send there is nothing of ours.
    let plain = outer.version() == 4 && outer.header_len() == wire::ipv4::HEADER_LEN;
    let ports = [PMIP_DATA.to_be_bytes(); 2];
    let encapsulation = match outer.protocol {
        protocol::IPV6 | protocol::IPV4 => Encapsulation::Plain,
        protocol::UDP if rest.starts_with(ports.as_flattened()) => Encapsulation::Udp,
        _ => return Err(Counter::IcmpUnmatched),
    };
    // It is about a packet of ours only if it came back to that packet's source.
    if !plain || outer.source != parts.header.destination {
        return Err(Counter::IcmpUnmatched);
    }
    let address = |octets| Ipv4Addr::from(octets).to_ipv6_mapped();
    let ends = TunnelEnds {
        encapsulation,
        ..TunnelEnds::plain(address(outer.source), address(outer.destination))
    };
    Ok((ends, error, outer.total_length.get()))
}

/// What a path carries of packets like one of `length` octets, if an error says so. A router that does not
/// say how much has a link of a common kind (RFC 1191 section 7).
fn carries(error: icmpv4::ErrorMessage, length: u16) -> Option<u16> {
    match error {
        icmpv4::ErrorMessage::FragmentationNeeded { mtu: 0 } => {
            PLATEAUS.into_iter().find(|plateau| *plateau < length)
        }
        icmpv4::ErrorMessage::FragmentationNeeded { mtu } => Some(mtu),
        _ => None,
    }
}
