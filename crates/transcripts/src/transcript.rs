//! A transcript: what a customer and a support desk said to each other, and what the customer wanted.

use crate::Language;
use serde::{Deserialize, Serialize};

/// Who said a turn.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The person who asks for help. Their turns are what a classifier reads.
    Customer,
    /// The support desk's side, human or bot.
    Agent,
    /// A note of the support system inside the conversation ("account has been pulled up").
    System,
}

/// One utterance inside a transcript. Its `Debug` shows the length of the text, not the text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Who said it.
    pub speaker: Speaker,
    /// What was said, UTF-8, as released or as redacted.
    pub text: String,
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: {} bytes", self.speaker, self.text.len())
    }
}

/// Which part of a data set a transcript belongs to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Trained on, at the clients.
    Train,
    /// Looked at while training (early stopping), never trained on.
    Validation,
    /// Looked at for the final figures only.
    Test,
}

/// A labelled conversation. A single labelled utterance is a transcript of one customer turn.
///
/// It never leaves its client: it implements no type that the egress gate accepts, and the crates on the
/// server's side do not depend on this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcript {
    /// Unique within its data set; the reader makes one from file and line where the source has none.
    pub id: String,
    /// Natural client key (support desk, worker, conversation, company), if the source has one.
    pub client: Option<String>,
    /// Main language.
    pub language: Language,
    /// Seconds since 1970-01-01 UTC; `None` where the source has no time.
    pub timestamp: Option<i64>,
    /// Product line, company or topic area; `None` where the source has none.
    pub domain: Option<String>,
    /// Train, validation or test.
    pub split: Split,
    /// In the order they were said; at least one customer turn with text.
    pub turns: Vec<Turn>,
    /// What the customer wanted: the label.
    pub intent: String,
}

impl Transcript {
    /// The customer's turns, in order: the text a classifier may read.
    pub fn customer_text(&self) -> impl Iterator<Item = &str> {
        self.turns.iter().filter(|t| t.speaker == Speaker::Customer).map(|t| t.text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_holds_no_text() {
        let turn = Turn { speaker: Speaker::Customer, text: "my number is 13900007462".to_owned() };
        assert_eq!(format!("{turn:?}"), "Customer: 24 bytes");
    }
}
