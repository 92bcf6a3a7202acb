//! Why reading stops. Places and names, never text.

use super::bounded::Inflated;
use super::columns::Field;
use super::encoding::NotIn;
use super::report::{Place, Rejected};
use super::source::Format;
use std::path::PathBuf;

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
    /// Not there at all.
    #[error("{file}: there is no such file or folder")]
    NotFound {
        /// The file.
        file: String,
    },
    /// A pipe, a device, a socket.
    #[error("{file}: a pipe or device, which cannot be read twice; write its content to a file first")]
    NotRegular {
        /// The file.
        file: String,
    },
    /// Much more comes out than lies in the file.
    #[error(
        "{file}: more than {limit} bytes come out of {bytes} compressed ones; unpack it if that is right"
    )]
    Inflates {
        /// The file.
        file: String,
        /// Bytes of the file.
        bytes: u64,
        /// Most that may come out.
        limit: u64,
    },
    /// Neither UTF-8 nor GB18030 from beginning to end.
    #[error(
        "{file}: not UTF-8, and not clearly another encoding (it looks most like {looks}); name it: data.encoding = {looks:?}"
    )]
    Encoding {
        /// The file.
        file: String,
        /// What it looks like.
        looks: &'static str,
    },
    /// Bytes that are not in the file's encoding.
    #[error(
        "{file}: not {encoding} from beginning to end; name its encoding in data.encoding, or save it as UTF-8"
    )]
    Undecodable {
        /// The file.
        file: String,
        /// What it was read as.
        encoding: &'static str,
    },
    /// No encoding has this name.
    #[error(
        "data.encoding = {name:?}: no such encoding; utf-8, utf-16le, gb18030, big5 and windows-1252 are some"
    )]
    NoSuchEncoding {
        /// As configured.
        name: String,
    },
    /// A format that is known and not read.
    #[error("{file}: {what}, which is not read; {instead}")]
    Foreign {
        /// The file.
        file: String,
        /// What it is.
        what: &'static str,
        /// What would do.
        instead: &'static str,
    },
    /// Neither the configuration nor the content says what the file is.
    #[error("{file}: content is neither JSON nor a table with a header; name its format in data.format")]
    UnknownFormat {
        /// The file.
        file: String,
    },
    /// An archive without a data file.
    #[error(
        "{file}: no data file in the archive, whose files are {entries}; put .jsonl, .json, .csv or .tsv into it"
    )]
    EmptyArchive {
        /// The file.
        file: String,
        /// Endings of the files in it.
        entries: String,
    },
    /// A table has no column for what every row needs, or none of the configured name.
    #[error("{file}: {}", missing(*field, named))]
    MissingColumn {
        /// The file.
        file: String,
        /// What it is for.
        field: Field,
        /// The name that the configuration gives, if it does.
        named: Option<String>,
    },
    /// Two columns for the same thing.
    #[error(
        "{file}: {place}: both {first:?} and {second:?} can be the {}; say which: data.columns.{} = {first:?}",
        field.key(), field.key()
    )]
    AmbiguousColumn {
        /// The file.
        file: String,
        /// Where both are.
        place: Place,
        /// What they are for.
        field: Field,
        /// One of them.
        first: String,
        /// The other.
        second: String,
    },
    /// A quote that takes rows into one field.
    #[error(
        "{file}: line {line}: a quote opens here and takes {lines} lines into one field; double it, or quote the field"
    )]
    StrayQuote {
        /// The file.
        file: String,
        /// Where it opens.
        line: u64,
        /// Lines until it closes, or until the file or the row limit ends.
        lines: u64,
    },
    /// Rows with and without a split in one file.
    #[error("{file}: {place} names a split, {without} rows before it do not; give all rows one, or none")]
    MixedSplits {
        /// The file.
        file: String,
        /// The first row with a split.
        place: Place,
        /// Rows without one.
        without: u64,
    },
    /// Two files hold the same rows of the same split.
    #[error("{first} and {second} hold the same rows; take one of them away, or name the other in data.path")]
    SameRows {
        /// The one that was read first.
        first: String,
        /// The other.
        second: String,
    },
    /// More rows cannot be used than the source allows.
    #[error("{rejections}. At most {:.2} % may be: {advice}; or raise data.max_rejected", limit * 100.0)]
    TooManyRejected {
        /// Counts by reason, with the first place of each.
        rejections: String,
        /// As configured, a share.
        limit: f64,
        /// What mends most of them.
        advice: &'static str,
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
    /// A directory without a data file.
    #[error(
        "{}: holds no data file; expected train, validation and test as .jsonl, .json, .csv, .tsv, .parquet or .xlsx, or \
         folders of these names, or files of any name with all rows", directory.display()
    )]
    NothingInDirectory {
        /// The directory.
        directory: PathBuf,
    },
    /// A row was rejected and the source is strict.
    #[error("{0}")]
    Rejected(Rejected),
}

fn missing(field: Field, named: &Option<String>) -> String {
    let key = field.key();
    match named {
        Some(name) => format!("there is no column {name:?}; data.columns.{key} names it"),
        None => format!(
            "no column is the {key}: none is called {}; name it in data.columns.{key}, and see that the first line is a header",
            field.names().join(", ")
        ),
    }
}

impl ReadError {
    /// What a file's bytes could not be read for.
    pub(super) fn of_io(file: &str, source: std::io::Error) -> Self {
        let file = file.to_owned();
        let inner = source.get_ref();
        if let Some(Inflated { bytes, limit }) = inner.and_then(|e| e.downcast_ref()) {
            return Self::Inflates { file, bytes: *bytes, limit: *limit };
        }
        if let Some(NotIn(encoding)) = inner.and_then(|e| e.downcast_ref()) {
            return Self::Undecodable { file, encoding };
        }
        if source.kind() == std::io::ErrorKind::NotFound {
            return Self::NotFound { file };
        }
        Self::Io { file, source }
    }
}
