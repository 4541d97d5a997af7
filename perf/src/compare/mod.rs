//! `anchor-perf compare`: ours and its anchors, taking turns in one run.
//!
//! A machine that others use too is slower in one minute than in the next. So everything that is
//! compared runs once per round, one after the other, and what counts is the ratio, taken within each
//! round:
//!
//! ```text
//!   round 1:  encap 1 | encap 1 M | bare I/O | testpmd | rte_hash | kernel ...
//!   round 2:  encap 1 | encap 1 M | ...
//! ```
//!
//! Each runs in a process of its own, as DPDK wants it. What is not installed is named and left out.

pub mod bare;
mod kernel;
mod program;
mod testpmd;

use crate::generate::interruptible;
use anyhow::{bail, ensure, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use program::{number, ours};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// What is compared.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Bindings that ours forwards to, each a row of its own; the others are compared with the row of
    /// their own size.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10_000, 1_000_000])]
    bindings: Vec<u64>,
    /// Rounds.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Seconds that each of the foreign programs runs, each time.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Packets of a round of ours, as of `forward`.
    #[arg(long, value_name = "N")]
    packets: Option<usize>,
    /// Packets of ours under way at once, as of `forward`: few enough to be near, as those of the others are.
    #[arg(long, value_name = "N", default_value_t = 256)]
    load: usize,
    /// Core that forwards.
    #[arg(long, default_value_t = 1)]
    core: usize,
    /// Leave out rows whose name starts with one of these: ours, bare, testpmd, rte_hash, kernel.
    #[arg(long, value_delimiter = ',')]
    without: Vec<String>,
    /// Print one JSON object: {name: {mpps, cycles_per_packet, ratio_to_ours}}.
    #[arg(long)]
    json: bool,
}

/// What one turn gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Turn {
    /// Millions of packets per second.
    pub mpps: f64,
    /// Cycles of the time stamp counter per packet.
    pub cycles: f64,
}

/// Middle of several figures, with the least and the most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Smallest.
    pub min: f64,
    /// Middle; of an even number, the mean of the two.
    pub median: f64,
    /// Largest.
    pub max: f64,
}

impl Spread {
    /// Of some figures; zeros when there are none.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let at = |place: usize| figures.get(place).copied().unwrap_or(0.0);
        let count = figures.len();
        Self {
            min: at(0),
            median: (at(count / 2) + at(count.saturating_sub(1) / 2)) / 2.0,
            max: at(count.saturating_sub(1)),
        }
    }
}

/// A row of the comparison.
#[derive(Clone, Debug, Serialize)]
struct Row {
    /// Median over the rounds.
    mpps: f64,
    /// Median over the rounds.
    cycles_per_packet: f64,
    /// Median over the rounds of its cycles to those of `against` in the same round.
    ratio_to_ours: f64,
    /// The row of ours that it is compared with.
    against: String,
    /// Cycles over the rounds.
    cycles: Spread,
    /// Ratios over the rounds.
    ratio: Spread,
    /// Of a row of ours: its cycles to those of each of the others in the same round, by their names.
    to: BTreeMap<String, Spread>,
}

type Measure = Box<dyn Fn() -> Result<Turn>>;

/// One thing that takes turns.
struct Contender {
    name: String,
    against: String,
    measure: Measure,
    turns: Vec<Option<Turn>>,
}

impl Contender {
    fn is_ours(&self) -> bool {
        self.name.starts_with("ours")
    }

    /// Its cycles to those of another, round by round.
    fn ratio_to(&self, other: &Self) -> Spread {
        let pairs = self.turns.iter().zip(&other.turns);
        Spread::of(
            pairs.filter_map(|(mine, theirs)| Some((*mine)?.cycles / (*theirs)?.cycles.max(1e-9))),
        )
    }
}

