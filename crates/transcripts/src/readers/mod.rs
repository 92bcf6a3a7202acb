//! Readers: files of many formats become transcripts, one at a time and in bounded memory.
//!
//! A [`Source`] names files or directories. What a file is, is found in its bytes: compression by magic number, encoding
//! from the whole file, format by the shape of its first JSON value or by its header line. A row that cannot be used is
//! rejected with its place and a [`Reason`], counted, and never turned into a transcript with a guessed label. What files
//! do not say and is assumed stands in [`Assumed`]. Memory is bounded by [`Source::max_row_bytes`], whatever the file
//! holds, but for workbooks and Parquet, whose limits are fixed; errors carry places, never text.
//!
//! | file | module |
//! |---|---|
//! | JSON Lines of utterances or transcripts | `json_lines` |
//! | JSON arrays of them | `json` |
//! | CSV and TSV with named columns, BANKING77 | `table`, `records` |
//! | Parquet, Excel workbooks | `parquet`, `workbook` |
//! | MultiDoGO TSV | `multidogo` |
//! | CLINC150, CrossWOZ, SGD, ABCD as released | `clinc150`, `crosswoz`, `sgd`, `abcd` |
//! | text of them inside gzip, zstd or zip | `open`, `bounded` |
//! | known and not read | `foreign` |

mod abcd;
mod assumed;
mod bounded;
mod clinc150;
mod columns;
mod crosswoz;
mod draw;
mod elements;
mod encoding;
mod error;
mod files;
mod foreign;
mod json;
mod json_lines;
mod lines;
mod multidogo;
mod open;
mod parquet;
mod records;
mod report;
mod row;
mod sgd;
mod sink;
mod sniff;
mod source;
mod table;
mod time;
mod workbook;
mod zstd;

pub use assumed::Assumed;
pub use columns::{Columns, Field};
pub use draw::Draw;
pub use error::ReadError;
pub use files::files_of;
pub use open::{read, read_stream};
pub use report::{FileRead, Place, ReadReport, Reason, Rejected};
pub use source::{Format, Source, Unit};
