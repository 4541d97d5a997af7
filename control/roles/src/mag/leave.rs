//! Hosts that leave, or are no longer served (RFC 5213 sections 6.9.1.4 and 6.13).

use super::counters::MagCounter;
use super::update::ListEntry;
use super::visitor::Registration;
use super::{Left, Mag};
use crate::effect::{Effect, Notice};
use crate::event::{Departure, HostLink, Timer};
use crate::refusal::Hold;
use crate::store::Key;
use crate::{BoundPrefix, Now};
use std::net::Ipv6Addr;
use wire::mh::{HandoffIndicator, HomeNetworkPrefix, Lifetime, MnIdentifier};

/// A host that left and whose anchor has not acknowledged that yet.
#[derive(Clone, Debug)]
pub(super) struct Leaving {
    pub(super) list: ListEntry,
    /// What it had, or had asked for.
    pub(super) prefixes: Vec<HomeNetworkPrefix>,
}

/// Stops every timer of a visitor.
pub(super) fn cancel_timers(link: HostLink, effects: &mut Vec<Effect>) {
    effects.extend(
        [
            Timer::Retransmit { link },
            Timer::Refresh { link },
            Timer::VisitorExpiry { link },
            Timer::Advertise { link },
        ]
        .map(|timer| Effect::CancelTimer { timer }),
    );
}

impl Mag {
    pub(super) fn on_host_gone(
        &mut self,
        now: Now,
        link: HostLink,
        why: Departure,
        effects: &mut Vec<Effect>,
    ) {
        if !self.visitors.contains_key(&link) {
            return;
        }
        // The operator or AAA may detach a host that is still there.
        let present = why.is_still_there();
        self.end(now, link, present, true, effects);
        self.remove(link);
        if present {
            let hold = Hold::PacketsUntil(now.monotonic + self.core.config.refusal_hold);
            let most = self.core.config.remembered_refusals;
            self.refusals.insert(link, hold, most);
        }
    }

    /// The operator ends all sessions of a host.
    pub(super) fn detach(&mut self, now: Now, host: &MnIdentifier, effects: &mut Vec<Effect>) {
        let links: Vec<HostLink> = self.by_identifier.get(host).collect();
        for link in links {
            self.on_host_gone(now, link, Departure::Operator, effects);
        }
    }

    /// Ends the registration of a host that is still there and tells its anchor. The host stays in
    /// the visitor list.
    pub(super) fn end_registration(&mut self, now: Now, link: HostLink, effects: &mut Vec<Effect>) {
        self.end(now, link, true, true, effects);
    }

    /// Takes a host out of the visitor list that is not served for a while, and says why. Its
    /// registration has ended.
    pub(super) fn refuse(
        &mut self,
        link: HostLink,
        why: String,
        hold: Hold,
        effects: &mut Vec<Effect>,
    ) {
        self.remove(link);
        let most = self.core.config.remembered_refusals;
        self.refusals.insert(link, hold, most);
        let notice = Notice::AttachRefused { link, why };
        effects.push(Effect::Notify { notice });
    }

    /// Ends a registration: no forwarding, no timers, no watch; `present`: the host is told;
    /// `deregister`: its anchor is told.
    pub(super) fn end(
        &mut self,
        now: Now,
        link: HostLink,
        present: bool,
        deregister: bool,
        effects: &mut Vec<Effect>,
    ) {
        let visitor = self.visitors.get_mut(&link);
        let Some(mut registration) = visitor.and_then(|v| v.registration.take()) else {
            return;
        };
        self.unbind(&registration, effects);
        cancel_timers(link, effects);
        effects.push(Effect::Unwatch { link });
        if registration.bound.is_some() && present {
            self.withdraw(now, &registration, effects);
        }
        self.by_identifier
            .remove(&registration.list.mn_identifier, link);
        if registration.announced {
            self.core.counters.add(MagCounter::HostsDetached);
            effects.push(Effect::Notify {
                notice: Notice::Detached {
                    link,
                    mn_identifier: registration.list.mn_identifier.clone(),
                },
            });
        }
        registration.bound = None;
        if deregister {
            self.deregister(now, registration, effects);
        }
    }

    /// Stops the forwarding of what is bound.
    fn unbind(&mut self, registration: &Registration, effects: &mut Vec<Effect>) {
        if registration.bound.is_none() {
            return;
        }
        self.peers.unshare(registration.list.lma, effects);
        for prefix in registration.bound_prefixes() {
            self.by_prefix.remove(&prefix);
            effects.push(Effect::Unbind { prefix });
        }
        effects.extend(registration.serve_ipv4(false));
        let link = registration.list.link;
        let key = Key::Visitor { link };
        effects.push(Effect::Forget { key });
        let bound = registration.bound_prefixes().into_iter();
        effects.extend(bound.map(|prefix| registration.binding_down(prefix)));
    }

