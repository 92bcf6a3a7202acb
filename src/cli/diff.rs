//! `sottovoce diff`.

use super::exit::Failure;
use super::experiment::Watch;
use super::progress::ProgressArgs;
use crate::Parts;
use crate::experiment::diff::{At, Differences, diff};
use crate::experiment::fields::Differs;
use crate::report::visible;
use clap::Args;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Say where two runs part: configuration, data, environment, and the first round, stage, client and number that differ.
///
/// Exit code 0 if the runs are the same, 1 if not, 2 if a folder cannot be read as a run.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The folder of `run --out` of one run.
    #[arg(value_name = "RUN_A")]
    a: PathBuf,
    /// That of the other.
    #[arg(value_name = "RUN_B")]
    b: PathBuf,
    /// Compare what is on record and run nothing again: round, stage and client, but no numbers.
    #[arg(long)]
    no_numbers: bool,
    /// Print the differences as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    progress: ProgressArgs,
}

/// Compares and says.
pub(crate) fn run(args: &Diff, parts: &Parts) -> Result<ExitCode, Failure> {
    let mut watch = Watch::new(args.progress, "diff");
    let differences = diff(&args.a, &args.b, !args.no_numbers, parts, &mut watch);
    watch.end();
    let differences = differences.map_err(Failure::cannot_tell)?;
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &differences)?;
        writeln!(out)?;
    } else {
        writeln!(out, "A  {}\nB  {}\n", args.a.display(), args.b.display())?;
        out.write_all(visible(&text(&differences)).as_bytes())?;
    }
    out.flush()?;
    Ok(if differences.same() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(d: &Differences) -> String {
    let mut out = String::new();
    for (name, all) in
        [("configuration", &d.configuration), ("data", &d.data), ("environment", &d.environment)]
    {
        out += &section(name, all);
    }
    let [a, b] = d.rounds;
    match &d.first {
        None if a == b => out += &line("rounds", &format!("same, all {a}")),
        None => out += &line("rounds", &format!("same as far as both go: {a} in A, {b} in B")),
        Some(place) => {
            out += &line("rounds", &format!("{} the same, round {} differs", place.round, place.round));
            let client = place.client.map(|c| format!(", client {c}")).unwrap_or_default();
            out += &line("where", &format!("round {}{client}, {}", place.round, place.stage));
            if let Some(note) = &place.note {
                out += &line("", note);
            }
            if let Some(at) = &place.value {
                out += &number(at);
            }
        }
    }
    if d.first.is_none() {
        out += &section("figures", &d.figures);
        out += &section("files", &d.files);
    }
    out
}

fn line(name: &str, what: &str) -> String {
    format!("{name:<15}{what}\n")
}

fn section(name: &str, all: &[Differs]) -> String {
    if all.is_empty() {
        return line(name, "same");
    }
    let names = all.iter().enumerate().map(|(i, d)| {
        let name = if i == 0 { name } else { "" };
        line(name, &format!("{}: {} in A, {} in B", d.what, d.a, d.b))
    });
    names.collect()
}

fn number(at: &At) -> String {
    let show =
        |v: Option<f32>| v.map_or("no such row".to_owned(), |v| format!("{:#010x}  {v:e}", v.to_bits()));
    let place = format!("{}[{}, {}] (coordinate {})", at.tensor, at.row, at.column, at.coordinate);
    line("", &place) + &line("", &format!("A  {}", show(at.a))) + &line("", &format!("B  {}", show(at.b)))
}
