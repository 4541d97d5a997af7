//! Memory that packets live in.
//!
//! A pool outlives every handle to it while one of its buffers is still out: the buffer would
//! otherwise point into memory that is gone. Such a pool is never freed, and the environment under
//! it is not taken down; [`crate::Eal::shutdown`] reports it.

use std::ffi::CString;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use dpdk_sys as sys;

use crate::eal::{Eal, Inner};
use crate::log;
use crate::mbuf::{Mbuf, HEADROOM};
use crate::Error;

/// Room for a packet of an ordinary Ethernet, in octets after the head room.
pub(crate) const DATA_ROOM: u16 = 2048;

/// DPDK's word for whichever NUMA node has room.
const ANY_NODE: i32 = -1;

/// Largest cache that DPDK gives a thread.
const CACHE: u32 = 256;

/// Numbers the pools, since DPDK wants distinct short names.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// How a pool is made.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Name in reports and errors.
    pub name: String,
    /// Number of buffers; `2^n - 1` wastes no memory.
    pub mbufs: u32,
    /// Octets that a packet may have, after the head room of [`HEADROOM`].
    pub data_room: u16,
    /// NUMA node, or none for any. A node without memory for DPDK (all but the first without
    /// hugepages) is as good as none.
    pub socket: Option<i32>,
}

impl Default for PoolConfig {
    fn default() -> PoolConfig {
        PoolConfig {
            name: "packets".to_owned(),
            mbufs: 4095,
            data_room: DATA_ROOM,
            socket: None,
        }
    }
}

/// A pool of packet buffers. Clones are handles to the same pool.
#[derive(Clone)]
pub struct Pool(Arc<Owner>);

struct Owner {
    pool: NonNull<sys::rte_mempool>,
    name: String,
    data_room: u16,
    eal: Arc<Inner>,
}

// SAFETY: a mempool may be used from any thread; rte_mempool_free runs when the last handle drops.
unsafe impl Send for Owner {}
// SAFETY: as above; taking and giving buffers is safe in parallel.
unsafe impl Sync for Owner {}

impl Pool {
    /// Makes a pool.
    ///
    /// # Errors
    /// [`Error::Pool`] when the memory given to [`Eal::init`] does not hold it.
    pub fn new(eal: &Eal, config: PoolConfig) -> Result<Pool, Error> {
        Pool::with(eal.inner(), config)
    }

    pub(crate) fn with(eal: &Arc<Inner>, config: PoolConfig) -> Result<Pool, Error> {
        let room = config.data_room.saturating_add(HEADROOM as u16);
        let refused = |reason: String| Error::Pool {
            pool: config.name.clone(),
            mbufs: config.mbufs,
            octets: u32::from(room),
            reason,
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = CString::new(format!("anchorage_{number}"))
            .map_err(|_| refused("its name has a NUL".to_owned()))?;
        // A thread's cache must not hold so much that the others starve.
        let cache = CACHE.min(config.mbufs / 4) & !1;
        let on = |socket| {
            log::watch_aloud(eal.shown(), || {
                // SAFETY: the environment is up (this holds it), the name is a C string that is copied.
                let pool = unsafe {
                    sys::rte_pktmbuf_pool_create(
                        name.as_ptr(),
                        config.mbufs,
                        cache,
                        0,
                        room,
                        socket,
                    )
                };
                // SAFETY: reads a word of the calling thread.
                NonNull::new(pool).ok_or_else(|| unsafe { sys::shim_errno() })
            })
        };
        let pool = match config.socket {
            Some(socket) => on(socket).or_else(|_| on(ANY_NODE)),
            None => on(ANY_NODE),
        };
        let pool = pool.map_err(refused)?;
        Ok(Pool(Arc::new(Owner {
            pool,
            name: config.name,
            data_room: config.data_room,
            eal: Arc::clone(eal),
        })))
    }

    /// The name it was made with.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Octets that a packet may have, after the head room.
    pub fn data_room(&self) -> u16 {
        self.0.data_room
    }

    /// Number of buffers in all.
    pub fn size(&self) -> u32 {
        // SAFETY: the pool lives as long as this handle.
        unsafe { sys::shim_pool_size(self.0.pool.as_ptr()) }
    }

    /// Buffers that are out: with a packet in somebody's hands, or in a port's queues. Exact while
    /// no other thread takes or gives any; an estimate otherwise. Walks the caches of all threads.
    pub fn in_use(&self) -> u32 {
        self.0.in_use()
    }

    /// An empty packet with full head room, or none when the pool has run dry.
    #[inline]
    pub fn alloc(&self) -> Option<Mbuf> {
        // SAFETY: the pool lives as long as this handle; what it gives has no other owner.
        unsafe { NonNull::new(sys::shim_alloc(self.0.pool.as_ptr())).map(|m| Mbuf::from_raw(m)) }
    }

    pub(crate) fn as_ptr(&self) -> *mut sys::rte_mempool {
        self.0.pool.as_ptr()
    }

    /// Whether both are handles to one pool.
    pub(crate) fn is(&self, other: &Pool) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Owner {
    fn in_use(&self) -> u32 {
        // SAFETY: the pool lives as long as its owner.
        unsafe {
            sys::shim_pool_size(self.pool.as_ptr())
                .saturating_sub(sys::rte_mempool_avail_count(self.pool.as_ptr()))
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if self.in_use() > 0 {
            self.eal.keep_memory();
            return;
        }
        // SAFETY: every buffer is back and no handle is left, so nothing points into the pool.
        unsafe { sys::rte_mempool_free(self.pool.as_ptr()) };
    }
}
