//! The command line: one file a subcommand.

mod aggregate;
mod bench;
mod classify;
mod compare;
mod data;
mod diff;
mod egress;
mod exit;
mod experiment;
mod init;
mod list;
mod output;
mod progress;
mod redact;
mod rules;
mod run;
mod signals;
mod sweep;
mod verify;

use crate::Parts;
use crate::config::{self, Config, ConfigError};
use clap::{Args, CommandFactory, Parser, Subcommand};
use exit::Failure;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Federated learning of intent classifiers on customer-service transcripts, simulated bit for bit.
///
/// Without a command it runs the embedded quickstart: a synthetic support centre in Chinese and English, learned
/// from by 200 clients whose transcripts stay where they are.
#[derive(Debug, Parser)]
#[command(name = "sottovoce", version, propagate_version = true, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::Run,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a first configuration for a data file.
    Init(init::Init),
    /// Run an experiment: federated rounds, evaluation, baselines.
    Run(run::Run),
    /// Run an experiment with many settings and seeds, and compare them.
    Sweep(sweep::SweepArgs),
    /// Run a recorded run again and say where it differs.
    Verify(verify::Verify),
    /// Say where two runs part.
    Diff(diff::Diff),
    /// Say what left the clients of a run: every message, every byte.
    Egress(egress::Egress),
    /// Compare finished runs: differences paired by seed, with confidence intervals and tests.
    Compare(compare::Compare),
    /// Classify lines of text with the model of a finished run.
    Classify(classify::Classify),
    /// Mask personal data in text.
    Redact(redact::Redact),
    /// Aggregate updates from .npy, .npz or .safetensors files.
    Aggregate(aggregate::Aggregate),
    /// Measure this machine.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// List what experiments can be made of, with parameters, ranges and defaults.
    List(list::List),
    /// Print a script that completes commands and options in a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the JSON Schema of experiment files, for editors to complete and check from.
    Schema,
    /// Look at data, or make some.
    #[command(subcommand)]
    Data(data::Data),
}

/// A configuration and overrides.
#[derive(Debug, Args)]
struct ConfigArgs {
    /// Configuration file (TOML). Without one it is sottovoce.toml in the working directory, as `init` writes it, and the
    /// embedded quickstart where there is none.
    config: Option<PathBuf>,
    /// Override a value of the configuration, e.g. --set rounds.count=20 --set data.path=FOLDER.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

/// The configuration of the working directory.
const DEFAULT: &str = "sottovoce.toml";

/// The embedded configuration.
const QUICKSTART: &str = include_str!("../../examples/quickstart.toml");

impl ConfigArgs {
    /// The file that is read, if it is one.
    fn file(&self) -> Option<PathBuf> {
        let own = || Some(PathBuf::from(DEFAULT)).filter(|file| file.is_file());
        self.config.clone().or_else(own)
    }

    /// Name and text of the configuration, without the overrides.
    fn text(&self) -> Result<(String, String), ConfigError> {
        match &self.file() {
            Some(path) => Ok((path.display().to_string(), config::read(path).map_err(or_command(path))?)),
            None => Ok(("quickstart.toml".to_owned(), QUICKSTART.to_owned())),
        }
    }

    fn load(&self, parts: &Parts) -> Result<Config, ConfigError> {
        match &self.file() {
            Some(path) => config::load_with(parts, path, &self.overrides).map_err(or_command(path)),
            None => config::parse_with(parts, "quickstart.toml", QUICKSTART, &self.overrides),
        }
    }
}

/// To standard output, whole or not at all: a shell may read half a script.
fn completions(shell: clap_complete::Shell) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sottovoce", &mut script);
    io::Write::write_all(&mut io::stdout(), &script)?;
    Ok(ExitCode::SUCCESS)
}

/// A file that is not there may be a command that was misspelt.
fn or_command(path: &Path) -> impl Fn(ConfigError) -> ConfigError + '_ {
    |e| match e {
        ConfigError::File { path: file, source, help: None } if source.kind() == io::ErrorKind::NotFound => {
            let word = path.to_str().filter(|word| word.bytes().all(|b| b.is_ascii_alphabetic()));
            let commands = Cli::command();
            let distance = |name: &str| strsim::damerau_levenshtein(name, word.unwrap_or_default());
            let near =
                commands.get_subcommands().map(|c| (distance(c.get_name()), c.get_name().to_owned())).min();
            let near = near.filter(|(distance, name)| *distance <= (name.len() / 2).min(2));
            let help = near.map(|(_, name)| format!("did you mean the command `{name}`?"));
            ConfigError::File { path: file, source, help }
        }
        other => other,
    }
}

/// The command line: parses the arguments of the process and does what they say. Configurations may name `parts`, so that a
/// program of one's own with an algorithm, model, transform or rule of its own has all of the commands:
///
/// ```no_run
/// # use sottovoce::core::{Algorithm, Answer, ClientError, LocalTask, ServerCx};
/// # #[derive(serde::Deserialize)]
/// # struct Mine { step: f32 }
/// # impl Algorithm for Mine {
/// #     type Server = ();
/// #     type Client = ();
/// #     fn name(&self) -> &'static str { "mine" }
/// #     fn client(&self, task: &mut dyn LocalTask, _: &(), _: &mut ()) -> Result<Answer, ClientError> {
/// #         Ok(task.train(None)?.into())
/// #     }
/// #     fn server(&self, cx: &mut ServerCx<'_>, _: &mut ()) { cx.step(self.step) }
/// # }
/// fn main() -> std::process::ExitCode {
///     sottovoce::command(&sottovoce::Parts::none().algorithm::<Mine>("mine"))
/// }
/// ```
pub fn command(parts: &Parts) -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        None => run::run(&cli.run, parts),
        Some(Command::Run(args)) => run::run(&args, parts),
        Some(Command::Sweep(args)) => sweep::sweep(&args, parts),
        Some(Command::Verify(args)) => verify::run(&args, parts),
        Some(Command::Diff(args)) => diff::run(&args, parts),
        Some(Command::Egress(args)) => egress::egress(&args, parts),
        Some(Command::Compare(args)) => compare::compare(&args),
        Some(Command::Classify(args)) => classify::classify(&args, parts),
        Some(Command::Redact(args)) => redact::redact(&args),
        Some(Command::Aggregate(args)) => aggregate::aggregate(&args),
        Some(Command::Bench(command)) => bench::bench(&command),
        Some(Command::List(args)) => list::list(&args),
        Some(Command::Init(args)) => init::init(&args),
        Some(Command::Completions { shell }) => completions(shell),
        Some(Command::Schema) => list::print_schema(),
        Some(Command::Data(args)) => data::data(&args, parts),
    };
    done.unwrap_or_else(Failure::report)
}
