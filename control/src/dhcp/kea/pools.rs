//! Whether a server leases what this gateway gives hosts prefixes of (S2-38): our pools against the
//! subnets of its configuration.

use serde_json::Value;
use std::net::Ipv6Addr;
use wire::mh::HomeNetworkPrefix;

/// Commands of the server that we need. Those about leases come with its hook library lease_cmds.
const COMMANDS: [&str; 4] = [
    "lease6-get-by-duid",
    "lease6-add",
    "lease6-update",
    "lease6-del",
];

/// What is wrong with a pool at the server, or with the server as a whole. Empty: nothing.
pub type Mismatches = Vec<String>;

/// A subnet of the server.
struct Subnet {
    prefix: HomeNetworkPrefix,
    /// First and last address of each of its address pools.
    pools: Vec<(Ipv6Addr, Ipv6Addr)>,
    /// The shared network that it is in.
    network: Option<String>,
}

/// First and last address of a range, written as a prefix or as both.
fn range(text: &str) -> Option<(Ipv6Addr, Ipv6Addr)> {
    if let Some((first, last)) = text.split_once('-') {
        return Some((first.trim().parse().ok()?, last.trim().parse().ok()?));
    }
    prefix(text).map(ends)
}

fn prefix(text: &str) -> Option<HomeNetworkPrefix> {
    text.trim().parse().ok()
}

/// First and last address of a prefix.
fn ends(prefix: HomeNetworkPrefix) -> (Ipv6Addr, Ipv6Addr) {
    let hosts = u128::MAX.checked_shr(prefix.length.into()).unwrap_or(0);
    let first = prefix.prefix.to_bits();
    (prefix.prefix, Ipv6Addr::from_bits(first | hosts))
}

fn subnet(value: &Value, network: Option<&str>) -> Option<Subnet> {
    let pools = value["pools"].as_array().into_iter().flatten();
    Some(Subnet {
        prefix: prefix(value["subnet"].as_str()?)?,
        pools: pools
            .filter_map(|pool| range(pool["pool"].as_str()?))
            .collect(),
        network: network.map(str::to_owned),
    })
}

/// The subnets of a configuration, as `config-get` answers it.
fn subnets(configuration: &Value) -> Vec<Subnet> {
    let server = &configuration["Dhcp6"];
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut found: Vec<Subnet> = list(&server["subnet6"])
        .iter()
        .filter_map(|value| subnet(value, None))
        .collect();
    for network in list(&server["shared-networks"]) {
        let name = network["name"].as_str();
        let within = list(&network["subnet6"]);
        found.extend(within.iter().filter_map(|value| subnet(value, name)));
    }
    found
}

fn holds(outer: HomeNetworkPrefix, inner: HomeNetworkPrefix) -> bool {
    outer.length <= inner.length && outer.contains(inner.prefix)
}

/// Whether the ranges hold every address from the first to the last.
fn cover(ranges: &[(Ipv6Addr, Ipv6Addr)], (first, last): (Ipv6Addr, Ipv6Addr)) -> bool {
    let mut sorted = ranges.to_vec();
    sorted.sort_unstable();
    let mut next = first.to_bits();
    for (low, high) in sorted {
        if low.to_bits() > next || high.to_bits() < next {
            continue;
        }
        if high >= last {
            return true;
        }
        next = high.to_bits() + 1;
    }
    false
}

/// What the server's configuration and its commands lack of what we need.
pub fn compare(pools: &[HomeNetworkPrefix], configuration: &Value, commands: &Value) -> Mismatches {
    let known = commands.as_array().cloned().unwrap_or_default();
    let lacks = |name: &&str| !known.iter().any(|it| it == name);
    let mut wrong = Vec::new();
    let lacking: Vec<&str> = COMMANDS.into_iter().filter(|name| lacks(name)).collect();
    if !lacking.is_empty() {
        wrong.push(format!(
            "the server has no command {}: load libdhcp_lease_cmds.so in its `hooks-libraries`",
            lacking.join(", ")
        ));
    }
    let subnets = subnets(configuration);
    wrong.extend(pools.iter().filter_map(|&pool| pool_of(&subnets, pool)));
    wrong
}

