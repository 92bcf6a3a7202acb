//! The run directory: what a run leaves behind.
//!
//! | file | content |
//! |---|---|
//! | `config.toml` | the effective configuration |
//! | `manifest.json` | versions, seed, configuration digest, data digests |
//! | `rounds.jsonl` | a line for each round |
//! | `egress.jsonl` | a line for each message that left a client |
//! | `clients.jsonl` | a line for each client that took part or was evaluated |
//! | `checkpoint.bin` | where to go on, if asked for or interrupted |
//! | `model.safetensors` | final parameters, with labels and features |
//! | `summary.json` | figures |
//!
//! Apart from times and memory in the summary, the same configuration gives the same bytes.

use crate::config::Config;
use crate::experiment::ExperimentError;
use crate::experiment::data::Data;
use crate::experiment::summary::Summary;
use crate::saved::SavedModel;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sottovoce_core::{Digest, EvaluationCounts, Layout, LedgerLine, Params};
use sottovoce_simulation::{Checkpoint, RoundReport};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A run directory, or nothing.
#[derive(Debug)]
pub struct Record {
    directory: Option<Directory>,
}

#[derive(Debug)]
struct Directory {
    path: PathBuf,
    rounds: BufWriter<File>,
    egress: BufWriter<File>,
    resumed: bool,
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
    /// Digest of the parameters after the round.
    pub params: Digest,
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
    seed: u64,
    config: Digest,
    data: &'a crate::experiment::data::Origin,
    intents: usize,
    clients: u64,
    schema: Digest,
}

impl Record {
    /// Keeps nothing.
    pub fn none() -> Self {
        Self { directory: None }
    }

    /// A new run directory; refuses a folder that holds anything.
    pub fn create(path: &Path) -> Result<Self, ExperimentError> {
        fs::create_dir_all(path).map_err(at(path))?;
        if fs::read_dir(path).map_err(at(path))?.next().is_some() {
            let what = "is not empty; choose another folder, or go on with --resume";
            return Err(ExperimentError::RunDirectory { path: path.to_owned(), what });
        }
        let rounds = BufWriter::new(create(&path.join("rounds.jsonl"))?);
        let egress = BufWriter::new(create(&path.join("egress.jsonl"))?);
        Ok(Self { directory: Some(Directory { path: path.to_owned(), rounds, egress, resumed: false }) })
    }

    /// A run directory with a checkpoint to go on from.
    pub fn reopen(path: &Path) -> Result<Self, ExperimentError> {
        if !path.join("checkpoint.bin").exists() {
            let what = "holds no checkpoint to go on from";
            return Err(ExperimentError::RunDirectory { path: path.to_owned(), what });
        }
        let append = |name: &str| {
            let file = path.join(name);
            File::options().append(true).open(&file).map(BufWriter::new).map_err(at(&file))
        };
        let (rounds, egress) = (append("rounds.jsonl")?, append("egress.jsonl")?);
        Ok(Self { directory: Some(Directory { path: path.to_owned(), rounds, egress, resumed: true }) })
    }

    /// Writes what is known before the first round.
    pub fn begin(&mut self, config: &Config, data: &Data) -> Result<(), ExperimentError> {
        let Some(d) = &self.directory else { return Ok(()) };
        let path = d.path.join("config.toml");
        fs::write(&path, config.to_toml()).map_err(at(&path))?;
        let manifest = Manifest {
            sottovoce: env!("CARGO_PKG_VERSION"),
            target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
            seed: config.seed,
            config: config.digest(),
            data: &data.origin,
            intents: data.labels.len(),
            clients: data.shards.clients(),
            schema: data.model.layout().schema(),
        };
        write_json(&d.path.join("manifest.json"), &manifest)
    }

    /// The checkpoint to go on from, if this is a reopened directory. Lines of later rounds are cut off.
    pub fn resume<S: Serialize + DeserializeOwned>(
        &mut self,
        config: Digest,
        layout: &Arc<Layout>,
    ) -> Result<Option<Checkpoint<S>>, ExperimentError> {
        let Some(d) = self.directory.as_mut().filter(|d| d.resumed) else { return Ok(None) };
        let checkpoint = Checkpoint::read(&d.path.join("checkpoint.bin"), config, layout)?;
        for name in ["rounds.jsonl", "egress.jsonl"] {
            cut_after(&d.path.join(name), checkpoint.state.round)?;
        }
        Ok(Some(checkpoint))
    }

