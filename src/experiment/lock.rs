//! The lock: what a run was, bit for bit, in a text file small enough to be kept under version control.
//!
//! It holds the whole effective configuration, digests of what was read, a line of leaves for each round and the final
//! figures, so that `verify` needs nothing else but the data. Keys and tables are sorted; a leaf is shortened to 16
//! digits, enough to find where two runs part, while `chain` is over the whole of them. The seal, BLAKE3 of all lines
//! above it without carriage returns, tells damage and hand editing from another result.

use crate::experiment::ExperimentError;
use crate::experiment::inputs::Inputs;
use crate::experiment::record::Record;
use crate::experiment::run::Experiment;
use crate::experiment::summary::{Ended, Summary};
use serde::{Deserialize, Serialize};
use sottovoce_core::Digest;
use sottovoce_simulation::durable::{self, Access};
use sottovoce_simulation::{CONTRACT, Leaves, Stage};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Digits of a leaf in a lock.
const SHORT: usize = 16;
const SEAL: &str = "\n[seal]\n";
const HEADER: &str = "\
# A run of Sottovoce, bit for bit: `sottovoce verify` runs it again and says where it differs.
# Written by `sottovoce run --lock`; the seal at the end is over every line above it.
";

/// What a run was.
#[derive(Debug, Clone, PartialEq)]
pub struct Lock {
    head: Head,
    rounds: Vec<ShortLeaves>,
}

/// The leaves of a round as a lock holds them, one for each of [`Stage::ALL`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShortLeaves([String; Stage::ALL.len()]);

impl ShortLeaves {
    /// Shortens leaves.
    pub fn of(leaves: &Leaves) -> Self {
        Self(leaves.in_order().map(|leaf| leaf.to_string()[..SHORT].to_owned()))
    }

    /// The first stage that differs, with both leaves.
    pub fn first_difference<'a>(&'a self, other: &'a Self) -> Option<(Stage, &'a str, &'a str)> {
        let both = self.0.iter().zip(&other.0);
        let found = Stage::ALL.into_iter().zip(both).find(|(_, (a, b))| a != b);
        found.map(|(stage, (a, b))| (stage, a.as_str(), b.as_str()))
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    chain: Digest,
    configuration: Digest,
    contract: u32,
    model: Digest,
    written_by: String,
    config: toml::Table,
    data: Inputs,
    metrics: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rounds {
    stages: String,
    leaves: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    blake3: Digest,
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The system refused.
    #[error("lock {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Nothing may be written there.
    #[error("lock {}: {what}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        what: &'static str,
    },
    /// Truncated, changed, merged by hand, or no lock at all.
    #[error("lock {}: damaged ({what}); write it again with `sottovoce run --lock`", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What gave it away.
        what: String,
    },
    /// Written under another contract: other bits are to be expected.
    #[error(
        "lock {}: written under contract {got}, this build keeps contract {CONTRACT}: the same configuration may give \
         other bits; check it with the build that wrote it, or write it again", path.display()
    )]
    Contract {
        /// The file.
        path: PathBuf,
        /// Its contract.
        got: i64,
    },
    /// A run that did not come to its end, or changed its configuration on the way, cannot be run again as one.
    #[error("no lock: the run {what}, so nobody could run it again as it was")]
    NotOneRun {
        /// What it did.
        what: &'static str,
    },
}

impl Lock {
    /// Of a finished run.
    pub fn of(experiment: &Experiment, record: &Record, summary: &Summary) -> Result<Self, ExperimentError> {
        if summary.ended == Ended::Interrupted {
            return Err(LockError::NotOneRun { what: "was interrupted" }.into());
        }
        if record.changed() {
            return Err(LockError::NotOneRun { what: "changed its configuration on the way" }.into());
        }
        let config = experiment.config();
        let head = Head {
            chain: summary.chain,
            configuration: config.digest(),
            contract: CONTRACT,
            model: summary.digest,
            written_by: format!("sottovoce {}", env!("CARGO_PKG_VERSION")),
            config: toml::Table::try_from(config).expect("a configuration can be written as TOML"),
            data: Inputs::of(config, experiment.data())?,
            metrics: metrics(summary),
        };
        Ok(Self { head, rounds: record.leaves().iter().map(ShortLeaves::of).collect() })
    }

    /// Digest of the whole run.
    pub fn chain(&self) -> Digest {
        self.head.chain
    }
    /// Digest of the final parameters.
    pub fn model(&self) -> Digest {
        self.head.model
    }
    /// Digest of the effective configuration.
    pub fn configuration(&self) -> Digest {
        self.head.configuration
    }
    /// The effective configuration as TOML.
    pub fn config(&self) -> String {
        toml::to_string(&self.head.config).expect("read or written as TOML")
    }
    /// What was read.
    pub fn data(&self) -> &Inputs {
        &self.head.data
    }
    /// Final figures by name.
    pub fn metrics(&self) -> &BTreeMap<String, f64> {
        &self.head.metrics
    }
    /// Leaves by round.
    pub fn rounds(&self) -> &[ShortLeaves] {
        &self.rounds
    }

