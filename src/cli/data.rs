//! `sottovoce data`: look at data, or make some.

use super::ConfigArgs;
use super::exit::Failure;
use crate::Parts;
use crate::config::Config;
use crate::experiment::inspect::{self, Inspected};
use crate::report::{percent, table, thousands, visible};
use crate::transcripts::inspect::Duplicates;
use crate::transcripts::{Language, Split, Synthetic, SyntheticConfig, Transcript, Turn};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

/// Look at data, or make some.
#[derive(Debug, Subcommand)]
pub(crate) enum Data {
    /// Write synthetic transcripts as JSON Lines.
    Synth(Synth),
    /// Show what a configuration's data and partition come to: clients, sizes, label skew, languages, duplicates.
    Inspect(Inspect),
}

/// Write synthetic transcripts as JSON Lines: those of the configuration's population, then its test split.
#[derive(Debug, Args)]
pub(crate) struct Synth {
    #[command(flatten)]
    config: ConfigArgs,
    /// Write this many clients, from the first on; the whole population without it.
    #[arg(long, value_name = "N")]
    clients: Option<u64>,
    /// Leave the test split out.
    #[arg(long)]
    no_test: bool,
}

/// Show what a configuration's data and partition come to.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
    /// End with exit code 1 if the data have any of these, for checks in CI; comma-separated.
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    deny: Vec<Deny>,
}

/// What data can be refused for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Deny {
    /// Equal texts under several intents.
    Conflicts,
    /// Texts that are repeated in train or in test.
    Duplicates,
    /// Test transcripts whose text occurs in train.
    Leaks,
    /// Rows that cannot be used.
    Rejected,
    /// Anything that files do not say: split, language, encoding; intents that look alike; files beside those read.
    Assumed,
    /// Ids that several transcripts have.
    RepeatedIds,
    /// Dialogues with turns in several splits.
    SplitDialogues,
    /// Transcripts without a time that retention leaves out.
    Undated,
}

impl Deny {
    /// How many there are, and of what.
    fn found(self, i: &Inspected) -> (u64, &'static str) {
        let Inspected { inspection: of, origin, .. } = i;
        match self {
            Self::Conflicts => (of.conflicts.texts, "texts under several intents"),
            Self::Duplicates => (of.folded.repeated_in_train + of.repeated_in_test, "repeated texts"),
            Self::Leaks => (of.folded.test_seen_in_train, "test transcripts that occur in train"),
            Self::Rejected => (origin.rejected.values().sum(), "rejected rows"),
            Self::Assumed => (origin.assumed.notes().len() as u64, "assumptions"),
            Self::RepeatedIds => (of.repeated_ids, "repeated ids"),
            Self::SplitDialogues => (of.dialogues_across_splits, "dialogues in several splits"),
            Self::Undated => {
                (origin.retention.map_or(0, |r| r.dropped_undated), "transcripts without a time")
            }
        }
    }
}

pub(crate) fn data(command: &Data, parts: &Parts) -> Result<ExitCode, Failure> {
    match command {
        Data::Synth(args) => synth(args, parts),
        Data::Inspect(args) => inspect_data(args, parts),
    }
}

/// A transcript as the readers take it.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    client: &'a Option<String>,
    lang: Language,
    timestamp: Option<i64>,
    domain: &'a Option<String>,
    split: Split,
    intent: &'a str,
    turns: &'a [Turn],
}

