//! A host that comes where there is no database: it is served at once with the prefix of ours, and the
//! anchors that it has elsewhere are looked for (sections 4.2 and 5.2 of the draft).
//!
//! ```text
//!   may attach ─► own prefix bound ─► search ─► prefixes found ─► one update for each ─► answers
//!                                       │              │                                   │
//!                                       │ nobody tells │ none                              │ all there
//!                                       └──────────────┴────────► advertisement ◄──────────┴── or too late
//! ```
//!
//! The first advertisement waits for the end of the search, so that a host hears of its old prefixes
//! and of the new one in the same breath, but no longer than it is allowed to: for a while until the
//! host is known, and from then on for a moment only, in which every anchor that is there answers. What
//! is found or answered later is advertised then.

use super::counters::MaarCounter;
use super::discovery::{Backend, FoundBy};
use super::node::Sought;
use super::Maar;
use crate::backoff::RateLimit;
use crate::effect::{Effect, Notice, Path};
use crate::event::{Found, HostLink, NodeTimer};
use crate::Now;
use std::time::Duration;
use wire::mh::{HandoffIndicator, HomeNetworkPrefix, MnIdentifier};

impl Maar {
    /// Serves a host that has come, and looks for its anchors.
    pub(super) fn serve_alone(&mut self, now: Now, host: &MnIdentifier, effects: &mut Vec<Effect>) {
        self.forget_farewells(host, effects);
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        let Some(link) = node.visit.as_ref().map(|visit| visit.link) else {
            return;
        };
        let prefix = node.prefix.into();
        self.books.by_prefix.insert(node.prefix, host.clone());
        let path = Path::Local { link };
        let former = node.former();
        effects.push(Effect::Bind { prefix, path });
        node.away = None;
        let notice = Notice::ServedHere {
            mn_identifier: host.clone(),
            prefix,
        };
        effects.push(Effect::Notify { notice });
        let lifetime = self.core.lifetime();
        let bound = self.core.bound(now, now.monotonic, lifetime, false);
        if let Some(visit) = node.visit.as_mut() {
            visit.bound = Some(bound);
        }
        effects.extend(node.store(now));
        let after = bound.refresh.saturating_sub(now.monotonic);
        effects.push(node.set(NodeTimer::Refresh, after));
        self.tell_former(now, host, former, None, effects);
        self.search(now, host, effects);
        let waits = self.core.config.distributed().map(|it| it.wait);
        let waits = waits.filter(|wait| !wait.is_zero());
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        match (waits, node.visit.as_mut()) {
            (Some(wait), Some(visit)) if visit.profile.mobility => {
                visit.search.waits = true;
                visit.search.opens = now.monotonic + wait;
                effects.push(node.set(NodeTimer::Search, wait));
            }
            _ => self.open(now, host, effects),
        }
    }

    /// Begins to look for the anchors of a host that is here, or begins anew.
    pub(super) fn search(&mut self, now: Now, host: &MnIdentifier, effects: &mut Vec<Effect>) {
        let Some(backend) = self.core.config.distributed().map(|it| it.backend) else {
            return;
        };
        let Some(visit) = self.nodes.get_mut(host).and_then(|it| it.visit.as_mut()) else {
            return;
        };
        if !visit.profile.mobility {
            return;
        }
        visit.search.open = true;
        let link = visit.link;
        self.count(MaarCounter::SearchesBegun);
        match backend {
            Backend::Asked => effects.push(Effect::FindAnchors {
                link,
                mn_identifier: host.clone(),
            }),
            Backend::NodeInformation(questions) => self.question(now, host, questions, effects),
        }
    }

    /// A host that is here has come up on its link anew: it may have been elsewhere in between.
    pub(super) fn search_again(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        since: Duration,
        returned: bool,
        effects: &mut Vec<Effect>,
    ) {
        let Some(visit) = self.nodes.get_mut(host).and_then(|it| it.visit.as_mut()) else {
            return;
        };
        let settled = since + self.core.config.initial_bindack_timeout;
        let searching = visit.search.open || visit.search.waits;
        if !returned && (searching || settled > now.monotonic) {
            return;
        }
        visit.came = now.wall;
        // Another gateway may have told its anchors meanwhile that it was there.
        let unknown = HandoffIndicator::UNKNOWN;
        self.renew(now, host, unknown, effects);
        self.search(now, host, effects);
    }

    /// Somebody tells which prefixes a host has.
    pub(super) fn on_found(
        &mut self,
        now: Now,
        link: HostLink,
        found: &Found,
        effects: &mut Vec<Effect>,
    ) {
        let host = self.books.by_link.get(&link).cloned();
        let mobile = |host: &MnIdentifier| {
            let visit = self.nodes.get(host).and_then(|node| node.visit.as_ref());
            let distributed = self.core.config.distributed().is_some();
            distributed && visit.is_some_and(|visit| visit.profile.mobility)
        };
        match host.filter(mobile) {
            Some(host) => self.found(now, &host, found, effects),
            None => self.count(MaarCounter::FindingsUnasked),
        }
    }

