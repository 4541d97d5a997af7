//! Cutting and collecting in plain memory.

use super::*;
use crate::memory::HEAD_ROOM;

/// Octets of a pretended link-layer header.
const LINK: usize = 14;

fn packet(pool: &Pool, payload: usize) -> Buffer {
    let mut octets = vec![0x60, 0, 0, 0, 0, 0, 41, 64];
    octets[4..6].copy_from_slice(&(payload as u16).to_be_bytes());
    octets.extend(1..=32);
    octets.extend((0..payload).map(|n| (n % 251) as u8));
    let mut buffer = pool.alloc().expect("a buffer");
    buffer.fill(&octets).expect("room");
    buffer
}

fn cut(collector: &mut Collector, payload: usize, mtu: u16) -> (Vec<u8>, Vec<Buffer>) {
    let mut whole = packet(&collector.pool, payload);
    let mut pieces = Pieces::new();
    collector
        .cut(&mut whole, mtu, 7, &mut pieces)
        .expect("it is cut");
    let mut pieces: Vec<_> = pieces.into_iter().collect();
    for piece in &mut pieces {
        assert!(piece.data().len() <= usize::from(mtu));
        piece.prepend(LINK).expect("head room");
        piece.data_mut()[..LINK].fill(0xee);
    }
    (whole.data().to_vec(), pieces)
}

fn collect(collector: &mut Collector, piece: Buffer, now: u64) -> (Reassembly<Buffer>, usize) {
    let mut dead = Burst::new();
    let outcome = collector.collect(piece, LINK, now, &mut dead);
    (outcome, dead.len())
}

fn collector(buffers: usize) -> Collector {
    Collector::new(Pool::new(buffers, HEAD_ROOM + 3000))
}

#[test]
fn what_is_cut_is_put_together_again_in_any_order() {
    for (payload, mtu) in [(1240, 1280), (1233, 1280), (2400, 1280), (100, 80)] {
        for rotation in 0..4 {
            let mut collector = collector(16);
            let (whole, mut pieces) = cut(&mut collector, payload, mtu);
            let count = pieces.len();
            pieces.rotate_left(rotation % count);
            let mut joined = None;
            for (number, piece) in pieces.into_iter().enumerate() {
                match collect(&mut collector, piece, 1) {
                    (Reassembly::Kept, 0) => assert!(number + 1 < count),
                    (Reassembly::Whole(buffer, pieces), 0) => {
                        assert_eq!(pieces, count);
                        joined = Some(buffer);
                    }
                    other => panic!("{other:?}"),
                }
            }
            let joined = joined.expect("it is whole");
            assert_eq!(joined.data()[..LINK], [0xee; LINK]);
            assert_eq!(joined.data()[LINK..], whole);
            drop(joined);
            assert_eq!(collector.pool.in_use(), 0);
        }
    }
}

#[test]
fn a_packet_is_cut_whole_or_not_at_all() {
    let mut collector = collector(3);
    let mut whole = packet(&collector.pool, 2400);
    let mut pieces = Pieces::new();
    for mtu in [0, 48, 55, 100, 1000] {
        let refused = collector.cut(&mut whole, mtu, 7, &mut pieces);
        assert_eq!(refused, Err(NotCut), "{mtu}");
        assert!(pieces.is_empty());
    }
    assert_eq!(collector.pool.in_use(), 1);
}

#[test]
fn fragments_that_overlap_take_one_another_down() {
    let mut collector = collector(16);
    let (_, first) = cut(&mut collector, 2400, 1280);
    let (_, again) = cut(&mut collector, 2400, 1000);
    let mut first = first.into_iter();
    let mut again = again.into_iter().skip(1);
    let piece = first.next().expect("a piece");
    assert!(matches!(
        collect(&mut collector, piece, 1),
        (Reassembly::Kept, 0)
    ));
    let piece = again.next().expect("a piece");
    assert!(matches!(
        collect(&mut collector, piece, 1),
        (Reassembly::Broken, 2)
    ));
    drop((first, again));
    assert_eq!(collector.pool.in_use(), 0);
}

#[test]
fn what_stays_incomplete_is_given_up_in_time() {
    let mut collector = collector(16);
    let (_, pieces) = cut(&mut collector, 2400, 1280);
    let last = pieces.into_iter().next_back().expect("a piece");
    assert!(matches!(
        collect(&mut collector, last, 5),
        (Reassembly::Kept, 0)
    ));
    let mut dead = Burst::new();
    collector.expire(REASSEMBLY_NANOS + 5, &mut dead);
    assert!(dead.is_empty());
    collector.expire(REASSEMBLY_NANOS + 6, &mut dead);
    assert_eq!(dead.len(), 1);
    dead.clear();
    assert_eq!(collector.pool.in_use(), 0);
}

#[test]
fn there_is_room_for_so_many_incomplete_packets() {
    let mut collector = collector(MAX_INCOMPLETE + 8);
    for identification in 0..=MAX_INCOMPLETE {
        let mut whole = packet(&collector.pool, 1400);
        let mut pieces = Pieces::new();
        collector
            .cut(&mut whole, 1280, identification as u32, &mut pieces)
            .expect("it is cut");
        let mut dead = Burst::new();
        let outcome = collector.collect(pieces.remove(0), 0, 1, &mut dead);
        match outcome {
            Reassembly::Kept => assert!(identification < MAX_INCOMPLETE),
            Reassembly::Full(_) => assert_eq!(identification, MAX_INCOMPLETE),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_no_buffer_holds_says_so() {
    let pool = Pool::new(16, HEAD_ROOM + 1500);
    let mut collector = Collector::new(pool);
    let mut joined = None;
    for number in 0..2u16 {
        let mut piece = packet(&collector.pool, 1208);
        let place = (number * 1200) | u16::from(number == 0);
        let data = piece.data_mut();
        data[6] = FRAGMENT;
        data[FIXED..BOTH].copy_from_slice(&[41, 0, 0, 0, 0, 0, 0, 9]);
        data[FIXED + 2..FIXED + 4].copy_from_slice(&place.to_be_bytes());
        let mut dead = Burst::new();
        if let Reassembly::Whole(whole, 2) = collector.collect(piece, 0, 1, &mut dead) {
            joined = Some(whole);
        }
    }
    assert!(!joined.expect("it is whole").is_contiguous());
}
