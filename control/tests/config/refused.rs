//! Configurations with one thing wrong.

use super::{load, said, LMA, MAG};
use control::config::Config;

const LMA_POLICY: &str = "mags = []\n";

/// `good` with `from` replaced by `to` is refused, and that `expected` is said, is all that is said.
#[track_caller]
fn refused(good: &str, from: &str, to: &str, expected: &str) {
    assert!(good.contains(from), "`{from}` is not there to be spoiled");
    let policy = if good == LMA { LMA_POLICY } else { "" };
    let error = load(&good.replacen(from, to, 1), policy).expect_err("it should be refused");
    assert_eq!(said(&error), [expected]);
}

#[test]
fn the_unspoiled_files_load() {
    load(MAG, "").expect("the MAG's");
    load(LMA, LMA_POLICY).expect("the LMA's");
}

#[test]
fn a_mistyped_key_is_answered_with_its_line_and_the_nearest_key() {
    refused(
        MAG,
        "socket =",
        "sokcet =",
        "test.toml:3: unknown key `sokcet`; did you mean \"socket\"?",
    );
}

#[test]
fn a_key_that_is_like_no_other_is_answered_with_all_that_there_are() {
    refused(
        LMA,
        "cores = [1]",
        "cores = [1]\nfrobnicate = 1",
        "test.toml:6: unknown key `frobnicate`; keys here are cores, idle, idle_after, \
         idle_sleep_us, icmp_rate, punt_rate, punt_source_rate, peer_rate, handoff, \
         stall_after, rx",
    );
}

#[test]
fn a_mistyped_table_is_answered_with_its_line() {
    refused(
        LMA,
        "[[route]]",
        "[[rout]]",
        "test.toml:17: unknown key `rout`; did you mean \"route\"?",
    );
}

#[test]
fn a_mistyped_value_is_answered_with_its_line() {
    refused(
        LMA,
        "kind = \"core\"",
        "kind = \"cor\"",
        "test.toml:14: unknown value `cor`; did you mean \"core\"?",
    );
}

#[test]
fn broken_toml_is_answered_with_its_line() {
    let error = load(&LMA.replacen("cores = [1]", "cores = [1", 1), LMA_POLICY)
        .expect_err("it should be refused");
    assert_eq!(error.problems.len(), 1);
    // The array ends where the next table begins.
    assert!(
        error.problems[0]
            .line
            .is_some_and(|line| (5..=7).contains(&line)),
        "{error}"
    );
}

#[test]
fn a_missing_key_is_named() {
    refused(
        MAG,
        "device = \"net_null1\"\n",
        "",
        "test.toml:12: the key `device` is missing here",
    );
}

#[test]
fn a_file_that_is_not_there_is_said_to_be_unreadable() {
    let file = std::path::Path::new("no/such/file.toml");
    let error = Config::load(file).expect_err("it is not there");
    assert!(
        error
            .to_string()
            .starts_with("no/such/file.toml: cannot be read: "),
        "{error}"
    );
}

#[test]
fn an_address_without_length_is_refused() {
    refused(
        LMA,
        "2001:db8:c::1/64",
        "2001:db8:c::1",
        "test.toml:15: `2001:db8:c::1` is not an address with a prefix length; write it as 2001:db8::1/64 or 192.0.2.1/24",
    );
}

#[test]
fn a_prefix_with_host_bits_is_refused() {
    refused(
        LMA,
        "2001:db8:1000::/40",
        "2001:db8:1000::1/40",
        "test.toml:24: `2001:db8:1000::1/40` has bits set past its length; did you mean 2001:db8:1000::/40?",
    );
}

#[test]
fn names_must_exist() {
    refused(
        LMA,
        "port = \"core0\"",
        "port = \"cor0\"",
        "test.toml:13: there is no port `cor0`; did you mean \"core0\"?",
    );
    refused(
        LMA,
        "via = \"2001:db8:c::99\"",
        "via = \"fe80::9\"\ninterface = \"internet\"",
        "test.toml:20: there is no interface `internet`; the interfaces are core",
    );
}

