//! What is answered about that which carries the gateway: ports, workers, routes and neighbours.

use super::declare::objects;
use crate::config::Prefix;
use std::net::IpAddr;
use wire::ether::MacAddr;

objects! {
    /// A port.
    pub struct Port {
        /// Its name in the configuration.
        pub name: String,
        /// Its DPDK devargs.
        pub device: String,
        /// The driver that DPDK found for it.
        pub driver: String,
        /// Its link-layer address.
        pub mac: MacAddr,
        /// Largest IP packet in octets.
        pub mtu: u16,
        /// Whether its link is up.
        pub link_up: bool,
        /// Its TAP twin, if it has one.
        pub twin: Option<String>,
        /// Packets received.
        pub rx_packets: u64,
        /// Octets received.
        pub rx_bytes: u64,
        /// Packets that came while no buffer or descriptor was free.
        pub rx_missed: u64,
        /// Packets that came broken.
        pub rx_errors: u64,
        /// Packets sent.
        pub tx_packets: u64,
        /// Octets sent.
        pub tx_bytes: u64,
        /// Packets that could not be sent.
        pub tx_errors: u64,
        /// Receive queues.
        pub rx_queues: usize,
        /// Transmit queues.
        pub tx_queues: usize,
        /// What the device hashes to choose the queue of a packet: `ipv4`, `ipv6`, `ports`,
        /// `flow-label`; nothing when it does not spread packets by a hash.
        pub rss: Vec<String>,
        /// Whether workers hand packets on to the worker of their inner flow.
        pub handoff: bool,
        /// NUMA node of the device, if it is at one.
        pub socket: Option<u32>,
    }

    /// A worker.
    pub struct Worker {
        /// Its number, from 0.
        pub index: usize,
        /// The core that it is pinned to.
        pub core: usize,
        /// NUMA node of that core.
        pub socket: Option<u32>,
        /// The receive queues that it polls, each as `port:queue`.
        pub queues: Vec<String>,
        /// Seconds for which it has made no pass, once that was reported as a stall.
        pub standing_secs: Option<f64>,
        /// Packets that it received and handed to other workers.
        pub handed: u64,
        /// Packets that other workers handed to it; they are among `packets`.
        pub taken: u64,
        /// Times that it asked its ports for packets.
        pub polls: u64,
        /// Packets that it received.
        pub packets: u64,
        /// Packets per poll that found any, on average: the size of its vectors.
        pub burst: f64,
        /// Share of polls that found nothing, 0 to 1.
        pub idle: f64,
        /// Processor cycles per packet while there were any; absent until it is known.
        pub cycles_per_packet: Option<f64>,
        /// Polls that found nothing.
        pub empty_polls: u64,
        /// Seconds since the gateway started, for rates.
        pub uptime_secs: f64,
        /// Seconds spent in polls that found something.
        pub busy_secs: f64,
        /// Times that it went to sleep.
        pub sleeps: u64,
        /// Seconds that it meant to sleep.
        pub slept_secs: f64,
        /// Packets that wait for a neighbour now.
        pub held: u64,
        /// Polls that found something, by how many packets they found.
        pub vectors: Vec<Vector>,
    }

    /// Polls that found about so many packets.
    #[derive(Copy)]
    pub struct Vector {
        /// The most packets of these polls; absent for the last, which has no limit.
        pub most: Option<u64>,
        /// How many polls there were.
        pub polls: u64,
    }

    /// A route, or one of our own addresses.
    pub struct Route {
        /// Destinations.
        pub prefix: Prefix,
        /// `via`, `on-link`, `local`, `unreachable` or `blackhole`.
        pub kind: String,
        /// The router, for `via`.
        pub via: Option<IpAddr>,
        /// The interface, where there is one.
        pub interface: Option<String>,
        /// The router's link-layer address, once it is known.
        pub mac: Option<MacAddr>,
        /// The domain whose packets it is for; absent: the common network.
        pub domain: Option<String>,
    }

    /// A neighbour.
    pub struct Neighbour {
        /// Its address.
        pub address: IpAddr,
        /// The interface that it is on.
        pub interface: String,
        /// Its link-layer address, once it is known.
        pub mac: Option<MacAddr>,
        /// State of RFC 4861 section 7.3.2: `incomplete`, `reachable`, `stale`, `delay`, `probe`;
        /// or `failed`.
        pub state: String,
    }
}
