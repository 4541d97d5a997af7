use super::*;
use crate::traffic::plan::tests::plan;
use packet::memory::{Pool, Ports};
use packet::PortId;
use wire::mh::{Lifetime, RevocationAcknowledgement, RevocationStatus, UpdateFlags};
use wire::nd::{PrefixInformation, RouterAdvertisement};

const OWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
const GATEWAY: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

/// One host, with turns enough, and its two links.
struct Bed {
    hosts: Hosts,
    anchors: Side<Ports>,
    hosts_link: Side<Ports>,
}

impl Bed {
    fn new() -> Self {
        let plan = Arc::new(plan("--hosts 8").expect("a plan"));
        let pool = Pool::new(256, 2_432);
        let side = || Side::new(Ports::new(1, pool.clone()), PortId(0), OWN);
        Self {
            hosts: Hosts::new(plan, 1, (OWN, GATEWAY), 3),
            anchors: side(),
            hosts_link: side(),
        }
    }

    /// What went out on the anchor's and on the hosts' link.
    fn step(&mut self) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        self.hosts.step(&mut self.anchors, &mut self.hosts_link);
        let sent = |side: &mut Side<Ports>| side.link().0.take_sent(PortId(0));
        (sent(&mut self.anchors), sent(&mut self.hosts_link))
    }

    /// The gateway says something on the anchor's link.
    fn says(&mut self, mut message: Message) {
        let given = self.hosts.plan.given();
        let ends = (self.hosts.plan.access_gateway(0), given.anchor);
        let mut frame = Vec::new();
        assert!(write(&mut message, ends, (GATEWAY, OWN), None, &mut frame));
        assert!(AnchorsLink(&mut self.hosts).take(&frame, OWN, 0));
    }

    /// The gateway advertises the prefix of a turn.
    fn advertises(&mut self, turn: u64) {
        let prefix = self.hosts.prefix(0, turn);
        let information = PrefixInformation {
            prefix: prefix.prefix,
            length: prefix.length,
            on_link: false,
            autonomous: true,
            router_address: false,
            valid: 100,
            preferred: 100,
        };
        let message = NdMessage::RouterAdvertisement(RouterAdvertisement {
            router_lifetime: 100,
            options: vec![NdOption::PrefixInformation(information)],
            ..RouterAdvertisement::default()
        });
        let mac = visitors::mac(0);
        let router = "fe80::1".parse().expect("an address");
        let frame = neighbour::packet(&message, (GATEWAY, mac), (router, link_local(mac)));
        assert!(HostsLink(&mut self.hosts).take(&frame.expect("a frame"), OWN, 0));
    }

    fn served(&self, turn: u64) -> HashMap<usize, HomeNetworkPrefix> {
        HashMap::from([(0, self.hosts.prefix(0, turn))])
    }
}

fn message(frame: &[u8]) -> Message {
    let frame = Frame::parse(frame).expect("a frame");
    let (header, payload) = Header::split(frame.payload).expect("a packet");
    let (from, to) = (header.source.into(), header.destination.into());
    Message::parse(from, to, payload).expect("a message")
}

/// A host solicits, is registered with a prefix of its turn, and is here once it was advertised that; it is away when its
/// revocation was acknowledged, and comes back with another.
#[test]
fn a_host_comes_and_goes() {
    let mut bed = Bed::new();
    let (_, solicited) = bed.step();
    assert_eq!(solicited.len(), 1);
    assert_eq!(host_of(&identifier(0)), Some(0));
    for turn in 0..2 {
        bed.says(Message::BindingUpdate(BindingUpdate {
            sequence: 9,
            flags: UpdateFlags::PROXY,
            lifetime: Lifetime(100),
            options: vec![
                MobilityOption::MnIdentifier(MnIdentifier::Nai(identifier(0))),
                MobilityOption::HomeNetworkPrefix(HomeNetworkPrefix::REQUEST),
            ],
        }));
        let (accepted, _) = bed.step();
        let Message::BindingAcknowledgement(accepted) = message(&accepted[0]) else {
            panic!("no acknowledgement");
        };
        let given = MobilityOption::HomeNetworkPrefix(bed.hosts.prefix(0, turn));
        assert!(accepted.options.contains(&given));
        assert!(bed.hosts.bound().is_empty());
        bed.advertises(turn + 1);
        assert!(bed.hosts.bound().is_empty(), "another prefix");
        bed.advertises(turn);
        assert_eq!(
            (bed.hosts.bound(), bed.hosts.told()),
            (vec![turn], 2 * turn + 1)
        );
        let revoked = loop {
            let (sent, _) = bed.step();
            if let Some(frame) = sent.first() {
                break message(frame);
            }
        };
        let Message::RevocationIndication(revoked) = revoked else {
            panic!("no revocation");
        };
        bed.says(Message::RevocationAcknowledgement(
            RevocationAcknowledgement {
                status: RevocationStatus::SUCCESS,
                sequence: revoked.sequence,
                flags: revoked.flags,
                options: Vec::new(),
            },
        ));
        assert_eq!(
            (bed.hosts.bound(), bed.hosts.told()),
            (vec![], 2 * turn + 2)
        );
        let back = bed.served(turn);
        assert!(bed.hosts.compare(&back).is_err(), "it was gone");
        assert_eq!(bed.step().1.len(), 1, "it comes again");
    }
}

/// What was said must be so, and only that; of what was on its way either may be.
#[test]
fn what_was_said_is_compared() {
    let here = |turn| Host {
        state: State::Here,
        turn,
    };
    let mut bed = Bed::new();
    let (first, second) = (bed.served(0), bed.served(1));
    let none = HashMap::new();
    bed.hosts.hosts[0] = here(0);
    assert!(bed.hosts.compare(&none).is_err());
    assert!(bed.hosts.compare(&second).is_err());
    assert_eq!(bed.hosts.compare(&first).expect("the same"), 0);
    for (state, served, newer, after) in [
        (State::Coming, &first, 1, State::Here),
        (State::Coming, &none, 0, State::Away),
        (State::Going, &first, 0, State::Here),
        (State::Going, &none, 0, State::Away),
        (State::Away, &none, 0, State::Away),
    ] {
        bed.hosts.hosts[0] = Host { state, turn: 0 };
        assert_eq!(bed.hosts.compare(served).expect("either may be"), newer);
        assert_eq!(bed.hosts.hosts[0].state, after);
    }
    bed.hosts.hosts[0] = Host {
        state: State::Away,
        turn: 1,
    };
    assert!(bed.hosts.compare(&first).is_err());
}
