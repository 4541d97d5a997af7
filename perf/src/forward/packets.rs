//! The packets of the bench: what goes in, and what must come out, built here octet by octet from
//! the RFCs, with nothing of the gateway's own code but the layout of an Ethernet frame.
//!
//! ```text
//!   Input { entry, seed } ──> frame that the worker receives
//!                        └──> frame that the worker must send
//! ```
//!
//! All of a packet follows from its [`Input`]: addresses, traffic class with every congestion mark,
//! hop limit, flow label (every second packet has one) and ports are drawn from its seed.

use super::world::{
    correspondent, from_tunnel, home, ipv4_correspondent, ipv4_home, neighbour, route, stranger,
    tunnel_remote, Entry, CORE_IN, CORE_OUT, LOCAL, UPSTREAM,
};
use super::PathKind;

/// Octets of an Ethernet header without a tag.
const ETHERNET: usize = 14;
/// What it says of IPv6 and of IPv4.
const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];
const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
/// Octets of an IPv4 header without options.
const IPV4: usize = 20;
/// Octets of an IPv6 header.
const IPV6: usize = 40;
/// What a tunnel adds.
pub const OVERHEAD: usize = IPV6;
/// The outer hop limit of every tunnel.
pub const OUTER_HOP_LIMIT: u8 = 64;
/// Where the flow label of the outer header stands in an encapsulated frame: the last three octets
/// of the word hold it in their lower 20 bits.
const LABEL_AT: usize = ETHERNET + 1;

/// One packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Input {
    /// Which binding or route.
    pub entry: Entry,
    /// What the rest of it is drawn from.
    pub seed: u64,
}

/// The fields that are drawn from a seed.
struct Drawn {
    class: u8,
    outer_class: u8,
    label: u32,
    hop_limit: u8,
    host: u64,
    peer: u64,
    ports: [u8; 4],
}

impl Drawn {
    fn of(seed: u64) -> Self {
        let mut state = seed;
        let mut word = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^ word >> 31
        };
        let [class, outer_class, hop_limit, labelled, ports @ ..] = word().to_le_bytes();
        let label = word() as u32 & 0xf_ffff;
        // A congested outer packet around one that cannot carry the mark would have to be dropped.
        let outer_class = match class & 3 {
            0 if outer_class & 3 == 3 => outer_class & !3,
            _ => outer_class,
        };
        Self {
            class,
            outer_class,
            label: if labelled & 1 == 0 { 0 } else { label },
            hop_limit: hop_limit.max(2),
            host: word(),
            peer: word(),
            ports,
        }
    }
}

/// Builds both sides of every packet of one run.
#[derive(Clone, Copy)]
pub struct Builder {
    /// What the gateway does with them.
    pub path: PathKind,
    /// Octets of the bare frame, without the tunnel.
    pub frame: usize,
}

impl Builder {
    /// Octets of the frame that the worker receives.
    pub fn received_len(&self) -> usize {
        match self.path {
            PathKind::Decap => self.frame + OVERHEAD,
            _ => self.frame,
        }
    }

    /// Octets of the frame that it must send.
    pub fn sent_len(&self) -> usize {
        match self.path {
            _ if self.enters() => self.frame + OVERHEAD,
            _ => self.frame,
        }
    }

    /// Whether packets go into a tunnel.
    pub fn enters(&self) -> bool {
        matches!(self.path, PathKind::Encap | PathKind::Ipv4)
    }

    /// Writes the frame that the worker receives into `frame`, which is as long as it.
    pub fn received(&self, input: Input, frame: &mut [u8]) {
        let drawn = Drawn::of(input.seed);
        let bare = match self.path {
            PathKind::Ipv4 => ETHERTYPE_IPV4,
            _ => ETHERTYPE_IPV6,
        };
        ethernet(frame, CORE_IN.mac, UPSTREAM, bare);
        let at = match self.path {
            PathKind::Decap => {
                let outer = Ipv6 {
                    class: drawn.outer_class,
                    label: drawn.label ^ 0x5a5a5,
                    next: 41,
                    hop_limit: drawn.hop_limit,
                    source: tunnel_remote(from_tunnel(input.entry)),
                    destination: LOCAL,
                };
                outer.write(&mut frame[ETHERNET..]);
                ETHERNET + IPV6
            }
            _ => ETHERNET,
        };
        self.inner(input, &drawn, &mut frame[at..]);
    }

