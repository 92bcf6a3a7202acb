//! Configuration of the synthetic corpus: what may be set, its ranges, what is wrong with a value.

use super::grammar::PhraseError;
use serde::{Deserialize, Serialize};

/// The largest population: test transcripts use client numbers from here on.
pub const MAX_CLIENTS: u64 = 1 << 40;

/// Settings of the synthetic corpus. Every field has a default; unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SyntheticConfig {
    /// Clients in the population, 1 to 2⁴⁰.
    pub clients: u64,
    /// Mean number of transcripts of a client, 1 to 100,000. Each client has at least one.
    pub transcripts_per_client: u32,
    /// Standard deviation of the logarithm of a client's number of transcripts, 0 (all alike) to 2.
    pub size_skew: f64,
    /// Share of Chinese among the clients of one language, 0 to 1.
    pub chinese_share: f64,
    /// Share of clients that serve both languages, half and half, 0 to 1.
    pub mixed_share: f64,
    /// Dirichlet concentration of a client's intents around the popularity of its product line, for each
    /// intent: 0.001 (one topic a client) to 1,000,000 (all clients alike).
    pub alpha: f64,
    /// Exponent of the Zipf distribution of intents in a product line, 0 (uniform) to 3.
    pub zipf: f64,
    /// Strength of the drift of popularity over the months, 0 (none) to 2: an intent's weight swings between
    /// its e^-drift and e^drift fold.
    pub drift: f64,
    /// Share of transcripts that belong to any product line by volume, not to the client's own, 0 to 1.
    pub other_lines: f64,
    /// Share of training labels replaced by a related intent, 0 to 1. Test labels have none.
    pub label_noise: f64,
    /// Share of transcripts whose words fit several intents of a group, 0 to 1, in training and test.
    pub ambiguity: f64,
    /// Share of follow-up turns that speak of something else, often of another intent, 0 to 1.
    pub distractors: f64,
    /// Mean share of mistyped characters, 0 to 0.2. Clients differ.
    pub typos: f64,
    /// Share of transcripts that come from speech recognition, with its slips instead of typos, 0 to 1.
    pub speech: f64,
    /// Mean share of customer turns that mix in words of the other language, 0 to 1. Clients differ.
    pub code_switching: f64,
    /// Share of customer turns that hold (invented) personal data, 0 to 1.
    pub personal_data: f64,
    /// First month, `YYYY-MM`, 1970-01 to 2100-12.
    pub start: String,
    /// Number of months, 1 to 60.
    pub months: u32,
}

impl Default for SyntheticConfig {
    /// 100 clients of about 100 transcripts, mostly Chinese, from April to September 2026.
    fn default() -> Self {
        Self {
            clients: 100,
            transcripts_per_client: 100,
            size_skew: 0.6,
            chinese_share: 0.75,
            mixed_share: 0.1,
            alpha: 0.5,
            zipf: 0.7,
            drift: 0.5,
            other_lines: 0.05,
            label_noise: 0.03,
            ambiguity: 0.07,
            distractors: 0.15,
            typos: 0.015,
            speech: 0.15,
            code_switching: 0.12,
            personal_data: 0.12,
            start: "2026-04".to_owned(),
            months: 6,
        }
    }
}

/// What is wrong with a configuration or an embedded table.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SyntheticError {
    /// A number outside of its range, or not a number.
    #[error("{key} = {value} is outside of {low} to {high}")]
    OutOfRange {
        /// Name of the field.
        key: &'static str,
        /// Its value.
        value: f64,
        /// Least value allowed.
        low: f64,
        /// Greatest value allowed.
        high: f64,
    },
    /// A start that is no month.
    #[error("start = {value:?} is not a month between 1970-01 and 2100-12, written YYYY-MM")]
    Start {
        /// What was given.
        value: String,
    },
    /// An embedded phrase table is malformed.
    #[error(transparent)]
    Phrases(#[from] PhraseError),
    /// A phrase table lacks a section that the catalogue or the dialogues name.
    #[error("phrase tables of {table} have no section {section:?}")]
    MissingSection {
        /// Product line and language.
        table: &'static str,
        /// The section.
        section: String,
    },
}

