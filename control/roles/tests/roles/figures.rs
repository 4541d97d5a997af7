//! The draft's figures 1 to 4 and 6, each from its first arrow to its last, and RFC 8885's figures of the same
//! numbers up to 4: all that is said in them is said by a role, and hosts only come, take prefixes and tell them.
//! What was said is kept in `tests/figures`; `RECORDINGS_REGENERATE` writes it anew, to be read before it is
//! committed. Figure 5 has a server and is played by whole gateways, among the tests of `control`.
//!
//! A gateway advertises as the router that it is to its host, and as those that its host's other anchors are: what
//! RFC 8885's own figures 5 and 6 show, where nothing is sent.

use crate::alone_scenario::{alone, Known, ASKS};
use crate::maar_scenario::{maar_address, pool, router, CMD};
use crate::scenario::{admitted, at, ip, link, profile, solicits, HOST_LINK_LOCAL};
use roles::cmd::{Cmd, CmdConfig, CmdMode, MaarPeer};
use roles::effect::{Effect, Path, TunnelEnds};
use roles::maar::{Maar, MaarConfig, Neighbour};
use roles::pool::{Pool, Pools};
use roles::{BoundPrefix, Event, Role};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv6Addr;
use wire::mh::{HomeNetworkPrefix, Message, MobilityOption};
use wire::niq::Answer;

const MAARS: u16 = 3;

/// How long everything is on its way, in milliseconds.
const WAY: u64 = 10;

/// Something that is said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Arrow {
    at: u64,
    from: String,
    to: String,
    what: String,
    says: Value,
}

struct Node {
    name: String,
    address: Ipv6Addr,
    role: Box<dyn Role>,
    table: BTreeMap<BoundPrefix, Path>,
}

/// A domain that loses nothing, and all that is said in it.
struct Play {
    now: u64,
    nodes: Vec<Node>,
    way: VecDeque<(u64, usize, Event)>,
    arrows: Vec<Arrow>,
    /// The gateway that the host is with, and the prefixes that it has.
    place: usize,
    prefixes: BTreeSet<HomeNetworkPrefix>,
}

/// A gateway of a domain with a database. Where that does not only locate, previous anchors leave the word to it.
fn gateway(n: u16, mode: CmdMode) -> MaarConfig {
    let others = (1..=MAARS).filter(|other| *other != n);
    let others = others.map(|other| Neighbour {
        address: ip(&maar_address(other)),
        pools: vec![pool(other)],
    });
    let pools = Pools::new([Pool::new(pool(n), 64).unwrap()]).unwrap();
    let (address, cmd) = (ip(&maar_address(n)), ip(CMD));
    let mut config = MaarConfig::new(address, cmd, pools, others.collect(), 100, n.into());
    config.routers = BTreeMap::from([(1, router(u8::try_from(n).unwrap()))]);
    config.direct_answers = mode == CmdMode::Locator;
    config
}

fn maar(n: u16, config: MaarConfig) -> Node {
    Node {
        name: format!("MAAR{n}"),
        address: ip(&maar_address(n)),
        role: Box::new(Maar::new(config)),
        table: BTreeMap::new(),
    }
}

/// An update or an answer, with a star where it has one of RFC 8885's options that tell of MAARs.
fn name_of(message: &Message) -> String {
    let (name, options) = match message {
        Message::BindingUpdate(it) => ("PBU", &it.options),
        Message::BindingAcknowledgement(it) => ("PBA", &it.options),
        other => panic!("{other} is of no figure"),
    };
    let tells = |option: &MobilityOption| {
        matches!(
            option,
            MobilityOption::ServingMaar(_) | MobilityOption::PreviousMaar(_)
        )
    };
    let star = if options.iter().any(tells) { "*" } else { "" };
    format!("{name}{star}")
}

impl Play {
    fn of(nodes: Vec<Node>) -> Self {
        Self {
            now: 1_000,
            nodes,
            way: VecDeque::new(),
            arrows: Vec::new(),
            place: 0,
            prefixes: BTreeSet::new(),
        }
    }

