//! Books of what arrived: lost, reordered, duplicated, by flow group.
//!
//! A packet is reordered when one with a higher sequence number of its group came before it (RFC 4737
//! section 3). To tell a packet that comes late from one that comes twice, each group remembers which
//! of its last [`WINDOW`] numbers came; what is older than that, or than the first number of the
//! books, is `stale` and counts as nothing else.

use serde::Serialize;

/// Sequence numbers that a group remembers.
pub const WINDOW: u64 = 1024;

const WORDS: usize = (WINDOW / 64) as usize;

/// What an arrival was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The highest sequence number so far.
    InOrder,
    /// Late, and for the first time.
    Reordered,
    /// Seen before.
    Duplicate,
    /// Too old to tell.
    Stale,
}

/// Sums over all groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// Different packets that arrived.
    pub unique: u64,
    /// Of these, packets that came after one that was sent later.
    pub reordered: u64,
    /// The farthest that a packet came behind, in packets of its group.
    pub reordered_by_at_most: u64,
    /// Arrivals of what had arrived.
    pub duplicated: u64,
    /// Arrivals too old to tell apart.
    pub stale: u64,
}

/// Books of one group.
#[derive(Clone, Debug)]
struct Group {
    /// One more than the highest number that came, unwrapped to 64 bits.
    next: u64,
    /// Lowest number of the books.
    base: u64,
    seen: [u64; WORDS],
}

/// The books of all groups.
#[derive(Clone, Debug)]
pub struct Accounts {
    groups: Vec<Option<Group>>,
    sums: Sums,
}

impl Accounts {
    /// Books of `groups` groups that begin with whatever arrives first.
    pub fn new(groups: usize) -> Self {
        Self {
            groups: vec![None; groups],
            sums: Sums::default(),
        }
    }

    /// Books that begin with packet number `first` of all groups together, which take turns.
    pub fn from(groups: usize, first: u64) -> Self {
        let count = groups as u64;
        let base = |group: u64| (first + count - 1 - group) / count;
        let group = |group| Group {
            next: base(group),
            base: base(group),
            seen: [0; WORDS],
        };
        Self {
            groups: (0..count).map(|it| Some(group(it))).collect(),
            sums: Sums::default(),
        }
    }

    /// Enters an arrival. A group that does not exist is stale.
    #[inline]
    pub fn arrive(&mut self, group: usize, sequence: u32) -> Arrival {
        let Some(books) = self.groups.get_mut(group) else {
            self.sums.stale += 1;
            return Arrival::Stale;
        };
        let books = books.get_or_insert_with(|| Group::starting_at(sequence.into()));
        let (arrival, behind) = books.arrive(sequence);
        match arrival {
            Arrival::InOrder => self.sums.unique += 1,
            Arrival::Reordered => {
                self.sums.unique += 1;
                self.sums.reordered += 1;
                let most = &mut self.sums.reordered_by_at_most;
                *most = behind.max(*most);
            }
            Arrival::Duplicate => self.sums.duplicated += 1,
            Arrival::Stale => self.sums.stale += 1,
        }
        arrival
    }

    /// The sums.
    pub fn sums(&self) -> Sums {
        self.sums
    }

    /// Packets that must have been sent, by the sequence numbers that came: what a receiver that does
    /// not know the sender can say.
    pub fn spanned(&self) -> u64 {
        let groups = self.groups.iter().flatten();
        groups.map(|group| group.next - group.base).sum()
    }
}

impl Group {
    fn starting_at(base: u64) -> Self {
        Self {
            next: base,
            base,
            seen: [0; WORDS],
        }
    }

    /// What `sequence` is, and how far behind the highest.
    fn arrive(&mut self, sequence: u32) -> (Arrival, u64) {
        // The number nearest to the one that is expected, whatever its upper half.
        let step = sequence.wrapping_sub(self.next as u32) as i32;
        if step >= 0 {
            let number = self.next + step as u64;
            self.forget(self.next, number);
            self.next = number + 1;
            self.mark(number);
            return (Arrival::InOrder, 0);
        }
        let behind = u64::from(step.unsigned_abs());
        let Some(number) = self.next.checked_sub(behind) else {
            return (Arrival::Stale, 0);
        };
        if number < self.base || behind > WINDOW {
            return (Arrival::Stale, 0);
        }
        match self.mark(number) {
            true => (Arrival::Duplicate, 0),
            false => (Arrival::Reordered, behind - 1),
        }
    }

