//! The store's thread, and what the control thread sees of it.
//!
//! ```text
//!   put, put, put ─► outgoing ─flush─► waiting ─► commit ─► committed: how many changes so far
//!                                        ▲ bounded: is_full() says that no more should be begun
//! ```
//!
//! A change has a number, from 1 on, and is committed when [`Keeper::committed`] has reached it.

use super::{Change, Durability, Embedded, Place, RestartCounter, Size, Store, StoreError};
use crate::config::Config;
use core_affinity::CoreId;
use crossbeam::channel::{bounded, Receiver, Sender};
use parking_lot::{Condvar, Mutex};
use roles::store::Record;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Changes that may wait before no further message is begun.
pub(crate) const WAITING: usize = 65_536;

/// Changes that there is room for without asking for more memory.
const SPARE: usize = 1_024;

/// Chunks of records that are read ahead of who takes them: enough for both to be at work, and few enough
/// for memory.
const AHEAD: usize = 8;

/// Time between two tries of a commit that fails.
const RETRY: Duration = Duration::from_secs(1);

/// How a store fares.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// How much is kept.
    pub size: Size,
    /// Commits so far.
    pub commits: u64,
    /// Changes that were committed.
    pub changes: u64,
    /// Changes that wait for a commit, those of the one under way included.
    pub waiting: u64,
    /// How long the last commit took.
    pub last: Duration,
    /// How long the longest took.
    pub longest: Duration,
    /// Commits that failed, each try.
    pub failures: u64,
    /// Why nothing can be committed, while that is so.
    pub failing: Option<String>,
}

#[derive(Default)]
struct Queue {
    changes: Vec<Change>,
    /// Room of changes that were committed, for those to come.
    spare: Vec<Change>,
    closing: bool,
    state: State,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    more: Condvar,
    committed: AtomicU64,
    told: Arc<Notify>,
}

/// A store that is being opened, by its thread.
pub struct Opening {
    keeper: Keeper,
    opened: Receiver<Result<(u32, RestartCounter), StoreError>>,
}

impl Opening {
    /// The store, once it is open: its records are still being read.
    ///
    /// # Errors
    /// Why it cannot be used; see [`StoreError`].
    pub fn wait(self) -> Result<Keeper, StoreError> {
        let Self { mut keeper, opened } = self;
        let opened = opened.recv().unwrap_or(Err(StoreError::Ended));
        (keeper.restarts, keeper.restart_counter) = opened?;
        Ok(keeper)
    }
}

/// A store with its thread. Dropping it commits what waits.
pub struct Keeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    records: Receiver<Result<Vec<Record>, StoreError>>,
    restarts: u32,
    restart_counter: RestartCounter,
    durability: Durability,
    outgoing: Vec<Change>,
    put: u64,
}

impl Keeper {
    /// Begins to open the store of a gateway, if its configuration names one, and to read what it keeps. Its
    /// thread runs wherever this one may, and keeps to `core`, if that is given, once everything is read: at a
    /// start the workers' cores have nothing else to do.
    ///
    /// # Errors
    /// There can be no more threads.
    pub fn open(config: &Config, core: Option<usize>) -> Result<Option<Opening>, StoreError> {
        let Some((path, durability)) = config
            .store
            .as_ref()
            .and_then(|it| Some((it.path.clone()?, it.durability)))
        else {
            return Ok(None);
        };
        let place = Place {
            path: path.clone(),
            durability,
            role: config.role().name(),
            address: config.role().address(),
            interfaces: config.interface.iter().map(|it| it.name.clone()).collect(),
        };
        let open = || Embedded::open(place).map(|it| Box::new(it) as Box<dyn Store>);
        let begun = Self::begin(open, durability, core);
        begun
            .map(Some)
            .map_err(|error| StoreError::Io { path, error })
    }

