//! What a gateway is and does: its state, ports, workers, ways, AAA servers and counters.

use super::words::{bytes, duration, of_domain, or_none, NONE};
use crate::table::Table;
use control::rpc::types::{Aaa, Counters, Neighbour, Port, Route, Status, Vector, Worker};
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

pub fn status(status: &Status, width: Option<usize>) -> String {
    let mut table = Table::new(&["", "~"]);
    let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
    row("name", status.name.clone());
    row("role", format!("{} {}", status.role, status.address));
    row(
        "version",
        format!("anchord {}, DPDK {}", status.version, status.dpdk_version),
    );
    row(
        "process",
        format!("{}, up {}", status.pid, duration(status.uptime_secs)),
    );
    row("sessions", status.sessions.to_string());
    for table in &status.tables {
        row(&table.name, format!("{} of {}", table.used, table.capacity));
    }
    let times = &status.signalling;
    if times.count > 0 {
        row(
            "signalling",
            format!(
                "{} answers; us: p50 {:.0}, p99 {:.0}, p99.9 {:.0}, max {:.0}",
                times.count, times.p50_us, times.p99_us, times.p999_us, times.max_us
            ),
        );
    }
    if let Some(store) = &status.store {
        row(
            "store",
            format!(
                "{} records, {} bytes, {} commits (last {:.0} us, longest {:.0} us), {}: {}",
                store.records,
                store.octets,
                store.commits,
                store.last_commit_us,
                store.longest_commit_us,
                store.durability,
                store.path
            ),
        );
        row(
            "restarts",
            format!("{}; {} records restored", store.restarts, store.restored),
        );
    }
    row("workers", status.workers.to_string());
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let age = duration(now.as_secs_f64() - status.policy_loaded);
    let file = match status.policy.as_str() {
        "" => "the configuration",
        policy => policy,
    };
    row("policy", format!("read {age} ago: {file}"));
    row("subscribers", status.subscribers.to_string());
    if let Some(worker) = status.stalled_worker {
        row(
            "TROUBLE",
            format!("worker {worker} is stalled: freed table entries are not used again"),
        );
    }
    for worker in &status.standing_workers {
        row(
            "TROUBLE",
            format!("worker {worker} stands still: its packets wait or are lost"),
        );
    }
    if let Some(why) = status.store.as_ref().and_then(|it| it.failing.as_ref()) {
        row(
            "TROUBLE",
            format!("the store cannot commit, so nothing is acknowledged: {why}"),
        );
    }
    if status.draining {
        row("DRAINING", "forwards, takes no more signalling".into());
    }
    table.rows(width)
}

pub fn ports(ports: &[Port], width: Option<usize>) -> String {
    let mut table = Table::new(&[
        "port",
        "link",
        ">rx",
        ">rx-bytes",
        ">tx",
        ">tx-bytes",
        ">bad",
        "mac",
        ">mtu",
        "twin",
        "queues",
        "spread",
        "~driver",
        "~device",
    ]);
    for port in ports {
        let bad = port
            .rx_missed
            .saturating_add(port.rx_errors)
            .saturating_add(port.tx_errors);
        table.row([
            port.name.clone(),
            if port.link_up { "up" } else { "down" }.into(),
            port.rx_packets.to_string(),
            bytes(port.rx_bytes),
            port.tx_packets.to_string(),
            bytes(port.tx_bytes),
            bad.to_string(),
            port.mac.to_string(),
            port.mtu.to_string(),
            or_none(port.twin.as_ref()),
            format!("{}/{}", port.rx_queues, port.tx_queues),
            spread(port),
            port.driver.clone(),
            port.device.clone(),
        ]);
    }
    table.render(width)
}

/// How packets come to workers: by what the device hashes, by handoff, or as they come.
fn spread(port: &Port) -> String {
    let handoff = port.handoff.then_some("handoff");
    let rss = port.rss.iter().map(String::as_str);
    let words: Vec<&str> = rss.chain(handoff).collect();
    match words.is_empty() {
        true => NONE.into(),
        false => words.join("+"),
    }
}

