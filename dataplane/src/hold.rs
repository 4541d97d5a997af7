//! Packets that wait for a neighbour's link-layer address: at most one per neighbour, and so few
//! neighbours at once that nobody can fill a worker's memory with packets to nowhere. When all places
//! are taken, the packet that has waited longest makes room: a neighbour that is there answers long
//! before that, whoever else is being looked for (RFC 6583).
//!
//! A packet is held as it came, so that an error to its sender quotes it unchanged if the neighbour
//! does not answer. When it is let go it is looked up and checked anew. Of the tables it keeps only the
//! index of the tunnel that it came out of, which must then be the one of its source's binding: if
//! that index means another tunnel by now, it is one that the same host's packets come through.

use crate::classify::Meta;
use crate::key::InterfaceId;
use arrayvec::ArrayVec;
use std::net::IpAddr;

/// Neighbours that may be waited for at once.
pub(crate) const PLACES: usize = 64;

/// A neighbour that is not resolved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wanted {
    pub(crate) interface: InterfaceId,
    pub(crate) address: IpAddr,
}

/// A packet that waits.
pub(crate) struct Held<B> {
    pub(crate) buf: B,
    pub(crate) meta: Meta,
    /// Where it goes.
    pub(crate) destination: IpAddr,
    /// Whom it waits for.
    pub(crate) wanted: Wanted,
    /// When it has waited long enough.
    pub(crate) until: u64,
}

/// The packets of one worker that wait.
pub(crate) struct Hold<B> {
    held: ArrayVec<Held<B>, PLACES>,
    /// Not after the first `until`.
    next: u64,
}

impl<B> Hold<B> {
    pub(crate) fn new() -> Self {
        Self {
            held: ArrayVec::new(),
            next: u64::MAX,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether a packet waits for `wanted` already.
    pub(crate) fn waits_for(&self, wanted: Wanted) -> bool {
        self.held.iter().any(|held| held.wanted == wanted)
    }

    /// Takes the packet out that has waited longest, when there is room for no other.
    pub(crate) fn make_room(&mut self) -> Option<Held<B>> {
        if !self.held.is_full() {
            return None;
        }
        let first = self.held.iter().map(|held| held.until).min()?;
        self.take(|held| held.until == first)
    }

    /// Keeps a packet; gives it back when there is no room.
    pub(crate) fn put(&mut self, held: Held<B>) -> Result<(), B> {
        self.next = self.next.min(held.until);
        self.held
            .try_push(held)
            .map_err(|error| error.element().buf)
    }

    /// Whether anything may have waited long enough.
    #[inline]
    pub(crate) fn is_due(&self, now: u64) -> bool {
        now >= self.next
    }

    /// Takes one packet out that has waited long enough.
    pub(crate) fn take_due(&mut self, now: u64) -> Option<Held<B>> {
        let found = self.take(|held| held.until <= now);
        if found.is_none() {
            let first = self.held.iter().map(|held| held.until).min();
            self.next = first.unwrap_or(u64::MAX);
        }
        found
    }

    /// Takes one packet out that `choose` chooses.
    pub(crate) fn take(&mut self, choose: impl FnMut(&Held<B>) -> bool) -> Option<Held<B>> {
        let at = self.held.iter().position(choose)?;
        self.held.swap_pop(at)
    }
}
