//! ABCD as released: an array of conversations, or `{"train": [...], "dev": [...], "test": [...]}`.
//!
//! Chen et al., "Action-Based Conversations Dataset: A Corpus for Building More In-Depth Task-Oriented Dialogue
//! Systems", NAACL 2021. The intent is `scenario.subflow`, the domain `scenario.flow`; both belong to a whole
//! conversation, so one conversation is one transcript in either unit. Speaker `action` is the system's note.

use super::elements::{Values, typed, walk};
use super::report::{Place, Reason};
use super::row::{Draft, speaker_named};
use super::sink::{Halt, Sink};
use super::source::Format;
use crate::Turn;
use serde::Deserialize;
use std::io::BufRead;

#[derive(Deserialize)]
struct Conversation {
    convo_id: u64,
    scenario: Scenario,
    original: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Scenario {
    flow: Option<String>,
    subflow: Option<String>,
}

pub(super) fn read(input: &mut dyn BufRead, sink: &mut Sink<'_, '_>) -> Result<(), Halt> {
    walk(Format::Abcd, Values::Arrays, input, sink, &mut |element, sink| {
        let place = Place::Element { index: element.index, turn: None };
        let Some(conversation) = typed::<Conversation>(element.value) else {
            return sink.reject(place, Reason::BadShape);
        };
        let mut turns = Vec::new();
        for (speaker, text) in conversation.original {
            let Some(speaker) = speaker_named(&speaker) else {
                return sink.reject(place, Reason::UnknownSpeaker);
            };
            turns.push(Turn { speaker, text });
        }
        let draft = Draft {
            id: Some(conversation.convo_id.to_string()),
            domain: conversation.scenario.flow,
            intent: conversation.scenario.subflow,
            split: element.key.map(str::to_owned),
            turns,
            ..Draft::default()
        };
        sink.offer(place, draft)
    })
}