pub fn workers(workers: &[Worker], width: Option<usize>) -> String {
    let mut table = Table::new(&[
        ">worker",
        ">core",
        "state",
        ">packets",
        ">vector",
        ">idle",
        ">cycles/packet",
        ">polls/s",
        ">sleeps",
        ">held",
        ">busy",
        "queues",
        ">handed",
        ">taken",
        "vectors",
    ]);
    for worker in workers {
        let polls = worker.polls as f64 / worker.uptime_secs.max(f64::MIN_POSITIVE);
        let busy = worker.busy_secs / worker.uptime_secs.max(f64::MIN_POSITIVE);
        table.row([
            worker.index.to_string(),
            worker.core.to_string(),
            state(worker),
            worker.packets.to_string(),
            format!("{:.1}", worker.burst),
            format!("{:.1}%", worker.idle * 100.0),
            worker
                .cycles_per_packet
                .map_or_else(|| NONE.into(), |cycles| format!("{cycles:.0}")),
            format!("{polls:.0}"),
            worker.sleeps.to_string(),
            worker.held.to_string(),
            format!("{:.1}%", busy * 100.0),
            worker.queues.join(" "),
            worker.handed.to_string(),
            worker.taken.to_string(),
            vectors(&worker.vectors),
        ]);
    }
    table.render(width)
}

/// Whether a worker runs, or since when it does not.
pub fn state(worker: &Worker) -> String {
    worker.standing_secs.map_or_else(
        || "runs".to_owned(),
        |secs| format!("STANDS STILL {}", duration(secs)),
    )
}

/// Shares of the polls that found something: `1:40% 4:60%`.
fn vectors(vectors: &[Vector]) -> String {
    let whole: u64 = vectors.iter().map(|vector| vector.polls).sum();
    let shares = vectors.iter().filter(|vector| vector.polls > 0);
    let shares = shares.map(|vector| {
        let most = vector
            .most
            .map_or_else(|| "more".into(), |most| most.to_string());
        // Precision is of no matter for whole percents.
        let share = vector.polls as f64 * 100.0 / whole as f64;
        format!("{most}:{share:.0}%")
    });
    match whole {
        0 => NONE.into(),
        _ => shares.collect::<Vec<_>>().join(" "),
    }
}

pub fn routes(routes: &[Route], width: Option<usize>) -> String {
    let mut table = Table::new(&["prefix", "kind", "via", "interface", "mac"]);
    for route in routes {
        table.row([
            of_domain(Some(&route.prefix), route.domain.as_deref()),
            route.kind.clone(),
            or_none(route.via.as_ref()),
            or_none(route.interface.as_ref()),
            or_none(route.mac.as_ref()),
        ]);
    }
    table.render(width)
}

pub fn neighbours(neighbours: &[Neighbour], width: Option<usize>) -> String {
    let mut table = Table::new(&["address", "interface", "mac", "state"]);
    for neighbour in neighbours {
        table.row([
            neighbour.address.to_string(),
            neighbour.interface.clone(),
            or_none(neighbour.mac.as_ref()),
            neighbour.state.clone(),
        ]);
    }
    table.render(width)
}

pub fn counters(counters: &Counters, width: Option<usize>, all: bool) -> String {
    let mut text = String::new();
    for group in &counters.groups {
        let shown = group
            .counters
            .iter()
            .filter(|counter| all || counter.value > 0);
        let mut table = Table::new(&[">", "", "~"]);
        let mut rows = 0;
        for counter in shown {
            rows += 1;
            table.row([
                counter.value.to_string(),
                counter.name.clone(),
                counter.description.clone(),
            ]);
        }
        if rows == 0 {
            continue;
        }
        let worker = group
            .worker
            .map_or_else(String::new, |worker| format!(", worker {worker}"));
        let rendered = table.rows(width.map(|width| width.saturating_sub(2)));
        let separator = if text.is_empty() { "" } else { "\n" };
        // Text takes everything.
        let _ = writeln!(text, "{separator}{}{worker}:", group.name);
        for line in rendered.lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    if text.is_empty() {
        text.push_str("nothing has been counted; `anchorctl counters --all` shows what could be\n");
    }
    text
}

pub fn aaa(it: &Aaa, width: Option<usize>) -> String {
    let mut text = match it.reachable {
        true => "reachable".to_owned(),
        false => format!("UNREACHABLE: {}", it.when_unreachable),
    };
    let _ = write!(
        text,
        "; {} hosts on its terms, {} open questions",
        it.sessions, it.questions
    );
    if it.accounting {
        let _ = write!(
            text,
            "; records: {} wait, {} lost",
            it.records, it.records_lost
        );
    }
    let _ = writeln!(text, "; {} clients may give orders", it.order_clients);
    let mut table = Table::new(&[
        "server",
        "for",
        "state",
        ">requests",
        ">answered",
        ">not",
        ">us",
    ]);
    for server in &it.servers {
        let state = if server.dead { "DEAD" } else { "well" };
        let micros = server.round_trip_us.map(|it| format!("{it:.0}"));
        table.row([
            server.address.clone(),
            server.used_for.clone(),
            state.to_owned(),
            server.requests.to_string(),
            server.answers.to_string(),
            server.timeouts.to_string(),
            or_none(micros.as_ref()),
        ]);
    }
    text + &table.rows(width)
}
