//! IPv4 for hosts (RFC 5844 section 3.2).
//!
//! A profile says whether a host has IPv4. Its address comes from its anchor, with a default router,
//! which is this gateway under that address, and with what the gateway is to be to the host's DHCPv4
//! client. The access side is told of all of it ([`Effect::ServeIpv4`]) once packets are forwarded.
//!
//! ```text
//!   answer to a request     what is asked for next
//!   170                     IPv6 alone, until the policy says something else
//!   171, to an address      any address
//!   171, to any             IPv6 alone
//!   172                     IPv4 alone
//!   163                     the same, with GRE and a key (RFC 5845)
//! ```

use super::update::ListEntry;
use super::visitor::Registration;
use super::Mag;
use crate::effect::{Effect, Encapsulation, GreKeys, Ipv4Service};
use crate::event::HostLink;
use crate::message::ProxyOptions;
use crate::policy::Profile;
use crate::{BoundPrefix, Now};
use std::net::Ipv4Addr;
use wire::mh::{DhcpMode, Ipv4HomeAddress, Status};

/// Asks the anchor to choose.
pub(super) const ANY: Ipv4HomeAddress = Ipv4HomeAddress {
    address: Ipv4Addr::UNSPECIFIED,
    prefix_length: 0,
};

/// The length of an address alone, which says nothing of its network: RADIUS servers write addresses so.
const ALONE: u8 = 32;

/// What a profile has its host ask for.
pub(super) fn wanted(profile: &Profile) -> Option<Ipv4HomeAddress> {
    let known = profile.ipv4_home_address?;
    Some(Ipv4HomeAddress {
        address: known.address,
        prefix_length: match known.length {
            ALONE => 0,
            length => length,
        },
    })
}

/// What an acknowledgement gives a host; `None`: no IPv4 (section 3.2.3.2).
pub(super) fn given(options: &ProxyOptions<'_>) -> Option<Ipv4Service> {
    let answer = options
        .ipv4_reply
        .filter(|reply| reply.status.is_accepted())?;
    let home = answer.home;
    let usable = !home.address.is_unspecified() && (1..=32).contains(&home.prefix_length);
    Some(Ipv4Service {
        address: home.address,
        prefix_length: home.prefix_length,
        router: options.ipv4_router?,
        // Section 3.2.3.2: without the option, a relay.
        dhcp: options.dhcp_mode.unwrap_or(DhcpMode::Relay),
    })
    .filter(|_| usable)
}

impl ListEntry {
    /// Asks for less, or for another address, after a refusal; whether there is anything to ask for.
    pub(super) fn settle_for_less(&mut self, status: Status) -> bool {
        match (status, self.ipv4) {
            (Status::GRE_KEY_OPTION_REQUIRED, _) if !self.gre => {
                self.gre = true;
                true
            }
            (Status::NOT_AUTHORIZED_FOR_IPV4_HOME_ADDRESS, Some(asked)) if asked != ANY => {
                self.ipv4 = Some(ANY);
                true
            }
            (Status::NOT_AUTHORIZED_FOR_IPV6_MOBILITY_SERVICE, Some(_)) if self.ipv6 => {
                self.ipv6 = false;
                true
            }
            (
                Status::NOT_AUTHORIZED_FOR_IPV4_MOBILITY_SERVICE
                | Status::NOT_AUTHORIZED_FOR_IPV4_HOME_ADDRESS
                | Status::MULTIPLE_IPV4_HOME_ADDRESSES_NOT_SUPPORTED,
                Some(_),
            ) => {
                self.ipv4 = None;
                self.ipv6
            }
            _ => false,
        }
    }
}

impl ListEntry {
    /// How packets go to the anchor, as it says (RFC 5844 section 4.2.2, RFC 5845 section 4.2). An anchor
    /// that does without GRE is not asked for it again.
    pub(super) fn carried(&mut self, options: &ProxyOptions<'_>) -> Encapsulation {
        let over_ipv4 = self.lma.to_ipv4_mapped().is_some();
        match options.gre.filter(|_| self.gre) {
            Some(key) => Encapsulation::Gre {
                keys: key.map(|send| GreKeys {
                    send,
                    receive: self.key,
                }),
            },
            None => {
                self.gre = false;
                match options.forced_udp && over_ipv4 {
                    true => Encapsulation::Udp,
                    false => Encapsulation::Plain,
                }
            }
        }
    }
}

impl Registration {
    /// Has the access side serve the host with the IPv4 that it has, or with none any more.
    pub(super) fn serve_ipv4(&self, serve: bool) -> Option<Effect> {
        let service = self.ipv4?;
        Some(Effect::ServeIpv4 {
            link: self.list.link,
            service: serve.then_some(service),
        })
    }
}

impl Mag {
    /// Ends what a host has of IPv4 and leaves its prefixes bound (RFC 5846 section 9.1). It does not
    /// ask for it again.
    pub(super) fn end_ipv4(&mut self, now: Now, link: HostLink, effects: &mut Vec<Effect>) {
        let Some(visitor) = self.visitors.get_mut(&link) else {
            return;
        };
        let Some(registration) = visitor.registration.as_mut() else {
            return;
        };
        let ended = registration.serve_ipv4(false);
        let Some(service) = registration.ipv4.take() else {
            return;
        };
        registration.list.ipv4 = None;
        let prefix = BoundPrefix::ipv4(registration.profile.domain, service.address);
        self.by_prefix.remove(&prefix);
        effects.push(Effect::Unbind { prefix });
        effects.extend(ended);
        effects.push(registration.binding_down(prefix));
        effects.extend(registration.store(now, &visitor.host));
    }
}
