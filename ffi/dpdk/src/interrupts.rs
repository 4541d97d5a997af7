//! The thread that runs drivers' callbacks: link changes, peers that come and go.
//!
//! Stopping a port may wake a callback of it, or of the port at the other end in the same process,
//! and some drivers (memif) take the same memory apart in both. After callbacks come and go, the
//! thread reads every handle that is registered, in memory that `rte_eal_cleanup` unmaps. So
//! between the steps of going down that thread gets to finish what it has.

use std::ffi::c_void;
use std::sync::mpsc::{sync_channel, SyncSender};
use std::time::Duration;

use dpdk_sys as sys;

/// Longest wait for a callback; one that takes longer is stuck, and waiting on would not help.
const PATIENCE: Duration = Duration::from_secs(5);

/// Returns when every callback that was due has run, and the thread has taken in which callbacks
/// there are now. Not to be called from a callback.
pub(crate) fn settle() {
    // What follows the first alarm (the thread reads its list anew) comes before the second, which
    // is far enough ahead to be a turn of its own.
    alarm(1);
    alarm(2000);
}

/// Returns when an alarm has run on the callbacks' thread, `microseconds` from now.
fn alarm(microseconds: u64) {
    let (sender, receiver) = sync_channel::<()>(1);
    let argument = Box::into_raw(Box::new(sender));
    // An alarm runs on the callbacks' thread, behind those that were due before it.
    // SAFETY: `ring` takes the box back, and runs once, since the alarm is never cancelled.
    let code = unsafe { sys::rte_eal_alarm_set(microseconds, Some(ring), argument.cast()) };
    match code {
        0 => {
            let _ = receiver.recv_timeout(PATIENCE);
        }
        // SAFETY: the alarm was not set, so the box is still ours.
        _ => drop(unsafe { Box::from_raw(argument) }),
    }
}

/// Tells `alarm` that its turn has come.
unsafe extern "C" fn ring(argument: *mut c_void) {
    // SAFETY: the box that `alarm` gave away for this one call.
    let sender = unsafe { Box::from_raw(argument.cast::<SyncSender<()>>()) };
    // There is room for one, and if nobody waits any more nobody minds.
    let _ = sender.try_send(());
}
