//! Bringing one Ethernet device up, and down again in the right order.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use dpdk_sys as sys;
use parking_lot::Mutex;

use crate::devargs::Devargs;
use crate::eal::Inner;
use crate::interface;
use crate::interrupts;
use crate::log;
use crate::pool::{Pool, PoolConfig, DATA_ROOM};
use crate::port::{PortConfig, Rss};
use crate::Error;

/// Octets of a frame beside its payload: Ethernet header, two VLAN tags, check sequence.
const FRAME_OVERHEAD: u16 = 14 + 2 * 4 + 4;

/// Buffers that a worker may hold per queue beside those in the port's rings: a burst on its way
/// through, packets held for neighbours, and what its thread's cache keeps.
pub(crate) const HELD_PER_QUEUE: u32 = 1024;

/// A device that DPDK opened. Stops, closes and unplugs it when the last queue and the port let go.
pub(crate) struct Device {
    id: u16,
    name: String,
    driver: String,
    interface: Option<String>,
    /// The MTU of that interface where the driver does not know it.
    own_mtu: Option<u16>,
    rx_queues: u16,
    tx_queues: u16,
    started: bool,
    /// Of each receive queue.
    pools: Vec<Pool>,
    /// Whether it takes packets.
    takes: Arc<AtomicBool>,
    /// Whether its link was ever seen up: a driver that never says so is not believed.
    was_up: AtomicBool,
    /// What DPDK logged while the device came up.
    log: Mutex<Vec<String>>,
    eal: Arc<Inner>,
}

impl Device {
    /// Plugs the device in (a PCI device is there since the environment started).
    pub(crate) fn open(eal: &Arc<Inner>, port: &str, devargs: &Devargs) -> Result<Device, Error> {
        // Devargs hold no NUL; an empty string would be refused like any unknown device.
        let c_text = CString::new(devargs.text()).unwrap_or_default();
        let there = find(devargs.name());
        if there.is_some() && !devargs.is_pci() {
            return Err(Error::Devargs {
                port: port.to_owned(),
                reason: format!(
                    "device `{}` is another port's already: give each virtual device its own \
                     number",
                    devargs.name()
                ),
            });
        }
        let refused = |reason: String| Error::Device {
            port: port.to_owned(),
            device: devargs.text().to_owned(),
            reason,
            hint: devargs.device_hint(),
        };
        let mut lines = Vec::new();
        let id = match there {
            Some(id) => id,
            None => {
                ((), lines) = log::watch(eal.shown(), || {
                    // SAFETY: the environment is up; the C string is copied.
                    match unsafe { sys::rte_dev_probe(c_text.as_ptr()) } {
                        code @ ..0 => Err(code),
                        _ => Ok(()),
                    }
                })
                .map_err(refused)?;
                find(devargs.name())
                    .ok_or_else(|| refused("its driver made no Ethernet port of it".to_owned()))?
            }
        };
        let mut device = Device {
            id,
            name: port.to_owned(),
            driver: String::new(),
            interface: devargs.interface().map(str::to_owned),
            own_mtu: None,
            rx_queues: 0,
            tx_queues: 0,
            started: false,
            pools: Vec::new(),
            takes: Arc::new(AtomicBool::new(true)),
            was_up: AtomicBool::new(false),
            log: Mutex::new(lines),
            eal: Arc::clone(eal),
        };
        let info = device.info()?;
        if !info.driver_name.is_null() {
            // SAFETY: a C string that lives as long as the driver, which the device keeps.
            let driver = unsafe { CStr::from_ptr(info.driver_name) };
            device.driver = driver.to_string_lossy().into_owned();
        }
        Ok(device)
    }

