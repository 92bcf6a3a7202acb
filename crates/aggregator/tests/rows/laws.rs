//! Every rule and wrapper of the catalogue, with what is known of it.

use super::given;
use sottovoce_aggregator::Recipe;
use sottovoce_aggregator::rules::{Value, catalogue};
use std::collections::BTreeMap;

pub(crate) const N: usize = 11;
pub(crate) const F: usize = 2;
pub(crate) const D: usize = 5;

/// What is known of a recipe.
pub(crate) struct Law {
    pub(crate) names: &'static str,
    /// Numbers and words by name, separated by spaces; `f` is added where it is taken.
    pub(crate) given: &'static str,
    /// Aggregating shifted rows is shifting the aggregate.
    pub(crate) moves: bool,
    /// Aggregating scaled rows is scaling the aggregate.
    pub(crate) scales: bool,
    /// `F` rows of 1e30 leave the result among the others.
    pub(crate) resists: bool,
}

const fn law(names: &'static str, given: &'static str, kept: &[u8; 3]) -> Law {
    Law { names, given, moves: kept[0] == b'm', scales: kept[1] == b's', resists: kept[2] == b'r' }
}

/// Every rule and wrapper of the catalogue, and some of them together. `vector` stands for a vector of `D` numbers.
pub(crate) static LAWS: &[Law] = &[
    law("average", "", b"ms-"),
    law("weighted-average", "", b"ms-"),
    law("mean", "", b"ms-"),
    law("coordinate-median", "", b"msr"),
    law("coordinate-median", "even=lower", b"msr"),
    law("trimmed-mean", "", b"msr"),
    law("meamed", "", b"msr"),
    law("krum", "", b"msr"),
    law("krum", "neighbours=1", b"ms-"),
    law("multi-krum", "", b"msr"),
    law("multi-krum", "m=3 weights=declared", b"msr"),
    law("bulyan", "", b"msr"),
    law("bulyan", "theta=6", b"msr"),
    law("bulyan", "scores=once", b"msr"),
    law("geometric-median-smoothed-weiszfeld", "start=mean nu=1e-9", b"m--"),
    law("geometric-median-exact", "", b"msr"),
    law("geometric-median-exact", "weights=declared", b"ms-"),
    law("rfa", "", b"m--"),
    law("centered-clipping", "tau=1.5 L=3", b"---"),
    law("centered-clipping", "tau=1.5 L=3 v0=mean", b"m--"),
    law("centered-clipping", "tau=0.5 v0=vector", b"---"),
    law("norm-bounding-average", "M=1", b"---"),
    law("fltrust", "server_update=vector", b"---"),
    law("monna", "idx=10", b"msr"),
    law("mda", "", b"msr"),
    law("smea", "", b"msr"),
    law("caf", "", b"msr"),
    law("nnm", "", b"ms-"),
    law("static-clipping", "c=1", b"---"),
    law("arc", "", b"-s-"),
    law("bucketing", "s=3 seed=7", b"ms-"),
    law("bucketing+coordinate-median", "s=2 seed=7", b"msr"),
    law("nnm+trimmed-mean", "", b"msr"),
    law("nnm+krum", "", b"msr"),
    law("nnm+geometric-median", "", b"msr"),
    law("static-clipping+nnm+median", "c=10", b"--r"),
    law("arc+average", "", b"-s-"),
];

impl Law {
    pub(crate) fn takes(&self, parameter: &str) -> bool {
        self.names.split('+').any(|name| {
            let entry = catalogue().iter().find(|e| e.name == name || e.aliases.contains(&name));
            entry.expect("a known name").parameters.iter().any(|p| p.name == parameter)
        })
    }

    pub(crate) fn parameters(&self, f: usize, vector: &[f64]) -> BTreeMap<String, Value> {
        let mut parameters = given(self.given, vector);
        if self.takes("f") {
            parameters.insert("f".into(), Value::Number(f as f64));
        }
        parameters
    }

    pub(crate) fn with(&self, f: usize, vector: &[f64]) -> Recipe {
        Recipe::parse(self.names, &self.parameters(f, vector))
            .unwrap_or_else(|e| panic!("{}: {e}", self.names))
    }

    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.names, self.given)
    }
}
