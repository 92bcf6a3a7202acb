//! What every rule is given: the normal text, the cues found in it, and the questions rules ask about places.

use regex::Regex;

use super::cue::{Cue, CueHit};
use super::entity::EntityKind;
use super::normal::BLANK_CODE;
use super::seen::Seen;

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
    pub(super) seen: Seen,
    /// A bit for every cue that is there.
    present: u64,
    found: Vec<Candidate>,
}

impl<'t> Scene<'t> {
    pub(super) fn new(text: &'t str, cues: &'t [CueHit]) -> Self {
        let seen = Seen::in_text(text);
        let present = cues.iter().fold(0, |bits, h| bits | 1 << h.cue as u64);
        Self { text, cues, digits: seen.digits, seen, present, found: Vec::new() }
    }

    /// Whether a cue is anywhere in the text.
    pub(super) fn has(&self, cue: Cue) -> bool {
        self.present & (1 << cue as u64) != 0
    }

    pub(super) fn add(&mut self, start: usize, end: usize, kind: EntityKind) {
        self.found.push(Candidate { start, end, kind });
    }

    pub(super) fn into_found(self) -> Vec<Candidate> {
        self.found
    }

    /// Where the matches so far begin, sorted.
    pub(super) fn starts(&self) -> Vec<(usize, EntityKind)> {
        let mut starts: Vec<_> = self.found.iter().map(|c| (c.start, c.kind)).collect();
        starts.sort_unstable();
        starts
    }

    /// Where the matches of some kinds end.
    pub(super) fn ends_of(&self, kinds: &[EntityKind]) -> Vec<usize> {
        self.found.iter().filter(|c| kinds.contains(&c.kind)).map(|c| c.end).collect()
    }

    pub(super) fn before(&self, at: usize) -> Option<char> {
        self.text[..at].chars().next_back()
    }

    pub(super) fn after(&self, at: usize) -> Option<char> {
        self.text[at..].chars().next()
    }

    /// The last characters before a place.
    pub(super) fn chars_before(&self, at: usize, chars: usize) -> &'t str {
        let start = self.text[..at].char_indices().rev().take(chars).last().map_or(at, |(i, _)| i);
        &self.text[start..at]
    }

    /// Whether a quantity or a time ends at `at`: "4512元", "2024年", "1000条".
    pub(super) fn counted(&self, at: usize) -> bool {
        self.after(at).is_some_and(|c| "元块年月日分秒个条次件份笔%万岁天块米@".contains(c))
    }

    /// Whether `start..end` is a number or code of its own: not part of a longer word, number or decimal. A word that
    /// announces an identifier may touch it, and so may a byte in the percent encoding of web forms.
    pub(super) fn stands_alone(&self, start: usize, end: usize) -> bool {
        let letter = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let (left, right) = (self.before(start), self.after(end));
        let decimal_left = left == Some('.') && digit(self.before(start - 1));
        let decimal_right = right == Some('.') && digit(self.after(end + 1));
        if decimal_left || decimal_right || left == Some(BLANK_CODE) || right == Some(BLANK_CODE) {
            return false;
        }
        let encoded = || {
            let bytes = &self.text.as_bytes()[start.saturating_sub(3)..start];
            bytes.len() == 3 && bytes[0] == b'%' && bytes[1..].iter().all(u8::is_ascii_hexdigit)
        };
        let free_left =
            !(letter(left) || digit(left)) || (letter(left) && self.word_touches_end(start)) || encoded();
        let free_right = !(letter(right) || digit(right)) || (letter(right) && self.word_touches_start(end));
        free_left && free_right
    }

    /// Whether a cue ends at `at`, or before an underscore there.
    fn word_touches_end(&self, at: usize) -> bool {
        let at = if self.before(at) == Some('_') { at - 1 } else { at };
        let cue = self.cues.partition_point(|h| h.end <= at).checked_sub(1).and_then(|i| self.cues.get(i));
        cue.is_some_and(|h| h.end == at && h.cue.may_touch())
    }

    fn word_touches_start(&self, at: usize) -> bool {
        let cue = self.cues.get(self.cues.partition_point(|h| h.start < at));
        cue.is_some_and(|h| h.start == at && h.cue.may_touch())
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
