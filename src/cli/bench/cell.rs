//! One size of the table: updates in memory, and rules timed on them.

use super::super::aggregate::AggregateFailure;
use super::super::rules;
use super::wire;
use crate::aggregator::rules::Value;
use crate::aggregator::{Outcome, Recipe, RuleError, Stack};
use crate::experiment::Stopwatch;
use crate::limits::{fastest, read, seconds};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;
use std::hint::black_box;

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Figures {
    pub(super) rule: String,
    pub(super) clients: usize,
    pub(super) params: usize,
    /// Of the fastest repetition.
    pub(super) seconds: f64,
    pub(super) median_seconds: f64,
    pub(super) repetitions: usize,
    /// Bytes of updates by the fastest repetition's seconds.
    pub(super) gb_per_s: f64,
    /// The same for the fastest plain read of the same bytes.
    pub(super) read_gb_per_s: f64,
    pub(super) ratio: f64,
    pub(super) threads: usize,
}

/// Updates of `clients` clients.
pub(super) struct Cell {
    clients: usize,
    params: usize,
    values: Vec<f32>,
}

/// Bytes that a cell and the messages or results of its rules take; `None` if that is no number.
pub(super) fn memory(clients: usize, params: usize) -> Option<u64> {
    let rows = (clients as u64).checked_add(16)?;
    rows.checked_mul(params as u64)?.checked_mul(4)?.checked_mul(2)
}

/// Whether a rule belongs into the table at this size: what compares all pairs, or all subsets, takes too long for
/// many clients.
pub(super) fn in_time(rule: &str, clients: usize, params: usize) -> bool {
    const SUBSETS: [&str; 2] = ["mda", "smea"];
    const PAIRS: [&str; 4] = ["krum", "multi-krum", "bulyan", "caf"];
    let pairs = clients as f64 * clients as f64 * params as f64;
    !(SUBSETS.contains(&rule) && clients > 20 || PAIRS.contains(&rule) && pairs >= 1e12)
}

/// Parameters for a recipe at this size: what it must be told, its own defaults for the rest.
pub(super) fn parameters(
    names: &str,
    clients: usize,
    params: usize,
    faulty: Option<u32>,
) -> BTreeMap<String, Value> {
    let (n, mut values) = (clients as f64, BTreeMap::new());
    for entry in names.split('+').filter_map(rules::entry) {
        // About the norm of a row, so that what clips has something to clip.
        let norm = 0.057 * (params as f64).sqrt();
        for parameter in entry.parameters {
            let value = match (parameter.name, entry.name) {
                ("f", "bulyan") => ((n - 3.0) / 4.0).floor().max(0.0),
                ("f", _) => (n / 5.0).floor().max(if n > 4.0 { 1.0 } else { 0.0 }),
                ("tau" | "M" | "c", _) => norm,
                ("idx", _) => 0.0,
                ("s", _) => 2.0,
                ("seed", _) => 1.0,
                _ => continue,
            };
            let least = match values.get(parameter.name) {
                Some(Value::Number(other)) => value.min(*other),
                _ => value,
            };
            values.insert(parameter.name.to_owned(), Value::Number(least));
        }
        if entry.name == "fltrust" {
            let server = (0..params).map(|i| f64::from(value(i as u64))).collect();
            values.insert("server_update".to_owned(), Value::Vector(server));
        }
    }
    if let (Some(f), Some(known)) = (faulty, values.get_mut("f")) {
        *known = Value::Number(f.into());
    }
    values
}

/// The number at a place: made up, from -0.1 to 0.1, without a pattern that a rule could profit from.
fn value(at: u64) -> f32 {
    let mut mixed = at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^= mixed >> 27;
    ((mixed >> 40) as f32 / (1u32 << 24) as f32 - 0.5) * 0.2
}

impl Cell {
    /// Fills the memory with the threads that will read it.
    pub(super) fn new(clients: usize, params: usize) -> Self {
        const PIECE: usize = 1 << 16;
        let mut values = vec![0.0; clients * params];
        values.par_chunks_mut(PIECE).enumerate().for_each(|(piece, values)| {
            for (i, v) in values.iter_mut().enumerate() {
                *v = value((piece * PIECE + i) as u64);
            }
        });
        Self { clients, params, values }
    }

    pub(super) fn rows(&self) -> Vec<&[f32]> {
        self.values.chunks_exact(self.params).collect()
    }

    /// Times a recipe, or the mean from messages.
    pub(super) fn measure(
        &self,
        rule: &str,
        faulty: Option<u32>,
        budget: f64,
    ) -> Result<Figures, AggregateFailure> {
        let (clients, params) = (self.clients, self.params);
        if rule == wire::NAME {
            let layout = wire::layout(params)?;
            let messages = wire::messages(&layout, &self.rows());
            let memory: Vec<&[f32]> = messages.iter().filter_map(|m| wire::readable(m)).collect();
            let mut server = wire::Server::new(layout, clients);
            let bytes = messages.iter().map(Vec::len).sum();
            return self.figures(rule, bytes, budget, &memory, || server.mean(&messages));
        }
        let recipe = Recipe::parse(rule, &parameters(rule, clients, params, faulty))?;
        let stack = Stack::new(self.rows()).map_err(RuleError::from)?;
        let weights: Vec<f64> = (0..clients).map(|c| 100.0 + (c % 50) as f64).collect();
        // Kept from call to call, as a server keeps it from round to round.
        let mut outcome = Outcome::default();
        let body = || {
            recipe.aggregate_into(&stack, Some(&weights), &mut outcome)?;
            black_box(&outcome);
            Ok(())
        };
        self.figures(rule, 4 * clients * params, budget, &[&self.values], body)
    }

    /// Repeats `body` and a plain read of `memory` in turns, so that what else the machine does hits both.
    fn figures(
        &self,
        rule: &str,
        bytes: usize,
        budget: f64,
        memory: &[&[f32]],
        mut body: impl FnMut() -> Result<(), AggregateFailure>,
    ) -> Result<Figures, AggregateFailure> {
        /// Repetitions, unless they take far longer than asked.
        const LEAST: usize = 3;
        const FAR: f64 = 20.0;
        // Once without the clock: a rule that has no answer says so here.
        let watch = Stopwatch::start();
        body()?;
        let (mut times, mut fastest_read) = (Vec::new(), f64::INFINITY);
        loop {
            fastest_read = fastest_read.min(seconds(|| read(memory)));
            let mut done = Ok(());
            times.push(seconds(|| done = body()).max(1e-9));
            done?;
            let elapsed = watch.seconds();
            if elapsed >= budget && (times.len() >= LEAST || elapsed >= FAR * budget) {
                break;
            }
        }
        // A slow rule leaves few turns, and one read alone may meet whatever else runs.
        fastest_read = fastest_read.min(fastest(LEAST as u32, || read(memory)));
        times.sort_by(f64::total_cmp);
        let (best, median) = (times[0], times[times.len() / 2]);
        let rate = |seconds: f64| bytes as f64 / seconds.max(1e-9) / 1e9;
        Ok(Figures {
            rule: rule.to_owned(),
            clients: self.clients,
            params: self.params,
            seconds: best,
            median_seconds: median,
            repetitions: times.len(),
            gb_per_s: rate(best),
            read_gb_per_s: rate(fastest_read),
            ratio: fastest_read.max(1e-9) / best,
            threads: rayon::current_num_threads(),
        })
    }
}
