//! The run directory: what a run leaves behind.
//!
//! | file | content |
//! |---|---|
//! | `config.toml` | the effective configuration |
//! | `manifest.json` | versions, seed, configuration digest, data digests |
//! | `rounds.jsonl` | a line for each round |
//! | `egress.jsonl` | a line for each message that left a client |
//! | `clients.jsonl` | a line for each client that took part or was evaluated |
//! | `checkpoint.bin`, `checkpoint.previous.bin` | where to go on |
//! | `trace/` | everything that passed in each round, if asked for |
//! | `model.safetensors` | final parameters, with labels and features |
//! | `summary.json` | figures |
//! | `.lock` | held while a process writes here |
//!
//! Apart from times and memory in the summary, the same configuration gives the same bytes. Files other than the
//! journals are there whole or not at all. A journal may be ahead of the checkpoint, never behind: on resumption it is
//! cut back to the length that the checkpoint names, and its chain has to end where the checkpoint's does.

use crate::config::Config;
use crate::experiment::ExperimentError;
use crate::experiment::data::Data;
use crate::experiment::evidence::{self, Collector, Evidence};
use crate::experiment::journal::{EGRESS, Journal, ROUNDS, RoundLine};
use crate::experiment::summary::Summary;
use crate::saved::SavedModel;
use serde::{Deserialize, Serialize};
use sottovoce_core::{Checksum, Digest, EvaluationCounts, Layout, LedgerLine, Params};
use sottovoce_simulation::{
    Chain, Checkpoint, CheckpointError, Leaves, RoundReport, Standing, State, durable,
};
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const LOCK: &str = ".lock";

/// What is kept of a run: in a directory, or in memory only.
#[derive(Debug, Default)]
pub struct Record {
    directory: Option<Directory>,
    start: Chain,
    chain: Chain,
    leaves: Vec<Leaves>,
    /// Another configuration held in some of the rounds.
    changed: bool,
    /// It holds from the next round on, and this is its digest.
    changes: Option<Digest>,
    collector: Collector,
    witness: Option<u64>,
    evidence: Option<Evidence>,
}

#[derive(Debug)]
struct Directory {
    path: PathBuf,
    rounds: Journal,
    egress: Journal,
    resumed: bool,
    trace: bool,
    /// Another configuration may go on from the checkpoint.
    may_change: bool,
    /// Held as long as this is.
    _lock: File,
}

/// What is known about a round when it is over.
#[derive(Debug)]
pub struct Round<'a> {
    /// What it did.
    pub report: &'a RoundReport,
    /// A checksum for each stage, the evaluation's among them.
    pub leaves: Leaves,
    /// Accuracy, where it was evaluated.
    pub accuracy: Option<f64>,
    /// Parameters after it.
    pub params: &'a Params,
}

/// Where a run goes on.
#[derive(Debug)]
pub struct Resumed {
    /// The state to go on from.
    pub state: State,
    /// The algorithm's server state, as bytes.
    pub server: Vec<u8>,
    /// What is wrong with a newer checkpoint.
    pub damage: Option<CheckpointError>,
}

/// A line of `clients.jsonl`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ClientLine {
    /// The client's number.
    pub client: u64,
    /// Rounds in which it was part of the aggregate.
    pub rounds: u64,
    /// Its training examples, if it took part.
    pub train_examples: Option<u64>,
    /// Its held-out examples, if it was evaluated.
    pub test_examples: Option<u64>,
    /// Of these, classified right by the final model.
    pub correct: Option<u64>,
}

#[derive(Serialize)]
struct Manifest<'a> {
    sottovoce: &'static str,
    target: String,
    contract: u32,
    seed: u64,
    config: Digest,
    data: &'a crate::experiment::data::Origin,
    held_out: Checksum,
    intents: usize,
    clients: u64,
    training_clients: u64,
    schema: Digest,
}

impl Record {
    /// Keeps nothing on the disk.
    pub fn none() -> Self {
        Self::default()
    }

