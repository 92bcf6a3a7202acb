//! `sottovoce verify`.

use super::exit::Failure;
use super::experiment::Watch;
use super::progress::ProgressArgs;
use crate::Parts;
use crate::config;
use crate::experiment::Ended;
use crate::experiment::verify::{Recorded, Replay, Verdict, verify};
use crate::report::visible;
use clap::Args;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Run a recorded run again and say where it differs.
///
/// Exit code 0 if everything is the same, 1 with the first difference if not, 2 if the record cannot be used.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// A lock that `run --lock` wrote, or the folder of `run --out`.
    #[arg(value_name = "LOCK|RUN_DIR")]
    record: PathBuf,
    /// Threads to use; all cores without it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Check the first so many rounds only.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..))]
    rounds: Option<u64>,
    /// Ask the clients of each round in an order drawn from this seed: no bit may depend on it.
    #[arg(long, value_name = "SEED")]
    arrival: Option<u64>,
    /// Override a path of the configuration where the data lie elsewhere, e.g. --set data.path=FOLDER.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Print the verdict as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    progress: ProgressArgs,
}

/// Runs, compares, says.
pub(crate) fn run(args: &Verify, parts: &Parts) -> Result<ExitCode, Failure> {
    let recorded = Recorded::read(&args.record).map_err(Failure::cannot_tell)?;
    let name = args.record.display().to_string();
    let config = config::parse_with(parts, &name, recorded.config(), &args.overrides)?;
    let threads = args.threads.map_or(0, usize::from);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(io::Error::other)?;
    let mut watch = Watch::new(args.progress, &config.name);
    let how = Replay { rounds: args.rounds, arrival: args.arrival };
    let verdict = pool.install(|| verify(&recorded, config, how, &mut watch));
    watch.end();
    let verdict = verdict.map_err(Failure::cannot_tell)?;
    let interrupted = watch.stopped() && verdict.difference.is_none();
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &verdict)?;
        writeln!(out)?;
    } else {
        let chain = verdict.chain.map(|c| c.to_string()).unwrap_or_default();
        match &verdict.difference {
            Some(difference) => writeln!(out, "{}", visible(&format!("DIFFERENT  {name}: {difference}")))?,
            None if interrupted => {
                writeln!(out, "interrupted after {} rounds, the same so far  {chain}", verdict.rounds)?
            }
            None => writeln!(out, "same  {name}: {}  {chain}", how_far(&verdict))?,
        }
    }
    out.flush()?;
    Ok(match verdict.difference {
        Some(_) => ExitCode::FAILURE,
        None if interrupted => watch.code(),
        None => ExitCode::SUCCESS,
    })
}

/// How many rounds were the same, and of how many where the run has not come to its end.
fn how_far(verdict: &Verdict) -> String {
    let rounds = verdict.rounds;
    match verdict.ended {
        Some(Ended::Completed | Ended::StoppedEarly) => format!("{rounds} rounds"),
        Some(Ended::Interrupted) => {
            format!("{rounds} rounds of a run that was interrupted after {}", verdict.recorded)
        }
        None => format!("{rounds} rounds of a run that has not ended, with {} on record", verdict.recorded),
    }
}
