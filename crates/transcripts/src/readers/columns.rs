//! Names of columns and keys: those that a configuration gives, else those that people have.

use serde::{Deserialize, Serialize};

/// Names of columns (tables) or keys (JSON). One that is not named here is found under the names in parentheses, upper or
/// lower case; two of them at once are an error.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Columns {
    /// What the customer said (text, utterance, utt, query, sentence, content, message, question, input).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The label (intent, label, category, class, target, intent_name).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
    /// Natural client key (client, client_id).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Language, a BCP 47 tag (lang, language, locale).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lang: Option<String>,
    /// Time: seconds, milliseconds or microseconds since 1970-01-01 UTC, or ISO 8601 (timestamp, time, datetime).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// Product line, company or topic area (domain, scenario).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Unique name of the row (id).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `train`, `validation` or `test`, also `dev`, `val`, `valid` (split, partition).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Conversation that an utterance belongs to (dialogue, dialogue_id, conversation_id).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialogue: Option<String>,
    /// Number of an utterance within its conversation (turn).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<String>,
}

/// What a column is for. The turns of a conversation cannot be renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// What the customer said.
    Text,
    /// The label.
    Intent,
    /// Natural client key.
    Client,
    /// Language.
    Lang,
    /// Time.
    Timestamp,
    /// Product line, company or topic area.
    Domain,
    /// Name of the row.
    Id,
    /// Split.
    Split,
    /// Conversation.
    Dialogue,
    /// Number within the conversation.
    Turn,
    /// The turns of a conversation.
    Turns,
}

impl Field {
    /// All that a table may have.
    pub(super) const OF_TABLES: [Self; 10] = [
        Self::Text,
        Self::Intent,
        Self::Client,
        Self::Lang,
        Self::Timestamp,
        Self::Domain,
        Self::Id,
        Self::Split,
        Self::Dialogue,
        Self::Turn,
    ];

    /// Its key under `data.columns`.
    pub fn key(self) -> &'static str {
        self.names()[0]
    }

    /// The names it is found under, where the configuration has none.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::Text => {
                &["text", "utterance", "utt", "query", "sentence", "content", "message", "question", "input"]
            }
            Self::Intent => &["intent", "label", "category", "class", "target", "intent_name"],
            Self::Client => &["client", "client_id"],
            Self::Lang => &["lang", "language", "locale"],
            Self::Timestamp => &["timestamp", "time", "datetime"],
            Self::Domain => &["domain", "scenario"],
            Self::Id => &["id"],
            Self::Split => &["split", "partition"],
            Self::Dialogue => &["dialogue", "dialogue_id", "conversation_id"],
            Self::Turn => &["turn"],
            Self::Turns => &["turns", "messages", "conversations"],
        }
    }
}

impl Columns {
    /// The name that the configuration gives.
    pub(super) fn named(&self, field: Field) -> Option<&str> {
        let name = match field {
            Field::Text => &self.text,
            Field::Intent => &self.intent,
            Field::Client => &self.client,
            Field::Lang => &self.lang,
            Field::Timestamp => &self.timestamp,
            Field::Domain => &self.domain,
            Field::Id => &self.id,
            Field::Split => &self.split,
            Field::Dialogue => &self.dialogue,
            Field::Turn => &self.turn,
            Field::Turns => &None,
        };
        name.as_deref()
    }

    /// What a column of this name is for, if it is for anything. A name that the configuration gives wins over those
    /// that are only usual.
    pub(super) fn field_of(&self, name: &str) -> Option<Field> {
        let name = name.trim();
        let all = || Field::OF_TABLES.into_iter().chain([Field::Turns]);
        let is_named = |field: &Field| self.named(*field).is_some_and(|n| n == name);
        let is_usual = |field: &Field| {
            self.named(*field).is_none() && field.names().iter().any(|usual| usual.eq_ignore_ascii_case(name))
        };
        all().find(is_named).or_else(|| all().find(is_usual))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_given_wins_over_usual_ones() {
        let none = Columns::default();
        for (name, field) in [
            ("text", Some(Field::Text)),
            ("Utterance", Some(Field::Text)),
            (" LABEL ", Some(Field::Intent)),
            ("messages", Some(Field::Turns)),
            ("remark", None),
        ] {
            assert_eq!(none.field_of(name), field, "{name}");
        }
        let given =
            Columns { text: Some("label".into()), intent: Some("remark".into()), ..Columns::default() };
        assert_eq!(given.field_of("label"), Some(Field::Text));
        assert_eq!(given.field_of("remark"), Some(Field::Intent));
        assert_eq!(given.field_of("text"), None, "the text has another name here");
    }
}
