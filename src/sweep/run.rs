//! Running a sweep: in parallel within the thread budget, in folders that are found again.

use super::Setting;
use crate::config::Config;
use crate::experiment::directory::Identity;
use crate::experiment::journal::RoundLine;
use crate::experiment::{
    Ended, Experiment, ExperimentError, Observer, Progress, Record, Summary, inputs, sums,
};
use serde::{Deserialize, Serialize};
use sottovoce_core::Digest;
use sottovoce_simulation::durable::{self, Access};
use sottovoce_simulation::{CONTRACT, RoundError};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// A setting and what its runs came to.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The swept keys with their values.
    pub setting: String,
    /// One for each seed, in their order; fewer where halving left the setting behind.
    pub runs: Vec<Ran>,
}

/// What is compared of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Ran {
    /// The folder in that of the sweep.
    pub folder: String,
    /// The run's seed.
    pub seed: u64,
    /// Rounds that were run.
    pub rounds: u64,
    /// Accuracy on the validation split, where there is one.
    pub validation: Option<f64>,
    /// Accuracy on the test split; 0 for a run that diverged.
    pub accuracy: f64,
    /// Why there is no model, where the run diverged or its setting has ended it otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diverged: Option<String>,
}

impl Outcome {
    /// Whether a run diverged.
    pub fn diverged(&self) -> bool {
        self.runs.iter().any(|run| run.diverged.is_some())
    }
    /// Mean over seeds of what settings are compared by; one of which a run diverged is behind all others.
    pub fn score(&self) -> f64 {
        if self.diverged() {
            return f64::NEG_INFINITY;
        }
        mean(self.runs.iter().map(|run| run.validation.unwrap_or(run.accuracy)))
    }
    /// Mean accuracy on the test split.
    pub fn accuracy(&self) -> f64 {
        mean(self.runs.iter().map(|run| run.accuracy))
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    let mut sum = 0.0;
    for v in values {
        sum += v;
    }
    sum / n
}

/// Whoever watches a sweep, from several threads at once.
pub trait Watch: Sync {
    /// Whether to stop early.
    fn stopped(&self) -> bool {
        false
    }
    /// So many runs of so many are over.
    fn done(&self, _runs: usize, _of: usize) {}
    /// What was assumed of a run's data, and what of them cannot be used: the same for each run on the same data.
    fn notes(&self, _notes: &[String]) {}
}

/// Watches nothing.
impl Watch for () {}

/// Stops a run after some rounds, or when somebody asks for it.
struct Until<'a> {
    rounds: u64,
    watch: &'a dyn Watch,
}

