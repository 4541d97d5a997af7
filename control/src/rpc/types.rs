//! What is answered: the objects in replies and notifications.

use super::declare::objects;
pub use super::watching::{Captured, Metrics, Step, Stopped, Talker, Traced, WatchEnded, Watching};
use crate::config::Prefix;
use roles::effect::Notice;
use roles::Now;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::ether::MacAddr;
use wire::mh::HomeNetworkPrefix;

objects! {
    /// The gateway as a whole.
    pub struct Status {
        /// Its name in the configuration.
        pub name: String,
        /// Its role: `lma`, `mag` or `cmd`.
        pub role: String,
        /// The role's address: LMAA, Proxy-CoA, or where MAARs register hosts.
        pub address: Ipv6Addr,
        /// Version of anchord.
        pub version: String,
        /// Version of libdpdk.
        pub dpdk_version: String,
        /// Process identifier.
        pub pid: u32,
        /// Seconds since it started.
        pub uptime_secs: f64,
        /// Number of workers.
        pub workers: usize,
        /// The worker that holds reclamation back, if one does.
        pub stalled_worker: Option<usize>,
        /// The workers that make no pass over their ports any more.
        pub standing_workers: Vec<usize>,
        /// Whether it is going down and only forwards.
        pub draining: bool,
        /// Sessions of the role: hosts in the binding cache, or visitors.
        pub sessions: u64,
        /// How full the tables are.
        pub tables: Vec<TableUse>,
        /// The policy file; empty where the role has none of its own.
        pub policy: String,
        /// When it was read last, in seconds since 1970.
        pub policy_loaded: f64,
        /// Clients that have subscribed.
        pub subscribers: usize,
        /// Time from an update taken from its ring to its acknowledgement put into one, with the wait
        /// for the store where there is one.
        pub signalling: Latency,
        /// What is kept across a restart; absent where nothing is.
        pub store: Option<Store>,
    }

    /// The store of what is kept across a restart.
    pub struct Store {
        /// Its file.
        pub path: String,
        /// What a commit survives: `process` (the end of the process) or `power-loss`.
        pub durability: String,
        /// How often the gateway was started before: the restart counter of RFC 5847.
        pub restarts: u32,
        /// Records that it keeps: bindings, or visitors that are bound.
        pub records: u64,
        /// Octets of the file.
        pub octets: u64,
        /// Records that were there at the start.
        pub restored: u64,
        /// Commits since the start.
        pub commits: u64,
        /// Changes that they made.
        pub changes: u64,
        /// Changes that wait for a commit.
        pub waiting: u64,
        /// Messages that wait to be sent until what they say is kept.
        pub held: usize,
        /// Messages that wait to be taken because as much waits for a commit as may.
        pub put_off: usize,
        /// Microseconds that the last commit took.
        pub last_commit_us: f64,
        /// Microseconds that the longest took.
        pub longest_commit_us: f64,
        /// Commits that failed, each try.
        pub failures: u64,
        /// Why nothing can be committed, while that is so: no binding is acknowledged then.
        pub failing: Option<String>,
    }

    /// A distribution of times.
    #[derive(Default, Copy)]
    pub struct Latency {
        /// How many times were taken.
        pub count: u64,
        /// Microseconds that half of them did not exceed.
        pub p50_us: f64,
        /// Microseconds that 99 of 100 did not exceed.
        pub p99_us: f64,
        /// Microseconds that 999 of 1000 did not exceed.
        pub p999_us: f64,
        /// Microseconds of the longest.
        pub max_us: f64,
    }

    /// A host that a CMD knows of: an entry of its binding cache.
    pub struct Session {
        /// The host's identifier.
        pub identifier: String,
        /// `active` while a MAAR serves it, `pending` after its de-registration, `ending` while its
        /// previous MAARs are told to let go.
        pub state: String,
        /// The MAAR that serves it (Proxy-CoA).
        pub serving: Option<Ipv6Addr>,
        /// Its anchors: previous MAARs from the oldest on, the serving one last.
        pub anchors: Vec<Anchor>,
        /// Seconds until it ends if nothing more comes.
        pub remaining_secs: f64,
        /// Sequence number of the last accepted update.
        pub sequence: u16,
        /// Timestamp of the last accepted update, in seconds since 1970.
        pub timestamp: Option<f64>,
        /// Access Technology Type of the last accepted update.
        pub access_technology: u8,
        /// Handoff Indicator of the last accepted update.
        pub handoff_indicator: u8,
        /// Whether the serving MAAR still waits for the answer to its update.
        pub awaited: bool,
    }

    /// A host that a MAAR anchors, served here or elsewhere.
    pub struct AnchoredHost {
        /// The host's identifier.
        pub identifier: String,
        /// `registering`, `served`, `guarded` (it has left its link and is waited for), `previous` (another
        /// MAAR serves it) or `leaving`.
        pub state: String,
        /// Its prefix of ours.
        pub prefix: HomeNetworkPrefix,
        /// The access interface that it is on.
        pub interface: Option<String>,
        /// Its link-layer address there.
        pub mac: Option<MacAddr>,
        /// Its link-local address there, once it has shown one.
        pub link_local: Option<Ipv6Addr>,
        /// The MAAR that serves it, if that is another one.
        pub serving: Option<Ipv6Addr>,
        /// Its prefixes that other MAARs anchor, while it is here.
        pub previous: Vec<PreviousAnchor>,
        /// Whether it is not known yet which prefixes it has from elsewhere; only without a CMD.
        pub searching: bool,
        /// Its prefixes whose anchors have yet to answer; only without a CMD.
        pub sought: Vec<SoughtAnchor>,
        /// Seconds until its binding ends if it is not refreshed; absent where only the CMD ends it.
        pub remaining_secs: Option<f64>,
        /// From the host, over all its prefixes here.
        pub up: Traffic,
        /// To the host.
        pub down: Traffic,
    }

    /// A prefix of a host that another MAAR anchors.
    pub struct PreviousAnchor {
        /// The MAAR.
        pub maar: Ipv6Addr,
        /// The prefix.
        pub prefix: HomeNetworkPrefix,
        /// Link-local address under which the host sees it, if that is another than ours.
        pub router: Option<Ipv6Addr>,
        /// Link-layer address under which the host sees it.
        pub router_mac: Option<MacAddr>,
        /// Whether it is being let go of.
        pub releasing: bool,
        /// How the MAAR's address became known: `database` (by the CMD), `learned` (it answered earlier),
        /// `configured`, `constructed` (it was written to at the address that it has in the prefix) or
        /// `kept` (before the last start).
        pub found: String,
    }

    /// A prefix of a host whose anchor has yet to answer that the host is here.
    pub struct SoughtAnchor {
        /// The prefix.
        pub prefix: HomeNetworkPrefix,
        /// Where its anchor is written to.
        pub to: Ipv6Addr,
        /// How that became known, as for anchors that have answered.
        pub found: String,
        /// How often it was written to.
        pub transmissions: u32,
    }

    /// A MAAR that anchors prefixes of a host.
    pub struct Anchor {
        /// Its address.
        pub maar: Ipv6Addr,
        /// The prefixes.
        pub prefixes: Vec<HomeNetworkPrefix>,
        /// `serving`; `told`, `asked` or `silent`: whether it has answered where the host is; `leaving`
        /// while it is told to let go.
        pub state: String,
    }

    /// The mode of a CMD.
    pub struct Mode {
        /// `relay`, `locator` or `proxy`.
        pub mode: String,
    }

    /// How full a table is.
    pub struct TableUse {
        /// Which: `bindings`, `tunnels`, `adjacencies`, or `prefixes` of a CMD.
        pub name: String,
        /// Entries in use.
        pub used: usize,
        /// Entries that fit.
        pub capacity: usize,
    }

    /// A port.
    pub struct Port {
        /// Its name in the configuration.
        pub name: String,
        /// Its DPDK devargs.
        pub device: String,
        /// The driver that DPDK found for it.
        pub driver: String,
        /// Its link-layer address.
        pub mac: MacAddr,
        /// Largest IP packet in octets.
        pub mtu: u16,
        /// Whether its link is up.
        pub link_up: bool,
        /// Its TAP twin, if it has one.
        pub twin: Option<String>,
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
        /// Receive queues.
        pub rx_queues: usize,
        /// Transmit queues.
        pub tx_queues: usize,
        /// What the device hashes to choose the queue of a packet: `ipv4`, `ipv6`, `ports`,
        /// `flow-label`; nothing when it does not spread packets by a hash.
        pub rss: Vec<String>,
        /// Whether workers hand packets on to the worker of their inner flow.
        pub handoff: bool,
        /// NUMA node of the device, if it is at one.
        pub socket: Option<u32>,
    }

    /// A worker.
    pub struct Worker {
        /// Its number, from 0.
        pub index: usize,
        /// The core that it is pinned to.
        pub core: usize,
        /// NUMA node of that core.
        pub socket: Option<u32>,
        /// The receive queues that it polls, each as `port:queue`.
        pub queues: Vec<String>,
        /// Seconds for which it has made no pass, once that was reported as a stall.
        pub standing_secs: Option<f64>,
        /// Packets that it received and handed to other workers.
        pub handed: u64,
        /// Packets that other workers handed to it; they are among `packets`.
        pub taken: u64,
        /// Times that it asked its ports for packets.
        pub polls: u64,
        /// Packets that it received.
        pub packets: u64,
        /// Packets per poll that found any, on average: the size of its vectors.
        pub burst: f64,
        /// Share of polls that found nothing, 0 to 1.
        pub idle: f64,
        /// Processor cycles per packet while there were any; absent until it is known.
        pub cycles_per_packet: Option<f64>,
        /// Polls that found nothing.
        pub empty_polls: u64,
        /// Seconds since the gateway started, for rates.
        pub uptime_secs: f64,
        /// Seconds spent in polls that found something.
        pub busy_secs: f64,
        /// Times that it went to sleep.
        pub sleeps: u64,
        /// Seconds that it meant to sleep.
        pub slept_secs: f64,
        /// Packets that wait for a neighbour now.
        pub held: u64,
        /// Polls that found something, by how many packets they found.
        pub vectors: Vec<Vector>,
    }

    /// Polls that found about so many packets.
    #[derive(Copy)]
    pub struct Vector {
        /// The most packets of these polls; absent for the last, which has no limit.
        pub most: Option<u64>,
        /// How many polls there were.
        pub polls: u64,
    }

    /// A route, or one of our own addresses.
    pub struct Route {
        /// Destinations.
        pub prefix: Prefix,
        /// `via`, `on-link`, `local`, `unreachable` or `blackhole`.
        pub kind: String,
        /// The router, for `via`.
        pub via: Option<IpAddr>,
        /// The interface, where there is one.
        pub interface: Option<String>,
        /// The router's link-layer address, once it is known.
        pub mac: Option<MacAddr>,
        /// The domain whose packets it is for; absent: the common network.
        pub domain: Option<String>,
    }

    /// A neighbour.
    pub struct Neighbour {
        /// Its address.
        pub address: IpAddr,
        /// The interface that it is on.
        pub interface: String,
        /// Its link-layer address, once it is known.
        pub mac: Option<MacAddr>,
        /// State of RFC 4861 section 7.3.2: `incomplete`, `reachable`, `stale`, `delay`, `probe`;
        /// or `failed`.
        pub state: String,
    }

    /// Packets and octets of one direction.
    #[derive(Default, Copy)]
    pub struct Traffic {
        /// Packets.
        pub packets: u64,
        /// Octets.
        pub bytes: u64,
    }

    /// LMA: an entry of the binding cache (RFC 5213 section 5.1).
    pub struct Binding {
        /// The host's identity.
        pub identifier: String,
        /// Its home network prefixes.
        pub prefixes: Vec<HomeNetworkPrefix>,
        /// Prefixes that are delegated to it (RFC 7148).
        pub delegated_prefixes: Vec<HomeNetworkPrefix>,
        /// Its IPv4 home address, if it has one.
        pub ipv4_home_address: Option<Ipv4Addr>,
        /// The domain that this is an address of; absent: of the common network.
        pub domain: Option<String>,
        /// `active`, or `pending`: de-registered, MinDelayBeforeBCEDelete not over.
        pub state: String,
        /// The MAG that serves it.
        pub proxy_care_of_address: Ipv6Addr,
        /// Its link-layer identifier, if the MAG told it.
        pub link_layer_identifier: Option<String>,
        /// Access Technology Type of its attachment.
        pub access_technology: u8,
        /// Handoff Indicator of the last update that was taken.
        pub handoff_indicator: u8,
        /// Sequence number of the last update that was taken.
        pub sequence: u16,
        /// Timestamp of the last update that was taken, in seconds since 1970.
        pub timestamp: Option<f64>,
        /// Seconds until it ends if nothing more comes; while pending, until it is deleted.
        pub remaining_secs: f64,
        /// From the host.
        pub up: Traffic,
        /// To the host.
        pub down: Traffic,
    }

    /// An address of a visitor.
    pub struct VisitorAddress {
        /// The address.
        pub address: Ipv6Addr,
        /// How it became known: `dad`, `packet` or `dhcp`.
        pub learned: String,
    }

    /// MAG: an entry of the binding update list, with the host that it stands for (RFC 5213
    /// section 6.1).
    pub struct Visitor {
        /// The host's identity; absent until policy has told it.
        pub identifier: Option<String>,
        /// The access interface that it is on.
        pub interface: String,
        /// Its link-layer address.
        pub mac: MacAddr,
        /// Its link-local address, once it has shown one.
        pub link_local: Option<Ipv6Addr>,
        /// Its other addresses, as far as they are known.
        pub addresses: Vec<VisitorAddress>,
        /// The DHCP server that it has its leases from.
        pub dhcp_server: Option<IpAddr>,
        /// Its default router: the address that every MAG of the domain shows.
        pub router: Option<Ipv6Addr>,
        /// The router's link-layer address, which every MAG of the domain shows.
        pub router_mac: Option<MacAddr>,
        /// `authenticating`, `registering`, `bound`, `refreshing` or `leaving`.
        pub state: String,
        /// Its home network prefixes.
        pub prefixes: Vec<HomeNetworkPrefix>,
        /// Prefixes that are delegated to it (RFC 7148).
        pub delegated_prefixes: Vec<HomeNetworkPrefix>,
        /// Its IPv4 home address, once that is bound.
        pub ipv4_home_address: Option<Ipv4Addr>,
        /// The domain that this is an address of; absent: of the common network.
        pub domain: Option<String>,
        /// Its IPv4 default router, which is this gateway.
        pub ipv4_default_router: Option<Ipv4Addr>,
        /// The LMA that anchors it.
        pub lma: Option<Ipv6Addr>,
        /// Our end of its tunnel.
        pub proxy_care_of_address: Ipv6Addr,
        /// Sequence number of the last update that was sent.
        pub sequence: Option<u16>,
        /// Seconds until the binding ends if it is not refreshed; absent until there is one.
        pub remaining_secs: Option<f64>,
        /// From the host.
        pub up: Traffic,
        /// To the host.
        pub down: Traffic,
    }

    /// All counters.
    pub struct Counters {
        /// The groups, in an order that stays the same.
        pub groups: Vec<CounterGroup>,
    }

    /// Counters of one kind.
    pub struct CounterGroup {
        /// Its name, such as `verdicts`, `signalling` or `socket`.
        pub name: String,
        /// The worker that counts, for groups that each worker has.
        pub worker: Option<usize>,
        /// The counters, in an order that stays the same.
        pub counters: Vec<Counter>,
    }

    /// A counter.
    pub struct Counter {
        /// Its name in snake case.
        pub name: String,
        /// Its value since the start.
        pub value: u64,
        /// What it counts, one sentence.
        pub description: String,
    }

    /// A gateway that this one shares sessions with, or that policy names.
    pub struct Peer {
        /// Its address.
        pub address: Ipv6Addr,
        /// `unknown` while it has answered no heartbeat, `up`, `down` when it has failed to answer more often
        /// than is allowed, `unsupported` when it does not know heartbeats.
        pub state: String,
        /// Sessions that are shared with it. Without any it is not asked.
        pub sessions: u64,
        /// Requests in a row that it has not answered.
        pub missing: u32,
        /// Its Restart Counter, if it has told one.
        pub restart_counter: Option<u32>,
        /// Microseconds from the last answered request to its answer.
        pub round_trip_us: Option<f64>,
        /// Seconds since its last heartbeat.
        pub heard_secs: Option<f64>,
    }

    /// That it was begun. What becomes of it, notices tell.
    pub struct Accepted {
        /// The host that it is about, by link-layer address or identifier.
        pub host: String,
    }

    /// That bindings were revoked. What their peers say to it, notices tell.
    pub struct Revoked {
        /// Sessions that ended here.
        pub sessions: usize,
        /// Revocations and de-registrations that went out to tell peers.
        pub messages: usize,
    }

    /// That policy, routes and `gateway.drain_timeout` were read again and are in force.
    pub struct Reloaded {
        /// Hosts that the policy lists.
        pub hosts: usize,
        /// Routes that the configuration lists.
        pub routes: usize,
        /// What the configuration says otherwise than before and takes a restart, as `table.key`.
        pub ignored: Vec<String>,
    }

    /// How the DHCPv6 server agrees with this gateway.
    pub struct Dhcp {
        /// Where it is told what to do.
        pub server: String,
        /// How often its configuration has been looked at; this request has it looked at again.
        pub looks: u64,
        /// What of it does not fit our pools, each with what to do; none: all is in order.
        pub mismatches: Vec<String>,
    }

    /// How AAA does.
    pub struct Aaa {
        /// Whether a server answers questions, as far as is known.
        pub reachable: bool,
        /// What becomes of a host when none does: `refuse`, `keep` or `policy-file`.
        pub when_unreachable: String,
        /// Hosts that are served on terms of AAA.
        pub sessions: u64,
        /// Questions that no server has answered yet.
        pub questions: u64,
        /// Whether account is kept.
        pub accounting: bool,
        /// Accounting records that no server has acknowledged yet.
        pub records: u64,
        /// Accounting records that were lost.
        pub records_lost: u64,
        /// Clients that may send CoA- and Disconnect-Requests.
        pub order_clients: u64,
        /// The servers, each once for questions and once for records.
        pub servers: Vec<AaaServer>,
    }

    /// A RADIUS server, by what it is used for.
    pub struct AaaServer {
        /// `access` or `accounting`.
        pub used_for: String,
        /// Its address and port.
        pub address: String,
        /// Whether it does not answer and is left alone for a while.
        pub dead: bool,
        /// Requests sent to it, retransmissions left out.
        pub requests: u64,
        /// Requests that it answered.
        pub answers: u64,
        /// Requests that it did not answer.
        pub timeouts: u64,
        /// Microseconds that its last answer took.
        pub round_trip_us: Option<f64>,
    }

    /// That notices will come on this connection.
    pub struct Subscribed {
        /// The gateway's name in the configuration.
        pub name: String,
    }
}

