//! What to read, as a configuration names it.

use super::columns::Columns;
use super::draw::Draw;
use crate::{Language, Split};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// How a file is laid out.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One JSON object a line: an utterance (`text`, `intent`, ...) or a transcript (`id`, `turns`, ...).
    JsonLines,
    /// A JSON array of such objects, an object of such arrays, or one by split: `{"train": [...], "test": [...]}`.
    Json,
    /// Values separated by commas, semicolons or bars (RFC 4180) with a header line.
    Csv,
    /// Tab-separated values with a header line.
    Tsv,
    /// Apache Parquet, as data sets are exported.
    Parquet,
    /// An Excel workbook, `.xlsx`: its first sheet, or its sheets of splits.
    Xlsx,
    /// CLINC150 as released (Larson et al., EMNLP-IJCNLP 2019); domains from `domains.json` beside it.
    Clinc150,
    /// BANKING77 as released (Casanueva et al., NLP4ConvAI 2020): CSV with the columns `text` and `category`.
    Banking77,
    /// MultiDoGO turn-level TSV as released (Peskov et al., EMNLP-IJCNLP 2019).
    Multidogo,
    /// CrossWOZ as released (Zhu et al., TACL 2020).
    Crosswoz,
    /// Schema-Guided Dialogue as released (Rastogi et al., AAAI 2020).
    Sgd,
    /// ABCD as released (Chen et al., NAACL 2021). Its labels belong to whole conversations.
    Abcd,
}

/// What becomes one transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Every labelled customer turn; turns without a label are counted as `unlabelled`.
    #[default]
    Utterance,
    /// Every conversation with its own label.
    Dialogue,
}

/// Files to read and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Files, read in this order. A directory stands for its train, validation and test files.
    pub paths: Vec<PathBuf>,
    /// Layout of every file; found from the content where absent.
    #[serde(default)]
    pub format: Option<Format>,
    /// Names of columns.
    #[serde(default)]
    pub columns: Columns,
    /// Encoding of every file, by a name that browsers know; found from all its bytes where absent: UTF-8, UTF-16 or
    /// GB18030.
    #[serde(default)]
    pub encoding: Option<String>,
    /// Language of rows that name none. The released formats know theirs; else it is found from the script.
    #[serde(default)]
    pub language: Option<Language>,
    /// Split of every row, before what rows and file names say.
    #[serde(default)]
    pub split: Option<Split>,
    /// What becomes one transcript.
    #[serde(default)]
    pub unit: Unit,
    /// The only labels accepted. A row may then also give a label's number in this list.
    #[serde(default)]
    pub labels: Option<Vec<String>>,
    /// Test examples from rows without a split. Without it such rows are rejected.
    #[serde(default)]
    pub draw: Option<Draw>,
    /// The last second that a row may be of; 2099 ends without it.
    #[serde(default)]
    pub latest: Option<i64>,
    /// Largest share of rows that may be rejected.
    #[serde(default = "all")]
    pub max_rejected: f64,
    /// Makes the first rejected row an error.
    #[serde(default)]
    pub strict: bool,
    /// Longest line, table record or JSON element, in bytes; what is longer is never held in memory.
    #[serde(default = "default_max_row_bytes")]
    pub max_row_bytes: usize,
}

fn all() -> f64 {
    1.0
}

fn default_max_row_bytes() -> usize {
    1 << 20
}

impl Source {
    /// A source with all defaults: format and encoding from content, utterances, rows up to 1 MiB, any number rejected.
    pub fn new(paths: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        Self {
            paths: paths.into_iter().map(Into::into).collect(),
            format: None,
            columns: Columns::default(),
            encoding: None,
            language: None,
            split: None,
            unit: Unit::Utterance,
            labels: None,
            draw: None,
            latest: None,
            max_rejected: all(),
            strict: false,
            max_row_bytes: default_max_row_bytes(),
        }
    }
}

/// The split that a word names, if it does, in upper or lower case.
pub(super) fn split_named(word: &str) -> Option<Split> {
    match word.trim().to_ascii_lowercase().as_str() {
        "train" | "training" => Some(Split::Train),
        "validation" | "valid" | "val" | "dev" => Some(Split::Validation),
        "test" | "testing" => Some(Split::Test),
        _ => None,
    }
}

/// The split that a name speaks of: `test.jsonl.gz`, `dev_dialogues_001.json`, `train-00000-of-00002.parquet`.
pub(super) fn split_of_name(name: &str) -> Option<Split> {
    name.split(|c: char| !c.is_ascii_alphanumeric()).find_map(split_named)
}

/// The split of a path inside a data folder or an archive: that of the file's name, else of its folder's
/// (`train/dialogues_001.json`).
pub(super) fn split_of_path(path: &Path) -> Option<Split> {
    let in_name = |name: &std::ffi::OsStr| name.to_str().and_then(split_of_name);
    path.file_name().and_then(in_name).or_else(|| path.parent()?.file_name().and_then(in_name))
}
