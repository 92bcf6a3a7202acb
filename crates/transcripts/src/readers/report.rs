//! What a reader answers: counts, places of rejected rows, digests, errors. Never text.

use super::source::Format;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

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
    /// A language other than Chinese and English.
    UnknownLanguage,
    /// No split in the source, the row or the file's name.
    MissingSplit,
    /// A split other than train, validation and test.
    UnknownSplit,
    /// A timestamp that is not a whole number of seconds.
    BadTimestamp,
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
            Self::UnknownLanguage => "language neither zh nor en",
            Self::MissingSplit => "no split",
            Self::UnknownSplit => "split neither train, validation nor test",
            Self::BadTimestamp => "timestamp not a whole number of seconds",
            Self::UnknownSpeaker => "unknown speaker",
        })
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
    /// Transcripts it gave.
    pub accepted: u64,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ReadReport {
    /// Transcripts handed over.
    pub accepted: u64,
    /// Turns that the format leaves without a label; not an error.
    pub unlabelled: u64,
    /// The first [`ReadReport::KEPT`] rejected rows.
    pub rejected: Vec<Rejected>,
    /// All rejected rows by reason.
    pub reasons: BTreeMap<Reason, u64>,
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
}

/// Why reading stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file could not be opened or read, or its compressed bytes are damaged.
    #[error("{file}: cannot be read")]
    Io {
        /// The file.
        file: String,
        /// What the system or the decompressor said.
        #[source]
        source: std::io::Error,
    },
    /// A zip archive is damaged or uses a method that is not supported.
    #[error("{file}: not a readable zip archive")]
    Zip {
        /// The file.
        file: String,
        /// What the archive reader said.
        #[source]
        source: zip::result::ZipError,
    },
    /// Neither the configuration nor the content says what the file is.
    #[error("{file}: content is neither JSON nor a table with a header; name its format")]
    UnknownFormat {
        /// The file.
        file: String,
    },
    /// A table has no column of a needed name.
    #[error("{file}: the header has no column {column:?}; name it under columns")]
    MissingColumn {
        /// The file.
        file: String,
        /// The column that was looked for.
        column: String,
    },
    /// A JSON document breaks off, is not JSON, is nested too deeply or has another shape than its format.
    #[error("{file}: line {line}, column {column}: not a {format:?} document")]
    Document {
        /// The file.
        file: String,
        /// What it was read as.
        format: Format,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// One element of a JSON document, or what lies between two, is longer than the limit.
    #[error("{file}: element {element} is longer than {limit} bytes")]
    ElementTooLong {
        /// The file.
        file: String,
        /// Which element, from 0.
        element: u64,
        /// The limit, bytes.
        limit: usize,
    },
    /// A source without paths.
    #[error("no files to read")]
    NoFiles,
    /// A directory without train, validation and test files.
    #[error("{}: holds no train, validation or test file", directory.display())]
    NothingInDirectory {
        /// The directory.
        directory: PathBuf,
    },
    /// A row was rejected and the source is strict.
    #[error("{0}")]
    Rejected(Rejected),
}
