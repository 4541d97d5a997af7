//! Which session an update is about (RFC 5213 section 5.4.1).
//!
//! A host has a session for each of its interfaces, in each domain that it is registered in; those of other
//! domains are not looked at. Interfaces are told apart by access technology and
//! link-layer identifier; no two sessions of a host have the same. What an update says decides in this
//! order:
//!
//! ```text
//!   prefixes by value ──► the session that has them: all of them, and by the same interface, from the
//!     (5.4.1.1)            same gateway, or handed over between interfaces; else they are in use
//!   an interface      ──► its session ──none──► handed over:  the only session
//!     (5.4.1.2)                                 unknown:      waits for the only session to end
//!                                               else, or several sessions: a new one
//!   neither           ──► the only session, if it is handed over; unknown: as above; else a new one
//!     (5.4.1.3)
//! ```

use super::cache::{Cache, Entry};
use super::domains::Domains;
use super::ipv4::Addresses;
use super::request::Request;
use super::view::BindingState;
use crate::domain::DomainName;
use crate::message::ProxyOptions;
use crate::pool::Prefixes;
use std::net::{Ipv4Addr, Ipv6Addr};
use wire::mh::{AccessTechnology, HandoffIndicator, MnIdentifier, Status};

/// What an update asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    /// A session that does not exist yet.
    Create,
    /// To change this session.
    Update(u64),
    /// To change this session once it is de-registered, or else a new one.
    Wait(u64),
    /// What cannot be: the status says why.
    Refuse(Status),
    /// To end a session that there is not.
    NoSession,
}

/// Finds the session of an update.
pub(super) fn find(
    cache: &Cache,
    prefixes: &Prefixes,
    domains: &Domains,
    request: &Request<'_>,
) -> Lookup {
    let addresses = domains.addresses(request.domain);
    let sessions = cache.of(request.mn_identifier);
    let sessions: Vec<&Entry> = sessions.filter(|it| it.domain == request.domain).collect();
    let asked = request.ipv4.map(|asked| asked.address);
    let asked = asked.filter(|address| !address.is_unspecified());
    let found = match asked {
        _ if !request.named.is_empty() => by_prefix(&sessions, prefixes, request),
        Some(address) => by_address(&sessions, addresses, address, request),
        None if request.confirms => by_identifier(&sessions, request),
        None => by_interface(&sessions, request),
    };
    match found {
        // None is created to be ended (5.4.1.1 rule 6). A gateway that tells neither prefix nor
        // interface can mean only the session that is with it.
        Lookup::Create | Lookup::Wait(_) if request.is_deregistration() => {
            let tells_nothing =
                request.named.is_empty() && asked.is_none() && request.link_layer.is_none();
            let mut with_it = sessions.iter().filter(|it| it.care_of == request.care_of);
            match (with_it.next(), with_it.next()) {
                (Some(entry), None) if tells_nothing => Lookup::Update(entry.session),
                _ => Lookup::NoSession,
            }
        }
        Lookup::Update(session) => {
            let entry = sessions.iter().find(|entry| entry.session == session);
            // A session has one IPv4 home address.
            let differs =
                |entry: &&&Entry| asked.is_some() && entry.ipv4.is_some() && entry.ipv4 != asked;
            match entry {
                Some(entry) if differs(&entry) => {
                    Lookup::Refuse(Status::BCE_PBU_PREFIX_SET_DO_NOT_MATCH)
                }
                Some(entry) if is_left_behind(entry, request) => {
                    Lookup::Refuse(Status::ADMINISTRATIVELY_PROHIBITED)
                }
                _ => found,
            }
        }
        found => found,
    }
}

