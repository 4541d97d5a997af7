//! What hosts leased at other gateways: who asks the server's lease database, when, and what of it goes
//! into the answers that hosts get (S2-40 to S2-42, S2-46).
//!
//! ```text
//!   host ─► first message under a name ─► held ─► LeaseSource: the name's leases; an address here
//!                                                        │
//!              Event::AnchorsFound ◄─────── elsewhere ───┤
//!              (role: updates to their anchors)          └── then the message goes to the server
//!
//!   server's reply ─► + leases whose prefixes are led here, deprecated ─► role ─► host
//! ```
//!
//! The source is what the servers keep; what a host says of itself is no proof of a lease. Until the
//! anchors have had their time to answer, the leases of a host that is looked for count as its own.

use super::v6::Addressed;
use hashbrown::HashMap;
use roles::event::HostLink;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::dhcpv6::FormerLease;
use wire::mh::HomeNetworkPrefix;

/// How long the anchors of a host have to answer before leases of theirs no longer reach it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Identity associations of one name.
const ASSOCIATIONS: usize = 4;

/// Names that one host is remembered under. It may choose others as often as it likes; their messages go
/// to the server like anyone's.
const NAMES: usize = 4;

/// A lease as the server keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerLease {
    /// The client's name.
    pub duid: Vec<u8>,
    /// Its identity association.
    pub association: u32,
    /// The address.
    pub address: Ipv6Addr,
    /// The server's number for the subnet.
    pub subnet: u64,
    /// Seconds for which it was leased.
    pub lifetime: u32,
    /// When it ends, on the wall clock.
    pub ends: Duration,
}

/// A question to the server's lease database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The host.
    pub link: HostLink,
    /// The name that it asks under.
    pub duid: Vec<u8>,
    /// The identity associations that are to have an address here.
    pub associations: Vec<u32>,
    /// The prefix of the host's here.
    pub prefix: HomeNetworkPrefix,
}

/// What came of a [`Question`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What was asked.
    pub question: Question,
    /// The leases of that name, those here among them; `None`: the database could not be asked.
    pub leases: Option<Vec<ServerLease>>,
}

/// What an answer of the source comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The message that waited for it.
    pub waiting: Option<Vec<u8>>,
    /// What the host has leased elsewhere, if its anchors are looked for.
    pub elsewhere: Option<Vec<Ipv6Addr>>,
}

/// What the server is to change in its lease database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseChange {
    /// A lease of another gateway is in use here, deprecated: it lasts for its lifetime from now on.
    Keep(ServerLease),
    /// Nobody uses an address any more.
    End(Ipv6Addr),
}

/// The lease database of the server.
pub trait LeaseSource {
    /// Asks; whether the answer will come. It comes as
    /// [`Engine::leases_found`](crate::engine::Engine::leases_found).
    fn ask(&mut self, question: Question) -> bool;

    /// Has something changed. What cannot be changed now is left: leases end by themselves.
    fn change(&mut self, change: LeaseChange);
}

/// A name that a host asks under.
struct Client {
    question: Question,
    /// Whether the source is being asked.
    asked: bool,
    /// The message that waits for the answer.
    waiting: Option<Vec<u8>>,
    leases: Vec<ServerLease>,
}

#[derive(Default)]
struct Host {
    /// Since when it is looked for anchors of it elsewhere.
    wanted: Option<Duration>,
    clients: Vec<Client>,
    /// Addresses that servers have leased it in its prefix here.
    leased: Vec<Ipv6Addr>,
}

/// The leases of all hosts.
#[derive(Default)]
pub struct FormerLeases {
    source: Option<Box<dyn LeaseSource>>,
    hosts: HashMap<HostLink, Host>,
}

impl FormerLeases {
    /// Asks this source from now on.
    pub fn ask_from(&mut self, source: Box<dyn LeaseSource>) {
        self.source = Some(source);
    }

    /// Forgets a host that has left.
    pub fn forget(&mut self, link: HostLink) {
        self.hosts.remove(&link);
    }

    /// Anchors of the host are looked for. Under the names that it has used already the source is asked
    /// at once; it may have been elsewhere since.
    pub fn want(&mut self, now: Duration, link: HostLink) {
        let Some(source) = &mut self.source else {
            return;
        };
        let host = self.hosts.entry(link).or_default();
        host.wanted = Some(now);
        for client in host.clients.iter_mut().filter(|client| !client.asked) {
            client.asked = source.ask(client.question.clone());
        }
    }

    /// A host's message under a name. Whether it waits for what the source says: it is kept then, in place
    /// of what waited before, and [`found`](Self::found) gives it back.
    pub fn holds(
        &mut self,
        link: HostLink,
        prefix: HomeNetworkPrefix,
        duid: &[u8],
        associations: &[u32],
        message: &[u8],
    ) -> bool {
        let Some(source) = &mut self.source else {
            return false;
        };
        let host = self.hosts.entry(link).or_default();
        let mut wanted: Vec<u32> = associations.iter().copied().take(ASSOCIATIONS).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let question = Question {
            link,
            duid: duid.to_vec(),
            associations: wanted,
            prefix,
        };
        let names = host.clients.len();
        let known = host
            .clients
            .iter_mut()
            .find(|client| client.question.duid == duid);
        match known {
            Some(client) if client.question == question => {
                if client.asked {
                    client.waiting = Some(message.to_vec());
                }
                client.asked
            }
            other => {
                let room = other.is_some() || names < NAMES;
                if !room || !source.ask(question.clone()) {
                    return false;
                }
                let client = Client {
                    question,
                    asked: true,
                    waiting: Some(message.to_vec()),
                    leases: Vec::new(),
                };
                match other {
                    Some(known) => *known = client,
                    None => host.clients.push(client),
                }
                true
            }
        }
    }

