//! The data octets of one mobility option to its value.

use super::anchor::content;
use super::{
    kind, AccessTechnology, AssignedHomeAddress, Authentication, DelegatedPrefix, DhcpMode, Error,
    Experimental, HandoffIndicator, HomeNetworkPrefix, Ipv4AddressStatus, Ipv4HomeAddress,
    Ipv4HomeAddressAnswer, Lifetime, MnGroupIdentifier, MnIdentifier, MobilityOption, NatDetection,
    NtpTime, PreviousMaar, ReplayTimestamp,
};
use crate::reader::Reader;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Decodes one option that is not padding.
pub(super) fn parse_option(option: u8, data: &[u8]) -> Result<MobilityOption, Error> {
    let length = data.len();
    let misfit = || Error::OptionLength {
        kind: option,
        length,
    };
    Ok(match option {
        kind::BINDING_REFRESH_ADVICE => MobilityOption::BindingRefreshAdvice(Lifetime(
            u16::from_be_bytes(data.try_into().map_err(|_| misfit())?),
        )),
        kind::ALTERNATE_CARE_OF_ADDRESS => {
            MobilityOption::AlternateCareOfAddress(address(data).ok_or_else(misfit)?)
        }
        kind::MN_IDENTIFIER => match data {
            [] => return Err(misfit()),
            // Without an octet behind the subtype it names nobody, as in the answer to an update
            // that named nobody (RFC 5213 section 5.3.6).
            [subtype, identifier @ ..] => {
                MobilityOption::MnIdentifier(parse_identifier(*subtype, identifier))
            }
        },
        kind::AUTHENTICATION => {
            let mut reader = Reader(data);
            let (Some(subtype), Some(spi)) = (reader.octet(), reader.u32()) else {
                return Err(misfit());
            };
            MobilityOption::Authentication(Authentication {
                subtype,
                spi,
                data: reader.0.to_vec(),
            })
        }
        kind::REPLAY_PROTECTION => MobilityOption::ReplayProtection(ReplayTimestamp(
            u64::from_be_bytes(data.try_into().map_err(|_| misfit())?),
        )),
        kind::EXPERIMENTAL => MobilityOption::Experimental(parse_experimental(data)?),
        kind::SERVICE_SELECTION => match std::str::from_utf8(data) {
            Ok("") => return Err(misfit()),
            Ok(text) => MobilityOption::ServiceSelection(text.to_owned()),
            Err(_) => return Err(Error::OptionText(option)),
        },
        kind::HOME_NETWORK_PREFIX => {
            MobilityOption::HomeNetworkPrefix(prefix(data).ok_or_else(misfit)??)
        }
        kind::HANDOFF_INDICATOR => match *data {
            [_reserved, value] => MobilityOption::HandoffIndicator(HandoffIndicator(value)),
            _ => return Err(misfit()),
        },
        kind::ACCESS_TECHNOLOGY => match *data {
            [_reserved, value] => MobilityOption::AccessTechnology(AccessTechnology(value)),
            _ => return Err(misfit()),
        },
        kind::MN_LINK_LAYER_IDENTIFIER => match data {
            [_, _, identifier @ ..] => MobilityOption::MnLinkLayerIdentifier(identifier.to_vec()),
            _ => return Err(misfit()),
        },
        kind::LINK_LOCAL_ADDRESS => {
            MobilityOption::LinkLocalAddress(address(data).ok_or_else(misfit)?)
        }
        kind::TIMESTAMP => MobilityOption::Timestamp(NtpTime(u64::from_be_bytes(
            data.try_into().map_err(|_| misfit())?,
        ))),
        kind::RESTART_COUNTER => MobilityOption::RestartCounter(u32::from_be_bytes(
            data.try_into().map_err(|_| misfit())?,
        )),
        kind::IPV4_HOME_ADDRESS..=kind::GRE_KEY
        | kind::IPV4_HOME_ADDRESS_REQUEST..=kind::IPV4_DHCP_MODE => {
            parse_ipv4(option, data).ok_or_else(misfit)?
        }
        kind::LMA_ADDRESS => match (data, data.get(2..)) {
            ([1, _, ..], Some(rest)) => {
                MobilityOption::LmaAddress(IpAddr::V6(address(rest).ok_or_else(misfit)?))
            }
            ([2, _, ..], Some(rest)) => {
                MobilityOption::LmaAddress(IpAddr::V4(v4(rest).ok_or_else(misfit)?))
            }
            ([_, _, ..], _) => skipped(option, data),
            _ => return Err(misfit()),
        },
        kind::MN_GROUP_IDENTIFIER => match *data {
            [subtype, _reserved, a, b, c, d] => {
                MobilityOption::MnGroupIdentifier(MnGroupIdentifier {
                    subtype,
                    group: u32::from_be_bytes([a, b, c, d]),
                })
            }
            _ => return Err(misfit()),
        },
        kind::MAG_ADDRESS => match <&[u8; 18]>::try_from(data).map_err(|_| misfit())? {
            [_reserved, 128, octets @ ..] => MobilityOption::MagAddress(Ipv6Addr::from(*octets)),
            _ => skipped(option, data),
        },
        kind::DELEGATED_PREFIX => {
            MobilityOption::DelegatedPrefix(delegated(data).ok_or_else(misfit)??)
        }
        kind::ANCHORED_PREFIX => MobilityOption::AnchoredPrefix(prefix(data).ok_or_else(misfit)??),
        kind::LOCAL_PREFIX => MobilityOption::LocalPrefix(prefix(data).ok_or_else(misfit)??),
        kind::PREVIOUS_MAAR => match previous_maar(data) {
            Some(previous) => MobilityOption::PreviousMaar(previous?),
            None => skipped(option, data),
        },
        kind::SERVING_MAAR => MobilityOption::ServingMaar(address(data).ok_or_else(misfit)?),
        kind::DLIF_LINK_LOCAL_ADDRESS => {
            MobilityOption::DlifLinkLocalAddress(address(data).ok_or_else(misfit)?)
        }
        kind::DLIF_LINK_LAYER_ADDRESS => match data {
            [_, _, address @ ..] => MobilityOption::DlifLinkLayerAddress(address.to_vec()),
            _ => return Err(misfit()),
        },
        kind => MobilityOption::Unknown {
            kind,
            data: data.to_vec(),
        },
    })
}

