//! Replies for people.

use crate::domain;
use crate::table::Table;
use control::rpc::types::{
    Aaa, Accepted, Binding, Counters, Neighbour, Peer, Port, Registered, Reloaded, Revoked, Route,
    Status, Talker, Traffic, Vector, Visitor, Worker,
};
use control::rpc::Reply;
use std::fmt::{Display, Write};
use std::time::{SystemTime, UNIX_EPOCH};

/// A reply as text of at most `width` columns; with the counters that are zero if `all`.
pub fn reply(reply: &Reply, width: Option<usize>, all: bool) -> String {
    match reply {
        Reply::Status(it) => status(it, width),
        Reply::Ports(them) => list(them, "no ports", |them| ports(them, width)),
        Reply::Workers(them) => list(them, "no workers", |them| workers(them, width)),
        Reply::Routes(them) => list(them, "no routes", |them| routes(them, width)),
        Reply::Neighbours(them) => list(them, "no neighbours", |them| neighbours(them, width)),
        Reply::Peers(them) => list(them, "no peers", |them| peers(them, width)),
        Reply::Bindings(them) => list(them, "no bindings", |them| bindings(them, width)),
        Reply::Visitors(them) => list(them, "no visitors", |them| visitors(them, width)),
        Reply::Anchors(them) => list(them, "no hosts", |them| domain::anchors(them, width)),
        Reply::Sessions(them) => list(them, "no sessions", |them| domain::sessions(them, width)),
        Reply::Mode(it) => format!("{}\n", it.mode),
        Reply::Counters(it) => counters(it, width, all),
        Reply::Attach(it) => accepted("attaching", it),
        Reply::Detach(it) => accepted("detaching", it),
        Reply::Delete(it) => accepted("deleting", it),
        Reply::Revoke(it) => revoked(it),
        Reply::Register(it) => registered(it),
        Reply::Reload(it) => reloaded(it),
        Reply::Subscribe(it) => format!("subscribed to {}\n", it.name),
        Reply::Trace(it) | Reply::Capture(it) => format!("session {}\n", it.session),
        Reply::Stop(it) => format!("session {} ends\n", it.session),
        Reply::Talkers(them) => list(
            them,
            "no binding with a rate; ask again in a few seconds",
            |them| talkers(them, width),
        ),
        Reply::Dhcp(it) => domain::dhcp(it),
        Reply::Aaa(it) => aaa(it, width),
        Reply::Metrics(it) => it.text.clone(),
    }
}

