//! What a client has leased on other links, put into the answer of a server that leases it what fits this
//! link: deprecated, for sessions that go on (RFC 8415 section 21.6).
//!
//! ```text
//!   IA_NA of the server           IA_NA for the client
//!   ┌───────────────────────┐     ┌────────────────────────────────┐
//!   │ new   preferred valid │     │ new    preferred    valid      │  as it came
//!   │ old       0       0   │ ──► │ old        0        what is left  a session may live on it
//!   └───────────────────────┘     │ older      0        what is left  the server said nothing of it
//!                                 └────────────────────────────────┘
//! ```

use super::{code, put, Options};
use crate::reader::Reader;
use std::net::Ipv6Addr;

/// An address that a client has leased on another link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormerLease {
    /// Its identity association.
    pub association: u32,
    /// The address.
    pub address: Ipv6Addr,
    /// Seconds for which it is valid yet.
    pub valid: u32,
}

/// Octets of an association for addresses before its options.
const FIXED: usize = 12;

/// The answer of a server with what its client has leased on other links: in the association that it was
/// leased in, no longer preferred, and valid for as long as it is. An association that comes back without
/// any lease of its own says why, and stays as it is; so does all else.
pub fn with_former(message: &[u8], former: &[FormerLease]) -> Vec<u8> {
    let (head, rest) = message.split_at(message.len().min(4));
    let mut bytes = head.to_vec();
    for option in Options::new(rest).flatten() {
        let completed = match option.code {
            code::IA_NA => completed(option.data, former),
            _ => None,
        };
        match completed {
            Some(data) if data.len() <= usize::from(u16::MAX) => {
                put(code::IA_NA, &[&data], &mut bytes);
            }
            _ => bytes.extend(option.whole),
        }
    }
    bytes
}

/// The identity associations for addresses that a message names.
pub fn associations(message: &[u8]) -> Vec<u32> {
    let rest = message.get(4..).unwrap_or_default();
    let named = Options::new(rest).flatten();
    let named = named.filter(|option| option.code == code::IA_NA);
    named
        .filter_map(|option| Reader(option.data).u32())
        .collect()
}

/// An association with former leases; `None` when there is nothing to change.
fn completed(data: &[u8], former: &[FormerLease]) -> Option<Vec<u8>> {
    let (fixed, inner) = (data.get(..FIXED)?, data.get(FIXED..)?);
    let association = Reader(fixed).u32()?;
    let mut missing: Vec<&FormerLease> = former
        .iter()
        .filter(|lease| lease.association == association)
        .collect();
    let mut changed = fixed.to_vec();
    let mut leases = 0;
    for option in Options::new(inner) {
        let option = option.ok()?;
        let address = match option.code {
            code::IA_ADDRESS => Reader(option.data).address(),
            _ => None,
        };
        let Some(address) = address else {
            changed.extend(option.whole);
            continue;
        };
        leases += 1;
        match missing.iter().position(|lease| lease.address == address) {
            Some(at) => deprecated(missing.swap_remove(at), &mut changed),
            None => changed.extend(option.whole),
        }
    }
    if leases == 0 {
        return None;
    }
    for lease in missing {
        deprecated(lease, &mut changed);
    }
    (changed != data).then_some(changed)
}

fn deprecated(lease: &FormerLease, bytes: &mut Vec<u8>) {
    let times = [[0; 4], lease.valid.to_be_bytes()].concat();
    put(code::IA_ADDRESS, &[&lease.address.octets(), &times], bytes);
}

#[cfg(test)]
mod tests {
    use super::super::{kind, mend, ClientMessage};
    use super::*;

    fn address(last: u16) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, last, 0, 0, 0, 0, last)
    }

    fn option(address: Ipv6Addr, preferred: u32, valid: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let times = [preferred.to_be_bytes(), valid.to_be_bytes()].concat();
        put(code::IA_ADDRESS, &[&address.octets(), &times], &mut bytes);
        bytes
    }

    fn reply(inner: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind::REPLY, 1, 2, 3];
        put(code::CLIENT_ID, &[b"client"], &mut bytes);
        put(code::IA_NA, &[&[0, 0, 0, 9], &[1; 8], inner], &mut bytes);
        put(999, &[b"unknown"], &mut bytes);
        bytes
    }

    fn former(last: u16, valid: u32) -> FormerLease {
        FormerLease {
            association: 9,
            address: address(last),
            valid,
        }
    }

    /// Proves S2-41.
    #[test]
    fn what_was_leased_before_is_deprecated_and_stays_valid() {
        let new = option(address(3), 300, 600);
        let retired = option(address(1), 0, 0);
        let bytes = reply(&[new.clone(), retired].concat());
        let bytes = with_former(&bytes, &[former(1, 200), former(2, 100)]);
        let wanted = [new, option(address(1), 0, 200), option(address(2), 0, 100)];
        assert_eq!(bytes, reply(&wanted.concat()));
        assert_eq!(mend(&bytes, |_| true).leases.len(), 3);
    }

    #[test]
    fn what_has_no_lease_of_its_own_stays_as_it_came() {
        let mut status = Vec::new();
        put(code::STATUS, &[&[0, 2]], &mut status);
        let refused = reply(&status);
        assert_eq!(with_former(&refused, &[former(1, 200)]), refused);
        let other = FormerLease {
            association: 8,
            ..former(1, 200)
        };
        let given = reply(&option(address(3), 300, 600));
        assert_eq!(with_former(&given, &[other]), given);
        assert_eq!(with_former(&given, &[]), given);
        assert_eq!(associations(&given), [9]);
    }

    #[test]
    fn broken_messages_are_left_alone() {
        let bytes = reply(&option(address(3), 300, 600));
        for end in 0..bytes.len() {
            let cut = &bytes[..end];
            let _any = associations(cut);
            let completed = with_former(cut, &[former(1, 200)]);
            assert_eq!(ClientMessage::parse(&completed).is_ok(), end >= 4, "{end}");
        }
        let broken = reply(&option(address(3), 300, 600)[..20]);
        assert_eq!(with_former(&broken, &[former(1, 200)]), broken);
    }
}
