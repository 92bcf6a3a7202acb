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
//! | `BLAKE3SUMS` | a digest of each file, once the run has ended |
//! | `.lock` | held while a process writes here |
//!
//! Apart from times and memory in the summary, the same configuration gives the same bytes. Files other than the
//! journals are there whole or not at all. Nothing in a directory is changed before the whole run is accepted:
//! configuration, what is read, checkpoint and journals are held against what the directory says first. A journal may be
//! ahead of the checkpoint, never behind: on resumption it is cut back to what the checkpoint names.
//!
//! The same record, held against a directory, compares instead of writing, which is how runs are verified.

use crate::config::Config;
use crate::experiment::ExperimentError;
use crate::experiment::against::Against;
use crate::experiment::data::Data;
use crate::experiment::directory::{CONFIG, Claim, MANIFEST};
use crate::experiment::evidence::{self, Collector, Evidence};
use crate::experiment::fields::differing;
use crate::experiment::inputs::Inputs;
use crate::experiment::journal::{EGRESS, Journal, Kept, ROUNDS, RoundLine, line_of};
use crate::experiment::manifest::Manifest;
use crate::experiment::summary::Summary;
use crate::experiment::sums;
use crate::saved::SavedModel;
use serde::{Deserialize, Serialize};
use sottovoce_core::{Digest, EvaluationCounts, LedgerLine, Params};
use sottovoce_simulation::durable::Access;
use sottovoce_simulation::{
    Chain, Checkpoint, CheckpointError, Leaves, RoundReport, Standing, State, durable,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

pub(crate) const CLIENTS: &str = "clients.jsonl";
pub(crate) const MODEL: &str = "model.safetensors";
pub(crate) const SUMMARY: &str = "summary.json";

/// What is kept of a run: in a directory, in memory only, or nothing because it is compared with what was kept.
#[derive(Debug, Default)]
pub struct Record {
    keep: Keep,
    /// Digests of configuration and of what is read.
    identity: (Digest, Digest),
    start: Chain,
    chain: Chain,
    leaves: Vec<Leaves>,
    /// Rounds that the directory held already.
    before: Vec<RoundLine>,
    /// Another configuration held in some of the rounds.
    changed: bool,
    /// It holds from the next round on, and this is its digest.
    changes: Option<Digest>,
    collector: Collector,
    witness: Option<u64>,
    evidence: Option<Evidence>,
}

#[derive(Debug, Default)]
enum Keep {
    #[default]
    Nothing,
    Files(Box<Directory>),
    Against(Box<Against>),
}

#[derive(Debug)]
struct Directory {
    claim: Claim,
    trace: bool,
    /// Another configuration may go on from the checkpoint.
    may_change: bool,
    /// What is written as soon as the run is accepted.
    accepted: Option<Accepted>,
    /// The journals of rounds and of messages, once it is.
    journals: Option<[Journal; 2]>,
}

/// What a run writes before its first round.
#[derive(Debug)]
struct Accepted {
    manifest: Vec<u8>,
    config: String,
    kept: [Kept; 2],
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

impl Record {
    /// Keeps nothing on the disk.
    pub fn none() -> Self {
        Self::default()
    }

    /// Keeps nothing on the disk, and the evidence of one round in memory.
    pub fn witness(round: u64) -> Self {
        Self { witness: Some(round), ..Self::default() }
    }

    /// Holds the run against what was kept of another; the first difference is an error.
    pub(crate) fn against(other: Against) -> Self {
        Self { keep: Keep::Against(Box::new(other)), ..Self::default() }
    }

    /// A new run directory; refuses a folder that holds anything.
    pub fn create(path: &Path) -> Result<Self, ExperimentError> {
        Ok(Self::of(Claim::new(path)?))
    }

    /// A run directory to go on in: from its newest checkpoint, or from the beginning where a run was ended before its
    /// first one. A folder that holds something else is refused.
    pub fn reopen(path: &Path) -> Result<Self, ExperimentError> {
        Ok(Self::of(Claim::existing(path)?))
    }

    fn of(claim: Claim) -> Self {
        let directory = Directory { claim, trace: false, may_change: false, accepted: None, journals: None };
        Self { keep: Keep::Files(Box::new(directory)), ..Self::default() }
    }

    /// Keeps everything that passes in each round, in the folder `trace`.
    pub fn with_trace(mut self) -> Self {
        if let Keep::Files(d) = &mut self.keep {
            d.trace = true;
        }
        self
    }

    /// Lets a run go on under another configuration than its checkpoint's.
    pub fn allowing_changes(mut self) -> Self {
        if let Keep::Files(d) = &mut self.keep {
            d.may_change = true;
        }
        self
    }

    /// Checks that the directory is this run's, and writes nothing. [`Record::start`] does the same and more: this is for
    /// knowing it early.
    pub fn begin(&self, config: &Config, data: &Data) -> Result<(), ExperimentError> {
        let Keep::Files(d) = &self.keep else { return Ok(()) };
        d.is_of(config, &Inputs::of(config, data)?)
    }

    /// Begins the chain of a run, or says where to go on, if this is a reopened directory with a checkpoint. Nothing is
    /// written before [`Record::accept`].
    ///
    /// # Errors
    /// If the directory belongs to another configuration or other data, or is not what its checkpoint says.
    pub fn start(&mut self, config: &Config, data: &Data) -> Result<Option<Resumed>, ExperimentError> {
        let (digest, layout) = (config.digest(), data.model.layout());
        self.start = Chain::start(digest, data.checksum());
        self.chain = self.start;
        let Keep::Files(d) = &mut self.keep else { return Ok(None) };
        let inputs = Inputs::of(config, data)?;
        self.identity = (digest, inputs.digest());
        d.is_of(config, &inputs)?;
        let folder = &d.claim.path;
        let found = match &d.claim.identity {
            None => None,
            Some(_) => Checkpoint::newest(folder, None, layout, config.rounds.state_memory_mb << 20)?,
        };
        let manifest = Manifest::of(config, data, inputs).to_json();
        let accepted = |kept| Accepted { manifest, config: config.to_toml(), kept };
        let Some(found) = found else {
            if d.claim.identity.as_ref().is_some_and(|before| before.config != digest) {
                let what =
                    "has no checkpoint, so another configuration cannot go on from it; choose another folder";
                return Err(ExperimentError::RunDirectory { path: folder.clone(), what });
            }
            d.accepted = Some(accepted([Kept::default(), Kept::default()]));
            return Ok(None);
        };
        let Checkpoint { standing, state, server } = found.checkpoint;
        let Standing { config: before, inputs, start, chain, journals } = standing;
        if before != digest && !d.may_change || inputs != self.identity.1 {
            let what = "has a checkpoint that is not of this run; begin anew in another folder";
            return Err(ExperimentError::RunDirectory { path: folder.clone(), what });
        }
        let [rounds, egress] = [(ROUNDS, journals[0]), (EGRESS, journals[1])];
        let kept = |(name, mark)| Kept::check(&folder.join(name), mark);
        let kept = [kept(rounds)?, kept(egress)?];
        (self.start, self.chain) = (start, start);
        self.before = RoundLine::read_within(folder, journals[0].bytes)?;
        for line in &self.before {
            if let Some(configuration) = line.configuration {
                self.chain.reconfigure(configuration);
                self.changed = true;
            }
            self.chain.push(line.round, &line.leaves);
            self.leaves.push(line.leaves);
        }
        if self.chain != chain || self.leaves.len() as u64 != state.round {
            let what = "does not belong to its checkpoint: something else has changed it; begin anew in another folder";
            return Err(ExperimentError::RunDirectory { path: folder.join(ROUNDS), what });
        }
        if before != digest {
            self.chain.reconfigure(digest);
            self.changes = Some(digest);
        }
        d.accepted = Some(accepted(kept));
        Ok(Some(Resumed { state, server, damage: found.damage }))
    }

    /// The run can begin: writes what is known before its first round, and cuts the journals back.
    pub fn accept(&mut self) -> Result<(), ExperimentError> {
        let Keep::Files(d) = &mut self.keep else { return Ok(()) };
        let Some(Accepted { manifest, config, kept: [rounds, egress] }) = d.accepted.take() else {
            return Ok(());
        };
        let folder = &d.claim.path;
        sums::remove(folder)?;
        // The manifest first: with it the folder is a run directory.
        write(&folder.join(MANIFEST), &manifest)?;
        write(&folder.join(CONFIG), config.as_bytes())?;
        let rounds = Journal::open(folder.join(ROUNDS), rounds)?;
        d.journals = Some([rounds, Journal::open(folder.join(EGRESS), egress)?]);
        Ok(())
    }

    /// Where the checkpoint's server state is none of the algorithm's that is run.
    pub(crate) fn of_another_algorithm(&self) -> ExperimentError {
        let path = match &self.keep {
            Keep::Files(d) => d.claim.path.clone(),
            _ => Default::default(),
        };
        let what = "holds a checkpoint of another algorithm; begin anew in another folder";
        ExperimentError::RunDirectory { path, what }
    }

    /// Hands the rounds that a reopened directory held to `visit`, once.
    pub fn replay(&mut self, visit: impl FnMut(RoundLine)) {
        std::mem::take(&mut self.before).into_iter().for_each(visit);
    }

    /// What looks on at `round`, if its evidence is wanted.
    pub fn tap(&self, round: u64) -> Option<&Collector> {
        let trace = matches!(&self.keep, Keep::Files(d) if d.trace);
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
        if let Keep::Nothing = self.keep {
            return Ok(());
        }
        let mut rejected = BTreeMap::new();
        for (_, why) in &report.rejected {
            *rejected.entry(why.reason().to_owned()).or_default() += 1;
        }
        let mut without: Vec<(u64, String)> =
            report.rejected.iter().map(|(c, why)| (c.0, why.to_string())).collect();
        without.extend(report.dropped.iter().map(|(c, why)| (c.0, why.to_string())));
        without.sort_unstable();
        let line = RoundLine {
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
        };
        let line = line_of(&line, Path::new(ROUNDS))?;
        match &mut self.keep {
            Keep::Nothing => {}
            Keep::Files(d) => {
                if d.trace {
                    let path = evidence::path(&d.claim.path, report.round);
                    self.collector.take(round.params).write(&path).map_err(ExperimentError::at(&path))?;
                }
                d.journals()[0].line(&line)?;
            }
            Keep::Against(other) => other.round(report.round, &round.leaves, &report.ledger, &line)?,
        }
        self.messages(&report.ledger)
    }

    /// Messages left clients after the last round.
    pub fn ledger<'a>(
        &mut self,
        lines: impl IntoIterator<Item = &'a LedgerLine>,
    ) -> Result<(), ExperimentError> {
        match &self.keep {
            // The last round on record need not be the last one of the run.
            Keep::Against(other) if !other.ended() => Ok(()),
            _ => self.messages(lines),
        }
    }

    fn messages<'a>(
        &mut self,
        lines: impl IntoIterator<Item = &'a LedgerLine>,
    ) -> Result<(), ExperimentError> {
        let path = Path::new(EGRESS);
        match &mut self.keep {
            Keep::Nothing => Ok(()),
            Keep::Files(d) => {
                lines.into_iter().try_for_each(|line| d.journals()[1].line(&line_of(line, path)?))
            }
            Keep::Against(other) => {
                lines.into_iter().try_for_each(|line| other.message(&line_of(line, path)?))
            }
        }
    }

    /// What became of the clients: `participants` holds examples and rounds of those that took part.
    pub fn clients(
        &mut self,
        participants: &BTreeMap<u64, (u64, u64)>,
        evaluated: &[EvaluationCounts],
    ) -> Result<(), ExperimentError> {
        let mut lines: BTreeMap<u64, ClientLine> = BTreeMap::new();
        for (client, (examples, rounds)) in participants {
            let line = lines.entry(*client).or_default();
            (line.rounds, line.train_examples) = (*rounds, Some(*examples));
        }
        for counts in evaluated {
            let line = lines.entry(counts.client.0).or_default();
            (line.test_examples, line.correct) = (Some(counts.examples), Some(counts.correct));
        }
        let mut content = Vec::new();
        for (client, line) in lines {
            content.extend(line_of(&ClientLine { client, ..line }, Path::new(CLIENTS))?);
        }
        match &mut self.keep {
            Keep::Nothing => Ok(()),
            Keep::Files(d) => write(&d.claim.path.join(CLIENTS), &content),
            Keep::Against(other) => other.lines(CLIENTS, &content),
        }
    }

    /// Keeps where the run stands. What came before is on the disk first.
    pub fn checkpoint(&mut self, state: &State, server: &[u8]) -> Result<(), ExperimentError> {
        let Keep::Files(d) = &mut self.keep else { return Ok(()) };
        d.sync()?;
        let journals = d.journals().each_ref().map(|journal| journal.mark());
        let (config, inputs) = self.identity;
        let standing = Standing { config, inputs, start: self.start, chain: self.chain, journals };
        Ok(standing.write(state, server, &d.claim.path)?)
    }

    /// Writes model and summary.
    pub fn finish(
        mut self,
        config: &Config,
        data: &Data,
        params: &Params,
        summary: &Summary,
    ) -> Result<(), ExperimentError> {
        let model = || SavedModel::of(config, &data.labels, params, data.outside.table.clone()).to_bytes();
        let mut json = serde_json::to_vec_pretty(summary)
            .map_err(|e| ExperimentError::at(Path::new(SUMMARY))(e.into()))?;
        json.push(b'\n');
        match &mut self.keep {
            Keep::Nothing => Ok(()),
            Keep::Files(d) => {
                d.sync()?;
                write(&d.claim.path.join(MODEL), &model())?;
                write(&d.claim.path.join(SUMMARY), &json)?;
                sums::write(&d.claim.path)
            }
            Keep::Against(other) => other.end(&model(), &json),
        }
    }
}

