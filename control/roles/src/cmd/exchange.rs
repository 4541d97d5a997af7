//! What previous MAARs are told, and what they answer (RFC 8885 sections 3.2 and 3.6).
//!
//! ```text
//!   pursue ──► is there something to tell? ──► rate of host and MAAR ──► pace ──► PBU, timer
//!     ▲                                                                             │
//!     │ told, silent, gone                          no answer: doubled wait, again ◄┤
//!     └──────────────────────────────── PBA ◄───────────────────────────────────────┘
//! ```
//!
//! A MAAR is told one thing about a host at a time, and the newest: where the host is before what is to
//! be let go of. So however fast a host moves, there is one update outstanding for each of its anchors.

use super::cache::{Anchor, Entry};
use super::counters::CmdCounter;
use super::pace::Turn;
use super::request::attributes;
use super::Cmd;
use crate::backoff::Backoff;
use crate::effect::{Effect, Notice};
use crate::event::Timer;
use crate::message::ProxyOptions;
use crate::Now;
use std::collections::VecDeque;
use std::net::Ipv6Addr;
use wire::mh::{
    BindingAcknowledgement, BindingUpdate, HomeNetworkPrefix, Lifetime, Message, MobilityOption,
    NtpTime, RevocationTrigger, Status, UpdateFlags,
};

/// Transmissions of one update that an acknowledgement may answer.
const ANSWERABLE: usize = 4;

/// What a MAAR is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The host is at this MAAR.
    Move(Ipv6Addr),
    /// It is to let go of prefixes.
    Release,
}

/// An update that a MAAR is to answer.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    purpose: Purpose,
    /// Of the last transmissions.
    sequences: VecDeque<u16>,
    backoff: Backoff,
    transmissions: u32,
}

impl Anchor {
    /// What it is to be told now.
    fn wanted(&self, serving: Option<Ipv6Addr>) -> Option<Purpose> {
        match serving {
            Some(serving) if self.address == serving => None,
            Some(serving) if !self.is_settled(serving) => Some(Purpose::Move(serving)),
            _ => (!self.leaving.is_empty()).then_some(Purpose::Release),
        }
    }
}

impl Cmd {
    /// Sees to it that every anchor of a session is told what it has yet to be told, and that nothing is
    /// left of a session that is over.
    pub(super) fn pursue(&mut self, now: Now, session: u64, effects: &mut Vec<Effect>) {
        let config = &self.config;
        let Some(entry) = self.cache.get_mut(session) else {
            return;
        };
        entry.anchors.retain(|it| !it.is_empty());
        let serving = entry.serving;
        let mut begun = Vec::new();
        for anchor in &mut entry.anchors {
            let wanted = anchor.wanted(serving);
            if anchor.exchange.as_ref().map(|it| it.purpose) == wanted {
                continue;
            }
            let maar = anchor.address;
            if anchor.exchange.take().is_some() && wanted.is_none() {
                let timer = Timer::AnchorUpdate { session, maar };
                effects.push(Effect::CancelTimer { timer });
            }
            if let Some(Purpose::Move(_)) = wanted {
                // From now on it may know of another place, whether it gets to say so or not.
                anchor.told = None;
                anchor.silent = None;
            }
            anchor.exchange = wanted.map(|purpose| {
                begun.push((maar, purpose));
                Exchange {
                    purpose,
                    sequences: VecDeque::new(),
                    backoff: Backoff::new(
                        config.initial_bindack_timeout,
                        config.max_bindack_timeout,
                    ),
                    transmissions: 0,
                }
            });
        }
        for (maar, purpose) in begun {
            self.counters.add(match purpose {
                Purpose::Move(_) => CmdCounter::AnchorUpdates,
                Purpose::Release => CmdCounter::AnchorReleases,
            });
            self.dispatch(now, session, maar, effects);
        }
        self.indicate(now, session, effects);
        self.end_if_over(session, effects);
    }

