//! DHCP on access links: a relay agent in the place of the one on the host's home link, so that
//! servers of the domain lease to a host what fits its prefixes, wherever it is (S1-38, S1-39,
//! RFC 5213 section 6.11).
//!
//! ```text
//!   host ──► punt ──► Relay::from_host ──► datagram ──────────────► server
//!                        who is served,      link address: of the      │
//!                        how much, by whom   host's prefix            │
//!   host ◄── frame ◄── Relay::from_server ◄────────────── punt ◄──────┘
//!              from the     answers something, leases fit
//!              router          └──► Event::Leases ──► role ──► its anchor is told
//! ```
//!
//! To DHCPv4 clients the gateway is the server itself, for their address comes from their anchor ([`v4`]); or
//! a relay agent, where their anchor says so ([`v4::relay`]).
//!
//! A MAAR's hosts keep what they leased at others: [`former`] asks the server's lease database, which is
//! [`kea`]'s.
//!
//! Neither sends nor waits: the engine gives it octets and takes octets.

pub mod former;
pub mod kea;
pub mod v4;
pub mod v6;
