//! A walk through a domain of three MAARs and their database, on virtual time: what each table holds
//! at every stop, in every mode, with messages that are lost and a database that changes its mode.

use crate::maar_scenario::{maar_address, pool, router, CMD};
use crate::scenario::{admitted, at, ip, link, nai, profile, solicits};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use roles::cmd::{Cmd, CmdConfig, CmdMode, MaarPeer};
use roles::effect::{Effect, Path};
use roles::event::{Sign, Timer};
use roles::maar::{Maar, MaarConfig, MaarCounter, Neighbour, NodeState};
use roles::pool::{Pool, Pools};
use roles::{BoundPrefix, Event, Role};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use wire::mh::Message;

const MAARS: u16 = 3;

enum Process {
    Cmd(Box<Cmd>),
    Maar(Box<Maar>),
}

struct Node {
    process: Process,
    address: Ipv6Addr,
    table: BTreeMap<BoundPrefix, Path>,
    timers: BTreeMap<Timer, u64>,
}

/// The domain: the database, then the gateways.
struct Domain {
    now: u64,
    /// Messages on their way, by arrival and order of sending.
    way: BTreeMap<(u64, u64), (usize, Event)>,
    sent: u64,
    rng: StdRng,
    loss: f64,
    nodes: Vec<Node>,
    /// The gateway that the host is with.
    place: usize,
}

impl Domain {
    fn new(mode: CmdMode, seed: u64, loss: f64) -> Self {
        let mut config = CmdConfig::new(ip(CMD), 100, seed);
        config.mode = mode;
        let node = |process, address| Node {
            process,
            address,
            table: BTreeMap::new(),
            timers: BTreeMap::new(),
        };
        let mut nodes = vec![node(Process::Cmd(Box::new(Cmd::new(config))), ip(CMD))];
        for n in 1..=MAARS {
            let others = (1..=MAARS).filter(|other| *other != n);
            let others = others.map(|other| Neighbour {
                address: ip(&maar_address(other)),
                pools: vec![pool(other)],
            });
            let address = ip(&maar_address(n));
            let pools = Pools::new([Pool::new(pool(n), 64).unwrap()]).unwrap();
            let seed = seed ^ u64::from(n);
            let mut config = MaarConfig::new(address, ip(CMD), pools, others.collect(), 100, seed);
            let seen = router(u8::try_from(n).unwrap());
            config.routers = BTreeMap::from([(1, seen)]);
            nodes.push(node(Process::Maar(Box::new(Maar::new(config))), address));
        }
        let mut domain = Self {
            now: 10_000,
            way: BTreeMap::new(),
            sent: 0,
            rng: StdRng::seed_from_u64(seed),
            loss,
            nodes,
            place: 0,
        };
        let maars = (1..=MAARS).map(|n| MaarPeer {
            address: ip(&maar_address(n)),
            pools: vec![pool(n)],
        });
        let maars = maars.collect();
        domain.tell(0, Event::Maars { maars });
        domain
    }

    fn maar(&self, n: usize) -> &Maar {
        match &self.nodes[n].process {
            Process::Maar(maar) => maar,
            Process::Cmd(_) => panic!("no gateway"),
        }
    }

    fn tell(&mut self, place: usize, event: Event) {
        let mut effects = Vec::new();
        let now = at(self.now);
        match &mut self.nodes[place].process {
            Process::Cmd(cmd) => cmd.on(now, &event, &mut effects),
            Process::Maar(maar) => maar.on(now, &event, &mut effects),
        }
        for effect in effects {
            self.apply(place, effect);
        }
    }

    fn apply(&mut self, place: usize, effect: Effect) {
        match effect {
            Effect::Bind { prefix, path } => {
                self.nodes[place].table.insert(prefix, path);
            }
            Effect::Unbind { prefix } => {
                let was = self.nodes[place].table.remove(&prefix);
                assert!(was.is_some(), "{prefix} was not bound");
            }
            Effect::SetTimer { timer, after } => {
                let due = self.now + u64::try_from(after.as_millis()).unwrap() + 1;
                self.nodes[place].timers.insert(timer, due);
            }
            Effect::CancelTimer { timer } => {
                self.nodes[place].timers.remove(&timer);
            }
            Effect::Authenticate { link } => self.tell(place, admitted(link, profile("mn"))),
            Effect::Probe { link, address } if self.place == place => {
                let sign = Sign::Packet { source: address };
                self.tell(place, Event::HostSeen { link, sign });
            }
            Effect::Send { from, to, message } => self.send(from, to, message),
            _ => {}
        }
    }

