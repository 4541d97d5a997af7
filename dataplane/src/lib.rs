//! Packets: the tables, the path of a burst, verdicts and counters.
//!
//! Knows nothing of DPDK, roles, tokio or names.

pub mod key;
pub mod rings;
pub mod verdict;
