//! Authentication, authorisation and accounting over RADIUS (RFC 2865, 2866, 2869, 5176, 6572).
//!
//! A gateway asks who a host is before it does anything for it, tells what hosts have used, and is
//! told when something about them changes. All of it goes over UDP sockets of the kernel, by one task
//! beside the control loop:
//!
//! ```text
//!   engine ──authenticate──► policy ──Question──►┐                  ┌─ port ─ lane 0 (256 identifiers)
//!     ▲                                          │  ┌──────────┐    │
//!     │ authorized, unanswered    ◄──Told── ┐    ├─►│ client   │◄──►┤─ port ─ lane 1 ...     server 1
//!     │                                     │    │  │ (access) │    └─ ...                   server 2
//!     │ disconnect, change        ◄──Told── ┤    │  ├──────────┤
//!     │                                     task ┤  │ client   │◄──► the same                 servers'
//!   sessions ──Record──► ledger (bounded) ──────►│  │ (acct)   │                              accounting
//!                                                │  ├──────────┤
//!                                                └─►│ orders   │◄─── UDP 3799, from configured clients
//!                                                   └──────────┘
//! ```
//!
//! `client` (retransmission, failover, dead servers) and `orders` (RFC 5176: authenticator, replay)
//! are state machines without IO or clock; `codec` is the only place that knows what RADIUS looks like
//! on the wire; `task` moves datagrams between them and the kernel. The engine keeps what was granted
//! to each host, and its session's clock and counters, in its `sessions`.
//!
//! An answer counts only when both its response authenticator and its Message-Authenticator are right:
//! the former alone can be forged by who can be in the path and choose a prefix (MD5 collisions).
//! Whatever else comes is counted and dropped, and the question stays open.

pub mod authorization;
mod client;
mod codec;
mod counters;
mod ledger;
mod orders;
mod policy;
mod start;
mod status;
mod task;

pub use authorization::{Authorization, Grant, Terms};
pub use codec::{Nas, Order, Selector, What};
pub use counters::{AaaCounter, AaaCounters};
pub use ledger::{Cause, Facts, Ledger, Record, RecordKind};
pub use orders::ErrorCause;
pub(crate) use policy::{MAC, NAI};
pub use start::{Aaa, Handle};
pub use task::{Answered, Done, Told};
