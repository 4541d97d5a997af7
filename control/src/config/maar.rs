//! The schema of a mobility anchor and access router: `[maar]`, and what is to be said of its domain.

use super::address::{overlap, Ipv6Prefix};
use super::check::{in_range, is_unicast};
use super::distributed::{FindBy, MaarDistributed};
use super::document::{place, Document};
use super::heartbeat::DomainHeartbeat;
use super::role::{defaults, AttachOn, Pool};
use super::schema::Config;
use crate::dhcp::kea::{self, Channel};
use roles::effect::LogicalRouter;
use roles::maar::{MaarConfig, Neighbour, PreviousExpiry};
use roles::pool::Pools;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use wire::ether::MacAddr;
use wire::mh::AccessTechnology;

/// `[maar]`: a mobility anchor and access router (RFC 8885 section 3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaarRole {
    /// Where updates come from and tunnels end; one of our addresses.
    pub address: Ipv6Addr,
    /// How the anchors that a host has elsewhere are found.
    #[serde(default)]
    pub discovery: FindBy,
    /// The central mobility database that hosts are registered with, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Ipv6Addr>,
    /// Policy file: who may attach; relative to the file's directory.
    pub policy: PathBuf,
    /// What hosts are given prefixes of, by this gateway and no other.
    pub pools: Vec<Pool>,
    /// `[[maar.neighbour]]`: the other MAARs of the domain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub neighbour: Vec<MaarNeighbour>,
    /// Lifetime in seconds that is asked for.
    #[serde(default = "defaults::lifetime")]
    pub lifetime: u32,
    /// Fraction of the granted lifetime after which a binding is refreshed.
    #[serde(default = "defaults::refresh_at")]
    pub refresh_at: f64,
    /// Seconds for which a host that has left its link is waited for, if its binding lasts as long.
    #[serde(default = "defaults::lifetime")]
    pub guard: u32,
    /// Seconds without a packet after which a prefix of a previous anchor is let go of; 0 never.
    #[serde(default = "own::unused_after")]
    pub unused_after: u32,
    /// Prefixes of previous anchors that one host may have here.
    #[serde(default = "own::max_previous")]
    pub max_previous: usize,
    /// What is done when the binding of a prefix that we lead to another MAAR is over (RFC 8885
    /// section 3.5).
    #[serde(default)]
    pub previous_expiry: Expiry,
    /// Whether the serving MAAR is answered straight too, as a CMD in locator mode counts on.
    #[serde(default = "defaults::enabled")]
    pub direct_answers: bool,
    /// Whether hosts see each anchor as a router of its own (RFC 8885 section 3.7); else all MAARs show
    /// the same router, and their interfaces have the same `router` and `mac`.
    #[serde(default = "defaults::enabled")]
    pub dlif: bool,
    /// Seconds for which a registration is tried before its prefix is free again.
    #[serde(default = "own::registration_timeout")]
    pub registration_timeout: u32,
    /// TimestampValidityWindow in milliseconds for updates of the CMD (RFC 5213 section 5.5).
    #[serde(default = "defaults::timestamp_window_ms")]
    pub timestamp_window_ms: u32,
    /// Wait in milliseconds before an update is sent again (INITIAL_BINDACK_TIMEOUT, RFC 6275
    /// section 12).
    #[serde(default = "defaults::initial_bindack_timeout_ms")]
    pub initial_bindack_timeout_ms: u32,
    /// What the wait grows to (MAX_BINDACK_TIMEOUT).
    #[serde(default = "defaults::max_bindack_timeout_ms")]
    pub max_bindack_timeout_ms: u32,
    /// Updates per second about one host to the CMD, or to one anchor (MAX_UPDATE_RATE).
    #[serde(default = "own::max_update_rate")]
    pub max_update_rate: u32,
    /// Updates per second to all anchors together, where there is no CMD; more wait their turn (RFC 8885
    /// section 3.2).
    #[serde(default = "own::pacing_rate")]
    pub pacing_rate: u32,
    /// How many of those may leave at once.
    #[serde(default = "own::pacing_burst")]
    pub pacing_burst: u32,
    /// What counts as a host's arrival; the operator's word always does.
    #[serde(default = "defaults::attach_on")]
    pub attach_on: Vec<AttachOn>,
    /// Longest time in seconds between unsolicited Router Advertisements to a host; 0 sends none.
    #[serde(default = "defaults::ra_interval")]
    pub ra_interval: u32,
    /// Router lifetime in seconds in Router Advertisements.
    #[serde(default = "defaults::router_lifetime")]
    pub router_lifetime: u16,
    /// Whether Router Advertisements tell hosts the tunnels' MTU.
    #[serde(default = "defaults::enabled")]
    pub advertise_mtu: bool,
    /// Seconds of silence after which a host is asked whether it is still there; 0 never asks.
    #[serde(default = "defaults::reachable_time")]
    pub reachable_time: u32,
    /// Milliseconds between two such questions.
    #[serde(default = "defaults::retrans_timer_ms")]
    pub retrans_timer_ms: u32,
    /// Questions without an answer before the host is gone.
    #[serde(default = "defaults::max_unicast_solicit")]
    pub max_unicast_solicit: u8,
    /// Access Technology Type of the access links (RFC 5213 section 8.5); 3 is Ethernet.
    #[serde(default = "defaults::access_technology")]
    pub access_technology: u8,
    /// `[maar.dhcpv6]`: hosts are relayed to DHCPv6 servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dhcpv6: Option<MaarDhcpv6>,
    /// `[maar.distributed]`: what goes without a CMD.
    #[serde(default)]
    pub distributed: MaarDistributed,
    /// `[maar.heartbeat]`: whether the CMD is there.
    #[serde(default)]
    pub heartbeat: DomainHeartbeat,
    /// Largest packet that a tunnel carries, in octets; filled in from the link's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel_mtu: Option<u16>,
    /// Hop limit of outer headers.
    #[serde(default = "defaults::tunnel_hop_limit")]
    pub tunnel_hop_limit: u8,
}

