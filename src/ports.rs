//! The ports of the gateway: those of the configuration, then the TAP twins that some of them have.

use anyhow::{Context, Result};
use control::config::Config;
use control::{PortInfo, PortStats, ReadPort};
use dpdk::{Eal, Port, PortConfig, RxQueue, TxQueue};
use packet::PortId;
use parking_lot::Mutex;
use std::sync::Arc;
use wire::ether::MacAddr;

/// All open ports; the index of one is its [`PortId`].
pub struct Ports {
    // Shared with what reads their counters for control.
    open: Arc<Mutex<Vec<Port>>>,
    info: Vec<PortInfo>,
}

impl Ports {
    /// Opens every port and every twin of the configuration, one queue pair per worker each.
    ///
    /// # Errors
    /// The first port that does not open, and why; those before it are closed again.
    pub fn open(eal: &Eal, config: &Config) -> Result<Self> {
        let queues = u16::try_from(config.workers.cores.len()).context("too many workers")?;
        let mut open = Vec::new();
        let mut info = Vec::new();
        for port in &config.port {
            let attached = Port::attach(
                eal,
                PortConfig {
                    queues,
                    mtu: Some(port.mtu),
                    // An access interface shows a link-layer address that is not the port's.
                    promiscuous: true,
                    ..PortConfig::new(&port.name, &port.device)
                },
            )?;
            for line in attached.startup_log() {
                tracing::debug!(port = port.name, "{line}");
            }
            for note in attached.notes() {
                tracing::warn!(port = port.name, "{note}");
            }
            info.push(PortInfo {
                name: port.name.clone(),
                device: port.device.clone(),
                driver: attached.driver().to_owned(),
                mac: MacAddr(attached.mac()),
                mtu: attached.mtu(),
                id: id(open.len())?,
                twin: None,
            });
            open.push(attached);
        }
        let twins = config.port.iter().zip(&mut info).enumerate();
        for (number, (port, info)) in twins {
            let Some(name) = &port.twin else { continue };
            // The twin has the port's own link-layer address: to the link, both are one station.
            let twin = PortConfig {
                queues,
                mtu: Some(port.mtu),
                mac: Some(info.mac.0),
                ..PortConfig::new(
                    format!("{}'s twin", port.name),
                    format!("net_tap{number},iface={name}"),
                )
            };
            info.twin = Some((name.clone(), id(open.len())?));
            open.push(Port::attach(eal, twin)?);
        }
        Ok(Self {
            open: Arc::new(Mutex::new(open)),
            info,
        })
    }

    /// What control is told of the ports.
    pub fn info(&self) -> Vec<PortInfo> {
        self.info.clone()
    }

    /// Reads the counters of a port.
    pub fn reader(&self) -> ReadPort {
        let open = Arc::clone(&self.open);
        Box::new(move |PortId(index)| {
            let open = open.lock();
            let Some(port) = open.get(usize::from(index)) else {
                return PortStats::default();
            };
            let stats = port.stats();
            PortStats {
                link_up: port.link_up(),
                rx_packets: stats.rx_packets,
                rx_bytes: stats.rx_octets,
                rx_missed: stats.rx_missed + stats.rx_no_mbuf,
                rx_errors: stats.rx_errors,
                tx_packets: stats.tx_packets,
                tx_bytes: stats.tx_octets,
                tx_errors: stats.tx_errors,
            }
        })
    }

    /// The queues of every port, by worker: element `w` holds worker `w`'s pair of each port.
    pub fn take_queues(&mut self, workers: usize) -> Vec<Vec<(RxQueue, TxQueue)>> {
        let mut shares: Vec<Vec<_>> = (0..workers).map(|_| Vec::new()).collect();
        for port in self.open.lock().iter_mut() {
            for (share, pair) in shares.iter_mut().zip(port.take_queues()) {
                share.push(pair);
            }
        }
        shares
    }

    /// The pool that packets born in worker number `worker` come from.
    pub fn pool(&self, worker: usize) -> Option<dpdk::Pool> {
        let open = self.open.lock();
        open.get(worker % open.len().max(1))
            .map(|port| port.pool().clone())
    }

    /// Closes all ports, ends the environment, and says how many packet buffers were still out.
    ///
    /// # Errors
    /// A port that something still holds.
    pub fn close(self, eal: Eal) -> Result<u32> {
        let ports = std::mem::take(&mut *self.open.lock());
        Ok(eal.shutdown(ports, Vec::new())?.mbufs_in_use())
    }
}

fn id(index: usize) -> Result<PortId> {
    Ok(PortId(u16::try_from(index).context("too many ports")?))
}
