//! One port of the gateway, as its operator sees it.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

use dpdk_sys as sys;

use crate::devargs::Devargs;
use crate::eal::Eal;
use crate::pool::Pool;
use crate::queue::{self, RxQueue, TxQueue};
use crate::setup::Device;
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

impl PortConfig {
    /// A port with one queue pair and everything else as the device has it.
    pub fn new(name: impl Into<String>, devargs: impl Into<String>) -> PortConfig {
        PortConfig {
            name: name.into(),
            devargs: devargs.into(),
            queues: 1,
            descriptors: 512,
            mtu: None,
            promiscuous: false,
            mac: None,
            mbufs: None,
        }
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
        let devargs = Devargs::parse(&config.devargs).map_err(|reason| Error::Devargs {
            port: config.name.clone(),
            reason,
        })?;
        let mut device = Device::open(eal.inner(), &config.name, &devargs)?;
        let notes = device.start(&config, &devargs)?;
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
        self.device.queues()
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
        code == 0 && link.link_status() == 1
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
        match std::mem::replace(&mut self.taken, true) {
            true => Vec::new(),
            false => queue::pairs(&self.device),
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
