//! What is sent and copied only so often, and what a flood leaves to others.

use super::*;

/// Gateways at the other ends of the tunnels of `golden/lma.toml`.
const PEERS: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 0x11),
    Ipv6Addr::new(0x2001, 0xdb8, 3, 0, 0, 0, 0, 0x12),
];

/// Nothing is limited but what comes to control for one reason: so many of a source, so many in all.
fn limited(reason: Punt, source: u32, total: u32) -> WorkerConfig {
    let mut config = unlimited();
    let rate = PuntRate {
        source: Rate::new(1, source),
        total: Rate::new(1, total),
    };
    config.punt_rates.set(reason, rate);
    config
}

#[test]
fn errors_and_echo_replies_are_limited() {
    let config = WorkerConfig {
        icmp_rate: Rate::new(10, 3),
        ..unlimited()
    };
    let mut bench = Bench::new("lma", &config);
    let (echo, expired) = (frame("echo", 0, 0), frame("hop_limit", 0, 0));
    for _ in 0..5 {
        bench.receive(0, &echo);
        bench.receive(0, &expired);
    }
    bench.dry(START);
    assert_eq!(bench.sent(0).len(), 3);
    assert_eq!(bench.count(Verdict::Drop(Drop::IcmpLimited)), 7);
    bench.receive(0, &echo);
    bench.dry(START + Duration::from_secs(1));
    assert_eq!(bench.sent(0).len(), 1);
    bench.balances();
}

/// Whoever asks for errors without end leaves the others theirs, on a core link by its address and on an
/// access link by its frames.
#[test]
fn one_source_does_not_use_up_the_errors_of_all() {
    let config = WorkerConfig {
        icmp_rate: Rate::new(1, 8),
        icmp_source_rate: Rate::new(1, 3),
        ..unlimited()
    };
    let mut bench = Bench::new("lma", &config);
    let expired = frame("hop_limit", 0, 0);
    let from = |host: u8| {
        let mut expired = expired.clone();
        expired[37] = host;
        expired
    };
    for host in [1, 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 4] {
        bench.receive(0, &from(host));
    }
    bench.dry(START);
    let kept_back = [Drop::IcmpSourceLimited, Drop::IcmpLimited];
    let kept_back = kept_back.map(|reason| bench.count(Verdict::Drop(reason)));
    // Three, two, two and one: then all have used up what there is for all.
    assert_eq!(kept_back, [2, 2]);
    bench.balances();

    let mut bench = Bench::new("maar", &config);
    let echo = frame("host_to_gateway", 1, 0);
    for _ in 0..5 {
        bench.receive(1, &echo);
    }
    bench.dry(START);
    let limited = bench.count(Verdict::Drop(Drop::IcmpSourceLimited));
    assert_eq!((limited, bench.sent(1).len()), (2, 3));
    bench.balances();
}

/// A flood of one stranger leaves room for another, and no flood passes the rate of its reason.
#[test]
fn punts_are_limited_by_source_and_by_reason() {
    let config = limited(Punt::UnknownHost, 2, 6);
    let mut bench = Bench::new("mag", &config);
    let stranger = frame("host_up", 1, 11);
    for host in 0..8 {
        let mut from = stranger.clone();
        from[11] = 0x40 + host;
        for _ in 0..10 {
            bench.receive(1, &from);
        }
    }
    bench.dry(START);
    let mut by_host = [0; 8];
    bench.control.poll(|_, message| {
        let Message::Punted(punted) = message else {
            panic!("nothing is asked for")
        };
        assert_eq!(
            (punted.reason, punted.interface),
            (Punt::UnknownHost, InterfaceId(1))
        );
        by_host[usize::from(punted.frame[11] - 0x40)] += 1;
    });
    assert_eq!(by_host, [2, 2, 2, 0, 0, 0, 0, 0]);
    assert_eq!(bench.count(Verdict::Drop(Drop::PuntSourceLimited)), 64);
    assert_eq!(bench.count(Verdict::Drop(Drop::PuntLimited)), 10);
    bench.balances();
}

