//! From configuration to an engine: the role that is configured, its interfaces and routes, and
//! what policy says.

use crate::aaa::Handle;
use crate::config::{self, AttachOn, Config, InterfaceKind, LearnFrom, Policy};
use crate::dhcp;
use crate::engine::{Reachability, Setup};
use crate::neighbour::Neighbour;
use crate::policy::AccessPolicy;
use crate::record::Recorder;
use crate::routing::{is_access, number, Link, Routing, StaticRoute, Target};
use crate::rpc::Notices;
use dataplane::key::{self, Domain, InterfaceId};
use packet::PortId;
use roles::cmd::{Cmd, MaarPeer};
use roles::counters::CounterView;
use roles::domain::DomainName;
use roles::lma::{DomainConfig, GrePolicy, Lma, LmaConfig};
use roles::maar::Maar;
use roles::mag::{Mag, MagConfig};
use roles::policy::LmaPolicy;
use roles::pool::{BadPool, Pool, Pools};
use roles::{Effect, Event, Now, PeerView, Role};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use wire::ether::MacAddr;
use wire::ipv6::address::link_local;
use wire::mh::{AccessTechnology, DhcpMode};

/// The role of a gateway.
// There is one in a process: what the smaller roles leave unused is no loss.
#[allow(clippy::large_enum_variant)]
pub enum Gateway {
    /// Local mobility anchor.
    Lma(Lma),
    /// Mobile access gateway.
    Mag(Mag),
    /// Mobility anchor and access router.
    Maar(Box<Maar>),
    /// Central mobility database.
    Cmd(Box<Cmd>),
}

impl Role for Gateway {
    fn on(&mut self, now: Now, event: &Event, effects: &mut Vec<Effect>) {
        match self {
            Self::Lma(lma) => lma.on(now, event, effects),
            Self::Mag(mag) => mag.on(now, event, effects),
            Self::Maar(maar) => maar.on(now, event, effects),
            Self::Cmd(cmd) => cmd.on(now, event, effects),
        }
    }
}

impl Gateway {
    /// Every counter of the role.
    pub fn counters(&self) -> Vec<CounterView> {
        match self {
            Self::Lma(lma) => lma.counters().collect(),
            Self::Mag(mag) => mag.counters().collect(),
            Self::Maar(maar) => maar.counters().collect(),
            Self::Cmd(cmd) => cmd.counters().collect(),
        }
    }

    /// The peers of the role, by address.
    pub fn peers(&self, now: Now) -> Vec<PeerView> {
        match self {
            Self::Lma(lma) => lma.peers(now).collect(),
            Self::Mag(mag) => mag.peers(now).collect(),
            Self::Maar(maar) => maar.peers(now).collect(),
            Self::Cmd(cmd) => cmd.peers(now).collect(),
        }
    }

    /// Sessions that the role has: bindings or visitors.
    pub fn sessions(&self) -> usize {
        match self {
            Self::Lma(lma) => lma.sessions(),
            Self::Mag(mag) => mag.sessions(),
            Self::Maar(maar) => maar.sessions(),
            Self::Cmd(cmd) => cmd.sessions(),
        }
    }
}

/// A port, as the packet side opened it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortInfo {
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
    /// Its index in the data plane.
    pub id: PortId,
    /// Name and index of its TAP twin, if it has one.
    pub twin: Option<(String, PortId)>,
    /// Its queues.
    pub queues: PortQueues,
}

/// The queues of a port, and how packets are spread over them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortQueues {
    /// The worker that polls each receive queue.
    pub pollers: Vec<usize>,
    /// Number of transmit queues.
    pub tx: usize,
    /// What the device hashes to choose a queue.
    pub rss: Vec<String>,
    /// Whether workers hand packets on to the worker of their inner flow.
    pub handoff: bool,
    /// NUMA node of the device.
    pub socket: Option<i32>,
}

