//! The schema: one struct per table of the file, one field per key. The tables of the roles are in
//! `role.rs`.

use roles::domain::DomainName;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use wire::ether::MacAddr;

use crate::store::Durability;

use super::address::{InterfaceAddress, Prefix};
use super::role::{Lma, Mag};

/// The whole configuration of a gateway, as the file says it and defaults complete it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `[gateway]`: the process.
    pub gateway: Gateway,
    /// `[eal]`: what DPDK is started with.
    #[serde(default)]
    pub eal: Eal,
    /// `[workers]`: the packet threads.
    #[serde(default, skip_serializing_if = "Workers::are_none")]
    pub workers: Workers,
    /// `[tables]`: how much they hold.
    #[serde(default)]
    pub tables: Tables,
    /// `[[port]]`, in the order of the file.
    #[serde(default)]
    pub port: Vec<Port>,
    /// `[[interface]]`, in the order of the file: the index is the interface's identifier.
    #[serde(default)]
    pub interface: Vec<Interface>,
    /// `[[route]]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub route: Vec<Route>,
    /// `[error_source]`: source of ICMP errors towards nodes that are not neighbours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_source: Option<ErrorSource>,
    /// `[management]`: where metrics are served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub management: Option<Management>,
    /// `[store]`: what is kept across a restart. Without it nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<Store>,
    /// `[aaa]`: RADIUS servers say who may attach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aaa: Option<super::aaa::Aaa>,
    /// `[authentication]`: keys that we share with other gateways.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication: Option<Authentication>,
    /// `[lma]`: the gateway is a local mobility anchor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lma: Option<Lma>,
    /// `[mag]`: the gateway is a mobile access gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mag: Option<Mag>,
    /// `[maar]`: the gateway is a mobility anchor and access router.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maar: Option<super::maar::MaarRole>,
    /// `[cmd]`: the gateway is a central mobility database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<super::cmd::Cmd>,
}

/// `[gateway]`: the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// Name in logs and in `anchorctl`.
    pub name: String,
    /// Control socket; relative to the file's directory.
    #[serde(default = "defaults::socket")]
    pub socket: PathBuf,
    /// Group that may use the control socket, by name or number; the process's own when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket_group: Option<String>,
    /// Seconds for which packets are still forwarded after SIGTERM.
    #[serde(default)]
    pub drain_timeout: u32,
    /// Log filter: `error`, `warn`, `info`, `debug`, `trace`, or one per module.
    #[serde(default = "defaults::log")]
    pub log: String,
}

/// `[eal]`: what DPDK is started with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Eal {
    /// Megabytes to take when there are no hugepages.
    pub memory: u32,
    /// Whether hugepages are used.
    pub hugepages: Hugepages,
}

impl Default for Eal {
    fn default() -> Self {
        Self {
            memory: 256,
            hugepages: Hugepages::Auto,
        }
    }
}

/// Whether hugepages are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hugepages {
    /// When the machine has some free.
    Auto,
    /// Not even then.
    Never,
    /// Do not start without.
    Require,
}

/// `[workers]`: the packet threads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workers {
    /// One worker is pinned to each of these cores.
    pub cores: Vec<usize>,
    /// What a worker does when its ports are empty.
    #[serde(default)]
    pub idle: Idle,
    /// Empty polls in a row before that.
    #[serde(default = "defaults::idle_after")]
    pub idle_after: u32,
    /// Shortest and longest sleep in microseconds, for `idle = "sleep"`; of `"monitor"` the longest.
    #[serde(default = "defaults::idle_sleep_us")]
    pub idle_sleep_us: [u32; 2],
    /// ICMP errors and echo replies per second that one worker sends.
    #[serde(default = "defaults::icmp_rate")]
    pub icmp_rate: u32,
    /// Packets per second of one kind that one worker hands to the control plane; mobility messages of
    /// peers apart.
    #[serde(default = "defaults::punt_rate")]
    pub punt_rate: u32,
    /// How many of these may come from one source.
    #[serde(default = "defaults::punt_source_rate")]
    pub punt_source_rate: u32,
    /// Mobility messages per second of one peer, a gateway that the policy names, that one worker hands
    /// to the control plane.
    #[serde(default = "defaults::peer_rate")]
    pub peer_rate: u32,
    /// Whether a packet goes to the worker of its inner flow, whichever has received it.
    #[serde(default)]
    pub handoff: Handoff,
    /// Seconds after which a worker that stands still is reported.
    #[serde(default = "defaults::stall_after")]
    pub stall_after: u32,
    /// `[[workers.rx]]`: which worker polls which receive queues. A port that is not named has one queue
    /// for each worker, or shares out those that it has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rx: Vec<Rx>,
}

