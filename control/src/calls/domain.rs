//! A distributed domain: the hosts that a central mobility database knows of, its mode, and the hosts
//! that a MAAR anchors.

use super::show::{interface_name, traffic};
use crate::engine::Engine;
use crate::gateway::Gateway;
use crate::rpc::{types, ModeParams, PageParams, RpcError};
use dataplane::key::InterfaceId;
use roles::cmd::{AnchorState, Cmd, SessionState, SessionView};
use roles::maar::{FoundBy, NodeState, NodeView};
use roles::{Event, Now};

fn database(engine: &Engine<Gateway>) -> Result<&Cmd, RpcError> {
    match engine.role() {
        Gateway::Cmd(cmd) => Ok(cmd),
        _ => Err(RpcError::wrong_role(
            "this is no cmd: only a cmd has sessions and a mode",
            "give the socket of the cmd",
        )),
    }
}

/// The binding cache.
pub(super) fn sessions(
    engine: &Engine<Gateway>,
    now: Now,
    page: PageParams,
) -> Result<Vec<types::Session>, RpcError> {
    let cmd = database(engine)?;
    let views = page.of(cmd.sessions(), cmd.bindings(now))?;
    Ok(views.into_iter().map(session).collect())
}

fn session(view: SessionView) -> types::Session {
    let anchors = view.anchors.into_iter().map(|anchor| types::Anchor {
        maar: anchor.address,
        prefixes: anchor.prefixes,
        state: match anchor.state {
            AnchorState::Serving => "serving",
            AnchorState::Told => "told",
            AnchorState::Asked => "asked",
            AnchorState::Silent => "silent",
            AnchorState::Leaving => "leaving",
        }
        .to_owned(),
    });
    types::Session {
        identifier: view.mn_identifier.to_string(),
        state: match view.state {
            SessionState::Active => "active",
            SessionState::Pending => "pending",
            SessionState::Ending => "ending",
        }
        .to_owned(),
        serving: view.serving,
        anchors: anchors.collect(),
        remaining_secs: view.lifetime_left.as_secs_f64(),
        sequence: view.sequence,
        timestamp: view.timestamp.map(|time| time.to_unix().as_secs_f64()),
        access_technology: view.access_technology.0,
        handoff_indicator: view.handoff_indicator.0,
        awaited: view.awaited,
    }
}

/// The hosts that a MAAR anchors.
pub(super) fn anchors(
    engine: &mut Engine<Gateway>,
    now: Now,
    page: PageParams,
) -> Result<Vec<types::AnchoredHost>, RpcError> {
    let Gateway::Maar(maar) = engine.role() else {
        return Err(RpcError::wrong_role(
            "this is no maar: only a maar anchors hosts that move between anchors",
            "give the socket of the maar",
        ));
    };
    let views = page.of(maar.nodes(now).count(), maar.nodes(now))?;
    Ok(views.into_iter().map(|it| anchored(engine, it)).collect())
}

fn anchored(engine: &mut Engine<Gateway>, view: NodeView) -> types::AnchoredHost {
    let mut prefixes = vec![view.prefix];
    prefixes.extend(view.previous.iter().map(|it| it.prefix));
    let (up, down) = traffic(engine, &prefixes, None);
    let previous = view.previous.into_iter().map(|it| types::PreviousAnchor {
        maar: it.anchor,
        prefix: it.prefix,
        router: it.router.map(|router| router.link_local),
        router_mac: it.router.map(|router| router.mac),
        releasing: it.releasing,
        found: found(it.found),
    });
    let sought = view.sought.into_iter().map(|it| types::SoughtAnchor {
        prefix: it.prefix,
        to: it.to,
        found: found(it.found),
        transmissions: it.transmissions,
    });
    types::AnchoredHost {
        identifier: view.mn_identifier.to_string(),
        state: match view.state {
            NodeState::Registering => "registering",
            NodeState::Served => "served",
            NodeState::Guarded => "guarded",
            NodeState::Previous => "previous",
            NodeState::Leaving => "leaving",
        }
        .to_owned(),
        prefix: view.prefix,
        interface: view
            .link
            .map(|link| interface_name(engine, InterfaceId(link.interface))),
        mac: view.link.map(|link| link.mac),
        link_local: view.link_local,
        serving: view.serving,
        previous: previous.collect(),
        searching: view.searching,
        sought: sought.collect(),
        remaining_secs: view.lifetime_left.map(|left| left.as_secs_f64()),
        up,
        down,
    }
}

fn found(by: FoundBy) -> String {
    match by {
        FoundBy::Database => "database",
        FoundBy::Learned => "learned",
        FoundBy::Configured => "configured",
        FoundBy::Constructed => "constructed",
        FoundBy::Kept => "kept",
    }
    .to_owned()
}

/// The mode, changed before if one is wanted.
pub(super) fn mode(
    engine: &mut Engine<Gateway>,
    now: Now,
    params: ModeParams,
) -> Result<types::Mode, RpcError> {
    let before = database(engine)?.mode();
    if let Some(mode) = params.wanted().filter(|mode| *mode != before) {
        engine.deliver(now, Event::Mode { mode });
        tracing::info!(
            from = before.name(),
            to = mode.name(),
            "the mode is changed"
        );
    }
    Ok(types::Mode {
        mode: database(engine)?.mode().name().to_owned(),
    })
}