    /// The source has answered. An answer that nobody waits for is none.
    pub fn found(&mut self, answered: Answered) -> Option<Found> {
        let Answered { question, leases } = answered;
        let host = self.hosts.get_mut(&question.link)?;
        let mut clients = host.clients.iter();
        let at = clients.position(|client| client.asked && client.question == question)?;
        let client = host.clients.get_mut(at)?;
        client.asked = false;
        let waiting = client.waiting.take();
        let Some(mut leases) = leases else {
            // The next message asks anew.
            host.clients.swap_remove(at);
            return Some(Found {
                waiting,
                elsewhere: None,
            });
        };
        // What is not this name's is not this host's, whoever says so.
        leases.retain(|lease| lease.duid == question.duid);
        let here = question.prefix;
        let elsewhere = host.wanted.map(|_| {
            let addresses = leases.iter().map(|lease| lease.address);
            addresses.filter(|it| !here.contains(*it)).collect()
        });
        client.leases = leases;
        Some(Found { waiting, elsewhere })
    }

    /// What a name has leased elsewhere, as its host is to be told. `led` says whether an address is led to
    /// the host; those leases last on if the host is told of leases and not of an offer.
    pub fn of(
        &mut self,
        now: roles::Now,
        link: HostLink,
        addressed: Addressed<'_>,
        led: impl Fn(Ipv6Addr) -> bool,
    ) -> Vec<FormerLease> {
        let (Some(host), Some(source)) = (self.hosts.get_mut(&link), &mut self.source) else {
            return Vec::new();
        };
        let patient = host
            .wanted
            .is_some_and(|since| since + PATIENCE > now.monotonic);
        let mut clients = host.clients.iter_mut();
        let Some(client) = clients.find(|client| client.question.duid == addressed.name) else {
            return Vec::new();
        };
        let prefix = client.question.prefix;
        let mut former = Vec::new();
        for lease in &mut client.leases {
            if prefix.contains(lease.address) {
                continue;
            }
            let led = led(lease.address);
            if led && addressed.leases {
                lease.ends = now.wall + Duration::from_secs(lease.lifetime.into());
                source.change(LeaseChange::Keep(lease.clone()));
            }
            let left = lease.ends.saturating_sub(now.wall).as_secs();
            let valid = u32::try_from(left).unwrap_or(u32::MAX);
            if valid > 0 && (led || patient) {
                former.push(FormerLease {
                    association: lease.association,
                    address: lease.address,
                    valid,
                });
            }
        }
        former
    }

    /// Servers have leased these addresses to a host.
    pub fn leased(&mut self, link: HostLink, addresses: &[Ipv6Addr]) {
        if self.source.is_none() {
            return;
        }
        let host = self.hosts.entry(link).or_default();
        for address in addresses {
            if !host.leased.contains(address) && host.leased.len() < ASSOCIATIONS * ASSOCIATIONS {
                host.leased.push(*address);
            }
        }
    }

    /// A prefix is no longer the host's: what is leased of it ends at the server too (S2-46).
    pub fn withdrawn(&mut self, link: HostLink, prefix: HomeNetworkPrefix) {
        let (Some(host), Some(source)) = (self.hosts.get_mut(&link), &mut self.source) else {
            return;
        };
        let mut ended = Vec::new();
        host.leased.retain(|address| {
            let ends = prefix.contains(*address);
            ended.extend(ends.then_some(*address));
            !ends
        });
        for client in &mut host.clients {
            client.leases.retain(|lease| {
                let ends = prefix.contains(lease.address);
                if ends && !ended.contains(&lease.address) {
                    ended.push(lease.address);
                }
                !ends
            });
        }
        for address in ended {
            source.change(LeaseChange::End(address));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    /// A source that counts what it is asked, and never answers.
    struct Counts(Rc<Cell<usize>>);

    impl LeaseSource for Counts {
        fn ask(&mut self, _: Question) -> bool {
            self.0.set(self.0.get() + 1);
            true
        }

        fn change(&mut self, _: LeaseChange) {}
    }

    #[test]
    fn a_host_with_ever_new_names_is_remembered_under_a_few() {
        let asked = Rc::new(Cell::new(0));
        let mut leases = FormerLeases::default();
        leases.ask_from(Box::new(Counts(Rc::clone(&asked))));
        let link = HostLink {
            interface: 0,
            mac: wire::ether::MacAddr([2, 0, 0, 0, 0, 1]),
        };
        let prefix = "2001:db8:1::/64".parse().expect("a prefix");
        let held =
            (0..100_u8).filter(|name| leases.holds(link, prefix, &[*name], &[1], b"solicit"));
        assert_eq!(held.count(), NAMES);
        assert_eq!(asked.get(), NAMES);
        // Those go on to be waited for.
        assert!(leases.holds(link, prefix, &[0], &[1], b"solicit again"));
        assert_eq!(asked.get(), NAMES);
        leases.forget(link);
        assert!(leases.holds(link, prefix, &[200], &[1], b"solicit"));
    }
}
