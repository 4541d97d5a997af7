//! The DHCPv6 server of a domain without a database: what it has leased tells gateways which prefixes a
//! host has.
//!
//! ```text
//!   host ─────────► gateway ─────────────────────────► server
//!   Solicit ───────► held ── what has this name? ────► ·         Ask::Find
//!                     │ ◄───────────── all of it ────── ·
//!                     │ ─── an address here, for it ──► ·         Ask::Place
//!                     │ ◄──────────────────────────────·
//!                     ├─► role: the anchors
//!                     └──────────── Solicit ──────────► ·         Ask::Relay
//!   Advertise ◄───────────────────────────────────────── ·
//! ```
//!
//! It keeps its leases when it crashes. One lasts for four lifetimes of a binding; a host renews the one
//! that it has where it is after one lifetime, and gateways those of other anchors with that.

use super::node::pool_owner;
use super::routes::{HostNumber, Prefix};
use hashbrown::HashMap;

/// What hosts and the server say to each other (RFC 8415 section 7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    Solicit,
    Advertise,
    Request,
    Renew,
    Reply,
}

/// What a gateway asks of the server about a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// What it has leased.
    Find,
    /// That it is to lease an address of this prefix, and no other of the same gateway's.
    Place(Prefix),
    /// A message of the host, which has this prefix at its gateway.
    Relay(Prefix, Said),
    /// That a lease of another anchor lasts on.
    Keep(Prefix),
    /// That a lease ends.
    End(Prefix),
}

/// What the server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Prefixes of all that the host has leased.
    Found(Vec<Prefix>),
    /// It will lease what it is to.
    Placed,
    /// A message for the host.
    Relayed(Said),
    /// It has done what it was told.
    Done,
}

/// A lease, and when it ends, in microseconds.
#[derive(Clone, Copy, Debug)]
struct Lease {
    prefix: Prefix,
    ends: u64,
}

/// The server.
#[derive(Default)]
pub struct Server {
    leases: HashMap<HostNumber, Vec<Lease>>,
}

impl Server {
    /// Does what it is asked at `now`; leases last for so long.
    pub fn answer(&mut self, now: u64, lasts: u64, host: HostNumber, ask: Ask) -> Answer {
        let leases = self.leases.entry(host).or_default();
        leases.retain(|lease| lease.ends > now);
        let ends = now + lasts;
        let answer = match ask {
            Ask::Find => Answer::Found(leases.iter().map(|lease| lease.prefix).collect()),
            Ask::Place(prefix) => {
                let owner = pool_owner(prefix);
                leases.retain(|it| it.prefix == prefix || pool_owner(it.prefix) != owner);
                if !leases.iter().any(|it| it.prefix == prefix) {
                    leases.push(Lease { prefix, ends });
                }
                Answer::Placed
            }
            Ask::Relay(_, Said::Solicit) => Answer::Relayed(Said::Advertise),
            Ask::Relay(prefix, _) => {
                extend(leases, prefix, ends);
                Answer::Relayed(Said::Reply)
            }
            Ask::Keep(prefix) => {
                extend(leases, prefix, ends);
                Answer::Done
            }
            Ask::End(prefix) => {
                leases.retain(|it| it.prefix != prefix);
                Answer::Done
            }
        };
        if leases.is_empty() {
            self.leases.remove(&host);
        }
        answer
    }

    /// The first of the hosts that have a lease which has not ended by then.
    pub fn has_after(&self, now: u64) -> Option<HostNumber> {
        let leases = self.leases.iter();
        let lasting = leases.filter(|(_, all)| all.iter().any(|lease| lease.ends > now));
        lasting.map(|(host, _)| *host).min()
    }
}

fn extend(leases: &mut [Lease], prefix: Prefix, ends: u64) {
    let leases = leases.iter_mut().filter(|it| it.prefix == prefix);
    leases.for_each(|lease| lease.ends = ends);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_what_it_leased_until_that_ends() {
        let (one, other) = (Prefix(1 << 16), Prefix(2 << 16));
        let mut server = Server::default();
        let mut ask = |now, what| server.answer(now, 100, 7, what);
        assert_eq!(ask(0, Ask::Find), Answer::Found(Vec::new()));
        assert_eq!(ask(0, Ask::Place(one)), Answer::Placed);
        assert_eq!(ask(50, Ask::Place(other)), Answer::Placed);
        let solicit = Ask::Relay(other, Said::Solicit);
        assert_eq!(ask(50, solicit), Answer::Relayed(Said::Advertise));
        assert_eq!(ask(90, Ask::Keep(one)), Answer::Done);
        assert_eq!(ask(149, Ask::Find), Answer::Found(vec![one, other]));
        assert_eq!(ask(150, Ask::Find), Answer::Found(vec![one]));
        // A gateway has one prefix for a host.
        assert_eq!(ask(150, Ask::Place(Prefix(one.0 + 1))), Answer::Placed);
        assert_eq!(ask(151, Ask::Find), Answer::Found(vec![Prefix(one.0 + 1)]));
        let renew = Ask::Relay(Prefix(one.0 + 1), Said::Renew);
        assert_eq!(ask(200, renew), Answer::Relayed(Said::Reply));
        assert_eq!(server.has_after(299), Some(7));
        assert_eq!(server.has_after(300), None);
        assert_eq!(
            server.answer(201, 100, 7, Ask::End(Prefix(one.0 + 1))),
            Answer::Done
        );
        assert_eq!(server.has_after(202), None);
    }
}
