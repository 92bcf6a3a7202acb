//! MultiDoGO's turn-level TSV as released: one customer turn a line, conversations in one piece.
//!
//! Peskov et al., "Multi-Domain Goal-Oriented Dialogues (MultiDoGO)", EMNLP-IJCNLP 2019. Columns:
//! conversationId, turnNumber, utteranceId, utterance, slot-labels, intent; no quoting. A turn with several
//! intents has them joined by `<div>`; the first counts. The client is the conversation, the domain the name
//! of the file's directory. A whole conversation is labelled by its first intent that is not generic.

use super::lines::Lines;
use super::report::{Place, Reason};
use super::row::{Draft, said};
use super::sink::{Halt, Sink};
use super::source::Unit;
use crate::{Speaker, Turn};
use std::io::BufRead;

/// The header line.
pub(super) const HEADER: &str = "conversationId\tturnNumber\tutteranceId\tutterance\tslot-labels\tintent";

/// What customers of any company say; no wish of its own.
const GENERIC: [&str; 7] = [
    "openinggreeting",
    "contentonly",
    "thankyou",
    "confirmation",
    "rejection",
    "outofdomain",
    "closinggreeting",
];

pub(super) fn read(
    domain: Option<&str>,
    input: &mut dyn BufRead,
    sink: &mut Sink<'_, '_>,
) -> Result<(), Halt> {
    let mut lines = Lines::new(input, sink.source.max_row_bytes);
    let mut open: Option<(Place, Draft)> = None;
    while let Some((line, bytes)) = lines.next().map_err(|e| sink.io(e))? {
        let place = Place::Line(line);
        let (conversation, turn, text, intent) = match bytes.map(row) {
            None => {
                sink.reject(place, Reason::TooLong)?;
                continue;
            }
            Some(Err(reason)) => {
                sink.reject(place, reason)?;
                continue;
            }
            Some(Ok(None)) => continue,
            Some(Ok(Some(_))) if line == 1 => continue, // the header
            Some(Ok(Some(row))) => row,
        };
        let draft = Draft {
            dialogue: Some(conversation.to_owned()),
            turn: turn_number(turn),
            client: Some(conversation.to_owned()),
            domain: domain.map(str::to_owned),
            turns: said(Some(text.to_owned())),
            intent: Some(intent.split("<div>").next().unwrap_or_default().to_owned()),
            ..Draft::default()
        };
        if sink.source.unit == Unit::Utterance {
            sink.offer(place, draft)?;
        } else if text.trim().is_empty() {
            sink.reject(place, Reason::EmptyText)?;
        } else if let Some((_, whole)) = open.as_mut().filter(|(_, d)| d.id.as_deref() == Some(conversation))
        {
            // A conversation longer than the row limit ends there: it is held while it grows.
            let held: usize = whole.turns.iter().map(|t| t.text.len()).sum();
            if held + text.len() > sink.source.max_row_bytes {
                sink.reject(place, Reason::TooLong)?;
                continue;
            }
            whole.turns.push(Turn { speaker: Speaker::Customer, text: text.to_owned() });
            whole.intent = whole.intent.take().or_else(|| wish(draft.intent));
        } else {
            let draft = Draft { id: draft.dialogue.clone(), intent: wish(draft.intent), ..draft };
            if let Some((place, whole)) = open.replace((place, draft)) {
                close(place, whole, sink)?;
            }
        }
    }
    match open {
        Some((place, whole)) => close(place, whole, sink),
        None => Ok(()),
    }
}

/// A conversation of generic turns only has no label.
fn close(place: Place, whole: Draft, sink: &mut Sink<'_, '_>) -> Result<(), Halt> {
    if whole.intent.is_none() {
        sink.unlabelled();
        return Ok(());
    }
    sink.offer(place, whole)
}

fn wish(intent: Option<String>) -> Option<String> {
    intent.filter(|i| !i.trim().is_empty() && !GENERIC.contains(&i.as_str()))
}

type Row<'a> = (&'a str, &'a str, &'a str, &'a str);

/// Conversation, turn number, text and intent; nothing for a blank line.
fn row(bytes: &[u8]) -> Result<Option<Row<'_>>, Reason> {
    let line = std::str::from_utf8(bytes).map_err(|_| Reason::InvalidUtf8)?;
    if line.is_empty() {
        return Ok(None);
    }
    let mut fields = line.split('\t');
    let mut next = || fields.next().ok_or(Reason::WrongColumns);
    let (conversation, turn, _, text, _, intent) = (next()?, next()?, next()?, next()?, next()?, next()?);
    match fields.next() {
        None => Ok(Some((conversation, turn, text, intent))),
        Some(_) => Err(Reason::WrongColumns),
    }
}

/// Turn numbers come as `4` and as `4.0`.
fn turn_number(field: &str) -> Option<i128> {
    field.strip_suffix(".0").unwrap_or(field).parse().ok()
}
