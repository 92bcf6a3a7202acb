//! What to read, as a configuration names it.

use crate::{Language, Split};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How a file is laid out.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One JSON object a line: an utterance (`text`, `intent`, ...) or a transcript (`id`, `turns`, ...).
    JsonLines,
    /// Comma-separated values (RFC 4180) with a header line.
    Csv,
    /// Tab-separated values with a header line and no quoting.
    Tsv,
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

/// Names of columns (CSV, TSV) or keys (JSON Lines). A column that a file does not have is read as empty,
/// except `text` and `intent`, which a table must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Columns {
    /// What the customer said.
    pub text: String,
    /// The label.
    pub intent: String,
    /// Natural client key.
    pub client: String,
    /// Language tag: `zh`, `en`, or longer (`zh-CN`).
    pub lang: String,
    /// Whole seconds since 1970-01-01 UTC.
    pub timestamp: String,
    /// Product line, company or topic area.
    pub domain: String,
    /// Unique name of the row.
    pub id: String,
    /// `train`, `validation` or `test` (also `dev`, `val`, `valid`).
    pub split: String,
    /// Conversation that an utterance belongs to.
    pub dialogue: String,
    /// Number of an utterance within its conversation.
    pub turn: String,
}

impl Default for Columns {
    fn default() -> Self {
        let name = String::from;
        Self {
            text: name("text"),
            intent: name("intent"),
            client: name("client"),
            lang: name("lang"),
            timestamp: name("timestamp"),
            domain: name("domain"),
            id: name("id"),
            split: name("split"),
            dialogue: name("dialogue"),
            turn: name("turn"),
        }
    }
}

/// Files to read and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
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
    /// Language of rows that name none. The released formats know theirs.
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
    /// Makes the first rejected row an error.
    #[serde(default)]
    pub strict: bool,
    /// Longest line, table record or JSON element, in bytes; what is longer is never held in memory.
    #[serde(default = "default_max_row_bytes")]
    pub max_row_bytes: usize,
}

fn default_max_row_bytes() -> usize {
    1 << 20
}

impl Source {
    /// A source with all defaults: format from content, utterances, rows up to 1 MiB, not strict.
    pub fn new(paths: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        Self {
            paths: paths.into_iter().map(Into::into).collect(),
            format: None,
            columns: Columns::default(),
            language: None,
            split: None,
            unit: Unit::Utterance,
            labels: None,
            strict: false,
            max_row_bytes: default_max_row_bytes(),
        }
    }
}

/// The split that a word names, if it does.
pub(super) fn split_named(word: &str) -> Option<Split> {
    match word {
        "train" | "training" => Some(Split::Train),
        "validation" | "valid" | "val" | "dev" => Some(Split::Validation),
        "test" => Some(Split::Test),
        _ => None,
    }
}

/// The split that a file name speaks of (`test.jsonl.gz`, `dev_dialogues_001.json`), else its directory's
/// (`train/dialogues_001.json`).
pub(super) fn split_of_path(path: &std::path::Path) -> Option<Split> {
    let in_name = |name: &std::ffi::OsStr| {
        name.to_str()?.split(|c: char| !c.is_ascii_alphanumeric()).find_map(split_named)
    };
    path.file_name().and_then(in_name).or_else(|| path.parent()?.file_name().and_then(in_name))
}
