//! `manifest.json`: what a run is, before its first round.

use crate::config::Config;
use crate::experiment::data::{Data, Origin};
use crate::experiment::inputs::Inputs;
use serde::Serialize;
use sottovoce_core::Digest;

/// The content of `manifest.json`.
#[derive(Debug, Serialize)]
pub(crate) struct Manifest<'a> {
    sottovoce: &'static str,
    target: String,
    contract: u32,
    seed: u64,
    config: Digest,
    data: &'a Origin,
    inputs: Inputs,
    intents: usize,
    clients: u64,
    training_clients: u64,
    schema: Digest,
}

impl<'a> Manifest<'a> {
    pub(crate) fn of(config: &Config, data: &'a Data, inputs: Inputs) -> Self {
        Self {
            sottovoce: env!("CARGO_PKG_VERSION"),
            target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
            contract: sottovoce_simulation::CONTRACT,
            seed: config.seed,
            config: config.digest(),
            data: &data.origin,
            inputs,
            intents: data.labels.len(),
            clients: data.shards.clients(),
            training_clients: data.shards.training_clients(),
            schema: data.model.layout().schema(),
        }
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).expect("numbers and text can be written as JSON");
        json.push(b'\n');
        json
    }
}
