//! A worker's queues together with what the other workers hand it.

use super::flow;
use super::ring::{Inlet, Outlet, Parcel, PARCELS_PER_PASS};
use super::Ends;
use packet::{Buf, Burst, PortId, RxTx};
use std::time::Duration;

/// What was handed on instead of being received, since the last look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Tally {
    /// Packets handed to other workers.
    pub(crate) handed: u64,
    /// Packets for which a ring had no room.
    pub(crate) refused: u64,
    /// Their octets.
    pub(crate) refused_octets: u64,
}

/// The queues of one worker, as if it were the only one: what other workers have received for it
/// comes in like anything else, and what it sends goes out on every port.
pub(crate) struct Joined<T: RxTx> {
    io: T,
    ends: Ends<T::Buf>,
    /// A parcel that the next reception on its port yields, and the ring it came by.
    arrived: Option<(Box<Parcel<T::Buf>>, usize)>,
    tally: Tally,
}

impl<T: RxTx> Joined<T> {
    pub(crate) fn new(io: T, ends: Ends<T::Buf>) -> Self {
        Self {
            io,
            ends,
            arrived: None,
            tally: Tally::default(),
        }
    }

    /// The worker's own queues.
    pub(crate) fn io_mut(&mut self) -> &mut T {
        &mut self.io
    }

    /// How many rings bring packets that other workers have received.
    pub(crate) fn peers(&self) -> usize {
        self.ends.received.len()
    }

    /// Most bursts that are taken from one of them in a pass.
    pub(crate) const BURSTS: usize = PARCELS_PER_PASS;

    /// Whether ring `peer` has brought a burst, and the port on which it can be received now.
    pub(crate) fn arrival(&mut self, peer: usize) -> Option<PortId> {
        let parcel = self.ends.received.get_mut(peer)?.take()?;
        let port = parcel.port;
        self.arrived = Some((parcel, peer));
        Some(port)
    }

    /// What was handed on since the last call.
    pub(crate) fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// Sends what other workers have this one send; returns how many packets went.
    pub(crate) fn relay(&mut self) -> usize {
        let mut sent = 0;
        for inlet in &mut self.ends.to_send {
            for _ in 0..PARCELS_PER_PASS {
                let Some(mut parcel) = inlet.take() else {
                    break;
                };
                sent += self.io.tx(parcel.port, &mut parcel.burst);
                if !parcel.burst.is_empty() && self.io.is_up(parcel.port) {
                    // The port takes no more for now. Meanwhile the ring fills up, and who fills it
                    // learns that.
                    inlet.open = Some(parcel);
                    break;
                }
                self.io.free(&mut parcel.burst);
                inlet.give_back(parcel);
            }
        }
        sent
    }

    /// Leaves in `burst`, from place `before` on, what belongs to this worker, and hands on the rest.
    fn spread(&mut self, port: PortId, burst: &mut Burst<T::Buf>, before: usize) {
        let mut refused = Burst::new();
        for buf in burst.iter().skip(before) {
            buf.prefetch();
        }
        let mut own = Burst::new();
        for (place, buf) in std::mem::take(burst).into_iter().enumerate() {
            let of = match place < before {
                true => None,
                false => flow::worker(&buf, self.ends.workers),
            };
            let peer = of.and_then(|of| self.ends.peers.get_mut(of)?.as_mut());
            let refuse = match peer {
                // As many places as there were packets.
                None => own.try_push(buf).err().map(|error| error.element()),
                Some(peer) => {
                    let outcome = peer.put(port, buf);
                    self.tally.handed += u64::from(outcome.is_ok());
                    outcome.err()
                }
            };
            if let Some(buf) = refuse {
                self.tally.refused += 1;
                self.tally.refused_octets += buf.data().len() as u64;
                let _ = refused.try_push(buf);
            }
        }
        *burst = own;
        for peer in self.ends.peers.iter_mut().flatten() {
            peer.flush();
        }
        if !refused.is_empty() {
            self.io.free(&mut refused);
        }
    }

    /// Where packets go that are to be sent on `port` by another worker.
    fn sender(&mut self, PortId(port): PortId) -> Option<&mut Outlet<T::Buf>> {
        self.ends.senders.get_mut(usize::from(port))?.as_mut()
    }
}

impl<T: RxTx> RxTx for Joined<T> {
    type Buf = T::Buf;
    type Fragments = T::Fragments;

    #[inline]
    fn ports(&self) -> u16 {
        self.io.ports()
    }

    #[inline]
    fn rx(&mut self, port: PortId, burst: &mut Burst<T::Buf>) -> usize {
        if let Some((mut parcel, peer)) = self.arrived.take_if(|(it, _)| it.port == port) {
            let count = parcel.burst.len().min(burst.remaining_capacity());
            burst.extend(parcel.burst.drain(..count));
            let inlet: Option<&mut Inlet<_>> = self.ends.received.get_mut(peer);
            match inlet {
                Some(inlet) if parcel.burst.is_empty() => inlet.give_back(parcel),
                Some(inlet) => inlet.open = Some(parcel),
                None => {}
            }
            return count;
        }
        let before = burst.len();
        let count = self.io.rx(port, burst);
        if count == 0 || !self.ends.spreads(port) {
            return count;
        }
        self.spread(port, burst, before);
        burst.len() - before
    }

    #[inline]
    fn tx(&mut self, port: PortId, burst: &mut Burst<T::Buf>) -> usize {
        if self.ends.senders.is_empty() {
            return self.io.tx(port, burst);
        }
        if !self.io.is_up(port) {
            return 0;
        }
        let Some(sender) = self.sender(port) else {
            return self.io.tx(port, burst);
        };
        let mut left = Burst::new();
        let mut went = 0;
        for buf in burst.drain(..) {
            // None overtakes one that had to stay.
            let outcome = match left.is_empty() {
                true => sender.put(port, buf),
                false => Err(buf),
            };
            match outcome {
                Ok(()) => went += 1,
                // As many places as there were packets.
                Err(buf) => {
                    let _ = left.try_push(buf);
                }
            }
        }
        sender.flush();
        *burst = left;
        went
    }

    #[inline]
    fn alloc(&mut self) -> Option<T::Buf> {
        self.io.alloc()
    }

    fn fragments(&mut self) -> &mut T::Fragments {
        self.io.fragments()
    }

    #[inline]
    fn free(&mut self, burst: &mut Burst<T::Buf>) {
        self.io.free(burst);
    }

    #[inline]
    fn is_up(&self, port: PortId) -> bool {
        self.io.is_up(port)
    }

    fn wait(&mut self, longest: Duration) -> bool {
        self.io.wait(longest)
    }
}
