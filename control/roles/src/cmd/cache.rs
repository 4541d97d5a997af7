//! The binding cache (RFC 8885 section 3.2): hosts, the anchors of each, and who has which prefix.

use super::exchange::Exchange;
use super::request::Held;
use super::revoke::Revoked;
use super::view::{AnchorState, AnchorView, SessionState, SessionView};
use crate::backoff::RateLimit;
use crate::pool::overlap;
use crate::sessions::Sessions;
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::{
    AccessTechnology, HandoffIndicator, HomeNetworkPrefix, Lifetime, MnIdentifier, MobilityOption,
    NtpTime,
};

/// A MAAR that anchors prefixes of a host.
#[derive(Clone, Debug)]
pub(super) struct Anchor {
    pub(super) address: Ipv6Addr,
    /// Sorted.
    pub(super) prefixes: Vec<HomeNetworkPrefix>,
    /// Those that it is to let go of.
    pub(super) leaving: Vec<HomeNetworkPrefix>,
    /// The serving MAAR that it has accepted, and the one for which it never answered.
    pub(super) told: Option<Ipv6Addr>,
    pub(super) silent: Option<Ipv6Addr>,
    /// What it has told of its own interface towards the host, to be passed on as it is (RFC 8885
    /// sections 4.4, 4.7 and 4.8).
    pub(super) attributes: Vec<MobilityOption>,
    /// The update that it is to answer.
    pub(super) exchange: Option<Exchange>,
    /// What of all that it serves has come to its end, while it is told.
    pub(super) revoked: Option<Revoked>,
    pub(super) rate: RateLimit,
}

impl Anchor {
    pub(super) fn new(address: Ipv6Addr) -> Self {
        Self {
            address,
            prefixes: Vec::new(),
            leaving: Vec::new(),
            told: None,
            silent: None,
            attributes: Vec::new(),
            exchange: None,
            revoked: None,
            rate: RateLimit::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.prefixes.is_empty() && self.leaving.is_empty() && self.revoked.is_none()
    }

    /// Whether nothing more is expected from it about the move to `serving`.
    pub(super) fn is_settled(&self, serving: Ipv6Addr) -> bool {
        let known = [self.told, self.silent].contains(&Some(serving));
        known || self.address == serving || self.prefixes.is_empty()
    }

    /// From now on it is to let go of these.
    pub(super) fn dismiss(&mut self, prefixes: &[HomeNetworkPrefix]) {
        let leaving = self.prefixes.iter().filter(|it| prefixes.contains(it));
        self.leaving.extend(leaving.copied());
        self.prefixes.retain(|it| !prefixes.contains(it));
    }

    fn view(&self, serving: Option<Ipv6Addr>) -> AnchorView {
        let state = if serving == Some(self.address) {
            AnchorState::Serving
        } else if self.prefixes.is_empty() {
            AnchorState::Leaving
        } else if self.told.is_some() && (self.told == serving || serving.is_none()) {
            AnchorState::Told
        } else if self.silent.is_some() && self.silent == serving {
            AnchorState::Silent
        } else {
            AnchorState::Asked
        };
        AnchorView {
            address: self.address,
            prefixes: self.prefixes.clone(),
            state,
        }
    }
}

/// One mobility session.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) session: u64,
    pub(super) mn_identifier: MnIdentifier,
    /// Proxy-CoA; none while the session is not active.
    pub(super) serving: Option<Ipv6Addr>,
    /// From the oldest on; the serving one is the last.
    pub(super) anchors: Vec<Anchor>,
    pub(super) state: SessionState,
    pub(super) link_layer: Option<Vec<u8>>,
    pub(super) access_technology: AccessTechnology,
    pub(super) handoff: HandoffIndicator,
    pub(super) sequence: u16,
    /// Of the latest accepted update that had one.
    pub(super) timestamp: Option<NtpTime>,
    pub(super) granted: Lifetime,
    /// When it ends, on the monotonic clock.
    pub(super) deadline: Duration,
    /// The update of the serving MAAR that is to be answered, or answered again.
    pub(super) held: Option<Box<Held>>,
    pub(super) moves: RateLimit,
}

impl Entry {
    pub(super) fn new(session: u64, mn_identifier: MnIdentifier) -> Self {
        Self {
            session,
            mn_identifier,
            serving: None,
            anchors: Vec::new(),
            state: SessionState::Active,
            link_layer: None,
            access_technology: AccessTechnology(0),
            handoff: HandoffIndicator::UNKNOWN,
            sequence: 0,
            timestamp: None,
            granted: Lifetime::ZERO,
            deadline: Duration::ZERO,
            held: None,
            moves: RateLimit::default(),
        }
    }