impl Default for Workers {
    /// None at all: what a role has that carries no data.
    fn default() -> Self {
        Self {
            cores: Vec::new(),
            idle: Idle::default(),
            idle_after: defaults::idle_after(),
            idle_sleep_us: defaults::idle_sleep_us(),
            icmp_rate: defaults::icmp_rate(),
            punt_rate: defaults::punt_rate(),
            punt_source_rate: defaults::punt_source_rate(),
            peer_rate: defaults::peer_rate(),
            handoff: Handoff::default(),
            stall_after: defaults::stall_after(),
            rx: Vec::new(),
        }
    }
}

impl Workers {
    /// Whether the table says nothing.
    fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

/// `[[workers.rx]]`: receive queues of one port that one worker polls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rx {
    /// The port.
    pub port: String,
    /// The worker, by its core.
    pub core: usize,
    /// The queues, from 0.
    pub queues: Vec<u16>,
}

/// Whether packets go from the worker that received them to that of their inner flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Handoff {
    /// Each worker keeps what it receives.
    #[default]
    Never,
    /// On ports whose device does not spread packets over all workers by a hash.
    Auto,
    /// On all ports.
    Always,
}

/// What a worker does when its ports are empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Idle {
    /// Polls on: lowest latency, a whole core.
    #[default]
    Busy,
    /// Tells the processor to pause between polls.
    Pause,
    /// Sleeps, longer the longer nothing comes.
    Sleep,
    /// Lets the processor watch the receive queue, where device and processor can.
    Monitor,
}

/// `[tables]`: how much they hold. Memory is taken at start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tables {
    /// Bindings: one per home network prefix.
    pub bindings: usize,
    /// Tunnels: one per peer gateway.
    pub tunnels: usize,
    /// Adjacencies: one per neighbour, and one per host of a gateway that has hosts on its links. A loaded
    /// configuration has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adjacencies: Option<usize>,
}

/// Adjacencies of a gateway that has no hosts on its links, unless configured otherwise.
const ADJACENCIES: usize = 65_536;

/// The share of the adjacencies that neighbours may take; the rest is for hosts.
const NEIGHBOUR_SHARE: usize = 4;

/// The fewest and the most neighbours that the cache holds, however large the table.
const NEIGHBOURS: [usize; 2] = [4, 65_536];

impl Default for Tables {
    fn default() -> Self {
        Self {
            bindings: 65_536,
            tunnels: 4_096,
            adjacencies: None,
        }
    }
}

impl Tables {
    /// How many adjacencies there are.
    pub fn adjacencies(&self) -> usize {
        self.adjacencies.unwrap_or(ADJACENCIES)
    }

    /// Of so many adjacencies, those that neighbours may take.
    pub fn neighbours(adjacencies: usize) -> usize {
        let [fewest, most] = NEIGHBOURS;
        (adjacencies / NEIGHBOUR_SHARE).clamp(fewest, most)
    }

    /// Where adjacencies are not configured, there are enough for a host behind every binding, if there are
    /// `hosts` on the gateway's links, and for neighbours beside.
    pub(super) fn complete(&mut self, hosts: bool) {
        let [fewest, most] = NEIGHBOURS;
        let others = self
            .bindings
            .div_ceil(NEIGHBOUR_SHARE - 1)
            .clamp(fewest, most);
        let enough = match hosts {
            true => self.bindings + others,
            false => ADJACENCIES,
        };
        self.adjacencies.get_or_insert(enough);
    }
}

