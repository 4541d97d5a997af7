//! Tunnel ends and signalling that are not ours, to judge what is.
//!
//! Data: the kernel's segment routing, with one segment and no routing header, is plain IPv6-in-IPv6:
//! `encap.red` puts the outer header on, `End.DT6` takes it off. Signalling: a Mobility Header is put
//! together here octet by octet, without the project's own encoder, and sent through a raw socket, where
//! the kernel adds and checks its checksum.

use crate::network::Namespace;
use anyhow::{Context, Result};
use nix::sys::socket::{recvfrom, SockaddrIn6};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime};

/// Mobility Header as a next header (RFC 6275 section 6.1).
const MOBILITY: i32 = 135;

const BINDING_UPDATE: u8 = 5;
const BINDING_ACKNOWLEDGEMENT: u8 = 6;

const MN_IDENTIFIER: u8 = 8;
const HOME_NETWORK_PREFIX: u8 = 22;
const HANDOFF_INDICATOR: u8 = 23;
const ACCESS_TECHNOLOGY: u8 = 24;
const LINK_LOCAL_ADDRESS: u8 = 26;
const TIMESTAMP: u8 = 27;

/// P flag of an acknowledgement.
const PROXY: u8 = 0x20;

/// The link-local address that an update which asks for one is given.
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// Makes the kernel of `namespace` one end of an IPv6-in-IPv6 tunnel: what is for `inside` goes out of
/// `interface` to `remote`, what comes from there is unpacked and routed on.
///
/// # Errors
/// When the kernel cannot do segment routing.
pub fn kernel_tunnel(
    namespace: &Namespace,
    interface: &str,
    local: Ipv6Addr,
    remote: Ipv6Addr,
    inside: &str,
) -> Result<()> {
    namespace.sysctl(&["net.ipv6.conf.all.forwarding=1"])?;
    namespace.run(&["ip", "sr", "tunsrc", "set", &local.to_string()])?;
    // The local address is the tunnel's too. What is tunnelled (next header 41) is looked up before
    // the table of local addresses, which would hand it to the host; the rest is not.
    namespace.ip6(&format!(
        "route add {inside} encap seg6 mode encap.red segs {remote} dev {interface}\n\
         route add {local}/128 encap seg6local action End.DT6 table main dev {interface} table 41\n\
         rule add pref 1 table local\n\
         rule del pref 0\n\
         rule add pref 0 ipproto 41 iif {interface} table 41\n"
    ))?;
    Ok(())
}

/// The status of an update whose time is too far from the anchor's (RFC 5213 section 8.9).
const TIMESTAMP_MISMATCH: u8 = 156;

/// A Proxy Binding Update or Acknowledgement, as far as the lab reads and writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Identifier of the mobile node (an NAI).
    pub identifier: String,
    /// Sequence number.
    pub sequence: u16,
    /// Lifetime in seconds, a multiple of 4; 0 de-registers.
    pub lifetime: u32,
    /// The home network prefix; unspecified with length 0 asks for one.
    pub prefix: Ipv6Addr,
    /// Its length.
    pub prefix_length: u8,
    /// Handoff indicator.
    pub handoff: u8,
    /// Access technology type.
    pub access_technology: u8,
    /// Timestamp in units of 1/65536 s since 1970, if there is one.
    pub timestamp: Option<u64>,
    /// Status; of an acknowledgement only.
    pub status: u8,
}

impl Registration {
    /// An update that attaches a host for the first time, with the time of now.
    pub fn attach(identifier: &str, lifetime: u32) -> Self {
        Self {
            identifier: identifier.to_owned(),
            sequence: 1,
            lifetime,
            prefix: Ipv6Addr::UNSPECIFIED,
            prefix_length: 0,
            handoff: 1,
            access_technology: 4,
            timestamp: Some(present()),
            status: 0,
        }
    }

    /// The octets of an update.
    pub(crate) fn write(&self) -> Vec<u8> {
        // Payload proto 59 (none), length later, type, reserved, checksum by the kernel.
        let mut bytes = vec![59, 0, BINDING_UPDATE, 0, 0, 0];
        bytes.extend(self.sequence.to_be_bytes());
        // A (acknowledge) and P (proxy registration).
        bytes.extend(0x8200_u16.to_be_bytes());
        let lifetime = u16::try_from(self.lifetime / 4)
            .unwrap_or(u16::MAX)
            .to_be_bytes();
        bytes.extend(lifetime);

        let mut identifier = vec![1];
        identifier.extend(self.identifier.bytes());
        option(&mut bytes, MN_IDENTIFIER, (1, 0), &identifier);
        let mut prefix = vec![0, self.prefix_length];
        prefix.extend(self.prefix.octets());
        option(&mut bytes, HOME_NETWORK_PREFIX, (8, 4), &prefix);
        option(&mut bytes, HANDOFF_INDICATOR, (1, 0), &[0, self.handoff]);
        option(
            &mut bytes,
            ACCESS_TECHNOLOGY,
            (1, 0),
            &[0, self.access_technology],
        );
        if let Some(timestamp) = self.timestamp {
            option(&mut bytes, TIMESTAMP, (8, 2), &timestamp.to_be_bytes());
        }
        pad(&mut bytes, 8, 0);
        bytes[1] = u8::try_from(bytes.len() / 8 - 1).unwrap_or(u8::MAX);
        bytes
    }