    /// Remembers a number; returns whether it was remembered already.
    fn mark(&mut self, number: u64) -> bool {
        let bit = number % WINDOW;
        let Some(word) = self.seen.get_mut((bit / 64) as usize) else {
            return false;
        };
        let mask = 1 << (bit % 64);
        let before = *word & mask != 0;
        *word |= mask;
        before
    }

    /// Makes room for the numbers from `from` up to `to`.
    fn forget(&mut self, from: u64, to: u64) {
        if to - from >= WINDOW {
            self.seen = [0; WORDS];
            return;
        }
        for number in from..=to {
            let bit = number % WINDOW;
            if let Some(word) = self.seen.get_mut((bit / 64) as usize) {
                *word &= !(1 << (bit % 64));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn each_kind_of_arrival_is_told() {
        let mut accounts = Accounts::from(2, 0);
        let mut came = |sequence| accounts.arrive(1, sequence);
        assert_eq!(came(0), Arrival::InOrder);
        assert_eq!(came(3), Arrival::InOrder);
        assert_eq!(came(1), Arrival::Reordered);
        assert_eq!(came(1), Arrival::Duplicate);
        assert_eq!(came(3), Arrival::Duplicate);
        assert_eq!(came(5_000), Arrival::InOrder);
        assert_eq!(came(2), Arrival::Stale);
        assert_eq!(accounts.arrive(2, 0), Arrival::Stale);
        let sums = Sums {
            unique: 4,
            reordered: 1,
            reordered_by_at_most: 2,
            duplicated: 2,
            stale: 2,
        };
        assert_eq!(accounts.sums(), sums);
        assert_eq!(accounts.spanned(), 5_001);
    }

    #[test]
    fn numbers_go_on_past_thirty_two_bits() {
        let mut accounts = Accounts::new(1);
        for sequence in [u32::MAX - 1, u32::MAX, 0, 2, 1, 1] {
            accounts.arrive(0, sequence);
        }
        let sums = accounts.sums();
        assert_eq!((sums.unique, sums.reordered, sums.duplicated), (5, 1, 1));
        assert_eq!(accounts.spanned(), 5);
    }

    #[test]
    fn books_that_begin_later_leave_out_what_was_sent_before() {
        // Three groups take turns; packet 7 is number 2 of group 1.
        let mut accounts = Accounts::from(3, 7);
        assert_eq!(accounts.arrive(0, 2), Arrival::Stale);
        assert_eq!(accounts.arrive(0, 3), Arrival::InOrder);
        assert_eq!(accounts.arrive(1, 1), Arrival::Stale);
        assert_eq!(accounts.arrive(1, 2), Arrival::InOrder);
        assert_eq!(accounts.arrive(2, 2), Arrival::InOrder);
        assert_eq!(accounts.spanned(), 3);
    }

    proptest! {
        /// Whatever order a set of numbers comes in, the books agree with a set and a maximum.
        #[test]
        fn the_books_agree_with_a_plain_model(
            arrivals in prop::collection::vec(0_u32..900, 1..400),
        ) {
            let mut accounts = Accounts::from(1, 0);
            let mut seen = HashSet::new();
            let mut highest = None;
            for &sequence in &arrivals {
                let expected = match () {
                    () if !seen.insert(sequence) => Arrival::Duplicate,
                    () if highest.is_some_and(|it| sequence < it) => Arrival::Reordered,
                    () => Arrival::InOrder,
                };
                highest = highest.max(Some(sequence));
                prop_assert_eq!(accounts.arrive(0, sequence), expected);
            }
            prop_assert_eq!(accounts.sums().unique, seen.len() as u64);
            prop_assert_eq!(accounts.spanned(), u64::from(highest.unwrap_or(0)) + 1);
        }
    }
}
