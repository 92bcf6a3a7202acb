//! What experiments can be made of, and the schema of their files.

use super::exit::Failure;
use crate::aggregator::rules::{self, Entry, Kind, catalogue};
use crate::config::catalogue::{Choice, Parameter, choices, schema};
use clap::{Args, ValueEnum};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct List {
    /// What to list.
    what: What,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// Federated algorithms: `algorithm.kind`.
    Algorithms,
    /// Rules of aggregation: `aggregation.rule`, and `sottovoce aggregate --rule`.
    Rules,
    /// Classifiers: `model.kind`.
    Models,
    /// Ways to deal transcripts out to clients: `partition.scheme`.
    Partitions,
    /// What is done to updates before they leave: `transforms`.
    Transforms,
    /// Ways to draw those who take part in a round: `rounds.cohort.kind`.
    Cohorts,
}

/// Prints what there is to choose from.
pub(crate) fn list(args: &List) -> Result<ExitCode, Failure> {
    let all = match args.what {
        What::Algorithms => choices("algorithm", "kind"),
        What::Models => choices("model", "kind"),
        What::Partitions => choices("partition", "scheme"),
        What::Transforms => choices("transforms", "kind"),
        What::Cohorts => choices("rounds.cohort", "kind"),
        What::Rules => catalogue().iter().map(rule).collect(),
    };
    let mut out = String::new();
    if args.json {
        let _ = writeln!(out, "{:#}", serde_json::to_value(&all)?);
    } else {
        all.iter().for_each(|choice| out.push_str(&text(choice)));
    }
    io::stdout().write_all(out.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn text(choice: &Choice) -> String {
    let mut out = format!("{}: {}\n", choice.kind, choice.about);
    for p in &choice.parameters {
        let default = match (&p.default, p.required) {
            (Some(Value::String(default)), _) => format!("; default {default}"),
            (Some(default), _) => format!("; default {default}"),
            (None, true) => "; needed".to_owned(),
            (None, false) => String::new(),
        };
        let _ = writeln!(out, "    {}  {} ({}{default})", p.name, p.about, p.takes);
    }
    out
}

fn rule(entry: &Entry) -> Choice {
    let parameter = |p: &rules::Parameter| Parameter {
        name: p.name.to_owned(),
        takes: p.range.to_owned(),
        default: p.default.map(Into::into),
        required: p.default.is_none(),
        about: p.meaning.to_owned(),
    };
    let wrapper = if entry.kind == Kind::Wrapper { " (in front of a rule)" } else { "" };
    Choice {
        kind: entry.name.to_owned(),
        about: format!("{}{wrapper}", entry.line),
        parameters: entry.parameters.iter().map(parameter).collect(),
    }
}

/// Prints the JSON Schema of experiment files.
pub(crate) fn print_schema() -> Result<ExitCode, Failure> {
    io::stdout().write_all(format!("{:#}\n", schema()).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
