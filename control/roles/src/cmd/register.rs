//! Registrations: a host that comes, stays or moves (RFC 8885 sections 3.1 to 3.4).

use super::cache::{Anchor, Entry};
use super::counters::CmdCounter;
use super::request::{attributes, Request};
use super::view::SessionState;
use super::{Cmd, CmdMode};
use crate::effect::{Effect, Notice};
use crate::event::Timer;
use crate::lifetime::granted;
use crate::Now;
use std::time::Duration;
use wire::mh::{HomeNetworkPrefix, Lifetime, Status};

impl Cmd {
    /// An update that is in order: which of the things is it that a MAAR can say?
    pub(super) fn decide(&mut self, now: Now, request: &Request<'_>, effects: &mut Vec<Effect>) {
        let received = request.received;
        let entry = self.cache.of(request.mn_identifier);
        let known = entry.map(|entry| (entry.session, entry.serving, entry.state));
        if request.lifetime == Lifetime::ZERO {
            return self.on_deregistration(now, request, effects);
        }
        let Some((session, serving, state)) = known else {
            return self.create(now, request, effects);
        };
        if state == SessionState::Ending && !request.is_attachment() && self.is_withdrawn(session) {
            return self.ignore(received.from, CmdCounter::RefreshOfRevoked, effects);
        }
        if serving == Some(request.maar) {
            self.counters.add(CmdCounter::SessionsRefreshed);
            return self.stay(now, request, session, effects);
        }
        if state == SessionState::Active && !request.is_attachment() {
            return self.correct(now, request, session, effects);
        }
        let most = self.config.max_move_rate;
        let entry = self.cache.get_mut(session);
        if entry.is_some_and(|it| it.moves.take(now.monotonic, most).is_err()) {
            return self.ignore(received.from, CmdCounter::MovesTooOften, effects);
        }
        self.counters.add(CmdCounter::SessionsMoved);
        self.arrive(now, request, session, effects);
    }

    /// Figure 1: a host that nobody knows.
    fn create(&mut self, now: Now, request: &Request<'_>, effects: &mut Vec<Effect>) {
        let received = request.received;
        if !self.has_room_for(request.named.len()) {
            return self.refuse(now, received, Status::INSUFFICIENT_RESOURCES, effects);
        }
        let session = self.cache.next_session();
        let entry = Entry::new(session, request.mn_identifier.clone());
        self.cache.insert(entry);
        self.counters.add(CmdCounter::SessionsCreated);
        self.arrive(now, request, session, effects);
    }

    /// A refresh by a MAAR that the host has left. It has not heard yet that it has, or has forgotten:
    /// it is told again, and gets no answer, which it might take for a refusal.
    fn correct(
        &mut self,
        now: Now,
        request: &Request<'_>,
        session: u64,
        effects: &mut Vec<Effect>,
    ) {
        let received = request.received;
        if let Some(entry) = self.cache.get_mut(session) {
            if let Some(anchor) = entry.anchor_mut(request.maar) {
                anchor.told = None;
                anchor.silent = None;
            }
        }
        self.ignore(received.from, CmdCounter::RefreshByFormer, effects);
        self.pursue(now, session, effects);
    }

    /// The MAAR that serves the host already says so again.
    fn stay(&mut self, now: Now, request: &Request<'_>, session: u64, effects: &mut Vec<Effect>) {
        let received = request.received;
        self.settle_at(now, request, session, effects);
        self.store(session, effects);
        let Some(entry) = self.cache.get_mut(session) else {
            return;
        };
        let settled = entry.is_settled();
        match entry.held.take().filter(|_| !settled) {
            // The same answer is still being made; it answers this update.
            Some(held) if held.mode == CmdMode::Relay && !held.answered => {
                entry.held = Some(Box::new(received.held(held.mode, false)));
            }
            Some(held) => {
                entry.held = Some(Box::new(received.held(held.mode, true)));
                self.answer(now, received, session, effects);
            }
            None => {
                self.cancel_aggregation(session, effects);
                self.answer(now, received, session, effects);
            }
        }
        self.pursue(now, session, effects);
    }

