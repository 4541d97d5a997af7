//! What the tests of control share: the configurations of gateways, and a control thread that runs on ports
//! without cards.
//!
//! ```text
//!   configuration ─► Gateway (its files) ─► Parts ─► control::run ◄── Client, signals
//! ```
//!
//! It is for tests alone, and panics where something is not as it should be.

pub mod configuration;

mod client;
mod gateway;

pub use client::{signal, Client};
pub use gateway::{machine, Gateway, Parts};
