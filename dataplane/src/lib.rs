//! Packets: the tables, the path of a burst, verdicts and counters.
//!
//! Knows nothing of DPDK, roles, tokio or names.

pub mod adjacencies;
pub mod counters;
pub mod fib;
pub mod key;
pub mod mem;
pub mod qsbr;
pub mod sync;
pub mod table;
pub mod tables;
pub mod tunnels;
pub mod rings;
pub mod verdict;
