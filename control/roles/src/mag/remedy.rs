//! What an anchor refuses, and what is done about it (RFC 5213 section 6.9.1.2, rules 7 to 11).

use super::counters::MagCounter;
use super::ipv4;
use super::visitor::attaching;
use super::{Left, Mag};
use crate::effect::Effect;
use crate::event::HostLink;
use crate::outstanding::Update;
use crate::refusal::Hold;
use crate::Now;
use wire::mh::{BindingAcknowledgement, HandoffIndicator, Status};

/// What to do about a refusal.
enum Remedy {
    /// Send again at once, corrected.
    Correct,
    /// Send again, late; the binding stands.
    Wait,
    /// Send again, late; the host is not served until then.
    WaitUnserved,
    /// Ask for whatever prefix the anchor has to give.
    AskAnew,
    /// Ask for what is left to ask for after a refusal of one family, or after the answer that there is no
    /// binding.
    AskAgain,
    /// Stop serving the host, which has come to another gateway since, until it shows itself here,
    /// or until it would have been missed by then.
    Doubt,
    /// Do not serve the host.
    GiveUp,
}

impl Remedy {
    const fn of(status: Status, named_prefixes: bool, refresh: bool, clocks_agree: bool) -> Self {
        match status {
            // Authenticated updates carry the anchor's time from then on.
            Status::SEQUENCE_OUT_OF_WINDOW
            | Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED
            | Status::ID_MISMATCH => Self::Correct,
            // Either the update was late on its way and a fresh one will do, or the clock has to be set
            // first, by its own time source.
            Status::TIMESTAMP_MISMATCH if clocks_agree => Self::Correct,
            Status::TIMESTAMP_MISMATCH => Self::Wait,
            Status::UNSPECIFIED | Status::INSUFFICIENT_RESOURCES => Self::WaitUnserved,
            Status::NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX
            | Status::BCE_PBU_PREFIX_SET_DO_NOT_MATCH
                if named_prefixes =>
            {
                Self::AskAnew
            }
            Status::ADMINISTRATIVELY_PROHIBITED if refresh => Self::Doubt,
            _ => Self::GiveUp,
        }
    }
}
impl Mag {
    /// The anchor refused the registration of a host that is here (rules 7 to 11).
    pub(super) fn not_accepted(
        &mut self,
        now: Now,
        link: HostLink,
        answer: &BindingAcknowledgement,
        clocks_agree: bool,
        effects: &mut Vec<Effect>,
    ) {
        let visitor = self.visitors.get_mut(&link);
        let Some(registration) = visitor.and_then(|v| v.registration.as_mut()) else {
            return;
        };
        if registration.list.update.is_none() {
            return;
        }
        let status = self.core.config.profile.meaning(answer.status);
        let confirms = registration.list.confirms(self.core.config.profile);
        if registration.list.settles_for_less_delegated(status) {
            self.core.counters.add(MagCounter::DelegationsRefused);
            effects.push(registration.list.delegation_refused(status));
            let again = registration
                .list
                .update
                .as_deref_mut()
                .is_some_and(Update::correct);
            if again {
                self.core.transmit(now, &mut registration.list, effects);
            }
            return;
        }
        let missing = confirms && status == Status::NOT_HOME_AGENT;
        registration.list.missing |= missing;
        let less = missing || registration.list.settle_for_less(status);
        let Some(update) = registration.list.update.as_mut() else {
            return;
        };
        let refresh = update.handoff == HandoffIndicator::NOT_CHANGED;
        let named_ipv4 = registration
            .list
            .ipv4
            .is_some_and(|asked| asked != ipv4::ANY);
        let named_address = !registration.list.home_addresses.is_empty();
        let named_prefixes = !update.prefixes.is_empty() || named_ipv4 || named_address;
        let remedy = match less {
            true => Remedy::AskAgain,
            false => Remedy::of(status, named_prefixes, refresh, clocks_agree),
        };
        let between = update.handoff == HandoffIndicator::BETWEEN_INTERFACES;
        if between && !matches!(remedy, Remedy::Correct | Remedy::Wait) {
            self.core.counters.add(MagCounter::TakeOversRefused);
            return self.not_taken_over(now, link, effects);
        }
        let attaching = attaching(&registration.profile);
        self.core.counters.add(match remedy {
            Remedy::Correct | Remedy::AskAnew | Remedy::AskAgain => MagCounter::RefusedCorrectable,
            Remedy::Wait | Remedy::WaitUnserved => MagCounter::RefusedTransient,
            Remedy::Doubt => MagCounter::HostsElsewhere,
            Remedy::GiveUp => MagCounter::RefusedByAnchor,
        });
        match remedy {
            Remedy::Correct => {
                if !self.core.config.timestamps {
                    registration.list.sequence = answer.sequence;
                }
                let corrects = update.correct();
                // Another gateway may have said something newer, for the host has gone on there.
                let asks = status == Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED;
                if corrects && asks {
                    self.retransmit(now, link, effects);
                } else if corrects {
                    self.core.transmit(now, &mut registration.list, effects);
                }
            }
            Remedy::Wait => self.core.retry_late(&mut registration.list, effects),
            Remedy::WaitUnserved | Remedy::AskAnew | Remedy::AskAgain => {
                update.handoff = attaching;
                update.forget_transmissions();
                let anew = matches!(remedy, Remedy::AskAnew);
                let at_once = update.correct() && !matches!(remedy, Remedy::WaitUnserved);
                if anew {
                    update.prefixes.clear();
                }
                self.lose_binding(now, link, effects);
                let visitor = self.visitors.get_mut(&link);
                let Some(registration) = visitor.and_then(|v| v.registration.as_mut()) else {
                    return;
                };
                if anew {
                    registration.prefixes.clear();
                    registration.list.home_addresses.clear();
                    registration.list.ipv4 = registration.list.ipv4.map(|_| ipv4::ANY);
                }
                if at_once {
                    self.core.transmit(now, &mut registration.list, effects);
                } else {
                    self.core.retry_late(&mut registration.list, effects);
                }
            }
            Remedy::Doubt => {
                update.handoff = attaching;
                update.forget_transmissions();
                self.suspend(link, effects);
                let visitor = self.visitors.get_mut(&link);
                if let Some(registration) = visitor.and_then(|v| v.registration.as_mut()) {
                    registration.doubted = true;
                    self.core.retry_late(&mut registration.list, effects);
                }
            }
            Remedy::GiveUp => {
                self.end(now, link, true, false, effects);
                let hold = if status == Status::PROXY_REG_NOT_ENABLED {
                    Hold::UntilToldOtherwise
                } else {
                    Hold::Until(now.monotonic + self.core.config.refusal_hold)
                };
                let why = format!("its anchor answered {}", answer.status);
                self.refuse(link, why, hold, effects);
            }
        }
    }

    /// The anchor answered a de-registration.
    pub(super) fn left(
        &mut self,
        now: Now,
        left: &Left,
        answer: &BindingAcknowledgement,
        effects: &mut Vec<Effect>,
    ) {
        let most = self.core.config.deregistration_transmissions;
        let Some(leaving) = self.leaving.get_mut(left) else {
            return;
        };
        match Remedy::of(answer.status, false, false, false) {
            _ if answer.status.is_accepted() => self.core.counters.add(MagCounter::Deregistered),
            Remedy::Correct if !self.core.config.timestamps => {
                leaving.list.sequence = answer.sequence;
                let sent = leaving.list.update.as_ref().map_or(0, |u| u.transmissions);
                if sent < most {
                    self.core.transmit(now, &mut leaving.list, effects);
                }
                return;
            }
            // The timer runs on; the next transmission may fare better.
            Remedy::Correct | Remedy::Wait | Remedy::WaitUnserved => return,
            Remedy::AskAnew | Remedy::AskAgain | Remedy::Doubt | Remedy::GiveUp => {}
        }
        self.forget_left(left, effects);
    }
}
