//! The timers of a node that run: where on the agenda each of them is.
//!
//! A million hosts have a few timers each, so a timer is kept once, on the agenda; here is only what
//! finds it there.

use super::agenda::{Agenda, Entry};
use super::part::Happening;
use hashbrown::{DefaultHashBuilder, HashTable};
use roles::event::Timer;
use std::hash::BuildHasher;

/// The timers of a node that run.
#[derive(Default)]
pub struct Timers {
    hasher: DefaultHashBuilder,
    /// With each entry is half of the hash of its timer.
    entries: HashTable<(u32, Entry)>,
}

/// Spreads half of a hash over all bits again.
const fn spread(hash: u32) -> u64 {
    (hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Whether an entry of the agenda is a timer like this, of the one node that it is asked for.
fn is(agenda: &Agenda<Happening>, entry: Entry, timer: &Timer) -> bool {
    matches!(agenda.get(entry), Some(Happening::Timer(_, its)) if its == timer)
}

impl Timers {
    /// What a timer is found by.
    pub fn hash(&self, timer: &Timer) -> u32 {
        self.hasher.hash_one(timer) as u32
    }

    /// Takes out a timer that runs no longer, or is not to. Nothing, if it does not run.
    pub fn remove(&mut self, agenda: &Agenda<Happening>, timer: &Timer) -> Option<Entry> {
        let hash = self.hash(timer);
        let same = |it: &(u32, Entry)| it.0 == hash && is(agenda, it.1, timer);
        let found = self.entries.find_entry(spread(hash), same).ok()?;
        let ((_, entry), _) = found.remove();
        Some(entry)
    }

    /// Takes out the timer that has just run out, whose entry is on the agenda no longer.
    pub fn expired(&mut self, entry: Entry, timer: &Timer) {
        let hash = self.hash(timer);
        if let Ok(found) = self.entries.find_entry(spread(hash), |it| it.1 == entry) {
            found.remove();
        }
    }

    /// Enters a timer with this hash that is on the agenda and was not before.
    pub fn insert(&mut self, hash: u32, entry: Entry) {
        let rehash = |it: &(u32, Entry)| spread(it.0);
        self.entries
            .insert_unique(spread(hash), (hash, entry), rehash);
    }

    /// Takes out all.
    pub fn drain(&mut self) -> impl Iterator<Item = Entry> + '_ {
        self.entries.drain().map(|(_, entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_found_on_the_agenda_until_it_is_taken_out() {
        let mut agenda = Agenda::new();
        let mut timers = Timers::default();
        let timer = |session| Timer::BindingExpiry { session };
        let entries: Vec<Entry> = (0..100)
            .map(|session| {
                let entry = agenda.enter(session, Happening::Timer(0, timer(session)));
                timers.insert(timers.hash(&timer(session)), entry);
                entry
            })
            .collect();
        assert_eq!(timers.remove(&agenda, &timer(100)), None);
        assert_eq!(timers.remove(&agenda, &timer(7)), Some(entries[7]));
        assert_eq!(timers.remove(&agenda, &timer(7)), None);
        assert!(agenda.next(0).is_some());
        timers.expired(entries[0], &timer(0));
        let mut left: Vec<Entry> = timers.drain().collect();
        left.sort_by_key(|entry| entries.iter().position(|it| it == entry));
        let expected: Vec<Entry> = (1..100)
            .filter(|it| *it != 7)
            .map(|it| entries[it])
            .collect();
        assert_eq!(left, expected);
    }
}
