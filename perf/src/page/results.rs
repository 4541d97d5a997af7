//! The JSON files of one run.

use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// All files of a directory, by name without `.json`.
#[derive(Debug, Default)]
pub struct Results(BTreeMap<String, Value>);

impl Results {
    /// Reads a directory.
    ///
    /// # Errors
    /// When a file is not JSON.
    pub fn read(directory: &Path) -> Result<Self> {
        let mut found = BTreeMap::new();
        let files = fs::read_dir(directory)
            .with_context(|| format!("cannot read {}", directory.display()))?;
        for file in files {
            let path = file?.path();
            let Some(name) = path.file_stem().and_then(|it| it.to_str()) else {
                continue;
            };
            if path.extension().is_none_or(|it| it != "json") {
                continue;
            }
            let text = fs::read_to_string(&path)?;
            let value = serde_json::from_str(&text)
                .with_context(|| format!("{} is not JSON", path.display()))?;
            found.insert(name.to_owned(), value);
        }
        Ok(Self(found))
    }

    /// Of values by name.
    #[cfg(test)]
    pub fn of<const N: usize>(values: [(&str, Value); N]) -> Self {
        Self(values.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// A file.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A number in a file.
    pub fn number(&self, name: &str, place: &str) -> Option<f64> {
        self.get(name)?.pointer(place)?.as_f64()
    }

    /// The runs of `anchor-perf forward`, with the smallest number of bindings first.
    pub fn forwards(&self) -> Vec<&Value> {
        let files = self
            .0
            .iter()
            .filter(|(name, _)| name.starts_with("forward-"));
        let mut runs: Vec<&Value> = files.map(|(_, value)| value).collect();
        runs.sort_by_key(|run| run["bindings"].as_u64());
        runs
    }

    /// The run of `forward` on a path with so many bindings: one worker, no writer, the smallest frame.
    pub fn forward(&self, path: &str, bindings: u64) -> Option<&Value> {
        let runs = self.plain(path);
        runs.into_iter().find(|run| run["bindings"] == bindings)
    }

    /// All such runs on a path.
    pub fn plain(&self, path: &str) -> Vec<&Value> {
        let mut runs = self.forwards();
        runs.retain(|run| {
            run["path"] == path
                && run["workers"] == 1
                && run["writer_rate"].as_f64() == Some(0.0)
                && run["frame"] == 64
                && run["flows"] == "uniform"
        });
        runs
    }
}

/// A number of entries as people write it.
pub fn entries(count: u64) -> String {
    match count {
        _ if count >= 1_000_000 && count % 1_000_000 == 0 => format!("{} M", count / 1_000_000),
        16_777_216 => "16 M".to_owned(),
        _ if count >= 1_000 && count % 1_000 == 0 => format!("{} k", count / 1_000),
        _ => count.to_string(),
    }
}
