//! What the gateways of the bed are told: the examples of `conf`, with the numbers of each.

use super::{address, maar_name, pool};
use crate::gateway::Configuration;
use anyhow::{Context, Result};
use std::path::Path;

/// The database of the bed.
pub(super) fn database(
    conf: &Path,
    mode: &str,
    maars: usize,
    directory: &Path,
) -> Result<Configuration> {
    let mut configuration = Configuration::load(conf, "cmd")?;
    configuration.set("cmd", "address", "2001:db8:c::c");
    configuration.set("cmd", "mode", mode);
    let maars = (0..maars).map(|index| {
        let mut maar = toml::Table::new();
        maar.insert("address".into(), address(index).into());
        maar.insert("pools".into(), vec![toml::Value::from(pool(index))].into());
        toml::Value::from(maar)
    });
    configuration.set("cmd", "maar", maars.collect::<Vec<_>>());
    store(&mut configuration, directory, "cmd")?;
    Ok(configuration)
}

fn store(configuration: &mut Configuration, directory: &Path, name: &str) -> Result<()> {
    let path = directory.join(format!("state/{name}.redb"));
    let path = path.to_str().context("a path that is not text")?.to_owned();
    configuration.set("store", "path", path);
    Ok(())
}

/// A MAAR of the bed: the example of `conf`, which is the first of them, with other numbers.
pub(super) fn gateway(
    conf: &Path,
    index: usize,
    maars: usize,
    mode: &str,
    directory: &Path,
) -> Result<Configuration> {
    let alone = !super::MODES.contains(&mode);
    let example = if alone { "maar-distributed" } else { "maar" };
    let mut configuration = Configuration::load(conf, example)?;
    let name = maar_name(index);
    configuration.rename(&name);
    store(&mut configuration, directory, &name)?;
    let others = (0..maars).filter(|other| *other != index);
    let others = others.map(|other| {
        let mut neighbour = toml::Table::new();
        let number = other + 1;
        for (key, value) in [
            ("address", address(other)),
            ("router", format!("fe80::2{number:x}")),
            ("mac", format!("02:00:5e:00:52:2{number:x}")),
        ] {
            neighbour.insert(key.into(), value.into());
        }
        if !alone {
            neighbour.insert("pools".into(), vec![toml::Value::from(pool(other))].into());
        }
        toml::Value::from(neighbour)
    });
    configuration.set("maar", "neighbour", others.collect::<Vec<_>>());
    if alone {
        configuration.set("maar", "discovery", mode);
    } else {
        // As the figures of RFC 8885 have it: else every mode would be as quick as the locator, and a relay
        // that tells nothing would not be missed.
        configuration.set("maar", "direct_answers", mode == "locator");
    }
    let text = toml::to_string(configuration.table())?;
    // What the example says of the first MAAR itself stands outside of its neighbours.
    let mut table: toml::Table = text.parse()?;
    let own = |value: &mut toml::Value| replace(value, index);
    for (key, value) in &mut table {
        match (key.as_str(), value) {
            ("maar", toml::Value::Table(maar)) => {
                maar.iter_mut()
                    .filter(|(key, _)| key.as_str() != "neighbour")
                    .for_each(|(_, value)| own(value));
            }
            (_, value) => own(value),
        }
    }
    *configuration.table() = table;
    Ok(configuration)
}

/// Makes what is said of the first MAAR true of another.
fn replace(value: &mut toml::Value, index: usize) {
    let number = index + 1;
    match value {
        toml::Value::String(text) => {
            for (first, other) in [
                ("2001:db8:c::21", address(index)),
                ("fe80::21", format!("fe80::2{number:x}")),
                ("02:00:5e:00:52:21", format!("02:00:5e:00:52:2{number:x}")),
                ("2001:db8:2100::/40", pool(index)),
            ] {
                *text = text.replace(first, &other);
            }
        }
        toml::Value::Array(values) => values.iter_mut().for_each(|it| replace(it, index)),
        toml::Value::Table(table) => table.iter_mut().for_each(|(_, it)| replace(it, index)),
        _ => {}
    }
}
