//! `sottovoce run`.

use super::ConfigArgs;
use super::exit::Failure;
use super::experiment::Watch;
use super::output;
use super::progress::ProgressArgs;
use crate::Parts;
use crate::experiment::{Ended, Experiment, Lock, Record};
use crate::report::visible;
use clap::Args;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Run an experiment: federated rounds, evaluation, baselines.
#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    config: ConfigArgs,
    /// Threads to use; all cores without it. Their number changes no bit of the result.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Keep configuration, journal, ledger, model and summary in this folder, which must be empty or new.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on from the newest checkpoint in the folder of --out, or begin where there is none.
    #[arg(long, requires = "out")]
    resume: bool,
    /// With --resume: go on although the configuration is another than the checkpoint's.
    #[arg(long, requires = "resume")]
    allow_config_change: bool,
    /// Stop after this many rounds with a checkpoint, as Ctrl-C would (exit code 130).
    #[arg(long, value_name = "N", requires = "out", value_parser = clap::value_parser!(u64).range(1..))]
    stop_after: Option<u64>,
    /// Keep everything that passes between clients and server in the folder of --out, for `diff`: every message of
    /// every round.
    #[arg(long, requires = "out")]
    trace: bool,
    /// Write what the run was, round by round, into a small text file that `verify` checks.
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// Print the summary as JSON instead of a table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    progress: ProgressArgs,
}

/// Runs, watches, prints.
pub(crate) fn run(args: &Run, parts: &Parts) -> Result<ExitCode, Failure> {
    let config = args.config.load(parts)?;
    let threads = args.threads.map_or(0, usize::from);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(io::Error::other)?;
    if let Some(path) = &args.lock {
        Lock::may_write(path)?;
    }
    let mut watch = Watch::new(args.progress, &config.name)
        .stopping_after(args.stop_after)
        .keeping_in(args.out.as_deref());
    let (experiment, record, summary, params) = pool.install(|| {
        // The data are checked first: what cannot run leaves no folder behind.
        let experiment = Experiment::new(config)?;
        let mut record = match &args.out {
            None => Record::none(),
            Some(path) if args.resume => Record::reopen(path)?,
            Some(path) => Record::create(path)?,
        };
        if args.trace {
            record = record.with_trace();
        }
        if args.allow_config_change {
            record = record.allowing_changes();
        }
        let (summary, params) = experiment.run(&mut record, &mut watch)?;
        Ok::<_, Failure>((experiment, record, summary, params))
    })?;
    watch.end();
    let interrupted = summary.ended == Ended::Interrupted;
    let lock = args.lock.as_ref().filter(|_| !interrupted);
    let lock = lock.map(|path| Ok::<_, Failure>((path, Lock::of(&experiment, &record, &summary)?)));
    let lock = lock.transpose()?;
    record.finish(experiment.config(), experiment.data(), &params, &summary)?;
    if let Some((path, lock)) = lock {
        lock.write(path)?;
    }
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &summary)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", visible(&output::summary(&summary, args.out.as_deref())))?;
    }
    out.flush()?;
    if interrupted {
        return Ok(watch.code());
    }
    match summary.nothing_learned(&experiment.initial()) {
        None => Ok(ExitCode::SUCCESS),
        Some(why) => Err(Failure::NothingLearned(why)),
    }
}
