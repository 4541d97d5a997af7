//! What is wrong with the configuration of a mobility anchor and access router.

use super::{load, refused, said, MAAR};

#[test]
fn the_unspoiled_file_loads() {
    load(MAAR, "").expect("the MAAR's");
}

/// A prefix belongs to one MAAR: pools that share addresses are refused with their line, those of two
/// neighbours as those of a neighbour and our own, and the same MAAR twice.
///
/// Proves S2-01.
#[test]
fn pools_that_overlap_are_refused_with_their_line() {
    let pool = "\"2001:db8:2200::/40\"";
    for (to, whose) in [
        ("2001:db8:2100::/40", "2001:db8:2100::/40 of 2001:db8:c::21"),
        ("2001:db8:2142::/48", "2001:db8:2100::/40 of 2001:db8:c::21"),
        ("2001:db8:2000::/39", "2001:db8:2100::/40 of 2001:db8:c::21"),
    ] {
        let said = format!(
            "test.toml:36: {to} overlaps {whose}: a prefix belongs to one MAAR; make one of them smaller"
        );
        refused(MAAR, pool, &format!("\"{to}\""), &said);
    }
    for to in ["2001:db8:2200::/40", "2001:db8:2242::/48"] {
        let said = format!(
            "test.toml:42: {to} overlaps 2001:db8:2200::/40 of 2001:db8:c::22: a prefix belongs to one MAAR; \
             make one of them smaller"
        );
        refused(MAAR, "\"2001:db8:2400::/40\"", &format!("\"{to}\""), &said);
    }
}

#[test]
fn a_mistyped_key_or_value_is_answered_with_its_line() {
    for (from, to, expected) in [
        (
            "cmd = ",
            "cdm = ",
            "test.toml:30: unknown key `cdm`; did you mean \"cmd\"?",
        ),
        (
            "[[maar.neighbour]]",
            "[[maar.neigbour]]",
            "test.toml:34: unknown key `neigbour`; did you mean \"neighbour\"?",
        ),
        (
            "router = \"fe80::22\"",
            "ruoter = \"fe80::22\"",
            "test.toml:37: unknown key `ruoter`; did you mean \"router\"?",
        ),
        (
            "policy = ",
            "previous_expiry = \"aks\"\npolicy = ",
            "test.toml:31: unknown value `aks`; did you mean \"ask\"?",
        ),
        (
            "policy = ",
            "discovery = \"dhcp6\"\npolicy = ",
            "test.toml:31: unknown value `dhcp6`; did you mean \"dhcpv6\"?",
        ),
        (
            "[[maar.neighbour]]",
            "[maar.distributed]\nwiat_ms = 3\n[[maar.neighbour]]",
            "test.toml:35: unknown key `wiat_ms`; did you mean \"wait_ms\"?",
        ),
        (
            "[[maar.neighbour]]",
            "[maar.dhcpv6]\nservers = [\"2001:db8:c::53\"]\ncontroll = \"x\"\n[[maar.neighbour]]",
            "test.toml:36: unknown key `controll`; did you mean \"control\"?",
        ),
    ] {
        refused(MAAR, from, to, expected);
    }
}

#[test]
fn neighbours_are_other_maars() {
    let address = "address = \"2001:db8:c::22\"";
    for (from, to, expected) in [
        (
            address,
            "address = \"fe80::22\"",
            "test.toml:35: `fe80::22` is no MAAR's; give its global address",
        ),
        (
            address,
            "address = \"ff02::1\"",
            "test.toml:35: `ff02::1` is no MAAR's; give its global address",
        ),
        (
            address,
            "address = \"2001:db8:c::21\"",
            "test.toml:35: `2001:db8:c::21` is no other MAAR; name those that hosts come from",
        ),
        (
            address,
            "address = \"2001:db8:c::c\"",
            "test.toml:35: `2001:db8:c::c` is no other MAAR; name those that hosts come from",
        ),
        (
            "address = \"2001:db8:c::23\"",
            address,
            "test.toml:41: `2001:db8:c::22` stands here twice; name all its pools in one table",
        ),
        (
            "router = \"fe80::22\"\n",
            "",
            "test.toml:34: give `router`, a link-local address, and `mac`, a unicast one, or neither",
        ),
        (
            "router = \"fe80::22\"",
            "router = \"2001:db8::22\"",
            "test.toml:34: give `router`, a link-local address, and `mac`, a unicast one, or neither",
        ),
        (
            "mac = \"02:00:5e:00:52:22\"",
            "mac = \"33:33:00:00:00:01\"",
            "test.toml:34: give `router`, a link-local address, and `mac`, a unicast one, or neither",
        ),
    ] {
        refused(MAAR, from, to, expected);
    }
}