    /// Figures 2 to 4: a host comes to a MAAR; those that it came by, if any, are told.
    fn arrive(&mut self, now: Now, request: &Request<'_>, session: u64, effects: &mut Vec<Effect>) {
        let received = request.received;
        let before = self.cache.get(session).and_then(|entry| entry.serving);
        self.settle_at(now, request, session, effects);
        // It has not heard of any yet.
        let _evicted = self.evict(session);
        self.store(session, effects);
        let mode = self.mode;
        let wait = self.config.aggregation_timeout;
        let Some(entry) = self.cache.get_mut(session) else {
            return;
        };
        let (host, settled) = (entry.mn_identifier.clone(), entry.is_settled());
        let prefixes = entry
            .home()
            .map_or_else(Vec::new, |home| home.prefixes.clone());
        let waits = mode != CmdMode::Proxy && !settled;
        entry.held = waits.then(|| Box::new(received.held(mode, false)));
        if waits {
            effects.push(Effect::SetTimer {
                timer: Timer::Aggregation { session },
                after: wait,
            });
            self.pursue(now, session, effects);
        } else {
            // The answer goes first: it is what the host waits for.
            self.cancel_aggregation(session, effects);
            self.answer(now, received, session, effects);
            self.pursue(now, session, effects);
        }
        let (mn_identifier, maar) = (host, request.maar);
        effects.push(Effect::Notify {
            notice: match before {
                Some(from) => Notice::SessionMoved {
                    mn_identifier,
                    from,
                    to: maar,
                },
                None => Notice::SessionUp {
                    mn_identifier,
                    maar,
                    prefixes,
                },
            },
        });
    }

    /// Writes an accepted registration into its entry: the MAAR serves the host from now on, and has
    /// the prefixes for it that the update names.
    fn settle_at(
        &mut self,
        now: Now,
        request: &Request<'_>,
        session: u64,
        effects: &mut Vec<Effect>,
    ) {
        let received = request.received;
        let granted = granted(request.lifetime, self.config.max_lifetime);
        let lifetime = Duration::from_secs(granted.as_secs().into());
        let Some(entry) = self.cache.get_mut(session) else {
            return;
        };
        let before: Vec<HomeNetworkPrefix> = entry.prefixes().collect();
        let maar = request.maar;
        let at = entry.anchors.iter().position(|it| it.address == maar);
        let mut home = match at {
            Some(at) => entry.anchors.remove(at),
            None => Anchor::new(maar),
        };
        let elsewhere = |prefix: &HomeNetworkPrefix| {
            let mut others = entry.anchors.iter();
            others.any(|it| it.prefixes.contains(prefix))
        };
        // What it does not name it does not have, and knows that.
        home.prefixes = request.named.clone();
        home.prefixes.retain(|prefix| !elsewhere(prefix));
        home.leaving.clear();
        let own = |prefix: &HomeNetworkPrefix| !elsewhere(prefix) && request.named.contains(prefix);
        if let Some(revoked) = &mut home.revoked {
            revoked.is_back(own);
        }
        home.revoked = home.revoked.filter(|it| !it.prefixes.is_empty());
        home.told = None;
        home.silent = None;
        let told = attributes(&received.update.options);
        if !told.is_empty() {
            home.attributes = told;
        }
        if home.exchange.take().is_some() {
            effects.push(Effect::CancelTimer {
                timer: Timer::AnchorUpdate {
                    session,
                    maar: home.address,
                },
            });
        }
        for other in &mut entry.anchors {
            // It forgets what others anchor when it hears where the host went (S2-32).
            other.revoked = None;
        }
        entry.anchors.push(home);
        let served = entry.serving.replace(maar);
        entry.state = SessionState::Active;
        entry.link_layer = request.link_layer.map(<[u8]>::to_vec);
        entry.access_technology = request.access_technology;
        entry.handoff = request.handoff;
        entry.sequence = received.update.sequence;
        entry.timestamp = entry.timestamp.max(received.options.timestamp);
        entry.granted = granted;
        entry.deadline = now.monotonic + lifetime;
        self.cache.reindex(session, &before);
        self.serves(served, Some(maar), effects);
        effects.push(Effect::SetTimer {
            timer: Timer::BindingExpiry { session },
            after: lifetime,
        });
    }

    /// Lets go of the oldest prefixes of a host that has too many (RFC 8885 section 6); which they are.
    pub(super) fn evict(&mut self, session: u64) -> Vec<HomeNetworkPrefix> {
        let most = self.config.max_previous;
        let mut evicted = Vec::new();
        let Some(entry) = self.cache.get_mut(session) else {
            return evicted;
        };
        let before: Vec<HomeNetworkPrefix> = entry.prefixes().collect();
        let kept: usize = entry.previous().map(|it| it.prefixes.len()).sum();
        let mut over = kept.saturating_sub(most);
        let serving = entry.serving;
        for anchor in &mut entry.anchors {
            if Some(anchor.address) == serving {
                continue;
            }
            let gone = over.min(anchor.prefixes.len());
            let oldest: Vec<HomeNetworkPrefix> =
                anchor.prefixes.iter().take(gone).copied().collect();
            anchor.dismiss(&oldest);
            over -= gone;
            for _ in 0..gone {
                self.counters.add(CmdCounter::PrefixesEvicted);
            }
            evicted.extend(oldest);
        }
        self.cache.reindex(session, &before);
        evicted
    }

    /// Nobody waits for an aggregated answer any more.
    pub(super) fn cancel_aggregation(&mut self, session: u64, effects: &mut Vec<Effect>) {
        effects.push(Effect::CancelTimer {
            timer: Timer::Aggregation { session },
        });
    }
}
