//! Sums over the rounds of a run, and whether it still gains.

use crate::config::Config;
use crate::experiment::record::Record;
use crate::experiment::summary::Reached;
use sottovoce_simulation::world::{Micros, SECOND};
use sottovoce_simulation::{RoundReport, Times};
use std::collections::BTreeMap;

/// Sums over rounds.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) bytes_up: u64,
    pub(crate) bytes_down: u64,
    pub(crate) dropped: u64,
    pub(crate) rejected: u64,
    /// Answers that counted.
    pub(crate) updates: u64,
    /// Rounds without a step although clients answered.
    pub(crate) skipped: u64,
    /// Virtual time.
    now: Option<Micros>,
    /// Accepted updates that were stale.
    pub(crate) stale: u64,
    /// Configured accuracies that have been reached.
    pub(crate) reached: Vec<Reached>,
    /// Training examples and rounds of each client that was in an aggregate.
    pub(crate) participants: BTreeMap<u64, (u64, u64)>,
    pub(crate) round_seconds: f64,
    pub(crate) asked_here: u64,
    pub(crate) first_round_seconds: f64,
    /// The highest accuracy so far, and the one that the next gain is over.
    highest: Option<f64>,
    best: f64,
    without_gain: u64,
}

impl Totals {
    /// Sums over the rounds that a resumed record holds already.
    pub(crate) fn of(record: &mut Record, config: &Config) -> Self {
        let mut totals = Self::default();
        record.replay(|line| {
            totals.bytes_up += line.bytes_up;
            totals.bytes_down += line.bytes_down;
            totals.dropped += line.dropped;
            totals.rejected += line.rejected.values().sum::<u64>();
            totals.updates += line.accepted.len() as u64;
            totals.skipped += u64::from(line.skipped.is_some());
            totals.time(line.time);
            for (client, examples) in &line.accepted {
                let entry = totals.participants.entry(*client).or_default();
                *entry = (*examples, entry.1 + 1);
            }
            if let Some(accuracy) = line.accuracy {
                totals.watch(accuracy, line.round, config);
            }
        });
        totals
    }
    /// Another round.
    pub(crate) fn add(&mut self, report: &RoundReport) {
        self.bytes_up += report.bytes_up;
        self.bytes_down += report.bytes_down;
        self.dropped += report.dropped.len() as u64;
        self.rejected += report.rejected.len() as u64;
        self.updates += report.accepted.len() as u64;
        self.skipped += u64::from(report.skipped.is_some());
        self.time(report.time);
        for a in &report.accepted {
            let entry = self.participants.entry(a.client.0).or_default();
            *entry = (a.weight, entry.1 + 1);
        }
    }
    fn time(&mut self, time: Option<Times>) {
        if let Some(time) = time {
            self.now = Some(time.ended);
            self.stale += time.stale;
        }
    }
    /// Virtual seconds, where there are any.
    pub(crate) fn virtual_seconds(&self) -> Option<f64> {
        self.now.map(|now| now as f64 / SECOND as f64)
    }
    /// Training examples of all clients that took part.
    pub(crate) fn examples(&self) -> u64 {
        self.participants.values().map(|(examples, _)| examples).sum()
    }
    /// Takes note of an evaluation after `round`, for early stopping and for the targets; whether it is the best so far.
    pub(crate) fn watch(&mut self, accuracy: f64, round: u64, config: &Config) -> bool {
        for target in &config.evaluation.targets {
            if accuracy >= *target && self.reached.iter().all(|r| r.accuracy != *target) {
                self.reached.push(Reached {
                    accuracy: *target,
                    rounds: round + 1,
                    bytes_up: self.bytes_up,
                    bytes_down: self.bytes_down,
                    virtual_seconds: self.virtual_seconds(),
                });
            }
        }
        let highest = self.highest.is_none_or(|highest| accuracy > highest);
        if highest {
            self.highest = Some(accuracy);
        }
        let Some(stopping) = config.rounds.early_stopping else { return highest };
        if accuracy > self.best + stopping.min_gain {
            self.best = accuracy;
            self.without_gain = 0;
        } else {
            self.without_gain += 1;
        }
        highest
    }
    /// Whether evaluations have gone without a gain for as long as early stopping waits.
    pub(crate) fn stalled(&self, config: &Config) -> bool {
        config.rounds.early_stopping.is_some_and(|stopping| self.without_gain >= stopping.patience)
    }
}