/// Why a configuration makes no gateway.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// An interface is on a port that was not opened.
    #[error("interface {interface} is on port {port}, which was not opened")]
    NoPort {
        /// The interface.
        interface: String,
        /// The port.
        port: String,
    },
    /// A prefix pool that cannot be used.
    #[error("pools: {0}")]
    Pool(#[from] BadPool),
    /// The policy file.
    #[error(transparent)]
    Policy(#[from] config::Error),
}

/// Interfaces and routes of a configuration over the ports that were opened.
///
/// # Errors
/// [`SetupError::NoPort`].
pub fn routing(config: &Config, ports: &[PortInfo]) -> Result<Routing, SetupError> {
    let domains = domains(config);
    let number = |name: Option<DomainName>| number(&domains, name);
    let links = config
        .interface
        .iter()
        .map(|interface| {
            let domain = number(interface.domain);
            let port = ports.iter().find(|port| port.name == interface.port);
            port.map(|port| seen(config, link(interface, domain, port)))
                .ok_or_else(|| SetupError::NoPort {
                    interface: interface.name.clone(),
                    port: interface.port.clone(),
                })
        })
        .collect::<Result<_, _>>()?;
    let routes = config
        .route
        .iter()
        .filter_map(|route| {
            Some(StaticRoute {
                domain: number(config.domain_of_route(route)),
                prefix: route.prefix.prefix,
                length: route.prefix.length,
                target: target(config, route)?,
            })
        })
        .collect();
    Ok(Routing {
        links,
        domains,
        routes,
        error_source: config.error_source.as_ref().map(|source| source.address),
        ipv4_error_source: config.error_source.as_ref().and_then(|source| source.ipv4),
        anchor_identifier: config
            .maar
            .as_ref()
            .and_then(|maar| maar.anchor_identifier()),
    })
}

/// The domains that interfaces are of, each once.
fn domains(config: &Config) -> Vec<DomainName> {
    let mut domains: Vec<_> = config.interface.iter().filter_map(|it| it.domain).collect();
    domains.sort_unstable();
    domains.dedup();
    domains
}

/// An access interface with the routers that are always shown on it.
fn seen(config: &Config, mut link: Link) -> Link {
    if let Some(maar) = config.maar.as_ref().filter(|_| is_access(&link)) {
        link.logical = maar.others();
        link.standing = link.logical.len();
    }
    link
}

/// An interface as control knows it.
fn link(interface: &config::Interface, domain: Domain, port: &PortInfo) -> Link {
    let mac = interface.mac.unwrap_or(port.mac);
    let own = interface.router.unwrap_or_else(|| link_local(mac));
    let own_addresses = || interface.addresses.iter().map(|own| own.address);
    let ipv6 = own_addresses().find_map(|address| match address {
        IpAddr::V6(address) => Some(address),
        IpAddr::V4(_) => None,
    });
    let ipv4 = own_addresses().find_map(|address| match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    });
    Link {
        interface: key::Interface {
            name: interface.name.clone(),
            port: port.id,
            vlan: interface.vlan,
            domain,
            kind: match interface.kind {
                InterfaceKind::Core => key::InterfaceKind::Core,
                InterfaceKind::Access => key::InterfaceKind::Access,
            },
            mac,
            address: Some(ipv6.unwrap_or(own)),
            link_local: Some(own),
            ipv4,
            mtu: port.mtu,
            twin: port.twin.as_ref().map(|(_, id)| *id),
        },
        addresses: interface
            .addresses
            .iter()
            .map(|ours| (ours.address, ours.length))
            .collect(),
        link_local: own,
        logical: Vec::new(),
        standing: 0,
    }
}

/// What a static route says. Checking has seen to it that its router is on a link of ours.
pub(crate) fn target(config: &Config, route: &config::Route) -> Option<Target> {
    let Some(address) = route.via else {
        return Some(if route.blackhole {
            Target::Blackhole
        } else {
            Target::Unreachable
        });
    };
    let interface = match &route.interface {
        Some(name) => config.interface_id(name)?,
        None => {
            let domain = config.domain_of_route(route);
            InterfaceId(u16::try_from(config.on_link(domain, address)?).ok()?)
        }
    };
    Some(Target::Router(Neighbour { interface, address }))
}

