//! Sessions of hosts that AAA let in: what was granted to each, its clock, and its account.
//!
//! ```text
//!   granted ──the host is bound──► Start ──► Interim, every interval ──the last prefix is unbound──► Stop
//!      │                             │                                                             │
//!      │                             ├─ Session-Timeout: asked about anew, or it ends              │
//!      │                             └─ Idle-Timeout: it ends                                      ▼
//!      └─────────── the role lets go of the host ───────────────────────────────────────────► forgotten
//! ```
//!
//! What a session has used is what its bindings counted while they were its own: a binding that comes
//! from another link of this gateway has counted before. The workers' slots are read when a record is
//! made, so a record is exact but for the bursts at hand.
//!
//! All of it follows from effects and is looked at once the effects of an event have applied: a session
//! whose prefixes are exchanged in one step goes on.

mod account;

use super::{Alarm, Engine};
use crate::aaa::{
    Authorization, Cause, ErrorCause, Grant, Ledger, Order, RecordKind, Selector, Terms, What,
};
use account::Used;
use dataplane::counters::BindingTotals;
use dataplane::key::InterfaceId;
use hashbrown::HashMap;
use roles::event::{Departure, HostLink};
use roles::policy::Profile;
use roles::{BoundPrefix, Event, Now, Role};
use std::collections::btree_map::{BTreeMap, Entry};
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;
use wire::mh::MnIdentifier;

/// LMAs named by AAA alone that are treated as peers.
const ANCHORS: usize = 256;

/// How often it is looked whether a host is idle, in parts of its Idle-Timeout.
const IDLE_LOOKS: u32 = 4;

/// The least time between two such looks.
const LEAST_LOOK: Duration = Duration::from_millis(250);

/// A session on the books.
struct Open {
    name: Arc<str>,
    began: Duration,
    /// As they were at the start, but for what a change of authorisation said.
    terms: Terms,
    profile: Profile,
    interim: Option<Duration>,
    /// Packets when it was looked at last, and when it was last seen to be active.
    packets: u64,
    active: Duration,
}

/// A host that was granted something.
struct Session {
    grant: Grant,
    /// When that was.
    since: Duration,
    /// What is to be granted in its place, once the role asks.
    pushed: Option<Grant>,
    /// Its prefixes, each with what its binding had counted before.
    prefixes: BTreeMap<BoundPrefix, BindingTotals>,
    /// What prefixes counted that it has no more.
    past: Used,
    /// Prefixes that it has lost with the event at hand.
    lost: Vec<BoundPrefix>,
    open: Option<Open>,
    /// Whether its prefixes have changed.
    changed: bool,
    /// Whether it is of before a restart, and nobody has said since on which terms: its account begins
    /// then.
    untold: bool,
}

/// All sessions.
pub(super) struct Sessions {
    /// Whether hosts are served on terms of AAA; else there are none.
    enabled: bool,
    ledger: Option<Ledger>,
    hosts: HashMap<HostLink, Session>,
    names: HashMap<Arc<str>, HostLink>,
    /// Hosts to be looked at once all effects have applied.
    touched: Vec<HostLink>,
    cause: Cause,
    anchors: Vec<Ipv6Addr>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            enabled: false,
            ledger: None,
            hosts: HashMap::new(),
            names: HashMap::new(),
            touched: Vec::new(),
            cause: Cause::NasRequest,
            anchors: Vec::new(),
        }
    }
}

impl Sessions {
    /// From now on what ends, ends because of this.
    pub(super) fn because_of(&mut self, event: &Event) {
        if self.enabled {
            self.cause = Cause::of(event);
        }
    }

    /// Whether no host is served on terms of AAA.
    pub(super) fn are_none(&self) -> bool {
        self.hosts.is_empty()
    }

    /// What was granted to a host.
    pub(super) fn grant(&self, link: HostLink) -> Option<&Grant> {
        self.hosts.get(&link).map(|session| &session.grant)
    }

    /// What is to be granted to a host without asking anybody.
    pub(super) fn take_pushed(&mut self, link: HostLink) -> Option<Grant> {
        self.hosts.get_mut(&link)?.pushed.take()
    }

