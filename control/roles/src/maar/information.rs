//! A host is asked which addresses it has (RFC 4620 section 6.3), and its answer (section 5.2 of the
//! draft).
//!
//! The question goes to the host's link-local address alone, so nobody else can answer it without
//! having seen the nonce; an answer counts that came from the link of that very host, from the address
//! that was asked, once. What it says is no more than a hint: an anchor leads a prefix here only if it
//! is that host's.

use super::counters::MaarCounter;
use super::discovery::{Backend, Questions};
use super::node::Question;
use super::Maar;
use crate::effect::Effect;
use crate::event::{Found, HostLink, NodeTimer};
use crate::presence::ANSWER;
use crate::Now;
use rand::Rng;
use std::net::Ipv6Addr;
use wire::ipv6::address::link_local;
use wire::mh::{HomeNetworkPrefix, MnIdentifier};
use wire::niq::{Answer, Flags, NiQuery, NiReply, Qtype, Subject};

/// Length of the prefixes of hosts' addresses that configure themselves (RFC 4291 section 2.5.1).
const PREFIX_LENGTH: u8 = 64;

impl Maar {
    /// Asks a host anew.
    pub(super) fn question(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        questions: Questions,
        effects: &mut Vec<Effect>,
    ) {
        let nonce = self.core.rng.random();
        let visit = self.nodes.get_mut(host).and_then(|it| it.visit.as_mut());
        if let Some(visit) = visit {
            visit.search.question = Some(Question {
                nonce,
                to: None,
                transmissions: 0,
            });
        }
        self.ask(now, host, questions, effects);
    }

    /// Sends the question, if the address is known that it goes to.
    fn ask(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        questions: Questions,
        effects: &mut Vec<Effect>,
    ) {
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        let Some(visit) = node.visit.as_mut() else {
            return;
        };
        let link = visit.link;
        let Some(question) = visit.search.question.as_mut() else {
            return;
        };
        question.transmissions += 1;
        let limited = !self.queries.take(now.monotonic);
        if limited {
            self.core.counters.add(MaarCounter::QueriesLimited);
        } else {
            // A host that has shown no address has most likely made it of its link-layer address.
            let to = visit.link_local.unwrap_or_else(|| link_local(link.mac));
            question.to = Some(to);
            let query = NiQuery {
                qtype: Qtype::NODE_ADDRESSES,
                flags: Flags::GLOBAL.with(Flags::ALL),
                nonce: question.nonce,
                subject: Subject::Ipv6(to),
            };
            self.core.counters.add(MaarCounter::QueriesSent);
            effects.push(Effect::QueryNode { link, to, query });
        }
        effects.push(node.set(NodeTimer::Query, questions.interval));
    }

    /// A host has not answered: asks it again, or gives up.
    pub(super) fn on_query_timer(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        effects: &mut Vec<Effect>,
    ) {
        let Some(questions) = self.questions() else {
            return self.ask_whether_it_stays(now, host, effects);
        };
        let visit = self.nodes.get_mut(host).and_then(|it| it.visit.as_mut());
        let Some(visit) = visit else {
            return;
        };
        let search = &mut visit.search;
        if search.doubted && !search.open {
            search.open = true;
            self.count(MaarCounter::SearchesBegun);
            return self.question(now, host, questions, effects);
        }
        let asked = search.question.map(|it| it.transmissions);
        match asked {
            Some(asked) if visit.search.open && asked < questions.most => {
                self.ask(now, host, questions, effects);
            }
            Some(_) if visit.search.open => {
                // The question stays: the answer may be late.
                visit.search.doubted = false;
                self.found(now, host, &Found::GaveUp, effects);
            }
            _ => {}
        }
    }

    /// An anchor takes a host to have gone on. It may have heard so from a gateway whose clock is ahead, and
    /// which the host was with for a moment only: so the host is asked again soon, and where it answers
    /// from, it is. Where others tell of its prefixes it is asked whether it is here, and then they are.
    pub(super) fn doubt(&mut self, host: &MnIdentifier, effects: &mut Vec<Effect>) {
        if self.core.config.distributed().is_none() {
            return;
        }
        let after = self.core.config.initial_bindack_timeout;
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        let here = node.visit.as_mut().filter(|it| it.detached.is_none());
        let Some(visit) = here.filter(|it| !it.search.open) else {
            return;
        };
        visit.search.doubted = true;
        effects.push(node.set(NodeTimer::Query, after));
    }

