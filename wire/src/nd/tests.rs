//! Byte pairs and round trips of neighbour discovery.

use super::*;
use crate::ipv6::address::{solicited_node, ALL_NODES, ALL_ROUTERS};
use proptest::collection::vec;
use proptest::prelude::*;

const HOST: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xa);
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xb);
const GLOBAL: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa]);

fn emit(message: &NdMessage, source: Ipv6Addr, destination: Ipv6Addr) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.emit(source, destination, &mut bytes).unwrap();
    bytes
}

fn with_checksum(mut bytes: Vec<u8>, source: Ipv6Addr, destination: Ipv6Addr) -> Vec<u8> {
    use crate::checksum::{add, finish, pseudo_header_v6};
    bytes[2..4].fill(0);
    let length = bytes.len() as u32;
    let sum = pseudo_header_v6(&source.octets(), &destination.octets(), length, 58);
    let check = finish(add(sum, &bytes));
    bytes[2..4].copy_from_slice(&check.to_be_bytes());
    bytes
}

/// Checks that `message` is `bytes` (checksum left out) and `bytes` are `message`.
fn both_ways(message: NdMessage, bytes: &[u8], source: Ipv6Addr, destination: Ipv6Addr) {
    let bytes = with_checksum(bytes.to_vec(), source, destination);
    assert_eq!(emit(&message, source, destination), bytes);
    assert_eq!(
        NdMessage::parse(source, destination, 255, &bytes),
        Ok(message)
    );
}

