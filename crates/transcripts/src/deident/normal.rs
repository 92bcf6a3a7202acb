//! A text as the rules read it: compatibility forms folded (NFKC, character by character), escapes of JSON read,
//! traditional characters simplified where a rule knows them, placeholders blanked, and every offset traceable to the
//! text as given.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

use super::entity::{EntityKind, Tier, placeholder_at};
use super::fold::{Fold, escape_at, fold};
use super::han::{Simplified, common};

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

impl<'a> Normal<'a> {
    pub(super) fn new(given: &'a str) -> Self {
        let whole = Piece { normal: 0, original: 0, folded_from: None };
        if given.is_ascii() && !given.contains(['[', '\\']) {
            return Self { text: Cow::Borrowed(given), pieces: vec![whole] };
        }
        let mut text = String::with_capacity(given.len());
        let mut pieces = vec![whole];
        let mut skip_to = 0;
        let mut in_step = true;
        let simplified = Simplified::table();
        for (at, given_char) in given.char_indices() {
            if at < skip_to {
                continue;
            }
            // Most of a text: nothing to fold, nothing to remember.
            if in_step && (given_char.is_ascii() || common(given_char)) && !matches!(given_char, '[' | '\\') {
                text.push(simplified.of(given_char));
                continue;
            }
            let (c, len) = match given_char {
                '\\' => escape_at(&given[at..]).unwrap_or((given_char, 1)),
                c => (c, c.len_utf8()),
            };
            let escaped = len != c.len_utf8() || c != given_char;
            skip_to = at + len;
            let folded = match fold(c) {
                // A line drawn through a digit does not hide it.
                _ if matches!(c, '\u{300}'..='\u{36f}') && text.ends_with(|d: char| d.is_ascii_digit()) => {
                    Fold::Drop
                }
                Fold::Nfkc if std::iter::once(c).nfkc().eq(std::iter::once(c)) => Fold::Keep,
                other => other,
            };
            match folded {
                Fold::Keep if !escaped => {
                    if !in_step {
                        pieces.push(Piece { normal: text.len(), original: at, folded_from: None });
                        in_step = true;
                    }
                    match placeholder_at(&given[at..]) {
                        Some((len, kind)) => {
                            skip_to = at + len;
                            text.extend(std::iter::repeat_n(blank(kind), len));
                        }
                        None => text.push(simplified.of(c)),
                    }
                }
                Fold::Drop => in_step = false,
                _ => {
                    pieces.push(Piece { normal: text.len(), original: at, folded_from: Some(len) });
                    match folded {
                        Fold::To(to) => text.push(to),
                        Fold::Nfkc => text.extend(std::iter::once(c).nfkc()),
                        _ => text.push(simplified.of(c)),
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
    fn escapes_are_read_and_lead_back() {
        let given = r"\u624b\u6a5f\n139\u0030 [x";
        let n = Normal::new(given);
        assert_eq!(n.text, "手机\n1390 [x");
        assert_eq!(n.original(7, 11), (14, given.len() - 3));
        assert_eq!(n.original(0, 3), (0, 6));
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
