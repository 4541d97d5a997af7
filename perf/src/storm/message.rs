//! The messages of a storm: Proxy Binding Updates as an access gateway sends them, and what must be in
//! their acknowledgements (RFC 5213 sections 6.9.1 and 8).

use crate::traffic::plan::Plan;
use control::authentication::Associations;
use serde::Serialize;
use std::net::Ipv6Addr;
use std::time::SystemTime;
use wire::ether::{self, ethertype, Frame, MacAddr};
use wire::ipv6::{self, next_header, Header};
use wire::mh::{
    AccessTechnology, AcknowledgementFlags, BindingUpdate, HandoffIndicator, HomeNetworkPrefix,
    Lifetime, Message, MnIdentifier, MobilityOption, NtpTime, Status, UpdateFlags,
};
use zerocopy::IntoBytes;

/// What follows the number in an identifier.
const REALM: &str = "@storm.example";

/// An update that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Number of the host.
    pub host: u64,
    /// Sequence number.
    pub sequence: u16,
    /// Access gateway that sends it.
    pub from: Ipv6Addr,
    /// Why.
    pub handoff: HandoffIndicator,
    /// Lifetime that is asked for, in seconds; 0 de-registers.
    pub lifetime: u32,
}

/// Writes the frame of an update into `out`, in place of what is there. `stations` are our link-layer
/// address and the gateway's; it is authenticated by `keys`, if there are any.
pub fn write_update(
    plan: &Plan,
    registration: &Registration,
    stations: (MacAddr, MacAddr),
    keys: Option<&mut Associations>,
    out: &mut Vec<u8>,
) -> bool {
    let anchor = plan.given().anchor;
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let prefix = HomeNetworkPrefix {
        prefix: plan.home_network_prefix(registration.host),
        length: plan.given().host_length,
    };
    let identifier = format!("{}{REALM}", registration.host);
    let mut message = Message::BindingUpdate(BindingUpdate {
        sequence: registration.sequence,
        flags: UpdateFlags::ACKNOWLEDGE.with(UpdateFlags::PROXY),
        lifetime: Lifetime::from_secs_floor(registration.lifetime),
        options: vec![
            MobilityOption::MnIdentifier(MnIdentifier::Nai(identifier)),
            MobilityOption::HomeNetworkPrefix(prefix),
            MobilityOption::HandoffIndicator(registration.handoff),
            MobilityOption::AccessTechnology(AccessTechnology::ETHERNET),
            MobilityOption::Timestamp(NtpTime::from_unix(since)),
        ],
    });
    let ends = (registration.from, anchor);
    write(&mut message, ends, stations, keys, out)
}

/// Writes the frame of a message between these addresses into `out`, in place of what is there.
pub fn write(
    message: &mut Message,
    (from, to): (Ipv6Addr, Ipv6Addr),
    (own, gateway): (MacAddr, MacAddr),
    keys: Option<&mut Associations>,
    out: &mut Vec<u8>,
) -> bool {
    out.clear();
    let sealed = match keys {
        Some(keys) => {
            let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let sealed = keys.seal(wall.unwrap_or_default(), from, to, message);
            let Ok(sealed) = sealed else {
                return false;
            };
            Some(sealed)
        }
        None => None,
    };
    let length = sealed
        .as_ref()
        .map_or_else(|| message.emitted_len(), Vec::len);
    let Ok(payload) = u16::try_from(length) else {
        return false;
    };
    let header = Header::new(
        from.octets(),
        to.octets(),
        next_header::MOBILITY,
        64,
        payload,
    );
    out.reserve(ether::HEADER_LEN + ipv6::HEADER_LEN + length);
    out.extend(ether::Header::new(gateway, own, ethertype::IPV6).as_bytes());
    out.extend(header.as_bytes());
    match sealed {
        Some(sealed) => {
            out.extend(sealed);
            true
        }
        None => message.emit(from, to, out).is_ok(),
    }
}

/// An acknowledgement, as far as it is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Number of the host.
    pub host: u64,
    /// The gateway that it came to.
    pub to: Ipv6Addr,
    /// Sequence number.
    pub sequence: u16,
    /// Status.
    pub status: Status,
    /// Lifetime granted, in seconds.
    pub lifetime: u32,
    /// Prefixes granted.
    pub prefixes: Vec<HomeNetworkPrefix>,
    /// The update's timestamp, come back.
    pub timestamp: Option<NtpTime>,
}

/// Why a mobility message from the anchor is no acknowledgement of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BadAnswer {
    /// It does not decode; its checksum is wrong, say.
    Malformed,
    /// Another message than a Proxy Binding Acknowledgement.
    OtherMessage,
    /// No identifier of ours in it.
    Identifier,
}

