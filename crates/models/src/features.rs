//! Text to hashed n-grams, without a dictionary and without any statistic of other people's text.

use crate::examples::Scale;
use crate::murmur3::murmur3;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// How text becomes features. Every n-gram is hashed with MurmurHash3 (x86, 32 bits) into one of `buckets` rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FeatureConfig {
    /// Number of buckets: rows of the model's table. 2 to 2^26.
    pub buckets: u32,
    /// Longest word n-gram; 0 for none. Words are runs of letters and digits of any script but Han.
    pub word_ngrams: u32,
    /// Shortest and longest character n-gram inside `<word>` with its boundary marks; `[0, 0]` for none.
    pub char_ngrams: [u32; 2],
    /// Longest n-gram of neighbouring Han characters; 0 for none.
    pub han_ngrams: u32,
    /// Whether a repeated n-gram counts once or as often as it occurs.
    pub weighting: Weighting,
    /// What an example's features are divided by.
    pub norm: Norm,
    /// Most tokens of an example: its words and single Han characters in the order of the text, each as often as it
    /// occurs, instead of a set of n-grams; what comes after them is left out. 0 for n-grams. At most 4,096. Settings of
    /// n-grams and `weighting` have no effect on sequences.
    #[serde(skip_serializing_if = "is_zero")]
    pub sequence: u32,
}

/// Configurations without sequences are written as they were before there were any.
fn is_zero(tokens: &u32) -> bool {
    *tokens == 0
}

impl Default for FeatureConfig {
    fn default() -> Self {
        Self {
            buckets: 1 << 16,
            word_ngrams: 2,
            char_ngrams: [3, 5],
            han_ngrams: 3,
            weighting: Weighting::Presence,
            norm: Norm::L2,
            sequence: 0,
        }
    }
}

/// What a repeated n-gram counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weighting {
    /// Once.
    Presence,
    /// As often as it occurs.
    Count,
}

/// What an example's features are divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// Nothing: features add up.
    Sum,
    /// Their number.
    Mean,
    /// Their Euclidean norm.
    L2,
}

/// Turns text into features; holds the buffers that this needs. Its `Debug` shows the configuration, not the text.
pub struct Featuriser {
    config: FeatureConfig,
    text: String,
    words: Vec<std::ops::Range<usize>>,
    starts: Vec<usize>,
    gram: Vec<u8>,
    sorted: Vec<u32>,
    /// Characters of texts that have no letters and digits.
    signs: String,
}

impl std::fmt::Debug for Featuriser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Featuriser").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Families of n-grams are hashed under seeds of their own, so that a word and a character n-gram of the same
/// letters are different features. Part of the reproducibility contract.
const WORD: u32 = 0;
const CHARS: u32 = 1;
const HAN: u32 = 2;

fn is_han(c: char) -> bool {
    matches!(u32::from(c), 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x323af | 0x3005 | 0x3007)
}

/// A character that is seen, other than a letter or digit.
fn is_sign(c: char) -> bool {
    let unseen = c.is_whitespace() || c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}');
    !unseen && !c.is_alphanumeric()
}

impl Featuriser {
    /// A featuriser of that configuration.
    pub fn new(config: FeatureConfig) -> Self {
        Self {
            config,
            text: String::new(),
            words: Vec::new(),
            starts: Vec::new(),
            gram: Vec::new(),
            sorted: Vec::new(),
            signs: String::new(),
        }
    }