impl Directory {
    /// Whether a run of this configuration on these data may go on here.
    fn is_of(&self, config: &Config, inputs: &Inputs) -> Result<(), ExperimentError> {
        let Some(before) = &self.claim.identity else { return Ok(()) };
        let path = self.claim.path.clone();
        if before.contract != sottovoce_simulation::CONTRACT {
            let what =
                "was begun by a build that keeps another contract; go on with that build, or begin anew";
            return Err(ExperimentError::RunDirectory { path, what });
        }
        if before.config != config.digest() && !self.may_change {
            let theirs = fs::read_to_string(path.join(CONFIG)).unwrap_or_default();
            let settings = |text: &str| config_fields(text);
            let keys = differing(settings(&theirs), settings(&config.to_toml()));
            let keys: Vec<String> =
                keys.iter().map(|d| format!("{} is {} there and {} here", d.what, d.a, d.b)).collect();
            return Err(ExperimentError::OtherConfiguration { path, keys: keys.join("; ") });
        }
        match before.inputs.first_difference(inputs) {
            Some((what, there, here)) => Err(ExperimentError::OtherData { path, what, there, here }),
            None => Ok(()),
        }
    }

    fn journals(&mut self) -> &mut [Journal; 2] {
        self.journals.as_mut().expect("a run is accepted before its first round")
    }

    fn sync(&mut self) -> Result<(), ExperimentError> {
        self.journals().iter_mut().try_for_each(Journal::sync)
    }
}

/// The values of a configuration by key, without those that do not count.
fn config_fields(text: &str) -> BTreeMap<String, String> {
    let table: toml::Table = toml::from_str(text).unwrap_or_default();
    let mut fields = crate::experiment::fields::flat("", &serde_json::to_value(table).unwrap_or_default());
    fields.retain(|key, _| !["data.path", "data.also"].contains(&key.as_str()));
    fields
}

fn write(path: &Path, content: &[u8]) -> Result<(), ExperimentError> {
    durable::replace(path, content, Access::Owner, None).map_err(ExperimentError::at(path))
}
