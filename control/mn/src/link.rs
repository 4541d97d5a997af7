//! The host's link, through a packet socket: the frames themselves, as the link-layer destination is
//! part of what a host can tell about its router.

use crate::advertisement::Heard;
use anyhow::{Context, Result};
use nix::ifaddrs::getifaddrs;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{
    bind, recv, send, socket, AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType,
};
use std::net::Ipv6Addr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;
use wire::ether::{self, ethertype, MacAddr};
use wire::ipv6::address::{multicast_mac, ALL_ROUTERS};
use wire::ipv6::{self, next_header};
use wire::nd::{NdMessage, NdOption, RouterSolicitation, HOP_LIMIT};
use zerocopy::IntoBytes;

/// Largest frame that is looked at.
const LARGEST_FRAME: usize = 9216;

/// A link that this host is on.
pub struct Link {
    socket: OwnedFd,
    name: String,
    mac: MacAddr,
    address: Option<Ipv6Addr>,
}

impl Link {
    /// Opens the link of the interface `name` in this network namespace.
    ///
    /// # Errors
    /// When there is no such interface, it has no Ethernet address, or packet sockets are not allowed.
    pub fn open(name: &str) -> Result<Self> {
        let mut link = None;
        let mut address = None;
        for entry in getifaddrs().context("cannot list interfaces")? {
            let Some(it) = entry.address.filter(|_| entry.interface_name == name) else {
                continue;
            };
            if let Some(found) = it.as_link_addr() {
                link = Some(*found);
            } else if let Some(found) = it.as_sockaddr_in6() {
                address = address.or(Some(found.ip()).filter(Ipv6Addr::is_unicast_link_local));
            }
        }
        let link: LinkAddr =
            link.with_context(|| format!("there is no interface {name}; `ip link` lists them"))?;
        let mac = link
            .addr()
            .with_context(|| format!("{name} has no Ethernet address"))?;
        let socket = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
            SockProtocol::EthAll,
        )
        .context("packet sockets need root (CAP_NET_RAW)")?;
        bind(socket.as_raw_fd(), &link).with_context(|| format!("cannot bind to {name}"))?;
        Ok(Self {
            socket,
            name: name.to_owned(),
            mac: MacAddr(mac),
            address,
        })
    }

    /// Sends a Router Solicitation (RFC 4861 section 6.3.7), from our link-local address when we have
    /// one.
    ///
    /// # Errors
    /// When the interface does not take it.
    pub fn solicit(&self) -> Result<()> {
        let source = self.address.unwrap_or(Ipv6Addr::UNSPECIFIED);
        // A solicitation from the unspecified address must not tell a link-layer address.
        let options = self.address.map(|_| NdOption::SourceLinkLayer(self.mac));
        let solicitation = NdMessage::RouterSolicitation(RouterSolicitation {
            options: options.into_iter().collect(),
        });
        let mut message = Vec::new();
        solicitation.emit(source, ALL_ROUTERS, &mut message)?;
        let length = u16::try_from(message.len())?;
        let header = ipv6::Header::new(
            source.octets(),
            ALL_ROUTERS.octets(),
            next_header::ICMPV6,
            HOP_LIMIT,
            length,
        );
        let ethernet = ether::Header {
            destination: multicast_mac(ALL_ROUTERS),
            source: self.mac,
            ethertype: ethertype::IPV6.into(),
        };
        let frame = [ethernet.as_bytes(), header.as_bytes(), &message].concat();
        send(self.socket.as_raw_fd(), &frame, MsgFlags::empty())
            .with_context(|| format!("cannot send on {}", self.name))?;
        Ok(())
    }

    /// The next Router Advertisement, or `None` when `end` comes first.
    ///
    /// # Errors
    /// When the interface goes away.
    pub fn hear_until(&self, end: Instant) -> Result<Option<Heard>> {
        let mut frame = [0; LARGEST_FRAME];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut ready = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            if poll(&mut ready, timeout).context("cannot wait for frames")? == 0 {
                if left.is_zero() || timeout != PollTimeout::MAX {
                    return Ok(None);
                }
                continue;
            }
            let length = recv(self.socket.as_raw_fd(), &mut frame, MsgFlags::empty())
                .with_context(|| format!("{} went away", self.name))?;
            if let Some(heard) = frame.get(..length).and_then(Heard::in_frame) {
                return Ok(Some(heard));
            }
        }
    }
}