    /// Asks a host that an anchor takes to have gone on whether it is here, until it shows itself or is
    /// missed.
    fn ask_whether_it_stays(&mut self, now: Now, host: &MnIdentifier, effects: &mut Vec<Effect>) {
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        let here = node.visit.as_mut().filter(|it| it.detached.is_none());
        let Some(visit) = here.filter(|it| it.search.doubted) else {
            return;
        };
        match visit.presence.ask(visit.link, visit.link_local) {
            Some(question) => {
                effects.push(question);
                effects.push(node.set(NodeTimer::Query, ANSWER));
            }
            // There is nothing that it could be asked by.
            None => self.is_here_after_all(now, host, effects),
        }
    }

    /// A host that an anchor takes to have gone on is here: its anchors are looked for anew, and told of now.
    pub(super) fn is_here_after_all(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        effects: &mut Vec<Effect>,
    ) {
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        let Some(visit) = node.visit.as_mut() else {
            return;
        };
        if !std::mem::take(&mut visit.search.doubted) {
            return;
        }
        visit.came = now.wall;
        effects.push(node.cancel(NodeTimer::Query));
        self.search(now, host, effects);
    }

    fn questions(&self) -> Option<Questions> {
        match self.core.config.distributed()?.backend {
            Backend::NodeInformation(questions) => Some(questions),
            Backend::Asked => None,
        }
    }

    /// A host's reply.
    pub(super) fn on_information(
        &mut self,
        now: Now,
        (link, from): (HostLink, Ipv6Addr),
        reply: &NiReply,
        effects: &mut Vec<Effect>,
    ) {
        if let Err(why) = self.told(now, link, from, reply, effects) {
            self.ignore(from, why, effects);
        }
    }

    fn told(
        &mut self,
        now: Now,
        link: HostLink,
        from: Ipv6Addr,
        reply: &NiReply,
        effects: &mut Vec<Effect>,
    ) -> Result<(), MaarCounter> {
        let unasked = MaarCounter::RepliesUnasked;
        let questions = self.questions().ok_or(unasked)?;
        let host = self.books.by_link.get(&link).cloned().ok_or(unasked)?;
        let node = self.nodes.get_mut(&host).ok_or(unasked)?;
        let visit = node.visit.as_mut().ok_or(unasked)?;
        let question = visit.search.question.ok_or(unasked)?;
        let ours = question.nonce == reply.nonce
            && question.to == Some(from)
            && reply.qtype == Qtype::NODE_ADDRESSES;
        if !ours {
            return Err(MaarCounter::RepliesForged);
        }
        visit.search.question = None;
        if std::mem::take(&mut visit.search.doubted) {
            visit.came = now.wall;
        }
        let cancel = node.cancel(NodeTimer::Query);
        effects.push(cancel);
        let Answer::Addresses(addresses) = &reply.answer else {
            self.count(MaarCounter::RepliesRefused);
            self.found(now, &host, &Found::GaveUp, effects);
            return Ok(());
        };
        self.count(MaarCounter::RepliesUsed);
        if reply.flags.contains(Flags::TRUNCATED) {
            self.count(MaarCounter::RepliesTruncated);
        }
        let prefixes = self.prefixes(addresses, questions.addresses);
        self.found(now, &host, &Found::Prefixes(prefixes), effects);
        Ok(())
    }

    /// The prefixes of so many of these addresses, each once, in their order.
    fn prefixes(&mut self, addresses: &[Ipv6Addr], most: usize) -> Vec<HomeNetworkPrefix> {
        let mut prefixes = Vec::new();
        for (index, address) in addresses.iter().enumerate() {
            let global = crate::message::can_answer(*address) && !address.is_unspecified();
            let prefix = HomeNetworkPrefix::new(*address, PREFIX_LENGTH);
            match prefix.filter(|_| global && index < most) {
                Some(prefix) if !prefixes.contains(&prefix) => prefixes.push(prefix),
                Some(_) => {}
                None => self.count(MaarCounter::AddressesIgnored),
            }
        }
        prefixes
    }

    /// The link-local address of a host is known now, which it may not have been when it was to be
    /// asked.
    pub(super) fn ask_at_last(&mut self, now: Now, host: &MnIdentifier, effects: &mut Vec<Effect>) {
        let visit = self.nodes.get(host).and_then(|it| it.visit.as_ref());
        let waiting = visit.is_some_and(|visit| {
            let question = visit.search.question;
            visit.search.open
                && visit.link_local.is_some()
                && question.is_some_and(|question| question.to != visit.link_local)
        });
        if let Some(questions) = self.questions().filter(|_| waiting) {
            self.ask(now, host, questions, effects);
        }
    }
}
