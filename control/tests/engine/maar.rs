//! A MAAR with a database, which the test plays, as it plays the host and what comes over a tunnel.
//!
//! ```text
//!   end CORE: the database, another MAAR ── core ── MAAR 1 ── access ── end MN: the host
//! ```

use crate::bytes::{ip, mh_packet, packet, Seen};
use crate::host::{echo, Host};
use crate::story::{CAPACITY, CORE, MN, ROUTER_MAC};
use crate::world::{begin, port_mac, Member, Node, World};
use control::gateway::Gateway;
use roles::maar::{NodeState, NodeView};
use roles::BoundPrefix;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::ipv6::next_header;
use wire::mh::*;
use wire::nd::{NdMessage, NdOption};

const MAAR: &str = "2001:db8:c::21";
const OTHER: &str = "2001:db8:c::22";
const CMD: &str = "2001:db8:c::2c";

/// A prefix that the other MAAR anchors.
const OLD: &str = "2001:db8:2200:5::/64";

fn config() -> String {
    format!(
        r#"
[gateway]
name = "maar"
[workers]
cores = [0]
[[port]]
name = "core0"
device = "net_null0"
[[port]]
name = "acc0"
device = "net_null1"
[[interface]]
name = "core"
port = "core0"
kind = "core"
addresses = ["{MAAR}/64"]
[[interface]]
name = "access"
port = "acc0"
kind = "access"
router = "fe80::1"
mac = "{ROUTER_MAC}"
[error_source]
address = "{MAAR}"
[maar]
address = "{MAAR}"
cmd = "{CMD}"
policy = "policy.toml"
pools = [{{ prefix = "2001:db8:2100::/40", length = 64 }}]
unused_after = 60
[[maar.neighbour]]
address = "{OTHER}"
pools = ["2001:db8:2200::/40"]
"#
    )
}

const POLICY: &str = r#"
[[host]]
mac = "02:00:00:00:00:01"
identifier = "mn1@example.net"
"#;

struct Domain {
    world: World,
    /// The database and the other MAAR, on one end.
    core: Host,
    mn: Host,
}

/// The host is at the MAAR and has a prefix of the other one's besides.
fn served() -> Domain {
    let node = Node::new(0, &config(), POLICY, CAPACITY, begin());
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
    domain.mn.solicit_router(&mut domain.world);
    let update = domain.update();
    let old = PreviousMaar {
        address: ip(OTHER),
        prefix: OLD.parse().unwrap(),
    };
    domain.accept(&update, Some(MobilityOption::PreviousMaar(old)));
    domain.rest(2);
    assert_eq!(domain.node().unwrap().state, NodeState::Served);
    assert_eq!(domain.bound(), [OLD, &domain.own().to_string()].map(bound));
    domain
}

fn bound(prefix: &str) -> BoundPrefix {
    BoundPrefix::V6(prefix.parse().unwrap())
}

impl Domain {
    /// Time passes, in which everybody answers who is asked; what mobility messages came to the core.
    fn rest(&mut self, seconds: u32) -> Vec<Message> {
        let mut heard = self.core.live(&mut self.world);
        for _ in 0..seconds {
            self.world.pass(Duration::from_secs(1));
            self.mn.live(&mut self.world);
            heard.extend(self.core.live(&mut self.world));
        }
        heard.iter().filter_map(Seen::mh).collect()
    }

    /// The update that the MAAR sends next.
    fn update(&mut self) -> BindingUpdate {
        let heard = self.rest(1);
        let mut updates = heard.into_iter().filter_map(|message| match message {
            Message::BindingUpdate(update) => Some(update),
            _ => None,
        });
        updates.next().expect("an update")
    }

    /// The database says something to the MAAR.
    fn tell(&mut self, message: &Message) {
        let packet = mh_packet(ip(CMD), ip(MAAR), message);
        self.core.send_to(&mut self.world, port_mac(0, 0), &packet);
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
    fn through_the_tunnel(&mut self) {
        let to = Ipv6Addr::from_bits(ip("2001:db8:2200:5::").to_bits() | 0x77);
        let inner = echo(ip("2001:db8:100::10"), to, 128, 1);
        let outer = packet(ip(OTHER), ip(MAAR), next_header::IPV6, 64, &inner);
        self.core.send_to(&mut self.world, port_mac(0, 0), &outer);
    }

    fn node(&self) -> Option<NodeView> {
        let Gateway::Maar(maar) = self.world.nodes[0].engine.role() else {
            panic!("no MAAR");
        };
        maar.nodes(self.world.now()).next()
    }

    fn own(&self) -> HomeNetworkPrefix {
        self.node().expect("the host").prefix
    }

    /// What the tables hold, old before new.
    fn bound(&self) -> Vec<BoundPrefix> {
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

/// Numbers and outcomes of revocation acknowledgements.
fn answered(heard: &[Message]) -> Vec<(u16, RevocationStatus)> {
    let answers = heard.iter().filter_map(|message| match message {
        Message::RevocationAcknowledgement(answer) => Some((answer.sequence, answer.status)),
        _ => None,
    });
    answers.collect()
}
