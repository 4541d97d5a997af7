//! Policy that changes while many hosts are attached.

use crate::configuration;
use crate::world::{begin, Member, Node, World};
use control::gateway::Gateway;
use control::policy::{AccessPolicy, Answer};
use dataplane::tables::Capacity;
use roles::event::{HostLink, Sign};
use roles::mag::VisitorState;
use roles::Event;
use wire::ether::MacAddr;

/// Hosts of the test: far more than policy is asked about at once.
const HOSTS: u16 = 700;

/// A policy that lets nobody attach.
struct Nobody;

impl AccessPolicy for Nobody {
    fn authenticate(&mut self, _: HostLink, _: Option<&control::aaa::Grant>) -> Answer {
        Answer::Now(None)
    }
}

/// Proves S1-23, S1-24.
#[test]
fn every_host_is_looked_at_anew_however_many_there_are() {
    let capacity = Capacity {
        bindings: 1_024,
        tunnels: 16,
        adjacencies: 2_048,
    };
    let policy = "[default]\nidentifier = \"{mac}@example.net\"\nlma = \"2001:db8:c::1\"\n";
    let config = configuration::mag("2001:db8:c::11");
    let node = Node::new(1, &config, policy, capacity, begin());
    let wires = vec![vec![Member::Port(0, 0), Member::End(0)]];
    let mut world = World::new(vec![node], wires, 1);
    let attaching = |world: &World| match world.nodes[0].engine.role() {
        Gateway::Mag(mag) => {
            let visitors = mag.visitors(world.now());
            visitors
                .filter(|it| it.state == VisitorState::Registering)
                .count()
        }
        _ => unreachable!("it is an access gateway"),
    };
    for host in 0..HOSTS {
        let [high, low] = host.to_be_bytes();
        let link = HostLink {
            interface: 1,
            mac: MacAddr([2, 0, 0, 1, high, low]),
        };
        let sign = Sign::Operator;
        let now = world.now();
        world.nodes[0]
            .engine
            .deliver(now, Event::HostSeen { link, sign });
    }
    assert_eq!(attaching(&world), usize::from(HOSTS));
    let now = world.now();
    world.nodes[0]
        .engine
        .set_access_policy(now, Box::new(Nobody));
    world.settle();
    assert_eq!(attaching(&world), 0);
}
