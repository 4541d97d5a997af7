//! Hosts that come to a MAAR from another, with a DHCPv6 server whose lease database tells from where: what is
//! asked of it, what is led here, given back and ended.

use crate::bytes::{ip, mac_of, nd_packet, Seen};
use crate::configuration::ROUTER_MAC;
use crate::dhcp::{answer, association, at_host, client, reply, send, udp, SERVER};
use crate::former_domain::*;
use crate::host::{echo, replies, Host};
use crate::story::{advertisements, signalling, MN};
use crate::world::port_mac;
use control::dhcp::former::{Answered, LeaseChange, Question};
use roles::maar::NodeState;
use roles::{BoundPrefix, Event};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::dhcpv6::{code, kind, put, relay_header, RelayMessage};
use wire::ether::MacAddr;
use wire::ipv6::address::solicited_node;
use wire::mh::Message;
use wire::nd::{NdMessage, NdOption, NeighbourSolicitation};
use wire::udp::Datagram;

/// Proves S2-37, S2-39, S2-40, S2-43.
#[test]
fn a_prefix_is_there_before_the_server_hears_of_the_host() {
    let mut domain = domain();
    let mut mn = Host::new(MN, 1);
    let node = domain.come(0, &mut mn);
    assert_eq!(node.state, NodeState::Served);
    let leased = domain.lease_here(0, &mut mn, Vec::new());
    assert_eq!(leased.question.prefix, node.prefix);
    assert_eq!(leased.question.associations, [1]);
    assert_eq!(leased.question.duid, b"one");
    let payload = &leased.relayed.payload;
    let datagram = Datagram::parse(leased.relayed.source, ip(SERVER), payload).unwrap();
    let message = RelayMessage::parse(datagram.payload).unwrap();
    // The address that every MAAR has in the prefixes that it gives; the host sees the common router.
    assert_eq!(message.link, of(node.prefix, 0x0200_5eff_fe00_5213));
    assert_eq!(mn.router, Some((ip("fe80::1"), ROUTER_MAC)));
    assert_eq!(leased.relayed.source, ip("2001:db8:c::21"));
    assert_eq!(leased.addresses, [(leased.address, LIFETIME, LIFETIME)]);
    // It comes from nowhere: nobody is told.
    assert_eq!(signalling(&leased.heard), [""; 0]);
    assert!(domain.node(0).previous.is_empty());
    // The same client is not asked about again.
    domain.world.pass(Duration::from_secs(2));
    send(&mut domain.world, &mn, &client(kind::RENEW, 8, b"one"));
    assert_eq!(on_core(&mut domain.world).1.len(), 1);
    assert!(domain.sources[0].asked().is_empty());
    domain.world.nodes[0].check();
}

/// The address in the prefix is one of a router: its host resolves it and has an answer from it, and so has
/// everybody else. Of a prefix that nobody here has it is nobody's.
///
/// Proves S2-39.
#[test]
fn the_address_in_a_prefix_is_a_routers() {
    let mut domain = domain();
    let mut mn = Host::new(MN, 1);
    let node = domain.come(0, &mut mn);
    let anchor = of(node.prefix, 0x0200_5eff_fe00_5213);
    let own = of(node.prefix, 0x77);
    mn.addresses.push(own);
    let solicits = |target: Ipv6Addr| {
        NdMessage::NeighbourSolicitation(NeighbourSolicitation {
            target,
            options: vec![NdOption::SourceLinkLayer(MacAddr([2, 0, 0, 0, 0, 1]))],
        })
    };
    for (target, answers) in [(anchor, 1), (ip("2001:db8:2fff::200:5eff:fe00:5213"), 0)] {
        let packet = nd_packet(own, solicited_node(target), &solicits(target));
        let group = mac_of(solicited_node(target), ROUTER_MAC);
        mn.send_to(&mut domain.world, group, &packet);
        let heard = mn.live(&mut domain.world);
        let told = heard.iter().filter_map(Seen::nd).filter(|message| {
            let mac = NdOption::TargetLinkLayer(ROUTER_MAC);
            matches!(message, NdMessage::NeighbourAdvertisement(it)
                if it.target == target && it.router && it.options.contains(&mac))
        });
        assert_eq!(told.count(), answers, "{target}");
    }
    mn.send_to(&mut domain.world, ROUTER_MAC, &echo(own, anchor, 128, 5));
    assert_eq!(replies(&mn.live(&mut domain.world)), [5]);
    let packet = echo(ip(SERVER), anchor, 128, 6);
    domain
        .server
        .send_to(&mut domain.world, port_mac(0, 0), &packet);
    assert_eq!(replies(&domain.server.live(&mut domain.world)), [6]);
    domain.world.nodes[0].check();
}

