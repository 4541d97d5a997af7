//! What the operator wants: hosts attached, detached, deleted.

use crate::counters::Counter;
use crate::engine::Engine;
use crate::gateway::Gateway;
use crate::routing::is_access;
use crate::rpc::{types, AttachParams, DetachParams, RegisterParams, RevokeParams, RpcError};
use roles::event::{Departure, HostLink, RevocationScope, Sign};
use roles::lma::{BindingView, HomeRegistration};
use roles::mag::VisitorState;
use roles::{Event, Now};
use std::net::Ipv6Addr;
use wire::mh::{Lifetime, MnIdentifier, Status};

/// The visitors that are attached, by link.
fn attached(
    engine: &Engine<Gateway>,
    now: Now,
) -> Result<Vec<(HostLink, Option<MnIdentifier>)>, RpcError> {
    match engine.role() {
        Gateway::Mag(mag) => Ok(mag
            .visitors(now)
            .map(|view| (view.link, view.mn_identifier))
            .collect()),
        Gateway::Maar(maar) => Ok(maar
            .nodes(now)
            .filter_map(|view| Some((view.link?, Some(view.mn_identifier))))
            .collect()),
        Gateway::Lma(_) | Gateway::Cmd(_) => Err(RpcError::wrong_role(
            "hosts attach at a mag or maar, this is none",
            "give the socket of the mag or maar",
        )),
    }
}

pub(super) fn attach(
    engine: &mut Engine<Gateway>,
    now: Now,
    params: &AttachParams,
) -> Result<types::Accepted, RpcError> {
    attached(engine, now)?;
    let known = engine.routing().interfaces();
    let access: Vec<_> = known.filter(|(_, link)| is_access(link)).collect();
    let named = access
        .iter()
        .find(|(_, link)| link.interface.name == params.interface);
    let Some((interface, _)) = named else {
        let names: Vec<_> = access
            .iter()
            .map(|(_, link)| link.interface.name.as_str())
            .collect();
        return Err(RpcError::not_found(
            format!("there is no access interface `{}`", params.interface),
            format!("the access interfaces are {}", names.join(", ")),
        ));
    };
    let link = HostLink {
        interface: interface.0,
        mac: params.mac,
    };
    let event = match &params.takes_over {
        Some(prefixes) => Event::TakeOver {
            link,
            prefixes: prefixes.clone(),
        },
        None => Event::HostSeen {
            link,
            sign: Sign::Operator,
        },
    };
    engine.deliver(now, event);
    let mut here = attached(engine, now)?.into_iter();
    if !here.any(|(known, _)| known == link) {
        let why = engine.refusal(link).unwrap_or("the role did not take it");
        return Err(RpcError::refused(
            format!("{} may not attach: {why}", params.mac),
            "the policy file says who may; `reload` reads it again",
        ));
    }
    Ok(types::Accepted {
        host: params.mac.to_string(),
    })
}

pub(super) fn detach(
    engine: &mut Engine<Gateway>,
    now: Now,
    params: &DetachParams,
) -> Result<types::Accepted, RpcError> {
    let is_meant = |(link, identifier): &(HostLink, Option<MnIdentifier>)| {
        let by_name = params.identifier.as_ref().is_some_and(|wanted| {
            identifier
                .as_ref()
                .is_some_and(|identifier| identifier.to_string() == *wanted)
        });
        by_name || params.mac == Some(link.mac)
    };
    let found: Vec<_> = attached(engine, now)?
        .into_iter()
        .filter(is_meant)
        .collect();
    let host = match (&params.identifier, params.mac) {
        (Some(identifier), _) => identifier.clone(),
        (None, Some(mac)) => mac.to_string(),
        (None, None) => String::new(),
    };
    if found.is_empty() {
        return Err(RpcError::not_found(
            format!("no host `{host}` is attached"),
            "`visitors` lists the hosts",
        ));
    }
    for (link, _) in found {
        let why = Departure::Operator;
        engine.deliver(now, Event::HostGone { link, why });
    }
    Ok(types::Accepted { host })
}

/// The identifier of a host that has a session, from how it reads.
fn known(engine: &Engine<Gateway>, now: Now, identifier: &str) -> Result<MnIdentifier, RpcError> {
    let is_meant = |known: &MnIdentifier| known.to_string() == identifier;
    let (known, list) = match engine.role() {
        Gateway::Lma(lma) => {
            let mut known = lma.bindings(now).map(|view| view.mn_identifier);
            (known.find(is_meant), "bindings")
        }
        Gateway::Mag(mag) => {
            let mut known = mag.visitors(now).filter_map(|view| view.mn_identifier);
            (known.find(is_meant), "visitors")
        }
        Gateway::Maar(maar) => {
            let mut known = maar.nodes(now).map(|view| view.mn_identifier);
            (known.find(is_meant), "anchors")
        }
        Gateway::Cmd(cmd) => {
            let mut known = cmd.bindings(now).map(|view| view.mn_identifier);
            (known.find(is_meant), "sessions")
        }
    };
    known.ok_or_else(|| {
        RpcError::not_found(
            format!("no host `{identifier}` has a session"),
            format!("`{list}` lists them"),
        )
    })
}

