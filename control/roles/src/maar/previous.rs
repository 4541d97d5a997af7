//! Updates of the database: where a host of ours is served now, or that it is gone (RFC 8885 sections
//! 3.2 to 3.5).

use super::anchors::Anchors;
use super::counters::MaarCounter;
use super::node::{Away, Heard, Node};
use super::Maar;
use crate::answer;
use crate::effect::{Effect, LogicalRouter, Notice, Path, TunnelEnds};
use crate::message::{refuse_plain, ProxyOptions};
use crate::ordering::{self, Sent};
use crate::Now;
use std::net::Ipv6Addr;
use wire::mh::{
    AcknowledgementFlags, BindingAcknowledgement, BindingUpdate, HandoffIndicator,
    HomeNetworkPrefix, Lifetime, Message, MnIdentifier, MobilityOption, NtpTime, Status,
    UpdateFlags,
};

/// An update of the database, with its options.
pub(super) struct Received<'a> {
    pub(super) update: &'a BindingUpdate,
    pub(super) options: ProxyOptions<'a>,
    pub(super) serving: Option<Ipv6Addr>,
}

impl<'a> Received<'a> {
    pub(super) fn read(update: &'a BindingUpdate) -> Self {
        Self {
            options: ProxyOptions::read(&update.options),
            serving: Anchors::read(&update.options).serving,
            update,
        }
    }
}

/// What an answer says that the update does not.
#[derive(Clone, Copy)]
struct Outcome {
    status: Status,
    sequence: u16,
    lifetime: Lifetime,
    /// The prefix of ours that it is about.
    prefix: Option<HomeNetworkPrefix>,
    /// Our own time, for those who mind ours.
    time: Option<NtpTime>,
    /// How hosts see us.
    router: Option<LogicalRouter>,
}

impl Maar {
    pub(super) fn on_update(
        &mut self,
        now: Now,
        from: Ipv6Addr,
        update: &BindingUpdate,
        effects: &mut Vec<Effect>,
    ) {
        let flags = UpdateFlags::PROXY.with(UpdateFlags::DISTRIBUTED);
        if !update.flags.contains(UpdateFlags::PROXY) {
            if update.flags.contains(UpdateFlags::HOME_REGISTRATION) {
                let message = refuse_plain(update, Status::HOME_REGISTRATION_NOT_SUPPORTED);
                self.send(from, message, effects);
            }
            return self.ignore(from, MaarCounter::UnexpectedUpdate, effects);
        }
        if self.core.config.distributed().is_some() {
            return self.on_straight_update(now, from, update, effects);
        }
        if self.core.config.cmd() != Some(from) || !update.flags.contains(flags) {
            let status = Status::MAG_NOT_AUTHORIZED_FOR_PROXY_REG;
            return self.refuse_update(now, from, update, status, effects);
        }
        let received = Received::read(update);
        if let Err(status) = self.follow(now, from, &received, effects) {
            self.refuse_update(now, from, update, status, effects);
        }
    }

