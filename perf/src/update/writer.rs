//! The writer, at full speed or at a given one: moves, and bindings that come and go.

use super::Signals;
use crate::forward::world::{from_tunnel, key, other_tunnel, through, Entry};
use crate::forward::PathKind;
use anyhow::{ensure, Result};
use dataplane::key::BindingKey;
use dataplane::table::Full;
use dataplane::tables::Writer;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// What is updated.
#[derive(Clone, Copy)]
pub struct Mix {
    /// Bindings that are moved: numbers from 0.
    pub moved: u32,
    /// Bindings that come and go: those after.
    pub spare: u32,
    /// Tunnels.
    pub tunnels: u32,
    /// Of a hundred updates so many are no moves.
    pub churn: u8,
    /// Updates that are announced to the table at a time.
    pub batch: usize,
    /// Updates per second, if not as many as can be.
    pub rate: Option<u64>,
    /// Seed of its decisions.
    pub seed: u64,
}

impl Mix {
    /// Whether the next batch is due, so long after the first with so many updates made.
    fn is_due(&self, done: u64, since: Duration) -> bool {
        let due = |rate: u64| u128::from(rate) * since.as_nanos() / 1_000_000_000;
        self.rate.is_none_or(|rate| u128::from(done) < due(rate))
    }
}

/// Updates in one busy time.
#[derive(Clone, Copy)]
pub struct Busy {
    pub updates: u64,
    pub time: Duration,
}

/// One update.
#[derive(Clone, Copy)]
enum Update {
    Move(u32),
    Bind(u32),
    Unbind(u32),
}

/// Which spare bindings there are: a window that runs on, oldest first.
#[derive(Default)]
struct Window {
    made: u32,
    removed: u32,
}

/// Updates whenever the workers say so, until they say stop.
///
/// # Errors
/// When the table refused what it had room for.
pub fn run(mut writer: Writer, mix: Mix, signals: &Signals) -> Result<Vec<Busy>> {
    let mut random = SmallRng::seed_from_u64(mix.seed);
    let mut window = Window::default();
    let (mut updates, mut keys) = (Vec::new(), Vec::new());
    let mut times = Vec::new();
    while !signals.stop.load(Ordering::Relaxed) {
        if !signals.busy.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_micros(50));
            continue;
        }
        let start = Instant::now();
        let mut done = 0;
        while signals.busy.load(Ordering::Relaxed) && !signals.stop.load(Ordering::Relaxed) {
            if !mix.is_due(done, start.elapsed()) {
                // Not asleep: a wake-up takes as long as dozens of updates.
                std::hint::spin_loop();
                continue;
            }
            draw(&mix, &mut random, &mut window, &mut updates);
            keys.clear();
            keys.extend(updates.iter().map(|update| update.key(&mix)));
            if mix.batch > 1 {
                writer.prefetch(&keys);
            }
            for (update, key) in updates.iter().zip(&keys) {
                done += u64::from(update.make(&mix, *key, &mut random, &mut writer)?);
            }
            writer.reclaim();
            signals.at_work.store(true, Ordering::Release);
        }
        signals.at_work.store(false, Ordering::Release);
        times.push(Busy {
            updates: done,
            time: start.elapsed(),
        });
    }
    Ok(times)
}

/// Draws the updates of one batch.
fn draw(mix: &Mix, random: &mut SmallRng, window: &mut Window, updates: &mut Vec<Update>) {
    updates.clear();
    for _ in 0..mix.batch {
        let chance: u8 = random.random_range(0..100);
        let there = window.made.wrapping_sub(window.removed);
        updates.push(if chance >= mix.churn {
            Update::Move(random.random_range(0..mix.moved))
        } else if there < mix.spare / 2 || there < mix.spare && chance % 2 == 0 {
            window.made = window.made.wrapping_add(1);
            Update::Bind(window.made.wrapping_sub(1) % mix.spare)
        } else {
            window.removed = window.removed.wrapping_add(1);
            Update::Unbind(window.removed.wrapping_sub(1) % mix.spare)
        });
    }
}

impl Update {
    fn key(self, mix: &Mix) -> BindingKey {
        match self {
            Self::Move(number) => key(PathKind::Encap, number),
            Self::Bind(number) | Self::Unbind(number) => key(PathKind::Encap, mix.moved + number),
        }
    }

    /// Makes it; returns whether it was made. A worker that lost its core may hold all that was
    /// removed: then a binding is not made, which is no update.
    fn make(
        self,
        mix: &Mix,
        key: BindingKey,
        random: &mut SmallRng,
        writer: &mut Writer,
    ) -> Result<bool> {
        match self {
            Self::Move(number) => {
                let entry = Entry {
                    number,
                    tunnels: mix.tunnels,
                };
                let tunnel = match random.random() {
                    true => from_tunnel(entry),
                    false => other_tunnel(entry),
                };
                let moved = writer.bind(key, through(tunnel));
                ensure!(moved.is_ok(), "a move was refused");
                Ok(true)
            }
            Self::Bind(number) => {
                let bound = writer.bind(key, through(number % mix.tunnels));
                ensure!(bound != Err(Full::Capacity), "a binding was refused");
                Ok(bound.is_ok())
            }
            Self::Unbind(_) => Ok(writer.unbind(&key).is_some()),
        }
    }
}
