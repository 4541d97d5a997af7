//! Is a received packet what the gateway should have sent?

use super::plan::{Plan, UDP_LEN};
use super::stamp::Stamp;
use super::template::{Templates, FIRST_GROUP_PORT, HOP_LIMIT};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use wire::ether::{self, ethertype, Frame, MacAddr};
use wire::ipv6::{self, next_header, Header};

/// Octets of a Destination Options header that holds one Tunnel Encapsulation Limit option.
const LIMIT_HEADER_LEN: usize = 8;

/// A stamped packet, taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Link-layer destination.
    pub to: MacAddr,
    /// The tunnel's header, if there is a tunnel.
    pub outer: Option<&'a Header>,
    /// The inner packet.
    pub inner: &'a [u8],
    /// Its flow group.
    pub group: u32,
    /// Its stamp.
    pub stamp: Stamp,
}

impl<'a> Seen<'a> {
    /// Takes a frame apart; none when it is not one of ours.
    #[inline]
    pub fn read(frame: &'a [u8]) -> Option<Self> {
        let frame = Frame::parse(frame).ok()?;
        if frame.ethertype != ethertype::IPV6 {
            return None;
        }
        let (first, rest) = Header::split(frame.payload).ok()?;
        let (outer, header, payload) = match first.next_header {
            next_header::IPV6 => {
                let (header, payload) = Header::split(rest).ok()?;
                (Some(first), header, payload)
            }
            next_header::DESTINATION_OPTIONS if rest.first() == Some(&next_header::IPV6) => {
                let (header, payload) = Header::split(rest.get(LIMIT_HEADER_LEN..)?).ok()?;
                (Some(first), header, payload)
            }
            _ => (None, first, rest),
        };
        if header.next_header != next_header::UDP {
            return None;
        }
        let stamp = Stamp::read(payload.get(UDP_LEN..)?)?;
        let port = u16::from_be_bytes([*payload.get(2)?, *payload.get(3)?]);
        let inner_length = ipv6::HEADER_LEN + payload.len();
        // The inner packet lies at the end of what its headers cover.
        let end = match outer {
            Some(outer) => ipv6::HEADER_LEN + usize::from(outer.payload_length.get()),
            None => inner_length,
        };
        let inner = frame.payload.get(end.checked_sub(inner_length)?..end)?;
        Some(Self {
            to: frame.header.destination,
            outer,
            inner,
            group: u32::from(port.wrapping_sub(FIRST_GROUP_PORT)),
            stamp,
        })
    }
}

/// What may be wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// Sent to another station than the receiver.
    LinkLayerDestination,
    /// Not in a tunnel, but should be.
    NoTunnel,
    /// In a tunnel, but should not be.
    Tunnel,
    /// The tunnel has other ends.
    TunnelEnds,
    /// The tunnel's header is not as long as what is in it, or its hop limit is 0.
    TunnelHeader,
    /// The inner hop limit is not what is left after the gateway.
    HopLimit,
    /// The inner packet is shorter or longer than it was.
    Length,
    /// Octets of the inner packet have changed.
    Content,
    /// No such flow group was sent.
    Group,
}

/// Checks packets, and counts what is wrong with them.
#[derive(Clone, Debug)]
pub struct Verifier {
    templates: Templates,
    /// Where an inner packet starts in a frame of the templates.
    skip: usize,
    /// Hops that the gateway takes off.
    hops: u8,
    expected: Vec<u8>,
    checked: u64,
    wrong: BTreeMap<Wrong, u64>,
    example: Option<String>,
}

/// What a verifier found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Packets that were checked.
    pub checked: u64,
    /// How many had which fault.
    pub wrong: BTreeMap<Wrong, u64>,
    /// The first packet that was wrong, in hexadecimal, with its fault.
    pub example: Option<String>,
}

impl Verdict {
    /// Packets that were wrong.
    pub fn total_wrong(&self) -> u64 {
        self.wrong.values().sum()
    }
}

impl Verifier {
    /// A verifier of a plan whose packets lose `hops` hops on their way.
    pub fn new(plan: &Plan, hops: u8) -> Self {
        let tunnel = usize::from(plan.sent_tunnelled()) * ipv6::HEADER_LEN;
        Self {
            templates: Templates::new(plan, MacAddr::default(), MacAddr::default()),
            skip: ether::HEADER_LEN + tunnel,
            hops,
            expected: Vec::new(),
            checked: 0,
            wrong: BTreeMap::new(),
            example: None,
        }
    }

    /// Checks a packet that came to the station `own` in `frame`.
    #[inline]
    pub fn check(&mut self, plan: &Plan, own: MacAddr, seen: &Seen<'_>, frame: &[u8]) -> bool {
        self.checked += 1;
        let fault = self.fault(plan, own, seen);
        if let Some(fault) = fault {
            self.note(fault, frame);
        }
        fault.is_none()
    }

