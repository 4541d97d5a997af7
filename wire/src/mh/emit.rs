//! A [`Message`] to bytes.
//!
//! Each option is put on its alignment with Pad1 or PadN, and the end is padded to a multiple of 8
//! octets (RFC 6275 sections 6.1.1 and 6.2). Whatever is written parses
//! back to the same value, but for text held as [`MnIdentifier::Other`](super::MnIdentifier) with
//! subtype 1, which comes back as a network access identifier.

use super::emit_option::{emit_option, emit_padding, padding_before};
use super::{mh_type, revocation_type, EmitError, Message, MobilityOption};
use super::{FIXED_LEN, NEXT_HEADER, PAYLOAD_PROTO_NONE};
use crate::checksum;
use std::net::Ipv6Addr;

/// Writes the checksum of a whole message into it, whatever stood there (RFC 6275 section 6.1.1).
/// The addresses are those of the pseudo-header.
pub fn set_checksum(source: Ipv6Addr, destination: Ipv6Addr, message: &mut [u8]) {
    if let Some(field) = message.get_mut(4..6) {
        field.fill(0);
    }
    let sum = checksum::pseudo_header_v6(
        &source.octets(),
        &destination.octets(),
        u32::try_from(message.len()).unwrap_or(u32::MAX),
        NEXT_HEADER,
    );
    let check = checksum::finish(checksum::add(sum, message)).to_be_bytes();
    if let Some(field) = message.get_mut(4..6) {
        field.copy_from_slice(&check);
    }
}

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
            Self::Heartbeat(heartbeat) => {
                let flags = u8::from(heartbeat.unsolicited) << 1 | u8::from(heartbeat.response);
                out.extend([0, flags]);
                out.extend(heartbeat.sequence.to_be_bytes());
            }
            Self::RevocationIndication(indication) => {
                out.extend([revocation_type::INDICATION, indication.trigger.0]);
                out.extend(indication.sequence.to_be_bytes());
                out.extend(indication.flags.0.to_be_bytes());
            }
            Self::RevocationAcknowledgement(acknowledgement) => {
                out.extend([revocation_type::ACKNOWLEDGEMENT, acknowledgement.status.0]);
                out.extend(acknowledgement.sequence.to_be_bytes());
                out.extend(acknowledgement.flags.0.to_be_bytes());
            }
            Self::Other { data, .. } => out.extend(data),
        }
        for option in self.options() {
            emit_padding(padding_before(out.len() - start, option), out);
            emit_option(option, out);
        }
        emit_padding(total - (out.len() - start), out);

        if let Some(message) = out.get_mut(start..) {
            set_checksum(source, destination, message);
        }
        Ok(())
    }

    /// How many octets [`emit`](Self::emit) writes; a multiple of 8.
    pub fn emitted_len(&self) -> usize {
        let fixed = match self {
            Self::BindingRefreshRequest(_) => 8,
            Self::BindingUpdate(_)
            | Self::BindingAcknowledgement(_)
            | Self::Heartbeat(_)
            | Self::RevocationIndication(_)
            | Self::RevocationAcknowledgement(_) => 12,
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
            let known = match *mh_type {
                mh_type::BINDING_REVOCATION => matches!(
                    data.first(),
                    Some(&(revocation_type::INDICATION | revocation_type::ACKNOWLEDGEMENT))
                ),
                mh_type::BINDING_REFRESH_REQUEST
                | mh_type::BINDING_UPDATE
                | mh_type::BINDING_ACKNOWLEDGEMENT
                | mh_type::BINDING_ERROR
                | mh_type::HEARTBEAT => true,
                _ => false,
            };
            if known || (FIXED_LEN + data.len()) % 8 != 0 {
                return Err(shape);
            }
        }
        let mut authenticated = false;
        for option in self.options() {
            option.check()?;
            let authentication = matches!(option, MobilityOption::Authentication(_));
            if authenticated && !authentication {
                return Err(EmitError::BehindAuthentication(option.kind()));
            }
            authenticated = authentication;
        }
        Ok(())
    }
}
