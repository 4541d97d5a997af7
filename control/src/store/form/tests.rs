//! Every record with a form of its own is read as it was written.

use super::*;
use proptest::prelude::*;
use roles::effect::{Ipv4Service, Learned};
use roles::event::HostLink;
use roles::lma::BindingKind;
use roles::mag::VisitorAddress;
use roles::policy::{Ipv4HomeAddress, Profile};
use roles::store::VisitorRecord;
use std::net::IpAddr;
use wire::ether::MacAddr;
use wire::mh::DhcpMode;

fn prefix(number: u64) -> HomeNetworkPrefix {
    let prefix = Ipv6Addr::from_bits(0x2001_0db8_u128 << 96 | u128::from(number) << 64);
    HomeNetworkPrefix { prefix, length: 64 }
}

fn prefixes(count: u64) -> Vec<HomeNetworkPrefix> {
    (0..count).map(prefix).collect()
}

fn encapsulation() -> impl Strategy<Value = Encapsulation> {
    let keys = GreKeys {
        send: 7,
        receive: u32::MAX,
    };
    prop::sample::select(vec![
        Encapsulation::Plain,
        Encapsulation::Udp,
        Encapsulation::Gre { keys: None },
        Encapsulation::Gre { keys: Some(keys) },
    ])
}

fn identifier() -> impl Strategy<Value = MnIdentifier> {
    prop_oneof![
        ".{0,40}".prop_map(MnIdentifier::Nai),
        (2..=255_u8, prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(subtype, data)| MnIdentifier::Other { subtype, data }),
    ]
}

prop_compose! {
    fn any_binding()(
        mn_identifier in identifier(),
        counts in prop::array::uniform3(0..4_u64),
        numbers in any::<(u64, u128, u32, u16, u8, u8)>(),
        link_layer in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
        encapsulation in encapsulation(),
        has in any::<[bool; 7]>(),
        ends in any::<Duration>(),
    ) -> BindingRecord {
        let (session, address, ipv4, sequence, access_technology, handoff) = numbers;
        BindingRecord {
            session,
            kind: if has[6] { BindingKind::Mobile } else { BindingKind::Proxy },
            mn_identifier: mn_identifier.clone(),
            prefixes: prefixes(counts[0]),
            delegated: prefixes(counts[1]),
            home_addresses: vec![address.into(); counts[2] as usize],
            ipv4_home_address: has[0].then(|| ipv4.into()),
            domain: has[1].then(|| "red".parse().unwrap()),
            care_of: address.rotate_left(64).into(),
            encapsulation,
            link_layer: link_layer.clone(),
            access_technology: AccessTechnology(access_technology),
            handoff: HandoffIndicator(handoff),
            attached: has[2],
            link_local: if has[3] { address.rotate_left(8).into() } else { Ipv6Addr::UNSPECIFIED },
            sequence,
            timestamp: has[4].then_some(NtpTime(session)),
            pending: has[5],
            ends,
        }
    }
}

prop_compose! {
    fn any_visitor()(
        mn_identifier in identifier(),
        counts in prop::array::uniform4(0..4_u64),
        numbers in any::<(u128, u32, u16, u16, u8)>(),
        mac in any::<[u8; 6]>(),
        encapsulation in encapsulation(),
        service in prop::option::of(".{0,20}"),
        server in prop::option::of(any::<IpAddr>()),
        learned in prop::sample::select(vec![Learned::Dad, Learned::Packet, Learned::Dhcp]),
        has in any::<[bool; 11]>(),
        times in any::<(Duration, Duration)>(),
    ) -> VisitorRecord {
        let (address, ipv4, interface, sequence, length) = numbers;
        let held = VisitorAddress { address: address.into(), learned };
        VisitorRecord {
            link: HostLink { interface, mac: MacAddr(mac) },
            link_local: has[0].then(|| address.rotate_left(8).into()),
            addresses: vec![held; counts[0] as usize],
            dhcp_server: server,
            profile: Profile {
                mn_identifier: mn_identifier.clone(),
                lma: address.rotate_left(64).into(),
                home_network_prefixes: prefixes(counts[1]),
                managed: has[1],
                other: has[2],
                ipv4_home_address: has[3].then(|| Ipv4HomeAddress { address: ipv4.into(), length }),
                ipv6: has[4],
                service_selection: service.clone(),
                domain: has[5].then(|| "red".parse().unwrap()),
                learn_addresses: has[6],
                simultaneous: has[7],
                mobility: has[8],
            },
            prefixes: prefixes(counts[2]),
            delegated: prefixes(counts[3]),
            ipv4: has[9].then(|| Ipv4Service {
                address: ipv4.into(),
                prefix_length: length,
                router: (!ipv4).into(),
                dhcp: if has[10] { DhcpMode::Relay } else { DhcpMode::Server },
            }),
            encapsulation,
            sequence,
            refresh: times.0,
            ends: times.1,
        }
    }
}

/// What is cut off, goes on, or is anything at all is an error or a record, and never a panic.
fn is_read_as_it_was_written(
    record: &Record,
    at: prop::sample::Index,
) -> Result<(), TestCaseError> {
    let mut octets = Vec::new();
    encode(record, &mut octets).unwrap();
    prop_assert_eq!(&decode(&octets).unwrap(), record);
    prop_assert!(decode(&octets[..at.index(octets.len())]).is_err());
    let at = at.index(octets.len());
    octets.push(0);
    prop_assert!(decode(&octets).is_err());
    octets[at] ^= 0x55;
    let _ = decode(&octets);
    // A thing that only a later version knows.
    octets.pop();
    octets[1] |= 0x80;
    prop_assert!(decode(&octets).is_err());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_binding_is_read_as_it_was_written(binding in any_binding(), at in any::<prop::sample::Index>()) {
        is_read_as_it_was_written(&Record::Binding(binding), at)?;
    }

    #[test]
    fn a_visitor_is_read_as_it_was_written(visitor in any_visitor(), at in any::<prop::sample::Index>()) {
        is_read_as_it_was_written(&Record::Visitor(visitor), at)?;
    }
}
