//! Errors about the packets of a tunnel: what they change, and who else is told (RFC 2473 section 8).

use crate::bytes::{frame, icmp_packet, ip, packet, Seen};
use crate::host::Host;
use crate::story::{attach, domain, meet, CN, CORE, LMA, MAG1, MN};
use crate::world::{port_mac, World};
use dataplane::key::TunnelId;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::ipv6::encapsulation_limit_header;

const UDP: u8 = 17;
const IPV6: u8 = 41;
const OPTIONS: u8 = 60;

/// The anchor's and the first access gateway's address.
fn ends() -> (Ipv6Addr, Ipv6Addr) {
    (ip("2001:db8:c::1"), ip("2001:db8:c::11"))
}

/// A router on the core says something of a packet to the node that sent it: type and code, then the
/// word behind the checksum.
fn say(world: &mut World, node: usize, (kind, code): (u8, u8), word: u32, about: &[u8]) {
    let sender: [u8; 16] = about[8..24].try_into().expect("an address");
    let about = &about[..about.len().min(1232)];
    let rest = [&word.to_be_bytes()[..], about].concat();
    let error = icmp_packet(ip("2001:db8:c::99"), sender.into(), kind, code, &rest);
    let mac = Host::new(CORE, 0x99).mac;
    world.send(CORE, &frame(mac, port_mac(node as u8, 0), &error));
}

/// A tunnel packet of `ends` with a packet of so many octets between these addresses.
fn tunnelled(ends: (Ipv6Addr, Ipv6Addr), inner: (Ipv6Addr, Ipv6Addr), octets: usize) -> Vec<u8> {
    let inner = packet(inner.0, inner.1, UDP, 60, &vec![7; octets - 40]);
    packet(ends.0, ends.1, IPV6, 60, &inner)
}

/// The ICMPv6 errors among what a host hears.
fn errors(host: &mut Host, world: &mut World) -> Vec<Seen> {
    let heard = host.live(world).into_iter();
    heard
        .filter(|seen| seen.icmp().is_some_and(|(kind, _)| kind < 128))
        .collect()
}

/// A domain with a host and a correspondent that knows its router.
fn begun() -> (World, Host, Host) {
    let mut world = domain();
    let mut mn = Host::new(MN, 1);
    attach(&mut world, &mut mn);
    let mut cn = Host::correspondent(CN);
    meet(&mut world, &mut cn);
    cn.live(&mut world);
    (world, mn, cn)
}

#[test]
fn packet_too_big_lowers_the_tunnels_mtu_for_a_while() {
    let (mut world, mut mn, cn) = begun();
    let (lma, mag) = ends();
    let hosts = (cn.address(), mn.address());
    let mtu = |world: &World| {
        let tables = &world.nodes[LMA].tables;
        let tunnel = tables.tunnel(TunnelId(0));
        tunnel.expect("the tunnel").mtu
    };
    let too_big = |world: &mut World, mtu, ends| {
        say(world, LMA, (2, 0), mtu, &tunnelled(ends, hosts, 1460));
    };
    assert_eq!(mtu(&world), 1460);
    // About one to somewhere else, and about one that the path carries after all.
    too_big(&mut world, 1400, (lma, ip("2001:db8:c::55")));
    too_big(&mut world, 1500, (lma, mag));
    assert_eq!(mtu(&world), 1460);
    assert_eq!(world.nodes[LMA].counted("icmp_unmatched"), 2);
    too_big(&mut world, 1400, (lma, mag));
    assert_eq!(mtu(&world), 1360);
    // Never below what IPv6 asks of a path, and never up.
    too_big(&mut world, 1000, (lma, mag));
    assert_eq!(mtu(&world), 1240);
    too_big(&mut world, 1450, (lma, mag));
    assert_eq!(mtu(&world), 1240);
    assert_eq!(world.nodes[LMA].counted("icmp_too_big"), 2);
    for _ in 0..70 {
        world.pass(Duration::from_secs(10));
        mn.live(&mut world);
    }
    assert_eq!(mtu(&world), 1460);
}

