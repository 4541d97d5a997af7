//! Replies for people.

mod gateway;
mod hosts;
mod words;

pub use gateway::state;
pub use words::{bytes, duration, or_none, traffic, NONE};

use crate::domain;
use control::rpc::types::{Accepted, Registered, Reloaded, Revoked};
use control::rpc::Reply;
use gateway::{aaa, counters, neighbours, ports, routes, status, workers};
use hosts::{bindings, peers, talkers, visitors};
use std::fmt::Write;

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
