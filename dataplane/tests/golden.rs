//! The golden cases over plain memory, in bursts of every size.
//!
//! `GOLDEN_REGENERATE=1` writes what came out as what is expected; look at the difference.

#[path = "golden/case.rs"]
mod case;

use case::{play, read_pcap, write_pcap, Case, Counts};
use packet::memory::{Pool, Ports};
use packet::{PortId, MAX_BURST};

type Frames = Vec<Vec<u8>>;

/// Runs a case in bursts of `burst`; what each port sent is in order of octets, for packets of
/// different flows may overtake one another.
fn run(case: &Case, burst: usize) -> (Vec<Frames>, Counts) {
    let pool = Pool::new(256, 4096);
    let ports = case.tables.ports;
    let mut io = Ports::new(ports, pool.clone());
    io.set_burst(burst);
    for port in 0..ports {
        for frame in read_pcap(&case.input(port)) {
            assert!(io.receive(PortId(port), &frame), "room for the input");
        }
    }
    let mut sent = Vec::new();
    let counts = play(case, io, &case.then, |io| {
        sent = (0..ports).map(|port| io.take_sent(PortId(port))).collect();
    });
    for frames in &mut sent {
        frames.sort();
    }
    assert_eq!(
        pool.in_use(),
        0,
        "{}: every buffer is given back",
        case.name
    );
    (sent, counts)
}

fn expected(case: &Case) -> (Vec<Frames>, Counts) {
    let frames = (0..case.tables.ports)
        .map(|port| read_pcap(&case.output(port)))
        .collect();
    let text = std::fs::read_to_string(case.counts()).unwrap_or_default();
    let counts = serde_json::from_str(&text).unwrap_or_else(|e| {
        panic!(
            "{}: {e}; GOLDEN_REGENERATE=1 writes it",
            case.counts().display()
        )
    });
    (frames, counts)
}

fn regenerate(case: &Case, outcome: &(Vec<Frames>, Counts)) {
    for (frames, port) in outcome.0.iter().zip(0..) {
        write_pcap(&case.output(port), frames);
    }
    let text = serde_json::to_string_pretty(&outcome.1).expect("counts");
    std::fs::write(case.counts(), text + "\n").expect("the counts");
}

/// Proves S1-15, S1-16, S1-42, S1-43, S1-44, S1-45.
///
/// Every case gives the frames and counts that are laid down, in bursts of every size. The rows stand
/// on these: `encap` (S1-15), `decap` (S1-16), `host_up` (S1-42), `host_down` (S1-43, S1-44) and
/// `error_sources` (S1-45).
#[test]
fn golden_cases() {
    let regenerating = std::env::var_os("GOLDEN_REGENERATE").is_some();
    for case in case::all(&case::root()) {
        if regenerating {
            regenerate(&case, &run(&case, 1));
        }
        let expected = expected(&case);
        for burst in 1..MAX_BURST {
            let outcome = run(&case, burst);
            for (port, (sent, expected)) in outcome.0.iter().zip(&expected.0).enumerate() {
                compare(&case.name, port, burst, sent, expected);
            }
            assert_eq!(
                outcome.1, expected.1,
                "{}: counts in bursts of {burst}",
                case.name
            );
        }
    }
}

fn compare(name: &str, port: usize, burst: usize, sent: &Frames, expected: &Frames) {
    let hex = |frames: &Frames| -> Vec<String> {
        let octets = |frame: &Vec<u8>| frame.iter().map(|octet| format!("{octet:02x}")).collect();
        frames.iter().map(octets).collect()
    };
    assert_eq!(
        hex(sent),
        hex(expected),
        "{name}: port {port} in bursts of {burst}"
    );
}

/// All cases that share tables, one after another in one run: what a packet becomes does not depend on
/// those around it.
#[test]
fn cases_do_not_disturb_one_another() {
    let cases = case::all(&case::root());
    for tables in ["lma", "mag", "maar"] {
        let own = |case: &&Case| case.shares(tables) && case.then.is_empty();
        let group: Vec<&Case> = cases.iter().filter(own).collect();
        assert!(group.len() > 1, "{tables}");
        for burst in [1, 7, 32, 63] {
            let pool = Pool::new(1024, 4096);
            let mut io = Ports::new(group[0].tables.ports, pool.clone());
            io.set_burst(burst);
            let ports = group[0].tables.ports;
            let mut wanted: Vec<Frames> = vec![Vec::new(); usize::from(ports)];
            for case in &group {
                for port in 0..ports {
                    for frame in read_pcap(&case.input(port)) {
                        assert!(io.receive(PortId(port), &frame));
                    }
                    wanted[usize::from(port)].extend(read_pcap(&case.output(port)));
                }
            }
            let mut sent = Vec::new();
            play(group[0], io, &[], |io| {
                sent = (0..ports).map(|port| io.take_sent(PortId(port))).collect();
            });
            for (port, (sent, wanted)) in sent.iter_mut().zip(&mut wanted).enumerate() {
                sent.sort();
                wanted.sort();
                compare(tables, port, burst, sent, wanted);
            }
            assert_eq!(pool.in_use(), 0);
        }
    }
}