    fn send(&mut self, from: Ipv6Addr, to: Ipv6Addr, message: Message) {
        self.sent += 1;
        let Some(place) = self.nodes.iter().position(|node| node.address == to) else {
            panic!("a message to {to}");
        };
        if !self.rng.random_bool(self.loss) {
            let delay = self.rng.random_range(1..10);
            let event = Event::Message { from, to, message };
            self.way
                .insert((self.now + delay, self.sent), (place, event));
        }
    }

    /// Lets time pass.
    fn run(&mut self, until: u64) {
        loop {
            let message = self.way.keys().next().map(|(due, _)| *due);
            let timers = (0..).zip(&self.nodes).flat_map(|(place, node)| {
                let timers = node.timers.iter();
                timers.map(move |(timer, due)| (*due, place, timer.clone()))
            });
            let timer = timers.min_by_key(|(due, place, _)| (*due, *place));
            let next = message
                .into_iter()
                .chain(timer.as_ref().map(|it| it.0))
                .min();
            let Some(next) = next.filter(|next| *next <= until) else {
                break;
            };
            self.now = next.max(self.now);
            if message == Some(next) {
                if let Some((_, (place, event))) = self.way.pop_first() {
                    self.tell(place, event);
                }
            } else if let Some((_, place, timer)) = timer {
                self.nodes[place].timers.remove(&timer);
                self.tell(place, Event::Timer { timer });
            }
        }
        self.now = until;
    }

    /// The host goes to a gateway; the others hear of it from the database alone.
    fn walk_to(&mut self, n: usize) {
        let began = self.now;
        self.place = n;
        self.tell(n, solicits(link(1, 1)));
        // It solicits until it is answered, as hosts do.
        for turn in 1..=3 {
            self.run(began + turn * 4_000);
            let mut nodes = self.maar(n).nodes(at(self.now));
            if nodes
                .next()
                .is_none_or(|node| node.state != NodeState::Served)
            {
                drop(nodes);
                self.tell(n, solicits(link(1, 1)));
            }
        }
    }

    /// The host is served there, and its prefix of every other gateway in `anchors` is led there.
    fn check(&self, here: usize, anchors: &[usize], what: &str) {
        let served = |n: usize| self.maar(n).nodes(at(self.now)).next();
        let node = served(here).unwrap_or_else(|| panic!("{what}: the host is not at {here}"));
        assert_eq!(node.state, NodeState::Served, "{what}");
        let own = self.nodes[here].table.get(&node.prefix.into());
        assert_eq!(own, Some(&Path::Local { link: link(1, 1) }), "{what}");
        let found: Vec<_> = node.previous.iter().map(|it| it.anchor).collect();
        let views = |n: usize| self.maar(n).nodes(at(self.now)).collect::<Vec<_>>();
        assert_eq!(
            found.len(),
            anchors.len(),
            "{what}: {:?}",
            [1, 2, 3].map(views)
        );
        assert_eq!(self.nodes[here].table.len(), 1 + anchors.len(), "{what}");
        for &anchor in anchors {
            let there = served(anchor).expect("an anchor");
            assert_eq!(there.state, NodeState::Previous, "{what}, at {anchor}");
            let prefix = BoundPrefix::V6(there.prefix);
            let [from_here, from_there] = [here, anchor].map(|n| self.nodes[n].table.get(&prefix));
            let Some(Path::Access { tunnel, .. }) = from_here else {
                panic!("{what}: {prefix} of {anchor} is not led to {here}: {from_here:?}");
            };
            assert_eq!(tunnel.remote, self.nodes[anchor].address);
            let Some(Path::Anchor { tunnel }) = from_there else {
                panic!("{what}: {anchor} does not lead {prefix} on: {from_there:?}");
            };
            assert_eq!(tunnel.remote, self.nodes[here].address);
            assert_eq!(self.nodes[anchor].table.len(), 1, "{what}");
            let seen = node.previous.iter().find(|it| it.prefix == there.prefix);
            let seen = seen.and_then(|it| it.router);
            assert_eq!(seen, Some(router(u8::try_from(anchor).unwrap())), "{what}");
        }
    }
}

