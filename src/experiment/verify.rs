//! Running a recorded run again, until it ends in the same digest or differs.

use crate::config::Config;
use crate::experiment::against::Against;
use crate::experiment::directory::{CONFIG, Identity};
use crate::experiment::inputs::Inputs;
use crate::experiment::journal::RoundLine;
use crate::experiment::lock::{Lock, ShortLeaves, metrics};
use crate::experiment::manifest::Manifest;
use crate::experiment::record::{Record, SUMMARY};
use crate::experiment::run::{Experiment, Observer, Progress, Stage as Part};
use crate::experiment::summary::{Ended, Summary};
use crate::experiment::{ExperimentError, LockError};
use serde::Serialize;
use sottovoce_core::{Checksum, Digest, LedgerLine};
use sottovoce_simulation::{CheckpointError, Stage};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// A recorded run: a lock, or a run directory.
#[derive(Debug)]
pub struct Recorded {
    configuration: Digest,
    config: String,
    inputs: Inputs,
    rounds: Vec<ShortLeaves>,
    chain: Option<Digest>,
    metrics: BTreeMap<String, f64>,
    directory: Option<Directory>,
}

/// A run directory that is held against the run.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    /// The configuration with the paths that held there.
    config: Config,
    /// How the run ended, if it has.
    ended: Option<Ended>,
}

impl Recorded {
    /// Reads a lock, or a run directory.
    pub fn read(path: &Path) -> Result<Self, ExperimentError> {
        if path.is_dir() {
            return Self::directory(path);
        }
        let lock = Lock::read(path)?;
        Ok(Self {
            configuration: lock.configuration(),
            config: lock.config(),
            inputs: lock.data().clone(),
            rounds: lock.rounds().to_vec(),
            chain: Some(lock.chain()),
            metrics: lock.metrics().clone(),
            directory: None,
        })
    }

    fn directory(path: &Path) -> Result<Self, ExperimentError> {
        let identity = Identity::read(path)?.ok_or_else(|| ExperimentError::RunDirectory {
            path: path.to_owned(),
            what: "is no run directory: it has no manifest.json",
        })?;
        if identity.contract != sottovoce_simulation::CONTRACT {
            let what = "was written by a build that keeps another contract: the same configuration may give other bits; \
                        check it with that build";
            return Err(ExperimentError::RunDirectory { path: path.to_owned(), what });
        }
        let file = path.join(CONFIG);
        let text = fs::read_to_string(&file).map_err(ExperimentError::at(&file))?;
        let config: Config = toml::from_str(&text).map_err(|e| ExperimentError::Artefact {
            path: file,
            source: io::Error::new(io::ErrorKind::InvalidData, e.message().to_owned()),
        })?;
        let lines = RoundLine::read(path)?;
        if lines.iter().any(|line| line.configuration.is_some()) {
            return Err(LockError::NotOneRun { what: "changed its configuration on the way" }.into());
        }
        let file = path.join(SUMMARY);
        // A run that has not ended has no summary; its rounds can be checked all the same.
        let summary: Option<Summary> = match fs::read(&file) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            json => {
                let json = json.map_err(ExperimentError::at(&file))?;
                Some(serde_json::from_slice(&json).map_err(|e| ExperimentError::at(&file)(e.into()))?)
            }
        };
        // One of an interruption counts as long as no further round has been run.
        let summary = summary.filter(|s| s.ended != Ended::Interrupted || s.rounds == lines.len() as u64);
        Ok(Self {
            configuration: identity.config,
            config: text,
            inputs: identity.inputs,
            rounds: lines.iter().map(|line| ShortLeaves::of(&line.leaves)).collect(),
            chain: summary.as_ref().map(|s| s.chain),
            metrics: BTreeMap::new(),
            directory: Some(Directory { path: path.to_owned(), config, ended: summary.map(|s| s.ended) }),
        })
    }

    /// The effective configuration as TOML.
    pub fn config(&self) -> &str {
        &self.config
    }
    /// Rounds on record.
    pub fn rounds(&self) -> u64 {
        self.rounds.len() as u64
    }
    /// How the run ended; none where it was killed, or is still running. A lock is of a run that has come to its end.
    pub fn ended(&self) -> Option<Ended> {
        self.directory.as_ref().map_or(Some(Ended::Completed), |d| d.ended)
    }
    /// Whether the record goes as far as the run would.
    fn whole(&self) -> bool {
        self.ended().is_some_and(|ended| ended != Ended::Interrupted)
    }
}

