//! What is sent: hosts, flows, lengths, and which of it is in a tunnel.

use super::sizes::Sizes;
use super::stamp;
use anyhow::{ensure, Context, Result};
use clap::{Args, ValueEnum};
use std::net::Ipv6Addr;
use std::str::FromStr;
use wire::ether;
use wire::ipv6;

/// Octets of a UDP header.
pub const UDP_LEN: usize = 8;

/// Flow groups at most: each has a UDP port of its own.
const MAX_GROUPS: u32 = 50_000;

/// Quantiles of a Zipf distribution that are kept.
const QUANTILES: usize = 1 << 13;

/// Which way packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Direction {
    /// From correspondents to hosts.
    ToHosts,
    /// From hosts to correspondents.
    FromHosts,
}

/// Where there is a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tunnelled {
    /// Nowhere.
    Neither,
    /// Around what is sent: the gateway takes it off.
    Sent,
    /// Around what is received: the gateway puts it on.
    Received,
    /// Around both.
    Both,
}

/// How often each host is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Flows {
    /// All equally often, at random.
    Uniform,
    /// Few often, most seldom: the k-th in proportion to k to the power of minus `--zipf`.
    Zipf,
    /// One after the other.
    Sequential,
}

/// A prefix, written `ADDRESS/LENGTH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Its address, with no bit set past the length.
    pub address: Ipv6Addr,
    /// Its length.
    pub length: u8,
}

impl FromStr for Prefix {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let hint = || format!("`{text}` is no prefix; write it as 2001:db8:1000::/40");
        let (address, length) = text.split_once('/').with_context(hint)?;
        let address: Ipv6Addr = address.parse().with_context(hint)?;
        let length: u8 = length.parse().with_context(hint)?;
        ensure!(length <= 128, hint());
        let behind = u128::MAX.checked_shr(length.into()).unwrap_or(0);
        ensure!(
            address.to_bits() & behind == 0,
            "`{text}` has bits set past its length"
        );
        Ok(Self { address, length })
    }
}

/// What is sent, as the command line says it.
#[derive(Args, Clone, Debug)]
pub struct PlanArguments {
    /// Which way packets go.
    #[arg(long, value_enum, default_value = "to-hosts")]
    pub direction: Direction,
    /// Where there is a tunnel between anchor and access gateway.
    #[arg(long, value_enum, default_value = "neither")]
    pub tunnelled: Tunnelled,
    /// How many hosts.
    #[arg(long, default_value_t = 1000)]
    pub hosts: u64,
    /// The prefix that the hosts' home network prefixes are cut from, the first at its start.
    #[arg(long, default_value = "2001:db8:1000::/40")]
    pub host_pool: Prefix,
    /// Length of a home network prefix.
    #[arg(long, default_value_t = 64)]
    pub host_length: u8,
    /// The first correspondent.
    #[arg(long, default_value = "2001:db8:100::10")]
    pub peer: Ipv6Addr,
    /// How many correspondents there are, with addresses one after the other.
    #[arg(long, default_value_t = 1)]
    pub peers: u32,
    /// The anchor's end of the tunnels.
    #[arg(long, default_value = "2001:db8:c::1")]
    pub anchor: Ipv6Addr,
    /// The first access gateway's end of its tunnel.
    #[arg(long, default_value = "2001:db8:c::11")]
    pub access_gateway: Ipv6Addr,
    /// How many access gateways there are, with addresses one after the other; hosts take turns.
    #[arg(long, default_value_t = 1)]
    pub access_gateways: u32,
    /// Length of a frame in octets, without its check sequence: a number, `imix`, or
    /// LENGTH:WEIGHT,...
    #[arg(long, default_value = "74")]
    pub frame: Sizes,
    /// How hosts are chosen.
    #[arg(long, value_enum, default_value = "uniform")]
    pub flows: Flows,
    /// Exponent of `--flows zipf`.
    #[arg(long, default_value_t = 1.0)]
    pub zipf: f64,
    /// Flow groups that have sequence numbers of their own; a host belongs to one.
    #[arg(long, default_value_t = 64)]
    pub groups: u32,
    /// Fixes every choice.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// What packet number `n` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    /// Its flow group.
    pub group: u32,
    /// Its place there.
    pub sequence: u32,
    /// Its host.
    pub host: u64,
    /// Its correspondent.
    pub peer: u32,
    /// Length of its frame in octets, as it is sent.
    pub length: usize,
    /// Random bits of its host, for flow labels and ports.
    pub host_hash: u64,
}

