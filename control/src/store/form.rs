//! How a record is written.
//!
//! A binding of an anchor is what a store may have a million of, and what an anchor reads at its start before it
//! forwards. It has a form of its own, a third of the length of the general one and many times as fast to read:
//!
//! ```text
//!   1 │ what is there (2) │ session (8) │ care-of address (16) │ technology │ handoff │ sequence (2)
//!     │ ends: seconds (8), nanoseconds (4) │ identifier: subtype, length (2), octets │ prefixes: how many (2), each
//!     its length and 16 octets │ and what is there, in the order of its bits
//! ```
//!
//! Numbers are in network order. So has a visitor of an access gateway, of which there may be as many: see
//! [`visitor`]. Everything else is MessagePack, each field under its name; such a record begins with the octet of
//! a map of one entry, so they are told apart by their first. Older versions wrote bindings and visitors like that
//! too, and they are read.

#[cfg(test)]
mod tests;
mod visitor;

use roles::domain::DomainName;
use roles::effect::{Encapsulation, GreKeys};
use roles::lma::BindingKind;
use roles::store::{BindingRecord, Record};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::{AccessTechnology, HandoffIndicator, HomeNetworkPrefix, MnIdentifier, NtpTime};

/// The first octet of a binding, and of a visitor.
const BINDING: u8 = 1;
const VISITOR: u8 = 2;

/// Why a record cannot be written.
const TOO_LONG: &str = "a field is longer than 65535";

/// What a binding may have or be, a bit each.
mod has {
    pub(super) const DELEGATED: u16 = 1;
    pub(super) const HOME_ADDRESSES: u16 = 1 << 1;
    pub(super) const IPV4: u16 = 1 << 2;
    pub(super) const DOMAIN: u16 = 1 << 3;
    pub(super) const UDP: u16 = 1 << 4;
    pub(super) const GRE: u16 = 1 << 5;
    pub(super) const GRE_KEYS: u16 = 1 << 6;
    pub(super) const LINK_LAYER: u16 = 1 << 7;
    pub(super) const LINK_LOCAL: u16 = 1 << 8;
    pub(super) const TIMESTAMP: u16 = 1 << 9;
    pub(super) const ATTACHED: u16 = 1 << 10;
    pub(super) const PENDING: u16 = 1 << 11;
    /// By the host itself, and not by a gateway.
    pub(super) const MOBILE: u16 = 1 << 12;
    /// All that this version knows.
    pub(super) const KNOWN: u16 = (1 << 13) - 1;
}

/// Writes a record into `octets`, in the place of what is there.
///
/// # Errors
/// It cannot be written: why.
pub(super) fn encode(record: &Record, octets: &mut Vec<u8>) -> Result<(), String> {
    octets.clear();
    match record {
        Record::Binding(binding) => {
            write_binding(binding, octets).ok_or_else(|| TOO_LONG.to_owned())
        }
        Record::Visitor(it) => visitor::write(it, octets).ok_or_else(|| TOO_LONG.to_owned()),
        Record::Session(_) | Record::Node(_) => {
            rmp_serde::encode::write_named(octets, record).map_err(|error| error.to_string())
        }
    }
}

/// Reads a record.
///
/// # Errors
/// It is none: why.
pub(super) fn decode(octets: &[u8]) -> Result<Record, String> {
    match octets.split_first() {
        Some((&BINDING, rest)) => {
            let mut reader = Reader(rest);
            let binding = read_binding(&mut reader);
            let whole = binding.filter(|_| reader.0.is_empty());
            let whole =
                whole.ok_or_else(|| "a binding that is cut off or of another kind".to_owned());
            whole.map(Record::Binding)
        }
        Some((&VISITOR, rest)) => {
            let mut reader = Reader(rest);
            let visitor = visitor::read(&mut reader);
            let whole = visitor.filter(|_| reader.0.is_empty());
            let whole =
                whole.ok_or_else(|| "a visitor that is cut off or of another kind".to_owned());
            whole.map(Record::Visitor)
        }
        _ => rmp_serde::from_slice(octets).map_err(|error| error.to_string()),
    }
}

