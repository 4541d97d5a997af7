//! A central mobility database: the hosts that it knows of, and its mode.

use crate::engine::Engine;
use crate::gateway::Gateway;
use crate::rpc::{types, ModeParams, PageParams, RpcError};
use roles::cmd::{AnchorState, Cmd, SessionState, SessionView};
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
