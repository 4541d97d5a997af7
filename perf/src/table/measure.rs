//! The measurement: both tables in turn on one thread, a writer beside them on another.

use super::ours::{OurReader, OurWriter};
use super::theirs::{TheirReader, TheirWriter};
use super::workload::{Numbers, CHURN};
use anyhow::Result;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Lookups between two looks at the clock: few enough that what is asked for and what is answered
/// stay in the first-level cache, as a worker's bursts do.
const BLOCK: usize = 256;

/// Of so many updates one makes or removes a binding; the others move one.
const TOGGLE_EVERY: u64 = 8;

/// How long the writer sleeps when it is ahead of its rate.
const WRITER_NAP: Duration = Duration::from_micros(20);

/// The most updates that the writer makes up for when it was not given the processor.
const WRITER_BEHIND: u64 = 1000;

/// A table that is asked.
trait Side {
    fn prepare(&mut self, wanted: &[u32]);
    fn look_up(&mut self, count: usize, burst: usize) -> u64;
    fn verify(&self, wanted: &[u32]) -> Result<()>;
}

impl Side for OurReader {
    fn prepare(&mut self, wanted: &[u32]) {
        self.prepare(wanted);
    }
    fn look_up(&mut self, count: usize, burst: usize) -> u64 {
        self.look_up(count, burst)
    }
    fn verify(&self, wanted: &[u32]) -> Result<()> {
        self.verify(wanted)
    }
}

impl Side for TheirReader {
    fn prepare(&mut self, wanted: &[u32]) {
        self.prepare(wanted);
    }
    fn look_up(&mut self, count: usize, burst: usize) -> u64 {
        self.look_up(count, burst)
    }
    fn verify(&self, wanted: &[u32]) -> Result<()> {
        self.verify(wanted)
    }
}

/// Ours, for whoever counts nothing.
struct Uncounted<'a>(&'a mut OurReader);

impl Side for Uncounted<'_> {
    fn prepare(&mut self, wanted: &[u32]) {
        self.0.prepare(wanted);
    }
    fn look_up(&mut self, count: usize, burst: usize) -> u64 {
        self.0.look_up_uncounted(count, burst)
    }
    fn verify(&self, wanted: &[u32]) -> Result<()> {
        self.0.verify(wanted)
    }
}

/// The most lookups that a side has to draw up at once.
pub const MOST: usize = BLOCK;

/// What is measured.
#[derive(Clone)]
pub struct Plan {
    /// Bindings that are asked for.
    pub bindings: u32,
    /// Keys in one call.
    pub bursts: Vec<usize>,
    /// Times that each table has its turn.
    pub rounds: usize,
    /// Lookups in one turn; half as many go before it uncounted.
    pub lookups: usize,
    /// What keys are drawn by.
    pub seed: u64,
}

/// One round: cycles per lookup of both, and of ours without counting.
#[derive(Clone, Copy)]
pub struct Round {
    pub ours: f64,
    pub uncounted: f64,
    pub theirs: f64,
}

/// What was measured with one burst size.
pub struct Measured {
    pub burst: usize,
    pub rounds: Vec<Round>,
}

/// All rounds of a plan. Returns also how many answers were checked: every one, of both.
pub fn measure(
    plan: &Plan,
    ours: &mut OurReader,
    theirs: &mut TheirReader,
) -> Result<(Vec<Measured>, u64)> {
    let mut numbers = Numbers::new(plan.seed);
    let mut verified = 0;
    let mut measured: Vec<_> = plan
        .bursts
        .iter()
        .map(|burst| (*burst, Vec::new()))
        .collect();
    for round in 0..plan.rounds {
        for (burst, rounds) in &mut measured {
            let mut turn = |side: &mut dyn Side| -> Result<f64> {
                let (cycles, checked) = turn(plan, side, *burst, &mut numbers)?;
                verified += checked;
                Ok(cycles)
            };
            // Whoever goes first finds the caches full of the other's memory: they take turns.
            let round = if round % 2 == 0 {
                let uncounted = turn(&mut Uncounted(ours))?;
                let ours = turn(ours)?;
                Round {
                    ours,
                    uncounted,
                    theirs: turn(theirs)?,
                }
            } else {
                let theirs = turn(theirs)?;
                let counted = turn(ours)?;
                Round {
                    ours: counted,
                    uncounted: turn(&mut Uncounted(ours))?,
                    theirs,
                }
            };
            rounds.push(round);
        }
    }
    let measured = measured
        .into_iter()
        .map(|(burst, rounds)| Measured { burst, rounds })
        .collect();
    Ok((measured, verified))
}

/// One turn of one table: cycles per lookup, and how many answers were checked. It is the median of
/// its blocks, so that a turn in which the thread lost its core for a while still counts.
fn turn(
    plan: &Plan,
    side: &mut dyn Side,
    burst: usize,
    numbers: &mut Numbers,
) -> Result<(f64, u64)> {
    let mut wanted = [0; BLOCK];
    let (mut blocks, mut checked) = (Vec::new(), 0);
    let warm = plan.lookups / 2;
    let mut done = 0;
    while done < warm + plan.lookups {
        wanted.fill_with(|| numbers.below(plan.bindings));
        side.prepare(&wanted);
        let before = dpdk::cycles();
        std::hint::black_box(side.look_up(BLOCK, burst));
        let after = dpdk::cycles();
        side.verify(&wanted)?;
        checked += BLOCK as u64;
        if done >= warm {
            blocks.push(after - before);
        }
        done += BLOCK;
    }
    blocks.sort_unstable();
    let middle = blocks.get(blocks.len() / 2).copied().unwrap_or(0);
    Ok((middle as f64 / BLOCK as f64, checked))
}

/// Updates both tables, each `rate` times a second, until `stop`. Returns how many updates each had.
pub fn write(
    bindings: u32,
    rate: u64,
    ours: &mut OurWriter,
    theirs: &mut TheirWriter,
    stop: &AtomicBool,
) -> Result<u64> {
    let mut numbers = Numbers::new(7);
    let (mut done, mut updates) = (0u64, 0u64);
    let start = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let due = start.elapsed().as_micros() as u64 * rate / 1_000_000;
        if due <= done {
            std::thread::sleep(WRITER_NAP);
            continue;
        }
        done = done.max(due.saturating_sub(WRITER_BEHIND));
        while done < due {
            if done % TOGGLE_EVERY == 0 {
                let n = bindings + numbers.below(CHURN);
                ours.toggle(n)?;
                theirs.toggle(n)?;
            } else {
                let n = numbers.below(bindings);
                ours.moves(n, done as u32)?;
                theirs.moves(n, done as u32)?;
            }
            done += 1;
            updates += 1;
        }
        ours.reclaim();
        theirs.reclaim();
    }
    Ok(updates)
}
