//! How a visitor of an access gateway is written.
//!
//! ```text
//!   2 │ what is there (4) │ interface (2) │ MAC (6) │ sequence (2) │ refresh, ends: seconds (8), nanoseconds (4)
//!     │ LMA (16) │ identifier: subtype, length (2), octets │ prefixes: how many (2), each its length and 16 octets
//!     │ and what is there, in the order of its bits
//! ```

use super::{write_identifier, write_octets, write_prefixes, write_time, Reader, VISITOR};
use roles::effect::{Encapsulation, Ipv4Service, Learned};
use roles::event::HostLink;
use roles::mag::VisitorAddress;
use roles::policy::{Ipv4HomeAddress, Profile};
use roles::store::VisitorRecord;
use std::net::IpAddr;
use wire::ether::MacAddr;
use wire::mh::DhcpMode;

/// What a visitor may have or be, a bit each.
mod has {
    pub(super) const LINK_LOCAL: u32 = 1;
    pub(super) const ADDRESSES: u32 = 1 << 1;
    pub(super) const DHCP_SERVER: u32 = 1 << 2;
    /// Where there is a DHCP server: it is one of IPv4.
    pub(super) const DHCP_SERVER_IPV4: u32 = 1 << 3;
    pub(super) const DELEGATED: u32 = 1 << 4;
    pub(super) const IPV4: u32 = 1 << 5;
    pub(super) const UDP: u32 = 1 << 6;
    pub(super) const GRE: u32 = 1 << 7;
    pub(super) const GRE_KEYS: u32 = 1 << 8;
    /// What its profile has; the rest is of the profile too.
    pub(super) const NAMED_PREFIXES: u32 = 1 << 9;
    pub(super) const IPV4_HOME_ADDRESS: u32 = 1 << 10;
    pub(super) const SERVICE: u32 = 1 << 11;
    pub(super) const DOMAIN: u32 = 1 << 12;
    pub(super) const MANAGED: u32 = 1 << 13;
    pub(super) const OTHER: u32 = 1 << 14;
    pub(super) const IPV6: u32 = 1 << 15;
    pub(super) const LEARNS: u32 = 1 << 16;
    pub(super) const SIMULTANEOUS: u32 = 1 << 17;
    pub(super) const MOBILITY: u32 = 1 << 18;
    /// All that this version knows.
    pub(super) const KNOWN: u32 = (1 << 19) - 1;
}

fn present(visitor: &VisitorRecord) -> u32 {
    let encapsulation = match visitor.encapsulation {
        Encapsulation::Plain => 0,
        Encapsulation::Udp => has::UDP,
        Encapsulation::Gre { keys: None } => has::GRE,
        Encapsulation::Gre { keys: Some(_) } => has::GRE | has::GRE_KEYS,
    };
    let over_ipv4 = |server: IpAddr| server.is_ipv4();
    let profile = &visitor.profile;
    let flags = [
        (visitor.link_local.is_some(), has::LINK_LOCAL),
        (!visitor.addresses.is_empty(), has::ADDRESSES),
        (visitor.dhcp_server.is_some(), has::DHCP_SERVER),
        (
            visitor.dhcp_server.is_some_and(over_ipv4),
            has::DHCP_SERVER_IPV4,
        ),
        (!visitor.delegated.is_empty(), has::DELEGATED),
        (visitor.ipv4.is_some(), has::IPV4),
        (
            !profile.home_network_prefixes.is_empty(),
            has::NAMED_PREFIXES,
        ),
        (profile.ipv4_home_address.is_some(), has::IPV4_HOME_ADDRESS),
        (profile.service_selection.is_some(), has::SERVICE),
        (profile.domain.is_some(), has::DOMAIN),
        (profile.managed, has::MANAGED),
        (profile.other, has::OTHER),
        (profile.ipv6, has::IPV6),
        (profile.learn_addresses, has::LEARNS),
        (profile.simultaneous, has::SIMULTANEOUS),
        (profile.mobility, has::MOBILITY),
    ];
    let set = flags.iter().filter(|(is, _)| *is);
    set.fold(encapsulation, |all, (_, flag)| all | flag)
}

