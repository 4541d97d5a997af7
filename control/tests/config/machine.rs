//! Ports, queues and cores that cannot be.

use super::{load, refused, said, LMA, LMA_POLICY, MAG};
use control::config::Config;

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
