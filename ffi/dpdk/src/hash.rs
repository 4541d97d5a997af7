//! DPDK's hash table, `rte_hash`, with lock-free readers: what our own binding table is measured
//! against.
//!
//! ```text
//!   HashWriter (one) ── insert, remove, release ──> rte_hash <── lookup of up to 64 ── HashReader
//! ```
//!
//! A key that was removed keeps its place until [`HashWriter::release`], so that readers that are
//! comparing with it find it whole; the caller knows when that is over.

use std::ffi::{c_void, CString};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use dpdk_sys as sys;

use crate::eal::{Eal, Inner};
use crate::log;
use crate::Error;

/// The most keys that one lookup takes.
pub const BULK: usize = sys::RTE_HASH_LOOKUP_BULK_MAX as usize;

/// A key: an IPv6 address or prefix.
pub type HashKey = [u8; 16];

/// Tells the tables of this process apart; DPDK's names are global.
static NUMBER: AtomicU64 = AtomicU64::new(0);

struct Owner {
    table: NonNull<sys::rte_hash>,
    entries: u32,
    _eal: Arc<Inner>,
}

// SAFETY: the table was made for one writer beside any number of readers, in any threads; the
// writer's calls need `&mut HashWriter`, of which there is one.
unsafe impl Send for Owner {}
// SAFETY: as above.
unsafe impl Sync for Owner {}

/// The one writer of a table.
pub struct HashWriter(Arc<Owner>);

/// A reader of a table; there may be many.
#[derive(Clone)]
pub struct HashReader(Arc<Owner>);

/// A place whose key was removed and which readers may still look at.
#[derive(Debug)]
#[must_use = "the place is lost until it is released"]
pub struct Removed {
    place: i32,
    /// Address of the table that it is a place in.
    table: usize,
}

/// Makes an empty table for `entries` keys of 16 octets, hashed by DPDK's default function, with
/// lock-free readers beside one writer.
///
/// # Errors
/// [`Error::Hash`] when DPDK has not the memory, or will not have such a size.
pub fn hash(eal: &Eal, entries: u32) -> Result<(HashWriter, HashReader), Error> {
    let refused = |reason: String| Error::Hash { entries, reason };
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = CString::new(format!("anchorage_{number}"))
        .map_err(|_| refused("its name has a NUL".to_owned()))?;
    let parameters = sys::rte_hash_parameters {
        name: name.as_ptr(),
        entries,
        key_len: size_of::<HashKey>() as u32,
        socket_id: -1,
        extra_flag: sys::RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF as u8,
        ..Default::default()
    };
    let table = log::watch_aloud(eal.inner().shown(), || {
        // SAFETY: the environment is up, and the parameters and the name, which is copied, outlive
        // the call.
        let table = unsafe { sys::rte_hash_create(&parameters) };
        // SAFETY: reads a word of the calling thread.
        NonNull::new(table).ok_or_else(|| unsafe { sys::shim_errno() })
    })
    .map_err(refused)?;
    let owner = Arc::new(Owner {
        table,
        entries,
        _eal: Arc::clone(eal.inner()),
    });
    Ok((HashWriter(Arc::clone(&owner)), HashReader(owner)))
}

impl HashWriter {
    /// Puts in a key with its value, or gives a key that is there another value.
    ///
    /// # Errors
    /// [`Error::Hash`] when there is no room.
    pub fn insert(&mut self, key: &HashKey, value: usize) -> Result<(), Error> {
        let value = std::ptr::without_provenance_mut::<c_void>(value);
        // SAFETY: the table lives as long as its owner and `&mut self` is its one writer; the key
        // has the length that it was made for and is copied; the value is a number to DPDK.
        let code = unsafe {
            sys::rte_hash_add_key_data(self.0.table.as_ptr(), key.as_ptr().cast(), value)
        };
        if code == 0 {
            return Ok(());
        }
        Err(Error::Hash {
            entries: self.0.entries,
            reason: format!("a key was refused (error {code})"),
        })
    }

    /// Takes a key out; readers may look at its place until the lookups that are under way end.
    pub fn remove(&mut self, key: &HashKey) -> Option<Removed> {
        // SAFETY: as in `insert`.
        let place = unsafe { sys::rte_hash_del_key(self.0.table.as_ptr(), key.as_ptr().cast()) };
        let table = self.0.table.as_ptr().addr();
        (place >= 0).then_some(Removed { place, table })
    }

    /// Gives a place back for another key. Every lookup that began before it was removed has ended:
    /// one that has not may answer with the next key's value. Nothing happens when the place is one of
    /// another table.
    pub fn release(&mut self, removed: Removed) {
        if removed.table == self.0.table.as_ptr().addr() {
            // SAFETY: as in `insert`; the place is one that `rte_hash_del_key` gave and nobody gave
            // back, for a `Removed` is made only there and used up here.
            unsafe {
                sys::rte_hash_free_key_with_position(self.0.table.as_ptr(), removed.place);
            }
        }
    }
}

impl HashReader {
    /// Looks for all of `keys`, of which there are [`BULK`] at most, in one call. The bit of each key
    /// that is there is set in what it returns, and its value stands in `values`; the values of other
    /// keys mean nothing.
    #[inline]
    pub fn lookup(&self, keys: &[HashKey], values: &mut [usize; BULK]) -> u64 {
        let mut pointers = [std::ptr::null::<c_void>(); BULK];
        for (pointer, key) in pointers.iter_mut().zip(keys) {
            *pointer = key.as_ptr().cast();
        }
        let count = keys.len().min(BULK);
        if count == 0 {
            return 0;
        }
        let mut hits = 0;
        // SAFETY: the table lives as long as its owner; `count` pointers lead to keys of its length
        // that outlive the call, and there is room for as many values, which are numbers to DPDK.
        let code = unsafe {
            sys::rte_hash_lookup_bulk_data(
                self.0.table.as_ptr(),
                pointers.as_mut_ptr(),
                count as u32,
                &mut hits,
                values.as_mut_ptr().cast(),
            )
        };
        if code < 0 {
            return 0;
        }
        hits
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // SAFETY: the last handle goes, so nobody reads or writes the table.
        unsafe { sys::rte_hash_free(self.table.as_ptr()) };
    }
}
