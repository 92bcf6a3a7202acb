//! A text as the rules read it: compatibility forms folded (NFKC, character by character), placeholders blanked,
//! and every offset traceable to the text as given.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

use super::entity::{EntityKind, Tier, placeholder_at};

/// What stands for an existing placeholder: in no rule's alphabet, so nothing matches across or inside it.
/// To its neighbours it is what was there: a name or an address is a word of its own, ...
const BLANK_WORD: char = '\u{1}';
/// ... while a number or a code continues the digits and letters beside it.
pub(super) const BLANK_CODE: char = '\u{2}';

fn blank(kind: EntityKind) -> char {
    if kind.tier() == Tier::Soft { BLANK_WORD } else { BLANK_CODE }
}

/// One stretch of the normal text and where it came from.
#[derive(Debug, Clone, Copy)]
struct Piece {
    normal: usize,
    original: usize,
    /// Bytes in the original if the stretch is one character that changed; `None` if byte for byte the same.
    folded_from: Option<usize>,
}

/// A folded text with its way back.
#[derive(Debug)]
pub(super) struct Normal<'a> {
    pub(super) text: Cow<'a, str>,
    pieces: Vec<Piece>,
}

/// What becomes of a character.
enum Fold {
    Keep,
    Drop,
    To(char),
    Nfkc,
}

fn fold(c: char) -> Fold {
    match c {
        '\0'..='\u{7f}' | '\u{4e00}'..='\u{9fff}' => Fold::Keep,
        // Full-width marks that end a clause stay: as ASCII they would join a web address to the words after it.
        '，' | '；' | '！' | '？' => Fold::Keep,
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).map_or(Fold::Keep, Fold::To),
        '\u{3000}' | '\u{a0}' | '\u{2002}'..='\u{200a}' | '\u{202f}' => Fold::To(' '),
        '\u{3001}'..='\u{303f}' => Fold::Keep,
        // Hyphens and the minus sign, which NFKC leaves alone, separate the digits of numbers.
        '\u{2010}'..='\u{2013}' | '\u{2212}' => Fold::To('-'),
        '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}' => Fold::Drop,
        '\u{2014}'..='\u{201f}' => Fold::Keep,
        _ => Fold::Nfkc,
    }
}

/// Whether a character, folded, may take part in an identifier although it is not ASCII and not Han.
pub(super) fn hides_something(c: char) -> bool {
    match fold(c) {
        Fold::Keep => false,
        Fold::Drop => true,
        Fold::To(to) => to.is_ascii_alphanumeric() || to == '@',
        Fold::Nfkc => !matches!(std::iter::once(c).nfkc().next(), Some(same) if same == c),
    }
}

impl<'a> Normal<'a> {
    pub(super) fn new(given: &'a str) -> Self {
        let whole = Piece { normal: 0, original: 0, folded_from: None };
        if given.is_ascii() && !given.contains('[') {
            return Self { text: Cow::Borrowed(given), pieces: vec![whole] };
        }
        let mut text = String::with_capacity(given.len());
        let mut pieces = vec![whole];
        let mut skip_to = 0;
        let mut in_step = true;
        for (at, c) in given.char_indices() {
            if at < skip_to {
                continue;
            }
            let folded = match fold(c) {
                Fold::Nfkc if std::iter::once(c).nfkc().eq(std::iter::once(c)) => Fold::Keep,
                other => other,
            };
            if matches!(folded, Fold::Keep) && !in_step {
                pieces.push(Piece { normal: text.len(), original: at, folded_from: None });
                in_step = true;
            }
            match folded {
                Fold::Keep if c == '[' => match placeholder_at(&given[at..]) {
                    Some((len, kind)) => {
                        skip_to = at + len;
                        text.extend(std::iter::repeat_n(blank(kind), len));
                    }
                    None => text.push(c),
                },
                Fold::Keep => text.push(c),
                Fold::Drop => in_step = false,
                Fold::To(_) | Fold::Nfkc => {
                    pieces.push(Piece { normal: text.len(), original: at, folded_from: Some(c.len_utf8()) });
                    match folded {
                        Fold::To(to) => text.push(to),
                        _ => text.extend(std::iter::once(c).nfkc()),
                    }
                    in_step = false;
                }
            }
        }
        Self { text: Cow::Owned(text), pieces }
    }

    fn piece(&self, at: usize) -> Piece {
        let after = self.pieces.partition_point(|p| p.normal <= at);
        // The first piece starts at 0, so at least one starts at or before any offset.
        self.pieces[after.saturating_sub(1)]
    }

    /// The bytes of the given text that the non-empty range `start..end` of the normal text came from.
    pub(super) fn original(&self, start: usize, end: usize) -> (usize, usize) {
        let first = self.piece(start);
        let from = first.original + if first.folded_from.is_some() { 0 } else { start - first.normal };
        let last = self.piece(end - 1);
        let to = last.original + last.folded_from.unwrap_or(end - last.normal);
        (from, to)
    }
}

/// A whole text under NFKC with the same exceptions, without a way back.
pub(super) fn normalised(text: &str) -> String {
    Normal::new(text).text.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_lead_back() {
        let given = "号１３9\u{200b}0：ﬁ尾";
        let n = Normal::new(given);
        assert_eq!(n.text, "号1390:fi尾");
        let at = n.text.find("1390").unwrap();
        let (from, to) = n.original(at, at + 4);
        assert_eq!(&given[from..to], "１３9\u{200b}0");
        let at = n.text.find('i').unwrap();
        let (from, to) = n.original(at, at + 1);
        assert_eq!(&given[from..to], "ﬁ");
        let at = n.text.find('尾').unwrap();
        assert_eq!(n.original(at, at + 3), (given.len() - 3, given.len()));
    }

    #[test]
    fn placeholders_are_blank_and_keep_their_length() {
        let given = "a[QQ]b[QQ x";
        assert_eq!(Normal::new(given).text, "a\u{2}\u{2}\u{2}\u{2}b[QQ x");
    }

    #[test]
    fn plain_text_is_borrowed() {
        assert!(matches!(Normal::new("plain").text, Cow::Borrowed(_)));
    }

    proptest::proptest! {
        #[test]
        fn every_range_leads_back_to_characters(given in "\\PC{0,40}") {
            let n = Normal::new(&given);
            let ends: Vec<usize> = n.text.char_indices().map(|(i, _)| i).chain([n.text.len()]).collect();
            for w in ends.windows(2) {
                let (from, to) = n.original(w[0], w[1]);
                assert!(from < to && given.is_char_boundary(from) && given.is_char_boundary(to));
            }
        }
    }
}