    /// Sends the update that a MAAR is to answer, when its rate and the pace allow.
    fn dispatch(&mut self, now: Now, session: u64, maar: Ipv6Addr, effects: &mut Vec<Effect>) {
        let rate = self.config.max_update_rate;
        let entry = self.cache.get_mut(session);
        let Some(anchor) = entry.and_then(|entry| entry.anchor_mut(maar)) else {
            return;
        };
        if let Err(wait) = anchor.rate.take(now.monotonic, rate) {
            self.counters.add(CmdCounter::UpdatesRateLimited);
            return effects.push(Effect::SetTimer {
                timer: Timer::AnchorUpdate { session, maar },
                after: wait,
            });
        }
        if self.pacer.pass(now.monotonic) {
            return self.transmit(now, session, maar, effects);
        }
        self.counters.add(CmdCounter::UpdatesPaced);
        self.pacer.join(Turn::Update { session, maar });
        // Not before it has gone.
        effects.push(Effect::CancelTimer {
            timer: Timer::AnchorUpdate { session, maar },
        });
        self.wait_for_pace(now, effects);
    }

    /// Has those who wait for their turn come up when it is.
    pub(super) fn wait_for_pace(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if let Some(after) = self.pacer.wait(now.monotonic).filter(|_| !self.pacing) {
            self.pacing = true;
            let timer = Timer::Pacing;
            effects.push(Effect::SetTimer { timer, after });
        }
    }

    /// Some of those who wait may go.
    pub(super) fn on_pacing(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.pacing = false;
        while let Some(turn) = self.pacer.next(now.monotonic) {
            match turn {
                Turn::Update { session, maar } => self.transmit(now, session, maar, effects),
                Turn::Indication { session, maar } => {
                    self.transmit_indication(now, session, maar, effects);
                }
            }
        }
        self.wait_for_pace(now, effects);
    }

    /// Sends an update as it stands now, if it is still wanted.
    fn transmit(&mut self, now: Now, session: u64, maar: Ipv6Addr, effects: &mut Vec<Effect>) {
        self.sequence = self.sequence.wrapping_add(1);
        let (sequence, from) = (self.sequence, self.config.address);
        let Some(entry) = self.cache.get_mut(session) else {
            return;
        };
        let timestamp = self.stamper.stamp(now);
        let Some(anchor) = entry.anchor(maar) else {
            return;
        };
        let Some(purpose) = anchor.exchange.as_ref().map(|it| it.purpose) else {
            return;
        };
        let lifetime = match purpose {
            Purpose::Move(_) => entry.lifetime_left(now.monotonic),
            Purpose::Release => Lifetime::ZERO,
        };
        let message = Message::BindingUpdate(BindingUpdate {
            sequence,
            flags: UpdateFlags::ACKNOWLEDGE
                .with(UpdateFlags::PROXY)
                .with(UpdateFlags::DISTRIBUTED),
            lifetime,
            options: options(entry, anchor, purpose, timestamp),
        });
        let exchange = entry.anchor_mut(maar).and_then(|it| it.exchange.as_mut());
        let Some(exchange) = exchange else { return };
        exchange.transmissions += 1;
        exchange.sequences.push_back(sequence);
        if exchange.sequences.len() > ANSWERABLE {
            exchange.sequences.pop_front();
        }
        let again = exchange.transmissions > 1;
        let after = exchange.backoff.step(&mut self.rng);
        if again {
            self.counters.add(CmdCounter::AnchorRetransmissions);
        }
        effects.push(Effect::Send {
            from,
            to: maar,
            message,
        });
        effects.push(Effect::SetTimer {
            timer: Timer::AnchorUpdate { session, maar },
            after,
        });
    }

