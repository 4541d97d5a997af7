//! A MAAR with a database, which the test plays, as it plays the host and what comes over a tunnel.
//!
//! ```text
//!   end CORE: the database, another MAAR ── core ── MAAR 1 ── access ── end MN: the host
//! ```

use crate::bytes::{ip, mh_packet, packet, Seen};
use crate::configuration::{maar_with_database, MAAR_POLICY};
use crate::host::{echo, Host};
use crate::story::{CAPACITY, CORE, MN};
use crate::world::{begin, port_mac, Member, Node, World};
use control::gateway::Gateway;
use roles::maar::{NodeState, NodeView};
use roles::{BoundPrefix, PeerState};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::ipv6::next_header;
use wire::mh::*;
use wire::nd::{NdMessage, NdOption};

const MAAR: &str = "2001:db8:c::21";
pub const OTHER: &str = "2001:db8:c::22";
const CMD: &str = "2001:db8:c::2c";

/// A prefix that the other MAAR anchors.
pub const OLD: &str = "2001:db8:2200:5::/64";

pub struct Domain {
    pub world: World,
    /// The database and the other MAAR, on one end.
    pub core: Host,
    pub mn: Host,
}

/// A MAAR without hosts.
pub fn domain() -> Domain {
    let node = Node::new(0, &maar_with_database(), MAAR_POLICY, CAPACITY, begin());
    let wires = vec![
        vec![Member::Port(0, 0), Member::End(CORE)],
        vec![Member::Port(0, 1), Member::End(MN)],
    ];
    let world = World::new(vec![node], wires, 3);
    let mut core = Host::new(CORE, 0x2c);
    core.addresses.extend([ip(CMD), ip(OTHER)]);
    let mn = Host::new(MN, 1);
    let mut domain = Domain { world, core, mn };
    domain.rest(3);
    domain
}

/// The host is at the MAAR and has a prefix of the other one's besides.
fn served() -> Domain {
    let mut domain = domain();
    domain.mn.solicit_router(&mut domain.world);
    domain.serve();
    assert_eq!(domain.node().unwrap().state, NodeState::Served);
    assert_eq!(domain.bound(), [OLD, &domain.own().to_string()].map(bound));
    domain
}

fn bound(prefix: &str) -> BoundPrefix {
    BoundPrefix::V6(prefix.parse().unwrap())
}

impl Domain {
    /// Time passes, in which everybody answers who is asked; what mobility messages came to the core, but for
    /// heartbeats.
    pub fn rest(&mut self, seconds: u32) -> Vec<Message> {
        let mut heard = self.hear(seconds);
        heard.retain(|message| !matches!(message, Message::Heartbeat(_)));
        heard
    }

    /// The same with heartbeats.
    fn hear(&mut self, seconds: u32) -> Vec<Message> {
        let mut heard = self.core.live(&mut self.world);
        for _ in 0..seconds {
            self.world.pass(Duration::from_secs(1));
            self.mn.live(&mut self.world);
            heard.extend(self.core.live(&mut self.world));
        }
        heard.iter().filter_map(Seen::mh).collect()
    }

    /// The update that the MAAR sends next.
    pub fn update(&mut self) -> BindingUpdate {
        let heard = self.rest(1);
        let mut updates = heard.into_iter().filter_map(|message| match message {
            Message::BindingUpdate(update) => Some(update),
            _ => None,
        });
        updates.next().expect("an update")
    }

    /// The database says something to the MAAR.
    pub fn tell(&mut self, message: &Message) {
        let packet = mh_packet(ip(CMD), ip(MAAR), message);
        self.core.send_to(&mut self.world, port_mac(0, 0), &packet);
    }

    /// The database accepts the host, and tells of its prefix of the other MAAR.
    pub fn serve(&mut self) {
        let update = self.update();
        let old = PreviousMaar {
            address: ip(OTHER),
            prefix: OLD.parse().unwrap(),
        };
        self.accept(&update, Some(MobilityOption::PreviousMaar(old)));
        self.rest(2);
    }

