//! DPDK's environment, once per process.

use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use dpdk_sys as sys;

use crate::affinity::{Affinity, Narrowed};
use crate::devargs::Devargs;
use crate::hugepages;
use crate::interrupts;
use crate::log;
use crate::pool::Pool;
use crate::port::Port;
use crate::Error;

/// Set by the first start; `rte_eal_init` cannot run twice, even after `rte_eal_cleanup`.
static STARTED: AtomicBool = AtomicBool::new(false);

/// Whether packet memory lies in 2 MB pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Hugepages {
    /// When enough of them are free.
    #[default]
    Auto,
    /// Never.
    Never,
    /// Or not at all: [`Eal::init`] fails without.
    Require,
}

/// The least grave messages of DPDK that reach standard error.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// And what may soon.
    #[default]
    Warning,
    /// And what happens.
    Info,
    /// Everything.
    Debug,
}

impl LogLevel {
    fn number(self) -> u32 {
        match self {
            LogLevel::Error => sys::RTE_LOG_ERR,
            LogLevel::Warning => sys::RTE_LOG_WARNING,
            LogLevel::Info => sys::RTE_LOG_INFO,
            LogLevel::Debug => sys::RTE_LOG_DEBUG,
        }
    }
}

/// How the environment starts.
#[derive(Clone, Debug)]
pub struct EalConfig {
    /// Tells this process from other DPDK processes; letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Processors for DPDK's own threads and the calling thread while it starts; empty for all that
    /// the process may run on. Leave the workers' cores out.
    pub housekeeping: Vec<usize>,
    /// Memory for pools and drivers, in MB.
    pub memory_mb: u32,
    /// Whether that memory lies in hugepages.
    pub hugepages: Hugepages,
    /// The devargs of all ports to come. DPDK looks at the PCI devices among them and at no other
    /// device of the machine; virtual devices need not be named.
    pub devices: Vec<String>,
    /// What of DPDK's log reaches standard error.
    pub log_level: LogLevel,
    /// Further arguments for `rte_eal_init`, as it takes them.
    pub extra: Vec<String>,
}

impl Default for EalConfig {
    fn default() -> EalConfig {
        EalConfig {
            name: "anchorage".to_owned(),
            housekeeping: Vec::new(),
            memory_mb: 256,
            hugepages: Hugepages::default(),
            devices: Vec::new(),
            log_level: LogLevel::default(),
            extra: Vec::new(),
        }
    }
}

/// How many buffers of one pool were out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolUse {
    /// The pool's name.
    pub name: String,
    /// Number of buffers in all.
    pub size: u32,
    /// Buffers that nobody gave back.
    pub in_use: u32,
}

/// What [`Eal::shutdown`] found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leaks {
    /// Every pool, leaking or not.
    pub pools: Vec<PoolUse>,
}

impl Leaks {
    /// Buffers that nobody gave back, over all pools; 0 after a clean run.
    pub fn mbufs_in_use(&self) -> u32 {
        self.pools.iter().map(|pool| pool.in_use).sum()
    }
}

/// DPDK's environment. It goes down when this and everything made from it is gone.
pub struct Eal {
    inner: Arc<Inner>,
}

/// What ports, pools and worker threads keep alive.
pub(crate) struct Inner {
    cores: Vec<usize>,
    shown: u32,
    hugepages: bool,
    memory_needed: AtomicBool,
}