    /// Configures the device, gives it queues and pools, and starts it. Returns what the driver
    /// could not do and the port can live without, and what it hashes.
    pub(crate) fn start(
        &mut self,
        config: &PortConfig,
        devargs: &Devargs,
        pools: impl FnOnce(u16) -> Vec<Pool>,
    ) -> Result<(Vec<String>, Rss), Error> {
        let mut notes = Vec::new();
        let info = self.info()?;
        let queues = config.queues.max(1);
        let receive = config.rx_queues.unwrap_or(queues).max(1);
        let too_few = receive > info.max_rx_queues || queues > info.max_tx_queues;
        if too_few && !config.fewer {
            return Err(Error::Queues {
                port: self.name.clone(),
                device: devargs.text().to_owned(),
                driver: self.driver.clone(),
                wanted: queues,
                receive: info.max_rx_queues,
                transmit: info.max_tx_queues,
                hint: devargs.queue_hint(queues.into()),
            });
        }
        self.rx_queues = receive.min(info.max_rx_queues.max(1));
        self.tx_queues = queues.min(info.max_tx_queues.max(1));
        let rss = self.configure(&info, &mut notes)?;
        if let Some(mtu) = config.mtu {
            self.set_mtu(mtu, devargs, &mut notes)?;
        }
        if let Some(mac) = config.mac {
            let mut address = sys::rte_ether_addr { addr_bytes: mac };
            // SAFETY: the device is open; the address is copied.
            let code = unsafe { sys::rte_eth_dev_default_mac_addr_set(self.id, &mut address) };
            self.optional(code, "keeps its own MAC address", &mut notes);
        }
        self.set_up_queues(config, devargs, pools, &mut notes)?;
        self.step("starting", || {
            // SAFETY: the device is open, configured and has its queues.
            unsafe { sys::rte_eth_dev_start(self.id) }
        })?;
        self.started = true;
        if config.promiscuous {
            // SAFETY: the device is open.
            let code = unsafe { sys::rte_eth_promiscuous_enable(self.id) };
            self.optional(code, "has no promiscuous mode", &mut notes);
        }
        // Neighbour discovery is multicast; a promiscuous port hears it anyway.
        // SAFETY: the device is open.
        let code = unsafe { sys::rte_eth_allmulticast_enable(self.id) };
        if !self.is_promiscuous() {
            self.optional(code, "does not receive all multicast", &mut notes);
        }
        Ok((notes, rss))
    }

    /// Sets the number of queues, and spreads packets over them by their outer headers as far as the
    /// device can. Returns what it hashes.
    fn configure(
        &mut self,
        info: &sys::rte_eth_dev_info,
        notes: &mut Vec<String>,
    ) -> Result<Rss, Error> {
        let mut conf = sys::rte_eth_conf::default();
        let wanted = sys::SHIM_RSS_IPV4
            | sys::SHIM_RSS_IPV6
            | sys::SHIM_RSS_PORTS
            | sys::SHIM_RSS_FLOW_LABEL;
        let spread = info.flow_type_rss_offloads & wanted;
        let spreads = self.rx_queues > 1 && spread != 0;
        if spreads {
            conf.rxmode.mq_mode = sys::SHIM_MQ_RSS;
            conf.rx_adv_conf.rss_conf.rss_hf = spread;
        } else if self.rx_queues > 1 {
            notes.push(format!(
                "{} has no RSS; which queue a packet comes to is its own choice",
                self.driver
            ));
        }
        let (rx, tx) = (self.rx_queues, self.tx_queues);
        self.step("configuring", || {
            // SAFETY: the device is open; the configuration is copied.
            unsafe { sys::rte_eth_dev_configure(self.id, rx, tx, &conf) }
        })?;
        if !spreads {
            return Ok(Rss::default());
        }
        let mut got = sys::rte_eth_rss_conf::default();
        // SAFETY: the device is configured; without a place for the key, the structure alone is written.
        let code = unsafe { sys::rte_eth_dev_rss_hash_conf_get(self.id, &mut got) };
        // Not every driver tells what it took; then it took what it says it can.
        let rss = Rss::of(if code == 0 && got.rss_hf != 0 {
            got.rss_hf
        } else {
            spread
        });
        if !rss.flow_label {
            notes.push(format!(
                "{} hashes {} and no flow label: all that comes by one tunnel comes to one queue",
                self.driver,
                rss.words().join(", ")
            ));
        }
        Ok(rss)
    }

    /// Asks for an MTU; a device that refuses keeps its own.
    fn set_mtu(
        &mut self,
        mtu: u16,
        devargs: &Devargs,
        notes: &mut Vec<String>,
    ) -> Result<(), Error> {
        if self.mtu() == mtu {
            return Ok(());
        }
        // The driver claims to take Ethernet's usual frames alone, and takes what its slots hold.
        let slots = devargs.slot().filter(|&slot| slot > usize::from(mtu));
        let by_kernel = |name| interface::set_mtu(name, mtu);
        if slots.is_some() && self.interface.as_deref().is_some_and(by_kernel) {
            self.own_mtu = Some(mtu);
            return Ok(());
        }
        let result = log::watch(sys::RTE_LOG_ERR, || {
            // SAFETY: the device is open and configured.
            match unsafe { sys::rte_eth_dev_set_mtu(self.id, mtu) } {
                0 => Ok(()),
                code => Err(code),
            }
        });
        if let Err(reason) = result {
            notes.push(format!(
                "{} keeps its MTU of {}: {reason}",
                self.driver,
                self.mtu()
            ));
        }
        Ok(())
    }

