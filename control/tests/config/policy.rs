//! Policy files.

use super::{load, said, LMA, MAG};
use control::config::Policy;
use control::policy::{AccessPolicy, Answer, FilePolicy};
use roles::event::HostLink;
use roles::policy::Profile;
use wire::ether::MacAddr;
use wire::mh::MnIdentifier;

const MAG_POLICY: &str = r#"[[host]]
mac = "02:00:00:00:00:01"
identifier = "mn1@example.net"
lma = "2001:db8:c::1"
home_network_prefixes = ["2001:db8:1000:1::/64"]

[[host]]
mac = "02:00:00:00:00:02"
identifier = "mn2@example.net"
lma = "2001:db8:c::1"
managed = true
"#;

const LMA_POLICY: &str = r#"mags = ["2001:db8:c::11"]
serve_unlisted = true

[[host]]
identifier = "mn1@example.net"
home_network_prefixes = ["2001:db8:1000:1::/64"]

[[host]]
identifier = "mn2@example.net"
proxy_registration = false
"#;

fn ask(policy: &mut impl AccessPolicy, mac: u8) -> Option<Profile> {
    let mac = MacAddr([2, 0, 0, 0, 0, mac]);
    match policy.authenticate(HostLink { interface: 1, mac }, None) {
        Answer::Now(profile) => profile,
        Answer::Later | Answer::Busy => panic!("a file answers at once"),
    }
}

fn mag_policy(text: &str) -> FilePolicy {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("policy.toml");
    std::fs::write(&file, text).expect("written");
    FilePolicy::load(&file, false).expect("it should load")
}

/// Proves S1-23, S1-35.
#[test]
fn a_listed_host_is_known_with_identity_anchor_and_prefix() {
    let mut policy = mag_policy(MAG_POLICY);
    let profile = ask(&mut policy, 1).expect("the host is listed");
    assert_eq!(
        profile.mn_identifier,
        MnIdentifier::Nai("mn1@example.net".into())
    );
    assert_eq!(profile.lma.to_string(), "2001:db8:c::1");
    let prefixes: Vec<_> = profile
        .home_network_prefixes
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(prefixes, ["2001:db8:1000:1::/64"]);
    assert!(!profile.managed && !profile.other);
    assert!(ask(&mut policy, 2).expect("the host is listed").managed);
}

/// Proves S1-24.
#[test]
fn a_host_that_is_not_listed_may_not_attach() {
    assert_eq!(ask(&mut mag_policy(MAG_POLICY), 3), None);
}

#[test]
fn a_default_gives_each_host_an_identity_of_its_own() {
    let text = format!(
        "{MAG_POLICY}\n[default]\nidentifier = \"{{mac}}@guest.example.net\"\nlma = \"2001:db8:c::1\"\n"
    );
    let mut policy = mag_policy(&text);
    let guest = ask(&mut policy, 7).expect("there is a default");
    let identifier = "02-00-00-00-00-07@guest.example.net";
    assert_eq!(guest.mn_identifier, MnIdentifier::Nai(identifier.into()));
    let listed = ask(&mut policy, 1).expect("the host is listed");
    assert_eq!(
        listed.mn_identifier,
        MnIdentifier::Nai("mn1@example.net".into())
    );
}

#[track_caller]
fn refused(config: &str, good: &str, from: &str, to: &str, expected: &str) {
    assert!(good.contains(from), "`{from}` is not there to be spoiled");
    let error = load(config, &good.replacen(from, to, 1)).expect_err("it should be refused");
    assert_eq!(said(&error), [expected]);
}

/// A host has an entry for each of its interfaces.
#[test]
fn two_interfaces_of_one_host_share_its_identifier() {
    let shared = MAG_POLICY.replacen("mn2@example.net", "mn1@example.net", 1);
    let mut policy = mag_policy(&shared);
    for mac in [1, 2] {
        let interface = ask(&mut policy, mac).expect("it is listed");
        assert_eq!(
            interface.mn_identifier,
            MnIdentifier::Nai("mn1@example.net".into())
        );
    }
}

