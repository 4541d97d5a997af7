//! Packets to hosts, from before a gateway is there until it forwards for all of them.
//!
//! We listen for the gateway's memory interfaces, so our ends are there before it and after it. A packet is
//! sent to each host in turn, again and again until one has come through for it; nothing is sent while no gateway
//! runs, and nobody looks at a memory interface whose other end has gone.
//!
//! ```text
//!   start of the process ──► links up ──► first packet through ──► a packet through for each host
//! ```

use super::visitors;
use crate::bench::ports::Ports;
use crate::eal::EalArguments;
use crate::gateway::configuration::{INTERFACES, MACS};
use crate::gateway::{devargs, Role};
use crate::traffic::plan::{mix, Pick, Plan, PlanArguments};
use crate::traffic::side::{Side, Take};
use crate::traffic::template::Templates;
use anyhow::{ensure, Context, Result};
use dpdk::WorkerIo;
use packet::{Buf, Burst, RxTx};
use std::net::Ipv6Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use wire::ether::{ethertype, Frame, MacAddr};
use wire::ipv6::{self, next_header, Header};

/// Longest time that all of it may take.
const LIMIT: Duration = Duration::from_secs(180);

/// Packets that are sent at once, and the pause between two such turns, in which the processor is the gateway's: before anything comes through, and
/// from then on.
const AT_ONCE: usize = 32;
const SEEKING: Duration = Duration::from_micros(500);
const COUNTING: Duration = Duration::from_micros(20);

/// When packets came through, since the gateway's process was started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Through {
    /// The first for any host.
    pub(super) first: Duration,
    /// The first for the last of the hosts.
    pub(super) all: Duration,
}

/// Our ends of a gateway's links.
pub(super) struct Probe {
    ports: Ports,
    /// Where packets go in, and where they come out.
    sides: (Side<WorkerIo>, Side<WorkerIo>),
    templates: Templates,
    plan: Arc<Plan>,
    role: Role,
    macs: u64,
    sockets: TempDir,
}

/// Who has had a packet. A host is known by the place of its prefix in the plan.
struct Seen {
    plan: Arc<Plan>,
    /// Octets in front of the packet to the host.
    before: usize,
    /// Link-layer addresses that prefixes are behind in turn; none where they are not looked at.
    macs: Option<u64>,
    /// Whose packets are waited for, sorted, and whose have come.
    wanted: Vec<u64>,
    came: Vec<bool>,
    count: usize,
}

impl Take for Seen {
    fn take(&mut self, frame: &[u8], _: MacAddr, _: u64) -> bool {
        let Some(host) = self.host(frame) else {
            return false;
        };
        // Most often all are waited for.
        let place = usize::try_from(host).unwrap_or(usize::MAX);
        let place = match self.wanted.get(place) {
            Some(wanted) if *wanted == host => Ok(place),
            _ => self.wanted.binary_search(&host),
        };
        if let Some(came) = place.ok().and_then(|place| self.came.get_mut(place)) {
            self.count += usize::from(!std::mem::replace(came, true));
        }
        true
    }
}

impl Seen {
    /// Waits for packets to these, by way of a gateway of this role.
    fn new(plan: &Arc<Plan>, role: Role, macs: u64, wanted: Vec<u64>) -> Self {
        Self {
            plan: Arc::clone(plan),
            before: match role {
                Role::Lma => ipv6::HEADER_LEN,
                Role::Mag => 0,
            },
            macs: Some(macs).filter(|_| role == Role::Mag),
            came: vec![false; wanted.len()],
            wanted,
            count: 0,
        }
    }

    /// The host that a frame is for, if it came to where that is.
    fn host(&self, frame: &[u8]) -> Option<u64> {
        let frame = Frame::parse(frame).ok()?;
        let packet = frame.payload.get(self.before..)?;
        let (header, _) = Header::split(packet).ok()?;
        if frame.ethertype != ethertype::IPV6 || header.next_header != next_header::UDP {
            return None;
        }
        let given = self.plan.given();
        let to = Ipv6Addr::from(header.destination).to_bits();
        let first = given.host_pool.address.to_bits();
        let number = to.checked_sub(first)? >> (128 - u32::from(given.host_length));
        let number = u64::try_from(number).ok()?;
        let right = |macs| visitors::mac(number % macs) == frame.header.destination;
        self.macs.is_none_or(right).then_some(number)
    }
}