#[test]
fn solicitations_both_ways() {
    both_ways(
        NdMessage::RouterSolicitation(RouterSolicitation {
            options: vec![NdOption::SourceLinkLayer(MAC)],
        }),
        &[133, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 0xa],
        HOST,
        ALL_ROUTERS,
    );
    let mut bytes = vec![135, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend(GLOBAL.octets());
    both_ways(
        NdMessage::NeighbourSolicitation(NeighbourSolicitation {
            target: GLOBAL,
            options: vec![],
        }),
        &bytes,
        Ipv6Addr::UNSPECIFIED,
        solicited_node(GLOBAL),
    );
}

#[test]
fn a_router_advertisement_both_ways() {
    let message = NdMessage::RouterAdvertisement(RouterAdvertisement {
        hop_limit: 64,
        flags: RouterFlags::HOME_AGENT.with(RouterFlags::OTHER),
        router_lifetime: 1800,
        reachable_time: 1,
        retrans_timer: 2,
        options: vec![
            NdOption::PrefixInformation(PrefixInformation {
                prefix: GLOBAL,
                length: 64,
                on_link: true,
                autonomous: false,
                router_address: true,
                valid: 300,
                preferred: u32::MAX,
            }),
            NdOption::Mtu(1452),
            NdOption::Unknown {
                kind: 253,
                data: vec![1, 2, 3, 4, 5, 6],
            },
        ],
    });
    #[rustfmt::skip]
    let bytes = [
        &[134, 0, 0, 0, 64, 0x60, 7, 8, 0, 0, 0, 1, 0, 0, 0, 2][..],
        &[3, 4, 64, 0xa0, 0, 0, 1, 0x2c, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        &GLOBAL.octets(),
        &[5, 1, 0, 0, 0, 0, 5, 0xac],
        &[253, 1, 1, 2, 3, 4, 5, 6],
    ].concat();
    assert_eq!(
        message.to_string(),
        "RA hop limit 64 lifetime 1800 s flags 0x60 prefix 2001:db8::1/64 L R valid 300 s \
         preferred infinite MTU 1452 option 253 with 6 octets"
    );
    both_ways(message, &bytes, ROUTER, ALL_NODES);
}

#[test]
fn a_neighbour_advertisement_both_ways() {
    let message = NdMessage::NeighbourAdvertisement(NeighbourAdvertisement {
        router: true,
        solicited: false,
        override_cache: true,
        target: GLOBAL,
        options: vec![NdOption::TargetLinkLayer(MAC)],
    });
    #[rustfmt::skip]
    let bytes = [
        &[136, 0, 0, 0, 0xa0, 0, 0, 0][..],
        &GLOBAL.octets(),
        &[2, 1, 2, 0, 0, 0, 0, 0xa],
    ].concat();
    assert_eq!(
        message.to_string(),
        "NA 2001:db8::1 R O target 02:00:00:00:00:0a"
    );
    assert_eq!(message.target_link_layer(), Some(MAC));
    assert_eq!(message.source_link_layer(), None);
    both_ways(message, &bytes, ROUTER, ALL_NODES);
}

#[test]
fn an_option_that_does_not_fit_its_type_is_kept_aside() {
    let mut prefix = vec![3, 4, 129, 0xc0];
    prefix.extend([0; 28]);
    let cases = [
        [&[1, 2][..], &[7; 14]].concat(),
        [&[2, 2][..], &[7; 14]].concat(),
        [&[5, 2][..], &[7; 14]].concat(),
        vec![3, 1, 0, 0, 0, 0, 0, 0],
        prefix,
    ];
    for option in cases {
        let bytes = [&[133, 0, 0, 0, 0, 0, 0, 0][..], &option].concat();
        both_ways(
            NdMessage::RouterSolicitation(RouterSolicitation {
                options: vec![NdOption::Unknown {
                    kind: option[0],
                    data: option[2..].to_vec(),
                }],
            }),
            &bytes,
            HOST,
            ALL_ROUTERS,
        );
    }
}

#[test]
fn each_bad_message_has_its_named_error() {
    let none = Ipv6Addr::UNSPECIFIED;
    let rs = |options: &[u8]| [&[133, 0, 0, 0, 0, 0, 0, 0][..], options].concat();
    let ns = |target: Ipv6Addr| [&[135, 0, 0, 0, 0, 0, 0, 0][..], &target.octets()].concat();
    let na = |target: Ipv6Addr| [&[136, 0, 0, 0, 0x40, 0, 0, 0][..], &target.octets()].concat();
    let source_link_layer = [1, 1, 2, 0, 0, 0, 0, 0xa];
    let long_source_link_layer = [&[1, 2][..], &[0; 14]].concat();
    let ra = [&[134, 0, 0, 0][..], &[0; 12]].concat();
    let group = solicited_node(GLOBAL);
    let cases: Vec<(&str, Ipv6Addr, Ipv6Addr, u8, Vec<u8>)> = vec![
        ("hop_limit", HOST, ALL_ROUTERS, 254, rs(&[])),
        ("type", HOST, ROUTER, 255, vec![137, 0, 0, 0, 0, 0, 0, 0]),
        ("type", HOST, ROUTER, 255, vec![132, 0, 0, 0, 0, 0, 0, 0]),
        (
            "code",
            HOST,
            ALL_ROUTERS,
            255,
            vec![133, 1, 0, 0, 0, 0, 0, 0],
        ),
        ("too_short", HOST, ALL_ROUTERS, 255, rs(&[])[..7].to_vec()),
        ("too_short", ROUTER, ALL_NODES, 255, ra[..15].to_vec()),
        ("too_short", HOST, ROUTER, 255, ns(GLOBAL)[..23].to_vec()),
        ("too_short", HOST, ROUTER, 255, na(GLOBAL)[..23].to_vec()),
        (
            "option_length_zero",
            HOST,
            ALL_ROUTERS,
            255,
            rs(&[9, 0, 0, 0, 0, 0, 0, 0]),
        ),
        (
            "option_truncated",
            HOST,
            ALL_ROUTERS,
            255,
            rs(&[9, 2, 0, 0, 0, 0, 0, 0]),
        ),
        ("option_truncated", HOST, ALL_ROUTERS, 255, rs(&[9])),
        (
            "source_link_layer_unspecified",
            none,
            ALL_ROUTERS,
            255,
            rs(&source_link_layer),
        ),
        (
            "source_link_layer_unspecified",
            none,
            ALL_ROUTERS,
            255,
            rs(&long_source_link_layer),
        ),
        (
            "source_link_layer_unspecified",
            none,
            group,
            255,
            [ns(GLOBAL), source_link_layer.to_vec()].concat(),
        ),
        ("source_not_link_local", GLOBAL, ALL_NODES, 255, ra.clone()),
        (
            "destination_not_solicited_node",
            none,
            GLOBAL,
            255,
            ns(GLOBAL),
        ),
        ("target_multicast", HOST, group, 255, ns(ALL_NODES)),
        ("target_multicast", HOST, ROUTER, 255, na(ALL_NODES)),
        ("solicited_multicast", HOST, ALL_NODES, 255, na(GLOBAL)),
    ];
    for (name, source, destination, hop_limit, bytes) in &cases {
        let bytes = with_checksum(bytes.clone(), *source, *destination);
        let error = NdMessage::parse(*source, *destination, *hop_limit, &bytes).expect_err(name);
        assert_eq!(error.name(), *name, "{error}");
    }
    let broken = NdMessage::parse(HOST, ALL_ROUTERS, 255, &rs(&[])).unwrap_err();
    assert_eq!(broken.name(), "checksum");
    assert_eq!(
        NdMessage::parse(HOST, ROUTER, 255, &[]).unwrap_err().name(),
        "checksum"
    );
    for name in Error::all_names() {
        let tested = cases.iter().any(|case| case.0 == *name);
        assert!(tested || *name == "checksum", "{name} untested");
    }
}

#[test]
fn what_cannot_be_written_is_refused() {
    let mut information = PrefixInformation {
        prefix: GLOBAL,
        length: 129,
        on_link: false,
        autonomous: false,
        router_address: false,
        valid: 0,
        preferred: 0,
    };
    let cases = [
        (
            NdOption::PrefixInformation(information),
            EmitError::PrefixLength(129),
        ),
        (
            NdOption::Unknown {
                kind: 9,
                data: vec![0; 7],
            },
            EmitError::OptionShape { kind: 9, octets: 7 },
        ),
        (
            NdOption::Unknown {
                kind: 9,
                data: vec![0; 2046],
            },
            EmitError::OptionShape {
                kind: 9,
                octets: 2046,
            },
        ),
    ];
    for (option, error) in cases {
        let message = NdMessage::RouterSolicitation(RouterSolicitation {
            options: vec![option],
        });
        let mut out = vec![1];
        assert_eq!(message.emit(HOST, ROUTER, &mut out), Err(error));
        assert_eq!(out, [1]);
    }
    information.length = 128;
    assert_eq!(
        information.to_string(),
        "prefix 2001:db8::1/128 valid 0 s preferred 0 s"
    );
}

fn option() -> impl Strategy<Value = NdOption> {
    let mac = any::<[u8; 6]>().prop_map(MacAddr);
    let known = [1u8, 2, 3, 5];
    let kind = any::<u8>().prop_filter("unknown", move |kind| !known.contains(kind));
    prop_oneof![
        mac.clone().prop_map(NdOption::SourceLinkLayer),
        mac.prop_map(NdOption::TargetLinkLayer),
        (
            any::<u128>(),
            0..=128u8,
            any::<[bool; 3]>(),
            any::<[u32; 2]>()
        )
            .prop_map(
                |(prefix, length, [on_link, autonomous, router_address], [valid, preferred])| {
                    NdOption::PrefixInformation(PrefixInformation {
                        prefix: Ipv6Addr::from_bits(prefix),
                        length,
                        on_link,
                        autonomous,
                        router_address,
                        valid,
                        preferred,
                    })
                }
            ),
        any::<u32>().prop_map(NdOption::Mtu),
        (kind, 0..255usize, any::<u8>()).prop_map(|(kind, units, octet)| NdOption::Unknown {
            kind,
            data: vec![octet; units * 8 + 6],
        }),
    ]
}

fn message() -> impl Strategy<Value = NdMessage> {
    let options = || vec(option(), 0..5);
    let target = || {
        any::<u128>()
            .prop_map(Ipv6Addr::from_bits)
            .prop_filter("unicast", |target| !target.is_multicast())
    };
    prop_oneof![
        options().prop_map(|options| NdMessage::RouterSolicitation(RouterSolicitation { options })),
        (any::<[u8; 2]>(), any::<u16>(), any::<[u32; 2]>(), options()).prop_map(
            |([hop_limit, flags], router_lifetime, [reachable_time, retrans_timer], options)| {
                NdMessage::RouterAdvertisement(RouterAdvertisement {
                    hop_limit,
                    flags: RouterFlags(flags),
                    router_lifetime,
                    reachable_time,
                    retrans_timer,
                    options,
                })
            }
        ),
        (target(), options()).prop_map(|(target, options)| {
            NdMessage::NeighbourSolicitation(NeighbourSolicitation { target, options })
        }),
        (any::<[bool; 3]>(), target(), options()).prop_map(
            |([router, solicited, override_cache], target, options)| {
                NdMessage::NeighbourAdvertisement(NeighbourAdvertisement {
                    router,
                    solicited,
                    override_cache,
                    target,
                    options,
                })
            }
        ),
    ]
}

proptest! {
    #[test]
    fn every_message_survives_the_wire(message in message()) {
        let bytes = emit(&message, HOST, ROUTER);
        prop_assert_eq!(NdMessage::parse(HOST, ROUTER, 255, &bytes), Ok(message));
    }

    #[test]
    fn any_bytes_get_an_answer(bytes in vec(any::<u8>(), 4..200), kind in 130..140u8) {
        let _ = NdMessage::parse(HOST, ROUTER, 255, &bytes);
        let mut bytes = bytes;
        bytes[0] = kind;
        bytes[1] = 0;
        let bytes = with_checksum(bytes, HOST, ROUTER);
        if let Ok(message) = NdMessage::parse(HOST, ROUTER, 255, &bytes) {
            let again = emit(&message, HOST, ROUTER);
            prop_assert_eq!(NdMessage::parse(HOST, ROUTER, 255, &again), Ok(message));
        }
    }
}
