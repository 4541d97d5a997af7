//! What is answered: the objects in replies and notifications. Those about the gateway as a whole are here, the
//! others in modules by what they are about.

use super::declare::objects;
pub use super::hosts::{
    Anchor, AnchoredHost, Binding, PreviousAnchor, Session, SoughtAnchor, Traffic, Visitor,
    VisitorAddress,
};
pub use super::machine::{Neighbour, Port, Route, Vector, Worker};
pub use super::peers::{Aaa, AaaServer, Dhcp, Peer};
pub use super::told::{MachineNotice, TimedNotice, Told};
pub use super::watching::{Captured, Metrics, Step, Stopped, Talker, Traced, WatchEnded, Watching};
use std::net::Ipv6Addr;

objects! {
    /// The gateway as a whole.
    pub struct Status {
        /// Its name in the configuration.
        pub name: String,
        /// Its role: `lma`, `mag` or `cmd`.
        pub role: String,
        /// The role's address: LMAA, Proxy-CoA, or where MAARs register hosts.
        pub address: Ipv6Addr,
        /// Version of anchord.
        pub version: String,
        /// Version of libdpdk.
        pub dpdk_version: String,
        /// Process identifier.
        pub pid: u32,
        /// Seconds since it started.
        pub uptime_secs: f64,
        /// Number of workers.
        pub workers: usize,
        /// The worker that holds reclamation back, if one does.
        pub stalled_worker: Option<usize>,
        /// The workers that make no pass over their ports any more.
        pub standing_workers: Vec<usize>,
        /// Whether it is going down and only forwards.
        pub draining: bool,
        /// Sessions of the role: hosts in the binding cache, or visitors.
        pub sessions: u64,
        /// How full the tables are.
        pub tables: Vec<TableUse>,
        /// The policy file; empty where the role has none of its own.
        pub policy: String,
        /// When it was read last, in seconds since 1970.
        pub policy_loaded: f64,
        /// Clients that have subscribed.
        pub subscribers: usize,
        /// Time from an update taken from its ring to its acknowledgement put into one, with the wait
        /// for the store where there is one.
        pub signalling: Latency,
        /// What is kept across a restart; absent where nothing is.
        pub store: Option<Store>,
    }

    /// The store of what is kept across a restart.
    pub struct Store {
        /// Its file.
        pub path: String,
        /// What a commit survives: `process` (the end of the process) or `power-loss`.
        pub durability: String,
        /// How often the gateway was started before: the restart counter of RFC 5847.
        pub restarts: u32,
        /// Records that it keeps: bindings, or visitors that are bound.
        pub records: u64,
        /// Octets of the file.
        pub octets: u64,
        /// Records that were there at the start.
        pub restored: u64,
        /// Commits since the start.
        pub commits: u64,
        /// Changes that they made.
        pub changes: u64,
        /// Changes that wait for a commit.
        pub waiting: u64,
        /// Messages that wait to be sent until what they say is kept.
        pub held: usize,
        /// Messages that wait to be taken because as much waits for a commit as may.
        pub put_off: usize,
        /// Microseconds that the last commit took.
        pub last_commit_us: f64,
        /// Microseconds that the longest took.
        pub longest_commit_us: f64,
        /// Commits that failed, each try.
        pub failures: u64,
        /// Why nothing can be committed, while that is so: no binding is acknowledged then.
        pub failing: Option<String>,
    }

    /// A distribution of times.
    #[derive(Default, Copy)]
    pub struct Latency {
        /// How many times were taken.
        pub count: u64,
        /// Microseconds that half of them did not exceed.
        pub p50_us: f64,
        /// Microseconds that 99 of 100 did not exceed.
        pub p99_us: f64,
        /// Microseconds that 999 of 1000 did not exceed.
        pub p999_us: f64,
        /// Microseconds of the longest.
        pub max_us: f64,
    }

    /// The mode of a CMD.
    pub struct Mode {
        /// `relay`, `locator` or `proxy`.
        pub mode: String,
    }

    /// How full a table is.
    pub struct TableUse {
        /// Which: `bindings`, `tunnels`, `adjacencies`, or `prefixes` of a CMD.
        pub name: String,
        /// Entries in use.
        pub used: usize,
        /// Entries that fit.
        pub capacity: usize,
    }

    /// All counters.
    pub struct Counters {
        /// The groups, in an order that stays the same.
        pub groups: Vec<CounterGroup>,
    }

    /// Counters of one kind.
    pub struct CounterGroup {
        /// Its name, such as `verdicts`, `signalling` or `socket`.
        pub name: String,
        /// The worker that counts, for groups that each worker has.
        pub worker: Option<usize>,
        /// The counters, in an order that stays the same.
        pub counters: Vec<Counter>,
    }

    /// A counter.
    pub struct Counter {
        /// Its name in snake case.
        pub name: String,
        /// Its value since the start.
        pub value: u64,
        /// What it counts, one sentence.
        pub description: String,
    }

    /// That it was begun. What becomes of it, notices tell.
    pub struct Accepted {
        /// The host that it is about, by link-layer address or identifier.
        pub host: String,
    }

    /// That bindings were revoked. What their peers say to it, notices tell.
    pub struct Revoked {
        /// Sessions that ended here.
        pub sessions: usize,
        /// Revocations and de-registrations that went out to tell peers.
        pub messages: usize,
    }

    /// That a host's own binding was registered, or has ended.
    pub struct Registered {
        /// Its home address.
        pub home_address: Ipv6Addr,
        /// Lifetime that was granted in seconds; 0: it has ended.
        pub lifetime_secs: u32,
        /// Sequence number that it was registered with.
        pub sequence: u16,
    }

    /// That policy, routes and `gateway.drain_timeout` were read again and are in force.
    pub struct Reloaded {
        /// Hosts that the policy lists.
        pub hosts: usize,
        /// Routes that the configuration lists.
        pub routes: usize,
        /// What the configuration says otherwise than before and takes a restart, as `table.key`.
        pub ignored: Vec<String>,
    }

    /// That notices will come on this connection.
    pub struct Subscribed {
        /// The gateway's name in the configuration.
        pub name: String,
    }
}
