//! ICMPv6 errors for us: those about tunnels' outer packets (RFC 2473 section 8).

use super::tunnels::TooBig;
use super::{Alarm, Engine};
use crate::counters::Counter;
use crate::frame::{self, Received};
use roles::effect::TunnelEnds;
use roles::{Now, Role};
use std::time::Duration;
use wire::icmpv6::{ErrorMessage, Packet};
use wire::ipv6::{next_header, Header};
use zerocopy::FromBytes;

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
        let ends = Header::ref_from_prefix(quoted)
            .ok()
            .filter(|(outer, _)| {
                outer.version() == 6
                    && matches!(outer.next_header, next_header::IPV6 | next_header::IPV4)
                    && received.destination.octets() == outer.source
            })
            .map(|(outer, _)| TunnelEnds {
                local: outer.source.into(),
                remote: outer.destination.into(),
            })
            .filter(|ends| self.tunnels.contains(*ends));
        let Some(ends) = ends else {
            return self.out.counters.count(Counter::IcmpUnmatched);
        };
        let counter = match error {
            ErrorMessage::PacketTooBig { mtu } => {
                match self.tunnels.too_big(ends, mtu, &mut self.writer) {
                    TooBig::Lowered(mtu) => {
                        tracing::info!(remote = %ends.remote, mtu, "tunnel MTU lowered");
                        let at = now.monotonic + MTU_MEMORY;
                        self.wheel.set(Alarm::TunnelMtu(ends), at);
                        Counter::IcmpTooBig
                    }
                    TooBig::Unchanged => Counter::IcmpOther,
                    TooBig::NoTunnel => Counter::IcmpUnmatched,
                }
            }
            _ => Counter::IcmpOther,
        };
        self.out.counters.count(counter);
    }
}
