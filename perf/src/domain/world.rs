//! The whole domain: its parts, hand in hand.
//!
//! ```text
//!   ├──── stretch ────┤ exchange ├──── stretch ────┤ exchange ├──
//!     part 0: ··· ··      ▲  │      · ·· ···
//!     part 1: ·  ·        │  └► parcels and notes, in the order of time and of parts
//!     part 2:  ·· ·       │
//! ```
//!
//! What happens in one part is heard of in another when a message has crossed the network or a frame an
//! access link, and not earlier. So for a stretch of time that is no longer than the shortest of these ways
//! each part goes on alone, all of them at once; then they exchange what they have for each other. What happens
//! depends on how the domain is shared out on parts, which is the same everywhere, and not on who takes which.

use super::crew::{Crew, Lead};
use super::figures::{round, Figures, Sample};
use super::ground::Ground;
use super::notes::Note;
use super::part::{Broken, Happening, Parcel, Part, ACCESS_US, SECOND};
use super::share::PARTS;
use super::trouble::Trouble;
use super::{Scenario, Violation};
use anyhow::Result;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// When so many parts have something to do, it is worth waking the helpers.
const WORTH: usize = 4;

/// The domain.
pub struct World {
    scenario: Arc<Scenario>,
    pub parts: Vec<Mutex<Part>>,
    /// How long parts go on alone, in microseconds.
    stretch: u64,
    /// The tables, minute by minute.
    samples: Vec<Sample>,
}

/// The part, whatever became of a thread that had it.
pub fn locked(part: &Mutex<Part>) -> MutexGuard<'_, Part> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// The domain before anything has happened.
    pub fn new(scenario: Scenario) -> Result<Self> {
        let ground = Ground::new(scenario.measures());
        let trouble = if scenario.faults {
            let count = scenario.gateways + 1;
            let from = (scenario.ramp_s + scenario.settle_s) * SECOND;
            let mend = scenario.mend_us();
            Trouble::draw(scenario.seed, count, from, scenario.end_of_moves(), mend)
        } else {
            Trouble::default()
        };
        let (scenario, trouble) = (Arc::new(scenario), Arc::new(trouble));
        let part = |number| Part::new(&scenario, &trouble, ground, number).map(Mutex::new);
        let parts: Result<Vec<Mutex<Part>>> = (0..PARTS).map(part).collect();
        Ok(Self {
            parts: parts?,
            stretch: ground.least_delay().min(ACCESS_US),
            samples: Vec::new(),
            scenario,
        })
    }

    /// Lets everything happen, on so many threads.
    ///
    /// # Errors
    /// When something happens that is against the laws.
    pub fn run(mut self, threads: usize) -> Result<Figures, Violation> {
        let parts = std::mem::take(&mut self.parts);
        let helpers = threads.clamp(1, PARTS) - 1;
        let crew = Crew::new(&parts, helpers);
        let broken = std::thread::scope(|scope| {
            let lead = crew.lead();
            for _ in 0..helpers {
                scope.spawn(|| crew.help());
            }
            self.go_on(&lead, &parts)
        });
        if let Some(broken) = broken {
            return Err(Violation {
                seed: self.scenario.seed,
                mode: self.scenario.mode,
                at_us: broken.at,
                host: broken.host,
                what: broken.what,
            });
        }
        let mut figures = Figures::new();
        for part in &parts {
            figures.add(&locked(part).figures);
        }
        figures.samples = self.samples;
        Ok(figures)
    }

    /// Lets everything happen, stretch by stretch. The first thing that is against the laws, if any is.
    fn go_on(&mut self, lead: &Lead<'_, '_>, parts: &[Mutex<Part>]) -> Option<Broken> {
        let end = self.scenario.end();
        let mut exchange = Exchange::default();
        let mut minute = 1;
        let lock = || parts.iter().map(locked).collect::<Vec<_>>();
        let mut all = lock();
        loop {
            exchange.deliver(&mut all);
            if let Some(broken) = first_broken(&mut all) {
                return Some(broken);
            }
            let mut times = [u64::MAX; PARTS];
            for (time, part) in times.iter_mut().zip(&mut all) {
                *time = part.agenda.soonest().unwrap_or(u64::MAX);
            }
            let soonest = times.iter().min().copied();
            let start = soonest.filter(|start| *start <= end);
            let next = start.unwrap_or(end);
            while minute <= self.scenario.minutes && minute * 60 * SECOND <= next {
                self.samples.push(sample(minute, &all));
                minute += 1;
            }
            let Some(start) = start else {
                all.iter_mut().for_each(|part| part.inspect_end());
                return first_broken(&mut all);
            };
            let mut until = (start + self.stretch).min(end + 1);
            if minute <= self.scenario.minutes {
                until = until.min(minute * 60 * SECOND);
            }
            let awake = |time: &u64| *time < until;
            if !lead.has_helpers() || times.iter().filter(|time| awake(time)).count() < WORTH {
                let alone = all.iter_mut().zip(&times).filter(|(_, time)| awake(time));
                alone.for_each(|(part, _)| part.advance(until));
                continue;
            }
            drop(all);
            if !lead.advance(until) {
                // A helper has panicked, which is told when it is waited for.
                return None;
            }
            all = lock();
        }
    }
}

