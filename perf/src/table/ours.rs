//! The binding table, through the very calls that a worker makes.

use super::workload::{forwarding, is_of, Prefixes, CHURN, TUNNELS};
use anyhow::{anyhow, ensure, Context, Result};
use dataplane::counters::Direction;
use dataplane::key::Forwarding;
use dataplane::mem::Storage;
use dataplane::table::{Found, Full, Probe};
use dataplane::tables::{Capacity, Memory, Options, Reader, Tables, Writer};
use std::sync::Arc;

/// The writer's side.
pub struct OurWriter {
    writer: Writer,
    prefixes: Prefixes,
}

/// The worker's side.
pub struct OurReader {
    reader: Reader,
    prefixes: Prefixes,
    probes: Vec<Probe>,
    found: Vec<Option<Found>>,
}

/// A table that holds `bindings`, with room for the writer's own.
pub fn make(bindings: u32, prefixes: Prefixes, most: usize) -> Result<(OurWriter, OurReader)> {
    let options = Options {
        capacity: Capacity {
            bindings: (bindings + CHURN) as usize,
            tunnels: TUNNELS as usize,
            adjacencies: 1,
        },
        workers: 1,
        storage: Storage::Mapping,
        seed: None,
    };
    let (mut writer, tables) = Tables::with(options)?;
    for n in 0..bindings {
        let bound = writer.bind(prefixes.key(n), forwarding(n, 0));
        bound.with_context(|| format!("binding {n} of {bindings} was refused"))?;
    }
    let mut reader = tables.reader(0);
    reader.online();
    let probes = vec![prefixes.probe(0); most];
    let found = vec![None; most];
    Ok((
        OurWriter { writer, prefixes },
        OurReader {
            reader,
            prefixes,
            probes,
            found,
        },
    ))
}

impl OurWriter {
    pub fn tables(&self) -> &Arc<Tables> {
        self.writer.tables()
    }

    /// How much memory the table takes.
    pub fn memory(&self) -> Memory {
        self.tables().memory()
    }

    pub fn moves(&mut self, n: u32, version: u32) -> Result<()> {
        let bound = self
            .writer
            .bind(self.prefixes.key(n), forwarding(n, version));
        bound.map(drop).map_err(|full| anyhow!("a move: {full}"))
    }

    /// Makes binding `n`, or removes it when it is there. When the reader has not let go of enough
    /// that was removed, nothing happens.
    pub fn toggle(&mut self, n: u32) -> Result<()> {
        let key = self.prefixes.key(n);
        if self.writer.unbind(&key).is_some() {
            return Ok(());
        }
        match self.writer.bind(key, forwarding(n, 0)) {
            Ok(_) | Err(Full::Reclaiming) => Ok(()),
            Err(full) => Err(anyhow!("a binding: {full}")),
        }
    }

    /// What control does from a timer.
    pub fn reclaim(&mut self) {
        self.writer.reclaim();
    }
}

impl OurReader {
    /// Draws up what `wanted` asks for.
    pub fn prepare(&mut self, wanted: &[u32]) {
        for (probe, n) in self.probes.iter_mut().zip(wanted) {
            *probe = self.prefixes.probe(*n);
        }
    }

    /// Looks up the first `count` of what was drawn up, in bursts, and counts no packets: not even the
    /// slots that they would be counted in are asked for.
    #[inline(never)]
    pub fn look_up_uncounted(&mut self, count: usize, burst: usize) -> u64 {
        let mut sum = 0;
        let probes = self.probes.get(..count).unwrap_or(&[]);
        for (probes, found) in probes.chunks(burst).zip(self.found.chunks_mut(burst)) {
            self.reader.lookup_uncounted(probes, found);
            sum += tunnels(found);
            self.reader.quiescent();
        }
        sum
    }

    /// Looks up the first `count` of what was drawn up, in bursts, and counts a packet for each.
    #[inline(never)]
    pub fn look_up(&mut self, count: usize, burst: usize) -> u64 {
        let mut sum = 0;
        let probes = self.probes.get(..count).unwrap_or(&[]);
        for (probes, found) in probes.chunks(burst).zip(self.found.chunks_mut(burst)) {
            self.reader.lookup(probes, found);
            sum += tunnels(found);
            for found in found.iter().flatten() {
                self.reader.count_binding(found.id, Direction::Down, 64, 1);
            }
            self.reader.quiescent();
        }
        sum
    }

    /// Checks every answer of the last [`OurReader::look_up`].
    pub fn verify(&self, wanted: &[u32]) -> Result<()> {
        for (n, found) in wanted.iter().zip(&self.found) {
            let right = found.is_some_and(|found| is_of(*n, found.forwarding()));
            ensure!(right, "our table answered {found:?} for binding {n}");
        }
        Ok(())
    }
}

/// The sum of the tunnels that were found: something that takes every answer.
#[inline(always)]
fn tunnels(found: &[Option<Found>]) -> u64 {
    let tunnel = |found: &Found| match found.forwarding() {
        Forwarding::Access { tunnel, .. } => u64::from(tunnel.0),
        _ => 0,
    };
    found.iter().flatten().map(tunnel).sum()
}