impl Probe {
    /// Opens our ends for a gateway of this role. Behind the prefixes of `plan` are so many hosts, in turn.
    ///
    /// # Errors
    /// When DPDK does not start.
    pub(super) fn open(
        eal: &EalArguments,
        role: Role,
        plan: &Arc<Plan>,
        macs: u64,
    ) -> Result<Self> {
        let sockets = tempfile::Builder::new().prefix("anchor-perf-").tempdir()?;
        let end = |number: u8, name: &str| {
            devargs(
                number,
                "server",
                &sockets.path().join(format!("{name}.sock")),
            )
        };
        let [core, inet] = INTERFACES;
        let devices = [end(0, core), end(1, inet)];
        let mut ports = Ports::listen(eal, &devices, plan.given())?;
        let (core, inet) = ports.take()?;
        let inet = inet.context("the second port")?;
        let [to_core, to_inet] = MACS.map(|it| it.parse::<MacAddr>());
        let (sides, to) = match role {
            Role::Lma => ((inet, core), to_inet),
            Role::Mag => ((core, inet), to_core),
        };
        let to = to.context("a link-layer address")?;
        let templates = Templates::new(plan, sides.0.own(), to);
        Ok(Self {
            ports,
            sides,
            templates,
            plan: Arc::clone(plan),
            role,
            macs,
            sockets,
        })
    }

    /// What a plan has to say so that its packets are those of this probe.
    pub(super) const fn given(role: Role) -> [&'static str; 4] {
        match role {
            Role::Lma => ["--frame", "74", "--tunnelled", "received"],
            Role::Mag => ["--frame", "114", "--tunnelled", "sent"],
        }
    }

    /// Where the gateway finds our ends.
    pub(super) fn sockets(&self) -> &Path {
        self.sockets.path()
    }

    /// Waits until a gateway that was killed is gone from our links.
    ///
    /// # Errors
    /// When it is still there.
    pub(super) fn gone(&self) -> Result<()> {
        self.wait(0, Instant::now())
    }

    fn wait(&self, links: usize, since: Instant) -> Result<()> {
        while self.ports.links_up() != links {
            ensure!(
                since.elapsed() < LIMIT,
                "the memory interfaces do not follow the gateway"
            );
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }

    /// Waits until a gateway has taken both links, which a process that was started at `since` is about to.
    ///
    /// # Errors
    /// When it does not.
    pub(super) fn joined(&self, since: Instant) -> Result<()> {
        self.wait(2, since)
    }

    /// Where packets go in, and where they come out.
    pub(super) fn sides(&mut self) -> (&mut Side<WorkerIo>, &mut Side<WorkerIo>) {
        let (inside, outside) = &mut self.sides;
        (inside, outside)
    }

    /// Sends to all hosts until packets have come through for each. `begun` is when the process was started.
    ///
    /// # Errors
    /// When some never do.
    pub(super) fn run(&mut self, begun: Instant) -> Result<Through> {
        let all = (0..self.plan.given().hosts).collect();
        self.reach(begun, all)
    }

    /// The same for some of them, by the places of their prefixes in the plan, sorted.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(super) fn reach(&mut self, begun: Instant, wanted: Vec<u64>) -> Result<Through> {
        self.joined(begun)?;
        let mut seen = Seen::new(&self.plan, self.role, self.macs, wanted);
        let mut first = None;
        let mut next = 0;
        loop {
            let (inside, outside) = &mut self.sides;
            inside.receive(&mut (), dpdk::cycles);
            while outside.receive(&mut seen, dpdk::cycles) > 0 {}
            let now = Instant::now();
            if seen.count > 0 {
                first.get_or_insert(now - begun);
            }
            if seen.count == seen.wanted.len() {
                let all = now - begun;
                let first = first.unwrap_or(all);
                return Ok(Through { first, all });
            }
            ensure!(
                now - begun < LIMIT,
                "packets come through for {} of {} hosts",
                seen.count,
                seen.wanted.len()
            );
            let pause = first.map_or(SEEKING, |_| COUNTING);
            self.send(&seen, &mut next);
            std::thread::sleep(pause);
        }
    }

