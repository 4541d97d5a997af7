//! Frames that a port delivers in several segments, and frames longer than their link carries.

use super::*;

/// Puts a frame on port `port` in two segments, the first of `first` octets.
fn receive_in_two(bench: &mut Bench, port: u16, frame: &[u8], first: usize, tag: Option<u16>) {
    let mut buffer = bench.pool.alloc().expect("a buffer");
    let (here, rest) = frame.split_at(first);
    buffer.fill(here).expect("room");
    buffer.set_rest(rest);
    buffer.set_stripped_vlan(tag);
    assert!(bench.worker.io_mut().receive_buffer(PortId(port), buffer));
}

/// The frame with its IPv6 packet made `octets` long.
fn padded(frame: &[u8], octets: usize) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame.resize(14 + octets, 0);
    let payload = u16::try_from(octets - 40).expect("an IPv6 packet");
    frame[18..20].copy_from_slice(&payload.to_be_bytes());
    frame
}

/// Wherever the first segment ends, the packet goes the way that it goes in one.
#[test]
fn a_frame_in_segments_goes_as_in_one() {
    for (name, port) in [("encap", 0), ("decap", 1), ("echo", 0), ("arp", 0)] {
        let whole = frame(name, port, 0);
        let mut bench = Bench::new("lma", &unlimited());
        bench.receive(port, &whole);
        bench.dry(START);
        let sent = [bench.sent(0), bench.sent(1)];
        for first in [1, 13, 14, 20, 54, whole.len() - 1] {
            let mut bench = Bench::new("lma", &unlimited());
            receive_in_two(&mut bench, port, &whole, first, None);
            bench.dry(START);
            assert_eq!(
                [bench.sent(0), bench.sent(1)],
                sent,
                "{name} in two at {first}"
            );
            bench.balances();
        }
    }
}

#[test]
fn all_segments_count_as_received() {
    let whole = frame("encap", 0, 0);
    let mut bench = Bench::new("lma", &unlimited());
    bench.receive(0, &[0]);
    receive_in_two(&mut bench, 0, &whole, 20, None);
    bench.dry(START);
    let counts = bench.gateway.tables.port_totals(PortId(0));
    assert_eq!(counts.rx.bytes, 1 + whole.len() as u64);
}

/// What a buffer does not hold is larger than any link carries: its sender is told the MTU of its link.
#[test]
fn a_frame_of_more_than_a_buffer_is_answered_with_the_mtu_of_its_link() {
    let room = 2048 + 128;
    for (octets, tag) in [(9000, None), (65_575, None), (9000, Some(0x6000))] {
        let mut bench = Bench::with("lma", &unlimited(), 64, room);
        let large = padded(&frame("encap", 0, 0), octets);
        receive_in_two(&mut bench, 0, &large, 1000, tag);
        bench.dry(START);
        assert_eq!(bench.count(Verdict::Reply(Reply::Oversized)), 1);
        let answer = bench.sent(0).remove(0);
        let packet = &answer[14..];
        assert_eq!((packet.len(), packet[6], packet[40]), (1280, 58, 2));
        assert_eq!(packet[44..48], 1500_u32.to_be_bytes());
        assert_eq!(packet[48..], large[14..14 + 1280 - 48]);
        assert_eq!(packet[24..40], large[22..38], "to its sender");
        bench.balances();
    }
}

/// Nobody is told of a packet to us, to others' stations, of a stranger on an access link, or of an
/// error; nor when buffers have run out.
#[test]
fn frames_of_more_than_a_buffer_end_silently_where_no_error_may_be_sent() {
    let dropped = |tables: &str, port, large: &[u8]| {
        let mut bench = Bench::with(tables, &unlimited(), 64, 2048 + 128);
        receive_in_two(&mut bench, port, large, 1000, None);
        bench.dry(START);
        assert!(bench.sent(0).is_empty() && bench.sent(1).is_empty());
        bench.balances();
        bench.count(Verdict::Drop(Drop::Oversized))
    };
    let to_mn = padded(&frame("encap", 0, 0), 9000);
    let mut to_us = to_mn.clone();
    to_us[38..54].copy_from_slice(&"2001:db8:1::1".parse::<Ipv6Addr>().unwrap().octets());
    assert_eq!(dropped("lma", 0, &to_us), 1);
    let mut error = to_mn.clone();
    (error[20], error[54]) = (58, 1);
    assert_eq!(dropped("lma", 0, &error), 1);
    let mut from_nobody = to_mn.clone();
    from_nobody[22..38].fill(0);
    assert_eq!(dropped("lma", 0, &from_nobody), 1);
    let mut to_others = to_mn.clone();
    to_others[5] ^= 1;
    assert_eq!(dropped("lma", 0, &to_others), 0);

    let host = padded(&frame("host_up", 1, 0), 9000);
    let mut stranger = host.clone();
    stranger[6..12].copy_from_slice(&[2, 0, 0, 0, 0xaa, 9]);
    assert_eq!(dropped("mag", 1, &stranger), 1);
    let mut bench = Bench::with("mag", &unlimited(), 64, 2048 + 128);
    receive_in_two(&mut bench, 1, &host, 1000, None);
    bench.dry(START);
    assert_eq!(bench.count(Verdict::Reply(Reply::Oversized)), 1);

    let mut bench = Bench::with("lma", &unlimited(), 64, 2048 + 128);
    receive_in_two(&mut bench, 0, &to_mn, 1000, None);
    let mut others = Vec::new();
    while let Some(buffer) = bench.pool.alloc() {
        others.push(buffer);
    }
    bench.dry(START);
    assert_eq!(bench.count(Verdict::Drop(Drop::NoBuffer)), 1);
    drop(others);
    bench.balances();
}

/// The host's own stack is handed no more than its twin carries, and sends no more than the port does.
#[test]
fn a_twin_gets_and_sends_no_more_than_its_port_carries() {
    let arp = frame("twin", 0, 4);
    for (octets, forwarded) in [(1518, 1), (1519, 0)] {
        let mut long = arp.clone();
        long.resize(octets, 0);
        for port in [0, 2] {
            let mut bench = Bench::new("mag", &unlimited());
            bench.receive(port, &long);
            bench.dry(START);
            assert_eq!(bench.sent(2 - port).len(), forwarded, "{octets} on {port}");
            let reason = if port == 0 {
                Drop::TooBig
            } else {
                Drop::Oversized
            };
            assert_eq!(bench.count(Verdict::Drop(reason)), 1 - forwarded as u64);
            bench.balances();
        }
    }
}
