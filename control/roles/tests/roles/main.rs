//! The roles from outside: single rules, recorded events with their effects, and a whole domain on
//! virtual time.

mod addresses;
mod advertising;
mod alone;
mod alone_scenario;
mod alone_walk;
mod cmd;
mod cmd_anchors;
mod cmd_domain;
mod cmd_scenario;
mod delegated;
mod domain;
mod domains;
mod draft;
mod heartbeat;
mod interfaces;
mod interfaces_mag;
mod interfaces_model;
mod ipv4;
mod lma;
mod lma_handover;
mod lma_pools;
mod maar;
mod maar_leave;
mod maar_presence;
mod maar_scenario;
mod maar_walk;
mod mag;
mod mag_elsewhere;
mod mag_presence;
mod mag_registration;
mod recordings;
mod restart;
mod revocation;
mod scenario;
mod transport;
