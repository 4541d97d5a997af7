//! Threads that DPDK knows.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::mpsc;
use std::sync::Arc;
use std::thread::JoinHandle;

use dpdk_sys as sys;

use crate::affinity::Affinity;
use crate::eal::{Eal, Inner};
use crate::log;
use crate::Error;

/// A running worker thread. Dropping it lets the thread run on by itself; [`WorkerThread::join`]
/// waits for it.
pub struct WorkerThread<T> {
    name: String,
    thread: JoinHandle<Result<T, String>>,
}

impl<T> WorkerThread<T> {
    /// The name it was started with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the thread has come to its end.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the thread and returns what its function returned.
    ///
    /// # Errors
    /// [`Error::WorkerPanicked`] with the panic's message.
    pub fn join(self) -> Result<T, Error> {
        let name = self.name;
        match self.thread.join() {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(message)) => Err(Error::WorkerPanicked {
                worker: name,
                message,
            }),
            Err(panic) => Err(Error::WorkerPanicked {
                worker: name,
                message: words(&*panic),
            }),
        }
    }
}

/// The calling thread as DPDK knows it, until this drops.
struct Registered {
    _eal: Arc<Inner>,
}

impl Registered {
    fn new(eal: Arc<Inner>) -> Result<Registered, String> {
        log::watch_aloud(eal.shown(), || {
            // SAFETY: the environment is up (this holds it); the thread is not registered yet.
            match unsafe { sys::rte_thread_register() } {
                0 => Ok(()),
                // SAFETY: reads a word of the calling thread.
                _ => Err(unsafe { sys::shim_errno() }),
            }
        })?;
        Ok(Registered { _eal: eal })
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // SAFETY: `new` registered this thread, and the environment is still up.
        unsafe { sys::rte_thread_unregister() };
    }
}

impl Eal {
    /// Starts a thread that DPDK knows, pinned to `core`, or on every core of the process when
    /// there is none. Returns when the thread is about to run `work`.
    ///
    /// # Errors
    /// [`Error::Core`] when the process may not run on `core`, [`Error::Worker`] when the thread
    /// cannot be made, pinned or registered.
    pub fn spawn_worker<T, F>(
        &self,
        name: &str,
        core: Option<usize>,
        work: F,
    ) -> Result<WorkerThread<T>, Error>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        if let Some(core) = core.filter(|core| !self.cores().contains(core)) {
            return Err(Error::Core {
                worker: name.to_owned(),
                core,
                allowed: self
                    .cores()
                    .iter()
                    .map(usize::to_string)
                    .collect::<Vec<_>>()
                    .join(", "),
            });
        }
        let refused = |reason: String| Error::Worker {
            worker: name.to_owned(),
            reason,
        };
        let eal = Arc::clone(self.inner());
        let (started, start) = mpsc::sync_channel::<Result<(), String>>(1);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let registered = match pin(&eal, core).and_then(|()| Registered::new(eal)) {
                    Ok(registered) => registered,
                    Err(reason) => {
                        let _ = started.send(Err(reason.clone()));
                        return Err(reason);
                    }
                };
                let _ = started.send(Ok(()));
                // What `work` owns (queues, packets) is gone before the thread unregisters.
                let result = catch_unwind(AssertUnwindSafe(work)).map_err(|panic| words(&*panic));
                drop(registered);
                result
            })
            .map_err(|error| refused(format!("no thread could be made: {error}")))?;
        match start.recv() {
            Ok(Ok(())) => Ok(WorkerThread {
                name: name.to_owned(),
                thread,
            }),
            Ok(Err(reason)) => Err(refused(reason)),
            Err(_) => Err(refused(
                "the thread ended before it started work".to_owned(),
            )),
        }
    }
}

/// Puts the calling thread on its core. Without one it gets all the process has, whatever the
/// thread that made it was narrowed to.
fn pin(eal: &Inner, core: Option<usize>) -> Result<(), String> {
    match core {
        Some(id) if core_affinity::set_for_current(core_affinity::CoreId { id }) => Ok(()),
        Some(id) => Err(format!("it could not be pinned to core {id}")),
        None => Affinity::of(eal.cores())
            .apply()
            .map_err(|error| format!("its cores could not be set: {error}")),
    }
}

/// The message of a panic.
fn words(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