    /// Makes every queue, each receive queue over its pool.
    fn set_up_queues(
        &mut self,
        config: &PortConfig,
        devargs: &Devargs,
        pools: impl FnOnce(u16) -> Vec<Pool>,
        notes: &mut Vec<String>,
    ) -> Result<(), Error> {
        let (mut rx, mut tx) = (config.descriptors, config.descriptors);
        self.step("choosing descriptors", || {
            // SAFETY: the device is open; both numbers are written back.
            unsafe { sys::rte_eth_dev_adjust_nb_rx_tx_desc(self.id, &mut rx, &mut tx) }
        })?;
        let room = data_room(self.mtu(), config, devargs);
        let mut pools = pools(self.rx_queues);
        if let Some(small) = pools.iter().find(|pool| pool.data_room() < room) {
            notes.push(format!(
                "{} needs buffers of {room} octets, and those of {} have {}: it gets its own",
                self.driver,
                small.name(),
                small.data_room()
            ));
            pools.clear();
        }
        if pools.len() < usize::from(self.rx_queues) {
            let pairs = u32::from(self.rx_queues.max(self.tx_queues));
            let wanted = pairs * (u32::from(rx) + u32::from(tx) + HELD_PER_QUEUE);
            let pool = Pool::with(
                &self.eal,
                PoolConfig {
                    name: self.name.clone(),
                    mbufs: config.mbufs.unwrap_or((wanted + 1).next_power_of_two() - 1),
                    data_room: room,
                    socket: self.socket(),
                },
            )?;
            pools = vec![pool; usize::from(self.rx_queues)];
        }
        self.pools = pools;
        let node = self.socket().unwrap_or(0) as u32;
        for (queue, pool) in (0..self.rx_queues).zip(&self.pools) {
            self.step("setting up a receive queue", || {
                // SAFETY: the device is configured with more queues than `queue`; null asks for the
                // driver's own thresholds; the pool outlives the device (a field of it).
                unsafe {
                    sys::rte_eth_rx_queue_setup(
                        self.id,
                        queue,
                        rx,
                        node,
                        std::ptr::null(),
                        pool.as_ptr(),
                    )
                }
            })?;
        }
        for queue in 0..self.tx_queues {
            self.step("setting up a transmit queue", || {
                // SAFETY: as above.
                unsafe { sys::rte_eth_tx_queue_setup(self.id, queue, tx, node, std::ptr::null()) }
            })?;
        }
        Ok(())
    }

    /// Runs a step that the port cannot do without.
    fn step(&self, step: &'static str, call: impl FnOnce() -> i32) -> Result<(), Error> {
        log::watch(self.eal.shown(), || match call() {
            0 => Ok(()),
            code => Err(code),
        })
        .map(|((), lines)| self.log.lock().extend(lines))
        .map_err(|reason| Error::Port {
            port: self.name.clone(),
            step,
            reason,
        })
    }

    /// Notes a step that failed and that the port can do without.
    fn optional(&self, code: i32, consequence: &str, notes: &mut Vec<String>) {
        if code != 0 {
            notes.push(format!(
                "{} {consequence} ({})",
                self.driver,
                log::errno_text(code)
            ));
        }
    }

    /// What the driver says of the device.
    fn info(&self) -> Result<sys::rte_eth_dev_info, Error> {
        let mut info = sys::rte_eth_dev_info::default();
        self.step("asking for its capabilities", || {
            // SAFETY: the device is open; the structure is written.
            unsafe { sys::rte_eth_dev_info_get(self.id, &mut info) }
        })?;
        Ok(info)
    }

    #[inline]
    pub(crate) fn id(&self) -> u16 {
        self.id
    }

