//! Who a client is: product line, languages, mix of intents, size and writing habits.

use super::Synthetic;
use super::catalogue::{INTENTS, ProductLine};
use crate::Language;
use sottovoce_core::sampling::{self, chance, unit};
use sottovoce_core::{Address, Purpose};

/// Traits of one synthetic client, a pure function of configuration, seed and client.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientProfile {
    /// The product line whose support it gives.
    pub line: ProductLine,
    /// Its language; `None` if it serves both, half and half.
    pub language: Option<Language>,
    /// How many transcripts it has, at least 1.
    pub num_transcripts: u64,
    /// Probability of each intent before drift, in the order of the intents; sums to 1. Intents of other
    /// product lines have 0 here: `other_lines` of the configuration brings them in.
    pub mix: Vec<f64>,
    /// Share of mistyped characters, 0 to 0.5.
    pub typos: f64,
    /// Share of customer turns that mix in words of the other language, 0 to 1.
    pub code_switching: f64,
    /// Share of customers who are polite, 0 to 1.
    pub politeness: f64,
}

impl Synthetic {
    /// The traits of a client, inside the population or not.
    pub fn profile(&self, seed: u64, client: u64) -> ClientProfile {
        let config = &self.config;
        let s = &mut Address::new(seed, Purpose::CorpusClient).client(client).stream();
        let line = self.draw_line(s);
        let language = match (chance(s, config.mixed_share), chance(s, config.chinese_share)) {
            (true, _) => None,
            (false, true) => Some(Language::ZH),
            (false, false) => Some(Language::EN),
        };
        // A log-normal number with the configured mean: the mean of exp(skew z) is exp(skew² / 2).
        let skew = config.size_skew;
        let scale = libm::exp(skew * sampling::normal(s) - skew * skew / 2.0);
        let mean = f64::from(config.transcripts_per_client);
        let num_transcripts = libm::round(mean * scale.min(50.0)).max(1.0) as u64;
        let typos = (config.typos * libm::exp(0.7 * sampling::normal(s) - 0.245)).min(0.5);
        let code_switching = (config.code_switching * 2.0 * unit(s)).min(1.0);
        let politeness = unit(s);

        let own = &self.own[line as usize];
        let mut logs = Vec::with_capacity(own.len());
        for i in own.iter().copied() {
            // The mean of the Dirichlet is the popularity; `alpha` is its concentration for each intent.
            let shape = config.alpha * own.len() as f64 * self.popularity[i];
            logs.push(sampling::log_gamma_draw(s, shape));
        }
        let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut mix = vec![0.0; INTENTS.len()];
        let mut sum = 0.0;
        for (i, log) in own.iter().zip(&logs) {
            mix[*i] = libm::exp(log - top);
            sum += mix[*i];
        }
        for i in own {
            mix[*i] /= sum;
        }
        ClientProfile { line, language, num_transcripts, mix, typos, code_switching, politeness }
    }
}
