//! Everything that touches the world for the roles: configuration, policy, the access side, timers
//! and the control socket.

pub mod aaa;
pub mod authentication;
mod calls;
pub mod config;
pub mod counters;
pub mod dhcp;
pub mod engine;
mod frame;
pub mod gateway;
mod health;
pub mod kernel;
pub mod latency;
pub mod management;
pub mod metrics;
pub mod neighbour;
pub mod policy;
mod private;
pub mod record;
pub mod routing;
pub mod rpc;
mod run;
pub mod secret;
pub mod store;
pub mod suggest;
mod supervisor;
mod talkers;
mod watch;
pub mod wheel;

pub use calls::{PortStats, ReadPort, WorkerInfo};
pub use gateway::{PortInfo, PortQueues};
pub use rpc::ControlSocket;
pub use run::{hold_signals, run, Error, Params};
