//! The pictures, as a terminal of a given size would show them.

use super::*;
use control::rpc::types::{Counter, CounterGroup, Latency, TableUse, Traffic, Vector};
use ratatui::backend::TestBackend;
use ratatui::Terminal;

/// A gateway after so many seconds of steady traffic.
fn sample(start: Instant, seconds: u64) -> Sample {
    let mac = "02:00:00:00:00:01".parse().expect("an address");
    let packets = 1_000 * seconds;
    let counter = |name: &str, value| Counter {
        name: name.into(),
        value,
        description: format!("What {name} means."),
    };
    Sample {
        taken: start + Duration::from_secs(seconds),
        status: Status {
            name: "lma".into(),
            role: "lma".into(),
            address: "2001:db8:c::1".parse().expect("an address"),
            version: "0.1.0".into(),
            dpdk_version: "22.11".into(),
            pid: 1,
            uptime_secs: seconds as f64,
            workers: 1,
            stalled_worker: Some(0),
            standing_workers: vec![0],
            draining: false,
            sessions: 3,
            tables: vec![TableUse {
                name: "bindings".into(),
                used: 3,
                capacity: 65_536,
            }],
            policy: String::new(),
            policy_loaded: 0.0,
            subscribers: 0,
            signalling: Latency::default(),
            store: None,
        },
        ports: vec![Port {
            name: "core0".into(),
            device: "net_null0".into(),
            driver: "net_null".into(),
            mac,
            mtu: 1500,
            link_up: true,
            twin: None,
            rx_packets: packets,
            rx_bytes: packets * 125,
            rx_missed: 0,
            rx_errors: 0,
            tx_packets: 2 * packets,
            tx_bytes: 2 * packets * 125,
            tx_errors: 0,
            rx_queues: 1,
            tx_queues: 1,
            rss: vec![],
            handoff: false,
            socket: None,
        }],
        workers: vec![Worker {
            index: 0,
            core: 1,
            socket: None,
            queues: vec!["core0:0".into()],
            standing_secs: Some(4.0),
            handed: 0,
            taken: 0,
            polls: packets,
            packets,
            burst: 4.0,
            idle: 0.75,
            cycles_per_packet: Some(500.0),
            empty_polls: packets / 4 * 3,
            uptime_secs: seconds as f64,
            busy_secs: seconds as f64 / 4.0,
            sleeps: 0,
            slept_secs: 0.0,
            held: 2,
            vectors: vec![Vector {
                most: Some(4),
                polls: packets / 4,
            }],
        }],
        counters: Counters {
            groups: (0..2)
                .map(|worker| CounterGroup {
                    name: "verdicts".into(),
                    worker: Some(worker),
                    counters: vec![
                        counter("received", 9),
                        counter("forward_routed", packets),
                        counter("drop_runt", 2),
                        counter("drop_blackhole", 0),
                    ],
                })
                .collect(),
        },
        talkers: vec![Talker {
            prefix: "2001:db8:1::/64".into(),
            bits_per_sec: 1_250_000.0,
            up: Traffic {
                packets: 5,
                bytes: 500,
            },
            down: Traffic {
                packets: 7,
                bytes: 7_000,
            },
        }],
    }
}

/// What a terminal shows of the view after so many turns.
fn shown(turns: isize, width: u16, height: u16) -> String {
    let start = Instant::now();
    let (before, after) = (sample(start, 10), sample(start, 12));
    let rates = Rates::between(&before, &after);
    let mut view = View::default();
    view.turn(turns);
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal
        .draw(|frame| view.draw(frame, &after, &rates))
        .expect("drawn");
    let buffer = terminal.backend().buffer().clone();
    let lines = buffer.content.chunks(usize::from(width)).map(|cells| {
        let line: String = cells.iter().map(|cell| cell.symbol()).collect();
        line.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_view_shows_its_rates() {
    let expected = "\
lma: lma 2001:db8:c::1, up 12.0s, 3 sessions
bindings 3/65536  WORKER 0 STANDS STILL
 ports  workers  verdicts  bindings
port   link  rx/s  rx-bit/s  tx/s   tx-bit/s  bad/s
core0  up    1.0 k     1.0 M  2.0 k     2.0 M      0

q quits, tab and left/right change the view, up/down scroll";
    let squeeze = |text: &str| -> Vec<String> {
        let lines = text.lines();
        let words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        words.collect()
    };
    assert_eq!(squeeze(&shown(0, 80, 7)), squeeze(expected));
    let workers = squeeze(&shown(1, 120, 7)).swap_remove(4);
    assert_eq!(
        workers,
        "0 1 STANDS STILL 4.0s 1.0 k 4.0 25.0% 75.0% 1.0 k 0 2 500"
    );
    let verdicts = squeeze(&shown(2, 80, 9));
    assert_eq!(
        verdicts[4..6],
        [
            "forward_routed 2.0 k 24000 What forward_routed means.",
            "drop_runt 0 4 What drop_runt means.",
        ]
    );
    let bindings = squeeze(&shown(-1, 80, 7)).swap_remove(4);
    assert_eq!(bindings, "2001:db8:1::/64 1.2 M 500 B 7.0 kB 5 7");
}

#[test]
fn a_terminal_of_any_size_is_drawn_on() {
    for width in [1, 10, 33, 200] {
        for height in [1, 2, 5, 50] {
            for turns in 0..4 {
                let text = shown(turns, width, height);
                let rows = text.split('\n').count();
                assert_eq!(rows, usize::from(height));
                let longest = text.lines().map(|line| line.chars().count()).max();
                assert!(longest.unwrap_or(0) <= usize::from(width));
            }
        }
    }
}

#[test]
fn without_a_terminal_all_views_are_text() {
    let start = Instant::now();
    let (before, after) = (sample(start, 10), sample(start, 12));
    let text = view::plain(&after, &Rates::between(&before, &after));
    for part in [
        "ports:",
        "workers:",
        "verdicts:",
        "bindings:",
        "2001:db8:1::/64",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("drop_blackhole"), "never counted");
    // The same sample twice has no rates, and divides by nothing.
    let none = Rates::between(&after, &after);
    assert!(none.ports.iter().all(|port| port.rx_packets == 0.0));
}

#[test]
fn keys_turn_scroll_and_quit() {
    let plain = |code| does(code, KeyModifiers::NONE);
    assert_eq!(plain(KeyCode::Char('q')), Does::Quit);
    assert_eq!(does(KeyCode::Char('c'), KeyModifiers::CONTROL), Does::Quit);
    assert_eq!(plain(KeyCode::Char('c')), Does::Nothing);
    assert_eq!(plain(KeyCode::Tab), Does::Turn(1));
    assert_eq!(plain(KeyCode::Left), Does::Turn(-1));
    assert_eq!(plain(KeyCode::Down), Does::Scroll(1));
}
