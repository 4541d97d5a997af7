//! The DHCPv6 relay agent (RFC 8415 section 19).
//!
//! What a host has leased follows it, for its gateways look the same to the server: a link address of
//! the host's home network prefix, formed from the router's link-layer address that all gateways show.
//! The Interface-Id names interface and link-layer address here, and comes back with the answer.
//!
//! A server is believed when it is configured and when it answers what was asked, and only in what fits
//! the host's home network prefixes: an address of them, or a delegated prefix within one that is
//! shorter than a link's. A prefix is delegated also from where the operator lets servers delegate from;
//! the anchor is told of it, and has the last word (RFC 7148). Anything else is taken out of the answer,
//! which then says that there is none.
//!
//! A host can ask for more than it needs (starvation). What it may ask in a time is bounded, alone and
//! together with others, and so is under how many names (DUIDs): more than a few are more clients than
//! one host has.

use crate::counters::Counter;
use crate::engine::limit::Limit;
use hashbrown::HashMap;
use roles::event::HostLink;
use std::collections::VecDeque;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::dhcpv6::{
    associations, code, kind, mend, put, relay_header, with_former, ClientMessage, FormerLease,
    Lease, RelayMessage,
};
use wire::ether::MacAddr;
use wire::mh::HomeNetworkPrefix;

/// Names under which one host may ask.
const NAMES: usize = 4;

/// Questions of one host that an answer may come to.
const QUESTIONS: usize = 8;

/// Ethernet, as option 79 has it.
const HARDWARE_ETHERNET: [u8; 2] = [0, 1];

/// How a relay agent is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Our address on the core: where servers answer to.
    pub address: Ipv6Addr,
    /// The servers. Each hears of every message.
    pub servers: Vec<Ipv6Addr>,
    /// What they may delegate from.
    pub delegates: Vec<HomeNetworkPrefix>,
}

/// What a relay agent has to know of a host that is served.
#[derive(Clone, Copy, Debug)]
pub struct Served<'a> {
    /// Where it is.
    pub link: HostLink,
    /// Its home network prefixes.
    pub prefixes: &'a [HomeNetworkPrefix],
    /// Interface identifier of the address that we have on its link: the router's, which all gateways
    /// show, or that which MAARs have in each of their prefixes.
    pub identifier: u64,
    /// What it has leased at other gateways.
    pub former: &'a [FormerLease],
}

/// Whom a server's message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addressed<'a> {
    /// The name: that of a client whose message a relay agent passed on.
    pub name: &'a [u8],
    /// Whether it leases something; an Advertise only offers (RFC 8415 section 16.3).
    pub leases: bool,
}

impl<'a> Addressed<'a> {
    /// Reads as much of a relay agent's message.
    pub fn of(bytes: &'a [u8]) -> Option<Self> {
        let relayed = RelayMessage::parse(bytes).ok()?;
        let message = ClientMessage::parse(relayed.options.first(code::RELAY_MESSAGE)?).ok()?;
        Some(Self {
            name: message.options.first(code::CLIENT_ID)?,
            leases: message.kind == kind::REPLY,
        })
    }
}

/// A message that is about leases: its name and associations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The client's name.
    pub name: Vec<u8>,
    /// Its identity associations for addresses.
    pub associations: Vec<u32>,
}

/// A message on its way to servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The message.
    pub message: Vec<u8>,
    /// Addresses that the host gives back by it.
    pub released: Vec<Ipv6Addr>,
    /// Delegated prefixes that it gives back.
    pub withdrawn: Vec<HomeNetworkPrefix>,
    /// Who asks for addresses by it, if it does.
    pub asker: Option<Asker>,
}

/// A message on its way to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The host's address.
    pub to: Ipv6Addr,
    /// The message.
    pub message: Vec<u8>,
    /// Addresses that are leased to it.
    pub granted: Vec<Ipv6Addr>,
    /// Addresses that no longer are.
    pub ended: Vec<Ipv6Addr>,
    /// Prefixes that are delegated to it.
    pub delegated: Vec<HomeNetworkPrefix>,
    /// Prefixes that no longer are.
    pub withdrawn: Vec<HomeNetworkPrefix>,
    /// Whether something was taken out that it must not have.
    pub mended: bool,
}

/// What is known of a host that asked.
#[derive(Clone, Debug)]
struct Client {
    limit: Limit,
    names: Vec<Vec<u8>>,
    questions: VecDeque<[u8; 3]>,
}

impl Client {
    fn new() -> Self {
        Self {
            limit: Limit::new(8, Duration::from_millis(500)),
            names: Vec::new(),
            questions: VecDeque::new(),
        }
    }

    /// Whether the host may ask under this name.
    fn knows(&mut self, name: &[u8]) -> bool {
        if self.names.iter().any(|known| known == name) {
            return true;
        }
        let room = self.names.len() < NAMES;
        if room {
            self.names.push(name.to_vec());
        }
        room
    }

