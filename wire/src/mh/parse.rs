//! Bytes to a [`Message`].
//!
//! The checks follow RFC 6275 section 9.2. The checksum comes before every check that may be
//! answered with an ICMPv6 error, so that a damaged message is never answered.
//!
//! What the RFCs leave open is settled like this:
//!
//! - Padding may stand anywhere and hold anything, and an option may stand off its alignment: both
//!   are duties of the sender alone.
//! - An option of a known type whose length does not fit its type spoils the whole message. Skipping
//!   it would act on a registration that lacks, for one, a prefix that its sender asked for. The few
//!   that may be passed over become [`MobilityOption::Skipped`].
//! - Nothing but another authentication option may follow one: it would not be authenticated.
//! - Reserved fields are ignored; the bits of a home network prefix past its length are cleared.

use super::parse_option::parse_option;
use super::{
    kind, mh_type, revocation_type, AcknowledgementFlags, BindingAcknowledgement, BindingError,
    BindingRefreshRequest, BindingUpdate, Error, Heartbeat, Lifetime, Message, MobilityOption,
    RevocationAcknowledgement, RevocationFlags, RevocationIndication, RevocationStatus,
    RevocationTrigger, Status, UpdateFlags,
};
use super::{FIXED_LEN, NEXT_HEADER, PAYLOAD_PROTO_NONE};
use crate::checksum;
use crate::reader::Reader;
use std::net::Ipv6Addr;

impl Message {
    /// Decodes a Mobility Header message. `bytes` start at the Payload Proto field and end with the
    /// packet; the addresses are those of the pseudo-header, that is the home address where the
    /// packet has a Home Address option (RFC 6275 section 6.1.1).
    ///
    /// # Errors
    ///
    /// See [`Error`]. An MH type that this crate does not know is not an error but
    /// [`Message::Other`].
    pub fn parse(source: Ipv6Addr, destination: Ipv6Addr, bytes: &[u8]) -> Result<Self, Error> {
        Self::parse_checked(Some((source, destination)), bytes)
    }

    /// The same of a message that came in a UDP datagram over IPv4, whose checksum was right: its own
    /// counts for nothing (RFC 5844 section 4.1.3.1).
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn parse_datagram(bytes: &[u8]) -> Result<Self, Error> {
        Self::parse_checked(None, bytes)
    }

    fn parse_checked(ends: Option<(Ipv6Addr, Ipv6Addr)>, bytes: &[u8]) -> Result<Self, Error> {
        let have = bytes.len();
        let cut_short = |need| Error::Truncated { have, need };
        let [payload_proto, header_len, mh_type, _, check @ ..] =
            *bytes.first_chunk::<6>().ok_or(cut_short(FIXED_LEN))?;
        let total = (usize::from(header_len) + 1) * 8;
        let (header, trailing) = bytes.split_at_checked(total).ok_or(cut_short(total))?;

        if let Some((source, destination)) = ends {
            let sum = checksum::pseudo_header_v6(
                &source.octets(),
                &destination.octets(),
                u32::from(header_len) * 8 + 8,
                NEXT_HEADER,
            );
            if !checksum::verifies(checksum::add(sum, header)) {
                return Err(Error::Checksum(u16::from_be_bytes(check)));
            }
        }
        if payload_proto != PAYLOAD_PROTO_NONE {
            return Err(Error::PayloadProto(payload_proto));
        }
        if !trailing.is_empty() {
            return Err(Error::TrailingOctets(trailing.len()));
        }

        let body = header.get(FIXED_LEN..).unwrap_or_default();
        let need = match mh_type {
            mh_type::BINDING_REFRESH_REQUEST => 8,
            mh_type::BINDING_UPDATE | mh_type::BINDING_ACKNOWLEDGEMENT => 12,
            mh_type::BINDING_ERROR => 24,
            mh_type::HEARTBEAT => 12,
            mh_type::BINDING_REVOCATION
                if matches!(
                    body.first(),
                    Some(&(revocation_type::INDICATION | revocation_type::ACKNOWLEDGEMENT))
                ) =>
            {
                12
            }
            _ => {
                let data = body.to_vec();
                return Ok(Self::Other { mh_type, data });
            }
        };
        parse_body(mh_type, body, total)?.ok_or(Error::TooShort {
            mh_type,
            have: total,
            need,
        })
    }
}