    /// Sends to the next hosts that have had nothing.
    fn send(&mut self, seen: &Seen, next: &mut usize) {
        let (link, port) = self.sides.0.link();
        let mut burst = Burst::new();
        let count = seen.wanted.len();
        let mut looked = 0;
        while burst.len() < AT_ONCE && looked < count {
            let place = *next;
            *next = (place + 1) % count;
            looked += 1;
            let host = match (seen.came.get(place), seen.wanted.get(place)) {
                (Some(false), Some(host)) => *host,
                _ => continue,
            };
            let Some(mut packet) = link.alloc() else {
                break;
            };
            let length = self.plan.given().frame.lengths().max().unwrap_or(0);
            let pick = Pick {
                group: 0,
                sequence: 0,
                host,
                peer: 0,
                length,
                host_hash: mix(host),
            };
            if packet.set_len(length).is_err() {
                break;
            }
            self.templates
                .write(&self.plan, &pick, 0, packet.data_mut());
            burst.push(packet);
        }
        link.tx(port, &mut burst);
        link.free(&mut burst);
    }

    /// Closes our ends.
    ///
    /// # Errors
    /// Packet buffers that were not given back.
    pub(super) fn close(mut self) -> Result<()> {
        let (inside, outside) = self.sides;
        self.ports.give((inside, Some(outside)));
        self.ports.close()
    }
}

/// The plan's arguments, read as a command line would be.
#[derive(clap::Parser)]
struct Planned {
    #[command(flatten)]
    plan: PlanArguments,
}

/// The plan of so many hosts, anchored by a gateway that has four access gateways, or served by one.
pub(super) fn plan(role: Role, hosts: u64) -> Result<Plan> {
    let hosts = hosts.to_string();
    let gateways = match role {
        Role::Lma => "4",
        Role::Mag => "1",
    };
    let line = ["plan", "--hosts", &hosts, "--access-gateways", gateways];
    let line = line.into_iter().chain(Probe::given(role));
    Plan::new(&<Planned as clap::Parser>::try_parse_from(line)?.plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet that came through is that of the host that it was sent to, in a tunnel and out of one; behind an access
    /// gateway, if it came to that host.
    #[test]
    fn a_packet_is_known_by_its_host() {
        let own = MacAddr([2, 0, 0, 0, 0, 1]);
        for (role, before) in [(Role::Lma, 0), (Role::Mag, ipv6::HEADER_LEN)] {
            let plan = Arc::new(plan(role, 300).expect("a plan"));
            let length = plan.given().frame.lengths().max().unwrap_or(0);
            let mut seen = Seen::new(&plan, role, 100, vec![7, 8, 299]);
            // As it goes in.
            seen.before = before;
            let mut frame = vec![0; length];
            let mut write = |host: u64, to: MacAddr| {
                let pick = Pick {
                    group: 0,
                    sequence: 0,
                    host,
                    peer: 0,
                    length,
                    host_hash: 5,
                };
                let templates = Templates::new(&plan, own, to);
                templates.write(&plan, &pick, 0, &mut frame);
                frame.clone()
            };
            for (host, count) in [(7, 1), (299, 2), (7, 2), (200, 2)] {
                let frame = write(host, visitors::mac(host % 100));
                assert!(seen.take(&frame, own, 0));
                assert_eq!(seen.count, count);
            }
            assert_eq!(seen.came, [true, false, true]);
            let astray = write(8, visitors::mac(9));
            assert_eq!(seen.take(&astray, own, 0), role == Role::Lma);
            assert!(!seen.take(&astray[..34], own, 0));
        }
    }
}
