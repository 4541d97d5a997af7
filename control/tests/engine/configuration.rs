//! The configurations of the gateways of these tests, and their policies.
//!
//! ```text
//!   2001:db8:c::1        the anchor, with the internet behind it
//!   2001:db8:c::11, 12   access gateways
//!   2001:db8:c::21, 22   MAARs        2001:db8:c::2c   their database, where they have one
//! ```

use testbed::configuration::with_hosts;
use wire::ether::MacAddr;

/// The link-layer address that every access interface shows.
pub const ROUTER_MAC: MacAddr = MacAddr([0x02, 0, 0x5e, 0, 0x52, 0x13]);

/// The anchor's.
pub const LMA: &str = r#"
[gateway]
name = "lma"
[workers]
cores = [0]
[[port]]
name = "core0"
device = "net_null0"
[[port]]
name = "inet0"
device = "net_null1"
[[interface]]
name = "core"
port = "core0"
kind = "core"
addresses = ["2001:db8:c::1/64"]
[[interface]]
name = "internet"
port = "inet0"
kind = "core"
addresses = ["2001:db8:100::1/64"]
[[route]]
prefix = "::/0"
via = "2001:db8:100::10"
[error_source]
address = "2001:db8:c::1"
[lma]
address = "2001:db8:c::1"
policy = "policy.toml"
pools = [{ prefix = "2001:db8:1000::/48", length = 64 }]
"#;

/// The anchor's policy.
pub const LMA_POLICY: &str = r#"
mags = ["2001:db8:c::11", "2001:db8:c::12"]
serve_unlisted = true
"#;

/// An access gateway's.
pub fn mag(address: &str) -> String {
    let mag = format!(
        r#"
[[route]]
prefix = "::/0"
via = "2001:db8:c::1"
[error_source]
address = "2001:db8:c::1"
[mag]
address = "{address}"
policy = "policy.toml"
"#
    );
    with_hosts("mag", address) + &mag
}

/// Policy of the access gateways: two hosts, the first from a home link that has DHCPv6 for other
/// configuration.
pub const MAG_POLICY: &str = r#"
[[host]]
mac = "02:00:00:00:00:01"
identifier = "mn1@example.net"
lma = "2001:db8:c::1"
other = true

[[host]]
mac = "02:00:00:00:00:02"
identifier = "mn2@example.net"
lma = "2001:db8:c::1"
"#;

/// The first or second of two MAARs; `role` is what else its table has, and further tables.
fn maar(number: usize, role: &str) -> String {
    let other = 3 - number;
    let maar = format!(
        r#"
[error_source]
address = "2001:db8:c::2{number}"
[[maar.neighbour]]
address = "2001:db8:c::2{other}"
pools = ["2001:db8:2{other}00::/40"]
[maar]
address = "2001:db8:c::2{number}"
policy = "policy.toml"
pools = [{{ prefix = "2001:db8:2{number}00::/40", length = 64 }}]
unused_after = 60
{role}"#
    );
    with_hosts("maar", &format!("2001:db8:c::2{number}")) + &maar
}

/// The first of two MAARs with a database.
pub fn maar_with_database() -> String {
    maar(1, "cmd = \"2001:db8:c::2c\"\n")
}

/// One of two MAARs without a database, and with a DHCPv6 server that knows where hosts come from.
pub fn maar_with_leases(number: usize, server: &str) -> String {
    let other = 3 - number;
    let role = format!(
        r#"discovery = "dhcpv6"
dlif = false
[maar.dhcpv6]
servers = ["{server}"]
control = "/run/kea/kea6.sock"
[[route]]
prefix = "2001:db8:2{number}00::/40"
unreachable = true
[[route]]
prefix = "2001:db8:2{other}00::/40"
via = "2001:db8:c::2{other}"
"#
    );
    maar(number, &role)
}

/// Policy of a MAAR with one host.
pub const MAAR_POLICY: &str = r#"
[[host]]
mac = "02:00:00:00:00:01"
identifier = "mn1@example.net"
"#;

/// Policy of a MAAR with hosts that have DHCPv6, one of them without the mobility service.
pub const MAAR_POLICY_OF_LEASES: &str = r#"
[[host]]
mac = "02:00:00:00:00:01"
identifier = "mn1@example.net"
managed = true

[[host]]
mac = "02:00:00:00:00:02"
identifier = "visitor@example.net"
managed = true
mobility = false
"#;