/// The session whose last update one has to be newer than (section 5.5): the one that it is about, or
/// may come to be about. Told from its options alone, for its order is checked before they are.
pub(super) fn concerned<'a>(
    cache: &'a Cache,
    (host, domain): (&MnIdentifier, Option<DomainName>),
    care_of: Ipv6Addr,
    options: &ProxyOptions<'_>,
) -> Option<&'a Entry> {
    let sessions: Vec<&Entry> = cache.of(host).filter(|it| it.domain == domain).collect();
    let named = options.named_prefixes();
    let address = options.ipv4_request.map(|asked| asked.address);
    let has = |entry: &&&Entry| {
        named.iter().any(|prefix| entry.prefixes.contains(prefix))
            || address.is_some() && entry.ipv4 == address
    };
    let technology = options.access_technology.unwrap_or(AccessTechnology(0));
    let link_layer = options.told_link_layer();
    let same = |entry: &&&Entry| link_layer.is_some_and(|id| entry.is_of(technology, id));
    let found = sessions
        .iter()
        .find(has)
        .or_else(|| sessions.iter().find(same));
    let handoff = options.handoff.unwrap_or(HandoffIndicator::UNKNOWN);
    let may_be_the_only = options.confirms
        || match (handoff, link_layer) {
            (HandoffIndicator::NEW_INTERFACE, _) => false,
            (HandoffIndicator::BETWEEN_INTERFACES | HandoffIndicator::UNKNOWN, _) => true,
            (_, link_layer) => link_layer.is_none(),
        };
    let nameless = |entry: &&&Entry| {
        link_layer.is_none() && entry.link_layer.is_none() && entry.care_of == care_of
    };
    found
        .copied()
        .or_else(|| only(&sessions).filter(|_| may_be_the_only))
        .or_else(|| sessions.iter().find(nameless).copied())
}

/// The one and only session.
fn only<'a>(sessions: &[&'a Entry]) -> Option<&'a Entry> {
    match *sessions {
        [entry] => Some(entry),
        _ => None,
    }
}

/// Whether a gateway refreshes what it no longer has: it says that nothing has changed, and the host
/// has come to another since.
fn is_left_behind(entry: &Entry, request: &Request<'_>) -> bool {
    !request.is_attachment()
        && !request.is_deregistration()
        && entry.state == BindingState::Active
        && entry.attached
        && entry.care_of != request.care_of
}

/// The session of the interface that an update names.
fn of_interface<'a>(sessions: &[&'a Entry], request: &Request<'_>) -> Option<&'a Entry> {
    let link_layer = request.link_layer?;
    let mut sessions = sessions.iter().copied();
    sessions.find(|entry| entry.is_of(request.access_technology, link_layer))
}

/// Section 5.4.1.1: prefixes are named.
fn by_prefix(sessions: &[&Entry], prefixes: &Prefixes, request: &Request<'_>) -> Lookup {
    let mut holders = request.named.iter().filter_map(|&p| prefixes.holder(p));
    if holders.any(|holder| holder != request.mn_identifier) {
        return Lookup::Refuse(Status::NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX);
    }
    let has = |entry: &&&Entry| request.named.iter().any(|it| entry.prefixes.contains(it));
    let Some(entry) = sessions.iter().find(has) else {
        return match of_interface(sessions, request).or_else(|| only(sessions)) {
            Some(entry) if entry.prefixes.is_empty() => by_interface(sessions, request),
            // All prefixes of an interface are of one session (section 5.4).
            _ if of_interface(sessions, request).is_some() => {
                Lookup::Refuse(Status::BCE_PBU_PREFIX_SET_DO_NOT_MATCH)
            }
            _ => Lookup::Create,
        };
    };
    if is_left_behind(entry, request) {
        return Lookup::Refuse(Status::ADMINISTRATIVELY_PROHIBITED);
    }
    if entry.prefixes != request.named && !is_handed_over_again(entry, request) {
        return Lookup::Refuse(Status::BCE_PBU_PREFIX_SET_DO_NOT_MATCH);
    }
    let in_use = Status::NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX;
    by_key(entry, request, in_use)
}

/// Whether an update hands over what has been: its acknowledgement was lost, and the session that it
/// names has become one with that of the interface.
fn is_handed_over_again(entry: &Entry, request: &Request<'_>) -> bool {
    let link_layer = request.link_layer;
    request.handoff == HandoffIndicator::BETWEEN_INTERFACES
        && entry.care_of == request.care_of
        && link_layer.is_some_and(|id| entry.is_of(request.access_technology, id))
        && request.named.iter().all(|it| entry.prefixes.contains(it))
}

