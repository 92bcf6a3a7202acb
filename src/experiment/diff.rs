//! Where two runs part: configuration, data and environment first, then the first round, stage, client, tensor and
//! coordinate that differ.
//!
//! Rounds are compared by their leaves, so runs of any length are held against each other at once. Numbers come from
//! what `run --trace` kept, or from running the round again under the run's own configuration, if that gives the leaf on
//! record: a value that this machine cannot make again is not shown as the run's.

use crate::Parts;
use crate::config::Config;
use crate::experiment::ExperimentError;
use crate::experiment::data::model;
use crate::experiment::evidence::{self, Evidence};
use crate::experiment::fields::{Differs, differing, first_of_json, flat, plain, without_measurements};
use crate::experiment::journal::{EGRESS, ROUNDS, RoundLine, ledger_of};
use crate::experiment::record::{CLIENTS, MODEL, Record, SUMMARY};
use crate::experiment::run::{Experiment, Observer, Progress};
use crate::experiment::verify::first_client;
use crate::saved::SavedModel;
use serde::Serialize;
use serde_json::Value;
use sottovoce_core::wire::UpdateView;
use sottovoce_core::{Format, Layout, RowBlock};
use sottovoce_simulation::Stage;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How two runs differ.
#[derive(Debug, Default, Serialize)]
pub struct Differences {
    /// Keys of the configuration that are not the same.
    pub configuration: Vec<Differs>,
    /// What was read.
    pub data: Vec<Differs>,
    /// Build, machine and contract.
    pub environment: Vec<Differs>,
    /// Rounds of either run.
    pub rounds: [u64; 2],
    /// The first round that is not the same.
    pub first: Option<Place>,
    /// Final figures, where the rounds are the same and these are not.
    pub figures: Vec<Differs>,
    /// The first place of each file of results, where the rounds are the same and it is not.
    pub files: Vec<Differs>,
}

/// The place at which two runs part.
#[derive(Debug, Serialize)]
pub struct Place {
    /// The round, from 0.
    pub round: u64,
    /// The stage of the round.
    pub stage: Stage,
    /// The first client that differs, in the stages that are a client's.
    pub client: Option<u64>,
    /// The first number that differs.
    pub value: Option<At>,
    /// What is known beside that, or why the number is not.
    pub note: Option<String>,
}

/// A number that two runs do not agree on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct At {
    /// Among all parameters.
    pub coordinate: usize,
    /// The tensor that it is in.
    pub tensor: String,
    /// Its row there.
    pub row: usize,
    /// Its column there.
    pub column: usize,
    /// In the first run; `None` where that run has no such row.
    pub a: Option<f32>,
    /// In the second run.
    pub b: Option<f32>,
}

impl Differences {
    /// Whether the runs are the same, bit for bit.
    pub fn same(&self) -> bool {
        self.first.is_none()
            && self.rounds[0] == self.rounds[1]
            && self.figures.is_empty()
            && self.files.is_empty()
    }
}

/// A run directory's small files.
struct Run<'a> {
    path: PathBuf,
    parts: &'a Parts,
    config: toml::Table,
    manifest: Value,
    summary: Option<Value>,
    rounds: Vec<RoundLine>,
}

impl<'a> Run<'a> {
    fn read(path: &Path, parts: &'a Parts) -> Result<Self, ExperimentError> {
        let file = |name: &str| {
            let file = path.join(name);
            fs::read_to_string(&file).map_err(|source| ExperimentError::Artefact { path: file, source })
        };
        let invalid = |name: &str, what: String| ExperimentError::Artefact {
            path: path.join(name),
            source: io::Error::new(io::ErrorKind::InvalidData, what),
        };
        let config = toml::from_str(&file("config.toml")?)
            .map_err(|e| invalid("config.toml", e.message().to_owned()))?;
        let manifest = serde_json::from_str(&file("manifest.json")?)
            .map_err(|e| invalid("manifest.json", e.to_string()))?;
        let summary = match path.join(SUMMARY).exists() {
            false => None,
            true => Some(serde_json::from_str(&file(SUMMARY)?).map_err(|e| invalid(SUMMARY, e.to_string()))?),
        };
        Ok(Self { path: path.to_owned(), parts, config, manifest, summary, rounds: RoundLine::read(path)? })
    }

    fn config(&self) -> Result<Config, ExperimentError> {
        let config =
            self.config.clone().try_into().map_err(|e: toml::de::Error| ExperimentError::Artefact {
                path: self.path.join("config.toml"),
                source: io::Error::new(io::ErrorKind::InvalidData, e.message().to_owned()),
            })?;
        Ok(Config { parts: self.parts.clone(), ..config })
    }

