//! The data plane: what a gateway does with which prefix, and what all of them do with those of a host.
//!
//! ```text
//!   Bind, Unbind ──► the gateway's table ──► prefix ──► whose it is, way
//!                            │        └────► other end ──► prefixes in that tunnel
//!                            ▼
//!                    the host's routes ────► prefix ──► [ (gateway, way, since) … ]   one anchors, one serves
//! ```

use super::ground::Place;
use hashbrown::HashMap;
use roles::effect::Path;
use roles::BoundPrefix;
use std::net::{IpAddr, Ipv6Addr};

/// A host by its number.
pub type HostNumber = u32;

/// A home network prefix of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix(pub u64);

impl Prefix {
    /// Of the first 64 bits of an address.
    pub const fn of(address: Ipv6Addr) -> Self {
        Self((address.to_bits() >> 64) as u64)
    }

    /// Its first address.
    pub const fn address(self) -> Ipv6Addr {
        Ipv6Addr::from_bits((self.0 as u128) << 64)
    }
}

impl TryFrom<BoundPrefix> for Prefix {
    type Error = BoundPrefix;

    fn try_from(bound: BoundPrefix) -> Result<Self, BoundPrefix> {
        match bound.address() {
            IpAddr::V6(address) => Ok(Self::of(address)),
            IpAddr::V4(_) => Err(bound),
        }
    }
}

impl std::fmt::Display for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/64", self.address())
    }
}

/// Where a gateway sends the packets of a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It anchors the prefix and serves its host: no tunnel.
    Local,
    /// It anchors the prefix; the host is behind a tunnel to there.
    Anchor(Place),
    /// It serves the host; the prefix is anchored there.
    Access(Place),
    /// It anchors the prefix and drops its packets until the host is back.
    Pending,
}

impl Way {
    /// Whether the gateway owns the prefix.
    pub const fn anchors(self) -> bool {
        matches!(self, Self::Local | Self::Anchor(_) | Self::Pending)
    }

    /// Whether it hands packets to the host.
    pub const fn serves(self) -> bool {
        matches!(self, Self::Local | Self::Access(_))
    }

    /// The other end of its tunnel.
    pub const fn remote(self) -> Option<Place> {
        match self {
            Self::Anchor(remote) | Self::Access(remote) => Some(remote),
            Self::Local | Self::Pending => None,
        }
    }
}

/// A prefix in the table of one gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The gateway.
    pub place: Place,
    /// What it does with packets.
    pub way: Way,
    /// Since when, in microseconds.
    pub since: u64,
}

/// What all gateways do with one prefix of a host.
#[derive(Clone, Debug)]
pub struct Route {
    /// The prefix.
    pub prefix: Prefix,
    /// Who has it.
    pub holds: Vec<Hold>,
    /// When its last anchor let go of it, in microseconds.
    pub let_go: Option<u64>,
}

impl Route {
    /// What a gateway does with it.
    pub fn at(&self, place: Place) -> Option<Hold> {
        self.holds.iter().copied().find(|hold| hold.place == place)
    }

    /// When the first packet can come through to a host with `serving`, given the delay of the tunnel:
    /// the anchor sends it there, and by the time it arrives it is known what to do with it.
    pub fn first_packet(&self, serving: Place, delay: impl Fn(Place) -> u64) -> Option<u64> {
        let end = self.at(serving)?;
        match end.way {
            Way::Local => Some(end.since),
            Way::Access(anchor) => {
                let start = self.at(anchor)?;
                (start.way == Way::Anchor(serving))
                    .then(|| end.since.max(start.since + delay(anchor)))
            }
            Way::Anchor(_) | Way::Pending => None,
        }
    }

    /// Whether nobody has anchored it for a while, though somebody has it: those who have to hear that an
    /// anchor has let go hear it when a message has come to them.
    pub fn is_orphan(&self, now: u64, while_us: u64) -> bool {
        let anchored = self.holds.iter().any(|hold| hold.way.anchors());
        !anchored && self.let_go.is_none_or(|since| since + while_us <= now)
    }

