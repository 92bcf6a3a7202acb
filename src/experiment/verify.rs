//! Running a recorded run again, until it ends in the same digest or differs.

use crate::config::Config;
use crate::experiment::journal::{self, RoundLine};
use crate::experiment::lock::{Inputs, Lock, ShortLeaves, metrics};
use crate::experiment::record::Record;
use crate::experiment::run::{Experiment, Observer, Progress, Stage as Part};
use crate::experiment::summary::{Ended, Summary};
use crate::experiment::{ExperimentError, LockError};
use serde::Serialize;
use sottovoce_core::{Checksum, Digest, LedgerLine};
use sottovoce_simulation::{CheckpointError, Stage};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// A recorded run: a lock, or a run directory.
#[derive(Debug)]
pub struct Recorded {
    configuration: Option<Digest>,
    config: String,
    inputs: Option<Inputs>,
    rounds: Vec<ShortLeaves>,
    chain: Option<Digest>,
    metrics: BTreeMap<String, f64>,
    /// Where the messages of single clients are listed.
    directory: Option<PathBuf>,
}

impl Recorded {
    /// Reads a lock, or a run directory.
    pub fn read(path: &Path) -> Result<Self, ExperimentError> {
        if !path.is_dir() {
            let lock = Lock::read(path)?;
            return Ok(Self {
                configuration: Some(lock.configuration()),
                config: lock.config(),
                inputs: Some(lock.data().clone()),
                rounds: lock.rounds().to_vec(),
                chain: Some(lock.chain()),
                metrics: lock.metrics().clone(),
                directory: None,
            });
        }
        let file = path.join("config.toml");
        let config = fs::read_to_string(&file);
        let config = config.map_err(|source| ExperimentError::Artefact { path: file, source })?;
        let parsed: Option<Config> = toml::from_str(&config).ok();
        let lines = RoundLine::read(path)?;
        if lines.iter().any(|line| line.configuration.is_some()) {
            return Err(LockError::NotOneRun { what: "changed its configuration on the way" }.into());
        }
        let file = path.join("summary.json");
        // A run that has not ended has no summary; its rounds can be checked all the same.
        let summary = fs::read(&file).ok().map(|json| serde_json::from_slice::<Summary>(&json)).transpose();
        let summary = summary.map_err(|e| ExperimentError::Artefact { path: file, source: e.into() })?;
        let ended = summary.filter(|s| s.ended != Ended::Interrupted);
        Ok(Self {
            configuration: parsed.map(|c| c.digest()),
            config,
            inputs: None,
            rounds: lines.iter().map(|line| ShortLeaves::of(&line.leaves)).collect(),
            chain: ended.as_ref().map(|s| s.chain),
            metrics: ended.as_ref().map(metrics).unwrap_or_default(),
            directory: Some(path.to_owned()),
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

    fn ledger(&self, round: u64) -> Result<Option<Vec<LedgerLine>>, ExperimentError> {
        self.directory.as_ref().map(|run| journal::ledger_of(run, round)).transpose()
    }
}

/// What running it again came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Rounds that were run again.
    pub rounds: u64,
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
    fn of(what: impl Into<String>, recorded: impl ToString, here: impl ToString) -> Self {
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
/// difference.
pub fn verify(
    recorded: &Recorded,
    config: Config,
    how: Replay,
    watch: &mut dyn Observer,
) -> Result<Verdict, ExperimentError> {
    let differs = |difference| Ok(Verdict { rounds: 0, chain: None, difference: Some(difference) });
    if let Some(expected) = recorded.configuration.filter(|expected| *expected != config.digest()) {
        return differs(Difference::of("configuration", expected, config.digest()));
    }
    let mut experiment = Experiment::new(config)?;
    if let Some(expected) = &recorded.inputs
        && let Some(difference) = inputs(expected, &Inputs::of(experiment.config(), experiment.data()))
    {
        return differs(difference);
    }
    if let Some(seed) = how.arrival {
        experiment = experiment.arriving(seed);
    }
    let last = how.rounds.unwrap_or(u64::MAX);
    let mut check = Check { recorded, last, watch, rounds: 0, chain: None, found: None, failed: None };
    let (summary, _) = experiment.run(&mut Record::none(), &mut check)?;
    let Check { rounds, chain, found, failed, .. } = check;
    if let Some(error) = failed {
        return Err(error);
    }
    let whole = rounds < last && found.is_none();
    let difference = found.or_else(|| whole.then(|| ending(recorded, &summary)).flatten());
    Ok(Verdict { rounds, chain, difference })
}

fn inputs(recorded: &Inputs, here: &Inputs) -> Option<Difference> {
    let names: BTreeSet<&String> = recorded.files.keys().chain(here.files.keys()).collect();
    let of = |all: &Inputs, name: &String| all.files.get(name).map_or("absent", |d| &d[..16]).to_owned();
    let file = names.into_iter().find(|name| recorded.files.get(*name) != here.files.get(*name));
    if let Some(name) = file {
        return Some(Difference::of(format!("data file {name}"), of(recorded, name), of(here, name)));
    }
    let differ = recorded.held_out != here.held_out;
    differ.then(|| Difference::of("intents or held-out examples", recorded.held_out, here.held_out))
}

/// What can differ when every round was the same.
fn ending(recorded: &Recorded, summary: &Summary) -> Option<Difference> {
    if summary.rounds != recorded.rounds() {
        // A record without an end says nothing about how many rounds there should be.
        return recorded.chain.map(|_| Difference::of("number of rounds", recorded.rounds(), summary.rounds));
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

struct Check<'a> {
    recorded: &'a Recorded,
    last: u64,
    watch: &'a mut dyn Observer,
    rounds: u64,
    chain: Option<Digest>,
    found: Option<Difference>,
    failed: Option<ExperimentError>,
}

impl Check<'_> {
    fn difference(&self, progress: &Progress<'_>) -> Result<Option<Difference>, ExperimentError> {
        let round = progress.report.round;
        let Some(expected) = self.recorded.rounds.get(round as usize) else { return Ok(None) };
        let here = ShortLeaves::of(&progress.leaves);
        let Some((stage, recorded, here)) = expected.first_difference(&here) else { return Ok(None) };
        let mut difference = Difference::of(stage.to_string(), recorded, here);
        (difference.round, difference.stage) = (Some(round), Some(stage));
        if matches!(stage, Stage::Shard | Stage::Message)
            && let Some(ledger) = self.recorded.ledger(round)?
        {
            let (stage, client) = first_client(stage, &ledger, &progress.report.ledger);
            (difference.stage, difference.client) = (Some(stage), client);
            difference.what = stage.to_string();
        }
        Ok(Some(difference))
    }
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
        return (Stage::Shard, Some(*client));
    }
    let clients: BTreeSet<u64> = a.keys().chain(b.keys()).copied().collect();
    let first = |differs: &dyn Fn(&u64) -> bool| clients.iter().copied().find(differs);
    if stage == Stage::ClientState {
        return (stage, first(&|client| a.get(client).map(|l| l.2) != b.get(client).map(|l| l.2)));
    }
    let sent = |line: &(Checksum, Checksum, Option<Checksum>)| (line.0, line.1);
    (Stage::Message, first(&|client| a.get(client).map(sent) != b.get(client).map(sent)))
}

impl Observer for Check<'_> {
    fn damaged(&mut self, why: &CheckpointError) {
        self.watch.damaged(why);
    }
    fn stage(&mut self, stage: Part) {
        self.watch.stage(stage);
    }
    fn round(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
        match self.difference(progress) {
            Ok(found) => self.found = found,
            Err(error) => self.failed = Some(error),
        }
        self.rounds += 1;
        self.chain = Some(progress.chain);
        let wish = self.watch.round(progress);
        if self.found.is_some() || self.failed.is_some() || self.rounds >= self.last {
            return ControlFlow::Break(());
        }
        wish
    }
}
