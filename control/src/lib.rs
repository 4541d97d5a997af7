//! Everything that touches the world for the roles: configuration, policy, the access side, timers
//! and the control socket.

pub mod config;
pub mod policy;
pub mod rpc;
pub mod suggest;