/// Writes a visitor behind what is there; none: a field is too long.
pub(super) fn write(visitor: &VisitorRecord, to: &mut Vec<u8>) -> Option<()> {
    let profile = &visitor.profile;
    to.push(VISITOR);
    to.extend(present(visitor).to_be_bytes());
    to.extend(visitor.link.interface.to_be_bytes());
    to.extend(visitor.link.mac.0);
    to.extend(visitor.sequence.to_be_bytes());
    write_time(visitor.refresh, to);
    write_time(visitor.ends, to);
    to.extend(profile.lma.octets());
    write_identifier(&profile.mn_identifier, to)?;
    write_prefixes(&visitor.prefixes, to)?;
    if let Some(address) = visitor.link_local {
        to.extend(address.octets());
    }
    if !visitor.addresses.is_empty() {
        to.extend(u16::try_from(visitor.addresses.len()).ok()?.to_be_bytes());
        for it in &visitor.addresses {
            to.push(match it.learned {
                Learned::Dad => 0,
                Learned::Packet => 1,
                Learned::Dhcp => 2,
            });
            to.extend(it.address.octets());
        }
    }
    match visitor.dhcp_server {
        Some(IpAddr::V6(server)) => to.extend(server.octets()),
        Some(IpAddr::V4(server)) => to.extend(server.octets()),
        None => {}
    }
    if !visitor.delegated.is_empty() {
        write_prefixes(&visitor.delegated, to)?;
    }
    if let Some(service) = visitor.ipv4 {
        to.extend(service.address.octets());
        to.push(service.prefix_length);
        to.extend(service.router.octets());
        to.push(u8::from(service.dhcp == DhcpMode::Server));
    }
    if let Encapsulation::Gre { keys: Some(keys) } = visitor.encapsulation {
        to.extend(keys.send.to_be_bytes());
        to.extend(keys.receive.to_be_bytes());
    }
    if !profile.home_network_prefixes.is_empty() {
        write_prefixes(&profile.home_network_prefixes, to)?;
    }
    if let Some(wanted) = profile.ipv4_home_address {
        to.extend(wanted.address.octets());
        to.push(wanted.length);
    }
    if let Some(service) = &profile.service_selection {
        write_octets(service.as_bytes(), to)?;
    }
    if let Some(domain) = profile.domain {
        write_octets(domain.as_str().as_bytes(), to)?;
    }
    Some(())
}

/// Reads a visitor; none: it is not whole, or of another kind.
pub(super) fn read(from: &mut Reader<'_>) -> Option<VisitorRecord> {
    let flags = from.octets().map(u32::from_be_bytes)?;
    let is = |flag| flags & flag != 0;
    if flags & !has::KNOWN != 0 {
        return None;
    }
    let interface = from.number()?;
    let mac = MacAddr(from.octets()?);
    let sequence = from.number()?;
    let (refresh, ends) = (from.time()?, from.time()?);
    let lma = from.address()?;
    let mn_identifier = from.identifier()?;
    let prefixes = from.prefixes()?;
    let link_local = match is(has::LINK_LOCAL) {
        true => Some(from.address()?),
        false => None,
    };
    let addresses = match is(has::ADDRESSES) {
        true => {
            let count = from.number()?;
            (0..count).map(|_| address(from)).collect::<Option<_>>()?
        }
        false => Vec::new(),
    };
    let dhcp_server = match (is(has::DHCP_SERVER), is(has::DHCP_SERVER_IPV4)) {
        (true, false) => Some(IpAddr::V6(from.address()?)),
        (true, true) => Some(IpAddr::V4(from.octets::<4>()?.into())),
        (false, false) => None,
        (false, true) => return None,
    };
    let delegated = match is(has::DELEGATED) {
        true => from.prefixes()?,
        false => Vec::new(),
    };
    let ipv4 = match is(has::IPV4) {
        true => Some(ipv4_service(from)?),
        false => None,
    };
    let (gre, keys) = (is(has::GRE), is(has::GRE_KEYS));
    let encapsulation = from.encapsulation(is(has::UDP), gre, keys)?;
    let home_network_prefixes = match is(has::NAMED_PREFIXES) {
        true => from.prefixes()?,
        false => Vec::new(),
    };
    let ipv4_home_address = match is(has::IPV4_HOME_ADDRESS) {
        true => {
            let address = from.octets::<4>()?.into();
            let [length] = from.octets()?;
            Some(Ipv4HomeAddress { address, length })
        }
        false => None,
    };
    let service_selection = match is(has::SERVICE) {
        true => Some(std::str::from_utf8(from.some()?).ok()?.to_owned()),
        false => None,
    };
    let domain = match is(has::DOMAIN) {
        true => Some(from.domain()?),
        false => None,
    };
    Some(VisitorRecord {
        link: HostLink { interface, mac },
        link_local,
        addresses,
        dhcp_server,
        profile: Profile {
            mn_identifier,
            lma,
            home_network_prefixes,
            managed: is(has::MANAGED),
            other: is(has::OTHER),
            ipv4_home_address,
            ipv6: is(has::IPV6),
            service_selection,
            domain,
            learn_addresses: is(has::LEARNS),
            simultaneous: is(has::SIMULTANEOUS),
            mobility: is(has::MOBILITY),
        },
        prefixes,
        delegated,
        ipv4,
        encapsulation,
        sequence,
        refresh,
        ends,
    })
}

fn address(from: &mut Reader<'_>) -> Option<VisitorAddress> {
    let learned = match from.octets()? {
        [0] => Learned::Dad,
        [1] => Learned::Packet,
        [2] => Learned::Dhcp,
        _ => return None,
    };
    let address = from.address()?;
    Some(VisitorAddress { address, learned })
}

fn ipv4_service(from: &mut Reader<'_>) -> Option<Ipv4Service> {
    let address = from.octets::<4>()?.into();
    let [prefix_length] = from.octets()?;
    let router = from.octets::<4>()?.into();
    let dhcp = match from.octets()? {
        [0] => DhcpMode::Relay,
        [1] => DhcpMode::Server,
        _ => return None,
    };
    Some(Ipv4Service {
        address,
        prefix_length,
        router,
        dhcp,
    })
}