/// A host that talks all the time, and goes to and fro between gateways, is heard with its first packet whenever it
/// is back after a tenth of a second.
#[test]
fn a_host_that_is_soon_back_is_heard_at_once() {
    let mut bench = Bench::new("mag", &WorkerConfig::default());
    let stranger = frame("host_up", 1, 11);
    let mut now = START;
    for visit in 0..50 {
        for packet in 0..10 {
            bench.receive(1, &stranger);
            bench.dry(now);
            let mut heard = 0;
            bench.control.poll(|_, _| heard += 1);
            assert!(packet > 0 || heard == 1, "visit {visit}");
            now += Duration::from_millis(5);
        }
        now += Duration::from_millis(100);
    }
    assert!(bench.count(Verdict::Drop(Drop::PuntSourceLimited)) > 0);
    bench.balances();
}

/// A host that solicits without end leaves the others their solicitations.
#[test]
fn solicitations_are_limited_by_host() {
    let config = limited(Punt::RouterSolicitation, 2, 3);
    let mut bench = Bench::new("mag", &config);
    let mut solicitation = frame("attach", 1, 0);
    for host in [1, 1, 1, 1, 1, 2] {
        solicitation[11] = host;
        bench.receive(1, &solicitation);
    }
    bench.dry(START);
    let mut hosts = Vec::new();
    bench.control.poll(|_, message| {
        if let Message::Punted(punted) = message {
            hosts.push(punted.frame[11]);
        }
    });
    assert_eq!(hosts, [1, 1, 2]);
    assert_eq!(bench.count(Verdict::Drop(Drop::PuntSourceLimited)), 3);
    bench.balances();
}

/// No flood of signalling keeps out what peers send: neither under made-up names, nor under the name of
/// one peer, nor while it keeps the ring to control full.
#[test]
fn a_flood_of_forged_signalling_leaves_peers_their_way_to_control() {
    let mut config = limited(Punt::Mobility, 5, 40);
    config.punt_rates.peers.source = Rate::new(1, 10);
    let mut bench = Bench::with("lma", &config, 32, 4096);
    let [honest, loud] = [PEERS[0], PEERS[1]];
    let update = frame("signalling", 1, 0);
    let from = |source: Ipv6Addr| {
        let mut update = update.clone();
        update[22..38].copy_from_slice(&source.octets());
        update
    };
    for stranger in 0..200u128 {
        let made_up = Ipv6Addr::from_bits(0x2001_0db8_ffff << 80 | stranger);
        bench.receive(1, &from(made_up));
        bench.receive(1, &from(loud));
    }
    for _ in 0..3 {
        bench.receive(1, &from(honest));
    }
    bench.dry(START);
    let mut heard = std::collections::BTreeMap::new();
    bench.control.poll(|_, message| {
        if let Message::Punted(punted) = message {
            let source: [u8; 16] = punted.frame[22..38].try_into().unwrap();
            *heard.entry(Ipv6Addr::from(source)).or_insert(0) += 1;
        }
    });
    assert_eq!(heard.remove(&honest), Some(3));
    assert_eq!(heard.remove(&loud), Some(10));
    // What is left are strangers: with ten messages of the loud peer they had three quarters of the ring.
    assert_eq!(heard.len(), 15, "{heard:?}");
    assert!(heard.values().all(|&count| count == 1), "{heard:?}");
    // Twenty-five strangers had a place and found no room.
    assert_eq!(bench.count(Verdict::Drop(Drop::SignallingLimited)), 160);
    assert_eq!(bench.count(Verdict::Drop(Drop::PuntSourceLimited)), 190);
    bench.balances();
}

