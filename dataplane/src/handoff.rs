//! Handing packets from worker to worker, for ports whose device does not spread them.
//!
//! ```text
//!                      worker 0                                      worker 1
//!   port ──rx──► inner flow ─┬─ own ──► path ──► tx       ring       path ──► tx, if it has a queue
//!                            └─ of 1 ──► parcel ──► ═════════════ ──► ▲        │ if it has none
//!   port ◄──tx── what others send ◄──────────────── ═════════════ ◄── parcel ◄─┘
//! ```
//!
//! Two things go from one worker to another. A **received** packet goes to the worker of its inner
//! flow, for one ring between each pair of workers: so a port with one queue, or one tunnel whose
//! packets all look alike from outside, feeds all cores, and every flow stays in order. A packet **to be
//! sent** on a port that has fewer transmit queues than there are workers goes to the worker that owns
//! a queue, by a ring of its own for each such port, so that a port that is full holds back no other.
//!
//! Rings carry whole bursts, in parcels that were made at the start and go back empty: what two cores
//! have to tell each other is paid once per burst and not once per packet, which is why an array
//! queue without `unsafe` costs no more here than a ring of packets would. All of it is bounded, and a
//! parcel has one owner at any time: workers write nothing that others write but the rings' ends.
//!
//! Accounting: a packet is received where its path runs, by the worker that it is handed to. One for
//! which the ring has no room is received, and dropped as
//! [`HandoffFull`](crate::verdict::Drop::HandoffFull), where it came in. A packet to be sent has met its
//! verdict when the ring has taken it, as with a port's own queue; a ring that is full takes none, and
//! its owner keeps what the port has not taken yet, unless the port goes down.

mod flow;
mod joined;
mod ring;

pub(crate) use joined::{Joined, Tally};

use crate::verdict::Drop;
use packet::PortId;
use ring::{ring, Inlet, Outlet};

/// What becomes of a packet that does not fit into its ring.
pub(crate) const FULL: Drop = Drop::HandoffFull;

/// Packets that one ring may hold: what one worker can have lying before another.
pub const RING_PACKETS: usize = 1024;

/// Which worker does what on a port.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PortPlan {
    /// Whether received packets go to the worker of their inner flow.
    pub spread: bool,
    /// For each worker the one that sends for it; for a worker with a transmit queue, itself.
    pub senders: Vec<usize>,
}

/// One worker's ends of all rings.
pub struct Ends<B> {
    workers: usize,
    /// By port.
    spread: Vec<bool>,
    /// By port: where to send what has no queue here.
    senders: Vec<Option<Outlet<B>>>,
    /// By worker: where received packets go; none for itself.
    peers: Vec<Option<Outlet<B>>>,
    /// What other workers have received for this one.
    received: Vec<Inlet<B>>,
    /// What other workers have this one send.
    to_send: Vec<Inlet<B>>,
}

impl<B> Ends<B> {
    /// Of a worker that neither hands nor is handed anything.
    #[must_use]
    pub fn alone() -> Self {
        Self::of(1, 0)
    }

    fn of(workers: usize, ports: usize) -> Self {
        Self {
            workers,
            spread: vec![false; ports],
            senders: (0..ports).map(|_| None).collect(),
            peers: (0..workers).map(|_| None).collect(),
            received: Vec::new(),
            to_send: Vec::new(),
        }
    }

    fn spreads(&self, PortId(port): PortId) -> bool {
        self.spread.get(usize::from(port)).copied() == Some(true)
    }
}

/// The rings that `workers` workers need over these ports, each worker's ends in the order of their
/// numbers.
#[must_use]
pub fn channel<B>(workers: usize, ports: &[PortPlan]) -> Vec<Ends<B>> {
    let mut ends: Vec<Ends<B>> = (0..workers)
        .map(|_| Ends::of(workers, ports.len()))
        .collect();
    if ports.iter().any(|port| port.spread) {
        for from in 0..workers {
            for to in (0..workers).filter(|to| *to != from) {
                let (outlet, inlet) = ring();
                place(&mut ends, from, |ends| ends.peers.get_mut(to), outlet);
                if let Some(ends) = ends.get_mut(to) {
                    ends.received.push(inlet);
                }
            }
        }
    }
    for (index, port) in ports.iter().enumerate() {
        for ends in &mut ends {
            if let Some(spread) = ends.spread.get_mut(index) {
                *spread = port.spread && workers > 1;
            }
        }
        let sent_by = port.senders.iter().copied().enumerate();
        for (from, to) in sent_by.filter(|(from, to)| from != to && *to < workers) {
            let (outlet, inlet) = ring();
            place(&mut ends, from, |ends| ends.senders.get_mut(index), outlet);
            if let Some(ends) = ends.get_mut(to) {
                ends.to_send.push(inlet);
            }
        }
    }
    ends
}

/// Puts an outlet where worker `from` looks for it.
fn place<B>(
    ends: &mut [Ends<B>],
    from: usize,
    slot: impl FnOnce(&mut Ends<B>) -> Option<&mut Option<Outlet<B>>>,
    outlet: Outlet<B>,
) {
    if let Some(slot) = ends.get_mut(from).and_then(slot) {
        *slot = Some(outlet);
    }
}
