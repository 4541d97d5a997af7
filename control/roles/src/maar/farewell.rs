//! The end of a session where there is no database: each anchor of the host is told that its prefix is no
//! longer needed, until it answers.

use super::counters::MaarCounter;
use super::node::{timer, Node};
use super::update::Subject;
use super::Maar;
use crate::backoff::RateLimit;
use crate::effect::Effect;
use crate::event::NodeTimer;
use crate::outstanding::Update;
use crate::Now;
use std::net::Ipv6Addr;
use wire::mh::{HandoffIndicator, HomeNetworkPrefix, Lifetime, MnIdentifier};

/// An anchor that is told that its prefix is no longer needed, after the end of a session.
#[derive(Clone, Debug)]
pub(super) struct Farewell {
    anchor: Ipv6Addr,
    update: Update,
    rate: RateLimit,
}

impl Maar {
    /// The session of a host ends here: its anchors are told, once its prefixes are led here no longer.
    pub(super) fn part(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        anchors: Vec<(HomeNetworkPrefix, Ipv6Addr, RateLimit)>,
        effects: &mut Vec<Effect>,
    ) {
        for (prefix, anchor, rate) in anchors {
            if self.farewells.len() >= self.core.config.capacity {
                self.count(MaarCounter::DeregistrationsGivenUp);
                continue;
            }
            let unknown = HandoffIndicator::UNKNOWN;
            let farewell = Farewell {
                anchor,
                update: self.core.fresh(unknown, Lifetime::ZERO, prefix),
                rate,
            };
            self.count(MaarCounter::FarewellsSent);
            self.farewells.insert((host.clone(), prefix), farewell);
            self.say_farewell(now, host, prefix, effects);
        }
    }

    pub(super) fn say_farewell(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        prefix: HomeNetworkPrefix,
        effects: &mut Vec<Effect>,
    ) {
        let most = self.core.config.deregistration_transmissions;
        let key = (host.clone(), prefix);
        let Some(farewell) = self.farewells.get_mut(&key) else {
            return;
        };
        if farewell.update.transmissions >= most {
            self.farewells.remove(&key);
            return self.count(MaarCounter::DeregistrationsGivenUp);
        }
        let subject = Subject {
            mn_identifier: host,
            link: None,
            what: NodeTimer::Anchor { prefix },
            to: Some(farewell.anchor),
            came: None,
        };
        let Farewell { rate, update, .. } = farewell;
        self.core.send(now, &subject, rate, update, effects);
    }

    /// Whether an answer is to one of them.
    pub(super) fn farewell_answered(
        &mut self,
        from: Ipv6Addr,
        host: &MnIdentifier,
        sequence: u16,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let of_host = self.farewells_of(host);
        let answered = of_host.into_iter().find(|prefix| {
            let farewell = self.farewells.get(&(host.clone(), *prefix));
            farewell.is_some_and(|it| {
                (it.anchor == from || Some(it.anchor) == self.constructed(*prefix))
                    && it.update.transmission(sequence).is_some()
            })
        });
        let Some(prefix) = answered else {
            return false;
        };
        self.farewells.remove(&(host.clone(), prefix));
        let timer = timer(host, NodeTimer::Anchor { prefix });
        effects.push(Effect::CancelTimer { timer });
        self.count(MaarCounter::Deregistered);
        true
    }

    /// A host has come back before its anchors had all answered that it was gone.
    pub(super) fn forget_farewells(&mut self, host: &MnIdentifier, effects: &mut Vec<Effect>) {
        for prefix in self.farewells_of(host) {
            self.farewells.remove(&(host.clone(), prefix));
            let timer = timer(host, NodeTimer::Anchor { prefix });
            effects.push(Effect::CancelTimer { timer });
        }
    }

    fn farewells_of(&self, host: &MnIdentifier) -> Vec<HomeNetworkPrefix> {
        let first = (host.clone(), HomeNetworkPrefix::REQUEST);
        let of_host = self.farewells.range(first..);
        let of_host = of_host.take_while(|((whose, _), _)| whose == host);
        of_host.map(|((_, prefix), _)| *prefix).collect()
    }

    /// The anchors that have to hear that the session of a host ends, each with how often it has been written
    /// to of late.
    pub(super) fn anchors_of(node: &Node) -> Vec<(HomeNetworkPrefix, Ipv6Addr, RateLimit)> {
        let Some(visit) = node.visit.as_ref() else {
            return Vec::new();
        };
        let led = visit.previous.iter();
        let led = led.map(|it| (it.prefix, it.anchor, it.rate.clone()));
        let sought = visit.search.sought.iter();
        let sought = sought.map(|it| (it.prefix, it.to, it.rate.clone()));
        led.chain(sought).collect()
    }
}
