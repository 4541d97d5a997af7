//! Neighbour discovery.

use super::judge::{judge, Case};
use super::{frame, one, packet, Expected, GLOBAL, HOST, MAC, ROUTER};
use std::net::Ipv6Addr;
use wire::ipv6::{address, next_header};
use wire::nd::{
    NdMessage, NdOption, NeighbourAdvertisement, NeighbourSolicitation, PrefixInformation,
    RouterAdvertisement, RouterFlags, RouterSolicitation,
};
use wire::niq::{Answer, Flags, NiMessage, NiQuery, Qtype, Subject};

fn discovery(
    message: &NdMessage,
    source: Ipv6Addr,
    destination: Ipv6Addr,
    mut expected: Expected,
) -> Case {
    let mut payload = Vec::new();
    message
        .emit(source, destination, &mut payload)
        .expect("a sendable message");
    expected.extend([
        one("icmpv6.type", message.kind()),
        one("icmpv6.code", 0),
        one("icmpv6.checksum.status", 1),
        one("ipv6.hlim", 255),
    ]);
    let packet = packet(
        source,
        destination,
        next_header::ICMPV6,
        wire::nd::HOP_LIMIT,
        &payload,
    );
    Case {
        name: message.to_string(),
        frame: frame(&packet),
        expected,
    }
}

#[test]
fn solicitations_and_advertisements() {
    let advertisement = RouterAdvertisement {
        hop_limit: 64,
        flags: RouterFlags::MANAGED.with(RouterFlags::HOME_AGENT),
        router_lifetime: 1800,
        reachable_time: 30_000,
        retrans_timer: 1_000,
        options: vec![
            NdOption::SourceLinkLayer(MAC),
            NdOption::Mtu(1452),
            NdOption::PrefixInformation(PrefixInformation {
                prefix: GLOBAL,
                length: 64,
                on_link: false,
                autonomous: true,
                router_address: true,
                valid: 7200,
                preferred: 3600,
            }),
        ],
    };
    let neighbour = |router, solicited, override_cache| {
        NdMessage::NeighbourAdvertisement(NeighbourAdvertisement {
            router,
            solicited,
            override_cache,
            target: GLOBAL,
            options: vec![NdOption::TargetLinkLayer(MAC)],
        })
    };
    let neighbour_expected = |router: u8, solicited: u8, override_cache: u8| {
        vec![
            one("icmpv6.nd.na.flag.r", router),
            one("icmpv6.nd.na.flag.s", solicited),
            one("icmpv6.nd.na.flag.o", override_cache),
            one("icmpv6.nd.na.target_address", GLOBAL),
            one("icmpv6.opt.target_linkaddr", MAC),
        ]
    };
    judge(&[
        discovery(
            &NdMessage::RouterSolicitation(RouterSolicitation {
                options: vec![NdOption::SourceLinkLayer(MAC)],
            }),
            HOST,
            address::ALL_ROUTERS,
            vec![one("icmpv6.opt.src_linkaddr", MAC)],
        ),
        discovery(
            &NdMessage::RouterAdvertisement(advertisement),
            ROUTER,
            address::ALL_NODES,
            vec![
                one("icmpv6.nd.ra.cur_hop_limit", 64),
                one("icmpv6.nd.ra.flag.m", 1),
                one("icmpv6.nd.ra.flag.o", 0),
                one("icmpv6.nd.ra.flag.h", 1),
                one("icmpv6.nd.ra.router_lifetime", 1800),
                one("icmpv6.nd.ra.reachable_time", 30_000),
                one("icmpv6.nd.ra.retrans_timer", 1_000),
                one("icmpv6.opt.src_linkaddr", MAC),
                one("icmpv6.opt.mtu", 1452),
                one("icmpv6.opt.prefix", GLOBAL),
                one("icmpv6.opt.prefix.length", 64),
                one("icmpv6.opt.prefix.flag.l", 0),
                one("icmpv6.opt.prefix.flag.a", 1),
                one("icmpv6.opt.prefix.flag.r", 1),
                one("icmpv6.opt.prefix.valid_lifetime", 7200),
                one("icmpv6.opt.prefix.preferred_lifetime", 3600),
            ],
        ),
        discovery(
            &NdMessage::NeighbourSolicitation(NeighbourSolicitation {
                target: GLOBAL,
                options: vec![],
            }),
            Ipv6Addr::UNSPECIFIED,
            address::solicited_node(GLOBAL),
            vec![one("icmpv6.nd.ns.target_address", GLOBAL)],
        ),
        discovery(
            &neighbour(true, false, false),
            ROUTER,
            HOST,
            neighbour_expected(1, 0, 0),
        ),
        discovery(
            &neighbour(false, true, false),
            ROUTER,
            HOST,
            neighbour_expected(0, 1, 0),
        ),
        discovery(
            &neighbour(false, false, true),
            ROUTER,
            HOST,
            neighbour_expected(0, 0, 1),
        ),
    ]);
}

#[test]
fn node_information() {
    let query = NiQuery {
        qtype: Qtype::NODE_ADDRESSES,
        flags: Flags::GLOBAL.with(Flags::ALL),
        nonce: [0xa0, 1, 2, 3, 4, 5, 6, 7],
        subject: Subject::Ipv6(HOST),
    };
    let answers = [
        (Answer::Addresses(vec![GLOBAL, HOST]), 0, vec![GLOBAL, HOST]),
        (Answer::Refused, 1, vec![]),
        (Answer::UnknownQtype, 2, vec![]),
    ];
    let common = |message: &NiMessage, code: u8| {
        vec![
            one("icmpv6.type", message.kind()),
            one("icmpv6.code", code),
            one("icmpv6.checksum.status", 1),
            one("icmpv6.ni.qtype", 3),
            one("icmpv6.ni.nonce", "0xa001020304050607"),
        ]
    };
    let case = |message: NiMessage, source, destination, expected| {
        let mut payload = Vec::new();
        message.emit(source, destination, &mut payload);
        let packet = packet(source, destination, next_header::ICMPV6, 255, &payload);
        Case {
            name: message.to_string(),
            frame: frame(&packet),
            expected,
        }
    };
    let replies = answers.map(|(answer, code, addresses)| {
        let message = NiMessage::Reply(query.reply(answer));
        let mut expected = common(&message, code);
        let addresses = addresses.iter().map(Ipv6Addr::to_string).collect();
        expected.push(("icmpv6.ni.reply.node_address", addresses));
        case(message, HOST, ROUTER, expected)
    });
    let message = NiMessage::Query(query);
    let mut expected = common(&message, 0);
    expected.extend([
        one("icmpv6.ni.flag.g", 1),
        one("icmpv6.ni.flag.l", 0),
        one("icmpv6.ni.flag.a", 1),
        one("icmpv6.ni.query.subject_ipv6", HOST),
    ]);
    let question = case(message, ROUTER, HOST, expected);
    judge(&replies.into_iter().chain([question]).collect::<Vec<_>>());
}