    /// Writes the buckets of `texts` (the customer's turns, say) to `into`, ascending or, as a sequence, in the order of
    /// the texts, and returns the scale that each of them counts with. Where there are no letters and digits at all (👍, ??), every
    /// character that is seen is a word; a blank text has no features and scale 0.
    pub fn features<'t>(&mut self, texts: impl IntoIterator<Item = &'t str>, into: &mut Vec<u32>) -> Scale {
        into.clear();
        self.signs.clear();
        for text in texts {
            self.normalise(text);
            self.ngrams(into);
            if into.is_empty() {
                self.signs.extend(self.text.chars().filter(|c| is_sign(*c) || c.is_alphanumeric()));
            }
        }
        if into.is_empty() && !self.signs.contains(char::is_alphanumeric) {
            let buckets = self.config.buckets;
            into.extend(
                self.signs.chars().map(|c| bucket(c.encode_utf8(&mut [0; 4]).as_bytes(), WORD, buckets)),
            );
        }
        if self.config.sequence > 0 {
            into.truncate(self.config.sequence as usize);
            self.sorted.clone_from(into);
            self.sorted.sort_unstable();
            return self.scale(&self.sorted);
        }
        into.sort_unstable();
        if self.config.weighting == Weighting::Presence {
            into.dedup();
        }
        self.scale(into)
    }

    fn normalise(&mut self, text: &str) {
        self.text.clear();
        if text.is_ascii() {
            self.text.push_str(text);
            self.text.make_ascii_lowercase();
        } else {
            self.text.extend(text.nfkc().flat_map(char::to_lowercase));
        }
    }

    /// Cuts the text into words and runs of Han characters and hashes their n-grams or, for a sequence, words and
    /// characters as they come, under the seeds of the n-grams of length 1.
    fn ngrams(&mut self, into: &mut Vec<u32>) {
        self.words.clear();
        let mut chars = self.text.char_indices().peekable();
        while let Some((start, first)) = chars.next() {
            if !first.is_alphanumeric() {
                continue;
            }
            let han = is_han(first);
            let mut end = start + first.len_utf8();
            self.starts.clear();
            self.starts.push(start);
            while let Some(&(at, c)) = chars.peek() {
                if !c.is_alphanumeric() || is_han(c) != han {
                    break;
                }
                self.starts.push(at);
                end = at + c.len_utf8();
                chars.next();
            }
            self.starts.push(end);
            if self.config.sequence > 0 {
                let (family, text, buckets) =
                    (if han { HAN } else { WORD }, self.text.as_bytes(), self.config.buckets);
                if han {
                    into.extend(self.starts.windows(2).map(|c| bucket(&text[c[0]..c[1]], family, buckets)));
                } else {
                    into.push(bucket(&text[start..end], family, buckets));
                }
                if into.len() >= self.config.sequence as usize {
                    return;
                }
            } else if han {
                let longest = self.config.han_ngrams as usize;
                for from in 0..self.starts.len() - 1 {
                    for to in from + 1..self.starts.len().min(from + longest + 1) {
                        let gram = &self.text.as_bytes()[self.starts[from]..self.starts[to]];
                        into.push(bucket(gram, HAN, self.config.buckets));
                    }
                }
            } else {
                self.words.push(start..end);
                char_ngrams(&self.config, &self.text, &self.starts, &mut self.gram, into);
            }
        }
        let longest = self.config.word_ngrams as usize;
        for from in 0..self.words.len() {
            self.gram.clear();
            for word in self.words[from..].iter().take(longest) {
                if !self.gram.is_empty() {
                    self.gram.push(b' ');
                }
                self.gram.extend_from_slice(&self.text.as_bytes()[word.clone()]);
                into.push(bucket(&self.gram, WORD, self.config.buckets));
            }
        }
    }

    fn scale(&self, buckets: &[u32]) -> Scale {
        if buckets.is_empty() {
            return 0.0;
        }
        match self.config.norm {
            Norm::Sum => 1.0,
            Norm::Mean => 1.0 / buckets.len() as f32,
            Norm::L2 => {
                let squares: u64 =
                    buckets.chunk_by(|a, b| a == b).map(|c| (c.len() as u64) * (c.len() as u64)).sum();
                1.0 / (squares as f32).sqrt()
            }
        }
    }
}

/// Character n-grams of one word, its boundaries marked with `<` and `>`. `starts` holds where each character
/// begins, and the end.
fn char_ngrams(
    config: &FeatureConfig,
    text: &str,
    starts: &[usize],
    gram: &mut Vec<u8>,
    into: &mut Vec<u32>,
) {
    let [shortest, longest] = config.char_ngrams.map(|n| n as usize);
    if longest == 0 {
        return;
    }
    // Position 0 is '<', 1..=letters the letters, letters + 1 is '>'.
    let letters = starts.len() - 1;
    for from in 0..letters + 2 {
        gram.clear();
        for (at, length) in (from..letters + 2).zip(1..=longest) {
            match at {
                0 => gram.push(b'<'),
                _ if at == letters + 1 => gram.push(b'>'),
                _ => gram.extend_from_slice(&text.as_bytes()[starts[at - 1]..starts[at]]),
            }
            if length >= shortest {
                into.push(bucket(gram, CHARS, config.buckets));
            }
        }
    }
}

