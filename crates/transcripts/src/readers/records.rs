//! Records of separated values, one at a time and in bounded memory.

use super::lines::BOM;
use std::io::{self, BufRead};

/// Lines that look like whole records and lie in one quoted field before the quote is taken for a stray one.
const SWALLOWED: u64 = 8;

/// A record's first line, from 1, and its fields; `None` where it is longer than the limit.
pub(super) type Record = (u64, Option<Vec<Vec<u8>>>);

/// Why there is no next record.
#[derive(Debug)]
pub(super) enum Broken {
    Io(io::Error),
    /// A quote opens at `line` and takes `lines` lines into one field.
    StrayQuote {
        line: u64,
        lines: u64,
    },
}

impl From<io::Error> for Broken {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

/// RFC 4180 records with any separator. A quote opens a field only as its first byte, so one inside a text is harmless.
pub(super) struct Records<R> {
    input: R,
    limit: usize,
    separator: u8,
    line: u64,
    /// Fields of the first record.
    width: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    FieldStart,
    Plain,
    Quoted,
    /// After a quote inside a quoted field: its end, or the first half of an escaped quote.
    Quote,
}

impl<R: BufRead> Records<R> {
    /// `limit` is in bytes of a record.
    pub(super) fn new(input: R, separator: u8, limit: usize) -> Self {
        Self { input, limit, separator, line: 0, width: 0 }
    }

