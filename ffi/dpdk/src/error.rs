//! What can go wrong, in sentences that end in the next step where there is one.

/// Why an owner could not be made or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// DPDK's environment starts once in the life of a process.
    #[error("DPDK has already been started in this process; it starts once")]
    AlreadyStarted,

    /// A setting of [`crate::EalConfig`] that DPDK could not make sense of.
    #[error("dpdk: {0}")]
    Config(String),

    /// Hugepages are required and there are not enough free ones.
    #[error(
        "dpdk: {needed_mb} MB of 2 MB hugepages are required and {free_mb} MB are free: reserve \
         {pages} pages with `scripts/hugepages {pages}`, or let hugepages be `auto` or `never`"
    )]
    NoHugepages {
        /// What the configuration asks for, in MB.
        needed_mb: u32,
        /// What is free, in MB.
        free_mb: u32,
        /// Pages to reserve in all.
        pages: u32,
    },

    /// The environment did not start.
    #[error("DPDK did not start: {reason}")]
    Start {
        /// DPDK's own words.
        reason: String,
    },

    /// The port's devargs are wrong in a way that shows before DPDK sees them.
    #[error("port {port}: {reason}")]
    Devargs {
        /// The port's name in the configuration.
        port: String,
        /// What is wrong and what to write instead.
        reason: String,
    },

    /// No driver took the device.
    #[error("port {port}: DPDK could not open device `{device}`: {reason}; {hint}")]
    Device {
        /// The port's name in the configuration.
        port: String,
        /// The devargs as configured.
        device: String,
        /// DPDK's own words.
        reason: String,
        /// What to try.
        hint: String,
    },

    /// More queues than the device has.
    #[error(
        "port {port}: {wanted} queues are wanted, one per worker, and `{device}` ({driver}) has \
         {receive} to receive and {transmit} to transmit: {hint}"
    )]
    Queues {
        /// The port's name in the configuration.
        port: String,
        /// The devargs as configured.
        device: String,
        /// The driver.
        driver: String,
        /// Queue pairs asked for.
        wanted: u16,
        /// Receive queues that there are.
        receive: u16,
        /// Transmit queues that there are.
        transmit: u16,
        /// What to try.
        hint: String,
    },

    /// A step of bringing the port up or down failed.
    #[error("port {port}: {step} failed: {reason}")]
    Port {
        /// The port's name in the configuration.
        port: String,
        /// The step, as a person would call it.
        step: &'static str,
        /// DPDK's own words.
        reason: String,
    },

    /// The packet pool could not be made.
    #[error(
        "pool {pool}: {mbufs} buffers of {octets} octets do not fit: {reason}; raise the memory for packets, or install \
         DPDK's memory pool drivers (librte-meta-mempool) if an argument is said to be invalid"
    )]
    Pool {
        /// The pool's name.
        pool: String,
        /// Number of buffers asked for.
        mbufs: u32,
        /// Size of each, in octets.
        octets: u32,
        /// DPDK's own words.
        reason: String,
    },

    /// A hash table could not be made, or took no more.
    #[error("hash table of {entries} entries: {reason}")]
    Hash {
        /// Entries asked for.
        entries: u32,
        /// What happened.
        reason: String,
    },

    /// The table of packets in pieces could not be made.
    #[error("a table of {packets} packets in pieces does not fit: raise memory_mb")]
    Reassembly {
        /// Packets that it would have had places for.
        packets: u32,
    },

    /// The worker's core is outside the set the process may run on.
    #[error(
        "worker {worker}: core {core} is not one that this process may run on ({allowed}): choose \
         one of these, or widen the set (taskset, CPUAffinity= or AllowedCPUs= of the unit)"
    )]
    Core {
        /// The worker's name.
        worker: String,
        /// The core asked for.
        core: usize,
        /// The cores there are, as a list.
        allowed: String,
    },

    /// The worker thread did not start.
    #[error("worker {worker}: {reason}")]
    Worker {
        /// The worker's name.
        worker: String,
        /// What failed.
        reason: String,
    },

    /// The worker thread panicked.
    #[error("worker {worker} panicked: {message}")]
    WorkerPanicked {
        /// The worker's name.
        worker: String,
        /// The panic's message.
        message: String,
    },

    /// Something still holds what is to be closed.
    #[error("{what} is still in use: {holder} must go first")]
    StillHeld {
        /// What was to be closed.
        what: String,
        /// What holds it.
        holder: String,
    },
}
