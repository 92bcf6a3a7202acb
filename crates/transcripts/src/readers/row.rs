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
    /// Time as written.
    pub(super) timestamp: Option<String>,
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

/// The speaker that a word names in any of the formats, in upper or lower case. `SYSTEM` in capitals is the system
/// that answers (Schema-Guided Dialogue), in small letters a note between the turns.
pub(super) fn speaker_named(word: &str) -> Option<Speaker> {
    if word == "SYSTEM" {
        return Some(Speaker::Agent);
    }
    match word.trim().to_lowercase().as_str() {
        "customer" | "user" | "usr" | "client" | "human" | "caller" | "visitor" | "客户" | "用户"
        | "顾客" | "买家" => Some(Speaker::Customer),
        "agent" | "assistant" | "bot" | "sys" | "gpt" | "model" | "operator" | "support" | "staff"
        | "客服" | "坐席" | "机器人" | "助手" | "卖家" => Some(Speaker::Agent),
        "action" | "system" | "tool" | "系统" => Some(Speaker::System),
        _ => None,
    }
}
