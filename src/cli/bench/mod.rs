//! `sottovoce bench`: how fast this machine aggregates, beside how fast it reads memory.

mod cell;
mod wire;

use super::aggregate::AggregateFailure;
use super::exit::Failure;
use crate::aggregator::Recipe;
use crate::aggregator::rules::{Kind, catalogue};
use crate::limits::available_memory;
use crate::report::{Bars, Panel, table, thousands};
use cell::{Cell, Figures};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Measure this machine.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Time rules of aggregation beside the speed at which memory can be read.
    Aggregation(Aggregation),
}

/// Time rules of aggregation beside the speed at which memory can be read.
///
/// Updates are f32 in memory, made up but always the same. Each rule's repetitions alternate with plain reads of the
/// same memory by as many threads; the best of both count. With any of --clients, --params and --rule it is one
/// measurement (the others default to 10, 1000000 and mean), without them the whole table of rules and sizes, which
/// takes a while. The rule mean-wire is the mean from encoded messages, with all their checks.
#[derive(Debug, Args)]
pub(crate) struct Aggregation {
    /// Number of updates.
    #[arg(long, value_name = "N", value_parser = count)]
    clients: Option<usize>,
    /// Parameters of an update.
    #[arg(long, value_name = "P", value_parser = count)]
    params: Option<usize>,
    /// The rule, as aggregate takes it, or mean-wire.
    #[arg(long, value_name = "R")]
    rule: Option<String>,
    /// How many clients may be faulty, for rules that want to know; a fifth, or fewer if the rule needs more others.
    #[arg(long, value_name = "F")]
    faulty: Option<u32>,
    /// Threads to use; all cores without it.
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// How long to repeat each measurement, in seconds; at least three repetitions, fewer where they take very long.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.3, value_parser = seconds)]
    seconds: f64,
    /// Write aggregation.svg and aggregation.json into this folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print JSON instead of a table: an object for one measurement, a list for the whole table.
    #[arg(long)]
    json: bool,
}

/// A whole number from 1 on, also as 1e6.
fn count(text: &str) -> Result<usize, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if number.fract() == 0.0 && (1.0..=1e12).contains(&number) {
        Ok(number as usize)
    } else {
        Err("a whole number from 1 to 1e12 would do".to_owned())
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if number > 0.0 && number <= 3600.0 {
        Ok(number)
    } else {
        Err("from above 0 to 3600 would do".to_owned())
    }
}

/// Sizes of the whole table.
const CLIENTS: [usize; 3] = [10, 100, 1000];
const PARAMS: [usize; 4] = [10_000, 100_000, 1_000_000, 10_000_000];
/// Most bytes of updates in a cell of the table.
const LARGEST: usize = 4_000_000_000;