    /// Hands the rounds that a reopened directory holds to `visit`.
    pub fn replay(&self, mut visit: impl FnMut(RoundLine)) -> Result<(), ExperimentError> {
        let Some(d) = self.directory.as_ref().filter(|d| d.resumed) else { return Ok(()) };
        let path = d.path.join("rounds.jsonl");
        for line in BufReader::new(File::open(&path).map_err(at(&path))?).lines() {
            let line = line.map_err(at(&path))?;
            visit(serde_json::from_str(&line).map_err(|e| at(&path)(io::Error::from(e)))?);
        }
        Ok(())
    }

    /// A round is over.
    pub fn round(&mut self, report: &RoundReport, accuracy: Option<f64>) -> Result<(), ExperimentError> {
        let Some(d) = &mut self.directory else { return Ok(()) };
        let mut rejected = BTreeMap::new();
        for (_, why) in &report.rejected {
            *rejected.entry(why.reason().to_owned()).or_default() += 1;
        }
        let line = RoundLine {
            round: report.round,
            cohort: report.cohort,
            accepted: report.accepted.iter().map(|a| (a.client.0, a.weight)).collect(),
            rejected,
            dropped: report.dropped.len() as u64,
            examples: report.summary.examples,
            loss: report.summary.loss,
            accuracy,
            bytes_up: report.bytes_up,
            bytes_down: report.bytes_down,
            params: report.params,
        };
        write_line(&mut d.rounds, &line).map_err(at(&d.path.join("rounds.jsonl")))?;
        self.ledger(&report.ledger)
    }

    /// Messages left clients.
    pub fn ledger<'a>(
        &mut self,
        lines: impl IntoIterator<Item = &'a LedgerLine>,
    ) -> Result<(), ExperimentError> {
        let Some(d) = &mut self.directory else { return Ok(()) };
        for line in lines {
            write_line(&mut d.egress, line).map_err(at(&d.path.join("egress.jsonl")))?;
        }
        Ok(())
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
        let mut file = BufWriter::new(create(&path)?);
        for (client, line) in lines {
            write_line(&mut file, &ClientLine { client, ..line }).map_err(at(&path))?;
        }
        file.flush().map_err(at(&path))
    }

    /// Keeps where the run stands. What came before is on the disk first.
    pub fn checkpoint<S: Serialize + DeserializeOwned>(
        &mut self,
        checkpoint: impl FnOnce() -> Checkpoint<S>,
    ) -> Result<(), ExperimentError> {
        let Some(d) = &mut self.directory else { return Ok(()) };
        for (file, name) in [(&mut d.rounds, "rounds.jsonl"), (&mut d.egress, "egress.jsonl")] {
            file.flush().and_then(|()| file.get_ref().sync_data()).map_err(at(&d.path.join(name)))?;
        }
        Ok(checkpoint().write(&d.path.join("checkpoint.bin"))?)
    }

    /// Writes model and summary.
    pub fn finish(
        mut self,
        config: &Config,
        labels: &[String],
        params: &Params,
        summary: &Summary,
    ) -> Result<(), ExperimentError> {
        let Some(d) = &mut self.directory else { return Ok(()) };
        d.rounds.flush().map_err(at(&d.path.join("rounds.jsonl")))?;
        d.egress.flush().map_err(at(&d.path.join("egress.jsonl")))?;
        let path = d.path.join("model.safetensors");
        SavedModel::of(config, labels, params).write(&path).map_err(at(&path))?;
        write_json(&d.path.join("summary.json"), summary)
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> ExperimentError + '_ {
    |source| ExperimentError::Artefact { path: path.to_owned(), source }
}

fn create(path: &Path) -> Result<File, ExperimentError> {
    File::create(path).map_err(at(path))
}

fn write_line(file: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *file, line)?;
    file.write_all(b"\n")
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), ExperimentError> {
    let mut json = serde_json::to_vec_pretty(value).map_err(|e| at(path)(io::Error::from(e)))?;
    json.push(b'\n');
    fs::write(path, json).map_err(at(path))
}

/// Cuts a file of JSON lines before the first line of `round` or a later one, or before a half-written line.
fn cut_after(path: &Path, round: u64) -> Result<(), ExperimentError> {
    #[derive(Deserialize)]
    struct Round {
        round: u64,
    }
    let mut reader = BufReader::new(File::open(path).map_err(at(path))?);
    let (mut keep, mut line) = (0u64, Vec::new());
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line).map_err(at(path))?;
        let whole = line.ends_with(b"\n");
        match serde_json::from_slice::<Round>(&line) {
            Ok(r) if whole && r.round < round => keep += length as u64,
            _ => break,
        }
    }
    File::options().write(true).open(path).and_then(|f| f.set_len(keep)).map_err(at(path))
}
