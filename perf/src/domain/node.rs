//! A node of the domain: a role, its timers, and what it keeps across a restart.

use super::ground::Place;
use super::lots::{Draw, Lots};
use super::relay::Relay;
use super::routes::{HostNumber, Prefix, Table};
use super::timers::Timers;
use super::{Mode, Scenario};
use rand::RngCore;
use roles::cmd::{Cmd, CmdConfig, CmdMode, MaarPeer};
use roles::lma::{Lma, LmaConfig};
use roles::maar::{Backend, Discovery, Distributed, Maar, MaarConfig, Neighbour, Questions};
use roles::mag::{Mag, MagConfig};
use roles::policy::{LmaPolicy, Profile};
use roles::pool::{BadPool, Pool, Pools};
use roles::store::{Key, Record};
use roles::{Effect, Event, Now, Role};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::ether::MacAddr;
use wire::mh::{options, HomeNetworkPrefix, Message, MnIdentifier};

/// Where the addresses of nodes begin.
const NODES: u128 = 0x3fff_0000_0000_0000_0000_0000_0000_0001;
/// 2001:db8::/32: where the prefixes of hosts come from.
const HOSTS: u128 = 0x2001_0db8 << 96;
/// Interface identifier of an anchor in every prefix that it gives, where there is no database.
const ANCHOR: u64 = 0xface;

/// The address of a node.
pub const fn address(place: Place) -> Ipv6Addr {
    Ipv6Addr::from_bits(NODES + place as u128)
}

/// The node with an address: its own, or the one that an anchor has in a prefix that it gave.
pub const fn place_of(address: Ipv6Addr) -> Place {
    let bits = address.to_bits();
    if bits >> 96 == HOSTS >> 96 && bits as u64 == ANCHOR {
        return pool_owner(Prefix::of(address));
    }
    match bits.wrapping_sub(NODES) {
        place if place < Place::MAX as u128 => place as Place,
        _ => Place::MAX,
    }
}

/// The link-layer address of a host.
pub const fn mac_of(host: HostNumber) -> MacAddr {
    let [a, b, c, d] = host.to_be_bytes();
    MacAddr([2, 0, a, b, c, d])
}

/// The host with a link-layer address.
pub const fn host_of(mac: MacAddr) -> HostNumber {
    let [_, _, a, b, c, d] = mac.0;
    HostNumber::from_be_bytes([a, b, c, d])
}

/// The identity of a host.
pub fn identifier(host: HostNumber) -> MnIdentifier {
    MnIdentifier::Nai(name(host))
}

/// The name of a host in its identity.
pub fn name(host: HostNumber) -> String {
    format!("{host}@d")
}

/// The host with an identity.
pub fn host_named(identifier: &MnIdentifier) -> Option<HostNumber> {
    let text = std::str::from_utf8(identifier.as_bytes()).ok()?;
    text.split_once('@')?.0.parse().ok()
}

/// The gateway whose pool a prefix is from, where every gateway has a pool.
pub const fn pool_owner(prefix: Prefix) -> Place {
    (prefix.0 >> 16) as Place & 0xffff
}

/// What a gateway with a pool of its own gives hosts prefixes of.
const fn pool_of(place: Place) -> HomeNetworkPrefix {
    HomeNetworkPrefix {
        prefix: Ipv6Addr::from_bits(HOSTS | (place as u128) << 80),
        length: 48,
    }
}

/// The host that a message is about, if it names one.
pub fn about(message: &Message) -> Option<HostNumber> {
    options::mn_identifier(message.options()).and_then(host_named)
}

/// The state machine of a node.
pub enum Process {
    /// A local mobility anchor.
    Lma(Box<Lma>),
    /// A mobile access gateway.
    Mag(Box<Mag>),
    /// A mobility anchor and access router.
    Maar(Box<Maar>),
    /// A central mobility database.
    Cmd(Box<Cmd>),
    /// No node at all: in the middle, where nothing is central.
    Nobody,
}

