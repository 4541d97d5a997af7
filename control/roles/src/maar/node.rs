//! What a gateway knows of one host that it anchors, and serves or not.

use super::config::MaarConfig;
use super::discovery::FoundBy;
use crate::advertising::Told;
use crate::backoff::RateLimit;
use crate::effect::{LogicalRouter, Path, TunnelEnds};
use crate::event::{HostLink, NodeTimer, Timer};
use crate::outstanding::Update;
use crate::policy::Profile;
use crate::presence::Presence;
use crate::store::{NodePlace, NodeRecord, PreviousRecord, Record};
use crate::{Effect, Now};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::{HomeNetworkPrefix, MnIdentifier, NtpTime};

/// An entry of the local binding cache: a host with its prefix of ours.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) session: u64,
    pub(super) mn_identifier: MnIdentifier,
    /// Its prefix, which we anchor: reserved, or bound.
    pub(super) prefix: HomeNetworkPrefix,
    /// Where it is on our links, if it is.
    pub(super) visit: Option<Visit>,
    /// Where its prefix is led to, while it is not bound here.
    pub(super) away: Option<Away>,
    pub(super) list: ListEntry,
    pub(super) heard: Option<Heard>,
    /// What the gateway that it left is being told, where there is no database.
    pub(super) revoking: Option<u16>,
}

/// A host on an access link.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    pub(super) link: HostLink,
    pub(super) link_local: Option<Ipv6Addr>,
    /// Source of a Router Solicitation that is not answered yet.
    pub(super) solicited: Option<Ipv6Addr>,
    /// What it has been advertised.
    pub(super) told: Told,
    /// Wall-clock time when it came, or last said that it had.
    pub(super) came: Duration,
    pub(super) profile: Profile,
    /// Since when it is being asked again who this is, if it is.
    pub(super) asked: Option<Duration>,
    /// There once the database has accepted it.
    pub(super) bound: Option<Bound>,
    /// Prefixes of other anchors that are led here, those known longest first.
    pub(super) previous: Vec<Previous>,
    /// The search for them, where there is no database.
    pub(super) search: Search,
    /// It has left its link, and been asked so many times whether it really has.
    pub(super) detached: Option<u8>,
    /// Whether it has been asked if it is still here: the database is told as soon as it says so.
    pub(super) presence: Presence,
    /// When the database said that it is elsewhere, as of a time before it came.
    pub(super) overtook: Option<Duration>,
    /// Whether subscribers know that it attached.
    pub(super) announced: bool,
}

/// A binding that the database has accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    /// When it was last accepted.
    pub(super) since: Duration,
    pub(super) refresh: Duration,
    pub(super) expiry: Duration,
    /// Another anchor said so; the database has not yet.
    pub(super) by_anchor: bool,
}

/// A prefix that another gateway anchors.
#[derive(Clone, Debug)]
pub(super) struct Previous {
    pub(super) anchor: Ipv6Addr,
    pub(super) prefix: HomeNetworkPrefix,
    /// How the host sees its anchor, if it is a router of its own.
    pub(super) router: Option<LogicalRouter>,
    /// The update by which it is let go of, if it is.
    pub(super) release: Option<Update>,
    /// The update by which it is kept, where its anchor is told straight.
    pub(super) renewal: Option<Update>,
    /// Updates to its anchor, where that is told straight.
    pub(super) rate: RateLimit,
    pub(super) found: FoundBy,
}

/// The search for the anchors of a host that is here, where there is no database.
#[derive(Clone, Debug, Default)]
pub(super) struct Search {
    /// It is not known yet which prefixes the host has.
    pub(super) open: bool,
    /// The first advertisement waits for the end of the search.
    pub(super) waits: bool,
    /// Until when at most, on the monotonic clock.
    pub(super) opens: Duration,
    /// What the host is asked, until it has answered.
    pub(super) question: Option<Question>,
    /// An anchor takes the host to have gone on: it is asked whether it is here after all.
    pub(super) doubted: bool,
    /// Prefixes whose anchors have yet to answer.
    pub(super) sought: Vec<Sought>,
    /// Prefixes that nobody leads here, of which the host is to be told, each with the router that it had.
    pub(super) gone: Vec<(HomeNetworkPrefix, Option<LogicalRouter>)>,
}

