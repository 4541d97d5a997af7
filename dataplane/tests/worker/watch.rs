//! Watching packets: what is written down of them, and that it changes nothing for them.

use super::*;
use dataplane::watch::{Came, Decision, Filter, Note, Prefix, Session, SessionConfig, Verdicts};
use std::collections::BTreeMap;
use std::sync::Arc;

fn config(filter: Filter) -> SessionConfig {
    SessionConfig {
        filter,
        notes: true,
        snap: 2048,
        packets: None,
        depth: 512,
    }
}

/// What is left of a record when it is free again.
#[derive(Clone, PartialEq, Debug)]
struct Seen {
    number: u64,
    came: Came,
    before: Vec<u8>,
    after: Option<(u16, Vec<u8>)>,
    notes: Vec<Note>,
    verdict: Option<Verdict>,
}

fn seen(session: &Session) -> Vec<Seen> {
    let mut all = Vec::new();
    session.poll(|worker, record| {
        assert_eq!(worker, 0);
        let port = record.sent;
        all.push(Seen {
            number: record.number,
            came: record.came,
            before: record.before.kept().to_vec(),
            after: port.map(|port| (port.0, record.after.kept().to_vec())),
            notes: record.notes.iter().copied().collect(),
            verdict: record.verdict,
        });
    });
    all
}

impl Bench {
    fn watch(&self, config: SessionConfig) -> Arc<Session> {
        let session = Session::new(config, 1);
        self.worker.tap().start(&session).expect("nobody watches");
        session
    }
}

#[test]
fn a_record_tells_how_a_packet_came_what_was_found_and_how_it_went() {
    let mut bench = Bench::new("lma", &unlimited());
    let session = bench.watch(config(Filter::default()));
    let packet = frame("encap", 0, 0);
    bench.receive(0, &packet);
    bench.dry(START);
    let sent = bench.sent(1);
    let [it] = &seen(&session)[..] else {
        panic!("one packet");
    };
    assert_eq!(it.came, Came::Received(PortId(0)));
    assert_eq!((&it.before, it.number), (&packet, 1));
    assert_eq!(it.after, Some((1, sent[0].clone())));
    assert_eq!(it.verdict, Some(Verdict::Forward(Forward::Encapsulated)));
    let link = |note: &Note| {
        matches!(
            note,
            Note::Link {
                interface: InterfaceId(0),
                ..
            }
        )
    };
    assert!(it.notes.iter().any(link), "{:?}", it.notes);
    let found = it.notes.iter().find_map(|note| match note {
        Note::Binding { found, .. } => *found,
        _ => None,
    });
    let Some((_, Forwarding::Anchor { tunnel })) = found else {
        panic!("{:?}", it.notes);
    };
    let decided = Note::Decided(Decision::Tunnel(tunnel));
    assert_eq!(it.notes.last(), Some(&decided));
    bench.balances();
}

#[test]
fn what_was_in_a_tunnel_and_an_answer_are_further_notes_of_the_same_packet() {
    let mut bench = Bench::new("lma", &unlimited());
    let session = bench.watch(config(Filter::default()));
    bench.receive(1, &frame("decap", 1, 0));
    bench.receive(0, &frame("echo", 0, 0));
    bench.dry(START);
    let all = seen(&session);
    let [answered, tunnelled] = &all[..] else {
        panic!("two packets");
    };
    assert!(answered.notes.contains(&Note::Again), "{answered:?}");
    assert_eq!(answered.verdict, Some(Verdict::Reply(Reply::EchoReply)));
    assert!(answered.after.is_some());
    let untunnelled = |note: &Note| matches!(note, Note::Untunnelled(_));
    assert!(tunnelled.notes.iter().any(untunnelled), "{tunnelled:?}");
    assert_eq!(
        tunnelled.verdict,
        Some(Verdict::Forward(Forward::Decapsulated))
    );
    bench.balances();
}

