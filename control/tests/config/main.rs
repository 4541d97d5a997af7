//! Configuration and policy files: what is wrong with one is said with its line and a remedy, and
//! every file in `conf/` loads.

mod cmd;
mod domains;
mod examples;
mod maar;
mod policy;
mod refused;

use control::config::{Config, Error, Machine};
use std::path::Path;

/// A machine with the cores 0 to 3, whatever the one that runs the tests has.
fn machine() -> Machine {
    Machine {
        cores: vec![0, 1, 2, 3],
    }
}

/// A MAG's configuration that is right, to be spoiled.
const MAG: &str = r#"[gateway]
name = "mag"
socket = "mag.sock"

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
addresses = ["2001:db8:c::11/64"]

[[interface]]
name = "access"
port = "acc0"
kind = "access"
router = "fe80::1"
mac = "02:00:5e:00:52:13"

[mag]
address = "2001:db8:c::11"
policy = "policy.toml"
"#;

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
