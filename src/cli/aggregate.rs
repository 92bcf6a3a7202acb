//! `sottovoce aggregate`: files of updates become one.

use super::exit::Failure;
use super::rules;
use super::signals::Signals;
use clap::Args;
use serde::Serialize;
use sottovoce::aggregator::{AggregateError, Outcome, Recipe, Rejection, RuleError, StackError};
use sottovoce::arrays::{self, Any, ArrayError, Dtype, Number, Updates};
use sottovoce::core::{Digest, LayoutError};
use sottovoce::limits;
use sottovoce::report::{thousands, visible};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Aggregate updates from .npy or .safetensors files with any rule.
///
/// Inputs are one .npy of shape clients × parameters, or an .npy or a .safetensors file for each client; a folder
/// stands for its files in the order of their names. Numbers are little-endian f32 or f64. The output is of the same
/// kind and type and is there whole or not at all. The same inputs give the same bits for any number of threads.
#[derive(Debug, Args)]
#[command(after_long_help = rules::help())]
pub(crate) struct Aggregate {
    /// Files of updates, or folders of them.
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
    #[arg(long, value_name = "FILE|LIST", allow_hyphen_values = true)]
    weights: Option<String>,
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
    /// The file to write, of the same kind as the inputs. It takes the place of another file, but of no input.
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
    clients: usize,
    params: usize,
    dtype: Dtype,
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
    let threads = args.threads.map_or(0, usize::from);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(io::Error::other)?;
    // An interrupted call leaves no half of a result. Without a handler it would still end, only less tidily.
    let partial = arrays::partial(&args.output);
    let _signals = Signals::watch(move || drop(std::fs::remove_file(&partial)));
    pool.install(|| match arrays::open(&args.input).map_err(AggregateFailure::from)? {
        Any::F32(updates) => whole(args, &recipe, &updates),
        Any::F64(updates) => whole(args, &recipe, &updates),
    })
}

fn whole<T: Number>(args: &Aggregate, recipe: &Recipe, updates: &Updates<T>) -> Result<ExitCode, Failure> {
    updates.may_write(&args.output).map_err(AggregateFailure::from)?;
    let stack = updates.stack();
    let weights = args.weights.as_deref().map(|w| rules::weights(w, stack.clients())).transpose()?;
    if !args.quiet {
        for path in updates.copies() {
            writeln!(io::stderr(), "note: {}: cannot be read in place and was copied", path.display())?;
        }
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
    let matrix = rules::gives_a_matrix(&args.rule);
    updates.write(&args.output, &outcome.rows, matrix).map_err(AggregateFailure::from)?;
    let bytes = stack.clients() * stack.params() * T::DTYPE.size();
    let report = Report {
        rule: &args.rule,
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
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else if !args.quiet {
        write!(out, "{}", visible(&describe(&report)))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
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

/// Rows listed before "and N more".
const SHOWN: usize = 12;

fn describe(r: &Report<'_>) -> String {
    let mut lines = vec![format!(
        "{}: {} clients of {} parameters, {}",
        r.rule,
        thousands(r.clients as u64),
        thousands(r.params as u64),
        r.dtype
    )];
    if let Some(selected) = r.selected {
        let mut rows: Vec<String> = selected.iter().take(SHOWN).map(usize::to_string).collect();
        if selected.len() > SHOWN {
            rows.push(format!("and {} more", selected.len() - SHOWN));
        }
        lines.push(format!("selected  {}", rows.join(", ")));
    }
    let threads = if r.threads == 1 { "1 thread".to_owned() } else { format!("{} threads", r.threads) };
    lines.push(format!("cost      {:.4} s, {:.2} GB/s, {threads}", r.seconds, r.gb_per_s));
    lines.push(format!("digest    {}", r.digest));
    lines.push(format!("written   {}", r.output));
    lines.join("\n") + "\n"
}
