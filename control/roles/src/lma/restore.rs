//! Bindings that outlive the process: what is stored of them, and how they come back.

use super::cache::Entry;
use super::counters::LmaCounter;
use super::domains::uplink_key;
use super::view::{BindingKind, BindingState};
use super::Lma;
use crate::effect::{Effect, Path};
use crate::event::Timer;
use crate::store::{BindingRecord, Key, Record};
use crate::Now;
use std::time::Duration;
use wire::mh::HomeNetworkPrefix;

impl Lma {
    /// Whether the interface of a session has one already.
    fn has_session_of(&self, entry: &Entry) -> bool {
        let technology = entry.access_technology;
        let link_layer = entry.link_layer.as_deref();
        let mut sessions = self.cache.of(&entry.mn_identifier);
        sessions.any(|it| {
            it.domain == entry.domain && link_layer.is_some_and(|id| it.is_of(technology, id))
        })
    }

    /// Whether a session that is to come back has the key that it had, and nobody else can.
    fn takes_key_again(&mut self, entry: &Entry) -> bool {
        let key = uplink_key(entry.encapsulation);
        match entry.domain {
            Some(domain) => key.is_some_and(|key| self.domains.take_this_key(domain, key)),
            None => !key.is_some_and(|key| self.domains.owns_key(key)),
        }
    }

    /// Has a session stored as it stands, before its gateway hears of it.
    pub(super) fn store(&self, now: Now, session: u64, effects: &mut Vec<Effect>) {
        if !self.keeps_records {
            return;
        }
        if let Some(entry) = self.cache.get(session) {
            let record = Record::Binding(entry.record(now));
            effects.push(Effect::Store { record });
        }
    }

    /// A session as it was when the anchor ended. Its place is as it was too, unless the
    /// configuration or policy has changed since, or its time has run out.
    pub(super) fn on_restored(
        &mut self,
        now: Now,
        record: &BindingRecord,
        effects: &mut Vec<Effect>,
    ) {
        let pending = record.pending;
        let longest = match pending {
            true => self.config.min_delay_before_bce_delete,
            false => self.config.max_lifetime,
        };
        // A clock that was set back must not make a binding last.
        let left = record.ends.saturating_sub(now.wall).min(longest);
        let entry = Entry::restored(record, now.monotonic, now.monotonic + left);
        let is_taken = |prefix: HomeNetworkPrefix| match entry.kind {
            BindingKind::Proxy => {
                self.prefixes.holder(prefix).is_some()
                    || self.prefixes.lodges_another(prefix, &entry.mn_identifier)
            }
            BindingKind::Mobile => self.prefixes.home(prefix.prefix).is_some(),
        };
        let bound = entry.bound();
        let why_not = if left.is_zero() {
            Some(match pending {
                true => LmaCounter::BindingsDeleted,
                false => LmaCounter::BindingsExpired,
            })
        } else if !self.may_be_bound(&entry) {
            Some(LmaCounter::BindingsWithdrawn)
        } else if bound.is_empty()
            || entry.prefixes.iter().any(|&prefix| is_taken(prefix))
            || self.has_session_of(&entry)
            || self.cache.get(entry.session).is_some()
            || entry
                .ipv4
                .is_some_and(|it| self.domains.addresses(entry.domain).holder(it).is_some())
            || entry
                .delegated
                .iter()
                .any(|&it| !self.delegations.may_hold(it, None))
        {
            Some(LmaCounter::BindingsNotInstalled)
        } else if !self.has_room_for(bound.len()) {
            let session = record.session;
            let key = Key::Binding { session };
            return effects.push(Effect::NoRoom { key });
        } else if !self.takes_key_again(&entry) {
            Some(LmaCounter::BindingsNotInstalled)
        } else {
            None
        };
        let session = entry.session;
        if let Some(why) = why_not {
            self.counters.add(why);
            let key = Key::Binding { session };
            return effects.push(Effect::Forget { key });
        }
        let path = match entry.state {
            BindingState::Active => Path::Anchor {
                tunnel: self.tunnel(&entry),
            },
            BindingState::Pending => Path::Pending,
        };
        for &prefix in &entry.prefixes {
            match entry.kind {
                BindingKind::Proxy => self.prefixes.take(prefix, &entry.mn_identifier),
                BindingKind::Mobile => {
                    let host = &entry.mn_identifier;
                    self.prefixes.take_home(prefix.prefix, host, session);
                }
            }
        }
        if let Some(address) = entry.ipv4 {
            let addresses = self.domains.addresses_mut(entry.domain);
            addresses.take(address, &entry.mn_identifier);
        }
        for &prefix in &entry.delegated {
            self.delegations.take(prefix, session);
        }
        let bound = bound.into_iter();
        effects.extend(bound.map(|prefix| Effect::Bind { prefix, path }));
        if entry.kind.is_proxy() {
            let heartbeat = self.config.heartbeat;
            self.peers.share(&heartbeat, entry.care_of, effects);
        }
        self.cache.insert(entry);
        self.counters.add(LmaCounter::BindingsRestored);
        effects.push(Effect::SetTimer {
            timer: Timer::BindingExpiry { session },
            after: left,
        });
    }
}

impl Entry {
    fn record(&self, now: Now) -> BindingRecord {
        BindingRecord {
            session: self.session,
            kind: self.kind,
            mn_identifier: self.mn_identifier.clone(),
            prefixes: self.prefixes.clone(),
            delegated: self.delegated.clone(),
            home_addresses: self.home_addresses.clone(),
            ipv4_home_address: self.ipv4,
            domain: self.domain,
            care_of: self.care_of,
            encapsulation: self.encapsulation,
            link_layer: self.link_layer.clone(),
            access_technology: self.access_technology,
            handoff: self.handoff,
            attached: self.attached,
            link_local: self.link_local,
            sequence: self.sequence,
            timestamp: self.timestamp,
            pending: self.state == BindingState::Pending,
            ends: now.wall + self.deadline.saturating_sub(now.monotonic),
        }
    }

    fn restored(record: &BindingRecord, now: Duration, deadline: Duration) -> Self {
        Self {
            session: record.session,
            kind: record.kind,
            mn_identifier: record.mn_identifier.clone(),
            prefixes: record.prefixes.clone(),
            delegated: record.delegated.clone(),
            home_addresses: record.home_addresses.clone(),
            domain: record.domain,
            ipv4: record.ipv4_home_address,
            care_of: record.care_of,
            encapsulation: record.encapsulation,
            link_layer: record.link_layer.clone(),
            access_technology: record.access_technology,
            handoff: record.handoff,
            attached: record.attached,
            link_local: record.link_local,
            sequence: record.sequence,
            timestamp: record.timestamp,
            state: match record.pending {
                true => BindingState::Pending,
                false => BindingState::Active,
            },
            deadline,
            accepted: now,
            held: None,
            revoking: None,
        }
    }
}
