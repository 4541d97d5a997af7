//! What the control socket asks, answered by the engine: [`show`] what there is, [`order`] what the
//! operator wants, [`reload`] what is read again.

mod domain;
mod heard;
mod metrics;
mod order;
mod reload;
mod show;

pub(crate) use reload::log_reload;

use crate::aaa;
use crate::config::{self, Config};
use crate::dhcp::kea::Looks;
use crate::engine::Engine;
use crate::gateway::{Gateway, PortInfo};
use crate::health::Health;
use crate::rpc::{types, Reply, Request, RpcError, SocketCounters};
use crate::watch::{Client, Scene, Watches};
use dataplane::watch::Tap;
use dataplane::worker::{WorkerStats, VECTORS};
use packet::PortId;
use roles::Now;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

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
    /// NUMA node of that core.
    pub socket: Option<i32>,
    /// What it counts of itself.
    pub stats: Arc<WorkerStats>,
    /// Where packets are watched.
    pub tap: Arc<Tap>,
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
    pub(crate) health: Health,
    pub(crate) aaa: Option<aaa::Handle>,
    /// What the looks at a DHCPv6 server's configuration come to.
    pub(crate) kea: Option<Looks>,
    pub(crate) watches: Watches,
}

/// Bindings that `talkers` answers with when nothing is said.
const TALKERS: usize = 20;

/// Polls by the packets that they found.
fn vectors(polls: &[u64; VECTORS.len()]) -> Vec<types::Vector> {
    let each = VECTORS.iter().zip(polls);
    each.map(|(most, polls)| types::Vector {
        most: (*most < u64::MAX).then_some(*most),
        polls: *polls,
    })
    .collect()
}

impl Desk {
    /// Looks at links and workers, when it is time to. What neighbours were asked while a link was down they are
    /// asked again when it is up.
    pub(crate) fn look(&mut self, engine: &mut Engine<Gateway>, now: Now) {
        let ports = (self.ports.as_slice(), &mut self.read_port);
        let notices = engine.notices();
        if self.health.look(now, ports, &self.workers, notices) {
            engine.link_came_up(now);
        }
    }

    /// Answers one request.
    pub(crate) fn call(
        &mut self,
        engine: &mut Engine<Gateway>,
        now: Now,
        request: Request,
        lines: Option<Client>,
    ) -> Result<Reply, RpcError> {
        let changes = matches!(
            request,
            Request::Attach(_)
                | Request::Detach(_)
                | Request::Delete(_)
                | Request::Revoke(_)
                | Request::Register(_)
                | Request::Reload
        ) || matches!(&request, Request::Mode(params) if params.mode.is_some());
        if self.draining && changes {
            return Err(RpcError::unavailable(
                "the gateway is going down and takes no more orders",
                "start it again, or ask another",
            ));
        }
        Ok(match request {
            Request::Status => Reply::Status(self.status(engine, now)),
            Request::Ports => Reply::Ports(self.ports()),
            Request::Workers => Reply::Workers(self.workers(now)),
            Request::Routes => Reply::Routes(show::routes(engine)),
            Request::Neighbours(page) => Reply::Neighbours(show::neighbours(engine, page)?),
            Request::Peers(page) => Reply::Peers(show::peers(engine, now, page)?),
            Request::Bindings(page) => Reply::Bindings(show::bindings(engine, now, page)?),
            Request::Visitors(page) => Reply::Visitors(show::visitors(engine, now, page)?),
            Request::Anchors(page) => Reply::Anchors(domain::anchors(engine, now, page)?),
            Request::Sessions(page) => Reply::Sessions(domain::sessions(engine, now, page)?),
            Request::Mode(params) => Reply::Mode(domain::mode(engine, now, params)?),
            Request::Counters => Reply::Counters(self.counters(engine)),
            Request::Attach(params) => Reply::Attach(order::attach(engine, now, &params)?),
            Request::Detach(params) => Reply::Detach(order::detach(engine, now, &params)?),
            Request::Delete(params) => {
                Reply::Delete(order::delete(engine, now, params.identifier)?)
            }
            Request::Revoke(params) => Reply::Revoke(order::revoke(engine, now, params)?),
            Request::Register(params) => Reply::Register(order::register(engine, now, params)?),
            Request::Reload => Reply::Reload(self.reload(engine, now)?),
            Request::Subscribe => Reply::Subscribe(types::Subscribed {
                name: self.config.gateway.name.clone(),
            }),
            Request::Trace(params) => {
                Reply::Trace(self.watches.trace(&self.ports, &params, lines)?)
            }
            Request::Capture(params) => {
                Reply::Capture(self.watches.capture(&self.ports, &params, lines)?)
            }
            Request::Stop(params) => {
                let scene = Scene::new(engine, &self.ports, now);
                Reply::Stop(self.watches.stop(&scene, params.session)?)
            }
            Request::Talkers(params) => {
                let limit = params.limit.unwrap_or(TALKERS);
                Reply::Talkers(engine.talkers(now).loudest(limit))
            }
            Request::Dhcp => match &self.kea {
                Some(kea) => Reply::Dhcp(kea.view()),
                None => {
                    return Err(RpcError::not_found(
                        "this gateway works with no DHCPv6 server's lease database",
                        "a key `control` in [maar.dhcpv6] of its configuration names one",
                    ))
                }
            },
            Request::Aaa => match &self.aaa {
                Some(aaa) => Reply::Aaa(aaa.view(engine.granted_hosts())),
                None => {
                    return Err(RpcError::not_found(
                        "this gateway asks no AAA server",
                        "a table [aaa] in its configuration makes it ask some",
                    ))
                }
            },
            Request::Metrics => Reply::Metrics(types::Metrics {
                text: self.metrics(engine, now),
            }),
        })
    }

