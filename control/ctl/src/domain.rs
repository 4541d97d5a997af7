//! A distributed domain, for people: a central mobility database, and the anchors of hosts.

use crate::show::{duration, or_none, traffic, NONE};
use crate::table::Table;
use control::rpc::types::{Anchor, AnchoredHost, Dhcp, Session};

/// One line for each prefix of a host, the one that we anchor first.
pub(crate) fn anchors(hosts: &[AnchoredHost], width: Option<usize>) -> String {
    let mut table = Table::new(&[
        "~identifier",
        "state",
        "prefix",
        "maar",
        ">left",
        "mac",
        "interface",
        "router",
        "found",
        ">up",
        ">down",
    ]);
    for host in hosts {
        table.row([
            host.identifier.clone(),
            host.state.clone(),
            host.prefix.to_string(),
            host.serving
                .map_or_else(|| "here".to_owned(), |it| format!("at {it}")),
            host.remaining_secs.map_or_else(|| NONE.into(), duration),
            or_none(host.mac.as_ref()),
            or_none(host.interface.as_ref()),
            NONE.to_owned(),
            if host.searching { "searching" } else { NONE }.to_owned(),
            traffic(&host.up),
            traffic(&host.down),
        ]);
        for previous in &host.previous {
            let state = if previous.releasing { "releasing" } else { "" };
            let none = String::new;
            table.row([
                none(),
                state.to_owned(),
                previous.prefix.to_string(),
                format!("by {}", previous.maar),
                none(),
                none(),
                none(),
                or_none(previous.router.as_ref()),
                previous.found.clone(),
                none(),
                none(),
            ]);
        }
        for sought in &host.sought {
            let none = String::new;
            table.row([
                none(),
                "sought".to_owned(),
                sought.prefix.to_string(),
                format!("to {}", sought.to),
                none(),
                none(),
                none(),
                none(),
                sought.found.clone(),
                none(),
                none(),
            ]);
        }
    }
    table.render(width)
}

/// One line for each anchor of a host, the serving MAAR first, which is what is looked for.
pub(crate) fn sessions(sessions: &[Session], width: Option<usize>) -> String {
    let mut table = Table::new(&[
        "~identifier",
        "state",
        "serving",
        ">left",
        "prefix",
        "anchor",
        "anchor state",
    ]);
    for session in sessions {
        let mut first = true;
        let anchors = session.anchors.iter().rev();
        let mut rows: Vec<(Option<&Anchor>, Option<String>)> = anchors
            .flat_map(|anchor| {
                let prefixes = anchor.prefixes.iter().map(|it| Some(it.to_string()));
                let none = anchor.prefixes.is_empty().then_some(None);
                prefixes
                    .chain(none)
                    .map(move |prefix| (Some(anchor), prefix))
            })
            .collect();
        if rows.is_empty() {
            rows.push((None, None));
        }
        for (anchor, prefix) in rows {
            let of_host = |text: String| if first { text } else { String::new() };
            table.row([
                of_host(session.identifier.clone()),
                of_host(session.state.clone()),
                of_host(or_none(session.serving.as_ref())),
                of_host(duration(session.remaining_secs)),
                or_none(prefix.as_ref()),
                or_none(anchor.map(|it| it.maar).as_ref()),
                or_none(anchor.map(|it| &it.state)),
            ]);
            first = false;
        }
    }
    table.render(width)
}

/// What does not fit between our pools and the DHCPv6 server, a line each.
pub(crate) fn dhcp(it: &Dhcp) -> String {
    let Dhcp {
        server,
        looks,
        mismatches,
    } = it;
    match (*looks, mismatches.is_empty()) {
        (0, _) => format!("{server}: not looked at yet\n"),
        (_, true) => format!("{server}: leases our pools\n"),
        (_, false) => format!("{server}: MISMATCH\n{}\n", mismatches.join("\n")),
    }
}
