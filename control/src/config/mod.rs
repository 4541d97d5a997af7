//! Configuration: one TOML file, one schema, and answers that say what is wrong, where, and what
//! to do.
//!
//! ```text
//!   file ──► document ──► schema ──► check ──► complete ──► Config
//!            text with    types,     meaning   defaults that     │
//!            its lines    unknown    (names,   follow from       └─► to_toml: what `--check` prints,
//!                         keys       overlaps) other values          which loads as itself
//! ```
//!
//! Paths in the file are relative to the file. A loaded [`Config`] has them absolute, has every
//! default filled in, and its policy file has been checked with it.

mod aaa;
mod address;
mod check;
mod cmd;
mod distributed;
pub(crate) mod document;
mod heartbeat;
mod maar;
mod revocation;
mod role;
mod schema;

pub use aaa::{Aaa, AaaClient, AaaDynamic, AaaServer, Unreachable};
pub use address::{
    bits, covers, is_link_local, masked, nobodys, overlap, BadInterfaceAddress, BadPrefix,
    InterfaceAddress, Ipv6Prefix, Prefix,
};
pub use cmd::{Cmd, Maar};
pub use distributed::{FindBy, MaarDistributed};
pub use document::{Error, Problem};
pub use heartbeat::{DomainHeartbeat, LmaHeartbeat, MagHeartbeat};
pub use maar::{Expiry, MaarDhcpv6, MaarNeighbour, MaarRole};
pub use revocation::Revocation;
pub use role::{
    AttachOn, Dhcpv4, Dhcpv4Relay, Dhcpv6, Gre, Ipv4Network, LearnFrom, Lma, LmaDomain, Mag, Pool,
};
pub use schema::{
    Authentication, Config, Eal, ErrorSource, Gateway, Handoff, Hugepages, Idle, Interface,
    InterfaceKind, Management, Port, Route, Rx, Store, Tables, Workers,
};

use crate::authentication::{self, Associations};
use crate::policy::{self, FilePolicy};
use dataplane::key::InterfaceId;
use document::Document;
use roles::cmd::MaarPeer;
use roles::domain::DomainName;
use roles::policy::LmaPolicy;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};

/// Octets of an IPv6 header: what a tunnel takes from its link's MTU.
const OUTER_HEADER: u16 = 40;

/// The smallest MTU that IPv6 allows (RFC 8200 section 5).
const MIN_MTU: u16 = 1280;

/// The least that a tunnel carries whole: what is larger and no larger than [`MIN_MTU`] goes in fragments
/// (RFC 2473 section 7.1).
const MIN_TUNNEL_MTU: u16 = MIN_MTU - OUTER_HEADER;

/// Where a gateway keeps what is to survive it.
const STATE_DIRECTORY: &str = "/var/lib/anchorage";

/// What the machine has that a configuration can ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Cores that this process may run on; empty: not known, and not asked about.
    pub cores: Vec<usize>,
}

impl Machine {
    /// This machine. The cores are those of the calling thread's affinity mask, so call it before
    /// the mask is narrowed.
    pub fn this() -> Self {
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        Self {
            cores: cores.into_iter().map(|core| core.id).collect(),
        }
    }
}

/// The role that a configuration gives the gateway.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Role<'a> {
    /// Local mobility anchor.
    Lma(&'a Lma),
    /// Mobile access gateway.
    Mag(&'a Mag),
    /// Mobility anchor and access router.
    Maar(&'a MaarRole),
    /// Central mobility database.
    Cmd(&'a Cmd),
}

impl Role<'_> {
    /// `lma`, `mag`, `maar` or `cmd`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Lma(_) => "lma",
            Self::Mag(_) => "mag",
            Self::Maar(_) => "maar",
            Self::Cmd(_) => "cmd",
        }
    }

    /// The role's address: LMAA, Proxy-CoA, that of a MAAR, or where MAARs register hosts.
    pub const fn address(&self) -> Ipv6Addr {
        match self {
            Self::Lma(lma) => lma.address,
            Self::Mag(mag) => mag.address,
            Self::Maar(maar) => maar.address,
            Self::Cmd(cmd) => cmd.address,
        }
    }

    /// The role's policy file, if it has one of its own.
    pub fn policy(&self) -> Option<&Path> {
        match self {
            Self::Lma(lma) => Some(&lma.policy),
            Self::Mag(mag) => Some(&mag.policy),
            Self::Maar(maar) => Some(&maar.policy),
            Self::Cmd(_) => None,
        }
    }

    /// Largest packet in octets that the role's tunnels carry whole, as a loaded configuration has it.
    pub fn tunnel_mtu(&self) -> u16 {
        let configured = match self {
            Self::Lma(lma) => lma.tunnel_mtu,
            Self::Mag(mag) => mag.tunnel_mtu,
            Self::Maar(maar) => maar.tunnel_mtu,
            Self::Cmd(_) => None,
        };
        configured.unwrap_or(MIN_TUNNEL_MTU)
    }
}

