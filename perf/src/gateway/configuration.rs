//! What a gateway that is measured is told.

use super::{devargs, peers, Kept, Role, Setting, OUTSIDE};
use crate::traffic::plan::Plan;
use anyhow::Result;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Names of its files.
pub const FILE: &str = "gateway.toml";
pub(super) const STORE: &str = "state/gateway.redb";

/// What follows a host's link-layer address in the identifier that an access gateway gives it.
pub const REALM: &str = "@storm.example";

/// Its two interfaces, in their order.
pub const INTERFACES: [&str; 2] = ["core", "inet"];

/// Link-layer addresses of its ports.
pub const MACS: [&str; 2] = ["02:00:5e:00:00:01", "02:00:5e:00:00:02"];

/// Writes configuration, policy and keys into its directory.
///
/// # Errors
/// When they cannot be written.
pub fn write(setting: &Setting, plan: &Plan, directory: &Path) -> Result<()> {
    let (configuration, policy) = (whole(setting, plan, directory)?, policy(setting, plan));
    fs::write(directory.join(FILE), configuration)?;
    fs::write(directory.join("policy.toml"), policy)?;
    if setting.keys {
        let mut options = File::options();
        let keys = options.create(true).truncate(true).write(true).mode(0o600);
        let mut file = keys.open(directory.join("keys.toml"))?;
        file.write_all(peers(plan).as_bytes())?;
    }
    Ok(())
}

fn whole(setting: &Setting, plan: &Plan, directory: &Path) -> Result<String> {
    let given = plan.given();
    // Rounded up, with room for what is still to be reclaimed.
    let bindings = (given.hosts + given.hosts / 4).max(1024);
    let tunnels = (u64::from(given.access_gateways) * 2).max(64);
    let neighbours = u64::from(given.access_gateways) + u64::from(given.peers) + 64;
    let adjacencies = match setting.role {
        Role::Lma => format!("adjacencies = {}\n", neighbours * 2),
        // As many as its bindings ask for.
        Role::Mag => String::new(),
    };
    let durability = match setting.store {
        Kept::Off | Kept::Process => "",
        Kept::PowerLoss => "durability = \"power-loss\"\n",
    };
    let store = match setting.store {
        Kept::Off => String::new(),
        _ => format!("[store]\npath = \"{STORE}\"\n{durability}\n"),
    };
    let authentication = match setting.keys {
        true => "[authentication]\nkeys = \"keys.toml\"\n\n",
        false => "",
    };
    let mut text = String::new();
    writeln!(
        text,
        "[gateway]\nname = \"measured\"\nsocket = \"gateway.sock\"\nlog = \"warn\"\n\n\
         [eal]\nmemory = 256\nhugepages = \"{}\"\n\n\
         [workers]\ncores = [{}]\nidle = \"{}\"\npeer_rate = 4000000\n\n\
         [tables]\nbindings = {bindings}\ntunnels = {tunnels}\n{adjacencies}\n{store}{authentication}",
        setting.hugepages,
        setting.core.unwrap_or(0),
        if setting.share { "sleep" } else { "busy" },
    )?;
    let (end, sockets) = match &setting.sockets {
        Some(ours) => ("client", ours.as_path()),
        None => ("server", directory),
    };
    for ((number, name), mac) in (0..).zip(INTERFACES).zip(MACS) {
        let device = devargs(number, end, &sockets.join(format!("{name}.sock")));
        writeln!(
            text,
            "[[port]]\nname = \"{name}\"\ndevice = \"{device},mac={mac}\"\n"
        )?;
    }
    text.push_str(&match setting.role {
        Role::Lma => anchor(plan),
        Role::Mag => access_gateway(plan),
    });
    Ok(text)
}

fn anchor(plan: &Plan) -> String {
    let given = plan.given();
    let (anchor, pool) = (given.anchor, given.host_pool);
    format!(
        "[[interface]]\nname = \"core\"\nport = \"core\"\nkind = \"core\"\naddresses = [\"{anchor}/64\"]\n\n\
         [[interface]]\nname = \"inet\"\nport = \"inet\"\nkind = \"core\"\naddresses = [\"{OUTSIDE}/64\"]\n\n\
         [lma]\naddress = \"{anchor}\"\npolicy = \"policy.toml\"\n\
         pools = [{{ prefix = \"{}/{}\", length = {} }}]\n",
        pool.address, pool.length, given.host_length
    )
}

fn access_gateway(plan: &Plan) -> String {
    let address = plan.access_gateway(0);
    let [_, access] = MACS;
    format!(
        "[[interface]]\nname = \"core\"\nport = \"core\"\nkind = \"core\"\naddresses = [\"{address}/64\"]\n\n\
         [[interface]]\nname = \"inet\"\nport = \"inet\"\nkind = \"access\"\nrouter = \"fe80::1\"\nmac = \"{access}\"\n\n\
         [mag]\naddress = \"{address}\"\npolicy = \"policy.toml\"\nlifetime = 3600\n"
    )
}

fn policy(setting: &Setting, plan: &Plan) -> String {
    if setting.role == Role::Mag {
        let anchor = plan.given().anchor;
        return format!("[default]\nidentifier = \"{{mac}}{REALM}\"\nlma = \"{anchor}\"\n");
    }
    let gateways = u64::from(plan.given().access_gateways);
    let addresses: Vec<String> = (0..gateways)
        .map(|it| format!("\"{}\"", plan.access_gateway(it)))
        .collect();
    format!("mags = [{}]\nserve_unlisted = true\n", addresses.join(", "))
}
