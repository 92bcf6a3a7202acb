//! `sottovoce run`.

use super::ConfigArgs;
use super::exit::Failure;
use super::experiment::Watch;
use super::output;
use clap::Args;
use sottovoce::experiment::{Ended, Experiment, Record};
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
    /// Go on from the checkpoint in the folder of --out.
    #[arg(long, requires = "out")]
    resume: bool,
    /// Print the summary as JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// No progress on standard error.
    #[arg(long, short)]
    quiet: bool,
}

/// Runs, watches, prints.
pub(crate) fn run(args: &Run) -> Result<ExitCode, Failure> {
    let config = args.config.load()?;
    let threads = args.threads.map_or(0, usize::from);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(io::Error::other)?;
    let mut watch = Watch::new(args.quiet);
    let (experiment, record, summary, params) = pool.install(|| {
        watch.begin(&config.name);
        // The data are checked first: what cannot run leaves no folder behind.
        let experiment = Experiment::new(config)?;
        let mut record = match &args.out {
            None => Record::none(),
            Some(path) if args.resume => Record::reopen(path)?,
            Some(path) => Record::create(path)?,
        };
        record.begin(experiment.config(), experiment.data())?;
        let (summary, params) = experiment.run(&mut record, &mut watch)?;
        Ok::<_, Failure>((experiment, record, summary, params))
    })?;
    watch.end();
    record.finish(experiment.config(), &experiment.data().labels, &params, &summary)?;
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &summary)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", output::summary(&summary, args.out.as_deref()))?;
    }
    out.flush()?;
    Ok(if summary.ended == Ended::Interrupted { ExitCode::from(130) } else { ExitCode::SUCCESS })
}
