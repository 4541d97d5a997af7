//! Hosts on access links: their adjacencies, and whether they are still there.
//!
//! A host that sends packets is there. One that is silent for [`Reachability::interval`] is asked
//! by unicast Neighbour Solicitations (RFC 4861 section 7.3); one that answers none of them is gone.
//! So is one that never told an address to ask for and stays silent for as many intervals: or else
//! a solicitation without a source would hold its place in the tables for ever.
//!
//! ```text
//!   watch ──► quiet? ──no──► look again after `interval`
//!                │yes
//!                ▼
//!             probe ──answer, or any packet──► look again after `interval`
//!                │`probes` unanswered, one per `retransmit`
//!                ▼
//!              gone
//! ```

use dataplane::key::{AdjacencyId, AdjacencySpec, InterfaceId};
use dataplane::table::Full;
use dataplane::tables::Writer;
use hashbrown::HashMap;
use roles::event::HostLink;
use roles::keyed::Keyed;
use roles::BoundPrefix;
use std::net::IpAddr;
use std::time::Duration;

/// How hosts are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reachability {
    /// Silence after which a host is asked; zero: hosts are never asked.
    pub interval: Duration,
    /// Time between two questions.
    pub retransmit: Duration,
    /// Questions without an answer before the host is gone.
    pub probes: u8,
}

impl Default for Reachability {
    /// REACHABLE_TIME, RETRANS_TIMER and MAX_UNICAST_SOLICIT (RFC 4861 section 10).
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            retransmit: Duration::from_secs(1),
            probes: 3,
        }
    }
}

/// The least time between two advertisements on a link that take an address of ours back.
const TAKE_BACK_EVERY: Duration = Duration::from_secs(1);

/// The adjacency of a host, and the bindings that lead to it.
#[derive(Debug)]
struct Adjacency {
    id: AdjacencyId,
    prefixes: Prefixes,
}

/// Prefixes, sorted; most hosts have one.
#[derive(Debug)]
enum Prefixes {
    One(BoundPrefix),
    Several(Vec<BoundPrefix>),
}

impl Prefixes {
    fn all(&self) -> &[BoundPrefix] {
        match self {
            Self::One(prefix) => std::slice::from_ref(prefix),
            Self::Several(prefixes) => prefixes,
        }
    }

    fn add(&mut self, prefix: BoundPrefix) {
        let Err(place) = self.all().binary_search(&prefix) else {
            return;
        };
        let mut prefixes = match self {
            Self::One(one) => vec![*one],
            Self::Several(prefixes) => std::mem::take(prefixes),
        };
        prefixes.insert(place, prefix);
        *self = Self::Several(prefixes);
    }

    /// Whether there are others.
    fn remove(&mut self, prefix: BoundPrefix) -> bool {
        match self {
            Self::One(one) => *one != prefix,
            Self::Several(prefixes) => {
                prefixes.retain(|it| *it != prefix);
                !prefixes.is_empty()
            }
        }
    }
}

/// What there is of a host: at least one of the two.
#[derive(Debug, Default)]
struct Host {
    adjacency: Option<Adjacency>,
    watch: Option<Watch>,
}

/// A host that is watched.
#[derive(Clone, Copy, Debug)]
struct Watch {
    address: Option<IpAddr>,
    sent: u8,
    /// It showed itself since it was looked at last.
    heard: bool,
    /// A role waits for a sign of it.
    awaited: bool,
    /// Packets that it had sent when it was looked at last.
    packets: u64,
}

/// What is to be done about a watched host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Look {
    /// It is not watched.
    NotWatched,
    /// Look again after this time.
    Again(Duration),
    /// Ask it, and look again after this time.
    Ask(IpAddr, Duration),
    /// It does not answer.
    Gone,
}

/// All hosts.
pub(super) struct Hosts {
    reachability: Reachability,
    hosts: Keyed<HostLink, Host>,
    /// Those that have an adjacency.
    adjacent: usize,
    /// When an address of ours was taken back on a link last.
    taken_back: HashMap<InterfaceId, Duration>,
}

impl Hosts {
    /// None yet.
    pub(super) fn new(reachability: Reachability) -> Self {
        Self {
            reachability,
            hosts: Keyed::default(),
            adjacent: 0,
            taken_back: HashMap::new(),
        }
    }

    /// Whether an address of ours may be taken back on a link that a host there has claimed; from then on
    /// not for a while.
    pub(super) fn may_take_back(&mut self, interface: InterfaceId, now: Duration) -> bool {
        let last = self.taken_back.get(&interface).copied();
        let may = last.is_none_or(|last| now >= last + TAKE_BACK_EVERY);
        if may {
            self.taken_back.insert(interface, now);
        }
        may
    }