#[test]
fn two_hosts_with_one_identifier_are_refused() {
    refused(
        LMA,
        LMA_POLICY,
        "mn2@example.net",
        "mn1@example.net",
        "policy.toml:9: `mn1@example.net` is listed already; an identifier is one host",
    );
}

#[test]
fn one_link_layer_address_for_two_hosts_is_refused() {
    refused(
        MAG,
        MAG_POLICY,
        "02:00:00:00:00:02",
        "02:00:00:00:00:01",
        "policy.toml:8: 02:00:00:00:00:01 is mn1@example.net already; a link-layer address is one host",
    );
}

#[test]
fn a_prefix_for_two_hosts_is_refused() {
    refused(
        MAG,
        MAG_POLICY,
        "managed = true",
        "home_network_prefixes = [\"2001:db8:1000:1:8000::/65\"]",
        "policy.toml:11: 2001:db8:1000:1:8000::/65 overlaps 2001:db8:1000:1::/64, which is given already",
    );
    // The wider one after the narrower.
    refused(
        MAG,
        MAG_POLICY,
        "managed = true",
        "home_network_prefixes = [\"2001:db8:1000::/48\"]",
        "policy.toml:11: 2001:db8:1000::/48 overlaps 2001:db8:1000:1::/64, which is given already",
    );
    refused(
        LMA,
        LMA_POLICY,
        "proxy_registration = false",
        "home_network_prefixes = [\"2001:db8:1000:1::/64\"]",
        "policy.toml:10: 2001:db8:1000:1::/64 overlaps 2001:db8:1000:1::/64, which is given already",
    );
}

#[test]
fn slips_in_a_policy_are_said_with_their_line() {
    refused(
        MAG,
        MAG_POLICY,
        "identifier = \"mn1",
        "identifer = \"mn1",
        "policy.toml:3: unknown key `identifer`; did you mean \"identifier\"?",
    );
    refused(
        MAG,
        MAG_POLICY,
        "1000:1::/64",
        "1000:1::1/64",
        "policy.toml:5: `2001:db8:1000:1::1/64` has bits set past its length; did you mean 2001:db8:1000:1::/64?",
    );
    refused(
        MAG,
        MAG_POLICY,
        "mn1@example.net",
        "mn 1",
        "policy.toml:3: not an identifier; give 1 to 254 octets without spaces, such as mn1@example.net",
    );
    refused(
        LMA,
        LMA_POLICY,
        "[\"2001:db8:c::11\"]",
        "[\"fe80::11\"]",
        "policy.toml:1: `fe80::11` is no gateway's address; give a global one",
    );
    refused(
        MAG,
        "[default]\nidentifier = \"{mac}\"\nlma = \"2001:db8:c::1\"\n",
        "{mac}",
        "guest",
        "policy.toml:2: must contain {mac}, or all these hosts would have one identity; write \"{mac}@example.net\"",
    );
}

/// Proves S1-11.
#[test]
fn an_lma_policy_says_which_gateways_and_hosts_are_served() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("policy.toml");
    std::fs::write(&file, LMA_POLICY).expect("written");
    let policy = control::policy::load_lma(&file, false, &[]).expect("it should load");
    assert_eq!(policy.mags.len(), 1);
    assert!(policy.serve_unlisted);
    let on: Vec<bool> = policy
        .hosts
        .iter()
        .map(|host| host.proxy_registration)
        .collect();
    assert_eq!(on, [true, false]);
}

#[test]
fn a_broken_policy_leaves_the_one_that_was_read_before() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("test.toml");
    let policy = directory.path().join("policy.toml");
    std::fs::write(&file, MAG).expect("written");
    std::fs::write(&policy, MAG_POLICY).expect("written");
    let config = control::config::Config::load_for(&file, &super::machine()).expect("it loads");
    let Ok(Policy::Mag(before)) = config.load_policy() else {
        panic!("a MAG has the policy of a MAG");
    };
    std::fs::write(&policy, "[[host]]\n").expect("written");
    config.load_policy().expect_err("a host without anything");
    assert_eq!(before.len(), 2);
}