/// Proves S2-41, S2-42, S2-43.
#[test]
fn what_a_host_leased_elsewhere_is_led_here_and_comes_back_deprecated() {
    let (mut domain, mut mn, first, second) = walked();
    // The anchor is told before the server is asked, let alone the host.
    let order = second.heard.iter().filter_map(|seen| match seen.mh() {
        Some(Message::BindingUpdate(_)) => Some("update"),
        _ if seen.destination == ip(SERVER) => Some("server"),
        _ => None,
    });
    assert_eq!(order.collect::<Vec<_>>(), ["update", "server"]);
    assert_eq!(
        second.addresses,
        [
            (second.address, LIFETIME, LIFETIME),
            (first.address, 0, LIFETIME)
        ]
    );
    let node = domain.node(1);
    let prefixes: Vec<_> = node.previous.iter().map(|it| it.prefix).collect();
    assert_eq!(prefixes, [first.question.prefix]);
    assert_eq!(node.previous[0].anchor, ip("2001:db8:c::21"));
    assert_eq!(domain.node(0).state, NodeState::Previous);
    // The server keeps it for as long as it is led here.
    let changes = domain.sources[1].changed();
    let [LeaseChange::Keep(kept)] = &changes[..] else {
        panic!("{changes:?}");
    };
    assert_eq!(kept.address, first.address);
    // What the server retires at a renewal is not withdrawn.
    domain.rest(&mut mn, 40);
    send(&mut domain.world, &mn, &client(kind::RENEW, 8, b"one"));
    let (_, relayed) = on_core(&mut domain.world);
    let mut inner = association(second.address, LIFETIME);
    let retired = association(first.address, 0)[16..].to_vec();
    inner.extend(&retired);
    let length = u16::try_from(inner.len() - 4).unwrap();
    inner[2..4].copy_from_slice(&length.to_be_bytes());
    answer(
        &mut domain.world,
        &domain.server,
        &relayed[0],
        &reply(8, &inner),
    );
    let told = at_host(&mut domain.world, &mut mn);
    assert_eq!(leased(&told[0].1), second.addresses);
    assert_eq!(domain.node(1).previous.len(), 1);
    for node in &domain.world.nodes {
        node.check();
    }
}

/// What a server only offers keeps no lease of another anchor: what it then leases does, once.
///
/// Proves S2-41.
#[test]
fn an_offer_keeps_nothing() {
    let mut domain = domain();
    let mut mn = Host::new(MN, 1);
    domain.come(0, &mut mn);
    let first = domain.lease_here(0, &mut mn, Vec::new());
    domain.come(1, &mut mn);
    let old = domain.lease(b"one", first.address);
    domain.rest(&mut mn, 3);
    on_core(&mut domain.world);
    send(&mut domain.world, &mn, &client(kind::SOLICIT, 7, b"one"));
    let [question] = &domain.sources[1].asked()[..] else {
        panic!("one question");
    };
    domain.tell(1, question.clone(), vec![old]);
    let address = of(question.prefix, 0x77);
    for (asks, says, transaction, keeps) in [
        (None, kind::ADVERTISE, 7, 0),
        (Some(kind::REQUEST), kind::REPLY, 8, 1),
    ] {
        if let Some(asks) = asks {
            send(&mut domain.world, &mn, &client(asks, transaction, b"one"));
        }
        let (_, relayed) = on_core(&mut domain.world);
        let mut given = reply(transaction, &association(address, LIFETIME));
        given[0] = says;
        answer(&mut domain.world, &domain.server, &relayed[0], &given);
        let told = at_host(&mut domain.world, &mut mn);
        assert_eq!(told.len(), 1);
        let changes = domain.sources[1].changed();
        assert_eq!(changes.len(), keeps, "{changes:?}");
        let kept = changes.iter().all(
            |change| matches!(change, LeaseChange::Keep(lease) if lease.address == first.address),
        );
        assert!(kept, "{changes:?}");
    }
}

/// Prefixes of Router Advertisements with lifetime zero.
fn withdrawn(seen: &[Seen]) -> Vec<Ipv6Addr> {
    let advertisements = advertisements(seen);
    let options = advertisements.iter().flat_map(|(_, it)| &it.options);
    let prefixes = options.filter_map(|option| match option {
        NdOption::PrefixInformation(it) if it.valid == 0 => Some(it.prefix),
        _ => None,
    });
    prefixes.collect()
}