/// `[[maar.neighbour]]`: another MAAR of the domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaarNeighbour {
    /// Its address.
    pub address: Ipv6Addr,
    /// What it gives hosts prefixes of. Where none is named, it may anchor any but ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<Ipv6Prefix>,
    /// `router` of its access interfaces. With it and `mac`, a host that has moved here unnoticed by
    /// itself is heard from its first packet on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub router: Option<Ipv6Addr>,
    /// `mac` of its access interfaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddr>,
}

/// `[maar.dhcpv6]`: the relay agent for hosts that are served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaarDhcpv6 {
    /// The servers, on the core side. Each hears of every message of a host.
    pub servers: Vec<Ipv6Addr>,
    /// Where the Kea server that holds the leases is told what to do: the path of its control socket, or
    /// its control agent as `http://[2001:db8::53]:8000/`. Without it no lease of another MAAR is known,
    /// and the server needs a subnet for each prefix that a host may be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
}

/// What a previous anchor does when its binding would end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expiry {
    /// It asks the CMD, which renews it while the host is in the domain.
    #[default]
    Ask,
    /// Nothing: the CMD ends it.
    Stop,
}

/// An hour in milliseconds.
const HOUR_MS: u32 = 3_600_000;

/// A day in seconds.
const DAY: u32 = 86_400;

/// The longest finite lifetime that a Binding Update can say, in seconds.
const MAX_LIFETIME: u32 = (u16::MAX as u32 - 1) * 4;

/// The most other MAARs.
const MOST_NEIGHBOURS: usize = 65_536;

/// The most previous anchors of a host.
const MOST_PREVIOUS: usize = 256;

impl MaarRole {
    /// As the role has it, with room for so many prefixes and hosts; `mtu` is what hosts are told.
    pub(crate) fn made(
        &self,
        config: &Config,
        pools: Pools,
        capacity: usize,
        mtu: u16,
        seed: u64,
    ) -> MaarConfig {
        let millis = |ms: u32| Duration::from_millis(ms.into());
        let secs = |secs: u32| Duration::from_secs(secs.into());
        let neighbours = self.neighbours();
        let cmd = self.cmd.unwrap_or(Ipv6Addr::UNSPECIFIED);
        let discovery = self.distributed.made(self.discovery, cmd);
        let mut made = MaarConfig::new(self.address, discovery, pools, neighbours, capacity, seed);
        made.most_previous = self.max_previous;
        made.lifetime = secs(self.lifetime);
        made.refresh_percent = (self.refresh_at * 100.0).round().clamp(1.0, 100.0) as u8;
        made.initial_bindack_timeout = millis(self.initial_bindack_timeout_ms);
        made.max_bindack_timeout = millis(self.max_bindack_timeout_ms);
        made.max_update_rate = self.max_update_rate;
        made.pacing_rate = self.pacing_rate;
        made.pacing_burst = self.pacing_burst;
        made.registration_timeout = secs(self.registration_timeout);
        made.timestamp_window = millis(self.timestamp_window_ms);
        made.guard = secs(self.guard);
        made.heartbeat = self.heartbeat.config();
        made.renew_when_restarted = self.heartbeat.renew_when_restarted;
        made.previous_expiry = match self.previous_expiry {
            Expiry::Ask => PreviousExpiry::Ask,
            Expiry::Stop => PreviousExpiry::Stop,
        };
        made.direct_answers = self.direct_answers;
        if self.dlif {
            made.routers = routers(config);
        }
        made.access_technology = AccessTechnology(self.access_technology);
        made.attach_on.router_solicitation = self.attach_on.contains(&AttachOn::RouterSolicitation);
        made.attach_on.packet = self.attach_on.contains(&AttachOn::Packet);
        made.advertising.interval = secs(self.ra_interval);
        made.advertising.router_lifetime = secs(self.router_lifetime.into());
        let host_mtu = u32::from(mtu).max(wire::ipv6::MIN_MTU as u32);
        made.advertising.mtu = self.advertise_mtu.then_some(host_mtu);
        made
    }