    fn read(bytes: &[u8], message: u8) -> Option<Self> {
        let at = |place: usize| bytes.get(place).copied();
        let word = |place: usize| Some(u16::from_be_bytes([at(place)?, at(place + 1)?]));
        if at(2)? != message {
            return None;
        }
        let update = message == BINDING_UPDATE;
        let mut found = Self {
            identifier: String::new(),
            sequence: word(if update { 6 } else { 8 })?,
            lifetime: u32::from(word(10)?) * 4,
            prefix: Ipv6Addr::UNSPECIFIED,
            prefix_length: 0,
            handoff: 0,
            access_technology: 0,
            timestamp: None,
            status: if update { 0 } else { at(6)? },
        };
        let mut place = 12;
        while let Some(kind) = at(place) {
            if kind == 0 {
                place += 1;
                continue;
            }
            let length = usize::from(at(place + 1)?);
            let value = bytes.get(place + 2..place + 2 + length)?;
            match (kind, value) {
                (MN_IDENTIFIER, [_, text @ ..]) => {
                    found.identifier = String::from_utf8_lossy(text).into_owned();
                }
                (HOME_NETWORK_PREFIX, [_, length, prefix @ ..]) => {
                    found.prefix_length = *length;
                    found.prefix = <[u8; 16]>::try_from(prefix).ok()?.into();
                }
                (HANDOFF_INDICATOR, [_, value]) => found.handoff = *value,
                (ACCESS_TECHNOLOGY, [_, value]) => found.access_technology = *value,
                (TIMESTAMP, _) => {
                    found.timestamp = Some(u64::from_be_bytes(value.try_into().ok()?));
                }
                _ => {}
            }
            place += 2 + length;
        }
        Some(found)
    }
}

/// Appends an option at a place that is `rest` modulo `modulus`.
fn option(bytes: &mut Vec<u8>, kind: u8, (modulus, rest): (usize, usize), value: &[u8]) {
    pad(bytes, modulus, rest);
    bytes.push(kind);
    bytes.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
    bytes.extend(value);
}

/// Pads with Pad1 or PadN up to a place that is `rest` modulo `modulus`.
fn pad(bytes: &mut Vec<u8>, modulus: usize, rest: usize) {
    let missing = (rest + modulus - bytes.len() % modulus) % modulus;
    match missing {
        0 => {}
        1 => bytes.push(0),
        _ => {
            bytes.extend([1, u8::try_from(missing - 2).unwrap_or(0)]);
            bytes.resize(bytes.len() + missing - 2, 0);
        }
    }
}

/// The present, in units of 1/65536 s since 1970.
fn present() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or_default();
    (since.as_secs() << 16) | u64::from(since.subsec_nanos() / 15_259)
}

fn mobility_socket() -> Result<Socket> {
    Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::from(MOBILITY)))
        .context("raw sockets need root (CAP_NET_RAW)")
}

/// Sends a Proxy Binding Update from `from` to `lma`, with the time of its sending if it has one, and returns its
/// acknowledgement. This is what `anchorage-demo pbu` runs in a namespace that plays a MAG.
///
/// # Errors
/// When no acknowledgement comes within three tries of a second, or it bears another time than the update.
pub fn register(from: Ipv6Addr, lma: Ipv6Addr, update: &Registration) -> Result<Registration> {
    let mut socket = mobility_socket()?;
    socket.bind(&SockAddr::from(SocketAddrV6::new(from, 0, 0, 0)))?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut update = update.clone();
    let mut answer = [0; 1024];
    for _ in 0..3 {
        update.timestamp = update.timestamp.map(|_| present());
        let bytes = update.write();
        socket.send_to(&bytes, &SockAddr::from(SocketAddrV6::new(lma, 0, 0, 0)))?;
        while let Ok(length) = socket.read(&mut answer) {
            let answer = answer.get(..length).unwrap_or_default();
            let found = Registration::read(answer, BINDING_ACKNOWLEDGEMENT);
            match found.filter(|found| found.sequence == update.sequence) {
                // It was on its way for longer than timestamps may be apart.
                Some(found) if found.status == TIMESTAMP_MISMATCH => break,
                Some(found) => {
                    let same = found.status != 0 || found.timestamp == update.timestamp;
                    anyhow::ensure!(same, "{found:?} answers {update:?}");
                    return Ok(found);
                }
                None => {}
            }
        }
    }
    anyhow::bail!("{lma} did not acknowledge")
}