fn synth(args: &Synth, parts: &Parts) -> Result<ExitCode, Failure> {
    let config: Config = args.config.load(parts)?;
    let corpus: SyntheticConfig = config.data.synthetic.unwrap_or_default();
    let clients = args.clients.unwrap_or(corpus.clients).min(corpus.clients);
    let corpus = Synthetic::new(corpus).map_err(crate::experiment::ExperimentError::Synthetic)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut write = |t: &Transcript| -> Result<(), Failure> {
        let Transcript { id, client, language, timestamp, domain, split, turns, intent } = t;
        let (lang, timestamp, split) = (*language, *timestamp, *split);
        serde_json::to_writer(&mut out, &Line { id, client, lang, timestamp, domain, split, intent, turns })?;
        Ok(out.write_all(b"\n")?)
    };
    for client in 0..clients {
        corpus.transcripts(config.seed, client).iter().try_for_each(&mut write)?;
    }
    if !args.no_test {
        corpus.test(config.seed, config.data.test_examples).iter().try_for_each(&mut write)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn inspect_data(args: &Inspect, parts: &Parts) -> Result<ExitCode, Failure> {
    let config = args.config.load(parts)?;
    let found = inspect::inspect(&config)?;
    let mut err = io::stderr().lock();
    for note in found.origin.notes() {
        // With standard error closed there is nobody to tell.
        let _ = writeln!(err, "note: {}", visible(&note));
    }
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &found)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", visible(&describe(&config.name, &found)))?;
    }
    out.flush()?;
    let denied: Vec<(u64, &str)> =
        args.deny.iter().map(|what| what.found(&found)).filter(|(n, _)| *n > 0).collect();
    for (n, what) in &denied {
        let _ = writeln!(err, "denied: {} {what}", thousands(*n));
    }
    Ok(if denied.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Names listed before "and N more".
const SHOWN: usize = 6;

fn describe(name: &str, found: &Inspected) -> String {
    let Inspected { inspection: i, origin, .. } = found;
    let spread = |s: &crate::transcripts::inspect::Spread| {
        let (least, most) = (thousands(s.min), thousands(s.max));
        format!("{least} to {most}, mean {:.1}, median {:.1}, Gini {:.2}", s.mean, s.median, s.gini)
    };
    let counts = |all: Vec<(String, u64)>| {
        let shown: Vec<String> =
            all.iter().take(SHOWN).map(|(k, n)| format!("{k} {}", thousands(*n))).collect();
        let rest = all.len().saturating_sub(SHOWN);
        shown.join(", ") + &if rest > 0 { format!(", and {rest} more") } else { String::new() }
    };
    let lower = |s: String| s.to_lowercase();
    let named = |domain: &str| if domain.is_empty() { "without one" } else { domain }.to_owned();
    let duplicates = |d: &Duplicates| {
        format!(
            "{} distinct; {} repeats in train; {} test transcripts occur in train",
            thousands(d.distinct),
            thousands(d.repeated_in_train),
            thousands(d.test_seen_in_train)
        )
    };
    let mut labels: Vec<(String, u64)> = i.labels.clone().into_iter().collect();
    labels.sort_by_key(|(name, n)| (std::cmp::Reverse(*n), name.clone()));
    let row = |key: &str, value: String| vec![format!("{key:<22}{value}")];
    let mut rows = vec![
        row("transcripts", thousands(i.transcripts)),
        row("splits", counts(i.splits.iter().map(|(k, n)| (lower(format!("{k:?}")), *n)).collect())),
        row(
            "clients",
            format!("{}, {} without training data", thousands(i.clients), thousands(i.empty_clients)),
        ),
        row("examples a client", spread(&i.examples)),
        row("intents a client", spread(&i.labels_per_client)),
        row("label skew", format!("{} mean total variation from all clients' mix", percent(i.label_skew))),
        row("languages", counts(i.languages.iter().map(|(k, n)| (lower(format!("{k:?}")), *n)).collect())),
        row("domains", counts(i.domains.iter().map(|(k, n)| (named(k), *n)).collect())),
        row("intents", format!("{}: {}", labels.len(), counts(labels))),
        row("texts, exact", duplicates(&i.exact)),
        row("texts, folded", duplicates(&i.folded)),
        row(
            "conflicts",
            format!(
                "{} texts under several intents, {} transcripts",
                i.conflicts.texts, i.conflicts.transcripts
            ),
        ),
        row("repeated ids", thousands(i.repeated_ids)),
        row(
            "dialogues split",
            format!("{} over clients, {} over splits", i.dialogues_across_clients, i.dialogues_across_splits),
        ),
    ];
    if !origin.files.is_empty() {
        let file = |f: &crate::transcripts::readers::FileRead| {
            let formats: Vec<String> = f.formats.iter().map(|format| lower(format!("{format:?}"))).collect();
            (format!("{} ({})", f.file, formats.join(", ")), f.accepted)
        };
        rows.push(row("files", counts(origin.files.iter().map(file).collect())));
    }
    let rejected: u64 = origin.rejected.values().sum();
    if rejected > 0 {
        rows.push(row(
            "rejected rows",
            counts(origin.rejected.iter().map(|(k, n)| (k.to_string(), *n)).collect()),
        ));
    }
    if origin.unlabelled > 0 {
        rows.push(row("turns without a label", thousands(origin.unlabelled)));
    }
    if origin.excluded > 0 {
        rows.push(row("left out by intent", thousands(origin.excluded)));
    }
    if let Some(r) = origin.retention {
        let (old, undated) = (thousands(r.dropped_old), thousands(r.dropped_undated));
        rows.push(row("left out by retention", format!("{old} too old, {undated} without a time")));
    }
    if origin.assumed.drawn_test > 0 {
        rows.push(row("drawn for test", thousands(origin.assumed.drawn_test)));
    }
    table(&[name], &rows) + "\n"
}
