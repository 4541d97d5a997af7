//! The control plane of the bench: moves bindings, makes and removes others, at a given rate, while
//! workers forward.

use super::world::{from_tunnel, key, other_tunnel, through, Entry};
use super::PathKind;
use dataplane::table::Full;
use dataplane::tables::Writer;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Changes between two looks at the clock.
const BATCH: u64 = 64;

/// What is changed.
#[derive(Clone, Copy, Debug)]
pub struct Churn {
    /// Whose bindings.
    pub path: PathKind,
    /// Changes per second.
    pub rate: f64,
    /// Bindings with traffic, which are moved: numbers from 0.
    pub moved: u32,
    /// Number of the first binding that comes and goes.
    pub spare_from: u32,
    /// How many of those there are room for.
    pub spare: u32,
    /// Tunnels.
    pub tunnels: u32,
    /// Seed of its decisions.
    pub seed: u64,
}

/// Changes bindings until `stop` is set, and at least once; returns the rate that was reached.
///
/// Of ten changes eight are moves; one makes a binding and one takes the oldest such out.
pub fn run(mut writer: Writer, churn: Churn, stop: &AtomicBool) -> f64 {
    let mut random = SmallRng::seed_from_u64(churn.seed);
    let start = Instant::now();
    let (mut done, mut made, mut removed) = (0u64, 0u32, 0u32);
    while done == 0 || !stop.load(Ordering::Relaxed) {
        let due = (start.elapsed().as_secs_f64() * churn.rate) as u64;
        if done >= due {
            thread::sleep(Duration::from_micros(50));
            continue;
        }
        let until = (done + BATCH).min(due);
        while done < until {
            match done % 10 {
                0 if made.wrapping_sub(removed) < churn.spare => {
                    let key = key(churn.path, churn.spare_from + made % churn.spare);
                    if writer.bind(key, through(made % churn.tunnels)) == Err(Full::Reclaiming) {
                        // Workers have not passed what was removed; later.
                        break;
                    }
                    made = made.wrapping_add(1);
                }
                1 if removed != made => {
                    writer.unbind(&key(churn.path, churn.spare_from + removed % churn.spare));
                    removed = removed.wrapping_add(1);
                }
                _ if churn.moved > 0 => {
                    let entry = Entry {
                        number: random.random_range(0..churn.moved),
                        tunnels: churn.tunnels,
                    };
                    let tunnel = match random.random() {
                        true => from_tunnel(entry),
                        false => other_tunnel(entry),
                    };
                    // It is there, so it moves.
                    let _ = writer.bind(key(churn.path, entry.number), through(tunnel));
                }
                _ => {}
            }
            done += 1;
        }
        writer.reclaim();
    }
    done as f64 / start.elapsed().as_secs_f64()
}