/// Does what it says.
pub(crate) fn bench(command: &Bench) -> Result<ExitCode, Failure> {
    let Bench::Aggregation(args) = command;
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder).map_err(|e| at(folder, e))?;
    }
    let threads = args.threads.map_or(0, usize::from);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(io::Error::other)?;
    let one = args.clients.is_some() || args.params.is_some() || args.rule.is_some();
    let figures = pool.install(|| if one { single(args).map(|f| vec![f]) } else { whole(args) })?;
    let json =
        if one { serde_json::to_string_pretty(&figures[0]) } else { serde_json::to_string_pretty(&figures) }?;
    if let Some(folder) = &args.out {
        keep(folder, &json, &figures)?;
    }
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{json}")?;
    } else {
        writeln!(out, "{}", describe(&figures))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn single(args: &Aggregation) -> Result<Figures, Failure> {
    let (clients, params) = (args.clients.unwrap_or(10), args.params.unwrap_or(1_000_000));
    let rule = args.rule.as_deref().unwrap_or("mean");
    let needed = cell::memory(clients, params);
    let available = available_memory();
    if needed.is_none_or(|n| available.is_some_and(|a| n > a)) {
        let available = available.unwrap_or(u64::MAX);
        return Err(AggregateFailure::TooLarge { clients, params, available }.into());
    }
    // What a recipe has to say comes before gigabytes are filled.
    if rule != wire::NAME {
        let parameters = cell::parameters(rule, clients, params, args.faulty);
        Recipe::parse(rule, &parameters).map_err(AggregateFailure::from)?;
    }
    let cell = Cell::new(clients, params);
    Ok(cell.measure(rule, args.faulty, args.seconds)?)
}

/// Every rule at every size that fits in memory and time. A rule that has no answer at a size is left out there.
fn whole(args: &Aggregation) -> Result<Vec<Figures>, Failure> {
    let rules: Vec<&str> =
        catalogue().iter().filter(|e| e.kind == Kind::Rule).map(|e| e.name).chain([wire::NAME]).collect();
    let fits = |clients: usize, params: usize| {
        let memory = cell::memory(clients, params).unwrap_or(u64::MAX);
        4 * clients * params <= LARGEST && available_memory().is_none_or(|a| memory <= a)
    };
    let sizes = CLIENTS.iter().flat_map(|n| PARAMS.iter().map(|p| (*n, *p)));
    let sizes: Vec<(usize, usize)> = sizes.filter(|(n, p)| fits(*n, *p)).collect();
    let bar = ProgressBar::new((sizes.len() * rules.len()) as u64);
    let style = ProgressStyle::with_template("[{bar:30}] {pos}/{len} {msg}, {eta} left");
    bar.set_style(style.expect("a template that is part of the program").progress_chars("=> "));
    let mut figures = Vec::new();
    for (clients, params) in sizes {
        bar.set_message(format!("{clients} × {params}"));
        let cell = Cell::new(clients, params);
        for rule in &rules {
            bar.set_message(format!("{rule}, {clients} × {params}"));
            if cell::in_time(rule, clients, params) {
                // Some rules want more clients than there are, or fewer: that is no failure of the table.
                figures.extend(cell.measure(rule, args.faulty, args.seconds).ok());
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(figures)
}

fn describe(figures: &[Figures]) -> String {
    let row = |f: &Figures| {
        vec![
            f.rule.clone(),
            thousands(f.clients as u64),
            thousands(f.params as u64),
            format!("{:.6}", f.seconds),
            format!("{:.6}", f.median_seconds),
            format!("{:.3}", f.gb_per_s),
            format!("{:.2}", f.read_gb_per_s),
            format!("{:.3}", f.ratio),
            f.threads.to_string(),
        ]
    };
    let rows: Vec<_> = figures.iter().map(row).collect();
    let header = ["rule", "clients", "parameters", "s", "median s", "GB/s", "read GB/s", "ratio", "threads"];
    table(&header, &rows)
}

/// A panel for each size, a bar for each rule.
fn chart(figures: &[Figures]) -> Bars {
    let mut names: Vec<String> = Vec::new();
    let mut sizes: Vec<(usize, usize)> = Vec::new();
    for f in figures {
        if !names.contains(&f.rule) {
            names.push(f.rule.clone());
        }
        if !sizes.contains(&(f.clients, f.params)) {
            sizes.push((f.clients, f.params));
        }
    }
    let threads = figures.first().map_or(0, |f| f.threads);
    let panel = |(clients, params)| {
        let here: Vec<&Figures> =
            figures.iter().filter(|f| (f.clients, f.params) == (clients, params)).collect();
        let value = |name: &String| here.iter().find(|f| f.rule == *name).map(|f| f.gb_per_s);
        Panel {
            title: format!("{} × {}", thousands(clients as u64), thousands(params as u64)),
            values: names.iter().map(value).collect(),
            limit: here.iter().map(|f| f.read_gb_per_s).max_by(f64::total_cmp),
        }
    };
    Bars {
        title: "Aggregation: gigabytes of updates a second".to_owned(),
        caption: format!(
            "clients × parameters, f32, {threads} threads, best of several. Dashed line: a plain read of the same memory."
        ),
        panels: sizes.into_iter().map(panel).collect(),
        names,
        columns: PARAMS.len(),
    }
}

fn keep(folder: &Path, json: &str, figures: &[Figures]) -> Result<(), Failure> {
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|e| at(&path, e))
    };
    write("aggregation.json", format!("{json}\n"))?;
    Ok(write("aggregation.svg", chart(figures).svg())?)
}

fn at(path: &Path, e: io::Error) -> io::Error {
    io::Error::new(e.kind(), format!("{}: {e}", path.display()))
}
