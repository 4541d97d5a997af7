//! Bytes to an [`NdMessage`], with the validity checks of RFC 4861 sections 6.1 and 7.1.
//!
//! Those sections list every reason to discard. An option whose length does not fit its type is not
//! among them, so it is kept as unknown and the message stands.

use super::{
    kind, option_kind, NdMessage, NdOption, NeighbourAdvertisement, NeighbourSolicitation,
    PrefixInformation, RouterAdvertisement, RouterFlags, RouterSolicitation, HOP_LIMIT,
};
use crate::checksum;
use crate::ether::MacAddr;
use crate::ipv6::{address, next_header};
use crate::names::error_names;
use crate::reader::Reader;
use std::net::Ipv6Addr;

/// Why [`NdMessage::parse`] refused. All of these are to be discarded in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The hop limit is not 255, so the packet may come from beyond the link.
    #[error("hop limit {0}, not 255")]
    HopLimit(u8),
    /// The ICMPv6 checksum does not match.
    #[error("checksum is wrong")]
    Checksum,
    /// An ICMPv6 type that is none of the four.
    #[error("ICMPv6 type {0} is not neighbour discovery")]
    Type(u8),
    /// The ICMPv6 code is not 0.
    #[error("code {0}, not 0")]
    Code(u8),
    /// Fewer octets than the message's fixed part.
    #[error("{0} octets are too few")]
    TooShort(usize),
    /// An option of length zero.
    #[error("option {0} of length zero")]
    OptionLengthZero(u8),
    /// An option runs past the end of the message.
    #[error("option {0} runs past the end")]
    OptionTruncated(u8),
    /// A solicitation from the unspecified address with a Source Link-Layer Address.
    #[error("source link-layer address from the unspecified address")]
    SourceLinkLayerUnspecified,
    /// A Router Advertisement whose source is not link-local.
    #[error("router advertisement from {0}, which is not link-local")]
    SourceNotLinkLocal(Ipv6Addr),
    /// A Neighbour Solicitation from the unspecified address to anything but a solicited-node
    /// multicast address.
    #[error("address detection sent to {0}, which is not a solicited-node address")]
    DestinationNotSolicitedNode(Ipv6Addr),
    /// A target that is a multicast address.
    #[error("target {0} is multicast")]
    TargetMulticast(Ipv6Addr),
    /// A Neighbour Advertisement to a group with the Solicited flag.
    #[error("solicited flag in an advertisement to a group")]
    SolicitedMulticast,
}

error_names!(Error {
    Error::HopLimit(_) => "hop_limit",
    Error::Checksum => "checksum",
    Error::Type(_) => "type",
    Error::Code(_) => "code",
    Error::TooShort(_) => "too_short",
    Error::OptionLengthZero(_) => "option_length_zero",
    Error::OptionTruncated(_) => "option_truncated",
    Error::SourceLinkLayerUnspecified => "source_link_layer_unspecified",
    Error::SourceNotLinkLocal(_) => "source_not_link_local",
    Error::DestinationNotSolicitedNode(_) => "destination_not_solicited_node",
    Error::TargetMulticast(_) => "target_multicast",
    Error::SolicitedMulticast => "solicited_multicast",
});

impl NdMessage {
    /// Decodes and validates the ICMPv6 message `bytes`, which start at the type octet and end with
    /// the packet; the other arguments come from its IPv6 header.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn parse(
        source: Ipv6Addr,
        destination: Ipv6Addr,
        hop_limit: u8,
        bytes: &[u8],
    ) -> Result<Self, Error> {
        if hop_limit != HOP_LIMIT {
            return Err(Error::HopLimit(hop_limit));
        }
        let too_short = Error::TooShort(bytes.len());
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let sum = checksum::pseudo_header_v6(
            &source.octets(),
            &destination.octets(),
            length,
            next_header::ICMPV6,
        );
        if !checksum::verifies(checksum::add(sum, bytes)) {
            return Err(Error::Checksum);
        }
        let mut reader = Reader(bytes);
        let [kind, code, _, _] = reader.array().ok_or(too_short)?;
        if !matches!(
            kind,
            kind::ROUTER_SOLICITATION..=kind::NEIGHBOUR_ADVERTISEMENT
        ) {
            return Err(Error::Type(kind));
        }
        if code != 0 {
            return Err(Error::Code(code));
        }
        let message = parse_body(kind, &mut reader).ok_or(too_short)?;
        let message = message.with_options(parse_options(reader.0)?);
        message.validate(source, destination)?;
        Ok(message)
    }

    fn with_options(mut self, read: Vec<NdOption>) -> Self {
        match &mut self {
            Self::RouterSolicitation(RouterSolicitation { options })
            | Self::RouterAdvertisement(RouterAdvertisement { options, .. })
            | Self::NeighbourSolicitation(NeighbourSolicitation { options, .. })
            | Self::NeighbourAdvertisement(NeighbourAdvertisement { options, .. }) => {
                *options = read;
            }
        }
        self
    }

    /// The checks that need the addresses of the packet.
    fn validate(&self, source: Ipv6Addr, destination: Ipv6Addr) -> Result<(), Error> {
        let target_is_unicast = |target: Ipv6Addr| match target.is_multicast() {
            true => Err(Error::TargetMulticast(target)),
            false => Ok(()),
        };
        match self {
            Self::RouterAdvertisement(_) if !source.is_unicast_link_local() => {
                return Err(Error::SourceNotLinkLocal(source));
            }
            Self::NeighbourSolicitation(solicitation) => {
                target_is_unicast(solicitation.target)?;
                if source.is_unspecified() && !address::is_solicited_node(destination) {
                    return Err(Error::DestinationNotSolicitedNode(destination));
                }
            }
            Self::NeighbourAdvertisement(advertisement) => {
                target_is_unicast(advertisement.target)?;
                if advertisement.solicited && destination.is_multicast() {
                    return Err(Error::SolicitedMulticast);
                }
            }
            Self::RouterSolicitation(_) | Self::RouterAdvertisement(_) => {}
        }
        let has_source_link_layer = self
            .options()
            .iter()
            .any(|option| option.kind() == option_kind::SOURCE_LINK_LAYER);
        let solicits = matches!(
            self,
            Self::RouterSolicitation(_) | Self::NeighbourSolicitation(_)
        );
        if solicits && source.is_unspecified() && has_source_link_layer {
            return Err(Error::SourceLinkLayerUnspecified);
        }
        Ok(())
    }
}

