//! The books of a storm: which host has to be registered, which waits for its answer, and what came.
//!
//! A storm goes in rounds. In the first every host registers; in each further one every host moves to
//! the next access gateway, or refreshes where it is when there is only one. A host that gets no answer
//! sends its update again, with a new sequence number and timestamp; sequence numbers of one round lie
//! together, so that an answer to any of its tries counts. That an update came too late to be believed
//! (RFC 5213 section 5.5) is no fault of the answer: the next try has a time of its own.

use super::message::{read_answer, write_update, Answer, BadAnswer, Registration};
use super::revocation::{read_revocation, Revocation, MH_TYPE};
use crate::traffic::pace::Pace;
use crate::traffic::plan::Plan;
use crate::traffic::side::Take;
use control::authentication::Associations;
use hdrhistogram::Histogram;
use packet::{Buf, Burst, PortId, RxTx};
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use wire::ether::MacAddr;
use wire::mh::{HandoffIndicator, Status};

/// Tries per host and round; also the sequence numbers that a round has.
const TRIES: u16 = 8;

/// MH type of heartbeats (RFC 5847 section 3.3).
const HEARTBEAT: u8 = 13;

/// Updates that one step sends at most.
const STEP: usize = 16;

/// How a storm goes.
#[derive(Clone, Debug)]
pub struct Course {
    /// Rounds; at least 1.
    pub rounds: u32,
    /// Updates per second; none: as fast as answers come.
    pub rate: Option<f64>,
    /// Updates without an answer at most.
    pub outstanding: usize,
    /// Cycles after which an update is sent again.
    pub retransmit: u64,
    /// Lifetime that is asked for, in seconds.
    pub lifetime: u32,
    /// Cycles per second.
    pub hz: u64,
}

/// What went wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// It cannot be read as one.
    Unreadable(BadAnswer),
    /// A status other than 0.
    Status(u8),
    /// A sequence number that was not sent in this round.
    Sequence,
    /// It came to another address than the update's source.
    Address,
    /// The granted prefix is not the one that was named.
    Prefix,
    /// No lifetime was granted.
    Lifetime,
    /// A host that there is not.
    Host,
}

/// One round, done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Round {
    /// `register`, `move` or `refresh`.
    pub kind: &'static str,
    /// Hosts that were answered.
    pub registered: u64,
    /// From the first update sent to the last answer.
    pub seconds: f64,
    /// Answers per second.
    pub registrations_per_s: f64,
    /// Updates sent again.
    pub retransmitted: u64,
    /// Hosts without an answer after all tries.
    pub abandoned: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Host {
    /// When its latest round's update was due.
    due: u64,
    /// Tries of this round; 0: none yet.
    tries: u16,
    /// Whether this round is over for it.
    done: bool,
}

/// A storm under way.
pub struct Storm {
    plan: Arc<Plan>,
    course: Course,
    gateway: MacAddr,
    pace: Pace,
    hosts: Vec<Host>,
    /// Next host of the round.
    next: u64,
    round: u32,
    started: Option<u64>,
    last: u64,
    /// Hosts of the round that are answered, and given up.
    answered: u64,
    abandoned: u64,
    retransmitted: u64,
    /// Hosts that wait for an answer, in the order of their time to try again.
    waiting: VecDeque<(u64, u64, u16)>,
    rounds: Vec<Round>,
    wrong: BTreeMap<Wrong, u64>,
    repeated: u64,
    late: u64,
    /// Revocations that came, and those that have yet to be acknowledged.
    revocations: u64,
    revoked: VecDeque<Revocation>,
    latency: Histogram<u64>,
    frame: Vec<u8>,
    keys: Option<Associations>,
    journal: Option<File>,
}

impl Storm {
    /// A storm of the hosts of `plan` on the gateway with this link-layer address.
    ///
    /// # Errors
    /// When there is no memory for the histogram.
    pub fn new(plan: Arc<Plan>, course: Course, gateway: MacAddr) -> anyhow::Result<Self> {
        let count = usize::try_from(plan.given().hosts)?;
        Ok(Self {
            pace: Pace::new(u64::MAX, course.hz, None, 0),
            hosts: vec![Host::default(); count],
            plan,
            course,
            gateway,
            next: 0,
            round: 0,
            started: None,
            last: 0,
            answered: 0,
            abandoned: 0,
            retransmitted: 0,
            waiting: VecDeque::new(),
            rounds: Vec::new(),
            wrong: BTreeMap::new(),
            repeated: 0,
            late: 0,
            revocations: 0,
            revoked: VecDeque::new(),
            latency: Histogram::new_with_bounds(1, 1 << 38, 3)?,
            frame: Vec::new(),
            keys: None,
            journal: None,
        })
    }

    /// Whether all rounds are over.
    pub fn is_over(&self) -> bool {
        self.round >= self.course.rounds
    }

