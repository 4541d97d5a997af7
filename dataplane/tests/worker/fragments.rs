//! Tunnel packets in pieces: what a worker keeps, how long, and what there is no room for.

use super::*;

/// More than a worker keeps, fewer than there are buffers.
const MANY: u32 = 400;

/// A fragment of a tunnel packet of MAG1's, from its Ethernet header on.
fn fragment(identification: u32, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    let mut frame = frame("reassembly", 1, 0);
    frame.truncate(14 + ipv6::HEADER_LEN + 8);
    let place = offset | u16::from(more);
    frame[18..20].copy_from_slice(&(payload.len() as u16 + 8).to_be_bytes());
    frame[56..58].copy_from_slice(&place.to_be_bytes());
    frame[58..62].copy_from_slice(&identification.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// The inner packet that the first two fragments of the case make.
fn inner() -> Vec<u8> {
    let pieces = [frame("reassembly", 1, 0), frame("reassembly", 1, 1)];
    pieces.map(|piece| piece[14 + 48..].to_vec()).concat()
}

#[test]
fn fragments_that_are_kept_are_so_many_at_most() {
    let mut bench = Bench::new("narrow", &unlimited());
    let inner = inner();
    let full = Verdict::Drop(Drop::ReassemblyFull);
    let late = Verdict::Drop(Drop::ReassemblyTimeout);
    for identification in 0..MANY {
        bench.receive(1, &fragment(identification, 0, true, &inner[..800]));
    }
    bench.dry(START);
    let kept = bench.worker.stats().snapshot().held;
    assert_eq!(bench.count(full) + kept, u64::from(MANY));
    assert!(bench.count(full) > 0);
    bench.balances();

    // The last of those that are kept is made whole; another takes its place, and then there is no
    // place again.
    bench.receive(1, &fragment(kept as u32 - 1, 800, false, &inner[800..]));
    bench.receive(1, &fragment(MANY, 0, true, &inner[..800]));
    bench.dry(START + Duration::from_millis(500));
    assert_eq!(bench.sent(0).len(), 1);
    let refused = bench.count(full);
    assert_eq!(bench.worker.stats().snapshot().held, kept);

    // Old ones make room for new ones long before their time, and nobody is told.
    for identification in 0..2 {
        let new = MANY + 1 + identification;
        bench.receive(1, &fragment(new, 0, true, &inner[..800]));
        bench.receive(1, &fragment(new, 800, false, &inner[800..]));
    }
    bench.dry(START + Duration::from_secs(5));
    assert_eq!(bench.sent(0).len(), 2);
    assert_eq!(bench.count(full), refused);
    assert!(bench.count(late) > 0);
    assert!(bench.sent(1).is_empty());
    bench.balances();

    bench.dry(START + Duration::from_secs(70));
    assert_eq!(bench.worker.stats().snapshot().held, 0);
    bench.balances();
}

#[test]
fn what_no_buffer_holds_is_not_put_together() {
    let mut bench = Bench::with("narrow", &unlimited(), 64, 128 + 1500);
    let payload = [&inner()[..], &[0; 1000]].concat();
    bench.receive(1, &fragment(1, 0, true, &payload[..1200]));
    bench.receive(1, &fragment(1, 1200, false, &payload[1200..]));
    bench.dry(START);
    assert_eq!(bench.count(Verdict::Drop(Drop::ReassembledTooLong)), 1);
    bench.balances();
}

#[test]
fn a_packet_is_cut_whole_or_not_at_all() {
    let mut bench = Bench::new("narrow", &unlimited());
    let narrow = frame("narrow_tunnel", 0, 2);
    for _ in 0..BUFFERS {
        bench.receive(0, &narrow);
    }
    // While the first bursts go out, no buffer is left for pieces.
    bench.dry(START);
    let cut = bench.count(Verdict::Forward(Forward::Fragmented));
    let lost = bench.count(Verdict::Drop(Drop::NoBuffer));
    assert_eq!(cut + lost, BUFFERS as u64);
    assert!(lost > 0);
    assert_eq!(bench.sent(1).len() as u64, 2 * cut);
    bench.balances();
}

#[test]
fn fragments_that_are_kept_are_given_back_at_the_end() {
    let mut bench = Bench::new("narrow", &unlimited());
    bench.receive(1, &fragment(1, 0, true, &inner()[..800]));
    bench.dry(START);
    assert_eq!(bench.pool.in_use(), 1);
    bench.worker.drain();
    bench.balances();
}