/// A host gives an old address back; the prefix goes, by DHCP and by Router Advertisement.
///
/// Proves S2-46.
#[test]
fn what_a_host_gives_back_is_let_go_of() {
    let (mut domain, mut mn, first, _) = walked();
    domain.world.pass(Duration::from_secs(2));
    mn.live(&mut domain.world);
    domain.sources[1].changed();
    let mut release = client(kind::RELEASE, 9, b"one");
    release.extend(association(first.address, 0));
    send(&mut domain.world, &mn, &release);
    domain.world.pass(Duration::from_secs(2));
    let heard = mn.live(&mut domain.world);
    assert_eq!(withdrawn(&heard), [first.question.prefix.prefix]);
    assert!(domain.node(1).previous.is_empty());
    let ended = LeaseChange::End(first.address);
    assert_eq!(domain.sources[1].changed(), [ended]);
}

/// Nobody uses an old prefix any more: its lease ends with it. So does that of a session that is over.
///
/// Proves S2-46.
#[test]
fn leases_end_with_their_prefixes() {
    let (mut domain, mut mn, first, second) = walked();
    domain.sources[1].changed();
    let now = domain.world.now();
    let prefix = BoundPrefix::V6(first.question.prefix);
    let engine = &mut domain.world.nodes[1].engine;
    engine.deliver(now, Event::Unused { prefix });
    domain.world.pass(Duration::from_secs(2));
    let heard = mn.live(&mut domain.world);
    assert_eq!(withdrawn(&heard), [first.question.prefix.prefix]);
    let ended = LeaseChange::End(first.address);
    assert_eq!(domain.sources[1].changed(), [ended]);
    let mn_identifier = domain.node(1).mn_identifier;
    let now = domain.world.now();
    let engine = &mut domain.world.nodes[1].engine;
    engine.deliver(now, Event::Delete { mn_identifier });
    domain.world.pass(Duration::from_secs(2));
    let heard = mn.live(&mut domain.world);
    assert_eq!(withdrawn(&heard), [second.question.prefix.prefix]);
    let ended = LeaseChange::End(second.address);
    assert_eq!(domain.sources[1].changed(), [ended]);
}

/// Proves S2-47.
#[test]
fn a_host_without_mobility_gets_an_address_and_nobody_is_told() {
    let mut domain = domain();
    let mut mn = Host::new(MN, 2);
    let mut old = Vec::new();
    for index in [0, 1] {
        let node = domain.come(index, &mut mn);
        assert_eq!(node.state, NodeState::Served);
        let leased = domain.lease_here(index, &mut mn, old);
        assert_eq!(leased.addresses, [(leased.address, LIFETIME, LIFETIME)]);
        assert_eq!(signalling(&leased.heard), [""; 0]);
        assert!(domain.node(index).previous.is_empty());
        old = vec![domain.lease(b"one", leased.address)];
    }
    assert_eq!(domain.sources[1].changed(), []);
}

/// What is no lease of this client, or of no anchor of the domain, changes nothing for the host.
#[test]
fn leases_of_others_and_of_nowhere_are_none() {
    let mut domain = domain();
    let mut mn = Host::new(MN, 1);
    domain.come(1, &mut mn);
    let others = domain.lease(b"two", ip("2001:db8:2100::9"));
    let leased = domain.lease_here(1, &mut mn, vec![others]);
    assert_eq!(leased.addresses.len(), 1);
    assert_eq!(signalling(&leased.heard), [""; 0]);
    // A prefix of nobody's is no anchor's.
    let mut domain = self::domain();
    domain.come(1, &mut mn);
    let nowhere = domain.lease(b"one", ip("2001:db8:7700::9"));
    let leased = domain.lease_here(1, &mut mn, vec![nowhere]);
    assert_eq!(signalling(&leased.heard), [""; 0]);
    assert!(domain.node(1).previous.is_empty());
    // It stays with the host until an anchor would have answered, and no longer.
    domain.rest(&mut mn, 20);
    send(&mut domain.world, &mn, &client(kind::RENEW, 8, b"one"));
    let (_, relayed) = on_core(&mut domain.world);
    let given = reply(8, &association(leased.address, LIFETIME));
    answer(&mut domain.world, &domain.server, &relayed[0], &given);
    let told = at_host(&mut domain.world, &mut mn);
    assert_eq!(told[0].1, given);
    assert_eq!(domain.sources[1].changed(), []);
    domain.world.nodes[1].check();
}

