//! The one gate between a reader and its caller: every draft is checked here, every rejection counted here.

use super::columns::Field;
use super::draw::{Drawn, Hash, hash};
use super::error::ReadError;
use super::report::{Place, ReadReport, Reason, Rejected};
use super::row::Draft;
use super::source::{Source, split_named};
use super::time;
use crate::{Language, Speaker, Split, Transcript};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use unicode_normalization::UnicodeNormalization;

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

/// What goes through all files of a source.
pub(super) struct Reading<'a> {
    pub(super) report: ReadReport,
    pub(super) drawn: Drawn,
    pub(super) labels: BTreeSet<String>,
    /// What columns and keys of the files are for.
    pub(super) fields: BTreeSet<Field>,
    pub(super) visit: &'a mut dyn FnMut(Transcript) -> ControlFlow<()>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(visit: &'a mut dyn FnMut(Transcript) -> ControlFlow<()>) -> Self {
        let (labels, fields) = (BTreeSet::new(), BTreeSet::new());
        Self { report: ReadReport::default(), drawn: Drawn::default(), labels, fields, visit }
    }
}

/// The rows of a file in a few numbers, whatever their order and the file's format: sums of hashes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Content {
    rows: u64,
    /// With the split that the file gives them.
    pub(super) split: u128,
    pub(super) text: u128,
}

impl Content {
    /// Whether there are rows at all.
    pub(super) fn any(&self) -> bool {
        self.rows > 0
    }
}

pub(super) struct Sink<'a, 'v> {
    pub(super) source: &'a Source,
    /// For messages.
    pub(super) file: &'a str,
    /// For ids of rows that have none: the same wherever the file lies.
    pub(super) label: &'a str,
    pub(super) hints: Hints,
    pub(super) all: &'a mut Reading<'v>,
    pub(super) content: &'a mut Content,
    /// Rows so far that have a split of their own, and that have none.
    with_split: u64,
    without_split: u64,
}

impl<'a, 'v> Sink<'a, 'v> {
    pub(super) fn new(
        source: &'a Source,
        [file, label]: [&'a str; 2],
        hints: Hints,
        all: &'a mut Reading<'v>,
        content: &'a mut Content,
    ) -> Self {
        Self { source, file, label, hints, all, content, with_split: 0, without_split: 0 }
    }

    /// Hands a draft over, or rejects it.
    pub(super) fn offer(&mut self, place: Place, draft: Draft) -> Result<(), Halt> {
        if self.source.split.is_none() && draft.split.is_some() {
            if self.without_split > 0 && self.hints.split.is_none() {
                let (file, without) = (self.file.to_owned(), self.without_split);
                return Err(ReadError::MixedSplits { file, place, without }.into());
            }
            self.with_split += 1;
        }
        match self.finish(place, draft) {
            Ok(transcript) => {
                self.all.report.accepted += 1;
                if !self.all.labels.contains(&transcript.intent) {
                    self.all.labels.insert(transcript.intent.clone());
                }
                match (self.all.visit)(transcript) {
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
        let report = &mut self.all.report;
        *report.reasons.entry(reason).or_default() += 1;
        report.first.entry(reason).or_insert_with(|| rejected.clone());
        if report.rejected.len() < ReadReport::KEPT {
            report.rejected.push(rejected);
        }
        Ok(())
    }

    /// A turn that the format leaves without a label.
    pub(super) fn unlabelled(&mut self) {
        self.all.report.unlabelled += 1;
    }

    pub(super) fn io(&self, source: std::io::Error) -> Halt {
        ReadError::of_io(self.file, source).into()
    }

    fn finish(&mut self, place: Place, draft: Draft) -> Result<Transcript, Reason> {
        let intent = self.intent(draft.intent, draft.intent_number)?;
        let mut said = draft.turns.iter().filter(|t| t.speaker == Speaker::Customer).peekable();
        if said.peek().is_none() {
            return Err(Reason::MissingText);
        }
        if said.all(|t| t.text.trim().is_empty()) {
            return Err(Reason::EmptyText);
        }
        let timestamp = draft.timestamp.map(|t| time::second(&t, self.source.latest)).transpose()?;
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
        // A language that is wrong must reject a row before anything is drawn for it.
        let language =
            draft.language.map(|tag| Language::parse(&tag).ok_or(Reason::UnknownLanguage)).transpose()?;
        let split = match (self.source.split, draft.split) {
            (Some(split), _) => Some(split),
            (None, Some(name)) => Some(split_named(&name).ok_or(Reason::UnknownSplit)?),
            (None, None) => self.hints.split,
        };
        let mut transcript = Transcript {
            id,
            client: draft.client,
            language: Language::UNDETERMINED,
            timestamp,
            domain: draft.domain,
            split: split.unwrap_or(Split::Train),
            turns: draft.turns,
            intent,
        };
        let text = hash_of(&transcript);
        self.count(&transcript.intent, split, &text);
        transcript.split = self.split(&transcript, split, text)?;
        transcript.language = match language.or(self.source.language).or(self.hints.language) {
            Some(language) => language,
            None => {
                let found = Language::of_script(transcript.customer_text());
                self.all.report.assumed.language(self.file, found);
                found
            }
        };
        Ok(transcript)
    }

    fn count(&mut self, intent: &str, split: Option<Split>, text: &Hash) {
        let row = |with: &str| {
            u128::from_le_bytes(hash(&[text, with.as_bytes(), b"\0", intent.as_bytes()].concat()))
        };
        self.content.rows += 1;
        self.content.split = self.content.split.wrapping_add(row(&format!("{split:?}")));
        self.content.text = self.content.text.wrapping_add(row(""));
    }

    /// The split of a transcript of which the file says this.
    fn split(&mut self, transcript: &Transcript, said: Option<Split>, text: Hash) -> Result<Split, Reason> {
        let draw = match (said, self.source.draw) {
            (Some(Split::Train), Some(draw)) if draw.from_train => draw,
            (Some(split), _) => return Ok(split),
            // Where other rows of the file have one, this one lacks it.
            (None, Some(draw)) if self.with_split == 0 => draw,
            (None, _) => return Err(Reason::MissingSplit),
        };
        let split = self.all.drawn.split(&draw, &transcript.intent, text);
        if said.is_none() {
            self.without_split += 1;
            self.all.report.assumed.split(self.file, split, draw.share);
        }
        Ok(split)
    }

    fn intent(&self, name: Option<String>, number: Option<i128>) -> Result<String, Reason> {
        let labels = self.source.labels.as_ref();
        let name = match number {
            None => name.ok_or(Reason::MissingLabel)?,
            Some(number) => match labels {
                None => return Ok(number.to_string()),
                Some(labels) => {
                    let label = usize::try_from(number).ok().and_then(|n| labels.get(n).cloned());
                    return label.ok_or(Reason::LabelOutOfRange);
                }
            },
        };
        let name: String = name.trim().nfc().collect();
        if name.is_empty() {
            return Err(Reason::EmptyLabel);
        }
        match labels {
            Some(labels) if !labels.contains(&name) => Err(Reason::UnknownLabel),
            _ => Ok(name),
        }
    }
}

/// Hash of what the customer said; turns are kept apart by a unit separator.
fn hash_of(transcript: &Transcript) -> Hash {
    let mut all = String::new();
    for text in transcript.customer_text() {
        all.push_str(text.trim());
        all.push('\u{1f}');
    }
    hash(all.as_bytes())
}
