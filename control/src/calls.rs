//! What the control socket asks, answered by the engine.

use crate::config::Config;
use crate::engine::Engine;
use crate::gateway::{self, Applied, Gateway, PortInfo};
use crate::neighbour::Neighbour;
use crate::routing::{is_access, Target};
use crate::rpc::{types, AttachParams, DetachParams, Reply, Request, RpcError, SocketCounters};
use dataplane::counters::BindingTotals;
use dataplane::key::InterfaceId;
use dataplane::worker::WorkerStats;
use packet::PortId;
use roles::event::{Departure, HostLink, Sign};
use roles::{Event, Now};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use wire::mh::{HomeNetworkPrefix, MnIdentifier};

/// What DPDK counts for a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortStats {
    /// Whether its link is up.
    pub link_up: bool,
    /// Packets received.
    pub rx_packets: u64,
    /// Octets received.
    pub rx_bytes: u64,
    /// Packets that came while no buffer or descriptor was free.
    pub rx_missed: u64,
    /// Packets that came broken.
    pub rx_errors: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Octets sent.
    pub tx_bytes: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
}

/// Reads what DPDK counts for a port.
pub type ReadPort = Box<dyn FnMut(PortId) -> PortStats + Send>;

/// A worker thread.
#[derive(Clone)]
pub struct WorkerInfo {
    /// The core that it is pinned to.
    pub core: usize,
    /// What it counts of itself.
    pub stats: Arc<WorkerStats>,
}

/// What calls need beside the engine.
pub(crate) struct Desk {
    pub(crate) config: Config,
    pub(crate) config_path: PathBuf,
    pub(crate) ports: Vec<PortInfo>,
    pub(crate) read_port: ReadPort,
    pub(crate) workers: Vec<WorkerInfo>,
    pub(crate) dpdk_version: String,
    pub(crate) cycles_per_second: Option<f64>,
    pub(crate) started: Duration,
    pub(crate) policy_loaded: Duration,
    pub(crate) draining: bool,
    pub(crate) socket: SocketCounters,
}

impl Desk {
    /// Answers one request.
    pub(crate) fn call(
        &mut self,
        engine: &mut Engine<Gateway>,
        now: Now,
        request: Request,
    ) -> Result<Reply, RpcError> {
        Ok(match request {
            Request::Status => Reply::Status(self.status(engine, now)),
            Request::Ports => Reply::Ports(self.ports()),
            Request::Workers => Reply::Workers(self.workers()),
            Request::Routes => Reply::Routes(routes(engine)),
            Request::Neighbours => Reply::Neighbours(neighbours(engine)),
            Request::Bindings => Reply::Bindings(bindings(engine, now)?),
            Request::Visitors => Reply::Visitors(visitors(engine, now)?),
            Request::Counters => Reply::Counters(self.counters(engine)),
            Request::Attach(params) => Reply::Attach(attach(engine, now, &params)?),
            Request::Detach(params) => Reply::Detach(detach(engine, now, &params)?),
            Request::Delete(params) => Reply::Delete(delete(engine, now, params.identifier)?),
            Request::Reload => Reply::Reload(self.reload(engine, now)?),
            Request::Subscribe => Reply::Subscribe(types::Subscribed {
                name: self.config.gateway.name.clone(),
            }),
        })
    }

