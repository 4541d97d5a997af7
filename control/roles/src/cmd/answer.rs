//! Proxy Binding Acknowledgements to MAARs, at once or when previous MAARs have answered (RFC 8885
//! sections 3.2 to 3.4).

use super::cache::Entry;
use super::counters::CmdCounter;
use super::request::{Held, Received};
use super::{Cmd, CmdMode};
use crate::answer;
use crate::effect::Effect;
use crate::message::{can_answer, OurTime};
use crate::Now;
use std::net::Ipv6Addr;
use wire::mh::{
    AcknowledgementFlags, BindingAcknowledgement, BindingUpdate, HomeNetworkPrefix, Lifetime,
    Message, MnIdentifier, MobilityOption, PreviousMaar, Status,
};

/// What an acknowledgement says that the update does not.
#[derive(Default)]
struct Outcome {
    sequence: u16,
    lifetime: Lifetime,
    time: OurTime,
    /// Previous MAARs, each with what it has told.
    previous: Vec<MobilityOption>,
}

impl Cmd {
    /// Answers the serving MAAR with what is known of the previous ones by now.
    pub(super) fn answer(
        &mut self,
        now: Now,
        received: &Received<'_>,
        session: u64,
        effects: &mut Vec<Effect>,
    ) {
        let Some(entry) = self.cache.get(session) else {
            return;
        };
        let held = entry.held.as_ref();
        let mode = held.map_or(self.mode, |held| held.mode);
        let previous = match mode {
            CmdMode::Proxy => previous(entry, |_| true),
            // In locator mode they have told the serving MAAR themselves; what of that was lost it hears
            // with its next refresh.
            CmdMode::Relay | CmdMode::Locator => {
                previous(entry, |told| told.is_some() && told == entry.serving)
            }
        };
        let outcome = Outcome {
            sequence: received.update.sequence,
            // Granted now, or, to an answer that comes late, what is left of it.
            lifetime: entry.lifetime_left(now.monotonic),
            previous,
            ..Outcome::default()
        };
        let host = Some(entry.mn_identifier.clone());
        let message = acknowledge(received, Status::ACCEPTED, outcome);
        let ends = (received.to, received.from);
        self.send_answer(ends, host, Status::ACCEPTED, message, effects);
    }

    /// Accepts an update without a word about previous MAARs.
    pub(super) fn acknowledge(
        &mut self,
        received: &Received<'_>,
        lifetime: Lifetime,
        effects: &mut Vec<Effect>,
    ) {
        let outcome = Outcome {
            sequence: received.update.sequence,
            lifetime,
            ..Outcome::default()
        };
        let message = acknowledge(received, Status::ACCEPTED, outcome);
        let host = received.options.mn_identifier.cloned();
        let ends = (received.to, received.from);
        self.send_answer(ends, host, Status::ACCEPTED, message, effects);
    }

    /// Something has become known of a previous MAAR, `confirmed` when it is where the host is: the
    /// serving one may be answered now.
    pub(super) fn anchor_settled(
        &mut self,
        now: Now,
        session: u64,
        confirmed: bool,
        effects: &mut Vec<Effect>,
    ) {
        let Some(entry) = self.cache.get_mut(session) else {
            return;
        };
        let settled = entry.is_settled();
        let held = entry.held.take();
        if settled {
            self.store(session, effects);
        }
        if let Some(held) = held {
            self.answer_held(now, session, *held, (settled, confirmed), effects);
        }
        self.pursue(now, session, effects);
    }

    /// Answers an update that waits, if it is time to; it waits on while not all is settled.
    fn answer_held(
        &mut self,
        now: Now,
        session: u64,
        mut held: Held,
        (settled, confirmed): (bool, bool),
        effects: &mut Vec<Effect>,
    ) {
        let Some(entry) = self.cache.get_mut(session) else {
            return;
        };
        let told = entry.serving.is_some_and(|serving| {
            let mut previous = entry.previous();
            previous.any(|it| it.told == Some(serving) && !it.prefixes.is_empty())
        });
        let answer = match (held.mode, held.answered) {
            (CmdMode::Relay, false) => settled.then_some(CmdCounter::AnswersAggregated),
            (CmdMode::Relay, true) => confirmed.then_some(CmdCounter::AnswersLate),
            (CmdMode::Locator, false) if settled && told => {
                self.counters.add(CmdCounter::AnswersLeft);
                None
            }
            (CmdMode::Locator, false) => settled.then_some(CmdCounter::AnswersIncomplete),
            _ => None,
        };
        let update = answer
            .is_some()
            .then(|| (held.from, held.to, held.update.clone()));
        held.answered |= answer.is_some();
        entry.held = Some(Box::new(held));
        if let (Some(why), Some((from, to, update))) = (answer, update) {
            self.counters.add(why);
            let received = Received::read(from, to, &update);
            self.answer(now, &received, session, effects);
        }
        if settled {
            if let Some(entry) = self.cache.get_mut(session) {
                entry.held = None;
            }
            self.cancel_aggregation(session, effects);
        }
    }

