//! The time stamp counter, for what is too short to ask the kernel about.

/// Reads the time stamp counter, in cycles of [`hz`]. Not ordered against the loads and stores
/// around it.
#[inline]
pub fn cycles() -> u64 {
    // SAFETY: reads a counter and touches no memory.
    unsafe { dpdk_sys::shim_cycles() }
}

/// [`cycles`] once all loads before it have their values: what waits for memory counts as before it.
#[inline]
pub fn cycles_settled() -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: waits and touches no memory; the instruction is part of every x86-64.
    unsafe {
        std::arch::x86_64::_mm_lfence();
    }
    cycles()
}

/// Cycles of [`cycles`] per second, as DPDK measured them; 0 before [`crate::Eal::init`].
pub fn hz() -> u64 {
    // SAFETY: reads one word that rte_eal_init sets.
    unsafe { dpdk_sys::rte_get_tsc_hz() }
}