/// What is wrong with one of our pools at the server.
fn pool_of(subnets: &[Subnet], pool: HomeNetworkPrefix) -> Option<String> {
    let touching = |it: &&Subnet| holds(it.prefix, pool) || holds(pool, it.prefix);
    let touching: Vec<&Subnet> = subnets.iter().filter(touching).collect();
    if touching.is_empty() {
        return Some(format!(
            "the server has no subnet for our pool {pool}: add {{ \"subnet\": \"{pool}\", \"pools\": [ {{ \
             \"pool\": \"{pool}\" }} ] }} to its `subnet6`"
        ));
    }
    let ranges: Vec<_> = touching.iter().flat_map(|it| it.pools.clone()).collect();
    if !cover(&ranges, ends(pool)) {
        return Some(format!(
            "the server's pools hold our pool {pool} in part: make \"{pool}\" a pool of its subnet {}",
            touching[0].prefix
        ));
    }
    let network = touching.iter().find_map(|it| it.network.as_deref())?;
    let beside = subnets.iter().any(|it| {
        let ours = holds(it.prefix, pool) || holds(pool, it.prefix);
        it.network.as_deref() == Some(network) && !ours
    });
    beside.then(|| {
        format!(
            "the server shares our pool {pool} with others in its network {network}: a host here would get \
             addresses of another MAAR; take its subnet out of `shared-networks`"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ours(text: &str) -> Vec<HomeNetworkPrefix> {
        vec![prefix(text).unwrap()]
    }

    fn compared(server: &Value) -> Mismatches {
        let configuration = json!({ "Dhcp6": server });
        compare(
            &ours("2001:db8:2100::/40"),
            &configuration,
            &json!(COMMANDS),
        )
    }

    fn subnet6(subnet: &str, pools: &[&str]) -> Value {
        let pools: Vec<_> = pools.iter().map(|pool| json!({ "pool": pool })).collect();
        json!({ "id": 1, "subnet": subnet, "pools": pools })
    }

    /// Proves S2-38.
    #[test]
    fn a_pool_that_the_server_leases_is_in_order() {
        let whole = subnet6("2001:db8:2100::/40", &["2001:db8:2100::/40"]);
        let larger = subnet6("2001:db8::/32", &["2001:db8:2000::-2001:db8:2fff:ffff::"]);
        let halves = [
            subnet6("2001:db8:2180::/41", &["2001:db8:2180::/41"]),
            subnet6("2001:db8:2100::/41", &["2001:db8:2100::/41"]),
        ];
        for subnets in [json!([whole]), json!([larger]), json!(halves)] {
            assert_eq!(compared(&json!({ "subnet6": subnets })), [""; 0]);
        }
        let network = json!({ "name": "one", "subnet6": [whole] });
        let alone = json!({ "shared-networks": [network] });
        assert_eq!(compared(&alone), [""; 0]);
    }

    /// Proves S2-38.
    #[test]
    fn each_mismatch_is_said_with_what_to_do() {
        let wrong = |server: Value, says: &str| {
            let found = compared(&server);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(says), "{found:?}");
        };
        wrong(json!({}), "no subnet for our pool 2001:db8:2100::/40");
        let other = subnet6("2001:db8:2200::/40", &["2001:db8:2200::/40"]);
        wrong(json!({ "subnet6": [other] }), "no subnet");
        let part = subnet6("2001:db8:2100::/40", &["2001:db8:2100::/48"]);
        wrong(json!({ "subnet6": [part] }), "in part");
        let gap = subnet6(
            "2001:db8:2100::/40",
            &["2001:db8:2100::/41", "2001:db8:2181::/41"],
        );
        wrong(json!({ "subnet6": [gap] }), "in part");
        let whole = subnet6("2001:db8:2100::/40", &["2001:db8:2100::/40"]);
        let shared = json!({ "name": "one", "subnet6": [whole, other] });
        wrong(json!({ "shared-networks": [shared] }), "another MAAR");
        let bare = json!({ "Dhcp6": { "subnet6": [whole] } });
        let found = compare(&ours("2001:db8:2100::/40"), &bare, &json!(["config-get"]));
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("libdhcp_lease_cmds.so"), "{found:?}");
        // What is no configuration has nothing of ours either.
        let nothing = compare(&ours("2001:db8:2100::/40"), &json!(7), &json!("x"));
        assert_eq!(nothing.len(), 2);
    }
}
