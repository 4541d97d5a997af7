//! Safe owners of what DPDK gives out: the environment, ports, queues, pools, packets and threads.
//!
//! ```text
//!   Eal ──────────┬───────────────┬──────────────────┐      one per process
//!                 │               │                  │
//!               Pool <────────── Port           WorkerThread   pinned, registered
//!                 │               │                  │
//!                 │        RxQueue, TxQueue ──> WorkerIo       one worker's share of every port
//!                 v               v                  │
//!               Mbuf <───── bursts of packets <──────┘
//! ```
//!
//! An arrow or line means "keeps alive": a port cannot close under its queues, a pool cannot go
//! under a port, and the environment ends after all of them. [`Eal::shutdown`] does it in that
//! order and says how many mbufs were still out.
//!
//! [`WorkerIo`] and [`Mbuf`] implement [`packet::RxTx`] and [`packet::Buf`]; per packet there is
//! only field arithmetic here, and one call into C per burst.
//!
//! Three things about DPDK decided the shape of this crate:
//!
//! * `rte_eal_init` pins the thread that calls it, and every thread that one starts later.
//!   [`Eal::init`] gives the caller its affinity back.
//! * A thread that DPDK did not start has no mempool cache unless it registers, and allocation is
//!   then four times as dear. [`Eal::spawn_worker`] registers.
//! * The cause of a failure is in DPDK's log, the return code says little. The log is caught here,
//!   and an [`Error`] carries the line that explains it.

mod affinity;
mod clock;
mod devargs;
mod eal;
mod error;
mod fragments;
mod hash;
mod hugepages;
mod interface;
mod interrupts;
mod io;
mod log;
mod mbuf;
mod pool;
mod port;
mod queue;
mod setup;
mod worker;

pub use affinity::node_of;
pub use clock::{cycles, cycles_settled, hz};
pub use eal::{version, Eal, EalConfig, Hugepages, Leaks, LogLevel, PoolUse};
pub use error::Error;
pub use fragments::Collector;
pub use hash::{hash, HashKey, HashReader, HashWriter, Removed, BULK};
pub use io::{PortShare, WorkerIo};
pub use mbuf::{Mbuf, HEADROOM};
pub use pool::{Pool, PoolConfig};
pub use port::{Link, Port, PortConfig, PortStats, Rss};
pub use queue::{RxQueue, TxQueue};
pub use worker::WorkerThread;