    pub(super) fn anchor(&self, address: Ipv6Addr) -> Option<&Anchor> {
        self.anchors.iter().find(|it| it.address == address)
    }

    pub(super) fn anchor_mut(&mut self, address: Ipv6Addr) -> Option<&mut Anchor> {
        self.anchors.iter_mut().find(|it| it.address == address)
    }

    /// The anchor that serves the host.
    pub(super) fn home(&self) -> Option<&Anchor> {
        self.anchor(self.serving?)
    }

    /// Its anchors but the serving one, with those that are only to let go.
    pub(super) fn previous(&self) -> impl Iterator<Item = &Anchor> {
        let serving = self.serving;
        let others = self.anchors.iter();
        others.filter(move |it| serving != Some(it.address))
    }

    /// Prefixes that are the host's.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = HomeNetworkPrefix> + '_ {
        self.anchors
            .iter()
            .flat_map(|it| it.prefixes.iter().copied())
    }

    /// Whether no previous MAAR has yet to say something about where the host is.
    pub(super) fn is_settled(&self) -> bool {
        let Some(serving) = self.serving else {
            return true;
        };
        self.anchors.iter().all(|it| it.is_settled(serving))
    }

    /// What is left of its lifetime, rounded up to what a message can say.
    pub(super) fn lifetime_left(&self, now: Duration) -> Lifetime {
        let left = self
            .deadline
            .saturating_sub(now)
            .as_secs()
            .saturating_add(4);
        Lifetime::from_secs_floor(u32::try_from(left).unwrap_or(u32::MAX)).min(self.granted)
    }

    pub(super) fn view(&self, now: Duration) -> SessionView {
        SessionView {
            session: self.session,
            mn_identifier: self.mn_identifier.clone(),
            serving: self.serving,
            anchors: self
                .anchors
                .iter()
                .map(|it| it.view(self.serving))
                .collect(),
            state: self.state,
            lifetime_left: match self.state {
                SessionState::Ending => Duration::ZERO,
                _ => self.deadline.saturating_sub(now),
            },
            sequence: self.sequence,
            timestamp: self.timestamp,
            access_technology: self.access_technology,
            handoff_indicator: self.handoff,
            awaited: self.held.as_ref().is_some_and(|held| !held.answered),
        }
    }
}

/// The sessions by number, by host, and by prefix.
#[derive(Clone, Debug, Default)]
pub(super) struct Cache {
    sessions: Sessions<Entry>,
    by_identifier: HashMap<MnIdentifier, u64>,
    /// No two of them overlap.
    prefixes: BTreeMap<HomeNetworkPrefix, u64>,
}

impl Cache {
    /// A number that no session has had.
    pub(super) fn next_session(&mut self) -> u64 {
        self.sessions.next_number()
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        for prefix in entry.prefixes() {
            self.prefixes.insert(prefix, entry.session);
        }
        self.by_identifier
            .insert(entry.mn_identifier.clone(), entry.session);
        self.sessions.insert(entry.session, entry);
    }

    pub(super) fn remove(&mut self, session: u64) -> Option<Entry> {
        let entry = self.sessions.remove(session)?;
        for prefix in entry.prefixes() {
            self.prefixes.remove(&prefix);
        }
        self.by_identifier.remove(&entry.mn_identifier);
        Some(entry)
    }

    pub(super) fn of(&self, host: &MnIdentifier) -> Option<&Entry> {
        self.get(self.by_identifier.get(host).copied()?)
    }

    pub(super) fn get(&self, session: u64) -> Option<&Entry> {
        self.sessions.get(session)
    }

    pub(super) fn get_mut(&mut self, session: u64) -> Option<&mut Entry> {
        self.sessions.get_mut(session)
    }

    /// Brings what is known of prefixes in line with an entry, which had `before`.
    pub(super) fn reindex(&mut self, session: u64, before: &[HomeNetworkPrefix]) {
        for prefix in before {
            self.prefixes.remove(prefix);
        }
        if let Some(entry) = self.sessions.get(session) {
            for prefix in entry.prefixes() {
                self.prefixes.insert(prefix, session);
            }
        }
    }

    /// Whether a session other than `own` has a prefix, or one that shares addresses with it. As no
    /// two of them overlap, it is one of two neighbours in their order.
    pub(super) fn is_taken(&self, prefix: HomeNetworkPrefix, own: Option<u64>) -> bool {
        let before = self.prefixes.range(..=prefix).next_back();
        let behind = self.prefixes.range(prefix..).next();
        let mut near = before.into_iter().chain(behind);
        near.any(|(it, session)| overlap(*it, prefix) && Some(*session) != own)
    }

    /// Sessions.
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Prefixes that hosts have.
    pub(super) fn held(&self) -> usize {
        self.prefixes.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.sessions.iter()
    }
}
