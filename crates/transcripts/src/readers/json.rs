//! JSON objects as rows: utterances `{text, intent, ...}` and transcripts `{id, turns: [...], intent, ...}`, whether they
//! stand on lines, in arrays or in the rows of another format.

use super::columns::{Columns, Field};
use super::elements::{Values, walk};
use super::error::ReadError;
use super::report::{Place, Reason};
use super::row::{Draft, said, speaker_named};
use super::sink::{Halt, Sink};
use super::source::{Format, Unit, split_named};
use crate::{Speaker, Turn};
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::io::BufRead;

/// Reads an array of objects, or an object of such arrays, whose keys may be splits.
pub(super) fn read(input: &mut dyn BufRead, sink: &mut Sink<'_, '_>) -> Result<(), Halt> {
    walk(Format::Json, Values::Lists, input, sink, &mut |element, sink| {
        let place = Place::Element { index: element.index, turn: None };
        let Ok(mut row) = RowSeed(&sink.source.columns).deserialize(element.value) else {
            return sink.reject(place, Reason::BadShape);
        };
        let split = element.key.filter(|key| split_named(key).is_some()).map(str::to_owned);
        row.draft.split = row.draft.split.or(split);
        offer(place, row, sink)
    })
}

/// Offers a row, or each labelled turn of it.
pub(super) fn offer(place: Place, row: Row, sink: &mut Sink<'_, '_>) -> Result<(), Halt> {
    if let Some((field, first, second)) = row.twice {
        let file = sink.file.to_owned();
        return Err(ReadError::AmbiguousColumn { file, place, field, first, second }.into());
    }
    if let Some(reason) = row.bad {
        return sink.reject(place, reason);
    }
    sink.all.fields.extend(row.fields);
    let Some(turns) = row.turns else {
        return sink.offer(place, row.draft);
    };
    let mut read = Vec::new();
    for turn in turns {
        let Some(speaker) = turn.speaker.as_deref().and_then(speaker_named) else {
            return sink.reject(place, Reason::UnknownSpeaker);
        };
        // Only what a customer says must be text: an agent's turn may be a call of a tool.
        let text = match turn.text {
            Some(text) => text.0,
            None if speaker == Speaker::Customer => return sink.reject(place, Reason::MissingText),
            None => String::new(),
        };
        read.push((turn.turn, turn.intent.and_then(Value::into_text), Turn { speaker, text }));
    }
    // A label of the whole conversation, and none of its turns: one transcript, whatever the unit.
    let of_whole = row.draft.intent.is_some() && read.iter().all(|(_, intent, _)| intent.is_none());
    if sink.source.unit == Unit::Dialogue || of_whole {
        let turns = read.into_iter().map(|(_, _, turn)| turn).collect();
        return sink.offer(place, Draft { turns, ..row.draft });
    }
    for (index, (number, intent, turn)) in (0i128..).zip(read) {
        if turn.speaker != Speaker::Customer {
            continue;
        }
        if intent.is_none() {
            sink.unlabelled();
            continue;
        }
        let draft = Draft {
            dialogue: row.draft.id.clone(),
            turn: Some(number.map_or(index, i128::from)),
            client: row.draft.client.clone(),
            language: row.draft.language.clone(),
            timestamp: row.draft.timestamp.clone(),
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
pub(super) struct Row {
    pub(super) draft: Draft,
    turns: Option<Vec<JsonTurn>>,
    bad: Option<Reason>,
    /// What its keys are for, where the configuration names any.
    fields: Vec<Field>,
    /// A thing that two keys give.
    twice: Option<(Field, String, String)>,
}

#[derive(Deserialize)]
struct JsonTurn {
    #[serde(alias = "role", alias = "from")]
    speaker: Option<String>,
    #[serde(alias = "content", alias = "value", alias = "utterance")]
    text: Option<Content>,
    #[serde(alias = "label")]
    intent: Option<Value>,
    turn: Option<i64>,
}

/// A text, or one in parts: `[{"type": "text", "text": "…"}]`.
struct Content(String);

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Part {
            text: Option<String>,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Whole(String),
            Parts(Vec<Part>),
        }
        Ok(Self(match Either::deserialize(de)? {
            Either::Whole(text) => text,
            Either::Parts(parts) => parts.into_iter().filter_map(|p| p.text).collect::<Vec<_>>().join("\n"),
        }))
    }
}

/// A JSON value where formats disagree whether it is a text or a number.
enum Value {
    Null,
    Text(String),
    Whole(i128),
    Number(f64),
    /// A list or an object.
    Other,
}

impl Value {
    fn into_text(self) -> Option<String> {
        match self {
            Self::Null | Self::Other => None,
            Self::Text(text) => Some(text),
            Self::Whole(n) => Some(n.to_string()),
            Self::Number(x) => Some(x.to_string()),
        }
    }

    fn whole(&self) -> Option<i128> {
        match self {
            Self::Whole(n) => Some(*n),
            // Exact conversions only: beyond 2^53 a float does not say which number is meant.
            Self::Number(x) if x.trunc() == *x && x.abs() < 9.0e15 => Some(*x as i128),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        de.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Text(v.to_string()))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Whole(v.into()))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Whole(v.into()))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Value::Number(v))
    }
    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::Text(v.to_owned()))
    }
    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::Text(v))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }
}

