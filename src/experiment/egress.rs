//! What left the clients of a run: its ledger, line by line and by groups, and what one message holds.

use crate::Parts;
use crate::config::Config;
use crate::experiment::ExperimentError;
use crate::experiment::data::model;
use crate::experiment::directory::CONFIG;
use crate::experiment::evidence::{self, Evidence};
use crate::experiment::journal::each_message;
use serde::Serialize;
use sottovoce_core::wire::UpdateView;
use sottovoce_core::{Contents, Format, Kind, LedgerLine};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// What lines are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    /// Who sent it.
    Client,
    /// What it was.
    Kind,
    /// In which round.
    Round,
    /// In which exchange of a round.
    Exchange,
}

/// Which lines count.
#[derive(Debug, Clone, Copy, Default)]
pub struct Which {
    /// Those of this client alone.
    pub client: Option<u64>,
    /// Those of this round alone.
    pub round: Option<u64>,
}

/// Messages that have something in common.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Group {
    /// What they have in common, in the order in which it was asked for.
    pub of: Vec<String>,
    /// How many.
    pub messages: u64,
    /// How many clients sent them.
    pub clients: u64,
    /// Their bytes, all of them.
    pub bytes: u64,
    /// The size of the largest.
    pub largest: u64,
}

/// Groups the ledger of a run directory; without `by` all that counts is one group. Lines are read one by one.
pub fn groups(run: &Path, which: Which, by: &[By]) -> Result<Vec<Group>, ExperimentError> {
    // By numbers, so that clients and rounds are in their order.
    let mut all: BTreeMap<Vec<u64>, (Group, BTreeMap<u64, ()>)> = BTreeMap::new();
    each_message(run, |line| {
        if which.takes(&line) {
            let key = by.iter().map(|by| by.of(&line).0).collect();
            let (group, clients) = all.entry(key).or_default();
            group.of = by.iter().map(|by| by.of(&line).1).collect();
            group.messages += 1;
            group.bytes += line.bytes;
            group.largest = group.largest.max(line.bytes);
            clients.insert(line.client.0, ());
        }
    })?;
    let counted =
        |(group, clients): (Group, BTreeMap<u64, ()>)| Group { clients: clients.len() as u64, ..group };
    Ok(all.into_values().map(counted).collect())
}

impl Which {
    fn takes(&self, line: &LedgerLine) -> bool {
        self.client.is_none_or(|client| line.client.0 == client)
            && self.round.is_none_or(|round| line.round == round)
    }
}

impl By {
    fn of(self, line: &LedgerLine) -> (u64, String) {
        let number = |n: u64| (n, n.to_string());
        match self {
            Self::Client => number(line.client.0),
            Self::Round => number(line.round),
            Self::Exchange => number(line.exchange.into()),
            Self::Kind => (line.kind as u64, name_of(line.kind).to_owned()),
        }
    }
}

/// What people call a kind of message.
fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Update => "update",
        Kind::EvaluationCounts => "counts of an evaluation",
        Kind::PartialSum => "partial sum",
    }
}

/// A message of a client, and what is known of its content.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Message {
    /// Its line in the ledger.
    pub line: LedgerLine,
    /// What a message of its kind holds, in sentences.
    pub holds: Vec<String>,
    /// What this one holds, where the run kept it.
    pub content: Option<Content>,
}

/// Numbers of an update.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Content {
    /// Training examples that it says it is of.
    pub weight: u64,
    /// Mean training loss, in nats.
    pub loss: f32,
    /// For each tensor: its name, the rows that were sent of it, and all of its rows.
    pub rows: Vec<(String, u64, u64)>,
    /// Euclidean norm of all values.
    pub norm: f64,
}