    /// Three gateways and a database in this mode.
    fn with_database(mode: CmdMode) -> Self {
        let peers = (1..=MAARS).map(|n| MaarPeer {
            address: ip(&maar_address(n)),
            pools: vec![pool(n)],
        });
        let maars = peers.collect();
        let mut cmd = Cmd::new(CmdConfig {
            mode,
            ..CmdConfig::new(ip(CMD), 100, 7)
        });
        cmd.on(at(0), &Event::Maars { maars }, &mut Vec::new());
        let mut nodes: Vec<_> = (1..=MAARS).map(|n| maar(n, gateway(n, mode))).collect();
        nodes.push(Node {
            name: "CMD".to_owned(),
            address: ip(CMD),
            role: Box::new(cmd),
            table: BTreeMap::new(),
        });
        Self::of(nodes)
    }

    /// Three gateways that ask their hosts.
    fn without() -> Self {
        let nodes = (1..=MAARS).map(|n| maar(n, alone(n, MAARS, ASKS, Known::ByPrefix)));
        Self::of(nodes.collect())
    }

    /// Whose an address is: a node's own, or that which the anchor of a prefix has in it.
    fn owner(&self, address: Ipv6Addr) -> usize {
        let own = self.nodes.iter().position(|node| node.address == address);
        let anchor = || (1..=MAARS).find(|n| pool(*n).contains(address));
        let owner = own.or_else(|| Some(usize::from(anchor()?) - 1));
        owner.unwrap_or_else(|| panic!("{address} is nobody's"))
    }

    fn arrow(&mut self, from: &str, to: &str, what: &str, says: impl Serialize) {
        self.arrows.push(Arrow {
            at: self.now,
            from: from.to_owned(),
            to: to.to_owned(),
            what: what.to_owned(),
            says: serde_json::to_value(says).unwrap(),
        });
    }

    fn tell(&mut self, node: usize, event: &Event) {
        let mut effects = Vec::new();
        let role = &mut self.nodes[node].role;
        role.on(at(self.now), event, &mut effects);
        for effect in effects {
            self.apply(node, effect);
        }
    }

    fn apply(&mut self, node: usize, effect: Effect) {
        let name = self.nodes[node].name.clone();
        match effect {
            Effect::Send { from, to, message } => {
                assert_eq!(from, self.nodes[node].address, "its own address");
                let owner = self.owner(to);
                let addressee = self.nodes[owner].name.clone();
                self.arrow(&name, &addressee, &name_of(&message), (from, to, &message));
                let event = Event::Message { from, to, message };
                self.way.push_back((self.now + WAY, owner, event));
            }
            Effect::Advertise { advertisement, .. } => {
                let shown = advertisement.router.map(|it| it.link_local.segments()[7]);
                let as_whom = shown.map_or_else(|| "RA".to_owned(), |n| format!("RA as MAAR{n}"));
                self.arrow(&name, "MN", &as_whom, &advertisement);
                for told in advertisement.prefixes {
                    assert!(told.valid > 0, "nothing ends in these figures");
                    self.prefixes.insert(told.prefix);
                }
            }
            Effect::QueryNode { link, query, .. } => {
                self.arrow(&name, "MN", "NI Query", &query);
                let own = self.prefixes.iter();
                let own = own.map(|it| Ipv6Addr::from_bits(it.prefix.to_bits() | 0x1234));
                let reply = query.reply(Answer::Addresses(own.collect()));
                self.arrow("MN", &name, "NI Reply", &reply);
                let from = ip(HOST_LINK_LOCAL);
                let event = Event::NodeInformation { link, from, reply };
                self.way.push_back((self.now, node, event));
            }
            Effect::Authenticate { link } => self.tell(node, &admitted(link, profile("mn"))),
            Effect::Bind { prefix, path } => {
                self.nodes[node].table.insert(prefix, path);
            }
            _ => {}
        }
    }