impl Process {
    /// Tells it what happens.
    pub fn on(&mut self, now: Now, event: &Event, effects: &mut Vec<Effect>) {
        match self {
            Self::Lma(lma) => lma.on(now, event, effects),
            Self::Mag(mag) => mag.on(now, event, effects),
            Self::Maar(maar) => maar.on(now, event, effects),
            Self::Cmd(cmd) => cmd.on(now, event, effects),
            Self::Nobody => {}
        }
    }

    /// Hosts that it has anything of.
    pub fn sessions(&self) -> usize {
        match self {
            Self::Lma(lma) => lma.sessions(),
            Self::Mag(mag) => mag.sessions(),
            Self::Maar(maar) => maar.sessions(),
            Self::Cmd(cmd) => cmd.sessions(),
            Self::Nobody => 0,
        }
    }
}

/// A node.
pub struct Node {
    /// Its role.
    pub process: Process,
    /// Its timers that run.
    pub timers: Timers,
    /// What it does with packets.
    pub table: Table,
    /// Its relay agent, where hosts are configured by DHCPv6.
    pub relay: Relay,
    /// What it keeps, where nodes crash.
    pub kept: BTreeMap<Key, Record>,
    /// How far its clock goes ahead of the domain's, in microseconds.
    pub ahead_us: u64,
    /// How much further, while it is astray.
    pub astray_us: i64,
    /// Until when its processor is busy with messages that have come.
    pub busy_until: u64,
    /// Until when it is down.
    pub down_until: u64,
    /// How often it was started before.
    pub restarts: u32,
    /// Messages that it has sent.
    pub sent: u64,
}

impl Node {
    /// A node that starts for the first time.
    pub fn new(scenario: &Scenario, place: Place) -> Result<Self, BadPool> {
        Ok(Self {
            process: process(scenario, place, 0)?,
            timers: Timers::default(),
            table: Table::default(),
            relay: Relay::default(),
            kept: BTreeMap::new(),
            ahead_us: 0,
            astray_us: 0,
            busy_until: 0,
            down_until: 0,
            restarts: 0,
            sent: 0,
        })
    }
}

/// The role of a node, after so many restarts.
pub fn process(scenario: &Scenario, place: Place, restarts: u32) -> Result<Process, BadPool> {
    let seed = Lots::of(scenario.seed, Draw::Role, place.into(), restarts.into()).next_u64();
    let lifetime = Duration::from_secs(scenario.lifetime_s.into());
    let room = scenario.hosts as usize + 1024;
    let centre = place == scenario.gateways;
    match (scenario.mode, scenario.mode.database()) {
        (Mode::Central, _) if centre => {
            let pools = Pools::new([Pool::new(all_hosts(), 64)?])?;
            let mut config = LmaConfig::new(address(place), pools, room);
            config.max_lifetime = lifetime;
            Ok(Process::Lma(Box::new(Lma::new(config))))
        }
        (Mode::Central, _) => {
            let mut config = MagConfig::new(address(place), room, seed);
            config.lifetime = lifetime;
            // Nothing of it leaves the access link.
            config.advertising.interval = Duration::ZERO;
            Ok(Process::Mag(Box::new(Mag::new(config))))
        }
        (_, Some(mode)) if centre => {
            let mut config = CmdConfig::new(address(place), 32 * room, seed);
            config.mode = mode;
            config.max_lifetime = lifetime;
            Ok(Process::Cmd(Box::new(Cmd::new(config))))
        }
        (_, None) if centre => Ok(Process::Nobody),
        (_, database) => {
            let (discovery, neighbours) = match database {
                Some(_) => (
                    address(scenario.gateways).into(),
                    neighbours(scenario, place),
                ),
                None => (without_database(scenario.mode), Vec::new()),
            };
            let pools = Pools::new([Pool::new(pool_of(place), 64)?])?;
            let capacity = 2 * room;
            let mut config =
                MaarConfig::new(address(place), discovery, pools, neighbours, capacity, seed);
            config.lifetime = lifetime;
            config.guard = config.guard.min(lifetime);
            // As the figures of RFC 8885 have it: with direct answers in every mode, all are as quick as
            // the locator.
            config.direct_answers = database == Some(CmdMode::Locator);
            config.advertising.interval = Duration::ZERO;
            Ok(Process::Maar(Box::new(Maar::new(config))))
        }
    }
}