    fn asked(&mut self, transaction: [u8; 3]) {
        if self.questions.contains(&transaction) {
            return;
        }
        if self.questions.len() == QUESTIONS {
            self.questions.pop_front();
        }
        self.questions.push_back(transaction);
    }
}

/// The relay agent of a gateway.
#[derive(Clone, Debug)]
pub struct Relay {
    settings: Settings,
    clients: HashMap<HostLink, Client>,
    total: Limit,
}

impl Relay {
    /// A relay agent that nobody has asked anything.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            clients: HashMap::new(),
            total: Limit::new(512, Duration::from_millis(1)),
        }
    }

    /// How it is set up.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Forgets a host that has left.
    pub fn forget(&mut self, link: HostLink) {
        self.clients.remove(&link);
    }

    /// A message of a host that is served, from its address `peer`.
    ///
    /// # Errors
    /// Why it is not passed on.
    pub fn from_host(
        &mut self,
        now: Duration,
        host: Served<'_>,
        peer: Ipv6Addr,
        bytes: &[u8],
    ) -> Result<Forward, Counter> {
        let link_address = link_address(host).ok_or(Counter::DhcpUnserved)?;
        match bytes.first() {
            None => return Err(Counter::DhcpMalformed),
            Some(
                &(kind::SOLICIT
                | kind::REQUEST
                | kind::CONFIRM
                | kind::RENEW
                | kind::REBIND
                | kind::RELEASE
                | kind::DECLINE
                | kind::INFORMATION_REQUEST),
            ) => {}
            // A host is no server and no relay agent.
            Some(_) => return Err(Counter::DhcpSpoofed),
        }
        let message = ClientMessage::parse(bytes).map_err(|_| Counter::DhcpMalformed)?;
        let client = self.clients.entry(host.link).or_insert_with(Client::new);
        if !client.limit.take(now) {
            return Err(Counter::DhcpLimited);
        }
        match message.options.first(code::CLIENT_ID) {
            Some(name) if !client.knows(name) => return Err(Counter::DhcpStarved),
            Some(_) => {}
            None if message.kind == kind::INFORMATION_REQUEST => {}
            None => return Err(Counter::DhcpMalformed),
        }
        if !self.total.take(now) {
            return Err(Counter::DhcpLimited);
        }
        client.asked(message.transaction);
        let mut relayed = relay_header(kind::RELAY_FORWARD, 0, link_address, peer);
        let mac = host.link.mac.0;
        let layer: [&[u8]; 2] = [&HARDWARE_ETHERNET, &mac];
        let whole = put(code::RELAY_MESSAGE, &[bytes], &mut relayed)
            && put(
                code::INTERFACE_ID,
                &[&interface_name(host.link)],
                &mut relayed,
            )
            && put(code::CLIENT_LINK_LAYER, &layer, &mut relayed);
        if !whole {
            return Err(Counter::DhcpMalformed);
        }
        let leases = match message.kind {
            kind::RELEASE | kind::DECLINE => mend(bytes, |_| true).leases,
            _ => Vec::new(),
        };
        let asks = matches!(
            message.kind,
            kind::SOLICIT | kind::REQUEST | kind::RENEW | kind::REBIND
        );
        let name = message.options.first(code::CLIENT_ID).filter(|_| asks);
        Ok(Forward {
            asker: name.map(|name| Asker {
                name: name.to_vec(),
                associations: associations(bytes),
            }),
            message: relayed,
            released: addresses(&leases, |_| true),
            withdrawn: self.delegated(&leases, |_| true),
        })
    }

    /// Whether a lease is a prefix from where servers delegate. It is as long as that of a link at most:
    /// a host makes links of it.
    fn may_be_delegated(&self, lease: &Lease) -> bool {
        let Some(prefix) = HomeNetworkPrefix::new(lease.address, lease.length) else {
            return false;
        };
        let within = |range: &HomeNetworkPrefix| {
            range.length <= prefix.length && range.contains(prefix.prefix)
        };
        let delegates = self.settings.delegates.iter().any(within);
        lease.delegated && delegates && prefix.length <= 64 && prefix.prefix == lease.address
    }

    /// The prefixes among leases that the anchor is to be told of.
    fn delegated(
        &self,
        leases: &[Lease],
        which: impl Fn(&Lease) -> bool,
    ) -> Vec<HomeNetworkPrefix> {
        let which = leases
            .iter()
            .filter(|lease| self.may_be_delegated(lease) && which(lease));
        which
            .filter_map(|lease| HomeNetworkPrefix::new(lease.address, lease.length))
            .collect()
    }

    /// The host that a message from `server` is for.
    ///
    /// # Errors
    /// Why it is for none.
    pub fn addressee(&self, server: Ipv6Addr, bytes: &[u8]) -> Result<HostLink, Counter> {
        if !self.settings.servers.contains(&server) {
            return Err(Counter::DhcpStranger);
        }
        let relayed = RelayMessage::parse(bytes).map_err(|_| Counter::DhcpMalformed)?;
        // What we pass on has passed no other relay agent (RFC 8415 section 19.1.1).
        if relayed.kind != kind::RELAY_REPLY || relayed.hops != 0 {
            return Err(Counter::DhcpUnmatched);
        }
        let name = relayed.options.first(code::INTERFACE_ID);
        name.and_then(host_link).ok_or(Counter::DhcpUnmatched)
    }

    /// A message of a server for a host that is served: see [`addressee`](Self::addressee).
    ///
    /// # Errors
    /// Why it is not passed on.
    pub fn from_server(&self, host: Served<'_>, bytes: &[u8]) -> Result<Answer, Counter> {
        let relayed = RelayMessage::parse(bytes).map_err(|_| Counter::DhcpMalformed)?;
        let inner = relayed.options.first(code::RELAY_MESSAGE);
        let inner = inner.ok_or(Counter::DhcpMalformed)?;
        let message = ClientMessage::parse(inner).map_err(|_| Counter::DhcpMalformed)?;
        let client = self.clients.get(&host.link);
        let name = message.options.first(code::CLIENT_ID);
        let of_its = |client: &Client| {
            name.is_some_and(|name| client.names.iter().any(|known| known == name))
        };
        let expected = match message.kind {
            kind::ADVERTISE | kind::REPLY => client.is_some_and(|client| {
                let asked = client.questions.contains(&message.transaction);
                // Only who asks for no lease may ask without a name.
                asked && (name.is_none() || of_its(client))
            }),
            // Nobody has asked for it, but its client is one of this host's.
            kind::RECONFIGURE => client.is_some_and(of_its),
            _ => false,
        };
        let ours = Some(relayed.link) == link_address(host);
        if !expected || !ours || !relayed.peer.is_unicast_link_local() {
            return Err(Counter::DhcpUnmatched);
        }
        let fits = |lease: &Lease| {
            let own = host.prefixes.iter().any(|prefix| holds(*prefix, lease));
            let mut former = host.former.iter();
            let former = !lease.delegated && former.any(|it| it.address == lease.address);
            own || former || self.may_be_delegated(lease)
        };
        let completed = match message.kind {
            kind::REPLY => &with_former(inner, host.former)[..],
            _ => inner,
        };
        let mended = mend(completed, fits);
        let leases = match message.kind {
            kind::REPLY => mended.leases,
            _ => Vec::new(),
        };
        Ok(Answer {
            to: relayed.peer,
            granted: addresses(&leases, |lease| lease.valid > 0),
            ended: addresses(&leases, |lease| lease.valid == 0),
            delegated: self.delegated(&leases, |lease| lease.valid > 0),
            withdrawn: self.delegated(&leases, |lease| lease.valid == 0),
            mended: mended.emptied > 0,
            message: mended.bytes,
        })
    }
}