fn aaa(it: &Aaa, width: Option<usize>) -> String {
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

fn list<T>(items: &[T], none: &str, show: impl Fn(&[T]) -> String) -> String {
    if items.is_empty() {
        format!("{none}\n")
    } else {
        show(items)
    }
}

fn accepted(doing: &str, accepted: &Accepted) -> String {
    format!(
        "{doing} {}; `anchorctl subscribe` shows what becomes of it\n",
        accepted.host
    )
}

fn revoked(revoked: &Revoked) -> String {
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    format!(
        "revoked {} session{}, told by {} message{}; `anchorctl subscribe` shows what peers say to it\n",
        revoked.sessions,
        plural(revoked.sessions),
        revoked.messages,
        plural(revoked.messages)
    )
}

fn registered(it: &Registered) -> String {
    match it.lifetime_secs {
        0 => format!("the binding of {} has ended\n", it.home_address),
        left => format!(
            "{} is registered for {left} s, sequence number {}\n",
            it.home_address, it.sequence
        ),
    }
}

fn reloaded(reloaded: &Reloaded) -> String {
    let mut text = format!(
        "reloaded: {} hosts, {} routes\n",
        reloaded.hosts, reloaded.routes
    );
    if !reloaded.ignored.is_empty() {
        let ignored = reloaded.ignored.join(", ");
        let _ = writeln!(text, "not taken, for it takes a restart: {ignored}");
    }
    text
}

/// What is absent.
pub(crate) const NONE: &str = "-";

/// What is of a domain, as `10.1.0.7%red`; what is of none, as it is.
fn of_domain<T: Display>(value: Option<&T>, domain: Option<&str>) -> String {
    match (value, domain) {
        (Some(value), Some(domain)) => format!("{value}%{domain}"),
        (value, _) => or_none(value),
    }
}

pub(crate) fn or_none<T: Display>(value: Option<&T>) -> String {
    value.map_or_else(|| NONE.into(), T::to_string)
}

/// The first of them, and how many more there are.
fn first<T: Display>(values: &[T]) -> String {
    match values {
        [] => NONE.into(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} +{}", rest.len()),
    }
}

fn status(status: &Status, width: Option<usize>) -> String {
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

fn ports(ports: &[Port], width: Option<usize>) -> String {
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

fn workers(workers: &[Worker], width: Option<usize>) -> String {
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

fn talkers(talkers: &[Talker], width: Option<usize>) -> String {
    let mut table = Table::new(&["binding", ">kbit/s", ">up", ">down"]);
    for talker in talkers {
        table.row([
            talker.prefix.clone(),
            format!("{:.1}", talker.bits_per_sec / 1e3),
            traffic(&talker.up),
            traffic(&talker.down),
        ]);
    }
    table.render(width)
}

fn routes(routes: &[Route], width: Option<usize>) -> String {
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

fn neighbours(neighbours: &[Neighbour], width: Option<usize>) -> String {
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

fn peers(peers: &[Peer], width: Option<usize>) -> String {
    let mut table = Table::new(&[
        "address",
        "state",
        ">sessions",
        ">missing",
        ">restarts",
        ">us",
        ">heard",
    ]);
    for peer in peers {
        let state = match peer.state.as_str() {
            // Trouble stands out.
            "down" => "DOWN",
            state => state,
        };
        let micros = peer.round_trip_us.map(|it| format!("{it:.0}"));
        table.row([
            peer.address.to_string(),
            state.to_owned(),
            peer.sessions.to_string(),
            peer.missing.to_string(),
            or_none(peer.restart_counter.as_ref()),
            or_none(micros.as_ref()),
            or_none(peer.heard_secs.map(duration).as_ref()),
        ]);
    }
    table.render(width)
}

fn bindings(bindings: &[Binding], width: Option<usize>) -> String {
    let mut table = Table::new(&[
        "~identifier",
        "kind",
        "state",
        "prefix",
        "ipv4",
        "care-of",
        ">left",
        ">up",
        ">down",
        "interface",
    ]);
    for binding in bindings {
        table.row([
            binding.identifier.clone(),
            binding.kind.clone(),
            binding.state.clone(),
            first(&binding.prefixes),
            of_domain(
                binding.ipv4_home_address.as_ref(),
                binding.domain.as_deref(),
            ),
            binding.care_of_address.to_string(),
            duration(binding.remaining_secs),
            traffic(&binding.up),
            traffic(&binding.down),
            or_none(binding.link_layer_identifier.as_ref()),
        ]);
    }
    table.render(width)
}

fn visitors(visitors: &[Visitor], width: Option<usize>) -> String {
    let mut table = Table::new(&[
        "~identifier",
        "state",
        "prefix",
        "ipv4",
        "mac",
        ">left",
        "interface",
        "lma",
        "address",
        "dhcp server",
        ">up",
        ">down",
    ]);
    for visitor in visitors {
        let addresses: Vec<_> = visitor.addresses.iter().map(|it| it.address).collect();
        table.row([
            or_none(visitor.identifier.as_ref()),
            visitor.state.clone(),
            first(&visitor.prefixes),
            of_domain(
                visitor.ipv4_home_address.as_ref(),
                visitor.domain.as_deref(),
            ),
            visitor.mac.to_string(),
            visitor.remaining_secs.map_or_else(|| NONE.into(), duration),
            visitor.interface.clone(),
            or_none(visitor.lma.as_ref()),
            first(&addresses),
            or_none(visitor.dhcp_server.as_ref()),
            traffic(&visitor.up),
            traffic(&visitor.down),
        ]);
    }
    table.render(width)
}

fn counters(counters: &Counters, width: Option<usize>, all: bool) -> String {
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

/// `120 (14.2 kB)`.
pub(crate) fn traffic(traffic: &Traffic) -> String {
    format!("{} ({})", traffic.packets, bytes(traffic.bytes))
}

/// Octets with a decimal unit.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    // Precision is of no matter for one decimal place.
    #[allow(clippy::cast_precision_loss)]
    let mut value = bytes as f64;
    let mut unit = UNITS[0];
    for larger in UNITS.into_iter().skip(1) {
        if value < 999.95 {
            break;
        }
        value /= 1_000.0;
        unit = larger;
    }
    format!("{value:.1} {unit}")
}

/// `4.2s`, `5m07s`, `3h05m`, `2d03h`.
pub fn duration(secs: f64) -> String {
    if secs < 60.0 {
        return format!("{:.1}s", secs.max(0.0));
    }
    // Far from the ends of u64, and a fraction of a second is of no matter here.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let secs = secs as u64;
    let (minutes, hours, days) = (secs / 60, secs / 3_600, secs / 86_400);
    match (days, hours) {
        (0, 0) => format!("{minutes}m{:02}s", secs % 60),
        (0, _) => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes, duration};

    #[test]
    fn octets_have_a_unit() {
        let shown = [0, 999, 1_000, 14_230, 999_999, 5_000_000_000].map(bytes);
        assert_eq!(
            shown,
            ["0 B", "999 B", "1.0 kB", "14.2 kB", "1.0 MB", "5.0 GB"]
        );
    }

    #[test]
    fn durations_have_two_units_at_most() {
        let shown = [0.0, 4.25, 307.0, 11_100.0, 183_600.0].map(duration);
        assert_eq!(shown, ["0.0s", "4.2s", "5m07s", "3h05m", "2d03h"]);
    }
}
