//! What is to happen, by time: a hierarchical timing wheel.
//!
//! ```text
//!   level 0   256 slots of 1 µs        the next thing to happen is in the first slot that is taken
//!   level 1   256 slots of 256 µs      when its time comes, a slot is dealt out to the level below
//!   ...
//!   level 5   256 slots of 13 days
//! ```
//!
//! Entering and striking out take the same short time whatever is on the agenda, and what is struck
//! out leaves nothing behind: a host's refresh is put off ten times an hour, and a heap that only marks
//! what is off would hold all of those for as long as they were to wait. Things of the same microsecond
//! happen in an order that depends on nothing but what was done with the agenda.

const BITS: u32 = 8;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = 6;
/// No entry.
const NONE: u32 = u32::MAX;

/// An entry: good until it has happened or is struck out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(u32);

struct Node<T> {
    time: u64,
    next: u32,
    previous: u32,
    /// Level and slot, level first.
    list: u16,
    what: Option<T>,
}

#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

/// Things to happen, by time in microseconds.
pub struct Agenda<T> {
    now: u64,
    nodes: Vec<Node<T>>,
    free: u32,
    /// What was taken last.
    last: u32,
    lists: Vec<List>,
    /// Which lists have entries: a bit each.
    taken: Vec<u64>,
    length: usize,
    /// When the next thing is to happen, if that has been found out.
    soonest: Option<u64>,
}

impl<T> Agenda<T> {
    /// An empty agenda at time zero.
    pub fn new() -> Self {
        let empty = List {
            first: NONE,
            last: NONE,
        };
        Self {
            now: 0,
            nodes: Vec::new(),
            free: NONE,
            last: NONE,
            lists: vec![empty; LEVELS * SLOTS],
            taken: vec![0; LEVELS * SLOTS / 64],
            length: 0,
            soonest: None,
        }
    }

    /// The time of what happened last.
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// How many things are to happen.
    #[cfg(test)]
    const fn len(&self) -> usize {
        self.length
    }

    /// Enters something; what is past happens at once.
    pub fn enter(&mut self, time: u64, what: T) -> Entry {
        let node = Node {
            time: time.max(self.now),
            next: NONE,
            previous: NONE,
            list: 0,
            what: Some(what),
        };
        let index = if self.free == NONE {
            self.nodes.push(node);
            u32::try_from(self.nodes.len() - 1).unwrap_or(NONE)
        } else {
            let index = self.free;
            self.free = self.nodes[index as usize].next;
            self.nodes[index as usize] = node;
            index
        };
        self.soonest = self.soonest.map(|soonest| soonest.min(time.max(self.now)));
        self.length += 1;
        self.link(index);
        Entry(index)
    }

    /// Strikes out what has not happened yet.
    pub fn strike(&mut self, entry: Entry) {
        let time = self.nodes[entry.0 as usize].time;
        self.soonest = self.soonest.filter(|soonest| *soonest < time);
        self.unlink(entry.0);
        self.release(entry.0);
    }

    /// What is to happen, unless it has happened or is struck out.
    pub fn get(&self, entry: Entry) -> Option<&T> {
        self.nodes.get(entry.0 as usize)?.what.as_ref()
    }

    /// The entry of what happened last.
    pub const fn last(&self) -> Entry {
        Entry(self.last)
    }

    /// When the next thing is to happen.
    pub fn soonest(&mut self) -> Option<u64> {
        if self.soonest.is_none() {
            self.soonest = self.look_for_soonest();
        }
        self.soonest
    }

    fn look_for_soonest(&self) -> Option<u64> {
        if self.length == 0 {
            return None;
        }
        if let Some(slot) = self.taken_from(0, self.place(self.now, 0)) {
            return Some((self.now & !(SLOTS as u64 - 1)) | slot as u64);
        }
        let list = (1..LEVELS).find_map(|level| {
            let slot = self.taken_from(level, self.place(self.now, level) + 1)?;
            Some(level * SLOTS + slot)
        })?;
        let mut index = self.lists[list].first;
        let mut soonest = u64::MAX;
        while index != NONE {
            let node = &self.nodes[index as usize];
            soonest = soonest.min(node.time);
            index = node.next;
        }
        Some(soonest)
    }

    /// Takes the next thing, unless it is later than `end`.
    pub fn next(&mut self, end: u64) -> Option<T> {
        if self.length == 0 {
            return None;
        }
        loop {
            if let Some(slot) = self.taken_from(0, self.place(self.now, 0)) {
                let time = (self.now & !(SLOTS as u64 - 1)) | slot as u64;
                if time > end {
                    return None;
                }
                self.now = time;
                self.soonest = None;
                let index = self.lists[slot].first;
                self.unlink(index);
                self.last = index;
                return self.release(index);
            }
            let found = (1..LEVELS).find_map(|level| {
                let behind = self.place(self.now, level) + 1;
                self.taken_from(level, behind).map(|slot| (level, slot))
            })?;
            if !self.deal(found.0, found.1, end) {
                return None;
            }
        }
    }