/// A stranger over its rate is refused at the first look only where it speaks to us: what it sends to
/// others goes on, and packets among its own keep their order.
#[test]
fn strangers_over_their_rate_end_and_what_is_among_theirs_goes_on() {
    let mut bench = Bench::with("lma", &limited(Punt::Mobility, 1, 2), 32, 4096);
    let update = frame("signalling", 1, 0);
    let from = |stranger: u128, to: Option<&[u8]>| {
        let mut update = update.clone();
        let made_up = 0x2001_0db8_ffff << 80 | stranger;
        update[22..38].copy_from_slice(&made_up.to_be_bytes());
        if let Some(to) = to {
            update[38..54].copy_from_slice(to);
        }
        update
    };
    let packet = frame("decap", 1, 0);
    let afar: Ipv6Addr = "2001:db8:1::c".parse().unwrap();
    for stranger in 0..20 {
        bench.receive(1, &from(stranger, None));
        bench.receive(1, &packet);
        bench.receive(1, &from(7, None));
        bench.receive(1, &from(stranger, Some(&afar.octets())));
    }
    bench.dry(START);
    assert_eq!(bench.count(Verdict::Punt(Punt::Mobility)), 2);
    assert_eq!(bench.count(Verdict::Drop(Drop::SignallingLimited)), 38);
    let sent = bench.sent(0);
    assert_eq!(sent.len(), 40);
    let signalling = |frame: &Vec<u8>| frame[20] == 135;
    let alternate = sent
        .chunks(2)
        .all(|two| !signalling(&two[0]) && signalling(&two[1]));
    assert!(alternate, "out of order");
    bench.balances();
}

#[test]
fn a_full_ring_slows_no_forwarding() {
    let mut bench = Bench::with("lma", &unlimited(), 4, 4096);
    let (update, packet) = (frame("signalling", 1, 0), frame("decap", 1, 0));
    for _ in 0..10 {
        bench.receive(1, &update);
        bench.receive(1, &packet);
    }
    bench.dry(START);
    assert_eq!(bench.count(Verdict::Punt(Punt::Mobility)), 4);
    assert_eq!(bench.count(Verdict::Drop(Drop::PuntFull)), 6);
    assert_eq!(bench.sent(0).len(), 10);
    assert_eq!(bench.control.poll(|_, _| ()), 4);
    bench.balances();
}

/// A packet to neighbour `last` of the correspondents' link, as a router on the core sends it.
fn to_neighbour(last: u16) -> Vec<u8> {
    let mut packet = frame("unanswered", 0, 0);
    let addresses = packet[22..54].chunks_exact_mut(16);
    for (address, end) in addresses.zip([0x1_0000 | u128::from(last % 2), u128::from(last)]) {
        address.copy_from_slice(&(0x2001_0db8_0001 << 80 | end).to_be_bytes());
    }
    packet
}

/// RFC 6583: of whoever scans a link no more is asked than the rate allows, and the packet that has
/// waited longest makes room for the next.
#[test]
fn a_scan_of_a_link_keeps_no_neighbour_from_being_found() {
    let mut config = unlimited();
    config.punt_rates.neighbours = PuntRate {
        source: Rate::new(1, 50),
        total: Rate::new(1, 90),
    };
    let mut bench = Bench::with("lma", &config, 256, 4096);
    for last in 0x1000..0x10c8 {
        bench.receive(0, &to_neighbour(last));
    }
    bench.dry(START);
    // Fifty of the first source, forty of the second: there are ninety in all.
    assert_eq!(bench.count(Verdict::Drop(Drop::NeighbourLimited)), 110);
    assert_eq!(bench.count(Verdict::Hold(Hold::NeighbourUnresolved)), 90);
    assert_eq!(bench.count(Verdict::Drop(Drop::NeighbourBusy)), 90 - 64);
    let mut asked = 0;
    bench.control.poll(|_, message| {
        asked += usize::from(matches!(message, Message::NeighbourWanted { .. }));
    });
    assert_eq!(asked, 90);
    bench.balances();
}
