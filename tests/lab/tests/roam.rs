//! A host that walks through a domain of three MAARs, in every mode of the database, over a bad path,
//! and past a MAAR that dies.

use anyhow::{ensure, Context, Result};
use lab::gateway::Programs;
use lab::judge::{count, read};
use lab::roam::{address, handover, pool, Bed, Layout, Report};
use lab::wire::Impairment;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn programs() -> Result<Programs> {
    Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))
}

fn conf() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf")
}

fn walk(mode: &str, impairment: Option<Impairment>) -> Result<Report> {
    let layout = Layout {
        impairment,
        ..Layout::of_the_draft(mode)
    };
    let bed = Bed::lay(&programs()?, &conf(), layout, |_, _| {})?;
    let mut said = |line: &str| println!("{line}");
    let report = bed.walk(mode, &mut said);
    let report = report.map_err(|error| error.context(bed.troubles()))?;
    ensure!(
        report.sessions == [true; 5],
        "{report:?}\n{}",
        bed.troubles()
    );
    bed.stop_well()?;
    Ok(report)
}

/// Proves S2-13, S2-15, S2-16, S2-17, S2-20.
#[test]
fn a_session_begun_at_each_stop_lives_in_relay_mode() -> Result<()> {
    walk("relay", None).map(drop)
}

/// Proves S2-22, S2-23.
#[test]
fn a_session_begun_at_each_stop_lives_in_locator_mode() -> Result<()> {
    walk("locator", None).map(drop)
}

/// Proves S2-25, S2-27.
#[test]
fn a_session_begun_at_each_stop_lives_in_proxy_mode() -> Result<()> {
    walk("proxy", None).map(drop)
}

/// A walk whose first anchor is far away and loses packets.
fn walk_over_a_bad_path(mode: &str) -> Result<()> {
    let impairment = Impairment {
        delay: 50.0,
        loss: 0.01,
        seed: 5,
        ..Impairment::default()
    };
    walk(mode, Some(impairment)).map(drop)
}

#[test]
fn a_walk_over_a_bad_path_to_an_anchor_that_is_waited_for() -> Result<()> {
    walk_over_a_bad_path("relay")
}

#[test]
fn a_walk_over_a_bad_path_to_an_anchor_that_answers_directly() -> Result<()> {
    walk_over_a_bad_path("locator")
}

/// The database changes its mode at every stop, while sessions run; then the MAAR where the first began and
/// the one that serves the host are killed, one after the other, and come back with what they have stored:
/// nothing ends, and the host goes on to where it likes. The MAARs answer one another in each mode, as they do
/// unless they are told otherwise: they need not know which it is.
///
/// Proves S2-27.
#[test]
fn sessions_outlive_a_change_of_mode_and_maars_that_come_back() -> Result<()> {
    let layout = Layout::of_the_draft("relay");
    let mut bed = Bed::lay(&programs()?, &conf(), layout, |_, configuration| {
        if let Some(maar) = configuration.table().get_mut("maar") {
            let maar = maar.as_table_mut();
            maar.and_then(|maar| maar.remove("direct_answers"));
        }
    })?;
    let mut sessions = Vec::new();
    for (index, mode) in [(0, "locator"), (1, "proxy"), (2, "relay")] {
        bed.go(index, index)?;
        sessions.push(bed.begin()?);
        let cmd = bed.cmd().context("a database")?;
        let now = cmd.call("mode", json!({ "mode": mode }))?;
        ensure!(now["mode"] == mode, "{now}");
    }
    for index in [0, 2] {
        bed.kill(index)?;
        bed.restart(index)?;
        let restored = bed.counted(index, "nodes_restored")?;
        ensure!(restored == 1, "{restored} at MAAR {}", index + 1);
        ensure!(bed.led_to(2)? == Some(2), "{}", bed.troubles());
    }
    std::thread::sleep(Duration::from_millis(500));
    bed.go(1, 2)?;
    sessions.push(bed.begin()?);
    std::thread::sleep(Duration::from_millis(500));
    for session in sessions {
        let outcome = session.stop()?;
        ensure!(
            outcome.intact && outcome.bytes > 0,
            "{outcome:?}\n{}",
            bed.troubles()
        );
    }
    bed.stop_well()
}

/// No database: each MAAR that the host comes to asks it for its addresses and tells their anchors, which it
/// knows by the prefixes alone.
///
/// Proves S2-44, S2-45, S2-48, S2-49, S2-51, S2-52.
#[test]
fn a_session_begun_at_each_stop_lives_without_a_database() -> Result<()> {
    let layout = Layout::of_the_draft("node-information");
    let mut bed = Bed::lay(&programs()?, &conf(), layout, |_, _| {})?;
    bed.answer_queries()?;
    let capture = bed.capture_host("queries.pcap")?;
    let mut said = |line: &str| println!("{line}");
    let report = bed.walk("node-information", &mut said);
    let report = report.map_err(|error| error.context(bed.troubles()))?;
    ensure!(
        report.sessions == [true; 5],
        "{report:?}\n{}",
        bed.troubles()
    );
    // tshark judges what the gateways ask and the host answers.
    let judged = capture.stop()?;
    let right =
        "icmpv6.ni.qtype == 3 && icmpv6.code == 0 && icmpv6.checksum.status == 1 && !_ws.malformed";
    for (kind, way) in [(139, "dst"), (140, "src")] {
        let filter = format!("icmpv6.type == {kind} && ipv6.{way} == fe80::/10 && {right}");
        ensure!(count(&judged, &filter)? >= 5, "{filter}");
        let wrong = format!("icmpv6.type == {kind} && !({right})");
        ensure!(count(&judged, &wrong)? == 0, "{wrong}");
    }
    // Where the host is now, one anchor has been there before and was remembered; the other was not.
    ensure!(bed.counted(1, "anchors_constructed")? >= 1);
    ensure!(bed.counted(1, "anchors_learned")? >= 2);
    for index in 0..3 {
        ensure!(
            bed.counted(index, "anchors_silent")? == 0,
            "{}",
            bed.troubles()
        );
    }
    bed.stop_well()
}