    /// What messages look like, and the model that they are about.
    fn format(&self) -> Result<Format, ExperimentError> {
        let number = |name: &str| self.manifest[name].as_u64().unwrap_or_default();
        let config = self.config()?;
        let model = model(&config, number("intents") as usize, None)?;
        let contents = config.algorithm()?.facts(number("training_clients")).contents;
        Ok(Format::new(model.layout().clone(), contents)?)
    }

    /// What passed in a round: as it was kept, or run again.
    fn evidence(&self, round: u64, format: &Format, watch: &mut dyn Observer) -> Result<Evidence, String> {
        let kept = evidence::path(&self.path, round);
        if kept.exists() {
            return Evidence::read(&kept, format).map_err(|e| format!("{}: {e}", kept.display()));
        }
        let mut again = || -> Result<_, ExperimentError> {
            let experiment = Experiment::new(self.config()?)?;
            let mut record = Record::witness(round);
            experiment.run(&mut record, &mut UpTo { round, watch })?;
            let leaves = record.leaves().last().copied();
            Ok((leaves, record.into_evidence()))
        };
        let name = self.path.display();
        match again() {
            Ok((Some(leaves), Some(evidence))) if leaves == self.rounds[round as usize].leaves => {
                Ok(evidence)
            }
            Ok(_) => Err(format!(
                "{name} cannot be made again here: its round {round} comes out otherwise under its own configuration; \
                 keep its numbers with run --trace where it was made"
            )),
            Err(e) => Err(format!("{name} cannot be run again: {e}")),
        }
    }
}

/// Ends a run after a round.
struct UpTo<'a> {
    round: u64,
    watch: &'a mut dyn Observer,
}

impl Observer for UpTo<'_> {
    fn round(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
        let wish = self.watch.round(progress);
        if progress.report.round >= self.round { ControlFlow::Break(()) } else { wish }
    }
}

/// Holds two run directories against each other. With `numbers`, the first number that differs is looked for in what
/// was kept, or by running the round again, with `parts` beside the library's.
pub fn diff(
    a: &Path,
    b: &Path,
    numbers: bool,
    parts: &Parts,
    watch: &mut dyn Observer,
) -> Result<Differences, ExperimentError> {
    let (a, b) = (Run::read(a, parts)?, Run::read(b, parts)?);
    let mut out = Differences {
        configuration: differing(settings(&a.config), settings(&b.config)),
        data: differing(inputs(&a.manifest), inputs(&b.manifest)),
        environment: differing(environment(&a.manifest), environment(&b.manifest)),
        rounds: [a.rounds.len() as u64, b.rounds.len() as u64],
        ..Differences::default()
    };
    let both = a.rounds.iter().zip(&b.rounds);
    let first =
        both.enumerate().find_map(|(round, (a, b))| Some((round, a.leaves.first_difference(&b.leaves)?)));
    match first {
        Some((round, stage)) => out.first = Some(place(&a, &b, round as u64, stage, numbers, watch)?),
        None => {
            let figures = |run: &Run| {
                let mut summary = run.summary.clone().map(without_measurements).unwrap_or_default();
                // It is over the configuration, too, which has a place of its own.
                summary.as_object_mut().map(|fields| fields.remove("chain"));
                flat("", &summary)
            };
            out.figures = differing(figures(&a), figures(&b));
            out.files = files(&a, &b)?;
        }
    }
    Ok(out)
}