/// What policy gives an engine.
pub struct Applied {
    /// Who may attach, at a MAG.
    pub access: Option<Box<dyn AccessPolicy>>,
    /// What an anchor goes by.
    pub anchor: Option<LmaPolicy>,
    /// The MAARs of a domain, at a CMD.
    pub maars: Option<Vec<MaarPeer>>,
    /// Peer gateways that it names.
    pub peers: Vec<Ipv6Addr>,
    /// Hosts that it lists.
    pub hosts: usize,
}

impl From<Policy> for Applied {
    fn from(policy: Policy) -> Self {
        Self::of(policy, None)
    }
}

impl Applied {
    /// What policy gives an engine; who may attach is asked of `aaa`, if there is one.
    pub fn of(policy: Policy, aaa: Option<&Handle>) -> Self {
        match policy {
            Policy::Lma(policy) => Self {
                access: None,
                peers: policy.mags.clone(),
                hosts: policy.hosts.len(),
                anchor: Some(policy),
                maars: None,
            },
            Policy::Mag(policy) => Self {
                peers: policy.anchors(),
                hosts: policy.len(),
                access: Some(match aaa {
                    Some(aaa) => aaa.policy(policy),
                    None => Box::new(policy),
                }),
                anchor: None,
                maars: None,
            },
            // Its peers are behind the kernel, which finds them.
            Policy::Cmd(maars) => Self {
                access: None,
                anchor: None,
                peers: Vec::new(),
                hosts: 0,
                maars: Some(maars),
            },
        }
    }
}

/// What the tables are guaranteed to hold.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Bindings.
    pub bindings: usize,
    /// Adjacencies.
    pub adjacencies: usize,
}

impl Room {
    /// Neighbours on core links that the cache may hold.
    fn neighbours(self) -> usize {
        config::Tables::neighbours(self.adjacencies)
    }

    /// Hosts that may be attached.
    fn hosts(self) -> usize {
        let adjacencies = self.adjacencies.saturating_sub(self.neighbours());
        self.bindings.min(adjacencies)
    }
}

/// The role of a configuration, and what else an engine needs. The role has not seen its policy yet.
///
/// # Errors
/// See [`SetupError`].
pub fn assemble(
    config: &Config,
    ports: &[PortInfo],
    room: Room,
    applied: Applied,
    notices: Notices,
    recorder: Option<Recorder>,
) -> Result<(Gateway, Setup), SetupError> {
    let seed: u64 = rand::random();
    let tunnel_mtu = config.role().tunnel_mtu();
    let dhcpv4_lease = match config.role() {
        config::Role::Mag(mag) => Duration::from_secs(mag.dhcpv4_lease.into()),
        _ => Duration::ZERO,
    };
    let (role, tunnel_hop_limit, reachability) = match config.role() {
        config::Role::Lma(lma) => {
            let role = Gateway::Lma(Lma::new(lma_config(lma, room)?));
            (role, lma.tunnel_hop_limit, Reachability::default())
        }
        config::Role::Mag(mag) => {
            let reachability = Reachability {
                interval: Duration::from_secs(mag.reachable_time.into()),
                retransmit: Duration::from_millis(mag.retrans_timer_ms.into()),
                probes: mag.max_unicast_solicit,
            };
            let role = Gateway::Mag(Mag::new(mag_config(mag, room, tunnel_mtu, seed)));
            (role, mag.tunnel_hop_limit, reachability)
        }
        config::Role::Maar(maar) => {
            let reachability = Reachability {
                interval: Duration::from_secs(maar.reachable_time.into()),
                retransmit: Duration::from_millis(maar.retrans_timer_ms.into()),
                probes: maar.max_unicast_solicit,
            };
            let pools = made_pools(&maar.pools)?;
            let made = maar.made(config, pools, room.hosts(), tunnel_mtu, seed);
            let role = Gateway::Maar(Box::new(Maar::new(made)));
            (role, maar.tunnel_hop_limit, reachability)
        }
        config::Role::Cmd(cmd) => {
            let role = Gateway::Cmd(Box::new(Cmd::new(cmd.made(seed))));
            (role, 1, Reachability::default())
        }
    };
    let mag = config.mag.as_ref();
    let dhcp = match (mag, &config.maar) {
        (Some(mag), _) => mag.dhcpv6.as_ref().map(|dhcp| dhcp::v6::Settings {
            address: mag.address,
            servers: dhcp.servers.clone(),
            delegates: dhcp.delegates.clone(),
        }),
        (None, Some(maar)) => maar.dhcpv6.as_ref().map(|dhcp| dhcp::v6::Settings {
            address: maar.address,
            servers: dhcp.servers.clone(),
            delegates: Vec::new(),
        }),
        (None, None) => None,
    };
    let relay = mag.and_then(|mag| mag.dhcpv4.as_ref());
    let dhcpv4_relay = relay.map(|relay| dhcp::v4::relay::Settings {
        address: relay.address,
        servers: relay.servers.clone(),
        domains: relay
            .domain
            .iter()
            .map(|it| (it.name, it.servers.clone()))
            .collect(),
    });
    let setup = Setup {
        routing: routing(config, ports)?,
        access: applied.access,
        peers: peers(config, applied.peers),
        dhcp,
        tunnel_hop_limit,
        tunnel_mtu,
        dhcpv4_lease,
        dhcpv4_relay,
        reachability,
        unused_after: config.maar.as_ref().map_or(Duration::ZERO, |it| {
            Duration::from_secs(it.unused_after.into())
        }),
        neighbours: room.neighbours(),
        seed,
        notices,
        recorder,
        store: None,
        kernel: None,
    };
    Ok((role, setup))
}

