//! The one gate between a reader and its caller: every draft is checked here, every rejection counted here.

use super::report::{Place, ReadError, ReadReport, Reason, Rejected};
use super::row::Draft;
use super::source::Source;
use crate::{Language, Speaker, Split, Transcript};
use std::ops::ControlFlow;

/// Why a reader does not go on.
pub(super) enum Halt {
    /// The caller has enough.
    Enough,
    /// Something is wrong.
    Error(ReadError),
}

impl From<ReadError> for Halt {
    fn from(error: ReadError) -> Self {
        Self::Error(error)
    }
}

/// What the file itself says about its rows.
#[derive(Clone, Copy, Default)]
pub(super) struct Hints {
    pub(super) split: Option<Split>,
    pub(super) language: Option<Language>,
}

pub(super) struct Sink<'a> {
    pub(super) source: &'a Source,
    /// For messages.
    pub(super) file: &'a str,
    /// For ids of rows that have none: the same wherever the file lies.
    pub(super) label: &'a str,
    pub(super) hints: Hints,
    pub(super) report: &'a mut ReadReport,
    pub(super) visit: &'a mut dyn FnMut(Transcript) -> ControlFlow<()>,
}

impl Sink<'_> {
    /// Hands a draft over, or rejects it.
    pub(super) fn offer(&mut self, place: Place, draft: Draft) -> Result<(), Halt> {
        match self.finish(place, draft) {
            Ok(transcript) => {
                self.report.accepted += 1;
                match (self.visit)(transcript) {
                    ControlFlow::Continue(()) => Ok(()),
                    ControlFlow::Break(()) => Err(Halt::Enough),
                }
            }
            Err(reason) => self.reject(place, reason),
        }
    }

    pub(super) fn reject(&mut self, place: Place, reason: Reason) -> Result<(), Halt> {
        let rejected = Rejected { file: self.file.to_owned(), place, reason };
        if self.source.strict {
            return Err(ReadError::Rejected(rejected).into());
        }
        *self.report.reasons.entry(reason).or_default() += 1;
        if self.report.rejected.len() < ReadReport::KEPT {
            self.report.rejected.push(rejected);
        }
        Ok(())
    }

    pub(super) fn io(&self, source: std::io::Error) -> Halt {
        ReadError::Io { file: self.file.to_owned(), source }.into()
    }

    fn finish(&self, place: Place, draft: Draft) -> Result<Transcript, Reason> {
        let intent = self.intent(draft.intent, draft.intent_number)?;
        let mut said = draft.turns.iter().filter(|t| t.speaker == Speaker::Customer).peekable();
        if said.peek().is_none() {
            return Err(Reason::MissingText);
        }
        if said.all(|t| t.text.trim().is_empty()) {
            return Err(Reason::EmptyText);
        }
        let id = draft.id.unwrap_or_else(|| {
            let row = match place {
                Place::Line(line) => line,
                Place::Element { index, .. } => index,
            };
            match (&draft.dialogue, draft.turn) {
                (Some(dialogue), Some(turn)) => format!("{dialogue}/{turn}"),
                (Some(dialogue), None) => format!("{dialogue}/{}:{row}", self.label),
                (None, _) => format!("{}:{row}", self.label),
            }
        });
        let split = match (self.source.split, draft.split) {
            (Some(split), _) => split,
            (None, Some(name)) => super::source::split_named(&name).ok_or(Reason::UnknownSplit)?,
            (None, None) => self.hints.split.ok_or(Reason::MissingSplit)?,
        };
        let language = match draft.language {
            Some(tag) => language_of_tag(&tag).ok_or(Reason::UnknownLanguage)?,
            None => self.source.language.or(self.hints.language).ok_or(Reason::MissingLanguage)?,
        };
        Ok(Transcript {
            id,
            client: draft.client,
            language,
            timestamp: draft.timestamp,
            domain: draft.domain,
            split,
            turns: draft.turns,
            intent,
        })
    }

    fn intent(&self, name: Option<String>, number: Option<i128>) -> Result<String, Reason> {
        let labels = self.source.labels.as_ref();
        if let Some(number) = number {
            return usize::try_from(number)
                .ok()
                .and_then(|n| labels?.get(n).cloned())
                .ok_or(Reason::LabelOutOfRange);
        }
        let name = name.ok_or(Reason::MissingLabel)?;
        if name.trim().is_empty() {
            return Err(Reason::EmptyLabel);
        }
        match labels {
            Some(labels) if !labels.contains(&name) => Err(Reason::UnknownLabel),
            _ => Ok(name),
        }
    }
}

fn language_of_tag(tag: &str) -> Option<Language> {
    match tag.split(['-', '_']).next()?.to_ascii_lowercase().as_str() {
        "zh" => Some(Language::Zh),
        "en" => Some(Language::En),
        _ => None,
    }
}
