//! A session that goes from one interface of a host to another, behind another gateway, while both are on their
//! links (RFC 5213 section 5.4, RFC 5846): the interface that has lost it stays, and may talk.

use crate::revocation::{acknowledgement, indication, revoke, revoked, serving, who, SINGLE};
use crate::scenario::*;
use roles::effect::Effect;
use roles::event::{HostLink, Sign, Timer};
use roles::lma::{BindingView, Lma};
use roles::mag::{Mag, MagConfig, MagCounter};
use roles::policy::Profile;
use roles::{Event, Role};
use std::collections::VecDeque;
use std::net::Ipv6Addr;
use wire::mh::*;

const BETWEEN: HandoffIndicator = HandoffIndicator::BETWEEN_INTERFACES;

/// An anchor, and two gateways with an interface of `mn` each. Messages arrive at once, policy answers at once,
/// and each interface is on its link and answers whoever asks.
struct Domain {
    lma: Lma,
    mags: [Mag; 2],
}

const ADDRESSES: [&str; 2] = [MAG1, MAG2];

/// The link of each interface at its gateway.
fn interface(which: usize) -> HostLink {
    link(0, [1, 2][which])
}

impl Domain {
    /// Both interfaces are registered, the second beside the first.
    fn new() -> Self {
        let mags = [(MAG1, 1), (MAG2, 2)];
        let mut domain = Self {
            lma: lma(),
            mags: mags.map(|(address, seed)| Mag::new(MagConfig::new(ip(address), 10, seed))),
        };
        for which in [0, 1] {
            domain.tell(100, which, solicits(interface(which)));
        }
        assert_eq!(domain.places(), [(ip(MAG1), 1), (ip(MAG2), 1)]);
        domain
    }

    /// What an event at a gateway makes it and all others do; returns what the first gateway did.
    fn tell(&mut self, ms: u64, gateway: usize, event: Event) -> Vec<Effect> {
        self.run(ms, VecDeque::from([(ip(ADDRESSES[gateway]), event)]))
    }

    fn run(&mut self, ms: u64, mut agenda: VecDeque<(Ipv6Addr, Event)>) -> Vec<Effect> {
        let mut first = Vec::new();
        while let Some((at, event)) = agenda.pop_front() {
            let which = ADDRESSES.iter().position(|address| ip(address) == at);
            let role: &mut dyn Role = match which {
                Some(which) => &mut self.mags[which],
                None => &mut self.lma,
            };
            let mut effects = Vec::new();
            role.on(crate::scenario::at(ms), &event, &mut effects);
            for effect in &effects {
                agenda.extend(follows(at, effect));
            }
            if which == Some(0) {
                first.extend(effects);
            }
        }
        first
    }

    fn bindings(&self) -> Vec<BindingView> {
        self.lma.bindings(at(10_000)).collect()
    }

    /// The gateway of each session, and how many prefixes it has.
    fn places(&self) -> Vec<(Ipv6Addr, usize)> {
        let views = self.bindings().into_iter();
        views.map(|it| (it.care_of, it.prefixes.len())).collect()
    }

    /// The session of the first interface goes to the second; returns what the first gateway did.
    fn hand_over(&mut self, ms: u64) -> Vec<Effect> {
        let link = interface(1);
        let prefixes = self.bindings()[0].prefixes.clone();
        let effects = self.tell(ms, 1, Event::TakeOver { link, prefixes });
        assert_eq!(self.places(), [(ip(MAG2), 2)]);
        effects
    }
}

/// What comes of an effect, and where.
fn follows(from: Ipv6Addr, effect: &Effect) -> Option<(Ipv6Addr, Event)> {
    match effect {
        Effect::Send { from, to, message } => {
            let (from, to, message) = (*from, *to, message.clone());
            Some((to, Event::Message { from, to, message }))
        }
        Effect::Authenticate { link } => {
            let profile = Profile {
                simultaneous: *link == interface(1),
                ..profile("mn")
            };
            Some((from, admitted(*link, profile)))
        }
        Effect::Probe { link, address } => {
            let (link, source) = (*link, *address);
            let sign = Sign::Packet { source };
            Some((from, Event::HostSeen { link, sign }))
        }
        _ => None,
    }
}

