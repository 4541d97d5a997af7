//! DPDK's hash table, with a line for every binding as a gateway on top of it would have.
//!
//! ```text
//!   keys ─> rte_hash_lookup_bulk_data ─> number of the line ─> prefetched ─> forwarding, counters
//! ```
//!
//! The line is as small as can be (32 octets: the forwarding, and octets, packets and time of one
//! direction), and lies on the same pages as our own table.

use super::workload::{is_word_of, word, Prefixes, CHURN};
use anyhow::{ensure, Context, Result};
use dataplane::mem::{prefetch, Populate, Slab, Storage};
use dataplane::qsbr::{Deferred, Qsbr};
use dpdk::{Eal, HashKey, HashReader, HashWriter, Removed, BULK};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// Words of a line.
const LINE: usize = 4;

/// The lines: word 0 the forwarding, 1 octets, 2 packets and time.
struct Lines {
    words: Slab<AtomicU64>,
    /// Words before the first line that starts a cache line.
    skip: usize,
}

impl Lines {
    fn new(lines: usize) -> Result<Self> {
        let words = Slab::<AtomicU64>::new((lines + 2) * LINE, Storage::Mapping, Populate::Now)?;
        let octets = words.as_ptr().align_offset(64);
        Ok(Self {
            skip: octets.min(2 * LINE),
            words,
        })
    }

    #[inline(always)]
    fn at(&self, line: usize) -> Option<&[AtomicU64; LINE]> {
        self.words.get(self.skip + line * LINE..)?.first_chunk()
    }
}

/// What both sides share.
struct Shared {
    lines: Lines,
    qsbr: Qsbr,
}

/// The writer's side.
pub struct TheirWriter {
    hash: HashWriter,
    reader: HashReader,
    shared: Arc<Shared>,
    removed: Deferred<Removed>,
    prefixes: Prefixes,
    /// Entries that it was made for.
    pub entries: u32,
}

/// The worker's side.
pub struct TheirReader {
    hash: HashReader,
    shared: Arc<Shared>,
    prefixes: Prefixes,
    keys: Vec<HashKey>,
    words: Vec<u64>,
}

/// Entries that are asked for at first: for `bindings`, the writer's own, and as many removed ones that the
/// reader has not let go of.
pub const fn entries(bindings: u32) -> u32 {
    bindings + 2 * CHURN
}

/// A table that holds `bindings`: the smallest one in which DPDK finds room for all.
pub fn make(
    eal: &Eal,
    bindings: u32,
    prefixes: Prefixes,
    most: usize,
) -> Result<(TheirWriter, TheirReader)> {
    let mut entries = entries(bindings);
    let (hash, reader) = loop {
        let (mut hash, reader) = dpdk::hash(eal, entries)?;
        let filled = (0..bindings).try_for_each(|n| hash.insert(&prefixes.hash_key(n), n as usize));
        match filled {
            Ok(()) => break (hash, reader),
            Err(full) if entries >= 4 * (bindings + CHURN) => return Err(full.into()),
            Err(_) => entries *= 2,
        }
    };
    let shared = Arc::new(Shared {
        lines: Lines::new((bindings + CHURN) as usize)?,
        qsbr: Qsbr::new(1),
    });
    for n in 0..bindings {
        let line = shared.lines.at(n as usize).context("no such line")?;
        line[0].store(word(n, 0), Ordering::Relaxed);
    }
    shared.qsbr.online(0);
    Ok((
        TheirWriter {
            hash,
            reader: reader.clone(),
            shared: Arc::clone(&shared),
            removed: Deferred::default(),
            prefixes,
            entries,
        },
        TheirReader {
            hash: reader,
            shared,
            prefixes,
            keys: vec![HashKey::default(); most],
            words: vec![0; most],
        },
    ))
}

impl TheirWriter {
    pub fn moves(&mut self, n: u32, version: u32) -> Result<()> {
        let mut values = [0; BULK];
        let hits = self
            .reader
            .lookup(&[self.prefixes.hash_key(n)], &mut values);
        ensure!(hits == 1, "rte_hash does not find binding {n} to move it");
        let line = self.shared.lines.at(values[0]).context("no such line")?;
        line[0].store(word(n, version), Ordering::Release);
        Ok(())
    }

    /// Makes binding `n`, or removes it when it is there. When the reader has not let go of enough
    /// that was removed, nothing happens.
    pub fn toggle(&mut self, n: u32) -> Result<()> {
        let key = self.prefixes.hash_key(n);
        if let Some(removed) = self.hash.remove(&key) {
            self.removed.push(&self.shared.qsbr, removed);
            return Ok(());
        }
        let line = self.shared.lines.at(n as usize).context("no such line")?;
        line[0].store(word(n, 0), Ordering::Release);
        let _refused = self.hash.insert(&key, n as usize).is_err();
        Ok(())
    }

    pub fn reclaim(&mut self) {
        self.shared.qsbr.advance();
        let passed = self.shared.qsbr.passed();
        while let Some(removed) = self.removed.pop(passed) {
            self.hash.release(removed);
        }
    }
}

impl TheirReader {
    /// Draws up what `wanted` asks for.
    pub fn prepare(&mut self, wanted: &[u32]) {
        for (key, n) in self.keys.iter_mut().zip(wanted) {
            *key = self.prefixes.hash_key(*n);
        }
    }

    /// Looks up the first `count` of what was drawn up, in bursts, and counts a packet for each.
    #[inline(never)]
    pub fn look_up(&mut self, count: usize, burst: usize) -> u64 {
        let (mut sum, lines) = (0, &self.shared.lines);
        let keys = self.keys.get(..count).unwrap_or(&[]);
        for (keys, words) in keys.chunks(burst).zip(self.words.chunks_mut(burst)) {
            let mut values = [0; BULK];
            let hits = self.hash.lookup(keys, &mut values);
            for (bit, value) in values.iter().enumerate().take(keys.len()) {
                if let Some(line) = lines.at(*value).filter(|_| hits >> bit & 1 == 1) {
                    prefetch(line);
                }
            }
            for ((bit, value), found) in values.iter().enumerate().zip(words) {
                let line = lines.at(*value).filter(|_| hits >> bit & 1 == 1);
                let Some([forwarding, octets, packets, _]) = line else {
                    *found = u64::MAX;
                    continue;
                };
                *found = forwarding.load(Ordering::Acquire);
                sum += *found & 0xff;
                let count = octets.load(Ordering::Relaxed) + 64;
                octets.store(count, Ordering::Relaxed);
                let count = packets.load(Ordering::Relaxed) + (1 << 32);
                packets.store(count >> 32 << 32 | 1, Ordering::Relaxed);
            }
            self.shared.qsbr.quiescent(0);
        }
        sum
    }

    /// Checks every answer of the last [`TheirReader::look_up`].
    pub fn verify(&self, wanted: &[u32]) -> Result<()> {
        for (n, word) in wanted.iter().zip(&self.words) {
            ensure!(
                is_word_of(*n, *word),
                "rte_hash answered {word:#x} for binding {n}"
            );
        }
        Ok(())
    }
}

impl Drop for TheirReader {
    fn drop(&mut self) {
        self.shared.qsbr.offline(0);
    }
}