fn place(
    a: &Run,
    b: &Run,
    round: u64,
    stage: Stage,
    numbers: bool,
    watch: &mut dyn Observer,
) -> Result<Place, ExperimentError> {
    let mut place = Place { round, stage, client: None, value: None, note: None };
    let (line_a, line_b) = (&a.rounds[round as usize], &b.rounds[round as usize]);
    match stage {
        Stage::Cohort => {
            let (a, b) = (cohort(line_a), cohort(line_b));
            place.client = a.symmetric_difference(&b).next().copied();
            place.note = place.client.map(|c| {
                let which = if a.contains(&c) { "first" } else { "second" };
                format!("asked in the {which} run only")
            });
        }
        Stage::Shard | Stage::Message | Stage::ClientState => {
            let (a, b) = (ledger_of(&a.path, round)?, ledger_of(&b.path, round)?);
            (place.stage, place.client) = first_client(stage, &a, &b);
            let why = |line: &RoundLine, client| line.without.iter().find(|(c, _)| *c == client).cloned();
            if place.client.is_none() {
                // The same messages, but something else became of one of them.
                let (a, b) = (&line_a.without, &line_b.without);
                place.client =
                    a.iter().find(|w| !b.contains(w)).or(b.iter().find(|w| !a.contains(w))).map(|w| w.0);
            }
            if let Some(client) = place.client {
                let became = |line| why(line, client).map_or("accepted".to_owned(), |(_, why)| why);
                let (a, b) = (became(line_a), became(line_b));
                place.note = (a != b).then(|| format!("{a} in the first run, {b} in the second"));
            }
        }
        Stage::Evaluation => {
            let show = |line: &RoundLine| line.accuracy.map_or("none".to_owned(), |a| a.to_string());
            place.note =
                Some(format!("accuracy {} in the first run, {} in the second", show(line_a), show(line_b)));
        }
        Stage::Broadcast | Stage::Aggregate | Stage::ServerStep => {}
    }
    if !numbers {
        return Ok(place);
    }
    let (format, other) = match a.format().and_then(|format| Ok((format, b.format()?))) {
        Err(ExperimentError::Part(missing)) => {
            let why = format!("no numbers: {missing}");
            place.note = Some(place.note.map_or(why.clone(), |note| format!("{note}; {why}")));
            return Ok(place);
        }
        formats => formats?,
    };
    if format.message().schema() != other.message().schema() {
        place.note =
            Some("models or messages have other tensors, so there are no numbers to compare".to_owned());
        return Ok(place);
    }
    let found = match place.stage {
        Stage::Broadcast => broadcast(a, b, format.model()),
        Stage::Message | Stage::Aggregate | Stage::ServerStep => {
            let of = |run: &Run, watch: &mut dyn Observer| run.evidence(round, &format, watch);
            of(a, watch)
                .and_then(|a| Ok((a, of(b, watch)?)))
                .and_then(|(a, b)| compare(&a, &b, &place, &format))
        }
        Stage::Cohort | Stage::Shard | Stage::ClientState | Stage::Evaluation => Ok(None),
    };
    match found {
        Ok(value) => place.value = value,
        Err(why) => place.note = Some(place.note.map_or(why.clone(), |note| format!("{note}; {why}"))),
    }
    Ok(place)
}

/// Where files of results differ although all rounds that both have left the same leaves.
fn files(a: &Run, b: &Run) -> Result<Vec<Differs>, ExperimentError> {
    let rounds = a.rounds.len().min(b.rounds.len());
    let both_ended = a.summary.is_some() && b.summary.is_some() && a.rounds.len() == b.rounds.len();
    let mut out = Vec::new();
    for (name, within) in [(ROUNDS, Some(rounds)), (EGRESS, Some(rounds)), (CLIENTS, None)] {
        if within.is_none() && !both_ended {
            continue;
        }
        // The last lines of a ledger are of evaluations after the last round.
        let within = within.filter(|_| !both_ended).map_or(u64::MAX, |rounds| rounds as u64);
        let (a, b) = (lines(&a.path.join(name), within)?, lines(&b.path.join(name), within)?);
        let number = (0..a.len().max(b.len())).find(|i| a.get(*i) != b.get(*i));
        if let Some(number) = number {
            let there = |line: Option<&Vec<u8>>| if line.is_some() { "there" } else { "absent" }.to_owned();
            let d = match (a.get(number), b.get(number)) {
                (Some(a), Some(b)) => first_of_json(a, b),
                (a, b) => Differs { what: "the line".to_owned(), a: there(a), b: there(b) },
            };
            out.push(Differs { what: format!("{name} line {}: {}", number + 1, d.what), ..d });
        }
    }
    if both_ended {
        let saved = |run: &Run| SavedModel::read(&run.path.join(MODEL), run.parts);
        let digest = |model: &Result<SavedModel, ExperimentError>| match model {
            Ok(model) => model.params().digest().to_string(),
            Err(e) => e.to_string(),
        };
        let file = |run: &Run| {
            let path = run.path.join(MODEL);
            fs::read(&path).map_err(ExperimentError::at(&path))
        };
        let bytes = [file(a)?, file(b)?];
        let (a, b) = (saved(a), saved(b));
        let same = match (&a, &b) {
            (Ok(a), Ok(b)) => a.same(b),
            // Models that this program does not have are compared as files.
            _ => bytes[0] == bytes[1],
        };
        if !same {
            out.push(Differs { what: MODEL.to_owned(), a: digest(&a), b: digest(&b) });
        }
    }
    Ok(out)
}

