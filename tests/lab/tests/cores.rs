//! Gateways on two cores, ports that go away under load, and a worker that stands still.

use anyhow::{Context, Result};
use lab::domain::{default_conf, Domain};
use lab::gateway::Programs;
use lab::host::Host;
use lab::ping::{now_us, Pinger};
use lab::process::{Errors, Process};
use lab::topology::{Plan, Topology, CN, MN_MAC};
use lab::transfer::Transfer;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(40);

/// A domain whose anchor has two workers: its core port has one queue pair, its other port two. What
/// comes in is handed to the worker of its flow, and what one worker cannot send the other sends.
fn attached() -> Result<(Domain, Host)> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let network = Topology::lay(Plan::default())?;
    let domain = Domain::start(network, &programs, &default_conf(), |name, conf| {
        if name == "lma" {
            conf.set("workers", "cores", vec![0i64, 1]);
            conf.set("workers", "handoff", "always");
            conf.set("workers", "stall_after", 2);
            let port = &mut conf.table()["port"][1]["device"];
            *port = "net_af_packet1,iface=inet0,qpairs=2".into();
        }
    })?;
    let mn = domain.network.mobile_node("mn", MN_MAC)?;
    domain.network.plug(&mn, 0)?;
    mn.wait_for_address(LIMIT)?;
    Ok((domain, mn))
}

/// The anchor's answer to a call that lists things.
fn list(domain: &Domain, method: &str) -> Result<Vec<Value>> {
    let answer = domain.gateway("lma")?.call(method, Value::Null)?;
    Ok(answer.as_array().context("not a list")?.clone())
}

/// Two workers share the ports; the core link goes down under load and comes back, and the session goes on.
#[test]
fn two_workers_and_a_link_that_goes_down_under_load() -> Result<()> {
    let (mut domain, mn) = attached()?;
    let log = domain.network.run.directory().join("hosts.log");
    let pinger = Pinger::start(&domain.programs, &mn, CN, Duration::from_millis(10), &log)?;
    pinger.wait_through(0, LIMIT)?;
    let (from, to) = (&mn.namespace, &domain.network.cn.namespace);
    let transfer = Transfer::start(&domain.programs, from, to, CN, 1_000_000, &log)?;

    let ports = list(&domain, "ports")?;
    assert_eq!(
        (&ports[0]["rx_queues"], &ports[1]["rx_queues"]),
        (&1.into(), &2.into())
    );
    assert!(ports
        .iter()
        .all(|port| port["handoff"] == true && port["link_up"] == true));
    let workers = list(&domain, "workers")?;
    assert_eq!(
        workers[0]["queues"],
        serde_json::json!(["core0:0", "inet0:0"])
    );
    assert_eq!(workers[1]["queues"], serde_json::json!(["inet0:1"]));

    let before = domain.notices.count();
    let switch = &domain.network.switch;
    switch.ip("link set dev core-lma down\n")?;
    domain.notices.wait("port_down", before, LIMIT, |notice| {
        notice.gateway == "lma" && notice.kind == "port_down" && notice.field("port") == "core0"
    })?;
    assert_eq!(list(&domain, "ports")?[0]["link_up"], false);
    // What the correspondent sends the host has no way to the core now. The session keeps sending.
    std::thread::sleep(Duration::from_secs(2));
    assert!(
        domain.gateway("lma")?.counter("drop_port_down")? > 0,
        "{}",
        domain.troubles()
    );
    switch.ip("link set dev core-lma up\n")?;
    domain.notices.wait("port_up", before, LIMIT, |notice| {
        notice.gateway == "lma" && notice.kind == "port_up" && notice.field("port") == "core0"
    })?;
    pinger
        .wait_through(now_us(), LIMIT)
        .with_context(|| domain.troubles())?;
    // The session's next packet may be a retransmission that is seconds away.
    std::thread::sleep(Duration::from_secs(3));
    let outcome = transfer.stop()?;
    assert!(outcome.intact, "{outcome:?}");
    pinger.stop()?;
    let workers = list(&domain, "workers")?;
    let of = |worker: usize, field: &str| workers[worker][field].as_u64().unwrap_or(0);
    assert!(of(0, "handed") > 0 && of(1, "taken") > 0, "{workers:?}");
    // Ends with 0, so no packet buffer is lost.
    domain.stop_well()
}

/// The program that makes one thread of a process stand still for so many seconds: it is its tracer, and lets go of
/// it with its own end.
const STANDSTILL: &str = "
import ctypes, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long] * 4
SEIZE, INTERRUPT = 0x4206, 0x4207
thread, seconds = int(sys.argv[1]), float(sys.argv[2])
for request in SEIZE, INTERRUPT:
    if libc.ptrace(request, thread, 0, 0) != 0:
        sys.exit('ptrace: %d' % ctypes.get_errno())
time.sleep(seconds)
";

/// A worker that stands still is named, by log and notice and in the lists, and so is its recovery.
#[test]
fn a_worker_that_stands_still_is_named() -> Result<()> {
    let (mut domain, mn) = attached()?;
    let tasks = format!("/proc/{}/task", domain.gateway("lma")?.id());
    let mut threads = fs::read_dir(&tasks)?.filter_map(Result::ok);
    let thread = threads.find(|thread| {
        let name = fs::read_to_string(thread.path().join("comm"));
        name.is_ok_and(|name| name.trim() == "worker-1")
    });
    let thread = thread.context("no worker-1")?.file_name();
    let thread = thread.to_str().context("not a number")?;
    let before = domain.notices.count();
    let log = domain.network.run.directory().join("standstill.log");
    let words = ["python3", "-c", STANDSTILL, thread, "8"];
    let mut standstill = Process::start_here("the standstill", &words, &Errors::File(&log))?;
    domain
        .notices
        .wait("worker_stalled", before, LIMIT, |notice| {
            notice.kind == "worker_stalled" && notice.field("worker") == "1"
        })?;
    let workers = list(&domain, "workers")?;
    assert!(
        workers[1]["standing_secs"].as_f64() >= Some(2.0),
        "{workers:?}"
    );
    assert_eq!(workers[0]["standing_secs"], Value::Null);
    let shown = domain.anchorctl("lma", &["status"])?;
    assert!(shown.contains("worker 1 stands still"), "{shown}");
    domain
        .notices
        .wait("worker_recovered", before, LIMIT, |notice| {
            notice.kind == "worker_recovered" && notice.field("worker") == "1"
        })?;
    let status = standstill.wait(LIMIT)?;
    assert!(status.success(), "{}", standstill.log());
    assert_eq!(list(&domain, "workers")?[1]["standing_secs"], Value::Null);
    let every = Duration::from_millis(10);
    let pinger = Pinger::start(&domain.programs, &mn, CN, every, &log)?;
    pinger
        .wait_through(now_us(), LIMIT)
        .with_context(|| domain.troubles())?;
    pinger.stop()?;
    domain.stop_well()
}