/// Where the host goes, and what it has come by then.
pub const WALK: [(usize, &[usize]); 5] = [
    (1, &[]),
    (2, &[1]),
    (3, &[1, 2]),
    (1, &[2, 3]),
    (2, &[1, 3]),
];

/// Proves S2-12, S2-13, S2-14, S2-15, S2-16, S2-17, S2-20, S2-21, S2-22, S2-23, S2-25, S2-26, S2-27.
#[test]
fn a_walk_keeps_every_prefix_in_every_mode() {
    for mode in CmdMode::ALL {
        let mut domain = Domain::new(mode, 1, 0.0);
        for (place, anchors) in WALK {
            domain.walk_to(place);
            domain.check(place, anchors, &format!("{} at {place}", mode.name()));
        }
        for n in 1..=usize::from(MAARS) {
            let reserved = domain.maar(n).counter(MaarCounter::PrefixesReserved);
            assert_eq!(reserved, 1, "{}", mode.name());
        }
    }
}

/// Proves S2-18, S2-27.
#[test]
fn a_walk_survives_lost_messages_in_every_mode() {
    for mode in CmdMode::ALL {
        for seed in 0..40 {
            let mut domain = Domain::new(mode, seed, 0.1);
            for (place, anchors) in WALK {
                domain.walk_to(place);
                // A refresh later nothing is amiss that a lost message can have done.
                domain.run(domain.now + 300_000);
                let what = format!("{}, seed {seed}, at {place}", mode.name());
                domain.check(place, anchors, &what);
            }
        }
    }
}

/// Proves S2-27.
#[test]
fn the_mode_changes_on_the_walk() {
    let mut domain = Domain::new(CmdMode::Relay, 7, 0.0);
    let modes = CmdMode::ALL.into_iter().cycle();
    for ((place, anchors), mode) in WALK.into_iter().zip(modes) {
        domain.tell(0, Event::Mode { mode });
        domain.walk_to(place);
        domain.check(place, anchors, &format!("{} at {place}", mode.name()));
    }
}

/// Proves S2-28, S2-31.
#[test]
fn nothing_outlives_a_host_that_leaves() {
    for mode in CmdMode::ALL {
        let mut domain = Domain::new(mode, 3, 0.0);
        for (place, _) in WALK {
            domain.walk_to(place);
        }
        // Previous anchors ask whether it is still there, and are told that it is.
        domain.run(domain.now + 1_000_000);
        domain.check(2, &[1, 3], mode.name());
        let mn_identifier = nai("mn");
        domain.tell(2, Event::Delete { mn_identifier });
        domain.run(domain.now + 60_000);
        for node in &domain.nodes {
            assert!(node.table.is_empty(), "{}: {:?}", mode.name(), node.table);
        }
        for n in 1..=usize::from(MAARS) {
            assert_eq!(domain.maar(n).sessions(), 0, "{} at {n}", mode.name());
        }
        let Process::Cmd(cmd) = &domain.nodes[0].process else {
            panic!("no database");
        };
        assert_eq!(cmd.sessions(), 0);
    }
}

/// An end that the serving gateway has no part in reaches it all the same: that of one anchor, by the
/// operator of that anchor, and that of the whole session, by the operator of the database.
///
/// Proves S2-19.
#[test]
fn what_ends_elsewhere_ends_where_the_host_is() {
    for mode in CmdMode::ALL {
        let mut domain = Domain::new(mode, 5, 0.0);
        for (place, _) in WALK {
            domain.walk_to(place);
        }
        let mn_identifier = nai("mn");
        domain.tell(3, Event::Delete { mn_identifier });
        domain.run(domain.now + 10_000);
        domain.check(2, &[1], mode.name());
        let mn_identifier = nai("mn");
        domain.tell(0, Event::Delete { mn_identifier });
        domain.run(domain.now + 10_000);
        for node in &domain.nodes {
            assert!(node.table.is_empty(), "{}: {:?}", mode.name(), node.table);
        }
        let Process::Cmd(cmd) = &domain.nodes[0].process else {
            panic!("no database");
        };
        assert_eq!(cmd.sessions(), 0);
    }
}
