//! Proxy Binding Acknowledgements (RFC 5213 section 5.3.6).

use super::cache::Entry;
use super::counters::LmaCounter;
use super::ipv4::Refusal;
use super::lookup::concerned;
use super::request::Received;
use super::wait::Held;
use super::Lma;
use crate::answer;
use crate::effect::{Effect, Encapsulation};
use crate::message::{can_answer, OurTime};
use crate::{Now, SignallingProfile};
use std::net::Ipv6Addr;
use wire::mh::{
    AcknowledgementFlags, AssignedHomeAddress, BindingAcknowledgement, BindingUpdate,
    DelegatedPrefix, Experimental, HomeNetworkPrefix, Lifetime, Message, MobilityOption,
    NatDetection, Status,
};

/// What an acknowledgement says that the update does not.
struct Outcome<'a> {
    status: Status,
    sequence: u16,
    lifetime: Lifetime,
    /// The session, if the update was accepted.
    entry: Option<&'a Entry>,
    time: OurTime,
    refresh_advice: Option<Lifetime>,
}

impl Lma {
    /// Says that an update was accepted.
    pub(super) fn accept(
        &mut self,
        received: &Received<'_>,
        session: u64,
        granted: Lifetime,
        effects: &mut Vec<Effect>,
    ) {
        let Some(entry) = self.cache.get(session) else {
            return;
        };
        let advice = self.config.refresh_advice.map(|after| {
            Lifetime::from_secs_floor(u32::try_from(after.as_secs()).unwrap_or(u32::MAX))
        });
        let carried = entry.encapsulation;
        let outcome = Outcome {
            status: match received.options.gre {
                Some(_) if !matches!(carried, Encapsulation::Gre { .. }) => {
                    Status::GRE_KEY_NOT_REQUIRED
                }
                _ => Status::ACCEPTED,
            },
            sequence: received.update.sequence,
            lifetime: granted,
            entry: Some(entry),
            time: OurTime::default(),
            refresh_advice: advice.filter(|&after| after < granted && after != Lifetime::ZERO),
        };
        let status = outcome.status;
        let mut more = self.answer_ipv4(received, None, Some(entry));
        more.extend(negotiated(received, carried));
        let message = acknowledge(received, &outcome, more);
        self.send_answer(received, status, message, effects);
    }

    /// Says that an update was refused.
    pub(super) fn refuse(
        &mut self,
        now: Now,
        received: &Received<'_>,
        refused: impl Into<Refusal>,
        effects: &mut Vec<Effect>,
    ) {
        let Refusal { status, ipv4 } = refused.into();
        let status = received.form.status(status);
        let stranger = status == Status::MAG_NOT_AUTHORIZED_FOR_PROXY_REG
            && !self.admission.knows_mag(received.from);
        if stranger && !self.strangers.take(now.monotonic) {
            return self.ignore(received.from, LmaCounter::StrangersUnanswered, effects);
        }
        let mut outcome = refusal(received, status);
        match status {
            Status::SEQUENCE_OUT_OF_WINDOW => {
                let options = &received.options;
                let care_of = options.alternate_care_of.unwrap_or(received.from);
                let host = options.mn_identifier;
                let entry = host.and_then(|host| {
                    let domain = self.domain_of(host, received).ok().flatten();
                    concerned(&self.cache, (host, domain), care_of, options)
                });
                if let Some(entry) = entry {
                    outcome.sequence = entry.sequence;
                }
            }
            _ => outcome.time = OurTime::with(status, now),
        }
        let ipv4 = self.answer_ipv4(received, Some(ipv4), None);
        let message = acknowledge(received, &outcome, ipv4);
        self.send_answer(received, status, message, effects);
    }

    /// Says that an update is not believed: it may be anyone's, so it changes nothing.
    pub(super) fn on_unauthenticated(
        &mut self,
        now: Now,
        from: Ipv6Addr,
        to: Ipv6Addr,
        update: &BindingUpdate,
        status: Status,
        effects: &mut Vec<Effect>,
    ) {
        self.counters.add(LmaCounter::UpdatesReceived);
        if !self.config.owns(to) {
            return self.ignore(from, LmaCounter::NotOurAddress, effects);
        }
        if !can_answer(from) {
            return self.ignore(from, LmaCounter::SourceNotUnicast, effects);
        }
        let received = Received::read(from, to, update, &self.config);
        self.refuse(now, &received, status, effects);
    }

    /// Says that an update cannot be accepted after all.
    pub(super) fn answer_not_installed(&mut self, held: &Held, effects: &mut Vec<Effect>) {
        let received = Received::read(held.from, held.to, &held.update, &self.config);
        let status = Status::INSUFFICIENT_RESOURCES;
        let ipv4 = Refusal::from(status).ipv4;
        let ipv4 = self.answer_ipv4(&received, Some(ipv4), None);
        let message = acknowledge(&received, &refusal(&received, status), ipv4);
        self.send_answer(&received, status, message, effects);
    }