    /// The gateways that a packet comes round to again, starting where `place` sends it; none when
    /// it comes to an end.
    pub fn loop_from(&self, place: Place) -> Option<Vec<Place>> {
        let mut passed = vec![place];
        let mut at = place;
        while let Some(Way::Anchor(remote)) = self.at(at).map(|hold| hold.way) {
            if passed.contains(&remote) {
                passed.push(remote);
                return Some(passed);
            }
            passed.push(remote);
            at = remote;
        }
        None
    }
}

/// What all gateways do with the prefixes of a host.
#[derive(Clone, Debug, Default)]
pub struct Routes(Vec<Route>);

impl Routes {
    /// What there is of a prefix.
    pub fn get(&self, prefix: Prefix) -> Option<&Route> {
        self.0.iter().find(|route| route.prefix == prefix)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.0.iter()
    }

    /// How many prefixes are in some table.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Installs a prefix at a gateway, or moves it there. Returns what the gateway did
    /// with it before.
    pub fn bind(&mut self, prefix: Prefix, hold: Hold) -> (&Route, Option<Way>) {
        let place = self.0.iter().position(|route| route.prefix == prefix);
        let place = place.unwrap_or_else(|| {
            self.0.push(Route {
                prefix,
                holds: Vec::new(),
                let_go: None,
            });
            self.0.len() - 1
        });
        let route = &mut self.0[place];
        let old = match route.holds.iter_mut().find(|it| it.place == hold.place) {
            Some(held) if held.way == hold.way => Some(hold.way),
            Some(held) => Some(std::mem::replace(held, hold).way),
            None => {
                route.holds.push(hold);
                None
            }
        };
        (route, old)
    }

    /// Takes a prefix out of the table of a gateway at that time. What the gateway did with it.
    pub fn unbind(&mut self, at: u64, prefix: Prefix, place: Place) -> Option<Way> {
        let found = self.0.iter().position(|route| route.prefix == prefix)?;
        let route = self.0.get_mut(found)?;
        let index = route.holds.iter().position(|hold| hold.place == place)?;
        let hold = route.holds.remove(index);
        if hold.way.anchors() {
            route.let_go = Some(at);
        }
        if route.holds.is_empty() {
            self.0.swap_remove(found);
        }
        Some(hold.way)
    }

    /// Takes all out that a gateway did, which has crashed.
    pub fn clear(&mut self, place: Place) {
        self.0.retain_mut(|route| {
            route.holds.retain(|hold| hold.place != place);
            !route.holds.is_empty()
        });
    }
}

/// The table of one gateway.
#[derive(Default)]
pub struct Table {
    /// Whose a prefix is, and what is done with it: nothing, if the gateway has crashed since.
    entries: HashMap<Prefix, (HostNumber, Option<Way>)>,
    /// The other ends of its tunnels, and how many prefixes are in each.
    tunnels: HashMap<Place, u32>,
}

impl Table {
    /// Whose a prefix is that was in the table once.
    pub fn owner(&self, prefix: Prefix) -> Option<HostNumber> {
        self.entries.get(&prefix).map(|(host, _)| *host)
    }

    /// How many tunnels the gateway has.
    pub fn tunnels(&self) -> usize {
        self.tunnels.len()
    }

    /// Installs a prefix of a host, or moves it.
    pub fn bind(&mut self, prefix: Prefix, host: HostNumber, way: Way) {
        let old = self.entries.insert(prefix, (host, Some(way)));
        let old = old.and_then(|(_, old)| old);
        if old != Some(way) {
            count(&mut self.tunnels, old.and_then(Way::remote), way.remote());
        }
    }

    /// Takes a prefix out. Whose it was, if it was there.
    pub fn unbind(&mut self, prefix: Prefix) -> Option<HostNumber> {
        let (host, way) = self.entries.remove(&prefix)?;
        count(&mut self.tunnels, way?.remote(), None);
        Some(host)
    }

    /// Empties the table.
    pub fn clear(&mut self) {
        self.tunnels.clear();
        self.entries.values_mut().for_each(|(_, way)| *way = None);
    }
}

fn count(tunnels: &mut HashMap<Place, u32>, old: Option<Place>, new: Option<Place>) {
    if let Some(new) = new {
        *tunnels.entry(new).or_default() += 1;
    }
    if let Some(old) = old {
        if let Some(prefixes) = tunnels.get_mut(&old) {
            *prefixes -= 1;
            if *prefixes == 0 {
                tunnels.remove(&old);
            }
        }
    }
}