    /// Tells a host that its prefixes are no longer served.
    fn withdraw(&mut self, now: Now, registration: &Registration, effects: &mut Vec<Effect>) {
        if let Some(visitor) = self.visitors.get_mut(&registration.list.link) {
            let host = &mut visitor.host;
            host.withdraw(now.monotonic, &mut self.core, registration, effects);
        }
    }

    /// Ends the binding of a host that stays registered: its anchor has no binding for it any more.
    pub(super) fn lose_binding(&mut self, now: Now, link: HostLink, effects: &mut Vec<Effect>) {
        if !self.suspend(link, effects) {
            return;
        }
        if let Some(visitor) = self.visitors.get_mut(&link) {
            if let Some(registration) = &visitor.registration {
                let host = &mut visitor.host;
                host.withdraw(now.monotonic, &mut self.core, registration, effects);
            }
        }
    }

    /// Ends the binding of a host that stays registered without a word to it; whether it had one.
    pub(super) fn suspend(&mut self, link: HostLink, effects: &mut Vec<Effect>) -> bool {
        let visitor = self.visitors.get_mut(&link);
        let Some(mut registration) = visitor.and_then(|v| v.registration.take()) else {
            return false;
        };
        let was_bound = registration.bound.is_some();
        if was_bound {
            self.unbind(&registration, effects);
            for timer in [
                Timer::Refresh { link },
                Timer::VisitorExpiry { link },
                Timer::Advertise { link },
            ] {
                effects.push(Effect::CancelTimer { timer });
            }
            registration.bound = None;
        }
        if let Some(visitor) = self.visitors.get_mut(&link) {
            visitor.registration = Some(registration);
        }
        was_bound
    }

    /// Tells the anchor that a host has left.
    fn deregister(&mut self, now: Now, registration: Registration, effects: &mut Vec<Effect>) {
        if self.leaving.len() >= self.core.config.capacity {
            return self.core.counters.add(MagCounter::DeregistrationsGivenUp);
        }
        let Registration {
            mut list, prefixes, ..
        } = registration;
        let unknown = HandoffIndicator::UNKNOWN;
        let asked = prefixes.clone();
        self.core
            .begin(now, &mut list, unknown, Lifetime::ZERO, asked, effects);
        let left = (list.mn_identifier.clone(), list.link.mac);
        self.leaving.insert(left, Leaving { list, prefixes });
    }

    /// What a host that comes back has left behind, if it is with the same anchor.
    pub(super) fn take_leaving(
        &mut self,
        left: &Left,
        lma: Ipv6Addr,
        effects: &mut Vec<Effect>,
    ) -> Option<Leaving> {
        if self.leaving.get(left)?.list.lma != lma {
            return None;
        }
        self.forget_left(left, effects)
    }

    /// Says no more that a host has left.
    pub(super) fn forget_left(
        &mut self,
        left: &Left,
        effects: &mut Vec<Effect>,
    ) -> Option<Leaving> {
        let forgotten = self.leaving.remove(left)?;
        let (mn_identifier, mac) = left.clone();
        let timer = Timer::Deregistration { mn_identifier, mac };
        effects.push(Effect::CancelTimer { timer });
        Some(forgotten)
    }

    /// A de-registration is not acknowledged yet: sends it again, or gives up.
    pub(super) fn on_deregistration_timer(
        &mut self,
        now: Now,
        left: &Left,
        effects: &mut Vec<Effect>,
    ) {
        let most = self.core.config.deregistration_transmissions;
        let Some(leaving) = self.leaving.get_mut(left) else {
            return;
        };
        let sent = leaving.list.update.as_ref().map_or(0, |u| u.transmissions);
        if sent < most {
            self.core.transmit(now, &mut leaving.list, effects);
        } else {
            self.leaving.remove(left);
            self.core.counters.add(MagCounter::DeregistrationsGivenUp);
        }
    }

    /// The table refused to install a prefix: the host cannot be served.
    pub(super) fn on_refused(&mut self, now: Now, prefix: BoundPrefix, effects: &mut Vec<Effect>) {
        let Some(link) = self.by_prefix.get(&prefix).copied() else {
            return;
        };
        self.core.counters.add(MagCounter::RefusedByTable);
        self.end_registration(now, link, effects);
        let hold = Hold::Until(now.monotonic + self.core.config.refusal_hold);
        let why = "its binding does not fit into the table".to_owned();
        self.refuse(link, why, hold, effects);
    }

    /// The gateway is going down.
    pub(super) fn on_shutdown(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if !self.core.config.deregister_on_shutdown {
            return;
        }
        let links: Vec<HostLink> = self.visitors.keys().copied().collect();
        for link in links {
            self.end(now, link, true, true, effects);
            self.remove(link);
        }
    }
}
