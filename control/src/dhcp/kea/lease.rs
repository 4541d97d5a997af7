//! Leases as the server's commands have them.

use crate::dhcp::former::ServerLease;
use serde_json::{json, Value};
use sha2::{Digest, Sha256};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::HomeNetworkPrefix;

/// A client's name as text.
pub(super) fn name(duid: &[u8]) -> String {
    let octets: Vec<String> = duid.iter().map(|octet| format!("{octet:02x}")).collect();
    octets.join(":")
}

/// The octets of a name.
fn octets(text: &str) -> Option<Vec<u8>> {
    let octets = text.split(':').map(|octet| u8::from_str_radix(octet, 16));
    octets.collect::<Result<_, _>>().ok()
}

/// The leases for addresses in an answer that are in force at `now`. What is none of those, or is no
/// lease at all, is passed over.
pub(super) fn read(answer: &Value, now: Duration) -> Vec<ServerLease> {
    let listed = answer["leases"].as_array().into_iter().flatten();
    let leases = listed.filter_map(one);
    leases.filter(|lease| lease.ends > now).collect()
}

fn one(value: &Value) -> Option<ServerLease> {
    if value["type"] != "IA_NA" || value["state"] != 0 {
        return None;
    }
    let lifetime = u32::try_from(value["valid-lft"].as_u64()?).ok()?;
    let begun = Duration::from_secs(value["cltt"].as_u64()?);
    let address: Ipv6Addr = value["ip-address"].as_str()?.parse().ok()?;
    let usable = !address.is_multicast() && address.to_ipv4_mapped().is_none();
    usable.then_some(ServerLease {
        duid: octets(value["duid"].as_str()?)?,
        association: u32::try_from(value["iaid"].as_u64()?).ok()?,
        address,
        subnet: value["subnet-id"].as_u64()?,
        lifetime,
        ends: begun.checked_add(Duration::from_secs(lifetime.into()))?,
    })
}

/// What makes a lease last for its lifetime from now on, deprecated.
pub(super) fn kept(lease: &ServerLease) -> Value {
    json!({
        "ip-address": lease.address,
        "duid": name(&lease.duid),
        "iaid": lease.association,
        "subnet-id": lease.subnet,
        "valid-lft": lease.lifetime,
        "preferred-lft": 0,
    })
}

/// The address that a client has in a prefix: always the same, and nobody's else.
pub(super) fn address(prefix: HomeNetworkPrefix, duid: &[u8], association: u32) -> Ipv6Addr {
    let mut hash = Sha256::new();
    hash.update(prefix.prefix.octets());
    hash.update(association.to_be_bytes());
    hash.update(duid);
    let digest: [u8; 32] = hash.finalize().into();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    let hosts = u128::MAX
        .checked_shr(prefix.length.into())
        .unwrap_or_default();
    // The u bit of the interface identifier is clear: that which MAARs have in their prefixes has it set
    // (RFC 6543).
    let mask = hosts & !(0x0200_0000_0000_0000_u128);
    Ipv6Addr::from_bits(prefix.prefix.to_bits() | (u128::from_be_bytes(id) & mask))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease() -> Value {
        json!({
            "cltt": 1000, "duid": "00:01:02:ff", "fqdn-fwd": false, "fqdn-rev": false, "hostname": "",
            "iaid": 7, "ip-address": "2001:db8:2100::5", "preferred-lft": 300, "state": 0,
            "subnet-id": 3, "type": "IA_NA", "valid-lft": 600,
        })
    }

    #[test]
    fn a_lease_is_read_and_kept() {
        let answer = json!({ "leases": [lease()] });
        let read = read(&answer, Duration::from_secs(1500));
        let [one] = &read[..] else {
            panic!("{read:?}");
        };
        assert_eq!((one.association, one.subnet), (7, 3));
        assert_eq!(one.duid, [0, 1, 2, 255]);
        assert_eq!(one.ends, Duration::from_secs(1600));
        let kept = kept(one);
        assert_eq!(kept["duid"], "00:01:02:ff");
        assert_eq!(
            (&kept["preferred-lft"], &kept["valid-lft"]),
            (&json!(0), &json!(600))
        );
        assert!(
            super::read(&answer, Duration::from_secs(1600)).is_empty(),
            "over"
        );
    }

    /// IPv4 is no part of this: an address in its IPv6 form is no lease.
    ///
    /// Proves S2-36.
    #[test]
    fn what_is_no_lease_in_force_is_passed_over() {
        for (key, value) in [
            ("state", json!(1)),
            ("type", json!("IA_PD")),
            ("ip-address", json!("::ffff:192.0.2.1")),
            ("ip-address", json!("ff02::1")),
            ("ip-address", json!("192.0.2.1")),
            ("duid", json!("0x:01")),
            ("iaid", json!(-1)),
            ("cltt", json!(u64::MAX)),
            ("valid-lft", json!(u64::MAX)),
            ("subnet-id", json!(null)),
        ] {
            let mut lease = lease();
            lease[key] = value.clone();
            let answer = json!({ "leases": [lease] });
            assert!(read(&answer, Duration::ZERO).is_empty(), "{key}: {value}");
        }
        for nothing in [json!(null), json!({ "leases": 7 }), json!([1])] {
            assert!(read(&nothing, Duration::ZERO).is_empty());
        }
    }

    #[test]
    fn an_address_is_of_its_prefix_and_its_clients_alone() {
        let prefix: HomeNetworkPrefix = "2001:db8:2100:1::/64".parse().unwrap();
        let one = address(prefix, b"one", 1);
        assert!(prefix.contains(one));
        assert_eq!(one, address(prefix, b"one", 1));
        for other in [address(prefix, b"two", 1), address(prefix, b"one", 2)] {
            assert_ne!(one, other);
        }
        assert_eq!(one.octets()[8] & 2, 0);
    }
}