/// Those whose messages workers are to let through: the gateways that policy names, and the DHCP
/// servers, IPv4 ones in their IPv6 form.
pub(crate) fn peers(config: &Config, mut named: Vec<Ipv6Addr>) -> Vec<Ipv6Addr> {
    let dhcp = config.mag.as_ref().and_then(|mag| mag.dhcpv6.as_ref());
    named.extend(dhcp.iter().flat_map(|dhcp| &dhcp.servers));
    let dhcp = config.mag.as_ref().and_then(|mag| mag.dhcpv4.as_ref());
    let common = dhcp.iter().flat_map(|dhcp| &dhcp.servers);
    let domains = dhcp.iter().flat_map(|dhcp| &dhcp.domain);
    let servers = common.chain(domains.flat_map(|it| &it.servers));
    named.extend(servers.map(Ipv4Addr::to_ipv6_mapped));
    if let Some(maar) = &config.maar {
        let dhcp = maar.dhcpv6.iter();
        named.extend(dhcp.flat_map(|dhcp| &dhcp.servers));
        named.extend(maar.cmd);
        named.extend(maar.neighbour.iter().map(|it| it.address));
        named.sort_unstable();
        named.dedup();
    }
    named
}

/// The anchors that a MAG's hosts may have, as far as is known before they come: `named` by the policy
/// file, and by `[aaa]`.
pub(crate) fn anchors(config: &Config, named: &[Ipv6Addr]) -> Vec<Ipv6Addr> {
    let aaa = config.aaa.as_ref().and_then(|aaa| aaa.lma);
    named.iter().copied().chain(aaa).collect()
}

/// Pools as a role has them.
fn made_pools(pools: &[config::Pool]) -> Result<Pools, BadPool> {
    let made = pools.iter().map(|pool| Pool::new(pool.prefix, pool.length));
    Pools::new(made.collect::<Result<Vec<_>, _>>()?)
}

