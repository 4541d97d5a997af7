//! The account of a session: what it has used, and the records that say so (RFC 2866).

use super::{Open, Sessions};
use crate::aaa::{Cause, Facts, Ledger, Record, RecordKind};
use crate::engine::Engine;
use dataplane::counters::{BindingTotals, Traffic};
use dataplane::key::InterfaceId;
use roles::event::HostLink;
use roles::{Now, Role};
use std::sync::Arc;

/// What a session has used: from the host and to it.
#[derive(Clone, Copy, Default)]
pub(super) struct Used {
    up: Traffic,
    down: Traffic,
}

impl Used {
    pub(super) fn add(&mut self, now: BindingTotals, before: BindingTotals) {
        let add = |sum: &mut Traffic, now: Traffic, before: Traffic| {
            sum.packets += now.packets.saturating_sub(before.packets);
            sum.bytes += now.bytes.saturating_sub(before.bytes);
        };
        add(&mut self.up, now.up, before.up);
        add(&mut self.down, now.down, before.down);
    }

    pub(super) const fn packets(self) -> u64 {
        self.up.packets.wrapping_add(self.down.packets)
    }
}

impl<R: Role> Engine<R> {
    pub(super) fn begin_session(&mut self, now: Now, link: HostLink) {
        let Sessions {
            ledger,
            hosts,
            names,
            ..
        } = &mut self.sessions;
        let (Some(session), name) = (hosts.get_mut(&link), ledger.as_mut().map(Ledger::session))
        else {
            return;
        };
        let name = name.unwrap_or_else(|| "".into());
        let terms = session.grant.terms.clone();
        session.past = Used::default();
        session.open = Some(Open {
            name: Arc::clone(&name),
            began: now.monotonic,
            interim: terms.interim_interval.map(|every| now.monotonic + every),
            terms,
            profile: session.grant.profile.clone(),
            packets: 0,
            active: now.monotonic,
        });
        names.insert(name, link);
        self.put(now, link, RecordKind::Start);
    }

    pub(super) fn end_session(&mut self, now: Now, link: HostLink, cause: Cause) {
        self.put(now, link, RecordKind::Stop(cause));
        if let Some(session) = self.sessions.hosts.get_mut(&link) {
            if let Some(open) = session.open.take() {
                self.sessions.names.remove(&open.name);
            }
        }
    }

    /// What a session has used so far.
    pub(super) fn used(&mut self, link: HostLink) -> Used {
        let Some(session) = self.sessions.hosts.get(&link) else {
            return Used::default();
        };
        let mut used = session.past;
        for (prefix, before) in &session.prefixes {
            if let Some(installed) = self.bindings.get(prefix) {
                used.add(self.writer.totals(installed.id), *before);
            }
        }
        used
    }

    /// Puts a record of a session into the ledger.
    pub(super) fn put(&mut self, now: Now, link: HostLink, kind: RecordKind) {
        if self.sessions.ledger.is_none() {
            return;
        }
        let used = self.used(link);
        let port = self.routing.link(InterfaceId(link.interface));
        let port = port.map_or_else(String::new, |it| it.interface.name.clone());
        let Sessions { ledger, hosts, .. } = &self.sessions;
        let (Some(ledger), Some(session)) = (ledger, hosts.get(&link)) else {
            return;
        };
        let Some(open) = &session.open else {
            return;
        };
        // What a session ends with is what it had until then.
        let lost = matches!(kind, RecordKind::Stop(_)).then_some(&session.lost);
        let lost = lost.into_iter().flatten();
        let facts = Facts {
            link,
            port,
            user_name: open.terms.user_name.clone(),
            mn_identifier: open.profile.mn_identifier.clone(),
            lma: open.profile.lma,
            prefixes: session.prefixes.keys().chain(lost).copied().collect(),
            class: open.terms.class.clone(),
            chargeable: open.terms.chargeable.clone(),
            time: now.monotonic.saturating_sub(open.began),
            up: used.up,
            down: used.down,
        };
        ledger.put(Record {
            kind,
            at: now.wall,
            session: Arc::clone(&open.name),
            facts: Some(Box::new(facts)),
        });
    }

    /// Ends the account of every session and of the gateway: it goes down. Forwarding is not touched.
    pub fn close_accounts(&mut self, now: Now) {
        let mut links: Vec<HostLink> = self.sessions.hosts.keys().copied().collect();
        links.sort_unstable();
        for link in links {
            self.end_session(now, link, Cause::AdminReboot);
        }
        if let Some(mut ledger) = self.sessions.ledger.take() {
            ledger.put_own(now, RecordKind::Off);
        }
    }
}