    /// Deals a slot out to the levels below, unless it begins after `end`.
    fn deal(&mut self, level: usize, slot: usize, end: u64) -> bool {
        let width = BITS * level as u32;
        let above = width + BITS;
        let time = (self.now >> above << above) | ((slot as u64) << width);
        if time > end {
            return false;
        }
        self.now = time;
        let list = level * SLOTS + slot;
        let mut index = self.lists[list].first;
        self.lists[list] = List {
            first: NONE,
            last: NONE,
        };
        self.taken[list / 64] &= !(1 << (list % 64));
        while index != NONE {
            let next = self.nodes[index as usize].next;
            self.link(index);
            index = next;
        }
        true
    }

    const fn place(&self, time: u64, level: usize) -> usize {
        (time >> (BITS * level as u32)) as usize % SLOTS
    }

    /// The first slot of a level that is taken, from `slot` on.
    fn taken_from(&self, level: usize, slot: usize) -> Option<usize> {
        let base = level * SLOTS / 64;
        let (mut word, bit) = (slot / 64, slot % 64);
        let mut mask = u64::MAX << bit;
        while word < SLOTS / 64 {
            let bits = self.taken[base + word] & mask;
            if bits != 0 {
                return Some(word * 64 + bits.trailing_zeros() as usize);
            }
            mask = u64::MAX;
            word += 1;
        }
        None
    }

    fn link(&mut self, index: u32) {
        let time = self.nodes[index as usize].time;
        let highest = 63 - ((time ^ self.now) | 1).leading_zeros();
        let level = ((highest / BITS) as usize).min(LEVELS - 1);
        let list = level * SLOTS + self.place(time, level);
        let last = self.lists[list].last;
        let node = &mut self.nodes[index as usize];
        node.list = list as u16;
        node.previous = last;
        node.next = NONE;
        if last == NONE {
            self.lists[list].first = index;
            self.taken[list / 64] |= 1 << (list % 64);
        } else {
            self.nodes[last as usize].next = index;
        }
        self.lists[list].last = index;
    }

    fn unlink(&mut self, index: u32) {
        let node = &self.nodes[index as usize];
        let (next, previous, list) = (node.next, node.previous, node.list as usize);
        match previous {
            NONE => self.lists[list].first = next,
            _ => self.nodes[previous as usize].next = next,
        }
        match next {
            NONE => self.lists[list].last = previous,
            _ => self.nodes[next as usize].previous = previous,
        }
        if self.lists[list].first == NONE {
            self.taken[list / 64] &= !(1 << (list % 64));
        }
    }

    fn release(&mut self, index: u32) -> Option<T> {
        let node = &mut self.nodes[index as usize];
        let what = node.what.take();
        node.next = self.free;
        self.free = index;
        self.length -= 1;
        what
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn things_happen_in_the_order_of_time() {
        let mut agenda = Agenda::new();
        for time in [70_000, 3, 1 << 40, 3, 300, 16_777_216, 0] {
            agenda.enter(time, time);
        }
        assert_eq!(agenda.next(2), Some(0));
        assert_eq!(agenda.next(2), None, "the next one is later");
        let rest: Vec<u64> = std::iter::from_fn(|| agenda.next(u64::MAX)).collect();
        assert_eq!(rest, [3, 3, 300, 70_000, 16_777_216, 1 << 40]);
        assert_eq!((agenda.now(), agenda.len()), (1 << 40, 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        /// Against a sorted map: what comes out, when, and what is left.
        #[test]
        fn it_is_a_sorted_map(steps in prop::collection::vec((0_u8..4, 0_u64..40), 1..400)) {
            let mut agenda = Agenda::new();
            let mut map: BTreeMap<u64, Vec<(usize, Entry)>> = BTreeMap::new();
            for (number, (step, far)) in steps.into_iter().enumerate() {
                match step {
                    0 | 1 => {
                        let time = agenda.now() + (1_u64 << far) + number as u64 % 3;
                        let entry = agenda.enter(time, number);
                        map.entry(time).or_default().push((number, entry));
                    }
                    2 => {
                        if let Some((&time, numbers)) = map.iter_mut().nth(far as usize / 4) {
                            let (_, entry) = numbers.remove(0);
                            agenda.strike(entry);
                            if numbers.is_empty() {
                                map.remove(&time);
                            }
                        }
                    }
                    _ => {
                        let end = agenda.now() + (1 << far);
                        prop_assert_eq!(agenda.soonest(), map.keys().next().copied());
                        let first = map.first_entry().filter(|first| *first.key() <= end);
                        match (agenda.next(end), first) {
                            (Some(number), Some(mut first)) => {
                                prop_assert_eq!(agenda.now(), *first.key());
                                let place = first.get().iter().position(|(n, _)| *n == number);
                                prop_assert!(place.is_some());
                                first.get_mut().remove(place.unwrap_or(0));
                                if first.get().is_empty() {
                                    first.remove();
                                }
                            }
                            (None, None) => {}
                            (got, _) => prop_assert!(false, "{got:?}"),
                        }
                    }
                }
                prop_assert_eq!(agenda.len(), map.values().map(Vec::len).sum::<usize>());
            }
        }
    }
}
