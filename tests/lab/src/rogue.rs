//! A host that behaves badly: it starves, lies and spoofs, by frames that no kernel of an honest host sends.

use crate::host::{Host, INTERFACE};
use anyhow::Result;

/// Sends such frames from a host's interface, and returns when they are sent. What there is: `starve COUNT`, `names COUNT`,
/// `decline ADDRESS SERVER` and `router MAC ADDRESS` of DHCPv4 and ARP; of IPv6 `solicit COUNT MILLISECONDS`, `strangers
/// COUNT`, `neighbour ADDRESS` and `advertise SOURCE PREFIX LIFETIME`.
///
/// # Errors
/// When the frames cannot be sent.
pub fn misbehave(host: &Host, words: &[&str]) -> Result<()> {
    let mut line = vec!["python3", "-c", include_str!("rogue.py"), INTERFACE];
    line.extend(words);
    host.namespace.run(&line).map(drop)
}