/// `[[port]]`: one DPDK device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Name that interfaces refer to.
    pub name: String,
    /// DPDK devargs: a PCI address or a virtual device with its arguments.
    pub device: String,
    /// Largest IP packet in octets.
    #[serde(default = "defaults::mtu")]
    pub mtu: u16,
    /// Name of the TAP interface that gives the host's own stack its share of the port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub twin: Option<String>,
}

/// `[[interface]]`: a port, or one VLAN of it, as an IP link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// Name that routes, logs and `anchorctl` refer to.
    pub name: String,
    /// Port that carries it.
    pub port: String,
    /// 802.1Q VLAN identifier; untagged when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// Whether routers or mobile hosts are on it.
    pub kind: InterfaceKind,
    /// The domain that it is of: a network whose IPv4 addresses are its own. Of the common one when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<DomainName>,
    /// Our addresses, IPv6 and IPv4, each with the length of its on-link prefix. Without an IPv4 one,
    /// IPv4 and ARP there are the host's own stack's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<InterfaceAddress>,
    /// Access: link-local address that every MAG of the domain shows (RFC 5213 section 6.8).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub router: Option<Ipv6Addr>,
    /// Access: link-layer address that every MAG of the domain shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddr>,
}

/// What an interface is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InterfaceKind {
    /// Towards other routers.
    Core,
    /// Towards mobile hosts.
    Access,
}

/// `[[route]]`: a static route, with exactly one of `via`, `unreachable` and `blackhole`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Destinations.
    pub prefix: Prefix,
    /// Router on one of our links, of the prefix's family.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<IpAddr>,
    /// Interface towards the router: needed when `via` is a link-local address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// The domain whose packets it is for: that of `interface` when absent, or the common network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<DomainName>,
    /// Answer with Destination Unreachable.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unreachable: bool,
    /// Drop without an answer.
    #[serde(default, skip_serializing_if = "is_false")]
    pub blackhole: bool,
}

// The shape that `skip_serializing_if` asks for.
#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// `[error_source]`: the source of ICMP errors that leave the link, so that no error shows a
/// correspondent which gateway serves a host (S1-45).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorSource {
    /// The address: the anchor's, or one that all gateways of the domain share.
    pub address: Ipv6Addr,
    /// The same for IPv4: source of errors about what came out of tunnels. Others come from our
    /// address on the link that the packet came in on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv4: Option<Ipv4Addr>,
}

/// `[management]`: where metrics are served over HTTP, in the clear and to anyone who can reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Management {
    /// Address and port to listen at.
    pub listen: SocketAddr,
}

/// `[store]`: what is kept across a restart, in a file that only the gateway's user can open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// The file; relative to the configuration's directory. Named after the gateway, in
    /// `/var/lib/anchorage`, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// What a binding that was acknowledged survives.
    pub durability: Durability,
}

/// `[authentication]`: signalling that is authenticated by shared keys (RFC 4285).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authentication {
    /// File of keys, readable for nobody else; relative to the file's directory.
    pub keys: PathBuf,
    /// Whether mobility messages of gateways that we share no keys with are discarded.
    #[serde(default = "defaults::enabled")]
    pub required: bool,
}

/// Values of keys that the file leaves out.
mod defaults {
    use std::path::PathBuf;

    pub(super) fn socket() -> PathBuf {
        PathBuf::from(crate::rpc::DEFAULT_SOCKET)
    }
    pub(super) fn log() -> String {
        "info".into()
    }
    pub(super) const fn idle_after() -> u32 {
        64
    }
    pub(super) const fn idle_sleep_us() -> [u32; 2] {
        [20, 500]
    }
    pub(super) const fn icmp_rate() -> u32 {
        1_000
    }
    pub(super) const fn punt_rate() -> u32 {
        10_000
    }
    pub(super) const fn punt_source_rate() -> u32 {
        100
    }
    pub(super) const fn peer_rate() -> u32 {
        200_000
    }
    pub(super) const fn stall_after() -> u32 {
        3
    }
    pub(super) const fn mtu() -> u16 {
        1_500
    }
    pub(super) const fn enabled() -> bool {
        true
    }
}
