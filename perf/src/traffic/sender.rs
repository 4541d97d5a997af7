//! Sends the packets of a plan when they are due.

use super::pace::Pace;
use super::plan::Plan;
use super::template::Templates;
use packet::{Buf, Burst, PortId, RxTx};
use serde::Serialize;
use std::sync::Arc;

/// Packets that one step sends at most.
const STEP: usize = 32;

/// What a sender has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// Packets that the port took.
    pub packets: u64,
    /// Their octets.
    pub octets: u64,
    /// Times at which the port took less than it was offered.
    pub port_full: u64,
    /// Times at which there was no buffer.
    pub pool_dry: u64,
}

/// A schedule that is being sent.
pub struct Sender<B> {
    plan: Arc<Plan>,
    templates: Templates,
    pace: Pace,
    /// Number of the schedule's first packet.
    first: u64,
    /// Written and not yet taken by the port.
    waiting: Burst<B>,
    sent: Sent,
}

impl<B: Buf> Sender<B> {
    /// Sends packets of `plan`, from number `first` on, on the schedule `pace`.
    pub fn new(plan: Arc<Plan>, templates: Templates, pace: Pace, first: u64) -> Self {
        Self {
            plan,
            templates,
            pace,
            first,
            waiting: Burst::new(),
            sent: Sent::default(),
        }
    }

    /// Starts a schedule that waits for its start.
    #[inline]
    pub fn start(&mut self, now: u64) {
        self.pace.start(now);
    }

    /// Sends what is due; returns how many packets the port took.
    #[inline]
    pub fn step<L: RxTx<Buf = B>>(&mut self, link: &mut L, port: PortId, now: u64) -> usize {
        let room = STEP.saturating_sub(self.waiting.len());
        for _ in 0..self.pace.due(now, room) {
            let Some(mut packet) = link.alloc() else {
                self.sent.pool_dry += 1;
                break;
            };
            let pick = self.plan.pick(self.first + self.pace.taken());
            if packet.set_len(pick.length).is_err() {
                // The command that made the port saw to it that buffers are large enough.
                self.sent.pool_dry += 1;
                break;
            }
            let due = self.pace.take(now);
            self.templates
                .write(&self.plan, &pick, due, packet.data_mut());
            self.sent.octets += pick.length as u64;
            self.waiting.push(packet);
        }
        if self.waiting.is_empty() {
            return 0;
        }
        let went = link.tx(port, &mut self.waiting);
        self.sent.packets += went as u64;
        self.sent.port_full += u64::from(!self.waiting.is_empty());
        went
    }

    /// Whether all of the schedule went.
    pub fn is_over(&self) -> bool {
        self.pace.is_over() && self.waiting.is_empty()
    }

    /// Packets that were written, whether or not the port took them.
    pub fn taken(&self) -> u64 {
        self.pace.taken()
    }

    /// What was done so far.
    pub fn sent(&self) -> Sent {
        Sent {
            octets: self
                .sent
                .octets
                .saturating_sub(self.waiting.iter().map(|it| it.data().len() as u64).sum()),
            ..self.sent
        }
    }
}
