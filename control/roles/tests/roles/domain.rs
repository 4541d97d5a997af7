//! A whole domain on virtual time: one anchor, three gateways, hosts that move at random, a network
//! that loses, repeats and reorders, and an anchor that is killed and started again. A seed decides
//! everything; when the trouble is over and time has passed, everything must be in order.

use crate::scenario::{at, ip, nai, pools, prefixes_of, tell};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use roles::effect::{Effect, Path};
use roles::event::{Departure, HostLink, Sign, Timer};
use roles::lma::{BindingState, Lma, LmaConfig};
use roles::mag::{Mag, MagConfig, VisitorState};
use roles::policy::{LmaPolicy, Profile};
use roles::{BoundPrefix, Event};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use wire::ether::MacAddr;
use wire::mh::{HomeNetworkPrefix, Lifetime, Message};

const HOSTS: usize = 6;
const MAGS: usize = 3;
const LIFETIME: u64 = 40_000;
/// Until then there is trouble, in milliseconds.
const TROUBLE: u64 = 120_000;
/// Long enough after it for every back-off and lifetime to have ended.
const SETTLED: u64 = TROUBLE + 4 * LIFETIME + 80_000;
/// The anchor's place among the nodes; the gateways follow.
const ANCHOR: usize = 0;

/// One of the gateways' processes.
enum Process {
    Lma(Box<Lma>),
    Mag(Box<Mag>),
}

struct Node {
    process: Process,
    address: Ipv6Addr,
    table: BTreeMap<BoundPrefix, Path>,
    timers: BTreeMap<Timer, u64>,
    watched: BTreeSet<HostLink>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    node: usize,
    interface: u16,
}

#[derive(Default)]
struct Host {
    place: Option<Place>,
    prefix: Option<HomeNetworkPrefix>,
    /// Whether it has been advertised a prefix since it came to where it is.
    served: bool,
    arrivals: u64,
}

enum Happening {
    Tell(usize, Box<Event>),
    Timer(usize, Timer, u64),
    Move(usize, Option<Place>),
    Solicit(usize, u64),
    /// The host may be gone from there; its gateway notices.
    Notice(usize, HostLink, Departure),
    Crash,
}

struct Domain {
    now: u64,
    order: u64,
    rng: StdRng,
    agenda: BTreeMap<(u64, u64), Happening>,
    nodes: Vec<Node>,
    hosts: Vec<Host>,
}

fn anchor() -> Lma {
    let mut config = LmaConfig::new(ip("2001:db8:ff::1"), pools(), 64);
    config.max_lifetime = std::time::Duration::from_millis(LIFETIME);
    Lma::new(config)
}

fn host_link(host: usize, interface: u16) -> HostLink {
    let mac = MacAddr([2, 0, 0, 0, 0, host as u8]);
    HostLink { interface, mac }
}

impl Domain {
    fn new(seed: u64) -> Self {
        let node = |process, address| Node {
            process,
            address,
            table: BTreeMap::new(),
            timers: BTreeMap::new(),
            watched: BTreeSet::new(),
        };
        let mut nodes = vec![node(Process::Lma(Box::new(anchor())), ip("2001:db8:ff::1"))];
        for mag in 1..=MAGS {
            let address = ip(&format!("2001:db8:ff::1{mag}"));
            let mut config = MagConfig::new(address, 32, seed ^ mag as u64);
            config.lifetime = std::time::Duration::from_millis(LIFETIME);
            config.refusal_hold = std::time::Duration::from_secs(5);
            nodes.push(node(Process::Mag(Box::new(Mag::new(config))), address));
        }
        let mut domain = Self {
            now: 0,
            order: 0,
            rng: StdRng::seed_from_u64(seed),
            agenda: BTreeMap::new(),
            nodes,
            hosts: (0..HOSTS).map(|_| Host::default()).collect(),
        };
        domain.read_policy();
        domain.plan_trouble();
        domain
    }