    fn fault(&mut self, plan: &Plan, own: MacAddr, seen: &Seen<'_>) -> Option<Wrong> {
        if seen.to != own {
            return Some(Wrong::LinkLayerDestination);
        }
        if seen.group as usize >= plan.groups() {
            return Some(Wrong::Group);
        }
        let pick = plan.of(seen.group, seen.stamp.sequence);
        match (seen.outer, plan.received_tunnelled()) {
            (None, true) => return Some(Wrong::NoTunnel),
            (Some(_), false) => return Some(Wrong::Tunnel),
            (None, false) => {}
            (Some(outer), true) => {
                let (source, destination) = plan.outer(&pick);
                if (outer.source, outer.destination) != (source.octets(), destination.octets()) {
                    return Some(Wrong::TunnelEnds);
                }
                let over = usize::from(outer.payload_length.get()).checked_sub(seen.inner.len());
                if !matches!(over, Some(0 | LIMIT_HEADER_LEN)) || outer.hop_limit == 0 {
                    return Some(Wrong::TunnelHeader);
                }
            }
        }
        self.expected.resize(pick.length, 0);
        self.templates
            .write(plan, &pick, seen.stamp.time, &mut self.expected);
        let expected = self.expected.get(self.skip..).unwrap_or_default();
        if seen.inner.len() != expected.len() {
            return Some(Wrong::Length);
        }
        const HOP: usize = 7;
        let differs =
            |range: std::ops::Range<usize>| seen.inner.get(range.clone()) != expected.get(range);
        if seen.inner.get(HOP) != Some(&HOP_LIMIT.saturating_sub(self.hops)) {
            return Some(Wrong::HopLimit);
        }
        (differs(0..HOP) || differs(HOP + 1..expected.len())).then_some(Wrong::Content)
    }

    #[cold]
    fn note(&mut self, fault: Wrong, frame: &[u8]) {
        *self.wrong.entry(fault).or_default() += 1;
        if self.example.is_none() {
            let mut text = format!("{fault:?}: ");
            for octet in frame.iter().take(160) {
                // Writing to a string does not fail.
                let _ = write!(text, "{octet:02x}");
            }
            self.example = Some(text);
        }
    }

    /// What was found.
    pub fn verdict(&self) -> Verdict {
        Verdict {
            checked: self.checked,
            wrong: self.wrong.clone(),
            example: self.example.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::plan;
    use super::*;
    use zerocopy::IntoBytes;

    const OWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xb]);

    /// What a gateway makes of packet `n`: one hop less, and the tunnel on or off.
    fn forwarded(plan: &Plan, n: u64) -> Vec<u8> {
        let pick = plan.pick(n);
        let mut frame = vec![0; pick.length];
        Templates::new(plan, MacAddr::default(), OWN).write(plan, &pick, 5, &mut frame);
        let skip = ether::HEADER_LEN + usize::from(plan.sent_tunnelled()) * ipv6::HEADER_LEN;
        let mut inner = frame.split_off(skip);
        inner[7] -= 1;
        frame.truncate(ether::HEADER_LEN);
        if plan.received_tunnelled() {
            let (source, destination) = plan.outer(&pick);
            let length = inner.len() as u16;
            let (source, destination) = (source.octets(), destination.octets());
            let outer = Header::new(source, destination, next_header::IPV6, 64, length);
            frame.extend(outer.as_bytes());
        }
        frame.extend(inner);
        frame
    }

    fn faults(line: &str, change: impl Fn(&mut Vec<u8>)) -> BTreeMap<Wrong, u64> {
        let plan = plan(line).expect("a plan");
        let mut verifier = Verifier::new(&plan, 1);
        for n in 0..50 {
            let mut frame = forwarded(&plan, n);
            change(&mut frame);
            let seen = Seen::read(&frame).expect("a stamped packet");
            verifier.check(&plan, OWN, &seen, &frame);
        }
        assert_eq!(verifier.verdict().checked, 50);
        verifier.verdict().wrong
    }

    const ENCAP: &str = "--tunnelled received --frame imix";
    const DECAP: &str = "--tunnelled sent --direction from-hosts --frame 130:1,900:2";

    #[test]
    fn what_a_gateway_should_send_passes() {
        for line in [ENCAP, DECAP, "--frame imix"] {
            assert_eq!(faults(line, |_| {}), BTreeMap::new(), "{line}");
        }
    }

    #[test]
    fn padding_of_the_link_layer_is_no_fault() {
        assert_eq!(faults(ENCAP, |frame| frame.extend([0; 9])), BTreeMap::new());
    }

    #[test]
    fn every_fault_is_named() {
        let all = |wrong| BTreeMap::from([(wrong, 50)]);
        assert_eq!(
            faults(DECAP, |it| it[5] = 9),
            all(Wrong::LinkLayerDestination)
        );
        assert_eq!(
            faults(ENCAP, |it| {
                it.drain(14..54);
            }),
            all(Wrong::NoTunnel)
        );
        assert_eq!(faults(ENCAP, |it| it[14 + 39] ^= 1), all(Wrong::TunnelEnds));
        assert_eq!(faults(ENCAP, |it| it[14 + 7] = 0), all(Wrong::TunnelHeader));
        assert_eq!(faults(DECAP, |it| it[14 + 7] = 64), all(Wrong::HopLimit));
        assert_eq!(faults(DECAP, |it| it[14 + 39] ^= 1), all(Wrong::Content));
        assert_eq!(
            faults(DECAP, |it| {
                let end = it.len() - 1;
                it[end] ^= 1;
            }),
            all(Wrong::Content)
        );
        assert_eq!(faults(DECAP, |it| it[14 + 42] = 0xff), all(Wrong::Group));
        assert_eq!(faults(DECAP, |it| it[14 + 5] -= 1), all(Wrong::Length));
        let doubled = |frame: &mut Vec<u8>| {
            let outer = Header::new(
                [1; 16],
                [2; 16],
                next_header::IPV6,
                9,
                frame.len() as u16 - 14,
            );
            frame.splice(14..14, outer.as_bytes().iter().copied());
        };
        assert_eq!(faults(DECAP, doubled), all(Wrong::Tunnel));
    }

    #[test]
    fn packets_of_others_are_not_ours() {
        let plan = plan("").expect("a plan");
        let mut frame = forwarded(&plan, 0);
        frame[14 + 48] ^= 1;
        assert!(Seen::read(&frame).is_none());
        assert!(Seen::read(&frame[..40]).is_none());
        assert!(Seen::read(&[]).is_none());
    }
}
