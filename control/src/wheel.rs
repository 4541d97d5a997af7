//! The timer wheel: every lifetime, retransmission and probe of the gateway hangs on it.
//!
//! Six levels of 64 slots over ticks of one millisecond: a slot of level *n* spans 64ⁿ ticks. A
//! timer stands in the level of the highest six-bit group in which its tick differs from the
//! present, and moves down when the present reaches its slot. Setting, cancelling and expiring are
//! O(1) whatever the number of timers.
//!
//! ```text
//! level 0  |1 ms|1 ms|1 ms| ...        fires
//! level 1  |64 ms|64 ms| ...           moves down to level 0
//! level 2  |4.1 s|4.1 s| ...           ... and so on up to about two years
//! ```
//!
//! A timer never fires early: its deadline is rounded up to a tick, the present down. One that is put off waits
//! in its old slot and moves when that slot's turn comes.

use roles::keyed::Keyed;
use std::collections::VecDeque;
use std::hash::Hash;
use std::time::Duration;

/// Six bits of the tick per level.
const BITS: u32 = 6;
/// Slots of a level.
const SLOTS: usize = 1 << BITS;
/// Levels.
const LEVELS: usize = 6;
/// Ticks that the wheel spans; a later deadline waits at its rim and is looked at anew.
const SPAN: u64 = 1 << (BITS * LEVELS as u32);
/// No entry.
const NONE: u32 = u32::MAX;

/// In the place of a level: the timer has run out and stands in no slot.
const DUE: u8 = u8::MAX;

/// One timer, linked into its slot.
struct Entry {
    tick: u64,
    level: u8,
    slot: u8,
    previous: u32,
    next: u32,
}

/// First and last entry of a slot.
#[derive(Clone, Copy)]
struct List {
    head: u32,
    tail: u32,
}

/// Timers by key. Setting a key that runs starts it anew.
pub struct Wheel<K> {
    present: u64,
    levels: Vec<[List; SLOTS]>,
    occupied: [u64; LEVELS],
    timers: Keyed<K, Entry>,
    /// Timers that have run out and were not taken yet.
    due: VecDeque<K>,
}

impl<K: Hash + Eq + Clone> Default for Wheel<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Hash + Eq + Clone> Wheel<K> {
    /// An empty wheel that stands at zero.
    pub fn new() -> Self {
        let empty = List {
            head: NONE,
            tail: NONE,
        };
        Self {
            present: 0,
            levels: vec![[empty; SLOTS]; LEVELS],
            occupied: [0; LEVELS],
            timers: Keyed::default(),
            due: VecDeque::new(),
        }
    }

    /// Timers that run or wait to be taken.
    pub fn len(&self) -> usize {
        self.timers.len()
    }

    /// Whether no timer runs.
    pub fn is_empty(&self) -> bool {
        self.timers.is_empty()
    }