/// What is sent.
#[derive(Clone, Debug)]
pub struct Plan {
    given: PlanArguments,
    /// Hosts of a group, rounded down; the first groups may have one more.
    chooser: Chooser,
}

impl Plan {
    /// Checks what the command line says.
    ///
    /// # Errors
    /// What cannot be, and what to give in its place.
    pub fn new(given: &PlanArguments) -> Result<Self> {
        let mut given = given.clone();
        let pool = given.host_pool;
        ensure!(
            pool.length <= given.host_length && given.host_length <= 128,
            "--host-length {} does not fit --host-pool of length {}",
            given.host_length,
            pool.length
        );
        let room = 1_u128
            .checked_shl(u32::from(given.host_length - pool.length))
            .unwrap_or(u128::MAX);
        ensure!(
            given.hosts >= 1 && u128::from(given.hosts) <= room,
            "--hosts {} do not fit --host-pool, which has {room} prefixes of length {}",
            given.hosts,
            given.host_length
        );
        ensure!(
            given.peers >= 1 && given.access_gateways >= 1 && given.groups >= 1,
            "--peers, --access-gateways and --groups are at least 1"
        );
        ensure!(
            given.groups <= MAX_GROUPS,
            "--groups is at most {MAX_GROUPS}"
        );
        ensure!(
            given.zipf.is_finite() && given.zipf > 0.0,
            "--zipf is a number above 0"
        );
        let smallest = smallest_frame(given.tunnelled);
        for length in given.frame.lengths() {
            ensure!(
                length >= smallest,
                "--frame {length} has no room for its headers and a stamp: at least {smallest}"
            );
        }
        // A group without hosts would have nothing to send.
        given.groups = u32::try_from(given.hosts.min(given.groups.into()))?;
        let chooser = Chooser::new(given.flows, given.zipf, given.hosts, given.groups);
        Ok(Self { given, chooser })
    }

    /// As it was given, with what was corrected.
    pub fn given(&self) -> &PlanArguments {
        &self.given
    }

    /// Number of flow groups.
    pub fn groups(&self) -> usize {
        self.given.groups as usize
    }

    /// Mean length of the frames sent.
    pub fn mean_frame(&self) -> f64 {
        self.given.frame.mean()
    }

    /// What packet number `n` is.
    #[inline]
    pub fn pick(&self, n: u64) -> Pick {
        let groups = u64::from(self.given.groups);
        self.of((n % groups) as u32, (n / groups) as u32)
    }

    /// What the packet with this place in this group is.
    #[inline]
    pub fn of(&self, group: u32, sequence: u32) -> Pick {
        let lots = mix(self.given.seed ^ (u64::from(group) << 32 | u64::from(sequence)));
        let host = self.chooser.host(group, sequence, lots);
        let further = mix(lots);
        let host_hash = mix(host ^ 0x5bd1_e995);
        Pick {
            group,
            sequence,
            host,
            // A host talks to one correspondent.
            peer: ((host_hash >> 32) % u64::from(self.given.peers)) as u32,
            length: self.given.frame.choose(further as u32),
            host_hash,
        }
    }

    /// Address of a host: the first of its home network prefix but for the all-routers one.
    #[inline]
    pub fn host_address(&self, host: u64) -> Ipv6Addr {
        let prefix = self.home_network_prefix(host).to_bits();
        let own = u128::from(self.given.host_length < 128);
        Ipv6Addr::from_bits(prefix | own)
    }

