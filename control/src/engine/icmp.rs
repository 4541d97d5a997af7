//! ICMPv6 errors for us: those about tunnels' outer packets (RFC 2473 section 8).

use super::relay::Quoted;
use super::tunnels::TooBig;
use super::{Alarm, Engine};
use crate::counters::Counter;
use crate::frame::{self, Received};
use roles::{Now, Role};
use std::time::Duration;
use wire::icmpv6::{ErrorMessage, Packet};
use wire::ipv6::next_header;

/// How long a lowered MTU is gone by before a larger one is tried again (RFC 8201 section 5.3).
const MTU_MEMORY: Duration = Duration::from_secs(600);

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
            ErrorMessage::PacketTooBig { mtu } => {
                match self.tunnels.too_big(ends, mtu, &mut self.writer) {
                    TooBig::Lowered(mtu) => {
                        tracing::info!(remote = %ends.remote, mtu, "tunnel MTU lowered");
                        let at = now.monotonic + MTU_MEMORY;
                        self.wheel.set(Alarm::TunnelMtu(ends), at);
                        true
                    }
                    TooBig::Unchanged | TooBig::NoTunnel => false,
                }
            }
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
}
