//! An [`NdMessage`] to bytes. The packet around them has hop limit [`HOP_LIMIT`](super::HOP_LIMIT).

use super::{option_kind, NdMessage, NdOption, PrefixInformation};
use crate::checksum;
use crate::ipv6::next_header;
use std::net::Ipv6Addr;

/// Why [`NdMessage::emit`] refused. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmitError {
    /// An unknown option whose data, with type and length, is not a multiple of 8 octets from 8 to
    /// 2040.
    #[error("neighbour discovery option {kind} cannot have {octets} octets of data")]
    OptionShape {
        /// Option type.
        kind: u8,
        /// Octets of data.
        octets: usize,
    },
    /// A prefix length above 128.
    #[error("prefix length {0} is above 128")]
    PrefixLength(u8),
}

impl NdMessage {
    /// Appends the whole ICMPv6 message, from the type octet on, to `out`, with its checksum.
    ///
    /// # Errors
    ///
    /// See [`EmitError`]; `out` is then as it was.
    pub fn emit(
        &self,
        source: Ipv6Addr,
        destination: Ipv6Addr,
        out: &mut Vec<u8>,
    ) -> Result<(), EmitError> {
        self.options().iter().try_for_each(NdOption::check)?;
        let start = out.len();
        out.extend([self.kind(), 0, 0, 0]);
        match self {
            Self::RouterSolicitation(_) => out.extend([0; 4]),
            Self::RouterAdvertisement(advertisement) => {
                out.extend([advertisement.hop_limit, advertisement.flags.0]);
                out.extend(advertisement.router_lifetime.to_be_bytes());
                out.extend(advertisement.reachable_time.to_be_bytes());
                out.extend(advertisement.retrans_timer.to_be_bytes());
            }
            Self::NeighbourSolicitation(solicitation) => {
                out.extend([0; 4]);
                out.extend(solicitation.target.octets());
            }
            Self::NeighbourAdvertisement(advertisement) => {
                let flags = u8::from(advertisement.router) << 7
                    | u8::from(advertisement.solicited) << 6
                    | u8::from(advertisement.override_cache) << 5;
                out.extend([flags, 0, 0, 0]);
                out.extend(advertisement.target.octets());
            }
        }
        for option in self.options() {
            option.emit(out);
        }
        if let Some(message) = out.get_mut(start..) {
            let sum = checksum::pseudo_header_v6(
                &source.octets(),
                &destination.octets(),
                u32::try_from(message.len()).unwrap_or(u32::MAX),
                next_header::ICMPV6,
            );
            let check = checksum::finish(checksum::add(sum, message)).to_be_bytes();
            if let Some(field) = message.get_mut(2..4) {
                field.copy_from_slice(&check);
            }
        }
        Ok(())
    }
}

impl NdOption {
    /// The option type octet.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::SourceLinkLayer(_) => option_kind::SOURCE_LINK_LAYER,
            Self::TargetLinkLayer(_) => option_kind::TARGET_LINK_LAYER,
            Self::PrefixInformation(_) => option_kind::PREFIX_INFORMATION,
            Self::Mtu(_) => option_kind::MTU,
            Self::Unknown { kind, .. } => *kind,
        }
    }

    fn check(&self) -> Result<(), EmitError> {
        match self {
            Self::PrefixInformation(information) if information.length > 128 => {
                Err(EmitError::PrefixLength(information.length))
            }
            Self::Unknown { kind, data } if data.len() % 8 != 6 || data.len() > 2038 => {
                Err(EmitError::OptionShape {
                    kind: *kind,
                    octets: data.len(),
                })
            }
            _ => Ok(()),
        }
    }

    /// Writes type, length and data. `check` has seen to it that the length fits.
    fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::SourceLinkLayer(mac) | Self::TargetLinkLayer(mac) => {
                out.extend([self.kind(), 1]);
                out.extend(mac.0);
            }
            Self::PrefixInformation(information) => {
                out.extend([self.kind(), 4]);
                emit_prefix(information, out);
            }
            Self::Mtu(mtu) => {
                out.extend([self.kind(), 1, 0, 0]);
                out.extend(mtu.to_be_bytes());
            }
            Self::Unknown { kind, data } => {
                out.extend([*kind, (data.len() / 8 + 1) as u8]);
                out.extend(data);
            }
        }
    }
}

fn emit_prefix(information: &PrefixInformation, out: &mut Vec<u8>) {
    let flags = u8::from(information.on_link) << 7
        | u8::from(information.autonomous) << 6
        | u8::from(information.router_address) << 5;
    out.extend([information.length, flags]);
    out.extend(information.valid.to_be_bytes());
    out.extend(information.preferred.to_be_bytes());
    out.extend([0; 4]);
    out.extend(information.prefix.octets());
}
