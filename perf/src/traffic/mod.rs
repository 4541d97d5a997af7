//! Traffic of many hosts: what is sent, when, and what has become of it.
//!
//! Everything about packet number `n` follows from the [`Plan`](plan::Plan) and `n`: its flow group, its sequence
//! number there, its host and its length. The receiver has the same plan, so it can tell for every
//! packet not only that it came, but what it must look like after the gateway.
//!
//! ```text
//!   Pace: when is n due?          Plan: what is n?
//!          └──────────┬──────────────────┘
//!                  Sender ──> port ──> gateway ──> port ──> Receiver
//!                 (stamps: sequence number,                  ├─ Accounts: lost, reordered, duplicated
//!                  time at which it was due)                 ├─ latency, from the due time
//!                                                            └─ verified octet by octet
//! ```
//!
//! A stamp carries the time at which its packet was *due*, not the one at which it left: a generator or
//! a port that stalls shows as latency and is not left out of the figures.

pub mod account;
pub mod neighbour;
pub mod pace;
pub mod plan;
pub mod receiver;
pub mod sender;
pub mod side;
pub mod sizes;
pub mod stamp;
pub mod template;
pub mod verify;