    /// LMAs that AAA has named.
    pub(super) fn anchors(&self) -> &[Ipv6Addr] {
        &self.anchors
    }

    /// The role may let go of a host, or has begun to serve it.
    pub(super) fn touch(&mut self, link: HostLink) {
        if self.enabled && self.hosts.contains_key(&link) {
            self.touched.push(link);
        }
    }

    /// The binding of a prefix leads to the host now; it has counted this before.
    pub(super) fn bound(&mut self, link: HostLink, prefix: BoundPrefix, now: BindingTotals) {
        if let Some(session) = self.hosts.get_mut(&link) {
            if let Entry::Vacant(place) = session.prefixes.entry(prefix) {
                place.insert(now);
                session.changed = true;
                self.touched.push(link);
            }
        }
    }

    /// The binding of a prefix does not lead to the host any more; it has counted this.
    pub(super) fn unbound(&mut self, link: HostLink, prefix: BoundPrefix, now: BindingTotals) {
        if let Some(session) = self.hosts.get_mut(&link) {
            if let Some(before) = session.prefixes.remove(&prefix) {
                session.past.add(now, before);
                session.lost.push(prefix);
                session.changed = true;
                self.touched.push(link);
            }
        }
    }

    /// The only session that is like that.
    fn find(&self, selector: &Selector) -> Result<HostLink, ErrorCause> {
        let one = selector.session.as_deref().map(|name| self.names.get(name));
        let mut found = match one {
            Some(None) => return Err(ErrorCause::SESSION_CONTEXT_NOT_FOUND),
            Some(Some(link)) => self.hosts.get_key_value(link).into_iter().collect(),
            None => self.hosts.iter().collect::<Vec<_>>(),
        };
        found.retain(|(link, session)| session.is(**link, selector));
        match found.as_slice() {
            [] => Err(ErrorCause::SESSION_CONTEXT_NOT_FOUND),
            [(link, _)] => Ok(**link),
            _ => Err(ErrorCause::MULTIPLE_SESSIONS),
        }
    }
}

impl Session {
    /// Whether it has all that a selector names; interfaces are looked at elsewhere.
    fn is(&self, link: HostLink, selector: &Selector) -> bool {
        let terms = &self.grant.terms;
        let named = |known: &MnIdentifier, name: &String| match known {
            MnIdentifier::Nai(known) => known == name,
            MnIdentifier::Other { .. } => false,
        };
        let user = selector.user_name.as_ref();
        let identifier = selector.mn_identifier.as_ref();
        user.is_none_or(|name| *name == terms.user_name)
            && identifier.is_none_or(|name| named(&self.grant.profile.mn_identifier, name))
            && selector.mac.is_none_or(|mac| mac == link.mac)
            && (selector.chargeable.is_none() || selector.chargeable == terms.chargeable)
            && selector
                .prefixes
                .iter()
                .all(|prefix| self.prefixes.contains_key(&BoundPrefix::V6(*prefix)))
    }

    /// When it is to be looked at next.
    fn next(&self, now: Duration) -> Option<Duration> {
        let terms = &self.grant.terms;
        let over = terms.session_timeout.map(|timeout| self.since + timeout);
        let idle = self.open.as_ref().and(terms.idle_timeout);
        let idle = idle.map(|timeout| now + (timeout / IDLE_LOOKS).max(LEAST_LOOK));
        let interim = self.open.as_ref().and_then(|open| open.interim);
        [over, idle, interim].into_iter().flatten().min()
    }
}

impl<R: Role> Engine<R> {
    /// Serves hosts on terms of AAA from now on, and keeps account in `ledger`, if there is one.
    pub fn serve_on_terms(&mut self, ledger: Option<Ledger>) {
        self.sessions.enabled = true;
        self.sessions.ledger = ledger;
    }

    /// The answer to a question that policy has passed on; `None`: the host may not attach.
    pub fn authorized(&mut self, now: Now, link: HostLink, grant: Option<Grant>) {
        let profile = grant.map(|grant| self.granted(now, link, grant));
        let profile = self.in_domain(link, profile);
        self.deliver(now, Event::Authenticated { link, profile });
    }

