//! A transcript in the making: what a row says, before the sink checks it.

use crate::{Speaker, Turn};

/// Everything optional; a missing part is decided on, or the row rejected, in one place for all formats.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) id: Option<String>,
    pub(super) dialogue: Option<String>,
    pub(super) turn: Option<i128>,
    pub(super) client: Option<String>,
    /// Language tag as written.
    pub(super) language: Option<String>,
    pub(super) timestamp: Option<i64>,
    pub(super) domain: Option<String>,
    /// Split as written.
    pub(super) split: Option<String>,
    pub(super) turns: Vec<Turn>,
    pub(super) intent: Option<String>,
    /// A label given as a number; only a source with a list of labels can tell what it means.
    pub(super) intent_number: Option<i128>,
}

/// One customer turn, or none where the row has no text.
pub(super) fn said(text: Option<String>) -> Vec<Turn> {
    text.map(|text| Turn { speaker: Speaker::Customer, text }).into_iter().collect()
}

/// The speaker that a word names in any of the formats.
pub(super) fn speaker_named(word: &str) -> Option<Speaker> {
    match word {
        "customer" | "user" | "usr" | "USER" => Some(Speaker::Customer),
        "agent" | "sys" | "SYSTEM" => Some(Speaker::Agent),
        "action" | "system" => Some(Speaker::System),
        _ => None,
    }
}
