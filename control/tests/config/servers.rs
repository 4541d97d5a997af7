//! RADIUS and DHCP servers that cannot be.

use super::{load, refused, said, LMA, LMA_POLICY, MAG};

#[test]
fn a_relay_agent_for_dhcpv4_has_an_address_on_the_core_and_servers() {
    let with = |table: &str| {
        let addresses = "\"2001:db8:c::11/64\", \"192.0.2.11/24\"";
        let mag = MAG.replace("\"2001:db8:c::11/64\"", addresses);
        let error = load(&format!("{mag}[mag.dhcpv4]\n{table}"), "").err();
        error.map_or_else(Vec::new, |error| said(&error))
    };
    let server = "servers = [\"192.0.2.53\"]\n";
    assert_eq!(
        with(&format!("address = \"192.0.2.11\"\n{server}")),
        [""; 0]
    );
    assert_eq!(
        with(&format!("address = \"192.0.2.12\"\n{server}")),
        ["test.toml:33: `192.0.2.12` is no address of a core interface; servers answer there"]
    );
    let servers = [
        (
            "",
            "test.toml:34: name 1 to 8 servers, or leave this table out",
        ),
        (
            "\"224.0.0.1\"",
            "test.toml:34: `224.0.0.1` cannot be relayed to; give a server's address",
        ),
        (
            "\"192.0.2.11\"",
            "test.toml:34: `192.0.2.11` is our own address; give the server's",
        ),
        (
            "\"192.0.2.5\", \"192.0.2.5\"",
            "test.toml:34: stands here twice",
        ),
    ];
    for (servers, expected) in servers {
        let table = format!("address = \"192.0.2.11\"\nservers = [{servers}]\n");
        assert_eq!(with(&table), [expected]);
    }
}

const AAA: &str = r#"
[aaa]
user_name = "{mac}"
[[aaa.server]]
address = "192.0.2.1:1812"
secret_file = "no-such-secret"
"#;

#[test]
fn what_is_wrong_with_aaa_is_said_with_its_line() {
    let error = load(&format!("{MAG}{AAA}"), "").expect_err("there is no secret");
    let said = said(&error);
    assert_eq!(said.len(), 1, "{said:?}");
    let line = MAG.lines().count() + 6;
    assert!(
        said[0].starts_with(&format!("test.toml:{line}: ")),
        "{said:?}"
    );
    assert!(
        said[0].contains("no-such-secret cannot be read"),
        "{said:?}"
    );
    for (from, to, expected) in [
        (
            "user_name",
            "usr_name",
            "unknown key `usr_name`; did you mean \"user_name\"?",
        ),
        (
            "\"{mac}\"",
            "\"host\"",
            "must contain {mac} or {nai}, or all hosts would have one name",
        ),
        (
            "\"{mac}\"",
            "\"{mac}{name}\"",
            "is no name; {mac} and {nai} are the placeholders",
        ),
        (":1812", ":0", "is no server's; give its address and port"),
        (
            "user_name",
            "when_unreachable = \"keeep\"\nuser_name",
            "unknown value `keeep`; did you mean \"keep\"?",
        ),
        (
            "user_name",
            "dead_time = 0\nuser_name",
            "0 is out of range; give 1 to 86400",
        ),
    ] {
        let error = load(&format!("{MAG}{}", AAA.replacen(from, to, 1)), "").expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
    }
    let error = load(&format!("{LMA}{AAA}"), LMA_POLICY).expect_err("an LMA asks nobody");
    assert!(
        error
            .to_string()
            .contains("only a MAG or a MAAR asks who hosts are"),
        "{error}"
    );
}

/// `[mag.dhcpv6]` with this in it is refused.
#[track_caller]
fn relay_refused(servers: &str, more: &str, expected: &str) {
    let spoiled = format!("policy = \"policy.toml\"\n\n[mag.dhcpv6]\nservers = {servers}\n{more}");
    refused(MAG, "policy = \"policy.toml\"\n", &spoiled, expected);
}

#[test]
fn dhcpv6_servers_that_cannot_be_are_refused() {
    let many: Vec<String> = (1..=9).map(|n| format!("\"2001:db8:c::5{n}\"")).collect();
    let some = "name 1 to 8 servers, or leave [mag.dhcpv6] out";
    relay_refused("[]", "", &format!("test.toml:34: {some}"));
    relay_refused(
        &format!("[{}]", many.join(", ")),
        "",
        &format!("test.toml:34: {some}"),
    );
    for (server, why) in [
        (
            "fe80::53",
            "`fe80::53` cannot be relayed to; give a server's global address",
        ),
        (
            "ff05::1:3",
            "`ff05::1:3` cannot be relayed to; give a server's global address",
        ),
        (
            "::",
            "`::` cannot be relayed to; give a server's global address",
        ),
        (
            "2001:db8:c::11",
            "`2001:db8:c::11` is our own address; give the server's",
        ),
    ] {
        relay_refused(
            &format!("[\"{server}\"]"),
            "",
            &format!("test.toml:34: {why}"),
        );
    }
    let twice = "[\"2001:db8:c::53\", \"2001:db8:c::53\"]";
    relay_refused(twice, "", "test.toml:34: stands here twice");
    let misspelt = "delegate = []\n";
    let said = "test.toml:35: unknown key `delegate`; did you mean \"delegates\"?";
    relay_refused("[\"2001:db8:c::53\"]", misspelt, said);
}

#[test]
fn what_cannot_be_delegated_from_is_refused() {
    for (prefixes, why) in [
        (
            "[\"::/0\"]",
            "::/0 cannot be delegated from; use a prefix of yours, of 64 bits at most",
        ),
        (
            "[\"ff00::/8\"]",
            "ff00::/8 cannot be delegated from; use a prefix of yours, of 64 bits at most",
        ),
        (
            "[\"2001:db8:d::/65\"]",
            "2001:db8:d::/65 cannot be delegated from; use a prefix of yours, of 64 bits at most",
        ),
        (
            "[\"2001:db8:d::/48\", \"2001:db8:d:1::/64\"]",
            "2001:db8:d:1::/64 overlaps 2001:db8:d::/48",
        ),
    ] {
        let more = format!("delegates = {prefixes}\n");
        relay_refused(
            "[\"2001:db8:c::53\"]",
            &more,
            &format!("test.toml:35: {why}"),
        );
        let spoiled = format!("policy = \"policy.toml\"\ndelegated_prefixes = {prefixes}\n");
        refused(
            LMA,
            "policy = \"policy.toml\"\n",
            &spoiled,
            &format!("test.toml:24: {why}"),
        );
    }
    refused(
        LMA,
        "policy = \"policy.toml\"\n",
        "policy = \"policy.toml\"\ndelegated_prefixes = [\"2001:db8:1080::/48\"]\n",
        "test.toml:24: 2001:db8:1080::/48 overlaps pool 2001:db8:1000::/40, whose prefixes are given to hosts",
    );
}