/// A host without a responder is served when its time is over. What it says unasked, or of prefixes of nobody,
/// counts for nothing.
///
/// Proves S2-50, S2-53.
#[test]
fn a_host_that_does_not_answer_is_served_and_one_that_lies_is_not_believed() -> Result<()> {
    let layout = Layout::of_the_draft("node-information");
    let mut bed = Bed::lay(&programs()?, &conf(), layout, |_, _| {})?;
    bed.go(0, 0)?;
    ensure!(bed.counted(0, "searches_given_up")? >= 1);
    ensure!(bed.counted(0, "node_replies_used")? == 0);
    bed.forge_replies(0)?;
    let refused = || bed.counted(0, "node_replies_forged");
    let until = Instant::now() + Duration::from_secs(10);
    while refused()? < 4 {
        ensure!(Instant::now() < until, "{}", bed.troubles());
        std::thread::sleep(Duration::from_millis(20));
    }
    ensure!(bed.counted(0, "anchors_sought")? == 0);
    bed.answer_queries()?;
    // An address that no anchor gave, and one of an anchor that did not give it to this host.
    let own = &bed.host().namespace;
    own.ip(
        "addr add 2001:db8:bad::1/64 dev eth0 nodad preferred_lft 0\n\
            addr add 2001:db8:2300:77::1/64 dev eth0 nodad preferred_lft 0\n",
    )?;
    bed.go(1, 1)?;
    let names = ["prefixes_foreign", "anchors_sought", "node_replies_used"];
    let counted = names.map(|name| bed.counted(1, name).unwrap_or_default());
    let [foreign, sought, _] = counted;
    ensure!(
        foreign >= 1 && sought >= 2,
        "{counted:?}\n{}",
        bed.troubles()
    );
    bed.stop_well()
}

/// TCP segments on a capture of the core that lie in a tunnel, or not, by the pool of the host's address: those of
/// the host and those for it.
fn segments(capture: &Path, tunnelled: bool, pool: &str) -> Result<[usize; 2]> {
    let outer = if tunnelled { "" } else { "!" };
    let ways = ["src", "dst"].map(|way| {
        let filter = format!("tcp && {outer}(ipv6.nxt == 41) && ipv6.{way} == {pool}");
        count(capture, &filter)
    });
    let [up, down] = ways;
    Ok([up?, down?])
}

/// tshark looks at the cables between the gateways and the core while a host goes from the first to the second, with
/// a session from each: what belongs to the gateway that it is at goes as it is, what belongs to the other goes in
/// the tunnel between the two, both ways.
///
/// Proves S2-09, S2-20, S2-21.
#[test]
fn what_the_core_carries_of_a_host_is_tunnelled_only_for_another_anchor() -> Result<()> {
    let layout = Layout::of_the_draft("relay");
    let bed = Bed::lay(&programs()?, &conf(), layout, |_, _| {})?;
    let while_it_runs = Duration::from_millis(500);
    let [here, there] = [pool(0), pool(1)];
    let ends = [address(0), address(1)];

    bed.go(0, 0)?;
    let capture = bed.capture_core(0, "first.pcap")?;
    let first = bed.begin()?;
    std::thread::sleep(while_it_runs);
    let alone = capture.stop()?;
    ensure!(segments(&alone, false, &here)?.iter().all(|it| *it > 10));
    ensure!(count(&alone, "ipv6.nxt == 41")? == 0);

    bed.go(1, 1)?;
    let capture = bed.capture_core(1, "second.pcap")?;
    let second = bed.begin()?;
    std::thread::sleep(while_it_runs);
    let both = capture.stop()?;
    ensure!(segments(&both, false, &there)?.iter().all(|it| *it > 10));
    ensure!(segments(&both, true, &there)? == [0, 0]);
    ensure!(segments(&both, true, &here)?.iter().all(|it| *it > 10));
    ensure!(segments(&both, false, &here)? == [0, 0]);
    let tunnels = read(&both, "ipv6.nxt == 41", &["ipv6.src", "ipv6.dst"])?;
    for frame in &tunnels {
        let mut outer: Vec<_> = frame.iter().filter_map(|it| it.split(',').next()).collect();
        outer.sort_unstable();
        ensure!(outer == ends, "{frame:?}");
    }

    for session in [first, second] {
        let outcome = session.stop()?;
        ensure!(outcome.intact, "{outcome:?}\n{}", bed.troubles());
    }
    bed.stop_well()
}

/// Handovers of a host with one anchor behind it and with two can be told apart and timed in a capture, and cost no fewer
/// messages than the figures have.
#[test]
fn handovers_are_measured() -> Result<()> {
    let mut said = |line: &str| println!("{line}");
    let measured = handover::measure(&programs()?, &conf(), &["proxy"], &[1, 2], 1, &mut said)?;
    ensure!(measured.0.len() == 2, "{measured}");
    for latency in &measured.0 {
        ensure!(
            latency.handovers == 1 && latency.ms.min > 0.0,
            "{latency:?}"
        );
        ensure!(latency.messages.min >= latency.drawn as f64, "{latency:?}");
    }
    Ok(())
}
