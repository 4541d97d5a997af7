//! De-registration, expiry, and the end of a session (RFC 8885 section 3.5).
//!
//! Only the MAAR that serves a host ends its session. When a previous one says that its part is over,
//! it is answered with the lifetime that the session still has, so that it goes on (the second of the
//! two ways that RFC 8885 gives); a MAAR that stops its timer when it hears where the host went (the
//! first) never says so. Either may be used, by each MAAR as it likes.
//!
//! The serving MAAR may also end prefixes one by one (S2-19): a de-registration that leaves out one of
//! its own ends those that it names, and the host stays. Their anchors are told to let go.
//!
//! When a session ends without its doing, the serving MAAR hears of it too: see [`super::revoke`].

use super::cache::Entry;
use super::counters::CmdCounter;
use super::request::Request;
use super::view::SessionState;
use super::Cmd;
use crate::effect::{Effect, Notice};
use crate::event::Timer;
use crate::store::Key;
use crate::Now;
use wire::mh::{HomeNetworkPrefix, Lifetime, MnIdentifier, RevocationTrigger};

impl Entry {
    /// Whether a de-registration by the serving MAAR is about some prefixes only.
    fn is_left_in_part_by(&self, request: &Request<'_>) -> bool {
        let own = self.home().map_or(&[][..], |home| home.prefixes.as_slice());
        let whole = own.iter().all(|prefix| request.named.contains(prefix));
        !request.named.is_empty() && !whole
    }

    /// From now on all that is anchored elsewhere is to be let go of.
    fn dismiss_all(&mut self) {
        for anchor in &mut self.anchors {
            let all = anchor.prefixes.clone();
            anchor.dismiss(&all);
        }
    }
}

impl Cmd {
    /// A de-registration.
    pub(super) fn on_deregistration(
        &mut self,
        now: Now,
        request: &Request<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let received = request.received;
        let Some(entry) = self.cache.of(request.mn_identifier) else {
            self.counters.add(CmdCounter::DeregistrationsUnknown);
            return self.acknowledge(received, Lifetime::ZERO, effects);
        };
        let (session, lasting) = (entry.session, entry.lifetime_left(now.monotonic));
        if entry.serving != Some(request.maar) {
            let anchor = entry.anchor(request.maar);
            let live = anchor.is_some_and(|it| {
                let named = request.named.is_empty();
                named && !it.prefixes.is_empty()
                    || it.prefixes.iter().any(|it| request.named.contains(it))
            });
            let (why, lifetime) = match live && entry.state != SessionState::Ending {
                true => (CmdCounter::DeregistrationsDenied, lasting),
                false => (CmdCounter::DeregistrationsUnknown, Lifetime::ZERO),
            };
            self.counters.add(why);
            return self.acknowledge(received, lifetime, effects);
        }
        let in_part = entry.is_left_in_part_by(request);
        if let Some(entry) = self.cache.get_mut(session) {
            entry.sequence = received.update.sequence;
            entry.timestamp = entry.timestamp.max(received.options.timestamp);
        }
        match in_part {
            true => self.release(session, request),
            false => self.suspend(now, session, effects),
        }
        self.store(session, effects);
        self.acknowledge(received, Lifetime::ZERO, effects);
        self.pursue(now, session, effects);
    }

    /// The serving MAAR has no more use of some prefixes.
    fn release(&mut self, session: u64, request: &Request<'_>) {
        let Some(entry) = self.cache.get_mut(session) else {
            return;
        };
        let before: Vec<HomeNetworkPrefix> = entry.prefixes().collect();
        for anchor in &mut entry.anchors {
            let had = anchor.prefixes.len();
            if anchor.address == request.maar {
                // It knows.
                anchor.prefixes.retain(|it| !request.named.contains(it));
            } else {
                anchor.dismiss(&request.named);
            }
            for _ in anchor.prefixes.len()..had {
                self.counters.add(CmdCounter::PrefixesReleased);
            }
        }
        self.cache.reindex(session, &before);
    }

    /// The host has left its MAAR, and may yet come to another.
    fn suspend(&mut self, now: Now, session: u64, effects: &mut Vec<Effect>) {
        let wait = self.config.min_delay_before_bce_delete;
        let Some(entry) = self.cache.get_mut(session) else {
            return;
        };
        let before: Vec<HomeNetworkPrefix> = entry.prefixes().collect();
        let left = entry.serving.take();
        entry.anchors.retain(|it| Some(it.address) != left);
        entry.state = SessionState::Pending;
        entry.deadline = now.monotonic + wait;
        entry.held = None;
        self.cache.reindex(session, &before);
        self.counters.add(CmdCounter::SessionsDeregistered);
        self.serves(left, None, effects);
        self.cancel_aggregation(session, effects);
        effects.push(Effect::SetTimer {
            timer: Timer::BindingExpiry { session },
            after: wait,
        });
    }

    /// The lifetime of a session is over, or the wait after its de-registration.
    pub(super) fn on_expiry(&mut self, now: Now, session: u64, effects: &mut Vec<Effect>) {
        let Some(entry) = self.cache.get(session) else {
            return;
        };
        if entry.state == SessionState::Ending {
            return;
        }
        if entry.deadline > now.monotonic {
            effects.push(Effect::SetTimer {
                timer: Timer::BindingExpiry { session },
                after: entry.deadline - now.monotonic,
            });
            return;
        }
        if entry.state == SessionState::Active {
            self.counters.add(CmdCounter::SessionsExpired);
        }
        self.end(now, session, RevocationTrigger::OUT_OF_SYNC, effects);
    }

    /// The operator deletes a session.
    pub(super) fn on_delete(&mut self, now: Now, host: &MnIdentifier, effects: &mut Vec<Effect>) {
        let entry = self.cache.of(host);
        if let Some(session) = entry.map(|entry| entry.session) {
            self.counters.add(CmdCounter::SessionsWithdrawn);
            self.end(now, session, RevocationTrigger::ADMINISTRATIVE, effects);
        }
    }

    /// Ends a session: its previous MAARs are told to let go, and the one that serves it that it is
    /// over, and why. It is there until they have answered.
    pub(super) fn end(
        &mut self,
        now: Now,
        session: u64,
        trigger: RevocationTrigger,
        effects: &mut Vec<Effect>,
    ) {
        let Some(entry) = self.cache.get_mut(session) else {
            return;
        };
        let before: Vec<HomeNetworkPrefix> = entry.prefixes().collect();
        entry.revoke_all(trigger);
        let served = entry.serving.take();
        entry.dismiss_all();
        entry.state = SessionState::Ending;
        entry.held = None;
        let mn_identifier = entry.mn_identifier.clone();
        self.cache.reindex(session, &before);
        effects.push(Effect::CancelTimer {
            timer: Timer::BindingExpiry { session },
        });
        self.serves(served, None, effects);
        self.cancel_aggregation(session, effects);
        self.store(session, effects);
        self.pursue(now, session, effects);
        effects.push(Effect::Notify {
            notice: Notice::SessionDown { mn_identifier },
        });
    }

    /// Forgets a session that is ending, once nobody is left to be told.
    pub(super) fn end_if_over(&mut self, session: u64, effects: &mut Vec<Effect>) {
        let entry = self.cache.get(session);
        let over = entry
            .is_some_and(|entry| entry.state == SessionState::Ending && entry.anchors.is_empty());
        if over {
            self.cache.remove(session);
            effects.push(Effect::Forget {
                key: Key::Session { session },
            });
        }
    }
}
