//! The set of processors that the calling thread may run on: saved, narrowed and restored.
//!
//! `rte_eal_init` moves its caller to the main lcore, and gives its own control threads whatever
//! the caller could run on less the lcores. Both follow from the caller's set, so [`Narrowed`] sets
//! it to the housekeeping processors for the call and puts the old one back when it drops.

use std::mem;

/// The calling thread's set.
#[derive(Clone, Copy)]
pub(crate) struct Affinity(libc::cpu_set_t);

impl Affinity {
    /// What the calling thread may run on now.
    pub(crate) fn current() -> std::io::Result<Affinity> {
        // SAFETY: cpu_set_t is an array of integers, for which all zeros is a value.
        let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
        // SAFETY: the kernel writes at most the size that is passed, into a set of that size.
        let failed =
            unsafe { libc::sched_getaffinity(0, mem::size_of::<libc::cpu_set_t>(), &mut set) };
        match failed {
            0 => Ok(Affinity(set)),
            _ => Err(std::io::Error::last_os_error()),
        }
    }

    /// A set of the given processors; those above the kernel's limit are left out.
    pub(crate) fn of(cpus: &[usize]) -> Affinity {
        // SAFETY: as in `current`.
        let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
        for &cpu in cpus.iter().filter(|&&cpu| cpu < libc::CPU_SETSIZE as usize) {
            // SAFETY: cpu is below CPU_SETSIZE, so the bit lies in the set.
            unsafe { libc::CPU_SET(cpu, &mut set) };
        }
        Affinity(set)
    }

    /// The processors of the set, in order.
    pub(crate) fn cpus(&self) -> Vec<usize> {
        (0..libc::CPU_SETSIZE as usize)
            // SAFETY: cpu is below CPU_SETSIZE, so the bit lies in the set.
            .filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &self.0) })
            .collect()
    }

    /// Lets the calling thread run on exactly this set.
    pub(crate) fn apply(&self) -> std::io::Result<()> {
        // SAFETY: the kernel reads a set of the size that is passed.
        let failed =
            unsafe { libc::sched_setaffinity(0, mem::size_of::<libc::cpu_set_t>(), &self.0) };
        match failed {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    }
}

/// NUMA node of a processor; none where the kernel does not tell.
pub fn node_of(core: usize) -> Option<i32> {
    let entries = std::fs::read_dir(format!("/sys/devices/system/cpu/cpu{core}")).ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names
        .filter_map(|name| name.strip_prefix("node")?.parse().ok())
        .next()
}

/// The calling thread on a narrower set until this drops.
pub(crate) struct Narrowed(Affinity);

impl Narrowed {
    /// Narrows the calling thread to `cpus`.
    pub(crate) fn to(cpus: &[usize]) -> std::io::Result<Narrowed> {
        let before = Affinity::current()?;
        Affinity::of(cpus).apply()?;
        Ok(Narrowed(before))
    }
}

impl Drop for Narrowed {
    fn drop(&mut self) {
        // Cannot fail but by a change of the allowed set meanwhile; the thread then keeps what it
        // has, which is still allowed.
        let _ = self.0.apply();
    }
}
