//! A MAAR that runs reads its neighbours again, by SIGHUP and by the control socket: what is wrong with the
//! file changes nothing, and what takes a restart is named. The signal is for the whole process, so that
//! this is one test.

use control::run;
use roles::Event;
use serde_json::{json, Value};
use std::path::Path;
use testbed::configuration::with_hosts;
use testbed::{signal, Client, Gateway};

/// One of two MAARs.
fn configuration() -> String {
    let maar = r#"[maar]
address = "2001:db8:c::21"
cmd = "2001:db8:c::2c"
policy = "policy.toml"
pools = [{ prefix = "2001:db8:2100::/40", length = 64 }]
[[maar.neighbour]]
address = "2001:db8:c::22"
pools = ["2001:db8:2200::/40"]
"#;
    with_hosts("maar", "2001:db8:c::21") + maar
}

/// One more MAAR.
const THIRD: &str = r#"
[[maar.neighbour]]
address = "2001:db8:c::23"
pools = ["2001:db8:2300::/40"]
"#;

/// The neighbours that the role was told of, by their addresses' last part, each time.
fn told(record: &Path) -> Vec<Vec<u16>> {
    let text = std::fs::read_to_string(record).unwrap();
    let events = text.lines().filter_map(|line| {
        let recorded: Value = serde_json::from_str(line).ok()?;
        let event = serde_json::from_value(recorded["event"].clone()).unwrap();
        match event {
            Event::Neighbours { neighbours } => Some(neighbours),
            _ => None,
        }
    });
    let last = |it: &roles::maar::Neighbour| it.address.segments()[7];
    events.map(|it| it.iter().map(last).collect()).collect()
}

/// Proves S2-01.
#[test]
fn a_maar_reads_its_neighbours_again() {
    let configuration = configuration();
    let gateway = Gateway::new(&configuration, "");
    let record = gateway.file("events.jsonl");
    let mut params = gateway.parts(&["core0", "acc0"]).params;
    params.record = Some(record.clone());
    let control = std::thread::spawn(move || run(params));
    let mut client = Client::connect(&gateway.socket());
    assert_eq!(client.ask("status", json!({}))["result"]["role"], "maar");

    // A neighbour whose pool is another's: nothing changes.
    let clashes = configuration.clone() + &THIRD.replace("2300", "2200");
    gateway.configure(&clashes);
    let refused = client.ask("reload", json!({}));
    let why = refused["error"]["message"].as_str().unwrap();
    assert!(why.contains("nothing was changed"), "{why}");
    assert!(why.contains("a prefix belongs to one MAAR"), "{why}");
    // One that is none's, by the socket.
    gateway.configure(&(configuration.clone() + THIRD));
    let reloaded = client.ask("reload", json!({}));
    assert_eq!(reloaded["result"]["ignored"], json!([]), "{reloaded}");
    // It goes again, by a signal; the pools of our own take a restart.
    gateway.configure(&configuration.replace("2001:db8:2100::/40", "2001:db8:2100::/41"));
    signal("-HUP");
    let mut times = 0;
    while told(&record).len() < 2 {
        // The loop of the control thread takes requests and signals in turns.
        client.ask("status", json!({}));
        times += 1;
        assert!(times < 1_000_000, "the signal was not heard");
    }
    let reloaded = client.ask("reload", json!({}));
    assert_eq!(
        reloaded["result"]["ignored"],
        json!(["maar.pools"]),
        "{reloaded}"
    );
    signal("-TERM");
    control.join().unwrap().unwrap();
    assert_eq!(told(&record), [vec![0x22, 0x23], vec![0x22], vec![0x22]]);
}
