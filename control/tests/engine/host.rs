//! Hosts as the test plays them: a mobile node that configures itself from Router Advertisements,
//! and a correspondent that answers.

use crate::bytes::{frame, icmp_packet, ip, mac_of, nd_packet, Seen};
use crate::world::World;
use std::net::Ipv6Addr;
use wire::ether::MacAddr;
use wire::ipv6::address::{interface_id, link_local, ALL_ROUTERS};
use wire::nd::{
    NdMessage, NdOption, NeighbourAdvertisement, RouterAdvertisement, RouterSolicitation,
};

/// A host on an end of a wire.
pub struct Host {
    /// The end.
    pub end: usize,
    /// Its link-layer address.
    pub mac: MacAddr,
    /// Its addresses, link-local first.
    pub addresses: Vec<Ipv6Addr>,
    /// Its default router: address and link-layer address.
    pub router: Option<(Ipv6Addr, MacAddr)>,
    /// Whether it answers at all.
    pub alive: bool,
}

impl Host {
    /// A host that knows nothing yet.
    pub fn new(end: usize, last: u8) -> Self {
        let mac = MacAddr([2, 0, 0, 0, 0, last]);
        Self {
            end,
            mac,
            addresses: vec![link_local(mac)],
            router: None,
            alive: true,
        }
    }

    /// The correspondent, at 2001:db8:100::10.
    pub fn correspondent(end: usize) -> Self {
        let mut host = Self::new(end, 0xcc);
        host.addresses.push(ip("2001:db8:100::10"));
        host
    }

    /// Its first address that is not link-local.
    pub fn address(&self) -> Ipv6Addr {
        self.addresses[1]
    }

    /// Solicits a router from its link-local address.
    pub fn solicit_router(&self, world: &mut World) {
        let message = NdMessage::RouterSolicitation(RouterSolicitation {
            options: vec![NdOption::SourceLinkLayer(self.mac)],
        });
        let packet = nd_packet(self.addresses[0], ALL_ROUTERS, &message);
        self.send_to(world, mac_of(ALL_ROUTERS, self.mac), &packet);
    }

    /// Sends an echo request to `to` by way of its router.
    pub fn ping(&self, world: &mut World, to: Ipv6Addr, sequence: u16) {
        let (_, router) = self.router.expect("a router");
        let packet = echo(self.address(), to, 128, sequence);
        self.send_to(world, router, &packet);
    }

    /// Sends a packet in a frame.
    pub fn send_to(&self, world: &mut World, mac: MacAddr, packet: &[u8]) {
        world.send(self.end, &frame(self.mac, mac, packet));
    }

    /// Takes what it heard, does what a host does, and returns what was for it.
    pub fn live(&mut self, world: &mut World) -> Vec<Seen> {
        let mut mine = Vec::new();
        for _ in 0..100 {
            let heard = world.hear(self.end);
            if heard.is_empty() {
                return mine;
            }
            for seen in heard {
                if seen.to == self.mac || seen.to.is_group() {
                    self.react(world, &seen);
                    mine.push(seen);
                }
            }
        }
        panic!("a host is not left in peace");
    }

    fn react(&mut self, world: &mut World, seen: &Seen) {
        match seen.nd() {
            _ if !self.alive => {}
            Some(NdMessage::RouterAdvertisement(advertisement)) => {
                self.configure(seen, &advertisement)
            }
            Some(NdMessage::NeighbourSolicitation(solicitation))
                if self.addresses.contains(&solicitation.target) =>
            {
                let answer = NdMessage::NeighbourAdvertisement(NeighbourAdvertisement {
                    router: false,
                    solicited: true,
                    override_cache: true,
                    target: solicitation.target,
                    options: vec![NdOption::TargetLinkLayer(self.mac)],
                });
                let packet = nd_packet(solicitation.target, seen.source, &answer);
                self.send_to(world, seen.from, &packet);
            }
            _ if seen.icmp() == Some((128, 0)) && self.addresses.contains(&seen.destination) => {
                let rest = &seen.payload[4..];
                let answer = icmp_packet(seen.destination, seen.source, 129, 0, rest);
                self.send_to(world, seen.from, &answer);
            }
            _ => {}
        }
    }

    /// Stateless address autoconfiguration (RFC 4862).
    fn configure(&mut self, seen: &Seen, advertisement: &RouterAdvertisement) {
        self.router = Some((seen.source, seen.from));
        for option in &advertisement.options {
            let NdOption::PrefixInformation(information) = option else {
                continue;
            };
            if !information.autonomous || information.length != 64 || information.valid == 0 {
                continue;
            }
            let id = u64::from_be_bytes(interface_id(self.mac));
            let address = Ipv6Addr::from_bits(information.prefix.to_bits() | u128::from(id));
            if !self.addresses.contains(&address) {
                self.addresses.push(address);
            }
        }
    }
}

/// An echo request (128) or reply (129).
pub fn echo(source: Ipv6Addr, destination: Ipv6Addr, kind: u8, sequence: u16) -> Vec<u8> {
    let [high, low] = sequence.to_be_bytes();
    let rest = [0x12, 0x34, high, low, b'p', b'i', b'n', b'g'];
    icmp_packet(source, destination, kind, 0, &rest)
}

/// The sequence numbers of echo replies among frames.
pub fn replies(seen: &[Seen]) -> Vec<u16> {
    seen.iter()
        .filter(|seen| seen.icmp() == Some((129, 0)))
        .map(|seen| u16::from_be_bytes([seen.payload[6], seen.payload[7]]))
        .collect()
}
