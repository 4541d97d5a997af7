//! Messages and options of every kind, for the property tests.

use super::*;
use std::net::{IpAddr, Ipv4Addr};

fn address() -> impl Strategy<Value = Ipv6Addr> {
    any::<u128>().prop_map(Ipv6Addr::from_bits)
}

fn v4() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from_bits)
}

fn prefix() -> impl Strategy<Value = HomeNetworkPrefix> {
    (address(), 0..=128u8)
        .prop_map(|(address, length)| HomeNetworkPrefix::new(address, length).unwrap())
}

fn base_option() -> impl Strategy<Value = MobilityOption> {
    let unknown_kind = any::<u8>().prop_filter("unknown", |kind| !kind::is_known(*kind));
    prop_oneof![
        any::<u16>().prop_map(|n| MobilityOption::BindingRefreshAdvice(Lifetime(n))),
        address().prop_map(MobilityOption::AlternateCareOfAddress),
        "\\PC{0,60}".prop_map(|text| MobilityOption::MnIdentifier(MnIdentifier::Nai(text))),
        (2u8.., vec(any::<u8>(), 0..255)).prop_map(|(subtype, data)| {
            MobilityOption::MnIdentifier(MnIdentifier::Other { subtype, data })
        }),
        prefix().prop_map(MobilityOption::HomeNetworkPrefix),
        any::<u8>().prop_map(|n| MobilityOption::HandoffIndicator(HandoffIndicator(n))),
        any::<u8>().prop_map(|n| MobilityOption::AccessTechnology(AccessTechnology(n))),
        vec(any::<u8>(), 0..254).prop_map(MobilityOption::MnLinkLayerIdentifier),
        address().prop_map(MobilityOption::LinkLocalAddress),
        any::<u64>().prop_map(|n| MobilityOption::Timestamp(NtpTime(n))),
        (unknown_kind, vec(any::<u8>(), 0..256))
            .prop_map(|(kind, data)| MobilityOption::Unknown { kind, data }),
    ]
}

fn ipv4_option() -> impl Strategy<Value = MobilityOption> {
    let home = || {
        (v4(), 0..64u8).prop_map(|(address, prefix_length)| Ipv4HomeAddress {
            address,
            prefix_length,
        })
    };
    let answer = move || {
        (any::<u8>(), home()).prop_map(|(status, home)| Ipv4HomeAddressAnswer {
            status: Ipv4AddressStatus(status),
            home,
        })
    };
    prop_oneof![
        (home(), any::<bool>()).prop_map(|(home, prefix_requested)| {
            MobilityOption::Ipv4HomeAddress {
                home,
                prefix_requested,
            }
        }),
        answer().prop_map(MobilityOption::Ipv4AddressAcknowledgement),
        (any::<bool>(), any::<u32>()).prop_map(|(force_udp, refresh_secs)| {
            MobilityOption::NatDetection(NatDetection {
                force_udp,
                refresh_secs,
            })
        }),
        v4().prop_map(MobilityOption::Ipv4CareOfAddress),
        any::<Option<u32>>().prop_map(MobilityOption::GreKey),
        home().prop_map(MobilityOption::Ipv4HomeAddressRequest),
        answer().prop_map(MobilityOption::Ipv4HomeAddressReply),
        v4().prop_map(MobilityOption::Ipv4DefaultRouter),
        prop_oneof![Just(DhcpMode::Relay), Just(DhcpMode::Server)]
            .prop_map(MobilityOption::Ipv4DhcpMode),
        (v4(), 0..=32u8).prop_map(|(address, length)| {
            MobilityOption::DelegatedPrefix(DelegatedPrefix::v4(address, length).unwrap())
        }),
        v4().prop_map(|address| MobilityOption::LmaAddress(IpAddr::V4(address))),
    ]
}

