//! Finished run directories, as a comparison reads them.
//!
//! The files have to be those that the run left; that the data still lie where they were is not needed.

use super::CompareError;
use super::metrics::{Figures, METRICS};
use crate::config::Config;
use crate::experiment::{Ended, sums};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sottovoce_core::Digest;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// A finished run.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// Its folder.
    pub(super) path: PathBuf,
    /// What it was called.
    pub(super) name: String,
    /// Its seed.
    pub(super) seed: u64,
    /// The rest of its effective configuration, one entry a value, keys joined by dots: without the data's paths, with
    /// a digest of what was read there as `data.files`.
    pub(super) values: BTreeMap<String, String>,
    /// What it came to.
    pub(super) figures: Figures,
}

/// What a comparison takes from `manifest.json`.
#[derive(Deserialize)]
struct Manifest {
    data: Origin,
}
#[derive(Deserialize)]
struct Origin {
    files: Vec<File>,
}
#[derive(Deserialize)]
struct File {
    digest: String,
}

const CONFIG: &str = "config.toml";
const SUMMARY: &str = "summary.json";

/// The run that `path` is, or those directly below it in the order of their names.
pub(super) fn runs(path: &Path) -> Result<Vec<Run>, CompareError> {
    let is_run = |folder: &Path| folder.join(CONFIG).is_file() || folder.join(SUMMARY).is_file();
    if is_run(path) {
        return Ok(vec![Run::read(path)?]);
    }
    if !path.is_dir() {
        return Err(CompareError::NotARun { path: path.to_owned() });
    }
    let failed = |source| CompareError::Io { path: path.to_owned(), source };
    let mut below = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        below.push(entry.map_err(failed)?.path());
    }
    below.retain(|folder| is_run(folder));
    below.sort();
    if below.is_empty() {
        return Err(CompareError::NotARun { path: path.to_owned() });
    }
    below.iter().map(|folder| Run::read(folder)).collect()
}

impl Run {
    /// Reads a run directory.
    fn read(path: &Path) -> Result<Self, CompareError> {
        if !sums::check(path).map_err(|e| CompareError::Changed(Box::new(e)))? {
            return Err(CompareError::Unfinished { path: path.to_owned() });
        }
        let file = path.join(CONFIG);
        let text = read(&file)?;
        let invalid =
            |e: toml::de::Error| CompareError::Config { path: file.clone(), message: e.message().to_owned() };
        let config: Config = toml::from_str(&text).map_err(invalid)?;
        let summary = path.join(SUMMARY);
        let figures: Figures = json(&summary)?;
        if figures.ended == Ended::Interrupted {
            return Err(CompareError::Interrupted { path: path.to_owned() });
        }
        for metric in &METRICS {
            let value = metric.of(&figures).unwrap_or(0.0);
            if !(0.0..=1.0).contains(&value) {
                return Err(CompareError::Figure { path: summary, metric: metric.name, value });
            }
        }
        let manifest: Manifest = json(&path.join("manifest.json"))?;
        // Defaults that the file leaves out are written out here.
        let effective: Table = toml::from_str(&config.to_toml()).map_err(invalid)?;
        let values = values(&effective, &manifest.data.files);
        Ok(Self { path: path.to_owned(), name: config.name, seed: config.seed, values, figures })
    }
}

fn read(path: &Path) -> Result<String, CompareError> {
    fs::read_to_string(path).map_err(|source| CompareError::Io { path: path.to_owned(), source })
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T, CompareError> {
    serde_json::from_str(&read(path)?).map_err(|source| CompareError::Json { path: path.to_owned(), source })
}

/// Digits that tell two sets of files apart.
const SHORT: usize = 16;

fn values(effective: &Table, files: &[File]) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for (key, value) in effective {
        flatten(key, value, &mut values);
    }
    values.retain(|key, _| !["name", "seed", "data.path", "data.also"].contains(&key.as_str()));
    if !files.is_empty() {
        let digests: Vec<&str> = files.iter().map(|f| f.digest.as_str()).collect();
        let mut digest = Digest::of(digests.join("\n").as_bytes()).to_string();
        digest.truncate(SHORT);
        values.insert("data.files".to_owned(), digest);
    }
    values
}

/// Every value below `key`. Lists of tables are numbered from 0, other lists are one value.
fn flatten(key: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Table(table) => {
            for (name, value) in table {
                flatten(&format!("{key}.{name}"), value, into);
            }
        }
        Value::Array(list) if list.iter().any(Value::is_table) => {
            for (i, value) in list.iter().enumerate() {
                flatten(&format!("{key}.{i}"), value, into);
            }
        }
        Value::String(text) => {
            let plain = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "-_+./".contains(c));
            into.insert(key.to_owned(), if plain { text.clone() } else { format!("{text:?}") });
        }
        other => {
            into.insert(key.to_owned(), other.to_string());
        }
    }
}