    /// The other MAARs as the role has them.
    pub(crate) fn neighbours(&self) -> Vec<Neighbour> {
        let neighbours = self.neighbour.iter().map(|it| Neighbour {
            address: it.address,
            pools: it.pools.clone(),
        });
        neighbours.collect()
    }

    /// Notes all that is wrong with the domain and the numbers.
    pub(super) fn check(&self, document: &mut Document) {
        self.check_cmd(document);
        self.distributed.check(document);
        self.heartbeat.check(document, "maar");
        if self.pools.is_empty() {
            let text = "a MAAR without a pool anchors nothing; name a prefix of your own";
            document.problem(place!["maar", "pools"], text);
        }
        if self.neighbour.len() > MOST_NEIGHBOURS {
            let text = format!("a domain has up to {MOST_NEIGHBOURS} other MAARs");
            document.problem(place!["maar"], text);
        }
        for (index, neighbour) in self.neighbour.iter().enumerate() {
            self.check_neighbour(document, index, neighbour);
        }
        in_range(
            document,
            place!["maar", "refresh_at"],
            self.refresh_at,
            0.1..=0.95,
        );
        in_range(
            document,
            place!["maar", "max_previous"],
            self.max_previous,
            1..=MOST_PREVIOUS,
        );
        self.check_numbers(document);
        let control = self.dhcpv6.as_ref().and_then(|it| it.control.as_deref());
        if self.discovery == FindBy::Dhcpv6 && control.is_none() {
            let text =
                "discovery = \"dhcpv6\" asks the server's leases: give `servers` and `control` in \
                        [maar.dhcpv6]";
            document.problem(place!["maar", "discovery"], text);
        }
        if self.discovery == FindBy::Dhcpv6 && self.dlif {
            let text = "with discovery = \"dhcpv6\" hosts see the same router at every MAAR, with one address in \
                        each prefix: set dlif = false, and the same `router` and `mac` everywhere";
            document.problem(place!["maar", "dlif"], text);
        }
        if let Some(Err(error)) = control.map(str::parse::<Channel>) {
            document.problem(place!["maar", "dhcpv6", "control"], error.to_string());
        }
    }

    /// How the lease database of the server is worked with, if it is.
    pub(crate) fn kea(&self) -> Option<kea::Settings> {
        let control = self.dhcpv6.as_ref()?.control.as_ref()?;
        Some(kea::Settings {
            channel: control.parse().ok()?,
            pools: self.pools.iter().map(|pool| pool.prefix).collect(),
        })
    }

    /// There is a database where one is needed, and none otherwise.
    fn check_cmd(&self, document: &mut Document) {
        let text = match (self.discovery, self.cmd) {
            (FindBy::Cmd, None) => {
                "without the address of a CMD in `cmd`, say how anchors are found: discovery = \
                 \"dhcpv6\" or \"node-information\""
                    .to_owned()
            }
            (FindBy::Cmd, Some(cmd)) => {
                let usable = is_unicast(cmd) && !cmd.is_unicast_link_local() && cmd != self.address;
                if usable {
                    return;
                }
                format!("`{cmd}` is no CMD's address; give its global one")
            }
            (_, Some(_)) => {
                "there is no CMD unless discovery = \"cmd\"; leave one of the two out".to_owned()
            }
            (_, None) => return,
        };
        match self.cmd {
            Some(_) => document.problem(place!["maar", "cmd"], text),
            None => document.problem(place!["maar"], text),
        }
    }