    fn accept(&mut self, update: &BindingUpdate, more: Option<MobilityOption>) {
        let mut options = update.options.clone();
        options.retain(|option| {
            !matches!(
                option,
                MobilityOption::DlifLinkLocalAddress(_) | MobilityOption::DlifLinkLayerAddress(_)
            )
        });
        options.extend(more);
        self.tell(&Message::BindingAcknowledgement(BindingAcknowledgement {
            status: Status::ACCEPTED,
            flags: AcknowledgementFlags::PROXY.with(AcknowledgementFlags::DISTRIBUTED),
            sequence: update.sequence,
            lifetime: update.lifetime,
            options,
        }));
    }

    /// A correspondent's packet for the old prefix comes through the tunnel.
    pub fn through_the_tunnel(&mut self) {
        let to = Ipv6Addr::from_bits(ip("2001:db8:2200:5::").to_bits() | 0x77);
        let inner = echo(ip("2001:db8:100::10"), to, 128, 1);
        let outer = packet(ip(OTHER), ip(MAAR), next_header::IPV6, 64, &inner);
        self.core.send_to(&mut self.world, port_mac(0, 0), &outer);
    }

    pub fn node(&self) -> Option<NodeView> {
        let Gateway::Maar(maar) = self.world.nodes[0].engine.role() else {
            panic!("no MAAR");
        };
        maar.nodes(self.world.now()).next()
    }

    pub fn own(&self) -> HomeNetworkPrefix {
        self.node().expect("the host").prefix
    }

    /// What the tables hold, old before new.
    pub fn bound(&self) -> Vec<BoundPrefix> {
        let node = self.node();
        let previous = node.iter().flat_map(|node| &node.previous);
        let mut known: Vec<_> = previous.map(|it| it.prefix.into()).collect();
        known.extend(node.iter().map(|node| BoundPrefix::V6(node.prefix)));
        let bindings = self.world.nodes[0].engine.writer().bindings_len();
        assert_eq!(known.len(), bindings, "the role and the tables agree");
        known
    }

    fn counted(&self, name: &str) -> u64 {
        let Gateway::Maar(maar) = self.world.nodes[0].engine.role() else {
            panic!("no MAAR");
        };
        let found = maar.counters().find(|it| it.name == name);
        found.expect("a counter").value
    }
}

/// Valid lifetimes of a prefix in the advertisements among frames.
fn advertised(heard: &[Seen], prefix: Ipv6Addr) -> Vec<u32> {
    let options = heard.iter().filter_map(Seen::nd).flat_map(|message| {
        let NdMessage::RouterAdvertisement(advertisement) = message else {
            return Vec::new();
        };
        advertisement.options
    });
    let valid = options.filter_map(|option| match option {
        NdOption::PrefixInformation(it) if it.prefix == prefix => Some(it.valid),
        _ => None,
    });
    valid.collect()
}

/// A prefix of another anchor that no packet uses is let go of by itself; one that is used is not, and
/// the session goes on on the newest.
///
/// Proves S2-19.
#[test]
fn a_prefix_that_nobody_uses_is_let_go_of() {
    let mut domain = served();
    for _ in 0..8 {
        domain.through_the_tunnel();
        let heard = domain.rest(15);
        assert!(heard.is_empty(), "it is used: {heard:?}");
    }
    // From now on nobody uses it.
    let mut heard = Vec::new();
    while heard.is_empty() && domain.counted("anchors_unused") == 0 {
        heard = domain.rest(1);
    }
    let [Message::BindingUpdate(update)] = &heard[..] else {
        panic!("one update: {heard:?}");
    };
    let old: HomeNetworkPrefix = OLD.parse().unwrap();
    assert_eq!(update.lifetime, Lifetime::ZERO);
    let named = MobilityOption::HomeNetworkPrefix(old);
    assert!(update.options.contains(&named));
    assert_eq!(domain.bound().len(), 2, "not before the database knows");
    let ended = BindingUpdate {
        lifetime: Lifetime::ZERO,
        ..update.clone()
    };
    domain.accept(&ended, None);
    let told = domain.mn.live(&mut domain.world);
    assert_eq!(advertised(&told, old.prefix).last(), Some(&0));
    assert_eq!(domain.bound(), [BoundPrefix::V6(domain.own())]);
    assert_eq!(domain.world.nodes[0].engine.writer().tunnels_len(), 0);
    assert_eq!(domain.node().unwrap().state, NodeState::Served);
    domain.world.nodes[0].check();
}