    /// Starts the timer `key`, or starts it anew, to run out at `at`.
    pub fn set(&mut self, key: K, at: Duration) {
        let tick = u64::try_from(at.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        let due = (tick <= self.present).then(|| key.clone());
        let id = match self.timers.number(&key) {
            Some(id) => {
                if self.put_off(id, tick) {
                    return;
                }
                self.unlink(id);
                id
            }
            None => {
                let entry = Entry {
                    tick,
                    level: DUE,
                    slot: 0,
                    previous: NONE,
                    next: NONE,
                };
                self.timers.add(key, entry)
            }
        };
        match due {
            Some(key) => self.due.push_back(key),
            None => self.link(id, tick),
        }
    }

    /// Stops the timer `key`; whether it ran.
    pub fn cancel(&mut self, key: &K) -> bool {
        let Some(id) = self.timers.number(key) else {
            return false;
        };
        self.unlink(id);
        self.timers.remove(key).is_some()
    }

    /// The next timer that has run out at `now`, in order of deadline; `None` when there is none.
    pub fn expire(&mut self, now: Duration) -> Option<K> {
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        loop {
            while let Some(key) = self.due.pop_front() {
                // One that was cancelled or set anew since is no longer marked as due.
                if self.timers.get(&key).is_some_and(|it| it.level == DUE) {
                    self.timers.remove(&key);
                    return Some(key);
                }
            }
            match self.next_slot() {
                Some((level, slot, tick)) if tick <= now => self.turn(level, slot, tick),
                _ => {
                    self.present = self.present.max(now);
                    return None;
                }
            }
        }
    }

    /// When to call [`Wheel::expire`] next. It may be earlier than the next deadline, never later.
    pub fn next(&self) -> Option<Duration> {
        if !self.due.is_empty() {
            return Some(Duration::from_millis(self.present));
        }
        self.next_slot()
            .map(|(_, _, tick)| Duration::from_millis(tick))
    }

    /// The slot whose turn comes first: its level, its index, and the tick at which it begins.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        (0..LEVELS).find_map(|level| {
            let occupied = self.occupied[level];
            if occupied == 0 {
                return None;
            }
            let shift = BITS * level as u32;
            let present_slot = (self.present >> shift) % SLOTS as u64;
            let ahead = occupied.rotate_right(present_slot as u32).trailing_zeros() as u64;
            let slot = (present_slot + ahead) % SLOTS as u64;
            let turn = ((self.present >> shift) + ahead) << shift;
            // Only at the rim can an occupied slot be the present one: its next turn is meant.
            let turn = if turn <= self.present && ahead == 0 && level + 1 == LEVELS {
                turn + SPAN
            } else {
                turn
            };
            Some((level, slot as usize, turn))
        })
    }

    /// Moves the present to `tick`, at which `slot` begins, and its timers down or out.
    fn turn(&mut self, level: usize, slot: usize, tick: u64) {
        self.present = self.present.max(tick);
        let mut id = self.levels[level][slot].head;
        self.levels[level][slot] = List {
            head: NONE,
            tail: NONE,
        };
        self.occupied[level] &= !(1 << slot);
        while id != NONE {
            let Some((key, entry)) = self.timers.at(id) else {
                return;
            };
            let (next, tick) = (entry.next, entry.tick);
            if tick <= self.present {
                self.due.push_back(key.clone());
                if let Some(entry) = self.timers.at_mut(id) {
                    entry.level = DUE;
                }
            } else {
                self.link(id, tick);
            }
            id = next;
        }
    }

    /// Puts an entry, which stands nowhere, at the end of the slot that its tick belongs to.
    fn link(&mut self, id: u32, tick: u64) {
        let turn = tick.min(self.present.saturating_add(SPAN - 1));
        let differing = (turn ^ self.present) | 1;
        let level = ((63 - differing.leading_zeros()) / BITS).min(LEVELS as u32 - 1);
        let slot = ((turn >> (BITS * level)) % SLOTS as u64) as usize;
        let list = &mut self.levels[level as usize][slot];
        let tail = list.tail;
        list.tail = id;
        if tail == NONE {
            list.head = id;
        }
        self.occupied[level as usize] |= 1 << slot;
        if let Some(last) = self.timers.at_mut(tail) {
            last.next = id;
        }
        if let Some(entry) = self.timers.at_mut(id) {
            entry.tick = tick;
            entry.level = level as u8;
            entry.slot = slot as u8;
            entry.previous = tail;
            entry.next = NONE;
        }
    }

    /// Has a timer that stands in a slot run out later; false for one that does not, or is to run out
    /// earlier. It stays where it is, with its neighbours untouched, and takes its new place when the turn of
    /// its slot comes: most lifetimes are renewed again before that.
    fn put_off(&mut self, id: u32, tick: u64) -> bool {
        let entry = self.timers.at_mut(id);
        let Some(entry) = entry.filter(|it| it.level != DUE && it.tick <= tick) else {
            return false;
        };
        entry.tick = tick;
        true
    }

    /// Takes an entry out of its slot, if it is in one.
    fn unlink(&mut self, id: u32) {
        let Some(entry) = self.timers.at_mut(id).filter(|it| it.level != DUE) else {
            return;
        };
        let (level, slot) = (usize::from(entry.level), usize::from(entry.slot));
        let (previous, next) = (entry.previous, entry.next);
        entry.level = DUE;
        match self.timers.at_mut(previous) {
            Some(before) => before.next = next,
            None => self.levels[level][slot].head = next,
        }
        match self.timers.at_mut(next) {
            Some(after) => after.previous = previous,
            None => self.levels[level][slot].tail = previous,
        }
        if self.levels[level][slot].head == NONE {
            self.occupied[level] &= !(1 << slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn millis(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn fires_in_order_of_deadline_and_never_early() {
        let mut wheel = Wheel::new();
        for (key, at) in [("c", 70_000), ("a", 5), ("b", 64)] {
            wheel.set(key, millis(at));
        }
        assert_eq!(wheel.expire(millis(4)), None);
        assert_eq!(wheel.expire(millis(5)), Some("a"));
        assert_eq!(wheel.expire(millis(63)), None);
        assert_eq!(wheel.expire(millis(69_999)), Some("b"));
        assert_eq!(wheel.expire(millis(69_999)), None);
        assert_eq!(wheel.expire(millis(70_000)), Some("c"));
        assert!(wheel.is_empty());
    }

    #[test]
    fn a_deadline_between_ticks_is_rounded_up() {
        let mut wheel = Wheel::new();
        wheel.set((), Duration::from_micros(1_500));
        assert_eq!(wheel.expire(Duration::from_micros(1_999)), None);
        assert_eq!(wheel.expire(millis(2)), Some(()));
    }

    #[test]
    fn setting_anew_and_cancelling_leave_nothing_behind() {
        let mut wheel = Wheel::new();
        wheel.set(1, millis(10));
        wheel.set(1, millis(500));
        assert_eq!(wheel.expire(millis(400)), None);
        assert!(wheel.cancel(&1));
        assert!(!wheel.cancel(&1));
        assert_eq!(wheel.expire(millis(1_000)), None);
        assert_eq!(wheel.next(), None);
        // One that has run out but was not taken can still be cancelled.
        wheel.set(2, millis(1_000));
        wheel.set(3, millis(1_000));
        assert!(wheel.cancel(&2));
        assert_eq!(wheel.expire(millis(1_000)), Some(3));
        assert_eq!(wheel.expire(millis(1_000)), None);
    }

    #[test]
    fn a_deadline_beyond_the_span_waits_at_the_rim() {
        let mut wheel = Wheel::new();
        let far = millis(SPAN * 3 + 17);
        wheel.set("far", far);
        assert_eq!(wheel.expire(far - millis(1)), None);
        assert_eq!(wheel.expire(far), Some("far"));
    }

    #[test]
    fn a_million_timers_are_set_and_fire() {
        let mut wheel = Wheel::new();
        for key in 0..1_000_000_u64 {
            wheel.set(key, millis(1 + key * 7919 % 3_600_000));
        }
        let mut fired = 0;
        let mut last = 0;
        while let Some(key) = wheel.expire(millis(3_600_001)) {
            let at = 1 + key * 7919 % 3_600_000;
            assert!(at >= last);
            last = at;
            fired += 1;
        }
        assert_eq!(fired, 1_000_000);
    }

    proptest! {
        #[test]
        fn agrees_with_a_sorted_map(
            steps in prop::collection::vec((0u8..4, 0u16..40, 0u64..400_000), 1..200),
        ) {
            let mut wheel = Wheel::new();
            let mut model: BTreeMap<u16, u64> = BTreeMap::new();
            let mut now = 0;
            for (what, key, amount) in steps {
                match what {
                    0 | 1 => {
                        wheel.set(key, millis(now + amount));
                        model.insert(key, now + amount);
                    }
                    2 => prop_assert_eq!(wheel.cancel(&key), model.remove(&key).is_some()),
                    _ => {
                        now += amount;
                        let mut fired: Vec<u16> = std::iter::from_fn(|| wheel.expire(millis(now))).collect();
                        let mut due: Vec<u16> = model.iter()
                            .filter(|(_, at)| **at <= now).map(|(key, _)| *key).collect();
                        model.retain(|_, at| *at > now);
                        fired.sort_unstable();
                        due.sort_unstable();
                        prop_assert_eq!(fired, due);
                        prop_assert_eq!(wheel.len(), model.len());
                        if let Some(first) = model.values().min() {
                            prop_assert!(wheel.next().unwrap() <= millis(*first));
                        }
                    }
                }
            }
        }
    }
}