fn bucket(gram: &[u8], family: u32, buckets: u32) -> u32 {
    murmur3(gram, family) % buckets
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::murmur3 as murmur3_crate;

    fn of(config: &FeatureConfig, text: &str) -> (Vec<u32>, f32) {
        let mut into = Vec::new();
        let scale = Featuriser::new(config.clone()).features([text], &mut into);
        (into, scale)
    }
    fn config() -> FeatureConfig {
        FeatureConfig { buckets: 1 << 20, weighting: Weighting::Count, ..FeatureConfig::default() }
    }

    #[test]
    fn number_of_ngrams_is_as_counted_by_hand() {
        let words = FeatureConfig { char_ngrams: [0, 0], ..config() };
        assert_eq!(of(&words, "my card, my card!").0.len(), 4 + 3);
        assert_eq!(of(&words, "红包发不出去").0.len(), 6 + 5 + 4);
        assert_eq!(of(&words, "app闪退").0.len(), 1 + 2 + 1);
        // <ab>: 3-grams <ab, ab>; 4-gram <ab>.
        let chars = FeatureConfig { word_ngrams: 0, ..config() };
        assert_eq!(of(&chars, "ab").0.len(), 3);
    }

    #[test]
    fn width_and_case_do_not_matter() {
        assert_eq!(of(&config(), "ＡＰＰ　Ｌｏｇｉｎ１"), of(&config(), "app login1"));
        assert_eq!(of(&config(), "ÉTÉ"), of(&config(), "été"));
    }

    #[test]
    fn presence_counts_once_and_norms_are_norms() {
        let words = FeatureConfig { char_ngrams: [0, 0], word_ngrams: 1, ..config() };
        assert_eq!(of(&words, "no no yes"), (of(&words, "no yes no").0, 1.0 / 5f32.sqrt()));
        let presence = FeatureConfig { weighting: Weighting::Presence, ..words.clone() };
        assert_eq!(of(&presence, "no no yes").1, 1.0 / 2f32.sqrt());
        let mean = FeatureConfig { norm: Norm::Mean, ..words };
        assert_eq!(of(&mean, "no no yes").1, 1.0 / 3.0);
    }

    #[test]
    fn a_sequence_is_words_and_characters_as_they_come() {
        let words = FeatureConfig { word_ngrams: 1, char_ngrams: [0, 0], han_ngrams: 1, ..config() };
        let sequence = FeatureConfig { sequence: 64, ..config() };
        let (tokens, scale) = of(&sequence, "My app闪退, my APP红包?");
        let one = |text: &str| of(&words, text).0[0];
        assert_eq!(tokens, ["my", "app", "闪", "退", "my", "app", "红", "包"].map(one));
        assert_eq!(scale, 1.0 / 12f32.sqrt());
        let mut several = Vec::new();
        Featuriser::new(sequence.clone()).features(["My app闪退,", "?!", "my APP红包?"], &mut several);
        assert_eq!(several, tokens);
        for most in 1..10 {
            let cut = FeatureConfig { sequence: most, ..config() };
            assert_eq!(of(&cut, "My app闪退, my APP红包?").0, tokens[..tokens.len().min(most as usize)]);
        }
        assert_eq!(of(&sequence, "?!").0.len(), 2);
    }

    #[test]
    fn signs_are_words_where_there_are_no_letters() {
        for text in ["", "   ", "\u{0}\u{feff}"] {
            assert_eq!(of(&config(), text), (vec![], 0.0));
        }
        let thumb = bucket("👍".as_bytes(), WORD, 1 << 20);
        assert_eq!(of(&config(), " 👍 👍\n"), (vec![thumb, thumb], 1.0 / 2.0));
        assert_ne!(of(&config(), "👍").0, of(&config(), "👎").0);
        assert_ne!(of(&config(), "?").0, of(&config(), "!").0);
        // Beside letters they say nothing, in whatever turn, and letters that no n-gram takes are none.
        let mut several = Vec::new();
        Featuriser::new(config()).features(["👍", "ok"], &mut several);
        assert_eq!(several, of(&config(), "ok").0);
        let han_only = FeatureConfig { word_ngrams: 0, char_ngrams: [0, 0], ..config() };
        assert_eq!(of(&han_only, "ok!").0, [0u32; 0]);
    }

    /// Independent generator: `sklearn.utils.murmurhash3_32(gram, seed, positive=True)` of scikit-learn.
    #[test]
    fn hashes_are_murmur3() {
        for (gram, seed, hash) in [
            ("card", WORD, 4_049_617_105u32),
            ("my card", WORD, 3_204_629_104),
            ("<ca", CHARS, 1_192_024_401),
            ("红包", HAN, 906_119_025),
            ("é", HAN, 3_166_915_875),
        ] {
            assert_eq!(murmur3(gram.as_bytes(), seed), hash, "{gram}");
        }
    }

    #[test]
    fn hashes_agree_with_another_implementation_at_every_length() {
        let bytes: Vec<u8> = (0..67u8).map(|i| i.wrapping_mul(151)).collect();
        for end in 0..bytes.len() {
            let theirs = murmur3_crate::murmur3_32(&mut &bytes[..end], end as u32).unwrap();
            assert_eq!(murmur3(&bytes[..end], end as u32), theirs);
        }
    }
}