    /// The host's adjacency, for the binding of `prefix`.
    pub(super) fn acquire(
        &mut self,
        link: HostLink,
        prefix: BoundPrefix,
        writer: &mut Writer,
    ) -> Result<AdjacencyId, Full> {
        let known = self.hosts.number(&link);
        let host = known.and_then(|number| self.hosts.at_mut(number));
        if let Some(adjacency) = host.and_then(|host| host.adjacency.as_mut()) {
            adjacency.prefixes.add(prefix);
            return Ok(adjacency.id);
        }
        let id = writer.add_adjacency(AdjacencySpec {
            interface: InterfaceId(link.interface),
            mac: link.mac,
        })?;
        let prefixes = Prefixes::One(prefix);
        let adjacency = Some(Adjacency { id, prefixes });
        self.adjacent += 1;
        match known.and_then(|number| self.hosts.at_mut(number)) {
            Some(host) => host.adjacency = adjacency,
            None => {
                let watch = None;
                self.hosts.add(link, Host { adjacency, watch });
            }
        }
        Ok(id)
    }

    /// The binding of `prefix` no longer leads to the host.
    pub(super) fn release(&mut self, link: HostLink, prefix: BoundPrefix, writer: &mut Writer) {
        let Some(host) = self.hosts.get_mut(&link) else {
            return;
        };
        let last = |adjacency: &mut Adjacency| !adjacency.prefixes.remove(prefix);
        if let Some(adjacency) = host.adjacency.take_if(last) {
            writer.remove_adjacency(adjacency.id);
            self.adjacent -= 1;
            if host.watch.is_none() {
                self.hosts.remove(&link);
            }
        }
    }

    /// Hosts that have an adjacency.
    pub(super) fn len(&self) -> usize {
        self.adjacent
    }

    /// The prefixes whose bindings lead to the host.
    pub(super) fn prefixes(&self, link: HostLink) -> &[BoundPrefix] {
        let host = self.hosts.get(&link);
        let adjacency = host.and_then(|host| host.adjacency.as_ref());
        adjacency.map_or(&[], |adjacency| adjacency.prefixes.all())
    }

    fn watched(&self, link: HostLink) -> Option<&Watch> {
        self.hosts.get(&link)?.watch.as_ref()
    }

    fn watched_mut(&mut self, link: HostLink) -> Option<&mut Watch> {
        self.hosts.get_mut(&link)?.watch.as_mut()
    }

    /// Watches a host; returns when to look at it, if ever. `packets` is how many it has sent.
    pub(super) fn watch(
        &mut self,
        link: HostLink,
        address: Option<IpAddr>,
        packets: u64,
    ) -> Option<Duration> {
        let number = self.hosts.number(&link);
        let number = number.unwrap_or_else(|| self.hosts.add(link, Host::default()));
        if let Some(host) = self.hosts.at_mut(number) {
            let before = host.watch.take();
            let known = before.as_ref().and_then(|watch| watch.address);
            host.watch = Some(Watch {
                address: address.or(known),
                sent: 0,
                heard: true,
                awaited: before.is_some_and(|watch| watch.awaited),
                packets,
            });
        }
        Some(self.reachability.interval).filter(|interval| !interval.is_zero())
    }

    /// Stops watching a host.
    pub(super) fn unwatch(&mut self, link: HostLink) {
        let Some(host) = self.hosts.get_mut(&link) else {
            return;
        };
        host.watch = None;
        if host.adjacency.is_none() {
            self.hosts.remove(&link);
        }
    }

    /// Whether a host is watched.
    pub(super) fn is_watched(&self, link: HostLink) -> bool {
        self.watched(link).is_some()
    }

    /// The address that a host is asked for by, if one is known.
    pub(super) fn address(&self, link: HostLink) -> Option<IpAddr> {
        self.watched(link)?.address
    }

    /// A role asks the host whether it is there.
    pub(super) fn wait_for(&mut self, link: HostLink) {
        if let Some(watch) = self.watched_mut(link) {
            watch.awaited = true;
        }
    }

    /// Whether a role has asked whether the host is there, which it shows now.
    pub(super) fn was_awaited(&mut self, link: HostLink) -> bool {
        let watch = self.watched_mut(link);
        watch.is_some_and(|watch| std::mem::take(&mut watch.awaited))
    }

    /// The host showed itself.
    pub(super) fn heard(&mut self, link: HostLink) {
        if let Some(watch) = self.watched_mut(link) {
            watch.heard = true;
            watch.sent = 0;
        }
    }