fn present(binding: &BindingRecord) -> u16 {
    let encapsulation = match binding.encapsulation {
        Encapsulation::Plain => 0,
        Encapsulation::Udp => has::UDP,
        Encapsulation::Gre { keys: None } => has::GRE,
        Encapsulation::Gre { keys: Some(_) } => has::GRE | has::GRE_KEYS,
    };
    let flags = [
        (!binding.delegated.is_empty(), has::DELEGATED),
        (!binding.home_addresses.is_empty(), has::HOME_ADDRESSES),
        (binding.ipv4_home_address.is_some(), has::IPV4),
        (binding.domain.is_some(), has::DOMAIN),
        (binding.link_layer.is_some(), has::LINK_LAYER),
        (!binding.link_local.is_unspecified(), has::LINK_LOCAL),
        (binding.timestamp.is_some(), has::TIMESTAMP),
        (binding.attached, has::ATTACHED),
        (binding.pending, has::PENDING),
        (binding.kind == BindingKind::Mobile, has::MOBILE),
    ];
    let set = flags.iter().filter(|(is, _)| *is);
    set.fold(encapsulation, |all, (_, flag)| all | flag)
}

fn write_binding(binding: &BindingRecord, to: &mut Vec<u8>) -> Option<()> {
    to.push(BINDING);
    to.extend(present(binding).to_be_bytes());
    to.extend(binding.session.to_be_bytes());
    to.extend(binding.care_of.octets());
    to.push(binding.access_technology.0);
    to.push(binding.handoff.0);
    to.extend(binding.sequence.to_be_bytes());
    write_time(binding.ends, to);
    write_identifier(&binding.mn_identifier, to)?;
    write_prefixes(&binding.prefixes, to)?;
    if !binding.delegated.is_empty() {
        write_prefixes(&binding.delegated, to)?;
    }
    if !binding.home_addresses.is_empty() {
        write_addresses(&binding.home_addresses, to)?;
    }
    if let Some(address) = binding.ipv4_home_address {
        to.extend(address.octets());
    }
    if let Some(domain) = binding.domain {
        write_octets(domain.as_str().as_bytes(), to)?;
    }
    if let Encapsulation::Gre { keys: Some(keys) } = binding.encapsulation {
        to.extend(keys.send.to_be_bytes());
        to.extend(keys.receive.to_be_bytes());
    }
    if let Some(identifier) = &binding.link_layer {
        write_octets(identifier, to)?;
    }
    if !binding.link_local.is_unspecified() {
        to.extend(binding.link_local.octets());
    }
    if let Some(timestamp) = binding.timestamp {
        to.extend(timestamp.0.to_be_bytes());
    }
    Some(())
}

fn write_time(time: Duration, to: &mut Vec<u8>) {
    to.extend(time.as_secs().to_be_bytes());
    to.extend(time.subsec_nanos().to_be_bytes());
}

fn write_identifier(identifier: &MnIdentifier, to: &mut Vec<u8>) -> Option<()> {
    match identifier {
        MnIdentifier::Nai(name) => {
            to.push(MnIdentifier::NAI);
            write_octets(name.as_bytes(), to)
        }
        MnIdentifier::Other { subtype, data } => {
            to.push(*subtype);
            write_octets(data, to)
        }
    }
}

fn write_addresses(addresses: &[Ipv6Addr], to: &mut Vec<u8>) -> Option<()> {
    to.extend(u16::try_from(addresses.len()).ok()?.to_be_bytes());
    to.extend(addresses.iter().flat_map(Ipv6Addr::octets));
    Some(())
}

fn write_octets(octets: &[u8], to: &mut Vec<u8>) -> Option<()> {
    to.extend(u16::try_from(octets.len()).ok()?.to_be_bytes());
    to.extend(octets);
    Some(())
}

fn write_prefixes(prefixes: &[HomeNetworkPrefix], to: &mut Vec<u8>) -> Option<()> {
    to.extend(u16::try_from(prefixes.len()).ok()?.to_be_bytes());
    for it in prefixes {
        to.push(it.length);
        to.extend(it.prefix.octets());
    }
    Some(())
}

