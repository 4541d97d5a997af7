//! DHCPv6 answers that wait for the anchor (RFC 7148 section 5.1.3).
//!
//! ```text
//!   server ──► Reply with a prefix that is not bound here ──► held ──┬─ bound: goes to the host as it is
//!                              └──► role ──► update ──► anchor ──────┼─ refused: goes without it (NoPrefixAvail)
//!                                     ▲                              └─ two seconds are over: the same
//!                                     └── withdrawn ───────────────────────────┘
//! ```
//!
//! A host must not take a prefix for its own that leads nowhere. One answer of a host is held, the newest, and
//! of so many hosts at a time; an answer that finds no room goes at once, without what is not bound. Whatever else
//! it leases waits with it, for it is one message.
//!
//! A prefix that the host was told not to have must not be led to it either, should the anchor's
//! acknowledgement still come: the role hears that it is withdrawn, and tells the anchor. The server still
//! has it for the host, which gets it by its next exchange (RFC 8415 section 18.2.10.1).

use super::{Alarm, Engine};
use crate::counters::Counter;
use crate::dhcp::v6::Answer;
use hashbrown::HashMap;
use roles::effect::Path;
use roles::event::HostLink;
use roles::{BoundPrefix, Event, Now, Role};
use std::time::Duration;
use wire::dhcpv6::{mend, Lease};
use wire::mh::HomeNetworkPrefix;

/// Hosts whose answers are held at a time.
const HOSTS: usize = 1_024;

/// How long an answer is held: twice the time after which a client asks again (REQ_TIMEOUT, RFC 8415 section
/// 7.6), and after which an update does.
const LIMIT: Duration = Duration::from_secs(2);

/// The answers that are held.
pub(super) type Held = HashMap<HostLink, Answer>;

impl<R: Role> Engine<R> {
    /// Whether a prefix is bound for a host that it is delegated to.
    fn leads_to(&self, link: HostLink, prefix: HomeNetworkPrefix) -> bool {
        let installed = self.bindings.get(&BoundPrefix::V6(prefix));
        installed.is_some_and(|it| {
            let Path::Access {
                link: to,
                delegated,
                ..
            } = it.path
            else {
                return false;
            };
            delegated && to == link
        })
    }

    /// Sends an answer to its host, or holds it until the anchor has said what it thinks of it.
    pub(super) fn answer_or_hold(&mut self, now: Now, link: HostLink, answer: Answer) {
        let waits = answer.delegated.iter().any(|it| !self.leads_to(link, *it));
        if !waits {
            return self.dhcp_answer(link, &answer);
        }
        let known = self.held_answers.contains_key(&link);
        if !known && self.held_answers.len() >= HOSTS {
            let gone = self.answer_without(link, answer);
            return self.withdraw(now, link, gone);
        }
        self.out.counters.count(Counter::DhcpHeld);
        if !known {
            self.wheel
                .set(Alarm::HeldAnswer(link), now.monotonic + LIMIT);
        }
        let newest = answer.delegated.clone();
        let older = self.held_answers.insert(link, answer);
        // The host hears no more of what is only in the older one.
        let mut gone = older.map_or_else(Vec::new, |older| older.delegated);
        gone.retain(|it| !newest.contains(it) && !self.leads_to(link, *it));
        self.withdraw(now, link, gone);
    }

    /// A host is not told of prefixes that its anchor has been: they are not its own, then.
    fn withdraw(&mut self, now: Now, link: HostLink, withdrawn: Vec<HomeNetworkPrefix>) {
        if withdrawn.is_empty() {
            return;
        }
        let event = Event::Leases {
            link,
            server: None,
            granted: Vec::new(),
            ended: Vec::new(),
            delegated: Vec::new(),
            withdrawn,
        };
        self.deliver(now, event);
    }

    /// The anchor has not said in time what it thinks of an answer.
    pub(super) fn give_up_answer(&mut self, now: Now, link: HostLink) {
        if let Some(answer) = self.held_answers.remove(&link) {
            let gone = self.answer_without(link, answer);
            self.withdraw(now, link, gone);
        }
    }

    /// Something was bound: lets an answer go that waited for it.
    pub(super) fn release_answer(&mut self, link: HostLink) {
        let Some(answer) = self.held_answers.get(&link) else {
            return;
        };
        if answer.delegated.iter().all(|it| self.leads_to(link, *it)) {
            self.settle_answer(link);
        }
    }

    /// Nothing more is waited for: the answer goes, without what is not bound. The role knows.
    pub(super) fn settle_answer(&mut self, link: HostLink) {
        self.wheel.cancel(&Alarm::HeldAnswer(link));
        if let Some(answer) = self.held_answers.remove(&link) {
            self.answer_without(link, answer);
        }
    }

    /// Sends an answer to its host without the prefixes that are not bound for it; those.
    fn answer_without(&mut self, link: HostLink, mut answer: Answer) -> Vec<HomeNetworkPrefix> {
        let mut gone = answer.delegated.clone();
        gone.retain(|it| !self.leads_to(link, *it));
        if !gone.is_empty() {
            self.out.counters.count(Counter::DhcpPrefixesRefused);
            let is_gone = |lease: &Lease| {
                let its = |it: &HomeNetworkPrefix| {
                    (it.prefix, it.length) == (lease.address, lease.length)
                };
                lease.delegated && gone.iter().any(its)
            };
            answer.message = mend(&answer.message, |lease| !is_gone(lease)).bytes;
        }
        self.dhcp_answer(link, &answer);
        gone
    }
}