    /// Keeps nothing on the disk, and the evidence of one round in memory.
    pub fn witness(round: u64) -> Self {
        Self { witness: Some(round), ..Self::default() }
    }

    /// A new run directory; refuses a folder that holds anything.
    pub fn create(path: &Path) -> Result<Self, ExperimentError> {
        let lock = lock(path)?;
        if entries(path)?.iter().any(|name| name != LOCK) {
            let what = "is not empty; choose another folder, or go on with --resume";
            return Err(ExperimentError::RunDirectory { path: path.to_owned(), what });
        }
        Self::open(path, lock, false)
    }

    /// A run directory to go on in: from its newest checkpoint, or from the beginning where a run was ended before its
    /// first one. A folder that holds something else is refused.
    pub fn reopen(path: &Path) -> Result<Self, ExperimentError> {
        let new = !path.join(LOCK).exists();
        let lock = lock(path)?;
        if new && entries(path)?.iter().any(|name| name != LOCK) {
            let what = "is no run directory; choose a folder that is, or a new one";
            return Err(ExperimentError::RunDirectory { path: path.to_owned(), what });
        }
        Self::open(path, lock, true)
    }

    fn open(path: &Path, lock: File, resumed: bool) -> Result<Self, ExperimentError> {
        let (rounds, egress) = (Journal::open(path.join(ROUNDS))?, Journal::open(path.join(EGRESS))?);
        let path = path.to_owned();
        let directory =
            Directory { path, rounds, egress, resumed, trace: false, may_change: false, _lock: lock };
        Ok(Self { directory: Some(directory), ..Self::default() })
    }

    /// Keeps everything that passes in each round, in the folder `trace`.
    pub fn with_trace(mut self) -> Self {
        if let Some(d) = &mut self.directory {
            d.trace = true;
        }
        self
    }

    /// Lets a run go on under another configuration than its checkpoint's.
    pub fn allowing_changes(mut self) -> Self {
        if let Some(d) = &mut self.directory {
            d.may_change = true;
        }
        self
    }

    /// Writes what is known before the first round.
    pub fn begin(&mut self, config: &Config, data: &Data) -> Result<(), ExperimentError> {
        let Some(d) = &self.directory else { return Ok(()) };
        let manifest = Manifest {
            sottovoce: env!("CARGO_PKG_VERSION"),
            target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
            contract: sottovoce_simulation::CONTRACT,
            seed: config.seed,
            config: config.digest(),
            data: &data.origin,
            held_out: data.checksum(),
            intents: data.labels.len(),
            clients: data.shards.clients(),
            training_clients: data.shards.training_clients(),
            schema: data.model.layout().schema(),
        };
        write(&d.path.join("config.toml"), config.to_toml().as_bytes())?;
        write_json(&d.path.join("manifest.json"), &manifest)
    }

    /// Begins the chain of a run on held-out data of this checksum, or says where to go on, if this is a reopened
    /// directory with a checkpoint. Journals are cut back to it. Of what clients keep, `memory` bytes stay in memory.
    pub fn start(
        &mut self,
        config: Digest,
        data: Checksum,
        layout: &Arc<Layout>,
        memory: u64,
    ) -> Result<Option<Resumed>, ExperimentError> {
        self.start = Chain::start(config, data);
        self.chain = self.start;
        let Some(d) = self.directory.as_mut().filter(|d| d.resumed) else { return Ok(None) };
        let found = Checkpoint::newest(&d.path, (!d.may_change).then_some(config), layout, memory)?;
        let Some(found) = found else {
            d.rounds.cut(0)?;
            d.egress.cut(0)?;
            return Ok(None);
        };
        let Checkpoint { standing, state, server } = found.checkpoint;
        let Standing { config: before, start, chain, journals } = standing;
        let [rounds, egress] = journals;
        d.rounds.cut(rounds)?;
        d.egress.cut(egress)?;
        (self.start, self.chain) = (start, start);
        for line in RoundLine::read(&d.path)? {
            if let Some(configuration) = line.configuration {
                self.chain.reconfigure(configuration);
                self.changed = true;
            }
            self.chain.push(line.round, &line.leaves);
            self.leaves.push(line.leaves);
        }
        if self.chain != chain || self.leaves.len() as u64 != state.round {
            let what = "does not belong to its checkpoint: something else has changed it; begin anew in another folder";
            return Err(ExperimentError::RunDirectory { path: d.path.join(ROUNDS), what });
        }
        if before != config {
            self.chain.reconfigure(config);
            self.changes = Some(config);
        }
        Ok(Some(Resumed { state, server, damage: found.damage }))
    }

