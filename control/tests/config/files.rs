//! What is wrong with a file whatever it is about: its form, its keys, and the names in it.

use super::{load, refused, said, LMA, LMA_POLICY, MAG};
use control::config::Config;

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
fn everything_that_is_wrong_is_said_at_once_in_the_order_of_the_file() {
    let spoiled = LMA
        .replacen("cores = [1]", "cores = [9]", 1)
        .replacen("port = \"core0\"", "port = \"nowhere\"", 1)
        .replacen("2001:db8:c::99", "2001:db8:d::99", 1);
    let error = load(&spoiled, LMA_POLICY).expect_err("it should be refused");
    let lines: Vec<_> = error.problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [Some(5), Some(13), Some(19)], "{error}");
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