    /// The round that is under way, from 0 on.
    pub fn round(&self) -> u32 {
        self.round
    }

    /// Registrations that were answered well, over all rounds.
    pub fn total_answered(&self) -> u64 {
        let before: u64 = self.rounds.iter().map(|it| it.registered).sum();
        before + self.answered
    }

    /// Registrations of all rounds together.
    pub fn total(&self) -> u64 {
        self.hosts.len() as u64 * u64::from(self.course.rounds)
    }

    /// The rounds that are done.
    pub fn rounds(&self) -> &[Round] {
        &self.rounds
    }

    /// Answers that were wrong, by what was wrong.
    pub fn wrong(&self) -> &BTreeMap<Wrong, u64> {
        &self.wrong
    }

    /// Right answers for hosts that had one: to an update that was sent again too early.
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Answers that an update was too old when it was looked at, or older than another of its host.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Revocations of what hosts had at the gateways that they left.
    pub fn revocations(&self) -> u64 {
        self.revocations
    }

    /// Cycles from an update's due time to its answer.
    pub fn latency(&self) -> &Histogram<u64> {
        &self.latency
    }

    /// Sends what is due.
    pub fn step<L: RxTx>(&mut self, link: &mut L, port: PortId, own: MacAddr, now: u64) {
        if self.is_over() {
            return;
        }
        if self.started.is_none() {
            self.started = Some(now);
            let total = self.hosts.len() as u64;
            self.pace = Pace::new(now, self.course.hz, self.course.rate, total);
        }
        let mut burst = Burst::<L::Buf>::new();
        self.acknowledge_revocations(link, own, &mut burst);
        self.again(link, own, now, &mut burst);
        let room = self
            .course
            .outstanding
            .saturating_sub(self.waiting.len())
            .min(STEP.saturating_sub(burst.len()));
        for _ in 0..self.pace.due(now, room) {
            let host = self.next;
            if !self.write(link, host, 0, own, &mut burst) {
                break;
            }
            self.next += 1;
            let due = self.pace.take(now);
            self.wait(host, due, 1, now);
        }
        // What the port does not take is lost, as on any link, and sent again in time.
        link.tx(port, &mut burst);
        link.free(&mut burst);
        if self.answered + self.abandoned >= self.hosts.len() as u64 {
            self.close();
        }
    }

    /// Acknowledges what was revoked.
    fn acknowledge_revocations<L: RxTx>(
        &mut self,
        link: &mut L,
        own: MacAddr,
        burst: &mut Burst<L::Buf>,
    ) {
        while burst.len() < STEP {
            let Some(revocation) = self.revoked.front() else {
                return;
            };
            let stations = (own, self.gateway);
            if !revocation.acknowledge(stations, self.keys.as_mut(), &mut self.frame)
                || !self.push(link, burst)
            {
                return;
            }
            self.revoked.pop_front();
        }
    }

    /// Sends again what had no answer for too long.
    fn again<L: RxTx>(&mut self, link: &mut L, own: MacAddr, now: u64, burst: &mut Burst<L::Buf>) {
        while let Some(&(time, host, tries)) = self.waiting.front() {
            let state = self.state(host);
            let answered = state.is_none_or(|it| it.done || it.tries != tries);
            if !answered && (time > now || burst.len() >= STEP) {
                return;
            }
            if answered {
                self.waiting.pop_front();
                continue;
            }
            if tries >= TRIES {
                self.waiting.pop_front();
                self.abandoned += 1;
                if let Some(state) = self.state(host) {
                    state.done = true;
                }
                continue;
            }
            if !self.write(link, host, tries, own, burst) {
                return;
            }
            self.waiting.pop_front();
            self.retransmitted += 1;
            let due = self.state(host).map_or(now, |it| it.due);
            self.wait(host, due, tries + 1, now);
        }
    }

    fn state(&mut self, host: u64) -> Option<&mut Host> {
        self.hosts.get_mut(usize::try_from(host).ok()?)
    }

    fn wait(&mut self, host: u64, due: u64, tries: u16, now: u64) {
        if let Some(state) = self.state(host) {
            state.due = due;
            state.tries = tries;
        }
        self.waiting
            .push_back((now + self.course.retransmit, host, tries));
    }

    /// The access gateway of a host in this round.
    fn from(&self, host: u64) -> std::net::Ipv6Addr {
        self.plan.access_gateway(host + u64::from(self.round))
    }

    /// First sequence number of this round.
    fn sequence(&self) -> u16 {
        (self.round as u16).wrapping_mul(TRIES)
    }