#[test]
fn names_are_unique() {
    refused(
        MAG,
        "name = \"acc0\"\ndevice",
        "name = \"acc0\"\ndevice = \"net_null7\"\n[[port]]\nname = \"acc0\"\ndevice",
        "test.toml:16: there is a port `acc0` already; names are unique",
    );
    refused(
        MAG,
        "name = \"access\"",
        "name = \"core\"",
        "test.toml:23: there is an interface `core` already; names are unique",
    );
    refused(
        MAG,
        "net_null1",
        "net_null0",
        "test.toml:14: `net_null0` is another port's device already; number virtual devices apart",
    );
}

#[test]
fn two_interfaces_need_different_vlans_on_one_port() {
    refused(
        MAG,
        "port = \"acc0\"\nkind",
        "port = \"core0\"\nkind",
        "test.toml:24: interface `core` has this port and VLAN already; give one of them another `vlan`",
    );
}

#[test]
fn an_mtu_below_that_of_ipv6_is_refused() {
    refused(
        LMA,
        "device = \"net_null0\"",
        "device = \"net_null0\"\nmtu = 1279",
        "test.toml:10: 1279 is out of range; give 1280 to 9600",
    );
    refused(
        LMA,
        "policy = ",
        "tunnel_mtu = 1461\npolicy = ",
        "test.toml:23: 1461 is out of range; give 1240 to 1460",
    );
}

#[test]
fn a_vlan_out_of_range_is_refused() {
    refused(
        LMA,
        "kind = ",
        "vlan = 4095\nkind = ",
        "test.toml:14: 4095 is out of range; give 1 to 4094",
    );
}

#[test]
fn cores_are_there_and_have_one_worker() {
    refused(
        LMA,
        "cores = [1]",
        "cores = [1, 1]",
        "test.toml:5: core 1 stands here twice; a core has one worker",
    );
    refused(
        LMA,
        "cores = [1]",
        "cores = [64]",
        "test.toml:5: core 64 is not available; this process may use 0, 1, 2, 3",
    );
    refused(
        LMA,
        "cores = [1]",
        "cores = []",
        "test.toml:5: no core, no worker; name at least one core",
    );
}

#[test]
fn a_receive_queue_has_one_worker() {
    let core = "[workers]\ncores = [1]\n";
    let spoiled = |entries: &str, expected: &str| {
        let workers = format!("[workers]\ncores = [1, 2]\n{entries}\n");
        refused(LMA, core, &workers, expected);
    };
    let entry = |port: &str, core: usize, queues: &str| {
        format!("[[workers.rx]]\nport = \"{port}\"\ncore = {core}\nqueues = {queues}\n")
    };
    spoiled(
        &entry("cor0", 1, "[0]"),
        "test.toml:7: there is no port `cor0`; did you mean \"core0\"?",
    );
    spoiled(
        &entry("core0", 3, "[0]"),
        "test.toml:8: core 3 has no worker; those that have are 1, 2",
    );
    spoiled(
        &entry("core0", 1, "[]"),
        "test.toml:9: no queue; name at least one, from 0, or remove the entry",
    );
    spoiled(
        &entry("core0", 1, "[0, 0]"),
        "test.toml:9: queue 0 of port core0 is core 1's already; a queue has one worker",
    );
    spoiled(
        &[entry("core0", 1, "[0]"), entry("core0", 2, "[0]")].concat(),
        "test.toml:13: queue 0 of port core0 is core 1's already; a queue has one worker",
    );
    spoiled(
        &[entry("core0", 1, "[0]"), entry("core0", 2, "[2]")].concat(),
        "test.toml:9: nobody polls queue 1 of port core0, which has queues up to 2; give it to a core",
    );
}

#[test]
fn a_queue_that_the_device_says_it_has_not_is_refused() {
    let mut spoiled = LMA.replacen("net_null0", "net_af_packet0,iface=x,qpairs=2", 1);
    spoiled = spoiled.replacen(
        "cores = [1]\n",
        "cores = [1]\n[[workers.rx]]\nport = \"core0\"\ncore = 1\nqueues = [0, 1, 2]\n",
        1,
    );
    let error = load(&spoiled, LMA_POLICY).expect_err("it should be refused");
    let expected =
        "test.toml:9: port core0 has no queue 2: its device has 2; write `,qpairs=3` behind it";
    assert_eq!(said(&error), [expected]);
}