    /// The text of the file.
    pub fn to_toml(&self) -> String {
        let head = toml::to_string(&self.head).expect("digests, names and numbers can be written as TOML");
        let names: Vec<String> = Stage::ALL.iter().map(|s| s.to_string().replace(' ', "-")).collect();
        let mut out = format!("{HEADER}{head}\n[rounds]\nstages = \"{}\"\nleaves = [\n", names.join(" "));
        for leaves in &self.rounds {
            let _ = writeln!(out, "  \"{}\",", leaves.0.join(" "));
        }
        out.push_str("]\n");
        let seal = seal_of(&out);
        let _ = writeln!(out, "{SEAL}blake3 = \"{seal}\"");
        out
    }

    /// Whether a lock may be written there: the folder exists, and the file does not or is a lock, whole or damaged, of any
    /// contract.
    ///
    /// # Errors
    /// [`LockError::Refused`] with the reason.
    pub fn may_write(path: &Path) -> Result<(), LockError> {
        let refused = |what| Err(LockError::Refused { path: path.to_owned(), what });
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if path.is_dir() {
            return refused("is a folder");
        }
        if folder.is_some_and(|folder| !folder.is_dir()) {
            return refused("its folder does not exist");
        }
        match fs::read(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(LockError::Io { path: path.to_owned(), source }),
            Ok(content) if content.starts_with(HEADER.lines().next().unwrap_or_default().as_bytes()) => {
                Ok(())
            }
            Ok(_) => refused("is no lock and would be overwritten; choose another name"),
        }
    }

    /// Writes the file, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), LockError> {
        durable::replace(path, self.to_toml().as_bytes(), Access::Everybody, None)
            .map_err(|source| LockError::Io { path: path.to_owned(), source })
    }

    /// Reads and checks a file.
    pub fn read(path: &Path) -> Result<Self, LockError> {
        let content = fs::read(path).map_err(|source| LockError::Io { path: path.to_owned(), source })?;
        Self::parse(&content, path)
    }

    /// Checks content; `path` is for errors.
    pub fn parse(content: &[u8], path: &Path) -> Result<Self, LockError> {
        let damaged = |what: &str| LockError::Damaged { path: path.to_owned(), what: what.to_owned() };
        let text = std::str::from_utf8(content).map_err(|_| damaged("not text"))?.replace('\r', "");
        let (sealed, _) = text.rsplit_once(SEAL).ok_or_else(|| damaged("no seal at its end"))?;
        let unreadable = |e: toml::de::Error| damaged(e.message());
        let mut head: toml::Table = toml::from_str(&text).map_err(unreadable)?;
        let mut table = |name| head.remove(name).ok_or_else(|| damaged("a table is missing"));
        let seal: Seal = table("seal")?.try_into().map_err(unreadable)?;
        let rounds: Rounds = table("rounds")?.try_into().map_err(unreadable)?;
        if seal_of(sealed) != seal.blake3 {
            return Err(damaged("its seal does not match its content"));
        }
        let contract = head.get("contract").and_then(toml::Value::as_integer);
        if let Some(got) = contract.filter(|c| *c != i64::from(CONTRACT)) {
            return Err(LockError::Contract { path: path.to_owned(), got });
        }
        let head: Head = head.try_into().map_err(unreadable)?;
        let stages = rounds.stages.split(' ').count();
        let lines = rounds.leaves.iter().map(|line| short_leaves(line));
        let rounds: Option<Vec<ShortLeaves>> = lines.collect();
        let rounds = rounds.filter(|_| stages == Stage::ALL.len());
        Ok(Self { head, rounds: rounds.ok_or_else(|| damaged("a round with other stages"))? })
    }
}

fn short_leaves(line: &str) -> Option<ShortLeaves> {
    let leaves: Vec<String> = line.split(' ').map(str::to_owned).collect();
    leaves.try_into().ok().map(ShortLeaves)
}

fn seal_of(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// The figures of a summary that belong to the result.
pub fn metrics(summary: &Summary) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::from([
        ("rounds", summary.rounds as f64),
        ("accuracy", summary.accuracy),
        ("macro_f1", summary.macro_f1),
        ("ece", summary.ece),
    ]);
    if let Some(o) = summary.over_clients {
        all.extend([("over_clients_mean", o.mean), ("over_clients_worst", o.worst)]);
    }
    if let Some(o) = summary.personal {
        all.extend([("personal_mean", o.mean), ("personal_worst", o.worst)]);
    }
    if let Some(o) = summary.out_of_scope {
        all.extend([("in_scope_accuracy", o.in_scope_accuracy), ("out_of_scope_recall", o.recall)]);
    }
    if let Some(b) = summary.baselines.centralised {
        all.insert("centralised_accuracy", b.accuracy);
    }
    if let Some(b) = summary.baselines.local_only {
        all.insert("local_only_accuracy", b.accuracy);
    }
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
