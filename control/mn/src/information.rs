//! The socket of the Node Information responder (RFC 4620), for hosts whose kernel has none, as Linux:
//! a raw ICMPv6 socket in this network namespace.

use crate::responder::{answer, Own, Policy};
use anyhow::{Context, Result};
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    recvmsg, sendmsg, setsockopt, socket, sockopt, AddressFamily, ControlMessage,
    ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6,
};
use std::io::{IoSlice, IoSliceMut};
use std::net::Ipv6Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};
use wire::niq::{NiMessage, NiQuery, NiReply};

/// Largest message that is looked at.
const LARGEST: usize = 2048;

/// Where the kernel tells the addresses of this namespace.
const ADDRESSES: &str = "/proc/net/if_inet6";

/// Flags there: not to be used for what is new; somebody else's.
mod flag {
    pub(super) const DEPRECATED: u32 = 0x20;
    pub(super) const DUPLICATE: u32 = 0x08;
}

/// Answers at most so many questions in any second.
#[derive(Debug)]
pub struct Limit {
    most: u32,
    began: Instant,
    taken: u32,
}

impl Limit {
    /// A limit of `most`.
    pub fn new(most: u32) -> Self {
        Self {
            most,
            began: Instant::now(),
            taken: 0,
        }
    }

    fn take(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.began) >= Duration::from_secs(1) {
            self.began = now;
            self.taken = 0;
        }
        let left = self.taken < self.most;
        self.taken += u32::from(left);
        left
    }
}

/// A question that was answered.
#[derive(Debug)]
pub struct Answered {
    /// Who asked.
    pub from: Ipv6Addr,
    /// What.
    pub query: NiQuery,
    /// What was answered.
    pub reply: NiReply,
}

/// A responder on one interface.
#[derive(Debug)]
pub struct Responder {
    socket: OwnedFd,
    interface: u32,
    policy: Policy,
    limit: Limit,
}

impl Responder {
    /// Opens a responder on the interface `name` of this network namespace.
    ///
    /// # Errors
    /// When there is no such interface, or raw sockets are not allowed.
    pub fn open(name: &str, policy: Policy, limit: Limit) -> Result<Self> {
        let interface = if_nametoindex(name)
            .with_context(|| format!("there is no interface {name}; `ip link` lists them"))?;
        let socket = socket(
            AddressFamily::Inet6,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::IcmpV6,
        )
        .context("raw sockets need root (CAP_NET_RAW)")?;
        setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)
            .context("the kernel does not tell where packets were sent to")?;
        Ok(Self {
            socket,
            interface,
            policy,
            limit,
        })
    }

    /// Waits for a message, and answers it if it is a question that is to be answered.
    ///
    /// # Errors
    /// When the socket or the kernel's list of addresses fails. An answer that cannot be sent is none.
    pub fn serve(&mut self) -> Result<Option<Answered>> {
        let mut octets = [0; LARGEST];
        let mut room = nix::cmsg_space!(nix::libc::in6_pktinfo);
        let mut parts = [IoSliceMut::new(&mut octets)];
        let received = recvmsg::<SockaddrIn6>(
            self.socket.as_raw_fd(),
            &mut parts,
            Some(&mut room),
            MsgFlags::empty(),
        )
        .context("the socket fails")?;
        let length = received.bytes;
        let asker = received.address;
        let told = received.cmsgs().context("the kernel says too much")?;
        let to = told.into_iter().find_map(|told| match told {
            ControlMessageOwned::Ipv6PacketInfo(info) => Some(info),
            _ => None,
        });
        let (Some(asker), Some(info)) = (asker, to) else {
            return Ok(None);
        };
        let (from, to) = (asker.ip(), Ipv6Addr::from(info.ipi6_addr.s6_addr));
        let bytes = octets.get(..length).unwrap_or_default();
        let Ok(NiMessage::Query(query)) = NiMessage::parse(from, to, bytes) else {
            return Ok(None);
        };
        if info.ipi6_ifindex != self.interface {
            return Ok(None);
        }
        let own = addresses(&std::fs::read_to_string(ADDRESSES).context(ADDRESSES)?);
        let reply = answer(&query, (from, to), self.interface, &own, &self.policy);
        let Some(reply) = reply.filter(|_| self.limit.take(Instant::now())) else {
            return Ok(None);
        };
        let mut message = Vec::new();
        // From the address that was asked.
        NiMessage::Reply(reply.clone()).emit(to, from, &mut message);
        let sent = sendmsg(
            self.socket.as_raw_fd(),
            &[IoSlice::new(&message)],
            &[ControlMessage::Ipv6PacketInfo(&info)],
            MsgFlags::empty(),
            Some(&asker),
        );
        Ok(sent.is_ok().then_some(Answered { from, query, reply }))
    }
}

/// The addresses of a namespace as the kernel lists them, but for those that are somebody else's. One that
/// is being tested counts: on a link that it has come to, a host tests all that it had.
fn addresses(list: &str) -> Vec<Own> {
    list.lines().filter_map(address).collect()
}

/// One line: address, index, length, scope, flags, name; all but the name in hexadecimal.
fn address(line: &str) -> Option<Own> {
    let mut words = line.split_ascii_whitespace();
    let address = u128::from_str_radix(words.next()?, 16).ok()?;
    let interface = u32::from_str_radix(words.next()?, 16).ok()?;
    let flags = u32::from_str_radix(words.nth(2)?, 16).ok()?;
    (flags & flag::DUPLICATE == 0).then_some(Own {
        address: Ipv6Addr::from_bits(address),
        interface,
        deprecated: flags & flag::DEPRECATED != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_list_is_read_without_what_is_somebody_elses() {
        let list = "20010db8000100000000000000000005 02 40 00 20     eth0\n\
                    fe800000000000000000000000000005 02 40 20 80     eth0\n\
                    20010db8000200000000000000000005 02 40 00 40     eth0\n\
                    20010db8000300000000000000000005 0b 40 00 08     eth1\n\
                    nonsense\n";
        let own = addresses(list);
        let expected = [
            Own {
                address: "2001:db8:1::5".parse().unwrap(),
                interface: 2,
                deprecated: true,
            },
            Own {
                address: "fe80::5".parse().unwrap(),
                interface: 2,
                deprecated: false,
            },
            Own {
                address: "2001:db8:2::5".parse().unwrap(),
                interface: 2,
                deprecated: false,
            },
        ];
        assert_eq!(own, expected);
    }

    #[test]
    fn no_more_than_so_many_are_answered_in_a_second() {
        let mut limit = Limit::new(2);
        let now = limit.began;
        let taken =
            [0, 1, 999, 1000, 1001, 1002].map(|ms| limit.take(now + Duration::from_millis(ms)));
        assert_eq!(taken, [true, true, false, true, true, false]);
    }
}
