//! One port of the gateway, as its operator sees it.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use dpdk_sys as sys;

use crate::devargs::Devargs;
use crate::eal::Eal;
use crate::interface;
use crate::pool::{Pool, DATA_ROOM};
use crate::queue::{self, RxQueue, TxQueue};
use crate::setup::{self, Device, HELD_PER_QUEUE};
use crate::Error;

/// How a port is made.
#[derive(Clone, Debug)]
pub struct PortConfig {
    /// Name in the configuration, reports and errors.
    pub name: String,
    /// DPDK's name of the device and its arguments: a PCI address such as `0000:01:00.0`, or a
    /// virtual device such as `net_af_packet0,iface=eth1`.
    pub devargs: String,
    /// Queue pairs, one per worker.
    pub queues: u16,
    /// Receive queues, where they are not to be as many as `queues`.
    pub rx_queues: Option<u16>,
    /// Whether fewer will do when the device has no more, of either kind.
    pub fewer: bool,
    /// Descriptors per queue each way, adjusted to what the device takes.
    pub descriptors: u16,
    /// Largest IP packet, in octets; none for the device's own. A device on a kernel interface
    /// changes the MTU of that interface.
    pub mtu: Option<u16>,
    /// Whether to receive what is addressed to others.
    pub promiscuous: bool,
    /// MAC address; none for the device's own. A device on a kernel interface changes the address
    /// of that interface.
    pub mac: Option<[u8; 6]>,
    /// Buffers in the port's pool; none for enough to fill every ring and keep the workers busy.
    pub mbufs: Option<u32>,
}

/// What a device hashes to choose the queue of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rss {
    /// Addresses of IPv4.
    pub ipv4: bool,
    /// Addresses of IPv6.
    pub ipv6: bool,
    /// Ports of UDP and TCP.
    pub ports: bool,
    /// The flow label of IPv6: without it a tunnel's packets look all alike.
    pub flow_label: bool,
}

impl Rss {
    /// By DPDK's bits.
    pub(crate) fn of(bits: u64) -> Rss {
        // A mask is zero where this release of DPDK does not know the field.
        let any = |mask: u64| bits & mask != 0;
        Rss {
            ipv4: any(sys::SHIM_RSS_IPV4),
            ipv6: any(sys::SHIM_RSS_IPV6),
            ports: any(sys::SHIM_RSS_PORTS),
            flow_label: any(sys::SHIM_RSS_FLOW_LABEL),
        }
    }

    /// What is hashed, in words; empty for nothing.
    pub fn words(self) -> Vec<&'static str> {
        let all = [
            (self.ipv4, "ipv4"),
            (self.ipv6, "ipv6"),
            (self.ports, "ports"),
            (self.flow_label, "flow-label"),
        ];
        all.into_iter()
            .filter_map(|(hashed, word)| hashed.then_some(word))
            .collect()
    }
}

impl PortConfig {
    /// A port with one queue pair and everything else as the device has it.
    pub fn new(name: impl Into<String>, devargs: impl Into<String>) -> PortConfig {
        PortConfig {
            name: name.into(),
            devargs: devargs.into(),
            queues: 1,
            rx_queues: None,
            fewer: false,
            descriptors: 512,
            mtu: None,
            promiscuous: false,
            mac: None,
            mbufs: None,
        }
    }

    /// Octets that a buffer for this port's packets holds, after the head room.
    pub fn data_room(&self) -> u16 {
        match Devargs::parse(&self.devargs) {
            Ok(devargs) => {
                let mtu = self.mtu.unwrap_or(0);
                setup::data_room(mtu, self, &devargs.with_room(mtu))
            }
            Err(_) => DATA_ROOM,
        }
    }

    /// Buffers that one worker with `rx_queues` receive queues and a transmit queue of this port takes at
    /// most: what lies in their rings, and what it has in its hands.
    pub fn buffers(&self, rx_queues: u32) -> u32 {
        let rings = (rx_queues + 1).saturating_mul(self.descriptors.into());
        rings.saturating_add(rx_queues.max(1) * HELD_PER_QUEUE)
    }
}

