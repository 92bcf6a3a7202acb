//! The journals of a run: a line of JSON for each round and for each message that left a client.

use crate::experiment::ExperimentError;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sottovoce_core::{Digest, LedgerLine};
use sottovoce_simulation::{Chain, Leaves, Times};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

pub(crate) const ROUNDS: &str = "rounds.jsonl";
pub(crate) const EGRESS: &str = "egress.jsonl";

/// A file of JSON lines that only grows.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: BufWriter<File>,
    bytes: u64,
}

impl Journal {
    /// Opens or makes a file, to write behind what it holds.
    pub(crate) fn open(path: PathBuf) -> Result<Self, ExperimentError> {
        let file =
            File::options().create(true).append(true).open(&path).map_err(ExperimentError::at(&path))?;
        let bytes = file.metadata().map_err(ExperimentError::at(&path))?.len();
        Ok(Self { file: BufWriter::with_capacity(1 << 16, file), bytes, path })
    }

    /// Writes a line.
    pub(crate) fn line(&mut self, line: &impl Serialize) -> Result<(), ExperimentError> {
        let mut text = serde_json::to_vec(line).map_err(|e| ExperimentError::at(&self.path)(e.into()))?;
        text.push(b'\n');
        self.bytes += text.len() as u64;
        self.file.write_all(&text).map_err(ExperimentError::at(&self.path))
    }

    /// Length with what is not on the disk yet.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Brings what was written to the disk.
    pub(crate) fn sync(&mut self) -> Result<(), ExperimentError> {
        self.file
            .flush()
            .and_then(|()| self.file.get_ref().sync_data())
            .map_err(ExperimentError::at(&self.path))
    }

    /// Cuts the file back to a length that it once had.
    pub(crate) fn cut(&mut self, bytes: u64) -> Result<(), ExperimentError> {
        if bytes > self.bytes {
            let what = "is shorter than its checkpoint says: something else has cut it; begin anew in another folder";
            return Err(ExperimentError::RunDirectory { path: self.path.clone(), what });
        }
        self.bytes = bytes;
        self.file.get_ref().set_len(bytes).map_err(ExperimentError::at(&self.path))
    }
}

/// A line of `rounds.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoundLine {
    /// The round, from 0.
    pub round: u64,
    /// Clients asked.
    pub cohort: u64,
    /// Clients in the aggregate, with their training examples.
    pub accepted: Vec<(u64, u64)>,
    /// Refused updates by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Clients without an answer.
    pub dropped: u64,
    /// Clients that are not in the aggregate, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<(u64, String)>,
    /// Why the server made no step although clients answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// Training examples in the aggregate.
    pub examples: u64,
    /// Mean training loss, in nats.
    pub loss: f64,
    /// Accuracy after the round, where it was evaluated.
    pub accuracy: Option<f64>,
    /// Bytes from clients.
    pub bytes_up: u64,
    /// Bytes to clients.
    pub bytes_down: u64,
    /// Virtual time, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Times>,
    /// A checksum for each stage.
    pub leaves: Leaves,
    /// Digest of the run up to here.
    pub chain: Chain,
    /// From this round on another configuration holds, and this is its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Digest>,
}

impl RoundLine {
    /// The lines of a run directory, in order.
    pub fn read(run: &Path) -> Result<Vec<Self>, ExperimentError> {
        read_lines(&run.join(ROUNDS))
    }
}

/// The lines of a run directory's ledger that belong to a round, by client.
pub fn ledger_of(run: &Path, round: u64) -> Result<Vec<LedgerLine>, ExperimentError> {
    let mut lines: Vec<LedgerLine> = read_lines(&run.join(EGRESS))?;
    lines.retain(|line| line.round == round);
    Ok(lines)
}

fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, ExperimentError> {
    let mut lines = Vec::new();
    for line in BufReader::new(File::open(path).map_err(ExperimentError::at(path))?).lines() {
        let line = serde_json::from_str(&line.map_err(ExperimentError::at(path))?);
        lines.push(line.map_err(|e| ExperimentError::at(path)(e.into()))?);
    }
    Ok(lines)
}