    /// Home network prefix of a host.
    #[inline]
    pub fn home_network_prefix(&self, host: u64) -> Ipv6Addr {
        let shift = 128 - u32::from(self.given.host_length);
        let behind = u128::from(host).checked_shl(shift).unwrap_or(0);
        Ipv6Addr::from_bits(self.given.host_pool.address.to_bits() | behind)
    }

    /// Address of a correspondent.
    #[inline]
    pub fn peer_address(&self, peer: u32) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.given.peer.to_bits().wrapping_add(peer.into()))
    }

    /// The access gateway that serves a host.
    #[inline]
    pub fn access_gateway(&self, host: u64) -> Ipv6Addr {
        let turn = host % u64::from(self.given.access_gateways);
        Ipv6Addr::from_bits(
            self.given
                .access_gateway
                .to_bits()
                .wrapping_add(turn.into()),
        )
    }

    /// Source and destination of the inner packet.
    #[inline]
    pub fn inner(&self, pick: &Pick) -> (Ipv6Addr, Ipv6Addr) {
        let (host, peer) = (self.host_address(pick.host), self.peer_address(pick.peer));
        match self.given.direction {
            Direction::ToHosts => (peer, host),
            Direction::FromHosts => (host, peer),
        }
    }

    /// Source and destination of the tunnel.
    #[inline]
    pub fn outer(&self, pick: &Pick) -> (Ipv6Addr, Ipv6Addr) {
        let (anchor, access) = (self.given.anchor, self.access_gateway(pick.host));
        match self.given.direction {
            Direction::ToHosts => (anchor, access),
            Direction::FromHosts => (access, anchor),
        }
    }

    /// Whether frames are sent in a tunnel.
    pub fn sent_tunnelled(&self) -> bool {
        matches!(self.given.tunnelled, Tunnelled::Sent | Tunnelled::Both)
    }

    /// Whether frames are received in a tunnel.
    pub fn received_tunnelled(&self) -> bool {
        matches!(self.given.tunnelled, Tunnelled::Received | Tunnelled::Both)
    }
}

/// Octets of the smallest frame that has room for a stamp.
pub fn smallest_frame(tunnelled: Tunnelled) -> usize {
    let outer = match tunnelled {
        Tunnelled::Sent | Tunnelled::Both => ipv6::HEADER_LEN,
        Tunnelled::Neither | Tunnelled::Received => 0,
    };
    ether::HEADER_LEN + outer + ipv6::HEADER_LEN + UDP_LEN + stamp::LEN
}

/// Chooses hosts. Group `g` of `G` has the hosts `g`, `g + G`, `g + 2G` and so on.
#[derive(Clone, Debug)]
struct Chooser {
    hosts: u64,
    groups: u64,
    flows: Flows,
    /// For [`Flows::Zipf`]: ranks at equally likely bounds.
    ranks: Vec<u64>,
    /// Spreads ranks over hosts; without a common divisor with any number of them.
    stride: u64,
}

impl Chooser {
    fn new(flows: Flows, exponent: f64, hosts: u64, groups: u32) -> Self {
        let groups = u64::from(groups);
        let each = (hosts / groups).max(1);
        let ranks = match flows {
            Flows::Zipf => (0..=QUANTILES)
                .map(|bound| zipf_rank(bound as f64 / QUANTILES as f64, exponent, each))
                .collect(),
            Flows::Uniform | Flows::Sequential => Vec::new(),
        };
        Self {
            hosts,
            groups,
            flows,
            ranks,
            // A prime above any number of hosts, so that every rank has a host of its own.
            stride: 4_294_967_291,
        }
    }

    #[inline]
    fn host(&self, group: u32, sequence: u32, lots: u64) -> u64 {
        let group = u64::from(group);
        // Hosts of this group.
        let count = (self.hosts - group).div_ceil(self.groups);
        let place = match self.flows {
            Flows::Sequential => u64::from(sequence) % count,
            Flows::Uniform => scale(lots, count),
            Flows::Zipf => {
                let at = scale(lots, QUANTILES as u64) as usize;
                let within = lots.wrapping_mul(QUANTILES as u64);
                let bound = |place: usize| self.ranks.get(place).copied().unwrap_or(0);
                let (low, high) = (bound(at), bound(at + 1));
                let rank = low + scale(within, (high - low).max(1));
                (u128::from(rank) * u128::from(self.stride) % u128::from(count)) as u64
            }
        };
        group + place * self.groups
    }
}