/// A question to a host (RFC 4620).
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    pub(super) nonce: [u8; 8],
    /// Where it went, once it has.
    pub(super) to: Option<Ipv6Addr>,
    pub(super) transmissions: u32,
}

/// A prefix that a host has, while its anchor is told that the host is here.
#[derive(Clone, Debug)]
pub(super) struct Sought {
    pub(super) prefix: HomeNetworkPrefix,
    /// Where its anchor is written to.
    pub(super) to: Ipv6Addr,
    pub(super) found: FoundBy,
    pub(super) update: Update,
    pub(super) rate: RateLimit,
}

/// The host of a prefix of ours is with another gateway.
#[derive(Clone, Copy, Debug)]
pub(super) struct Away {
    pub(super) serving: Ipv6Addr,
    /// When it is asked whether the binding is to end; none: never.
    pub(super) expiry: Option<Duration>,
}

/// Where a host was before it came to where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Former {
    pub(super) gateway: Ipv6Addr,
    /// When it had come there, as that gateway told.
    pub(super) arrived: Option<NtpTime>,
}

/// The last update of the database that was accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub(super) sequence: u16,
    pub(super) timestamp: Option<NtpTime>,
    pub(super) serving: Option<Ipv6Addr>,
    /// When the host came to where it is served, as that gateway has told straight.
    pub(super) arrived: Option<NtpTime>,
}

/// An entry of the binding update list: what the database is being told of a host.
#[derive(Clone, Debug, Default)]
pub(super) struct ListEntry {
    pub(super) rate: RateLimit,
    /// What it is being told.
    pub(super) update: Option<Update>,
    /// What it accepted last, and when: more may come in answer to that.
    pub(super) settled: Option<(Update, Duration)>,
}

/// A timer of a host.
pub(super) fn timer(mn_identifier: &MnIdentifier, what: NodeTimer) -> Timer {
    Timer::Node {
        mn_identifier: mn_identifier.clone(),
        what,
    }
}

/// Stops a timer of a host.
pub(super) fn cancel(mn_identifier: &MnIdentifier, what: NodeTimer) -> Effect {
    let timer = timer(mn_identifier, what);
    Effect::CancelTimer { timer }
}

impl Node {
    pub(super) fn timer(&self, what: NodeTimer) -> Timer {
        timer(&self.mn_identifier, what)
    }

    pub(super) fn set(&self, what: NodeTimer, after: Duration) -> Effect {
        let timer = self.timer(what);
        Effect::SetTimer { timer, after }
    }

    pub(super) fn cancel(&self, what: NodeTimer) -> Effect {
        let timer = self.timer(what);
        Effect::CancelTimer { timer }
    }

    /// Stops every timer of it.
    pub(super) fn cancel_all(&self, effects: &mut Vec<Effect>) {
        for what in [
            NodeTimer::Retransmit,
            NodeTimer::Refresh,
            NodeTimer::Expiry,
            NodeTimer::Guard,
            NodeTimer::Advertise,
        ] {
            effects.push(self.cancel(what));
        }
        let previous = self.visit.iter().flat_map(|visit| &visit.previous);
        for one in previous {
            let prefix = one.prefix;
            if one.release.is_some() {
                effects.push(self.cancel(NodeTimer::Release { prefix }));
            }
            if one.renewal.is_some() {
                effects.push(self.cancel(NodeTimer::Anchor { prefix }));
            }
        }
        self.cancel_search(effects);
    }

