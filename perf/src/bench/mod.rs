//! Ports with traffic on them: what `generate`, `receive`, `latency` and `ndr` have in common.
//!
//! ```text
//!   one port, or one core:  a thread that sends, receives, sends, ...
//!   two ports, two cores:   one thread sends and answers questions on the first port,
//!                           the other receives and answers on the second
//! ```
//!
//! Threads live for one trial. In between nobody polls the ports, so what a gateway still sends then is
//! lost in its own queues and belongs to no trial.

pub mod ports;
pub mod rate;
pub mod report;
pub mod trial;
