//! The local binding cache as an operator sees it.

use super::discovery::FoundBy;
use super::node::Node;
use crate::effect::LogicalRouter;
use crate::event::HostLink;
use serde::Serialize;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::{HomeNetworkPrefix, MnIdentifier};

/// State of a host at a gateway that anchors it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// It is here; the database has not accepted it yet.
    Registering,
    /// It is served here.
    Served,
    /// It has left its link and is waited for.
    Guarded,
    /// Another gateway serves it; its prefix of ours is led there.
    Previous,
    /// Its session is over; the database has not acknowledged that yet.
    Leaving,
}

/// A prefix of a host that another gateway anchors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PreviousView {
    /// The gateway that anchors it.
    pub anchor: Ipv6Addr,
    /// The prefix.
    pub prefix: HomeNetworkPrefix,
    /// How the host sees its anchor, if it is a router of its own.
    pub router: Option<LogicalRouter>,
    /// Whether it is being let go of.
    pub releasing: bool,
    /// How its anchor became known.
    pub found: FoundBy,
}

/// A prefix of a host whose anchor has yet to answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SoughtView {
    /// The prefix.
    pub prefix: HomeNetworkPrefix,
    /// Where its anchor is written to.
    pub to: Ipv6Addr,
    /// How that address became known.
    pub found: FoundBy,
    /// How often it was written to.
    pub transmissions: u32,
}

/// One entry of the local binding cache (RFC 8885 section 3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeView {
    /// The mobile node.
    pub mn_identifier: MnIdentifier,
    /// What it is here.
    pub state: NodeState,
    /// Its prefix, which we anchor.
    pub prefix: HomeNetworkPrefix,
    /// Where it is on our links.
    pub link: Option<HostLink>,
    /// Its link-local address, if it has shown one.
    pub link_local: Option<Ipv6Addr>,
    /// The gateway that serves it, if that is another one.
    pub serving: Option<Ipv6Addr>,
    /// Its prefixes that other gateways anchor, while it is here.
    pub previous: Vec<PreviousView>,
    /// Whether it is not known yet, or nobody could tell, which prefixes it has from elsewhere.
    pub searching: bool,
    /// Prefixes that it was found to have, whose anchors have yet to answer.
    pub sought: Vec<SoughtView>,
    /// Until its binding ends if it is not refreshed; none where only the database ends it.
    pub lifetime_left: Option<Duration>,
}

impl Node {
    pub(super) fn view(&self, now: Duration, leaving: bool) -> NodeView {
        let visit = self.visit.as_ref();
        let bound = visit.and_then(|visit| visit.bound);
        let guarded = visit.is_some_and(|visit| visit.detached.is_some());
        let state = match (leaving, visit, bound) {
            (true, ..) => NodeState::Leaving,
            (_, Some(_), None) => NodeState::Registering,
            (_, Some(_), Some(_)) if guarded => NodeState::Guarded,
            (_, Some(_), Some(_)) => NodeState::Served,
            (_, None, _) => NodeState::Previous,
        };
        let ends = match bound {
            Some(bound) => Some(bound.expiry),
            None => self.away.and_then(|away| away.expiry),
        };
        let away = self.away.filter(|_| bound.is_none() && !leaving);
        NodeView {
            mn_identifier: self.mn_identifier.clone(),
            state,
            prefix: self.prefix,
            link: visit.map(|visit| visit.link),
            link_local: visit.and_then(|visit| visit.link_local),
            serving: away.map(|away| away.serving),
            previous: visit
                .into_iter()
                .flat_map(|visit| &visit.previous)
                .map(|previous| PreviousView {
                    anchor: previous.anchor,
                    prefix: previous.prefix,
                    router: previous.router,
                    releasing: previous.release.is_some(),
                    found: previous.found,
                })
                .collect(),
            searching: visit.is_some_and(|visit| visit.search.open),
            sought: visit
                .into_iter()
                .flat_map(|visit| &visit.search.sought)
                .map(|sought| SoughtView {
                    prefix: sought.prefix,
                    to: sought.to,
                    found: sought.found,
                    transmissions: sought.update.transmissions,
                })
                .collect(),
            lifetime_left: ends.map(|end| end.saturating_sub(now)),
        }
    }
}
