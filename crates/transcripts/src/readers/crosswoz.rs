//! CrossWOZ as released: `{dialogue id: {"sys-usr": [s, u], "type": ..., "messages": [...]}, ...}`.
//!
//! Zhu et al., "CrossWOZ: A Large-Scale Chinese Cross-Domain Task-Oriented Dialogue Dataset", TACL 2020. The
//! data set has dialogue acts, not intents. The intent of a user turn is our derivation: the first act of the
//! first kind present among Request, Select, Inform, General, joined with the act's domain (`Request-酒店`).
//! A turn without such an act has no label. The client is the user worker, `u<id>`. The label of a whole
//! dialogue is its type. Of upstream's `val` file, dialogues whose id is divisible by 10 are validation and the
//! rest train, because upstream's train file is large and often absent; a configured split overrides that.

use super::elements::{Values, typed, walk};
use super::report::{Place, Reason};
use super::row::{Draft, said, speaker_named};
use super::sink::{Halt, Sink};
use super::source::{Format, Unit};
use crate::{Speaker, Split, Turn};
use serde::Deserialize;
use serde_json::Value;
use std::io::BufRead;

const KINDS: [&str; 4] = ["Request", "Select", "Inform", "General"];

#[derive(Deserialize)]
struct Dialogue {
    #[serde(rename = "sys-usr")]
    sys_usr: Option<(Value, Value)>,
    #[serde(rename = "type")]
    kind: Option<String>,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
    role: String,
    #[serde(default)]
    dialog_act: Vec<(String, String, Value, Value)>,
}

pub(super) fn read(input: &mut dyn BufRead, sink: &mut Sink<'_, '_>) -> Result<(), Halt> {
    walk(Format::Crosswoz, Values::Elements, input, sink, &mut |element, sink| {
        let (index, id) = (element.index, element.key.unwrap_or_default());
        let place = Place::Element { index, turn: None };
        let Some(dialogue) = typed::<Dialogue>(element.value) else {
            return sink.reject(place, Reason::BadShape);
        };
        let client = dialogue.sys_usr.map(|(_, user)| match user {
            Value::String(name) => name,
            number => format!("u{number}"),
        });
        let split = match sink.hints.split {
            Some(Split::Validation) if id.parse::<u64>().is_ok_and(|n| n % 10 != 0) => {
                Some("train".to_owned())
            }
            _ => None,
        };
        let base = || Draft { client: client.clone(), split: split.clone(), ..Draft::default() };
        if sink.source.unit == Unit::Dialogue {
            let mut turns = Vec::new();
            for message in dialogue.messages {
                let Some(speaker) = speaker_named(&message.role) else {
                    return sink.reject(place, Reason::UnknownSpeaker);
                };
                turns.push(Turn { speaker, text: message.content.unwrap_or_default() });
            }
            return sink.offer(place, Draft { id: Some(id.into()), turns, intent: dialogue.kind, ..base() });
        }
        for (turn, message) in (0u64..).zip(dialogue.messages) {
            let place = Place::Element { index, turn: Some(turn) };
            match speaker_named(&message.role) {
                Some(Speaker::Customer) => {}
                Some(_) => continue,
                None => {
                    sink.reject(place, Reason::UnknownSpeaker)?;
                    continue;
                }
            }
            let act = KINDS.iter().find_map(|kind| message.dialog_act.iter().find(|act| act.0 == *kind));
            let Some((kind, domain, ..)) = act else {
                sink.unlabelled();
                continue;
            };
            let draft = Draft {
                dialogue: Some(id.into()),
                turn: Some(turn.into()),
                domain: Some(domain.clone()),
                intent: Some(format!("{kind}-{domain}")),
                turns: said(message.content),
                ..base()
            };
            sink.offer(place, draft)?;
        }
        Ok(())
    })
}
