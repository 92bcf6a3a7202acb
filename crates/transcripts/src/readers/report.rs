//! What a reader answers: counts, places of rejected rows, digests. Never text.

use super::assumed::Assumed;
use super::source::Format;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// Why a row was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Not a JSON object, or nested deeper than the parser allows.
    BadJson,
    /// JSON of another shape than the format's.
    BadShape,
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// Longer than [`super::Source::max_row_bytes`].
    TooLong,
    /// Another number of columns than the header has.
    WrongColumns,
    /// No text, or a null.
    MissingText,
    /// Text of nothing but white space.
    EmptyText,
    /// No label, or a null.
    MissingLabel,
    /// A label of nothing but white space.
    EmptyLabel,
    /// A label outside [`super::Source::labels`].
    UnknownLabel,
    /// A numeric label that is no index into [`super::Source::labels`], or there is no such list.
    LabelOutOfRange,
    /// No language in the row, the format or the source.
    MissingLanguage,
    /// A language that is no BCP 47 tag.
    UnknownLanguage,
    /// No split in the source, the row or the file's name.
    MissingSplit,
    /// A split other than train, validation and test.
    UnknownSplit,
    /// A timestamp that is neither a number nor ISO 8601.
    BadTimestamp,
    /// A time before 1990, after [`super::Source::latest`] or, without one, after 2099.
    ImpossibleTime,
    /// A turn said by someone else than a customer, an agent or the system.
    UnknownSpeaker,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadJson => "not a JSON object",
            Self::BadShape => "json of another shape than the format's",
            Self::InvalidUtf8 => "not UTF-8",
            Self::TooLong => "longer than the row limit",
            Self::WrongColumns => "wrong number of columns",
            Self::MissingText => "no text",
            Self::EmptyText => "empty text",
            Self::MissingLabel => "no label",
            Self::EmptyLabel => "empty label",
            Self::UnknownLabel => "label not in the list of labels",
            Self::LabelOutOfRange => "label number out of range",
            Self::MissingLanguage => "no language",
            Self::UnknownLanguage => "language is no BCP 47 tag",
            Self::MissingSplit => "no split",
            Self::UnknownSplit => "split neither train, validation nor test",
            Self::BadTimestamp => "timestamp neither a number nor ISO 8601",
            Self::ImpossibleTime => "time before 1990 or after the run's date",
            Self::UnknownSpeaker => "unknown speaker",
        })
    }
}

impl Reason {
    /// What mends rows that are rejected for it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::BadJson | Self::BadShape => {
                "write one JSON object a line, or name the format in data.format"
            }
            Self::InvalidUtf8 => "save the file as UTF-8, or name its encoding in data.encoding",
            Self::TooLong => "raise data.max_row_bytes",
            Self::WrongColumns => "give every row as many fields as the header has",
            Self::MissingText | Self::EmptyText => "name the column of the text in data.columns.text",
            Self::MissingLabel | Self::EmptyLabel => "name the column of the label in data.columns.intent",
            Self::UnknownLabel | Self::LabelOutOfRange => "write labels as names or whole numbers",
            Self::MissingLanguage | Self::UnknownLanguage => {
                "write tags such as zh, en or yue; an empty one is found from the script, or is data.language"
            }
            Self::MissingSplit | Self::UnknownSplit => {
                "write train, validation or test, or leave the column out"
            }
            Self::BadTimestamp => {
                "write seconds since 1970 or ISO 8601, or name another column in data.columns.timestamp"
            }
            Self::ImpossibleTime => "look at the unit of times and at retention.date",
            Self::UnknownSpeaker => "call speakers customer, agent or system",
        }
    }
}

/// Where in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A line, from 1: the first of a table record that spans several.
    Line(u64),
    /// An element of a JSON document, from 0 in file order, and a turn of it, from 0.
    Element {
        /// Which element.
        index: u64,
        /// Which of its turns, where the trouble is one turn.
        turn: Option<u64>,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Element { index, turn: None } => write!(f, "element {index}"),
            Self::Element { index, turn: Some(turn) } => write!(f, "element {index}, turn {turn}"),
        }
    }
}

/// A row that was not used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// The file, with the entry's name after `!` inside a zip archive.
    pub file: String,
    /// Where in it.
    pub place: Place,
    /// Why.
    pub reason: Reason,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.file, self.place, self.reason)
    }
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileRead {
    /// Its path as the source gave it.
    pub file: String,
    /// BLAKE3 of its raw (compressed) bytes, in hexadecimal.
    pub digest: String,
    /// Layouts found in it: one, or one for each entry of a zip archive.
    pub formats: Vec<Format>,
    /// How its text is encoded, where that is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<&'static str>,
    /// Transcripts it gave.
    pub accepted: u64,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ReadReport {
    /// Transcripts handed over.
    pub accepted: u64,
    /// Turns that the format leaves without a label; not an error.
    pub unlabelled: u64,
    /// The first [`ReadReport::KEPT`] rejected rows.
    pub rejected: Vec<Rejected>,
    /// All rejected rows by reason.
    pub reasons: BTreeMap<Reason, u64>,
    /// The first row rejected for each reason.
    pub first: BTreeMap<Reason, Rejected>,
    /// What the files did not say and was assumed.
    pub assumed: Assumed,
    /// Files, in order of reading.
    pub files: Vec<FileRead>,
}

impl ReadReport {
    /// Most rejected rows whose places are kept.
    pub const KEPT: usize = 100;

    /// Number of all rejected rows.
    pub fn rejected_total(&self) -> u64 {
        self.reasons.values().sum()
    }

    /// The rejected rows in one line: how many of how many, by reason, with the first place of each.
    pub fn rejections(&self) -> String {
        let rejected = self.rejected_total();
        let by_reason: Vec<String> = self
            .first
            .iter()
            .map(|(reason, first)| {
                format!("{reason} {} (first {}: {})", self.reasons[reason], first.file, first.place)
            })
            .collect();
        format!("{rejected} of {} rows rejected: {}", self.accepted + rejected, by_reason.join(", "))
    }

    /// What most rejected rows lack.
    pub(super) fn advice(&self) -> &'static str {
        self.reasons.iter().max_by_key(|(_, n)| **n).map_or("", |(reason, _)| reason.advice())
    }
}