/// A correspondent hears of it from the anchor, and nothing that shows where the host is.
#[test]
fn a_correspondent_is_told_what_happened_in_the_tunnel() {
    let (mut world, mn, mut cn) = begun();
    let hosts = (cn.address(), mn.address());
    let about = tunnelled(ends(), hosts, 1400);
    let cases = [
        // Hop limit, no route, prohibited: the far side cannot be reached.
        ((3, 0), 0, Some((1, 3))),
        ((1, 0), 0, Some((1, 3))),
        ((1, 1), 0, Some((1, 3))),
        ((2, 0), 1400, Some((2, 0))),
        // Of no concern to it: a fragment that was lost, a header that it did not write.
        ((3, 1), 0, None),
        ((4, 0), 40, None),
    ];
    for (said, word, expected) in cases {
        say(&mut world, LMA, said, word, &about);
        let heard = errors(&mut cn, &mut world);
        assert_eq!(heard.len(), usize::from(expected.is_some()), "{said:?}");
        let Some(seen) = heard.first() else { continue };
        assert_eq!(seen.icmp(), expected);
        assert_eq!((seen.source, seen.destination), (ends().0, cn.address()));
        assert_eq!(seen.payload[8..], about[40..][..seen.payload.len() - 8]);
        if said == (2, 0) {
            assert_eq!(seen.payload[4..8], 1360u32.to_be_bytes());
        }
    }
    assert_eq!(world.nodes[LMA].counted("icmp_relayed"), 4);
    world.nodes[LMA].check();
}

#[test]
fn nobody_is_told_to_send_less_than_every_link_carries() {
    let (mut world, mn, mut cn) = begun();
    let hosts = (cn.address(), mn.address());
    say(
        &mut world,
        LMA,
        (2, 0),
        1000,
        &tunnelled(ends(), hosts, 1281),
    );
    let heard = errors(&mut cn, &mut world);
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].payload[4..8], 1280u32.to_be_bytes());
    // The tunnel cuts what is no larger.
    say(
        &mut world,
        LMA,
        (2, 0),
        1000,
        &tunnelled(ends(), hosts, 1280),
    );
    assert_eq!(errors(&mut cn, &mut world).len(), 0);
}

/// Of an encapsulation limit that ran out, where the pointer says that it did.
#[test]
fn a_limit_that_ran_out_is_told() {
    let (mut world, mn, mut cn) = begun();
    let (lma, mag) = ends();
    let inner = packet(cn.address(), mn.address(), UDP, 60, &[7; 60]);
    let options = encapsulation_limit_header(IPV6, 0);
    let about = packet(lma, mag, OPTIONS, 60, &[&options[..], &inner].concat());
    for (pointer, told) in [(44, 1), (43, 0)] {
        say(&mut world, LMA, (4, 0), pointer, &about);
        let heard = errors(&mut cn, &mut world);
        assert_eq!(heard.len(), told, "{pointer}");
        assert!(heard.iter().all(|seen| seen.icmp() == Some((1, 3))));
    }
}

/// The host hears of it from its link's router.
#[test]
fn a_host_is_told_by_its_own_gateway() {
    let (mut world, mut mn, cn) = begun();
    let (lma, mag) = ends();
    let about = tunnelled((mag, lma), (mn.address(), cn.address()), 100);
    say(&mut world, MAG1, (3, 0), 0, &about);
    let heard = errors(&mut mn, &mut world);
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].icmp(), Some((1, 3)));
    assert!(heard[0].source.is_unicast_link_local());
    world.nodes[MAG1].check();
}

/// Errors that are made up, about packets that entered no tunnel, and about errors.
#[test]
fn what_never_entered_the_tunnel_is_told_to_nobody() {
    let (mut world, mn, mut cn) = begun();
    let (lma, mag) = ends();
    let (here, there) = (cn.address(), mn.address());
    let stranger = ip("2001:db8:5::1");
    let icmp = icmp_packet(here, there, 1, 0, &[0; 52]);
    let cut = tunnelled((lma, mag), (here, there), 100)[..70].to_vec();
    let about = [
        tunnelled((lma, mag), (here, stranger), 100),
        tunnelled((lma, mag), (there, here), 100),
        tunnelled((mag, lma), (here, there), 100),
        packet(lma, mag, UDP, 60, &[0; 60]),
        packet(lma, mag, IPV6, 60, &icmp),
        cut,
    ];
    for about in about {
        say(&mut world, LMA, (1, 0), 0, &about);
        assert_eq!(errors(&mut cn, &mut world).len(), 0);
    }
    assert_eq!(world.nodes[LMA].counted("icmp_relayed"), 0);
    world.nodes[LMA].check();
}
