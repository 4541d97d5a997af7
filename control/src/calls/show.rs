//! What there is: routes, neighbours, peers, bindings, visitors.

use crate::config::{bits, Prefix};
use crate::engine::Engine;
use crate::gateway::Gateway;
use crate::neighbour::{Neighbour, State};
use crate::routing::Target;
use crate::rpc::{types, PageParams, RpcError};
use dataplane::counters::BindingTotals;
use dataplane::key::InterfaceId;
use roles::{BoundPrefix, Now, PeerState};
use wire::mh::HomeNetworkPrefix;

/// The routes: own addresses, on-link prefixes, static routes.
pub(super) fn routes(engine: &Engine<Gateway>) -> Vec<types::Route> {
    let routing = engine.routing();
    let mut routes = Vec::new();
    for (_, link) in routing.interfaces() {
        let name = Some(link.interface.name.clone());
        let link_local = std::iter::once((link.link_local.into(), 128));
        let own = link_local.chain(link.addresses.iter().copied());
        for (address, length) in own {
            let local = std::iter::once((Prefix::new(address, bits(address)), "local"));
            let on_link =
                (length < bits(address)).then(|| (Prefix::new(address, length), "on-link"));
            for (prefix, kind) in local.chain(on_link) {
                routes.push(types::Route {
                    prefix,
                    kind: kind.to_owned(),
                    via: None,
                    interface: name.clone(),
                    mac: None,
                    domain: routing.name(link.interface.domain).map(|it| it.to_string()),
                });
            }
        }
    }
    for route in &routing.routes {
        let prefix = Prefix::new(route.prefix, route.length);
        let (kind, router) = match route.target {
            Target::Router(router) => ("via", Some(router)),
            Target::Unreachable => ("unreachable", None),
            Target::Blackhole => ("blackhole", None),
        };
        let mac = router.and_then(|router| engine.neighbours().mac(router));
        routes.push(types::Route {
            prefix,
            kind: kind.to_owned(),
            via: router.map(|router| router.address),
            interface: router.map(|router| interface_name(engine, router.interface)),
            mac,
            domain: routing.name(route.domain).map(|it| it.to_string()),
        });
    }
    routes
}

pub(super) fn neighbours(
    engine: &Engine<Gateway>,
    page: PageParams,
) -> Result<Vec<types::Neighbour>, RpcError> {
    let list = engine.neighbours().list();
    let neighbour = |(Neighbour { interface, address }, state, mac): Known| types::Neighbour {
        address,
        interface: interface_name(engine, interface),
        mac,
        state: state.name().to_owned(),
    };
    page.of(list.len(), list.into_iter().map(neighbour))
}

pub(super) fn peers(
    engine: &Engine<Gateway>,
    now: Now,
    page: PageParams,
) -> Result<Vec<types::Peer>, RpcError> {
    let list = engine.role().peers(now);
    let peer = |view: roles::PeerView| types::Peer {
        address: view.address,
        state: match view.state {
            PeerState::Unknown => "unknown",
            PeerState::Up => "up",
            PeerState::Down => "down",
            PeerState::Unsupported => "unsupported",
        }
        .to_owned(),
        sessions: view.sessions as u64,
        missing: view.missing,
        restart_counter: view.restart_counter,
        round_trip_us: view.round_trip.map(|it| it.as_secs_f64() * 1e6),
        heard_secs: view.heard.map(|it| it.as_secs_f64()),
    };
    page.of(list.len(), list.into_iter().map(peer))
}

/// What the cache tells of a neighbour.
type Known = (Neighbour, State, Option<wire::ether::MacAddr>);

pub(super) fn interface_name(engine: &Engine<Gateway>, interface: InterfaceId) -> String {
    let link = engine.routing().link(interface);
    link.map(|link| link.interface.name.clone())
        .unwrap_or_default()
}

/// What went from and to a host, over all its prefixes.
pub(super) fn traffic(
    engine: &mut Engine<Gateway>,
    prefixes: &[HomeNetworkPrefix],
    ipv4: Option<BoundPrefix>,
) -> (types::Traffic, types::Traffic) {
    let mut sum = (types::Traffic::default(), types::Traffic::default());
    let prefixes = prefixes.iter().copied().map(BoundPrefix::V6);
    for prefix in prefixes.chain(ipv4) {
        let BindingTotals { up, down, .. } = engine.totals(prefix);
        for (sum, part) in [(&mut sum.0, up), (&mut sum.1, down)] {
            sum.packets += part.packets;
            sum.bytes += part.bytes;
        }
    }
    sum
}

