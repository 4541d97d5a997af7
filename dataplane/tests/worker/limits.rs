//! What is sent and copied only so often, and what a flood leaves to others.

use super::*;

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

/// A flood of one stranger leaves room for another, and no flood passes the rate of its reason.
#[test]
fn punts_are_limited_by_source_and_by_reason() {
    let mut config = WorkerConfig {
        host_rate: Rate::new(1, 2),
        ..unlimited()
    };
    config.punt_rates.set(Punt::UnknownHost, Rate::new(1, 6));
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
    assert_eq!(bench.count(Verdict::Drop(Drop::PuntLimited)), 74);
    bench.balances();
}

/// A host that solicits without end leaves the others their solicitations.
#[test]
fn solicitations_are_limited_by_host() {
    let mut config = WorkerConfig {
        host_rate: Rate::new(1, 2),
        ..unlimited()
    };
    config
        .punt_rates
        .set(Punt::RouterSolicitation, Rate::new(1, 3));
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
    assert_eq!(bench.count(Verdict::Drop(Drop::PuntLimited)), 3);
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
