//! Running a sweep: in parallel within the thread budget, in folders that are found again.

use super::Setting;
use crate::config::Config;
use crate::experiment::{Ended, Experiment, ExperimentError, Observer, Progress, Record, Summary};
use serde::Serialize;
use sottovoce_simulation::RoundError;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
    /// Why there is no model, where the run diverged.
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

/// Stops a run after some rounds, or when somebody asks for it.
struct Until<'a> {
    rounds: u64,
    stop: &'a AtomicBool,
}

impl Observer for Until<'_> {
    fn round(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
        if progress.report.round + 1 >= self.rounds || self.stop.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// Runs every setting with every seed, `jobs` at a time on `threads` threads in all, each run in a folder of `out` whose
/// name is its configuration's digest: one that is finished there is not run again, one that was begun goes on. With
/// `halving` of 2 or more, all begin with few rounds, and again and again the best of so many go on to so many times
/// the rounds. Returns the settings with their runs, best first; `stop` ends it early.
pub fn run(
    settings: &[Setting],
    out: &Path,
    (jobs, threads): (usize, usize),
    halving: Option<u32>,
    stop: &AtomicBool,
    done: &(dyn Fn(usize, usize) + Sync),
) -> Result<Vec<Outcome>, ExperimentError> {
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
        let ran = each(&all, jobs, threads, done, |(_, config)| {
            let rounds = if cuts == 0 { u64::MAX } else { (config.rounds.count / share).max(1) };
            one(config, out, Until { rounds, stop })
        })?;
        left.iter().for_each(|i| outcomes[*i].runs.clear());
        for ((i, _), ran) in all.iter().zip(ran) {
            outcomes[*i].runs.push(ran);
        }
        let score = |i: &usize| outcomes[*i].score();
        left.sort_by(|a, b| score(b).total_cmp(&score(a)).then(a.cmp(b)));
        if cuts == 0 || stop.load(Ordering::Relaxed) {
            break;
        }
        left.truncate(left.len().div_ceil(eta));
    }
    // Whoever came further stands further up.
    let rounds = |o: &Outcome| o.runs.iter().map(|run| run.rounds).max();
    outcomes.sort_by(|a, b| rounds(b).cmp(&rounds(a)).then(b.score().total_cmp(&a.score())));
    Ok(outcomes)
}

/// One run, or what it came to when it was run before.
fn one(config: &Config, out: &Path, mut until: Until<'_>) -> Result<Ran, ExperimentError> {
    let folder = config.digest().to_string()[..16].to_owned();
    let path = out.join(&folder);
    let finished = read(&path.join("summary.json"))?;
    let enough = |s: &Summary| s.ended != Ended::Interrupted || s.rounds >= until.rounds;
    let summary = match finished.filter(enough) {
        Some(summary) => summary,
        None => {
            let experiment = Experiment::new(config.clone())?;
            let mut record = if path.exists() { Record::reopen(&path)? } else { Record::create(&path)? };
            record.begin(experiment.config(), experiment.data())?;
            let (summary, params) = match experiment.run(&mut record, &mut until) {
                Ok(ran) => ran,
                Err(why) => return diverged(why, folder, config.seed),
            };
            record.finish(experiment.config(), experiment.data(), &params, &summary)?;
            summary
        }
    };
    let Summary { rounds, validation, accuracy, .. } = summary;
    Ok(Ran { folder, seed: config.seed, rounds, validation, accuracy, diverged: None })
}

/// A run that diverged is a result: the sweep goes on.
fn diverged(why: ExperimentError, folder: String, seed: u64) -> Result<Ran, ExperimentError> {
    let rounds = match &why {
        ExperimentError::Round(
            RoundError::Diverged { round, .. } | RoundError::AllDiverged { round, .. },
        ) => *round,
        _ => return Err(why),
    };
    Ok(Ran { folder, seed, rounds, validation: None, accuracy: 0.0, diverged: Some(why.to_string()) })
}

fn read(path: &Path) -> Result<Option<Summary>, ExperimentError> {
    match fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        content => {
            let content = content.map_err(ExperimentError::at(path))?;
            serde_json::from_slice(&content).map(Some).map_err(|e| ExperimentError::at(path)(e.into()))
        }
    }
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
