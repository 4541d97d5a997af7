//! Router Advertisements to a host: the newest prefix is preferred, those of the anchors that it came
//! by are deprecated but valid (RFC 8885 section 3.7).
//!
//! ```text
//!   each anchor a router of its own          all anchors one router
//!
//!   from router 2: prefix 2, preferred       from the one router: prefix 2, preferred
//!   from router 1: prefix 1, preferred 0                          prefix 1, preferred 0
//! ```
//!
//! A host forms no new address of a deprecated prefix and opens no new session from one, while those
//! that it has go on (RFC 4862 section 5.5.4).

use super::counters::MaarCounter;
use super::node::{Node, Previous, Visit};
use super::update::Core;
use crate::advertising::Advertising;
use crate::effect::{AdvertisedPrefix, Advertisement, Effect, LogicalRouter};
use crate::event::NodeTimer;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::HomeNetworkPrefix;

const fn deprecated(prefix: HomeNetworkPrefix, valid: u32) -> AdvertisedPrefix {
    AdvertisedPrefix {
        prefix,
        valid,
        preferred: 0,
    }
}

fn seconds(span: Duration) -> u32 {
    u32::try_from(span.as_secs()).unwrap_or(u32::MAX)
}

impl Previous {
    /// The router that a host knows its anchor by, unless it is our own.
    fn seen_as(&self, core: &Core, visit: &Visit) -> Option<LogicalRouter> {
        let own = core.router(visit.link)?;
        self.router.filter(|router| *router != own)
    }
}

impl Core {
    /// The logical router of a previous anchor that has to be shown on the host's interface.
    pub(super) fn shown(&self, visit: &Visit, previous: &Previous) -> Option<LogicalRouter> {
        previous.seen_as(self, visit)
    }

    /// Advertises all that a bound host is served with, as news. `gone` are prefixes that it no longer is,
    /// each with the router that it had.
    pub(super) fn advertise(
        &mut self,
        now: Duration,
        node: &mut Node,
        gone: &[(HomeNetworkPrefix, Option<LogicalRouter>)],
        effects: &mut Vec<Effect>,
    ) {
        if let Some(visit) = node.visit.as_mut() {
            visit.told.is_news();
        }
        self.advertise_again(now, node, gone, effects);
    }

    /// Advertises what a bound host has been told before.
    pub(super) fn advertise_again(
        &mut self,
        now: Duration,
        node: &mut Node,
        gone: &[(HomeNetworkPrefix, Option<LogicalRouter>)],
        effects: &mut Vec<Effect>,
    ) {
        let prefix = node.prefix;
        let Some(visit) = node.visit.as_mut() else {
            return;
        };
        let Advertising {
            router_lifetime,
            valid,
            preferred,
            mtu,
            ..
        } = self.config.advertising;
        let lifetime = u16::try_from(router_lifetime.as_secs()).unwrap_or(u16::MAX);
        let valid = seconds(valid);
        // By router, our own first.
        let mut routers: Vec<(Option<LogicalRouter>, Vec<AdvertisedPrefix>, u16)> = vec![(
            None,
            vec![AdvertisedPrefix {
                prefix,
                valid,
                preferred: seconds(preferred).min(valid),
            }],
            lifetime,
        )];
        let served = visit.previous.iter();
        let served = served.map(|it| (it.seen_as(self, visit), deprecated(it.prefix, valid), true));
        let gone = gone
            .iter()
            .map(|&(prefix, router)| (router, deprecated(prefix, 0), false));
        for (router, advertised, serves) in served.chain(gone) {
            match routers.iter_mut().find(|(known, _, _)| *known == router) {
                Some((_, prefixes, _)) => prefixes.push(advertised),
                // A router that has nothing left is none.
                None => routers.push((router, vec![advertised], if serves { lifetime } else { 0 })),
            }
        }
        let to = visit.solicited.take().or(visit.link_local);
        let to = to.unwrap_or(Ipv6Addr::UNSPECIFIED);
        let advertising = &self.config.advertising;
        let next = visit.told.tell(now, advertising, &mut self.rng);
        for (router, prefixes, router_lifetime) in routers {
            self.counters.add(MaarCounter::AdvertisementsSent);
            if prefixes.iter().any(|it| it.valid == 0) {
                self.counters.add(MaarCounter::AdvertisementsWithdrawing);
            }
            effects.push(Effect::Advertise {
                link: visit.link,
                to,
                advertisement: Advertisement {
                    prefixes,
                    router_lifetime,
                    managed: visit.profile.managed,
                    other: visit.profile.other,
                    mtu,
                    router,
                },
            });
        }
        effects.extend(next.map(|after| node.set(NodeTimer::Advertise, after)));
    }

    /// Advertises to a host that is here that it is no longer served.
    pub(super) fn withdraw(
        &mut self,
        visit: &Visit,
        own: HomeNetworkPrefix,
        effects: &mut Vec<Effect>,
    ) {
        let mut routers = vec![(None, vec![deprecated(own, 0)])];
        for previous in &visit.previous {
            let router = previous.seen_as(self, visit);
            let advertised = deprecated(previous.prefix, 0);
            match routers.iter_mut().find(|(known, _)| *known == router) {
                Some((_, prefixes)) => prefixes.push(advertised),
                None => routers.push((router, vec![advertised])),
            }
        }
        for (router, prefixes) in routers {
            self.counters.add(MaarCounter::AdvertisementsSent);
            self.counters.add(MaarCounter::AdvertisementsWithdrawing);
            effects.push(Effect::Advertise {
                link: visit.link,
                to: visit.link_local.unwrap_or(Ipv6Addr::UNSPECIFIED),
                advertisement: Advertisement {
                    prefixes,
                    router_lifetime: 0,
                    managed: visit.profile.managed,
                    other: visit.profile.other,
                    mtu: None,
                    router,
                },
            });
        }
    }

    /// Answers a solicitation of a host that is served: at once, or when enough time has passed since
    /// the last advertisement.
    pub(super) fn answer_solicitation(
        &mut self,
        now: Duration,
        node: &mut Node,
        effects: &mut Vec<Effect>,
    ) {
        if node.visit.as_ref().is_some_and(|it| it.search.waits) {
            // It is answered when that is over.
            return;
        }
        let advertising = &self.config.advertising;
        let visit = node.visit.as_ref();
        let earliest = visit.map_or(now, |visit| visit.told.answer_at(now, advertising));
        if earliest <= now {
            self.advertise(now, node, &[], effects);
        } else {
            effects.push(node.set(NodeTimer::Advertise, earliest - now));
        }
    }
}
