//! What a gateway keeps across a restart: records that roles have stored, in a file or nowhere.
//!
//! ```text
//!   control thread                              store thread
//!   role ─► Effect::Store ─► Keeper::put ─► queue ─► all that waits, in one commit ─► file
//!   role ─► Effect::Send ─► held back until ◄── committed ◄───────┘
//!
//!   start:  open and verify ─► records, in chunks ─► Event::Restored, before any message is taken
//! ```
//!
//! - [`Store`] is what a place for records can do; [`Embedded`] is one, in a file of the machine's own.
//!   A gateway without `[store]` in its configuration has none, and begins anew with each start.
//! - [`Keeper`] has the store's thread. Whatever waits while a commit is under way goes into the next one
//!   together, so that the more there is to do, the less each change costs.
//! - What is sent because of a change leaves when the change is committed, so what a peer was told is
//!   there after a crash. A commit is safe from the end of the process once the kernel has the
//!   file's pages, and from a loss of power once the disk has them: [`Durability`] says which is
//!   waited for.
//! - A commit that fails is tried again until it succeeds. Until then nothing that rests on it is sent;
//!   packets are forwarded all the while.

mod embedded;
mod file;
mod form;
mod keeper;
#[cfg(test)]
mod tests;

pub use embedded::{Embedded, Place};
pub use keeper::{Keeper, Opening, State};

use roles::store::{Key, Record};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// What a committed change survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// The end of the process, `kill -9` included. A commit costs no wait for a disk.
    #[default]
    Process,
    /// A loss of power too: every commit waits for the disk.
    PowerLoss,
}

impl Durability {
    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::PowerLoss => "power-loss",
        }
    }
}

/// A change of what is kept.
// Nearly all of them are the large one; a box for each would cost more than it saves.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Keeps a record, in the place of what is kept under its key.
    Put(Record),
    /// Keeps nothing under the key any more.
    Remove(Key),
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Others than the gateway could read or change what is kept.
    #[error("{} is open to others (mode {mode:o}): run `chmod {wanted:o} {}`", path.display(), path.display())]
    Open {
        /// The file or its directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode that it has to have.
        wanted: u32,
    },
    /// Another process has it.
    #[error("{} is in use by another process: end that one, or give this gateway a [store] path of its own", .0.display())]
    InUse(PathBuf),
    /// It is no store, or a broken one.
    #[error("{} is damaged, or no store of a gateway ({why}): move it away to start without what it \
             keeps, or put back a copy of it", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// A later version has written it.
    #[error("{} has schema {found}, and this version knows {known}: start the version that wrote it, \
             or move it away to start without what it keeps", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u64,
        /// Ours.
        known: u64,
    },
    /// It is another gateway's.
    #[error("{} keeps what {found} has acknowledged, and this gateway is {wanted}: give it a [store] path \
             of its own, or move the file away", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Role and address that are kept.
        found: String,
        /// Ours.
        wanted: String,
    },
    /// The file or its directory.
    #[error("{}: {error}; see that the disk is well and has room, and that the gateway may write there", path.display())]
    Io {
        /// The file or its directory.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// Its thread ended while it opened the file.
    #[error("the store's thread ended before the store was open; what it wrote last says why")]
    Ended,
    /// A record that does not fit its own format.
    #[error("a record cannot be written: {0}")]
    Record(String),
}

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Records.
    pub records: u64,
    /// Octets of the file, or of what stands for it.
    pub octets: u64,
}

/// What a gateway tells peers of its restarts (RFC 5847 section 3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestartCounter {
    /// It is larger after each start that may have lost sessions, and the same after others.
    pub value: u32,
    /// Whether this start may have.
    pub lost: bool,
}

impl RestartCounter {
    /// Of a gateway that remembers nothing: no two starts have the same second of the wall clock.
    pub fn without_store(wall: Duration) -> Self {
        Self {
            value: u32::try_from(wall.as_secs()).unwrap_or(u32::MAX),
            lost: true,
        }
    }
}

/// A place for records. It is used by one thread.
pub trait Store: Send {
    /// Hands all records to `each`, in chunks, by key.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] for a record that cannot be read, [`StoreError::Io`]. What was handed
    /// over before stands.
    fn load(&mut self, each: &mut dyn FnMut(Vec<Record>)) -> Result<(), StoreError>;

    /// Makes all changes, in their order, or none of them. They are durable when this returns.
    ///
    /// # Errors
    /// [`StoreError::Io`] and [`StoreError::Damaged`]; the same may be tried again.
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError>;

    /// How much is kept.
    fn size(&self) -> Size;

    /// How often it was opened before.
    fn restarts(&self) -> u32;

    /// The Restart Counter of the gateway (RFC 5847 section 3.2).
    fn restart_counter(&self) -> RestartCounter;
}
