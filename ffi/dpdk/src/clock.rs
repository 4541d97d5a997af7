//! The time stamp counter, for what is too short to ask the kernel about.

/// Reads the time stamp counter, in cycles of [`hz`]. Not ordered against the loads and stores
/// around it.
#[inline]
pub fn cycles() -> u64 {
    // SAFETY: reads a counter and touches no memory.
    unsafe { dpdk_sys::shim_cycles() }
}

/// Cycles of [`cycles`] per second, as DPDK measured them; 0 before [`crate::Eal::init`].
pub fn hz() -> u64 {
    // SAFETY: reads one word that rte_eal_init sets.
    unsafe { dpdk_sys::rte_get_tsc_hz() }
}
