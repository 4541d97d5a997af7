//! Configurations that are right, to be run with, added to or spoiled. What is said of a mistake names its
//! line: a line more here is one more there.

/// The configuration of a gateway with hosts: `gateway` stands behind its name, `role` at the end.
macro_rules! with_hosts {
    ($name:literal, $gateway:literal, $address:literal, $router:literal, $mac:literal, $role:literal) => {
        concat!(
            "[gateway]\nname = \"",
            $name,
            "\"\n",
            $gateway,
            r#"
[workers]
cores = [1]

[[port]]
name = "core0"
device = "net_null0"

[[port]]
name = "acc0"
device = "net_null1"

[[interface]]
name = "core"
port = "core0"
kind = "core"
addresses = [""#,
            $address,
            r#"/64"]

[[interface]]
name = "access"
port = "acc0"
kind = "access"
router = ""#,
            $router,
            "\"\nmac = \"",
            $mac,
            "\"\n\n",
            $role
        )
    };
}

/// A MAG's.
pub const MAG: &str = with_hosts!(
    "mag",
    "socket = \"mag.sock\"\n",
    "2001:db8:c::11",
    "fe80::1",
    "02:00:5e:00:52:13",
    r#"[mag]
address = "2001:db8:c::11"
policy = "policy.toml"
"#
);

/// A MAAR's, with two neighbours.
pub const MAAR: &str = with_hosts!(
    "maar",
    "",
    "2001:db8:c::21",
    "fe80::21",
    "02:00:5e:00:52:21",
    r#"[maar]
address = "2001:db8:c::21"
cmd = "2001:db8:c::c"
policy = "policy.toml"
pools = [{ prefix = "2001:db8:2100::/40", length = 64 }]

[[maar.neighbour]]
address = "2001:db8:c::22"
pools = ["2001:db8:2200::/40"]
router = "fe80::22"
mac = "02:00:5e:00:52:22"

[[maar.neighbour]]
address = "2001:db8:c::23"
pools = ["2001:db8:2300::/40", "2001:db8:2400::/40"]
"#
);

/// An LMA's.
pub const LMA: &str = r#"[gateway]
name = "lma"

[workers]
cores = [1]

[[port]]
name = "core0"
device = "net_null0"

[[interface]]
name = "core"
port = "core0"
kind = "core"
addresses = ["2001:db8:c::1/64"]

[[route]]
prefix = "::/0"
via = "2001:db8:c::99"

[lma]
address = "2001:db8:c::1"
policy = "policy.toml"
pools = [{ prefix = "2001:db8:1000::/40" }]
"#;

/// A policy of the LMA.
pub const LMA_POLICY: &str = "mags = []\n";

/// What a gateway with hosts has before its role: a core link, on which it has this address, and an access
/// link. It is called as its role is.
pub fn with_hosts(name: &str, address: &str) -> String {
    let (links, _) = MAG.split_once("[mag]").expect("the role stands last");
    let links = links.replace("socket = \"mag.sock\"\n", "");
    let links = links.replace("\"mag\"", &format!("\"{name}\""));
    links.replace("2001:db8:c::11", address)
}
