//! The journals of a run: a line of JSON for each round and for each message that left a client.

use crate::experiment::ExperimentError;
use crate::experiment::fields::{Differs, first_of_json};
use crate::experiment::verify::Difference;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sottovoce_core::{Digest, LedgerLine};
use sottovoce_simulation::durable::Access;
use sottovoce_simulation::{Chain, Leaves, Mark, Times};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

pub(crate) const ROUNDS: &str = "rounds.jsonl";
pub(crate) const EGRESS: &str = "egress.jsonl";

/// A file of JSON lines that only grows.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: BufWriter<File>,
    bytes: u64,
    hash: blake3::Hasher,
}

impl Journal {
    /// Opens or makes a file and cuts it back to what `kept` stands for.
    pub(crate) fn open(path: PathBuf, kept: Kept) -> Result<Self, ExperimentError> {
        let open = || {
            let file = Access::Owner.options().create(true).append(true).open(&path)?;
            file.set_len(kept.bytes)?;
            Ok(file)
        };
        let file = open().map_err(ExperimentError::at(&path))?;
        let Kept { bytes, hash } = kept;
        Ok(Self { file: BufWriter::with_capacity(1 << 16, file), bytes, hash, path })
    }

    /// Writes a line.
    pub(crate) fn line(&mut self, line: &[u8]) -> Result<(), ExperimentError> {
        self.bytes += line.len() as u64;
        self.hash.update(line);
        self.file.write_all(line).map_err(ExperimentError::at(&self.path))
    }

    /// How far it has come, with what is not on the disk yet.
    pub(crate) fn mark(&self) -> Mark {
        Mark { bytes: self.bytes, digest: self.hash.finalize().into() }
    }

    /// Brings what was written to the disk.
    pub(crate) fn sync(&mut self) -> Result<(), ExperimentError> {
        self.file
            .flush()
            .and_then(|()| self.file.get_ref().sync_data())
            .map_err(ExperimentError::at(&self.path))
    }
}

/// The beginning of a journal that stays.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    bytes: u64,
    hash: blake3::Hasher,
}

impl Kept {
    /// The beginning that `mark` stands for, if the file still has it.
    pub(crate) fn check(path: &Path, mark: Mark) -> Result<Self, ExperimentError> {
        let refused = |what| ExperimentError::RunDirectory { path: path.to_owned(), what };
        let mut hash = blake3::Hasher::new();
        let hashed = File::open(path).and_then(|file| io::copy(&mut file.take(mark.bytes), &mut hash));
        match hashed {
            Ok(bytes) if bytes < mark.bytes => Err(refused(
                "is shorter than its checkpoint says: something else has cut it; begin anew in another folder",
            )),
            Ok(_) if Digest::from(hash.finalize()) != mark.digest => Err(refused(
                "does not belong to its checkpoint: something else has changed it; begin anew in another folder",
            )),
            Ok(bytes) => Ok(Self { bytes, hash }),
            Err(source) => Err(ExperimentError::at(path)(source)),
        }
    }
}

/// A line as a journal has it.
pub(crate) fn line_of(value: &impl Serialize, path: &Path) -> Result<Vec<u8>, ExperimentError> {
    let mut line = serde_json::to_vec(value).map_err(|e| ExperimentError::at(path)(e.into()))?;
    line.push(b'\n');
    Ok(line)
}

/// The lines of a file, one after another, as something else makes them again.
#[derive(Debug)]
pub(crate) struct Follow {
    name: &'static str,
    path: PathBuf,
    file: BufReader<File>,
    /// The number of the last line, from 1.
    number: u64,
    /// It has all of its lines; otherwise its end may be missing.
    whole: bool,
}

impl Follow {
    pub(crate) fn open(folder: &Path, name: &'static str, whole: bool) -> Result<Self, ExperimentError> {
        let path = folder.join(name);
        let file = BufReader::new(File::open(&path).map_err(ExperimentError::at(&path))?);
        Ok(Self { name, path, file, number: 0, whole })
    }