#[test]
fn a_processor_does_not_watch_what_is_handed_over() {
    refused(
        LMA,
        "cores = [1]",
        "cores = [1, 2]\nidle = \"monitor\"\nhandoff = \"auto\"",
        "test.toml:6: a processor cannot watch what other workers hand over; give \"pause\" or \
         \"sleep\", or set handoff = \"never\"",
    );
}

#[test]
fn a_gateway_that_runs_is_not_asked_for_cores_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("test.toml");
    // A core that this thread may not use, as a worker's core is for control.
    let elsewhere = LMA.replacen("cores = [1]", "cores = [4095]", 1);
    std::fs::write(&file, elsewhere).expect("written");
    std::fs::write(directory.path().join("policy.toml"), LMA_POLICY).expect("written");
    Config::load(&file).expect_err("it cannot start here");
    Config::reload(&file).expect("but it can read its file again");
}

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

#[test]
fn ipv4_between_gateways_needs_an_address_of_ours_and_udp_needs_ipv4() {
    refused(
        LMA,
        "pools =",
        "ipv4_address = \"192.0.2.1\"\npools =",
        "test.toml:24: `192.0.2.1` is no address of a core interface; add it to `addresses` of one",
    );
    refused(
        LMA,
        "pools =",
        "accept_udp_encapsulation = true\npools =",
        "test.toml:24: goes with `ipv4_address`; tunnels over IPv6 have no UDP",
    );
    let mag = format!("{MAG}udp_encapsulation = true\n");
    let error = load(&mag, "").expect_err("it has no IPv4");
    let expected = "test.toml:32: goes with `ipv4_address`; tunnels over IPv6 have no UDP";
    assert_eq!(said(&error), [expected]);
    let policy = "[default]\nidentifier = \"{mac}@example.net\"\nlma = \"192.0.2.1\"\n";
    let error = load(MAG, policy).expect_err("it has no IPv4");
    let expected =
        "policy.toml:3: `192.0.2.1` is reached over IPv4; give our own `ipv4_address` in the \
                    configuration";
    assert_eq!(said(&error), [expected]);
}

#[test]
fn a_gateway_has_exactly_one_role() {
    refused(
        LMA,
        "[lma]",
        "[mag]\naddress = \"2001:db8:c::1\"\npolicy = \"policy.toml\"\n[lma]",
        "test.toml:21: a gateway has one role; keep [lma] or [mag] and remove the other",
    );
    let (without, _) = LMA.split_once("[lma]").expect("it has a role");
    let error = load(without, LMA_POLICY).expect_err("it has no role");
    assert_eq!(
        said(&error),
        ["test.toml:1: no role; add a table [lma], [mag], [maar] or [cmd]"]
    );
}

#[test]
fn the_role_has_an_address_of_ours() {
    refused(
        LMA,
        "address = \"2001:db8:c::1\"",
        "address = \"2001:db8:c::2\"",
        "test.toml:22: `2001:db8:c::2` is no interface's address; add it to `addresses` of a core interface",
    );
}

#[test]
fn a_router_is_on_link() {
    refused(
        LMA,
        "via = \"2001:db8:c::99\"",
        "via = \"2001:db8:d::99\"",
        "test.toml:19: `2001:db8:d::99` is not on link; give a router in a prefix of `addresses` of the interface towards it",
    );
    refused(
        LMA,
        "via = \"2001:db8:c::99\"",
        "via = \"fe80::99\"",
        "test.toml:19: `fe80::99` is link-local; add `interface = NAME`",
    );
    refused(
        LMA,
        "via = \"2001:db8:c::99\"",
        "via = \"2001:db8:c::1\"",
        "test.toml:19: `2001:db8:c::1` is our own address; give the next router's",
    );
    refused(
        LMA,
        "via = \"2001:db8:c::99\"",
        "via = \"2001:db8:c::99\"\nblackhole = true",
        "test.toml:17: a route needs one of `via = ADDRESS`, `unreachable = true` and `blackhole = true`",
    );
}

