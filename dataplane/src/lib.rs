//! Packets: the tables, the path of a burst, verdicts and counters.
//!
//! Knows nothing of DPDK, roles, tokio or names.

pub mod adjacencies;
mod classify;
pub mod clock;
pub mod counters;
pub mod fib;
pub mod handoff;
mod hold;
mod icmp;
mod indices;
pub mod key;
mod limit;
pub mod mem;
mod path;
mod police;
pub mod qsbr;
mod rewrite;
pub mod rings;
pub mod sync;
pub mod table;
pub mod tables;
pub mod tunnels;
pub mod verdict;
pub mod watch;
pub mod worker;
