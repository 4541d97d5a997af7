//! Messages in one line of text, for traces and for people.

use super::{NdMessage, NdOption, PrefixInformation, RouterFlags};
use std::fmt::{self, Display, Formatter};

/// `RA hop limit 64 lifetime 1800 s prefix 2001:db8::/64 L A valid 300 s preferred 300 s`.
impl Display for NdMessage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::RouterSolicitation(_) => f.write_str("RS")?,
            Self::RouterAdvertisement(advertisement) => {
                write!(
                    f,
                    "RA hop limit {} lifetime {} s",
                    advertisement.hop_limit, advertisement.router_lifetime
                )?;
                if advertisement.flags != RouterFlags::default() {
                    write!(f, " flags {:#04x}", advertisement.flags.0)?;
                }
            }
            Self::NeighbourSolicitation(solicitation) => write!(f, "NS {}", solicitation.target)?,
            Self::NeighbourAdvertisement(advertisement) => {
                write!(f, "NA {}", advertisement.target)?;
                write_flags(
                    &[
                        (advertisement.router, " R"),
                        (advertisement.solicited, " S"),
                        (advertisement.override_cache, " O"),
                    ],
                    f,
                )?;
            }
        }
        self.options()
            .iter()
            .try_for_each(|option| write!(f, " {option}"))
    }
}

impl Display for NdOption {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::SourceLinkLayer(mac) => write!(f, "source {mac}"),
            Self::TargetLinkLayer(mac) => write!(f, "target {mac}"),
            Self::PrefixInformation(information) => Display::fmt(information, f),
            Self::Mtu(mtu) => write!(f, "MTU {mtu}"),
            Self::Unknown { kind, data } => {
                write!(f, "option {kind} with {} octets", data.len())
            }
        }
    }
}

impl Display for PrefixInformation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "prefix {}/{}", self.prefix, self.length)?;
        write_flags(
            &[
                (self.on_link, " L"),
                (self.autonomous, " A"),
                (self.router_address, " R"),
            ],
            f,
        )?;
        for (name, seconds) in [("valid", self.valid), ("preferred", self.preferred)] {
            match seconds {
                u32::MAX => write!(f, " {name} infinite")?,
                _ => write!(f, " {name} {seconds} s")?,
            }
        }
        Ok(())
    }
}

/// Writes the names of those flags that are set.
fn write_flags(flags: &[(bool, &str)], f: &mut Formatter<'_>) -> fmt::Result {
    flags
        .iter()
        .filter(|(set, _)| *set)
        .try_for_each(|(_, name)| f.write_str(name))
}
