//! Long runs, for `scripts/test --long`.

use anyhow::Result;
use lab::domain::{default_conf, Domain};
use lab::gateway::Programs;
use lab::ping::{now_us, Pinger};
use lab::topology::{Plan, Topology, CN, MN_MAC};
use lab::transfer::Transfer;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);
const HANDOVERS: usize = 200;
/// How long the host stays. A host that moves faster than MAX_UPDATE_RATE lets its gateways say (three
/// updates a second, RFC 6275 section 12) is without service in between.
const STAY: Duration = Duration::from_millis(700);

/// Two hundred handovers in a row under one TCP session and one ping. Afterwards the session is whole, and
/// no gateway holds more than at the beginning: one binding, one tunnel, no visitor that has left.
#[test]
#[ignore = "long: 200 handovers take some minutes"]
fn a_session_survives_two_hundred_handovers() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let network = Topology::lay(Plan::default())?;
    let mut domain = Domain::start(network, &programs, &default_conf(), |_, _| {})?;
    let mn = domain.network.mobile_node("mn", MN_MAC)?;
    domain.network.plug(&mn, 0)?;
    let address = mn.wait_for_address(LIMIT)?;
    let log = domain.network.run.directory().join("hosts.log");
    let pinger = Pinger::start(&programs, &mn, CN, Duration::from_millis(10), &log)?;
    pinger.wait_through(0, LIMIT)?;
    let (from, to) = (&mn.namespace, &domain.network.cn.namespace);
    let transfer = Transfer::start(&programs, from, to, CN, 1_000_000, &log)?;

    let names = ["mag1", "mag2"];
    for handover in 1..=HANDOVERS {
        let (new, old) = (handover % 2, (handover + 1) % 2);
        let from = domain.notices.count();
        // Every other time the old gateway knows first.
        if handover % 4 < 2 {
            domain.network.lift(&mn)?;
            domain.anchorctl(names[old], &["detach", MN_MAC])?;
        }
        domain.network.plug(&mn, new)?;
        domain.anchorctl(names[new], &["attach", "access", MN_MAC])?;
        domain
            .notices
            .wait("an acknowledgement", from, LIMIT, |notice| {
                notice.gateway == names[new] && notice.kind == "acknowledgement_received"
            })?;
        if handover % 4 >= 2 {
            domain.tell_of_departure(names[old], MN_MAC, LIMIT)?;
        }
        pinger.wait_through(now_us(), LIMIT)?;
        std::thread::sleep(STAY);
    }

    assert_eq!(mn.addresses()?, [address]);
    let outcome = transfer.stop()?;
    assert!(outcome.intact, "{outcome:?}");
    let books = pinger.stop()?.stretch(0, now_us());
    assert!(books.lost < books.sent / 2, "{books:?}");
    let status = domain.gateway("lma")?.call("status", Value::Null)?;
    assert_eq!(status["sessions"], 1, "{status}");
    for table in status["tables"].as_array().into_iter().flatten() {
        let most = if table["name"] == "bindings" { 1 } else { 8 };
        assert!(table["used"].as_u64() <= Some(most), "{status}");
    }
    domain.stop_well()
}