    /// Stops the timers of the search for its anchors.
    pub(super) fn cancel_search(&self, effects: &mut Vec<Effect>) {
        let Some(search) = self.visit.as_ref().map(|visit| &visit.search) else {
            return;
        };
        if search.waits {
            effects.push(self.cancel(NodeTimer::Search));
        }
        if search.question.is_some() {
            effects.push(self.cancel(NodeTimer::Query));
        }
        for one in &search.sought {
            let prefix = one.prefix;
            effects.push(self.cancel(NodeTimer::Anchor { prefix }));
        }
    }

    /// The other gateway that its prefix is led to.
    pub(super) fn former(&self) -> Option<Former> {
        let away = self.away.filter(|_| !self.is_bound())?;
        Some(Former {
            gateway: away.serving,
            arrived: self.heard.and_then(|heard| heard.arrived),
        })
    }

    /// Whether it is served here.
    pub(super) fn is_bound(&self) -> bool {
        self.visit.as_ref().is_some_and(|it| it.bound.is_some())
    }

    /// Whether its host is to be told of prefixes that nobody leads here.
    pub(super) fn has_lost(&self) -> bool {
        self.visit
            .as_ref()
            .is_some_and(|it| !it.search.gone.is_empty())
    }

    /// Has it stored as it stands, once it is bound, here or elsewhere.
    pub(super) fn store(&self, now: Now) -> Option<Effect> {
        let wall = |at: Duration| now.wall + at.saturating_sub(now.monotonic);
        let here = self.visit.as_ref();
        let here = here.and_then(|visit| Some((visit, visit.bound?)));
        let place = match (here, self.away) {
            (Some((visit, bound)), _) => NodePlace::Here {
                link: visit.link,
                link_local: visit.link_local,
                profile: visit.profile.clone(),
                previous: visit.previous.iter().map(Previous::record).collect(),
                refresh: wall(bound.refresh),
                ends: wall(bound.expiry),
            },
            (None, Some(away)) => NodePlace::Away {
                serving: away.serving,
                ends: away.expiry.map(wall),
            },
            (None, None) => return None,
        };
        let record = Record::Node(NodeRecord {
            session: self.session,
            mn_identifier: self.mn_identifier.clone(),
            prefix: self.prefix,
            timestamp: self.heard.and_then(|heard| heard.timestamp),
            arrived: self.heard.and_then(|heard| heard.arrived),
            place,
        });
        Some(Effect::Store { record })
    }
}

impl Previous {
    fn record(&self) -> PreviousRecord {
        PreviousRecord {
            anchor: self.anchor,
            prefix: self.prefix,
            router: self.router,
        }
    }

    /// Our tunnel to its anchor.
    pub(super) const fn tunnel(&self, local: Ipv6Addr) -> TunnelEnds {
        TunnelEnds::plain(local, self.anchor)
    }

    /// Where its packets go.
    pub(super) const fn path(&self, local: Ipv6Addr, link: HostLink) -> Path {
        Path::Access {
            tunnel: self.tunnel(local),
            link,
            delegated: false,
        }
    }
}

impl Visit {
    /// Whether nobody but its anchors, if it has any, is told of its host.
    pub(super) const fn goes_alone(&self, config: &MaarConfig) -> bool {
        config.cmd().is_none() || !self.profile.mobility
    }

    pub(super) fn new(link: HostLink, profile: Profile, came: Duration) -> Self {
        Self {
            link,
            link_local: None,
            solicited: None,
            told: Told::default(),
            came,
            profile,
            asked: None,
            bound: None,
            previous: Vec::new(),
            search: Search::default(),
            detached: None,
            presence: Presence::default(),
            overtook: None,
            announced: false,
        }
    }

    /// Has it watched whether the host is still there.
    pub(super) fn watch(&self) -> Effect {
        Effect::Watch {
            link: self.link,
            address: self.link_local.map(Into::into),
        }
    }
}
