//! One end of the wire: a packet socket on an interface.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    bind, recvfrom, send, setsockopt, socket, sockopt, AddressFamily, LinkAddr, MsgFlags, SockFlag,
    SockProtocol, SockType,
};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// `PACKET_OUTGOING` of packet(7): a frame that this machine sends, not one that it receives.
const OUTGOING: u8 = 4;

/// Largest frame that a wire carries.
const LARGEST_FRAME: usize = 65_536;

/// Frames taken from one end before the other end and the delay line get their turn.
const BURST: usize = 64;

/// Receive buffer asked of the kernel, in bytes: a few thousand full frames.
const RECEIVE_BUFFER: usize = 8 << 20;

/// A packet socket bound to one interface. The interface must hand up frames for any address: a veth
/// end does; a real one has to be made promiscuous first.
pub struct Port {
    socket: OwnedFd,
    name: String,
}

impl Port {
    /// Opens the interface of that name in this network namespace.
    ///
    /// # Errors
    /// When there is no such interface, or packet sockets are not allowed.
    pub fn open(name: &str) -> Result<Self> {
        let address: LinkAddr = getifaddrs()
            .context("cannot list interfaces")?
            .filter(|interface| interface.interface_name == name)
            .find_map(|interface| interface.address?.as_link_addr().copied())
            .with_context(|| format!("there is no interface {name} in this network namespace"))?;
        let socket = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
            SockProtocol::EthAll,
        )
        .context("packet sockets need root (CAP_NET_RAW)")?;
        // The address carries no protocol: binding keeps the socket's own, which is all of them.
        bind(socket.as_raw_fd(), &address).with_context(|| format!("cannot bind to {name}"))?;
        setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER)
            .context("cannot enlarge the receive buffer")?;
        Ok(Self {
            socket,
            name: name.to_owned(),
        })
    }

    /// Hands the frames that wait to `take`, a burst of them at most.
    ///
    /// # Errors
    /// When the interface is gone.
    pub fn receive(&self, mut take: impl FnMut(&[u8])) -> Result<()> {
        let mut frame = vec![0; LARGEST_FRAME];
        for _ in 0..BURST {
            match recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut frame) {
                Ok((length, from)) => {
                    if from.is_some_and(|from| from.pkttype() == OUTGOING) {
                        continue;
                    }
                    take(frame.get(..length).unwrap_or_default());
                }
                Err(Errno::EAGAIN) => break,
                // The interface went down; it may come up again.
                Err(Errno::ENETDOWN | Errno::EINTR) => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot receive on {}", self.name))
                }
            }
        }
        Ok(())
    }

    /// Sends one frame; answers whether the interface took it.
    ///
    /// # Errors
    /// When the interface is gone.
    pub fn send(&self, frame: &[u8]) -> Result<bool> {
        match send(self.socket.as_raw_fd(), frame, MsgFlags::empty()) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::ENETDOWN | Errno::EMSGSIZE) => Ok(false),
            Err(error) => Err(error).with_context(|| format!("cannot send on {}", self.name)),
        }
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
