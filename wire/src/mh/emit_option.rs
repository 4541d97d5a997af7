//! One mobility option to octets: its length, its alignment, its data, and the padding around it.

use super::anchor::content;
use super::ipv4::MAX_PREFIX_LENGTH;
use super::parse_option::{parse_experimental, parse_option};
use super::{
    kind, Authentication, DelegatedPrefix, DhcpMode, EmitError, Experimental, HomeNetworkPrefix,
    Ipv4HomeAddress, Ipv4HomeAddressAnswer, MobilityOption,
};
use std::net::IpAddr;

impl MobilityOption {
    /// Octets of option data, type and length left out.
    pub(super) fn data_len(&self) -> usize {
        match self {
            Self::BindingRefreshAdvice(_)
            | Self::HandoffIndicator(_)
            | Self::AccessTechnology(_)
            | Self::GreKey(None)
            | Self::Ipv4DhcpMode(_) => 2,
            Self::RestartCounter(_) => 4,
            Self::Ipv4HomeAddress { .. }
            | Self::Ipv4AddressAcknowledgement(_)
            | Self::NatDetection(_)
            | Self::Ipv4CareOfAddress(_)
            | Self::GreKey(Some(_))
            | Self::Ipv4HomeAddressRequest(_)
            | Self::Ipv4HomeAddressReply(_)
            | Self::Ipv4DefaultRouter(_)
            | Self::LmaAddress(IpAddr::V4(_))
            | Self::MnGroupIdentifier(_)
            | Self::DelegatedPrefix(DelegatedPrefix::V4 { .. }) => 6,
            Self::Timestamp(_) | Self::ReplayProtection(_) => 8,
            Self::AlternateCareOfAddress(_)
            | Self::LinkLocalAddress(_)
            | Self::ServingMaar(_)
            | Self::DlifLinkLocalAddress(_) => 16,
            Self::HomeNetworkPrefix(_)
            | Self::LmaAddress(IpAddr::V6(_))
            | Self::MagAddress(_)
            | Self::DelegatedPrefix(DelegatedPrefix::V6(_))
            | Self::AnchoredPrefix(_)
            | Self::LocalPrefix(_) => 18,
            Self::PreviousMaar(_) => 34,
            Self::MnIdentifier(identifier) => 1 + identifier.as_bytes().len(),
            Self::Authentication(authentication) => 5 + authentication.data.len(),
            Self::Experimental(Experimental::BindingCacheConfirmation) => 1,
            Self::Experimental(Experimental::AssignedHomeAddress(_)) => 18,
            Self::Experimental(Experimental::Other(data)) => data.len(),
            Self::ServiceSelection(text) => text.len(),
            Self::MnLinkLayerIdentifier(octets) | Self::DlifLinkLayerAddress(octets) => {
                2 + octets.len()
            }
            Self::Skipped { data, .. } | Self::Unknown { data, .. } => data.len(),
        }
    }

    /// The alignment `xn+y` of the option's type octet, as `(x, y)`.
    fn alignment(&self) -> (usize, usize) {
        match self {
            Self::BindingRefreshAdvice(_) => (2, 0),
            Self::AlternateCareOfAddress(_)
            | Self::LinkLocalAddress(_)
            | Self::ServingMaar(_)
            | Self::DlifLinkLocalAddress(_) => (8, 6),
            Self::HomeNetworkPrefix(_)
            | Self::LmaAddress(_)
            | Self::MagAddress(_)
            | Self::AnchoredPrefix(_)
            | Self::LocalPrefix(_)
            | Self::PreviousMaar(_) => (8, 4),
            Self::Timestamp(_) | Self::ReplayProtection(_) | Self::DelegatedPrefix(_) => (8, 2),
            Self::RestartCounter(_) => (4, 2),
            Self::Ipv4HomeAddress { .. }
            | Self::Ipv4AddressAcknowledgement(_)
            | Self::NatDetection(_)
            | Self::Ipv4CareOfAddress(_)
            | Self::GreKey(_)
            | Self::Ipv4HomeAddressRequest(_)
            | Self::Ipv4HomeAddressReply(_)
            | Self::Ipv4DefaultRouter(_)
            | Self::MnGroupIdentifier(_) => (4, 0),
            Self::Authentication(authentication) => place_at_the_end(authentication),
            // By the size of the identifier (RFC 5213 section 8.6, RFC 8885 section 4.8), which
            // starts four octets on.
            Self::MnLinkLayerIdentifier(octets) | Self::DlifLinkLayerAddress(octets) => {
                match octets.len() {
                    length if length % 8 == 0 => (8, 4),
                    length if length % 4 == 0 => (4, 0),
                    length if length % 2 == 0 => (2, 0),
                    _ => (1, 0),
                }
            }
            Self::MnIdentifier(_)
            | Self::Experimental(_)
            | Self::ServiceSelection(_)
            | Self::HandoffIndicator(_)
            | Self::AccessTechnology(_)
            | Self::Ipv4DhcpMode(_)
            | Self::Skipped { .. }
            | Self::Unknown { .. } => (1, 0),
        }
    }

