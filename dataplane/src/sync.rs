//! Where the tables take their atomic words from: the standard library, or loom when a test is built
//! with `--cfg loom`.
//!
//! All that control and workers share in the tables goes through these types, so that loom sees
//! every access. It does not see what arc-swap does inside (the published [`crate::fib::Fib`]), and
//! counters are left to ordinary tests: they never decide where a packet goes.

#[cfg(loom)]
pub use loom::sync::atomic::{fence, AtomicU32, AtomicU64, Ordering};
#[cfg(not(loom))]
pub use std::sync::atomic::{fence, AtomicU32, AtomicU64, Ordering};
