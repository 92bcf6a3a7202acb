//! JSON Lines: utterances `{text, intent, ...}` and transcripts `{id, turns: [...], intent, ...}`.

use super::lines::Lines;
use super::report::{Place, Reason};
use super::row::{Draft, said, speaker_named};
use super::sink::{Halt, Sink};
use super::source::{Columns, Unit};
use crate::{Speaker, Turn};
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::io::BufRead;

pub(super) fn read(input: &mut dyn BufRead, sink: &mut Sink<'_>) -> Result<(), Halt> {
    let mut lines = Lines::new(input, sink.source.max_row_bytes);
    while let Some((line, bytes)) = lines.next().map_err(|e| sink.io(e))? {
        let place = Place::Line(line);
        match bytes.map(|b| parse(b, &sink.source.columns)) {
            None => sink.reject(place, Reason::TooLong)?,
            Some(Ok(None)) => {}
            Some(Ok(Some(row))) => offer(place, row, sink)?,
            Some(Err(reason)) => sink.reject(place, reason)?,
        }
    }
    Ok(())
}

/// A row, or nothing for a blank line.
fn parse(bytes: &[u8], columns: &Columns) -> Result<Option<Row>, Reason> {
    let text = std::str::from_utf8(bytes).map_err(|_| Reason::InvalidUtf8)?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    let mut de = serde_json::Deserializer::from_str(text);
    let row = RowSeed(columns).deserialize(&mut de).and_then(|row| de.end().map(|()| row));
    row.map(Some).map_err(|e| if e.is_data() { Reason::BadShape } else { Reason::BadJson })
}

fn offer(place: Place, row: Row, sink: &mut Sink<'_>) -> Result<(), Halt> {
    if row.bad_timestamp {
        return sink.reject(place, Reason::BadTimestamp);
    }
    let Some(turns) = row.turns else {
        return sink.offer(place, row.draft);
    };
    let mut read = Vec::new();
    for turn in turns {
        let Some(speaker) = turn.speaker.as_deref().and_then(speaker_named) else {
            return sink.reject(place, Reason::UnknownSpeaker);
        };
        let Some(text) = turn.text else {
            return sink.reject(place, Reason::MissingText);
        };
        read.push((turn.turn, turn.intent, Turn { speaker, text }));
    }
    if sink.source.unit == Unit::Dialogue {
        let turns = read.into_iter().map(|(_, _, turn)| turn).collect();
        return sink.offer(place, Draft { turns, ..row.draft });
    }
    for (index, (number, intent, turn)) in (0i128..).zip(read) {
        if turn.speaker != Speaker::Customer {
            continue;
        }
        if intent.is_none() {
            sink.report.unlabelled += 1;
            continue;
        }
        let draft = Draft {
            dialogue: row.draft.id.clone(),
            turn: Some(number.map_or(index, i128::from)),
            client: row.draft.client.clone(),
            language: row.draft.language.clone(),
            timestamp: row.draft.timestamp,
            domain: row.draft.domain.clone(),
            split: row.draft.split.clone(),
            turns: vec![turn],
            intent,
            ..Draft::default()
        };
        sink.offer(place, draft)?;
    }
    Ok(())
}

#[derive(Default)]
struct Row {
    draft: Draft,
    turns: Option<Vec<JsonTurn>>,
    bad_timestamp: bool,
}

#[derive(Deserialize)]
struct JsonTurn {
    speaker: Option<String>,
    text: Option<String>,
    intent: Option<String>,
    turn: Option<i64>,
}

/// A JSON scalar where formats disagree whether it is a string or a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Whole(i64),
    Number(f64),
    Text(String),
}

impl Scalar {
    fn into_text(self) -> String {
        match self {
            Self::Whole(n) => n.to_string(),
            Self::Number(x) => x.to_string(),
            Self::Text(text) => text,
        }
    }
    fn whole(&self) -> Option<i64> {
        match self {
            Self::Whole(n) => Some(*n),
            // Exact conversions only: beyond 2^53 a float does not say which second is meant.
            Self::Number(x) if x.trunc() == *x && x.abs() < 9.0e15 => Some(*x as i64),
            Self::Number(_) => None,
            Self::Text(text) => text.trim().parse().ok(),
        }
    }
}

/// Reads an object whose keys have configured names. Unknown keys are skipped, the last of equal keys counts.
struct RowSeed<'a>(&'a Columns);

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = Row;
    fn deserialize<D: Deserializer<'de>>(self, de: D) -> Result<Row, D::Error> {
        de.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = Row;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
        let names = self.0;
        let mut row = Row::default();
        let mut text = None;
        while let Some(key) = map.next_key::<String>()? {
            let draft = &mut row.draft;
            if key == names.text {
                text = map.next_value::<Option<String>>()?;
            } else if key == names.intent {
                (draft.intent, draft.intent_number) = match map.next_value::<Option<Scalar>>()? {
                    None => (None, None),
                    Some(Scalar::Text(name)) => (Some(name), None),
                    // A fraction names no class; -1 is out of every list's range.
                    Some(number) => (None, Some(number.whole().map_or(-1, i128::from))),
                };
            } else if key == names.client {
                draft.client = map.next_value::<Option<Scalar>>()?.map(Scalar::into_text);
            } else if key == names.lang {
                draft.language = map.next_value()?;
            } else if key == names.timestamp {
                let stamp = map.next_value::<Option<Scalar>>()?;
                draft.timestamp = stamp.as_ref().and_then(Scalar::whole);
                row.bad_timestamp = stamp.is_some() && draft.timestamp.is_none();
            } else if key == names.domain {
                draft.domain = map.next_value()?;
            } else if key == names.id {
                draft.id = map.next_value::<Option<Scalar>>()?.map(Scalar::into_text);
            } else if key == names.split {
                draft.split = map.next_value()?;
            } else if key == names.dialogue {
                draft.dialogue = map.next_value::<Option<Scalar>>()?.map(Scalar::into_text);
            } else if key == names.turn {
                draft.turn = map.next_value::<Option<Scalar>>()?.and_then(|n| n.whole()).map(i128::from);
            } else if key == "turns" {
                row.turns = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        row.draft.turns = said(text);
        Ok(row)
    }
}
