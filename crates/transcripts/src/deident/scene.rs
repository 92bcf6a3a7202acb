//! What every rule is given: the normal text, the cues found in it, and the questions rules ask about places.

use regex::Regex;

use super::cue::{Cue, CueHit};
use super::entity::EntityKind;
use super::normal::BLANK_CODE;

/// A match before overlaps are settled; offsets in the normal text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: EntityKind,
}

/// A normal text under examination.
#[derive(Debug)]
pub(super) struct Scene<'t> {
    pub(super) text: &'t str,
    pub(super) cues: &'t [CueHit],
    pub(super) digits: usize,
    found: Vec<Candidate>,
}

impl<'t> Scene<'t> {
    pub(super) fn new(text: &'t str, cues: &'t [CueHit]) -> Self {
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        Self { text, cues, digits, found: Vec::new() }
    }

    pub(super) fn add(&mut self, start: usize, end: usize, kind: EntityKind) {
        self.found.push(Candidate { start, end, kind });
    }

    pub(super) fn into_found(self) -> Vec<Candidate> {
        self.found
    }

    pub(super) fn before(&self, at: usize) -> Option<char> {
        self.text[..at].chars().next_back()
    }

    pub(super) fn after(&self, at: usize) -> Option<char> {
        self.text[at..].chars().next()
    }

    /// Whether `start..end` is a number or code of its own: not part of a longer word, number or decimal.
    pub(super) fn stands_alone(&self, start: usize, end: usize) -> bool {
        let joins =
            |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == BLANK_CODE);
        let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let (left, right) = (self.before(start), self.after(end));
        let decimal_left = left == Some('.') && digit(self.before(start - 1));
        let decimal_right = right == Some('.') && digit(self.after(end + 1));
        !(joins(left) || joins(right) || decimal_left || decimal_right)
    }

    /// The nearest of `wanted` cues that ends at most `within` characters before `at`.
    pub(super) fn cue_before(&self, at: usize, within: usize, wanted: &[Cue]) -> Option<Cue> {
        self.cues_before(at, within).find(|h| wanted.contains(&h.cue)).map(|h| h.cue)
    }

    /// The cues that end at most `within` characters before `at`, the nearest first.
    pub(super) fn cues_before(&self, at: usize, within: usize) -> impl Iterator<Item = &'t CueHit> {
        let text = self.text;
        let before = self.cues.partition_point(|h| h.end <= at);
        self.cues[..before]
            .iter()
            .rev()
            .take_while(move |h| text[h.end..at].chars().take(within + 1).count() <= within)
    }

    /// Every match of `pattern` that `accept` takes (it answers with the end). A refused match is searched again
    /// from its second character, so patterns must have a bounded length.
    pub(super) fn each(
        &mut self,
        pattern: &Regex,
        mut accept: impl FnMut(&mut Self, usize, usize) -> Option<usize>,
    ) {
        let text = self.text;
        let mut at = 0;
        while at <= text.len() {
            let Some(m) = pattern.find_at(text, at) else { return };
            at = match accept(self, m.start(), m.end()) {
                Some(end) if end > m.start() => end,
                _ => m.start() + self.after(m.start()).map_or(1, char::len_utf8),
            };
        }
    }
}

/// A pattern written in this crate.
pub(super) fn pattern(source: &str) -> Regex {
    Regex::new(source).expect("a constant pattern, compiled by every test that builds a detector")
}

/// The ASCII digits of a text.
pub(super) fn digits_of(text: &str) -> Vec<u8> {
    text.bytes().filter(u8::is_ascii_digit).collect()
}
