//! What a server leases: addresses and prefixes in identity associations (RFC 8415 sections 21.4 to
//! 21.6, 21.21 and 21.22), and taking out of a message what a client must not have.

use super::{code, put, status, Options};
use crate::reader::Reader;
use std::net::Ipv6Addr;

/// Something that is leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The address, or the first of the prefix.
    pub address: Ipv6Addr,
    /// Length of the prefix; 128 for an address.
    pub length: u8,
    /// Seconds for which it is valid; zero: no longer.
    pub valid: u32,
    /// Whether it is delegated; else it is an address.
    pub delegated: bool,
}

/// A message without what its client must not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mended {
    /// The message. Where nothing was taken out, these are the octets that came.
    pub bytes: Vec<u8>,
    /// What the client has by it.
    pub leases: Vec<Lease>,
    /// Identity associations that were emptied.
    pub emptied: usize,
}

/// Octets of an association before its options; `None` for an option that is none.
const fn fixed_part(option: u16) -> Option<usize> {
    match option {
        code::IA_NA | code::IA_PD => Some(12),
        code::IA_TA => Some(4),
        _ => None,
    }
}

/// The lease that an option of an association tells; `Some(None)` when it is broken.
fn lease(option: u16, data: &[u8]) -> Option<Option<Lease>> {
    let mut reader = Reader(data);
    match option {
        code::IA_ADDRESS => Some((|| {
            let address = reader.address()?;
            let _preferred = reader.u32()?;
            Some(Lease {
                address,
                length: 128,
                valid: reader.u32()?,
                delegated: false,
            })
        })()),
        code::IA_PREFIX => Some((|| {
            let _preferred = reader.u32()?;
            let valid = reader.u32()?;
            let length = reader.octet()?;
            Some(Lease {
                address: reader.address()?,
                length,
                valid,
                delegated: true,
            })
        })()),
        _ => None,
    }
}

/// The leases of an association; `None` when it is broken.
fn leases(option: u16, data: &[u8]) -> Option<Vec<Lease>> {
    let inner = data.get(fixed_part(option)?..)?;
    let mut found = Vec::new();
    for option in Options::new(inner) {
        let option = option.ok()?;
        if let Some(lease) = lease(option.code, option.data) {
            found.push(lease?);
        }
    }
    Some(found)
}

/// Goes through the message of a client or server: an identity association that leases something which
/// is not `allowed`, or that is broken, is emptied and says that there is nothing to give; all else
/// stays as it is. What has ended may always be said.
pub fn mend(message: &[u8], allowed: impl Fn(&Lease) -> bool) -> Mended {
    let (head, rest) = message.split_at(message.len().min(4));
    let mut mended = Mended {
        bytes: head.to_vec(),
        leases: Vec::new(),
        emptied: 0,
    };
    for option in Options::new(rest).flatten() {
        if fixed_part(option.code).is_none() {
            mended.bytes.extend(option.whole);
            continue;
        }
        let fits = |lease: &Lease| lease.valid == 0 || allowed(lease);
        let leases = leases(option.code, option.data);
        match leases.filter(|leases| leases.iter().all(fits)) {
            Some(leases) => {
                mended.leases.extend(leases);
                mended.bytes.extend(option.whole);
            }
            None => {
                mended.emptied += 1;
                empty(option.code, option.data, &mut mended.bytes);
            }
        }
    }
    mended
}

/// Appends the association without its leases.
fn empty(option: u16, data: &[u8], bytes: &mut Vec<u8>) {
    let Some(identifier) = data.get(..4) else {
        return;
    };
    let status = match option {
        code::IA_PD => status::NO_PREFIXES,
        _ => status::NO_ADDRESSES,
    };
    let mut inner = Vec::new();
    put(code::STATUS, &[&status.to_be_bytes()], &mut inner);
    let times: &[u8] = match option {
        code::IA_TA => &[],
        _ => &[0; 8],
    };
    put(option, &[identifier, times, &inner], bytes);
}

#[cfg(test)]
mod tests {
    use super::super::{kind, ClientMessage, Malformed, RelayMessage};
    use super::*;

    fn address(last: u16, valid: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last);
        let times = [[0; 4], valid.to_be_bytes()].concat();
        put(code::IA_ADDRESS, &[&address.octets(), &times], &mut bytes);
        bytes
    }

    fn reply(association: u16, inner: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind::REPLY, 1, 2, 3];
        put(code::CLIENT_ID, &[b"client"], &mut bytes);
        put(association, &[&[0, 0, 0, 9], &[1; 8], inner], &mut bytes);
        put(999, &[b"unknown"], &mut bytes);
        bytes
    }

    #[test]
    fn what_is_allowed_stays_as_it_came() {
        let bytes = reply(code::IA_NA, &[address(7, 60), address(8, 0)].concat());
        let mended = mend(&bytes, |lease| lease.address.segments()[7] == 7);
        assert_eq!((mended.emptied, &mended.bytes), (0, &bytes));
        let valid: Vec<_> = mended.leases.iter().map(|lease| lease.valid).collect();
        assert_eq!(valid, [60, 0]);
    }

    #[test]
    fn what_is_not_allowed_is_taken_out_and_the_rest_kept() {
        let bytes = reply(code::IA_NA, &address(7, 60));
        let mended = mend(&bytes, |_| false);
        assert_eq!((mended.emptied, mended.leases.len()), (1, 0));
        let message = ClientMessage::parse(&mended.bytes).unwrap();
        assert_eq!(message.options.first(999), Some(&b"unknown"[..]));
        let emptied = message.options.first(code::IA_NA).unwrap();
        assert_eq!(emptied[..4], [0, 0, 0, 9]);
        assert_eq!(emptied[4..12], [0; 8]);
        assert_eq!(
            Options::new(&emptied[12..]).first(code::STATUS),
            Some(&[0, 2][..])
        );
    }

    #[test]
    fn a_delegated_prefix_is_a_lease() {
        let mut inner = Vec::new();
        let prefix = Ipv6Addr::new(0x2001, 0xdb8, 5, 0, 0, 0, 0, 0).octets();
        let times = [0, 0, 0, 1, 0, 0, 0, 2];
        put(code::IA_PREFIX, &[&times, &[56], &prefix], &mut inner);
        let bytes = reply(code::IA_PD, &inner);
        let mended = mend(&bytes, |lease| lease.delegated && lease.length == 56);
        assert_eq!(mended.leases.len(), 1);
        let emptied = mend(&bytes, |_| false);
        let message = ClientMessage::parse(&emptied.bytes).unwrap();
        let data = message.options.first(code::IA_PD).unwrap();
        assert_eq!(
            Options::new(&data[12..]).first(code::STATUS),
            Some(&[0, 6][..])
        );
    }

    #[test]
    fn broken_messages_are_named_and_broken_associations_emptied() {
        let bytes = reply(code::IA_NA, &address(7, 60));
        for end in 0..bytes.len() {
            let _any = mend(&bytes[..end], |_| true);
            // Cut between two options it is whole.
            let parsed = ClientMessage::parse(&bytes[..end]);
            assert_eq!(parsed.is_ok(), [4, 14, 58].contains(&end), "{end}");
            assert!(RelayMessage::parse(&bytes[..end.min(33)]).is_err());
        }
        let broken = reply(code::IA_NA, &address(7, 60)[..20]);
        assert_eq!(mend(&broken, |_| true).emptied, 1);
        let short = reply(code::IA_PD, &[]);
        assert_eq!(mend(&short, |_| false).emptied, 0);
        assert_eq!(ClientMessage::parse(&[1]).err(), Some(Malformed));
    }
}