    /// The host comes to a gateway and solicits; what is said until all is quiet.
    fn comes_to(&mut self, n: usize) -> Vec<Arrow> {
        self.now += 1_000;
        self.place = n - 1;
        self.arrows.clear();
        let name = self.nodes[self.place].name.clone();
        let solicitation = solicits(link(1, 1));
        self.arrow("MN", &name, "RS", &solicitation);
        self.tell(self.place, &solicitation);
        while let Some((due, node, event)) = self.way.pop_front() {
            self.now = due;
            self.tell(node, &event);
        }
        std::mem::take(&mut self.arrows)
    }

    /// The prefix of the `n`th gateway is led through a tunnel to the host at another, from both ends; that
    /// one's own is not.
    fn assert_routed(&self, n: usize, here: usize) {
        let prefix = |n: usize| {
            let of = |it: &&HomeNetworkPrefix| pool(u16::try_from(n).unwrap()).contains(it.prefix);
            BoundPrefix::V6(*self.prefixes.iter().find(of).expect("a prefix"))
        };
        let [anchor, serving] = [n, here].map(|n| &self.nodes[n - 1]);
        let tunnel = TunnelEnds::plain(anchor.address, serving.address);
        let at_anchor = anchor.table.get(&prefix(n));
        assert_eq!(at_anchor, Some(&Path::Anchor { tunnel }));
        let tunnel = TunnelEnds::plain(serving.address, anchor.address);
        let delegated = false;
        let link = link(1, 1);
        let at_serving = serving.table.get(&prefix(n));
        let path = Path::Access {
            tunnel,
            link,
            delegated,
        };
        assert_eq!(at_serving, Some(&path));
        assert_eq!(
            serving.table.get(&prefix(here)),
            Some(&Path::Local { link })
        );
    }
}

/// Requires that a figure's arrows are these, what goes at one time in any order, and that they say what they did
/// when they were recorded.
fn assert_figure(name: &str, arrows: &[Arrow], mut expected: Vec<(u64, &str)>) {
    let begun = arrows[0].at;
    let line = |it: &Arrow| {
        let since = it.at - begun;
        (since, format!("{} → {} {}", it.from, it.to, it.what))
    };
    let mut lines: Vec<_> = arrows.iter().map(line).collect();
    lines.sort_unstable();
    expected.sort_unstable();
    let expected = expected.into_iter().map(|(at, it)| (at, it.to_owned()));
    assert_eq!(lines, expected.collect::<Vec<_>>(), "{name}");

    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/figures");
    let file = folder.join(format!("{name}.json"));
    if std::env::var_os("RECORDINGS_REGENERATE").is_some() {
        let mut text = serde_json::to_string_pretty(arrows).unwrap();
        text.push('\n');
        std::fs::write(&file, text).unwrap();
    }
    let text = std::fs::read_to_string(&file).expect("a recording");
    let recorded: Vec<Arrow> = serde_json::from_str(&text).unwrap();
    assert_eq!(arrows, recorded, "{name}");
}

/// Proves S2-05, S2-06, S2-07, S2-08, S2-10.
#[test]
fn figure_1_a_host_attaches_for_the_first_time() {
    for mode in CmdMode::ALL {
        let mut play = Play::with_database(mode);
        let arrows = play.comes_to(1);
        // Whatever the mode: the same arrows, in the same words.
        let expected = vec![
            (0, "MN → MAAR1 RS"),
            (0, "MAAR1 → CMD PBU"),
            (10, "CMD → MAAR1 PBA"),
            (20, "MAAR1 → MN RA"),
        ];
        assert_figure("figure_1_first_attachment", &arrows, expected);
        let local = Path::Local { link: link(1, 1) };
        let table: Vec<_> = play.nodes[0].table.values().collect();
        assert_eq!(table, [&local]);
    }
}