/// There is a database where one is needed and none otherwise; and where hosts see one router everywhere
/// with an address in each prefix, no anchor is a router of its own beside it.
///
/// Proves S2-39.
#[test]
fn ways_to_find_anchors_that_exclude_one_another_are_refused() {
    let cmd = "cmd = \"2001:db8:c::c\"\n";
    let dhcpv6 = "discovery = \"dhcpv6\"\n";
    let relay = "[maar.dhcpv6]\nservers = [\"2001:db8:c::53\"]\ncontrol = \"/run/kea.sock\"\n\n";
    let relayed = MAAR.replacen(
        "[[maar.neighbour]]",
        &format!("{relay}[[maar.neighbour]]"),
        1,
    );
    let said_of = |text: &str| load(text, "").map_or_else(|error| said(&error), |_| Vec::new());
    let without = said_of(&MAAR.replacen(cmd, "", 1));
    assert!(without[0].contains("without the address of a CMD in `cmd`"));
    let both = said_of(&relayed.replacen(cmd, &format!("{cmd}{dhcpv6}dlif = false\n"), 1));
    assert_eq!(
        both,
        ["test.toml:30: there is no CMD unless discovery = \"cmd\"; leave one of the two out"]
    );
    let seen = said_of(&relayed.replacen(cmd, &format!("{dhcpv6}dlif = true\n"), 1));
    assert_eq!(seen.len(), 1);
    assert!(
        seen[0].starts_with("test.toml:31: with discovery = \"dhcpv6\" hosts see the same router"),
        "{seen:?}"
    );
    let one_router = relayed.replacen(cmd, &format!("{dhcpv6}dlif = false\n"), 1);
    assert_eq!(said_of(&one_router), [""; 0]);
    let nobody = one_router.replacen("control = \"/run/kea.sock\"\n", "", 1);
    assert!(said_of(&nobody)[0].contains("give `servers` and `control` in [maar.dhcpv6]"));
    let odd = one_router.replacen("/run/kea.sock", "kea", 1);
    assert_eq!(said_of(&odd).len(), 1);
}

/// RADIUS servers say who a host is; where it is anchored is not theirs to say.
///
/// Proves S2-04.
#[test]
fn servers_are_asked_and_name_no_anchor() {
    let aaa = |more: &str| {
        let server =
            "[[aaa.server]]\naddress = \"192.0.2.1:1812\"\nsecret_file = \"policy.toml\"\n";
        let text = format!("{MAAR}\n[aaa]\n{more}{server}");
        load(&text, "# a secret\n").map_or_else(|error| said(&error), |_| Vec::new())
    };
    let lines = MAAR.lines().count();
    let secret = format!("test.toml:{}: ", lines + 5);
    let without = aaa("");
    assert!(
        without.iter().all(|it| it.starts_with(&secret)),
        "{without:?}"
    );
    let named = aaa("lma = \"2001:db8:c::1\"\n");
    let expected = format!(
        "test.toml:{}: a MAAR's hosts have no LMA: each MAAR that they come to anchors them; remove it",
        lines + 3
    );
    assert!(named.contains(&expected), "{named:?}");
}

#[test]
fn numbers_are_within_reason() {
    for (line, place) in [
        ("lifetime = 3", 31),
        ("max_previous = 0", 31),
        ("max_previous = 257", 31),
        ("refresh_at = 0.99", 31),
        ("registration_timeout = 0", 31),
        ("timestamp_window_ms = 0", 31),
        ("initial_bindack_timeout_ms = 9", 31),
        ("max_update_rate = 0", 31),
        ("pacing_rate = 1000001", 31),
        ("pacing_burst = 0", 31),
        ("ra_interval = 3", 31),
        ("unused_after = 86401", 31),
        ("tunnel_hop_limit = 0", 31),
    ] {
        let text = MAAR.replacen("policy = ", &format!("{line}\npolicy = "), 1);
        let said = said(&load(&text, "").expect_err(line));
        let [said] = &said[..] else {
            panic!("{line}: {said:?}");
        };
        assert!(said.starts_with(&format!("test.toml:{place}: ")), "{said}");
        assert!(said.contains("is out of range; give "), "{said}");
    }
    for line in [
        "interval = 3601",
        "missing_allowed = 101",
        "sessions_per_second = 19",
        "end_when_down = true",
    ] {
        let table = format!("[maar.heartbeat]\n{line}\n[[maar.neighbour]]");
        let text = MAAR.replacen("[[maar.neighbour]]", &table, 1);
        let said = said(&load(&text, "").expect_err(line));
        assert_eq!(said.len(), 1, "{line}: {said:?}");
        assert!(said[0].starts_with("test.toml:35: "), "{said:?}");
    }
    let distributed = "discovery = \"node-information\"\n";
    let alone = MAAR.replacen("cmd = \"2001:db8:c::c\"\n", distributed, 1);
    for line in [
        "answer_wait_ms = 30001",
        "queries = 0",
        "transmissions = 21",
        "update_age = 0",
        "learned = 0",
        "interface_identifier = \"2001:db8::1\"",
        "domain = [\"::/0\"]",
    ] {
        let table = format!("[maar.distributed]\n{line}\n[[maar.neighbour]]");
        let text = alone.replacen("[[maar.neighbour]]", &table, 1);
        let said = said(&load(&text, "").expect_err(line));
        assert_eq!(said.len(), 1, "{line}: {said:?}");
        assert!(said[0].starts_with("test.toml:35: "), "{said:?}");
    }
}