impl Observer for Until<'_> {
    fn notes(&mut self, notes: &[String]) {
        self.watch.notes(notes);
    }
    fn round(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
        if progress.report.round + 1 >= self.rounds || self.watch.stopped() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// Runs every setting with every seed, `jobs` at a time on `threads` threads in all, each run in a folder of `out` that
/// is called after its setting and its configuration's digest: one that is finished there is not run again, one that was
/// begun goes on. With `halving` of 2 or more, all begin with few rounds, and again and again the best of so many go on to
/// so many times the rounds. Returns the settings with their runs, best first; `watch` may end it early.
///
/// # Errors
/// Before anything runs, if a folder holds a run of another configuration or of other data. Later, if a run fails for
/// another reason than that it diverged.
pub fn run(
    settings: &[Setting],
    out: &Path,
    (jobs, threads): (usize, usize),
    halving: Option<u32>,
    watch: &dyn Watch,
) -> Result<Vec<Outcome>, ExperimentError> {
    check(settings, out)?;
    let mut left: Vec<usize> = (0..settings.len()).collect();
    let mut outcomes: Vec<Outcome> =
        settings.iter().map(|s| Outcome { setting: s.to_string(), runs: vec![] }).collect();
    let eta = halving.map_or(usize::MAX, |eta| eta as usize);
    loop {
        // So many more cuts until one setting is left.
        let cuts = std::iter::successors(Some(left.len()), |n| {
            (*n > 1 && halving.is_some()).then(|| n.div_ceil(eta))
        });
        let cuts = cuts.count() as u32 - 1;
        let all: Vec<(usize, &Config)> =
            left.iter().flat_map(|i| settings[*i].configs.iter().map(|config| (*i, config))).collect();
        let share = (eta as u64).saturating_pow(cuts);
        let ran = each(&all, jobs, threads, &|runs, of| watch.done(runs, of), |(i, config)| {
            let folder = settings[*i].folder(config);
            let rung = (cuts > 0).then(|| (config.rounds.count / share).max(1));
            one(config, out, folder, rung, watch)
        })?;
        left.iter().for_each(|i| outcomes[*i].runs.clear());
        for ((i, _), ran) in all.iter().zip(ran) {
            outcomes[*i].runs.push(ran);
        }
        let score = |i: &usize| outcomes[*i].score();
        left.sort_by(|a, b| score(b).total_cmp(&score(a)).then(a.cmp(b)));
        if cuts == 0 || watch.stopped() {
            break;
        }
        left.truncate(left.len().div_ceil(eta));
    }
    // Whoever came further stands further up.
    let rounds = |o: &Outcome| o.runs.iter().map(|run| run.rounds).max();
    outcomes.sort_by(|a, b| rounds(b).cmp(&rounds(a)).then(b.score().total_cmp(&a.score())));
    Ok(outcomes)
}

/// Whether every folder that is there already holds a run of its configuration, on the data as they are now.
fn check(settings: &[Setting], out: &Path) -> Result<(), ExperimentError> {
    let mut now: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (setting, config) in settings.iter().flat_map(|s| s.configs.iter().map(move |c| (s, c))) {
        let path = out.join(setting.folder(config));
        let Some(identity) = Identity::read(&path)? else { continue };
        if identity.config != config.digest() || identity.contract != CONTRACT {
            let what = "holds a run of another configuration, or of a build that keeps another contract; choose another \
                        folder for the sweep";
            return Err(ExperimentError::RunDirectory { path, what });
        }
        let key = toml::to_string(&config.data).expect("read or written as TOML") + &inputs::named(config);
        let files = match now.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(inputs::files(config)?),
        };
        if let Some((what, there, here)) = inputs::first_file(&identity.inputs.files, files) {
            return Err(ExperimentError::OtherData { path, what: format!("data file {what}"), there, here });
        }
    }
    Ok(())
}

/// One run up to `rung` rounds, or to its end, or what it came to when it was run before.
fn one(
    config: &Config,
    out: &Path,
    folder: String,
    rung: Option<u64>,
    watch: &dyn Watch,
) -> Result<Ran, ExperimentError> {
    let path = out.join(&folder);
    let summary = match known(&path, rung)? {
        Some(summary) => summary,
        None => {
            let experiment = Experiment::new(config.clone())?;
            let mut until = Until { rounds: rung.unwrap_or(u64::MAX), watch };
            // A run that has come to this rung, or further, would only go on from there: it shows no more what it was.
            let beyond = rung.is_some_and(|rung| RoundLine::count(&path) >= rung);
            let mut record = if beyond { Record::none() } else { Record::reopen(&path)? };
            let (summary, params) = match experiment.run(&mut record, &mut until) {
                Ok(ran) => ran,
                Err(why) => return diverged(why, folder, config.seed),
            };
            record.finish(experiment.config(), experiment.data(), &params, &summary)?;
            if let Some(rung) =
                rung.filter(|rung| summary.ended != Ended::Interrupted || summary.rounds >= *rung)
            {
                Rung::write(&path, rung, &summary)?;
            }
            summary
        }
    };
    let Summary { rounds, validation, accuracy, .. } = summary;
    Ok(Ran { folder, seed: config.seed, rounds, validation, accuracy, diverged: None })
}