/// Whether a port takes packets, as [`Port::watch_link`] last saw it. Clones tell of the same port.
#[derive(Clone, Debug)]
pub struct Link(Arc<AtomicBool>);

impl Link {
    /// Whether it does.
    #[inline]
    pub fn is_up(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a port has counted since it started. Which of these a driver counts is its own affair.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PortStats {
    /// Packets received.
    pub rx_packets: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Octets received.
    pub rx_octets: u64,
    /// Octets sent.
    pub tx_octets: u64,
    /// Packets dropped because no worker took them in time.
    pub rx_missed: u64,
    /// Packets received broken.
    pub rx_errors: u64,
    /// Packets that failed to be sent.
    pub tx_errors: u64,
    /// Receptions that found the pool empty.
    pub rx_no_mbuf: u64,
}

/// A port that is up. Belongs to the control side; the workers get its queues.
pub struct Port {
    device: Arc<Device>,
    pool: Pool,
    devargs: Devargs,
    rss: Rss,
    notes: Vec<String>,
    log: Vec<String>,
    taken: bool,
    // DPDK wants calls on one port one after the other.
    one_thread: PhantomData<Cell<()>>,
}

impl Port {
    /// Opens the device, gives it queues and a pool of its own, and starts it. What the driver
    /// cannot do and the port can live without stands in [`Port::notes`].
    ///
    /// # Errors
    /// [`Error::Devargs`], [`Error::Device`], [`Error::Queues`], [`Error::Pool`] or [`Error::Port`];
    /// nothing is left open.
    pub fn attach(eal: &Eal, config: PortConfig) -> Result<Port, Error> {
        Port::attach_with(eal, config, |_| Vec::new())
    }

    /// The same with pools that there are: `pools` is told how many receive queues the device gives and
    /// answers with the pool of each, or with none for a pool of the port's own. Pools whose buffers are
    /// too small for a frame are not used, and [`Port::notes`] says so.
    ///
    /// # Errors
    /// As [`Port::attach`].
    pub fn attach_with(
        eal: &Eal,
        config: PortConfig,
        pools: impl FnOnce(u16) -> Vec<Pool>,
    ) -> Result<Port, Error> {
        let devargs = Devargs::parse(&config.devargs)
            .map_err(|reason| Error::Devargs {
                port: config.name.clone(),
                reason,
            })?
            .with_room(config.mtu.unwrap_or(0));
        let mut device = Device::open(eal.inner(), &config.name, &devargs)?;
        let (notes, rss) = device.start(&config, &devargs, pools)?;
        let Some(pool) = device.pool().cloned() else {
            return Err(Error::Port {
                port: config.name,
                step: "starting",
                reason: "it has no pool".to_owned(),
            });
        };
        let log = device.take_log();
        let device = Arc::new(device);
        Ok(Port {
            device,
            pool,
            devargs,
            rss,
            notes,
            log,
            taken: false,
            one_thread: PhantomData,
        })
    }

    /// Name in the configuration.
    pub fn name(&self) -> &str {
        self.device.name()
    }

    /// The driver that runs it.
    pub fn driver(&self) -> &str {
        self.device.driver()
    }

    /// The pool that packets received here lie in.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Number of queue pairs.
    pub fn queues(&self) -> u16 {
        self.rx_queues().min(self.tx_queues())
    }

    /// Number of receive queues.
    pub fn rx_queues(&self) -> u16 {
        self.device.rx_queues()
    }

    /// Number of transmit queues.
    pub fn tx_queues(&self) -> u16 {
        self.device.tx_queues()
    }

    /// What the device hashes to choose a packet's queue; nothing with one queue.
    pub fn rss(&self) -> Rss {
        self.rss
    }

    /// What to try so that it has `wanted` queues.
    pub fn queue_hint(&self, wanted: usize) -> String {
        self.devargs.queue_hint(wanted)
    }

    /// NUMA node that the device is at; none when it is at none, or does not say.
    pub fn socket(&self) -> Option<i32> {
        self.device.socket()
    }

    /// A handle for whoever wants to know whether the port takes packets.
    pub fn link(&self) -> Link {
        Link(Arc::clone(self.device.takes()))
    }

    /// Reads whether the link is up and lets the transmit queues know: a port that was up and has gone
    /// down takes no packets until it is up again. To be called from time to time.
    pub fn watch_link(&self) -> bool {
        let up = self.link_up();
        self.device.seen(up);
        up
    }

    /// What was asked for and the driver could not do, in sentences; empty when all went well.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What DPDK logged while the port came up, at the level of [`crate::EalConfig::log_level`] or
    /// graver. Drivers complain of much that does no harm, so it is for whoever looks for a cause.
    pub fn startup_log(&self) -> &[String] {
        &self.log
    }

    /// The MAC address; all zeros when the driver does not say.
    pub fn mac(&self) -> [u8; 6] {
        let mut address = sys::rte_ether_addr::default();
        // SAFETY: the device is open; the address is written.
        match unsafe { sys::rte_eth_macaddr_get(self.device.id(), &mut address) } {
            0 => address.addr_bytes,
            _ => [0; 6],
        }
    }

    /// Whether the link is up, as the driver last saw it.
    pub fn link_up(&self) -> bool {
        let mut link = sys::rte_eth_link::default();
        // SAFETY: the device is open; the structure is written.
        let code = unsafe { sys::rte_eth_link_get_nowait(self.device.id(), &mut link) };
        // Drivers on a kernel interface may say what they saw when they started.
        let kernel = self.device.interface().is_none_or(interface::is_up);
        code == 0 && link.link_status() == 1 && kernel
    }

    /// Largest IP packet, in octets.
    pub fn mtu(&self) -> u16 {
        self.device.mtu()
    }

    /// Whether it receives what is addressed to others.
    pub fn is_promiscuous(&self) -> bool {
        self.device.is_promiscuous()
    }

    /// What it has counted; zeros when the driver does not count.
    pub fn stats(&self) -> PortStats {
        let mut stats = sys::rte_eth_stats::default();
        // SAFETY: the device is open; the structure is written.
        if unsafe { sys::rte_eth_stats_get(self.device.id(), &mut stats) } != 0 {
            return PortStats::default();
        }
        PortStats {
            rx_packets: stats.ipackets,
            tx_packets: stats.opackets,
            rx_octets: stats.ibytes,
            tx_octets: stats.obytes,
            rx_missed: stats.imissed,
            rx_errors: stats.ierrors,
            tx_errors: stats.oerrors,
            rx_no_mbuf: stats.rx_nombuf,
        }
    }

    /// The queue pairs, one for each worker. They can be taken once; later calls return none.
    pub fn take_queues(&mut self) -> Vec<(RxQueue, TxQueue)> {
        let (rx, tx) = self.take_ends();
        rx.into_iter().zip(tx).collect()
    }

    /// The receive and the transmit queues, of which there may not be as many. They can be taken once,
    /// here or as pairs.
    pub fn take_ends(&mut self) -> (Vec<RxQueue>, Vec<TxQueue>) {
        match std::mem::replace(&mut self.taken, true) {
            true => (Vec::new(), Vec::new()),
            false => queue::all(&self.device),
        }
    }

    /// Stops the port, closes it and returns its pool, whose [`Pool::in_use`] says what is still
    /// out: with another port's queue, or with whoever forgot to give it back.
    ///
    /// # Errors
    /// [`Error::StillHeld`] while a queue of the port is about. It closes when that drops.
    pub fn close(self) -> Result<Pool, Error> {
        match Arc::try_unwrap(self.device) {
            Ok(device) => {
                drop(device);
                Ok(self.pool)
            }
            Err(device) => Err(Error::StillHeld {
                what: format!("port {}", device.name()),
                holder: "a worker's queue".to_owned(),
            }),
        }
    }
}