    /// Nobody has answered a question that policy has passed on: policy says what goes then.
    pub fn unanswered(&mut self, now: Now, link: HostLink) {
        let known = self.sessions.grant(link);
        let access = self.access.as_mut();
        let grant = access.and_then(|access| access.unanswered(link, known));
        self.authorized(now, link, grant);
    }

    /// Notes what is granted to a host; returns what the role is to be told.
    pub(super) fn granted(&mut self, now: Now, link: HostLink, mut grant: Grant) -> Profile {
        grant.terms.authorize_only = false;
        let profile = grant.profile.clone();
        let lma = profile.lma;
        if !self.peers.contains(&lma) && self.sessions.anchors.len() < ANCHORS {
            // Its answers are a peer's, and the way to it is wanted at once.
            self.sessions.anchors.push(lma);
            self.peers.push(lma);
            self.keep_next_hops(now);
            self.stale = true;
        }
        let sessions = &mut self.sessions;
        match sessions.hosts.get_mut(&link) {
            Some(session) => {
                session.grant = grant;
                session.since = now.monotonic;
                session.untold = false;
            }
            None => {
                let session = Session {
                    grant,
                    since: now.monotonic,
                    pushed: None,
                    prefixes: BTreeMap::new(),
                    past: Used::default(),
                    lost: Vec::new(),
                    open: None,
                    changed: false,
                    untold: false,
                };
                sessions.hosts.insert(link, session);
                // A binding that a restart has brought back was there before.
                for prefix in self.hosts.prefixes(link).to_vec() {
                    let totals = self.totals(prefix);
                    self.sessions.bound(link, prefix, totals);
                }
            }
        }
        self.sessions.touched.push(link);
        profile
    }

    /// A host that is served again after a restart. What was granted to it is not known but for its
    /// profile; policy is asked, and counts what goes through until it has answered.
    pub(super) fn expect_session(&mut self, now: Now, link: HostLink, profile: &Profile) {
        if !self.sessions.enabled {
            return;
        }
        let terms = Terms {
            user_name: profile.mn_identifier.to_string(),
            ..Terms::default()
        };
        let session = Session {
            grant: Grant {
                profile: profile.clone(),
                terms,
            },
            since: now.monotonic,
            pushed: None,
            prefixes: BTreeMap::new(),
            past: Used::default(),
            lost: Vec::new(),
            open: None,
            changed: false,
            untold: true,
        };
        self.sessions.hosts.insert(link, session);
        self.sessions.touched.push(link);
    }

    /// Lets another policy say who may attach from now on. Nobody is asked about who is here already.
    pub fn exchange_access_policy(&mut self, access: Box<dyn crate::policy::AccessPolicy>) {
        self.access = Some(access);
    }

    /// Carries out what AAA orders (RFC 5176).
    ///
    /// # Errors
    /// Why it is not done, as the answer has it.
    pub fn order(&mut self, now: Now, order: Order) -> Result<(), ErrorCause> {
        let link = self.sessions.find(&order.selector)?;
        let interface = self.routing.link(InterfaceId(link.interface));
        let is_port = |port: &String| interface.is_some_and(|it| it.interface.name == *port);
        if !order.selector.port.as_ref().is_none_or(is_port) {
            return Err(ErrorCause::SESSION_CONTEXT_NOT_FOUND);
        }
        if self.draining {
            return Err(ErrorCause::RESOURCES_UNAVAILABLE);
        }
        match order.what {
            What::Disconnect => {
                let why = Departure::Disconnected;
                self.deliver(now, Event::HostGone { link, why });
                Ok(())
            }
            What::Change(change) => {
                self.change(now, link, &change);
                Ok(())
            }
            What::AskAgain(state) => {
                let initiated = state.is_some();
                if let Some(session) = self.sessions.hosts.get_mut(&link) {
                    let terms = &mut session.grant.terms;
                    terms.authorize_only = initiated;
                    terms.state = state.or_else(|| terms.state.take());
                }
                self.deliver(now, Event::AccessPolicyChangedFor { link });
                match initiated {
                    true => Err(ErrorCause::REQUEST_INITIATED),
                    false => Ok(()),
                }
            }
        }
    }