pub(super) fn delete(
    engine: &mut Engine<Gateway>,
    now: Now,
    identifier: String,
) -> Result<types::Accepted, RpcError> {
    let mn_identifier = known(engine, now, &identifier)?;
    engine.deliver(now, Event::Delete { mn_identifier });
    Ok(types::Accepted { host: identifier })
}

/// A host's own binding, by its home address.
fn own_binding(engine: &Engine<Gateway>, now: Now, home: Ipv6Addr) -> Option<BindingView> {
    match engine.role() {
        Gateway::Lma(lma) => lma.home_binding(now, home),
        Gateway::Mag(_) | Gateway::Maar(_) | Gateway::Cmd(_) => None,
    }
}

pub(super) fn register(
    engine: &mut Engine<Gateway>,
    now: Now,
    params: RegisterParams,
) -> Result<types::Registered, RpcError> {
    if !matches!(engine.role(), Gateway::Lma(_)) {
        return Err(RpcError::wrong_role(
            "this is no lma: only an lma has a binding cache that hosts' own bindings are in",
            "give the socket of the lma",
        ));
    }
    if engine.routing().owns(params.care_of_address) {
        return Err(RpcError::refused(
            format!("{} is an address of this gateway", params.care_of_address),
            "give the address that the host has where it is",
        ));
    }
    let home_address = params.home_address;
    let last = own_binding(engine, now, home_address).map(|view| view.sequence);
    let next = last.map_or(0, |last| last.wrapping_add(1));
    let registration = HomeRegistration {
        mn_identifier: MnIdentifier::Nai(params.identifier),
        home_address,
        care_of: params.care_of_address,
        sequence: params.sequence.unwrap_or(next),
        lifetime: Lifetime::from_secs_floor(params.lifetime_secs),
    };
    let sequence = registration.sequence;
    engine.deliver(now, Event::HomeRegistration { registration });
    let status = match engine.role() {
        Gateway::Lma(lma) => lma.last_home_registration(),
        Gateway::Mag(_) | Gateway::Maar(_) | Gateway::Cmd(_) => None,
    };
    let status = status.unwrap_or(Status::UNSPECIFIED);
    if !status.is_accepted() {
        return Err(RpcError::refused(
            format!("{home_address} is not registered: status {status}"),
            "`bindings` lists what there is; pools and policy say which home addresses a host may have",
        ));
    }
    let binding = own_binding(engine, now, home_address);
    let left = binding.map_or(0, |view| view.lifetime_left.as_secs());
    Ok(types::Registered {
        home_address,
        lifetime_secs: u32::try_from(left).unwrap_or(u32::MAX),
        sequence,
    })
}

/// Sessions that there are, and messages that have gone out.
fn tally(engine: &Engine<Gateway>, now: Now) -> (usize, u64) {
    let attached = match engine.role() {
        Gateway::Lma(lma) => lma.sessions(),
        // One that leaves has no session any more, though its anchor has not said so yet.
        Gateway::Mag(mag) => mag
            .visitors(now)
            .filter(|view| view.state != VisitorState::Leaving)
            .count(),
        Gateway::Maar(maar) => maar.sessions(),
        Gateway::Cmd(cmd) => cmd.sessions(),
    };
    (attached, engine.counters().get(Counter::MessageSent))
}

pub(super) fn revoke(
    engine: &mut Engine<Gateway>,
    now: Now,
    params: RevokeParams,
) -> Result<types::Revoked, RpcError> {
    if matches!(engine.role(), Gateway::Cmd(_) | Gateway::Maar(_)) {
        return Err(RpcError::wrong_role(
            "a cmd or maar shares no bindings that it could revoke",
            "`delete` ends the session of a host here and at the MAARs that it came by",
        ));
    }
    let trigger = params.wanted_trigger();
    let ipv4_only = params.ipv4_only == Some(true);
    let scope = match (params.identifier, params.realm, params.peer) {
        (Some(identifier), ..) => RevocationScope::Host {
            mn_identifier: known(engine, now, &identifier)?,
            ipv4_only,
            trigger,
        },
        (None, Some(realm), _) => RevocationScope::Realm { realm },
        (None, None, Some(address)) => RevocationScope::Peer { address },
        (None, None, None) => RevocationScope::All,
    };
    let before = tally(engine, now);
    let nothing = match &scope {
        RevocationScope::Peer { address } => Some(format!("no session is shared with {address}")),
        RevocationScope::Realm { realm } => Some(format!("no host is of the realm {realm}")),
        RevocationScope::Host { mn_identifier, .. } if ipv4_only => {
            Some(format!("{mn_identifier} has no IPv4 home address"))
        }
        RevocationScope::Host { mn_identifier, .. } if matches!(engine.role(), Gateway::Lma(_)) => {
            Some(format!("{mn_identifier} shares no session with a gateway"))
        }
        RevocationScope::Host { .. } | RevocationScope::All => None,
    };
    engine.deliver(now, Event::Revoke { scope });
    let after = tally(engine, now);
    let sessions = before.0.saturating_sub(after.0);
    let messages = after.1.saturating_sub(before.1);
    if let Some(nothing) = nothing.filter(|_| sessions == 0 && messages == 0) {
        return Err(RpcError::not_found(
            nothing,
            "`bindings` of an LMA and `visitors` of a MAG list sessions with their peers",
        ));
    }
    Ok(types::Revoked {
        sessions,
        messages: usize::try_from(messages).unwrap_or(usize::MAX),
    })
}
