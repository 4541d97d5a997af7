//! The files in `conf/`, and the reference among them.

use super::{load, machine, root, LMA, MAG};
use control::config::{
    Aaa, AaaClient, AaaDynamic, AaaServer, Authentication, Cmd, Config, Eal, ErrorSource, Gateway,
    Interface, Ipv4Network, Lma, LmaDomain, LmaHeartbeat, Maar, MaarDistributed, MaarNeighbour,
    MaarRole, Mag, MagHeartbeat, Management, Pool, Port, Revocation, Route, Rx, Store, Tables,
    Workers,
};
use serde::de::{self, DeserializeOwned, Visitor};
use std::path::PathBuf;

/// Every configuration in `conf/`: what is no policy file.
fn examples() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for directory in ["conf", "conf/demo"] {
        for entry in std::fs::read_dir(root().join(directory)).expect("conf is there") {
            let path = entry.expect("readable").path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if name.ends_with(".toml") && !name.ends_with("policy.toml") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_example_loads() {
    let examples = examples();
    assert!(examples.len() >= 6, "{examples:?}");
    for file in examples {
        Config::load_for(&file, &machine()).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// Loads what `to_toml` printed, from another directory.
fn reload(printed: &str) -> Config {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let file = elsewhere.path().join("printed.toml");
    std::fs::write(&file, printed).expect("written");
    Config::load_for(&file, &machine()).unwrap_or_else(|error| panic!("{error}\n{printed}"))
}

#[test]
fn what_check_prints_loads_as_itself() {
    for file in examples() {
        let config = Config::load_for(&file, &machine()).expect("examples load");
        assert_eq!(reload(&config.to_toml()), config, "{}", file.display());
    }
}

#[test]
fn what_check_prints_has_the_defaults_filled_in() {
    let config = load(LMA, "mags = []\n").expect("it loads");
    let printed = config.to_toml();
    for line in [
        "max_lifetime = 3600",
        "tunnel_mtu = 1460",
        "hugepages = \"auto\"",
        "mtu = 1500",
    ] {
        assert!(
            printed.lines().any(|printed| printed == line),
            "no `{line}` in\n{printed}"
        );
    }
}

#[test]
fn the_tunnel_mtu_follows_the_link() {
    let jumbo = MAG.replacen("device = ", "mtu = 9000\ndevice = ", 1);
    let config = load(&jumbo, "").expect("it loads");
    assert_eq!(config.role().tunnel_mtu(), 8960);
    let small = MAG.replacen("device = ", "mtu = 1280\ndevice = ", 1);
    let config = load(&small, "").expect("it loads");
    assert_eq!(config.role().tunnel_mtu(), 1240);
}

/// Unless it is configured otherwise, a gateway with hosts on its links has room for one behind each of its
/// bindings, beside all the neighbours that it may have.
#[test]
fn there_is_an_adjacency_for_the_host_of_every_binding() {
    for bindings in [1, 12, 13, 1_000, 65_536, 100_000, 16 << 20] {
        let tables = format!("[tables]\nbindings = {bindings}\n\n[mag]");
        let config = load(&MAG.replacen("[mag]", &tables, 1), "").expect("it loads");
        let adjacencies = config.tables.adjacencies();
        let hosts = adjacencies - Tables::neighbours(adjacencies);
        assert!(hosts >= bindings, "{bindings}: {hosts} hosts");
        assert!(
            adjacencies <= bindings + bindings / 3 + 5,
            "{bindings}: {adjacencies}"
        );
        assert!(config
            .to_toml()
            .contains(&format!("adjacencies = {adjacencies}\n")));
        let printed: Config = toml::from_str(&config.to_toml()).expect("it is TOML");
        assert_eq!(printed.tables, config.tables);
    }
    let fewer = MAG.replacen("[mag]", "[tables]\nadjacencies = 100\n\n[mag]", 1);
    let fewer = load(&fewer, "").expect("it loads");
    assert_eq!(fewer.tables.adjacencies(), 100);
    let room = fewer.room();
    assert!(
        room.contains("adjacencies = 100") && room.contains("25 of which"),
        "{room}"
    );
    let anchor = load(LMA, "mags = []\n").expect("it loads");
    assert_eq!(anchor.tables.adjacencies(), 65_536);
    assert!(!anchor.room().contains("adjacencies"));
}

#[test]
fn paths_are_relative_to_the_file() {
    let config =
        Config::load_for(&root().join("conf/demo/mag1.toml"), &machine()).expect("it loads");
    assert!(config.gateway.socket.is_absolute());
    assert!(config.gateway.socket.ends_with("conf/demo/mag1.sock"));
    assert!(config
        .role()
        .policy()
        .is_some_and(|policy| policy.ends_with("conf/demo/mag-policy.toml")));
}

/// A deserializer that only asks a struct for the names of its fields.
struct AskFields;

/// The names, as an error, because that is the way out.
#[derive(Debug)]
struct Fields(&'static [&'static str]);

impl std::fmt::Display for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::error::Error for Fields {}

impl de::Error for Fields {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        panic!("not a struct: {message}")
    }
}

impl<'de> de::Deserializer<'de> for AskFields {
    type Error = Fields;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fields> {
        panic!("not a struct")
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Fields> {
        Err(Fields(fields))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn fields_of<T: DeserializeOwned>() -> &'static [&'static str] {
    match T::deserialize(AskFields) {
        Ok(_) => panic!("made of nothing"),
        Err(Fields(fields)) => fields,
    }
}

/// The text of the reference with every commented-out table and key made real: a comment that is
/// TOML is one.
fn uncommented() -> String {
    let text = std::fs::read_to_string(root().join("conf/reference.toml")).expect("readable");
    let is_toml = |line: &str| {
        let line = line
            .split_once(" #")
            .map_or(line, |(line, _)| line)
            .trim_end();
        let key = line.split_once(" = ").map(|(key, _)| key);
        let is_key = |key: &str| {
            !key.is_empty()
                && key
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        (line.starts_with('[') && line.ends_with(']')) || key.is_some_and(is_key)
    };
    let lines = text.lines().map(|line| match line.strip_prefix("# ") {
        Some(commented) if is_toml(commented) => commented,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_reference_names_every_key_of_the_schema() {
    let text = uncommented();
    let table: toml::Table =
        toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let sections: [(&str, &[&str]); 29] = [
        ("gateway", fields_of::<Gateway>()),
        ("eal", fields_of::<Eal>()),
        ("workers", fields_of::<Workers>()),
        ("rx", fields_of::<Rx>()),
        ("tables", fields_of::<Tables>()),
        ("port", fields_of::<Port>()),
        ("interface", fields_of::<Interface>()),
        ("route", fields_of::<Route>()),
        ("error_source", fields_of::<ErrorSource>()),
        ("management", fields_of::<Management>()),
        ("aaa", fields_of::<Aaa>()),
        ("server", fields_of::<AaaServer>()),
        ("dynamic", fields_of::<AaaDynamic>()),
        ("client", fields_of::<AaaClient>()),
        ("authentication", fields_of::<Authentication>()),
        ("lma", fields_of::<Lma>()),
        ("mag", fields_of::<Mag>()),
        ("pools", fields_of::<Pool>()),
        ("ipv4_networks", fields_of::<Ipv4Network>()),
        ("revocation", fields_of::<Revocation>()),
        ("lma.domain", fields_of::<LmaDomain>()),
        ("lma.heartbeat", fields_of::<LmaHeartbeat>()),
        ("mag.heartbeat", fields_of::<MagHeartbeat>()),
        ("store", fields_of::<Store>()),
        ("cmd", fields_of::<Cmd>()),
        ("cmd.maar", fields_of::<Maar>()),
        ("maar", fields_of::<MaarRole>()),
        ("maar.distributed", fields_of::<MaarDistributed>()),
        ("neighbour", fields_of::<MaarNeighbour>()),
    ];
    for section in fields_of::<Config>() {
        assert!(
            sections.iter().any(|(name, _)| name == section),
            "[{section}] is not looked at"
        );
    }
    for (section, keys) in sections {
        let value = match section {
            "pools" | "ipv4_networks" | "revocation" => &table["lma"][section],
            "lma.domain" => &table["lma"]["domain"],
            "lma.heartbeat" => &table["lma"]["heartbeat"],
            "mag.heartbeat" => &table["mag"]["heartbeat"],
            "rx" => &table["workers"]["rx"],
            "server" | "dynamic" => &table["aaa"][section],
            "client" => &table["aaa"]["dynamic"]["client"],
            "cmd.maar" => &table["cmd"]["maar"],
            "maar.distributed" => &table["maar"]["distributed"],
            "neighbour" => &table["maar"]["neighbour"],
            _ => &table[section],
        };
        let tables = match value {
            toml::Value::Array(tables) => tables.clone(),
            table => vec![table.clone()],
        };
        for key in keys {
            let named = tables.iter().any(|table| table.get(key).is_some());
            assert!(named, "reference.toml does not name `{key}` of [{section}]");
        }
    }
}

#[test]
fn what_the_reference_comments_out_are_the_defaults() {
    let text = uncommented();
    let shown: Config = toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let plain =
        Config::load_for(&root().join("conf/reference.toml"), &machine()).expect("it loads");
    assert_eq!(shown.gateway.drain_timeout, plain.gateway.drain_timeout);
    assert_eq!(shown.gateway.log, plain.gateway.log);
    assert_eq!(shown.gateway.socket, plain.gateway.socket);
    assert_eq!(shown.eal, plain.eal);
    assert_eq!(shown.workers, plain.workers);
    assert_eq!(shown.tables, plain.tables);
    assert_eq!(shown.port, plain.port);
    let (mut shown_lma, plain_lma) = (shown.lma.expect("an LMA"), plain.lma.expect("an LMA"));
    // The table as such is an example.
    assert_eq!(std::mem::take(&mut shown_lma.domain).len(), 1);
    // So is a number that nobody has by default.
    assert_eq!(shown_lma.confirmation_option.take(), Some(250));
    assert_eq!(
        Lma {
            policy: plain_lma.policy.clone(),
            ..shown_lma
        },
        plain_lma
    );
    let maar = Config::load_for(&root().join("conf/maar.toml"), &machine()).expect("it loads");
    let (mut shown_maar, maar) = (shown.maar.expect("a MAAR"), maar.maar.expect("a MAAR"));
    // The table as such is an example.
    assert!(shown_maar.dhcpv6.take().is_some());
    assert_eq!(
        MaarRole {
            policy: maar.policy.clone(),
            neighbour: maar.neighbour.clone(),
            ..shown_maar
        },
        maar
    );
    let cmd = Config::load_for(&root().join("conf/cmd.toml"), &machine()).expect("it loads");
    let (shown_cmd, cmd) = (shown.cmd.expect("a CMD"), cmd.cmd.expect("a CMD"));
    assert_eq!(
        Cmd {
            maar: cmd.maar.clone(),
            ..shown_cmd
        },
        cmd
    );
    let mag = load(MAG, "").expect("it loads").mag.expect("a MAG");
    let mut shown_mag = shown.mag.expect("a MAG");
    // The table as such is an example.
    assert!(shown_mag.dhcpv6.take().is_some());
    assert!(shown_mag.dhcpv4.take().is_some());
    assert!(shown_mag.ipv4_address.take().is_some());
    assert_eq!(shown_mag.confirmation_option.take(), Some(250));
    assert_eq!(
        Mag {
            policy: mag.policy.clone(),
            ..shown_mag
        },
        mag
    );
}