    /// Something of what was granted to a host is to be otherwise.
    fn change(&mut self, now: Now, link: HostLink, change: &Authorization) {
        let Some(session) = self.sessions.hosts.get_mut(&link) else {
            return;
        };
        let changed = change.change(&session.grant);
        if changed.profile == session.grant.profile {
            self.granted(now, link, changed);
            return self.settle_sessions(now);
        }
        // The role hears of it as of any answer, and a recording has it.
        session.pushed = Some(changed);
        self.deliver(now, Event::AccessPolicyChangedFor { link });
    }

    /// All effects of an event have applied: begins, continues and ends sessions.
    pub(super) fn settle_sessions(&mut self, now: Now) {
        let mut touched = std::mem::take(&mut self.sessions.touched);
        if touched.is_empty() {
            return;
        }
        touched.sort_unstable();
        touched.dedup();
        for link in touched {
            let watched = self.hosts.is_watched(link);
            let Some(session) = self.sessions.hosts.get_mut(&link) else {
                continue;
            };
            let changed = std::mem::take(&mut session.changed);
            match (&mut session.open, session.prefixes.is_empty()) {
                (None, false) if session.untold => {}
                (None, false) => self.begin_session(now, link),
                (Some(_), true) => {
                    let cause = self.sessions.cause;
                    self.end_session(now, link, cause);
                }
                (Some(open), false) => {
                    if session.grant.profile.mn_identifier == open.profile.mn_identifier {
                        open.terms.clone_from(&session.grant.terms);
                        open.profile.clone_from(&session.grant.profile);
                    }
                    let interval = session.grant.terms.interim_interval;
                    open.interim = match (interval, open.interim) {
                        (Some(interval), due) => {
                            let next = now.monotonic + interval;
                            Some(due.map_or(next, |due| due.min(next)))
                        }
                        (None, _) => None,
                    };
                    if changed {
                        self.put(now, link, RecordKind::Interim);
                    }
                }
                (None, true) => {}
            }
            if let Some(session) = self.sessions.hosts.get_mut(&link) {
                session.lost.clear();
            }
            self.look_again(now, link, watched);
        }
    }

    /// Sets the next look at a session, or forgets it when the role has let go of its host.
    fn look_again(&mut self, now: Now, link: HostLink, watched: bool) {
        let Some(session) = self.sessions.hosts.get(&link) else {
            return;
        };
        if !watched && session.prefixes.is_empty() {
            self.sessions.hosts.remove(&link);
            self.wheel.cancel(&Alarm::Session(link));
            return;
        }
        match session.next(now.monotonic) {
            Some(due) => self.wheel.set(Alarm::Session(link), due),
            None => {
                self.wheel.cancel(&Alarm::Session(link));
            }
        }
    }

    /// A session is to be looked at.
    pub(super) fn session_alarm(&mut self, now: Now, link: HostLink) {
        let packets = self.used(link).packets();
        let Some(session) = self.sessions.hosts.get_mut(&link) else {
            return;
        };
        let terms = &session.grant.terms;
        let passed = now.monotonic.saturating_sub(session.since);
        if terms.session_timeout.is_some_and(|most| passed >= most) {
            session.since = now.monotonic;
            let event = match terms.ask_again {
                true => Event::AccessPolicyChangedFor { link },
                false => Event::HostGone {
                    link,
                    why: Departure::SessionTimeout,
                },
            };
            self.deliver(now, event);
        } else if let Some(open) = &mut session.open {
            if packets != std::mem::replace(&mut open.packets, packets) {
                open.active = now.monotonic;
            }
            let idle = now.monotonic.saturating_sub(open.active);
            if terms.idle_timeout.is_some_and(|most| idle >= most) {
                let why = Departure::IdleTimeout;
                self.deliver(now, Event::HostGone { link, why });
            } else if open.interim.is_some_and(|due| due <= now.monotonic) {
                open.interim = terms.interim_interval.map(|every| now.monotonic + every);
                self.put(now, link, RecordKind::Interim);
            }
        }
        let watched = self.hosts.is_watched(link);
        self.look_again(now, link, watched);
    }

    /// Hosts that are served on terms of AAA.
    pub fn granted_hosts(&self) -> usize {
        self.sessions.hosts.len()
    }
}