    /// Does what an update of the database says, and answers it; else says why not.
    fn follow(
        &mut self,
        now: Now,
        from: Ipv6Addr,
        received: &Received<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Status> {
        let host = received.options.mn_identifier;
        let host = host.ok_or(Status::MISSING_MN_IDENTIFIER_OPTION)?;
        if received.options.repeated {
            return Err(Status::UNSPECIFIED);
        }
        let ends = received.update.lifetime == Lifetime::ZERO;
        let Some(node) = self.nodes.get(host) else {
            if ends {
                // There is nothing left to end.
                self.answer(from, received, Lifetime::ZERO, None, None, effects);
                return Ok(());
            }
            return Err(Status::NOT_LMA_FOR_THIS_MOBILE_NODE);
        };
        let heard = Heard {
            sequence: received.update.sequence,
            timestamp: received.options.timestamp,
            serving: received.serving,
            arrived: None,
        };
        let again = node.heard.is_some_and(|last| last.is(heard));
        if again {
            self.core.counters.add(MaarCounter::UpdatesRepeated);
        } else {
            self.check_order(now, node, heard)?;
        }
        let own = self.core.config.address;
        let serving = match received.serving {
            _ if ends => None,
            Some(serving) if serving == own => None,
            Some(serving) if self.core.config.neighbour(serving).is_some() => Some(serving),
            _ => {
                self.core.counters.add(MaarCounter::ServingUnknown);
                return Err(Status::ADMINISTRATIVELY_PROHIBITED);
            }
        };
        // A host that came here after what the update tells of is here, and the database hears so.
        let here = node.visit.as_ref().filter(|visit| visit.detached.is_none());
        let came = here.map(|visit| NtpTime::from_unix(visit.came));
        let overtaken = came.is_some_and(|came| heard.timestamp.is_some_and(|told| told < came));
        let (prefix, router) = (node.prefix, self.router_of(node));
        let host = host.clone();
        if let Some(node) = self.nodes.get_mut(&host) {
            node.heard = Some(heard);
        }
        // One that is accepted here already was accepted either before or after that, and which of both
        // two clocks that differ cannot tell. The host can.
        let asked = overtaken.then(|| self.ask_whether_here(&host)).flatten();
        if overtaken {
            self.count(MaarCounter::UpdatesOvertaken);
        }
        let stays = overtaken && (asked.is_none() || serving.is_none());
        if stays {
            self.stay_elsewhere(now, &host, serving, effects);
        } else if ends {
            self.end_by_database(now, &host, effects);
        } else if let Some(serving) = serving.filter(|_| !again) {
            let lifetime = received.update.lifetime;
            self.lead_away(now, &host, serving, lifetime, effects);
            effects.extend(asked);
        }
        let lifetime = received.update.lifetime;
        self.answer(from, received, lifetime, Some(prefix), router, effects);
        let direct = self.core.config.direct_answers;
        if let Some(serving) = serving.filter(|_| direct && !stays) {
            self.answer_directly(received, serving, prefix, router, effects);
        }
        Ok(())
    }

    /// Whether an update is newer than the last one about its host (RFC 5213 section 5.5).
    fn check_order(&self, now: Now, node: &Node, heard: Heard) -> Result<(), Status> {
        let sent = |heard: Heard| Sent {
            sequence: heard.sequence,
            timestamp: heard.timestamp,
        };
        let window = self.core.config.timestamp_window;
        ordering::check(now, window, node.heard.map(sent), sent(heard))
    }

    /// How hosts see us where this one is or was.
    pub(super) fn router_of(&self, node: &Node) -> Option<LogicalRouter> {
        let here = node.visit.as_ref();
        match here {
            Some(visit) => self.core.router(visit.link),
            None => self.core.config.routers.values().next().copied(),
        }
    }

    /// Asks a host that is served here, in vain unless it still is: it is taken for one that comes.
    fn ask_whether_here(&self, host: &MnIdentifier) -> Option<Effect> {
        let node = self.nodes.get(host).filter(|node| node.is_bound())?;
        let told = node.list.update.as_ref();
        if told.is_some_and(|update| update.handoff != HandoffIndicator::NOT_CHANGED) {
            // Its answer will tell.
            return None;
        }
        let visit = node.visit.as_ref()?;
        let (link, address) = (visit.link, visit.link_local?);
        Some(Effect::Probe { link, address })
    }

    /// A host that came here has been served elsewhere before that: its prefix is led there until it is
    /// accepted here, and the database is told that it is here unless that is under way.
    fn stay_elsewhere(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        serving: Option<Ipv6Addr>,
        effects: &mut Vec<Effect>,
    ) {
        let local = self.core.config.address;
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        // Its prefix is answered for even if the host goes on before it is accepted here.
        if let Some(serving) = serving.filter(|_| !node.is_bound()) {
            let away = Away {
                serving,
                expiry: None,
            };
            node.away.get_or_insert(away).serving = serving;
            self.books.by_prefix.insert(node.prefix, host.clone());
            let tunnel = TunnelEnds::plain(local, serving);
            effects.push(Effect::Bind {
                prefix: node.prefix.into(),
                path: Path::Anchor { tunnel },
            });
        }
        if let Some(visit) = node.visit.as_mut() {
            visit.overtook = Some(now.monotonic);
        }
        if node.list.update.is_none() {
            self.core.assert(now, node, effects);
        }
    }

    /// The database ends a session, or our part in it.
    fn end_by_database(&mut self, now: Now, host: &MnIdentifier, effects: &mut Vec<Effect>) {
        let here = self.nodes.get(host).and_then(|node| node.visit.as_ref());
        match here.map(|visit| visit.link) {
            Some(link) => self.end(now, host, link, false, effects),
            None => {
                self.count(MaarCounter::PreviousEnded);
                self.free_previous(host, effects);
            }
        }
    }

    /// A host of ours is served elsewhere: its prefix is led there, and what it had here of other
    /// anchors is forgotten (S2-13, S2-32).
    pub(super) fn lead_away(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        serving: Ipv6Addr,
        lifetime: Lifetime,
        effects: &mut Vec<Effect>,
    ) {
        let Some(mut node) = self.nodes.remove(host) else {
            return;
        };
        node.cancel_all(effects);
        self.unlead(&mut node, effects);
        if let Some(visit) = node.visit.take() {
            self.books.by_link.remove(&visit.link);
            effects.push(Effect::Unwatch { link: visit.link });
            self.count(MaarCounter::HostsLeft);
            if visit.announced {
                effects.push(super::leave::detached(host, visit.link));
            }
        }
        node.list.update = None;
        node.list.settled = None;
        let tunnel = TunnelEnds::plain(self.core.config.address, serving);
        let prefix = node.prefix.into();
        self.books.by_prefix.insert(node.prefix, host.clone());
        effects.push(Effect::Bind {
            prefix,
            path: Path::Anchor { tunnel },
        });
        node.away = Some(Away {
            serving,
            expiry: None,
        });
        self.core.stay_previous(now, &mut node, lifetime, effects);
        effects.push(Effect::Notify {
            notice: Notice::BindingUp {
                mn_identifier: host.clone(),
                prefix,
                tunnel,
            },
        });
        self.count(MaarCounter::BecamePrevious);
        self.nodes.insert(host.clone(), node);
    }

    /// Accepts an update, of the database or of another gateway.
    pub(super) fn answer(
        &mut self,
        to: Ipv6Addr,
        received: &Received<'_>,
        lifetime: Lifetime,
        prefix: Option<HomeNetworkPrefix>,
        router: Option<LogicalRouter>,
        effects: &mut Vec<Effect>,
    ) {
        self.count(MaarCounter::UpdatesAnswered);
        let outcome = Outcome {
            status: Status::ACCEPTED,
            sequence: received.update.sequence,
            lifetime,
            prefix,
            time: None,
            router: router.filter(|_| lifetime != Lifetime::ZERO),
        };
        let message = acknowledge(received, outcome);
        self.send(to, message, effects);
        effects.push(Effect::Notify {
            notice: Notice::UpdateAnswered {
                mn_identifier: received.options.mn_identifier.cloned(),
                from: to,
                status: Status::ACCEPTED,
            },
        });
    }

    /// Tells the serving gateway of the prefix that is led to it: the prefix is all that it needs, for
    /// our address is the packet's source (S2-22).
    fn answer_directly(
        &self,
        received: &Received<'_>,
        serving: Ipv6Addr,
        prefix: HomeNetworkPrefix,
        router: Option<LogicalRouter>,
        effects: &mut Vec<Effect>,
    ) {
        let host = received.options.mn_identifier.cloned();
        let mut options: Vec<MobilityOption> =
            host.map(MobilityOption::MnIdentifier).into_iter().collect();
        options.push(MobilityOption::HomeNetworkPrefix(prefix));
        let asked = &received.options;
        options.extend(asked.handoff.map(MobilityOption::HandoffIndicator));
        options.extend(
            asked
                .access_technology
                .map(MobilityOption::AccessTechnology),
        );
        options.extend(router.into_iter().flat_map(LogicalRouter::options));
        let message = Message::BindingAcknowledgement(BindingAcknowledgement {
            status: Status::ACCEPTED,
            flags: AcknowledgementFlags::PROXY.with(AcknowledgementFlags::DISTRIBUTED),
            sequence: received.update.sequence,
            lifetime: received.update.lifetime,
            options,
        });
        self.send(serving, message, effects);
    }

    /// Refuses an update. Those of strangers are answered a bounded number of times a second.
    pub(super) fn refuse_update(
        &mut self,
        now: Now,
        from: Ipv6Addr,
        update: &BindingUpdate,
        status: Status,
        effects: &mut Vec<Effect>,
    ) {
        let known = match self.core.config.cmd() {
            Some(cmd) => cmd == from,
            None => self.core.config.is_gateway(from),
        };
        if !known {
            self.count(MaarCounter::UpdatesByStrangers);
            if !self.strangers.take(now.monotonic) {
                return self.ignore(from, MaarCounter::StrangersUnanswered, effects);
            }
        }
        self.count(MaarCounter::UpdatesRefused);
        let received = Received::read(update);
        let host = received.options.mn_identifier;
        let known = host.and_then(|host| self.nodes.get(host)?.heard);
        let minds_clock = matches!(
            status,
            Status::TIMESTAMP_MISMATCH | Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED
        );
        let sequence = match (status, known) {
            (Status::SEQUENCE_OUT_OF_WINDOW, Some(last)) => last.sequence,
            _ => update.sequence,
        };
        let outcome = Outcome {
            status,
            sequence,
            lifetime: Lifetime::ZERO,
            prefix: None,
            time: minds_clock.then(|| NtpTime::from_unix(now.wall)),
            router: None,
        };
        self.send(from, acknowledge(&received, outcome), effects);
        effects.push(Effect::Notify {
            notice: Notice::UpdateAnswered {
                mn_identifier: host.cloned(),
                from,
                status,
            },
        });
    }

    pub(super) fn send(&self, to: Ipv6Addr, message: Message, effects: &mut Vec<Effect>) {
        let from = self.core.config.address;
        effects.push(Effect::Send { from, to, message });
    }
}

impl Heard {
    /// Whether another update is the same one again.
    fn is(&self, other: Self) -> bool {
        self.sequence == other.sequence
            && self.timestamp == other.timestamp
            && self.serving == other.serving
    }
}

/// The acknowledgement of an update of the database: its options, with what we have to say in their
/// places, and its Serving MAAR option.
fn acknowledge(received: &Received<'_>, outcome: Outcome) -> Message {
    let asked = &received.options;
    let mut options = vec![answer::identifier(asked)];
    match outcome.prefix {
        Some(prefix) => options.push(MobilityOption::HomeNetworkPrefix(prefix)),
        None => {
            let prefixes = asked.prefixes.iter().copied();
            options.extend(prefixes.map(MobilityOption::HomeNetworkPrefix));
        }
    }
    options.extend(asked.handoff.map(MobilityOption::HandoffIndicator));
    options.extend(
        asked
            .access_technology
            .map(MobilityOption::AccessTechnology),
    );
    let time = outcome.time.or(asked.timestamp);
    options.extend(
        time.filter(|_| asked.timestamp.is_some())
            .map(MobilityOption::Timestamp),
    );
    if let Some(id) = asked.link_layer {
        options.push(MobilityOption::MnLinkLayerIdentifier(id.to_vec()));
    }
    options.extend(received.serving.map(MobilityOption::ServingMaar));
    options.extend(outcome.router.into_iter().flat_map(LogicalRouter::options));
    Message::BindingAcknowledgement(BindingAcknowledgement {
        status: outcome.status,
        flags: AcknowledgementFlags::PROXY.with(AcknowledgementFlags::DISTRIBUTED),
        sequence: outcome.sequence,
        lifetime: outcome.lifetime,
        options,
    })
}