    /// Starts the thread, which opens a store and begins to read what it keeps; see [`Keeper::open`].
    ///
    /// # Errors
    /// There can be no more threads.
    pub fn begin(
        open: impl FnOnce() -> Result<Box<dyn Store>, StoreError> + Send + 'static,
        durability: Durability,
        core: Option<usize>,
    ) -> io::Result<Opening> {
        let shared = Arc::new(Shared::default());
        let (tell, opened) = bounded(1);
        let (chunks, records) = bounded(AHEAD);
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                let mut store = match open() {
                    Ok(store) => store,
                    // Nobody may want to know.
                    Err(error) => return drop(tell.send(Err(error))),
                };
                let _ = tell.send(Ok((store.restarts(), store.restart_counter())));
                hand_over(store.as_mut(), &of_thread, chunks);
                if let Some(id) = core {
                    core_affinity::set_for_current(CoreId { id });
                }
                keep(store, &of_thread);
            })?;
        let keeper = Self {
            shared,
            thread: Some(thread),
            records,
            restarts: 0,
            restart_counter: RestartCounter::default(),
            durability,
            outgoing: Vec::new(),
            put: 0,
        };
        Ok(Opening { keeper, opened })
    }

    /// How often the gateway was started before.
    pub const fn restarts(&self) -> u32 {
        self.restarts
    }

    /// The Restart Counter of the gateway.
    pub const fn restart_counter(&self) -> RestartCounter {
        self.restart_counter
    }

    /// What a commit survives.
    pub const fn durability(&self) -> Durability {
        self.durability
    }

    /// The next of what was kept at start; `None` after the last. Waits for it.
    ///
    /// # Errors
    /// What reading it says; nothing comes after that.
    pub fn next_records(&mut self) -> Result<Option<Vec<Record>>, StoreError> {
        self.records.recv().ok().transpose()
    }

    /// Takes a change, to be committed after [`Keeper::flush`]; its number.
    pub fn put(&mut self, change: Change) -> u64 {
        self.outgoing.push(change);
        self.put += 1;
        self.put
    }

    /// Gives the thread what was put.
    pub fn flush(&mut self) {
        if self.outgoing.is_empty() {
            return;
        }
        let mut queue = self.shared.queue.lock();
        if queue.changes.is_empty() {
            let room = std::mem::take(&mut queue.spare);
            queue.changes = std::mem::replace(&mut self.outgoing, room);
        } else {
            queue.changes.append(&mut self.outgoing);
        }
        drop(queue);
        self.shared.more.notify_one();
    }

    /// The number of the last change that is committed.
    pub fn committed(&self) -> u64 {
        self.shared.committed.load(Ordering::Acquire)
    }

    /// Whether as much waits as may.
    pub fn is_full(&self) -> bool {
        self.put - self.committed() >= WAITING as u64
    }

    /// Who waits for this is woken by each commit.
    pub fn told(&self) -> Arc<Notify> {
        Arc::clone(&self.shared.told)
    }

    /// How it fares.
    pub fn state(&self) -> State {
        let queue = self.shared.queue.lock();
        State {
            waiting: self.put - self.committed(),
            ..queue.state.clone()
        }
    }

    /// Commits what waits and ends the thread. A commit that fails now is given up.
    fn close(&mut self) {
        self.flush();
        self.shared.queue.lock().closing = true;
        self.shared.more.notify_one();
        // Whoever does not want the records must not keep the thread from ending.
        while self.records.recv().is_ok() {}
        if let Some(thread) = self.thread.take() {
            // It has nothing to tell.
            let _ = thread.join();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.close();
    }
}

/// Hands over what is kept.
fn hand_over(
    store: &mut dyn Store,
    shared: &Shared,
    chunks: Sender<Result<Vec<Record>, StoreError>>,
) {
    let loaded = store.load(&mut |chunk| {
        // Nobody may want them.
        let _ = chunks.send(Ok(chunk));
    });
    if let Err(error) = loaded {
        let _ = chunks.send(Err(error));
    }
    shared.queue.lock().state.size = store.size();
}

/// Commits what comes.
fn keep(mut store: Box<dyn Store>, shared: &Shared) {
    loop {
        let mut queue = shared.queue.lock();
        while queue.changes.is_empty() && !queue.closing {
            shared.more.wait(&mut queue);
        }
        if queue.changes.is_empty() {
            return;
        }
        let mut changes = std::mem::take(&mut queue.changes);
        drop(queue);
        if !commit(store.as_mut(), shared, &changes) {
            return;
        }
        shared
            .committed
            .fetch_add(changes.len() as u64, Ordering::Release);
        shared.told.notify_one();
        changes.clear();
        changes.shrink_to(SPARE);
        shared.queue.lock().spare = changes;
    }
}

/// Commits, however often it takes; false: it failed, and there is no more time.
fn commit(store: &mut dyn Store, shared: &Shared, changes: &[Change]) -> bool {
    loop {
        let begun = Instant::now();
        let outcome = store.commit(changes);
        let took = begun.elapsed();
        let mut queue = shared.queue.lock();
        let state = &mut queue.state;
        match outcome {
            Ok(()) => {
                if state.failing.take().is_some() {
                    tracing::info!("the store commits again");
                }
                state.size = store.size();
                state.commits += 1;
                state.changes += changes.len() as u64;
                state.last = took;
                state.longest = state.longest.max(took);
                return true;
            }
            Err(error) => {
                state.failures += 1;
                if state.failing.is_none() {
                    tracing::error!(
                        %error,
                        "the store cannot commit: packets are forwarded, and nothing is acknowledged until it can"
                    );
                }
                state.failing = Some(error.to_string());
                if !queue.closing {
                    let _ = shared.more.wait_for(&mut queue, RETRY);
                }
                if queue.closing {
                    tracing::error!(
                        changes = changes.len(),
                        "what was not acknowledged is not kept"
                    );
                    return false;
                }
            }
        }
    }
}
