//! Memory that the tables live in.
//!
//! A [`Slab`] is a fixed array of zeroed records. Where it lives is a parameter: plain memory of the
//! process, in which loom, shuttle and Miri can follow every access, or a mapping of 2 MB pages, in which a
//! random lookup among millions of records misses the cache but not the TLB.
//!
//! ```text
//!   Storage::Heap     allocator
//!   Storage::Mapping  small: allocator;  hugetlb pages when the machine has reserved some;
//!                     else an aligned anonymous mapping with MADV_HUGEPAGE
//! ```

mod pages;

pub use pages::Pages;

use crate::sync::{AtomicU32, AtomicU64};
use std::ops::{Deref, Range};
use std::ptr::NonNull;

/// Size of the pages asked for.
const HUGE_PAGE: usize = 2 << 20;

/// Distance between the octets that are written to make the kernel give every page now.
const SMALL_PAGE: usize = 4 << 10;

/// Why memory for a table could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The size asked for is outside what the table can index.
    #[error("{what}: {asked} asked for, {least} to {most} possible")]
    Capacity {
        /// Which size.
        what: &'static str,
        /// The size asked for.
        asked: usize,
        /// The smallest possible.
        least: usize,
        /// The largest possible.
        most: usize,
    },
    /// The system refused the memory.
    #[error("no memory for {octets} octets of tables; ask for fewer bindings, tunnels or adjacencies, or for less hugepage memory elsewhere")]
    Refused {
        /// Octets asked for.
        octets: usize,
    },
}

/// Where the tables live.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Storage {
    /// Plain memory of the process.
    Heap,
    /// A mapping of 2 MB pages where the kernel gives them. Plain memory under loom, shuttle and Miri.
    #[default]
    Mapping,
}

/// Whether the kernel is made to give a mapping's pages at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Populate {
    /// At once: for records that a worker may be the first to touch.
    Now,
    /// As control first writes each of them: for records that may never be used.
    OnWrite,
}

/// A record that may live in a [`Slab`].
///
/// # Safety
/// A record of all zero octets must be a valid value equal to `Self::default()`, and must need no
/// drop (except under loom and shuttle, where slabs hold values made by `default`).
pub unsafe trait Zeroed: Default + Send + Sync {}

// SAFETY: an atomic integer of all zero octets is 0, and has no drop.
unsafe impl Zeroed for AtomicU32 {}
// SAFETY: as above.
unsafe impl Zeroed for AtomicU64 {}

/// How much memory a slab takes, and where.
pub(crate) struct Extent {
    /// Octets of its records.
    pub(crate) octets: u64,
    /// Addresses of its mapping, none when its records came from the allocator.
    pub(crate) range: Range<usize>,
}

/// A fixed array of records, zeroed when made.
pub struct Slab<T: Zeroed> {
    base: NonNull<T>,
    len: usize,
    /// Octets to unmap, or 0 when the records came from the allocator.
    mapped: usize,
}

// SAFETY: a slab owns its records as a `Box<[T]>` does, and `T` is `Send + Sync` by `Zeroed`.
unsafe impl<T: Zeroed> Send for Slab<T> {}
// SAFETY: as above; only shared references to the records are given out.
unsafe impl<T: Zeroed> Sync for Slab<T> {}

impl<T: Zeroed> Slab<T> {
    /// Makes `len` zeroed records.
    pub fn new(len: usize, storage: Storage, populate: Populate) -> Result<Self, Error> {
        let octets = len
            .checked_mul(size_of::<T>())
            .filter(|&n| n <= isize::MAX as usize - 2 * HUGE_PAGE)
            .ok_or(Error::Refused { octets: usize::MAX })?;
        if storage == Storage::Mapping && octets >= HUGE_PAGE && !cfg!(any(loom, shuttle, miri)) {
            let (base, mapped) = map(octets).ok_or(Error::Refused { octets })?;
            if populate == Populate::Now {
                for offset in (0..octets).step_by(SMALL_PAGE) {
                    // SAFETY: `offset` lies in the fresh, writable mapping, which nobody shares yet.
                    unsafe { base.as_ptr().add(offset).write_volatile(0) };
                }
            }
            return Ok(Self {
                base: base.cast(),
                len,
                mapped,
            });
        }
        Ok(Self {
            base: allocate(len, octets)?,
            len,
            mapped: 0,
        })
    }

    /// What its mapping lies on at present; records from the allocator, which are few, count as
    /// nothing. Reads a file of the kernel: not for workers.
    pub fn pages(&self) -> Pages {
        Pages::of(&[self.extent().range])
    }

    /// Hints that records will be read soon, one at each call; of an index out of range nothing comes.
    /// For a loop that has use for every register, which keeps no more than the base.
    #[inline(always)]
    pub(crate) fn prefetcher(&self) -> impl Fn(u32) + Copy + '_ {
        let base = self.base.as_ptr().cast_const();
        move |index| prefetch_at(base.wrapping_add(index as usize))
    }

    /// How much it takes, and where.
    pub(crate) fn extent(&self) -> Extent {
        let first = self.base.as_ptr().addr();
        Extent {
            octets: size_of_val(&**self) as u64,
            range: first..first + self.mapped,
        }
    }
}