    /// A MAAR has not answered in time, or may be sent something again.
    pub(super) fn on_anchor_timer(
        &mut self,
        now: Now,
        session: u64,
        maar: Ipv6Addr,
        effects: &mut Vec<Effect>,
    ) {
        let most = self.config.max_retransmissions;
        let entry = self.cache.get_mut(session);
        let Some(anchor) = entry.and_then(|entry| entry.anchor_mut(maar)) else {
            return;
        };
        let Some(exchange) = &anchor.exchange else {
            return;
        };
        if exchange.transmissions <= most {
            return self.dispatch(now, session, maar, effects);
        }
        match exchange.purpose {
            Purpose::Move(serving) => anchor.silent = Some(serving),
            Purpose::Release => anchor.leaving.clear(),
        }
        anchor.exchange = None;
        self.counters.add(CmdCounter::AnchorsSilent);
        self.notify(session, effects, |mn_identifier| Notice::AnchorSilent {
            mn_identifier,
            maar,
        });
        self.anchor_settled(now, session, false, effects);
    }

    /// What a MAAR answers.
    pub(super) fn on_acknowledgement(
        &mut self,
        now: Now,
        from: Ipv6Addr,
        answer: &BindingAcknowledgement,
        effects: &mut Vec<Effect>,
    ) {
        let options = ProxyOptions::read(&answer.options);
        let entry = options.mn_identifier.and_then(|host| self.cache.of(host));
        let answered = entry.and_then(|entry| {
            let exchange = entry.anchor(from)?.exchange.as_ref()?;
            let sent = exchange.sequences.contains(&answer.sequence);
            sent.then_some((entry.session, exchange.purpose))
        });
        let Some((session, purpose)) = answered else {
            return self.ignore(from, CmdCounter::UnexpectedAcknowledgement, effects);
        };
        let mut serving = answer.options.iter().filter_map(|option| match option {
            MobilityOption::ServingMaar(serving) => Some(*serving),
            _ => None,
        });
        if let Purpose::Move(to) = purpose {
            if serving.any(|serving| serving != to) {
                return self.ignore(from, CmdCounter::AcknowledgementOfOther, effects);
            }
            if answer.status.is_accepted() && options.prefixes.is_empty() {
                return self.ignore(from, CmdCounter::AcknowledgementWithoutPrefix, effects);
            }
        }
        if purpose_stays(answer.status) {
            // It will be sent again, with a new timestamp and number.
            return self.counters.add(CmdCounter::AnchorsRefused);
        }
        let anchored = answer
            .status
            .is_accepted()
            .then(|| options.named_prefixes());
        let told = attributes(&answer.options);
        self.settle_anchor(session, from, purpose, anchored, told);
        let timer = Timer::AnchorUpdate {
            session,
            maar: from,
        };
        effects.push(Effect::CancelTimer { timer });
        let status = answer.status;
        self.notify(session, effects, |mn_identifier| Notice::AnchorAnswered {
            mn_identifier,
            maar: from,
            status,
        });
        let confirmed = status.is_accepted() && purpose != Purpose::Release;
        self.anchor_settled(now, session, confirmed, effects);
    }

    /// Writes into the entry what a MAAR answered: what it anchors, or `None` when it refused.
    fn settle_anchor(
        &mut self,
        session: u64,
        maar: Ipv6Addr,
        purpose: Purpose,
        anchored: Option<Vec<HomeNetworkPrefix>>,
        told: Vec<MobilityOption>,
    ) {
        let found = self.found(session, maar, anchored.as_deref().unwrap_or_default());
        let Some(entry) = self.cache.get_mut(session) else {
            return;
        };
        let before: Vec<HomeNetworkPrefix> = entry.prefixes().collect();
        // A serving MAAR that has been answered may have been told of what is gone.
        let answered = entry.held.as_ref().is_none_or(|held| held.answered);
        let mut lost = Vec::new();
        let Some(anchor) = entry.anchor_mut(maar) else {
            return;
        };
        anchor.exchange = None;
        match (purpose, anchored) {
            // Whatever it says to that, it need not be told again.
            (Purpose::Release, _) => {
                anchor.leaving.clear();
                self.counters.add(CmdCounter::AnchorsReleased);
            }
            (Purpose::Move(serving), Some(anchored)) => {
                let gone = anchor.prefixes.iter().filter(|it| !anchored.contains(it));
                lost.extend(gone.copied());
                anchor.prefixes.retain(|prefix| anchored.contains(prefix));
                for prefix in found {
                    self.counters.add(CmdCounter::PrefixesFound);
                    anchor.prefixes.push(prefix);
                }
                anchor.prefixes.sort_unstable();
                anchor.told = Some(serving);
                if !told.is_empty() {
                    anchor.attributes = told;
                }
                self.counters.add(CmdCounter::AnchorsConfirmed);
            }
            (Purpose::Move(_), None) => {
                lost.append(&mut anchor.prefixes);
                self.counters.add(CmdCounter::AnchorsRefused);
            }
        }
        for _ in &lost {
            self.counters.add(CmdCounter::PrefixesLost);
        }
        self.cache.reindex(session, &before);
        lost.extend(self.evict(session));
        if answered {
            self.lose(session, &lost, RevocationTrigger::UNSPECIFIED);
        }
    }