    /// Refuses what would not parse back to the same value.
    pub(super) fn check(&self) -> Result<(), EmitError> {
        if let Some(prefix) = self.prefix().filter(|prefix| !prefix.is_well_formed()) {
            return Err(EmitError::Prefix(prefix));
        }
        let fits = match self {
            Self::Unknown { kind, .. } if kind::is_known(*kind) => {
                return Err(EmitError::KnownOption(*kind));
            }
            Self::Skipped { kind, data } => {
                matches!(parse_option(*kind, data), Ok(Self::Skipped { .. }))
            }
            Self::Experimental(Experimental::AssignedHomeAddress(home)) => {
                home.prefix_length <= 128
            }
            Self::Experimental(other) => match other {
                Experimental::Other(data) => parse_experimental(data).as_ref() == Ok(other),
                _ => true,
            },
            Self::ServiceSelection(text) => !text.is_empty(),
            Self::Ipv4HomeAddress { home, .. }
            | Self::Ipv4HomeAddressRequest(home)
            | Self::Ipv4AddressAcknowledgement(Ipv4HomeAddressAnswer { home, .. })
            | Self::Ipv4HomeAddressReply(Ipv4HomeAddressAnswer { home, .. }) => {
                home.prefix_length <= MAX_PREFIX_LENGTH
            }
            Self::DelegatedPrefix(prefix) => prefix.is_well_formed(),
            _ => true,
        };
        if !fits {
            return Err(EmitError::OptionValue(self.kind()));
        }
        match self.data_len() {
            0..=255 => Ok(()),
            octets => Err(EmitError::OptionTooLong {
                kind: self.kind(),
                octets,
            }),
        }
    }

    /// The IPv6 prefix that the option holds, if it holds one.
    const fn prefix(&self) -> Option<HomeNetworkPrefix> {
        match self {
            Self::HomeNetworkPrefix(prefix)
            | Self::AnchoredPrefix(prefix)
            | Self::LocalPrefix(prefix) => Some(*prefix),
            Self::PreviousMaar(previous) => Some(previous.prefix),
            _ => None,
        }
    }
}

/// Alignment 4n+1, and where that is possible the one place of the two in eight octets from which
/// the option ends with the message: padding behind it would not be covered by its data.
fn place_at_the_end(authentication: &Authentication) -> (usize, usize) {
    let octets = 2 + 5 + authentication.data.len();
    let phase = octets.next_multiple_of(8) - octets;
    if phase % 4 == 1 {
        (8, phase)
    } else {
        (4, 1)
    }
}

/// Padding octets needed before `option` when `at` octets of the message are written.
pub(super) fn padding_before(at: usize, option: &MobilityOption) -> usize {
    let (unit, phase) = option.alignment();
    (unit + phase - at % unit) % unit
}

