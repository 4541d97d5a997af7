//! An anchor with hosts of gateways and hosts that have registered themselves: the packets of both are
//! carried, each by its own way, and come back after a restart.

use crate::bytes::{frame, ip, packet, Seen};
use crate::host::{echo, replies, Host};
use crate::store::{kill, rest};
use crate::story::{attach, bindings, domain_with, meet, visitors, CAPACITY, CN, LMA, MAG1, MN};
use crate::world::{port_mac, World};
use control::gateway::Gateway;
use dataplane::tables::Capacity;
use dataplane::verdict::{Drop, Verdict};
use roles::event::RevocationScope;
use roles::lma::{BindingKind, HomeRegistration};
use roles::mag::VisitorState;
use roles::Event;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::ipv6::next_header;
use wire::mh::{Lifetime, MnIdentifier, Status};

const ANCHOR: &str = "2001:db8:c::1";

/// The home address of a host that no gateway serves, and where it is.
const HOME: &str = "2001:db8:1000:ffff::7";
const AWAY: &str = "2001:db8:f::7";

/// Where a host is that a gateway serves, too.
const ELSEWHERE: &str = "2001:db8:f::8";

/// Lets a host register itself, as a home agent's signalling would; how that was answered.
fn register(world: &mut World, host: &str, home: Ipv6Addr, care_of: &str) -> Status {
    let registration = HomeRegistration {
        mn_identifier: MnIdentifier::Nai(host.to_owned()),
        home_address: home,
        care_of: ip(care_of),
        sequence: 1,
        lifetime: Lifetime(75),
    };
    let now = world.now();
    let engine = &mut world.nodes[LMA].engine;
    engine.deliver(now, Event::HomeRegistration { registration });
    let Gateway::Lma(lma) = engine.role() else {
        panic!("no anchor");
    };
    lma.last_home_registration().expect("an answer")
}

/// The kinds of bindings by what is bound.
fn kinds(world: &World) -> Vec<(String, BindingKind)> {
    let views = bindings(world).into_iter();
    let mut kinds: Vec<_> = views
        .map(|view| (view.prefixes[0].to_string(), view.kind))
        .collect();
    kinds.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    kinds
}

/// The correspondent sends an echo request to `to`; what then goes out of the anchor towards the internet by
/// a tunnel, outer destination and inner destination.
fn reaches(world: &mut World, cn: &mut Host, to: Ipv6Addr) -> Vec<(Ipv6Addr, Ipv6Addr)> {
    let request = echo(cn.address(), to, 128, 5);
    cn.send_to(world, port_mac(0, 1), &request);
    let mut heard = Vec::new();
    for _ in 0..4 {
        heard.extend(cn.live(world));
        world.pass(Duration::from_millis(20));
    }
    let tunnelled = heard
        .into_iter()
        .filter(|seen| seen.kind == next_header::IPV6);
    let ends = tunnelled.map(|seen: Seen| {
        assert_eq!(seen.source, ip(ANCHOR));
        let inner: [u8; 16] = seen.payload[24..40].try_into().unwrap();
        (seen.destination, Ipv6Addr::from(inner))
    });
    ends.collect()
}

/// A packet out of the tunnel of a host that is away, as the internet brings it to the anchor.
fn from_away(world: &mut World, cn: &Host, care_of: &str, inner: &[u8]) {
    let outer = packet(ip(care_of), ip(ANCHOR), next_header::IPV6, 64, inner);
    world.send(CN, &frame(cn.mac, port_mac(0, 1), &outer));
}

