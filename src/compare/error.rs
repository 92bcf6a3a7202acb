//! Why runs cannot be compared.

use crate::experiment::ExperimentError;
use std::fmt::Display;
use std::path::PathBuf;

/// Why runs cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// Neither a run directory nor a folder of some.
    #[error(
        "{}: no run directory and no folder of run directories; give folders made by `sottovoce run --out`",
        path.display()
    )]
    NotARun {
        /// As given.
        path: PathBuf,
    },
    /// A file of a run directory cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// `config.toml` is no configuration of this version.
    #[error("{}: {message}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// `summary.json` or `manifest.json` is none.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A figure that no run writes.
    #[error("{}: {metric} = {value}, expected 0 to 1", path.display())]
    Figure {
        /// The file.
        path: PathBuf,
        /// Its name.
        metric: &'static str,
        /// Its value.
        value: f64,
    },
    /// No summary yet.
    #[error(
        "{}: the run goes on or has failed; let it end, or leave it out",
        path.display()
    )]
    Unfinished {
        /// The run directory.
        path: PathBuf,
    },
    /// Something else has written there since the run ended.
    #[error("{0}")]
    Changed(Box<ExperimentError>),
    /// Stopped before its end.
    #[error("{}: the run was interrupted; go on with --resume, or leave it out", path.display())]
    Interrupted {
        /// The run directory.
        path: PathBuf,
    },
    /// The same configuration and seed, and not the same model.
    #[error(
        "{} and {} have the same configuration and seed {seed}, but different models; one was made by another version \
         or by a program that its config.toml does not tell of: leave one of them out",
        first.display(), second.display()
    )]
    SameSeed {
        /// The seed.
        seed: u64,
        /// One run.
        first: PathBuf,
        /// The other run.
        second: PathBuf,
    },
    /// Nothing to compare with.
    #[error("all runs have the configuration of {}; give runs of at least two configurations", run.display())]
    OneGroup {
        /// One of the runs.
        run: PathBuf,
    },
    /// A folder with several configurations cannot be the baseline.
    #[error("--baseline {}: its runs have {groups} configurations; give a run of one", path.display())]
    Baseline {
        /// As given.
        path: PathBuf,
        /// Configurations in it.
        groups: usize,
    },
    /// Too few pairs.
    #[error(
        "\"{group}\" and the baseline \"{baseline}\" have {} in common, and at least two seeds are needed: \
         \"{group}\" lacks {}, the baseline lacks {}",
        seeds(common),
        seeds(not_in_group),
        seeds(not_in_baseline)
    )]
    FewSeeds {
        /// Label of the baseline.
        baseline: String,
        /// Label of the group.
        group: String,
        /// Seeds of both.
        common: Vec<u64>,
        /// Seeds of the baseline alone.
        not_in_group: Vec<u64>,
        /// Seeds of the group alone.
        not_in_baseline: Vec<u64>,
    },
    /// No such metric.
    #[error("--metric {name}: no such metric; {}", hint(name))]
    NoMetric {
        /// As given.
        name: String,
    },
    /// A metric was asked for that a run does not have.
    #[error("{}: the run has no {metric}; leave out --metric {metric}, or the run", run.display())]
    MetricMissing {
        /// Its name.
        metric: &'static str,
        /// The run directory.
        run: PathBuf,
    },
    /// Not a probability to build an interval with.
    #[error("confidence {value}: expected a number from 0.5 to 0.9999")]
    Confidence {
        /// As given.
        value: f64,
    },
}

/// `seeds 1, 2` or `no seed`.
fn seeds(list: &[u64]) -> String {
    match list {
        [] => "no seed".to_owned(),
        [one] => format!("seed {one}"),
        _ => format!("seeds {}", joined(list)),
    }
}

fn joined(list: impl IntoIterator<Item = impl Display>) -> String {
    list.into_iter().map(|x| x.to_string()).collect::<Vec<_>>().join(", ")
}

fn hint(name: &str) -> String {
    let names = super::METRICS.iter().map(|m| m.name);
    let near = names
        .clone()
        .filter(|n| strsim::damerau_levenshtein(n, name) <= 2 || n.ends_with(&format!(".{name}")));
    match near.clone().count() {
        0 => format!("there are {}", joined(names)),
        _ => format!("did you mean {}?", joined(near)),
    }
}