impl Eal {
    /// Starts the environment. The calling thread keeps its affinity, and no file or directory is
    /// left in the file system, even after the process was killed.
    ///
    /// # Errors
    /// [`Error::AlreadyStarted`] on the second call in a process, [`Error::Config`],
    /// [`Error::NoHugepages`], and [`Error::Start`] with DPDK's own reason.
    pub fn init(config: EalConfig) -> Result<Eal, Error> {
        let affinity = Affinity::current()
            .map_err(|error| Error::Config(format!("cannot read the affinity: {error}")))?;
        let cores = affinity.cpus();
        let housekeeping = housekeeping(&config, &cores)?;
        let hugepages = use_hugepages(&config, hugepages::free_mb())?;
        let arguments = arguments(&config, &housekeeping, hugepages)?;
        if STARTED.swap(true, Ordering::SeqCst) {
            return Err(Error::AlreadyStarted);
        }
        let failed = |reason: String| Error::Start { reason };
        if !log::take_over() {
            return Err(failed("its log could not be redirected".to_owned()));
        }
        // Before the options are read, drivers already log as they load.
        // SAFETY: sets one word.
        unsafe { sys::rte_log_set_global_level(config.log_level.number()) };

        let narrowed = Narrowed::to(&housekeeping)
            .map_err(|error| failed(format!("cannot move to the housekeeping cores: {error}")))?;
        // What DPDK warns about while it starts well is that this machine has no hugepages of one
        // size or another: shown to those who ask for more than warnings.
        let shown = match config.log_level {
            LogLevel::Error | LogLevel::Warning => sys::RTE_LOG_ERR,
            more => more.number(),
        };
        let result = log::watch_aloud(shown, || start(&arguments));
        drop(narrowed);
        remove_runtime_directory();
        result.map_err(failed)?;

        let shown = config.log_level.number();
        let memory_needed = AtomicBool::new(false);
        Ok(Eal {
            inner: Arc::new(Inner {
                cores,
                shown,
                hugepages,
                memory_needed,
            }),
        })
    }

    /// The processors that the process could run on when the environment started, in order.
    pub fn cores(&self) -> &[usize] {
        &self.inner.cores
    }

    /// Whether packet memory lies in hugepages.
    pub fn hugepages(&self) -> bool {
        self.inner.hugepages
    }

    /// Stops and closes `ports`, looks for buffers that are still out, frees the pools and takes
    /// the environment down. Workers must have been joined and their queues dropped.
    ///
    /// # Errors
    /// [`Error::StillHeld`] when a queue, a pool or a worker thread is still about. Everything that
    /// can be closed is; the rest closes when its last holder lets go.
    pub fn shutdown(self, ports: Vec<Port>, pools: Vec<Pool>) -> Result<Leaks, Error> {
        let mut all: Vec<Pool> = Vec::new();
        for pool in ports.iter().map(|port| port.pool().clone()).chain(pools) {
            if !all.iter().any(|known| known.is(&pool)) {
                all.push(pool);
            }
        }
        let mut outcome = Ok(());
        for port in ports {
            // A pool's handle stays in `all`: the buffers of one port may wait in another's queue.
            outcome = outcome.and(port.close().map(drop));
        }
        let pools = all
            .iter()
            .map(|pool| PoolUse {
                name: pool.name().to_owned(),
                size: pool.size(),
                in_use: pool.in_use(),
            })
            .collect();
        drop(all);
        outcome?;
        match Arc::try_unwrap(self.inner) {
            Ok(inner) => drop(inner),
            Err(_) => {
                return Err(Error::StillHeld {
                    what: "DPDK".to_owned(),
                    holder: "a pool, a port or a worker thread".to_owned(),
                })
            }
        }
        Ok(Leaks { pools })
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}

impl Inner {
    pub(crate) fn cores(&self) -> &[usize] {
        &self.cores
    }

    /// The least grave level of DPDK's log that is shown.
    pub(crate) fn shown(&self) -> u32 {
        self.shown
    }

