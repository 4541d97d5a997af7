//! A domain of MAARs without a database, on virtual time, and the host that walks through it: it takes
//! the prefixes that it is advertised, and tells them when it is asked.

use crate::maar_scenario::{maar_address, pool, router};
use crate::scenario::{admitted, at, ip, link, nai, profile, solicits};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use roles::effect::{Effect, Path};
use roles::event::{Found, HostLink, Timer};
use roles::maar::{Backend, Distributed, Maar, MaarConfig, MaarCounter, Neighbour, Questions};
use roles::pool::{Pool, Pools};
use roles::{BoundPrefix, Event, Role};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use wire::mh::{HomeNetworkPrefix, Message};
use wire::niq::{Answer, NiQuery};

/// Interface identifier of the anchors of these tests.
pub const IDENTIFIER: u64 = 0x0200_5eff_fe00_5213;

/// What prefixes of these tests are of.
pub const DOMAIN: &str = "2001:db8:a00::/40";

/// What addresses of gateways of these tests are of.
pub const GATEWAYS: &str = "2001:db8:ff::/64";

/// How a domain's gateways know one another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// By the prefix of their addresses alone.
    ByPrefix,
    /// Each with its pools.
    ByPools,
}

/// How the `n`th gateway of a domain of `most` is set up.
pub fn alone(n: u16, most: u16, backend: Backend, known: Known) -> MaarConfig {
    let mut distributed = Distributed::new(backend, IDENTIFIER);
    distributed.revoke_on_handover = true;
    let others = (1..=most).filter(|other| *other != n && known == Known::ByPools);
    let others = others.map(|other| Neighbour {
        address: ip(&maar_address(other)),
        pools: vec![pool(other)],
    });
    if known == Known::ByPrefix {
        distributed.domain = vec![DOMAIN.parse().unwrap()];
        distributed.gateways = vec![GATEWAYS.parse().unwrap()];
    }
    let address = ip(&maar_address(n));
    let pools = Pools::new([Pool::new(pool(n), 64).unwrap()]).unwrap();
    let others = others.collect();
    let mut config = MaarConfig::new(address, distributed, pools, others, 100, n.into());
    let seen = router(u8::try_from(n).unwrap());
    config.routers = BTreeMap::from([(1, seen)]);
    config
}

pub const ASKS: Backend = Backend::NodeInformation(Questions {
    interval: std::time::Duration::from_millis(250),
    most: 3,
    addresses: 64,
});

pub struct Node {
    pub maar: Maar,
    pub address: Ipv6Addr,
    pub table: BTreeMap<BoundPrefix, Path>,
    pub timers: BTreeMap<Timer, u64>,
    /// How often it advertised.
    pub advertised: u64,
}

pub struct Domain {
    pub now: u64,
    way: BTreeMap<(u64, u64), (usize, Event)>,
    pub sent: u64,
    /// Where messages went.
    pub to: Vec<Ipv6Addr>,
    rng: StdRng,
    loss: f64,
    pub nodes: Vec<Node>,
    /// Prefixes of the host.
    pub prefixes: BTreeSet<HomeNetworkPrefix>,
    /// Where it is.
    pub place: usize,
    /// Whether it answers questions.
    pub answers: bool,
}

impl Domain {
    pub fn new(most: u16, backend: Backend, known: Known, seed: u64, loss: f64) -> Self {
        let node = |n: u16| Node {
            maar: Maar::new(alone(n, most, backend, known)),
            address: ip(&maar_address(n)),
            table: BTreeMap::new(),
            timers: BTreeMap::new(),
            advertised: 0,
        };
        Self {
            now: 10_000,
            way: BTreeMap::new(),
            sent: 0,
            to: Vec::new(),
            rng: StdRng::seed_from_u64(seed),
            loss,
            nodes: (1..=most).map(node).collect(),
            prefixes: BTreeSet::new(),
            place: 0,
            answers: true,
        }
    }

    pub fn maar(&self, n: usize) -> &Maar {
        &self.nodes[n - 1].maar
    }

    pub fn count(&self, n: usize, counter: MaarCounter) -> u64 {
        self.maar(n).counter(counter)
    }

    pub fn tell(&mut self, n: usize, event: Event) {
        let mut effects = Vec::new();
        self.nodes[n - 1]
            .maar
            .on(at(self.now), &event, &mut effects);
        for effect in effects {
            self.apply(n, effect);
        }
    }

    fn apply(&mut self, n: usize, effect: Effect) {
        let now = self.now;
        let node = &mut self.nodes[n - 1];
        match effect {
            Effect::Bind { prefix, path } => {
                node.table.insert(prefix, path);
            }
            Effect::Unbind { prefix } => {
                assert!(
                    node.table.remove(&prefix).is_some(),
                    "{prefix} was not bound"
                );
            }
            Effect::SetTimer { timer, after } => {
                let due = now + u64::try_from(after.as_millis()).unwrap() + 1;
                node.timers.insert(timer, due);
            }
            Effect::CancelTimer { timer } => {
                node.timers.remove(&timer);
            }
            Effect::Authenticate { link } => self.tell(n, admitted(link, profile("mn"))),
            Effect::Send { from, to, message } => self.send(from, to, message),
            Effect::Advertise { advertisement, .. } if n == self.place => {
                node.advertised += 1;
                for told in advertisement.prefixes {
                    match told.valid {
                        0 => self.prefixes.remove(&told.prefix),
                        _ => self.prefixes.insert(told.prefix),
                    };
                }
            }
            Effect::FindAnchors { link, .. } => {
                let prefixes = self.prefixes.iter().copied().collect();
                let found = Found::Prefixes(prefixes);
                self.later(n, Event::AnchorsFound { link, found });
            }
            Effect::QueryNode { link, to, query } if n == self.place && self.answers => {
                let event = self.reply(link, to, &query);
                self.later(n, event);
            }
            _ => {}
        }
    }

