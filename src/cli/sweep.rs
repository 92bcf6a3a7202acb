//! `sottovoce sweep`.

use super::ConfigArgs;
use super::exit::Failure;
use super::progress::{ProgressArgs, Show};
use super::signals::Signals;
use crate::Parts;
use crate::report::{percent, table, visible};
use crate::sweep::{self, Axis, Outcome, Range, Sweep};
use clap::Args;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;

/// Run an experiment with many settings and seeds; a finished run is not run again.
///
/// Settings are compared by accuracy on the validation split, where the data have one, and on the test split where they
/// have none. Each run has a folder in that of --out, which `sottovoce compare` and `verify` read.
#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// A key with the values that it takes; several keys make a grid, and the values of `seed` are seeds. Values are TOML,
    /// e.g. --grid 'algorithm={kind="fedavg"},{kind="fedprox",mu=0.1}'.
    #[arg(long, value_name = "KEY=V1,V2,...")]
    grid: Vec<Axis>,
    /// A key whose value is drawn: from an interval, with :log evenly on a logarithmic scale, with :int whole numbers; or
    /// one of several values, as in model.dim=16|32|64.
    #[arg(long, value_name = "KEY=LOW..HIGH[:log][:int]|KEY=V1|V2", requires = "samples")]
    random: Vec<Range>,
    /// Random settings for each combination of the grid.
    #[arg(long, value_name = "N", requires = "random", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    samples: Option<u32>,
    /// Seeds that each setting is run with; the configuration's own without it.
    #[arg(long, value_name = "SEED,...", value_delimiter = ',')]
    seeds: Vec<u64>,
    /// Successive halving: all settings begin with few rounds, and of each N the best goes on to N times as many.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=64))]
    halving: Option<u32>,
    /// The folder of the runs.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Runs at the same time; they share the threads.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: u16,
    /// Threads in all; all cores without it. Their number changes no bit of a result.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    progress: ProgressArgs,
}

/// Runs all settings and prints the table.
pub(crate) fn sweep(args: &SweepArgs, parts: &Parts) -> Result<ExitCode, Failure> {
    let (name, text) = args.config.text()?;
    let overrides = args.config.overrides.clone();
    let (grid, random, seeds) = (args.grid.clone(), args.random.clone(), args.seeds.clone());
    let samples = args.samples.unwrap_or(1);
    let parts = parts.clone();
    let settings = Sweep { name, text, overrides, parts, grid, random, samples, seeds }.settings()?;
    let show = args.progress.show("sweep");
    let bar = show.bar.clone();
    let signals = Signals::watch(move || bar.finish_and_clear());
    signals.patient(true);
    let threads = args.threads.map_or_else(|| available_parallelism().map_or(1, usize::from), usize::from);
    let budget = (usize::from(args.jobs), threads);
    let watch = Watch { show: Mutex::new(show), said: Mutex::default(), signals: &signals };
    let outcomes = sweep::run(&settings, &args.out, budget, args.halving, &watch)?;
    watch.show.lock().unwrap_or_else(PoisonError::into_inner).end();
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &outcomes)?;
        writeln!(out)?;
    } else {
        writeln!(out, "{}", visible(&describe(&outcomes)))?;
    }
    out.flush()?;
    Ok(if signals.received() { signals.code() } else { ExitCode::SUCCESS })
}

/// Shows how far a sweep is, and what is to be known of its data, once.
struct Watch<'a> {
    show: Mutex<Show>,
    said: Mutex<BTreeSet<String>>,
    signals: &'a Signals,
}

impl sweep::Watch for Watch<'_> {
    fn stopped(&self) -> bool {
        self.signals.received()
    }
    fn done(&self, runs: usize, of: usize) {
        let mut show = self.show.lock().unwrap_or_else(PoisonError::into_inner);
        show.steps(of as u64, "run");
        show.step(runs as u64, "run", "");
    }
    fn notes(&self, notes: &[String]) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let show = self.show.lock().unwrap_or_else(PoisonError::into_inner);
        show.bar.suspend(|| {
            for note in notes.iter().filter(|note| said.insert((*note).clone())) {
                // With standard error closed there is nobody to tell.
                let _ = writeln!(io::stderr(), "note: {}", visible(note));
            }
        });
    }
}

fn describe(outcomes: &[Outcome]) -> String {
    let row = |o: &Outcome| {
        let validation = o.runs.iter().all(|run| run.validation.is_some());
        let rounds: Vec<String> = o.runs.iter().map(|run| run.rounds.to_string()).collect();
        let folders: Vec<&str> = o.runs.iter().map(|run| run.folder.as_str()).collect();
        vec![
            o.setting.clone(),
            match (o.diverged(), validation) {
                (true, _) => "diverged".to_owned(),
                (false, true) => percent(o.score()),
                (false, false) => "none".to_owned(),
            },
            if o.diverged() { "diverged".to_owned() } else { percent(o.accuracy()) },
            rounds.join(" "),
            folders.join(" "),
        ]
    };
    let rows: Vec<Vec<String>> = outcomes.iter().map(row).collect();
    table(&["setting", "validation", "test", "rounds", "folder"], &rows)
}
