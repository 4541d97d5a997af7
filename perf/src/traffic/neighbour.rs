//! Neighbour discovery of the stations that the generator plays: whoever a gateway asks for on our link
//! is us, and we ask for the gateway.

use std::net::Ipv6Addr;
use wire::ether::{self, ethertype, Frame, MacAddr};
use wire::ipv6::{self, next_header, Header};
use wire::nd::{self, NdMessage, NdOption, NeighbourAdvertisement, NeighbourSolicitation};
use zerocopy::IntoBytes;

/// What a frame says about neighbours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A question, with the frame that answers it.
    Question(Vec<u8>),
    /// A station has told its link-layer address.
    Station(Ipv6Addr, MacAddr),
}

/// Reads a frame that may be about neighbours. Every address that is asked for is `own`'s, except in
/// duplicate address detection: the address that is probed is the prober's.
pub fn hear(frame: &[u8], own: MacAddr) -> Option<Heard> {
    let frame = Frame::parse(frame).ok()?;
    if frame.ethertype != ethertype::IPV6 {
        return None;
    }
    let (header, message) = Header::split(frame.payload).ok()?;
    if header.next_header != next_header::ICMPV6 {
        return None;
    }
    let source = Ipv6Addr::from(header.source);
    let destination = Ipv6Addr::from(header.destination);
    match NdMessage::parse(source, destination, header.hop_limit, message).ok()? {
        NdMessage::NeighbourSolicitation(question) if !source.is_unspecified() => {
            let answer = NeighbourAdvertisement {
                router: true,
                solicited: true,
                override_cache: true,
                target: question.target,
                options: vec![NdOption::TargetLinkLayer(own)],
            };
            let message = NdMessage::NeighbourAdvertisement(answer);
            let to = frame.header.source;
            packet(&message, (own, to), (question.target, source)).map(Heard::Question)
        }
        message @ NdMessage::NeighbourAdvertisement(_) => {
            let NdMessage::NeighbourAdvertisement(answer) = &message else {
                return None;
            };
            let mac = message.target_link_layer()?;
            Some(Heard::Station(answer.target, mac))
        }
        _ => None,
    }
}

/// The frame with which the station `own` with address `source` asks for `target`.
pub fn ask(own: MacAddr, source: Ipv6Addr, target: Ipv6Addr) -> Option<Vec<u8>> {
    let low = target.to_bits() as u32;
    // The solicited-node multicast address (RFC 4291 section 2.7.1) and its link-layer one.
    let group = Ipv6Addr::from_bits(
        0xff02_0000_0000_0000_0000_0001_ff00_0000 | u128::from(low & 0x00ff_ffff),
    );
    let [_, b, c, d] = low.to_be_bytes();
    let station = MacAddr([0x33, 0x33, 0xff, b, c, d]);
    let question = NeighbourSolicitation {
        target,
        options: vec![NdOption::SourceLinkLayer(own)],
    };
    let message = NdMessage::NeighbourSolicitation(question);
    packet(&message, (own, station), (source, group))
}

/// The frame of a message from one station to another, under these addresses.
pub fn packet(
    message: &NdMessage,
    (from, to): (MacAddr, MacAddr),
    (source, destination): (Ipv6Addr, Ipv6Addr),
) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    message.emit(source, destination, &mut body).ok()?;
    let length = u16::try_from(body.len()).ok()?;
    let (source, destination) = (source.octets(), destination.octets());
    let header = Header::new(
        source,
        destination,
        next_header::ICMPV6,
        nd::HOP_LIMIT,
        length,
    );
    let mut frame = Vec::with_capacity(ether::HEADER_LEN + ipv6::HEADER_LEN + body.len());
    frame.extend(ether::Header::new(to, from, ethertype::IPV6).as_bytes());
    frame.extend(header.as_bytes());
    frame.extend(body);
    Some(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const OWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

    #[test]
    fn a_question_is_answered_and_the_answer_understood() {
        let (gateway, peer) = (
            "2001:db8::1".parse().unwrap(),
            "2001:db8::99".parse().unwrap(),
        );
        let question = ask(GATEWAY, gateway, peer).expect("a question");
        assert_eq!(&question[..6], [0x33, 0x33, 0xff, 0, 0, 0x99]);
        let Some(Heard::Question(answer)) = hear(&question, OWN) else {
            panic!("no answer");
        };
        assert_eq!(&answer[..6], GATEWAY.0);
        assert_eq!(hear(&answer, GATEWAY), Some(Heard::Station(peer, OWN)));
    }

    #[test]
    fn probes_for_duplicates_and_other_frames_are_left_alone() {
        let peer = "2001:db8::99".parse().unwrap();
        let probe = ask(GATEWAY, Ipv6Addr::UNSPECIFIED, peer).expect("a probe");
        assert_eq!(hear(&probe, OWN), None);
        assert_eq!(hear(&probe[..60], OWN), None);
    }
}
