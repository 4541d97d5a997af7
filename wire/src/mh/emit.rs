//! A [`Message`] to bytes.
//!
//! Each option is put on its alignment with Pad1 or PadN, and the end is padded to a multiple of 8
//! octets (RFC 6275 sections 6.1.1 and 6.2). Whatever is written parses
//! back to the same value, but for text held as [`MnIdentifier::Other`](super::MnIdentifier) with
//! subtype 1, which comes back as a network access identifier.

use super::{kind, mh_type, EmitError, Message, MobilityOption};
use super::{FIXED_LEN, NEXT_HEADER, PAYLOAD_PROTO_NONE};
use crate::checksum;
use std::net::Ipv6Addr;

impl Message {
    /// Appends the whole message, from Payload Proto to the last padding octet, to `out`. The
    /// addresses are those of the pseudo-header, as in [`Message::parse`].
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
        self.check()?;
        let total = self.emitted_len();
        let header_len = u8::try_from(total / 8 - 1).map_err(|_| EmitError::TooLong(total))?;

        let start = out.len();
        out.reserve(total);
        out.extend([PAYLOAD_PROTO_NONE, header_len, self.mh_type(), 0, 0, 0]);
        match self {
            Self::BindingRefreshRequest(_) => out.extend([0, 0]),
            Self::BindingUpdate(update) => {
                out.extend(update.sequence.to_be_bytes());
                out.extend(update.flags.0.to_be_bytes());
                out.extend(update.lifetime.0.to_be_bytes());
            }
            Self::BindingAcknowledgement(acknowledgement) => {
                out.extend([acknowledgement.status.0, acknowledgement.flags.0]);
                out.extend(acknowledgement.sequence.to_be_bytes());
                out.extend(acknowledgement.lifetime.0.to_be_bytes());
            }
            Self::BindingError(error) => {
                out.extend([error.status, 0]);
                out.extend(error.home_address.octets());
            }
            Self::Other { data, .. } => out.extend(data),
        }
        for option in self.options() {
            emit_padding(padding_before(out.len() - start, option), out);
            emit_option(option, out);
        }
        emit_padding(total - (out.len() - start), out);

        let sum = checksum::pseudo_header_v6(
            &source.octets(),
            &destination.octets(),
            u32::from(header_len) * 8 + 8,
            NEXT_HEADER,
        );
        if let Some(message) = out.get_mut(start..) {
            let check = checksum::finish(checksum::add(sum, message)).to_be_bytes();
            if let Some(field) = message.get_mut(4..6) {
                field.copy_from_slice(&check);
            }
        }
        Ok(())
    }

    /// How many octets [`emit`](Self::emit) writes; a multiple of 8.
    pub fn emitted_len(&self) -> usize {
        let fixed = match self {
            Self::BindingRefreshRequest(_) => 8,
            Self::BindingUpdate(_) | Self::BindingAcknowledgement(_) => 12,
            Self::BindingError(_) => 24,
            Self::Other { data, .. } => FIXED_LEN + data.len(),
        };
        self.options()
            .iter()
            .fold(fixed, |at, option| {
                at + padding_before(at, option) + 2 + option.data_len()
            })
            .next_multiple_of(8)
    }

    /// Refuses what would not parse back to the same value.
    fn check(&self) -> Result<(), EmitError> {
        if let Self::Other { mh_type, data } = self {
            let shape = EmitError::OtherShape {
                mh_type: *mh_type,
                octets: data.len(),
            };
            let known = matches!(
                *mh_type,
                mh_type::BINDING_REFRESH_REQUEST
                    | mh_type::BINDING_UPDATE
                    | mh_type::BINDING_ACKNOWLEDGEMENT
                    | mh_type::BINDING_ERROR
            );
            if known || (FIXED_LEN + data.len()) % 8 != 0 {
                return Err(shape);
            }
        }
        for option in self.options() {
            match option {
                MobilityOption::HomeNetworkPrefix(prefix) if !prefix.is_well_formed() => {
                    return Err(EmitError::Prefix(*prefix));
                }
                MobilityOption::Unknown { kind, .. } if kind::is_known(*kind) => {
                    return Err(EmitError::KnownOption(*kind));
                }
                _ => {}
            }
            if option.data_len() > 255 {
                return Err(EmitError::OptionTooLong {
                    kind: option.kind(),
                    octets: option.data_len(),
                });
            }
        }
        Ok(())
    }
}

