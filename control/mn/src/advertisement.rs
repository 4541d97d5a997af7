//! A Router Advertisement as the host heard it.

use serde::Serialize;
use std::fmt;
use std::net::Ipv6Addr;
use wire::ether::{ethertype, Frame, MacAddr};
use wire::ipv6::{self, next_header};
use wire::nd::{NdMessage, NdOption, RouterFlags};

/// A Router Advertisement (RFC 4861 section 4.2) and the frame that it came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Heard {
    /// The router's link-local address.
    pub router: Ipv6Addr,
    /// Source of the frame.
    pub router_mac: MacAddr,
    /// Destination of the packet.
    pub destination: Ipv6Addr,
    /// Whether the frame was for this host alone.
    pub unicast: bool,
    /// M: addresses by DHCPv6.
    pub managed: bool,
    /// O: other configuration by DHCPv6.
    pub other: bool,
    /// H: the router is a home agent (RFC 6275 section 7.1).
    pub home_agent: bool,
    /// Router lifetime in seconds.
    pub router_lifetime: u16,
    /// Prefixes with the A flag, in the order of the message.
    pub prefixes: Vec<Prefix>,
}

/// A prefix that the host may form addresses in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Prefix {
    /// The prefix.
    pub prefix: Ipv6Addr,
    /// Its length in bits.
    pub length: u8,
    /// L flag.
    pub on_link: bool,
    /// Valid lifetime in seconds.
    pub valid: u32,
    /// Preferred lifetime in seconds.
    pub preferred: u32,
}

impl Heard {
    /// The advertisement in `frame`, if it is a valid one (RFC 4861 section 6.1.2).
    pub fn in_frame(frame: &[u8]) -> Option<Self> {
        let frame = Frame::parse(frame).ok()?;
        if frame.ethertype != ethertype::IPV6 {
            return None;
        }
        let (header, payload) = ipv6::Header::split(frame.payload).ok()?;
        if header.next_header != next_header::ICMPV6 {
            return None;
        }
        let (source, destination) = (header.source.into(), header.destination.into());
        let NdMessage::RouterAdvertisement(advertisement) =
            NdMessage::parse(source, destination, header.hop_limit, payload).ok()?
        else {
            return None;
        };
        let prefixes = advertisement
            .options
            .iter()
            .filter_map(|option| match option {
                NdOption::PrefixInformation(information) if information.autonomous => {
                    Some(Prefix {
                        prefix: information.prefix,
                        length: information.length,
                        on_link: information.on_link,
                        valid: information.valid,
                        preferred: information.preferred,
                    })
                }
                _ => None,
            });
        Some(Self {
            router: source,
            router_mac: frame.header.source,
            destination,
            unicast: !frame.header.destination.is_group(),
            managed: advertisement.flags.contains(RouterFlags::MANAGED),
            other: advertisement.flags.contains(RouterFlags::OTHER),
            home_agent: advertisement.flags.contains(RouterFlags::HOME_AGENT),
            router_lifetime: advertisement.router_lifetime,
            prefixes: prefixes.collect(),
        })
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.unicast { "to us" } else { "to all" };
        write!(
            f,
            "{} ({}) {how}, router for {} s",
            self.router, self.router_mac, self.router_lifetime
        )?;
        for prefix in &self.prefixes {
            write!(
                f,
                ", {}/{} valid {} s",
                prefix.prefix, prefix.length, prefix.valid
            )?;
        }
        Ok(())
    }
}