    /// Looks at a host; `packets` is how many it has sent until now.
    pub(super) fn look(&mut self, link: HostLink, packets: u64) -> Look {
        let reachability = self.reachability;
        let Some(watch) = self.watched_mut(link) else {
            return Look::NotWatched;
        };
        let talks = watch.heard || watch.packets != packets;
        watch.heard = false;
        watch.packets = packets;
        if talks {
            watch.sent = 0;
            return Look::Again(reachability.interval);
        }
        if watch.sent >= reachability.probes {
            self.unwatch(link);
            return Look::Gone;
        }
        watch.sent += 1;
        match watch.address {
            Some(address) => Look::Ask(address, reachability.retransmit),
            // There is nothing to ask for. A host that has its prefix tests an address of it before
            // long (RFC 4862 section 5.4), and tells it by that.
            None => Look::Again(reachability.interval),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::ether::MacAddr;

    fn link() -> HostLink {
        HostLink {
            interface: 1,
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
        }
    }

    fn address() -> IpAddr {
        "fe80::1234".parse().unwrap()
    }

    #[test]
    fn a_silent_host_is_asked_and_then_gone() {
        let reachability = Reachability::default();
        let mut hosts = Hosts::new(reachability);
        let interval = reachability.interval;
        assert_eq!(hosts.watch(link(), Some(address()), 5), Some(interval));
        assert_eq!(hosts.look(link(), 5), Look::Again(interval));
        assert_eq!(hosts.look(link(), 6), Look::Again(interval));
        for _ in 0..3 {
            let ask = Look::Ask(address(), reachability.retransmit);
            assert_eq!(hosts.look(link(), 6), ask);
        }
        assert_eq!(hosts.look(link(), 6), Look::Gone);
        assert_eq!(hosts.look(link(), 6), Look::NotWatched);
    }

    #[test]
    fn an_answer_or_a_packet_ends_the_questions() {
        let reachability = Reachability::default();
        let mut hosts = Hosts::new(reachability);
        hosts.watch(link(), Some(address()), 0);
        hosts.look(link(), 0);
        assert!(matches!(hosts.look(link(), 0), Look::Ask(..)));
        hosts.heard(link());
        let again = Look::Again(reachability.interval);
        assert_eq!(hosts.look(link(), 0), again);
        assert!(matches!(hosts.look(link(), 0), Look::Ask(..)));
        assert_eq!(hosts.look(link(), 1), again);
        for _ in 0..3 {
            assert!(matches!(hosts.look(link(), 1), Look::Ask(..)));
        }
    }

    #[test]
    fn prefixes_are_sorted_and_each_is_there_once() {
        let prefix = |last: u8| BoundPrefix::V4([192, 0, 2, last].into());
        let mut prefixes = Prefixes::One(prefix(2));
        for last in [3, 1, 3, 2] {
            prefixes.add(prefix(last));
        }
        assert_eq!(prefixes.all(), [1, 2, 3].map(prefix));
        assert!(prefixes.remove(prefix(2)) && prefixes.remove(prefix(7)));
        assert!(prefixes.remove(prefix(1)) && !prefixes.remove(prefix(3)));
        let mut one = Prefixes::One(prefix(2));
        assert!(one.remove(prefix(3)) && !one.remove(prefix(2)));
    }

    #[test]
    fn a_sign_that_a_role_waits_for_is_news_once() {
        let mut hosts = Hosts::new(Reachability::default());
        hosts.wait_for(link());
        assert!(!hosts.was_awaited(link()), "it is not watched");
        hosts.watch(link(), Some(address()), 0);
        assert!(!hosts.was_awaited(link()));
        hosts.wait_for(link());
        hosts.watch(link(), Some(address()), 0);
        assert!(hosts.was_awaited(link()));
        assert!(!hosts.was_awaited(link()));
    }

    #[test]
    fn a_host_that_never_tells_an_address_is_gone_in_the_end() {
        let mut hosts = Hosts::new(Reachability::default());
        hosts.watch(link(), None, 0);
        for _ in 0..4 {
            assert!(matches!(hosts.look(link(), 0), Look::Again(_)));
        }
        assert_eq!(hosts.look(link(), 0), Look::Gone);
    }

    #[test]
    fn a_host_without_an_address_is_not_asked_until_it_tells_one() {
        let mut hosts = Hosts::new(Reachability::default());
        hosts.watch(link(), None, 0);
        hosts.look(link(), 0);
        assert!(matches!(hosts.look(link(), 0), Look::Again(_)));
        let home = "2001:db8::7".parse().unwrap();
        hosts.watch(link(), Some(home), 0);
        hosts.look(link(), 0);
        assert!(matches!(hosts.look(link(), 0), Look::Ask(asked, _) if asked == home));
        assert_eq!(hosts.address(link()), Some(home));
    }
}
