//! What the accepted updates of a round have in common, summed in the order of the clients.

use crate::report::Accepted;

/// Examples and loss of a round's accepted updates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CohortSummary {
    /// Training examples.
    pub examples: u64,
    /// Mean training loss by example, in nats; 0 without examples.
    pub loss: f64,
}

impl CohortSummary {
    /// Sums in the given order, which is that of the clients.
    pub fn of(accepted: &[Accepted]) -> Self {
        let (mut examples, mut loss) = (0, 0.0);
        for a in accepted {
            examples += a.weight;
            loss += a.weight as f64 * f64::from(a.loss);
        }
        Self { examples, loss: if examples == 0 { 0.0 } else { loss / examples as f64 } }
    }
}