/// What a role's policy file says.
#[derive(Clone, Debug)]
pub enum Policy {
    /// Which MAGs and hosts an LMA serves.
    Lma(LmaPolicy),
    /// Who may attach at a MAG or MAAR.
    Mag(FilePolicy),
    /// The MAARs that a CMD tells of one another; they stand in the configuration itself.
    Cmd(Vec<MaarPeer>),
}

impl Config {
    /// Reads, checks and completes a configuration, and checks its policy file. `file` is relative
    /// to the working directory.
    ///
    /// # Errors
    /// All that is wrong with it, each as `file:line: what; what to do`.
    pub fn load(file: &Path) -> Result<Self, Error> {
        Self::load_for(file, &Machine::this())
    }

    /// The same for a gateway that will run on `machine`.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_for(file: &Path, machine: &Machine) -> Result<Self, Error> {
        let (mut document, mut config) = Document::read::<Self>(file)?;
        check::check(&mut document, &config, machine);
        if let Some(it) = &config.aaa {
            let directory = file.parent().unwrap_or(Path::new(""));
            aaa::check(&mut document, &config, it, directory);
        }
        document.finish()?;
        config.complete(file.parent().unwrap_or(Path::new("")));
        config.load_policy()?;
        config.load_associations()?;
        Ok(config)
    }

    /// Reads the file again for a gateway that runs. Its workers stay where they are, and the
    /// calling thread may be kept from their cores by now, so nothing is asked about cores.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn reload(file: &Path) -> Result<Self, Error> {
        Self::load_for(file, &Machine::default())
    }

    /// That entry number `index` of `[[workers.rx]]` in `file` is wrong, as only the device could tell.
    pub fn wrong_rx(file: &Path, index: usize, message: String) -> Error {
        Document::wrong(
            file,
            document::place!["workers", "rx", index, "queues"],
            message,
        )
    }

    /// Fills in what follows from other values.
    fn complete(&mut self, directory: &Path) {
        let tunnel_mtu = self.link_mtu(self.role().address());
        let tunnel_mtu = tunnel_mtu.saturating_sub(OUTER_HEADER).max(MIN_TUNNEL_MTU);
        let rebase = |path: &mut PathBuf| {
            let joined = directory.join(&*path);
            *path = std::path::absolute(&joined).unwrap_or(joined);
        };
        rebase(&mut self.gateway.socket);
        let hosts = self.mag.is_some() || self.maar.is_some();
        self.tables.complete(hosts);
        if let Some(store) = &mut self.store {
            let name = format!("{STATE_DIRECTORY}/{}.redb", self.gateway.name);
            rebase(store.path.get_or_insert_with(|| name.into()));
        }
        if let Some(aaa) = &mut self.aaa {
            aaa.complete(&self.gateway.name, rebase);
        }
        if let Some(authentication) = &mut self.authentication {
            rebase(&mut authentication.keys);
        }
        if let Some(lma) = &mut self.lma {
            rebase(&mut lma.policy);
            lma.tunnel_mtu.get_or_insert(tunnel_mtu);
            // The anchor's own address tells nothing of where a host is.
            let address = lma.address;
            let ipv4 = None;
            self.error_source
                .get_or_insert(ErrorSource { address, ipv4 });
        }
        if let Some(mag) = &mut self.mag {
            rebase(&mut mag.policy);
            mag.tunnel_mtu.get_or_insert(tunnel_mtu);
        }
        if let Some(maar) = &mut self.maar {
            rebase(&mut maar.policy);
            maar.tunnel_mtu.get_or_insert(tunnel_mtu);
        }
    }

    /// The configured role. Checking has seen to it that there is exactly one.
    pub fn role(&self) -> Role<'_> {
        match (&self.lma, &self.mag, &self.maar, &self.cmd) {
            (Some(lma), ..) => Role::Lma(lma),
            (None, Some(mag), ..) => Role::Mag(mag),
            (None, None, Some(maar), _) => Role::Maar(maar),
            (None, None, None, Some(cmd)) => Role::Cmd(cmd),
            (None, None, None, None) => {
                unreachable!("a configuration without a role does not load")
            }
        }
    }

    /// What says how much there is room for, and how much that is: what to raise when it is not enough.
    pub fn room(&self) -> String {
        let tables = &self.tables;
        let (bindings, tunnels) = (tables.bindings, tables.tunnels);
        let adjacencies = tables.adjacencies();
        let neighbours = Tables::neighbours(adjacencies);
        match self.role() {
            Role::Cmd(cmd) => format!("capacity = {} in [cmd]", cmd.capacity),
            Role::Lma(_) => format!("bindings = {bindings} or tunnels = {tunnels} in [tables]"),
            Role::Mag(_) | Role::Maar(_) => format!(
                "bindings = {bindings}, tunnels = {tunnels} or adjacencies = {adjacencies} in [tables], {neighbours} of \
                 which are for neighbours"
            ),
        }
    }

    /// Reads the role's policy file, at start and for every reload.
    ///
    /// # Errors
    /// All that is wrong with it, as [`load`](Self::load) says it. What was read before stays
    /// whole: nothing is half taken.
    pub fn load_policy(&self) -> Result<Policy, Error> {
        match self.role() {
            Role::Lma(lma) => {
                let over_ipv4 = lma.ipv4_address.is_some();
                let domains: Vec<_> = lma.domain.iter().map(|it| it.name).collect();
                policy::load_lma(&lma.policy, over_ipv4, &domains).map(Policy::Lma)
            }
            Role::Mag(mag) => {
                let over_ipv4 = mag.ipv4_address.is_some();
                FilePolicy::load(&mag.policy, over_ipv4).map(Policy::Mag)
            }
            Role::Maar(maar) => {
                let anchor = maar.cmd.unwrap_or(maar.address);
                policy::load_maar(&maar.policy, anchor).map(Policy::Mag)
            }
            Role::Cmd(cmd) => Ok(Policy::Cmd(cmd.maars())),
        }
    }

    /// Reads the keys that we share with other gateways, at start and for every reload.
    ///
    /// # Errors
    /// All that is wrong with the file, as [`load`](Self::load) says it, or that others may read it.
    pub fn load_associations(&self) -> Result<Associations, Error> {
        match &self.authentication {
            Some(it) => authentication::load(&it.keys, it.required),
            None => Ok(Associations::default()),
        }
    }

    /// The effective configuration as TOML: every default filled in, paths absolute. Loading it
    /// gives the same configuration.
    pub fn to_toml(&self) -> String {
        // The schema has no map with keys other than text and no bare null: it always serialises.
        toml::to_string(self).unwrap_or_else(|error| format!("# {error}\n"))
    }

    /// Identifier of the interface of that name.
    pub fn interface_id(&self, name: &str) -> Option<InterfaceId> {
        let index = self.interface.iter().position(|it| it.name == name)?;
        u16::try_from(index).ok().map(InterfaceId)
    }

    /// The port of that name.
    pub fn port(&self, name: &str) -> Option<&Port> {
        self.port.iter().find(|port| port.name == name)
    }

    /// The domain of the interface with this index, if it is of one.
    pub fn domain_of(&self, interface: usize) -> Option<DomainName> {
        self.interface.get(interface)?.domain
    }

    /// The domain that a route is of, if it is of one: that of its interface unless it says so itself.
    pub fn domain_of_route(&self, route: &Route) -> Option<DomainName> {
        let named = route.interface.as_ref();
        let interface = named.and_then(|name| self.interface.iter().find(|it| it.name == *name));
        route.domain.or_else(|| interface.and_then(|it| it.domain))
    }

    /// Index of the interface on whose link `address` is, among those of a domain or of none: that with the
    /// longest on-link prefix.
    pub fn on_link(&self, domain: Option<DomainName>, address: impl Into<IpAddr>) -> Option<usize> {
        let address = address.into();
        let links = self.interface.iter().enumerate();
        let links = links.filter(|(_, it)| it.domain == domain);
        let links = links.flat_map(|(index, it)| {
            let prefixes = it.addresses.iter().map(InterfaceAddress::on_link);
            prefixes.map(move |prefix| (prefix, index))
        });
        links
            .filter(|(prefix, _)| prefix.contains(address))
            .max_by_key(|(prefix, _)| prefix.length)
            .map(|(_, index)| index)
    }

    /// Index of the interface of the common network that has `address` as its own.
    pub fn owner(&self, address: impl Into<IpAddr>) -> Option<usize> {
        self.owner_in(None, address)
    }

    /// Index of the interface of a domain, or of none, that has `address` as its own.
    pub fn owner_in(
        &self,
        domain: Option<DomainName>,
        address: impl Into<IpAddr>,
    ) -> Option<usize> {
        let address = address.into();
        let owns = |it: &Interface| it.addresses.iter().any(|own| own.address == address);
        let owns = |it: &Interface| it.domain == domain && owns(it);
        self.interface.iter().position(owns)
    }

    /// MTU in octets of the link that our own `address` is on; IPv6's minimum when it is on none.
    fn link_mtu(&self, address: Ipv6Addr) -> u16 {
        let interface = self
            .owner(address)
            .and_then(|index| self.interface.get(index));
        let port = interface.and_then(|interface| self.port(&interface.port));
        port.map_or(MIN_MTU, |port| port.mtu)
    }
}
