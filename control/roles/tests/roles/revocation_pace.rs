//! What is revoked at many peers, or of many hosts, leaves at a pace: in no burst, and nothing of it is lost
//! (RFC 8885 sections 3.2 and 3.6; of a database, see `cmd_leave`).

use crate::alone_messages::{from_gateway, straight, updates};
use crate::alone_scenario::{alone, Known};
use crate::maar_scenario::{anchored, maar_address};
use crate::scenario::*;
use roles::effect::Effect;
use roles::event::{Found, RevocationScope, Timer};
use roles::lma::{Lma, LmaConfig, LmaCounter};
use roles::maar::{Backend, Maar, MaarCounter};
use roles::{Event, Role};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use wire::mh::*;

/// Indications a second, and at once.
const RATE: u32 = 100;
const BURST: u32 = 3;

/// Indications that effects send: to whom, with their numbers.
fn indications(effects: &[Effect]) -> Vec<(Ipv6Addr, u16)> {
    let all = sent(effects).into_iter();
    let all = all.filter_map(|(_, to, message)| match message {
        Message::RevocationIndication(it) => Some((to, it.sequence)),
        _ => None,
    });
    all.collect()
}

/// The timers of indications, and when each is due.
#[derive(Default)]
struct Waiting(BTreeMap<Timer, u64>);

impl Waiting {
    fn note(&mut self, ms: u64, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::SetTimer { timer, after } if matches!(timer, Timer::Revocation { .. }) => {
                    let after = u64::try_from(after.as_millis()).unwrap();
                    self.0.insert(timer.clone(), ms + after);
                }
                Effect::CancelTimer { timer } => {
                    self.0.remove(timer);
                }
                _ => {}
            }
        }
    }

    /// Lets all of them run out, each when it is due; what went out then, and when.
    fn run(&mut self, role: &mut impl Role) -> Vec<(u64, Ipv6Addr)> {
        let mut gone = Vec::new();
        while let Some((timer, &due)) = self.0.iter().min_by_key(|(_, due)| **due) {
            let timer = timer.clone();
            self.0.remove(&timer);
            let effects = fire(role, due, timer);
            gone.extend(indications(&effects).iter().map(|(to, _)| (due, *to)));
            self.note(due, &effects);
        }
        gone
    }
}

/// No more than the burst goes at once, and no more than that and the rate in any time.
fn assert_paced(gone: &[(u64, Ipv6Addr)]) {
    for (first, (from, _)) in gone.iter().enumerate() {
        for (last, (until, _)) in gone.iter().enumerate().skip(first) {
            let most = u64::from(BURST) + (until - from) * u64::from(RATE) / 1000;
            let went = (last - first + 1) as u64;
            assert!(went <= most, "{went} from {from} until {until}");
        }
    }
}

/// The operator revokes everything that an anchor has with forty gateways, of which none answers.
///
/// Proves S1-19.
#[test]
fn an_anchor_that_revokes_everything_sends_no_burst() {
    const GATEWAYS: u16 = 40;
    let mut config = LmaConfig::new(ip(LMA), pools(), 100);
    config.revocation.pacing_rate = RATE;
    config.revocation.pacing_burst = BURST;
    let mut lma = Lma::new(config);
    let gateway = |n: u16| Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 7, n);
    let mut policy = policy();
    policy.mags = (1..=GATEWAYS).map(gateway).collect();
    tell(&mut lma, 0, Event::Policy { policy });
    for n in 1..=GATEWAYS {
        let mut update = pbu(&format!("mn{n}"), 1_000).event();
        if let Event::Message { from, .. } = &mut update {
            *from = gateway(n);
        }
        assert!(status(&tell(&mut lma, 1_000, update)).is_accepted());
    }
    let scope = RevocationScope::All;
    let effects = tell(&mut lma, 5_000, Event::Revoke { scope });
    // All of it has ended, whoever knows yet.
    assert_eq!(lma.sessions(), 0);
    let at_once = indications(&effects);
    assert_eq!(at_once.len() as u32, BURST);
    assert_eq!(lma.counter(LmaCounter::RevocationsSent), u64::from(BURST));
    let waits = u64::from(GATEWAYS) - u64::from(BURST);
    assert_eq!(lma.counter(LmaCounter::RevocationsPaced), waits);
    let mut waiting = Waiting::default();
    waiting.note(5_000, &effects);
    assert_eq!(waiting.0.len(), usize::from(GATEWAYS));

    // Nobody has answered what has not gone out.
    let unsent = waiting.0.keys().find_map(|timer| match timer {
        Timer::Revocation { sequence } => {
            let out = at_once.iter().any(|(_, sent)| sent == sequence);
            (!out).then_some(*sequence)
        }
        _ => None,
    });
    for n in 1..=GATEWAYS {
        let answer = Message::RevocationAcknowledgement(RevocationAcknowledgement {
            status: RevocationStatus::SUCCESS,
            sequence: unsent.expect("one that waits"),
            flags: RevocationFlags(0xa000),
            options: Vec::new(),
        });
        let event = message_event(&gateway(n).to_string(), LMA, answer);
        let effects = tell(&mut lma, 5_000, event);
        let reason = ignored_because(&effects);
        assert_eq!(reason, Some("unexpected_revocation_answer"));
    }

    let mut gone: Vec<_> = at_once.iter().map(|(to, _)| (5_000, *to)).collect();
    gone.extend(waiting.run(&mut lma));
    assert_paced(&gone);
    // Each was told, and again for want of an answer.
    for n in 1..=GATEWAYS {
        let told = gone.iter().filter(|(_, to)| *to == gateway(n));
        assert_eq!(told.count(), 2, "{n}");
    }
    let count = |counter| lma.counter(counter);
    let all = u64::from(GATEWAYS);
    assert_eq!(count(LmaCounter::RevocationsSent), all);
    assert_eq!(count(LmaCounter::RevocationsRetransmitted), all);
    assert_eq!(count(LmaCounter::RevocationsGivenUp), all);
}

