//! Finished runs against each other: differences paired by seed, with intervals and tests.
//!
//! Random numbers are addressed, so two runs with one seed that differ in algorithm, noise or transform have the same
//! data split, cohorts and batches (common random numbers). Most of what makes one seed's figure differ from another's
//! is then the same on both sides and is not in their difference, which pairs by seed measure.
//!
//! Means, differences, counts and the sign-flip test are the same bits everywhere; intervals and the p of t come from
//! a library whose last digits may follow the system's logarithm.

mod error;
pub mod flips;
mod groups;
mod metrics;
mod runs;
pub mod statistics;

pub use error::CompareError;
pub use groups::Repeated;
pub use metrics::{METRICS, Metric};

use groups::Group;
use runs::Run;
use serde::Serialize;
use statistics::{Paired, holm};
use std::path::{Path, PathBuf};

/// What is to be compared.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Run directories, or folders of them.
    pub runs: &'a [PathBuf],
    /// A run of the configuration that others are held against; that of the first run without it.
    pub baseline: Option<&'a Path>,
    /// Names of metrics; all that the runs have where empty.
    pub metrics: &'a [String],
    /// Confidence of the intervals, 0.5 to 0.9999.
    pub confidence: f64,
}

/// The answer; as JSON, the keys are these.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Confidence of the intervals.
    pub confidence: f64,
    /// What the others are held against.
    pub baseline: Runs,
    /// All others, in the order of their first runs.
    pub groups: Vec<Against>,
    /// Runs that were left out because another has the same configuration, seed and model.
    pub repeated: Vec<Repeated>,
}

/// Runs of one configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Runs {
    /// Keys and values that set it apart, or its name.
    pub label: String,
    /// Seeds, ascending.
    pub seeds: Vec<u64>,
    /// Folders, in the order of the seeds.
    pub runs: Vec<PathBuf>,
}

/// A group held against the baseline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Against {
    /// The group.
    #[serde(flatten)]
    pub group: Runs,
    /// Seeds that the baseline has as well: the pairs.
    pub common_seeds: Vec<u64>,
    /// Seeds of the group alone, left out.
    pub not_in_baseline: Vec<u64>,
    /// Seeds of the baseline alone, left out.
    pub not_in_group: Vec<u64>,
    /// Pairs whose final parameters are the same bits.
    pub identical_models: u64,
    /// Whether the sign-flip test went through all patterns, and not through random ones.
    pub sign_flip_exact: bool,
    /// Patterns that it went through.
    pub sign_flip_patterns: u64,
    /// The lowest p that it can reach with so many pairs.
    pub sign_flip_lowest_p: f64,
    /// A row for each metric that all runs of the pairs have.
    pub metrics: Vec<Row>,
}

/// A metric of a group against the baseline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Its name.
    pub metric: &'static str,
    /// Whether more of it is better.
    pub higher_is_better: bool,
    /// Means, difference, intervals, p-values.
    #[serde(flatten)]
    pub paired: Paired,
    /// `p_t` by Holm over the groups.
    pub p_t_holm: Option<f64>,
    /// `p_sign_flip` by Holm over the groups.
    pub p_sign_flip_holm: Option<f64>,
    /// Pairs in which the group is better.
    pub better: u64,
    /// Pairs in which both are equal.
    pub equal: u64,
    /// Pairs in which the group is worse.
    pub worse: u64,
}

/// Reads runs and compares them.
pub fn compare(question: &Question<'_>) -> Result<Comparison, CompareError> {
    let confidence = question.confidence;
    if !(0.5..=0.9999).contains(&confidence) {
        return Err(CompareError::Confidence { value: confidence });
    }
    let wanted = metrics_named(question.metrics)?;
    let mut all = Vec::new();
    if let Some(path) = question.baseline {
        all.extend(runs::runs(path)?);
        let groups = groups::groups(all.clone())?.0.len();
        if groups > 1 {
            return Err(CompareError::Baseline { path: path.to_owned(), groups });
        }
    }
    for path in question.runs {
        all.extend(runs::runs(path)?);
    }
    let (groups, repeated) = groups::groups(all)?;
    let (baseline, others) = match groups.split_first() {
        None => return Err(CompareError::NotARun { path: PathBuf::new() }),
        Some((baseline, [])) => return Err(CompareError::OneGroup { run: baseline.any().path.clone() }),
        Some(split) => split,
    };
    let against = others
        .iter()
        .map(|group| against(baseline, group, &wanted, !question.metrics.is_empty(), confidence));
    let mut groups = against.collect::<Result<Vec<_>, _>>()?;
    for metric in wanted {
        adjust(&mut groups, metric.name);
    }
    Ok(Comparison { confidence, baseline: described(baseline), groups, repeated })
}