    fn status(&self, engine: &Engine<Gateway>, now: Now) -> types::Status {
        let role = self.config.role();
        let tables = &self.config.tables;
        let table = |name: &str, used, capacity| types::TableUse {
            name: name.to_owned(),
            used,
            capacity,
        };
        let latency = engine.latency();
        types::Status {
            name: self.config.gateway.name.clone(),
            role: role.name().to_owned(),
            address: role.address(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            dpdk_version: self.dpdk_version.clone(),
            pid: std::process::id(),
            uptime_secs: (now.monotonic.saturating_sub(self.started)).as_secs_f64(),
            workers: self.workers.len(),
            stalled_worker: engine.stalled(),
            draining: self.draining,
            sessions: engine.role().sessions(now) as u64,
            tables: vec![
                table("bindings", engine.writer().bindings_len(), tables.bindings),
                table("tunnels", engine.writer().tunnels_len(), tables.tunnels),
                table("adjacencies", engine.adjacencies(), tables.adjacencies),
            ],
            policy: role.policy().display().to_string(),
            policy_loaded: self.policy_loaded.as_secs_f64(),
            subscribers: engine.notices().subscribers(),
            signalling: types::Latency {
                count: latency.count,
                p50_us: latency.p50_us,
                p99_us: latency.p99_us,
                p999_us: latency.p999_us,
                max_us: latency.max_us,
            },
        }
    }

    fn ports(&mut self) -> Vec<types::Port> {
        let read = &mut self.read_port;
        let port = |port: &PortInfo| {
            let stats = read(port.id);
            types::Port {
                name: port.name.clone(),
                device: port.device.clone(),
                driver: port.driver.clone(),
                mac: port.mac,
                mtu: port.mtu,
                link_up: stats.link_up,
                twin: port.twin.as_ref().map(|(name, _)| name.clone()),
                rx_packets: stats.rx_packets,
                rx_bytes: stats.rx_bytes,
                rx_missed: stats.rx_missed,
                rx_errors: stats.rx_errors,
                tx_packets: stats.tx_packets,
                tx_bytes: stats.tx_bytes,
                tx_errors: stats.tx_errors,
            }
        };
        self.ports.iter().map(port).collect()
    }

    fn workers(&self) -> Vec<types::Worker> {
        let ratio = |part: u64, whole: u64| match whole {
            0 => 0.0,
            _ => part as f64 / whole as f64,
        };
        let worker = |(index, worker): (usize, &WorkerInfo)| {
            let stats = worker.stats.snapshot();
            let busy = stats.polls.saturating_sub(stats.empty_polls);
            let nanos = ratio(stats.busy_nanos, stats.packets);
            types::Worker {
                index,
                core: worker.core,
                polls: stats.polls,
                packets: stats.packets,
                burst: ratio(stats.packets, busy),
                idle: ratio(stats.empty_polls, stats.polls),
                cycles_per_packet: self
                    .cycles_per_second
                    .filter(|_| stats.packets > 0)
                    .map(|hertz| nanos * hertz / 1e9),
            }
        };
        self.workers.iter().enumerate().map(worker).collect()
    }

    fn counters(&self, engine: &Engine<Gateway>) -> types::Counters {
        let tables = engine.writer().tables();
        let counter = |name: String, value, description: &str| types::Counter {
            name,
            value,
            description: description.to_owned(),
        };
        let mut groups = Vec::new();
        for index in 0..tables.workers() {
            let counts = tables.verdict_counts(index);
            let received = counter(
                "received".to_owned(),
                counts.received,
                "Packets taken from ports.",
            );
            let born = counts.born().map(|(born, value)| {
                counter(format!("born_{}", born.reason()), value, born.describe())
            });
            let verdicts = counts.iter().map(|(verdict, value)| {
                let name = format!("{}_{}", verdict.kind(), verdict.reason());
                counter(name, value, verdict.describe())
            });
            groups.push(types::CounterGroup {
                name: "verdicts".to_owned(),
                worker: Some(index),
                counters: std::iter::once(received)
                    .chain(born)
                    .chain(verdicts)
                    .collect(),
            });
        }
        let role = engine.role().counters();
        let role = role
            .iter()
            .map(|view| counter(view.name.to_owned(), view.value, view.description));
        let own = engine
            .counters()
            .snapshot()
            .into_iter()
            .map(|(name, value, description)| counter(name, value, &description));
        for (name, counters) in [
            (self.config.role().name(), role.collect()),
            ("signalling", own.collect()),
            ("socket", self.socket.counters()),
        ] {
            groups.push(types::CounterGroup {
                name: name.to_owned(),
                worker: None,
                counters,
            });
        }
        types::Counters { groups }
    }

    /// Reads the policy file and the routes again. Nothing changes when anything is wrong.
    pub(crate) fn reload(
        &mut self,
        engine: &mut Engine<Gateway>,
        now: Now,
    ) -> Result<types::Reloaded, RpcError> {
        let refused = |what: &dyn std::fmt::Display| {
            RpcError::refused(
                format!("nothing was changed: {what}"),
                "mend the file and reload again; `anchord --check` shows all that is wrong",
            )
        };
        let read = Config::load(&self.config_path).map_err(|error| refused(&error))?;
        if read.role().name() != self.config.role().name() {
            return Err(refused(&"another role takes a restart"));
        }
        let policy = read.load_policy().map_err(|error| refused(&error))?;
        // Interfaces stay what they were: a new one takes a restart.
        let config = Config {
            route: read.route,
            lma: read.lma,
            mag: read.mag,
            ..self.config.clone()
        };
        let routing = gateway::routing(&config, &self.ports).map_err(|error| refused(&error))?;
        let applied = Applied::from(policy);
        let reloaded = types::Reloaded {
            hosts: applied.hosts,
            routes: config.route.len(),
        };
        engine.reroute(now, routing, applied.peers);
        if let Some(policy) = applied.anchor {
            engine.deliver(now, Event::Policy { policy });
        }
        if let Some(access) = applied.access {
            engine.set_access_policy(access);
            engine.deliver(now, Event::AccessPolicyChanged);
        }
        self.config = config;
        self.policy_loaded = now.wall;
        tracing::info!(hosts = reloaded.hosts, routes = reloaded.routes, "reloaded");
        Ok(reloaded)
    }
}

/// The routes: own addresses, on-link prefixes, static routes.
fn routes(engine: &Engine<Gateway>) -> Vec<types::Route> {
    let routing = engine.routing();
    let prefix = |address, length| HomeNetworkPrefix::new(address, length);
    let mut routes = Vec::new();
    for (_, link) in routing.interfaces() {
        let name = Some(link.interface.name.clone());
        let own = std::iter::once((link.link_local, 128)).chain(link.addresses.iter().copied());
        for (address, length) in own {
            let local = prefix(address, 128).map(|prefix| (prefix, "local"));
            let on_link = prefix(address, length)
                .filter(|_| length < 128)
                .map(|prefix| (prefix, "on-link"));
            for (prefix, kind) in local.into_iter().chain(on_link) {
                routes.push(types::Route {
                    prefix,
                    kind: kind.to_owned(),
                    via: None,
                    interface: name.clone(),
                    mac: None,
                });
            }
        }
    }
    let known = engine.neighbours().list();
    for route in &routing.routes {
        let Some(prefix) = prefix(route.prefix, route.length) else {
            continue;
        };
        let (kind, router) = match route.target {
            Target::Router(router) => ("via", Some(router)),
            Target::Unreachable => ("unreachable", None),
            Target::Blackhole => ("blackhole", None),
        };
        let mac = known
            .iter()
            .find(|(neighbour, ..)| Some(*neighbour) == router)
            .and_then(|(_, _, mac)| *mac);
        routes.push(types::Route {
            prefix,
            kind: kind.to_owned(),
            via: router.map(|router| router.address),
            interface: router.map(|router| interface_name(engine, router.interface)),
            mac,
        });
    }
    routes
}

fn neighbours(engine: &Engine<Gateway>) -> Vec<types::Neighbour> {
    let list = engine.neighbours().list();
    list.into_iter()
        .map(
            |(Neighbour { interface, address }, state, mac)| types::Neighbour {
                address,
                interface: interface_name(engine, interface),
                mac,
                state: state.name().to_owned(),
            },
        )
        .collect()
}

fn interface_name(engine: &Engine<Gateway>, interface: InterfaceId) -> String {
    let link = engine.routing().link(interface);
    link.map(|link| link.interface.name.clone())
        .unwrap_or_default()
}

/// What went from and to a host, over all its prefixes.
fn traffic(
    engine: &mut Engine<Gateway>,
    prefixes: &[HomeNetworkPrefix],
) -> (types::Traffic, types::Traffic) {
    let mut sum = (types::Traffic::default(), types::Traffic::default());
    for prefix in prefixes {
        let BindingTotals { up, down, .. } = engine.totals(*prefix);
        for (sum, part) in [(&mut sum.0, up), (&mut sum.1, down)] {
            sum.packets += part.packets;
            sum.bytes += part.bytes;
        }
    }
    sum
}

fn bindings(engine: &mut Engine<Gateway>, now: Now) -> Result<Vec<types::Binding>, RpcError> {
    let Gateway::Lma(lma) = engine.role() else {
        return Err(RpcError::wrong_role(
            "a mag has no binding cache",
            "ask for `visitors`, or ask the lma",
        ));
    };
    let views: Vec<_> = lma.bindings(now).collect();
    let binding = |view: roles::lma::BindingView| {
        let (up, down) = traffic(engine, &view.prefixes);
        types::Binding {
            identifier: view.mn_identifier.to_string(),
            state: match view.state {
                roles::lma::BindingState::Active => "active",
                roles::lma::BindingState::Pending => "pending",
            }
            .to_owned(),
            proxy_care_of_address: view.care_of,
            link_layer_identifier: view.link_layer_identifier.as_deref().map(hexadecimal),
            access_technology: view.access_technology.0,
            handoff_indicator: view.handoff_indicator.0,
            sequence: view.sequence,
            timestamp: view.timestamp.map(|time| time.to_unix().as_secs_f64()),
            remaining_secs: view.lifetime_left.as_secs_f64(),
            prefixes: view.prefixes,
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

fn visitors(engine: &mut Engine<Gateway>, now: Now) -> Result<Vec<types::Visitor>, RpcError> {
    use roles::mag::VisitorState;
    let Gateway::Mag(mag) = engine.role() else {
        return Err(RpcError::wrong_role(
            "an lma has no visitors",
            "ask for `bindings`, or ask the mag",
        ));
    };
    let views: Vec<_> = mag.visitors(now).collect();
    let visitor = |view: roles::mag::VisitorView| {
        let (up, down) = traffic(engine, &view.prefixes);
        types::Visitor {
            identifier: view.mn_identifier.map(|identifier| identifier.to_string()),
            interface: interface_name(engine, InterfaceId(view.link.interface)),
            mac: view.link.mac,
            link_local: view.link_local,
            addresses: view.addresses,
            state: match view.state {
                VisitorState::Authenticating => "authenticating",
                VisitorState::Registering => "registering",
                VisitorState::Bound => "bound",
                VisitorState::Refreshing => "refreshing",
                VisitorState::Leaving => "leaving",
            }
            .to_owned(),
            prefixes: view.prefixes,
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
        Gateway::Lma(_) => Err(RpcError::wrong_role(
            "hosts attach at a mag, this is an lma",
            "give the socket of the mag",
        )),
    }
}

fn attach(
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
    let sign = Sign::Operator;
    engine.deliver(now, Event::HostSeen { link, sign });
    Ok(types::Accepted {
        host: params.mac.to_string(),
    })
}

fn detach(
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

fn delete(
    engine: &mut Engine<Gateway>,
    now: Now,
    identifier: String,
) -> Result<types::Accepted, RpcError> {
    let known: Vec<MnIdentifier> = match engine.role() {
        Gateway::Lma(lma) => lma.bindings(now).map(|view| view.mn_identifier).collect(),
        Gateway::Mag(mag) => mag
            .visitors(now)
            .filter_map(|view| view.mn_identifier)
            .collect(),
    };
    let Some(mn_identifier) = known
        .into_iter()
        .find(|known| known.to_string() == identifier)
    else {
        return Err(RpcError::not_found(
            format!("no host `{identifier}` has a session"),
            format!(
                "`{}` lists them",
                match engine.role() {
                    Gateway::Lma(_) => "bindings",
                    Gateway::Mag(_) => "visitors",
                }
            ),
        ));
    };
    engine.deliver(now, Event::Delete { mn_identifier });
    Ok(types::Accepted { host: identifier })
}

/// Says in the log what a reload by signal came to.
pub(crate) fn log_reload(outcome: Result<types::Reloaded, RpcError>) {
    if let Err(error) = outcome {
        tracing::error!("reload: {error}");
    }
}