    /// Next record.
    pub(super) fn next(&mut self) -> Result<Option<Record>, Broken> {
        let start = self.line + 1;
        let (mut fields, mut field) = (Vec::new(), Vec::new());
        let (mut state, mut held, mut any, mut too_long) = (State::FieldStart, 0usize, false, false);
        // Where a quote opened; lines within it that look like records; separators and bytes of the line so far;
        // whether something else than a separator followed a closing quote.
        let (mut opened, mut alike, mut separators, mut bytes, mut torn) =
            (start, 0u64, 0usize, 0usize, false);
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e.into()),
            };
            if chunk.is_empty() {
                if !any {
                    return Ok(None);
                }
                let ended = self.line;
                self.line += u64::from(bytes > 0);
                if state == State::Quoted {
                    return Err(Broken::StrayQuote {
                        line: opened,
                        lines: ended.max(self.line) + 1 - opened,
                    });
                }
                break;
            }
            any = true;
            let mut used = 0;
            let mut done = false;
            for &b in chunk {
                used += 1;
                if b == b'\n' && (state != State::Quoted || too_long) {
                    self.line += 1;
                    done = true;
                    break;
                }
                if b == b'\n' {
                    self.line += 1;
                    alike += u64::from(self.width > 1 && separators + 1 == self.width && self.line > opened);
                    (separators, bytes) = (0, 0);
                } else {
                    bytes += 1;
                    separators += usize::from(b == self.separator);
                }
                if too_long {
                    continue;
                }
                held += 1;
                if held > self.limit.saturating_add(1) {
                    if state == State::Quoted && self.line + 1 > opened {
                        return Err(Broken::StrayQuote { line: opened, lines: self.line + 1 - opened });
                    }
                    // Within one line: it alone is lost.
                    too_long = true;
                    (fields, field) = (Vec::new(), Vec::new());
                    continue;
                }
                state = match (state, b) {
                    (State::FieldStart, b'"') => {
                        opened = self.line + 1;
                        State::Quoted
                    }
                    (State::Quoted, b'"') => State::Quote,
                    (State::Quoted, _) => {
                        field.push(b);
                        State::Quoted
                    }
                    (State::Quote, b'"') => {
                        field.push(b);
                        State::Quoted
                    }
                    (_, b) if b == self.separator => {
                        fields.push(std::mem::take(&mut field));
                        State::FieldStart
                    }
                    (state, _) => {
                        torn |= state == State::Quote && b != b'\r';
                        field.push(b);
                        if state == State::Quote { State::Quote } else { State::Plain }
                    }
                };
                if start == 1 && fields.is_empty() && field == BOM {
                    field.clear();
                    state = State::FieldStart;
                }
            }
            self.input.consume(used);
            if done {
                break;
            }
        }
        if field.last() == Some(&b'\r') {
            field.pop();
        }
        fields.push(field);
        let lines = self.line.max(start) + 1 - start;
        let off = torn || (self.width > 0 && fields.len() != self.width) || alike >= SWALLOWED;
        if lines > 1 && !too_long && off {
            return Err(Broken::StrayQuote { line: opened, lines: self.line + 1 - opened });
        }
        let says_separator = fields.first().is_some_and(|f| f.starts_with(b"sep="));
        let blank = fields.len() == 1 && fields[0].trim_ascii().is_empty();
        if self.width == 0 && !blank && !says_separator {
            self.width = fields.len();
        }
        Ok(Some((start, (!too_long).then_some(fields))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (u64, Option<Vec<String>>);

    fn records(text: &str, limit: usize) -> Result<Vec<Row>, (u64, u64)> {
        let mut records = Records::new(io::BufReader::with_capacity(3, text.as_bytes()), b',', limit);
        let mut out = Vec::new();
        loop {
            match records.next() {
                Ok(None) => return Ok(out),
                Ok(Some((line, record))) => {
                    let text = |f: Vec<u8>| String::from_utf8(f).unwrap();
                    out.push((line, record.map(|r| r.into_iter().map(text).collect())));
                }
                Err(Broken::StrayQuote { line, lines }) => return Err((line, lines)),
                Err(Broken::Io(e)) => panic!("{e}"),
            }
        }
    }

    #[test]
    fn agrees_with_the_csv_crate() {
        for text in [
            "a,b\nc,d\n",
            "a,b\r\nc,d",
            "\"a\nx\",\"b\"\"q\"\r\n5\" disc,e\n",
            "\"\",\"\"\n\"a,b\",c\n",
            "x,y\n\"line\r\nbreak\",z\r\n",
            "x,y\n\"two words\" more,z\n",
        ] {
            let mut theirs =
                csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
            let theirs: Vec<Vec<String>> =
                theirs.records().map(|r| r.unwrap().iter().map(str::to_owned).collect()).collect();
            let ours: Vec<Vec<String>> =
                records(text, 100).unwrap().into_iter().map(|(_, r)| r.unwrap()).collect();
            assert_eq!(ours, theirs, "{text:?}");
        }
    }

    #[test]
    fn a_long_line_with_an_open_quote_costs_no_more_than_itself() {
        let text = format!("a,b\n\"{}\nc,d\ne,f\n", "x".repeat(50));
        let got = records(&text, 20).unwrap();
        assert_eq!(got[1], (2, None));
        assert_eq!(got[2], (3, Some(vec!["c".into(), "d".into()])));
        assert_eq!(got[3].0, 4);
    }

    #[test]
    fn a_quote_that_takes_rows_is_found_where_it_opens() {
        // Never closed.
        assert_eq!(records("a,b\n1,2\n\"3,4\n5,6\n7,8\n", 1000), Err((3, 3)));
        assert_eq!(records("a,b\n1,\"2\n", 1000), Err((2, 1)));
        // Closed by the quote of another row, before or after its text.
        assert_eq!(records("a,b\n\"3,4\n5,6\n\"7, x\",8\n9,0\n", 1000), Err((2, 3)));
        assert_eq!(records("a,b\n\"3,4\n5,6\nsay \"yes\",8\n", 1000), Err((2, 3)));
        // Closed at the end of a text, so that the width is right; with few lines nobody can know.
        let inside = "5,6\n".repeat(9);
        assert_eq!(records(&format!("a,b\n\"3,4\n{inside}7\",8\n"), 1000), Err((2, 11)));
        // More columns than the header.
        assert_eq!(records("a,b\n\"3\n4\",5,6\n", 1000), Err((2, 2)));
        // Beyond the limit of a row.
        assert_eq!(records(&format!("a,b\n\"3,4\n{}", "5,6\n".repeat(50)), 20), Err((2, 5)));
        // A text of several lines is none of these.
        let letter = "a,b\n\"Dear all,\nplease help, now\n\nBye, X\",5\n";
        assert_eq!(records(letter, 1000).unwrap().len(), 2);
    }
}
