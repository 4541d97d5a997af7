//! Sessions that outlive the process. A session that comes back has its whole lifetime before it again:
//! while the database was away nobody could refresh it, and hosts kept what they had.

use super::cache::{Anchor, Entry};
use super::counters::CmdCounter;
use super::revoke::Revoked;
use super::view::SessionState;
use super::Cmd;
use crate::effect::Effect;
use crate::event::Timer;
use crate::store::{AnchorRecord, Key, Record, SessionRecord};
use crate::Now;
use std::time::Duration;
use wire::mh::{Lifetime, RevocationTrigger};

impl Cmd {
    /// Has a session stored as it stands, before anybody hears of it.
    pub(super) fn store(&self, session: u64, effects: &mut Vec<Effect>) {
        if let Some(entry) = self.cache.get(session) {
            let record = Record::Session(entry.record());
            effects.push(Effect::Store { record });
        }
    }

    /// A session as it was when the database ended, as far as its MAARs are still of the domain.
    pub(super) fn on_restored(
        &mut self,
        now: Now,
        record: &SessionRecord,
        effects: &mut Vec<Effect>,
    ) {
        let session = record.session;
        let mut entry = Entry::restored(record);
        let maars = &self.maars;
        let gone = entry.anchors.iter();
        let gone = gone.filter(|it| !maars.contains_key(&it.address));
        let lost: Vec<_> = gone.flat_map(|it| it.prefixes.clone()).collect();
        entry
            .anchors
            .retain(|it| self.maars.contains_key(&it.address));
        entry.serving = entry.serving.filter(|it| self.maars.contains_key(it));
        if entry.serving.is_none() && entry.state == SessionState::Active {
            entry.state = SessionState::Pending;
        }
        let prefixes: Vec<_> = entry.prefixes().collect();
        let mut each = prefixes.iter();
        let taken = each.any(|&prefix| self.cache.is_taken(prefix, None));
        let known = self.cache.of(&entry.mn_identifier).is_some();
        let key = Key::Session { session };
        if taken || known || entry.anchors.is_empty() || self.cache.get(session).is_some() {
            self.counters.add(CmdCounter::SessionsNotRestored);
            return effects.push(Effect::Forget { key });
        }
        if !self.has_room_for(prefixes.len().max(1)) {
            return effects.push(Effect::NoRoom { key });
        }
        let left = match entry.state {
            SessionState::Active => Duration::from_secs(entry.granted.as_secs().into()),
            SessionState::Pending => self.config.min_delay_before_bce_delete,
            SessionState::Ending => Duration::ZERO,
        };
        entry.deadline = now.monotonic + left;
        if entry.state != SessionState::Ending {
            effects.push(Effect::SetTimer {
                timer: Timer::BindingExpiry { session },
                after: left,
            });
        }
        self.serves(None, entry.serving, effects);
        self.cache.insert(entry);
        self.counters.add(CmdCounter::SessionsRestored);
        self.lose(session, &lost, RevocationTrigger::ADMINISTRATIVE);
        self.pursue(now, session, effects);
    }
}

impl Entry {
    fn record(&self) -> SessionRecord {
        let anchor = |it: &Anchor| AnchorRecord {
            address: it.address,
            prefixes: it.prefixes.clone(),
            leaving: it.leaving.clone(),
            told: it.told,
            attributes: it.attributes.clone(),
            revoked: it.revoked.as_ref().map(Revoked::record),
        };
        SessionRecord {
            session: self.session,
            mn_identifier: self.mn_identifier.clone(),
            serving: self.serving,
            anchors: self.anchors.iter().map(anchor).collect(),
            pending: self.state == SessionState::Pending,
            link_layer: self.link_layer.clone(),
            access_technology: self.access_technology,
            handoff: self.handoff,
            sequence: self.sequence,
            timestamp: self.timestamp,
            granted: self.granted.0,
        }
    }

    fn restored(record: &SessionRecord) -> Self {
        let anchor = |it: &AnchorRecord| Anchor {
            prefixes: it.prefixes.clone(),
            leaving: it.leaving.clone(),
            told: it.told,
            attributes: it.attributes.clone(),
            revoked: it.revoked.as_ref().map(Revoked::restored),
            ..Anchor::new(it.address)
        };
        Self {
            serving: record.serving,
            anchors: record.anchors.iter().map(anchor).collect(),
            state: match (record.serving, record.pending) {
                (Some(_), _) => SessionState::Active,
                (None, true) => SessionState::Pending,
                (None, false) => SessionState::Ending,
            },
            link_layer: record.link_layer.clone(),
            access_technology: record.access_technology,
            handoff: record.handoff,
            sequence: record.sequence,
            timestamp: record.timestamp,
            granted: Lifetime(record.granted),
            ..Self::new(record.session, record.mn_identifier.clone())
        }
    }
}
