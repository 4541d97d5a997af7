//! Watching packets: what `anchorctl trace` and `anchorctl capture` are made of.
//!
//! ```text
//!             worker                                           control
//!   burst ──► wanted by the filter? ──no──► with its burst
//!                    │yes
//!                    ▼                                   ┌──────────────────┐
//!       free ──► Record: as it came ──► alone through    │ Session          │
//!        ▲       all stages, each of which notes down    │   filter, limits │
//!        │       what it found ──► as it went, verdict   │   lane per worker│
//!        │                              │                └──────────────────┘
//!        │                              └──► full ─────────► read, put into words
//!        └───────────────────────────────────────────────────────┘
//! ```
//!
//! A packet that is watched goes through the stages by itself: what a stage says then needs no name
//! of a packet, and what goes out or is dropped until the pass is flushed is what became of it. It
//! costs that packet the company of its burst, and the others nothing but the order they came in.
//! While nobody watches, a pass looks at one word and a burst at one flag.
//!
//! Control makes a [`Session`] with all its records, and the worker's [`Tap`] takes one session at a
//! time. The worker writes into records that are free and counts what finds none; it never allocates,
//! locks or frees, and gives the session back before control lets go of it.

mod filter;
mod hand;
mod record;
mod session;

pub use filter::{Filter, Prefix, Verdicts};
pub(crate) use hand::Watch;
pub use record::{Came, Decision, Note, Octets, Record, NOTES};
pub use session::{Busy, Session, SessionConfig, Tap};