    /// Writes the frame that the worker must send out of `tunnel` into `frame`, which is as long as
    /// it. The outer flow label is one that it chooses (RFC 6438): `frame` gets `label`.
    pub fn sent(&self, input: Input, tunnel: u32, label: u32, frame: &mut [u8]) {
        let drawn = Drawn::of(input.seed);
        let next = match self.path {
            PathKind::Encap | PathKind::Ipv4 => tunnel,
            PathKind::Decap => 0,
            PathKind::Route => route(input.entry),
        };
        ethernet(frame, neighbour(next), CORE_OUT.mac, ETHERTYPE_IPV6);
        let at = match self.path {
            PathKind::Encap | PathKind::Ipv4 => {
                let outer = Ipv6 {
                    class: drawn.class,
                    label,
                    next: if self.path == PathKind::Ipv4 { 4 } else { 41 },
                    hop_limit: OUTER_HOP_LIMIT,
                    source: LOCAL,
                    destination: tunnel_remote(tunnel),
                };
                outer.write(&mut frame[ETHERNET..]);
                ETHERNET + IPV6
            }
            _ => ETHERNET,
        };
        let inner = &mut frame[at..];
        let mut drawn = drawn;
        drawn.hop_limit -= 1;
        self.inner(input, &drawn, inner);
        if self.path == PathKind::Decap {
            let mark = congestion(drawn.outer_class & 3, drawn.class & 3);
            inner[1] = inner[1] & 0xcf | mark << 4;
        }
    }

    /// The packet itself, an IP header with UDP behind it, into all of `packet`.
    fn inner(&self, input: Input, drawn: &Drawn, packet: &mut [u8]) {
        if self.path == PathKind::Ipv4 {
            ipv4(input, drawn, packet);
            return udp(input, drawn, &mut packet[IPV4..]);
        }
        let (own, other) = (home(input.entry, drawn.host), correspondent(drawn.peer));
        let (source, destination) = match self.path {
            PathKind::Decap => (own, other),
            _ => (other, own),
        };
        let header = Ipv6 {
            class: drawn.class,
            label: drawn.label,
            next: 17,
            hop_limit: drawn.hop_limit,
            source,
            destination,
        };
        header.write(packet);
        udp(input, drawn, &mut packet[IPV6..]);
    }
}

/// UDP and data into all of `place`.
fn udp(input: Input, drawn: &Drawn, place: &mut [u8]) {
    let length = (place.len() as u16).to_be_bytes();
    // The gateway has no business with the checksum.
    let head = drawn.ports.into_iter().chain(length).chain([0xbe, 0xef]);
    let data = input.seed.to_be_bytes().into_iter().cycle();
    for (place, octet) in place.iter_mut().zip(head.chain(data)) {
        *place = octet;
    }
}

/// An IPv4 header without options (RFC 791), its checksum made from scratch, at the front of `packet`,
/// all of which is its payload.
fn ipv4(input: Input, drawn: &Drawn, packet: &mut [u8]) {
    const DO_NOT_FRAGMENT: u8 = 0x40;
    let length = (packet.len() as u16).to_be_bytes();
    packet[..2].copy_from_slice(&[0x45, drawn.class]);
    packet[2..4].copy_from_slice(&length);
    packet[4..6].copy_from_slice(&(drawn.label as u16).to_be_bytes());
    packet[6..8].copy_from_slice(&[DO_NOT_FRAGMENT, 0]);
    packet[8..12].copy_from_slice(&[drawn.hop_limit, 17, 0, 0]);
    packet[12..16].copy_from_slice(&ipv4_correspondent(drawn.peer).to_be_bytes());
    packet[16..IPV4].copy_from_slice(&ipv4_home(input.entry).to_be_bytes());
    let words = packet[..IPV4].chunks_exact(2);
    let mut sum: u32 = words
        .map(|word| u32::from(word[0]) << 8 | u32::from(word[1]))
        .sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    packet[10..12].copy_from_slice(&(!sum as u16).to_be_bytes());
}