    /// Reads what watched packets have left; returns how much there was.
    pub(crate) fn watch(&mut self, engine: &Engine<Gateway>, now: Now) -> usize {
        if self.watches.is_empty() {
            return 0;
        }
        self.watches.poll(&Scene::new(engine, &self.ports, now))
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
            standing_workers: (0..self.workers.len())
                .filter(|worker| self.health.standing(*worker).is_some())
                .collect(),
            draining: self.draining,
            sessions: engine.role().sessions() as u64,
            tables: match (engine.role(), role) {
                (Gateway::Cmd(cmd), config::Role::Cmd(it)) => {
                    vec![table("prefixes", cmd.prefixes(), it.capacity)]
                }
                _ => vec![
                    table("bindings", engine.writer().bindings_len(), tables.bindings),
                    table("tunnels", engine.writer().tunnels_len(), tables.tunnels),
                    table("adjacencies", engine.adjacencies(), tables.adjacencies()),
                ],
            },
            policy: role
                .policy()
                .map_or_else(String::new, |it| it.display().to_string()),
            policy_loaded: self.policy_loaded.as_secs_f64(),
            subscribers: engine.notices().subscribers(),
            signalling: types::Latency {
                count: latency.count,
                p50_us: latency.p50_us,
                p99_us: latency.p99_us,
                p999_us: latency.p999_us,
                max_us: latency.max_us,
            },
            store: self.store(engine),
        }
    }

    /// The store, if there is one.
    fn store(&self, engine: &Engine<Gateway>) -> Option<types::Store> {
        let keeper = engine.store()?;
        let path = self.config.store.as_ref()?.path.as_ref()?;
        let state = keeper.state();
        let (held, put_off) = engine.held();
        Some(types::Store {
            path: path.display().to_string(),
            durability: keeper.durability().name().to_owned(),
            restarts: keeper.restarts(),
            records: state.size.records,
            octets: state.size.octets,
            restored: engine.restored(),
            commits: state.commits,
            changes: state.changes,
            waiting: state.waiting,
            held,
            put_off,
            last_commit_us: state.last.as_secs_f64() * 1e6,
            longest_commit_us: state.longest.as_secs_f64() * 1e6,
            failures: state.failures,
            failing: state.failing,
        })
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
                rx_queues: port.queues.pollers.len(),
                tx_queues: port.queues.tx,
                rss: port.queues.rss.clone(),
                handoff: port.queues.handoff,
                socket: port.queues.socket.and_then(|it| u32::try_from(it).ok()),
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

    /// The receive queues that a worker polls, each as `port:queue`.
    fn queues_of(&self, worker: usize) -> Vec<String> {
        let of_port = |port: &PortInfo| {
            let polled = port.queues.pollers.iter().enumerate();
            let polled = polled.filter(|(_, poller)| **poller == worker);
            let names = polled.map(|(queue, _)| format!("{}:{queue}", port.name));
            names.collect::<Vec<_>>()
        };
        self.ports.iter().flat_map(of_port).collect()
    }

    fn workers(&self, now: Now) -> Vec<types::Worker> {
        let uptime = now.monotonic.saturating_sub(self.started);
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
                socket: worker.socket.and_then(|it| u32::try_from(it).ok()),
                queues: self.queues_of(index),
                standing_secs: self.health.standing(index),
                handed: stats.handed,
                taken: stats.taken,
                polls: stats.polls,
                packets: stats.packets,
                burst: ratio(stats.packets, busy),
                idle: ratio(stats.empty_polls, stats.polls),
                cycles_per_packet: self
                    .cycles_per_second
                    .filter(|_| stats.packets > 0)
                    .map(|hertz| nanos * hertz / 1e9),
                empty_polls: stats.empty_polls,
                uptime_secs: uptime.as_secs_f64(),
                busy_secs: Duration::from_nanos(stats.busy_nanos).as_secs_f64(),
                sleeps: stats.sleeps,
                slept_secs: Duration::from_nanos(stats.slept_nanos).as_secs_f64(),
                held: stats.held,
                vectors: vectors(&stats.vectors),
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
        let aaa = self.aaa.iter().flat_map(|aaa| aaa.counters().snapshot());
        let aaa = aaa.map(|(name, value, text)| counter(name.to_owned(), value, text));
        for (name, counters) in [
            (self.config.role().name(), role.collect()),
            ("signalling", own.collect()),
            ("aaa", aaa.collect::<Vec<_>>()),
            ("socket", self.socket.counters()),
        ] {
            if counters.is_empty() {
                continue;
            }
            groups.push(types::CounterGroup {
                name: name.to_owned(),
                worker: None,
                counters,
            });
        }
        types::Counters { groups }
    }
}