    fn plan_trouble(&mut self) {
        for host in 0..HOSTS {
            let mut time = self.rng.random_range(0..10_000);
            while time < TROUBLE {
                let place = self.rng.random_bool(0.9).then(|| Place {
                    node: self.rng.random_range(1..=MAGS),
                    interface: self.rng.random_range(0..2),
                });
                self.plan(time, Happening::Move(host, place));
                // Now and then it moves on before anybody has noticed.
                time += if self.rng.random_bool(0.3) {
                    self.rng.random_range(1..100)
                } else {
                    self.rng.random_range(100..30_000)
                };
            }
        }
        for _ in 0..self.rng.random_range(0..3) {
            let time = self.rng.random_range(0..TROUBLE);
            self.plan(time, Happening::Crash);
        }
    }

    fn plan(&mut self, time: u64, what: Happening) {
        self.order += 1;
        self.agenda.insert((time.max(self.now), self.order), what);
    }

    fn run(&mut self) {
        while let Some(((time, _), what)) = self.agenda.pop_first() {
            if time > SETTLED {
                self.now = SETTLED;
                break;
            }
            self.now = time;
            self.happen(what);
        }
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Tell(node, event) => self.tell(node, *event),
            Happening::Timer(node, timer, generation) => {
                if self.nodes[node].timers.get(&timer) == Some(&generation) {
                    self.nodes[node].timers.remove(&timer);
                    self.tell(node, Event::Timer { timer });
                }
            }
            Happening::Move(host, place) => self.move_host(host, place),
            Happening::Solicit(host, arrival) => self.solicit(host, arrival),
            Happening::Notice(node, link, why) => {
                let watched = self.nodes[node].watched.contains(&link);
                if !self.is_there(node, link) && (watched || why == Departure::LinkDown) {
                    self.tell(node, Event::HostGone { link, why });
                }
            }
            Happening::Crash => {
                let node = &mut self.nodes[ANCHOR];
                node.process = Process::Lma(Box::new(anchor()));
                node.table.clear();
                node.timers.clear();
                self.read_policy();
            }
        }
    }

    fn read_policy(&mut self) {
        let mags = self.nodes[1..].iter().map(|node| node.address).collect();
        let policy = LmaPolicy {
            mags,
            hosts: Vec::new(),
            serve_unlisted: true,
            allowance: Default::default(),
        };
        self.tell(ANCHOR, Event::Policy { policy });
    }

    fn is_there(&self, node: usize, link: HostLink) -> bool {
        let host = usize::from(link.mac.0[5]);
        let place = Place {
            node,
            interface: link.interface,
        };
        self.hosts[host].place == Some(place)
    }

    fn move_host(&mut self, host: usize, place: Option<Place>) {
        if self.hosts[host].place == place {
            return;
        }
        if let Some(old) = self.hosts[host].place {
            let link = host_link(host, old.interface);
            let (delay, why) = if self.rng.random_bool(0.5) {
                (self.rng.random_range(0..500), Departure::LinkDown)
            } else {
                (self.rng.random_range(2000..6000), Departure::Unreachable)
            };
            self.plan(self.now + delay, Happening::Notice(old.node, link, why));
        }
        let entry = &mut self.hosts[host];
        entry.place = place;
        entry.served = false;
        entry.arrivals += 1;
        let arrival = entry.arrivals;
        let delay = self.rng.random_range(0..30);
        self.plan(self.now + delay, Happening::Solicit(host, arrival));
    }

    /// A host solicits when it comes up on a link, and again until it is answered.
    fn solicit(&mut self, host: usize, arrival: u64) {
        let entry = &self.hosts[host];
        let Some(place) = entry.place.filter(|_| entry.arrivals == arrival) else {
            return;
        };
        if entry.served {
            return;
        }
        let link = host_link(host, place.interface);
        let source = ip(&format!("fe80::{host:x}"));
        let sign = Sign::RouterSolicitation { source };
        self.tell(place.node, Event::HostSeen { link, sign });
        self.plan(self.now + 4000, Happening::Solicit(host, arrival));
    }

    fn tell(&mut self, node: usize, event: Event) {
        let cause = event.clone();
        let effects = match &mut self.nodes[node].process {
            Process::Lma(lma) => tell(lma.as_mut(), self.now, event),
            Process::Mag(mag) => tell(mag.as_mut(), self.now, event),
        };
        if node == ANCHOR {
            self.check_order(&cause, &effects);
        }
        for effect in effects {
            self.apply(node, effect);
        }
        let bound = 6 * HOSTS;
        assert!(self.nodes[node].timers.len() <= bound, "timers pile up");
    }

    /// What holds for each event of the anchor: an acknowledgement leaves after the table is as it
    /// says, and only the gateway that a prefix is bound to can end that.
    fn check_order(&self, cause: &Event, effects: &[Effect]) {
        let mut table = self.nodes[ANCHOR].table.clone();
        for effect in effects {
            match effect {
                Effect::Bind { prefix, path } => {
                    let before = table.insert(*prefix, *path);
                    if *path == Path::Pending {
                        let (Event::Message { from, .. }, Some(Path::Anchor { tunnel })) =
                            (cause, before)
                        else {
                            panic!("{cause:?} ended {before:?}");
                        };
                        assert_eq!(*from, tunnel.remote);
                    }
                }
                Effect::Unbind { prefix } => {
                    table.remove(prefix);
                }
                Effect::Send {
                    to,
                    message: Message::BindingAcknowledgement(answer),
                    ..
                } if answer.status.is_accepted() => {
                    for prefix in prefixes_of(&answer.options) {
                        match table.get(&prefix.into()) {
                            Some(Path::Anchor { tunnel }) => {
                                assert_eq!(tunnel.remote, *to);
                                assert_ne!(answer.lifetime, Lifetime::ZERO);
                            }
                            Some(Path::Pending) => assert_eq!(answer.lifetime, Lifetime::ZERO),
                            other => panic!("{answer:?} with {other:?}"),
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn apply(&mut self, at_node: usize, effect: Effect) {
        let now = self.now;
        let node = &mut self.nodes[at_node];
        match effect {
            Effect::Bind { prefix, path } => {
                node.table.insert(prefix, path);
            }
            Effect::Unbind { prefix } => {
                node.table.remove(&prefix);
            }
            Effect::SetTimer { timer, after } => {
                self.order += 1;
                let generation = self.order;
                self.nodes[at_node].timers.insert(timer.clone(), generation);
                let time = now + after.as_millis() as u64 + 1;
                self.plan(time, Happening::Timer(at_node, timer, generation));
            }
            Effect::CancelTimer { timer } => {
                node.timers.remove(&timer);
            }
            Effect::Send { from, to, message } => {
                let copies = if now >= TROUBLE {
                    1
                } else {
                    match self.rng.random_range(0..100) {
                        0..20 => 0,
                        20..30 => 2,
                        _ => 1,
                    }
                };
                let node = self.nodes.iter().position(|node| node.address == to);
                for _ in 0..copies {
                    let message = message.clone();
                    let event = Event::Message { from, to, message };
                    let delay = self.rng.random_range(1..120);
                    self.plan(now + delay, Happening::Tell(node.unwrap(), Box::new(event)));
                }
            }
            Effect::Advertise {
                link,
                advertisement,
                ..
            } => {
                if self.is_there(at_node, link) {
                    let host = &mut self.hosts[usize::from(link.mac.0[5])];
                    host.served = advertisement.router_lifetime > 0;
                    for advertised in advertisement.prefixes.iter().filter(|p| p.valid > 0) {
                        let known = *host.prefix.get_or_insert(advertised.prefix);
                        assert_eq!(known, advertised.prefix, "the prefix of a host changed");
                    }
                    if !host.served {
                        let (host, arrival) = (usize::from(link.mac.0[5]), host.arrivals);
                        self.plan(now + 1000, Happening::Solicit(host, arrival));
                    }
                }
            }
            Effect::Authenticate { link } => {
                let profile = Some(Profile {
                    mn_identifier: nai(&format!("host{}", link.mac.0[5])),
                    lma: ip("2001:db8:ff::1"),
                    home_network_prefixes: Vec::new(),
                    managed: false,
                    other: false,
                    ipv4_home_address: None,
                    ipv6: true,
                    service_selection: None,
                    domain: None,
                    learn_addresses: true,
                    simultaneous: false,
                    mobility: true,
                });
                let delay = self.rng.random_range(0..5);
                let event = Event::Authenticated { link, profile };
                self.plan(now + delay, Happening::Tell(at_node, Box::new(event)));
            }
            Effect::ServeIpv4 { .. } | Effect::FindAnchors { .. } | Effect::QueryNode { .. } => {}
            Effect::Watch { link, .. } => {
                node.watched.insert(link);
                if !self.is_there(at_node, link) {
                    let why = Departure::Unreachable;
                    self.plan(now + 4000, Happening::Notice(at_node, link, why));
                }
            }
            Effect::Probe { link, address } => {
                if self.is_there(at_node, link) {
                    let sign = Sign::Packet { source: address };
                    let delay = self.rng.random_range(1..5);
                    let event = Event::HostSeen { link, sign };
                    self.plan(now + delay, Happening::Tell(at_node, Box::new(event)));
                }
            }
            Effect::Unwatch { link } => {
                node.watched.remove(&link);
            }
            Effect::Notify { .. }
            | Effect::Defend { .. }
            | Effect::Store { .. }
            | Effect::Forget { .. }
            | Effect::NoRoom { .. }
            | Effect::ShowRouter { .. }
            | Effect::HideRouter { .. } => {}
        }
    }

    /// What must hold once everything has settled.
    fn check(&self) {
        let Process::Lma(lma) = &self.nodes[ANCHOR].process else {
            panic!("the first node is the anchor");
        };
        let bindings: Vec<_> = lma.bindings(at(self.now)).collect();
        let mut prefixes = BTreeSet::new();
        for binding in &bindings {
            assert_eq!(binding.state, BindingState::Active, "{binding:?}");
            for prefix in &binding.prefixes {
                assert!(prefixes.insert(*prefix), "{prefix} is held twice");
            }
        }
        let known: BTreeSet<_> = self.hosts.iter().filter_map(|h| h.prefix).collect();
        let with_prefix = self.hosts.iter().filter(|h| h.prefix.is_some()).count();
        assert_eq!(known.len(), with_prefix, "two hosts were given one prefix");
        let mut expected: Vec<BTreeMap<BoundPrefix, Path>> =
            vec![BTreeMap::new(); self.nodes.len()];
        for (index, host) in self.hosts.iter().enumerate() {
            let of_host = bindings
                .iter()
                .filter(|b| b.mn_identifier == nai(&format!("host{index}")));
            let of_host: Vec<_> = of_host.collect();
            let Some(place) = host.place else {
                assert!(of_host.is_empty(), "a binding of a host that left");
                continue;
            };
            assert!(host.served, "host {index} is not served at {place:?}");
            let prefix = host.prefix.unwrap();
            let serving = &self.nodes[place.node];
            assert_eq!(of_host.len(), 1);
            assert_eq!(of_host[0].prefixes, [prefix]);
            assert_eq!(of_host[0].care_of, serving.address);
            let tunnel = |local, remote| roles::effect::TunnelEnds::plain(local, remote);
            let (lma, mag) = (self.nodes[ANCHOR].address, serving.address);
            let anchored = Path::Anchor {
                tunnel: tunnel(lma, mag),
            };
            expected[ANCHOR].insert(prefix.into(), anchored);
            let access = Path::Access {
                tunnel: tunnel(mag, lma),
                link: host_link(index, place.interface),
                delegated: false,
            };
            expected[place.node].insert(prefix.into(), access);
        }
        for (node, expected) in self.nodes.iter().zip(&expected) {
            assert_eq!(&node.table, expected, "table of {}", node.address);
            if let Process::Mag(mag) = &node.process {
                for visitor in mag.visitors(at(self.now)) {
                    let served = [VisitorState::Bound, VisitorState::Refreshing];
                    assert!(served.contains(&visitor.state), "{visitor:?}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Proves S1-14, S1-40, S1-41.
    #[test]
    fn everything_is_in_order_when_trouble_is_over(seed: u64) {
        let mut domain = Domain::new(seed);
        domain.run();
        domain.check();
    }
}

/// The same seed gives the same history: nothing depends on the order of a hash map.
#[test]
fn a_seed_decides_everything() {
    let history = |seed| {
        let mut domain = Domain::new(seed);
        domain.run();
        let Process::Lma(lma) = &domain.nodes[ANCHOR].process else {
            panic!("the first node is the anchor");
        };
        let bindings: Vec<_> = lma.bindings(at(domain.now)).collect();
        let mut counters: Vec<_> = lma.counters().collect();
        for node in &domain.nodes {
            if let Process::Mag(mag) = &node.process {
                counters.extend(mag.counters());
            }
        }
        (bindings, counters, domain.order)
    };
    assert_eq!(history(4), history(4));
}
