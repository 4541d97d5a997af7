//! Whole gateways in one process: engines with their real tables, rings and workers over plain
//! memory, joined by wires that the test moves frames along, on a clock that the test steps.

mod account;
mod addresses;
mod arp;
mod authentication;
mod both_kinds;
mod bytes;
mod configuration;
mod dhcp;
mod discovery;
mod draft;
mod figures;
mod former;
mod former_domain;
mod host;
mod ipv4;
mod maar;
mod maar_account;
mod malformed;
mod octets;
mod octets_updates;
mod policy;
mod refused;
mod relay;
mod store;
mod story;
mod transport;
mod unsent;
mod world;