    /// Of the prefixes that a previous MAAR says it anchors for a host, those that are not known here
    /// and may be true: there was a time that this database does not remember.
    fn found(
        &self,
        session: u64,
        maar: Ipv6Addr,
        anchored: &[HomeNetworkPrefix],
    ) -> Vec<HomeNetworkPrefix> {
        let entry = self.cache.get(session);
        let anchor = entry.and_then(|entry| entry.anchor(maar));
        let known = |prefix: &HomeNetworkPrefix| {
            anchor.is_some_and(|it| it.prefixes.contains(prefix) || it.leaving.contains(prefix))
        };
        let mut found: Vec<HomeNetworkPrefix> = Vec::new();
        for &prefix in anchored.iter().take(self.config.max_previous) {
            let overlaps = |it: &HomeNetworkPrefix| crate::pool::overlap(*it, prefix);
            if !known(&prefix)
                && self.may_anchor(maar, prefix)
                && !self.cache.is_taken(prefix, None)
                && !found.iter().any(overlaps)
                && self.has_room_for(found.len() + 1)
            {
                found.push(prefix);
            }
        }
        found
    }
}

/// Whether a refusal is about the message, and not about what it says.
const fn purpose_stays(status: Status) -> bool {
    matches!(
        status,
        Status::TIMESTAMP_MISMATCH
            | Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED
            | Status::SEQUENCE_OUT_OF_WINDOW
            | Status::INSUFFICIENT_RESOURCES
            | Status::ID_MISMATCH
            | Status::MESG_ID_REQUIRED
            | Status::AUTH_FAIL
    )
}

/// The options of an update to a previous MAAR: those of the serving one's, with the Serving MAAR
/// option, and what of the receiver's it is about in Anchored Prefix options.
fn options(
    entry: &Entry,
    anchor: &Anchor,
    purpose: Purpose,
    timestamp: NtpTime,
) -> Vec<MobilityOption> {
    let mut options = vec![MobilityOption::MnIdentifier(entry.mn_identifier.clone())];
    let (named, about): (&[HomeNetworkPrefix], &[HomeNetworkPrefix]) = match purpose {
        Purpose::Move(_) => (
            entry.home().map_or(&[], |home| home.prefixes.as_slice()),
            &anchor.prefixes,
        ),
        Purpose::Release => (&anchor.leaving, &anchor.leaving),
    };
    let named = named.iter().copied();
    options.extend(named.map(MobilityOption::HomeNetworkPrefix));
    options.push(MobilityOption::HandoffIndicator(entry.handoff));
    options.push(MobilityOption::AccessTechnology(entry.access_technology));
    options.push(MobilityOption::Timestamp(timestamp));
    if let Some(id) = &entry.link_layer {
        options.push(MobilityOption::MnLinkLayerIdentifier(id.clone()));
    }
    options.extend(entry.serving.map(MobilityOption::ServingMaar));
    let about = about.iter().copied();
    options.extend(about.map(MobilityOption::AnchoredPrefix));
    options
}