    /// What the host replies.
    pub fn reply(&self, link: HostLink, from: Ipv6Addr, query: &NiQuery) -> Event {
        let addresses = self.prefixes.iter().map(|prefix| {
            let host = prefix.prefix.to_bits() | 0x1234;
            Ipv6Addr::from_bits(host)
        });
        let addresses: Vec<Ipv6Addr> = std::iter::once(from).chain(addresses).collect();
        let reply = query.reply(Answer::Addresses(addresses));
        Event::NodeInformation { link, from, reply }
    }

    fn later(&mut self, n: usize, event: Event) {
        self.sent += 1;
        if !self.rng.random_bool(self.loss) {
            let delay = self.rng.random_range(1..10);
            self.way.insert((self.now + delay, self.sent), (n, event));
        }
    }

    /// A message goes to the gateway with this address, or the anchor of the prefix that it is in.
    fn send(&mut self, from: Ipv6Addr, to: Ipv6Addr, message: Message) {
        self.to.push(to);
        let at_its_own = self.nodes.iter().position(|node| node.address == to);
        let place = at_its_own.or_else(|| {
            let most = u16::try_from(self.nodes.len()).unwrap();
            let of = (1..=most).find(|n| pool(*n).contains(to))?;
            (to.to_bits() as u64 == IDENTIFIER).then_some(usize::from(of - 1))
        });
        let Some(place) = place else {
            panic!("a message to {to}");
        };
        self.later(place + 1, Event::Message { from, to, message });
    }

    /// Lets time pass.
    pub fn run(&mut self, until: u64) {
        loop {
            let message = self.way.keys().next().map(|(due, _)| *due);
            let timers = (1..).zip(&self.nodes).flat_map(|(n, node)| {
                let timers = node.timers.iter();
                timers.map(move |(timer, due)| (*due, n, timer.clone()))
            });
            let timer = timers.min_by_key(|(due, n, _)| (*due, *n));
            let first = timer.as_ref().map(|it| it.0);
            let next = message.into_iter().chain(first).min();
            let Some(next) = next.filter(|next| *next <= until) else {
                break;
            };
            self.now = next.max(self.now);
            if message == Some(next) {
                if let Some((_, (n, event))) = self.way.pop_first() {
                    self.tell(n, event);
                }
            } else if let Some((_, n, timer)) = timer {
                self.nodes[n - 1].timers.remove(&timer);
                self.tell(n, Event::Timer { timer });
            }
        }
        self.now = until;
    }

    /// The host goes to a gateway and solicits.
    pub fn walk_to(&mut self, n: usize) {
        self.place = n;
        self.tell(n, solicits(link(1, 1)));
        self.run(self.now + 4_000);
    }

    /// The host is served at `here`, and its prefix of every gateway in `anchors` is led there.
    pub fn check(&self, here: usize, anchors: &[usize], what: &str) {
        let views = |n: usize| self.maar(n).nodes(at(self.now)).collect::<Vec<_>>();
        let at_here = views(here);
        let node = at_here
            .first()
            .unwrap_or_else(|| panic!("{what}: not at {here}"));
        assert_eq!(node.mn_identifier, nai("mn"));
        let own = self.nodes[here - 1].table.get(&node.prefix.into());
        assert_eq!(own, Some(&Path::Local { link: link(1, 1) }), "{what}");
        let led: BTreeSet<Ipv6Addr> = node.previous.iter().map(|it| it.anchor).collect();
        let expected = anchors.iter().map(|n| self.nodes[n - 1].address);
        assert_eq!(
            led,
            expected.collect(),
            "{what}: {:?}",
            [1, 2, 3].map(views)
        );
        assert_eq!(
            self.nodes[here - 1].table.len(),
            1 + anchors.len(),
            "{what}"
        );
        for &anchor in anchors {
            let there = views(anchor);
            let there = there.first().expect("an anchor");
            let prefix = BoundPrefix::V6(there.prefix);
            let ends = [here, anchor].map(|n| self.nodes[n - 1].table.get(&prefix).copied());
            let [Some(Path::Access { tunnel: to, .. }), Some(Path::Anchor { tunnel: back })] = ends
            else {
                panic!("{what}: {prefix} of {anchor}: {ends:?}");
            };
            assert_eq!(to.remote, self.nodes[anchor - 1].address, "{what}");
            assert_eq!(back.remote, self.nodes[here - 1].address, "{what}");
            assert_eq!(self.nodes[anchor - 1].table.len(), 1, "{what}");
        }
    }
}
