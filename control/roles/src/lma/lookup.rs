//! Which session an update is about (RFC 5213 section 5.4.1).

use super::cache::{Cache, Entry};
use super::ipv4::Addresses;
use super::update::Request;
use super::view::BindingState;
use crate::pool::Prefixes;
use std::net::Ipv4Addr;
use wire::mh::{HandoffIndicator, Status};

/// What an update asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    /// A session that does not exist yet.
    Create,
    /// To change this session.
    Update(u64),
    /// To change this session once it is de-registered, or else a new one.
    Wait(u64),
    /// A second session of a host that has this one, which is active.
    Second,
    /// What cannot be: the status says why.
    Refuse(Status),
    /// To end a session that there is not.
    NoSession,
}

/// Finds the session of an update. At most one session has the identifier, so "one and only one
/// entry" of the RFC is "an entry" here.
pub(super) fn find(
    cache: &Cache,
    prefixes: &Prefixes,
    addresses: &Addresses,
    request: &Request<'_>,
) -> Lookup {
    let own = cache.of(request.mn_identifier);
    let asked = request.ipv4.map(|asked| asked.address);
    let asked = asked.filter(|address| !address.is_unspecified());
    let found = match asked {
        _ if !request.named.is_empty() => by_prefix(own, prefixes, request),
        Some(address) => by_address(own, addresses, address, request),
        None => own.map_or(Lookup::Create, |entry| by_interface(entry, request)),
    };
    // A session has one IPv4 home address.
    let differs = |entry: &Entry| asked.is_some() && entry.ipv4.is_some() && entry.ipv4 != asked;
    if matches!(found, Lookup::Update(_)) && own.is_some_and(differs) {
        return Lookup::Refuse(Status::BCE_PBU_PREFIX_SET_DO_NOT_MATCH);
    }
    let Some(entry) = own else {
        return match found {
            Lookup::Create if request.is_deregistration() => Lookup::NoSession,
            found => found,
        };
    };
    match found {
        // None is created to be ended (5.4.1.1 rule 6). A gateway that tells neither prefix nor
        // interface can mean only the session that is with it.
        Lookup::Create | Lookup::Wait(_) | Lookup::Second if request.is_deregistration() => {
            let tells_nothing =
                request.named.is_empty() && asked.is_none() && request.link_layer.is_none();
            if tells_nothing && entry.care_of == request.care_of {
                Lookup::Update(entry.session)
            } else {
                Lookup::NoSession
            }
        }
        Lookup::Wait(_) | Lookup::Second if entry.state == BindingState::Pending => {
            Lookup::Update(entry.session)
        }
        Lookup::Update(_) if is_left_behind(entry, request) => {
            Lookup::Refuse(Status::ADMINISTRATIVELY_PROHIBITED)
        }
        found => found,
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

/// Section 5.4.1.1: prefixes are named.
fn by_prefix(own: Option<&Entry>, prefixes: &Prefixes, request: &Request<'_>) -> Lookup {
    let holders = request.named.iter().filter_map(|&p| prefixes.holder(p));
    if holders
        .clone()
        .any(|holder| holder != request.mn_identifier)
    {
        return Lookup::Refuse(Status::NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX);
    }
    let Some(entry) = own else {
        return Lookup::Create;
    };
    if entry.prefixes.is_empty() {
        return by_interface(entry, request);
    }
    if holders.count() == 0 {
        return Lookup::Second;
    }
    if entry.prefixes != request.named {
        return Lookup::Refuse(Status::BCE_PBU_PREFIX_SET_DO_NOT_MATCH);
    }
    by_key(entry, request)
}

/// RFC 5844 section 3.1.2.7: no prefix is named, but an IPv4 home address is.
fn by_address(
    own: Option<&Entry>,
    addresses: &Addresses,
    address: Ipv4Addr,
    request: &Request<'_>,
) -> Lookup {
    let holder = addresses.holder(address);
    if holder.is_some_and(|holder| holder != request.mn_identifier) {
        return Lookup::Refuse(Status::NOT_AUTHORIZED_FOR_IPV4_HOME_ADDRESS);
    }
    match own {
        None => Lookup::Create,
        Some(entry) if entry.ipv4.is_none() => by_interface(entry, request),
        Some(entry) if entry.ipv4 != Some(address) => {
            Lookup::Refuse(Status::BCE_PBU_PREFIX_SET_DO_NOT_MATCH)
        }
        Some(entry) => by_key(entry, request),
    }
}

/// An update that names what the session has.
fn by_key(entry: &Entry, request: &Request<'_>) -> Lookup {
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
    } else {
        Lookup::Second
    }
}

/// Sections 5.4.1.2 and 5.4.1.3: no prefix is named, the host has a session.
fn by_interface(entry: &Entry, request: &Request<'_>) -> Lookup {
    let updates = match request.link_layer {
        Some(asked) => {
            entry.access_technology == request.access_technology
                && entry.link_layer.as_deref() == Some(asked)
                || request.handoff == HandoffIndicator::BETWEEN_INTERFACES
        }
        None => matches!(
            request.handoff,
            HandoffIndicator::BETWEEN_INTERFACES | HandoffIndicator::BETWEEN_MAGS
        ),
    };
    if updates {
        Lookup::Update(entry.session)
    } else if request.handoff == HandoffIndicator::UNKNOWN {
        Lookup::Wait(entry.session)
    } else {
        Lookup::Second
    }
}