/// The lines of a journal or file of JSON lines, of rounds before `within`.
fn lines(path: &Path, within: u64) -> Result<Vec<Vec<u8>>, ExperimentError> {
    let content = fs::read(path).map_err(ExperimentError::at(path))?;
    let counts = |line: &&[u8]| {
        within == u64::MAX
            || serde_json::from_slice::<Value>(line).is_ok_and(|v| v["round"].as_u64() < Some(within))
    };
    Ok(content.split_inclusive(|b| *b == b'\n').filter(counts).map(<[u8]>::to_vec).collect())
}

fn cohort(line: &RoundLine) -> BTreeSet<u64> {
    line.accepted.iter().map(|(c, _)| *c).chain(line.without.iter().map(|(c, _)| *c)).collect()
}

/// The first parameter that two runs begin with and do not share.
fn broadcast(a: &Run, b: &Run, layout: &Arc<Layout>) -> Result<Option<At>, String> {
    let start = |run: &Run| -> Result<_, ExperimentError> {
        let config = run.config()?;
        let intents = run.manifest["intents"].as_u64().unwrap_or_default() as usize;
        Ok(model(&config, intents, None)?.init(config.seed))
    };
    let both = start(a).and_then(|a| Ok((a, start(b)?)));
    let (a, b) = both.map_err(|e| e.to_string())?;
    Ok(first_value(layout, pairs(a.values(), b.values())))
}

fn compare(a: &Evidence, b: &Evidence, place: &Place, format: &Format) -> Result<Option<At>, String> {
    let layout = format.message();
    match place.stage {
        Stage::Message => {
            let Some(client) = place.client else { return Ok(None) };
            let delta = |e: &Evidence| -> Result<Option<RowBlock>, String> {
                let Some(message) = e.messages.get(&client) else { return Ok(None) };
                let view = UpdateView::parse(message, layout).map_err(|e| format!("client {client}: {e}"))?;
                Ok(Some(view.to_update().delta))
            };
            Ok(first_of_blocks(layout, delta(a)?.as_ref(), delta(b)?.as_ref()))
        }
        Stage::Aggregate => Ok(first_of_blocks(layout, a.aggregate.as_ref(), b.aggregate.as_ref())),
        _ => Ok(first_value(format.model(), pairs(&a.params, &b.params))),
    }
}

fn pairs<'a>(a: &'a [f32], b: &'a [f32]) -> impl Iterator<Item = (usize, Option<f32>, Option<f32>)> + 'a {
    a.iter().zip(b).enumerate().map(|(i, (a, b))| (i, Some(*a), Some(*b)))
}

fn first_of_blocks(layout: &Layout, a: Option<&RowBlock>, b: Option<&RowBlock>) -> Option<At> {
    let values = |block: Option<&RowBlock>| -> BTreeMap<usize, f32> {
        block.map_or_else(BTreeMap::new, |b| b.ranges().flatten().zip(b.values().iter().copied()).collect())
    };
    let (a, b) = (values(a), values(b));
    let coordinates: BTreeSet<usize> = a.keys().chain(b.keys()).copied().collect();
    first_value(layout, coordinates.into_iter().map(|i| (i, a.get(&i).copied(), b.get(&i).copied())))
}

fn first_value(
    layout: &Layout,
    mut values: impl Iterator<Item = (usize, Option<f32>, Option<f32>)>,
) -> Option<At> {
    let bits = |v: Option<f32>| v.map(f32::to_bits);
    let (coordinate, a, b) = values.find(|(_, a, b)| bits(*a) != bits(*b))?;
    let tensor = layout.tensors().iter().find(|t| t.range().contains(&coordinate))?;
    let inside = coordinate - tensor.range().start;
    let (row, column) = (inside / tensor.cols(), inside % tensor.cols());
    Some(At { coordinate, tensor: tensor.name().to_owned(), row, column, a, b })
}

/// What was read.
fn inputs(manifest: &Value) -> BTreeMap<String, String> {
    flat("", &manifest["inputs"])
}

fn environment(manifest: &Value) -> BTreeMap<String, String> {
    ["sottovoce", "target", "contract"].map(|name| (name.to_owned(), plain(&manifest[name]))).into()
}

/// The configuration by key.
fn settings(config: &toml::Table) -> BTreeMap<String, String> {
    flat("", &serde_json::to_value(config).unwrap_or_default())
}