#[test]
fn a_session_ends_after_its_packets_and_makes_room_for_another() {
    let mut bench = Bench::new("lma", &unlimited());
    let limited = SessionConfig {
        packets: Some(3),
        ..config(Filter::default())
    };
    let session = bench.watch(limited);
    let tap = bench.worker.tap();
    assert!(tap.start(&session).is_err(), "one at a time");
    for _ in 0..5 {
        bench.receive(0, &frame("encap", 0, 0));
    }
    bench.dry(START);
    assert!(session.is_complete());
    let numbers: Vec<u64> = seen(&session).iter().map(|it| it.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(session.lost(), 0);
    tap.stop(&session);
    assert!(tap.is_busy(), "the worker has not given it back");
    bench.dry(START);
    assert!(!tap.is_busy());
    assert_eq!(Arc::strong_count(&session), 1, "control alone frees it");
    bench.watch(config(Filter::default()));
    bench.balances();
}

/// A session that is stopped before the worker ever saw it is given back unused.
#[test]
fn a_session_may_be_stopped_before_it_begins() {
    let mut bench = Bench::new("lma", &unlimited());
    let session = bench.watch(config(Filter::default()));
    bench.worker.tap().stop(&session);
    bench.receive(0, &frame("encap", 0, 0));
    bench.dry(START);
    assert!(!bench.worker.tap().is_busy());
    assert!(seen(&session).is_empty());
}

#[test]
fn records_that_nobody_reads_are_counted_as_lost() {
    let mut bench = Bench::new("lma", &unlimited());
    let small = SessionConfig {
        depth: 4,
        ..config(Filter::default())
    };
    let session = bench.watch(small);
    for _ in 0..10 {
        bench.receive(0, &frame("encap", 0, 0));
    }
    bench.dry(START);
    assert_eq!(bench.sent(1).len(), 10, "the packets are not held up");
    assert_eq!((seen(&session).len(), session.lost()), (4, 6));
    bench.balances();
}

#[test]
fn only_what_the_filter_wants_is_recorded_and_order_stays() {
    let mut bench = Bench::new("lma", &unlimited());
    let destination = |frame: &[u8]| {
        let octets: [u8; 16] = frame[38..54].try_into().expect("an address");
        std::net::Ipv6Addr::from(octets)
    };
    let (encap, routed) = (frame("encap", 0, 0), frame("route", 0, 0));
    let address = Some(Prefix {
        address: destination(&encap).into(),
        length: 64,
    });
    let session = bench.watch(config(Filter {
        address,
        ..Filter::default()
    }));
    for number in 0..40u8 {
        let mut packet = match number % 3 {
            0 => encap.clone(),
            _ => routed.clone(),
        };
        *packet.last_mut().expect("a payload") = number;
        bench.receive(0, &packet);
    }
    bench.dry(START);
    let recorded = seen(&session);
    assert_eq!(recorded.len(), 14);
    let ends = |frames: Vec<Vec<u8>>| -> Vec<u8> {
        frames
            .iter()
            .filter_map(|frame| frame.last().copied())
            .collect()
    };
    let mut sent = [bench.sent(0), bench.sent(1)].map(ends).concat();
    let in_order: Vec<u8> = (0..40).filter(|number| number % 3 == 0).collect();
    let tunnelled: Vec<u8> = sent.iter().copied().filter(|it| it % 3 == 0).collect();
    assert_eq!(tunnelled, in_order);
    sent.sort_unstable();
    assert_eq!(sent, (0..40).collect::<Vec<u8>>());

    bench.worker.tap().stop(&session);
    bench.dry(START);
    let drops = Verdicts::of(|verdict| verdict.kind() == "drop");
    let session = bench.watch(config(Filter {
        verdicts: Some(drops),
        ..Filter::default()
    }));
    bench.receive(0, &encap);
    bench.receive(0, &encap[..30]);
    bench.dry(START);
    let verdicts: Vec<_> = seen(&session).iter().map(|it| it.verdict).collect();
    assert_eq!(verdicts, [Some(Verdict::Drop(Drop::Ipv6Malformed))]);
    bench.balances();
}

/// What control sends can be watched, by the port that it goes to.
#[test]
fn what_control_sends_is_watched_too() {
    let mut bench = Bench::new("lma", &unlimited());
    let filter = Filter {
        port: Some(PortId(1)),
        ..Filter::default()
    };
    let session = bench.watch(config(filter));
    for name in ["encap", "echo"] {
        let data = &frame(name, 0, 0)[14..];
        let domain = Domain(0);
        let what = Inject::Packet { domain, data };
        bench.control.inject(0, what).expect("room");
    }
    bench.dry(START);
    let recorded = seen(&session);
    assert_eq!(recorded.len(), 1);
    assert_eq!(recorded[0].before, frame("encap", 0, 0)[14..]);
    bench.balances();
}

/// What went out of one port.
type Frames = Vec<Vec<u8>>;

/// The frames that a gateway sends and what it counts, over one burst of everything.
fn outcome(
    tables: &str,
    frames: &[(u16, Vec<u8>)],
    session: Option<SessionConfig>,
) -> (Vec<Frames>, BTreeMap<usize, u64>, Vec<Seen>) {
    let mut bench = Bench::with(tables, &unlimited(), 64, 2048);
    let session = session.map(|config| bench.watch(config));
    for (port, frame) in frames {
        let _ = bench.worker.io_mut().receive(PortId(*port), frame);
    }
    for seconds in [0, 10, 20] {
        bench.dry(START + Duration::from_secs(seconds));
        bench.balances();
    }
    let mut sent: Vec<_> = (0..3).map(|port| bench.sent(port)).collect();
    sent.iter_mut().for_each(|frames| frames.sort());
    let totals = bench.gateway.tables.verdict_totals();
    let counts = totals.iter().map(|(it, count)| (it.index(), count));
    let recorded = session.map(|session| seen(&session)).unwrap_or_default();
    (sent, counts.collect(), recorded)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever comes, watching all of it changes nothing of what goes, and tells every verdict that was
    /// counted.
    #[test]
    fn watching_changes_nothing(
        tables in prop::sample::select(vec!["lma", "mag", "maar"]),
        frames in prop::collection::vec((0..3u16, any_frame()), 1..80),
    ) {
        let (sent, counts, _) = outcome(tables, &frames, None);
        let (watched_sent, watched_counts, seen) =
            outcome(tables, &frames, Some(config(Filter::default())));
        prop_assert_eq!(sent, watched_sent);
        prop_assert_eq!(&counts, &watched_counts);
        let mut told: BTreeMap<usize, u64> = counts.keys().map(|at| (*at, 0)).collect();
        for one in &seen {
            let verdict = one.verdict.expect("a packet has a verdict");
            *told.entry(verdict.index()).or_default() += 1;
        }
        // Pieces are counted one by one; the packet that they were cut from is told once.
        let piece = Verdict::Forward(Forward::Fragment).index();
        prop_assert!(told.get(&piece) <= counts.get(&piece));
        told.remove(&piece);
        let whole = counts.into_iter().filter(|(at, _)| *at != piece).collect();
        prop_assert_eq!(told, whole);
    }
}
