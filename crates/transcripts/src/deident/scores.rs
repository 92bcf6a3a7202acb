//! How good detection is: strict span scores by kind and tier, leaked characters, clean documents, false masks.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use super::entity::{EntityKind, Span, Tier};

/// A labelled identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoldSpan {
    /// Where and what; byte offsets.
    pub span: Span,
    /// The tier of this very mention: a full-width mobile number is a stretch.
    pub tier: Tier,
}

/// Strict counts: a prediction is right if start, end and kind are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Predicted and gold.
    pub hits: usize,
    /// Predicted only.
    pub spurious: usize,
    /// Gold only.
    pub missed: usize,
}

impl Counts {
    /// Hits among the predictions; 1 if there are none.
    pub fn precision(&self) -> f64 {
        ratio(self.hits, self.hits + self.spurious, 1.0)
    }

    /// Hits among the gold spans; 1 if there are none.
    pub fn recall(&self) -> f64 {
        ratio(self.hits, self.hits + self.missed, 1.0)
    }

    /// F with recall weighing `beta` times as much as precision (van Rijsbergen, 1979); 1 if nothing was there
    /// and nothing was found.
    pub fn f(&self, beta: f64) -> f64 {
        let b = beta * beta;
        let hits = (1.0 + b) * self.hits as f64;
        let all = hits + b * self.missed as f64 + self.spurious as f64;
        if all == 0.0 { 1.0 } else { hits / all }
    }

    /// Precision and recall alike.
    pub fn f1(&self) -> f64 {
        self.f(1.0)
    }

    /// The headline: a leak costs more than a mask too many.
    pub fn f2(&self) -> f64 {
        self.f(2.0)
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.hits += other.hits;
        self.spurious += other.spurious;
        self.missed += other.missed;
    }
}

fn ratio(part: usize, whole: usize, empty: f64) -> f64 {
    if whole == 0 { empty } else { part as f64 / whole as f64 }
}

/// Scores over documents, added one at a time; integers only, so the order does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scores {
    /// By kind.
    pub by_kind: BTreeMap<EntityKind, Counts>,
    /// By tier: of the gold span, or, for a prediction that touches none, of its kind.
    pub by_tier: BTreeMap<Tier, Counts>,
    /// Characters of gold spans.
    pub gold_chars: usize,
    /// Of these, outside of every predicted span.
    pub leaked_chars: usize,
    /// Documents with at least one gold span.
    pub documents: usize,
    /// Of these, without a leaked character.
    pub clean_documents: usize,
    /// Passages that look like an identifier and are none.
    pub negatives: usize,
    /// Of these, touched by a prediction.
    pub touched_negatives: usize,
}

impl Scores {
    /// Adds one document. `predicted` is ascending and without overlaps; `negatives` are byte ranges.
    pub fn add(&mut self, text: &str, predicted: &[Span], gold: &[GoldSpan], negatives: &[(usize, usize)]) {
        for g in gold {
            let hit = predicted.contains(&g.span);
            self.count(
                g.span.kind,
                g.tier,
                Counts { hits: usize::from(hit), missed: usize::from(!hit), spurious: 0 },
            );
        }
        for p in predicted {
            if gold.iter().any(|g| g.span == *p) {
                continue;
            }
            let tier =
                gold.iter().find(|g| g.span.overlaps(p.start, p.end)).map_or(p.kind.tier(), |g| g.tier);
            self.count(p.kind, tier, Counts { spurious: 1, ..Counts::default() });
        }
        let within = |span: &Span, at: usize| (span.start..span.end).contains(&at);
        let mut leaked = 0;
        for (at, _) in text.char_indices() {
            if gold.iter().any(|g| within(&g.span, at)) {
                self.gold_chars += 1;
                leaked += usize::from(!predicted.iter().any(|p| within(p, at)));
            }
        }
        self.leaked_chars += leaked;
        self.documents += usize::from(!gold.is_empty());
        self.clean_documents += usize::from(!gold.is_empty() && leaked == 0);
        self.negatives += negatives.len();
        self.touched_negatives += negatives
            .iter()
            .filter(|(start, end)| predicted.iter().any(|p| p.overlaps(*start, *end)))
            .count();
    }

    fn count(&mut self, kind: EntityKind, tier: Tier, counts: Counts) {
        *self.by_kind.entry(kind).or_default() += counts;
        *self.by_tier.entry(tier).or_default() += counts;
    }

    /// Strict counts of a tier.
    pub fn tier(&self, tier: Tier) -> Counts {
        self.by_tier.get(&tier).copied().unwrap_or_default()
    }

    /// Strict counts over everything.
    pub fn overall(&self) -> Counts {
        let mut all = Counts::default();
        for counts in self.by_kind.values() {
            all += *counts;
        }
        all
    }

    /// Leaked characters of identifiers among all of them: the safety number.
    pub fn leak_rate(&self) -> f64 {
        ratio(self.leaked_chars, self.gold_chars, 0.0)
    }

    /// Documents with identifiers that leak nothing, among all with identifiers.
    pub fn clean_rate(&self) -> f64 {
        ratio(self.clean_documents, self.documents, 1.0)
    }

    /// Negatives touched, among all negatives.
    pub fn false_mask_rate(&self) -> f64 {
        ratio(self.touched_negatives, self.negatives, 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_by_hand() {
        let text = "号码 12345 和 中文";
        let span = |start, end, kind| Span { start, end, kind };
        let gold = [
            GoldSpan { span: span(7, 12, EntityKind::Qq), tier: Tier::Context },
            GoldSpan { span: span(17, 23, EntityKind::Person), tier: Tier::Soft },
        ];
        let predicted = [span(7, 12, EntityKind::Qq), span(17, 20, EntityKind::Person)];
        let mut s = Scores::default();
        s.add(text, &predicted, &gold, &[(0, 6), (20, 23), (13, 16)]);
        assert_eq!(s.tier(Tier::Context), Counts { hits: 1, spurious: 0, missed: 0 });
        assert_eq!(s.tier(Tier::Soft), Counts { hits: 0, spurious: 1, missed: 1 });
        assert_eq!((s.gold_chars, s.leaked_chars), (7, 1));
        assert_eq!((s.documents, s.clean_documents), (1, 0));
        assert_eq!((s.negatives, s.touched_negatives), (3, 0));
        let c = Counts { hits: 3, spurious: 1, missed: 2 };
        assert!((c.f2() - 15.0 / 24.0).abs() < 1e-12 && (c.f1() - 6.0 / 9.0).abs() < 1e-12);
        assert_eq!(Counts::default().f1(), 1.0);
    }
}
