//! Why a stream was not masked to its end. No text of it is quoted.

use std::io;

/// Where and why masking stopped. Lines count from 1, bytes of the input from 0.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// Bytes that are no text in the encoding of the input.
    #[error("line {line}, byte {byte} of the input: not {encoding}")]
    NotText {
        /// The line.
        line: u64,
        /// The first byte of the input that does not fit.
        byte: u64,
        /// The encoding that was expected.
        encoding: &'static str,
        /// An encoding in which the line is text, if one was tried that fits.
        fits: Option<&'static str>,
    },
    /// A character U+0000, which text does not have and UTF-16 read as UTF-8 does.
    #[error("line {line}: holds NUL, so it is not text in {encoding}")]
    Nul {
        /// The line.
        line: u64,
        /// The encoding that was expected.
        encoding: &'static str,
    },
    /// Byte-order mark of UTF-32, which is not read.
    #[error("begins with the byte-order mark of UTF-32, which is not read")]
    Utf32,
    /// The byte-order mark says another encoding than the one asked for.
    #[error("begins with the byte-order mark of {mark}, but {asked} was asked for")]
    OtherMark {
        /// The encoding of the mark.
        mark: &'static str,
        /// The encoding asked for.
        asked: &'static str,
    },
    /// NUL bytes on both sides: UTF-16 of either order, or no text at all.
    #[error(
        "holds NUL bytes without a byte-order mark: binary data, or UTF-16 of an order that cannot be told"
    )]
    Order,
    /// A line that memory is not given for.
    #[error("line {line}: longer than {limit} bytes")]
    LineTooLong {
        /// The line.
        line: u64,
        /// The longest line, in bytes of the input.
        limit: usize,
    },
    /// A line that is not JSON.
    #[error("line {line}, column {column}: not JSON")]
    NotJson {
        /// The line.
        line: u64,
        /// The byte in it where reading stopped, from 1.
        column: usize,
    },
    /// JSON that is nested deeper than it is followed.
    #[error("line {line}: nested deeper than {limit} levels")]
    TooDeep {
        /// The line.
        line: u64,
        /// The deepest level.
        limit: usize,
    },
    /// Reading failed.
    #[error("{0}")]
    Read(#[source] io::Error),
    /// Writing failed.
    #[error("{0}")]
    Write(#[source] io::Error),
}

impl StreamError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::NotText { fits: Some(name), .. } => format!(
                "the line is text in {name}: if that is the encoding of the whole input, name it with --encoding {name}"
            ),
            Self::NotText { .. } => "name the encoding of the input with --encoding, such as gb18030, big5, \
                utf-16le; what has no encoding is not text and cannot be masked"
                .to_owned(),
            Self::Nul { .. } | Self::Order => {
                "if it is UTF-16, name its order with --encoding utf-16le or --encoding utf-16be".to_owned()
            }
            Self::Utf32 => "convert it to UTF-8 first, as with iconv -f UTF-32 -t UTF-8".to_owned(),
            Self::OtherMark { .. } => "leave --encoding away, or name the encoding of the mark".to_owned(),
            Self::LineTooLong { .. } => {
                "split the line, or check that this is text with line ends".to_owned()
            }
            Self::NotJson { .. } => {
                "every line must be one JSON value; without --json-lines lines are masked as plain text"
                    .to_owned()
            }
            Self::TooDeep { .. } | Self::Read(_) | Self::Write(_) => return None,
        })
    }
}
