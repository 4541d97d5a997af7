//! Hosts that outlive the process: what is stored of them, and how they come back.
//!
//! A host that was served is served again at once, while policy is asked about it; a prefix that was
//! led to another gateway is led there again. Temporary entries are forgotten: their hosts show
//! themselves again.
//!
//! A host comes back with all of its previous anchors, or, where there is no room for all of it, not at all:
//! then the gateway does not start. What is left out is what the configuration no longer lets those anchors
//! have, and what is another host's; that is counted, and the host hears of it.

use super::books::Told;
use super::counters::MaarCounter;
use super::discovery::FoundBy;
use super::node::{Away, Bound, Heard, ListEntry, Node, Visit};
use super::Maar;
use crate::backoff::fraction;
use crate::effect::{Effect, Path, TunnelEnds};
use crate::event::NodeTimer;
use crate::lifetime::in_units;
use crate::store::{Key, NodePlace, NodeRecord};
use crate::Now;
use std::time::Duration;

/// A host that comes back without something that it had hears so within this time: not all of them at once.
const TOLD_WITHIN: Duration = Duration::from_secs(8);

impl Maar {
    /// A host as it was when the gateway ended.
    pub(super) fn on_restored(&mut self, now: Now, record: &NodeRecord, effects: &mut Vec<Effect>) {
        let session = record.session;
        self.books.last_session = self.books.last_session.max(session);
        if !self.may_restore(now, record) {
            self.count(MaarCounter::NodesNotRestored);
            let key = Key::Node { session };
            return effects.push(Effect::Forget { key });
        }
        let wanted = 1 + self.led_again(&record.place);
        if self.books.by_prefix.len() + wanted > self.core.config.capacity {
            let key = Key::Node { session };
            return effects.push(Effect::NoRoom { key });
        }
        let host = &record.mn_identifier;
        self.books.prefixes.take(record.prefix, host);
        self.books.by_prefix.insert(record.prefix, host.clone());
        let mut node = Node {
            session,
            mn_identifier: host.clone(),
            prefix: record.prefix,
            visit: None,
            away: None,
            list: ListEntry::default(),
            heard: record.timestamp.map(|stamp| Heard {
                sequence: 0,
                timestamp: Some(stamp),
                serving: None,
                arrived: record.arrived,
            }),
            revoking: None,
        };
        match &record.place {
            NodePlace::Here { .. } => self.restore_here(now, &mut node, &record.place, effects),
            NodePlace::Away { serving, ends } => {
                let tunnel = TunnelEnds::plain(self.core.config.address, *serving);
                effects.push(Effect::Bind {
                    prefix: record.prefix.into(),
                    path: Path::Anchor { tunnel },
                });
                node.away = Some(Away {
                    serving: *serving,
                    expiry: None,
                });
                // What should have been asked meanwhile is, but not all of it in one moment.
                let left = ends.unwrap_or_default().saturating_sub(now.wall);
                let left = left.min(self.core.config.lifetime);
                let left = left.max(fraction(&mut self.core.rng, Duration::from_secs(8)));
                self.core
                    .stay_previous(now, &mut node, in_units(left), effects);
            }
        }
        self.nodes.insert(host.clone(), node);
        self.count(MaarCounter::NodesRestored);
    }

    /// How many prefixes of other anchors are led here with a host that comes back.
    fn led_again(&self, place: &NodePlace) -> usize {
        let NodePlace::Here { previous, .. } = place else {
            return 0;
        };
        let config = &self.core.config;
        let led = previous.iter();
        let led = led.filter(|it| self.books.is_anchored_by(config, it.anchor, it.prefix));
        led.count()
    }

    fn may_restore(&self, now: Now, record: &NodeRecord) -> bool {
        let alive = match &record.place {
            NodePlace::Here { link, ends, .. } => {
                *ends > now.wall && !self.books.by_link.contains_key(link)
            }
            NodePlace::Away { serving, .. } => self.core.config.is_gateway(*serving),
        };
        alive
            && self.books.prefixes.is_pooled(record.prefix)
            && self.books.prefixes.holder(record.prefix).is_none()
            && !self.nodes.contains_key(&record.mn_identifier)
    }

    fn restore_here(
        &mut self,
        now: Now,
        node: &mut Node,
        place: &NodePlace,
        effects: &mut Vec<Effect>,
    ) {
        let NodePlace::Here {
            link,
            link_local,
            profile,
            previous,
            refresh,
            ends,
        } = place
        else {
            return;
        };
        // A clock that was set back must not make a binding last.
        let left = ends.saturating_sub(now.wall).min(self.core.config.lifetime);
        let refresh = refresh.saturating_sub(now.wall).min(left);
        let refresh = refresh.max(fraction(&mut self.core.rng, left / 4));
        // Without a database, whoever says that the host came to it since is right.
        let came = match self.core.config.cmd() {
            Some(_) => now.wall,
            None => Duration::ZERO,
        };
        let mut visit = Visit::new(*link, profile.clone(), came);
        visit.link_local = *link_local;
        visit.announced = true;
        visit.asked = Some(now.monotonic);
        visit.bound = Some(Bound {
            since: now.monotonic,
            refresh: now.monotonic + refresh,
            expiry: now.monotonic + left,
            by_anchor: false,
        });
        effects.push(Effect::Bind {
            prefix: node.prefix.into(),
            path: Path::Local { link: *link },
        });
        effects.push(visit.watch());
        node.visit = Some(visit);
        self.books.by_link.insert(*link, node.mn_identifier.clone());
        for record in previous {
            let told = Told {
                anchor: record.anchor,
                prefix: record.prefix,
                router: record.router,
                found: FoundBy::Kept,
            };
            self.books.add_previous(&mut self.core, node, told, effects);
            if let Some(visit) = node.visit.as_mut() {
                if visit.previous.iter().all(|it| it.prefix != record.prefix) {
                    visit.search.gone.push((record.prefix, record.router));
                }
            }
        }
        effects.push(node.set(NodeTimer::Refresh, refresh));
        let interval = match node.has_lost() {
            true => TOLD_WITHIN,
            false => self.core.config.advertising.interval,
        };
        if !interval.is_zero() {
            let after = fraction(&mut self.core.rng, interval);
            effects.push(node.set(NodeTimer::Advertise, after));
        }
        self.count(MaarCounter::HostsAsked);
        effects.push(Effect::Authenticate { link: *link });
    }
}
