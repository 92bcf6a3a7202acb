//! The figures of a summary that can be compared.

use crate::experiment::Ended;
use crate::experiment::summary::OutOfScope;
use serde::Deserialize;
use sottovoce_core::{Digest, OverClients};

/// What a comparison takes from `summary.json`, whatever else is in it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Figures {
    /// Why the run ended.
    pub(super) ended: Ended,
    /// BLAKE3 of the final parameters.
    pub(super) digest: Digest,
    /// Share of test examples classified right.
    pub(super) accuracy: f64,
    /// Mean F1 over classes.
    pub(super) macro_f1: f64,
    /// Expected calibration error.
    pub(super) ece: f64,
    /// Where an out-of-scope intent is configured.
    pub(super) out_of_scope: Option<OutOfScope>,
    /// Over clients, each on its own held-out examples.
    pub(super) over_clients: Option<OverClients>,
    #[serde(default)]
    pub(super) personal: Option<OverClients>,
}

/// A figure with a name.
#[derive(Debug)]
pub struct Metric {
    /// The keys of `summary.json` that lead to it, joined by dots.
    pub name: &'static str,
    /// Whether more of it is better.
    pub higher_is_better: bool,
    of: fn(&Figures) -> Option<f64>,
}

impl Metric {
    /// The figure, where the run has it.
    pub(super) fn of(&self, figures: &Figures) -> Option<f64> {
        (self.of)(figures)
    }

    /// The metric of this name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        METRICS.iter().find(|m| m.name == name)
    }
}

const fn metric(name: &'static str, higher_is_better: bool, of: fn(&Figures) -> Option<f64>) -> Metric {
    Metric { name, higher_is_better, of }
}

/// All metrics, in the order in which they are shown.
pub static METRICS: [Metric; 11] = [
    metric("accuracy", true, |f| Some(f.accuracy)),
    metric("macro_f1", true, |f| Some(f.macro_f1)),
    metric("ece", false, |f| Some(f.ece)),
    metric("over_clients.mean", true, |f| f.over_clients.map(|o| o.mean)),
    metric("over_clients.p10", true, |f| f.over_clients.map(|o| o.p10)),
    metric("over_clients.worst", true, |f| f.over_clients.map(|o| o.worst)),
    metric("over_clients.spread", false, |f| f.over_clients.map(|o| o.spread)),
    metric("personal.mean", true, |f| f.personal.map(|o| o.mean)),
    metric("personal.worst", true, |f| f.personal.map(|o| o.worst)),
    metric("out_of_scope.recall", true, |f| f.out_of_scope.map(|o| o.recall)),
    metric("out_of_scope.in_scope_accuracy", true, |f| f.out_of_scope.map(|o| o.in_scope_accuracy)),
];
