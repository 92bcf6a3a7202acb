//! Runs that differ in nothing but the seed are a group; what its runs have and others do not is its label.

use super::CompareError;
use super::runs::Run;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Runs of one configuration, by seed.
#[derive(Debug)]
pub(super) struct Group {
    /// What sets it apart.
    pub(super) label: String,
    /// One run for each seed.
    pub(super) runs: BTreeMap<u64, Run>,
}

/// A run that was left out because another is the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Repeated {
    /// Its folder.
    pub run: PathBuf,
    /// The one that counts.
    pub same_as: PathBuf,
}

/// Groups in the order of their first runs, and the runs that were left out.
pub(super) fn groups(runs: Vec<Run>) -> Result<(Vec<Group>, Vec<Repeated>), CompareError> {
    let (mut groups, mut repeated) = (Vec::<Group>::new(), Vec::new());
    let mut place: BTreeMap<BTreeMap<String, String>, usize> = BTreeMap::new();
    for run in runs {
        let at = *place.entry(run.values.clone()).or_insert(groups.len());
        if at == groups.len() {
            groups.push(Group { label: String::new(), runs: BTreeMap::new() });
        }
        match groups[at].runs.get(&run.seed) {
            None => drop(groups[at].runs.insert(run.seed, run)),
            Some(first) if first.figures.digest == run.figures.digest => {
                // A folder that is given twice, or by itself and in its parent, is one run.
                if first.path.canonicalize().ok() != run.path.canonicalize().ok() {
                    repeated.push(Repeated { run: run.path, same_as: first.path.clone() });
                }
            }
            Some(first) => {
                let (first, seed) = (first.path.clone(), run.seed);
                return Err(CompareError::SameSeed { seed, first, second: run.path });
            }
        }
    }
    let labels = labels(&groups);
    for (group, label) in groups.iter_mut().zip(labels) {
        group.label = label;
    }
    Ok((groups, repeated))
}

impl Group {
    /// One of its runs: they differ in the seed alone.
    pub(super) fn any(&self) -> &Run {
        self.runs.values().next().expect("a group begins with a run")
    }
}

/// `key=value` of all that is not the same in all groups; the name where a group has none of these keys.
fn labels(groups: &[Group]) -> Vec<String> {
    let keys: BTreeSet<&String> = groups.iter().flat_map(|g| g.any().values.keys()).collect();
    let varies =
        |key: &String| groups.iter().any(|g| g.any().values.get(key) != groups[0].any().values.get(key));
    let varying: Vec<&String> = keys.into_iter().filter(|key| varies(key)).collect();
    let label = |run: &Run| {
        let words: Vec<String> = varying
            .iter()
            .filter_map(|key| run.values.get(*key).map(|value| format!("{key}={value}")))
            .collect();
        // A name is anybody's text and must not steer a terminal.
        if words.is_empty() { run.name.escape_debug().to_string() } else { words.join(" ") }
    };
    groups.iter().map(|g| label(g.any())).collect()
}
