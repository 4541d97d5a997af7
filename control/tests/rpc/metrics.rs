//! The management address and its text, read without our own declarations; and docs/metrics.md, which
//! is made of them.

use control::management::Management;
use control::metrics::{declared, reasons, Kind};
use control::rpc::types::Metrics;
use control::rpc::{Call, Reply};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// A responder before a control that answers `text`; and before one that has gone.
async fn served(text: Option<&'static str>) -> Management {
    let (calls, mut received) = mpsc::channel::<Call>(1);
    if let Some(text) = text {
        tokio::spawn(async move {
            while let Some(call) = received.recv().await {
                let text = text.to_owned();
                let _ = call.answer.send(Ok(Reply::Metrics(Metrics { text })));
            }
        });
    }
    let any = "[::1]:0".parse().expect("an address");
    Management::start(any, calls).await.expect("it listens")
}

/// What comes back for these octets.
async fn ask(management: &Management, octets: &[u8]) -> String {
    let mut stream = TcpStream::connect(management.address())
        .await
        .expect("connected");
    // A responder that has heard enough may have closed before all is sent.
    let _ = stream.write_all(octets).await;
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply).await;
    String::from_utf8(reply).expect("text")
}

#[tokio::test]
async fn metrics_are_served_and_nothing_else() {
    let management = served(Some("# EOF\n")).await;
    let reply = ask(&management, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    assert!(reply.contains("\r\nContent-Length: 6\r\n"), "{reply}");
    assert!(
        reply.contains("\r\nContent-Type: application/openmetrics-text;"),
        "{reply}"
    );
    assert!(reply.ends_with("\r\n\r\n# EOF\n"), "{reply}");
    for (request, status) in [
        (&b"GET /metrics?x=1 HTTP/1.0\r\n\r\n"[..], "200"),
        (b"GET / HTTP/1.1\r\n\r\n", "404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", "405"),
        (b"GET /metrics\r\n\r\n", "400"),
        (b"GET /metrics HTTP/2\r\n\r\n", "400"),
        (b"\xff\xfe\r\n\r\n", "400"),
    ] {
        let reply = ask(&management, request).await;
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
    }
    let long = [&b"GET /metrics HTTP/1.1\r\nX: "[..], &[b'x'; 9_000]].concat();
    let reply = ask(&management, &long).await;
    assert!(
        reply.is_empty() || reply.starts_with("HTTP/1.1 431 "),
        "{reply}"
    );
    // It still answers, and an address that is taken is said to be.
    let reply = ask(&management, b"GET /metrics HTTP/1.1\r\n\r\n").await;
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    let (calls, _) = mpsc::channel(1);
    assert!(Management::start(management.address(), calls)
        .await
        .is_err());
}

#[tokio::test]
async fn a_gateway_that_goes_down_says_so() {
    let management = served(None).await;
    let reply = ask(&management, b"GET /metrics HTTP/1.1\r\n\r\n").await;
    assert!(reply.starts_with("HTTP/1.1 503 "), "{reply}");
}

#[test]
fn names_are_unique_and_follow_the_rules() {
    let mut names = BTreeSet::new();
    for metric in declared() {
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(metric.name.chars().all(letters), "{}", metric.name);
        assert!(!metric.name.ends_with("_total"), "{}", metric.name);
        assert!(metric.help.ends_with('.'), "{}", metric.help);
        assert!(names.insert(metric.name.clone()), "{} twice", metric.name);
    }
}

/// The list as the book has it.
fn book() -> String {
    let mut text = String::from(
        "# Metrics

`GET /metrics` at the address of `[management] listen`, and `anchorctl metrics`, give these in the OpenMetrics
text. Counters count from the start of the gateway, and their samples end in `_total`. Metrics of a role are
there on gateways of that role. The list is made from the declarations; a test fails when it differs:
`ANCHORAGE_BLESS=1 cargo test -p control --test rpc`.

| metric | kind | labels | meaning |
|---|---|---|---|
",
    );
    for metric in declared() {
        let total = match metric.kind {
            Kind::Counter => "_total",
            Kind::Gauge => "",
        };
        let labels: Vec<String> = metric.labels.iter().map(|it| format!("`{it}`")).collect();
        let (name, kind, labels) = (metric.name, metric.kind.name(), labels.join(", "));
        // Text takes everything.
        let _ = writeln!(
            text,
            "| `{name}{total}` | {kind} | {labels} | {} |",
            metric.help
        );
    }
    text.push_str(
        "\n## Reasons

Values of `reason` beside those of `verdict` in `anchorage_verdicts_total`; under `born`, those in
`anchorage_born_total`.

| verdict | reason | meaning |
|---|---|---|
",
    );
    for (verdict, reason, meaning) in reasons() {
        let _ = writeln!(text, "| `{verdict}` | `{reason}` | {meaning} |");
    }
    text
}

#[test]
fn the_book_has_every_metric() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md"));
    let expected = book();
    if std::env::var_os("ANCHORAGE_BLESS").is_some() {
        std::fs::write(path, &expected).expect("docs/metrics.md can be written");
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == expected,
        "docs/metrics.md differs from the declarations: run this test with ANCHORAGE_BLESS=1"
    );
}
