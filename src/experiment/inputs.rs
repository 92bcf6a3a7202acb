//! What a run reads, by digests: runs on other data are other runs, whatever they are called.

use crate::config::{Config, ModelConfig, RootConfig};
use crate::experiment::ExperimentError;
use crate::experiment::data::Data;
use crate::experiment::origin::source;
use serde::{Deserialize, Serialize};
use sottovoce_core::{Checksum, Digest};
use sottovoce_simulation::world::Availability;
use sottovoce_transcripts::readers;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// What a run read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// Intents, test and validation examples, and what was read beside transcripts.
    pub held_out: Checksum,
    /// BLAKE3 of each file, by its path below the folder that was read; a file beside the transcripts has the key that
    /// names it in front.
    pub files: BTreeMap<String, String>,
}

impl Inputs {
    /// Of the data of an experiment.
    ///
    /// # Errors
    /// If a file can no longer be read.
    pub fn of(config: &Config, data: &Data) -> Result<Self, ExperimentError> {
        Ok(Self { held_out: data.checksum(), files: files(config)? })
    }

    /// One digest of all of it.
    pub fn digest(&self) -> Digest {
        let json = serde_json::to_vec(self).expect("digests and names can be written as JSON");
        Digest::of(&json)
    }

    /// The first thing that differs, with what it is in both.
    pub fn first_difference(&self, other: &Self) -> Option<(String, String, String)> {
        if let Some((name, a, b)) = first_file(&self.files, &other.files) {
            return Some((format!("data file {name}"), a, b));
        }
        let what = "intents or held-out examples".to_owned();
        let differ = self.held_out != other.held_out;
        differ.then(|| (what, self.held_out.to_string(), other.held_out.to_string()))
    }
}

/// The first file that differs or is in one of them only, with the beginnings of its digests.
pub fn first_file(
    a: &BTreeMap<String, String>,
    b: &BTreeMap<String, String>,
) -> Option<(String, String, String)> {
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let of = |all: &BTreeMap<String, String>, name: &String| {
        all.get(name).map_or("absent", |d| d.get(..16).unwrap_or(d)).to_owned()
    };
    let name = names.into_iter().find(|name| a.get(*name) != b.get(*name))?;
    Some((name.clone(), of(a, name), of(b, name)))
}

/// The digest of every file that a configuration names, as it lies there now.
///
/// # Errors
/// If one of them cannot be read.
pub fn files(config: &Config) -> Result<BTreeMap<String, String>, ExperimentError> {
    let mut all = BTreeMap::new();
    if config.data.synthetic.is_none() {
        let roots: Vec<&PathBuf> = config.data.path.iter().chain(&config.data.also).collect();
        let mut paths = readers::files_of(&source(config))?;
        // Released sets name their domains in a file beside the transcripts.
        let beside: BTreeSet<PathBuf> = paths.iter().map(|p| p.with_file_name("domains.json")).collect();
        paths.extend(beside.into_iter().filter(|path| path.is_file()));
        for path in &paths {
            let inside = roots.iter().find_map(|root| path.strip_prefix(root).ok());
            let inside = inside.filter(|p| !p.as_os_str().is_empty());
            let name = inside.or_else(|| path.file_name().map(Path::new)).unwrap_or(path);
            add(&mut all, name.to_string_lossy().replace('\\', "/"), path)?;
        }
    }
    for (key, path) in outside(config) {
        if path.is_dir() {
            let mut root = source(config);
            root.paths = vec![path.clone()];
            for file in readers::files_of(&root)? {
                let name = file.strip_prefix(&path).unwrap_or(&file).to_string_lossy().replace('\\', "/");
                add(&mut all, format!("{key}: {name}"), &file)?;
            }
        } else {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            add(&mut all, format!("{key}: {name}"), &path)?;
        }
    }
    Ok(all)
}

/// The files beside the transcripts that a configuration names.
pub(crate) fn named(config: &Config) -> String {
    outside(config).into_iter().map(|(key, path)| format!("{key} = {}\n", path.display())).collect()
}

/// Files beside the transcripts, with the keys that name them.
fn outside(config: &Config) -> Vec<(&'static str, PathBuf)> {
    let mut all = Vec::new();
    match &config.model {
        ModelConfig::Mlp { vectors: path, .. } => all.push(("model.vectors", path.clone())),
        ModelConfig::LowRank { table: Some(path), .. } => all.push(("model.table", path.clone())),
        _ => {}
    }
    if let Some(RootConfig::Files { path }) = &config.aggregation.root {
        all.push(("aggregation.root", path.clone()));
    }
    let availability = config.world.as_ref().and_then(|world| world.availability.as_ref());
    if let Some(Availability::Trace { path, .. }) = availability {
        all.push(("world.availability", path.clone()));
    }
    all
}

/// BLAKE3 of a file, in hexadecimal.
pub(crate) fn digest_of(path: &Path) -> Result<String, ExperimentError> {
    let mut hash = blake3::Hasher::new();
    let mut read = || io::copy(&mut File::open(path)?, &mut hash);
    read().map_err(ExperimentError::at(path))?;
    Ok(hash.finalize().to_hex().to_string())
}

/// Adds a file; a second one of a name gets a number.
fn add(all: &mut BTreeMap<String, String>, name: String, path: &Path) -> Result<(), ExperimentError> {
    let digest = digest_of(path)?;
    let mut numbered = name.clone();
    let mut number = 1;
    while all.contains_key(&numbered) {
        number += 1;
        numbered = format!("{name}#{number}");
    }
    all.insert(numbered, digest);
    Ok(())
}