/// RFC 5844 section 3.1.2.7: no prefix is named, but an IPv4 home address is.
fn by_address(
    sessions: &[&Entry],
    addresses: &Addresses,
    address: Ipv4Addr,
    request: &Request<'_>,
) -> Lookup {
    let holder = addresses.holder(address);
    let in_use = Status::NOT_AUTHORIZED_FOR_IPV4_HOME_ADDRESS;
    if holder.is_some_and(|holder| holder != request.mn_identifier) {
        return Lookup::Refuse(in_use);
    }
    let mut with_it = sessions.iter().filter(|it| it.ipv4 == Some(address));
    if let Some(entry) = with_it.next() {
        return by_key(entry, request, in_use);
    }
    match of_interface(sessions, request).or_else(|| only(sessions)) {
        Some(entry) if entry.ipv4.is_none() => by_interface(sessions, request),
        _ if of_interface(sessions, request).is_some() => {
            Lookup::Refuse(Status::BCE_PBU_PREFIX_SET_DO_NOT_MATCH)
        }
        _ => Lookup::Create,
    }
}

/// An update that names what a session has (section 5.4.1.1 rules 5 and 6). One that is not about the
/// session would make a new one of what is `in_use`.
fn by_key(entry: &Entry, request: &Request<'_>, in_use: Status) -> Lookup {
    let same_technology = entry.access_technology == request.access_technology;
    let same_interface = match (request.link_layer, &entry.link_layer) {
        (Some(asked), Some(known)) => asked == known.as_slice(),
        (None, None) => request.handoff == HandoffIndicator::BETWEEN_MAGS,
        _ => false,
    };
    let updates = same_technology && same_interface
        || request.handoff == HandoffIndicator::BETWEEN_INTERFACES
        || same_technology && entry.care_of == request.care_of;
    if updates {
        Lookup::Update(entry.session)
    } else if request.is_deregistration() {
        Lookup::NoSession
    } else if entry.state == BindingState::Pending {
        // Nobody else waits for it.
        Lookup::Update(entry.session)
    } else {
        Lookup::Refuse(in_use)
    }
}

/// An update that only asks whether there is a session: the draft knows one of a host, and whoever asks
/// has the host.
fn by_identifier(sessions: &[&Entry], request: &Request<'_>) -> Lookup {
    let entry = of_interface(sessions, request).or_else(|| sessions.first().copied());
    match entry {
        Some(entry) => Lookup::Update(entry.session),
        None if request.is_deregistration() => Lookup::NoSession,
        None => Lookup::Refuse(Status::NOT_HOME_AGENT),
    }
}

/// Sections 5.4.1.2 and 5.4.1.3: no prefix is named.
fn by_interface(sessions: &[&Entry], request: &Request<'_>) -> Lookup {
    if let Some(entry) = of_interface(sessions, request) {
        return Lookup::Update(entry.session);
    }
    let handed_over = match request.handoff {
        HandoffIndicator::BETWEEN_INTERFACES => true,
        HandoffIndicator::BETWEEN_MAGS => request.link_layer.is_none(),
        _ => false,
    };
    match only(sessions) {
        Some(entry) if handed_over => return Lookup::Update(entry.session),
        Some(entry) if request.handoff == HandoffIndicator::UNKNOWN => {
            // A gateway that names no interface has said it before, and its acknowledgement was lost.
            let repeats = request.link_layer.is_none() && is_nameless(entry, request);
            return match entry.state {
                _ if repeats => Lookup::Update(entry.session),
                BindingState::Pending => Lookup::Update(entry.session),
                BindingState::Active => Lookup::Wait(entry.session),
            };
        }
        _ => {}
    }
    let mut nameless = sessions.iter().filter(|entry| {
        request.link_layer.is_none()
            && request.handoff != HandoffIndicator::NEW_INTERFACE
            && is_nameless(entry, request)
    });
    match (nameless.next(), nameless.next()) {
        (Some(entry), None) => Lookup::Update(entry.session),
        _ => Lookup::Create,
    }
}

/// Whether a session is of an interface that the gateway which asks has not named either.
fn is_nameless(entry: &Entry, request: &Request<'_>) -> bool {
    entry.link_layer.is_none()
        && entry.access_technology == request.access_technology
        && entry.care_of == request.care_of
}
