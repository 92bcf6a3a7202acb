//! `sottovoce init`.

use super::exit::Failure;
use super::{DEFAULT, signals};
use crate::experiment::starter::{self, StarterError};
use crate::report::visible;
use clap::Args;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Write a first configuration for a data file: what was found in it, with settings that learn.
///
/// `sottovoce run` then runs it. The data are read and not changed; nothing of a transcript is written.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// A file of transcripts, or a folder of train, validation and test files: CSV, TSV, JSON Lines, JSON, Parquet, .xlsx.
    data: PathBuf,
    /// The file to write.
    #[arg(long, short, value_name = "FILE", default_value = DEFAULT)]
    output: PathBuf,
    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
}

pub(crate) fn init(args: &Init) -> Result<ExitCode, Failure> {
    let at = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", args.output.display()));
    if args.output.exists() && !args.force {
        let what = "is there already; --force writes over it, -o FILE writes another one";
        return Err(Failure::Arguments(format!("{}: {what}", args.output.display())));
    }
    if !args.data.exists() {
        return Err(Failure::Arguments(format!("{}: there is no such file or folder", args.data.display())));
    }
    let _signals = signals::Signals::watch(|| ());
    let (text, found) = starter::starter(&args.data).map_err(|e| match e {
        StarterError::Data(e) => Failure::Experiment(e),
        StarterError::Config(e) => Failure::Config(e),
    })?;
    let mut options = File::options();
    let options = if args.force { options.create(true).truncate(true) } else { options.create_new(true) };
    options
        .write(true)
        .open(&args.output)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(at)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", visible(&format!("{}: {}", args.data.display(), starter::sentence(&found))))?;
    for note in found.origin.notes() {
        writeln!(out, "note: {}", visible(&note))?;
    }
    let name = args.output.display().to_string();
    let command = if name == DEFAULT { String::new() } else { format!(" {name}") };
    writeln!(out, "written to {}; look at it, then: sottovoce run{}", visible(&name), visible(&command))?;
    Ok(ExitCode::SUCCESS)
}