fn skipped(kind: u8, data: &[u8]) -> MobilityOption {
    MobilityOption::Skipped {
        kind,
        data: data.to_vec(),
    }
}

/// A network access identifier when it is text, else what came.
fn parse_identifier(subtype: u8, identifier: &[u8]) -> MnIdentifier {
    match std::str::from_utf8(identifier) {
        Ok(text) if subtype == MnIdentifier::NAI => MnIdentifier::Nai(text.to_owned()),
        _ => MnIdentifier::Other {
            subtype,
            data: identifier.to_vec(),
        },
    }
}

/// The draft profile's options, where the octets are theirs from first to last.
pub(super) fn parse_experimental(data: &[u8]) -> Result<Experimental, Error> {
    Ok(match *data {
        [content::BINDING_CACHE_CONFIRMATION] => Experimental::BindingCacheConfirmation,
        [content::ASSIGNED_HOME_ADDRESS, prefix_length, ref octets @ ..] => match address(octets) {
            Some(_) if prefix_length > 128 => return Err(Error::PrefixLength(prefix_length)),
            Some(address) => Experimental::AssignedHomeAddress(AssignedHomeAddress {
                address,
                prefix_length,
            }),
            None => Experimental::Other(data.to_vec()),
        },
        _ => Experimental::Other(data.to_vec()),
    })
}

