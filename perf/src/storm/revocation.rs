//! What an anchor says to the gateway that a host has left (RFC 5846 section 8.1), and what the gateway
//! answers: without an answer the anchor says it again, and the storm would measure that.

use super::message::write;
use control::authentication::Associations;
use std::net::Ipv6Addr;
use wire::ether::{self, ethertype, Frame, MacAddr};
use wire::ipv6::{self, next_header, Header};
use wire::mh::{Message, RevocationAcknowledgement, RevocationIndication, RevocationStatus};

/// MH type of revocations, and its place in a frame (RFC 5846 section 5).
const BINDING_REVOCATION: u8 = 16;
pub(super) const MH_TYPE: usize = ether::HEADER_LEN + ipv6::HEADER_LEN + 2;

/// A revocation that waits to be acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    anchor: Ipv6Addr,
    gateway: Ipv6Addr,
    indication: RevocationIndication,
}

/// Reads a frame; none when it is no whole Binding Revocation Indication.
pub fn read_revocation(frame: &[u8]) -> Option<Revocation> {
    if frame.get(MH_TYPE) != Some(&BINDING_REVOCATION) {
        return None;
    }
    let frame = Frame::parse(frame).ok()?;
    let (header, payload) = Header::split(frame.payload).ok()?;
    if frame.ethertype != ethertype::IPV6 || header.next_header != next_header::MOBILITY {
        return None;
    }
    let anchor = Ipv6Addr::from(header.source);
    let gateway = Ipv6Addr::from(header.destination);
    match Message::parse(anchor, gateway, payload) {
        Ok(Message::RevocationIndication(indication)) => Some(Revocation {
            anchor,
            gateway,
            indication,
        }),
        _ => None,
    }
}

impl Revocation {
    /// Writes the frame of its acknowledgement into `out`, in place of what is there. `stations` are
    /// our link-layer address and the anchor's; it is authenticated by `keys`, if there are any.
    pub fn acknowledge(
        &self,
        stations: (MacAddr, MacAddr),
        keys: Option<&mut Associations>,
        out: &mut Vec<u8>,
    ) -> bool {
        let mut message = Message::RevocationAcknowledgement(RevocationAcknowledgement {
            status: RevocationStatus::SUCCESS,
            sequence: self.indication.sequence,
            flags: self.indication.flags,
            options: Vec::new(),
        });
        let ends = (self.gateway, self.anchor);
        write(&mut message, ends, stations, keys, out)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::message::tests::OWN;
    use super::*;
    use wire::mh::{RevocationFlags, RevocationTrigger};

    /// The frame of a revocation.
    pub(crate) fn revocation(anchor: Ipv6Addr, gateway: Ipv6Addr, sequence: u16) -> Vec<u8> {
        let message = Message::RevocationIndication(RevocationIndication {
            trigger: RevocationTrigger(4),
            sequence,
            flags: RevocationFlags::PROXY,
            options: Vec::new(),
        });
        let mut frame = Vec::new();
        let ends = (anchor, gateway);
        assert!(write(
            &mut message.clone(),
            ends,
            (OWN, OWN),
            None,
            &mut frame
        ));
        frame
    }

    #[test]
    fn a_revocation_is_answered_with_its_number() {
        let anchor = "2001:db8:c::1".parse().expect("an address");
        let gateway = "2001:db8:c::11".parse().expect("an address");
        let frame = revocation(anchor, gateway, 9);
        let read = read_revocation(&frame).expect("a revocation");
        let mut out = Vec::new();
        assert!(read.acknowledge((OWN, OWN), None, &mut out));
        let answer = Frame::parse(&out).expect("a frame");
        let (header, payload) = Header::split(answer.payload).expect("a packet");
        assert_eq!(Ipv6Addr::from(header.source), gateway);
        let Ok(Message::RevocationAcknowledgement(answer)) =
            Message::parse(gateway, anchor, payload)
        else {
            panic!("no acknowledgement");
        };
        assert_eq!(
            (answer.sequence, answer.status),
            (9, RevocationStatus::SUCCESS)
        );
        assert_eq!(read_revocation(&out), None);
        for cut in 0..frame.len() {
            assert_eq!(read_revocation(&frame[..cut]), None);
        }
    }
}