/// What is known of a run up to a rung, or to its end. Files that are not what the run has left are not believed: the
/// run goes on from its checkpoint, which is checked again.
fn known(path: &Path, rung: Option<u64>) -> Result<Option<Summary>, ExperimentError> {
    if let Some(rung) = rung {
        return Ok(Rung::read(path, rung));
    }
    if !sums::check(path).unwrap_or(false) {
        return Ok(None);
    }
    let path = path.join("summary.json");
    let json = fs::read(&path).map_err(ExperimentError::at(&path))?;
    let summary: Option<Summary> = serde_json::from_slice(&json).ok();
    Ok(summary.filter(|s| s.ended != Ended::Interrupted))
}

/// What a run came to after so many rounds, kept because it goes on from there.
#[derive(Serialize, Deserialize)]
struct Rung {
    summary: Summary,
    /// Of the summary: one that was changed is not believed.
    blake3: Digest,
}

impl Rung {
    fn path(run: &Path, rounds: u64) -> PathBuf {
        run.join(format!("rung-{rounds:06}.json"))
    }
    fn digest(summary: &Summary) -> Digest {
        Digest::of(&serde_json::to_vec(summary).expect("a summary can be written as JSON"))
    }
    fn write(run: &Path, rounds: u64, summary: &Summary) -> Result<(), ExperimentError> {
        let rung = Self { summary: summary.clone(), blake3: Self::digest(summary) };
        let json = serde_json::to_vec_pretty(&rung).expect("a summary can be written as JSON");
        let path = Self::path(run, rounds);
        durable::replace(&path, &json, Access::Owner, None).map_err(ExperimentError::at(&path))
    }
    fn read(run: &Path, rounds: u64) -> Option<Summary> {
        let rung: Self = serde_json::from_slice(&fs::read(Self::path(run, rounds)).ok()?).ok()?;
        (Self::digest(&rung.summary) == rung.blake3).then_some(rung.summary)
    }
}

/// A run that its own setting has ended, as a rate that is too high does, is a result: the sweep goes on.
fn diverged(why: ExperimentError, folder: String, seed: u64) -> Result<Ran, ExperimentError> {
    let rounds = match &why {
        ExperimentError::Round(
            RoundError::Diverged { round, .. }
            | RoundError::AllDiverged { round, .. }
            | RoundError::Aggregate { round, .. }
            | RoundError::Root { round, .. }
            | RoundError::Nobody { round, .. },
        ) => *round,
        ExperimentError::Baseline(_) => 0,
        _ => return Err(why),
    };
    Ok(Ran { folder, seed, rounds, validation: None, accuracy: 0.0, diverged: Some(why.to_string()) })
}

/// `work` on every item, `jobs` at a time, each in a pool with its share of the threads. The first error ends it.
fn each<T: Sync, R: Send>(
    items: &[T],
    jobs: usize,
    threads: usize,
    done: &(dyn Fn(usize, usize) + Sync),
    work: impl Fn(&T) -> Result<R, ExperimentError> + Sync,
) -> Result<Vec<R>, ExperimentError> {
    let (next, finished) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results: Mutex<Vec<Option<R>>> = Mutex::new(items.iter().map(|_| None).collect());
    let failed: Mutex<Option<ExperimentError>> = Mutex::new(None);
    let worker = || -> Result<(), ExperimentError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads((threads / jobs).max(1)).build();
        let pool = pool.map_err(|e| ExperimentError::at(Path::new("threads"))(io::Error::other(e)))?;
        while failed.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { break };
            let result = pool.install(|| work(item))?;
            results.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(result);
            done(finished.fetch_add(1, Ordering::Relaxed) + 1, items.len());
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(items.len()) {
            scope.spawn(|| {
                if let Err(why) = worker() {
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
                }
            });
        }
    });
    if let Some(why) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(why);
    }
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(results.into_iter().map(|r| r.expect("without an error every item was worked on")).collect())
}