/// Writes `octets` of padding: nothing, Pad1 or PadN.
pub(super) fn emit_padding(octets: usize, out: &mut Vec<u8>) {
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
pub(super) fn emit_option(option: &MobilityOption, out: &mut Vec<u8>) {
    out.extend([option.kind(), option.data_len() as u8]);
    match option {
        MobilityOption::BindingRefreshAdvice(interval) => out.extend(interval.0.to_be_bytes()),
        MobilityOption::AlternateCareOfAddress(address)
        | MobilityOption::LinkLocalAddress(address)
        | MobilityOption::ServingMaar(address)
        | MobilityOption::DlifLinkLocalAddress(address) => out.extend(address.octets()),
        MobilityOption::MnIdentifier(identifier) => {
            out.push(identifier.subtype());
            out.extend(identifier.as_bytes());
        }
        MobilityOption::Authentication(authentication) => {
            out.push(authentication.subtype);
            out.extend(authentication.spi.to_be_bytes());
            out.extend(&authentication.data);
        }
        MobilityOption::ReplayProtection(time) => out.extend(time.0.to_be_bytes()),
        MobilityOption::Experimental(Experimental::BindingCacheConfirmation) => {
            out.push(content::BINDING_CACHE_CONFIRMATION);
        }
        MobilityOption::Experimental(Experimental::AssignedHomeAddress(home)) => {
            out.extend([content::ASSIGNED_HOME_ADDRESS, home.prefix_length]);
            out.extend(home.address.octets());
        }
        MobilityOption::ServiceSelection(text) => out.extend(text.as_bytes()),
        MobilityOption::HomeNetworkPrefix(prefix)
        | MobilityOption::AnchoredPrefix(prefix)
        | MobilityOption::LocalPrefix(prefix) => {
            out.extend([0, prefix.length]);
            out.extend(prefix.prefix.octets());
        }
        MobilityOption::HandoffIndicator(indicator) => out.extend([0, indicator.0]),
        MobilityOption::AccessTechnology(technology) => out.extend([0, technology.0]),
        MobilityOption::MnLinkLayerIdentifier(octets)
        | MobilityOption::DlifLinkLayerAddress(octets) => {
            out.extend([0, 0]);
            out.extend(octets);
        }
        MobilityOption::Timestamp(time) => out.extend(time.0.to_be_bytes()),
        MobilityOption::RestartCounter(count) => out.extend(count.to_be_bytes()),
        MobilityOption::Ipv4HomeAddress {
            home,
            prefix_requested,
        } => emit_ipv4_home(home, u8::from(*prefix_requested) << 1, out),
        MobilityOption::Ipv4HomeAddressRequest(home) => emit_ipv4_home(home, 0, out),
        MobilityOption::Ipv4AddressAcknowledgement(answer)
        | MobilityOption::Ipv4HomeAddressReply(answer) => {
            out.extend([answer.status.0, answer.home.prefix_length << 2]);
            out.extend(answer.home.address.octets());
        }
        MobilityOption::NatDetection(detection) => {
            out.extend([u8::from(detection.force_udp) << 7, 0]);
            out.extend(detection.refresh_secs.to_be_bytes());
        }
        MobilityOption::Ipv4CareOfAddress(address) | MobilityOption::Ipv4DefaultRouter(address) => {
            out.extend([0, 0]);
            out.extend(address.octets());
        }
        MobilityOption::GreKey(key) => {
            out.extend([0, 0]);
            out.extend(key.iter().flat_map(|key| key.to_be_bytes()));
        }
        MobilityOption::Ipv4DhcpMode(mode) => out.extend([0, u8::from(*mode == DhcpMode::Server)]),
        MobilityOption::LmaAddress(IpAddr::V6(address)) => {
            out.extend([1, 0]);
            out.extend(address.octets());
        }
        MobilityOption::LmaAddress(IpAddr::V4(address)) => {
            out.extend([2, 0]);
            out.extend(address.octets());
        }
        MobilityOption::MnGroupIdentifier(identifier) => {
            out.extend([identifier.subtype, 0]);
            out.extend(identifier.group.to_be_bytes());
        }
        MobilityOption::MagAddress(address) => {
            out.extend([0, 128]);
            out.extend(address.octets());
        }
        MobilityOption::DelegatedPrefix(DelegatedPrefix::V4 { prefix, length }) => {
            out.extend([0x80, *length]);
            out.extend(prefix.octets());
        }
        MobilityOption::DelegatedPrefix(DelegatedPrefix::V6(prefix)) => {
            out.extend([0, prefix.length]);
            out.extend(prefix.prefix.octets());
        }
        MobilityOption::PreviousMaar(previous) => {
            out.extend([0, previous.prefix.length]);
            out.extend(previous.address.octets());
            out.extend(previous.prefix.prefix.octets());
        }
        MobilityOption::Experimental(Experimental::Other(data))
        | MobilityOption::Skipped { data, .. }
        | MobilityOption::Unknown { data, .. } => out.extend(data),
    }
}

/// Six bits of prefix length over two of flags, a reserved octet, and the address.
fn emit_ipv4_home(home: &Ipv4HomeAddress, flags: u8, out: &mut Vec<u8>) {
    out.extend([home.prefix_length << 2 | flags, 0]);
    out.extend(home.address.octets());
}
