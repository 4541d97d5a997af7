//! Signalling that nobody authorised: updates under made-up names, as fast as the kernel sends, and those of a
//! gateway sent once more by somebody else.

use crate::foreign::Registration;
use crate::gateway::Programs;
use crate::host::Host;
use crate::network::End;
use crate::process::{Errors, Process};
use anyhow::{bail, Context, Result};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The protocol number under which the kernel takes whole packets, header and all (raw(7)).
const RAW: i32 = 255;

/// Mobility Header as a next header (RFC 6275 section 6.1).
const MOBILITY: u8 = 135;

/// Octets of an IPv6 header.
const HEADER: usize = 40;

/// A flood that goes on until it is stopped.
#[derive(Debug)]
pub struct Flood(Process);

impl Flood {
    /// Starts to send forged updates from `stranger` to `lma`.
    ///
    /// # Errors
    /// When the sender does not start.
    pub fn start(programs: &Programs, stranger: &Host, lma: Ipv6Addr, log: &Path) -> Result<Self> {
        let program = programs.demo.to_str().context("a path that is not text")?;
        let lma = lma.to_string();
        let words = [program, "forge", "--lma", &lma];
        let errors = Errors::File(log);
        Process::start(&stranger.namespace, "the flood", &words, &errors).map(Self)
    }

    /// Stops it; returns how many updates it sent.
    ///
    /// # Errors
    /// When the sender failed.
    pub fn stop(mut self) -> Result<u64> {
        drop(self.0.stdin());
        let status = self.0.wait(Duration::from_secs(10))?;
        if !status.success() {
            bail!("the flood ended with {status}\n{}", self.0.tail());
        }
        let mut said = String::new();
        let mut stdout = self.0.stdout().context("no pipe from the flood")?;
        stdout.read_to_string(&mut said)?;
        said.trim()
            .parse()
            .context("the flood did not say a number")
    }
}

/// Sends forged updates to `lma` until standard input is closed, then prints how many. This is what
/// `anchorage-demo forge` runs in a namespace that plays a stranger.
///
/// # Errors
/// When the socket fails.
pub fn forge(lma: Ipv6Addr) -> Result<()> {
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::from(RAW)))
        .context("raw sockets need root (CAP_NET_RAW)")?;
    let to = SockAddr::from(SocketAddrV6::new(lma, 0, 0, 0));
    let update = Registration::attach("forged@example.net", 300).write();
    let stop = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        scope.spawn(|| {
            // Nothing comes; what counts is that it ends.
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            stop.store(true, Ordering::Relaxed);
        });
        let mut sent = 0_u64;
        while !stop.load(Ordering::Relaxed) {
            // A full queue is no reason to stop.
            let packet = packet(made_up(sent, lma), lma, &update);
            sent += u64::from(socket.send_to(&packet, &to).is_ok());
        }
        sent
    });
    writeln!(std::io::stdout(), "{sent}")?;
    Ok(())
}

/// A message that is sent once more.
#[derive(Clone, Copy, Debug)]
pub struct Again<'a> {
    /// Where it was heard.
    pub capture: &'a Path,
    /// Who sent it, and to whom.
    pub ends: [Ipv6Addr; 2],
    /// Its MH type: of several the last is sent.
    pub kind: u8,
    /// Whether an update is made into a farewell of its host.
    pub farewell: bool,
}

impl Again<'_> {
    /// Sends it by an interface.
    ///
    /// # Errors
    /// When there is none, or it cannot be sent.
    pub fn send(self, by: End<'_>) -> Result<()> {
        let file = self.capture.to_str().context("a path that is not text")?;
        let [from, to] = self.ends.map(|end| end.to_string());
        let kind = self.kind.to_string();
        let how = if self.farewell { "farewell" } else { "again" };
        let program = include_str!("again.py");
        let mut words = vec!["python3", "-c", program, by.interface];
        words.extend([file, &from, &to, &kind, how]);
        by.namespace.run(&words).map(drop)
    }
}

/// Sends Node Information Replies to a router on this host's link that it has not asked for: each with another
/// made-up nonce, and with addresses that no anchor gave. This is what `anchorage-demo forge-replies` runs.
///
/// # Errors
/// When the socket fails.
pub fn forge_replies(router: Ipv6Addr, interface: &str) -> Result<()> {
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))
        .context("raw sockets need root (CAP_NET_RAW)")?;
    let index = nix::net::if_::if_nametoindex(interface)?;
    let to = SockAddr::from(SocketAddrV6::new(router, 0, 0, index));
    for number in 1..=4_u8 {
        // Type 140, code 0; the kernel fills in the checksum. Qtype 3, global and all.
        let mut reply = vec![140, 0, 0, 0, 0, 3, 0, 0x22];
        reply.extend([number; 8]);
        reply.extend([0; 4]);
        let address = Ipv6Addr::new(0x2001, 0xdb8, 0x2200, number.into(), 0, 0, 0, 1);
        reply.extend(address.octets());
        socket.send_to(&reply, &to)?;
    }
    Ok(())
}

/// A name that nobody bears: every second one a neighbour's of `lma`, the others far away.
fn made_up(number: u64, lma: Ipv6Addr) -> Ipv6Addr {
    let interface = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 << 63;
    let prefix = match number % 2 {
        0 => lma.to_bits() >> 64,
        _ => 0x2001_0db8_ffff_0000 | u128::from(number as u16),
    };
    Ipv6Addr::from_bits(prefix << 64 | u128::from(interface))
}

/// The whole packet, its checksum as it has to be: a wrong one would end it too early.
fn packet(from: Ipv6Addr, to: Ipv6Addr, update: &[u8]) -> Vec<u8> {
    let length = u16::try_from(update.len()).unwrap_or(u16::MAX);
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([MOBILITY, 64]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(update);
    // The pseudo header (RFC 8200 section 8.1) and the message, whose length is even.
    let summed = packet.get(8..).unwrap_or_default().chunks_exact(2);
    let words = summed.map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let mut sum = words.sum::<u32>() + u32::from(length) + u32::from(MOBILITY);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    packet[HEADER + 4..HEADER + 6].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    packet
}