/// Both ways of both kinds, in one anchor, before and after it was killed; and what is revoked of the one
/// leaves the other.
///
/// Proves S1-17, S1-47.
#[test]
fn packets_of_both_kinds_are_carried_side_by_side() {
    let (mut world, anchor, _access) = crate::store::domain();
    let (mut cn, mut mn) = (Host::correspondent(CN), Host::new(MN, 1));
    meet(&mut world, &mut cn);
    attach(&mut world, &mut mn);
    rest(&mut world);
    let own = bindings(&world)[0].prefixes[0];
    // One address of a host that a gateway serves leads elsewhere; the longer prefix wins.
    let second = Ipv6Addr::from_bits(own.prefix.to_bits() | 0x7777);
    let home = ip(HOME);
    assert_eq!(
        register(&mut world, "far@example.net", home, AWAY),
        Status::ACCEPTED
    );
    assert_eq!(
        register(&mut world, "mn1@example.net", second, ELSEWHERE),
        Status::ACCEPTED
    );
    let taken = Ipv6Addr::from_bits(own.prefix.to_bits() | 0x8888);
    assert_eq!(
        register(&mut world, "far@example.net", taken, AWAY),
        Status::DAD_FAILED
    );
    world.pass(Duration::from_millis(50));
    cn.live(&mut world);
    let mut expected = vec![
        (own.to_string(), BindingKind::Proxy),
        (format!("{second}/128"), BindingKind::Mobile),
        (format!("{home}/128"), BindingKind::Mobile),
    ];
    expected.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(kinds(&world), expected);

    for killed in [false, true] {
        if killed {
            kill(&mut world, LMA, &anchor, Duration::from_secs(1));
            assert_eq!(world.nodes[LMA].engine.restored(), 3);
            for _ in 0..2 {
                cn.live(&mut world);
                world.pass(Duration::from_millis(20));
            }
            assert_eq!(kinds(&world), expected);
        }
        mn.live(&mut world);
        assert_eq!(reaches(&mut world, &mut cn, home), [(ip(AWAY), home)]);
        assert_eq!(
            reaches(&mut world, &mut cn, second),
            [(ip(ELSEWHERE), second)]
        );
        let address = mn.address();
        assert_eq!(reaches(&mut world, &mut cn, address), []);
        let heard = mn.live(&mut world);
        assert!(heard.iter().any(|seen| seen.icmp() == Some((128, 0))));

        // From one to the other, and back.
        let question = echo(home, address, 128, 9);
        from_away(&mut world, &cn, AWAY, &question);
        let heard = mn.live(&mut world);
        let asked = heard.iter().find(|seen| seen.source == home);
        assert_eq!(asked.and_then(Seen::icmp), Some((128, 0)));
        let answered = cn.live(&mut world);
        let answer = answered.iter().find(|seen| seen.destination == ip(AWAY));
        assert!(answer.is_some(), "the answer to it goes into its tunnel");
        // Out to anybody.
        from_away(
            &mut world,
            &cn,
            ELSEWHERE,
            &echo(second, cn.address(), 129, 3),
        );
        assert_eq!(replies(&cn.live(&mut world)), [3]);
        // Nobody speaks for the other kind, nor for another of the same.
        let spoofed = Verdict::Drop(Drop::InnerSourceSpoofed);
        let before = world.nodes[LMA].verdicts(spoofed);
        for source in [address, second] {
            from_away(&mut world, &cn, AWAY, &echo(source, cn.address(), 129, 4));
        }
        assert_eq!(world.nodes[LMA].verdicts(spoofed), before + 2);
        assert_eq!(replies(&cn.live(&mut world)), [0_u16; 0]);
    }

    let now = world.now();
    let scope = RevocationScope::All;
    world.nodes[LMA]
        .engine
        .deliver(now, Event::Revoke { scope });
    rest(&mut world);
    world.pass(Duration::from_millis(100));
    assert_eq!(visitors(&world, MAG1), [] as [VisitorState; 0]);
    expected.retain(|(_, kind)| *kind == BindingKind::Mobile);
    assert_eq!(kinds(&world), expected);
    assert_eq!(reaches(&mut world, &mut cn, home), [(ip(AWAY), home)]);
    assert_eq!(
        reaches(&mut world, &mut cn, second),
        [(ip(ELSEWHERE), second)]
    );
    for node in &world.nodes {
        node.check();
    }
}

/// Proves S1-17.
#[test]
fn a_host_for_which_no_tunnel_is_left_hears_130_and_leaves_nothing() {
    let anchor = Capacity {
        tunnels: 1,
        ..CAPACITY
    };
    let mut world = domain_with(anchor, CAPACITY);
    let mut mn = Host::new(MN, 1);
    attach(&mut world, &mut mn);
    let before = bindings(&world);
    let status = register(&mut world, "far@example.net", ip(HOME), AWAY);
    assert_eq!(status, Status::INSUFFICIENT_RESOURCES);
    assert_eq!(bindings(&world), before);
    let writer = world.nodes[LMA].engine.writer();
    assert_eq!((writer.bindings_len(), writer.tunnels_len()), (1, 1));
    assert_eq!(world.nodes[LMA].counted("table_full"), 1);
}
