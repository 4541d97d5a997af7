//! Where the tables take their atomic words from: the standard library, or loom when a test is built
//! with `--cfg loom`, or shuttle with `--cfg shuttle`.
//!
//! All that control and workers share in the tables goes through these types, so that loom and shuttle
//! see every access. Loom tries every order, those of weak memory included, in tables of a few slots;
//! shuttle tries random ones in tables of real buckets. Neither sees what arc-swap does inside (the
//! published [`crate::fib::Fib`]), and counters are left to ordinary tests: they never decide where
//! a packet goes.

#[cfg(loom)]
pub use loom::sync::atomic::{fence, AtomicU32, AtomicU64, Ordering};
#[cfg(shuttle)]
pub use shuttle::sync::atomic::{fence, AtomicU32, AtomicU64, Ordering};
#[cfg(not(any(loom, shuttle)))]
pub use std::sync::atomic::{fence, AtomicU32, AtomicU64, Ordering};