pub(super) fn bindings(
    engine: &mut Engine<Gateway>,
    now: Now,
    page: PageParams,
) -> Result<Vec<types::Binding>, RpcError> {
    let Gateway::Lma(lma) = engine.role() else {
        return Err(RpcError::wrong_role(
            "this is no lma: only an lma has bindings",
            "ask a mag for `visitors`, a cmd for `sessions`, or ask the lma",
        ));
    };
    let views = page.of(lma.sessions(), lma.bindings(now))?;
    let binding = |view: roles::lma::BindingView| {
        let prefixes = [view.prefixes.as_slice(), &view.delegated_prefixes].concat();
        let ipv4 = view.ipv4_home_address;
        let ipv4 = ipv4.map(|address| BoundPrefix::ipv4(view.domain, address));
        let (up, down) = traffic(engine, &prefixes, ipv4);
        types::Binding {
            identifier: view.mn_identifier.to_string(),
            kind: match view.kind {
                roles::lma::BindingKind::Proxy => "proxy",
                roles::lma::BindingKind::Mobile => "mobile",
            }
            .to_owned(),
            state: match view.state {
                roles::lma::BindingState::Active => "active",
                roles::lma::BindingState::Pending => "pending",
            }
            .to_owned(),
            care_of_address: view.care_of,
            link_layer_identifier: view.link_layer_identifier.as_deref().map(hexadecimal),
            access_technology: view.access_technology.0,
            handoff_indicator: view.handoff_indicator.0,
            sequence: view.sequence,
            timestamp: view.timestamp.map(|time| time.to_unix().as_secs_f64()),
            remaining_secs: view.lifetime_left.as_secs_f64(),
            prefixes: view.prefixes,
            delegated_prefixes: view.delegated_prefixes,
            ipv4_home_address: view.ipv4_home_address,
            domain: view.domain.map(|it| it.to_string()),
            up,
            down,
        }
    };
    Ok(views.into_iter().map(binding).collect())
}

fn hexadecimal(octets: &[u8]) -> String {
    let octets: Vec<_> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    octets.join(":")
}

fn visitor_address(known: &roles::mag::VisitorAddress) -> types::VisitorAddress {
    use roles::effect::Learned;
    types::VisitorAddress {
        address: known.address,
        learned: match known.learned {
            Learned::Dad => "dad",
            Learned::Packet => "packet",
            Learned::Dhcp => "dhcp",
        }
        .to_owned(),
    }
}

pub(super) fn visitors(
    engine: &mut Engine<Gateway>,
    now: Now,
    page: PageParams,
) -> Result<Vec<types::Visitor>, RpcError> {
    use roles::mag::VisitorState;
    let Gateway::Mag(mag) = engine.role() else {
        return Err(RpcError::wrong_role(
            "this is no mag: only a mag has visitors",
            "ask an lma for `bindings`, a cmd for `sessions`, or ask the mag",
        ));
    };
    let views = page.of(mag.sessions(), mag.visitors(now))?;
    let visitor = |view: roles::mag::VisitorView| {
        let prefixes = [view.prefixes.as_slice(), &view.delegated_prefixes].concat();
        let domain = engine.routing().domain_of(InterfaceId(view.link.interface));
        let ipv4 = view.ipv4;
        let ipv4 = ipv4.map(|ipv4| BoundPrefix::ipv4(domain, ipv4.address));
        let (up, down) = traffic(engine, &prefixes, ipv4);
        let link = engine.routing().link(InterfaceId(view.link.interface));
        let router = link.map(|link| (link.link_local, link.interface.mac));
        types::Visitor {
            identifier: view.mn_identifier.map(|identifier| identifier.to_string()),
            interface: interface_name(engine, InterfaceId(view.link.interface)),
            mac: view.link.mac,
            link_local: view.link_local,
            addresses: view.addresses.iter().map(visitor_address).collect(),
            dhcp_server: view.dhcp_server,
            router: router.map(|(address, _)| address),
            router_mac: router.map(|(_, mac)| mac),
            state: match view.state {
                VisitorState::Authenticating => "authenticating",
                VisitorState::Registering => "registering",
                VisitorState::Bound => "bound",
                VisitorState::Refreshing => "refreshing",
                VisitorState::Leaving => "leaving",
            }
            .to_owned(),
            prefixes: view.prefixes,
            delegated_prefixes: view.delegated_prefixes,
            ipv4_home_address: view.ipv4.map(|ipv4| ipv4.address),
            domain: domain.map(|it| it.to_string()),
            ipv4_default_router: view.ipv4.map(|ipv4| ipv4.router),
            lma: view.lma,
            proxy_care_of_address: view.care_of,
            sequence: view.sequence,
            remaining_secs: view.lifetime_left.map(|left| left.as_secs_f64()),
            up,
            down,
        }
    };
    Ok(views.into_iter().map(visitor).collect())
}