/// Registers `hosts` hosts one after another, each of an identifier of its own. This is what
/// `anchorage-demo storm` runs in a namespace that plays a MAG.
///
/// # Errors
/// When one is not acknowledged, or is refused.
pub fn register_many(from: Ipv6Addr, lma: Ipv6Addr, hosts: u32) -> Result<()> {
    for host in 0..hosts {
        let update = Registration::attach(&format!("mn{host}@example.net"), 300);
        let answer = register(from, lma, &update)?;
        anyhow::ensure!(
            answer.status == 0,
            "{} was refused: {answer:?}",
            update.identifier
        );
    }
    Ok(())
}

/// Plays an LMA's signalling at `local`: grants every update the prefix it asks for or `prefix`, and
/// prints it as a line of JSON. This is what `anchorage-demo pba` runs until it is killed.
///
/// # Errors
/// When the socket fails.
pub fn acknowledge(local: Ipv6Addr, prefix: Ipv6Addr) -> Result<()> {
    let socket = mobility_socket()?;
    socket.bind(&SockAddr::from(SocketAddrV6::new(local, 0, 0, 0)))?;
    writeln!(std::io::stdout(), "ready")?;
    let mut buffer = [0; 1024];
    loop {
        let (length, peer) = recvfrom::<SockaddrIn6>(socket.as_raw_fd(), &mut buffer)?;
        let message = buffer.get(..length).unwrap_or_default();
        let (Some(update), Some(peer)) = (Registration::read(message, BINDING_UPDATE), peer) else {
            continue;
        };
        writeln!(std::io::stdout(), "{}", serde_json::to_string(&update)?)?;
        let answer = answer(message, update.sequence, prefix);
        socket.send_to(
            &answer,
            &SockAddr::from(SocketAddrV6::new(peer.ip(), 0, 0, 0)),
        )?;
    }
}

/// An acknowledgement that accepts an update: its options are those of the update, at the same places,
/// with a prefix and a link-local address where the update asks for them.
fn answer(update: &[u8], sequence: u16, prefix: Ipv6Addr) -> Vec<u8> {
    let mut bytes = update.to_vec();
    let [high, low] = sequence.to_be_bytes();
    let accepted = [BINDING_ACKNOWLEDGEMENT, 0, 0, 0, 0, PROXY, high, low];
    if let Some(head) = bytes.get_mut(2..10) {
        head.copy_from_slice(&accepted);
    }
    let mut place = 12;
    while let Some(&kind) = bytes.get(place) {
        if kind == 0 {
            place += 1;
            continue;
        }
        let length = usize::from(bytes.get(place + 1).copied().unwrap_or(0));
        match (kind, bytes.get_mut(place + 2..place + 2 + length)) {
            (HOME_NETWORK_PREFIX, Some([_, prefix_length @ 0, octets @ ..])) => {
                *prefix_length = 64;
                octets.copy_from_slice(&prefix.octets());
            }
            (LINK_LOCAL_ADDRESS, Some(octets)) if octets.iter().all(|octet| *octet == 0) => {
                octets.copy_from_slice(&ROUTER.octets());
            }
            _ => {}
        }
        place += 2 + length;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_reads_back_as_it_was_written() {
        let update = Registration {
            prefix: "2001:db8:1000:1::".parse().expect("an address"),
            prefix_length: 64,
            ..Registration::attach("mn1@example.net", 300)
        };
        let bytes = update.write();
        assert_eq!(bytes.len() % 8, 0);
        assert_eq!(Registration::read(&bytes, BINDING_UPDATE), Some(update));
        assert_eq!(Registration::read(&bytes, BINDING_ACKNOWLEDGEMENT), None);
    }

    #[test]
    fn an_answer_grants_what_the_update_asks_for() {
        let update = Registration::attach("mn1@example.net", 300);
        let prefix = "2001:db8:1000:1::".parse().expect("an address");
        let bytes = answer(&update.write(), update.sequence, prefix);
        let granted = Registration {
            prefix,
            prefix_length: 64,
            ..update
        };
        assert_eq!(
            Registration::read(&bytes, BINDING_ACKNOWLEDGEMENT),
            Some(granted)
        );
    }

    #[test]
    fn options_stand_where_their_alignment_wants_them() {
        let bytes = Registration::attach("mn1@example.net", 300).write();
        let mut place = 12;
        let mut found = Vec::new();
        while place < bytes.len() {
            match bytes[place] {
                0 => place += 1,
                kind => {
                    found.push((kind, place % 8));
                    place += 2 + usize::from(bytes[place + 1]);
                }
            }
        }
        assert!(found.contains(&(HOME_NETWORK_PREFIX, 4)), "{found:?}");
        assert!(found.contains(&(TIMESTAMP, 2)), "{found:?}");
        assert_eq!(place, bytes.len());
    }
}