/// The interface that has lost its session is not asked for, is told that it has no prefix, and is left alone when it
/// sends packets. Once it solicits it has a session of its own, and the other stays where it is.
///
/// Proves S1-20.
#[test]
fn packets_of_the_former_interface_do_not_bring_it_back() {
    let mut domain = Domain::new();
    let effects = domain.hand_over(2000);
    let withdrawn = advertisements(&effects);
    let [(_, _, advertisement)] = withdrawn[..] else {
        panic!("not one advertisement: {effects:?}");
    };
    assert_eq!(advertisement.router_lifetime, 0);
    assert!(advertisement.prefixes.iter().all(|it| it.valid == 0));
    let asked = |it: &Effect| matches!(it, Effect::Probe { .. });
    assert_eq!(position(&effects, asked), None);
    assert_eq!(domain.mags[0].sessions(), 0);
    let handed_over = domain.bindings();
    let link = interface(0);
    let address = ip(HOST_LINK_LOCAL);
    for (ms, sign) in [
        (2001, Sign::Packet { source: address }),
        (2500, Sign::Probe { target: address }),
        (9000, Sign::Packet { source: address }),
    ] {
        let event = Event::HostSeen { link, sign };
        assert_eq!(domain.tell(ms, 0, event), [], "{sign:?}");
    }
    assert_eq!(domain.mags[0].counter(MagCounter::SignsWhileRefused), 3);
    assert_eq!(domain.bindings(), handed_over);
    // It may be the host that has changed its interface: the anchor waits whether the other goes.
    domain.tell(9100, 0, solicits(link));
    assert_eq!(domain.places(), [(ip(MAG2), 2)]);
    let timer = Timer::AssignWait { session: 1 };
    domain.run(10_600, VecDeque::from([(ip(LMA), Event::Timer { timer })]));
    assert_eq!(domain.places(), [(ip(MAG2), 2), (ip(MAG1), 1)]);
    assert_eq!(domain.bindings()[0].prefixes, handed_over[0].prefixes);
    assert_eq!(domain.mags[0].sessions(), 1);
}

/// Whatever its gateway says of the former interface that is not a handover between interfaces, the session does not go
/// back to it.
///
/// Proves S1-20.
#[test]
fn updates_for_the_former_interface_do_not_take_the_session_back() {
    for handoff in [1, 3, 4, 5].map(HandoffIndicator) {
        for named in [true, false] {
            let mut lma = lma();
            let had = given(&tell(&mut lma, 1000, pbu("mn", 1000).event()));
            let other = pbu("mn", 2000).from(MAG2).interface(2).handoff(BETWEEN);
            assert_eq!(given(&tell(&mut lma, 2000, other.event())), had);
            let before: Vec<BindingView> = lma.bindings(at(2000)).collect();
            let late = pbu("mn", 2100).handoff(handoff);
            let late = match named {
                true => late.with(MobilityOption::HomeNetworkPrefix(had)),
                false => late,
            };
            let effects = tell(&mut lma, 2100, late.event());
            if named {
                let why = if handoff == HandoffIndicator::NOT_CHANGED {
                    129
                } else {
                    155
                };
                assert_eq!(status(&effects), Status(why), "{handoff:?}");
            }
            fire(&mut lma, 3600, Timer::AssignWait { session: 1 });
            let after: Vec<BindingView> = lma.bindings(at(2000)).collect();
            let waited = BindingView {
                waited_for: after[0].waited_for,
                ..before[0].clone()
            };
            assert_eq!(after[0], waited, "{handoff:?}, {named}");
            assert_eq!(after.len(), if named { 1 } else { 2 }, "{handoff:?}");
        }
    }
}

/// The indication says that the session went to another interface, and only then.
#[test]
fn the_former_gateway_is_told_that_it_went_to_another_interface() {
    for handoff in [BETWEEN, HandoffIndicator::UNKNOWN] {
        let mut lma = lma();
        tell(&mut lma, 1000, pbu("mn", 1000).event());
        let update = pbu("mn", 2000).from(MAG2).handoff(handoff);
        let effects = tell(&mut lma, 2000, update.event());
        let (to, indication) = indication(&effects);
        assert_eq!(to, ip(MAG1));
        let between = (handoff == BETWEEN).then_some(BETWEEN);
        assert_eq!(handoff_of(&indication.options), between);
    }
}

/// To come up anew on its link does not keep a session for an interface, to be handed it back does.
#[test]
fn a_session_that_is_handed_back_is_not_taken_by_what_was_said_before() {
    let handover = || {
        let known = MobilityOption::Timestamp(stamp(1000));
        let between = MobilityOption::HandoffIndicator(BETWEEN);
        revoke(2, SINGLE, vec![who("mn"), known, between])
    };
    let link = link(1, 1);
    let mut mag = serving();
    tell(&mut mag, 6000, solicits(link));
    let effects = revoked(&mut mag, 6010, handover());
    let answer = sent(&effects)
        .into_iter()
        .find_map(|(_, _, message)| match message {
            Message::RevocationAcknowledgement(answer) => Some(answer.status),
            _ => None,
        });
    assert_eq!(answer, Some(RevocationStatus::SUCCESS));
    assert_eq!(mag.sessions(), 0);
    let mut mag = serving();
    let prefixes = Vec::new();
    tell(&mut mag, 6000, Event::TakeOver { link, prefixes });
    let effects = revoked(&mut mag, 6010, handover());
    assert_eq!(acknowledgement(&effects).status, RevocationStatus::ATTACHED);
    assert_eq!(mag.sessions(), 1);
}
