//! What a run comes to.

use serde::{Deserialize, Serialize};
use sottovoce_core::evaluation::{Evaluation, OverClients};
use sottovoce_core::{Digest, Params};
use std::collections::BTreeMap;

/// The content of `summary.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Name of the experiment.
    pub name: String,
    /// Rounds that were run.
    pub rounds: u64,
    /// Why the run ended.
    pub ended: Ended,
    /// Rounds that made the model of these figures, where it is not the last one: the best on the validation split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_rounds: Option<u64>,
    /// Clients in the population.
    pub clients: u64,
    /// Training examples: of all clients, or of those that took part where the population is made when asked for.
    pub train_examples: u64,
    /// Test examples.
    pub test_examples: u64,
    /// Classes.
    pub intents: u64,
    /// Parameters of the model.
    pub parameters: u64,
    /// Share of test examples classified right.
    pub accuracy: f64,
    /// Mean F1 over classes.
    pub macro_f1: f64,
    /// Expected calibration error.
    pub ece: f64,
    /// Accuracy on the validation split, where there is one that was not trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// Where an out-of-scope intent is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_of_scope: Option<OutOfScope>,
    /// By language.
    pub languages: BTreeMap<String, Evaluation>,
    /// By domain.
    pub domains: BTreeMap<String, Evaluation>,
    /// Over clients, each on its own held-out examples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over_clients: Option<OverClients>,
    /// The same with each client's own model, where the algorithm has such models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal: Option<OverClients>,
    /// The same data without federation.
    pub baselines: Baselines,
    /// BLAKE3 of the final parameters.
    pub digest: Digest,
    /// Digest of the whole run: configuration, held-out data, and what passed in every round.
    pub chain: Digest,
    /// Bytes from clients to the server.
    pub bytes_up: u64,
    /// Bytes from the server to clients.
    pub bytes_down: u64,
    /// Clients without an answer, over all rounds.
    pub dropped: u64,
    /// Answers refused, over all rounds.
    pub rejected: u64,
    /// Answers that counted, over all rounds.
    #[serde(default)]
    pub updates: u64,
    /// Rounds in which the rule got too few answers for a step.
    #[serde(default)]
    pub skipped: u64,
    /// Virtual seconds from the first round to the last, where there is virtual time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_seconds: Option<f64>,
    /// Updates that were stale when they were taken.
    #[serde(default)]
    pub stale: u64,
    /// When the configured accuracies were reached, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Reached>,
    /// From start to end, seconds.
    pub wall_seconds: f64,
    /// In rounds alone, without evaluation, seconds.
    pub round_seconds: f64,
    /// Clients asked for each second in rounds.
    pub clients_per_second: f64,
    /// From the start of the process to the end of the first round, seconds.
    pub first_round_seconds: f64,
    /// Most memory resident at any time; 0 where the system does not tell.
    pub peak_rss_bytes: u64,
}

impl Summary {
    /// Why the rounds have left the model as it was, if they have; `initial` is the model before the first of them.
    pub fn nothing_learned(&self, initial: &Params) -> Option<&'static str> {
        if self.updates == 0 {
            return Some(
                "no client's answer ever counted; look at what became of them in rounds.jsonl of the folder of --out, and \
                 at rounds.dropout, world and aggregation",
            );
        }
        (self.digest == initial.digest()).then_some(
            "the model is bit for bit what it was before the first round; look at the learning rates, and whether the \
             rule ever made a step",
        )
    }
}

/// When an accuracy was reached.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Reached {
    /// The accuracy.
    pub accuracy: f64,
    /// Rounds up to the evaluation that reached it.
    pub rounds: u64,
    /// Bytes from clients until then.
    pub bytes_up: u64,
    /// Bytes to clients until then.
    pub bytes_down: u64,
    /// Virtual seconds until then, where there is virtual time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_seconds: Option<f64>,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// All rounds were run.
    Completed,
    /// Early stopping.
    StoppedEarly,
    /// Somebody asked it to stop.
    Interrupted,
}

/// Figures about the intent that means "none of the others".
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OutOfScope {
    /// Share of its examples that are recognised.
    pub recall: f64,
    /// Accuracy on all other examples.
    pub in_scope_accuracy: f64,
}

/// The same data without federation.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Baselines {
    /// Everything in one place.
    pub centralised: Option<Baseline>,
    /// Every client alone; figures are means over clients.
    pub local_only: Option<Baseline>,
}

/// Figures of a baseline on the same test examples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Share of test examples classified right.
    pub accuracy: f64,
    /// Mean F1 over classes.
    pub macro_f1: f64,
    /// Expected calibration error.
    pub ece: f64,
    /// Where an out-of-scope intent is configured: accuracy on all other examples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_scope_accuracy: Option<f64>,
    /// Models trained: 1, or the number of clients.
    pub models: u64,
}