    pub(super) fn found(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        found: &Found,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(visit) = self.nodes.get_mut(host).and_then(|it| it.visit.as_mut()) {
            visit.search.open = false;
        }
        match found {
            Found::GaveUp => self.count(MaarCounter::SearchesGivenUp),
            Found::Prefixes(prefixes) => {
                for prefix in prefixes {
                    if let Err(why) = self.seek(now, host, *prefix, effects) {
                        self.count(why);
                    }
                }
            }
        }
        self.searched(now, host, effects);
        self.wait_for_anchors(now, host, effects);
    }

    /// The first advertisement waits for the anchors that are being told, but not for long.
    fn wait_for_anchors(&self, now: Now, host: &MnIdentifier, effects: &mut Vec<Effect>) {
        let Some(node) = self.nodes.get(host) else {
            return;
        };
        let search = node.visit.as_ref().map(|visit| &visit.search);
        let waits = search.filter(|search| search.waits && !search.sought.is_empty());
        let distributed = self.core.config.distributed();
        if let Some((search, distributed)) = waits.zip(distributed) {
            let left = search.opens.saturating_sub(now.monotonic);
            let after = left.min(distributed.answer_wait);
            effects.push(node.set(NodeTimer::Search, after));
        }
    }

    /// Tells the anchor of a prefix that its host is here (S2-43, S2-51).
    fn seek(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        prefix: HomeNetworkPrefix,
        effects: &mut Vec<Effect>,
    ) -> Result<(), MaarCounter> {
        let Some(node) = self.nodes.get_mut(host) else {
            return Ok(());
        };
        let Some(visit) = node.visit.as_mut() else {
            return Ok(());
        };
        let known = visit.previous.iter().any(|it| it.prefix == prefix)
            || visit.search.sought.iter().any(|it| it.prefix == prefix);
        if prefix == node.prefix || known {
            return Ok(());
        }
        let config = &self.core.config;
        if config.is_ours(prefix) {
            if visit.search.gone.len() < config.most_previous
                && !visit.search.gone.contains(&(prefix, None))
            {
                visit.search.gone.push((prefix, None));
            }
            return Err(MaarCounter::PrefixesStale);
        }
        let usable = prefix.length > 0 && prefix.is_well_formed();
        if !usable || !config.is_of_domain(prefix) {
            return Err(MaarCounter::PrefixesForeign);
        }
        if self.books.by_prefix.contains_key(&prefix) {
            return Err(MaarCounter::AnchorsRefused);
        }
        if visit.previous.len() + visit.search.sought.len() >= config.most_previous {
            return Err(MaarCounter::AnchorsTooMany);
        }
        let Some(distributed) = config.distributed() else {
            return Ok(());
        };
        let learned = self
            .learned
            .find(now.monotonic, distributed.learned_for, prefix);
        let (to, found) = match (learned, config.configured(prefix)) {
            (Some(anchor), _) => (anchor, FoundBy::Learned),
            (None, Some(anchor)) => (anchor, FoundBy::Configured),
            (None, None) => (distributed.constructed(prefix), FoundBy::Constructed),
        };
        if found == FoundBy::Constructed {
            self.core.counters.add(MaarCounter::AnchorsConstructed);
        }
        self.core.counters.add(MaarCounter::AnchorsSought);
        let unknown = HandoffIndicator::UNKNOWN;
        let update = self.core.fresh(unknown, self.core.lifetime(), prefix);
        visit.search.sought.push(Sought {
            prefix,
            to,
            found,
            update,
            rate: RateLimit::default(),
        });
        self.core.tell_anchor(now, node, prefix, effects);
        Ok(())
    }

    /// Something has come of a search: advertises if that is all that was waited for.
    pub(super) fn searched(&mut self, now: Now, host: &MnIdentifier, effects: &mut Vec<Effect>) {
        let Some(visit) = self.nodes.get(host).and_then(|it| it.visit.as_ref()) else {
            return;
        };
        let search = &visit.search;
        if search.waits && !search.open && search.sought.is_empty() {
            self.open(now, host, effects);
        } else if !search.waits && !search.gone.is_empty() {
            self.tell_gone(now, host, effects);
        }
    }

    /// The first advertisement has waited as long as it may (S2-53).
    pub(super) fn on_search_timer(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        effects: &mut Vec<Effect>,
    ) {
        let visit = self.nodes.get(host).and_then(|node| node.visit.as_ref());
        if visit.is_some_and(|visit| visit.search.waits) {
            self.count(MaarCounter::SearchesOverdue);
            self.open(now, host, effects);
        }
    }

    /// Advertises to a host for the first time.
    fn open(&mut self, now: Now, host: &MnIdentifier, effects: &mut Vec<Effect>) {
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        let Some(visit) = node.visit.as_mut() else {
            return;
        };
        let link = visit.link;
        let announce = !std::mem::replace(&mut visit.announced, true);
        if std::mem::take(&mut visit.search.waits) {
            effects.push(node.cancel(NodeTimer::Search));
        }
        self.tell_gone(now, host, effects);
        if announce {
            self.count(MaarCounter::HostsAttached);
            effects.push(super::accepted::attached(host.clone(), link));
        }
    }

    /// Advertises, with an end to what nobody leads here.
    pub(super) fn tell_gone(&mut self, now: Now, host: &MnIdentifier, effects: &mut Vec<Effect>) {
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        let gone = node
            .visit
            .as_mut()
            .map(|it| std::mem::take(&mut it.search.gone));
        let gone = gone.unwrap_or_default();
        self.core.advertise(now.monotonic, node, &gone, effects);
    }
}