impl MobilityOption {
    /// Octets of option data, type and length left out.
    fn data_len(&self) -> usize {
        match self {
            Self::BindingRefreshAdvice(_)
            | Self::HandoffIndicator(_)
            | Self::AccessTechnology(_) => 2,
            Self::AlternateCareOfAddress(_) | Self::LinkLocalAddress(_) => 16,
            Self::MnIdentifier(identifier) => 1 + identifier.as_bytes().len(),
            Self::HomeNetworkPrefix(_) => 18,
            Self::MnLinkLayerIdentifier(identifier) => 2 + identifier.len(),
            Self::Timestamp(_) => 8,
            Self::Unknown { data, .. } => data.len(),
        }
    }

    /// The alignment `xn+y` of the option's type octet, as `(x, y)`.
    fn alignment(&self) -> (usize, usize) {
        match self {
            Self::BindingRefreshAdvice(_) => (2, 0),
            Self::AlternateCareOfAddress(_) | Self::LinkLocalAddress(_) => (8, 6),
            Self::HomeNetworkPrefix(_) => (8, 4),
            Self::Timestamp(_) => (8, 2),
            // By the size of the identifier (RFC 5213 section 8.6), which starts four octets on.
            Self::MnLinkLayerIdentifier(identifier) => match identifier.len() {
                length if length % 8 == 0 => (8, 4),
                length if length % 4 == 0 => (4, 0),
                length if length % 2 == 0 => (2, 0),
                _ => (1, 0),
            },
            Self::MnIdentifier(_)
            | Self::HandoffIndicator(_)
            | Self::AccessTechnology(_)
            | Self::Unknown { .. } => (1, 0),
        }
    }
}

/// Padding octets needed before `option` when `at` octets of the message are written.
fn padding_before(at: usize, option: &MobilityOption) -> usize {
    let (unit, phase) = option.alignment();
    (unit + phase - at % unit) % unit
}

/// Writes `octets` of padding: nothing, Pad1 or PadN.
fn emit_padding(octets: usize, out: &mut Vec<u8>) {
    const ZEROS: [u8; 8] = [0; 8];
    match octets {
        0 => {}
        1 => out.push(kind::PAD1),
        // Alignment units end at 8, so the zeros suffice.
        _ => {
            let data = ZEROS.get(..octets - 2).unwrap_or(&ZEROS);
            out.extend([kind::PAD_N, data.len() as u8]);
            out.extend(data);
        }
    }
}

/// Writes type, length and data. `check` has seen to it that the length fits.
fn emit_option(option: &MobilityOption, out: &mut Vec<u8>) {
    out.extend([option.kind(), option.data_len() as u8]);
    match option {
        MobilityOption::BindingRefreshAdvice(interval) => out.extend(interval.0.to_be_bytes()),
        MobilityOption::AlternateCareOfAddress(address)
        | MobilityOption::LinkLocalAddress(address) => out.extend(address.octets()),
        MobilityOption::MnIdentifier(identifier) => {
            out.push(identifier.subtype());
            out.extend(identifier.as_bytes());
        }
        MobilityOption::HomeNetworkPrefix(prefix) => {
            out.extend([0, prefix.length]);
            out.extend(prefix.prefix.octets());
        }
        MobilityOption::HandoffIndicator(indicator) => out.extend([0, indicator.0]),
        MobilityOption::AccessTechnology(technology) => out.extend([0, technology.0]),
        MobilityOption::MnLinkLayerIdentifier(identifier) => {
            out.extend([0, 0]);
            out.extend(identifier);
        }
        MobilityOption::Timestamp(time) => out.extend(time.0.to_be_bytes()),
        MobilityOption::Unknown { data, .. } => out.extend(data),
    }
}