#[test]
fn an_ipv4_address_is_one_that_a_node_can_have() {
    for (address, expected) in [
        ("192.0.2.1/33", "`192.0.2.1/33` is not an address with a prefix length; write it as 2001:db8::1/64 or 192.0.2.1/24"),
        ("127.0.0.1/8", "`127.0.0.1` is not a unicast address"),
        ("224.0.0.1/24", "`224.0.0.1` is not a unicast address"),
        ("192.0.2.255/24", "`192.0.2.255` stands for everyone on its link, or for the link; give one between them"),
        ("192.0.2.0/24", "`192.0.2.0` stands for everyone on its link, or for the link; give one between them"),
    ] {
        let with = format!("2001:db8:c::1/64\", \"{address}");
        refused(LMA, "2001:db8:c::1/64", &with, &format!("test.toml:15: {expected}"));
    }
    for address in ["192.0.2.1/24", "192.0.2.0/31", "192.0.2.255/32"] {
        let with = format!("2001:db8:c::1/64\", \"{address}");
        let config = LMA.replacen("2001:db8:c::1/64", &with, 1);
        load(&config, LMA_POLICY).expect("a good address");
    }
}

#[test]
fn a_router_is_of_its_routes_family() {
    refused(
        LMA,
        "via = \"2001:db8:c::99\"",
        "via = \"192.0.2.9\"",
        "test.toml:19: `192.0.2.9` is no router for ::/0: they are of different families",
    );
}

#[test]
fn pools_do_not_overlap_one_another_or_our_links() {
    let pool = "{ prefix = \"2001:db8:1000::/40\" }";
    refused(
        LMA,
        pool,
        &format!("{pool},\n{{ prefix = \"2001:db8:1080::/44\" }}"),
        "test.toml:25: 2001:db8:1080::/44 overlaps pool 2001:db8:1000::/40",
    );
    refused(
        LMA,
        pool,
        "{ prefix = \"2001:db8:c::/48\" }",
        "test.toml:24: 2001:db8:c::/48 overlaps 2001:db8:c::/64, which is on link here",
    );
    refused(
        LMA,
        pool,
        "{ prefix = \"2001:db8:1000::/40\", length = 32 }",
        "test.toml:24: 2001:db8:1000::/40 cannot be cut into prefixes of length 32; give a `length` from 40 to 103",
    );
}

#[test]
fn links_have_prefixes_of_their_own() {
    refused(
        MAG,
        "router = ",
        "addresses = [\"2001:db8:c:0:8000::1/65\"]\nrouter = ",
        "test.toml:26: 2001:db8:c:0:8000::/65 overlaps 2001:db8:c::/64 of interface `core`; links need prefixes of their own",
    );
}

#[test]
fn an_access_interface_shows_hosts_a_router() {
    refused(
        MAG,
        "router = \"fe80::1\"\n",
        "",
        "test.toml:22: an access interface needs `router`, the link-local address that every MAG of the domain shows",
    );
    refused(
        MAG,
        "fe80::1",
        "2001:db8::1",
        "test.toml:26: `2001:db8::1` is not a link-local address; give one such as fe80::1",
    );
    refused(
        MAG,
        "02:00:5e:00:52:13",
        "03:00:5e:00:52:13",
        "test.toml:27: `03:00:5e:00:52:13` cannot be a gateway's own; give a unicast link-layer address",
    );
    refused(
        MAG,
        "02:00:5e:00:52:13",
        "02:00:5e:00:52",
        "test.toml:27: `02:00:5e:00:52` is not a link-layer address; write it as 02:00:00:00:00:01",
    );
}

#[test]
fn numbers_are_within_reason() {
    refused(
        MAG,
        "policy = ",
        "lifetime = 3\npolicy = ",
        "test.toml:31: 3 is out of range; give 4 to 262136",
    );
    refused(
        MAG,
        "policy = ",
        "refresh_at = 1.5\npolicy = ",
        "test.toml:31: 1.5 is out of range; give 0.1 to 0.95",
    );
    refused(
        MAG,
        "policy = ",
        "max_bindack_timeout_ms = 500\npolicy = ",
        // The default of the first wait is what does not fit; it is not in the file.
        "test.toml:29: 1000 is out of range; give 10 to 500",
    );
}

