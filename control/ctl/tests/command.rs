//! `anchorctl` against a control socket, end to end.

#[path = "command/answers.rs"]
mod answers;
#[path = "command/watching.rs"]
mod watching;

use answers::answer;
use control::rpc::types as t;
use control::rpc::{Call, Limits, Notices, Request, Server, LONGEST_PAGE};
use roles::effect::Notice;
use roles::Now;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tokio::sync::mpsc;

/// A gateway that answers what it was told to, on a runtime of its own.
struct Gateway {
    directory: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    notices: Notices,
    server: Option<Server>,
}

impl Gateway {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let notices = Notices::new();
        let (calls, mut received) = mpsc::channel::<Call>(8);
        let path = directory.path().join("control.sock");
        let guard = runtime.enter();
        let server = Server::start(&path, None, Limits::default(), calls, notices.clone());
        drop(guard);
        runtime.spawn(async move {
            while let Some(call) = received.recv().await {
                let lines = watching::lines(&call.request);
                let _ = call.answer.send(answer(call.request));
                for line in lines {
                    if let Some(to) = &call.lines {
                        let _ = to.send(line).await;
                    }
                }
            }
        });
        Self {
            directory,
            runtime,
            notices,
            server: Some(server.expect("started")),
        }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("control.sock")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        anchorctl(&self.socket())
            .args(arguments)
            .output()
            .expect("anchorctl runs")
    }
}

fn anchorctl(socket: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anchorctl"));
    command
        .env("ANCHORAGE_SOCKET", socket)
        .env_remove("COLUMNS");
    command
}

/// The standard output of a command that succeeded.
#[track_caller]
fn shown(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors, "");
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// What a command that failed with `code` says.
#[track_caller]
fn failed(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    String::from_utf8(output.stderr.clone()).expect("text")
}

#[test]
fn status_is_shown_for_people() {
    let gateway = Gateway::start();
    let text = shown(&gateway.run(&["status"]));
    for line in [
        "name         mag1",
        "role         mag 2001:db8:c::11",
        "version      anchord 0.1.0, DPDK 22.11.11",
        "process      77, up 5m07s",
        "bindings     1 of 65536",
        "signalling   3 answers; us: p50 40, p99 90, p99.9 90, max 91",
        "TROUBLE      worker 0 is stalled: freed table entries are not used again",
    ] {
        assert!(
            text.lines().any(|shown| shown == line),
            "no `{line}` in\n{text}"
        );
    }
}

/// Proves S2-38.
#[test]
fn a_dhcpv6_server_that_does_not_fit_stands_out() {
    let gateway = Gateway::start();
    assert_eq!(
        shown(&gateway.run(&["dhcp"])),
        "/run/kea/kea6.sock: MISMATCH\n\
         the server has no subnet for our pool 2001:db8:2100::/40\n"
    );
}

#[test]
fn servers_that_do_not_answer_stand_out() {
    let gateway = Gateway::start();
    let text = shown(&gateway.run(&["aaa"]));
    let first =
        "UNREACHABLE: keep; 3 hosts on its terms, 1 open questions; records: 4 wait, 5 lost; \
                 1 clients may give orders";
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.first(), Some(&first), "{text}");
    let words: Vec<&str> = lines.last().expect("a server").split_whitespace().collect();
    assert_eq!(
        words,
        ["192.0.2.1:1812", "access", "DEAD", "9", "7", "2", "512"]
    );
}

#[test]
fn tables_fit_the_terminal() {
    let gateway = Gateway::start();
    for columns in [40_usize, 80, 120] {
        for command in [&["visitors"][..], &["counters", "--all"], &["status"]] {
            let mut anchorctl = anchorctl(&gateway.socket());
            let output = anchorctl
                .args(command)
                .env("COLUMNS", columns.to_string())
                .output();
            let text = shown(&output.expect("anchorctl runs"));
            assert!(
                text.lines().all(|line| line.chars().count() <= columns),
                "{text}"
            );
        }
    }
    let text = shown(&gateway.run(&["visitors"]));
    let mut lines = text.lines();
    let heading = lines.next().expect("headings");
    let row = lines.next().expect("a row");
    assert!(
        row.starts_with(
            "mn1@example.net  bound  2001:db8:1000:1::/64  -     02:00:00:00:00:01  4m59s  access"
        ),
        "{text}"
    );
    assert_eq!(heading.find("state"), row.find("bound"));
    assert!(row.ends_with("120 (14.2 kB)  120 (14.2 kB)"), "{text}");
}

