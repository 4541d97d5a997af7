//! The control socket: newline-delimited JSON-RPC 2.0 over a Unix socket.
//!
//! ```text
//!  client ──line──► connection ──Call──► bounded channel ──► control thread (one owner of all state)
//!         ◄─line──      │      ◄────────── oneshot ──────────────┘   │
//!                       ▲                                            │ publish, never waits
//!                       └──────── bounded queue per subscriber ◄─────┘
//! ```
//!
//! What can be asked and what is answered is declared once, in [`request`] and [`types`]; the server,
//! `anchorctl` and the documentation derive from that. A client that asks too much, reads too slowly
//! or says too little loses its connection, which is counted; it never holds control back.

mod declare;
mod error;
mod hosts;
mod line;
mod machine;
mod notices;
mod peers;
mod protocol;
pub mod request;
mod server;
mod socket;
mod told;
pub mod types;
mod watching;
mod words;

pub use declare::Field;
pub use error::{code, ErrorData, RpcError};
pub(crate) use notices::notification;
pub use notices::{Line, Notices, Subscription};
pub use request::{
    AttachParams, DeleteParams, DetachParams, Method, ModeParams, PageParams, RegisterParams,
    Reply, Request, RevokeParams, LONGEST_PAGE,
};
pub use server::{Call, Limits, Server, SocketCounters};
pub use socket::ControlSocket;
pub use types::MachineNotice;
pub use watching::{
    CaptureParams, FilterWords, StopParams, TalkersParams, TraceParams, LARGEST_RING, LARGEST_SNAP,
    LONGEST_TRACE, MOST_TALKERS,
};

/// The control socket where none is named.
pub const DEFAULT_SOCKET: &str = "/run/anchorage/anchord.sock";

/// Octets that a line from a client may have, its newline left out.
pub const MAX_LINE: usize = 64 * 1024;
