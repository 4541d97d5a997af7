//! The addresses of hosts: how they become known, and whose they are (S1-25, S1-29, S1-36, S1-37,
//! S1-39).
//!
//! ```text
//!   packet, duplicate address detection, lease
//!        │
//!        ├── another host's, which is served here ──► contested; defended if it was asked for
//!        │
//!        ├── the host is not bound yet ──► noted ──► bound ──┐
//!        │                                                   │
//!        └── of its home network prefixes? ◄─────────────────┘
//!                 │ no              │ yes
//!                 ▼                 ▼
//!              refused           learned, its anchor is told
//! ```
//!
//! A link-local address is the host's own affair and is always taken note of: solicited advertisements
//! and the question whether a host is still there go to it. What the rest is learned from is
//! configured ([`LearnFrom`]), and a profile may forbid it. Forwarding goes by the prefix, so that a host
//! whose address is not learned is served all the same.

use super::counters::MagCounter;
use super::visitor::{Held, Host, Registration, Visitor};
use super::{LearnFrom, Mag};
use crate::effect::{Effect, Learned, Notice};
use crate::event::{HostLink, Sign};
use crate::Now;
use std::net::{IpAddr, Ipv6Addr};
use wire::mh::HomeNetworkPrefix;

/// How many addresses of a host are remembered beside its link-local one, and how many that it may not
/// have.
const ADDRESSES: usize = 8;

/// Where an address is one host's: anywhere, or on its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    interface: Option<u16>,
    address: Ipv6Addr,
}

impl Place {
    fn of(link: HostLink, address: Ipv6Addr) -> Self {
        let local = address.is_unicast_link_local();
        Self {
            interface: local.then_some(link.interface),
            address,
        }
    }
}

fn covers(prefixes: &[HomeNetworkPrefix], address: Ipv6Addr) -> bool {
    let within = |prefix: &HomeNetworkPrefix| {
        let differ = prefix.prefix.to_bits() ^ address.to_bits();
        differ.leading_zeros() >= u32::from(prefix.length)
    };
    prefixes.iter().any(within)
}

impl LearnFrom {
    /// Whether what is learned so needs nobody's leave.
    pub(super) const fn always(by: Learned) -> bool {
        matches!(by, Learned::Dhcp)
    }

    /// Whether an address of a host may be learned so.
    const fn lets(self, registration: &Registration, by: Learned) -> bool {
        match by {
            Learned::Dad => self.dad && registration.profile.learn_addresses,
            Learned::Packet => self.packet && registration.profile.learn_addresses,
            Learned::Dhcp => true,
        }
    }
}

impl Mag {
    /// Takes a host out of the visitor list, and its addresses out of the books.
    pub(super) fn remove(&mut self, link: HostLink) -> Option<Visitor> {
        let visitor = self.visitors.remove(&link)?;
        let host = &visitor.host;
        let others = host.addresses.iter().map(|held| held.address);
        for address in host.link_local.into_iter().chain(others) {
            self.vacate(link, address);
        }
        Some(*visitor)
    }

    /// Enters the addresses of a host that was known before a restart.
    pub(super) fn occupy(&mut self, host: &Host) {
        let others = host.addresses.iter().map(|held| held.address);
        for address in host.link_local.into_iter().chain(others) {
            self.by_address
                .insert(Place::of(host.link, address), host.link);
        }
    }

    fn vacate(&mut self, link: HostLink, address: Ipv6Addr) {
        let place = Place::of(link, address);
        if self.by_address.get(&place) == Some(&link) {
            self.by_address.remove(&place);
        }
    }

    /// Whether an address is that of another host, which is served.
    fn is_taken(&self, link: HostLink, address: Ipv6Addr) -> bool {
        let holder = self.by_address.get(&Place::of(link, address));
        let holder = holder.filter(|&&holder| holder != link);
        let visitor = holder.and_then(|holder| self.visitors.get(holder));
        let registration = visitor.and_then(|visitor| visitor.registration.as_ref());
        registration.is_some_and(|registration| registration.bound.is_some())
    }