#[test]
fn json_is_what_the_gateway_answered() {
    let gateway = Gateway::start();
    let text = shown(&gateway.run(&["--json", "visitors"]));
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value[0]["identifier"], "mn1@example.net");
    assert_eq!(value[0]["up"]["packets"], 120);
    assert_eq!(value[0]["link_local"], serde_json::Value::Null);
}

#[test]
fn a_host_of_a_domain_stands_with_each_of_its_anchors() {
    let gateway = Gateway::start();
    let text = shown(&gateway.run(&["sessions"]));
    let rows: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let first = ["mn1@example.net", "active", "2001:db8:ff::22", "4m59s"];
    let (one, two) = ("2001:db8:ff::21", "2001:db8:ff::22");
    let serving = ["2001:db8:a2:1::/64", two, "serving"];
    assert_eq!(rows[1], [&first[..], &serving].concat(), "{text}");
    assert_eq!(rows[2], ["2001:db8:a1:1::/64", one, "told"], "{text}");
    assert_eq!(shown(&gateway.run(&["mode"])), "proxy\n");
    assert_eq!(shown(&gateway.run(&["mode", "relay"])), "relay\n");
}

#[test]
fn counters_that_are_zero_are_shown_only_on_request() {
    let gateway = Gateway::start();
    let some = shown(&gateway.run(&["counters"]));
    assert!(
        some.starts_with("verdicts, worker 0:\n  5  routed  What it counts"),
        "{some}"
    );
    assert!(
        !some.contains("blackhole") && !some.contains("socket"),
        "{some}"
    );
    let all = shown(&gateway.run(&["counters", "--all"]));
    assert!(
        all.contains("blackhole") && all.contains("socket:"),
        "{all}"
    );
}

#[test]
fn what_is_to_be_done_reaches_the_gateway() {
    let gateway = Gateway::start();
    for (arguments, expected) in [
        (
            &["attach", "access", "02:00:00:00:00:01"][..],
            "attaching 02:00:00:00:00:01 on access; ",
        ),
        (
            &["detach", "02:00:00:00:00:01"],
            "detaching 02:00:00:00:00:01; ",
        ),
        (
            &["detach", "--identifier", "mn1@example.net"],
            "detaching mn1@example.net; ",
        ),
        (&["delete", "mn1@example.net"], "deleting mn1@example.net; "),
        (
            &["revoke", "mn1@example.net"],
            "revoked 1 session, told by 1 message; ",
        ),
        (
            &["revoke", "--peer", "2001:db8:c::11"],
            "revoked 20 sessions, told by 1 message; ",
        ),
        (
            &[
                "revoke",
                "mn1@example.net",
                "--ipv4-only",
                "--trigger",
                "user",
            ],
            "revoked 0 sessions, told by 1 message; ",
        ),
        (
            &["revoke", "--realm", "example.net"],
            "revoked 2 sessions, told by 1 message; ",
        ),
        (
            &["revoke", "--all"],
            "revoked 300 sessions, told by 1 message; ",
        ),
        (
            &[
                "register",
                "mn1@example.net",
                "2001:db8:1::7",
                "2001:db8:f::7",
            ],
            "2001:db8:1::7 is registered for 300 s, sequence number 7\n",
        ),
        (
            &[
                "register",
                "mn1",
                "2001:db8:1::7",
                "2001:db8:f::7",
                "-l",
                "0",
            ],
            "the binding of 2001:db8:1::7 has ended\n",
        ),
        (
            &["reload"],
            "reloaded: 2 hosts, 1 routes\nnot taken, for it takes a restart: workers.cores, port\n",
        ),
    ] {
        let text = shown(&gateway.run(arguments));
        assert!(text.starts_with(expected), "{text}");
    }
}

