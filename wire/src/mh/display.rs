//! Messages in one line of text, for traces and for people.

use super::{
    AcknowledgementFlags, BindingAcknowledgement, BindingError, BindingUpdate, HomeNetworkPrefix,
    Lifetime, Message, MnIdentifier, MobilityOption, NtpTime, UpdateFlags,
};
use std::fmt::{self, Display, Formatter, Write};

/// `PBU seq 7 lifetime 300 s mn1@example HNP ::/0 HI 1 ATT 3`. Flags show when they are other than
/// a registration always has: A with P or H in an update, P in an acknowledgement.
impl Display for Message {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::BindingRefreshRequest(_) => f.write_str("BRR")?,
            Self::BindingUpdate(update) => write_update(update, f)?,
            Self::BindingAcknowledgement(acknowledgement) => {
                write_acknowledgement(acknowledgement, f)?;
            }
            Self::BindingError(error) => {
                write!(f, "BE status {}", error.status)?;
                match error.status {
                    BindingError::UNKNOWN_BINDING => f.write_str(" (unknown binding)")?,
                    BindingError::UNRECOGNIZED_MH_TYPE => f.write_str(" (unknown MH type)")?,
                    _ => {}
                }
                write!(f, " HoA {}", error.home_address)?;
            }
            Self::Other { mh_type, data } => {
                write!(f, "MH type {mh_type} with {} octets", data.len())?;
            }
        }
        self.options()
            .iter()
            .try_for_each(|option| write!(f, " {option}"))
    }
}

fn write_update(update: &BindingUpdate, f: &mut Formatter<'_>) -> fmt::Result {
    let (name, usual) = if update.flags.contains(UpdateFlags::PROXY) {
        ("PBU", UpdateFlags::ACKNOWLEDGE.with(UpdateFlags::PROXY))
    } else {
        let home = UpdateFlags::HOME_REGISTRATION;
        ("BU", UpdateFlags::ACKNOWLEDGE.with(home))
    };
    write!(
        f,
        "{name} seq {} lifetime {}",
        update.sequence, update.lifetime
    )?;
    if update.flags != usual {
        write!(f, " flags {}", update.flags)?;
    }
    Ok(())
}

fn write_acknowledgement(
    acknowledgement: &BindingAcknowledgement,
    f: &mut Formatter<'_>,
) -> fmt::Result {
    let flags = acknowledgement.flags;
    let (name, usual) = if flags.contains(AcknowledgementFlags::PROXY) {
        ("PBA", AcknowledgementFlags::PROXY)
    } else {
        ("BA", AcknowledgementFlags::default())
    };
    write!(
        f,
        "{name} seq {} status {} lifetime {}",
        acknowledgement.sequence, acknowledgement.status, acknowledgement.lifetime
    )?;
    if flags != usual {
        write!(f, " flags {flags}")?;
    }
    Ok(())
}

impl Display for MobilityOption {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::BindingRefreshAdvice(interval) => write!(f, "refresh {interval}"),
            Self::AlternateCareOfAddress(address) => write!(f, "ACoA {address}"),
            Self::MnIdentifier(identifier) => Display::fmt(identifier, f),
            Self::HomeNetworkPrefix(prefix) => write!(f, "HNP {prefix}"),
            Self::HandoffIndicator(indicator) => write!(f, "HI {}", indicator.0),
            Self::AccessTechnology(technology) => write!(f, "ATT {}", technology.0),
            Self::MnLinkLayerIdentifier(identifier) => {
                f.write_str("LLID ")?;
                write_octets(identifier, f)
            }
            Self::LinkLocalAddress(address) => write!(f, "LLA {address}"),
            Self::Timestamp(time) => write!(f, "time {time}"),
            Self::Unknown { kind, data } => {
                write!(f, "option {kind} ")?;
                write_octets(data, f)
            }
        }
    }
}

/// A network access identifier as it is, control characters escaped; anything else as `subtype:hex`.
impl Display for MnIdentifier {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nai(text) => text.chars().try_for_each(|character| {
                if character.is_control() {
                    write!(f, "{}", character.escape_default())
                } else {
                    f.write_char(character)
                }
            }),
            Self::Other { subtype, data } => {
                write!(f, "{subtype}:")?;
                write_octets(data, f)
            }
        }
    }
}

/// `2001:db8::/64`.
impl Display for HomeNetworkPrefix {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.prefix, self.length)
    }
}

/// Seconds since 1970 with microseconds.
impl Display for NtpTime {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let time = self.to_unix();
        write!(f, "{}.{:06}", time.as_secs(), time.subsec_micros())
    }
}

/// `300 s`, or `infinite`.
impl Display for Lifetime {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            Self::INFINITE => f.write_str("infinite"),
            _ => write!(f, "{} s", self.as_secs()),
        }
    }
}

/// One letter a flag as the RFCs name them, then the unnamed bits in hexadecimal; `-` for none.
impl Display for UpdateFlags {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_flags(self.0, 0x8000, "AHLKMRPFT", f)
    }
}

/// As for [`UpdateFlags`].
impl Display for AcknowledgementFlags {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_flags(self.0.into(), 0x80, "KRP", f)
    }
}

/// Names the bits of `flags` from `first` downwards.
fn write_flags(flags: u16, first: u16, letters: &str, f: &mut Formatter<'_>) -> fmt::Result {
    if flags == 0 {
        return f.write_str("-");
    }
    let mut rest = flags;
    for (place, letter) in letters.chars().enumerate() {
        let bit = first >> place;
        if rest & bit != 0 {
            f.write_char(letter)?;
            rest &= !bit;
        }
    }
    if rest != 0 {
        write!(f, "+{rest:#x}")?;
    }
    Ok(())
}

/// Octets in hexadecimal without separators.
fn write_octets(octets: &[u8], f: &mut Formatter<'_>) -> fmt::Result {
    octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
}