/// A host that was at the first gateway comes to the second, with these arrows.
fn moves(mut play: Play, name: &str, expected: Vec<(u64, &str)>) -> (Play, Vec<Arrow>) {
    play.comes_to(1);
    let arrows = play.comes_to(2);
    assert_figure(name, &arrows, expected);
    play.assert_routed(1, 2);
    (play, arrows)
}

/// Proves S2-12, S2-13, S2-14, S2-15, S2-16, S2-17.
#[test]
fn figure_2_the_database_relays() {
    let expected = vec![
        (0, "MN → MAAR2 RS"),
        (0, "MAAR2 → CMD PBU"),
        (10, "CMD → MAAR1 PBU*"),
        (20, "MAAR1 → CMD PBA*"),
        (30, "CMD → MAAR2 PBA*"),
        (40, "MAAR2 → MN RA"),
        (40, "MAAR2 → MN RA as MAAR1"),
    ];
    let play = Play::with_database(CmdMode::Relay);
    let (mut play, _) = moves(play, "figure_2_relay", expected);
    // At the next gateway both are told, and answered for in one.
    let arrows = play.comes_to(3);
    let expected = vec![
        (0, "MN → MAAR3 RS"),
        (0, "MAAR3 → CMD PBU"),
        (10, "CMD → MAAR1 PBU*"),
        (10, "CMD → MAAR2 PBU*"),
        (20, "MAAR1 → CMD PBA*"),
        (20, "MAAR2 → CMD PBA*"),
        (30, "CMD → MAAR3 PBA*"),
        (40, "MAAR3 → MN RA"),
        (40, "MAAR3 → MN RA as MAAR1"),
        (40, "MAAR3 → MN RA as MAAR2"),
    ];
    assert_figure("figure_2_relay_again", &arrows, expected);
    play.assert_routed(1, 3);
    play.assert_routed(2, 3);
}

/// Proves S2-22, S2-23, S2-24.
#[test]
fn figure_3_the_database_locates() {
    let expected = vec![
        (0, "MN → MAAR2 RS"),
        (0, "MAAR2 → CMD PBU"),
        (10, "CMD → MAAR1 PBU*"),
        (20, "MAAR1 → MAAR2 PBA"),
        (20, "MAAR1 → CMD PBA*"),
        (30, "MAAR2 → MN RA"),
        (30, "MAAR2 → MN RA as MAAR1"),
    ];
    let play = Play::with_database(CmdMode::Locator);
    moves(play, "figure_3_locator", expected);
}

/// Proves S2-25, S2-26.
#[test]
fn figure_4_the_database_answers_for_others() {
    let expected = vec![
        (0, "MN → MAAR2 RS"),
        (0, "MAAR2 → CMD PBU"),
        (10, "CMD → MAAR1 PBU*"),
        (10, "CMD → MAAR2 PBA*"),
        (20, "MAAR1 → CMD PBA*"),
        (20, "MAAR2 → MN RA"),
        (20, "MAAR2 → MN RA as MAAR1"),
    ];
    let play = Play::with_database(CmdMode::Proxy);
    moves(play, "figure_4_proxy", expected);
}

/// The updates go to the address that an anchor has in its prefix, and are answered from its own.
///
/// Proves S2-49, S2-51, S2-52, S2-53.
#[test]
fn figure_6_the_host_is_asked() {
    let expected = vec![
        (0, "MN → MAAR2 RS"),
        (0, "MAAR2 → MN NI Query"),
        (0, "MN → MAAR2 NI Reply"),
        (0, "MAAR2 → MAAR1 PBU"),
        (10, "MAAR1 → MAAR2 PBA"),
        (20, "MAAR2 → MN RA"),
        (20, "MAAR2 → MN RA as MAAR1"),
    ];
    let (_, arrows) = moves(Play::without(), "figure_6_node_information", expected);
    let of = |what: &str| arrows.iter().find(|it| it.what == what).expect("an arrow");
    let to = of("PBU").says[1].as_str().expect("an address");
    assert!(pool(1).contains(ip(to)), "{to}");
    assert_eq!(of("PBA").says[0], maar_address(1));
}
