//! Sessions that come from one interface of a host to another (RFC 5213 section 5.4).
//!
//! Only the access network or the operator can know that ([`Event::TakeOver`](crate::Event::TakeOver)). The
//! anchor is told by an update with handoff indicator 2, which names the prefixes of the session, or none
//! when the host has only one. It answers with all that the interface has now: what came and what was
//! there. When it refuses, what is bound stays bound.

use super::Mag;
use crate::effect::Effect;
use crate::event::{HostLink, Sign, Timer};
use crate::refusal::Hold;
use crate::Now;
use wire::mh::{HandoffIndicator, HomeNetworkPrefix, MnIdentifier};

impl Mag {
    /// A session of the host at `link` comes to that link, from another of its interfaces.
    pub(super) fn on_take_over(
        &mut self,
        now: Now,
        link: HostLink,
        prefixes: &[HomeNetworkPrefix],
        effects: &mut Vec<Effect>,
    ) {
        let visitor = self.visitors.get(&link);
        if visitor.is_none_or(|visitor| visitor.registration.is_none()) {
            self.on_host_seen(now, link, Sign::Operator, effects);
            if let Some(visitor) = self.visitors.get_mut(&link) {
                visitor.taking_over = Some(prefixes.to_vec());
            }
            return;
        }
        let lifetime = self.core.lifetime();
        let visitor = self.visitors.get_mut(&link);
        let Some(registration) = visitor.and_then(|it| it.registration.as_mut()) else {
            return;
        };
        registration.arrived = None;
        registration.untold = false;
        registration.halted = false;
        let (list, between) = (&mut registration.list, HandoffIndicator::BETWEEN_INTERFACES);
        let prefixes = prefixes.to_vec();
        self.core
            .begin(now, list, between, lifetime, prefixes, effects);
    }

    /// The anchor has not handed a session over: the interface goes on with what it has, or is attached
    /// as if nothing had been said.
    pub(super) fn not_taken_over(&mut self, now: Now, link: HostLink, effects: &mut Vec<Effect>) {
        let visitor = self.visitors.get_mut(&link);
        let Some(registration) = visitor.and_then(|it| it.registration.as_mut()) else {
            return;
        };
        registration.list.update = None;
        let handoff = match registration.bound {
            Some(_) => HandoffIndicator::NOT_CHANGED,
            None => registration.attaching(),
        };
        let timer = Timer::Retransmit { link };
        effects.push(Effect::CancelTimer { timer });
        self.update(now, link, handoff, effects);
    }

    /// Whether the outstanding update of a link hands a session over to it.
    pub(super) fn is_taking_over(&self, link: HostLink) -> bool {
        let registration = self
            .visitors
            .get(&link)
            .and_then(|it| it.registration.as_ref());
        let update = registration.and_then(|it| it.list.update.as_ref());
        update.is_some_and(|it| it.handoff == HandoffIndicator::BETWEEN_INTERFACES)
    }

    /// A session has gone from this link to another interface of its host, which is here too. The
    /// interface is on its link for all that is known, and attaches anew when it says so.
    pub(super) fn taken_from(&mut self, now: Now, link: HostLink, effects: &mut Vec<Effect>) {
        self.end(now, link, true, false, effects);
        self.remove(link);
        let hold = Hold::PacketsUntil(now.monotonic + self.core.config.refusal_hold);
        let most = self.core.config.remembered_refusals;
        self.refusals.insert(link, hold, most);
    }

    /// Who is registered on a link.
    pub(super) fn registered_on(&self, link: HostLink) -> Option<&MnIdentifier> {
        let registration = self.visitors.get(&link)?.registration.as_ref()?;
        Some(&registration.list.mn_identifier)
    }
}
