//! Clients that behave, and clients that do not.

use super::{error, Limits, Served};
use control::rpc::code;
use serde_json::json;
use std::time::Duration;

const STATUS: &str = r#"{"jsonrpc":"2.0","id":7,"method":"status"}"#;

#[tokio::test]
async fn a_request_is_answered_with_its_identifier() {
    let served = Served::start(Limits::default());
    let mut client = served.connect().await;
    let reply = client.ask(STATUS).await;
    assert_eq!(reply["jsonrpc"], "2.0");
    assert_eq!(reply["id"], 7);
    assert_eq!(reply["result"]["name"], "mag1");
    assert_eq!(reply.get("error"), None);
    let text = client
        .ask(r#"{"jsonrpc":"2.0","id":"seven","method":"reload","params":{}}"#)
        .await;
    assert_eq!(text["id"], "seven");
    assert_eq!(
        text["result"],
        json!({"hosts": 2, "routes": 1, "ignored": []})
    );
    let null = client
        .ask(r#"{"jsonrpc":"2.0","id":null,"method":"status"}"#)
        .await;
    assert_eq!(null["result"]["role"], "mag");
    assert_eq!(served.counted("requests"), 3);
}

#[tokio::test]
async fn a_notification_is_done_and_not_answered() {
    let served = Served::start(Limits::default());
    let mut client = served.connect().await;
    client
        .send(b"{\"jsonrpc\":\"2.0\",\"method\":\"reload\"}\n")
        .await;
    let reply = client.ask(STATUS).await;
    assert_eq!(reply["id"], 7);
    assert_eq!(served.counted("requests"), 2);
}

#[tokio::test]
async fn several_lines_in_one_piece_are_several_requests() {
    let served = Served::start(Limits::default());
    let mut client = served.connect().await;
    let two = format!("{STATUS}\r\n\n{STATUS}\n");
    client.send(two.as_bytes()).await;
    for _ in 0..2 {
        assert_eq!(client.line().await.expect("an answer")["id"], 7);
    }
}

#[tokio::test]
async fn half_a_line_is_waited_for() {
    let served = Served::start(Limits::default());
    let mut client = served.connect().await;
    let (first, second) = STATUS.split_at(20);
    client.send(first.as_bytes()).await;
    // Somebody else is served meanwhile.
    assert_eq!(served.connect().await.ask(STATUS).await["id"], 7);
    client.send(second.as_bytes()).await;
    client.send(b"\n").await;
    assert_eq!(client.line().await.expect("an answer")["id"], 7);
}

#[tokio::test]
async fn half_a_line_is_not_waited_for_for_ever() {
    let served = Served::start(Limits {
        idle: Duration::from_millis(50),
        ..Limits::default()
    });
    let mut client = served.connect().await;
    client.send(b"{\"jsonrpc\"").await;
    let reply = client.line().await.expect("a word of why");
    assert_eq!(error(&reply).0, i64::from(code::INVALID_REQUEST));
    assert_eq!(client.line().await, None);
    assert_eq!(served.counted("idle"), 1);
}

#[tokio::test]
async fn half_a_line_and_the_end_is_counted() {
    let served = Served::start(Limits::default());
    let mut client = served.connect().await;
    client.send(b"{\"jsonrpc\"").await;
    drop(client);
    while served.counted("cut_short") == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(served.counted("requests"), 0);
}

#[tokio::test]
async fn a_megabyte_without_a_newline_is_refused() {
    let served = Served::start(Limits::default());
    let mut client = served.connect().await;
    client.send(&vec![b' '; 1 << 20]).await;
    let reply = client.line().await.expect("a word of why");
    assert_eq!(error(&reply).0, i64::from(code::INVALID_REQUEST));
    assert_eq!(reply["id"], json!(null));
    tokio::io::AsyncWriteExt::shutdown(client.stream.get_mut())
        .await
        .expect("shut down");
    assert_eq!(client.line().await, None);
    assert_eq!(served.counted("too_long"), 1);
}

#[tokio::test]
async fn the_longest_line_is_taken_and_one_octet_more_is_not() {
    let served = Served::start(Limits::default());
    let padded = |length: usize| format!("{STATUS}{}", " ".repeat(length - STATUS.len()));
    let mut client = served.connect().await;
    assert_eq!(client.ask(&padded(64 * 1024)).await["id"], 7);
    let (refused, _) = client.refused(&padded(64 * 1024 + 1)).await;
    assert_eq!(refused, i64::from(code::INVALID_REQUEST));
}

#[tokio::test]
async fn bad_json_is_answered_and_the_connection_goes_on() {
    let served = Served::start(Limits::default());
    let mut client = served.connect().await;
    for line in ["{\"jsonrpc\":", "nonsense", "{\"a\":1}}", "\"\\ud800\""] {
        assert_eq!(
            client.refused(line).await.0,
            i64::from(code::PARSE),
            "{line}"
        );
    }
    client.send(b"\xff\xfe\n").await;
    let reply = client.line().await.expect("an answer");
    assert_eq!(error(&reply).0, i64::from(code::PARSE));
    assert_eq!(served.counted("parse_errors"), 5);
    let deep = "[".repeat(60_000);
    assert_eq!(client.refused(&deep).await.0, i64::from(code::PARSE));
    assert_eq!(client.ask(STATUS).await["id"], 7);
}

#[tokio::test]
async fn json_that_is_no_request_is_refused() {
    let served = Served::start(Limits::default());
    let mut client = served.connect().await;
    for line in [
        "42",
        "{}",
        r#"{"jsonrpc":"1.0","id":1,"method":"status"}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":5}"#,
        r#"{"jsonrpc":"2.0","id":[1],"method":"status"}"#,
    ] {
        assert_eq!(
            client.refused(line).await.0,
            i64::from(code::INVALID_REQUEST),
            "{line}"
        );
    }
    let batch = format!("[{STATUS}]");
    let (refused, hint) = client.refused(&batch).await;
    assert_eq!(refused, i64::from(code::INVALID_REQUEST));
    assert_eq!(hint, "send one request per line");
    assert_eq!(served.counted("invalid_requests"), 7);
}

#[tokio::test]
async fn an_unknown_method_is_answered_with_the_nearest() {
    let served = Served::start(Limits::default());
    let mut client = served.connect().await;
    let (refused, hint) = client
        .refused(r#"{"jsonrpc":"2.0","id":1,"method":"statsu"}"#)
        .await;
    assert_eq!(refused, i64::from(code::METHOD_NOT_FOUND));
    assert_eq!(hint, "did you mean \"status\"?");
    let (_, hint) = client
        .refused(r#"{"jsonrpc":"2.0","id":1,"method":"frobnicate"}"#)
        .await;
    assert!(
        hint.starts_with("the methods are status, ports, "),
        "{hint}"
    );
}

#[tokio::test]
async fn wrong_parameters_are_refused() {
    let served = Served::start(Limits::default());
    let mut client = served.connect().await;
    for request in [
        r#""method":"status","params":{"verbose":true}"#,
        r#""method":"status","params":[1]"#,
        r#""method":"attach""#,
        r#""method":"attach","params":{"interface":"access"}"#,
        r#""method":"attach","params":{"interface":"access","mac":"02:00"}"#,
        r#""method":"attach","params":{"interface":"access","mac":"ff:ff:ff:ff:ff:ff"}"#,
        r#""method":"attach","params":{"interface":"access","mac":"02:00:00:00:00:01","x":1}"#,
        r#""method":"detach","params":{}"#,
        r#""method":"detach","params":{"mac":"02:00:00:00:00:01","identifier":"mn1"}"#,
        r#""method":"revoke","params":{"identifier":"mn1","realm":"example.net"}"#,
        r#""method":"revoke","params":{"realm":"@example.net"}"#,
        r#""method":"revoke","params":{"all":true,"trigger":"user"}"#,
        r#""method":"revoke","params":{"identifier":"mn1","trigger":"handover"}"#,
        r#""method":"delete","params":{"identifier":""}"#,
        r#""method":"register","params":{"identifier":"","home_address":"2001:db8::1","care_of_address":"2001:db8:f::1","lifetime_secs":4}"#,
        r#""method":"register","params":{"identifier":"mn1","home_address":"2001:db8::1","care_of_address":"2001:db8:f::1","lifetime_secs":3}"#,
        r#""method":"register","params":{"identifier":"mn1","home_address":"10.0.0.1","care_of_address":"2001:db8:f::1","lifetime_secs":4}"#,
    ] {
        let line = format!(r#"{{"jsonrpc":"2.0","id":1,{request}}}"#);
        assert_eq!(
            client.refused(&line).await.0,
            i64::from(code::INVALID_PARAMS),
            "{request}"
        );
    }
    assert_eq!(served.counted("invalid_params"), 17);
    assert_eq!(served.counted("requests"), 0);
}

#[tokio::test]
async fn what_control_refuses_is_answered_with_what_to_do() {
    let served = Served::start(Limits::default());
    let mut client = served.connect().await;
    let (refused, hint) = client
        .refused(r#"{"jsonrpc":"2.0","id":1,"method":"bindings"}"#)
        .await;
    assert_eq!(refused, i64::from(code::WRONG_ROLE));
    assert_eq!(hint, "ask for `visitors`");
}

#[tokio::test]
async fn more_clients_than_allowed_are_told_so() {
    let served = Served::start(Limits {
        clients: 2,
        ..Limits::default()
    });
    let mut first = served.connect().await;
    let mut second = served.connect().await;
    first.ask(STATUS).await;
    second.ask(STATUS).await;
    let mut third = served.connect().await;
    let reply = third.line().await.expect("a word of why");
    assert_eq!(error(&reply).0, i64::from(code::UNAVAILABLE));
    assert_eq!(third.line().await, None);
    assert_eq!(served.counted("too_many_clients"), 1);
    drop(first);
    // The place is free as soon as the server has seen that the first has gone.
    loop {
        let mut next = served.connect().await;
        next.send(format!("{STATUS}\n").as_bytes()).await;
        if next.line().await.is_some_and(|reply| reply["id"] == 7) {
            break;
        }
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answers_is_dropped() {
    let served = Served::start(Limits {
        write: Duration::from_millis(50),
        ..Limits::default()
    });
    let mut client = served.connect().await;
    // More answers than the socket's buffers hold; the server stops reading when they are full.
    let many = format!("{STATUS}\n").repeat(100_000);
    let sending =
        tokio::io::AsyncWriteExt::write_all(client.stream.get_mut(), many.as_bytes()).await;
    sending.expect_err("the server closes the connection");
    assert_eq!(served.counted("answer_not_read"), 1);
}
