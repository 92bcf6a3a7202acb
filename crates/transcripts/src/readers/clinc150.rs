//! CLINC150 as released: `{"train": [[text, intent], ...], "oos_train": [...], "val": ..., ...}`.
//!
//! Larson et al., "An Evaluation Dataset for Intent Classification and Out-of-Scope Prediction", EMNLP-IJCNLP
//! 2019. The out-of-scope lists carry the intent `oos`. Lists are read in file order; within a list, order is
//! kept. `domains.json` (`{domain: [intent, ...]}`) gives the domain.

use super::elements::{Values, typed, walk};
use super::report::{Place, Reason};
use super::row::{Draft, said};
use super::sink::{Halt, Sink};
use super::source::Format;
use std::collections::BTreeMap;
use std::io::BufRead;

/// Domain of each intent.
pub(super) type Domains = BTreeMap<String, String>;

/// Reads the text of a `domains.json`; one that is no such table gives no domains.
pub(super) fn domains(json: &[u8]) -> Domains {
    let table: BTreeMap<String, Vec<String>> = serde_json::from_slice(json).unwrap_or_default();
    table.into_iter().flat_map(|(d, intents)| intents.into_iter().map(move |i| (i, d.clone()))).collect()
}

pub(super) fn read(domains: &Domains, input: &mut dyn BufRead, sink: &mut Sink<'_, '_>) -> Result<(), Halt> {
    walk(Format::Clinc150, Values::Arrays, input, sink, &mut |element, sink| {
        let place = Place::Element { index: element.index, turn: None };
        let Some((text, intent)) = typed::<(Option<String>, Option<String>)>(element.value) else {
            return sink.reject(place, Reason::BadShape);
        };
        let domain = intent.as_ref().and_then(|i| {
            if i == "oos" && !domains.is_empty() {
                return Some("oos".to_owned());
            }
            domains.get(i).cloned()
        });
        let split = element.key.map(|key| key.strip_prefix("oos_").unwrap_or(key).to_owned());
        sink.offer(place, Draft { turns: said(text), intent, domain, split, ..Draft::default() })
    })
}
