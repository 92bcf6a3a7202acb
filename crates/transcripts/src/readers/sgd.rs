//! Schema-Guided Dialogue as released: `[{"dialogue_id": ..., "services": [...], "turns": [...]}, ...]`.
//!
//! Rastogi et al., "Towards Scalable Multi-domain Conversational Agents: The Schema-Guided Dialogue Dataset",
//! AAAI 2020. Every act INFORM_INTENT of a user turn gives one example; other user turns have no label. The
//! client is the service (`Restaurants_2`), the domain its name without the number. A whole dialogue has the
//! label and service of its first such act.

use super::elements::{Values, typed, walk};
use super::report::{Place, Reason};
use super::row::{Draft, said, speaker_named};
use super::sink::{Halt, Sink};
use super::source::{Format, Unit};
use crate::{Speaker, Turn};
use serde::Deserialize;
use std::io::BufRead;

#[derive(Deserialize)]
struct Dialogue {
    dialogue_id: String,
    turns: Vec<SgdTurn>,
}

#[derive(Deserialize)]
struct SgdTurn {
    speaker: String,
    utterance: Option<String>,
    #[serde(default)]
    frames: Vec<Frame>,
}

#[derive(Deserialize)]
struct Frame {
    service: String,
    #[serde(default)]
    actions: Vec<Action>,
}

#[derive(Deserialize)]
struct Action {
    act: String,
    #[serde(default)]
    values: Vec<String>,
}

impl SgdTurn {
    /// Service and intent of every INFORM_INTENT act; an act without a value has the intent `None`.
    fn intents(&self) -> impl Iterator<Item = (String, Option<String>)> + '_ {
        self.frames.iter().flat_map(|frame| {
            let informs = frame.actions.iter().filter(|a| a.act == "INFORM_INTENT");
            informs.map(|a| (frame.service.clone(), a.values.first().cloned()))
        })
    }
}

fn domain_of(service: &str) -> String {
    service.rsplit_once('_').map_or(service, |(domain, _)| domain).to_owned()
}

pub(super) fn read(input: &mut dyn BufRead, sink: &mut Sink<'_, '_>) -> Result<(), Halt> {
    walk(Format::Sgd, Values::Elements, input, sink, &mut |element, sink| {
        let index = element.index;
        let place = Place::Element { index, turn: None };
        let Some(dialogue) = typed::<Dialogue>(element.value) else {
            return sink.reject(place, Reason::BadShape);
        };
        let mut first = None;
        let mut whole = Vec::new();
        for (number, turn) in (0u64..).zip(dialogue.turns) {
            let place = Place::Element { index, turn: Some(number) };
            let Some(speaker) = speaker_named(&turn.speaker) else {
                return sink.reject(place, Reason::UnknownSpeaker);
            };
            let intents: Vec<_> =
                if speaker == Speaker::Customer { turn.intents().collect() } else { Vec::new() };
            if sink.source.unit == Unit::Dialogue {
                first = first.or_else(|| intents.into_iter().next());
                whole.push(Turn { speaker, text: turn.utterance.unwrap_or_default() });
                continue;
            }
            if speaker == Speaker::Customer && intents.is_empty() {
                sink.unlabelled();
            }
            for (service, intent) in intents {
                let draft = Draft {
                    dialogue: Some(dialogue.dialogue_id.clone()),
                    turn: Some(number.into()),
                    domain: Some(domain_of(&service)),
                    client: Some(service),
                    turns: said(turn.utterance.clone()),
                    intent,
                    ..Draft::default()
                };
                sink.offer(place, draft)?;
            }
        }
        if sink.source.unit == Unit::Utterance {
            return Ok(());
        }
        let (client, intent) = first.map_or((None, None), |(service, intent)| (Some(service), intent));
        let domain = client.as_deref().map(domain_of);
        let id = Some(dialogue.dialogue_id);
        sink.offer(place, Draft { id, client, domain, turns: whole, intent, ..Draft::default() })
    })
}