/// How an anchor is set up.
fn lma_config(lma: &config::Lma, room: Room) -> Result<LmaConfig, BadPool> {
    let pools = made_pools(&lma.pools)?;
    let millis = |ms: u32| Duration::from_millis(ms.into());
    Ok(LmaConfig {
        max_lifetime: Duration::from_secs(lma.max_lifetime.into()),
        min_delay_before_bce_delete: millis(lma.min_delay_before_bce_delete_ms),
        max_delay_before_new_bce_assign: millis(lma.max_delay_before_new_bce_assign_ms),
        timestamp_window: millis(lma.timestamp_window_ms),
        ipv4_address: lma.ipv4_address,
        accept_forced_udp: lma.accept_udp_encapsulation,
        gre: match lma.gre {
            config::Gre::NotRequired => GrePolicy::NotRequired,
            config::Gre::Accepted => GrePolicy::Accepted,
            config::Gre::Required => GrePolicy::Required,
        },
        revoke_on_handover: lma.revoke_on_handover,
        revocation: lma.revocation.config(),
        profile: lma.profile,
        confirmation_option: lma.confirmation_option,
        heartbeat: lma.heartbeat.config(),
        end_when_restarted: lma.heartbeat.end_when_restarted,
        delegated_prefixes: lma.delegated_prefixes.clone(),
        ipv4_networks: lma
            .ipv4_networks
            .iter()
            .map(config::Ipv4Network::made)
            .collect(),
        domains: lma.domain.iter().map(domain_config).collect(),
        dhcp_mode: match lma.dhcpv4 {
            config::Dhcpv4::Server => DhcpMode::Server,
            config::Dhcpv4::Relay => DhcpMode::Relay,
        },
        ..LmaConfig::new(lma.address, pools, room.bindings)
    })
}

fn domain_config(domain: &config::LmaDomain) -> DomainConfig {
    let networks = domain.ipv4_networks.iter();
    let [first, last] = domain.keys;
    DomainConfig {
        name: domain.name,
        ipv4_networks: networks.map(config::Ipv4Network::made).collect(),
        keys: (first, last),
    }
}

/// How an access gateway is set up.
fn mag_config(mag: &config::Mag, room: Room, tunnel_mtu: u16, seed: u64) -> MagConfig {
    let millis = |ms: u32| Duration::from_millis(ms.into());
    let secs = |secs: u32| Duration::from_secs(secs.into());
    let mut made = MagConfig::new(mag.address, room.hosts(), seed);
    made.ipv4_address = mag.ipv4_address;
    made.force_udp = mag.udp_encapsulation;
    made.gre = mag.gre;
    made.lifetime = secs(mag.lifetime);
    made.refresh_percent = (mag.refresh_at * 100.0).round().clamp(1.0, 100.0) as u8;
    made.initial_bindack_timeout = millis(mag.initial_bindack_timeout_ms);
    made.max_bindack_timeout = millis(mag.max_bindack_timeout_ms);
    made.timestamps = mag.timestamps;
    made.access_technology = AccessTechnology(mag.access_technology);
    made.attach_on.router_solicitation = mag.attach_on.contains(&AttachOn::RouterSolicitation);
    made.attach_on.packet = mag.attach_on.contains(&AttachOn::Packet);
    made.learn_from.dad = mag.learn_from.contains(&LearnFrom::Dad);
    made.learn_from.packet = mag.learn_from.contains(&LearnFrom::Packet);
    made.advertising.interval = secs(mag.ra_interval);
    made.advertising.router_lifetime = secs(mag.router_lifetime.into());
    // A host's link carries at least 1280 octets, in fragments if need be.
    let host_mtu = u32::from(tunnel_mtu).max(wire::ipv6::MIN_MTU as u32);
    made.advertising.mtu = mag.advertise_mtu.then_some(host_mtu);
    made.deregister_on_shutdown = mag.deregister_on_shutdown;
    made.revocation = mag.revocation.config();
    made.profile = mag.profile;
    made.confirmation_option = mag.confirmation_option;
    made.heartbeat = mag.heartbeat.config();
    made.renew_when_restarted = mag.heartbeat.renew_when_restarted;
    made.delegation = mag
        .dhcpv6
        .as_ref()
        .is_some_and(|dhcp| !dhcp.delegates.is_empty());
    made
}