/// The message behind the fixed header; `None` when its own fixed part does not fit.
fn parse_body(mh_type: u8, body: &[u8], total: usize) -> Result<Option<Message>, Error> {
    let mut reader = Reader(body);
    Ok(match mh_type {
        mh_type::BINDING_REFRESH_REQUEST => {
            let Some(_reserved) = reader.u16() else {
                return Ok(None);
            };
            let options = parse_options(reader.0, total)?;
            Some(Message::BindingRefreshRequest(BindingRefreshRequest {
                options,
            }))
        }
        mh_type::BINDING_UPDATE => {
            let (Some(sequence), Some(flags), Some(lifetime)) =
                (reader.u16(), reader.u16(), reader.u16())
            else {
                return Ok(None);
            };
            Some(Message::BindingUpdate(BindingUpdate {
                sequence,
                flags: UpdateFlags(flags),
                lifetime: Lifetime(lifetime),
                options: parse_options(reader.0, total)?,
            }))
        }
        mh_type::BINDING_ACKNOWLEDGEMENT => {
            let (Some([status, flags]), Some(sequence), Some(lifetime)) =
                (reader.array(), reader.u16(), reader.u16())
            else {
                return Ok(None);
            };
            Some(Message::BindingAcknowledgement(BindingAcknowledgement {
                status: Status(status),
                flags: AcknowledgementFlags(flags),
                sequence,
                lifetime: Lifetime(lifetime),
                options: parse_options(reader.0, total)?,
            }))
        }
        mh_type::HEARTBEAT => {
            let (Some([_reserved, flags]), Some(sequence)) = (reader.array(), reader.u32()) else {
                return Ok(None);
            };
            Some(Message::Heartbeat(Heartbeat {
                unsolicited: flags & 0x02 != 0,
                response: flags & 0x01 != 0,
                sequence,
                options: parse_options(reader.0, total)?,
            }))
        }
        mh_type::BINDING_REVOCATION => {
            let (Some([message, octet]), Some(sequence), Some(flags)) =
                (reader.array(), reader.u16(), reader.u16())
            else {
                return Ok(None);
            };
            let flags = RevocationFlags(flags);
            let options = parse_options(reader.0, total)?;
            Some(if message == revocation_type::INDICATION {
                Message::RevocationIndication(RevocationIndication {
                    trigger: RevocationTrigger(octet),
                    sequence,
                    flags,
                    options,
                })
            } else {
                Message::RevocationAcknowledgement(RevocationAcknowledgement {
                    status: RevocationStatus(octet),
                    sequence,
                    flags,
                    options,
                })
            })
        }
        _ => {
            let (Some([status, _reserved]), Some(home_address)) =
                (reader.array(), reader.address())
            else {
                return Ok(None);
            };
            Some(Message::BindingError(BindingError {
                status,
                home_address,
                options: parse_options(reader.0, total)?,
            }))
        }
    })
}

/// Walks the options, which are the last `bytes` of a message of `total` octets.
fn parse_options(bytes: &[u8], total: usize) -> Result<Vec<MobilityOption>, Error> {
    let mut options = Vec::new();
    let mut reader = Reader(bytes);
    loop {
        let offset = total.saturating_sub(reader.0.len());
        let option = match reader.octet() {
            None => return Ok(options),
            Some(kind::PAD1) => continue,
            Some(option) => option,
        };
        let data = match reader.octet() {
            Some(length) => reader.slice(usize::from(length)),
            None => None,
        };
        match data {
            Some(_) if option == kind::PAD_N => {}
            Some(_)
                if option != kind::AUTHENTICATION
                    && matches!(options.last(), Some(MobilityOption::Authentication(_))) =>
            {
                return Err(Error::BehindAuthentication(option));
            }
            Some(data) => options.push(parse_option(option, data)?),
            None if option == kind::PAD_N => return Err(Error::PaddingTruncated { offset }),
            None => {
                return Err(Error::OptionTruncated {
                    kind: option,
                    offset,
                });
            }
        }
    }
}
