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
        let mut bins = [(0u64, 0.0f64); BINS];
        for p in predictions {
            if p.label == p.predicted {
                right[p.label as usize] += 1;
            } else {
                wrong[p.label as usize] += 1;
                wrong[p.predicted as usize] += 1;
            }
            let bin = &mut bins[((p.confidence * BINS as f32) as usize).min(BINS - 1)];
            bin.0 += u64::from(p.label == p.predicted);
            bin.1 += f64::from(p.confidence);
        }
        let n = predictions.len() as f64;
        let correct: u64 = right.iter().sum();
        let (mut f1, mut present) = (0.0, 0u64);
        for (r, w) in right.iter().zip(&wrong).filter(|(r, w)| **r + **w > 0) {
            f1 += 2.0 * *r as f64 / (2 * r + w) as f64;
            present += 1;
        }
        let mut gaps = 0.0;
        for (correct, confidence) in bins {
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
        assert_eq!([0, 1, 2].map(|class| recall(&all, class)), [Some(2.0 / 3.0), Some(1.0), Some(0.5)]);
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

    /// One prediction in the middle of each of fifteen bins, right in every other one, and one that is sure: by hand, from
    /// the definition, Σ |right - confidence| as every bin has its own. Other bins would add what has opposite signs.
    #[test]
    fn calibration_has_fifteen_bins_of_equal_width() {
        let mut all: Vec<Prediction> = (0..15)
            .map(|bin| Prediction { label: bin % 2, predicted: 0, confidence: (2 * bin + 1) as f32 / 30.0 })
            .collect();
        let mut gaps = 0.0;
        for bin in 0..15 {
            let confidence = f64::from(2 * bin + 1) / 30.0;
            gaps += if bin % 2 == 0 { 1.0 - confidence } else { confidence };
        }
        assert!((Evaluation::of(&all, 2).ece - gaps / 15.0).abs() < 1e-6);
        // Sure and wrong, in the last bin, with the one of 29/30 that is right there: |1 - 29/30 - 1|.
        all.push(Prediction { label: 1, predicted: 0, confidence: 1.0 });
        let gaps = gaps - 1.0 / 30.0 + 29.0 / 30.0;
        assert!((Evaluation::of(&all, 2).ece - gaps / 16.0).abs() < 1e-6);
        // Both ends of the fourth bin, one right, one wrong, cancel: 1 - 0.21 - 0.26.
        let pair = [(0, 0.21), (1, 0.26)];
        let pair = pair.map(|(label, confidence)| Prediction { label, predicted: 0, confidence });
        assert!((Evaluation::of(&pair, 2).ece - (1.0 - 0.47) / 2.0).abs() < 1e-6);
    }

    /// By hand, with 2 TP / (2 TP + FP + FN): a class that is only predicted, and one that is never recognised, count 0.
    #[test]
    fn f1_counts_classes_that_are_true_or_predicted() {
        let of = |pairs: &[(u32, u32)]| {
            let all: Vec<Prediction> = pairs
                .iter()
                .map(|(label, predicted)| Prediction {
                    label: *label,
                    predicted: *predicted,
                    confidence: 0.5,
                })
                .collect();
            Evaluation::of(&all, 9).macro_f1
        };
        // 0: 2 of 2 + 1 missed; 5 is predicted only; 7 is true only, as 0.
        let f1 = of(&[(0, 0), (0, 0), (0, 5), (7, 0)]);
        assert!((f1 - (4.0 / 6.0 + 0.0 + 0.0) / 3.0).abs() < 1e-12, "{f1}");
        assert_eq!(of(&[(3, 3)]), 1.0);
        assert_eq!(of(&[(3, 4)]), 0.0);
    }

    /// Accuracies 1/n, 2/n ... in any order, so that the rank can be read: for 1 to 10 clients it is the first, for 11 to 20
    /// the second, for 21 to 25 the third; by its definition the smallest that a tenth of the clients do not exceed.
    #[test]
    fn the_tenth_percentile_has_the_nearest_rank() {
        for n in 1..=25u64 {
            let counts: Vec<EvaluationCounts> = (0..n)
                .map(|c| EvaluationCounts {
                    client: ClientId(c),
                    round: 0,
                    examples: n,
                    correct: 1 + c * 7 % n,
                })
                .map(|c| if n % 7 == 0 { EvaluationCounts { correct: c.client.0 + 1, ..c } } else { c })
                .collect();
            let over = OverClients::of(&counts).unwrap();
            let rank = match n {
                1..=10 => 1,
                11..=20 => 2,
                _ => 3,
            };
            assert_eq!(over.p10, rank as f64 / n as f64, "{n}");
            let reached = |v: u64| 10 * counts.iter().filter(|c| c.correct <= v).count() as u64 >= n;
            assert_eq!((1..=n).find(|v| reached(*v)), Some(rank), "{n}");
            assert_eq!((over.clients, over.worst), (n, 1.0 / n as f64));
            // Of 1 … n: mean (n + 1) / 2, variance (n² - 1) / 12.
            let (size, square) = (n as f64, (n * n) as f64);
            assert!((over.mean - (size + 1.0) / 2.0 / size).abs() < 1e-12);
            assert!((over.spread - ((square - 1.0) / 12.0).sqrt() / size).abs() < 1e-12);
        }
    }
}