    /// Where the checkpoint's server state is none of the algorithm's that is run.
    pub(crate) fn of_another_algorithm(&self) -> ExperimentError {
        let path = self.directory.as_ref().map(|d| d.path.clone()).unwrap_or_default();
        let what = "holds a checkpoint of another algorithm; begin anew in another folder";
        ExperimentError::RunDirectory { path, what }
    }

    /// Hands the rounds that a reopened directory holds to `visit`.
    pub fn replay(&self, visit: impl FnMut(RoundLine)) -> Result<(), ExperimentError> {
        let Some(d) = self.directory.as_ref().filter(|d| d.resumed) else { return Ok(()) };
        RoundLine::read(&d.path)?.into_iter().for_each(visit);
        Ok(())
    }

    /// What looks on at `round`, if its evidence is wanted.
    pub fn tap(&self, round: u64) -> Option<&Collector> {
        let trace = self.directory.as_ref().is_some_and(|d| d.trace);
        (trace || self.witness == Some(round)).then_some(&self.collector)
    }

    /// Whether another configuration held in some of the rounds.
    pub fn changed(&self) -> bool {
        self.changed
    }

    /// Digest of the run up to here.
    pub fn chain(&self) -> Digest {
        self.chain.digest()
    }

    /// The leaves of all rounds so far.
    pub fn leaves(&self) -> &[Leaves] {
        &self.leaves
    }

    /// The evidence of the round that this is a witness of.
    pub fn into_evidence(self) -> Option<Evidence> {
        self.evidence
    }

    /// A round is over.
    pub fn round(&mut self, round: &Round<'_>) -> Result<(), ExperimentError> {
        let report = round.report;
        self.chain.push(report.round, &round.leaves);
        self.leaves.push(round.leaves);
        let configuration = self.changes.take();
        self.changed |= configuration.is_some();
        if self.witness == Some(report.round) {
            self.evidence = Some(self.collector.take(round.params));
        }
        let Some(d) = &mut self.directory else { return Ok(()) };
        if d.trace {
            let path = evidence::path(&d.path, report.round);
            self.collector.take(round.params).write(&path).map_err(ExperimentError::at(&path))?;
        }
        let mut rejected = BTreeMap::new();
        for (_, why) in &report.rejected {
            *rejected.entry(why.reason().to_owned()).or_default() += 1;
        }
        let mut without: Vec<(u64, String)> =
            report.rejected.iter().map(|(c, why)| (c.0, why.to_string())).collect();
        without.extend(report.dropped.iter().map(|(c, why)| (c.0, why.to_string())));
        without.sort_unstable();
        d.rounds.line(&RoundLine {
            round: report.round,
            cohort: report.cohort,
            accepted: report.accepted.iter().map(|a| (a.client.0, a.weight)).collect(),
            rejected,
            dropped: report.dropped.len() as u64,
            without,
            skipped: report.skipped.as_ref().map(ToString::to_string),
            examples: report.summary.examples,
            loss: report.summary.loss,
            accuracy: round.accuracy,
            bytes_up: report.bytes_up,
            bytes_down: report.bytes_down,
            time: report.time,
            leaves: round.leaves,
            chain: self.chain,
            configuration,
        })?;
        self.ledger(&report.ledger)
    }