/// The database says that a prefix of another anchor has ended, and then the whole session: what the
/// tables hold of it goes, the host hears so, and the database is answered.
#[test]
fn what_the_database_revokes_is_gone_from_the_tables() {
    let mut domain = served();
    let old: HomeNetworkPrefix = OLD.parse().unwrap();
    let mut indication = RevocationIndication {
        trigger: RevocationTrigger::UNSPECIFIED,
        sequence: 5,
        flags: RevocationFlags::PROXY,
        options: vec![
            MobilityOption::MnIdentifier(MnIdentifier::Nai("mn1@example.net".to_owned())),
            MobilityOption::HomeNetworkPrefix(old),
        ],
    };
    domain.tell(&Message::RevocationIndication(indication.clone()));
    let told = domain.mn.live(&mut domain.world);
    assert_eq!(advertised(&told, old.prefix).last(), Some(&0));
    assert_eq!(domain.bound(), [BoundPrefix::V6(domain.own())]);
    assert_eq!(answered(&domain.rest(0)), [(5, RevocationStatus::SUCCESS)]);
    let own = domain.own().prefix;
    indication.trigger = RevocationTrigger::ADMINISTRATIVE;
    indication.sequence = 6;
    indication.options.truncate(1);
    domain.tell(&Message::RevocationIndication(indication.clone()));
    let told = domain.mn.live(&mut domain.world);
    assert_eq!(advertised(&told, own).last(), Some(&0));
    assert_eq!(domain.bound(), []);
    // Once more: there is nothing left to end.
    indication.sequence = 7;
    domain.tell(&Message::RevocationIndication(indication));
    let expected = [
        (6, RevocationStatus::SUCCESS),
        (7, RevocationStatus::NO_BINDING),
    ];
    assert_eq!(answered(&domain.rest(0)), expected);
    domain.world.nodes[0].check();
}

/// The database is asked whether it is there while it has hosts of ours. It answers, and then says that it has
/// lost them: it is told of the host anew.
#[test]
fn a_database_that_has_lost_its_hosts_is_told_of_them() {
    let mut domain = served();
    let mut heard = Vec::new();
    while heard.is_empty() {
        heard = domain.hear(1);
    }
    let [Message::Heartbeat(request)] = &heard[..] else {
        panic!("one heartbeat: {heard:?}");
    };
    let mut answer = Heartbeat {
        unsolicited: false,
        response: true,
        sequence: request.sequence,
        options: vec![MobilityOption::RestartCounter(1)],
    };
    domain.tell(&Message::Heartbeat(answer.clone()));
    let now = domain.world.now();
    let peers = domain.world.nodes[0].engine.role().peers(now);
    let [database] = &peers[..] else {
        panic!("one peer: {peers:?}");
    };
    assert_eq!((database.state, database.sessions), (PeerState::Up, 1));
    assert_eq!(domain.hear(5), []);
    answer.unsolicited = true;
    answer.options = vec![MobilityOption::RestartCounter(2)];
    domain.tell(&Message::Heartbeat(answer));
    let heard = domain.hear(1);
    let [Message::BindingUpdate(update)] = &heard[..] else {
        panic!("one update: {heard:?}");
    };
    let unchanged = MobilityOption::HandoffIndicator(HandoffIndicator::NOT_CHANGED);
    assert!(update.options.contains(&unchanged));
    assert_eq!(domain.counted("hosts_renewed_with_database"), 1);
}

/// Numbers and outcomes of revocation acknowledgements.
fn answered(heard: &[Message]) -> Vec<(u16, RevocationStatus)> {
    let answers = heard.iter().filter_map(|message| match message {
        Message::RevocationAcknowledgement(answer) => Some((answer.sequence, answer.status)),
        _ => None,
    });
    answers.collect()
}
