//! Into a tunnel (RFC 2473 sections 3.1 and 6).
//!
//! The outer header is a copy of the tunnel's, with these fields of its own:
//!
//! | field | value |
//! |---|---|
//! | traffic class | the inner packet's, DSCP and ECN: normal mode of RFC 6040 section 4.1 |
//! | flow label | a hash of the inner flow (RFC 6438), so that paths and queues spread flows |
//! | payload length | the inner packet's, and 8 more where a limit option is carried on |
//! | next header | 41 or 4, as the inner packet is IPv6 or IPv4 |
//!
//! An inner packet that itself is a tunnel packet with an encapsulation limit passes the limit,
//! less one, to the outer header (RFC 2473 section 4.1.1).

use super::{flow, header_mut, shift, write};
use crate::classify::Family;
use packet::{Buf, NoRoom};
use wire::ipv4;
use wire::ipv6::{encapsulation_limit_header, next_header, walk, Header, HEADER_LEN};
use zerocopy::network_endian::U16;
use zerocopy::FromBytes;

/// What an inner packet asks of the tunnels that it enters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Limit {
    /// Nothing, as no IPv4 packet does.
    None,
    /// No more tunnel; the octet that says so, from the packet's start.
    Exhausted { pointer: usize },
    /// So many more tunnels after this one.
    Left(u8),
}

impl Limit {
    /// Of the IPv6 packet at the front of `data`, whose fixed header names `first` as what follows it.
    #[inline]
    pub(crate) fn of(data: &[u8], first: u8) -> Self {
        if first != next_header::DESTINATION_OPTIONS {
            return Self::None;
        }
        let payload = data.get(HEADER_LEN..).unwrap_or_default();
        let found = walk(first, payload)
            .ok()
            .and_then(|chain| chain.encapsulation_limit);
        match found {
            None => Self::None,
            Some(option) => match option.limit.checked_sub(1) {
                Some(left) => Self::Left(left),
                None => Self::Exhausted {
                    pointer: HEADER_LEN + option.offset,
                },
            },
        }
    }

    /// Octets that go in front of the inner packet.
    #[inline]
    pub(crate) const fn overhead(self) -> usize {
        match self {
            Self::Left(_) => HEADER_LEN + 8,
            _ => HEADER_LEN,
        }
    }
}

/// Puts the packet of `family` at `at` behind a copy of `outer` and leaves `front` octets for the link
/// layer.
#[inline]
pub(crate) fn encapsulate<B: Buf>(
    buf: &mut B,
    at: usize,
    family: Family,
    outer: &[u8; HEADER_LEN],
    limit: Limit,
    front: usize,
) -> Result<(), NoRoom> {
    let overhead = limit.overhead();
    let octets = buf.data().len().checked_sub(at).ok_or(NoRoom)?;
    let payload = octets + overhead - HEADER_LEN;
    let payload = u16::try_from(payload).map_err(|_| NoRoom)?;
    let inner = buf.data().get(at..).ok_or(NoRoom)?;
    let (class, label) = match family {
        Family::V6 => {
            let (header, behind) = Header::ref_from_prefix(inner).map_err(|_| NoRoom)?;
            (header.traffic_class(), flow::label(header, behind))
        }
        Family::V4 => {
            let (header, _) = ipv4::Header::ref_from_prefix(inner).map_err(|_| NoRoom)?;
            (header.traffic_class(), flow::label_ipv4(header, inner))
        }
    };
    shift(buf, at, front + overhead)?;
    let place = buf.data_mut().get_mut(front..).ok_or(NoRoom)?;
    write(place, outer)?;
    if let Limit::Left(left) = limit {
        let option = encapsulation_limit_header(next_header::IPV6, left);
        write(place.get_mut(HEADER_LEN..).ok_or(NoRoom)?, &option)?;
    }
    let header = header_mut(buf, front).ok_or(NoRoom)?;
    header.set_traffic_class(class);
    header.set_flow_label(label);
    header.payload_length = U16::new(payload);
    if let Limit::Left(_) = limit {
        header.next_header = next_header::DESTINATION_OPTIONS;
    } else if family == Family::V4 {
        header.next_header = next_header::IPV4;
    }
    Ok(())
}