/// What a path comes to on the ground.
pub fn way(path: &Path, place_of: impl Fn(Ipv6Addr) -> Place) -> (Way, Option<HostNumber>) {
    match path {
        Path::Anchor { tunnel } => (Way::Anchor(place_of(tunnel.remote)), None),
        Path::Access { tunnel, link, .. } => (
            Way::Access(place_of(tunnel.remote)),
            Some(super::node::host_of(link.mac)),
        ),
        Path::Local { link } => (Way::Local, Some(super::node::host_of(link.mac))),
        Path::Pending => (Way::Pending, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: Prefix = Prefix(0x2001_0db8_0000_0001);

    fn hold(place: Place, way: Way, since: u64) -> Hold {
        Hold { place, way, since }
    }

    #[test]
    fn a_packet_comes_through_when_both_ends_agree() {
        let mut routes = Routes::default();
        let first = |routes: &Routes| routes.get(PREFIX)?.first_packet(2, |_| 30);
        routes.bind(PREFIX, hold(0, Way::Anchor(1), 100));
        routes.bind(PREFIX, hold(2, Way::Access(0), 110));
        assert_eq!(first(&routes), None, "the anchor sends it elsewhere");
        routes.bind(PREFIX, hold(0, Way::Anchor(2), 200));
        assert_eq!(first(&routes), Some(230));
        assert_eq!(routes.unbind(250, PREFIX, 2), Some(Way::Access(0)));
        assert_eq!(first(&routes), None);
        routes.bind(PREFIX, hold(2, Way::Access(0), 300));
        assert_eq!(first(&routes), Some(300));
        routes.clear(0);
        routes.unbind(400, PREFIX, 2);
        assert_eq!(routes.len(), 0);
    }

    #[test]
    fn what_its_anchor_has_let_go_of_is_an_orphan_when_others_could_have_heard() {
        let mut routes = Routes::default();
        let orphan = |routes: &Routes, now| routes.get(PREFIX).map(|it| it.is_orphan(now, 50));
        routes.bind(PREFIX, hold(2, Way::Access(0), 100));
        assert_eq!(orphan(&routes, 100), Some(true), "nobody ever anchored it");
        routes.bind(PREFIX, hold(0, Way::Anchor(2), 110));
        assert_eq!(orphan(&routes, 1000), Some(false));
        assert_eq!(routes.unbind(2000, PREFIX, 0), Some(Way::Anchor(2)));
        assert_eq!(orphan(&routes, 2049), Some(false), "it is on its way");
        assert_eq!(orphan(&routes, 2050), Some(true));
    }

    #[test]
    fn a_table_knows_its_tunnels_and_whose_its_prefixes_are() {
        let mut table = Table::default();
        let other = Prefix(PREFIX.0 + 1);
        table.bind(PREFIX, 7, Way::Local);
        assert_eq!((table.tunnels(), table.owner(PREFIX)), (0, Some(7)));
        table.bind(PREFIX, 7, Way::Anchor(1));
        table.bind(other, 8, Way::Access(1));
        table.bind(other, 8, Way::Access(2));
        assert_eq!(table.tunnels(), 2);
        assert_eq!(table.unbind(other), Some(8));
        assert_eq!((table.tunnels(), table.owner(other)), (1, None));
        table.clear();
        assert_eq!((table.tunnels(), table.owner(PREFIX)), (0, Some(7)));
        assert_eq!(table.unbind(PREFIX), None);
    }

    #[test]
    fn a_loop_is_found_and_a_chain_is_none() {
        let mut routes = Routes::default();
        routes.bind(PREFIX, hold(0, Way::Anchor(1), 0));
        let (route, _) = routes.bind(PREFIX, hold(1, Way::Anchor(2), 0));
        assert_eq!(route.loop_from(0), None);
        let (route, old) = routes.bind(PREFIX, hold(2, Way::Anchor(1), 0));
        assert_eq!(old, None);
        assert_eq!(route.loop_from(0), Some(vec![0, 1, 2, 1]));
    }
}
