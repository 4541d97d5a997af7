//! Messages in one line of text, for traces and for people.

use super::{
    AcknowledgementFlags, BindingAcknowledgement, BindingError, BindingUpdate, DelegatedPrefix,
    DhcpMode, Experimental, HomeNetworkPrefix, Ipv4HomeAddress, Ipv4HomeAddressAnswer, Lifetime,
    Message, MnIdentifier, MobilityOption, NtpTime, RevocationFlags, UpdateFlags,
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
            Self::Heartbeat(heartbeat) => {
                let name = match (heartbeat.response, heartbeat.unsolicited) {
                    (false, _) => "Heartbeat request",
                    (true, false) => "Heartbeat response",
                    (true, true) => "Heartbeat unsolicited",
                };
                write!(f, "{name} seq {}", heartbeat.sequence)?;
            }
            Self::RevocationIndication(indication) => {
                let (sequence, trigger) = (indication.sequence, indication.trigger);
                write!(f, "BRI seq {sequence} trigger {trigger}")?;
                write_revocation_flags(indication.flags, f)?;
            }
            Self::RevocationAcknowledgement(answer) => {
                write!(f, "BRA seq {} status {}", answer.sequence, answer.status)?;
                write_revocation_flags(answer.flags, f)?;
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

/// Flags where they are other than those of one proxy binding.
fn write_revocation_flags(flags: RevocationFlags, f: &mut Formatter<'_>) -> fmt::Result {
    if flags != RevocationFlags::PROXY {
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
            Self::Authentication(authentication) => {
                // What authenticates a message is nobody's to read.
                let (subtype, spi) = (authentication.subtype, authentication.spi);
                write!(f, "AUTH {subtype} SPI {spi}")
            }
            Self::ReplayProtection(time) => write!(f, "MESG-ID {:#018x}", time.0),
            Self::Experimental(content) => Display::fmt(content, f),
            Self::ServiceSelection(text) => {
                f.write_str("service ")?;
                write_text(text, f)
            }
            Self::RestartCounter(count) => write!(f, "restarts {count}"),
            Self::Ipv4HomeAddress {
                home,
                prefix_requested,
            } => {
                let asked = if *prefix_requested { " prefix" } else { "" };
                write!(f, "IPv4 HoA {home}{asked}")
            }
            Self::Ipv4AddressAcknowledgement(answer) => write!(f, "IPv4 ack {answer}"),
            Self::NatDetection(detection) => {
                let forced = if detection.force_udp { " F" } else { "" };
                write!(f, "NAT refresh {} s{forced}", detection.refresh_secs)
            }
            Self::Ipv4CareOfAddress(address) => write!(f, "IPv4 CoA {address}"),
            Self::GreKey(Some(key)) => write!(f, "GRE key {key}"),
            Self::GreKey(None) => f.write_str("GRE key -"),
            Self::Ipv4HomeAddressRequest(home) => write!(f, "IPv4 HoA request {home}"),
            Self::Ipv4HomeAddressReply(answer) => write!(f, "IPv4 HoA reply {answer}"),
            Self::Ipv4DefaultRouter(address) => write!(f, "IPv4 router {address}"),
            Self::Ipv4DhcpMode(DhcpMode::Relay) => f.write_str("DHCPv4 relay"),
            Self::Ipv4DhcpMode(DhcpMode::Server) => f.write_str("DHCPv4 server"),
            Self::LmaAddress(address) => write!(f, "LMAA {address}"),
            Self::MnGroupIdentifier(group) => write!(f, "group {}:{}", group.subtype, group.group),
            Self::MagAddress(address) => write!(f, "MAG {address}"),
            Self::DelegatedPrefix(DelegatedPrefix::V4 { prefix, length }) => {
                write!(f, "DMNP {prefix}/{length}")
            }
            Self::DelegatedPrefix(DelegatedPrefix::V6(prefix)) => write!(f, "DMNP {prefix}"),
            Self::AnchoredPrefix(prefix) => write!(f, "anchored {prefix}"),
            Self::LocalPrefix(prefix) => write!(f, "local {prefix}"),
            Self::PreviousMaar(previous) => {
                write!(f, "previous {} {}", previous.address, previous.prefix)
            }
            Self::ServingMaar(address) => write!(f, "serving {address}"),
            Self::DlifLinkLocalAddress(address) => write!(f, "DLIF {address}"),
            Self::DlifLinkLayerAddress(octets) => {
                f.write_str("DLIF MAC ")?;
                write_octets(octets, f)
            }
            Self::Skipped { kind, data } => {
                write!(f, "skipped option {kind} ")?;
                write_octets(data, f)
            }
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
            Self::Nai(text) => write_text(text, f),
            Self::Other { subtype, data } => {
                write!(f, "{subtype}:")?;
                write_octets(data, f)
            }
        }
    }
}

impl Display for Experimental {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::BindingCacheConfirmation => f.write_str("BCC"),
            Self::AssignedHomeAddress(home) => {
                write!(f, "assigned HoA {}/{}", home.address, home.prefix_length)
            }
            Self::Other(data) => {
                f.write_str("experimental ")?;
                write_octets(data, f)
            }
        }
    }
}

/// `192.0.2.1/24`.
impl Display for Ipv4HomeAddress {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_length)
    }
}

/// The status where it is a refusal, then the address.
impl Display for Ipv4HomeAddressAnswer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.status.0 != 0 {
            write!(f, "status {} ", self.status)?;
        }
        Display::fmt(&self.home, f)
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
        write_flags(self.0, 0x8000, "AHLKMRPFTBSD", f)
    }
}

/// As for [`UpdateFlags`].
impl Display for AcknowledgementFlags {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_flags(self.0.into(), 0x80, "KRPTBSD", f)
    }
}

/// As for [`UpdateFlags`].
impl Display for RevocationFlags {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_flags(self.0, 0x8000, "PVG", f)
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

/// Text as it is, control characters escaped.
fn write_text(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    text.chars().try_for_each(|character| {
        if character.is_control() {
            write!(f, "{}", character.escape_default())
        } else {
            f.write_char(character)
        }
    })
}

/// Octets in hexadecimal without separators.
fn write_octets(octets: &[u8], f: &mut Formatter<'_>) -> fmt::Result {
    octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
}
