//! The lab: whole gateways between real Linux hosts.
//!
//! Every machine of the lab is a network namespace, every cable a veth pair, and all cables that can
//! be re-plugged end in one more namespace, the switch. Hosts are Linux and nothing else: the
//! kernel's own stack, its own address configuration, nothing of ours on them. Gateways are `anchord`
//! processes on DPDK ports, or, where a test wants a foreign judge, the kernel again.
//!
//! ```text
//!                            namespace "switch"
//!               ┌────────────────────────────────────────────┐
//!   cn ── lma ──┤ bridge core ┬── mag1 ──┐                   │
//!               │             └── mag2 ──┼─┐                 │
//!               │                        │ │                 │
//!               │ bridge access1 ────────┘ │                 │
//!               │ bridge access2 ──────────┘                 │
//!               │    └── the mn's cable, in one of the two   ├── mn
//!               └────────────────────────────────────────────┘
//! ```
//!
//! A host moves by having its cable re-plugged in the switch: its interface, its address and its
//! sockets never know. Whatever the lab makes outside of its own memory (processes, namespaces,
//! directories) is entered in [`undo`] before it exists, and is gone again after success, failure,
//! panic and Ctrl-C alike.

pub mod attach;
pub mod capture;
pub mod command;
pub mod dhcp;
pub mod dhcpv4;
pub mod domain;
pub mod figures;
pub mod foreign;
pub mod forge;
pub mod gateway;
pub mod host;
pub mod judge;
pub mod measure;
pub mod network;
pub mod ping;
pub mod process;
pub mod radius;
pub mod roam;
pub mod rogue;
pub mod rpc;
pub mod run;
pub mod story;
pub mod topology;
pub mod transfer;
pub mod undo;
pub mod wire;
