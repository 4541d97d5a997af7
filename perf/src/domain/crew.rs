//! The threads of a run: each takes a part, and another when it is done with it, until none is left.
//!
//! The one that leads waits for parts that are taken, and for no thread: a helper that has no core just
//! then is not missed.

use super::part::Part;
use super::world::locked;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::Mutex;
use std::time::Duration;

/// How often a thread looks for work at once.
const LOOKS: u32 = 2_000;
/// How often it looks and lets others run in between, before it takes a nap each time.
const GLANCES: u32 = 1_000;
const NAP: Duration = Duration::from_micros(20);

/// The threads of a run: one that leads, and helpers.
pub struct Crew<'a> {
    parts: &'a [Mutex<Part>],
    helpers: usize,
    /// How many stretches there were to help with.
    stretch: AtomicU64,
    /// Until when it goes.
    until: AtomicU64,
    /// The next part to be taken.
    next: AtomicUsize,
    /// Parts that are done with.
    done: AtomicUsize,
    over: AtomicBool,
}

/// A part that is taken. It is done with when this goes; if that is by a panic, all is over.
struct Taken<'a, 'b>(&'a Crew<'b>);

impl Drop for Taken<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.over.store(true, Ordering::Release);
        }
        self.0.done.fetch_add(1, Ordering::Release);
    }
}

/// The lead: when it goes, even by a panic, the helpers go.
pub struct Lead<'a, 'b>(&'a Crew<'b>);

impl Drop for Lead<'_, '_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Release);
    }
}

impl<'a> Crew<'a> {
    /// A crew of one that leads and so many helpers.
    pub const fn new(parts: &'a [Mutex<Part>], helpers: usize) -> Self {
        Self {
            parts,
            helpers,
            stretch: AtomicU64::new(0),
            until: AtomicU64::new(0),
            next: AtomicUsize::new(parts.len()),
            done: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        }
    }

    /// Takes the lead.
    pub const fn lead(&self) -> Lead<'_, 'a> {
        Lead(self)
    }

    /// Helps until all is over.
    pub fn help(&self) {
        let mut seen = 0;
        loop {
            self.wait(|| self.stretch.load(Ordering::Acquire) != seen);
            if self.over.load(Ordering::Acquire) {
                return;
            }
            seen = self.stretch.load(Ordering::Acquire);
            self.work();
        }
    }

    fn work(&self) {
        while let Some(part) = self.parts.get(self.next.fetch_add(1, Ordering::AcqRel)) {
            let _taken = Taken(self);
            // Of the stretch that the part was taken in, which is not over before it is done with.
            let until = self.until.load(Ordering::Acquire);
            locked(part).advance(until);
        }
    }

    fn wait(&self, done: impl Fn() -> bool) {
        for look in 0_u32.. {
            if done() || self.over.load(Ordering::Acquire) {
                return;
            }
            match look {
                0..LOOKS => std::hint::spin_loop(),
                look if look < LOOKS + GLANCES => std::thread::yield_now(),
                _ => std::thread::sleep(NAP),
            }
        }
    }
}

impl Lead<'_, '_> {
    /// Whether there is anybody else.
    pub const fn has_helpers(&self) -> bool {
        self.0.helpers > 0
    }

    /// Lets all parts go on until then, that time left out, with the helpers. Whether none of them has
    /// panicked.
    pub fn advance(&self, until: u64) -> bool {
        let crew = self.0;
        crew.done.store(0, Ordering::Relaxed);
        crew.until.store(until, Ordering::Relaxed);
        crew.next.store(0, Ordering::Release);
        crew.stretch.fetch_add(1, Ordering::Release);
        crew.work();
        crew.wait(|| crew.done.load(Ordering::Acquire) == crew.parts.len());
        !crew.over.load(Ordering::Acquire)
    }
}
