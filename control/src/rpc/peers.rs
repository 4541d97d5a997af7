//! What is answered about others that the gateway works with: peer gateways, and DHCP and AAA servers.

use super::declare::objects;
use std::net::Ipv6Addr;

objects! {
    /// A gateway that this one shares sessions with, or that policy names.
    pub struct Peer {
        /// Its address.
        pub address: Ipv6Addr,
        /// `unknown` while it has answered no heartbeat, `up`, `down` when it has failed to answer more often
        /// than is allowed, `unsupported` when it does not know heartbeats.
        pub state: String,
        /// Sessions that are shared with it. Without any it is not asked.
        pub sessions: u64,
        /// Requests in a row that it has not answered.
        pub missing: u32,
        /// Its Restart Counter, if it has told one.
        pub restart_counter: Option<u32>,
        /// Microseconds from the last answered request to its answer.
        pub round_trip_us: Option<f64>,
        /// Seconds since its last heartbeat.
        pub heard_secs: Option<f64>,
    }

    /// How the DHCPv6 server agrees with this gateway.
    pub struct Dhcp {
        /// Where it is told what to do.
        pub server: String,
        /// How often its configuration has been looked at; this request has it looked at again.
        pub looks: u64,
        /// What of it does not fit our pools, each with what to do; none: all is in order.
        pub mismatches: Vec<String>,
    }

    /// How AAA does.
    pub struct Aaa {
        /// Whether a server answers questions, as far as is known.
        pub reachable: bool,
        /// What becomes of a host when none does: `refuse`, `keep` or `policy-file`.
        pub when_unreachable: String,
        /// Hosts that are served on terms of AAA.
        pub sessions: u64,
        /// Questions that no server has answered yet.
        pub questions: u64,
        /// Whether account is kept.
        pub accounting: bool,
        /// Accounting records that no server has acknowledged yet.
        pub records: u64,
        /// Accounting records that were lost.
        pub records_lost: u64,
        /// Clients that may send CoA- and Disconnect-Requests.
        pub order_clients: u64,
        /// The servers, each once for questions and once for records.
        pub servers: Vec<AaaServer>,
    }

    /// A RADIUS server, by what it is used for.
    pub struct AaaServer {
        /// `access` or `accounting`.
        pub used_for: String,
        /// Its address and port.
        pub address: String,
        /// Whether it does not answer and is left alone for a while.
        pub dead: bool,
        /// Requests sent to it, retransmissions left out.
        pub requests: u64,
        /// Requests that it answered.
        pub answers: u64,
        /// Requests that it did not answer.
        pub timeouts: u64,
        /// Microseconds that its last answer took.
        pub round_trip_us: Option<f64>,
    }
}