/// Reads an object by what its keys are for. Others are skipped, the last of equal keys counts.
pub(super) struct RowSeed<'a>(pub(super) &'a Columns);

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
        let mut row = Row::default();
        let mut seen: Vec<(Field, String)> = Vec::new();
        let any_named = *self.0 != Columns::default();
        while let Some(key) = map.next_key::<String>()? {
            let Some(field) = self.0.field_of(&key) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            // By its own name a field must have the right shape; another key of a usual name may be something else.
            if any_named {
                row.fields.push(field);
            }
            let own = self.0.named(field).is_some() || field.key() == key;
            if field == Field::Turns {
                row.turns = map.next_value()?;
                continue;
            }
            let value: Value = map.next_value()?;
            match value {
                Value::Null => continue,
                Value::Other if !own => continue,
                Value::Other if field != Field::Timestamp => {
                    return Err(serde::de::Error::custom("a list or an object"));
                }
                _ => {}
            }
            match seen.iter().find(|(f, _)| *f == field) {
                Some((_, first)) if *first != key => row.twice = Some((field, first.clone(), key)),
                Some(_) => {}
                None => seen.push((field, key)),
            }
            row.set(field, value).map_err(serde::de::Error::custom)?;
        }
        Ok(row)
    }
}

impl Row {
    fn set(&mut self, field: Field, value: Value) -> Result<(), &'static str> {
        let draft = &mut self.draft;
        match field {
            Field::Text => match value {
                Value::Text(text) => draft.turns = said(Some(text)),
                _ => return Err("a text that is a number"),
            },
            Field::Intent => match (&value, value.whole()) {
                (Value::Text(_), _) => draft.intent = value.into_text(),
                (_, Some(number)) => draft.intent_number = Some(number),
                // A fraction names no class.
                (_, None) => self.bad = Some(Reason::LabelOutOfRange),
            },
            Field::Timestamp => match value.into_text() {
                Some(time) if time.trim().is_empty() => {}
                Some(time) => draft.timestamp = Some(time),
                None => self.bad = Some(Reason::BadTimestamp),
            },
            Field::Turn => draft.turn = value.whole(),
            _ => {
                let text = value.into_text().filter(|text| !text.trim().is_empty());
                match field {
                    Field::Client => draft.client = text,
                    Field::Lang => draft.language = text,
                    Field::Domain => draft.domain = text,
                    Field::Id => draft.id = text,
                    Field::Split => draft.split = text,
                    _ => draft.dialogue = text,
                }
            }
        }
        Ok(())
    }
}
