//! Fragments in plain memory.
//!
//! ```text
//!   Pending: addresses, identification ── pieces: | 0..1232 | 1232..2464 | ... | last |
//! ```
//!
//! Written for being read rather than for speed: packets that are incomplete stand in a list, oldest
//! first, each with its fragments in order of offset.

use super::{Buffer, Pool};
use crate::{
    Buf, Burst, Fragments, NotCut, Pieces, Reassembly, MAX_FRAGMENTS, MAX_INCOMPLETE,
    REASSEMBLY_NANOS,
};

/// Octets of the fixed header.
const FIXED: usize = 40;
/// Octets of the fixed header and the fragment header.
const BOTH: usize = FIXED + 8;
/// Next header of a fragment header.
const FRAGMENT: u8 = 44;

/// Cuts and collects packets in plain memory.
#[derive(Debug)]
pub struct Collector {
    pool: Pool,
    pending: Vec<Pending>,
}

/// What the fragments of one packet have in common: addresses and identification.
type Key = ([u8; 32], [u8; 4]);

/// A packet that is incomplete.
#[derive(Debug)]
struct Pending {
    key: Key,
    since: u64,
    pieces: Pieces<Piece>,
}

/// One fragment.
#[derive(Debug)]
struct Piece {
    buffer: Buffer,
    /// Where its IPv6 header starts in the buffer.
    at: usize,
    /// Its octets of the packet's payload.
    from: usize,
    to: usize,
    last: bool,
}

impl Collector {
    /// Of packets in `pool`, which the fragments that are cut come from.
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        Self {
            pool,
            pending: Vec::with_capacity(MAX_INCOMPLETE),
        }
    }
}

impl Piece {
    /// Reads the headers of a fragment; gives back what has none.
    fn of(buffer: Buffer, at: usize) -> Result<(Key, Self), Buffer> {
        let data = buffer.data();
        let Some(headers) = data.get(at..).and_then(|rest| rest.first_chunk::<BOTH>()) else {
            return Err(buffer);
        };
        let mut addresses = [0; 32];
        addresses.copy_from_slice(&headers[8..FIXED]);
        let [.., high, low, a, b, c, d] = *headers;
        let from = usize::from(u16::from_be_bytes([high, low]) & !7);
        let piece = Self {
            at,
            from,
            to: from + data.len() - at - BOTH,
            last: low & 1 == 0,
            buffer,
        };
        Ok(((addresses, [a, b, c, d]), piece))
    }

    fn payload(&self) -> &[u8] {
        self.buffer.data().get(self.at + BOTH..).unwrap_or_default()
    }
}

impl Pending {
    /// Whether a fragment contradicts what is there.
    fn contradicts(&self, new: &Piece) -> bool {
        let between = |piece: &Piece| piece.from > 0 && !piece.last;
        let crowded = between(new)
            && self.pieces.iter().filter(|old| between(old)).count() == MAX_FRAGMENTS - 2;
        crowded
            || self.pieces.iter().any(|old| {
                let overlaps = new.from < old.to && old.from < new.to;
                let behind_last = (old.last && new.to > old.to) || (new.last && old.to > new.to);
                overlaps || behind_last || (old.last && new.last)
            })
    }

    fn add(&mut self, piece: Piece) {
        let place = self.pieces.iter().position(|old| old.from > piece.from);
        self.pieces
            .insert(place.unwrap_or(self.pieces.len()), piece);
    }

    fn is_whole(&self) -> bool {
        let mut end = 0;
        let gapless = self
            .pieces
            .iter()
            .all(|piece| piece.from == std::mem::replace(&mut end, piece.to));
        gapless && self.pieces.last().is_some_and(|piece| piece.last)
    }