    /// Not all previous MAARs have answered in time.
    pub(super) fn on_aggregation(&mut self, now: Now, session: u64, effects: &mut Vec<Effect>) {
        let Some(entry) = self.cache.get_mut(session) else {
            return;
        };
        let serving = entry.serving;
        let told = entry
            .previous()
            .any(|it| it.told.is_some() && it.told == serving);
        let Some(held) = entry.held.as_mut().filter(|held| !held.answered) else {
            return;
        };
        if held.mode == CmdMode::Locator && told {
            // Somebody has answered it; it will ask again if it has not heard.
            return;
        }
        held.answered = true;
        let (from, to, update) = (held.from, held.to, held.update.clone());
        self.counters.add(CmdCounter::AnswersIncomplete);
        let received = Received::read(from, to, &update);
        self.answer(now, &received, session, effects);
    }

    /// Says that an update was refused.
    pub(super) fn refuse(
        &mut self,
        now: Now,
        received: &Received<'_>,
        status: Status,
        effects: &mut Vec<Effect>,
    ) {
        let stranger = status == Status::MAG_NOT_AUTHORIZED_FOR_PROXY_REG
            && !self.maars.contains_key(&received.from);
        if stranger && !self.strangers.take(now.monotonic) {
            return self.ignore(received.from, CmdCounter::StrangersUnanswered, effects);
        }
        let mut outcome = Outcome {
            sequence: received.update.sequence,
            time: OurTime::with(status, now),
            ..Outcome::default()
        };
        if status == Status::SEQUENCE_OUT_OF_WINDOW {
            let host = received.options.mn_identifier;
            if let Some(entry) = host.and_then(|host| self.cache.of(host)) {
                outcome.sequence = entry.sequence;
            }
        }
        let message = acknowledge(received, status, outcome);
        let host = received.options.mn_identifier.cloned();
        self.send_answer((received.to, received.from), host, status, message, effects);
    }

    /// Says that an update is not believed: it may be anyone's, so it changes nothing.
    pub(super) fn on_unauthenticated(
        &mut self,
        now: Now,
        (from, to): (Ipv6Addr, Ipv6Addr),
        update: &BindingUpdate,
        status: Status,
        effects: &mut Vec<Effect>,
    ) {
        self.counters.add(CmdCounter::UpdatesReceived);
        if to != self.config.address {
            return self.ignore(from, CmdCounter::NotOurAddress, effects);
        }
        if !can_answer(from) {
            return self.ignore(from, CmdCounter::SourceNotUnicast, effects);
        }
        self.refuse(now, &Received::read(from, to, update), status, effects);
    }

    /// Sends an answer from where the update came to, to where it came from.
    pub(super) fn send_answer(
        &mut self,
        ends: (Ipv6Addr, Ipv6Addr),
        mn_identifier: Option<MnIdentifier>,
        status: Status,
        message: Message,
        effects: &mut Vec<Effect>,
    ) {
        let counters = &mut self.counters;
        answer::send(ends, mn_identifier, status, message, counters, effects);
    }
}

/// One Previous MAAR option for each prefix of the previous MAARs that are `wanted` by whom they were
/// told of; behind the last of each what it has told itself.
fn previous(entry: &Entry, wanted: impl Fn(Option<Ipv6Addr>) -> bool) -> Vec<MobilityOption> {
    let mut options = Vec::new();
    for anchor in entry.previous().filter(|it| wanted(it.told)) {
        let address = anchor.address;
        let prefixes = anchor.prefixes.iter();
        options.extend(
            prefixes.map(|&prefix| MobilityOption::PreviousMaar(PreviousMaar { address, prefix })),
        );
        if !anchor.prefixes.is_empty() {
            options.extend(anchor.attributes.iter().cloned());
        }
    }
    options
}

/// The acknowledgement: the update's options, with what the CMD has to say in their places. The four
/// that are mandatory are there even if the update left them out.
fn acknowledge(received: &Received<'_>, status: Status, outcome: Outcome) -> Message {
    let asked = &received.options;
    let mut options = vec![answer::identifier(asked)];
    let prefixes = match asked.prefixes.as_slice() {
        [] => &[HomeNetworkPrefix::REQUEST],
        prefixes => prefixes,
    };
    let prefixes = prefixes.iter().copied();
    options.extend(prefixes.map(MobilityOption::HomeNetworkPrefix));
    answer::attachment(asked, true, outcome.time, &mut options);
    if let Some(sent) = asked.link_local {
        options.push(MobilityOption::LinkLocalAddress(sent));
    }
    options.extend(outcome.previous);
    Message::BindingAcknowledgement(BindingAcknowledgement {
        status,
        flags: AcknowledgementFlags::PROXY.with(AcknowledgementFlags::DISTRIBUTED),
        sequence: outcome.sequence,
        lifetime: outcome.lifetime,
        options,
    })
}