/// What is still to be read. Nothing can be read beyond its end.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn octets<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u16> {
        self.octets().map(u16::from_be_bytes)
    }

    fn address(&mut self) -> Option<Ipv6Addr> {
        self.octets::<16>().map(Ipv6Addr::from)
    }

    /// A time since 1970. More nanoseconds than a second has would be carried over, and may be too much.
    fn time(&mut self) -> Option<Duration> {
        let seconds = self.octets().map(u64::from_be_bytes)?;
        let nanoseconds = self.octets().map(u32::from_be_bytes)?;
        (nanoseconds < 1_000_000_000).then(|| Duration::new(seconds, nanoseconds))
    }

    fn identifier(&mut self) -> Option<MnIdentifier> {
        let [subtype] = self.octets()?;
        let identifier = self.some()?;
        Some(match std::str::from_utf8(identifier) {
            Ok(name) if subtype == MnIdentifier::NAI => MnIdentifier::Nai(name.to_owned()),
            _ => MnIdentifier::Other {
                subtype,
                data: identifier.to_vec(),
            },
        })
    }

    fn domain(&mut self) -> Option<DomainName> {
        std::str::from_utf8(self.some()?).ok()?.parse().ok()
    }

    /// An encapsulation whose keys, if it has some, come next.
    fn encapsulation(&mut self, udp: bool, gre: bool, keys: bool) -> Option<Encapsulation> {
        Some(match (udp, gre, keys) {
            (false, false, false) => Encapsulation::Plain,
            (true, false, false) => Encapsulation::Udp,
            (false, true, false) => Encapsulation::Gre { keys: None },
            (false, true, true) => Encapsulation::Gre {
                keys: Some(GreKeys {
                    send: self.octets().map(u32::from_be_bytes)?,
                    receive: self.octets().map(u32::from_be_bytes)?,
                }),
            },
            _ => return None,
        })
    }

    /// As many octets as the number before them says.
    fn some(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        let (some, rest) = self.0.split_at_checked(length.into())?;
        self.0 = rest;
        Some(some)
    }

    fn prefixes(&mut self) -> Option<Vec<HomeNetworkPrefix>> {
        let count = self.number()?;
        let each = (0..count).map(|_| {
            let [length] = self.octets()?;
            let prefix = self.address()?;
            Some(HomeNetworkPrefix { prefix, length })
        });
        each.collect()
    }
}

fn read_binding(from: &mut Reader<'_>) -> Option<BindingRecord> {
    let flags = from.number().filter(|flags| flags & !has::KNOWN == 0)?;
    let is = |flag| flags & flag != 0;
    let session = from.octets().map(u64::from_be_bytes)?;
    let care_of = from.address()?;
    let [access_technology, handoff] = from.octets()?;
    let sequence = from.number()?;
    let ends = from.time()?;
    let mn_identifier = from.identifier()?;
    let prefixes = from.prefixes()?;
    let delegated = match is(has::DELEGATED) {
        true => from.prefixes()?,
        false => Vec::new(),
    };
    let home_addresses = match is(has::HOME_ADDRESSES) {
        true => {
            let count = from.number()?;
            (0..count).map(|_| from.address()).collect::<Option<_>>()?
        }
        false => Vec::new(),
    };
    let ipv4_home_address = match is(has::IPV4) {
        true => Some(from.octets::<4>()?.into()),
        false => None,
    };
    let domain = match is(has::DOMAIN) {
        true => Some(from.domain()?),
        false => None,
    };
    let (gre, keys) = (is(has::GRE), is(has::GRE_KEYS));
    let encapsulation = from.encapsulation(is(has::UDP), gre, keys)?;
    let link_layer = match is(has::LINK_LAYER) {
        true => Some(from.some()?.to_vec()),
        false => None,
    };
    let link_local = match is(has::LINK_LOCAL) {
        true => from.address()?,
        false => Ipv6Addr::UNSPECIFIED,
    };
    let timestamp = match is(has::TIMESTAMP) {
        true => Some(NtpTime(from.octets().map(u64::from_be_bytes)?)),
        false => None,
    };
    Some(BindingRecord {
        session,
        kind: match is(has::MOBILE) {
            true => BindingKind::Mobile,
            false => BindingKind::Proxy,
        },
        mn_identifier,
        prefixes,
        delegated,
        home_addresses,
        ipv4_home_address,
        domain,
        care_of,
        encapsulation,
        link_layer,
        access_technology: AccessTechnology(access_technology),
        handoff: HandoffIndicator(handoff),
        attached: is(has::ATTACHED),
        link_local,
        sequence,
        timestamp,
        pending: is(has::PENDING),
        ends,
    })
}