    /// Sends an answer from where the update came to, to where it came from: with an Alternate
    /// Care-of Address that is not the care-of address.
    pub(super) fn send_answer(
        &mut self,
        received: &Received<'_>,
        status: Status,
        message: Message,
        effects: &mut Vec<Effect>,
    ) {
        let ends = (received.to, received.from);
        let host = received.options.mn_identifier.cloned();
        let counters = &mut self.counters;
        answer::send(ends, host, status, message, counters, effects);
    }
}

/// What is said of the tunnel's encapsulation, where that was asked for (RFC 5844 section 4.2.2, RFC 5845
/// section 5.2).
fn negotiated(received: &Received<'_>, carried: Encapsulation) -> Option<MobilityOption> {
    match carried {
        _ if received.update.lifetime == Lifetime::ZERO => None,
        Encapsulation::Plain => None,
        Encapsulation::Udp => Some(MobilityOption::NatDetection(NatDetection {
            force_udp: true,
            refresh_secs: 0,
        })),
        Encapsulation::Gre { keys } => Some(MobilityOption::GreKey(keys.map(|keys| keys.receive))),
    }
}

fn refusal(received: &Received<'_>, status: Status) -> Outcome<'static> {
    Outcome {
        status,
        sequence: received.update.sequence,
        lifetime: Lifetime::ZERO,
        entry: None,
        time: OurTime::default(),
        refresh_advice: None,
    }
}

/// The acknowledgement: the update's options, with what the anchor has to say in their places. The
/// four that are mandatory are there even if the update left them out.
fn acknowledge(
    received: &Received<'_>,
    outcome: &Outcome<'_>,
    ipv4: Vec<MobilityOption>,
) -> Message {
    let asked = &received.options;
    let drafted = received.form == SignallingProfile::Draft;
    // Few have more, with the two of an authenticated one.
    let mut options = Vec::with_capacity(10);
    options.push(answer::identifier(asked));
    let prefixes = match outcome.entry {
        Some(entry)
            if (!asked.prefixes.is_empty() || asked.confirms) && !entry.prefixes.is_empty() =>
        {
            entry.prefixes.as_slice()
        }
        // Only what was asked for is answered (RFC 5844 section 3.1.2.6).
        _ if asked.prefixes.is_empty() && asked.ipv4_request.is_none() && !drafted => {
            &[HomeNetworkPrefix::REQUEST]
        }
        _ => asked.prefixes.as_slice(),
    };
    if drafted {
        let homes = home_addresses(outcome.entry, prefixes).map(Experimental::AssignedHomeAddress);
        options.extend(homes.map(MobilityOption::Experimental));
    } else {
        let prefixes = prefixes.iter().copied();
        options.extend(prefixes.map(MobilityOption::HomeNetworkPrefix));
    }
    let delegated = outcome.entry.filter(|_| asked.delegated.is_some());
    let delegated = delegated.map_or(&[][..], |entry| entry.delegated.as_slice());
    let delegated = delegated.iter().copied().map(DelegatedPrefix::V6);
    options.extend(delegated.map(MobilityOption::DelegatedPrefix));
    options.extend(ipv4);
    answer::attachment(asked, !drafted, outcome.time, &mut options);
    if let Some(sent) = asked.link_local {
        let address = outcome.entry.map_or(sent, |entry| entry.link_local);
        options.push(MobilityOption::LinkLocalAddress(address));
    }
    if let Some(after) = outcome.refresh_advice {
        options.push(MobilityOption::BindingRefreshAdvice(after));
    }
    Message::BindingAcknowledgement(BindingAcknowledgement {
        status: outcome.status,
        flags: AcknowledgementFlags::PROXY,
        sequence: outcome.sequence,
        lifetime: outcome.lifetime,
        options,
    })
}

/// The prefixes of an answer in the draft's form: each by the host's address in it, as far as that is
/// known, or else by its first address.
fn home_addresses<'a>(
    entry: Option<&'a Entry>,
    prefixes: &'a [HomeNetworkPrefix],
) -> impl Iterator<Item = AssignedHomeAddress> + 'a {
    let known = entry.map_or(&[][..], |entry| entry.home_addresses.as_slice());
    prefixes.iter().map(|prefix| AssignedHomeAddress {
        address: *known
            .iter()
            .find(|address| prefix.contains(**address))
            .unwrap_or(&prefix.prefix),
        prefix_length: prefix.length,
    })
}