fn metrics_named(names: &[String]) -> Result<Vec<&'static Metric>, CompareError> {
    let named =
        |name: &String| Metric::named(name).ok_or_else(|| CompareError::NoMetric { name: name.clone() });
    let chosen = names.iter().map(named).collect::<Result<Vec<_>, _>>()?;
    Ok(METRICS.iter().filter(|m| names.is_empty() || chosen.iter().any(|c| c.name == m.name)).collect())
}

fn described(group: &Group) -> Runs {
    let seeds = group.runs.keys().copied().collect();
    Runs { label: group.label.clone(), seeds, runs: group.runs.values().map(|r| r.path.clone()).collect() }
}

fn against(
    baseline: &Group,
    group: &Group,
    wanted: &[&'static Metric],
    asked_for: bool,
    confidence: f64,
) -> Result<Against, CompareError> {
    let without = |a: &Group, b: &Group| a.runs.keys().filter(|s| !b.runs.contains_key(s)).copied().collect();
    let (not_in_baseline, not_in_group) = (without(group, baseline), without(baseline, group));
    let pairs: Vec<(&Run, &Run)> =
        baseline.runs.iter().filter_map(|(seed, a)| Some((a, group.runs.get(seed)?))).collect();
    let common_seeds: Vec<u64> = pairs.iter().map(|(a, _)| a.seed).collect();
    let few = || CompareError::FewSeeds {
        baseline: baseline.label.clone(),
        group: group.label.clone(),
        common: common_seeds.clone(),
        not_in_group: Vec::clone(&not_in_group),
        not_in_baseline: Vec::clone(&not_in_baseline),
    };
    let mut metrics = Vec::new();
    for metric in wanted {
        let figure = |run: &Run| metric.of(&run.figures).ok_or_else(|| run.path.clone());
        let figures = pairs.iter().map(|(a, b)| Ok((figure(a)?, figure(b)?)));
        match figures.collect::<Result<Vec<_>, PathBuf>>() {
            Ok(figures) => metrics.push(row(metric, Paired::of(&figures, confidence).ok_or_else(few)?)),
            Err(run) if asked_for => return Err(CompareError::MetricMissing { metric: metric.name, run }),
            Err(_) => {}
        }
    }
    let n = pairs.len();
    let sign_flip_exact = n <= flips::EXACT;
    Ok(Against {
        group: described(group),
        identical_models: pairs.iter().filter(|(a, b)| a.figures.digest == b.figures.digest).count() as u64,
        sign_flip_exact,
        sign_flip_patterns: if sign_flip_exact { 1 << n } else { flips::DRAWS },
        sign_flip_lowest_p: flips::lowest(n),
        common_seeds,
        not_in_baseline,
        not_in_group,
        metrics,
    })
}

fn row(metric: &'static Metric, paired: Paired) -> Row {
    let (better, worse) =
        if metric.higher_is_better { (paired.higher, paired.lower) } else { (paired.lower, paired.higher) };
    Row {
        metric: metric.name,
        higher_is_better: metric.higher_is_better,
        paired,
        p_t_holm: None,
        p_sign_flip_holm: None,
        better,
        equal: paired.equal,
        worse,
    }
}

/// Adjusts the p-values of a metric over all groups that have it.
fn adjust(groups: &mut [Against], metric: &str) {
    let mut rows: Vec<&mut Row> =
        groups.iter_mut().filter_map(|g| g.metrics.iter_mut().find(|r| r.metric == metric)).collect();
    let t = holm(&rows.iter().map(|r| r.paired.p_t).collect::<Vec<_>>());
    let flips = holm(&rows.iter().map(|r| Some(r.paired.p_sign_flip)).collect::<Vec<_>>());
    for (row, (t, flip)) in rows.iter_mut().zip(t.into_iter().zip(flips)) {
        (row.p_t_holm, row.p_sign_flip_holm) = (t, flip);
    }
}