    fn write<L: RxTx>(
        &mut self,
        link: &mut L,
        host: u64,
        tries: u16,
        own: MacAddr,
        burst: &mut Burst<L::Buf>,
    ) -> bool {
        let registration = Registration {
            host,
            sequence: self.sequence().wrapping_add(tries),
            from: self.from(host),
            handoff: match self.kind() {
                "register" => HandoffIndicator::NEW_INTERFACE,
                "move" => HandoffIndicator::BETWEEN_MAGS,
                _ => HandoffIndicator::NOT_CHANGED,
            },
            lifetime: self.course.lifetime,
        };
        let stations = (own, self.gateway);
        let keys = self.keys.as_mut();
        if !write_update(&self.plan, &registration, stations, keys, &mut self.frame) {
            return false;
        }
        self.push(link, burst)
    }

    /// Puts the frame that is written into the burst.
    fn push<L: RxTx>(&self, link: &mut L, burst: &mut Burst<L::Buf>) -> bool {
        let Some(mut packet) = link.alloc() else {
            return false;
        };
        if packet.set_len(self.frame.len()).is_err() {
            return false;
        }
        packet.data_mut().copy_from_slice(&self.frame);
        burst.try_push(packet).is_ok()
    }

    fn kind(&self) -> &'static str {
        match (self.round, self.plan.given().access_gateways) {
            (0, _) => "register",
            (_, 1) => "refresh",
            _ => "move",
        }
    }

    fn close(&mut self) {
        let cycles = self.last.saturating_sub(self.started.unwrap_or(self.last));
        let seconds = cycles as f64 / self.course.hz as f64;
        self.rounds.push(Round {
            kind: self.kind(),
            registered: self.answered,
            seconds,
            registrations_per_s: self.answered as f64 / seconds.max(1e-9),
            retransmitted: self.retransmitted,
            abandoned: self.abandoned,
        });
        self.round += 1;
        (self.next, self.answered, self.abandoned) = (0, 0, 0);
        (self.started, self.retransmitted) = (None, 0);
        self.waiting.clear();
        self.hosts.fill(Host::default());
    }

    /// Authenticates what is sent from now on.
    pub fn authenticate(&mut self, keys: Associations) {
        self.keys = Some(keys);
    }

    /// Writes a line to the new file at `path` for each registration that is answered well from now on:
    /// host, access gateway, and the timestamp of the update. Each is there at once, however this
    /// process ends.
    ///
    /// # Errors
    /// When there can be no such file.
    pub fn journal(&mut self, path: &Path) -> std::io::Result<()> {
        self.journal = Some(File::create(path)?);
        Ok(())
    }

    /// Enters an answer.
    fn answer(&mut self, answer: &Answer, now: u64) -> Result<(), Wrong> {
        let sent = answer.sequence.wrapping_sub(self.sequence()) < TRIES;
        let right = answer.to == self.from(answer.host);
        let prefix = self.plan.home_network_prefix(answer.host);
        let length = self.plan.given().host_length;
        let state = self.state(answer.host).ok_or(Wrong::Host)?;
        if state.done {
            self.repeated += 1;
            return Ok(());
        }
        if state.tries == 0 || !sent {
            return Err(Wrong::Sequence);
        }
        let late = [
            Status::TIMESTAMP_MISMATCH,
            Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED,
        ];
        if late.contains(&answer.status) {
            self.late += 1;
            return Ok(());
        }
        if answer.status.0 != 0 {
            return Err(Wrong::Status(answer.status.0));
        }
        if !right {
            return Err(Wrong::Address);
        }
        if !matches!(answer.prefixes.as_slice(), [one] if (one.prefix, one.length) == (prefix, length))
        {
            return Err(Wrong::Prefix);
        }
        if answer.lifetime == 0 {
            return Err(Wrong::Lifetime);
        }
        state.done = true;
        let due = state.due;
        if let (Some(journal), Some(timestamp)) = (&mut self.journal, answer.timestamp) {
            let line = format!("{} {} {}\n", answer.host, answer.to, timestamp.0);
            // What cannot be written counts as not heard.
            let _ = journal.write_all(line.as_bytes());
        }
        self.answered += 1;
        self.last = now;
        self.latency
            .saturating_record(now.saturating_sub(due).max(1));
        Ok(())
    }
}

impl Take for Storm {
    fn take(&mut self, frame: &[u8], _: MacAddr, now: u64) -> bool {
        if let Some(revocation) = read_revocation(frame) {
            self.revocations += 1;
            self.revoked.push_back(revocation);
            return true;
        }
        if frame.get(MH_TYPE) == Some(&HEARTBEAT) {
            // The anchor has started, or asks whether its gateways are there: neither answers an update.
            return true;
        }
        let Some(read) = read_answer(frame) else {
            return false;
        };
        let entered = read
            .map_err(Wrong::Unreadable)
            .and_then(|answer| self.answer(&answer, now));
        if let Err(wrong) = entered {
            *self.wrong.entry(wrong).or_default() += 1;
        }
        true
    }
}

#[cfg(test)]
mod tests;
