//! Hosts on access links that are of a domain.
//!
//! A link of a domain is where hosts have addresses of that domain, which hosts of others on the same gateway
//! may have too. Everything that goes by an address there goes by the link first: the tables by its domain, ARP
//! and DHCPv4 by its interface. So a host on it has IPv4 of the domain, and is registered for that as its
//! service (RFC 5149); one whose policy names another service has no business there.

use super::Engine;
use dataplane::key::InterfaceId;
use roles::event::HostLink;
use roles::policy::{Ipv4HomeAddress, Profile};
use roles::Role;
use std::net::Ipv4Addr;

impl<R: Role> Engine<R> {
    /// A host's profile as it goes for the link that the host is on; `None`: it may not attach there.
    pub(super) fn in_domain(&self, link: HostLink, profile: Option<Profile>) -> Option<Profile> {
        let mut profile = profile?;
        let Some(domain) = self.routing.domain_of(InterfaceId(link.interface)) else {
            return Some(profile);
        };
        let service = profile.service_selection.as_deref();
        if let Some(service) = service.filter(|it| *it != domain.as_str()) {
            let host = &profile.mn_identifier;
            tracing::warn!(%host, service, %domain, "a host is on a link of a domain that is not its service");
            return None;
        }
        profile.service_selection = Some(domain.to_string());
        profile.domain = Some(domain);
        profile.ipv6 = false;
        profile.ipv4_home_address.get_or_insert(Ipv4HomeAddress {
            address: Ipv4Addr::UNSPECIFIED,
            length: 0,
        });
        Some(profile)
    }
}