/// Answers that nobody waits for, a database that fails, and one that is behind: the host is served on.
#[test]
fn the_database_is_no_ones_prison() {
    let mut domain = domain();
    let mut mn = Host::new(MN, 1);
    let prefix = domain.come(0, &mut mn).prefix;
    let question = Question {
        link: roles::event::HostLink {
            interface: 1,
            mac: mn.mac,
        },
        duid: b"one".to_vec(),
        associations: vec![1],
        prefix,
    };
    let lease = domain.lease(b"one", ip("2001:db8:2200::9"));
    on_core(&mut domain.world);
    domain.tell(0, question.clone(), vec![lease.clone()]);
    assert_eq!(
        signalling(&on_core(&mut domain.world).0),
        [""; 0],
        "nobody asked"
    );
    // The message that waits is the last one.
    for transaction in [1, 2] {
        send(
            &mut domain.world,
            &mn,
            &client(kind::SOLICIT, transaction, b"one"),
        );
    }
    assert_eq!(domain.sources[0].asked().len(), 1);
    domain.told(
        0,
        Answered {
            question: question.clone(),
            leases: None,
        },
    );
    let (_, relayed) = on_core(&mut domain.world);
    let [relayed] = &relayed[..] else {
        panic!("one message");
    };
    let payload = &relayed.payload;
    let datagram = Datagram::parse(relayed.source, ip(SERVER), payload).unwrap();
    let message = RelayMessage::parse(datagram.payload).unwrap();
    let inner = message.options.first(code::RELAY_MESSAGE).unwrap();
    assert_eq!(inner[3], 2);
    // Asked anew, the database is behind: the message goes on without.
    domain.sources[0].0.borrow_mut().busy = true;
    send(&mut domain.world, &mn, &client(kind::SOLICIT, 3, b"one"));
    assert_eq!(on_core(&mut domain.world).1.len(), 1);
    // A host that has left while it was asked about.
    domain.sources[0].0.borrow_mut().busy = false;
    send(&mut domain.world, &mn, &client(kind::SOLICIT, 4, b"one"));
    let mn_identifier = domain.node(0).mn_identifier;
    let now = domain.world.now();
    let engine = &mut domain.world.nodes[0].engine;
    engine.deliver(now, Event::Delete { mn_identifier });
    domain.tell(0, question, vec![lease]);
    let (heard, relayed) = on_core(&mut domain.world);
    assert!(
        relayed.is_empty() && signalling(&heard).is_empty(),
        "{heard:?}"
    );
    domain.world.nodes[0].check();
}

/// More names than one host has are not asked about; a server's answer to another name, or a reply that a
/// host makes up, reaches nobody.
#[test]
fn names_are_counted_and_answers_go_to_who_asked() {
    let mut domain = domain();
    let mut mn = Host::new(MN, 1);
    domain.come(0, &mut mn);
    for name in 0..10_u8 {
        send(
            &mut domain.world,
            &mn,
            &client(kind::SOLICIT, name, &[name]),
        );
        domain.world.pass(Duration::from_secs(1));
    }
    assert_eq!(domain.sources[0].asked().len(), 4);
    assert_eq!(domain.world.nodes[0].counted("dhcp_starved"), 6);

    let mut domain = self::domain();
    let node = domain.come(0, &mut mn);
    let leased = domain.lease_here(0, &mut mn, Vec::new());
    let mut other = vec![kind::REPLY, 0, 0, 7];
    put(code::CLIENT_ID, &[b"two"], &mut other);
    other.extend(association(leased.address, LIFETIME));
    answer(&mut domain.world, &domain.server, &leased.relayed, &other);
    assert_eq!(domain.world.nodes[0].counted("dhcp_unmatched"), 1);
    let mut forged = relay_header(kind::RELAY_REPLY, 0, of(node.prefix, 1), mn.addresses[0]);
    let old = association(ip("2001:db8:2200::9"), LIFETIME);
    put(code::RELAY_MESSAGE, &[&reply(7, &old)], &mut forged);
    let packet = udp(ip(SERVER), ip("2001:db8:c::21"), (547, 547), &forged);
    on_core(&mut domain.world);
    mn.send_to(&mut domain.world, ROUTER_MAC, &packet);
    domain.world.pass(Duration::from_millis(20));
    assert!(at_host(&mut domain.world, &mut mn).is_empty());
    assert_eq!(signalling(&on_core(&mut domain.world).0), [""; 0]);
    assert!(domain.node(0).previous.is_empty());
    domain.world.nodes[0].check();
}