/// Compares.
///
/// # Errors
/// When ours cannot be measured, or a foreign program that is installed fails.
pub fn run(arguments: &Arguments) -> Result<()> {
    ensure!(
        !arguments.bindings.is_empty() && arguments.rounds >= 1,
        "--bindings and --rounds are at least 1"
    );
    let stop = interruptible()?;
    let (mut contenders, mut left_out) = contenders(arguments);
    let bar = ProgressBar::new(u64::from(arguments.rounds) * contenders.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg:24} [{bar:40}] {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    for _ in 0..arguments.rounds {
        for contender in &mut contenders {
            if stop.load(Ordering::Relaxed) {
                bail!("interrupted");
            }
            bar.set_message(contender.name.clone());
            let turn = (contender.measure)();
            bar.inc(1);
            contender.turns.push(match turn {
                Ok(turn) => Some(turn),
                // Ours must work; of the others, the reason is told and the rest goes on.
                Err(error) if contender.is_ours() => return Err(error),
                Err(error) => {
                    left_out.insert(contender.name.clone(), format!("{error:#}"));
                    None
                }
            });
        }
    }
    bar.finish_and_clear();
    contenders.retain(|it| !left_out.contains_key(&it.name));
    let rows = rows(&contenders);
    for (name, why) in &left_out {
        eprintln!("left out: {name}: {why}");
    }
    match arguments.json {
        true => println!("{}", serde_json::to_string(&rows)?),
        false => print(&rows),
    }
    Ok(())
}

/// All that take turns, and what does not with the reason.
fn contenders(arguments: &Arguments) -> (Vec<Contender>, BTreeMap<String, String>) {
    let mut list: Vec<Contender> = Vec::new();
    let mut left_out = BTreeMap::new();
    let wanted = |name: &str| {
        !arguments
            .without
            .iter()
            .any(|it| name.starts_with(it.as_str()))
    };
    let mut add = |name: String, against: &str, measure: Measure| {
        if wanted(&name) {
            list.push(Contender {
                name,
                against: against.to_owned(),
                measure,
                turns: Vec::new(),
            });
        }
    };
    let smallest = arguments.bindings.iter().min().copied().unwrap_or(1);
    let encap = |bindings: u64| format!("ours encap {bindings}");
    let decap = format!("ours decap {smallest}");
    let (packets, load) = (arguments.packets, arguments.load);
    // Every row of the budget has its turn.
    let both = arguments.bindings.iter().flat_map(|&bindings| {
        let decap = bindings == smallest || bindings >= 1_000_000;
        [("encap", true), ("decap", decap)]
            .into_iter()
            .filter_map(move |(path, wanted)| wanted.then_some((path, bindings)))
    });
    for (path, bindings) in both.chain([("route", 1), ("4in6", 1)]) {
        let name = format!("ours {path} {bindings}");
        let measure = Box::new(move || forward(path, bindings, packets, load));
        add(name.clone(), &name, measure);
    }
    let first = encap(smallest);
    let (core, seconds) = (arguments.core, arguments.seconds);
    add(
        "bare I/O".into(),
        &first,
        Box::new(move || bare::turn(core, seconds)),
    );
    for &bindings in arguments.bindings.iter().filter(|it| **it >= 1_000) {
        let measure = Box::new(move || rte_hash(bindings));
        add(
            format!("rte_hash bulk {bindings}"),
            &encap(bindings),
            measure,
        );
    }
    match testpmd::installed() {
        Ok(()) => {
            for (name, device) in testpmd::DEVICES {
                let measure = Box::new(move || testpmd::turn(device, core, seconds));
                add(format!("testpmd macswap {name}"), &first, measure);
            }
        }
        Err(error) => {
            left_out.insert("testpmd".into(), format!("{error:#}"));
        }
    }
    match kernel::Lab::possible() {
        Ok(()) => {
            for (path, against) in [(kernel::Path::Encap, &first), (kernel::Path::Decap, &decap)] {
                let measure = Box::new(move || kernel::turn(path, core, seconds));
                add(format!("kernel SEG6 {}", path.name()), against, measure);
            }
        }
        Err(error) => {
            left_out.insert("kernel SEG6".into(), format!("{error:#}"));
        }
    }
    list.iter_mut()
        .for_each(|it| it.turns.reserve(arguments.rounds as usize));
    (list, left_out)
}

/// One turn of ours.
fn forward(path: &str, bindings: u64, packets: Option<usize>, load: usize) -> Result<Turn> {
    let (bindings, packets) = (bindings.to_string(), packets.map(|it| it.to_string()));
    let load = load.to_string();
    let mut words = vec!["forward", "--path", path, "--bindings", &bindings];
    words.extend(["--rounds", "3", "--load", &load, "--json"]);
    if let Some(packets) = &packets {
        words.extend(["--packets", packets]);
    }
    let report = ours(&words)?;
    Ok(Turn {
        mpps: number(&report, "/mpps")?,
        cycles: number(&report, "/cycles_per_packet")?,
    })
}

/// One turn of DPDK's hash table, bulk lookups beside a writer.
fn rte_hash(bindings: u64) -> Result<Turn> {
    let bindings = bindings.to_string();
    let report = ours(&[
        "table", "--sizes", &bindings, "--bursts", "32", "--rounds", "11", "--json",
    ])?;
    let cycles = number(&report, "/sizes/0/lookups/0/rte_hash/median")?;
    let hz = number(&report, "/tsc_hz")?;
    Ok(Turn {
        mpps: hz / cycles.max(1e-9) / 1e6,
        cycles,
    })
}

fn rows(contenders: &[Contender]) -> BTreeMap<String, Row> {
    let row = |it: &Contender| {
        let turns = || it.turns.iter().flatten();
        let reference = contenders.iter().find(|other| other.name == it.against);
        let ratio = reference.map_or_else(Spread::default, |ours| it.ratio_to(ours));
        let others = contenders
            .iter()
            .filter(|other| it.is_ours() && !other.is_ours());
        let to = others.map(|other| (other.name.clone(), it.ratio_to(other)));
        let cycles = Spread::of(turns().map(|turn| turn.cycles));
        let row = Row {
            mpps: round(Spread::of(turns().map(|turn| turn.mpps)).median),
            cycles_per_packet: round(cycles.median),
            ratio_to_ours: round(ratio.median),
            against: it.against.clone(),
            cycles,
            ratio,
            to: to.collect(),
        };
        (it.name.clone(), row)
    };
    contenders.iter().map(row).collect()
}

/// To a thousandth.
fn round(figure: f64) -> f64 {
    (figure * 1e3).round() / 1e3
}

fn print(rows: &BTreeMap<String, Row>) {
    println!(
        "{:<28}{:>10}{:>10}{:>10}{:>10}{:>10}  against",
        "", "Mpps", "min", "median", "max", "ratio"
    );
    for (name, row) in rows {
        println!(
            "{name:<28}{:>10.3}{:>10.1}{:>10.1}{:>10.1}{:>10.2}  {}",
            row.mpps,
            row.cycles.min,
            row.cycles.median,
            row.cycles.max,
            row.ratio_to_ours,
            row.against
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contender(name: &str, against: &str, cycles: &[f64]) -> Contender {
        let turn = |&cycles| {
            Some(Turn {
                mpps: 2_400.0 / cycles,
                cycles,
            })
        };
        Contender {
            name: name.into(),
            against: against.into(),
            measure: Box::new(|| bail!("not measured here")),
            turns: cycles.iter().map(turn).collect(),
        }
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // The second round was three times slower for both.
        let list = [
            contender("ours", "ours", &[100.0, 300.0, 110.0]),
            contender("theirs", "ours", &[200.0, 600.0, 220.0]),
        ];
        let rows = rows(&list);
        assert_eq!(rows["ours"].ratio_to_ours, 1.0);
        assert_eq!(
            rows["theirs"].ratio,
            Spread {
                min: 2.0,
                median: 2.0,
                max: 2.0
            }
        );
        assert_eq!(rows["ours"].to["theirs"].max, 0.5);
        assert!(rows["theirs"].to.is_empty());
        assert_eq!(rows["theirs"].cycles_per_packet, 220.0);
        assert_eq!(
            rows["ours"].cycles,
            Spread {
                min: 100.0,
                median: 110.0,
                max: 300.0
            }
        );
        let json = serde_json::to_value(&rows).expect("JSON");
        for key in ["mpps", "cycles_per_packet", "ratio_to_ours"] {
            assert!(json["theirs"][key].is_f64(), "{key}: {json}");
        }
    }

    #[test]
    fn a_spread_of_an_even_number_is_the_mean_of_the_middle() {
        assert_eq!(Spread::of([4.0, 1.0, 3.0, 2.0]).median, 2.5);
        assert_eq!(Spread::of([]), Spread::default());
    }
}