    /// All of it behind the headers of the first fragment; in pieces where that buffer is too small.
    fn join(self) -> Option<Buffer> {
        let mut pieces = self.pieces.into_iter();
        let first = pieces.next()?;
        let (at, mut whole) = (first.at, first.buffer);
        for piece in pieces {
            let end = whole.data().len();
            if whole.set_len(end + piece.payload().len()).is_err() {
                whole.set_rest(piece.payload());
                return Some(whole);
            }
            whole.data_mut()[end..].copy_from_slice(piece.payload());
        }
        let next_header = whole.data()[at + FIXED];
        whole.data_mut().copy_within(..at + FIXED, BOTH - FIXED);
        whole.trim_front(BOTH - FIXED).ok()?;
        let payload = (whole.data().len() - at - FIXED) as u16;
        let header = &mut whole.data_mut()[at..at + FIXED];
        header[4..6].copy_from_slice(&payload.to_be_bytes());
        header[6] = next_header;
        Some(whole)
    }
}

impl Fragments<Buffer> for Collector {
    fn cut(
        &mut self,
        packet: &mut Buffer,
        mtu: u16,
        identification: u32,
        pieces: &mut Pieces<Buffer>,
    ) -> Result<(), NotCut> {
        let (fixed, payload) = packet.data().split_at_checked(FIXED).ok_or(NotCut)?;
        let room = usize::from(mtu).saturating_sub(BOTH) & !7;
        if room == 0 || payload.len() > room * MAX_FRAGMENTS {
            return Err(NotCut);
        }
        let count = payload.len().div_ceil(room);
        for (number, part) in payload.chunks(room).enumerate() {
            let more = u16::from(number + 1 < count);
            let place = u16::try_from(number * room).map_err(|_| NotCut)? | more;
            let mut header = [0; BOTH];
            header[..FIXED].copy_from_slice(fixed);
            header[4..6].copy_from_slice(&((part.len() + BOTH - FIXED) as u16).to_be_bytes());
            header[FIXED] = std::mem::replace(&mut header[6], FRAGMENT);
            header[FIXED + 2..FIXED + 4].copy_from_slice(&place.to_be_bytes());
            header[FIXED + 4..].copy_from_slice(&identification.to_be_bytes());
            let piece = self
                .pool
                .alloc()
                .and_then(|mut piece| piece.fill(&[&header, part].concat()).ok().map(|()| piece));
            let Some(piece) = piece else {
                pieces.clear();
                return Err(NotCut);
            };
            pieces.push(piece);
        }
        Ok(())
    }

    fn collect(
        &mut self,
        fragment: Buffer,
        at: usize,
        now: u64,
        dead: &mut Burst<Buffer>,
    ) -> Reassembly<Buffer> {
        let (key, piece) = match Piece::of(fragment, at) {
            Ok(read) => read,
            Err(buffer) => {
                dead.push(buffer);
                return Reassembly::Broken;
            }
        };
        let known = self.pending.iter().position(|pending| pending.key == key);
        let place = match known {
            Some(place) => place,
            None if self.pending.len() == MAX_INCOMPLETE => return Reassembly::Full(piece.buffer),
            None => {
                self.pending.push(Pending {
                    key,
                    since: now,
                    pieces: Pieces::new(),
                });
                self.pending.len() - 1
            }
        };
        let pending = &mut self.pending[place];
        if pending.contradicts(&piece) {
            let gone = self.pending.remove(place);
            dead.extend(gone.pieces.into_iter().map(|piece| piece.buffer));
            dead.push(piece.buffer);
            return Reassembly::Broken;
        }
        pending.add(piece);
        if !pending.is_whole() {
            return Reassembly::Kept;
        }
        let gone = self.pending.remove(place);
        let count = gone.pieces.len();
        match gone.join() {
            Some(whole) => Reassembly::Whole(whole, count),
            None => Reassembly::Broken,
        }
    }

    fn expire(&mut self, now: u64, dead: &mut Burst<Buffer>) {
        while let Some(first) = self.pending.first() {
            let due = now > first.since.saturating_add(REASSEMBLY_NANOS);
            if !due || dead.remaining_capacity() < first.pieces.len() {
                return;
            }
            let gone = self.pending.remove(0);
            dead.extend(gone.pieces.into_iter().map(|piece| piece.buffer));
        }
    }
}

#[cfg(test)]
#[path = "fragments/tests.rs"]
mod tests;
