//! The binding table: which prefix is whose, and where its packets go.
//!
//! ```text
//!   probes of a burst: domain, address
//!     | for each prefix length in use, longest first: mask, hash; who is found is done
//!     v
//!   index    two buckets of 10 slots: tag, record     (one cache line each, prefetched; the second
//!     |                                                only where keys of the first are away)
//!     v
//!   entry    key 24 octets | forwarding 8 octets      (32 octets, prefetched)
//! ```
//!
//! One writer, any number of workers that read without a lock. The rules that make it work:
//!
//! - **Whole or not at all.** An entry is filled in before the slot that leads to it is stored, and
//!   its key never changes while a worker may look at it.
//! - **A move is one store.** What a binding makes of packets is one word of its entry.
//! - **No miss of what is there.** Records that change buckets are in both for a moment, and a
//!   reader that misses while one moved looks again (see [`index`]).
//! - **No entry comes back early.** An entry that was taken out is used again only after every
//!   worker was quiescent (see [`crate::qsbr`]). The table has spare entries for those that wait.

pub mod bindings;
mod bucket;
pub(crate) mod forwarding;
pub mod hash;
pub mod index;
mod keys;
mod lengths;
pub mod writer;

pub use bindings::{Bindings, Found};
pub(crate) use keys::Family;
pub use keys::Probe;
pub use writer::{BindingsWriter, Sizes};

/// The table takes no more: the binding is to be refused (status 130, insufficient resources).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Full {
    /// It holds as many as it was made for.
    #[error("the table is full")]
    Capacity,
    /// Enough was removed to make room, but a worker may still hold all of it.
    #[error("all that was removed from the table is still held by a worker")]
    Reclaiming,
}