fn later_option() -> impl Strategy<Value = MobilityOption> {
    prop_oneof![
        any::<u64>().prop_map(|n| MobilityOption::ReplayProtection(ReplayTimestamp(n))),
        Just(MobilityOption::Experimental(
            Experimental::BindingCacheConfirmation
        )),
        (address(), 0..=128u8).prop_map(|(address, prefix_length)| {
            MobilityOption::Experimental(Experimental::AssignedHomeAddress(AssignedHomeAddress {
                address,
                prefix_length,
            }))
        }),
        vec(4u8.., 0..256).prop_map(|data| MobilityOption::Experimental(Experimental::Other(data))),
        "\\PC{1,60}".prop_map(MobilityOption::ServiceSelection),
        any::<u32>().prop_map(MobilityOption::RestartCounter),
        address().prop_map(|address| MobilityOption::LmaAddress(IpAddr::V6(address))),
        (any::<u8>(), any::<u32>()).prop_map(|(subtype, group)| {
            MobilityOption::MnGroupIdentifier(MnGroupIdentifier { subtype, group })
        }),
        address().prop_map(MobilityOption::MagAddress),
        prefix().prop_map(|prefix| MobilityOption::DelegatedPrefix(DelegatedPrefix::V6(prefix))),
        prefix().prop_map(MobilityOption::AnchoredPrefix),
        prefix().prop_map(MobilityOption::LocalPrefix),
        (address(), prefix()).prop_map(|(address, prefix)| {
            MobilityOption::PreviousMaar(PreviousMaar { address, prefix })
        }),
        address().prop_map(MobilityOption::ServingMaar),
        address().prop_map(MobilityOption::DlifLinkLocalAddress),
        vec(any::<u8>(), 0..254).prop_map(MobilityOption::DlifLinkLayerAddress),
        vec(any::<u8>(), 0..34).prop_map(|data| MobilityOption::Skipped { kind: 67, data }),
        vec(3u8.., 2..20).prop_map(|data| MobilityOption::Skipped { kind: 41, data }),
    ]
}

/// One authentication option, or none.
fn authentication() -> impl Strategy<Value = Vec<MobilityOption>> {
    let one = (any::<u8>(), any::<u32>(), vec(any::<u8>(), 0..40));
    vec(one, 0..2).prop_map(|found| {
        let option = |(subtype, spi, data)| {
            MobilityOption::Authentication(Authentication { subtype, spi, data })
        };
        found.into_iter().map(option).collect()
    })
}

fn options() -> impl Strategy<Value = Vec<MobilityOption>> {
    let option = prop_oneof![base_option(), ipv4_option(), later_option()];
    (vec(option, 0..7), authentication())
        .prop_map(|(options, authentication)| [options, authentication].concat())
}

pub(super) fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        options().prop_map(|options| {
            Message::BindingRefreshRequest(BindingRefreshRequest { options })
        }),
        (any::<[u16; 3]>(), options()).prop_map(|([sequence, flags, lifetime], options)| {
            Message::BindingUpdate(BindingUpdate {
                sequence,
                flags: UpdateFlags(flags),
                lifetime: Lifetime(lifetime),
                options,
            })
        }),
        (any::<[u8; 2]>(), any::<[u16; 2]>(), options()).prop_map(
            |([status, flags], [sequence, lifetime], options)| {
                Message::BindingAcknowledgement(BindingAcknowledgement {
                    status: Status(status),
                    flags: AcknowledgementFlags(flags),
                    sequence,
                    lifetime: Lifetime(lifetime),
                    options,
                })
            }
        ),
        (any::<u8>(), address(), options()).prop_map(|(status, home_address, options)| {
            Message::BindingError(BindingError {
                status,
                home_address,
                options,
            })
        }),
        (any::<[bool; 2]>(), any::<u32>(), options()).prop_map(
            |([unsolicited, response], sequence, options)| {
                Message::Heartbeat(Heartbeat {
                    unsolicited,
                    response,
                    sequence,
                    options,
                })
            }
        ),
        (any::<u8>(), any::<[u16; 2]>(), options()).prop_map(
            |(trigger, [sequence, flags], options)| {
                Message::RevocationIndication(RevocationIndication {
                    trigger: RevocationTrigger(trigger),
                    sequence,
                    flags: RevocationFlags(flags),
                    options,
                })
            }
        ),
        (any::<u8>(), any::<[u16; 2]>(), options()).prop_map(
            |(status, [sequence, flags], options)| {
                Message::RevocationAcknowledgement(RevocationAcknowledgement {
                    status: RevocationStatus(status),
                    sequence,
                    flags: RevocationFlags(flags),
                    options,
                })
            }
        ),
        (17u8.., 0..30usize, any::<u8>()).prop_map(|(mh_type, words, octet)| Message::Other {
            mh_type,
            data: vec![octet; words * 8 + 2],
        }),
    ]
}