impl<T: Zeroed> Deref for Slab<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: `base` points to `len` records that are valid (zeroed or made by `default`), live
        // as long as `self`, and are only ever shared.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }
}

impl<T: Zeroed> Drop for Slab<T> {
    fn drop(&mut self) {
        if self.mapped > 0 {
            // SAFETY: `map` made this mapping of this length, and nothing refers to it any more.
            unsafe { libc::munmap(self.base.as_ptr().cast(), self.mapped) };
        } else {
            let records = std::ptr::slice_from_raw_parts_mut(self.base.as_ptr(), self.len);
            // SAFETY: `allocate` took these records out of a box of the same layout.
            drop(unsafe { Box::from_raw(records) });
        }
    }
}

/// Zeroed records from the allocator, to be freed as a `Box<[T]>`.
#[cfg(not(any(loom, shuttle)))]
fn allocate<T: Zeroed>(len: usize, octets: usize) -> Result<NonNull<T>, Error> {
    let refused = Error::Refused { octets };
    let Ok(layout) = std::alloc::Layout::array::<T>(len) else {
        return Err(refused);
    };
    if layout.size() == 0 {
        return Ok(NonNull::dangling());
    }
    // SAFETY: the layout's size is not zero.
    let base = unsafe { std::alloc::alloc_zeroed(layout) };
    NonNull::new(base.cast()).ok_or(refused)
}

/// Records made one by one: loom and shuttle must see each of them come into being.
#[cfg(any(loom, shuttle))]
fn allocate<T: Zeroed>(len: usize, _octets: usize) -> Result<NonNull<T>, Error> {
    let records: Box<[T]> = (0..len).map(|_| T::default()).collect();
    Ok(NonNull::from(Box::leak(records)).cast())
}

/// Maps at least `octets`, aligned to a huge page; returns the base and the length to unmap.
fn map(octets: usize) -> Option<(NonNull<u8>, usize)> {
    let length = octets.next_multiple_of(HUGE_PAGE);
    if let Some(base) = anonymous(length, libc::MAP_HUGETLB) {
        return Some((base, length));
    }
    // One huge page more than needed, so that an aligned piece lies in it; the rest goes back.
    let whole = anonymous(length + HUGE_PAGE, 0)?;
    let skip = whole.as_ptr().align_offset(HUGE_PAGE);
    // SAFETY: `skip` is below HUGE_PAGE, so `skip + length` lies within the mapping.
    let (base, end) = unsafe { (whole.as_ptr().add(skip), whole.as_ptr().add(skip + length)) };
    // SAFETY: the pieces in front of `base` and from `end` on are parts of our fresh mapping that
    // nothing uses; `base..end` stays mapped. Advice changes no contents.
    unsafe {
        if skip > 0 {
            libc::munmap(whole.as_ptr().cast(), skip);
        }
        if skip < HUGE_PAGE {
            libc::munmap(end.cast(), HUGE_PAGE - skip);
        }
        libc::madvise(base.cast(), length, libc::MADV_HUGEPAGE);
    }
    NonNull::new(base).map(|base| (base, length))
}

/// A private anonymous mapping, zeroed.
fn anonymous(length: usize, flags: libc::c_int) -> Option<NonNull<u8>> {
    // SAFETY: a new private mapping at an address of the kernel's choice touches no memory of ours.
    let base = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | flags,
            -1,
            0,
        )
    };
    (base != libc::MAP_FAILED)
        .then(|| NonNull::new(base.cast()))
        .flatten()
}

/// Hints that `record` will be read soon.
#[inline(always)]
pub fn prefetch<T>(record: &T) {
    prefetch_at(std::ptr::from_ref(record));
}

/// The same of what may lie nowhere.
#[inline(always)]
fn prefetch_at<T>(record: *const T) {
    #[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
    // SAFETY: a prefetch reads nothing, changes nothing but caches and never faults, wherever it points;
    // SSE is part of x86-64.
    unsafe {
        use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
        _mm_prefetch::<_MM_HINT_T0>(record.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(any(loom, miri)))))]
    let _ = record;
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering::Relaxed;

    #[test]
    fn a_slab_is_zeroed_writable_and_aligned_wherever_it_lives() {
        for storage in [Storage::Heap, Storage::Mapping] {
            for len in [0, 1, 1000, 300_000] {
                let slab = Slab::<AtomicU64>::new(len, storage, Populate::Now).unwrap();
                assert_eq!(slab.len(), len);
                assert!(slab.iter().all(|w| w.load(Relaxed) == 0));
                slab.iter().for_each(|w| w.store(7, Relaxed));
                assert!(slab.iter().all(|w| w.load(Relaxed) == 7));
            }
        }
    }

    #[test]
    fn an_impossible_size_is_refused() {
        assert!(Slab::<AtomicU64>::new(usize::MAX / 8, Storage::Heap, Populate::Now).is_err());
        assert!(Slab::<AtomicU64>::new(usize::MAX, Storage::Mapping, Populate::Now).is_err());
    }
}
