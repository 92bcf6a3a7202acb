//! A run held against what was kept of another: every round, message, client and figure, and the files themselves.

use crate::experiment::ExperimentError;
use crate::experiment::directory::MANIFEST;
use crate::experiment::fields::{differing, first_of_json, flat, without_measurements};
use crate::experiment::journal::{EGRESS, Follow, ROUNDS, ledger_of};
use crate::experiment::lock::ShortLeaves;
use crate::experiment::record::{MODEL, SUMMARY};
use crate::experiment::verify::{Difference, first_client};
use serde_json::Value;
use sottovoce_core::{Digest, LedgerLine};
use sottovoce_simulation::{Leaves, Stage};
use std::fs;
use std::path::{Path, PathBuf};

/// What was kept of a run.
#[derive(Debug)]
pub(crate) struct Against {
    leaves: Vec<ShortLeaves>,
    files: Option<Files>,
}

/// A run directory.
#[derive(Debug)]
struct Files {
    folder: PathBuf,
    rounds: Follow,
    egress: Follow,
    /// The run has ended, so that nothing may be missing.
    ended: bool,
}

impl Against {
    /// The leaves of a lock.
    pub(crate) fn leaves(leaves: Vec<ShortLeaves>) -> Self {
        Self { leaves, files: None }
    }

    /// The leaves and files of a run directory whose run has `ended`.
    pub(crate) fn directory(
        leaves: Vec<ShortLeaves>,
        folder: &Path,
        ended: bool,
    ) -> Result<Self, ExperimentError> {
        let (rounds, egress) = (Follow::open(folder, ROUNDS, ended)?, Follow::open(folder, EGRESS, ended)?);
        Ok(Self { leaves, files: Some(Files { folder: folder.to_owned(), rounds, egress, ended }) })
    }

    pub(crate) fn round(
        &mut self,
        round: u64,
        leaves: &Leaves,
        ledger: &[LedgerLine],
        line: &[u8],
    ) -> Result<(), ExperimentError> {
        if let Some(recorded) = self.leaves.get(round as usize)
            && let Some((stage, recorded, here)) = recorded.first_difference(&ShortLeaves::of(leaves))
        {
            let mut difference = Difference::of(stage.to_string(), recorded, here);
            (difference.round, difference.stage) = (Some(round), Some(stage));
            if matches!(stage, Stage::Shard | Stage::Message)
                && let Some(files) = &self.files
            {
                let (stage, client) = first_client(stage, &ledger_of(&files.folder, round)?, ledger);
                (difference.stage, difference.client) = (Some(stage), client);
                difference.what = stage.to_string();
            }
            return Err(difference.into());
        }
        self.files.as_mut().map_or(Ok(()), |files| files.rounds.line(line))
    }

    pub(crate) fn message(&mut self, line: &[u8]) -> Result<(), ExperimentError> {
        self.files.as_mut().map_or(Ok(()), |files| files.egress.line(line))
    }

    /// Whether all that the run has left is there.
    pub(crate) fn ended(&self) -> bool {
        self.files.as_ref().is_some_and(|files| files.ended)
    }

    /// A file of JSON lines that is written whole.
    pub(crate) fn lines(&mut self, name: &'static str, here: &[u8]) -> Result<(), ExperimentError> {
        let Some(files) = self.files.as_mut().filter(|files| files.ended) else { return Ok(()) };
        let mut follow = Follow::open(&files.folder, name, true)?;
        here.split_inclusive(|b| *b == b'\n').try_for_each(|line| follow.line(line))?;
        follow.end()
    }

    /// The run is over, with this model and this summary.
    pub(crate) fn end(&mut self, model: &[u8], summary: &[u8]) -> Result<(), ExperimentError> {
        let Some(files) = self.files.as_mut().filter(|files| files.ended) else { return Ok(()) };
        files.rounds.end()?;
        files.egress.end()?;
        let read = |name: &str| {
            let path = files.folder.join(name);
            fs::read(&path).map_err(ExperimentError::at(&path))
        };
        let recorded = read(MODEL)?;
        if recorded != model {
            let short = |bytes: &[u8]| Digest::of(bytes).to_string()[..16].to_owned();
            return Err(Difference::of(MODEL, short(&recorded), short(model)).into());
        }
        let recorded = read(SUMMARY)?;
        let lasting = |json: &[u8]| serde_json::from_slice::<Value>(json).map(without_measurements);
        match (lasting(&recorded), lasting(summary)) {
            (Ok(recorded), Ok(here)) => match differing(flat("", &recorded), flat("", &here)).first() {
                None => Ok(()),
                Some(d) => Err(Difference::of(format!("{SUMMARY}: {}", d.what), &d.a, &d.b).into()),
            },
            _ => {
                let d = first_of_json(&recorded, summary);
                Err(Difference::of(format!("{SUMMARY}: {}", d.what), d.a, d.b).into())
            }
        }
    }

    /// Whether the manifest is that of this run, apart from the build and the machine that wrote it.
    pub(crate) fn manifest(&self, here: &[u8]) -> Result<(), ExperimentError> {
        let Some(files) = &self.files else { return Ok(()) };
        let path = files.folder.join(MANIFEST);
        let recorded = fs::read(&path).map_err(ExperimentError::at(&path))?;
        let lasting = |json: &[u8]| {
            let mut manifest: Value = serde_json::from_slice(json).unwrap_or_default();
            if let Some(fields) = manifest.as_object_mut() {
                fields.remove("sottovoce");
                fields.remove("target");
                // Paths do not count: the files themselves have digests.
                fields.remove("data");
            }
            flat("", &manifest)
        };
        match differing(lasting(&recorded), lasting(here)).first() {
            None => Ok(()),
            Some(d) => Err(Difference::of(format!("{MANIFEST}: {}", d.what), &d.a, &d.b).into()),
        }
    }
}
