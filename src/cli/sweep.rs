//! `sottovoce sweep`.

use super::ConfigArgs;
use super::exit::Failure;
use clap::Args;
use indicatif::ProgressBar;
use sottovoce::report::{percent, table};
use sottovoce::sweep::{self, Axis, Interval, Outcome, Sweep};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::available_parallelism;

/// Run an experiment with many settings and seeds; a finished run is not run again.
///
/// Settings are compared by accuracy on the validation split, where the data have one, and on the test split where they
/// have none. Each run has a folder in that of --out, which `sottovoce compare` and `verify` read.
#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// A key with the values that it takes; several keys make a grid. Values are TOML, e.g.
    /// --grid 'algorithm={kind="fedavg"},{kind="fedprox",mu=0.1}'.
    #[arg(long, value_name = "KEY=V1,V2,...")]
    grid: Vec<Axis>,
    /// A key whose value is drawn from an interval, evenly or, with :log, evenly on a logarithmic scale.
    #[arg(long, value_name = "KEY=LOW..HIGH[:log]", requires = "samples")]
    random: Vec<Interval>,
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
    /// No progress on standard error.
    #[arg(long, short)]
    quiet: bool,
}

/// Runs all settings and prints the table.
pub(crate) fn sweep(args: &SweepArgs) -> Result<ExitCode, Failure> {
    let (name, text) = args.config.text()?;
    let overrides = args.config.overrides.clone();
    let (grid, random, seeds) = (args.grid.clone(), args.random.clone(), args.seeds.clone());
    let samples = args.samples.unwrap_or(1);
    let settings = Sweep { name, text, overrides, grid, random, samples, seeds }.settings()?;
    let bar = if args.quiet { ProgressBar::hidden() } else { ProgressBar::new(0) };
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    // Without a handler Ctrl-C still ends the process, only less tidily.
    let _ = ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    let threads = args.threads.map_or_else(|| available_parallelism().map_or(1, usize::from), usize::from);
    let budget = (usize::from(args.jobs), threads);
    let done = |runs: usize, of: usize| {
        bar.set_length(of as u64);
        bar.set_position(runs as u64);
    };
    let outcomes = sweep::run(&settings, &args.out, budget, args.halving, &stop, &done)?;
    bar.finish_and_clear();
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &outcomes)?;
        writeln!(out)?;
    } else {
        writeln!(out, "{}", show(&outcomes))?;
    }
    out.flush()?;
    Ok(if stop.load(Ordering::Relaxed) { ExitCode::from(130) } else { ExitCode::SUCCESS })
}

fn show(outcomes: &[Outcome]) -> String {
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
