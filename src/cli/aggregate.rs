//! `sottovoce aggregate`: files of updates become one.

use super::exit::Failure;
use super::rules;
use super::signals::Signals;
use crate::aggregator::{AggregateError, Outcome, Recipe, Rejection, RuleError, StackError};
use crate::arrays::{self, Any, ArrayError, Dtype, Integers, Number, Select, Updates};
use crate::core::{Digest, LayoutError};
use crate::limits;
use crate::report::{thousands, visible};
use clap::Args;
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Aggregate updates from .npy, .npz or .safetensors files with any rule.
///
/// Inputs are one .npy of shape clients × parameters, or an .npy, .npz or .safetensors file for each client. A folder
/// stands for its files in the order of their names, client_2 before client_10. Numbers are f16, bf16, f32 or f64 in
/// either order of bytes; those of 16 bits are read as f32, exactly. The output is of the same kind, f32 or f64,
/// little-endian, and is there whole or not at all. The same inputs give the same bits for any number of threads.
///
/// The mean, and what other rules make of rows by adding them up, is exact in every column to 2^-51 of the column's
/// largest product of a number and its weight, then rounded once to f32 or f64: a number of 1e300 takes no digit from the
/// columns beside it. Instead of that, sums of f32 below 2^11 are exact to 2^-40, and rows that nnm mixes to 2^-51 of the
/// largest number in their neighbourhood, whatever its column. Rules that select one row give it as it is.
#[derive(Debug, Args)]
#[command(after_long_help = rules::help())]
pub(crate) struct Aggregate {
    /// Files of updates, or folders of them; - is standard input, one file of any kind.
    #[arg(required = true)]
    input: Vec<PathBuf>,
    /// The rule, after wrappers if any, outermost first: mean, median, nnm+krum.
    #[arg(long, value_name = "NAME[+NAME…]")]
    rule: String,
    /// How many clients may be faulty; the same as --param f=F.
    #[arg(long, value_name = "F")]
    faulty: Option<u32>,
    /// A parameter of the rule or of a wrapper: a number, a word, a list such as [1,0,2], or an .npy file.
    #[arg(long = "param", value_name = "KEY=VALUE")]
    params: Vec<String>,
    /// Weights of the clients in the order of the inputs: a list such as 3,1,2, an .npy, or text with a number a line.
    /// A rule that does not look at them refuses them.
    #[arg(long, value_name = "FILE|LIST", allow_hyphen_values = true)]
    weights: Option<String>,
    /// Take only tensors of this name; * stands for any characters. May be given more than once.
    #[arg(long, value_name = "PATTERN")]
    only: Vec<String>,
    /// Leave out tensors of this name; * stands for any characters. May be given more than once.
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// What becomes of tensors of integers and truth values, such as counters, which are not averaged.
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Integers::Error)]
    integers: Integers,
    /// Threads to use; all cores without it. Their number changes no bit of the result.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Aggregate so many times and report the seconds of the fastest, for measuring
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repeat: u32,
    /// Print what was done as JSON.
    #[arg(long)]
    json: bool,
    /// No summary, and no notes on standard error.
    #[arg(long, short)]
    quiet: bool,
    /// The file to write, of the same kind as the inputs. It takes the place of another file, but of no input. - is
    /// standard output; the summary then goes to standard error.
    #[arg(long, short, value_name = "OUT")]
    output: PathBuf,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AggregateFailure {
    #[error(transparent)]
    Array(#[from] ArrayError),
    #[error("{0}")]
    Rule(#[from] RuleError),
    #[error("{place}: {value} is not finite; a rule can only take finite numbers")]
    NotFinite { place: String, value: f64 },
    #[error(
        "--param {word}: write KEY=VALUE, the value a number, a word, a list such as [1,0,2], or an .npy file"
    )]
    Param { word: String },
    #[error("parameter {key} is given twice")]
    ParamTwice { key: String },
    #[error("--weights {word}: neither a list of numbers nor a file")]
    Weights { word: String },
    #[error("{}, line {line}: not a number", path.display())]
    WeightLine { path: PathBuf, line: usize },
    #[error("{}: is larger than a list of weights can be ({limit} bytes)", path.display())]
    WeightsLong { path: PathBuf, limit: u64 },
    #[error("weight {at} is {value}; weights are finite and not negative")]
    Weight { at: usize, value: f64 },
    #[error("{recipe} does not look at weights{advice}; rules that can: {rules}")]
    WeightsIgnored { recipe: String, advice: &'static str, rules: String },
    #[error("standard output is a terminal, and updates are no text; send them to a file or a pipe")]
    Terminal,
    #[error("{got} weights for {expected} clients")]
    WeightCount { expected: usize, got: usize },
    #[error("{clients} × {params} numbers do not fit into the {available} bytes of memory that are left")]
    TooLarge { clients: usize, params: usize, available: u64 },
    #[error(transparent)]
    Layout(#[from] LayoutError),
    #[error(transparent)]
    Rejected(#[from] Rejection),
    #[error(transparent)]
    Sum(#[from] AggregateError),
}

impl AggregateFailure {
    /// Whether other arguments or files would help, and not another machine.
    pub(crate) fn is_input(&self) -> bool {
        match self {
            Self::Array(e) => e.is_input(),
            _ => true,
        }
    }
}

/// What was done, as it is printed.
#[derive(Debug, Serialize)]
struct Report<'a> {
    rule: &'a str,
    /// In the order of the clients.
    inputs: Vec<String>,
    clients: usize,
    params: usize,
    dtype: Dtype,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    converted: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kept: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<&'a str>,
    seconds: f64,
    gb_per_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    selected: Option<&'a [usize]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trust: Option<&'a [f64]>,
    threads: usize,
    digest: Digest,
    output: String,
}

/// Reads, aggregates, writes, prints.
pub(crate) fn aggregate(args: &Aggregate) -> Result<ExitCode, Failure> {
    let recipe = rules::recipe(&args.rule, args.faulty, &args.params)?;
    if args.weights.is_some() {
        rules::uses_weights(&recipe, args.faulty, &args.params)?;
    }
    let streamed = streamed(args);
    if streamed && io::stdout().is_terminal() {
        return Err(AggregateFailure::Terminal.into());
    }
    let threads = args.threads.map_or(0, usize::from);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(io::Error::other)?;
    // Without a handler an interrupted call would still end, only less tidily.
    let signals = Signals::watch(|| ());
    let select = Select { only: args.only.clone(), exclude: args.exclude.clone(), integers: args.integers };
    pool.install(|| match arrays::open(&args.input, &select).map_err(AggregateFailure::from)? {
        Any::F32(updates) => whole(args, &recipe, &updates, &signals),
        Any::F64(updates) => whole(args, &recipe, &updates, &signals),
    })
}

/// Whether the result goes to standard output.
fn streamed(args: &Aggregate) -> bool {
    args.output.as_os_str() == "-"
}

fn whole<T: Number>(
    args: &Aggregate,
    recipe: &Recipe,
    updates: &Updates<T>,
    signals: &Signals,
) -> Result<ExitCode, Failure> {
    let matrix = !recipe.has_rule();
    // Whatever names a file here is read, whether as weights or as a parameter.
    let values = args.params.iter().filter_map(|p| p.split_once('=')).map(|(_, value)| value);
    let read: Vec<PathBuf> = values.chain(args.weights.as_deref()).map(PathBuf::from).collect();
    updates.may_write(&args.output, matrix, &read).map_err(AggregateFailure::from)?;
    if !streamed(args) {
        // An interrupted call leaves no half of a result.
        let partial = arrays::partial(&args.output);
        signals.farewell(move || drop(std::fs::remove_file(&partial)));
    }
    let stack = updates.stack();
    let weights = args.weights.as_deref().map(|w| rules::weights(w, stack.clients())).transpose()?;
    if !args.quiet {
        notes(args, updates)?;
    }
    // Input that is mapped and memory for the result have their pages, and the threads run, before the clock does.
    updates.touch();
    let mut outcome = Outcome { rows: vec![vec![T::from_f64(1.0); stack.params()]], ..Outcome::default() };
    let mut done = Ok(());
    let seconds = limits::fastest(args.repeat, || {
        if done.is_ok() {
            done = recipe.aggregate_into(&stack, weights.as_deref(), &mut outcome);
        }
    });
    done.map_err(|e| named(e, updates))?;
    if streamed(args) {
        updates.write_to(io::stdout().lock(), &outcome.rows, matrix)?;
    } else {
        updates.write(&args.output, &outcome.rows, matrix).map_err(AggregateFailure::from)?;
    }
    let bytes = stack.clients() * stack.params() * T::DTYPE.size();
    let report = Report {
        rule: &args.rule,
        inputs: updates.files().map(|f| f.display().to_string()).collect(),
        converted: updates.converted().collect(),
        kept: updates.kept(),
        left_out: updates.left_out(),
        clients: stack.clients(),
        params: stack.params(),
        dtype: T::DTYPE,
        seconds,
        gb_per_s: bytes as f64 / seconds.max(1e-9) / 1e9,
        selected: outcome.selected.as_deref(),
        trust: outcome.trust.as_deref(),
        threads: rayon::current_num_threads(),
        digest: Digest::of(&T::le_bytes(&outcome.rows.concat())),
        output: args.output.display().to_string(),
    };
    let mut out: Box<dyn Write> =
        if streamed(args) { Box::new(io::stderr().lock()) } else { Box::new(io::stdout().lock()) };
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else if !args.quiet {
        write!(out, "{}", visible(&describe(&report)))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// What was not done as it stands in the files, on standard error.
fn notes<T: Number>(args: &Aggregate, updates: &Updates<T>) -> io::Result<()> {
    let mut notes = Vec::new();
    let converted: Vec<&str> = updates.converted().collect();
    if !converted.is_empty() {
        let (from, to) = (converted.join(" and "), T::DTYPE);
        notes.push(format!("{from} numbers are read as {to}; the result is {to}, little-endian"));
    }
    let copies: Vec<String> = updates.copies().map(|p| p.display().to_string()).collect();
    if !copies.is_empty() {
        notes.push(format!("copied, since they cannot be read in place: {}", first(&copies)));
    }
    let differing = updates.differing();
    if !differing.is_empty() {
        let kept =
            if args.integers == Integers::Max { "the largest is kept" } else { "that of the first is kept" };
        notes.push(format!("not the same in all files, {kept}: {}", differing.join(", ")));
    }
    let mut err = io::stderr().lock();
    notes.iter().try_for_each(|note| writeln!(err, "note: {}", visible(note)))
}

/// A number that no rule can take, by its file instead of its row.
fn named<T: Number>(e: RuleError, updates: &Updates<T>) -> AggregateFailure {
    match e {
        RuleError::Stack(StackError::NotFinite { client, coordinate, value }) => {
            AggregateFailure::NotFinite { place: updates.place(client, coordinate).to_string(), value }
        }
        e => e.into(),
    }
}

/// The first few of a list, and how many more there are.
fn first<T: ToString>(list: &[T]) -> String {
    const SHOWN: usize = 12;
    let mut shown: Vec<String> = list.iter().take(SHOWN).map(T::to_string).collect();
    if list.len() > SHOWN {
        shown.push(format!("and {} more", list.len() - SHOWN));
    }
    shown.join(", ")
}

fn describe(r: &Report<'_>) -> String {
    let mut lines = vec![format!(
        "{}: {} clients of {} parameters, {}",
        r.rule,
        thousands(r.clients as u64),
        thousands(r.params as u64),
        r.dtype
    )];
    lines.push(format!("inputs    {}", first(&r.inputs)));
    for (what, names) in [("kept     ", &r.kept), ("left out ", &r.left_out)] {
        if !names.is_empty() {
            lines.push(format!("{what} {}", first(names)));
        }
    }
    if let Some(selected) = r.selected {
        lines.push(format!("selected  {}", first(selected)));
    }
    let threads = if r.threads == 1 { "1 thread".to_owned() } else { format!("{} threads", r.threads) };
    lines.push(format!("cost      {:.4} s, {:.2} GB/s, {threads}", r.seconds, r.gb_per_s));
    lines.push(format!("digest    {}", r.digest));
    lines.push(format!("written   {}", r.output));
    lines.join("\n") + "\n"
}