    /// Takes note of what a sign of a host in the visitor list tells.
    pub(super) fn note(&mut self, now: Now, link: HostLink, sign: Sign, effects: &mut Vec<Effect>) {
        let (address, by) = match sign {
            Sign::RouterSolicitation { source } => {
                if let Some(visitor) = self.visitors.get_mut(&link) {
                    let usable = source.is_unicast_link_local();
                    let answer = if usable {
                        source
                    } else {
                        Ipv6Addr::UNSPECIFIED
                    };
                    visitor.host.solicited = Some(answer);
                }
                (source, Learned::Packet)
            }
            Sign::Packet { source } => (source, Learned::Packet),
            Sign::Probe { target } => (target, Learned::Dad),
            Sign::Operator => return,
        };
        self.learn(now, link, address, by, effects);
    }

    fn learn(
        &mut self,
        now: Now,
        link: HostLink,
        address: Ipv6Addr,
        by: Learned,
        effects: &mut Vec<Effect>,
    ) {
        if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
            return;
        }
        if self.is_taken(link, address) {
            if by == Learned::Dad {
                self.core.counters.add(MagCounter::AddressesDefended);
                let target = address;
                effects.push(Effect::Defend { link, target });
            } else {
                self.core.counters.add(MagCounter::AddressesContested);
            }
            return;
        }
        let Some(visitor) = self.visitors.get_mut(&link) else {
            return;
        };
        if visitor.host.has(address) {
            return;
        }
        if address.is_unicast_link_local() {
            let before = visitor.host.link_local.replace(address);
            if let Some(registration) = &visitor.registration {
                effects.push(visitor.host.watch());
                effects.extend(registration.store(now, &visitor.host));
            }
            if let Some(before) = before {
                self.vacate(link, before);
            }
            self.by_address.insert(Place::of(link, address), link);
            return;
        }
        match visitor.registration.as_mut() {
            // It is the host's to give addresses of what is delegated to it.
            Some(registration) if covers(&registration.delegated, address) => {}
            Some(registration) if registration.bound.is_some() => {
                let covered = covers(&registration.prefixes, address);
                if !self.core.config.learn_from.lets(registration, by) {
                    return;
                }
                if covered {
                    self.take(now, link, address, by, effects);
                } else {
                    self.refuse_address(link, address, effects);
                }
            }
            registration => {
                // Its prefixes tell whether it may have it.
                if let Some(registration) = registration {
                    if !self.core.config.learn_from.lets(registration, by) {
                        return;
                    }
                    registration.untold = true;
                }
                self.hold(link, address, by);
            }
        }
    }

    /// Remembers an address; whether another had to make room.
    fn hold(&mut self, link: HostLink, address: Ipv6Addr, by: Learned) -> bool {
        let full = self.hold_one(link, address, by);
        self.name_addresses(link);
        full
    }

    fn hold_one(&mut self, link: HostLink, address: Ipv6Addr, by: Learned) -> bool {
        let Some(visitor) = self.visitors.get_mut(&link) else {
            return false;
        };
        let addresses = &mut visitor.host.addresses;
        let full = addresses.len() >= ADDRESSES;
        let oldest = full.then(|| {
            // Leases tell when they end, others are forgotten before them.
            let learned = addresses.iter().position(|held| held.by != Learned::Dhcp);
            addresses.remove(learned.unwrap_or(0)).address
        });
        addresses.push(Held {
            address,
            by,
            announced: false,
        });
        if let Some(oldest) = oldest {
            self.vacate(link, oldest);
        }
        self.by_address.insert(Place::of(link, address), link);
        full
    }

    /// A served host has an address that it may have: its anchor is told. Of a host that has more than
    /// are remembered it is told with the next refresh, or else it would be told without end.
    fn take(
        &mut self,
        now: Now,
        link: HostLink,
        address: Ipv6Addr,
        by: Learned,
        effects: &mut Vec<Effect>,
    ) {
        let crowded = self.hold(link, address, by);
        self.announce(link, effects);
        let Some(visitor) = self.visitors.get_mut(&link) else {
            return;
        };
        let Visitor {
            host,
            registration: Some(registration),
            ..
        } = visitor.as_mut()
        else {
            return;
        };
        registration.untold = true;
        if host.link_local.is_none() {
            effects.push(host.watch());
        }
        if !crowded {
            self.extend(now, link, effects);
        }
    }

    /// Says which addresses of a served host have become known.
    fn announce(&mut self, link: HostLink, effects: &mut Vec<Effect>) {
        let Some(Visitor {
            host,
            registration: Some(registration),
            ..
        }) = self.visitors.get_mut(&link).map(Box::as_mut)
        else {
            return;
        };
        for held in host.addresses.iter_mut().filter(|held| !held.announced) {
            held.announced = true;
            self.core.counters.add(MagCounter::AddressesLearned);
            let notice = Notice::AddressLearned {
                link,
                mn_identifier: registration.list.mn_identifier.clone(),
                address: held.address,
                by: held.by,
            };
            effects.push(Effect::Notify { notice });
        }
    }

    /// A host claims an address that it may not have. It is said once for each address.
    fn refuse_address(&mut self, link: HostLink, address: Ipv6Addr, effects: &mut Vec<Effect>) {
        self.core.counters.add(MagCounter::AddressesRefused);
        let Some(Visitor {
            host,
            registration: Some(registration),
            ..
        }) = self.visitors.get_mut(&link).map(Box::as_mut)
        else {
            return;
        };
        if host.refused.contains(&address) {
            return;
        }
        if host.refused.len() >= ADDRESSES {
            host.refused.remove(0);
        }
        host.refused.push(address);
        let notice = Notice::AddressRefused {
            link,
            mn_identifier: registration.list.mn_identifier.clone(),
            address,
            why: "it is not of its home network prefixes".to_owned(),
        };
        effects.push(Effect::Notify { notice });
    }

    /// The prefixes of a host are known now, or are others than before: looks at its addresses again.
    pub(super) fn review(&mut self, link: HostLink, effects: &mut Vec<Effect>) {
        let visitor = self.visitors.get(&link);
        let Some((visitor, registration)) =
            visitor.and_then(|visitor| Some((visitor, visitor.registration.as_ref()?)))
        else {
            return;
        };
        let from = self.core.config.learn_from;
        let stays = |held: &Held| {
            let covered = covers(&registration.prefixes, held.address);
            covered && from.lets(registration, held.by)
        };
        let (kept, gone): (Vec<Held>, Vec<Held>) =
            visitor.host.addresses.iter().partition(|held| stays(held));
        let foreign: Vec<Ipv6Addr> = gone
            .iter()
            .filter(|held| !covers(&registration.prefixes, held.address))
            .map(|held| held.address)
            .collect();
        if let Some(visitor) = self.visitors.get_mut(&link) {
            visitor.host.addresses = kept;
        }
        for held in gone {
            self.vacate(link, held.address);
        }
        self.name_addresses(link);
        for address in foreign {
            self.refuse_address(link, address, effects);
        }
        self.announce(link, effects);
    }

    /// Its anchor has answered: tells it of the addresses that have become known meanwhile.
    pub(super) fn tell_untold(&mut self, now: Now, link: HostLink, effects: &mut Vec<Effect>) {
        let visitor = self.visitors.get_mut(&link);
        let registration = visitor.and_then(|visitor| visitor.registration.as_mut());
        if registration.is_some_and(|registration| std::mem::take(&mut registration.untold)) {
            self.extend(now, link, effects);
        }
    }

    /// A DHCP server leased addresses to a host, or some of its leases have ended (S1-39).
    pub(super) fn on_leases(
        &mut self,
        now: Now,
        link: HostLink,
        server: Option<IpAddr>,
        (granted, ended): (&[Ipv6Addr], &[Ipv6Addr]),
        effects: &mut Vec<Effect>,
    ) {
        let visitor = self.visitors.get_mut(&link);
        let Some((host, registration)) =
            visitor.and_then(|visitor| Some((&mut visitor.host, visitor.registration.as_mut()?)))
        else {
            return self.core.counters.add(MagCounter::LeasesUnexpected);
        };
        if registration.bound.is_none() {
            return self.core.counters.add(MagCounter::LeasesUnexpected);
        }
        registration.dhcp_server = server.or(registration.dhcp_server);
        for held in &mut host.addresses {
            if granted.contains(&held.address) {
                held.by = Learned::Dhcp;
            }
        }
        host.addresses.retain(|held| !ended.contains(&held.address));
        for &address in ended {
            self.vacate(link, address);
        }
        self.name_addresses(link);
        for &address in granted {
            self.learn(now, link, address, Learned::Dhcp, effects);
        }
    }
}
