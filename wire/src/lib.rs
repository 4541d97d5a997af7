//! Bytes: the headers, mobility messages, options and neighbour discovery that Anchorage puts on
//! the wire and takes from it.
//!
//! Two styles, each where it is the better one:
//!
//! - **Views** ([`ether`], [`arp`], [`ipv4`], [`ipv6`], [`icmpv4`], [`icmpv6`] headers) are zerocopy
//!   structs that lie over packet bytes. The data plane reads and writes them in place; nothing is
//!   allocated.
//!   [`udp`] and [`dhcpv6`] point into the octets as well: a relay changes nothing that it need not.
//! - **Representations** ([`mh`], [`nd`], [`niq`], [`dhcpv4`]) are owned values of a whole message. `parse` takes any
//!   bytes and answers with a value or a named error, `emit` writes the value; what this crate does
//!   not know survives the round trip.
//!
//! No IO, no clock, no panic on any input.
#![forbid(unsafe_code)]

pub mod arp;
pub mod checksum;
pub mod dhcpv4;
pub mod dhcpv6;
pub mod ether;
pub mod gre;
pub mod icmp;
pub mod icmpv4;
pub mod icmpv6;
pub mod ipv4;
pub mod ipv6;
pub mod mh;
pub mod nd;
pub mod niq;
pub mod udp;

mod names;
mod reader;