/// What is on its way between parts.
#[derive(Default)]
struct Exchange {
    notes: Vec<Parcel<Note>>,
    parcels: Vec<Parcel<Happening>>,
}

impl Exchange {
    /// Hands everything over.
    fn deliver(&mut self, all: &mut [MutexGuard<'_, Part>]) {
        for part in all.iter_mut() {
            self.notes.append(&mut part.notes);
        }
        // Those of one time stay in the order of parts, and of what each of them did.
        self.notes.sort_by_key(|note| note.at);
        for note in self.notes.drain(..) {
            if let Some(part) = all.get_mut(note.part) {
                part.heed_note(note.at, note.what);
            }
        }
        for part in all.iter_mut() {
            self.parcels.append(&mut part.parcels);
        }
        for parcel in self.parcels.drain(..) {
            if let Some(part) = all.get_mut(parcel.part) {
                part.agenda.enter(parcel.at, parcel.what);
            }
        }
    }
}

fn first_broken(all: &mut [MutexGuard<'_, Part>]) -> Option<Broken> {
    let broken = all.iter_mut().filter_map(|part| part.broken.take());
    broken.min_by_key(|broken| broken.at)
}

/// Looks at the tables.
fn sample(minute: u64, all: &[MutexGuard<'_, Part>]) -> Sample {
    let nodes = all.iter().flat_map(|part| part.nodes.iter());
    let mut tunnels: Vec<(u32, usize)> = nodes
        .map(|(place, node)| (place, node.table.tunnels()))
        .collect();
    tunnels.sort_unstable();
    let (_, centre) = tunnels.pop().unwrap_or_default();
    let mut tunnels: Vec<usize> = tunnels.into_iter().map(|(_, count)| count).collect();
    tunnels.sort_unstable();
    let at = |part: f64| {
        let last = tunnels.len().saturating_sub(1);
        let place = (part * last as f64).round() as usize;
        tunnels.get(place).copied().unwrap_or(0)
    };
    let hosts = || all.iter().flat_map(|part| part.hosts.iter());
    let here = hosts().filter(|(_, host)| host.at.is_some()).count();
    let prefixes: usize = hosts().map(|(_, host)| host.routes.len()).sum();
    let mut so_far = Figures::new();
    all.iter().for_each(|part| so_far.add(&part.figures));
    Sample {
        minute,
        mean: round(tunnels.iter().sum::<usize>() as f64 / tunnels.len().max(1) as f64),
        p50: at(0.5),
        p99: at(0.99),
        max: at(1.0),
        centre,
        prefixes_per_host: round(prefixes as f64 / here.max(1) as f64),
        centre_messages: so_far.centre.received + so_far.centre.sent,
        tunnelled_share: so_far.tunnelled_share(),
    }
}
