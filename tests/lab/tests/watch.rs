//! What an operator sees of a handover while it happens: the anchor's `capture` and `trace`.

use anyhow::{Context, Result};
use lab::domain::{default_conf, Domain};
use lab::gateway::Programs;
use lab::judge::{count, read};
use lab::ping::{now_us, Pinger};
use lab::process::{Errors, Process};
use lab::topology::{Plan, Topology, CN, LMA, MAGS, MN_MAC};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(40);

/// A capture by `anchorctl` that runs.
struct Watch {
    process: Process,
    file: PathBuf,
}

impl Watch {
    /// Starts to capture at the anchor: signalling, tunnels and the correspondent's link.
    fn start(domain: &Domain) -> Result<Self> {
        let directory = domain.network.run.directory();
        let file = directory.join("anchor.pcapng");
        let text = |path: &Path| path.to_str().map(str::to_owned).context("not text");
        let program = text(&domain.programs.anchorctl)?;
        let socket = text(domain.gateway("lma")?.socket())?;
        let to = text(&file)?;
        let words = [&*program, "--socket", &socket, "capture", "--write", &to];
        let log = directory.join("capture.log");
        let process = Process::start_here("a capture", &words, &Errors::File(&log))?;
        Ok(Self { process, file })
    }

    /// Waits until the file has a packet: it is written while the capture runs.
    fn wait(&self) -> Result<()> {
        let end = Instant::now() + LIMIT;
        while count(&self.file, "").unwrap_or(0) == 0 {
            anyhow::ensure!(Instant::now() < end, "nothing captured");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Ends it as an operator does, by Ctrl-C, and returns the file.
    fn stop(mut self) -> Result<PathBuf> {
        self.process.signal(Signal::SIGINT)?;
        let status = self.process.wait(LIMIT)?;
        anyhow::ensure!(status.success(), "{status}: {}", self.process.tail());
        Ok(self.file)
    }
}

/// A capture runs at the anchor while a host moves, and a trace after it. tshark reads in the file that the
/// host's packets went to the old gateway before the move and to the new one after it, each as it came and
/// as it went, and the signalling of the move, whole; the trace says in words to whom each packet was sent.
///
/// Proves S1-41.
#[test]
fn a_handover_can_be_captured_and_traced() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let network = Topology::lay(Plan::default())?;
    let mut domain = Domain::start(network, &programs, &default_conf(), |_, _| {})?;
    let mn = domain.network.mobile_node("mn", MN_MAC)?;
    domain.network.plug(&mn, 0)?;
    mn.wait_for_address(LIMIT)?;
    let home = mn.addresses()?.first().context("no address")?.to_string();
    let log = domain.network.run.directory().join("hosts.log");
    let every = Duration::from_millis(10);
    let pinger = Pinger::start(&domain.programs, &mn, CN, every, &log)?;
    pinger.wait_through(0, LIMIT)?;

    let watch = Watch::start(&domain)?;
    watch.wait()?;
    let from = domain.notices.count();
    domain.network.plug(&mn, 1)?;
    domain.anchorctl("mag2", &["attach", "access", MN_MAC])?;
    domain.notices.wait("the move", from, LIMIT, |notice| {
        notice.gateway == "lma" && notice.kind == "binding_moved"
    })?;
    pinger.wait_through(now_us(), LIMIT)?;
    let trail = watch.stop()?;
    let words = ["--json", "trace", "--packets", "4", "--inner", &home];
    let traced = domain.anchorctl("lma", &words)?;
    let towards = ["trace", "--packets", "4", "--verdict", "encapsulated"];
    let told = domain.anchorctl("lma", &towards)?;
    pinger.stop()?;

    let [mag1, mag2] = MAGS.map(|it| it.to_string());
    assert_eq!(count(&trail, "_ws.malformed")?, 0);
    // Downlink: what the anchor put into a tunnel.
    let lma = LMA.to_string();
    let sent = read(
        &trail,
        &format!(
            "ipv6.src == {lma} && ipv6.dst == {home} && frame.comment contains \"as it went\""
        ),
        &["ipv6.dst", "frame.comment"],
    )?;
    let to: Vec<&str> = sent
        .iter()
        .filter_map(|frame| frame[0].split(',').next())
        .collect();
    let before = to.iter().take_while(|it| **it == mag1).count();
    let after = &to[before..];
    assert!(before > 0 && !after.is_empty(), "{to:?}");
    assert!(after.iter().all(|it| *it == mag2), "{to:?}");
    let forwarded = |frame: &Vec<String>| frame[1].ends_with("forward encapsulated");
    assert!(sent.iter().all(forwarded), "{sent:?}");
    let came = count(
        &trail,
        &format!(
            "ipv6.src == {mag2} && ipv6.dst == {lma} && frame.comment contains \"as it came\""
        ),
    )?;
    assert!(came > 0);
    // The update of the new gateway and its answer, and the revocation at the old one.
    let updates = read(&trail, "mip6.mhtype == 5", &["ipv6.src"])?;
    assert!(updates.iter().any(|frame| frame[0] == mag2), "{updates:?}");
    assert!(count(&trail, &format!("mip6.mhtype == 5 && ipv6.dst == {lma}"))? > 0);

    let mut ways = 0;
    for line in traced.lines() {
        let told: Value = serde_json::from_str(line)?;
        let packet = &told["params"];
        let Some(steps) = packet["steps"].as_array() else {
            continue;
        };
        ways += 1;
        let said = |word: &str| {
            let text = |step: &Value| step["text"].as_str().is_some_and(|it| it.contains(word));
            steps.iter().any(text)
        };
        assert!(said(&home) && said(&mag2), "{line}");
        assert_eq!(packet["verdict"], "forward", "{line}");
    }
    assert_eq!(ways, 4, "{traced}");
    assert!(told.contains(&mag2), "{told}");
    domain.stop_well()
}