    fn check_numbers(&self, document: &mut Document) {
        let longest_wait = self.max_bindack_timeout_ms.clamp(10, HOUR_MS);
        let interval = if self.ra_interval == 0 {
            0..=0
        } else {
            4..=1_800
        };
        let router_lifetime = self.ra_interval.clamp(1, 1_800)..=9_000;
        let initial = self.initial_bindack_timeout_ms;
        let numbers: [(&'static str, u32, RangeInclusive<u32>); 16] = [
            ("lifetime", self.lifetime, 4..=MAX_LIFETIME),
            ("guard", self.guard, 0..=MAX_LIFETIME),
            ("unused_after", self.unused_after, 0..=DAY),
            ("registration_timeout", self.registration_timeout, 1..=3_600),
            ("timestamp_window_ms", self.timestamp_window_ms, 1..=HOUR_MS),
            ("initial_bindack_timeout_ms", initial, 10..=longest_wait),
            (
                "max_bindack_timeout_ms",
                self.max_bindack_timeout_ms,
                10..=HOUR_MS,
            ),
            ("max_update_rate", self.max_update_rate, 1..=1_000),
            ("pacing_rate", self.pacing_rate, 1..=1_000_000),
            ("pacing_burst", self.pacing_burst, 1..=65_536),
            ("ra_interval", self.ra_interval, interval),
            (
                "router_lifetime",
                self.router_lifetime.into(),
                router_lifetime,
            ),
            ("reachable_time", self.reachable_time, 0..=DAY),
            ("retrans_timer_ms", self.retrans_timer_ms, 10..=HOUR_MS),
            (
                "max_unicast_solicit",
                self.max_unicast_solicit.into(),
                1..=100,
            ),
            ("tunnel_hop_limit", self.tunnel_hop_limit.into(), 1..=255),
        ];
        for (key, value, range) in numbers {
            in_range(document, place!["maar", key], value, range);
        }
    }

    /// A neighbour is another MAAR, is there once, and its pools are its own (S2-01).
    fn check_neighbour(&self, document: &mut Document, index: usize, neighbour: &MaarNeighbour) {
        let earlier = self.neighbour.get(..index).unwrap_or_default();
        let address = neighbour.address;
        let way = place!["maar", "neighbour", index, "address"];
        if !is_unicast(address) || address.is_unicast_link_local() {
            let text = format!("`{address}` is no MAAR's; give its global address");
            document.problem(way, text);
        } else if address == self.address || Some(address) == self.cmd {
            let text = format!("`{address}` is no other MAAR; name those that hosts come from");
            document.problem(way, text);
        } else if earlier.iter().any(|other| other.address == address) {
            let text = format!("`{address}` stands here twice; name all its pools in one table");
            document.problem(way, text);
        }
        let seen = (neighbour.router, neighbour.mac);
        let usable = match seen {
            (Some(router), Some(mac)) => {
                router.is_unicast_link_local() && !mac.is_group() && mac.0 != [0; 6]
            }
            (None, None) => true,
            _ => false,
        };
        if !usable {
            let text = "give `router`, a link-local address, and `mac`, a unicast one, or neither";
            document.problem(place!["maar", "neighbour", index], text);
        }
        for (at, pool) in neighbour.pools.iter().enumerate() {
            let way = place!["maar", "neighbour", index, "pools", at];
            let ours = self.pools.iter().map(|own| (own.prefix, self.address));
            let others = earlier.iter();
            let others = others.flat_map(|it| it.pools.iter().map(|pool| (*pool, it.address)));
            let clash = ours.chain(others).find(|(other, _)| overlap(*other, *pool));
            if let Some((other, whose)) = clash {
                let text = format!(
                    "{pool} overlaps {other} of {whose}: a prefix belongs to one MAAR; make one of \
                     them smaller"
                );
                document.problem(way, text);
            }
        }
    }
}

impl MaarRole {
    /// Interface identifier of the address that we have in each prefix which we anchor, where that is
    /// how others find us.
    pub(crate) fn anchor_identifier(&self) -> Option<u64> {
        (self.discovery != FindBy::Cmd).then(|| self.distributed.identifier())
    }

    /// How hosts see the other MAARs that they may come from.
    pub(crate) fn others(&self) -> Vec<LogicalRouter> {
        let seen = self.neighbour.iter().filter(|_| self.dlif);
        let seen = seen.filter_map(|it| {
            let (link_local, mac) = (it.router?, it.mac?);
            Some(LogicalRouter { link_local, mac })
        });
        seen.collect()
    }
}

/// How hosts see us, by access interface.
fn routers(config: &Config) -> BTreeMap<u16, LogicalRouter> {
    let interfaces = (0..).zip(&config.interface);
    let seen = interfaces.filter_map(|(index, interface)| {
        let (link_local, mac) = (interface.router?, interface.mac?);
        Some((index, LogicalRouter { link_local, mac }))
    });
    seen.collect()
}

/// Values of keys that the file leaves out and that no other role has.
mod own {
    pub(super) const fn unused_after() -> u32 {
        600
    }
    pub(super) const fn max_previous() -> usize {
        16
    }
    pub(super) const fn registration_timeout() -> u32 {
        30
    }
    pub(super) const fn max_update_rate() -> u32 {
        3
    }
    pub(super) const fn pacing_rate() -> u32 {
        20_000
    }
    pub(super) const fn pacing_burst() -> u32 {
        64
    }
}