#[test]
fn peers_that_are_down_stand_out() {
    let gateway = Gateway::start();
    let text = shown(&gateway.run(&["peers"]));
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines,
        [
            vec!["address", "state", "sessions", "missing", "restarts", "us", "heard"],
            vec!["2001:db8:c::1", "up", "2", "4", "7", "812", "3.2s"],
            vec!["2001:db8:c::2", "DOWN", "2", "4", "-", "-", "-"],
        ]
    );
}

#[test]
fn a_list_of_many_pages_is_shown_whole() {
    let gateway = Gateway::start();
    let text = shown(&gateway.run(&["--json", "neighbours"]));
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let entries = value.as_array().expect("a list");
    assert_eq!(entries.len(), LONGEST_PAGE + 1);
    assert_eq!(entries[LONGEST_PAGE]["address"], "::1000");
}

#[test]
fn a_refusal_says_what_to_do() {
    let gateway = Gateway::start();
    let text = failed(&gateway.run(&["bindings"]), 1);
    assert_eq!(
        text,
        "anchorctl: a MAG has no binding cache; ask for `visitors`\n"
    );
}

#[test]
fn wrong_usage_is_told_apart() {
    let gateway = Gateway::start();
    let text = failed(&gateway.run(&["statsu"]), 2);
    assert!(text.contains("status"), "{text}");
    let text = failed(&gateway.run(&["attach", "access", "02:00"]), 2);
    assert!(text.contains("write it as 02:00:00:00:00:01"), "{text}");
    failed(&gateway.run(&["detach"]), 2);
    failed(
        &gateway.run(&["detach", "02:00:00:00:00:01", "--identifier", "mn1"]),
        2,
    );
}

#[test]
fn without_a_gateway_it_says_what_to_do() {
    let directory = tempfile::tempdir().expect("a directory");
    let nowhere = directory.path().join("none.sock");
    let text = failed(
        &anchorctl(&nowhere).arg("status").output().expect("runs"),
        1,
    );
    assert!(
        text.contains("none.sock: no such socket; is anchord running? start it with "),
        "{text}"
    );
    assert!(text.contains("--socket"), "{text}");
    let dead = directory.path().join("dead.sock");
    drop(UnixListener::bind(&dead).expect("bound"));
    let text = failed(&anchorctl(&dead).arg("status").output().expect("runs"), 1);
    assert!(text.contains("nobody answers"), "{text}");
    let elsewhere = anchorctl(&dead)
        .args(["status", "--socket"])
        .arg(&nowhere)
        .output();
    let text = failed(&elsewhere.expect("runs"), 1);
    assert!(
        text.contains("none.sock"),
        "an option goes before the environment: {text}"
    );
}

#[test]
fn notices_are_told_in_words_and_as_they_came() {
    let mut gateway = Gateway::start();
    let subscribe = |arguments: &[&str]| {
        let mut command = anchorctl(&gateway.socket());
        command
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().expect("anchorctl runs")
    };
    let mut words = subscribe(&["subscribe"]);
    let mut json = subscribe(&["subscribe", "--json"]);
    while gateway.notices.subscribers() < 2 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let now = Now {
        monotonic: Duration::from_micros(5),
        wall: Duration::from_millis(45_296_789),
    };
    let notice = Notice::MessageIgnored {
        from: "2001:db8:c::12".parse().expect("an address"),
        reason: "checksum".into(),
    };
    gateway
        .notices
        .publish(&t::TimedNotice::new(now, notice, None));
    let first = |child: &mut std::process::Child| {
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        line
    };
    assert_eq!(
        first(&mut words),
        "12:34:56.789  message from 2001:db8:c::12 ignored: checksum\n"
    );
    let line = first(&mut json);
    let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(value["params"]["notice"], "message_ignored");
    // The gateway goes; its subscribers say so and end.
    gateway.server = None;
    for child in [words, json] {
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("the gateway closed the connection"), "{text}");
    }
    gateway.runtime.shutdown_background();
}

#[test]
fn completions_need_no_gateway() {
    for shell in ["bash", "zsh", "fish"] {
        let mut command = anchorctl(Path::new("/nonexistent"));
        let script = shown(&command.args(["completions", shell]).output().expect("runs"));
        assert!(script.contains("neighbours"), "{script}");
    }
}
