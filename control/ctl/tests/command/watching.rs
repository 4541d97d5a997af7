//! `trace`, `capture`, `top` and `workers`, and what a foreign reader makes of the capture file.

use super::*;
use control::rpc::Line;
use serde_json::{json, Value};

/// A line as a gateway sends it.
fn line(method: &str, params: Value) -> Line {
    let line = json!({"jsonrpc": "2.0", "method": method, "params": params});
    format!("{line}\n").into_bytes().into()
}

/// A UDP packet of 48 octets in a frame, in base64.
const FRAME: &str =
    "AgAAAAABAgAAAAACht1gAAAAAAgRQCABDbgAAAAAAAAAAAAAAAEgAQ24AAAAAAAAAAAAAAACAAEAAgAI0lI=";

/// What the stand-in sends behind its answer.
pub(super) fn lines(request: &Request) -> Vec<Line> {
    let ended = |lost: u64| {
        let why = "complete";
        let end = json!({"session": 4, "packets": 1, "lost": lost, "left_out": 0, "why": why});
        line("ended", end)
    };
    match request {
        Request::Trace(_) => {
            let steps = json!([{"stage": "received", "text": "on port core0, 62 octets"}]);
            let traced = json!({
                "session": 4, "worker": 0, "number": 1, "time": 45_296.5, "port": "core0",
                "born": null, "length": 62, "steps": steps, "verdict": "drop", "reason": "runt",
            });
            vec![line("traced", traced), ended(0)]
        }
        Request::Capture(_) => {
            let frame = |port: &str, received: bool, length: u64| {
                let frame = json!({
                    "session": 4, "worker": 3, "number": 1, "port": port, "received": received,
                    "time_ns": 1_700_000_000_123_456_789_u64, "length": length, "data": FRAME,
                    "verdict": "forward_encapsulated",
                });
                line("captured", frame)
            };
            vec![
                frame("inet0", true, 62),
                frame("core0", false, 102),
                ended(7),
            ]
        }
        _ => Vec::new(),
    }
}

#[test]
fn a_trace_is_shown_until_it_has_ended() {
    let gateway = Gateway::start();
    let text = shown(&gateway.run(&["trace", "-n", "1", "--verdict", "drop"]));
    assert_eq!(
        text,
        "12:34:56.500  worker 0, packet 1, received on core0: drop runt\n  \
         received    on port core0, 62 octets\ncomplete: 1 packets\n"
    );
    let text = shown(&gateway.run(&["trace", "--json"]));
    let methods: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["method"].clone())
        .collect();
    assert_eq!(methods, ["traced", "ended"]);
    let error = failed(&gateway.run(&["trace", "-n", "0"]), 1);
    assert!(error.contains("`packets` of 0 is out of range"), "{error}");
}

/// What tshark reads in a file, one line per frame.
fn tshark(file: &Path, fields: &[&str]) -> Vec<String> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-T", "fields"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_foreign_reader_finds_interfaces_directions_and_comments() {
    let gateway = Gateway::start();
    let file = gateway.directory.path().join("some.pcapng");
    let name = file.to_str().expect("text");
    let output = gateway.run(&["capture", "--write", name]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let said = "2 frames; complete: 1 packets, 7 came too fast to be recorded\n";
    assert_eq!(errors, said);
    let fields = [
        "frame.interface_name",
        "frame.packet_flags_direction",
        "frame.len",
        "frame.cap_len",
        "frame.time_epoch",
        "frame.comment",
        "ipv6.dst",
        "udp.dstport",
    ];
    let read = tshark(&file, &fields);
    let fields: Vec<Vec<&str>> = read.iter().map(|line| line.split('\t').collect()).collect();
    let [before, after] = &fields[..] else {
        panic!("{read:?}");
    };
    assert_eq!(before[0], "inet0");
    assert_eq!(after[0], "core0");
    // Inbound is 1, outbound 2, in whatever base it is shown.
    assert!(
        before[1].ends_with('1') && after[1].ends_with('2'),
        "{read:?}"
    );
    assert_eq!((before[2], after[2], after[3]), ("62", "102", "62"));
    assert_eq!(before[4], "1700000000.123456789");
    let comment = "worker 3, packet 1, as it came: forward encapsulated";
    assert_eq!(before[5], comment);
    assert_eq!((before[6], before[7]), ("2001:db8::2", "2"));
    let info = Command::new("capinfos").arg(&file).output().expect("runs");
    let info = String::from_utf8_lossy(&info.stdout).into_owned();
    assert!(
        info.contains("pcapng") && info.contains("Number of packets:   2"),
        "{info}"
    );
}

/// Through a pipe, as a program that dissects would take it.
#[test]
fn a_capture_goes_to_a_pipe_but_not_to_a_file_that_cannot_be() {
    let gateway = Gateway::start();
    let output = gateway.run(&["capture"]);
    assert!(output.status.success());
    assert_eq!(
        output.stdout[..4],
        [0x0a, 0x0d, 0x0d, 0x0a],
        "a section header"
    );
    let error = gateway.run(&["capture", "--write", "/nowhere/some.pcapng"]);
    let error = failed(&error, 1);
    assert!(error.contains("/nowhere/some.pcapng"), "{error}");
}

#[test]
fn workers_are_shown_with_vectors_and_state() {
    let gateway = Gateway::start();
    let text = shown(&gateway.run(&["workers"]));
    let words: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        words[1],
        [
            "0", "1", "runs", "900", "9.0", "90.0%", "250", "100", "3", "2", "25.0%", "core0:0",
            "0", "0", "16:75%", "more:25%"
        ]
    );
}

#[test]
fn top_is_printed_where_there_is_no_terminal() {
    let gateway = Gateway::start();
    let text = shown(&gateway.run(&["top", "--interval", "0.1"]));
    for part in [
        "ports:",
        "workers:",
        "verdicts:",
        "routed",
        "2001:db8:1::/64",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let text = shown(&gateway.run(&["top", "--interval", "0.1", "--json"]));
    let top: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(top["workers"][0]["core"], 1);
    assert_eq!(top["talkers"][0]["bits_per_sec"], 8_000.0);
    assert!(top["interval_secs"].as_f64() > Some(0.0));
    failed(&gateway.run(&["top", "--interval", "0"]), 2);
}

/// On a terminal it draws, takes keys and gives the terminal back.
#[test]
fn top_draws_on_a_terminal_until_q() {
    let gateway = Gateway::start();
    let program = env!("CARGO_BIN_EXE_anchorctl");
    let socket = gateway.socket();
    let typed = format!(
        "(sleep 0.5; printf '\\t'; sleep 0.5; printf q) | \
         TERM=xterm script -qefc 'stty rows 24 cols 100; {program} --socket {} top -i 0.2' /dev/null",
        socket.display()
    );
    let output = Command::new("sh")
        .args(["-c", &typed])
        .output()
        .expect("runs");
    assert!(output.status.success(), "{output:?}");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("2001:db8:c::11,"), "{shown}");
    // The second view, after the tab.
    assert!(shown.contains("cycles/packet"), "{shown}");
    // The alternate screen is left.
    assert!(shown.contains("\u{1b}[?1049l"), "{shown}");
}
