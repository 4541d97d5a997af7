//! Notices, and subscribers that do not keep up with them.

use super::{Limits, Served};
use control::rpc::types::TimedNotice;
use roles::effect::Notice;
use roles::Now;
use serde_json::json;
use std::time::Duration;

const SUBSCRIBE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"subscribe"}"#;

fn ignored(reason: &str) -> TimedNotice {
    let now = Now {
        monotonic: Duration::from_micros(17),
        wall: Duration::from_millis(1_500),
    };
    let notice = Notice::MessageIgnored {
        from: "2001:db8:c::12".parse().expect("an address"),
        reason: reason.into(),
    };
    TimedNotice::new(now, notice, None)
}

#[tokio::test]
async fn a_subscriber_gets_its_answer_and_then_every_notice() {
    let served = Served::start(Limits::default());
    served.notices.publish(&ignored("before"));
    let mut client = served.connect().await;
    assert_eq!(
        client.ask(SUBSCRIBE).await["result"],
        json!({"name": "mag1"})
    );
    for reason in ["first", "second"] {
        served.notices.publish(&ignored(reason));
    }
    let first = client.line().await.expect("a notice");
    let expected = json!({
        "jsonrpc": "2.0",
        "method": "notice",
        "params": {
            "time": 1.5,
            "monotonic_us": 17,
            "notice": "message_ignored",
            "from": "2001:db8:c::12",
            "reason": "first",
        },
    });
    assert_eq!(first, expected);
    let params = client.line().await.expect("a notice")["params"].take();
    let read: TimedNotice = serde_json::from_value(params).expect("what was sent can be read");
    assert_eq!(read, ignored("second"));
}

#[tokio::test]
async fn a_subscriber_can_still_ask() {
    let served = Served::start(Limits {
        idle: Duration::from_millis(20),
        ..Limits::default()
    });
    let mut client = served.connect().await;
    client.ask(SUBSCRIBE).await;
    // A subscriber may be silent for longer than others.
    tokio::time::sleep(Duration::from_millis(60)).await;
    let reply = client
        .ask(r#"{"jsonrpc":"2.0","id":2,"method":"status"}"#)
        .await;
    assert_eq!(reply["id"], 2);
    assert_eq!(served.counted("idle"), 0);
}

#[tokio::test]
async fn a_subscriber_that_goes_is_forgotten() {
    let served = Served::start(Limits::default());
    let mut client = served.connect().await;
    client.ask(SUBSCRIBE).await;
    assert_eq!(served.notices.subscribers(), 1);
    drop(client);
    while served.notices.subscribers() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(served.counted("subscriber_too_slow"), 0);
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_is_dropped_and_nobody_waits_for_it() {
    let served = Served::start(Limits::default());
    let mut slow = served.connect().await;
    slow.ask(SUBSCRIBE).await;
    let mut quick = served.connect().await;
    quick.ask(SUBSCRIBE).await;
    let long = "x".repeat(1_000);
    let mut published = 0_u64;
    // Publishing never waits, so the loop has to let the server work; the one who reads gets all.
    while served.counted("subscriber_too_slow") == 0 {
        served.notices.publish(&ignored(&long));
        published += 1;
        let notice = quick.line().await.expect("a notice for the one who reads");
        assert_eq!(notice["params"]["reason"], long.as_str());
        assert!(published < 100_000, "the slow one was never dropped");
    }
    assert_eq!(served.counted("notices"), published);
    assert_eq!(served.notices.subscribers(), 1);
    // Its connection ends: it can read what was sent before, and then the end.
    let mut left = 0;
    while slow.line_or_end().await {
        left += 1;
    }
    assert!(left < published, "{left} of {published}");
}

impl super::Client {
    /// Reads a line, cut off or not; whether there was one.
    async fn line_or_end(&mut self) -> bool {
        use tokio::io::AsyncBufReadExt;
        let mut line = Vec::new();
        self.stream
            .read_until(b'\n', &mut line)
            .await
            .is_ok_and(|length| length > 0)
    }
}