/// The messages of a client in a round, with what they hold; `parts` has what the program has of its own.
pub fn messages(run: &Path, client: u64, round: u64, parts: &Parts) -> Result<Vec<Message>, ExperimentError> {
    let file = run.join(CONFIG);
    let text = fs::read_to_string(&file).map_err(ExperimentError::at(&file))?;
    let mut config: Config = toml::from_str(&text).map_err(|e| {
        let source = io::Error::new(io::ErrorKind::InvalidData, e.message().to_owned());
        ExperimentError::Artefact { path: file.clone(), source }
    })?;
    config.parts = parts.clone();
    let mut lines = Vec::new();
    let which = Which { client: Some(client), round: Some(round) };
    each_message(run, |line| {
        if which.takes(&line) {
            lines.push(line);
        }
    })?;
    let kept = kept(run, &config, client, round)?;
    // Of several exchanges the last one's message is kept.
    let last = lines.iter().filter(|line| line.kind == Kind::Update).map(|line| line.exchange).max();
    let described = |line: LedgerLine| {
        let is_kept = line.kind == Kind::Update && Some(line.exchange) == last;
        let holds = holds(&config, line.kind);
        Message { holds, content: kept.clone().filter(|_| is_kept), line }
    };
    Ok(lines.into_iter().map(described).collect())
}

/// What a message of a kind holds.
fn holds(config: &Config, kind: Kind) -> Vec<String> {
    let features = &config.features;
    match kind {
        Kind::Update => {
            let mut holds = vec![
                "Numbers: how the parameters of the model moved while it was trained on this client's transcripts, and \
                 what the algorithm needs beside that. No text, no names of transcripts."
                    .to_owned(),
                format!(
                    "Which rows of the table of features the transcripts touch, of {}: a row stands for all words and \
                     pieces of words that share a hash. Whoever sees the message can test whether a word may have occurred, \
                     and an update of few transcripts can tell much of what they say.",
                    features.buckets
                ),
                "The number of training examples, and their mean loss.".to_owned(),
            ];
            for transform in &config.transforms {
                let how = serde_json::to_string(transform).unwrap_or_default();
                holds.push(format!("Before it left, this was done to it: {how}"));
            }
            holds
        }
        Kind::EvaluationCounts => {
            vec![
                "Two numbers: this client's held-out transcripts, and how many of them the model got right."
                    .to_owned(),
            ]
        }
        Kind::PartialSum => vec!["Sums of the updates of several clients.".to_owned()],
    }
}

/// What `run --trace` has kept of a client's message.
fn kept(run: &Path, config: &Config, client: u64, round: u64) -> Result<Option<Content>, ExperimentError> {
    let path = evidence::path(run, round);
    if !path.exists() {
        return Ok(None);
    }
    let number = |name: &str| -> Result<u64, ExperimentError> {
        let file = run.join("manifest.json");
        let json = fs::read(&file).map_err(ExperimentError::at(&file))?;
        let json: serde_json::Value =
            serde_json::from_slice(&json).map_err(|e| ExperimentError::at(&file)(e.into()))?;
        Ok(json[name].as_u64().unwrap_or_default())
    };
    let layout = model(config, number("intents")? as usize, None)?.layout().clone();
    let contents: Contents = config.algorithm()?.facts(number("training_clients")?).contents;
    let format = Format::new(layout, contents)?;
    let evidence = Evidence::read(&path, &format).map_err(ExperimentError::at(&path))?;
    let Some(message) = evidence.messages.get(&client) else { return Ok(None) };
    let invalid = |e: sottovoce_core::WireError| io::Error::new(io::ErrorKind::InvalidData, e.to_string());
    let update =
        UpdateView::parse(message, format.message()).map_err(|e| ExperimentError::at(&path)(invalid(e)))?;
    let mut first = 0;
    let sent: Vec<u32> =
        update.rows().map_or_else(|| (0..format.message().rows() as u32).collect(), Iterator::collect);
    let rows = format.message().tensors().iter().map(|tensor| {
        let range = first..first + tensor.rows() as u32;
        first = range.end;
        let here = sent.iter().filter(|row| range.contains(row)).count() as u64;
        (tensor.name().to_owned(), here, tensor.rows() as u64)
    });
    let rows = rows.collect();
    let (weight, loss) = (update.head.weight, update.head.loss);
    Ok(Some(Content { weight, loss, rows, norm: update.to_update().delta.norm() }))
}