/// What running it again came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Rounds that were run again.
    pub rounds: u64,
    /// Rounds on record.
    pub recorded: u64,
    /// How the recorded run ended, if it has.
    pub ended: Option<Ended>,
    /// Digest of what was run again; that of the whole run if `rounds` is all of them.
    pub chain: Option<Digest>,
    /// The first difference; none if all is the same.
    pub difference: Option<Difference>,
}

/// Where a run differs from its record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// What differs: a file, a stage of a round, a figure.
    pub what: String,
    /// The round, where it is in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round: Option<u64>,
    /// The stage of the round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// The first client at which it differs, where the record lists clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<u64>,
    /// As recorded.
    pub recorded: String,
    /// As it is here.
    pub here: String,
}

impl Difference {
    pub(crate) fn of(what: impl Into<String>, recorded: impl ToString, here: impl ToString) -> Self {
        let (recorded, here) = (recorded.to_string(), here.to_string());
        Self { what: what.into(), round: None, stage: None, client: None, recorded, here }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(round) = self.round {
            write!(f, "round {round}, ")?;
        }
        if let Some(client) = self.client {
            write!(f, "client {client}, ")?;
        }
        write!(f, "{}: recorded {}, here {}", self.what, self.recorded, self.here)
    }
}

/// How to run it again.
#[derive(Debug, Clone, Copy, Default)]
pub struct Replay {
    /// At most so many rounds; all without it.
    pub rounds: Option<u64>,
    /// Asks the clients of a cohort in an order drawn from this seed.
    pub arrival: Option<u64>,
}

/// Runs a recorded run again under `config`, its own configuration with paths that hold here. Stops at the first
/// difference. Of a run directory every file is looked at: journals, clients, model and summary as well.
pub fn verify(
    recorded: &Recorded,
    config: Config,
    how: Replay,
    watch: &mut dyn Observer,
) -> Result<Verdict, ExperimentError> {
    let (last, ended) = (recorded.rounds(), recorded.ended());
    let verdict = |rounds, chain, difference| Verdict { rounds, recorded: last, ended, chain, difference };
    if recorded.configuration != config.digest() {
        let difference = Difference::of("configuration", recorded.configuration, config.digest());
        return Ok(verdict(0, None, Some(difference)));
    }
    let mut experiment = Experiment::new(config)?;
    let (config, data) = (experiment.config(), experiment.data());
    let inputs = Inputs::of(config, data)?;
    if let Some((what, recorded, here)) = recorded.inputs.first_difference(&inputs) {
        return Ok(verdict(0, None, Some(Difference::of(what, recorded, here))));
    }
    let leaves = recorded.rounds.clone();
    let other = match &recorded.directory {
        None => Against::leaves(leaves),
        Some(d) => Against::directory(leaves, &d.path, how.rounds.is_none() && d.ended.is_some())?,
    };
    if let Err(e) = other.manifest(&Manifest::of(config, data, inputs).to_json()) {
        return differs(e).map(|difference| verdict(0, None, Some(difference)));
    }
    if let Some(seed) = how.arrival {
        experiment = experiment.arriving(seed);
    }
    // What was interrupted is checked as far as it came.
    let end = if recorded.whole() { u64::MAX } else { last };
    let mut counting = Counting { last: how.rounds.unwrap_or(end).min(end), watch, rounds: 0, chain: None };
    if counting.last == 0 {
        return Ok(verdict(0, None, None));
    }
    let mut record = Record::against(other);
    let ran = experiment.run(&mut record, &mut counting);
    let Counting { rounds, chain, .. } = counting;
    let ended = match ran {
        // Only so many rounds were asked for, or whoever watches has stopped it.
        Ok((summary, _)) if how.rounds.is_some() || summary.ended == Ended::Interrupted && rounds < end => {
            Ok(())
        }
        Ok((summary, params)) => match &recorded.directory {
            None => ending(recorded, &summary).map_or(Ok(()), |d| Err(d.into())),
            Some(d) => record.finish(&d.config, experiment.data(), &params, &summary),
        },
        Err(e) => Err(e),
    };
    match ended {
        Ok(()) => Ok(verdict(rounds, chain, None)),
        Err(e) => differs(e).map(|difference| verdict(rounds, chain, Some(difference))),
    }
}

