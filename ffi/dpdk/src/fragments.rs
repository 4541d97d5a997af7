//! Packets in pieces, by DPDK's library for it (`librte_ip_frag`): one table for each worker.
//!
//! ```text
//!   fragment ──> table ──┬──> the packet, once whole: copied into its first buffer
//!                        └──> death row ──> dead: too old, or of no use together
//! ```
//!
//! Times are the caller's, not the time stamp counter's: the library only compares them.

use std::ptr::NonNull;

use dpdk_sys as sys;
use packet::{
    Burst, Fragments, NotCut, Pieces, Reassembly, MAX_FRAGMENTS, MAX_INCOMPLETE, REASSEMBLY_NANOS,
};

use crate::mbuf::Mbuf;
use crate::pool::Pool;
use crate::Error;

/// Places of one bucket; a fragment may lie in one of two buckets.
const BUCKET: u32 = 8;

const _: () = assert!(sys::SHIM_MAX_FRAGMENTS as usize == MAX_FRAGMENTS);

/// Cuts and collects packets in DPDK's memory.
pub struct Collector {
    table: NonNull<sys::rte_ip_frag_tbl>,
    row: NonNull<sys::rte_ip_frag_death_row>,
    // Behind the table, whose packets go back to it or to a port's.
    pool: Pool,
}

// SAFETY: table and row belong to this alone, and neither knows of threads.
unsafe impl Send for Collector {}

impl Collector {
    /// An empty table; fragments that are cut come from `pool`.
    ///
    /// # Errors
    /// [`Error::Reassembly`] when the memory given to [`crate::Eal::init`] does not hold it.
    pub fn new(pool: Pool) -> Result<Collector, Error> {
        let places = MAX_INCOMPLETE as u32;
        // SAFETY: the environment is up (the pool holds it); -1 asks for any NUMA node.
        let table = unsafe {
            sys::rte_ip_frag_table_create(places / BUCKET, BUCKET, places, REASSEMBLY_NANOS, -1)
        };
        let table = NonNull::new(table).ok_or(Error::Reassembly { packets: places })?;
        // SAFETY: allocates and zeroes.
        let Some(row) = NonNull::new(unsafe { sys::shim_death_row() }) else {
            // SAFETY: nothing else has the table.
            unsafe { sys::rte_ip_frag_table_destroy(table.as_ptr()) };
            return Err(Error::Reassembly { packets: places });
        };
        Ok(Collector { table, row, pool })
    }

    /// Moves what is on the death row to `dead`, as far as there is room.
    fn bury(&mut self, dead: &mut Burst<Mbuf>) {
        let (length, room) = (dead.len(), dead.remaining_capacity());
        // SAFETY: the row holds mbufs that nothing else owns; at most `room` are written behind
        // the burst's end, and how many is returned.
        unsafe {
            let end = dead.as_mut_ptr().add(length).cast();
            let count = sys::shim_death_row_take(self.row.as_ptr(), end, room as u16);
            dead.set_len(length + usize::from(count));
        }
    }
}

impl Fragments<Mbuf> for Collector {
    fn cut(
        &mut self,
        packet: &mut Mbuf,
        mtu: u16,
        identification: u32,
        pieces: &mut Pieces<Mbuf>,
    ) -> Result<(), NotCut> {
        if !pieces.is_empty() {
            return Err(NotCut);
        }
        // SAFETY: the packet is one valid mbuf, which the library refers to only until the shim
        // has copied from it. As many mbufs as are returned lie at the front of `pieces`, owned by
        // nobody else.
        unsafe {
            let count = sys::shim_fragment(
                packet.as_ptr(),
                pieces.as_mut_ptr().cast(),
                MAX_FRAGMENTS as u16,
                mtu,
                identification,
                self.pool.as_ptr(),
            );
            pieces.set_len(usize::try_from(count).map_err(|_| NotCut)?);
        }
        Ok(())
    }

    fn collect(
        &mut self,
        fragment: Mbuf,
        at: usize,
        now: u64,
        dead: &mut Burst<Mbuf>,
    ) -> Reassembly<Mbuf> {
        let this = fragment.as_ptr();
        let (table, row) = (self.table.as_ptr(), self.row.as_ptr());
        let mut count = 0;
        // SAFETY: the mbuf is valid, its headers are whole (the caller's part), and it is the
        // table's from here on; what comes back is nobody else's.
        let whole = unsafe {
            let raw = fragment.into_raw();
            NonNull::new(sys::shim_reassemble(
                table, row, raw, at as u16, now, &mut count,
            ))
            .map(|whole| Mbuf::from_raw(whole))
        };
        self.bury(dead);
        match whole {
            Some(whole) => Reassembly::Whole(whole, usize::from(count)),
            None if !dead.iter().any(|mbuf| mbuf.as_ptr() == this) => Reassembly::Kept,
            None if dead.len() > 1 => Reassembly::Broken,
            // Alone it cannot contradict anything, so there was no place for it.
            None => match dead.pop() {
                Some(fragment) => Reassembly::Full(fragment),
                None => Reassembly::Broken,
            },
        }
    }

    fn expire(&mut self, now: u64, dead: &mut Burst<Mbuf>) {
        // SAFETY: both live as long as this.
        unsafe { sys::shim_expire(self.table.as_ptr(), self.row.as_ptr(), now) };
        self.bury(dead);
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // SAFETY: nothing else has table or row; what they hold goes back to its pools, which are
        // still there.
        unsafe {
            sys::rte_ip_frag_table_destroy(self.table.as_ptr());
            sys::shim_death_row_free(self.row.as_ptr());
        }
    }
}