/// The parameters of a notification: a notice, with its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimedNotice {
    /// When, in seconds since 1970.
    pub time: f64,
    /// When, in microseconds of the gateway's monotonic clock.
    pub monotonic_us: u64,
    /// Name of the interface of the notice's `link`, for a notice that has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// What happened; its fields stand beside the time.
    #[serde(flatten)]
    pub notice: Told,
}

/// What a notice tells of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Told {
    /// Of hosts and bindings.
    Role(Notice),
    /// Of what carries the gateway.
    Machine(MachineNotice),
}

impl From<Notice> for Told {
    fn from(notice: Notice) -> Self {
        Self::Role(notice)
    }
}

impl From<MachineNotice> for Told {
    fn from(notice: MachineNotice) -> Self {
        Self::Machine(notice)
    }
}

/// What happens to ports and workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum MachineNotice {
    /// The link of a port is gone.
    PortDown {
        /// Its name in the configuration.
        port: String,
    },
    /// It is back.
    PortUp {
        /// Its name in the configuration.
        port: String,
    },
    /// A worker makes no pass over its ports any more.
    WorkerStalled {
        /// Its number.
        worker: usize,
        /// Its core.
        core: usize,
        /// Seconds since it made one, as control saw them.
        secs: f64,
    },
    /// A RADIUS server does not answer any more.
    AaaServerDown {
        /// Its address and port.
        server: String,
    },
    /// It does again.
    AaaServerUp {
        /// Its address and port.
        server: String,
    },
    /// No RADIUS server answered a question about a host.
    AaaUnreachable {
        /// The link-layer address of the host.
        mac: MacAddr,
        /// What became of it: `refuse`, `keep` or `policy-file`.
        so: String,
    },
    /// It does again.
    WorkerRecovered {
        /// Its number.
        worker: usize,
        /// Its core.
        core: usize,
        /// Seconds for which it made none.
        secs: f64,
    },
}

impl MachineNotice {
    /// Whether something went wrong, and not right again.
    pub const fn is_bad(&self) -> bool {
        matches!(
            self,
            Self::PortDown { .. }
                | Self::WorkerStalled { .. }
                | Self::AaaServerDown { .. }
                | Self::AaaUnreachable { .. }
        )
    }
}

impl TimedNotice {
    /// A notice at its time; `interface` is the name of the interface of its `link`.
    pub fn new(now: Now, notice: impl Into<Told>, interface: Option<String>) -> Self {
        Self {
            time: now.wall.as_secs_f64(),
            monotonic_us: u64::try_from(now.monotonic.as_micros()).unwrap_or(u64::MAX),
            interface,
            notice: notice.into(),
        }
    }
}