/// Octets of a forged update's frame.
pub const FORGED: usize = ETHERNET + IPV6 + FORGED_MESSAGE;
/// Octets of the message, a multiple of eight (RFC 6275 section 6.1.1).
const FORGED_MESSAGE: usize = 24;

/// Writes a binding update from a stranger, whole and with its checksum right, into `frame`, which is as
/// long as it: who forges has the time for that.
pub fn forged(seed: u64, frame: &mut [u8]) {
    const MOBILITY: u8 = 135;
    let drawn = Drawn::of(seed);
    ethernet(frame, CORE_IN.mac, UPSTREAM, ETHERTYPE_IPV6);
    let header = Ipv6 {
        class: 0,
        label: drawn.label,
        next: MOBILITY,
        hop_limit: drawn.hop_limit,
        source: stranger(drawn.peer),
        destination: LOCAL,
    };
    header.write(&mut frame[ETHERNET..]);
    let [a, b, c, d] = drawn.ports;
    // No next header, two more units of eight octets, a Binding Update; A, H and P; padding to the end.
    let message = [59, 2, 5, 0, 0, 0, a, b, 0xc2, 0, c, d, 1, 10];
    let place = &mut frame[ETHERNET + IPV6..];
    place.fill(0);
    place[..message.len()].copy_from_slice(&message);
    let words = |octets: &[u8]| {
        let words = octets.chunks_exact(2);
        words
            .map(|word| u32::from(word[0]) << 8 | u32::from(word[1]))
            .sum::<u32>()
    };
    let addresses = words(&frame[ETHERNET + 8..ETHERNET + IPV6]);
    let mut sum = addresses + words(&frame[ETHERNET + IPV6..]);
    sum += FORGED_MESSAGE as u32 + u32::from(MOBILITY);
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    let at = ETHERNET + IPV6 + 4;
    frame[at..at + 2].copy_from_slice(&(!sum as u16).to_be_bytes());
}

/// The outer flow label of an encapsulated frame.
pub fn outer_label(frame: &[u8]) -> Option<u32> {
    let octets: [u8; 3] = *frame.get(LABEL_AT..)?.first_chunk()?;
    let [a, b, c] = octets.map(u32::from);
    Some((a << 16 | b << 8 | c) & 0xf_ffff)
}

/// What of a congestion mark goes on after a tunnel: RFC 6040 section 4.2, its figure 4.
fn congestion(outer: u8, inner: u8) -> u8 {
    const AFTER: [[u8; 4]; 4] = [
        // Inner Not-ECT; with an outer CE it would be dropped, and is never sent here.
        [0, 0, 0, 0],
        // Inner ECT(1).
        [1, 1, 1, 3],
        // Inner ECT(0).
        [2, 1, 2, 3],
        // Inner CE.
        [3, 3, 3, 3],
    ];
    AFTER[usize::from(inner)][usize::from(outer)]
}

fn ethernet(frame: &mut [u8], to: [u8; 6], from: [u8; 6], ethertype: [u8; 2]) {
    frame[..6].copy_from_slice(&to);
    frame[6..12].copy_from_slice(&from);
    frame[12..ETHERNET].copy_from_slice(&ethertype);
}

/// An IPv6 header; its payload is what follows it to the end of the frame.
struct Ipv6 {
    class: u8,
    label: u32,
    next: u8,
    hop_limit: u8,
    source: u128,
    destination: u128,
}

impl Ipv6 {
    fn write(&self, packet: &mut [u8]) {
        let payload = (packet.len() - IPV6) as u16;
        let first = 6 << 28 | u32::from(self.class) << 20 | self.label & 0xf_ffff;
        packet[..4].copy_from_slice(&first.to_be_bytes());
        packet[4..6].copy_from_slice(&payload.to_be_bytes());
        packet[6] = self.next;
        packet[7] = self.hop_limit;
        packet[8..24].copy_from_slice(&self.source.to_be_bytes());
        packet[24..40].copy_from_slice(&self.destination.to_be_bytes());
    }
}
