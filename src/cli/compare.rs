//! `sottovoce compare`: differences between runs, paired by seed.

use super::exit::Failure;
use crate::compare::{Against, Comparison, Question, Row, compare as answer, flips};
use crate::report::{percent, table, thousands, visible};
use clap::Args;
use std::fmt::{Display, Write as _};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Compare finished runs: differences paired by seed, with confidence intervals and tests.
///
/// Runs that differ in nothing but seed, name and the data's paths are one group. Every other group is held against the
/// baseline over the seeds that both have, at least two. Runs of one seed have the same data split, cohorts and
/// batches, so their difference is less noisy than either figure; the width that the interval would have without
/// pairs stands beside it.
#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// Run directories, or folders that hold some; the first one's configuration is the baseline.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Hold the others against this run's configuration.
    #[arg(long, value_name = "RUN")]
    baseline: Option<PathBuf>,
    /// Compare this metric alone, e.g. accuracy or over_clients.worst; may be given several times.
    #[arg(long = "metric", value_name = "NAME")]
    metrics: Vec<String>,
    /// Confidence of the intervals, 0.5 to 0.9999.
    #[arg(long, value_name = "SHARE", default_value_t = 0.95)]
    confidence: f64,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

/// Reads, compares, prints.
pub(crate) fn compare(args: &Compare) -> Result<ExitCode, Failure> {
    let Compare { runs, baseline, metrics, confidence, json } = args;
    let question = Question { runs, baseline: baseline.as_deref(), metrics, confidence: *confidence };
    let found = answer(&question)?;
    let mut out = io::stdout().lock();
    if *json {
        serde_json::to_writer_pretty(&mut out, &found)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", visible(&describe(&found)))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn describe(c: &Comparison) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "baseline: {} (seeds {})", c.baseline.label, joined(&c.baseline.seeds));
    let share = percentage(c.confidence);
    let mut head =
        vec!["metric".to_owned(), "baseline".to_owned(), "here".to_owned(), "difference".to_owned()];
    head.extend([format!("{share} interval"), "width".to_owned(), "unpaired".to_owned()]);
    head.extend(["p (t)".to_owned(), "p (flips)".to_owned()]);
    if c.groups.len() > 1 {
        head.push("Holm (flips)".to_owned());
    }
    head.push("better/equal/worse".to_owned());
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    for group in &c.groups {
        let rows: Vec<Vec<String>> = group.metrics.iter().map(|r| cells(r, c.groups.len() > 1)).collect();
        let _ = writeln!(out, "\n{}\n\n{}\n", group.group.label, table(&head, &rows));
        remarks(&mut out, group, c.confidence);
    }
    let _ =
        writeln!(out, "\nDifferences, intervals and widths are in percentage points, here less baseline.");
    for r in &c.repeated {
        let _ = writeln!(out, "{} was left out: the same run as {}.", r.run.display(), r.same_as.display());
    }
    out
}

fn cells(row: &Row, adjusted: bool) -> Vec<String> {
    let p = &row.paired;
    let none = || "–".to_owned();
    let points = |x: f64| format!("{:+.2}", 100.0 * x);
    let width =
        |i: Option<[f64; 2]>| i.map_or_else(none, |[low, high]| format!("{:.2}", 100.0 * (high - low)));
    let chance = |p: Option<f64>| match p {
        None => none(),
        Some(p) if p < 0.001 => "<0.001".to_owned(),
        Some(p) => format!("{p:.3}"),
    };
    let interval = p.interval.map_or_else(none, |[low, high]| format!("{} to {}", points(low), points(high)));
    let difference = if p.identical { "identical".to_owned() } else { points(p.difference) };
    let mut cells = vec![row.metric.to_owned(), percent(p.baseline), percent(p.group), difference, interval];
    cells.extend([width(p.interval), width(p.unpaired_interval), chance(p.p_t), chance(Some(p.p_sign_flip))]);
    if adjusted {
        cells.push(chance(row.p_sign_flip_holm));
    }
    cells.push(format!("{}/{}/{}", row.better, row.equal, row.worse));
    cells
}

/// What a reader of the table has to know.
fn remarks(out: &mut String, group: &Against, confidence: f64) {
    let n = group.common_seeds.len();
    let _ = writeln!(out, "pairs        {n} seeds: {}", joined(&group.common_seeds));
    for (seeds, lacking) in [(&group.not_in_baseline, "the baseline"), (&group.not_in_group, "this group")] {
        if !seeds.is_empty() {
            let _ = writeln!(out, "left out     {}, which {lacking} lacks", joined(seeds));
        }
    }
    let models = match group.identical_models {
        0 => "differ for every seed".to_owned(),
        same if same == n as u64 => "identical for every seed".to_owned(),
        same => format!("identical for {same} of {n} seeds"),
    };
    let _ = writeln!(out, "models       {models}");
    if group.sign_flip_exact {
        let lowest = group.sign_flip_lowest_p;
        let wanted = 1.0 - confidence;
        let mut line = format!("flips        exact test, all 2^{n} patterns of signs");
        if lowest > wanted {
            let needed = (n..=flips::EXACT).find(|n| flips::lowest(*n) <= wanted);
            let needed =
                needed.map(|m| format!("; {m} seeds can reach {:.3}", flips::lowest(m))).unwrap_or_default();
            let _ = write!(line, "; its p cannot be lower than 2/2^{n} = {lowest:.3}{needed}");
        }
        let _ = writeln!(out, "{line}");
    } else {
        let drawn = thousands(group.sign_flip_patterns);
        let _ = writeln!(out, "flips        Monte-Carlo test, {drawn} random patterns of signs out of 2^{n}");
    }
}

/// `0.95` as `95 %`, `0.999` as `99.9 %`.
fn percentage(share: f64) -> String {
    let text = format!("{:.2}", 100.0 * share);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

fn joined(list: &[impl Display]) -> String {
    list.iter().map(|x| x.to_string()).collect::<Vec<_>>().join(", ")
}
