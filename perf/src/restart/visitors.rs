//! Hosts that an access gateway has served before: what it has kept of them, written into its store as it
//! writes it itself.

use crate::gateway::configuration::{INTERFACES, REALM};
use crate::gateway::Kept;
use crate::traffic::plan::Plan;
use anyhow::{Context, Result};
use control::store::{Change, Durability, Embedded, Place, Store};
use roles::effect::{Encapsulation, Learned};
use roles::event::HostLink;
use roles::mag::VisitorAddress;
use roles::policy::Profile;
use roles::store::{Record, VisitorRecord};
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use wire::ether::MacAddr;
use wire::ipv6::address::link_local;
use wire::mh::{HomeNetworkPrefix, MnIdentifier};

/// Index of the access interface.
const ACCESS: u16 = 1;

/// Until bindings are refreshed, and until they end.
const REFRESH: Duration = Duration::from_secs(3000);
const LIFETIME: Duration = Duration::from_secs(3600);

/// Changes of one commit.
const COMMIT: usize = 10_000;

/// Link-layer address of a host.
pub(super) fn mac(host: u64) -> MacAddr {
    let [.., a, b, c, d] = host.to_be_bytes();
    MacAddr([2, 0x10, a, b, c, d])
}

/// The host with this link-layer address, if it is one's.
pub(super) fn number(mac: MacAddr) -> Option<u64> {
    match mac.0 {
        [2, 0x10, a, b, c, d] => Some(u32::from_be_bytes([a, b, c, d]).into()),
        _ => None,
    }
}

fn record(plan: &Plan, host: u64, now: Duration) -> Record {
    let mac = mac(host);
    let own = link_local(mac);
    let prefix = plan.home_network_prefix(host);
    let address = Ipv6Addr::from_bits(prefix.to_bits() | own.to_bits() & u128::from(u64::MAX));
    Record::Visitor(VisitorRecord {
        link: HostLink {
            interface: ACCESS,
            mac,
        },
        link_local: Some(own),
        addresses: vec![VisitorAddress {
            address,
            learned: Learned::Dad,
        }],
        dhcp_server: None,
        profile: Profile {
            mn_identifier: MnIdentifier::Nai(format!(
                "{}{REALM}",
                mac.to_string().replace(':', "-")
            )),
            lma: plan.given().anchor,
            home_network_prefixes: Vec::new(),
            managed: false,
            other: false,
            ipv4_home_address: None,
            ipv6: true,
            service_selection: None,
            domain: None,
            learn_addresses: true,
            simultaneous: false,
            mobility: true,
        },
        prefixes: vec![HomeNetworkPrefix {
            prefix,
            length: plan.given().host_length,
        }],
        delegated: Vec::new(),
        ipv4: None,
        encapsulation: Encapsulation::Plain,
        sequence: host as u16,
        refresh: now + REFRESH,
        ends: now + LIFETIME,
    })
}

/// Enters all hosts of `plan` into the store at `path` of an access gateway that does not run.
///
/// # Errors
/// What the store says.
pub(super) fn enter(plan: &Plan, path: PathBuf, kept: Kept) -> Result<()> {
    let place = Place {
        path,
        durability: match kept {
            Kept::PowerLoss => Durability::PowerLoss,
            Kept::Off | Kept::Process => Durability::Process,
        },
        role: "mag",
        address: plan.access_gateway(0),
        interfaces: INTERFACES.map(str::to_owned).to_vec(),
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let mut store = Embedded::open(place).context("the gateway's store")?;
    let mut changes = Vec::with_capacity(COMMIT);
    for host in 0..plan.given().hosts {
        changes.push(Change::Put(record(plan, host, now)));
        if changes.len() == COMMIT {
            store.commit(&changes)?;
            changes.clear();
        }
    }
    store.commit(&changes)?;
    Ok(())
}
