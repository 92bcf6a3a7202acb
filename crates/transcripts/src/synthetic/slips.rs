//! How words go wrong on their way: typing, speech recognition, words of the other language.

use crate::Language;
use sottovoce_core::Stream;
use sottovoce_core::sampling::{self, chance};

/// Pairs of what is meant and what is written, by kind.
#[derive(Debug)]
pub(super) struct Slips {
    typo: Vec<(char, char)>,
    speech: Vec<(&'static str, &'static str)>,
    pinyin: Vec<(&'static str, &'static str)>,
    mixed: Vec<(&'static str, &'static str)>,
}

/// Neighbours on the keyboard, for `a` to `z`.
const ADJACENT: [&str; 26] = [
    "sqz", "vn", "xv", "sf", "wr", "dg", "fh", "gj", "uo", "hk", "jl", "k", "n", "bm", "ip", "o", "wa", "et",
    "ad", "ry", "yi", "cb", "qe", "zc", "tu", "x",
];

impl Slips {
    /// The table of a language. Lines that are no pair are skipped; a test counts them.
    pub(super) fn new(language: Language) -> Self {
        let text = if language == Language::ZH {
            include_str!("phrases/slips.zh.txt")
        } else {
            include_str!("phrases/slips.en.txt")
        };
        let mut slips = Self { typo: Vec::new(), speech: Vec::new(), pinyin: Vec::new(), mixed: Vec::new() };
        let mut section = "";
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']');
            } else if let Some((from, to)) = line.split_once(' ').filter(|_| !line.starts_with('#')) {
                match section {
                    "typo" => slips.typo.extend(from.chars().zip(to.chars())),
                    "speech" => slips.speech.push((from, to)),
                    "pinyin" => slips.pinyin.push((from, to)),
                    "mixed" => slips.mixed.push((from, to)),
                    _ => {}
                }
            }
        }
        slips.typo.sort_unstable();
        slips
    }

    /// Mistypes each character with probability `rate`: Chinese by a character that sounds or looks alike, or
    /// by pinyin that was never converted; Latin letters by a neighbour, a loss, a doubling or a swap.
    pub(super) fn mistype(&self, text: &mut String, rate: f64, s: &mut Stream) {
        if rate <= 0.0 {
            return;
        }
        let chars: Vec<char> = text.chars().collect();
        text.clear();
        let mut at = 0;
        while at < chars.len() {
            let c = chars[at];
            at += 1;
            if !chance(s, rate) {
                text.push(c);
            } else if c.is_ascii_lowercase() {
                match sampling::index(s, 4) {
                    0 => {
                        let near = ADJACENT[usize::from(c as u8 - b'a')].as_bytes();
                        text.push(char::from(near[sampling::index(s, near.len())]));
                    }
                    // A text never loses its only letter.
                    1 if !text.is_empty() => {}
                    1 => text.push(c),
                    2 => text.extend([c, c]),
                    _ => {
                        if let Some(next) = chars.get(at).filter(|n| n.is_ascii_lowercase()) {
                            text.push(*next);
                            at += 1;
                        }
                        text.push(c);
                    }
                }
            } else {
                let near = self.typo.partition_point(|(from, _)| *from < c);
                match self.typo.get(near) {
                    Some((from, to)) if *from == c => text.push(*to),
                    _ => text.push(c),
                }
            }
        }
        if chance(s, 2.0 * rate) {
            replace(text, &self.pinyin, 0.5, s);
        }
    }

    /// Replaces words by others that sound alike, as speech recognition does.
    pub(super) fn mishear(&self, text: &mut String, s: &mut Stream) {
        replace(text, &self.speech, 0.3, s);
    }

    /// Replaces a few words by words of the other language.
    pub(super) fn mix(&self, text: &mut String, s: &mut Stream) {
        replace(text, &self.mixed, 0.6, s);
    }
}

/// Replaces the first occurrence of each word with probability `p`. Latin words match as whole words only.
fn replace(text: &mut String, pairs: &[(&'static str, &'static str)], p: f64, s: &mut Stream) {
    for (from, to) in pairs {
        let Some(at) = text.find(from) else { continue };
        let end = at + from.len();
        let letter = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = text.as_bytes();
        let inside = from.is_ascii() && (letter(bytes[..at].last()) || letter(bytes.get(end)));
        if !inside && chance(s, p) {
            text.replace_range(at..end, to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sottovoce_core::{Address, Purpose};

    #[test]
    fn every_line_of_the_tables_is_a_pair() {
        let zh = include_str!("phrases/slips.zh.txt");
        let en = include_str!("phrases/slips.en.txt");
        for (language, text) in [(Language::ZH, zh), (Language::EN, en)] {
            let entries = text.lines().filter(|l| !l.is_empty() && !l.starts_with(['#', '['])).count();
            let slips = Slips::new(language);
            let found = slips.typo.len() + slips.speech.len() + slips.pinyin.len() + slips.mixed.len();
            assert_eq!(found, entries);
            assert!(!slips.speech.is_empty() && !slips.mixed.is_empty());
        }
    }

    #[test]
    fn typos_change_text_at_about_their_rate_and_rate_0_changes_nothing() {
        let slips = Slips::new(Language::EN);
        let mut s = Address::new(3, Purpose::Test).stream();
        let original = "abcdefghij".repeat(1000);
        let mut text = original.clone();
        slips.mistype(&mut text, 0.0, &mut s);
        assert_eq!(text, original);
        slips.mistype(&mut text, 0.05, &mut s);
        // A doubling adds a letter and a loss takes one, so the length stays about the same.
        assert!(text.len().abs_diff(original.len()) < 150);
        assert_ne!(text, original);
    }

    #[test]
    fn latin_words_are_replaced_whole_or_not_at_all() {
        let mut s = Address::new(4, Purpose::Test).stream();
        let mut text = "stop to go".to_owned();
        replace(&mut text, &[("to", "too")], 1.0, &mut s);
        assert_eq!(text, "stop to go", "the first occurrence lies inside a word");
        replace(&mut text, &[("go", "gone")], 1.0, &mut s);
        assert_eq!(text, "stop to gone");
    }
}
