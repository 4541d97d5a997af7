//! Updates that wait for the de-registration of the session in their way (RFC 5213 section 5.4.1.2).
//!
//! A session keeps one of them, the newest. It is decided when the session is de-registered or ends,
//! or when the wait is over; it is dropped when its own host leaves.

use super::cache::Entry;
use super::counters::LmaCounter;
use super::request::{Order, Received, Request};
use super::Lma;
use crate::effect::Effect;
use crate::event::Timer;
use crate::message::ProxyOptions;
use crate::signalling::confirmation;
use crate::{sequence, Now};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::{BindingUpdate, MobilityOption};

/// An update that is kept until it can be decided.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) from: Ipv6Addr,
    pub(super) to: Ipv6Addr,
    pub(super) update: BindingUpdate,
    /// When its wait is over, on the monotonic clock.
    pub(super) until: Duration,
}

impl Held {
    /// The place of an update.
    pub(super) fn nothing() -> Self {
        Self {
            from: Ipv6Addr::UNSPECIFIED,
            to: Ipv6Addr::UNSPECIFIED,
            update: BindingUpdate::default(),
            until: Duration::ZERO,
        }
    }
}

impl Received<'_> {
    /// The update, to be decided later; without the options that are not looked at.
    pub(super) fn held(&self, until: Duration) -> Held {
        let mut held = Held::nothing();
        self.keep_in(&mut held);
        held.until = until;
        held
    }

    /// Puts the update into the place of one that is no longer needed, and uses its room.
    pub(super) fn keep_in(&self, held: &mut Held) {
        let mut options = std::mem::take(&mut held.update.options);
        options.clear();
        let all = self.update.options.iter();
        let read = all.filter(|option| {
            !matches!(
                option,
                MobilityOption::Unknown { .. } | MobilityOption::Authentication(_)
            )
        });
        options.extend(read.cloned());
        // The same, in whichever option it came.
        let confirms = confirmation(None);
        if self.options.confirms && !options.contains(&confirms) {
            options.push(confirms);
        }
        (held.from, held.to) = (self.from, self.to);
        held.update = BindingUpdate {
            options,
            ..*self.update
        };
    }

    /// Whether this comes from the gateway of an update that is kept, for the same interface.
    pub(super) fn is_about(&self, held: &Held) -> bool {
        let kept = ProxyOptions::read(&held.update.options);
        self.from == held.from && self.options.link_layer == kept.link_layer
    }

    /// Whether this was sent after an update that is kept (section 5.5).
    fn is_newer_than(&self, held: &Held) -> bool {
        let kept = ProxyOptions::read(&held.update.options);
        match (self.options.timestamp, kept.timestamp) {
            (Some(sent), Some(before)) => sent > before,
            _ => {
                self.from != held.from
                    || sequence::is_newer(self.update.sequence, held.update.sequence)
            }
        }
    }
}

impl Lma {
    /// The table is to be changed for a session because of this update.
    pub(super) fn accepting(&mut self, received: &Received<'_>, session: u64) {
        self.installing = Some(session);
        received.keep_in(&mut self.accepted);
    }

    /// Section 5.4.1.2 rule 4: keeps the update until the session in its way is de-registered.
    pub(super) fn hold(
        &mut self,
        now: Now,
        received: &Received<'_>,
        session: u64,
        effects: &mut Vec<Effect>,
    ) {
        let wait = self.config.max_delay_before_new_bce_assign;
        let Some(entry) = self.cache.get_mut(session) else {
            return;
        };
        if wait.is_zero() {
            return self.decide(now, received, Order::Checked, effects);
        }
        self.counters.add(LmaCounter::UpdatesHeld);
        if let Some(held) = &mut entry.held {
            if received.is_newer_than(held) {
                **held = received.held(held.until);
            }
            return;
        }
        entry.held = Some(Box::new(received.held(now.monotonic + wait)));
        effects.push(Effect::SetTimer {
            timer: Timer::AssignWait { session },
            after: wait,
        });
    }

    /// No de-registration came: the update is for a session of its own after all.
    pub(super) fn on_assign_wait(&mut self, now: Now, session: u64, effects: &mut Vec<Effect>) {
        let Some(entry) = self.cache.get_mut(session) else {
            return;
        };
        let Some(held) = entry.held.take_if(|held| held.until <= now.monotonic) else {
            if let Some(held) = &entry.held {
                effects.push(Effect::SetTimer {
                    timer: Timer::AssignWait { session },
                    after: held.until - now.monotonic,
                });
            }
            return;
        };
        self.decide_held(now, &held, effects);
    }

    /// Decides the update that waited for `entry`, which is gone.
    pub(super) fn resume(&mut self, now: Now, mut entry: Entry, effects: &mut Vec<Effect>) {
        if let Some(held) = entry.held.take() {
            effects.push(Effect::CancelTimer {
                timer: Timer::AssignWait {
                    session: entry.session,
                },
            });
            self.decide_held(now, &held, effects);
        }
    }

    /// The host has left the gateway whose update waits: it is not to be moved there.
    pub(super) fn drop_held(&mut self, request: &Request<'_>, effects: &mut Vec<Effect>) {
        let received = request.received;
        let sessions = self.cache.of(request.mn_identifier);
        let sessions: Vec<u64> = sessions.map(|entry| entry.session).collect();
        for session in sessions {
            let entry = self.cache.get_mut(session);
            let dropped = entry.and_then(|entry| {
                entry
                    .held
                    .take_if(|held| received.is_about(held) && received.is_newer_than(held))
            });
            if dropped.is_some() {
                effects.push(Effect::CancelTimer {
                    timer: Timer::AssignWait { session },
                });
            }
        }
    }

    /// Decides an update that waited.
    pub(super) fn decide_held(&mut self, now: Now, held: &Held, effects: &mut Vec<Effect>) {
        let received = Received::read(held.from, held.to, &held.update, &self.config);
        self.decide(now, &received, Order::Checked, effects);
    }
}