/// Reads a frame; none when it is no mobility message.
pub fn read_answer(frame: &[u8]) -> Option<Result<Answer, BadAnswer>> {
    let frame = Frame::parse(frame).ok()?;
    if frame.ethertype != ethertype::IPV6 {
        return None;
    }
    let (header, payload) = Header::split(frame.payload).ok()?;
    if header.next_header != next_header::MOBILITY {
        return None;
    }
    let (source, to) = (
        Ipv6Addr::from(header.source),
        Ipv6Addr::from(header.destination),
    );
    Some(decode(source, to, payload))
}

fn decode(source: Ipv6Addr, to: Ipv6Addr, payload: &[u8]) -> Result<Answer, BadAnswer> {
    let message = Message::parse(source, to, payload).map_err(|_| BadAnswer::Malformed)?;
    let Message::BindingAcknowledgement(message) = message else {
        return Err(BadAnswer::OtherMessage);
    };
    if !message.flags.contains(AcknowledgementFlags::PROXY) {
        return Err(BadAnswer::OtherMessage);
    }
    let mut host = None;
    let mut prefixes = Vec::new();
    let mut timestamp = None;
    for option in &message.options {
        match option {
            MobilityOption::MnIdentifier(MnIdentifier::Nai(text)) => {
                host = text.strip_suffix(REALM).and_then(|it| it.parse().ok());
            }
            MobilityOption::HomeNetworkPrefix(prefix) => prefixes.push(*prefix),
            MobilityOption::Timestamp(time) => timestamp = Some(*time),
            _ => {}
        }
    }
    Ok(Answer {
        host: host.ok_or(BadAnswer::Identifier)?,
        to,
        sequence: message.sequence,
        status: message.status,
        lifetime: message.lifetime.as_secs(),
        prefixes,
        timestamp,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::traffic::plan::tests::plan;
    use wire::mh::BindingAcknowledgement;

    pub(crate) const OWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

    /// The frame of an anchor's answer to `update`, changed by `change`.
    pub(crate) fn answer(update: &[u8], change: impl Fn(&mut BindingAcknowledgement)) -> Vec<u8> {
        let frame = Frame::parse(update).expect("a frame");
        let (header, payload) = Header::split(frame.payload).expect("a packet");
        let (from, to) = (header.source.into(), header.destination.into());
        let Ok(Message::BindingUpdate(update)) = Message::parse(from, to, payload) else {
            panic!("no update");
        };
        let mut answer = BindingAcknowledgement {
            status: Status::ACCEPTED,
            flags: AcknowledgementFlags::PROXY,
            sequence: update.sequence,
            lifetime: update.lifetime,
            options: update.options,
        };
        change(&mut answer);
        let message = Message::BindingAcknowledgement(answer);
        let length = message.emitted_len() as u16;
        let header = Header::new(
            header.destination,
            header.source,
            next_header::MOBILITY,
            64,
            length,
        );
        let mut out = Vec::new();
        out.extend(ether::Header::new(OWN, OWN, ethertype::IPV6).as_bytes());
        out.extend(header.as_bytes());
        message.emit(to, from, &mut out).expect("it emits");
        out
    }

    #[test]
    fn an_update_is_a_whole_message_and_its_answer_is_read() {
        let plan = plan("--hosts 70000").expect("a plan");
        let registration = Registration {
            host: 66_000,
            sequence: 7,
            from: plan.access_gateway(0),
            handoff: HandoffIndicator::NEW_INTERFACE,
            lifetime: 300,
        };
        let mut frame = Vec::new();
        let stations = (OWN, OWN);
        assert!(write_update(
            &plan,
            &registration,
            stations,
            None,
            &mut frame
        ));
        let answered = answer(&frame, |_| {});
        let read = read_answer(&answered).expect("a mobility message");
        let timestamp = read.as_ref().ok().and_then(|answer| answer.timestamp);
        assert!(timestamp.is_some(), "it comes back");
        let expected = Answer {
            host: 66_000,
            to: plan.access_gateway(0),
            sequence: 7,
            status: Status::ACCEPTED,
            lifetime: 300,
            prefixes: vec![HomeNetworkPrefix {
                prefix: "2001:db8:1001:1d0::".parse().expect("an address"),
                length: 64,
            }],
            timestamp,
        };
        assert_eq!(read, Ok(expected));
        assert_eq!(read_answer(&frame), Some(Err(BadAnswer::OtherMessage)));
        let mut broken = answered.clone();
        broken[60] ^= 1;
        assert_eq!(read_answer(&broken), Some(Err(BadAnswer::Malformed)));
        let stranger = answer(&frame, |it| {
            it.options[0] = MobilityOption::MnIdentifier(MnIdentifier::Nai("x@y".into()));
        });
        assert_eq!(read_answer(&stranger), Some(Err(BadAnswer::Identifier)));
        assert_eq!(read_answer(&frame[..30]), None);
    }
}