    /// Something still points into DPDK's memory, which must stay mapped until the process ends.
    pub(crate) fn keep_memory(&self) {
        self.memory_needed.store(true, Ordering::SeqCst);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.memory_needed.load(Ordering::SeqCst) {
            return;
        }
        interrupts::settle();
        let _ = log::watch_aloud(self.shown, || {
            // SAFETY: everything made from the environment held this, so none of it is left.
            match unsafe { sys::rte_eal_cleanup() } {
                0 => Ok(()),
                code => Err(code),
            }
        });
        remove_runtime_directory();
    }
}

/// Version of the libdpdk that is loaded, such as `DPDK 22.11.11`.
pub fn version() -> String {
    // SAFETY: returns a C string that lives as long as the library.
    unsafe { CStr::from_ptr(sys::rte_version()) }
        .to_string_lossy()
        .into_owned()
}

/// The processors for DPDK's own threads.
fn housekeeping(config: &EalConfig, cores: &[usize]) -> Result<Vec<usize>, Error> {
    if let Some(outside) = config.housekeeping.iter().find(|cpu| !cores.contains(cpu)) {
        return Err(Error::Config(format!(
            "housekeeping core {outside} is not one that this process may run on ({cores:?})"
        )));
    }
    match config.housekeeping.is_empty() {
        true => Ok(cores.to_vec()),
        false => Ok(config.housekeeping.clone()),
    }
}

/// Whether to use hugepages, of which `free_mb` are free.
fn use_hugepages(config: &EalConfig, free_mb: u32) -> Result<bool, Error> {
    let enough = free_mb >= config.memory_mb;
    match config.hugepages {
        Hugepages::Never => Ok(false),
        Hugepages::Auto => Ok(enough && config.memory_mb > 0),
        Hugepages::Require if enough => Ok(true),
        Hugepages::Require => Err(Error::NoHugepages {
            needed_mb: config.memory_mb,
            free_mb,
            pages: config.memory_mb.div_ceil(hugepages::PAGE_MB),
        }),
    }
}

/// The command line for `rte_eal_init`.
fn arguments(
    config: &EalConfig,
    housekeeping: &[usize],
    hugepages: bool,
) -> Result<Vec<CString>, Error> {
    let named = !config.name.is_empty()
        && config.name.len() <= 32
        && config
            .name
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
        && !config.name.starts_with(['.', '-']);
    if !named {
        return Err(Error::Config(format!(
            "`{}` is no name for a process: use up to 32 letters, digits, `-`, `_` and `.`",
            config.name
        )));
    }
    let cpus = housekeeping
        .iter()
        .map(usize::to_string)
        .collect::<Vec<_>>()
        .join(",");
    let level = config.log_level.number();
    let mut words = vec![
        "anchorage".to_owned(),
        format!("--lcores=0@({cpus})"),
        format!("--file-prefix={}", config.name),
        "-m".to_owned(),
        config.memory_mb.to_string(),
        "--no-telemetry".to_owned(),
        format!("--log-level=*:{level}"),
    ];
    // In-memory mode needs no mount and leaves no file, but excludes ordinary pages.
    match hugepages {
        true => words.push("--in-memory".to_owned()),
        false => words.extend(["--no-huge".to_owned(), "--no-shconf".to_owned()]),
    }
    let pci: Vec<Devargs> = config
        .devices
        .iter()
        .filter_map(|text| Devargs::parse(text).ok())
        .filter(Devargs::is_pci)
        .collect();
    if pci.is_empty() {
        words.push("--no-pci".to_owned());
    }
    for device in pci {
        words.extend(["-a".to_owned(), device.text().to_owned()]);
    }
    words.extend(config.extra.iter().cloned());
    words
        .into_iter()
        .map(|word| {
            CString::new(word)
                .map_err(|_| Error::Config("an argument for DPDK has a NUL in it".to_owned()))
        })
        .collect()
}

/// Calls `rte_eal_init`.
fn start(arguments: &[CString]) -> Result<(), i32> {
    // DPDK keeps pointers to some of its arguments, and reorders the array: both are given to it
    // for good. Once per process, a few hundred octets.
    let mut words: Vec<*mut std::ffi::c_char> = arguments
        .iter()
        .map(|word| word.clone().into_raw())
        .collect();
    let count = words.len() as i32;
    words.push(std::ptr::null_mut());
    let words = Box::leak(words.into_boxed_slice());
    // SAFETY: an array of C strings that ends in a null pointer and lives for good.
    match unsafe { sys::rte_eal_init(count, words.as_mut_ptr()) } {
        // SAFETY: reads a word of the calling thread.
        ..0 => Err(unsafe { sys::shim_errno() }),
        _ => Ok(()),
    }
}

/// Removes the directory that DPDK makes for files it then does not make, and the one above when no
/// other DPDK process uses it.
fn remove_runtime_directory() {
    // SAFETY: returns a C string that lives as long as the library.
    let directory = unsafe { CStr::from_ptr(sys::rte_eal_get_runtime_dir()) };
    let directory = PathBuf::from(directory.to_string_lossy().into_owned());
    if directory.as_os_str().is_empty() {
        return;
    }
    // Neither call removes a directory that holds anything.
    if std::fs::remove_dir(&directory).is_ok() {
        let _ = std::fs::remove_dir(directory.parent().unwrap_or(Path::new("")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(config: &EalConfig, hugepages: bool) -> Vec<String> {
        arguments(config, &[0, 3], hugepages)
            .expect("valid")
            .into_iter()
            .map(|word| word.into_string().expect("ASCII"))
            .collect()
    }

    #[test]
    fn ordinary_pages_and_hugepages_exclude_each_other() {
        let config = EalConfig::default();
        let ordinary = words(&config, false);
        assert!(ordinary.contains(&"--no-huge".to_owned()));
        assert!(ordinary.contains(&"--no-shconf".to_owned()));
        assert!(!ordinary.contains(&"--in-memory".to_owned()));
        let huge = words(&config, true);
        assert!(huge.contains(&"--in-memory".to_owned()));
        assert!(!huge.contains(&"--no-huge".to_owned()));
        assert!(huge.contains(&"--lcores=0@(0,3)".to_owned()));
    }

    #[test]
    fn only_named_pci_devices_are_looked_at() {
        let devices = vec!["net_null0".to_owned()];
        let mut config = EalConfig {
            devices,
            ..EalConfig::default()
        };
        assert!(words(&config, false).contains(&"--no-pci".to_owned()));
        config.devices.push("01:00.0".to_owned());
        let with_pci = words(&config, false);
        assert!(!with_pci.contains(&"--no-pci".to_owned()));
        assert!(with_pci.windows(2).any(|pair| pair == ["-a", "01:00.0"]));
    }

    #[test]
    fn hugepages_are_used_when_enough_are_free() {
        let mut config = EalConfig {
            memory_mb: 100,
            ..EalConfig::default()
        };
        assert!(use_hugepages(&config, 100).expect("auto never fails"));
        assert!(!use_hugepages(&config, 98).expect("auto never fails"));
        config.hugepages = Hugepages::Never;
        assert!(!use_hugepages(&config, 100).expect("never never fails"));
        config.hugepages = Hugepages::Require;
        let sentence = use_hugepages(&config, 98).expect_err("too few").to_string();
        assert!(sentence.contains("scripts/hugepages 50"), "{sentence}");
    }

    #[test]
    fn bad_names_and_cores_are_refused() {
        for name in ["", "a/b", "..", "-x", "a b"] {
            let config = EalConfig {
                name: name.to_owned(),
                ..EalConfig::default()
            };
            assert!(arguments(&config, &[0], false).is_err(), "{name}");
        }
        let config = EalConfig {
            housekeeping: vec![7],
            ..EalConfig::default()
        };
        let sentence = housekeeping(&config, &[0, 1])
            .expect_err("outside")
            .to_string();
        assert!(sentence.contains('7'), "{sentence}");
        assert_eq!(
            housekeeping(&EalConfig::default(), &[0, 1]).expect("all"),
            [0, 1]
        );
    }
}
