//! Domains in configurations: what goes, and what is wrong with each of those that do not.

use super::{load, said, LMA, MAG};

/// An LMA with two domains of the same addresses.
fn two() -> String {
    let interface = |name: &str, vlan: u16| {
        format!(
            "[[interface]]\nname = \"{name}\"\nport = \"core0\"\nvlan = {vlan}\nkind = \"core\"\n\
             domain = \"{name}\"\naddresses = [\"10.9.0.1/24\"]\n\n\
             [[route]]\nprefix = \"10.2.0.0/16\"\nvia = \"10.9.0.2\"\ndomain = \"{name}\"\n\n"
        )
    };
    let domain = |name: &str, first: u32, last: u32| {
        format!(
            "[[lma.domain]]\nname = \"{name}\"\nipv4_networks = [{{ prefix = \"10.1.0.0/16\" }}]\n\
             keys = [{first}, {last}]\n"
        )
    };
    let interfaces = interface("red", 10) + &interface("blue", 20) + "[[route]]";
    let text = LMA.replacen("[[route]]", &interfaces, 1);
    let text = text + "gre = \"accepted\"\n";
    text + &domain("red", 10, 19) + &domain("blue", 20, 29)
}

const POLICY: &str = r#"mags = []
[[host]]
identifier = "a@red"
domain = "red"
ipv4_home_address = "10.1.0.7"
[[host]]
identifier = "a@blue"
domain = "blue"
ipv4_home_address = "10.1.0.7"
"#;

/// Proves S1-46.
#[test]
fn two_domains_have_the_same_networks_links_routes_and_fixed_addresses() {
    let config = load(&two(), POLICY).expect("it loads");
    let lma = config.lma.as_ref().expect("an LMA");
    let networks = lma.domain.iter().map(|it| it.ipv4_networks.clone());
    let networks: Vec<_> = networks.collect();
    assert_eq!(networks[0], networks[1]);
    assert_eq!(config.route.len(), 3);
}

/// `from` replaced by `to` in the two domains' file is refused, and what is said of it holds `expected`, beside what
/// follows from it.
#[track_caller]
fn refused(from: &str, to: &str, expected: &str) {
    let good = two();
    assert!(good.contains(from), "`{from}` is not there to be spoiled");
    let error = load(&good.replacen(from, to, 1), POLICY).expect_err("it should be refused");
    let said = said(&error);
    assert!(said.iter().any(|it| it.contains(expected)), "{said:?}");
    assert!(error.problems.iter().all(|it| it.line.is_some()), "{error}");
}

#[test]
fn what_is_wrong_with_a_domain_is_said_with_its_line() {
    let twice = "{ prefix = \"10.1.0.0/16\" }, { prefix = \"10.1.2.0/24\" }]";
    refused(
        "{ prefix = \"10.1.0.0/16\" }]",
        twice,
        "10.1.2.0/24 overlaps 10.1.0.0/16",
    );
    let more = "10.9.0.1/24\", \"10.1.0.1/24";
    refused("10.9.0.1/24", more, "10.1.0.0/16 overlaps 10.1.0.0/24");
    refused(
        "keys = [20, 29]",
        "keys = [19, 29]",
        "some of them are keys of domain `red`, 10 to 19",
    );
    refused("keys = [20, 29]", "keys = [29, 20]", "20 is before 29");
    refused("keys = [20, 29]\n", "", "the key `keys` is missing here");
    refused("gre = \"accepted\"\n", "", "are told apart by GRE keys");
    refused("domain = \"red\"\naddr", "domain = \"rde\"\naddr", "rde");
    refused(
        "name = \"blue\"\nipv4",
        "name = \"red\"\nipv4",
        "there is a domain `red` already",
    );
    refused(
        "domain = \"red\"\naddr",
        "domain = \"Red\"\naddr",
        "begins with a letter",
    );
    let both = "domain = \"red\"\ninterface = \"blue\"\n\n[[interface]]";
    refused(
        "domain = \"red\"\n\n[[interface]]",
        both,
        "interface `blue` is of another domain",
    );
}

#[test]
fn a_policy_names_domains_that_there_are() {
    let policy = POLICY.replace("domain = \"blue\"", "domain = \"green\"");
    let error = load(&two(), &policy).expect_err("it should be refused");
    let said = said(&error);
    assert!(
        said.len() == 1 && said[0].contains("there is no [[lma.domain]] `green`"),
        "{said:?}"
    );
    let twice = POLICY.replace("domain = \"blue\"", "domain = \"red\"");
    let error = load(&two(), &twice).expect_err("it should be refused");
    assert!(
        error.to_string().contains("10.1.0.7 is given already"),
        "{error}"
    );
}

/// A relay agent's servers for a domain: of one that an access interface has, once.
#[test]
fn a_domain_has_dhcpv4_servers_of_its_own() {
    let addresses = "\"2001:db8:c::11/64\", \"192.0.2.11/24\"";
    let mag = MAG
        .replace("\"2001:db8:c::11/64\"", addresses)
        .replacen("router =", "domain = \"red\"\nrouter =", 1)
        .replacen("[mag]\n", "[mag]\ngre = true\n", 1);
    let table = "[mag.dhcpv4]\naddress = \"192.0.2.11\"\nservers = [\"192.0.2.53\"]\n";
    let with = |domains: &[(&str, &str)]| {
        let domain = |(name, servers): &(&str, &str)| {
            format!("[[mag.dhcpv4.domain]]\nname = \"{name}\"\nservers = [{servers}]\n")
        };
        let domains: String = domains.iter().map(domain).collect();
        let error = load(&format!("{mag}{table}{domains}"), "").err();
        error.map_or_else(String::new, |error| error.to_string())
    };
    let server = "\"192.0.2.54\"";
    assert_eq!(with(&[("red", server)]), "");
    assert!(with(&[("green", server)]).contains("no access interface has domain = \"green\""));
    assert!(with(&[("red", "")]).contains("name 1 to 8 servers"));
    assert!(with(&[("red", "\"224.0.0.1\"")]).contains("cannot be relayed to"));
    let twice = with(&[("red", server), ("red", server)]);
    assert!(
        twice.contains("there are servers of domain `red` already"),
        "{twice}"
    );
}

#[test]
fn a_gateway_has_domains_on_access_interfaces_and_with_keys() {
    let text = MAG.replacen("router =", "domain = \"red\"\nrouter =", 1);
    let error = load(&text, "").expect_err("it should be refused");
    assert!(
        error.to_string().contains("needs `gre = true` in [mag]"),
        "{error}"
    );
    let keyed = text.replacen("[mag]\n", "[mag]\ngre = true\n", 1);
    load(&keyed, "").expect("it loads");
    let core = MAG.replacen("kind = \"core\"", "kind = \"core\"\ndomain = \"red\"", 1);
    let error = load(&core, "").expect_err("it should be refused");
    assert!(
        error
            .to_string()
            .contains("the core of a MAG is of no domain"),
        "{error}"
    );
}
