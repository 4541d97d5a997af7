//! That tables really lie on the pages that [`dataplane::mem`] speaks of, as the kernel tells it.
#![cfg(not(loom))]

use dataplane::mem::{Pages, Populate, Slab, Storage};
use dataplane::tables::{Capacity, Options, Tables};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Octets of the slab under test: sixteen huge pages.
const OCTETS: usize = 32 << 20;

/// Says what could not be tested here, past the harness, which keeps what passing tests print.
fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED table_memory: {why}");
}

/// Where the kernel counts its reserved 2 MB pages.
const RESERVED: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB";

fn slab() -> Slab<AtomicU64> {
    let slab = Slab::<AtomicU64>::new(OCTETS / 8, Storage::Mapping, Populate::Now).unwrap();
    slab.iter()
        .step_by(512)
        .for_each(|word| word.store(1, Relaxed));
    assert!(slab.iter().step_by(512).all(|word| word.load(Relaxed) == 1));
    slab
}

fn count(file: &str) -> Option<u64> {
    let text = std::fs::read_to_string(Path::new(RESERVED).join(file)).ok()?;
    text.trim().parse().ok()
}

/// Pages that are reserved for a test and go back after it.
struct Reserved(u64);

impl Reserved {
    /// Reserves `pages` more; none when this process may not, or memory is short.
    fn more(pages: u64) -> Option<Self> {
        let before = count("nr_hugepages")?;
        let file = Path::new(RESERVED).join("nr_hugepages");
        std::fs::write(file, (before + pages).to_string()).ok()?;
        let reserved = Self(before);
        let free = count("free_hugepages")?.saturating_sub(count("resv_hugepages")?);
        (free >= pages).then_some(reserved)
    }
}

impl std::ops::Drop for Reserved {
    fn drop(&mut self) {
        let file = Path::new(RESERVED).join("nr_hugepages");
        let _ = std::fs::write(file, self.0.to_string());
    }
}

/// Whether the kernel gives transparent huge pages to who asks.
fn transparent() -> bool {
    let state = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    state.is_ok_and(|state| !state.contains("[never]"))
}

/// One test, for the three must not run at once: each changes what the next would get.
#[test]
fn memory_lies_on_the_largest_pages_that_there_are() {
    reserved_pages();
    transparent_pages();
    small_pages();
}

/// Reserved pages are taken first, and all of them go back.
fn reserved_pages() {
    let Some(_reserved) = Reserved::more(64) else {
        skipped("no 2 MB pages can be reserved here (root, and memory in one piece)");
        return;
    };
    let free = count("free_hugepages");
    let slab = slab();
    let expected = Pages {
        hugetlb: OCTETS as u64,
        ..Pages::default()
    };
    assert_eq!(slab.pages(), expected);
    drop(slab);
    assert_eq!(count("free_hugepages"), free);

    // A whole set of tables, too.
    let (writer, tables) = Tables::with(Options {
        capacity: Capacity {
            bindings: 200_000,
            tunnels: 1,
            adjacencies: 1,
        },
        workers: 1,
        storage: Storage::Mapping,
        seed: Some(1),
    })
    .unwrap();
    let memory = tables.memory();
    assert!(memory.entries >= 200_000 * 32 && memory.counters >= 200_000 * 32);
    let octets = memory.index.min(memory.entries).min(memory.counters);
    assert!(memory.pages.hugetlb >= octets, "{memory:?}");
    assert_eq!(memory.pages.transparent, 0, "{memory:?}");
    drop((writer, tables));
    assert_eq!(count("free_hugepages"), free);
}

/// Without reserved pages the kernel puts some together.
fn transparent_pages() {
    if count("free_hugepages").is_some_and(|free| free >= OCTETS as u64 >> 21) {
        skipped("this machine has reserved pages to spare, so no others are asked for");
        return;
    }
    if !transparent() {
        skipped("transparent huge pages are switched off here");
        return;
    }
    let pages = slab().pages();
    assert_eq!(pages.hugetlb, 0, "{pages:?}");
    if pages.transparent == 0 {
        skipped("memory is in pieces, the kernel put no huge page together");
        return;
    }
    assert!(
        pages.transparent + pages.small >= OCTETS as u64,
        "{pages:?}"
    );
}

/// Where neither can be had the tables still work.
fn small_pages() {
    if count("free_hugepages").is_some_and(|free| free >= OCTETS as u64 >> 21) {
        skipped("this machine has reserved pages to spare, so no others are asked for");
        return;
    }
    assert_eq!(switch_transparent(false), 0);
    let pages = slab().pages();
    assert_eq!(switch_transparent(true), 0);
    assert_eq!((pages.hugetlb, pages.transparent), (0, 0), "{pages:?}");
    assert!(pages.small >= OCTETS as u64, "{pages:?}");
}

/// Switches transparent huge pages on or off for what this process maps from now on.
fn switch_transparent(on: bool) -> i32 {
    // SAFETY: changes a setting of this process and touches no memory.
    unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, i32::from(!on), 0, 0, 0) }
}
