//! What is accepted: how long a binding lasts, what is installed by it, and when it is refreshed.

use super::books::{Books, Told};
use super::config::PreviousExpiry;
use super::counters::MaarCounter;
use super::node::{Bound, Node};
use super::update::Core;
use super::Maar;
use crate::effect::{Effect, Notice, Path};
use crate::event::{HostLink, NodeTimer};
use crate::Now;
use std::time::Duration;
use wire::mh::{HandoffIndicator, Lifetime, MnIdentifier};

/// What was granted.
#[derive(Clone, Copy)]
pub(super) struct Granted {
    /// When the update was sent, which the lifetime counts from (RFC 6275 section 11.7.3).
    pub(super) sent: Duration,
    pub(super) lifetime: Lifetime,
    /// Another anchor said so, of whose fellows nothing is known yet.
    pub(super) by_anchor: bool,
}

impl Core {
    /// Until when a binding lasts.
    pub(super) fn bound(
        &mut self,
        now: Now,
        sent: Duration,
        lifetime: Lifetime,
        by_anchor: bool,
    ) -> Bound {
        let percent = u32::from(self.config.refresh_percent.clamp(1, 100));
        let whole = Duration::from_secs(lifetime.as_secs().into());
        let after = whole * percent / 100;
        let jitter = crate::backoff::fraction(&mut self.rng, after / 16);
        let refresh = match by_anchor {
            // The database knows of all anchors; an answer of one of them may have been lost.
            true => now.monotonic + self.config.initial_bindack_timeout,
            false => sent + after - jitter,
        };
        Bound {
            since: now.monotonic,
            refresh,
            expiry: sent + whole,
            by_anchor,
        }
    }

    /// A prefix of ours stays led to another gateway for this long, if that is asked about at all.
    pub(super) fn stay_previous(
        &self,
        now: Now,
        node: &mut Node,
        lifetime: Lifetime,
        effects: &mut Vec<Effect>,
    ) {
        // Without a database there is nobody else to end it.
        let asks =
            self.config.previous_expiry == PreviousExpiry::Ask || self.config.cmd().is_none();
        let whole = Duration::from_secs(lifetime.as_secs().into());
        if let Some(away) = node.away.as_mut() {
            away.expiry = asks.then(|| now.monotonic + whole);
        }
        effects.extend(node.store(now));
        if asks {
            effects.push(node.set(NodeTimer::Expiry, whole));
        }
    }
}

/// A host is registered here, or is again: its prefix is routed to it, and those of its other anchors
/// are led here (S2-07, S2-16, S2-34).
pub(super) fn accepted(
    core: &mut Core,
    books: &mut Books,
    now: Now,
    node: &mut Node,
    granted: Granted,
    told: &[Told],
    effects: &mut Vec<Effect>,
) {
    let Some(update) = node.list.update.take() else {
        return;
    };
    let was_bound = node.is_bound();
    let Some(visit) = node.visit.as_mut() else {
        return;
    };
    let link = visit.link;
    // The database has taken it to be elsewhere, and said so, after what it accepts now had been sent.
    let overtook = visit.overtook.take();
    let doubtful = overtook.is_some_and(|told| told >= granted.sent);
    let lapsed = visit.bound.is_some_and(|it| it.expiry <= now.monotonic) && !granted.by_anchor;
    let host = node.mn_identifier.clone();
    if !was_bound {
        let prefix = node.prefix.into();
        books.by_prefix.insert(node.prefix, host.clone());
        let path = Path::Local { link };
        effects.push(Effect::Bind { prefix, path });
        node.away = None;
        let mn_identifier = host.clone();
        let notice = Notice::ServedHere {
            mn_identifier,
            prefix,
        };
        effects.push(Effect::Notify { notice });
    }
    let mut changed = !was_bound;
    for &told in told {
        changed |= books.add_previous(core, node, told, effects);
    }
    // A session whose lifetime was over began anew. What its end let go of, the answer does not name.
    let named = |prefix| told.iter().any(|told| told.prefix == prefix);
    let known = node.visit.iter().flat_map(|visit| &visit.previous);
    let over = known.filter(|it| lapsed && !named(it.prefix));
    let mut gone = Vec::new();
    for prefix in over.map(|it| it.prefix).collect::<Vec<_>>() {
        core.counters.add(MaarCounter::AnchorsLapsed);
        effects.push(node.cancel(NodeTimer::Release { prefix }));
        let router = books.remove_previous(core, node, prefix, effects);
        gone.extend(router.map(|router| (prefix, router)));
    }
    changed |= !gone.is_empty();
    let bound = core.bound(now, granted.sent, granted.lifetime, granted.by_anchor);
    node.list.settled = Some((update, now.monotonic));
    let announce = match node.visit.as_mut() {
        Some(visit) => {
            visit.bound = Some(bound);
            !std::mem::replace(&mut visit.announced, true)
        }
        None => false,
    };
    effects.extend(node.store(now));
    effects.push(node.cancel(NodeTimer::Retransmit));
    let after = bound.refresh.saturating_sub(now.monotonic);
    effects.push(node.set(NodeTimer::Refresh, after));
    if changed {
        core.advertise(now.monotonic, node, &gone, effects);
    }
    if doubtful {
        core.assert(now, node, effects);
    }
    core.counters.add(match was_bound {
        true => MaarCounter::Refreshed,
        false => MaarCounter::Registered,
    });
    if announce {
        core.counters.add(MaarCounter::HostsAttached);
        effects.push(attached(host, link));
    }
}

/// The notice that a host is served here.
pub(super) fn attached(mn_identifier: MnIdentifier, link: HostLink) -> Effect {
    Effect::Notify {
        notice: Notice::Attached {
            link,
            mn_identifier,
        },
    }
}

impl Maar {
    /// Extends the lifetime of a binding, unless that is under way.
    pub(super) fn refresh(&mut self, now: Now, host: &MnIdentifier, effects: &mut Vec<Effect>) {
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        let Some(visit) = node.visit.as_ref() else {
            return;
        };
        let Some(bound) = visit.bound.filter(|_| visit.detached.is_none()) else {
            return;
        };
        if node.list.update.is_some() {
            return;
        }
        if visit.goes_alone(&self.core.config) {
            let unchanged = HandoffIndicator::NOT_CHANGED;
            return self.renew(now, host, unchanged, effects);
        }
        if bound.by_anchor {
            // What anchors were the first to answer is asked of the database once more, as it was asked.
            return self.core.ask_database(now, node, effects);
        }
        let unchanged = HandoffIndicator::NOT_CHANGED;
        self.core.register(now, node, unchanged, effects);
    }
}