    /// Messages left clients.
    pub fn ledger<'a>(
        &mut self,
        lines: impl IntoIterator<Item = &'a LedgerLine>,
    ) -> Result<(), ExperimentError> {
        let Some(d) = &mut self.directory else { return Ok(()) };
        lines.into_iter().try_for_each(|line| d.egress.line(line))
    }

    /// What became of the clients: `participants` holds examples and rounds of those that took part.
    pub fn clients(
        &mut self,
        participants: &BTreeMap<u64, (u64, u64)>,
        evaluated: &[EvaluationCounts],
    ) -> Result<(), ExperimentError> {
        let Some(d) = &self.directory else { return Ok(()) };
        let mut lines: BTreeMap<u64, ClientLine> = BTreeMap::new();
        for (client, (examples, rounds)) in participants {
            let line = lines.entry(*client).or_default();
            (line.rounds, line.train_examples) = (*rounds, Some(*examples));
        }
        for counts in evaluated {
            let line = lines.entry(counts.client.0).or_default();
            (line.test_examples, line.correct) = (Some(counts.examples), Some(counts.correct));
        }
        let path = d.path.join("clients.jsonl");
        let mut content = Vec::new();
        for (client, line) in lines {
            serde_json::to_writer(&mut content, &ClientLine { client, ..line })
                .map_err(|e| ExperimentError::at(&path)(e.into()))?;
            content.push(b'\n');
        }
        write(&path, &content)
    }

    /// Keeps where the run stands. What came before is on the disk first.
    pub fn checkpoint(
        &mut self,
        config: Digest,
        state: &State,
        server: &[u8],
    ) -> Result<(), ExperimentError> {
        let Some(d) = &mut self.directory else { return Ok(()) };
        d.rounds.sync()?;
        d.egress.sync()?;
        let journals = [d.rounds.bytes(), d.egress.bytes()];
        let standing = Standing { config, start: self.start, chain: self.chain, journals };
        Ok(standing.write(state, server, &d.path)?)
    }

    /// Writes model and summary.
    pub fn finish(
        mut self,
        config: &Config,
        data: &Data,
        params: &Params,
        summary: &Summary,
    ) -> Result<(), ExperimentError> {
        let Some(d) = &mut self.directory else { return Ok(()) };
        d.rounds.sync()?;
        d.egress.sync()?;
        let model = SavedModel::of(config, &data.labels, params, data.outside.table.clone()).to_bytes();
        write(&d.path.join("model.safetensors"), &model)?;
        write_json(&d.path.join("summary.json"), summary)
    }
}

/// Names of what a folder holds.
fn entries(path: &Path) -> Result<Vec<std::ffi::OsString>, ExperimentError> {
    let names = fs::read_dir(path).and_then(|all| all.map(|e| e.map(|e| e.file_name())).collect());
    names.map_err(ExperimentError::at(path))
}

/// Makes a folder this process's own until the file is dropped, which the system sees to if the process is killed.
fn lock(folder: &Path) -> Result<File, ExperimentError> {
    fs::create_dir_all(folder).map_err(ExperimentError::at(folder))?;
    let path = folder.join(LOCK);
    let file = File::options().create(true).append(true).open(&path).map_err(ExperimentError::at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let what = "another process is running here; wait for it, or choose another folder";
            Err(ExperimentError::RunDirectory { path: folder.to_owned(), what })
        }
        Err(TryLockError::Error(source)) => Err(ExperimentError::at(&path)(source)),
    }
}

fn write(path: &Path, content: &[u8]) -> Result<(), ExperimentError> {
    durable::replace(path, content, None).map_err(ExperimentError::at(path))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), ExperimentError> {
    let mut json = serde_json::to_vec_pretty(value).map_err(|e| ExperimentError::at(path)(e.into()))?;
    json.push(b'\n');
    write(path, &json)
}
