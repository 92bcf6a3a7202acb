//! Figures for people: tables on a terminal, bar charts as SVG.
//!
//! ```
//! use sottovoce_report::{percent, table, thousands};
//! let rows = vec![vec!["federated".to_owned(), percent(0.8431), thousands(12345)]];
//! assert_eq!(table(&["", "accuracy", "bytes"], &rows), "            accuracy   bytes\n federated   84.31 %  12,345");
//! ```

#![forbid(unsafe_code)]

mod bars;
mod numbers;
mod visible;

pub use bars::{Bars, Panel};
pub use numbers::{bytes, duration, percent, thousands};
pub use visible::{is_control, visible};

use comfy_table::{CellAlignment, Table, presets};

/// A table without lines: text left, numbers right.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().copied()).add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let text = table.to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
