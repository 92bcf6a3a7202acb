//! CSV and TSV with named columns, record by record and in bounded memory.

use super::lines::{BOM, Lines};
use super::report::{Place, ReadError, Reason};
use super::row::{Draft, said};
use super::sink::{Halt, Sink};
use super::source::{Columns, Format};
use std::io::{self, BufRead};

/// Reads a table; `format` is `Csv`, `Tsv` or `Banking77` (whose label column is `category`).
pub(super) fn read(format: Format, input: &mut dyn BufRead, sink: &mut Sink<'_>) -> Result<(), Halt> {
    let mut columns = sink.source.columns.clone();
    if format == Format::Banking77 {
        columns = Columns { intent: "category".into(), ..Columns::default() };
    }
    let mut records = if format == Format::Tsv {
        Records::Tabs(Lines::new(input, sink.source.max_row_bytes))
    } else {
        Records::Commas(Commas { input, limit: sink.source.max_row_bytes, line: 0 })
    };
    let Some((_, header)) = records.next().map_err(|e| sink.io(e))? else {
        return Ok(());
    };
    let header: Vec<Vec<u8>> = header.unwrap_or_default();
    let of = |name: &str| header.iter().position(|h| h.trim_ascii() == name.as_bytes());
    let needed = |name: &str| {
        of(name).ok_or_else(|| ReadError::MissingColumn { file: sink.file.into(), column: name.into() })
    };
    let (text, intent) = (needed(&columns.text)?, needed(&columns.intent)?);
    let [client, lang, timestamp, domain, id, split, dialogue, turn] = [
        &columns.client,
        &columns.lang,
        &columns.timestamp,
        &columns.domain,
        &columns.id,
        &columns.split,
        &columns.dialogue,
        &columns.turn,
    ]
    .map(|name| of(name));
    while let Some((line, record)) = records.next().map_err(|e| sink.io(e))? {
        let place = Place::Line(line);
        let Some(record) = record else {
            sink.reject(place, Reason::TooLong)?;
            continue;
        };
        if record.len() == 1 && record[0].is_empty() {
            continue; // a blank line
        }
        if record.len() != header.len() {
            sink.reject(place, Reason::WrongColumns)?;
            continue;
        }
        let fields: Result<Vec<String>, _> = record.into_iter().map(String::from_utf8).collect();
        let Ok(mut fields) = fields else {
            sink.reject(place, Reason::InvalidUtf8)?;
            continue;
        };
        let mut take = |at: Option<usize>| {
            let field = std::mem::take(fields.get_mut(at?)?);
            (!field.is_empty()).then_some(field)
        };
        let stamp = take(timestamp);
        let draft = Draft {
            id: take(id),
            dialogue: take(dialogue),
            turn: take(turn).and_then(|t| t.trim().parse().ok()),
            client: take(client),
            language: take(lang),
            timestamp: stamp.as_deref().and_then(|s| s.trim().parse().ok()),
            domain: take(domain),
            split: take(split),
            turns: said(Some(take(Some(text)).unwrap_or_default())),
            intent: Some(take(Some(intent)).unwrap_or_default()),
            intent_number: None,
        };
        if stamp.is_some() && draft.timestamp.is_none() {
            sink.reject(place, Reason::BadTimestamp)?;
        } else {
            sink.offer(place, draft)?;
        }
    }
    Ok(())
}

/// A record's first line, from 1, and its fields; `None` where it is longer than the limit.
type Record = (u64, Option<Vec<Vec<u8>>>);

enum Records<R> {
    Tabs(Lines<R>),
    Commas(Commas<R>),
}

impl<R: BufRead> Records<R> {
    fn next(&mut self) -> io::Result<Option<Record>> {
        match self {
            Self::Commas(commas) => commas.next(),
            Self::Tabs(lines) => Ok(lines.next()?.map(|(line, bytes)| {
                (line, bytes.map(|b| b.split(|c| *c == b'\t').map(<[u8]>::to_vec).collect()))
            })),
        }
    }
}

/// RFC 4180 records. A quote opens a field only as its first byte, so a stray one inside a text is harmless.
struct Commas<R> {
    input: R,
    limit: usize,
    line: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    FieldStart,
    Plain,
    Quoted,
    /// After a quote inside a quoted field: its end, or the first half of an escaped quote.
    Quote,
}

impl<R: BufRead> Commas<R> {
    fn next(&mut self) -> io::Result<Option<Record>> {
        let start = self.line + 1;
        let (mut fields, mut field) = (Vec::new(), Vec::new());
        let (mut state, mut held, mut any, mut too_long) = (State::FieldStart, 0usize, false, false);
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            if chunk.is_empty() {
                if !any {
                    return Ok(None);
                }
                self.line += 1;
                break;
            }
            any = true;
            let mut used = 0;
            let mut done = false;
            for &b in chunk {
                used += 1;
                if b == b'\n' && (state != State::Quoted || too_long) {
                    // Once too long, a quote that never closes must not eat the rest of the file.
                    self.line += 1;
                    done = true;
                    break;
                }
                self.line += u64::from(b == b'\n');
                if too_long {
                    continue;
                }
                held += 1;
                if held > self.limit.saturating_add(1) {
                    too_long = true;
                    (fields, field) = (Vec::new(), Vec::new());
                    continue;
                }
                state = match (state, b) {
                    (State::FieldStart, b'"') => State::Quoted,
                    (State::Quoted, b'"') => State::Quote,
                    (State::Quoted, _) => {
                        field.push(b);
                        State::Quoted
                    }
                    (State::Quote, b'"') => {
                        field.push(b);
                        State::Quoted
                    }
                    (_, b',') => {
                        fields.push(std::mem::take(&mut field));
                        State::FieldStart
                    }
                    (state, _) => {
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
        if state != State::Quoted && field.last() == Some(&b'\r') {
            field.pop();
        }
        fields.push(field);
        Ok(Some((start, (!too_long).then_some(fields))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &str, limit: usize) -> Vec<(u64, Option<Vec<String>>)> {
        let mut commas = Commas { input: io::BufReader::with_capacity(3, text.as_bytes()), limit, line: 0 };
        let mut out = Vec::new();
        while let Some((line, record)) = commas.next().unwrap() {
            let text = |f: Vec<u8>| String::from_utf8(f).unwrap();
            out.push((line, record.map(|r| r.into_iter().map(text).collect())));
        }
        out
    }

    #[test]
    fn agrees_with_the_csv_crate() {
        for text in [
            "a,b\nc,d\n",
            "a,b\r\nc,d",
            "\"a\nx\",\"b\"\"q\"\r\n,\n5\" disc,e\n",
            "\"\",\"\"\n\"a,b\",c\n",
            "\"line\r\nbreak\",z\r\n",
        ] {
            let mut theirs =
                csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
            let theirs: Vec<Vec<String>> =
                theirs.records().map(|r| r.unwrap().iter().map(str::to_owned).collect()).collect();
            let ours: Vec<Vec<String>> = records(text, 100).into_iter().map(|(_, r)| r.unwrap()).collect();
            assert_eq!(ours, theirs, "{text:?}");
        }
    }

    #[test]
    fn an_open_quote_costs_no_more_than_the_limit() {
        let text = format!("a,b\n\"{}\nc,d\ne,f\n", "x".repeat(50));
        let got = records(&text, 20);
        assert_eq!(got[1], (2, None));
        assert_eq!(got[2], (3, Some(vec!["c".into(), "d".into()])));
        assert_eq!(got[3].0, 4);
    }
}