    fn next(&mut self) -> Result<Vec<u8>, ExperimentError> {
        let mut line = Vec::new();
        self.file.read_until(b'\n', &mut line).map_err(ExperimentError::at(&self.path))?;
        self.number += 1;
        Ok(line)
    }

    /// Holds the next line against `here`.
    pub(crate) fn line(&mut self, here: &[u8]) -> Result<(), ExperimentError> {
        let line = self.next()?;
        if line == here || !self.whole && !line.ends_with(b"\n") {
            return Ok(());
        }
        let Differs { what, a, b } = match line.is_empty() {
            true => Differs { what: "the line".to_owned(), a: "absent".to_owned(), b: "there".to_owned() },
            false => first_of_json(&line, here),
        };
        Err(self.differs(what, a, b))
    }

    /// Nothing may be left.
    pub(crate) fn end(&mut self) -> Result<(), ExperimentError> {
        match self.next()?.is_empty() {
            true => Ok(()),
            false => Err(self.differs("the line".to_owned(), "there".to_owned(), "absent".to_owned())),
        }
    }

    fn differs(&self, what: String, recorded: String, here: String) -> ExperimentError {
        Difference::of(format!("{} line {}: {what}", self.name, self.number), recorded, here).into()
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
    /// The lines of a run directory, in order. One at the end that a process was killed over is left out.
    pub fn read(run: &Path) -> Result<Vec<Self>, ExperimentError> {
        read_lines(&run.join(ROUNDS), u64::MAX)
    }

    /// How many lines a run directory has; none where there is no such file.
    pub(crate) fn count(run: &Path) -> u64 {
        File::open(run.join(ROUNDS)).map_or(0, |file| BufReader::new(file).split(b'\n').count() as u64)
    }

    /// The lines within the first `bytes` of a run directory's journal.
    pub(crate) fn read_within(run: &Path, bytes: u64) -> Result<Vec<Self>, ExperimentError> {
        read_lines(&run.join(ROUNDS), bytes)
    }
}

/// Hands every line of a run directory's ledger to `each`, in order.
pub(crate) fn each_message(run: &Path, mut each: impl FnMut(LedgerLine)) -> Result<(), ExperimentError> {
    let path = run.join(EGRESS);
    let mut file = BufReader::new(File::open(&path).map_err(ExperimentError::at(&path))?);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        file.read_until(b'\n', &mut line).map_err(ExperimentError::at(&path))?;
        // One at the end that a process was killed over is no line.
        if !line.ends_with(b"\n") {
            break;
        }
        let parsed = serde_json::from_slice(&line);
        each(parsed.map_err(|_| ExperimentError::Line { path: path.clone(), line: number })?);
    }
    Ok(())
}

/// The lines of a run directory's ledger that belong to a round, by client.
pub fn ledger_of(run: &Path, round: u64) -> Result<Vec<LedgerLine>, ExperimentError> {
    let mut lines: Vec<LedgerLine> = read_lines(&run.join(EGRESS), u64::MAX)?;
    lines.retain(|line| line.round == round);
    Ok(lines)
}

fn read_lines<T: DeserializeOwned>(path: &Path, bytes: u64) -> Result<Vec<T>, ExperimentError> {
    let mut lines = Vec::new();
    let mut file = BufReader::new(File::open(path).map_err(ExperimentError::at(path))?.take(bytes));
    let mut line = Vec::new();
    while file.read_until(b'\n', &mut line).map_err(ExperimentError::at(path))? > 0 {
        if !line.ends_with(b"\n") {
            break;
        }
        let parsed = serde_json::from_slice(&line)
            .map_err(|_| ExperimentError::Line { path: path.to_owned(), line: lines.len() as u64 + 1 });
        lines.push(parsed?);
        line.clear();
    }
    Ok(lines)
}