/// The fixed part behind the checksum; `None` when it does not fit.
fn parse_body(kind: u8, reader: &mut Reader<'_>) -> Option<NdMessage> {
    let options = Vec::new();
    Some(match kind {
        kind::ROUTER_SOLICITATION => {
            reader.u32()?;
            NdMessage::RouterSolicitation(RouterSolicitation { options })
        }
        kind::ROUTER_ADVERTISEMENT => NdMessage::RouterAdvertisement(RouterAdvertisement {
            hop_limit: reader.octet()?,
            flags: RouterFlags(reader.octet()?),
            router_lifetime: reader.u16()?,
            reachable_time: reader.u32()?,
            retrans_timer: reader.u32()?,
            options,
        }),
        kind::NEIGHBOUR_SOLICITATION => {
            reader.u32()?;
            NdMessage::NeighbourSolicitation(NeighbourSolicitation {
                target: reader.address()?,
                options,
            })
        }
        _ => {
            let flags = reader.u32()?;
            NdMessage::NeighbourAdvertisement(NeighbourAdvertisement {
                router: flags & 0x8000_0000 != 0,
                solicited: flags & 0x4000_0000 != 0,
                override_cache: flags & 0x2000_0000 != 0,
                target: reader.address()?,
                options,
            })
        }
    })
}

fn parse_options(bytes: &[u8]) -> Result<Vec<NdOption>, Error> {
    let mut options = Vec::new();
    let mut reader = Reader(bytes);
    while let Some(kind) = reader.octet() {
        let cut = Error::OptionTruncated(kind);
        let length = match reader.octet().ok_or(cut)? {
            0 => return Err(Error::OptionLengthZero(kind)),
            units => usize::from(units) * 8 - 2,
        };
        let data = reader.slice(length).ok_or(cut)?;
        options.push(
            parse_option(kind, data).unwrap_or_else(|| NdOption::Unknown {
                kind,
                data: data.to_vec(),
            }),
        );
    }
    Ok(options)
}

/// Decodes an option of a known type that fits its type.
fn parse_option(kind: u8, data: &[u8]) -> Option<NdOption> {
    match kind {
        option_kind::SOURCE_LINK_LAYER => {
            Some(NdOption::SourceLinkLayer(MacAddr(data.try_into().ok()?)))
        }
        option_kind::TARGET_LINK_LAYER => {
            Some(NdOption::TargetLinkLayer(MacAddr(data.try_into().ok()?)))
        }
        option_kind::PREFIX_INFORMATION if data.len() == 30 => {
            let mut reader = Reader(data);
            let length = reader.octet().filter(|length| *length <= 128)?;
            let flags = reader.octet()?;
            let (valid, preferred, _reserved) = (reader.u32()?, reader.u32()?, reader.u32()?);
            Some(NdOption::PrefixInformation(PrefixInformation {
                prefix: reader.address()?,
                length,
                on_link: flags & 0x80 != 0,
                autonomous: flags & 0x40 != 0,
                router_address: flags & 0x20 != 0,
                valid,
                preferred,
            }))
        }
        option_kind::MTU => match *data {
            [_, _, a, b, c, d] => Some(NdOption::Mtu(u32::from_be_bytes([a, b, c, d]))),
            _ => None,
        },
        _ => None,
    }
}
