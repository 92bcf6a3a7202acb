//! Readers: files of many formats become transcripts, one at a time and in bounded memory.
//!
//! A [`Source`] names files or directories. What a file is, is found in its bytes: compression by magic
//! number, format by the shape of its first JSON value or by its header line. A row that cannot be used is
//! rejected with its place and a [`Reason`], counted, and never turned into a transcript with a guessed label.
//! Memory is bounded by [`Source::max_row_bytes`], whatever the file holds; errors carry places, never text.
//!
//! | file | module |
//! |---|---|
//! | JSON Lines of utterances or transcripts | `json_lines` |
//! | CSV and TSV with named columns, BANKING77 | `table` |
//! | MultiDoGO TSV | `multidogo` |
//! | CLINC150, CrossWOZ, SGD, ABCD as released | `clinc150`, `crosswoz`, `sgd`, `abcd` |
//! | any of them inside gzip, zstd or zip | `open` |

mod abcd;
mod clinc150;
mod crosswoz;
mod elements;
mod json_lines;
mod lines;
mod multidogo;
mod open;
mod report;
mod row;
mod sgd;
mod sink;
mod sniff;
mod source;
mod table;
mod zstd;

pub use open::{files_of, read, read_stream};
pub use report::{FileRead, Place, ReadError, ReadReport, Reason, Rejected};
pub use source::{Columns, Format, Source, Unit};
