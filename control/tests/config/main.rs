//! Configuration and policy files: what is wrong with one is said with its line and a remedy, and
//! every file in `conf/` loads.

mod cmd;
mod domains;
mod examples;
mod files;
mod links;
mod maar;
mod machine;
mod policy;
mod protocol;
mod servers;

use control::config::{Config, Error, Machine};
use std::path::Path;

/// A machine with the cores 0 to 3, whatever the one that runs the tests has.
fn machine() -> Machine {
    Machine {
        cores: vec![0, 1, 2, 3],
    }
}

/// The configuration of a gateway with hosts that is right, to be spoiled: `gateway` stands behind its name,
/// `role` at the end.
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

/// A MAG's configuration that is right, to be spoiled.
const MAG: &str = with_hosts!(
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

/// A MAAR's configuration that is right, to be spoiled.
const MAAR: &str = with_hosts!(
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

/// An LMA's configuration that is right, to be spoiled.
const LMA: &str = r#"[gateway]
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

/// A policy of the LMA that is right.
const LMA_POLICY: &str = "mags = []\n";

/// `good` with `from` replaced by `to` is refused, and that `expected` is said, is all that is said.
#[track_caller]
fn refused(good: &str, from: &str, to: &str, expected: &str) {
    assert!(good.contains(from), "`{from}` is not there to be spoiled");
    let policy = if good == LMA { LMA_POLICY } else { "" };
    let error = load(&good.replacen(from, to, 1), policy).expect_err("it should be refused");
    assert_eq!(said(&error), [expected]);
}

/// Loads a configuration and a policy file out of a directory of their own.
fn load(config: &str, policy: &str) -> Result<Config, Error> {
    let directory = tempfile::tempdir().expect("a directory for the files");
    let file = directory.path().join("test.toml");
    std::fs::write(&file, config).expect("configuration written");
    std::fs::write(directory.path().join("policy.toml"), policy).expect("policy written");
    Config::load_for(&file, &machine())
}

/// What is said about a file, each with its line, the directory left out.
fn said(error: &Error) -> Vec<String> {
    let said = error.problems.iter().map(|problem| {
        let file = problem
            .file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let line = problem.line.map_or(String::new(), |line| line.to_string());
        format!("{file}:{line}: {}", problem.message)
    });
    said.collect()
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
