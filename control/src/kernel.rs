//! Signalling by way of the kernel, for roles that carry no data: they need no port of their own, and so
//! no DPDK.
//!
//! ```text
//!   raw socket, protocol 135, bound to the role's address ──► source and Mobility Header
//!   whole IPv6 packets ──► raw socket that adds nothing     ──► the kernel's routes
//! ```
//!
//! The kernel walks extension headers, puts fragments together, and discards Mobility Headers whose
//! checksum is wrong, before anything comes here. Packets leave as the engine makes them, those of ICMP
//! among them.

use crate::frame;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use wire::ipv6::next_header;

/// The longest Mobility Header in octets.
const LONGEST: usize = 2_048;

/// Octets that may wait in the socket: updates of many hosts that move at once.
const RECEIVE_BUFFER: usize = 8 << 20;

/// The way through the kernel.
#[derive(Debug)]
pub struct Kernel {
    address: Ipv6Addr,
    /// A raw socket; the standard library's type for datagrams is all that is asked of it.
    receiver: UdpSocket,
    sender: Socket,
    buffer: Vec<u8>,
}

impl Kernel {
    /// Opens the way for `address`, which is an address of this machine.
    ///
    /// # Errors
    /// What the kernel says: most often that the address is not there, or that the process may not open
    /// raw sockets.
    pub fn open(address: Ipv6Addr) -> io::Result<Self> {
        let raw =
            |protocol: i32| Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::from(protocol)));
        let receiver = raw(next_header::MOBILITY.into())?;
        receiver.set_nonblocking(true)?;
        // The kernel gives as much of it as it lets anyone have.
        receiver.set_recv_buffer_size(RECEIVE_BUFFER)?;
        receiver.bind(&SockAddr::from(SocketAddrV6::new(address, 0, 0, 0)))?;
        // IPPROTO_RAW: what is sent begins with its own IPv6 header.
        let sender = raw(255)?;
        sender.set_nonblocking(true)?;
        Ok(Self {
            address,
            receiver: receiver.into(),
            sender,
            buffer: vec![0; LONGEST],
        })
    }

    /// The next packet that has come, whole again behind a plain IPv6 header; none when there is none.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        loop {
            match self.receiver.recv_from(&mut self.buffer) {
                Ok((length, SocketAddr::V6(source))) => {
                    let octets = self.buffer.get(..length).unwrap_or_default();
                    return Some(frame::mobility_packet(*source.ip(), self.address, octets));
                }
                Ok((_, SocketAddr::V4(_))) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) => {
                    tracing::warn!(%error, "the kernel's socket for mobility messages");
                    return None;
                }
            }
        }
    }

    /// Sends a packet, from its IPv6 header on.
    ///
    /// # Errors
    /// What the kernel says: no route, no room, or a packet that does not fit the link.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        let destination = packet
            .get(24..)
            .and_then(|rest| rest.first_chunk::<16>())
            .ok_or(io::ErrorKind::InvalidInput)?;
        let to = SocketAddrV6::new(Ipv6Addr::from(*destination), 0, 0, 0);
        self.sender.send_to(packet, &SockAddr::from(to)).map(|_| ())
    }

    /// A handle of its own that is readable when something has come.
    ///
    /// # Errors
    /// The kernel has none left.
    pub fn event(&self) -> io::Result<UdpSocket> {
        self.receiver.try_clone()
    }
}