/// Thirty hosts go on together from one gateway to another: their anchor answers the new one at once, and tells
/// the old one at its pace, which its own updates to anchors share. A host that is back with the old one before
/// that was told is not spoken of there.
#[test]
fn an_anchor_of_many_hosts_that_move_sends_no_burst() {
    const HOSTS: u8 = 30;
    let mut config = alone(1, 3, Backend::Asked, Known::ByPrefix);
    (config.pacing_rate, config.pacing_burst) = (RATE, BURST);
    let mut maar = Maar::new(config);
    let name = |host: u8| format!("mn{host:02}");
    for host in 1..=HOSTS {
        tell(&mut maar, 1_000, solicits(link(1, host)));
        let admitted = admitted(link(1, host), profile(&name(host)));
        tell(&mut maar, 1_000, admitted);
    }
    let goes_to = |maar: &mut Maar, host: u8, n: u16, came: u64| {
        let mut nodes = maar.nodes(at(came));
        let node = nodes.find(|it| it.mn_identifier == nai(&name(host)));
        let node = node.expect("a host");
        drop(nodes);
        let update = straight(maar, came, |update| {
            update.options[0] = MobilityOption::MnIdentifier(node.mn_identifier);
            update.options[1] = MobilityOption::HomeNetworkPrefix(node.prefix);
        });
        tell(maar, came, from_gateway(n, update))
    };
    for host in 1..=HOSTS {
        let effects = goes_to(&mut maar, host, 2, 2_000);
        assert_eq!(indications(&effects), []);
    }
    // One that comes here takes the first of the three that may go at once.
    let newcomer = link(1, 99);
    tell(&mut maar, 5_000, solicits(newcomer));
    tell(&mut maar, 5_000, admitted(newcomer, profile("new")));
    let found = Found::Prefixes(vec![anchored(2)]);
    let link = newcomer;
    let effects = tell(&mut maar, 5_000, Event::AnchorsFound { link, found });
    assert_eq!(updates(&effects).len(), 1);

    let mut waiting = Waiting::default();
    let mut gone = Vec::new();
    for host in 1..=HOSTS {
        let effects = goes_to(&mut maar, host, 3, 5_000);
        let answered = sent(&effects);
        let answered = answered.iter().filter(|(_, to, message)| {
            let accepted =
                matches!(message, Message::BindingAcknowledgement(it) if it.status.is_accepted());
            accepted && *to == ip(&maar_address(3))
        });
        assert_eq!(answered.count(), 1);
        gone.extend(indications(&effects).iter().map(|(to, _)| (5_000, *to)));
        waiting.note(5_000, &effects);
    }
    assert_eq!(gone.len() as u32, BURST - 1);
    let paced = u64::from(HOSTS) - u64::from(BURST - 1);
    assert_eq!(maar.counter(MaarCounter::UpdatesPaced), paced);
    // The last of them is back before its turn.
    let before = waiting.0.len();
    let effects = goes_to(&mut maar, HOSTS, 2, 5_001);
    waiting.note(5_001, &effects);
    assert_eq!(
        waiting.0.len(),
        before,
        "one less to the old, one to the new"
    );
    let once_more = indications(&effects);
    assert_eq!(once_more, []);

    gone.extend(waiting.run(&mut maar));
    assert_paced(&gone);
    let to = |n: u16| {
        let told = gone.iter().filter(|(_, to)| *to == ip(&maar_address(n)));
        told.count() as u64
    };
    let (sent, again) = (
        maar.counter(MaarCounter::RevocationsSent),
        maar.counter(MaarCounter::RevocationsRetransmitted),
    );
    assert_eq!(sent, u64::from(HOSTS));
    let each = 1 + again / u64::from(HOSTS);
    assert_eq!((to(2), to(3)), ((u64::from(HOSTS) - 1) * each, each));
    assert_eq!(maar.counter(MaarCounter::RevocationsGivenUp), sent);
}
