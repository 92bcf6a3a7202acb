//! Which rows without a split become test examples.
//!
//! Of each intent, the share is drawn evenly along the file: one text at random out of every 1 / share. The first text
//! of an intent stays in training, and a text that comes again goes where it went before, so that no text is on both
//! sides.

use crate::Split;
use serde::{Deserialize, Serialize};
use sottovoce_core::{Address, Purpose, sampling};
use std::collections::BTreeMap;

/// How test examples are drawn from rows that have no split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Draw {
    /// Of the run: the draw is [`Purpose::TestShare`]'s.
    pub seed: u64,
    /// Share of each intent, 0 to 0.5.
    pub share: f64,
    /// Draws from rows of the training split as well.
    pub from_train: bool,
}

/// A 128-bit BLAKE3 hash.
pub(super) type Hash = [u8; 16];

pub(super) fn hash(bytes: &[u8]) -> Hash {
    let mut short = Hash::default();
    short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    short
}

/// What was drawn so far. Memory: about 40 bytes for each text.
#[derive(Default)]
pub(super) struct Drawn {
    /// Different texts of each intent.
    seen: BTreeMap<String, u64>,
    texts: BTreeMap<Hash, Split>,
}

impl Drawn {
    /// The split of a text of an intent.
    pub(super) fn split(&mut self, draw: &Draw, intent: &str, text: Hash) -> Split {
        if let Some(split) = self.texts.get(&text) {
            return *split;
        }
        let seen = self.seen.entry(intent.to_owned()).or_default();
        let split = if is_test(draw, intent, *seen) { Split::Test } else { Split::Train };
        *seen += 1;
        self.texts.insert(text, split);
        split
    }
}

/// Whether the text at this place among those of its intent is drawn.
fn is_test(draw: &Draw, intent: &str, place: u64) -> bool {
    if draw.share <= 0.0 {
        return false;
    }
    let name = hash(intent.as_bytes());
    let client = u64::from_le_bytes(name[..8].try_into().expect("eight bytes of sixteen"));
    let address = Address::new(draw.seed, Purpose::TestShare).client(client);
    let drawn_of = |stretch: u64| {
        let at = sampling::unit(&mut address.slot(stretch).stream());
        // The first stretch begins behind the first text.
        let (from, length) =
            if stretch == 0 { (1.0, 1.0 / draw.share - 1.0) } else { (0.0, 1.0 / draw.share) };
        ((stretch as f64 / draw.share + from) + at * length) as u64
    };
    let stretches = [place as f64 * draw.share, (place + 1) as f64 * draw.share].map(|s| s as u64);
    drawn_of(stretches[0]) == place || (stretches[1] != stretches[0] && drawn_of(stretches[1]) == place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(share: f64, seed: u64, intent: &str, n: u64) -> Vec<u64> {
        let draw = Draw { seed, share, from_train: false };
        (0..n).filter(|place| is_test(&draw, intent, *place)).collect()
    }

    #[test]
    fn each_intent_gives_its_share_but_never_its_only_text() {
        for (share, every) in [(0.5, 2), (0.25, 4), (0.2, 5), (0.1, 10)] {
            for intent in ["refund", "登录"] {
                let places = drawn(share, 7, intent, 100 * every);
                assert_eq!(places.len(), 100, "{share}");
                assert!(!places.contains(&0), "the first text was drawn");
                // One in each stretch.
                assert!(
                    places.iter().enumerate().all(|(i, p)| *p / every == i as u64),
                    "{share}: {places:?}"
                );
            }
        }
        assert!(drawn(0.0, 7, "refund", 1000).is_empty());
        // Of the first stretch one behind its first text, whatever is drawn.
        for seed in 0..200 {
            assert!(matches!(drawn(0.1, seed, "refund", 10)[..], [1..=9]), "{seed}");
        }
        // Stretches of 3.33 texts may meet in one.
        assert!((280..=300).contains(&drawn(0.3, 1, "x", 1000).len()));
    }

    #[test]
    fn seeds_and_intents_draw_differently_and_equal_texts_stay_together() {
        assert_ne!(drawn(0.2, 7, "a", 100), drawn(0.2, 8, "a", 100));
        assert_ne!(drawn(0.2, 7, "a", 100), drawn(0.2, 7, "b", 100));
        let draw = Draw { seed: 1, share: 0.2, from_train: false };
        let mut all = Drawn::default();
        let first: Vec<Split> = (0..50u8).map(|i| all.split(&draw, "a", hash(&[i]))).collect();
        let again: Vec<Split> = (0..50u8).map(|i| all.split(&draw, "b", hash(&[i]))).collect();
        assert_eq!(first, again);
        assert_eq!(first.iter().filter(|s| **s == Split::Test).count(), 10);
    }
}