/// Whether what is leased lies within a prefix; as a whole it is the link's own, and not to be delegated
/// unless it is shorter than what a link has.
fn holds(prefix: HomeNetworkPrefix, lease: &Lease) -> bool {
    let differ = prefix.prefix.to_bits() ^ lease.address.to_bits();
    let within = differ.leading_zeros() >= u32::from(prefix.length);
    within && lease.length >= prefix.length && (!lease.delegated || prefix.length < 64)
}

fn addresses(leases: &[Lease], which: impl Fn(&Lease) -> bool) -> Vec<Ipv6Addr> {
    let which = leases
        .iter()
        .filter(|lease| !lease.delegated && which(lease));
    which.map(|lease| lease.address).collect()
}

/// An address of a host's home network prefix that is the same on every gateway; of those that can be a
/// link's, the first. At a MAAR its prefix is the MAAR's, and the address the one that it has on the host's
/// link (S2-39).
fn link_address(host: Served<'_>) -> Option<Ipv6Addr> {
    let mut links = host.prefixes.iter();
    let link = links.find(|prefix| prefix.length == 64);
    let link = link.or(host.prefixes.first())?;
    let id = u128::from(host.identifier);
    let id = if link.length <= 64 { id } else { 0 };
    Some(Ipv6Addr::from_bits(link.prefix.to_bits() | id))
}

/// The Interface-Id of a host's link: interface, then link-layer address.
fn interface_name(link: HostLink) -> [u8; 8] {
    let [a, b] = link.interface.to_be_bytes();
    let [c, d, e, f, g, h] = link.mac.0;
    [a, b, c, d, e, f, g, h]
}

fn host_link(name: &[u8]) -> Option<HostLink> {
    let &[a, b, c, d, e, f, g, h] = name else {
        return None;
    };
    Some(HostLink {
        interface: u16::from_be_bytes([a, b]),
        mac: MacAddr([c, d, e, f, g, h]),
    })
}