/// What all prefixes of hosts are of.
const fn all_hosts() -> HomeNetworkPrefix {
    HomeNetworkPrefix {
        prefix: Ipv6Addr::from_bits(HOSTS),
        length: 32,
    }
}

/// The other gateways, as the configuration of one has them.
fn neighbours(scenario: &Scenario, place: Place) -> Vec<Neighbour> {
    let others = (0..scenario.gateways).filter(|other| *other != place);
    let neighbour = |other| Neighbour {
        address: address(other),
        pools: vec![pool_of(other)],
    };
    others.map(neighbour).collect()
}

/// A gateway that is told nothing of the others but what their addresses and prefixes are of: it writes to
/// the address that an anchor has in its prefix, and learns the anchor's own from the answer.
fn without_database(mode: Mode) -> Discovery {
    let backend = match mode {
        Mode::Dhcpv6 => Backend::Asked,
        _ => Backend::NodeInformation(Questions::default()),
    };
    let mut distributed = Distributed::new(backend, ANCHOR);
    // As the gateway has it by default.
    distributed.revoke_on_handover = true;
    distributed.domain = vec![all_hosts()];
    distributed.gateways = vec![HomeNetworkPrefix {
        prefix: Ipv6Addr::from_bits(NODES >> 64 << 64),
        length: 64,
    }];
    distributed.into()
}

/// What a node is told at every start before anything else, but for what it kept.
pub fn greeting(scenario: &Scenario, place: Place, restarts: u32) -> Vec<Event> {
    let mut events = vec![Event::Started {
        restart_counter: restarts,
        lost: false,
        keeps: true,
    }];
    if place != scenario.gateways {
        return events;
    }
    let all = 0..scenario.gateways;
    events.push(match scenario.mode {
        Mode::Central => Event::Policy {
            policy: LmaPolicy {
                mags: all.map(address).collect(),
                hosts: Vec::new(),
                serve_unlisted: true,
                allowance: Default::default(),
            },
        },
        Mode::Relay | Mode::Locator | Mode::Proxy | Mode::Niq | Mode::Dhcpv6 => {
            let peer = |place| MaarPeer {
                address: address(place),
                pools: vec![pool_of(place)],
            };
            Event::Maars {
                maars: all.map(peer).collect(),
            }
        }
    });
    events
}

/// What access policy says of a host.
pub fn profile(scenario: &Scenario, host: HostNumber) -> Profile {
    Profile {
        mn_identifier: identifier(host),
        lma: address(scenario.gateways),
        home_network_prefixes: Vec::new(),
        managed: scenario.mode == Mode::Dhcpv6,
        other: false,
        ipv4_home_address: None,
        ipv6: true,
        service_selection: None,
        domain: None,
        learn_addresses: true,
        simultaneous: false,
        mobility: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_lead_back() {
        for number in [0, 1, 255, 70_000, 1_000_000, u32::MAX - 1] {
            assert_eq!(place_of(address(number)), number);
            assert_eq!(host_of(mac_of(number)), number);
            assert_eq!(host_named(&identifier(number)), Some(number));
        }
        assert_eq!(host_named(&MnIdentifier::Nai("somebody".into())), None);
        for place in [0, 7, 65_000] {
            let first = pool_of(place).prefix;
            assert_eq!(pool_owner(Prefix::of(first)), place);
            let in_prefix = Ipv6Addr::from_bits(first.to_bits() | u128::from(ANCHOR));
            assert_eq!(place_of(in_prefix), place);
            assert_eq!(place_of(first), Place::MAX);
        }
    }
}