/// The rank below which a share `share` of the lots fall, by the continuous distribution.
fn zipf_rank(share: f64, exponent: f64, count: u64) -> u64 {
    let most = count as f64 + 1.0;
    let power = 1.0 - exponent;
    let rank = if power.abs() < 1e-9 {
        most.powf(share)
    } else {
        (share * (most.powf(power) - 1.0) + 1.0).powf(1.0 / power)
    };
    (rank - 1.0).clamp(0.0, count as f64) as u64
}

/// Sixty-four random bits scaled to a number below `count`.
#[inline]
fn scale(lots: u64, count: u64) -> u64 {
    ((u128::from(lots) * u128::from(count)) >> 64) as u64
}

/// Sixty-four well mixed bits of a number.
#[inline]
pub fn mix(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use clap::Parser;
    use std::collections::HashMap;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        plan: PlanArguments,
    }

    /// The plan of a command line.
    pub(crate) fn plan(line: &str) -> Result<Plan> {
        let words = std::iter::once("test").chain(line.split_whitespace());
        Plan::new(&Line::try_parse_from(words)?.plan)
    }

    fn chosen(line: &str, packets: u64) -> HashMap<u64, u64> {
        let plan = plan(line).expect("a plan");
        let mut chosen = HashMap::new();
        for n in 0..packets {
            let pick = plan.pick(n);
            assert_eq!(pick.host % plan.groups() as u64, u64::from(pick.group));
            assert_eq!(plan.of(pick.group, pick.sequence), pick);
            *chosen.entry(pick.host).or_default() += 1;
        }
        chosen
    }

    #[test]
    fn every_host_of_a_uniform_plan_gets_its_share() {
        let chosen = chosen("--hosts 100 --groups 7", 100_000);
        assert_eq!(chosen.len(), 100);
        assert!(
            chosen.values().all(|&count| (600..1500).contains(&count)),
            "{chosen:?}"
        );
    }

    #[test]
    fn a_sequential_plan_goes_round() {
        let chosen = chosen("--hosts 90 --groups 8 --flows sequential", 8 * 90);
        assert_eq!(chosen.len(), 90);
    }

    #[test]
    fn a_zipf_plan_has_few_favourites_and_reaches_many() {
        let chosen = chosen("--hosts 100000 --groups 4 --flows zipf --zipf 1.0", 200_000);
        let mut counts: Vec<u64> = chosen.values().copied().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        assert!(chosen.keys().all(|&host| host < 100_000));
        let top: u64 = counts.iter().take(1_000).sum();
        // By the distribution, the first percent of the ranks have more than half.
        assert!(top > 80_000 && top < 150_000, "{top}");
        assert!(counts.len() > 20_000, "{}", counts.len());
    }

    #[test]
    fn addresses_are_where_the_ranges_say() {
        let plan = plan("--hosts 1000000 --access-gateways 3 --peers 2").expect("a plan");
        assert_eq!(plan.host_address(0).to_string(), "2001:db8:1000::1");
        assert_eq!(
            plan.host_address(0x1_0002).to_string(),
            "2001:db8:1001:2::1"
        );
        assert_eq!(plan.access_gateway(5).to_string(), "2001:db8:c::13");
        assert_eq!(plan.peer_address(1).to_string(), "2001:db8:100::11");
    }

    #[test]
    fn plans_that_cannot_be_are_refused() {
        for line in [
            "--hosts 0",
            "--hosts 257 --host-pool 2001:db8::/56",
            "--host-length 32",
            "--frame 73",
            "--frame 113 --tunnelled sent",
            "--groups 0",
            "--groups 60000",
            "--zipf 0 --flows zipf",
            "--host-pool 2001:db8::1/40",
        ] {
            assert!(plan(line).is_err(), "{line}");
        }
        assert!(plan("--frame 114 --tunnelled sent").is_ok());
    }
}
