//! One bounded ring of parcels with one worker at each end.
//!
//! ```text
//!   outlet: spare ──► fill ──► full ═══════════► inlet: take out what is in it
//!             ▲                                              │
//!             └──────────────────── empty ◄══════════════════┘
//! ```

use super::RING_PACKETS;
use crossbeam::queue::ArrayQueue;
use packet::{Burst, PortId, MAX_BURST};
use std::sync::Arc;

/// Parcels of one ring. More than full ones would need: where little comes, a parcel holds little.
const PARCELS: usize = 256;

/// A burst on its way to another worker.
pub(super) struct Parcel<B> {
    /// The port that it came in on, or is to go out by.
    pub(super) port: PortId,
    pub(super) burst: Burst<B>,
    /// Packets that were in it when it was sent.
    sent: usize,
}

struct Ring<B> {
    full: ArrayQueue<Box<Parcel<B>>>,
    empty: ArrayQueue<Box<Parcel<B>>>,
}

/// The end that parcels go into.
pub(super) struct Outlet<B> {
    ring: Arc<Ring<B>>,
    /// Empty parcels; the one that came back last is used first, for it lies in the cache.
    spare: Vec<Box<Parcel<B>>>,
    /// The parcel that is being filled.
    open: Option<Box<Parcel<B>>>,
    /// Packets that lie in the ring or in the open parcel.
    out: usize,
}

/// The end that parcels come out of.
pub(super) struct Inlet<B> {
    ring: Arc<Ring<B>>,
    /// The parcel that was not emptied at once.
    pub(super) open: Option<Box<Parcel<B>>>,
}

/// A ring's two ends.
pub(super) fn ring<B>() -> (Outlet<B>, Inlet<B>) {
    let ring = Arc::new(Ring {
        full: ArrayQueue::new(PARCELS),
        empty: ArrayQueue::new(PARCELS),
    });
    let parcel = |_| {
        Box::new(Parcel {
            port: PortId(0),
            burst: Burst::new(),
            sent: 0,
        })
    };
    let outlet = Outlet {
        ring: Arc::clone(&ring),
        spare: (0..PARCELS).map(parcel).collect(),
        open: None,
        out: 0,
    };
    (outlet, Inlet { ring, open: None })
}

impl<B> Outlet<B> {
    /// Puts a packet into the parcel for `port`; gives it back when there is no room.
    #[inline]
    pub(super) fn put(&mut self, port: PortId, packet: B) -> Result<(), B> {
        if self.out >= RING_PACKETS {
            self.collect();
            if self.out >= RING_PACKETS {
                return Err(packet);
            }
        }
        let closed = |open: &Option<Box<Parcel<B>>>| {
            open.as_ref()
                .is_some_and(|open| open.port != port || open.burst.is_full())
        };
        if closed(&self.open) {
            self.flush();
            if closed(&self.open) {
                return Err(packet);
            }
        }
        if self.open.is_none() {
            if self.spare.is_empty() {
                self.collect();
            }
            self.open = self.spare.pop();
            if let Some(open) = &mut self.open {
                open.port = port;
            }
        }
        let Some(open) = &mut self.open else {
            return Err(packet);
        };
        let outcome = open.burst.try_push(packet);
        self.out += usize::from(outcome.is_ok());
        outcome.map_err(arrayvec::CapacityError::element)
    }

    /// Sends the parcel that is being filled.
    #[inline]
    pub(super) fn flush(&mut self) {
        if let Some(mut parcel) = self.open.take() {
            parcel.sent = parcel.burst.len();
            // The queue has as many places as there are parcels. Should it refuse one, it stays
            // here, to be sent with what comes next.
            self.open = self.ring.full.push(parcel).err();
        }
    }

    /// Takes back the parcels that have been emptied.
    fn collect(&mut self) {
        while let Some(parcel) = self.ring.empty.pop() {
            self.out = self.out.saturating_sub(parcel.sent);
            // There are never more than at the start, so this does not allocate.
            self.spare.push(parcel);
        }
    }
}

impl<B> Inlet<B> {
    /// The next parcel, which was not looked at yet.
    #[inline]
    pub(super) fn take(&mut self) -> Option<Box<Parcel<B>>> {
        self.open.take().or_else(|| self.ring.full.pop())
    }

    /// Gives a parcel back; what is in it goes back to its pool.
    #[inline]
    pub(super) fn give_back(&mut self, mut parcel: Box<Parcel<B>>) {
        parcel.burst.clear();
        // There is a place for each.
        let _ = self.ring.empty.push(parcel);
    }
}

/// Parcels that are taken from one ring in one pass: as many as hold a full ring when they are full.
pub(super) const PARCELS_PER_PASS: usize = RING_PACKETS / MAX_BURST;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_holds_so_many_packets_and_takes_more_when_some_are_out() {
        let (mut outlet, mut inlet) = ring::<usize>();
        let taken = (0..2 * RING_PACKETS).take_while(|n| outlet.put(PortId(1), *n).is_ok());
        assert_eq!(taken.count(), RING_PACKETS);
        outlet.flush();
        let first = inlet.take().expect("a parcel");
        assert_eq!((first.port, first.burst.len()), (PortId(1), MAX_BURST));
        assert_eq!(first.burst[..2], [0, 1]);
        inlet.give_back(first);
        let more = (0..2 * MAX_BURST).take_while(|n| outlet.put(PortId(2), *n).is_ok());
        assert_eq!(more.count(), MAX_BURST);
        outlet.flush();
        let rest: Vec<_> = std::iter::from_fn(|| {
            let parcel = inlet.take()?;
            let what = (parcel.port, parcel.burst.len());
            inlet.give_back(parcel);
            Some(what)
        })
        .collect();
        assert_eq!(rest.len(), RING_PACKETS / MAX_BURST);
        assert_eq!(rest.last(), Some(&(PortId(2), MAX_BURST)));
    }

    #[test]
    fn bursts_of_one_packet_use_up_the_parcels_before_the_places() {
        let (mut outlet, mut inlet) = ring::<usize>();
        let mut put = |n| {
            let outcome = outlet.put(PortId(0), n);
            outlet.flush();
            outcome
        };
        assert!((0..PARCELS).all(|n| put(n).is_ok()));
        assert_eq!(put(7), Err(7));
        let parcel = inlet.take().expect("a parcel");
        inlet.give_back(parcel);
        assert_eq!(put(8), Ok(()));
    }
}