    /// The port's name in the configuration.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Takes what DPDK logged so far.
    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock())
    }

    pub(crate) fn driver(&self) -> &str {
        &self.driver
    }

    pub(crate) fn rx_queues(&self) -> u16 {
        self.rx_queues
    }

    pub(crate) fn tx_queues(&self) -> u16 {
        self.tx_queues
    }

    /// The kernel interface that it sits on, if it does.
    pub(crate) fn interface(&self) -> Option<&str> {
        self.interface.as_deref()
    }

    /// NUMA node that it is at, if it says.
    pub(crate) fn socket(&self) -> Option<i32> {
        // SAFETY: the device is open.
        let socket = unsafe { sys::rte_eth_dev_socket_id(self.id) };
        (socket >= 0).then_some(socket)
    }

    /// Whether it takes packets, for others to look at.
    pub(crate) fn takes(&self) -> &Arc<AtomicBool> {
        &self.takes
    }

    /// Whether it takes packets.
    #[inline]
    pub(crate) fn takes_packets(&self) -> bool {
        self.takes.load(Ordering::Relaxed)
    }

    /// Its link was seen up or down.
    pub(crate) fn seen(&self, up: bool) {
        let was_up = self.was_up.fetch_or(up, Ordering::Relaxed);
        self.takes.store(up || !was_up, Ordering::Relaxed);
    }

    /// The pool that packets received on its first queue lie in; there once started.
    pub(crate) fn pool(&self) -> Option<&Pool> {
        self.pools.first()
    }

    pub(crate) fn mtu(&self) -> u16 {
        if let Some(mtu) = self.own_mtu {
            return mtu;
        }
        let mut mtu = 0;
        // SAFETY: the device is open; the number is written.
        match unsafe { sys::rte_eth_dev_get_mtu(self.id, &mut mtu) } {
            0 => mtu,
            _ => 1500,
        }
    }

    pub(crate) fn is_promiscuous(&self) -> bool {
        // SAFETY: the device is open.
        unsafe { sys::rte_eth_promiscuous_get(self.id) == 1 }
    }

    /// Takes out what a device made of software rings still holds: nobody else will.
    fn drain(&self) {
        if self.driver != "net_ring" {
            return;
        }
        let all: u32 = self.pools.iter().map(Pool::size).sum();
        for queue in 0..self.rx_queues {
            // A ring holds no more than all buffers there are.
            for _ in 0..=all {
                let mut packet = MaybeUninit::<*mut sys::rte_mbuf>::uninit();
                // SAFETY: the port is started and its last queue is gone, so this thread alone uses
                // it. DPDK hands over the one packet it says it wrote.
                unsafe {
                    if sys::shim_rx_burst(self.id, queue, packet.as_mut_ptr(), 1) == 0 {
                        break;
                    }
                    sys::shim_free(packet.assume_init());
                }
            }
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let mut info = sys::rte_eth_dev_info::default();
        // This driver may leave a callback behind, whose handle DPDK's own thread reads even while
        // the memory under it is unmapped.
        if self.driver == "net_memif" {
            self.eal.keep_memory();
        }
        let _ = log::watch_aloud(self.eal.shown(), || {
            if self.started {
                self.drain();
            }
            // SAFETY: the device is open and the last holder of its queues is gone. `device` in
            // what the driver says outlives the closing, since it belongs to the bus.
            unsafe {
                sys::rte_eth_dev_info_get(self.id, &mut info);
                if self.started {
                    sys::rte_eth_dev_stop(self.id);
                    interrupts::settle();
                }
                sys::rte_eth_dev_close(self.id);
                interrupts::settle();
                match info.device.is_null() {
                    true => Ok(()),
                    false => match sys::rte_dev_remove(info.device) {
                        0 => Ok(()),
                        code => Err(code),
                    },
                }
            }
        });
    }
}

/// Octets a buffer must hold: a whole frame, and what drivers that copy whole slots insist on.
pub(crate) fn data_room(mtu: u16, config: &PortConfig, devargs: &Devargs) -> u16 {
    let frame = mtu
        .max(config.mtu.unwrap_or(0))
        .saturating_add(FRAME_OVERHEAD);
    let slot = devargs
        .argument("framesz")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    DATA_ROOM.max(frame).max(slot)
}

/// The port that a device of this name is, if it is one.
fn find(device: &str) -> Option<u16> {
    let name = CString::new(device).ok()?;
    let mut id = 0;
    // SAFETY: a C string that outlives the call; the number is written.
    match unsafe { sys::rte_eth_dev_get_port_by_name(name.as_ptr(), &mut id) } {
        0 => Some(id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_hold_whole_frames() {
        let mut config = PortConfig::new("core", "net_null0");
        let null = Devargs::parse("net_null0").expect("valid");
        assert_eq!(data_room(1500, &config, &null), 2048);
        config.mtu = Some(9000);
        assert_eq!(data_room(1500, &config, &null), 9026);
        assert_eq!(data_room(65535, &config, &null), 65535);
        let slots = Devargs::parse("net_af_packet0,iface=lo,framesz=16384").expect("valid");
        assert_eq!(data_room(1500, &config, &slots), 16384);
    }
}