/// The difference that an error stands for, or the error.
fn differs(e: ExperimentError) -> Result<Difference, ExperimentError> {
    match e {
        ExperimentError::Differs(difference) => Ok(*difference),
        other => Err(other),
    }
}

/// What can differ from a lock when every round was the same.
fn ending(recorded: &Recorded, summary: &Summary) -> Option<Difference> {
    if summary.rounds != recorded.rounds() {
        return Some(Difference::of("number of rounds", recorded.rounds(), summary.rounds));
    }
    let here = metrics(summary);
    for (name, value) in &recorded.metrics {
        let same = here.get(name).is_some_and(|h| h.to_bits() == value.to_bits());
        if !same {
            let here = here.get(name).map_or("absent".to_owned(), f64::to_string);
            return Some(Difference::of(format!("figure {name}"), value, here));
        }
    }
    let chain = recorded.chain.filter(|chain| *chain != summary.chain)?;
    Some(Difference::of("digest of the run", chain, summary.chain))
}

/// The first client at which two ledgers of a round differ, and in what: a client that sent something in one of them
/// only differs in its message, whatever it would have trained on.
pub(crate) fn first_client(stage: Stage, a: &[LedgerLine], b: &[LedgerLine]) -> (Stage, Option<u64>) {
    let lines = |all: &[LedgerLine]| -> BTreeMap<u64, (Checksum, Checksum, Option<Checksum>)> {
        all.iter().map(|l| (l.client.0, (l.source, l.checksum, l.state))).collect()
    };
    let (a, b) = (lines(a), lines(b));
    let other_shard = || a.iter().find(|(client, line)| b.get(client).is_some_and(|other| other.0 != line.0));
    if let Some((client, _)) = (stage == Stage::Shard).then(other_shard).flatten() {
        // Names of examples are keyed by the data of everybody: with other data all of them are others.
        let same = a.iter().any(|(client, line)| b.get(client).is_some_and(|other| other.0 == line.0));
        return (Stage::Shard, same.then_some(*client));
    }
    let clients: BTreeSet<u64> = a.keys().chain(b.keys()).copied().collect();
    let first = |differs: &dyn Fn(&u64) -> bool| clients.iter().copied().find(differs);
    if stage == Stage::ClientState {
        return (stage, first(&|client| a.get(client).map(|l| l.2) != b.get(client).map(|l| l.2)));
    }
    let sent = |line: &(Checksum, Checksum, Option<Checksum>)| (line.0, line.1);
    (Stage::Message, first(&|client| a.get(client).map(sent) != b.get(client).map(sent)))
}

/// Counts rounds and stops after the last one.
struct Counting<'a> {
    last: u64,
    watch: &'a mut dyn Observer,
    rounds: u64,
    chain: Option<Digest>,
}

impl Observer for Counting<'_> {
    fn damaged(&mut self, why: &CheckpointError) {
        self.watch.damaged(why);
    }
    fn notes(&mut self, notes: &[String]) {
        self.watch.notes(notes);
    }
    fn stage(&mut self, stage: Part) {
        self.watch.stage(stage);
    }
    fn round(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
        self.rounds += 1;
        self.chain = Some(progress.chain);
        let wish = self.watch.round(progress);
        if self.rounds >= self.last { ControlFlow::Break(()) } else { wish }
    }
}