impl SyntheticConfig {
    /// Refuses what is out of range; [`super::Synthetic::new`] does so too.
    pub fn check(&self) -> Result<(), SyntheticError> {
        self.first_month().map(|_| ())
    }

    /// Checks every range and gives the first month as year and month (1 to 12).
    pub(super) fn first_month(&self) -> Result<(i64, i64), SyntheticError> {
        let share = [
            ("chinese_share", self.chinese_share),
            ("mixed_share", self.mixed_share),
            ("other_lines", self.other_lines),
            ("label_noise", self.label_noise),
            ("ambiguity", self.ambiguity),
            ("distractors", self.distractors),
            ("speech", self.speech),
            ("code_switching", self.code_switching),
            ("personal_data", self.personal_data),
        ]
        .map(|(key, value)| (key, value, 0.0, 1.0));
        let other = [
            ("clients", self.clients as f64, 1.0, MAX_CLIENTS as f64),
            ("transcripts_per_client", f64::from(self.transcripts_per_client), 1.0, 1e5),
            ("size_skew", self.size_skew, 0.0, 2.0),
            ("alpha", self.alpha, 1e-3, 1e6),
            ("zipf", self.zipf, 0.0, 3.0),
            ("drift", self.drift, 0.0, 2.0),
            ("typos", self.typos, 0.0, 0.2),
            ("months", f64::from(self.months), 1.0, 60.0),
        ];
        for (key, value, low, high) in other.into_iter().chain(share) {
            // Written so that NaN fails.
            if !(low <= value && value <= high) {
                return Err(SyntheticError::OutOfRange { key, value, low, high });
            }
        }
        // As f64 the bound itself and its next neighbours are equal.
        if self.clients > MAX_CLIENTS {
            let (low, high) = (1.0, MAX_CLIENTS as f64);
            return Err(SyntheticError::OutOfRange { key: "clients", value: self.clients as f64, low, high });
        }
        parse_month(&self.start).ok_or_else(|| SyntheticError::Start { value: self.start.clone() })
    }
}

fn parse_month(text: &str) -> Option<(i64, i64)> {
    let (year, month) = text.split_once('-')?;
    let digits = |part: &str, len| part.len() == len && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(year, 4) || !digits(month, 2) {
        return None;
    }
    let (year, month) = (year.parse().ok()?, month.parse().ok()?);
    ((1970..=2100).contains(&year) && (1..=12).contains(&month)).then_some((year, month))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_in_range_and_each_bad_field_is_named() {
        assert_eq!(SyntheticConfig::default().first_month(), Ok((2026, 4)));
        let key = |c: SyntheticConfig| match c.check() {
            Err(SyntheticError::OutOfRange { key, .. }) => key,
            Err(SyntheticError::Start { .. }) => "start",
            _ => "accepted",
        };
        let d = SyntheticConfig::default;
        assert_eq!(key(SyntheticConfig { clients: 0, ..d() }), "clients");
        assert_eq!(key(SyntheticConfig { clients: MAX_CLIENTS, ..d() }), "accepted");
        assert_eq!(key(SyntheticConfig { clients: MAX_CLIENTS + 1, ..d() }), "clients");
        assert_eq!(key(SyntheticConfig { alpha: f64::NAN, ..d() }), "alpha");
        assert_eq!(key(SyntheticConfig { label_noise: -0.1, ..d() }), "label_noise");
        assert_eq!(key(SyntheticConfig { months: 61, ..d() }), "months");
        for start in ["", "2026", "2026-13", "2026-00", "1969-12", "2026-4", "+026-04", "2026-04-01"] {
            assert_eq!(key(SyntheticConfig { start: start.to_owned(), ..d() }), "start");
        }
    }

    #[test]
    fn unknown_fields_are_refused_and_missing_ones_have_defaults() {
        assert!(serde_json::from_str::<SyntheticConfig>(r#"{"client": 3}"#).is_err());
        let c: SyntheticConfig = serde_json::from_str(r#"{"clients": 3}"#).unwrap();
        assert_eq!(c, SyntheticConfig { clients: 3, ..SyntheticConfig::default() });
    }
}
