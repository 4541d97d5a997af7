//! What an anchor is told again of a host, which may have gone on to another gateway meanwhile (RFC 5213
//! section 6.9.4).

use super::visitor::{Host, Registration};
use super::Mag;
use crate::effect::Effect;
use crate::event::{HostLink, Timer};
use crate::outstanding::Update;
use crate::presence::ANSWER;
use crate::Now;

/// Asks a host whether it is still here, and starts a timer after which it is asked again; whether it can
/// be asked.
fn ask(
    host: &Host,
    registration: &mut Registration,
    timer: Timer,
    effects: &mut Vec<Effect>,
) -> bool {
    let question = registration.presence.ask(host.link, host.address());
    let asked = question.is_some();
    effects.extend(question);
    effects.extend(asked.then_some(Effect::SetTimer {
        timer,
        after: ANSWER,
    }));
    asked
}

impl Mag {
    /// An update is not acknowledged yet: sends it again. That a host has come is said again of one that
    /// is still here.
    pub(super) fn retransmit(&mut self, now: Now, link: HostLink, effects: &mut Vec<Effect>) {
        let Some(visitor) = self.visitors.get_mut(&link) else {
            return;
        };
        let Some(registration) = visitor.registration.as_mut() else {
            return;
        };
        let moves = registration
            .list
            .update
            .as_deref()
            .is_some_and(Update::moves);
        let timer = Timer::Retransmit { link };
        if moves && ask(&visitor.host, registration, timer, effects) {
            return;
        }
        self.core.transmit(now, &mut registration.list, effects);
    }

    /// A binding is to be refreshed. That its host has come, if it has since its anchor was told, is said
    /// of one that is still here.
    pub(super) fn refresh(&mut self, now: Now, link: HostLink, effects: &mut Vec<Effect>) {
        if let Some(visitor) = self.visitors.get_mut(&link) {
            let tells = |it: &&mut Registration| {
                it.arrived.is_some() && it.bound.is_some() && !it.halted && it.list.update.is_none()
            };
            if let Some(registration) = visitor.registration.as_mut().filter(tells) {
                let timer = Timer::Refresh { link };
                if ask(&visitor.host, registration, timer, effects) {
                    return;
                }
            }
        }
        self.extend(now, link, effects);
    }

    /// A host that was asked has shown that it is still here: its anchor is told what it is being told
    /// of it, or that it has come.
    pub(super) fn tell_again(&mut self, now: Now, link: HostLink, effects: &mut Vec<Effect>) {
        let visitor = self.visitors.get_mut(&link);
        let Some(registration) = visitor.and_then(|it| it.registration.as_mut()) else {
            return;
        };
        if registration
            .list
            .update
            .as_deref()
            .is_some_and(Update::moves)
        {
            return self.core.transmit(now, &mut registration.list, effects);
        }
        self.extend(now, link, effects);
    }
}
