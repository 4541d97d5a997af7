//! Into a tunnel that is not plain IPv6: over IPv4 (RFC 5844 section 4, RFC 4213, RFC 2003), or with a UDP or
//! a GRE header in between (RFC 5845). All headers are made for each packet.
//!
//! | field of an outer IPv4 header | value |
//! |---|---|
//! | traffic class | the inner packet's, DSCP and ECN (RFC 6040 section 4.1) |
//! | identification, don't fragment | 0 and set (RFC 6864 section 4.1); a packet that is cut gets a number |
//! | time to live | the tunnel's |
//!
//! A UDP checksum is left out, as IPv4 allows, for the inner packet has its own. A GRE header has a key or
//! nothing.

use super::encap::Limit;
use super::{flow, header_mut, ipv4_mut, shift, write};
use crate::classify::Family;
use crate::key::Encapsulation;
use crate::tunnels::Tunnel;
use arrayvec::ArrayVec;
use packet::{Buf, NoRoom};
use wire::gre;
use wire::ipv4::{self, address::unmapped};
use wire::ipv6::{encapsulation_limit_header, next_header, Header, HEADER_LEN};
use wire::udp::{self, PMIP_DATA};
use zerocopy::network_endian::U16;
use zerocopy::FromBytes;

/// Octets of a UDP header, or of a GRE header with a key.
const BETWEEN: usize = 8;

impl Tunnel {
    /// Whether its outer header is copied as it is, with nothing behind it.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.encapsulation == Encapsulation::Plain && self.outer() == Family::V6
    }

    /// The family of its outer header.
    #[inline]
    pub(crate) fn outer(&self) -> Family {
        match self.local().to_ipv4_mapped() {
            Some(_) => Family::V4,
            None => Family::V6,
        }
    }

    /// Octets that go in front of an inner packet that asks for `limit`.
    #[inline]
    pub(crate) fn overhead(&self, limit: Limit) -> usize {
        let between = match self.encapsulation {
            Encapsulation::Plain => 0,
            Encapsulation::Udp => udp::HEADER_LEN,
            Encapsulation::Gre { keys, .. } => gre::length(keys.is_some()),
        };
        between
            + match self.outer() {
                Family::V6 => limit.overhead(),
                Family::V4 => ipv4::HEADER_LEN,
            }
    }

    /// What stands between the outer header and an inner packet of `octets`, and how the header in front
    /// names it.
    fn between(
        &self,
        family: Family,
        octets: usize,
    ) -> Result<(u8, ArrayVec<u8, BETWEEN>), NoRoom> {
        let mut between = ArrayVec::new();
        let next = match self.encapsulation {
            Encapsulation::Plain => match family {
                Family::V6 => next_header::IPV6,
                Family::V4 => next_header::IPV4,
            },
            Encapsulation::Udp => {
                let length = u16::try_from(octets + udp::HEADER_LEN).map_err(|_| NoRoom)?;
                for field in [PMIP_DATA, PMIP_DATA, length, 0] {
                    between
                        .try_extend_from_slice(&field.to_be_bytes())
                        .map_err(|_| NoRoom)?;
                }
                next_header::UDP
            }
            Encapsulation::Gre { keys, .. } => {
                let header = gre::Header {
                    protocol: family.ethertype(),
                    key: keys.map(|keys| keys.send),
                };
                let (octets, length) = header.emit();
                let octets = octets.get(..length).ok_or(NoRoom)?;
                between.try_extend_from_slice(octets).map_err(|_| NoRoom)?;
                next_header::GRE
            }
        };
        Ok((next, between))
    }
}

/// Puts the packet of `family` at `at` into the tunnel and leaves `front` octets for the link layer. Over IPv4,
/// an `identification` says that the outer packet will be cut.
pub(crate) fn encapsulate<B: Buf>(
    buf: &mut B,
    (at, front): (usize, usize),
    family: Family,
    tunnel: &Tunnel,
    limit: Limit,
    identification: Option<u16>,
) -> Result<(), NoRoom> {
    let octets = buf.data().len().checked_sub(at).ok_or(NoRoom)?;
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
    let (next, between) = tunnel.between(family, octets)?;
    let overhead = tunnel.overhead(limit);
    let total = u16::try_from(octets + overhead).map_err(|_| NoRoom)?;
    shift(buf, at, front + overhead)?;
    let place = buf.data_mut().get_mut(front..).ok_or(NoRoom)?;
    let start = overhead - between.len();
    let middle = place.get_mut(start..overhead).ok_or(NoRoom)?;
    middle.copy_from_slice(&between);
    if tunnel.outer() == Family::V4 {
        let (local, remote) = (unmapped(tunnel.local()), unmapped(tunnel.remote()));
        let header = ipv4::Header::new(local, remote, next, tunnel.hop_limit(), total);
        write(place, &header)?;
        let header = ipv4_mut(buf, front).ok_or(NoRoom)?;
        if let Some(identification) = identification {
            header.identification = U16::new(identification);
            header.set_fragment(false, false, 0);
        }
        header.set_traffic_class(class);
        header.seal();
        return Ok(());
    }
    write(place, &tunnel.header)?;
    if let Limit::Left(left) = limit {
        let option = encapsulation_limit_header(next, left);
        write(place.get_mut(HEADER_LEN..).ok_or(NoRoom)?, &option)?;
    }
    let header = header_mut(buf, front).ok_or(NoRoom)?;
    header.set_traffic_class(class);
    header.set_flow_label(label);
    header.payload_length = U16::new(total.saturating_sub(HEADER_LEN as u16));
    header.next_header = match limit {
        Limit::Left(_) => next_header::DESTINATION_OPTIONS,
        _ => next,
    };
    Ok(())
}
