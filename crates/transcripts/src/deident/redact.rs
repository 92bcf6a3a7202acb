//! Masking: what was detected is replaced by placeholders, to a fixed point.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::detector::Detector;
use super::entity::{EntityKind, Span, Tier};
use super::pseudonym::PseudonymKey;

/// What stands in the text where an identifier was.
#[derive(Debug, Clone)]
pub enum Placeholder {
    /// The kind: `[CN_MOBILE]`.
    Typed,
    /// The kind and a keyed pseudonym of the value: `[CN_MOBILE:7f3a9c21]`.
    Keyed(PseudonymKey),
}

/// What is masked, and how.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The kinds that are masked; others stay in the text.
    pub kinds: BTreeSet<EntityKind>,
    /// What replaces them.
    pub placeholder: Placeholder,
}

impl Default for Policy {
    /// Every kind, typed placeholders.
    fn default() -> Self {
        Self { kinds: EntityKind::ALL.iter().copied().collect(), placeholder: Placeholder::Typed }
    }
}

impl Policy {
    /// Every kind of some tiers, typed placeholders.
    pub fn tiers(tiers: &[Tier]) -> Self {
        let kinds = EntityKind::ALL.iter().copied().filter(|k| tiers.contains(&k.tier())).collect();
        Self { kinds, placeholder: Placeholder::Typed }
    }

    /// The same kinds with keyed pseudonyms.
    pub fn keyed(self, key: PseudonymKey) -> Self {
        Self { placeholder: Placeholder::Keyed(key), ..self }
    }
}

/// A masked text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted<'t> {
    /// The text with placeholders; borrowed if nothing was masked.
    pub text: Cow<'t, str>,
    /// What was masked; offsets in the text as given, ascending.
    pub spans: Vec<Span>,
}

impl Redacted<'_> {
    /// How many identifiers of each kind were masked.
    pub fn counts(&self) -> BTreeMap<EntityKind, usize> {
        let mut counts = BTreeMap::new();
        for span in &self.spans {
            *counts.entry(span.kind).or_default() += 1;
        }
        counts
    }
}

/// Masks texts under a policy. `redact(redact(x)) == redact(x)` for every text.
#[derive(Debug)]
pub struct Redactor {
    detector: Detector,
    policy: Policy,
}

impl Redactor {
    /// A redactor with a detector of its own; like it, build one and share it.
    pub fn new(policy: Policy) -> Self {
        Self { detector: Detector::new(), policy }
    }

    /// The detector inside.
    pub fn detector(&self) -> &Detector {
        &self.detector
    }

    /// Masks a text. One with nothing to mask is detected once and borrowed; any other at least twice, because
    /// the result is checked too.
    pub fn redact<'t>(&self, text: &'t str) -> Redacted<'t> {
        let mut spans = self.masked(text);
        if spans.is_empty() {
            return Redacted { text: Cow::Borrowed(text), spans };
        }
        // A mask can reveal more: a word that led to one identifier now leads to the next. Every pass masks
        // characters that were not masked before, so this ends.
        loop {
            let (out, ends) = self.render(text, &spans);
            let more = self.masked(&out);
            if more.is_empty() {
                return Redacted { text: Cow::Owned(out), spans };
            }
            let back = |at: usize| {
                let before = ends.partition_point(|(end, _)| *end <= at);
                match before.checked_sub(1).and_then(|i| ends.get(i)) {
                    Some((end, original)) => at - end + original,
                    None => at,
                }
            };
            spans.extend(more.iter().map(|s| {
                let start = back(s.start);
                Span { start, end: start + (s.end - s.start), kind: s.kind }
            }));
            spans.sort_unstable();
        }
    }

    /// What stands in the text for a value.
    pub fn placeholder(&self, kind: EntityKind, value: &str) -> String {
        match &self.policy.placeholder {
            Placeholder::Typed => format!("[{}]", kind.name()),
            Placeholder::Keyed(key) => format!("[{}:{}]", kind.name(), key.tag(kind, value)),
        }
    }

    /// What is masked, and how.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    fn masked(&self, text: &str) -> Vec<Span> {
        let mut spans = self.detector.detect(text);
        spans.retain(|s| self.policy.kinds.contains(&s.kind));
        spans
    }

    /// The text with placeholders, and for each its end there and in the text as given.
    fn render(&self, text: &str, spans: &[Span]) -> (String, Vec<(usize, usize)>) {
        let mut out = String::with_capacity(text.len() + 8 * spans.len());
        let mut ends = Vec::with_capacity(spans.len());
        let mut at = 0;
        for span in spans {
            out.push_str(&text[at..span.start]);
            out.push_str(&self.placeholder(span.kind, &text[span.start..span.end]));
            at = span.end;
            ends.push((out.len(), at));
        }
        out.push_str(&text[at..]);
        (out, ends)
    }
}