/// The options about IPv4; `None` for a length that does not fit.
fn parse_ipv4(option: u8, data: &[u8]) -> Option<MobilityOption> {
    if option == kind::IPV4_DHCP_MODE {
        return match *data {
            [_reserved, mode] if mode & 1 == 0 => {
                Some(MobilityOption::Ipv4DhcpMode(DhcpMode::Relay))
            }
            [_, _] => Some(MobilityOption::Ipv4DhcpMode(DhcpMode::Server)),
            _ => None,
        };
    }
    if option == kind::GRE_KEY && data.len() == 2 {
        return Some(MobilityOption::GreKey(None));
    }
    let [first, second, word @ ..] = *<&[u8; 6]>::try_from(data).ok()?;
    let address = Ipv4Addr::from(word);
    let home = |octet: u8| Ipv4HomeAddress {
        address,
        prefix_length: octet >> 2,
    };
    let answer = Ipv4HomeAddressAnswer {
        status: Ipv4AddressStatus(first),
        home: home(second),
    };
    Some(match option {
        kind::IPV4_HOME_ADDRESS => MobilityOption::Ipv4HomeAddress {
            home: home(first),
            prefix_requested: first & 0x02 != 0,
        },
        kind::IPV4_ADDRESS_ACKNOWLEDGEMENT => MobilityOption::Ipv4AddressAcknowledgement(answer),
        kind::NAT_DETECTION => MobilityOption::NatDetection(NatDetection {
            force_udp: first & 0x80 != 0,
            refresh_secs: u32::from_be_bytes(word),
        }),
        kind::IPV4_CARE_OF_ADDRESS => MobilityOption::Ipv4CareOfAddress(address),
        kind::GRE_KEY => MobilityOption::GreKey(Some(u32::from_be_bytes(word))),
        kind::IPV4_HOME_ADDRESS_REQUEST => MobilityOption::Ipv4HomeAddressRequest(home(first)),
        kind::IPV4_HOME_ADDRESS_REPLY => MobilityOption::Ipv4HomeAddressReply(answer),
        _ => MobilityOption::Ipv4DefaultRouter(address),
    })
}

/// A reserved octet, a length and a prefix; `None` for another size.
fn prefix(data: &[u8]) -> Option<Result<HomeNetworkPrefix, Error>> {
    let [_reserved, length, octets @ ..] = *<&[u8; 18]>::try_from(data).ok()?;
    Some(prefix_of(Ipv6Addr::from(octets), length))
}

fn prefix_of(address: Ipv6Addr, length: u8) -> Result<HomeNetworkPrefix, Error> {
    HomeNetworkPrefix::new(address, length).ok_or(Error::PrefixLength(length))
}

fn previous_maar(data: &[u8]) -> Option<Result<PreviousMaar, Error>> {
    let [_reserved, length, ref octets @ ..] = *<&[u8; 34]>::try_from(data).ok()?;
    let mut reader = Reader(octets);
    let (address, prefix) = (reader.address()?, reader.address()?);
    Some(prefix_of(prefix, length).map(|prefix| PreviousMaar { address, prefix }))
}

fn delegated(data: &[u8]) -> Option<Result<DelegatedPrefix, Error>> {
    match *data {
        [flags, length, ref octets @ ..] if flags & 0x80 != 0 => {
            let prefix = DelegatedPrefix::v4(v4(octets)?, length);
            Some(prefix.ok_or(Error::PrefixLength(length)))
        }
        [_, length, ref octets @ ..] => {
            Some(prefix_of(address(octets)?, length).map(DelegatedPrefix::V6))
        }
        _ => None,
    }
}

/// Exactly sixteen octets as an address.
fn address(data: &[u8]) -> Option<Ipv6Addr> {
    <[u8; 16]>::try_from(data).ok().map(Ipv6Addr::from)
}

/// Exactly four octets as an address.
fn v4(data: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(data).ok().map(Ipv4Addr::from)
}