#[test]
fn revocation_is_within_reason() {
    let pools = "pools = [{ prefix = \"2001:db8:1000::/40\" }]";
    for (line, expected) in [
        (
            "initial_delay_ms = 499",
            "test.toml:26: 499 is out of range; give 500 to 2000",
        ),
        (
            "initial_delay_ms = 2001",
            "test.toml:26: 2001 is out of range; give 500 to 2000",
        ),
        (
            "max_retries = 11",
            "test.toml:26: 11 is out of range; give 0 to 10",
        ),
        (
            "acept = false",
            "test.toml:26: unknown key `acept`; did you mean \"accept\"?",
        ),
    ] {
        let spoiled = format!("{pools}\n[lma.revocation]\n{line}");
        refused(LMA, pools, &spoiled, expected);
    }
}

#[test]
fn heartbeats_are_within_reason() {
    let pools = "pools = [{ prefix = \"2001:db8:1000::/40\" }]";
    for (line, expected) in [
        (
            "interval = 3601",
            "test.toml:26: 3601 is out of range; give 0 to 3600",
        ),
        (
            "missing_allowed = 101",
            "test.toml:26: 101 is out of range; give 0 to 100",
        ),
        (
            "sessions_per_second = 19",
            "test.toml:26: 19 is out of range; give 20 to 1000000",
        ),
        (
            "end_when_restartet = true",
            "test.toml:26: unknown key `end_when_restartet`; did you mean \"end_when_restarted\"?",
        ),
    ] {
        let spoiled = format!("{pools}\n[lma.heartbeat]\n{line}");
        refused(LMA, pools, &spoiled, expected);
    }
    // What an LMA can do about a restart is not what a MAG can.
    refused(
        MAG,
        "policy = ",
        "heartbeat = { end_when_restarted = true }\npolicy = ",
        "test.toml:31: unknown key `end_when_restarted`; did you mean \"renew_when_restarted\"?",
    );
}

#[test]
fn everything_that_is_wrong_is_said_at_once_in_the_order_of_the_file() {
    let spoiled = LMA
        .replacen("cores = [1]", "cores = [9]", 1)
        .replacen("port = \"core0\"", "port = \"nowhere\"", 1)
        .replacen("2001:db8:c::99", "2001:db8:d::99", 1);
    let error = load(&spoiled, LMA_POLICY).expect_err("it should be refused");
    let lines: Vec<_> = error.problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [Some(5), Some(13), Some(19)], "{error}");
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
        error.to_string().contains("only a MAG asks who hosts are"),
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

#[test]
fn a_profile_that_there_is_not_is_refused() {
    for (good, line) in [(MAG, 32), (LMA, 25)] {
        let error = load(&format!("{good}profile = \"drafty\"\n"), LMA_POLICY);
        let said = said(&error.expect_err("it should be refused"));
        assert!(
            said[0].starts_with(&format!("test.toml:{line}: ")),
            "{said:?}"
        );
        assert!(said[0].contains("drafty"), "{said:?}");
    }
}

#[test]
fn an_allowance_of_nothing_is_refused() {
    for (line, expected) in [
        (
            "sessions = 0",
            "policy.toml:2: a host needs a session; proxy_registration = false keeps one out",
        ),
        (
            "prefixes_per_session = 0",
            "policy.toml:2: a session has 1 to 16 prefixes",
        ),
        (
            "prefixes_per_session = 17",
            "policy.toml:2: a session has 1 to 16 prefixes",
        ),
    ] {
        let error = load(LMA, &format!("{LMA_POLICY}{line}\n")).expect_err("it should be refused");
        assert_eq!(said(&error), [expected]);
        let host = format!("{LMA_POLICY}[[host]]\nidentifier = \"mn\"\n{line}\n");
        let error = load(LMA, &host).expect_err("it should be refused");
        assert_eq!(said(&error), [expected.replace(":2:", ":4:")]);
    }
}
