//! How good predictions are: accuracy, macro-F1, calibration, and how evenly clients are served.

use crate::update::EvaluationCounts;
use serde::{Deserialize, Serialize};

/// One classified example.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The true class.
    pub label: u32,
    /// The class with the highest probability, the first of equals.
    pub predicted: u32,
    /// That probability.
    pub confidence: f32,
}

/// Figures over some predictions. All are in [0, 1]; all are 0 for no predictions.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Evaluation {
    /// Number of predictions.
    pub examples: u64,
    /// Share of right ones.
    pub accuracy: f64,
    /// Mean of the classes' F1; classes that are neither true nor predicted anywhere are left out.
    pub macro_f1: f64,
    /// Expected calibration error in 15 bins of equal width (Guo, Pleiss, Sun, Weinberger, ICML 2017).
    pub ece: f64,
}

/// Bins of the calibration error.
const BINS: usize = 15;

impl Evaluation {
    /// Figures over predictions of `classes` classes.
    pub fn of(predictions: &[Prediction], classes: usize) -> Self {
        if predictions.is_empty() {
            return Self::default();
        }
        let mut right = vec![0u64; classes];
        let mut wrong = vec![0u64; classes]; // predicted, but not true, plus true, but not predicted
        let mut bins = [(0u64, 0u64, 0.0f64); BINS];
        for p in predictions {
            if p.label == p.predicted {
                right[p.label as usize] += 1;
            } else {
                wrong[p.label as usize] += 1;
                wrong[p.predicted as usize] += 1;
            }
            let bin = &mut bins[((p.confidence * BINS as f32) as usize).min(BINS - 1)];
            bin.0 += 1;
            bin.1 += u64::from(p.label == p.predicted);
            bin.2 += f64::from(p.confidence);
        }
        let n = predictions.len() as f64;
        let correct: u64 = right.iter().sum();
        let (mut f1, mut present) = (0.0, 0u64);
        for (r, w) in right.iter().zip(&wrong).filter(|(r, w)| **r + **w > 0) {
            f1 += 2.0 * *r as f64 / (2 * r + w) as f64;
            present += 1;
        }
        let mut gaps = 0.0;
        for (_, correct, confidence) in bins {
            gaps += (correct as f64 - confidence).abs();
        }
        Self {
            examples: predictions.len() as u64,
            accuracy: correct as f64 / n,
            macro_f1: f1 / present as f64,
            ece: gaps / n,
        }
    }
}

/// Share of the examples of `class` that are recognised; `None` if there is none.
pub fn recall(predictions: &[Prediction], class: u32) -> Option<f64> {
    let (mut examples, mut right) = (0u64, 0u64);
    for p in predictions.iter().filter(|p| p.label == class) {
        examples += 1;
        right += u64::from(p.predicted == class);
    }
    (examples > 0).then(|| right as f64 / examples as f64)
}

/// How accuracy spreads over clients, each on its own held-out examples; clients without any do not count.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OverClients {
    /// Clients with held-out examples.
    pub clients: u64,
    /// Mean accuracy, every client counting the same.
    pub mean: f64,
    /// Accuracy of the worst client.
    pub worst: f64,
    /// The accuracy that a tenth of the clients do not exceed (nearest rank).
    pub p10: f64,
    /// Standard deviation over clients.
    pub spread: f64,
}

impl OverClients {
    /// Figures over clients' counts; `None` if no client has held-out examples.
    pub fn of(counts: &[EvaluationCounts]) -> Option<Self> {
        let with = counts.iter().filter(|c| c.examples > 0);
        let mut accuracies: Vec<f64> = with.map(|c| c.correct as f64 / c.examples as f64).collect();
        accuracies.sort_unstable_by(f64::total_cmp);
        let worst = *accuracies.first()?;
        let n = accuracies.len() as f64;
        let mut mean = 0.0;
        for a in &accuracies {
            mean += a / n;
        }
        let mut variance = 0.0;
        for a in &accuracies {
            variance += (a - mean) * (a - mean) / n;
        }
        let rank = accuracies.len().div_ceil(10);
        let p10 = accuracies[rank - 1];
        Some(Self { clients: accuracies.len() as u64, mean, worst, p10, spread: variance.sqrt() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ClientId;

    /// Independent generator: scikit-learn 1.x `accuracy_score`, `f1_score(average="macro")` on these labels
    /// (5 of 7; F1 of the three classes that occur 0.8, 2/3, 2/3); calibration worked out by hand.
    #[test]
    fn figures_are_those_of_scikit_learn() {
        let labels = [0, 0, 0, 1, 1, 2, 2];
        let predicted = [0, 0, 1, 1, 1, 2, 0];
        let confidence = [0.9, 0.9, 0.5, 0.5, 0.5, 1.0, 0.1];
        let all: Vec<Prediction> = (0..7)
            .map(|i| Prediction { label: labels[i], predicted: predicted[i], confidence: confidence[i] })
            .collect();
        let e = Evaluation::of(&all, 5);
        assert_eq!(e.examples, 7);
        assert!((e.accuracy - 5.0 / 7.0).abs() < 1e-12);
        assert!((e.macro_f1 - (2.0 / 3.0 + 0.8 + 2.0 / 3.0) / 3.0).abs() < 1e-12);
        assert!((e.ece - (0.2 + 0.5 + 0.0 + 0.1) / 7.0).abs() < 1e-6);
        assert_eq!(recall(&all, 2), Some(0.5));
        assert_eq!(recall(&all, 4), None);
        assert_eq!(Evaluation::of(&[], 5), Evaluation::default());
    }

    #[test]
    fn spread_over_clients_counts_clients_not_examples() {
        let counts: Vec<EvaluationCounts> = [(0u64, 0u64), (10, 5), (1000, 1000), (4, 3)]
            .into_iter()
            .zip(0..)
            .map(|((examples, correct), c)| EvaluationCounts {
                client: ClientId(c),
                round: 0,
                examples,
                correct,
            })
            .collect();
        let over = OverClients::of(&counts).unwrap();
        assert_eq!((over.clients, over.mean, over.worst, over.p10), (3, 0.75, 0.5, 0.5));
        assert!((over.spread - (0.125f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(OverClients::of(&counts[..1]), None);
    }
}
