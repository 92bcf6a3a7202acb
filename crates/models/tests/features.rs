//! Features against n-grams cut by hand and hashed by another implementation, under every option.

use sottovoce_models::{FeatureConfig, Featuriser, Norm, Weighting};
use std::collections::BTreeMap;

/// A piece of a text, normalised: a word, or a run of Han characters.
enum Piece {
    Word(&'static str),
    Han(&'static str),
}
use Piece::{Han, Word};

/// Texts and their pieces, in order. Unified ideographs of every block by their first and last, the iteration mark, zero,
/// a compatibility block's ideograph that has no other form; neighbours of these blocks that are letters.
fn texts() -> Vec<(&'static str, Vec<Piece>)> {
    vec![
        ("My card, MY-card: 42?", vec![Word("my"), Word("card"), Word("my"), Word("card"), Word("42")]),
        ("APP闪退，請問1不了", vec![Word("app"), Han("闪退"), Han("請問"), Word("1"), Han("不了")]),
        ("Ｆｕｌｌ　ÉTÉ e\u{301}te ﬁn", vec![Word("full"), Word("été"), Word("éte"), Word("fin")]),
        ("人々二〇", vec![Han("人々二〇")]),
        ("\u{3400}\u{4dbf}\u{4e00}\u{9fff}\u{fa0e}\u{20000}\u{323af}", vec![Han("㐀䶿一鿿﨎𠀀𲎯")]),
        ("ぁ中ア\u{a000}한국", vec![Word("ぁ"), Han("中"), Word("ア\u{a000}한국")]),
        ("x", vec![Word("x")]),
        ("\u{2003} \n", vec![]),
    ]
}

const WORD: u32 = 0;
const CHARS: u32 = 1;
const HAN: u32 = 2;

fn hash(config: &FeatureConfig, text: &str, family: u32) -> u32 {
    murmur3::murmur3_32(&mut text.as_bytes(), family).unwrap() % config.buckets
}

/// All runs of `n` neighbours, for each `n`.
fn runs(items: &[String], shortest: u32, longest: u32, between: &str) -> Vec<String> {
    (shortest.max(1)..=longest).flat_map(|n| items.windows(n as usize).map(|w| w.join(between))).collect()
}

fn letters(text: &str) -> Vec<String> {
    text.chars().map(String::from).collect()
}

fn expected(config: &FeatureConfig, texts: &[&[Piece]]) -> (Vec<u32>, f64) {
    let mut all = Vec::new();
    for pieces in texts {
        let mut words = Vec::new();
        for piece in *pieces {
            match piece {
                Word(word) if config.sequence > 0 => all.push(hash(config, word, WORD)),
                Han(run) if config.sequence > 0 => {
                    all.extend(letters(run).iter().map(|c| hash(config, c, HAN)));
                }
                Word(word) => {
                    words.push((*word).to_owned());
                    let [shortest, longest] = config.char_ngrams;
                    let grams = runs(&letters(&format!("<{word}>")), shortest, longest, "");
                    all.extend(grams.iter().map(|gram| hash(config, gram, CHARS)));
                }
                Han(run) => {
                    let grams = runs(&letters(run), 1, config.han_ngrams, "");
                    all.extend(grams.iter().map(|gram| hash(config, gram, HAN)));
                }
            }
        }
        all.extend(runs(&words, 1, config.word_ngrams, " ").iter().map(|gram| hash(config, gram, WORD)));
    }
    if config.sequence > 0 {
        all.truncate(config.sequence as usize);
    } else {
        all.sort_unstable();
        if config.weighting == Weighting::Presence {
            all.dedup();
        }
    }
    let mut counts = BTreeMap::new();
    all.iter().for_each(|bucket| *counts.entry(*bucket).or_insert(0.0) += 1.0);
    let divisor = match config.norm {
        Norm::Sum => 1.0,
        Norm::Mean => all.len() as f64,
        Norm::L2 => counts.values().map(|n: &f64| n * n).sum::<f64>().sqrt(),
    };
    let scale = if all.is_empty() { 0.0 } else { 1.0 / divisor };
    (all, scale)
}

#[test]
fn features_are_the_ngrams_that_their_configuration_says() {
    let d = FeatureConfig::default;
    let none = FeatureConfig { word_ngrams: 0, char_ngrams: [0, 0], han_ngrams: 0, ..d() };
    let texts = texts();
    for config in [
        d(),
        FeatureConfig { word_ngrams: 1, ..none.clone() },
        FeatureConfig { word_ngrams: 3, weighting: Weighting::Count, ..none.clone() },
        FeatureConfig { char_ngrams: [1, 4], norm: Norm::Mean, ..none.clone() },
        FeatureConfig { char_ngrams: [3, 3], weighting: Weighting::Count, norm: Norm::Sum, ..none.clone() },
        FeatureConfig { han_ngrams: 1, ..none.clone() },
        FeatureConfig { han_ngrams: 3, weighting: Weighting::Count, ..none.clone() },
        FeatureConfig { buckets: 2, weighting: Weighting::Count, ..d() },
        FeatureConfig { buckets: 1000, norm: Norm::Sum, ..d() },
        FeatureConfig { buckets: 1 << 26, norm: Norm::Mean, weighting: Weighting::Count, ..d() },
        FeatureConfig { sequence: 64, ..d() },
        FeatureConfig { sequence: 4, norm: Norm::Mean, ..d() },
        FeatureConfig { sequence: 1, norm: Norm::Sum, ..d() },
        none,
    ] {
        let mut featuriser = Featuriser::new(config.clone());
        let mut rows = vec![7; 3];
        for from in 0..texts.len() {
            for to in from..=texts.len() {
                let (some, pieces): (Vec<&str>, Vec<&[Piece]>) =
                    texts[from..to].iter().map(|(text, pieces)| (*text, &pieces[..])).unzip();
                let scale = featuriser.features(some.iter().copied(), &mut rows);
                let (expected_rows, expected_scale) = expected(&config, &pieces);
                assert_eq!(rows, expected_rows, "{config:?}: {some:?}");
                assert!(
                    (f64::from(scale) - expected_scale).abs() <= 1e-7 * expected_scale,
                    "{config:?}: {some:?}"
                );
            }
        }
    }
}
