//! q-FedAvg: clients with a high loss count more.
//!
//! T. Li, M. Sanjabi, A. Beirami, V. Smith: "Fair Resource Allocation in Federated Learning", ICLR 2020, algorithm 2.
//!
//! Symbols: `F_k` = a client's loss at the broadcast parameters, `Δw_k = L (w^t − w̄_k)`, `L` = 1 / local learning rate.
//!
//! Deviations: `Δ_k` and `h_k` are both sent divided by `L`, which their quotient does not see; then q = 0 gives the plain
//! mean to the last bit. Clients count alike, as in the paper. Cost: FedAvg's, a pass over the client's data for its
//! loss, and one number.

use crate::prelude::*;

/// Fairness: clients with a high loss count more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QFedAvg {
    /// Degree of fairness; 0 counts clients alike.
    #[schemars(extend("minimum" = 0))]
    pub q: f32,
    /// Bound on the smoothness of the loss; 1 / local learning rate in the paper.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub lipschitz: f32,
}

impl Algorithm for QFedAvg {
    type Server = ();
    type Client = ();
    fn name(&self) -> &'static str {
        "qfedavg"
    }
    fn contents(&self, _clients: u64) -> Contents {
        Contents { blocks: 1, numbers: 1 }
    }
    fn client(&self, task: &mut dyn LocalTask, _: &(), _: &mut ()) -> Result<Answer, ClientError> {
        let (q, lipschitz) = (f64::from(self.q), f64::from(self.lipschitz));
        // A loss of exactly 0 would have no negative power.
        let loss = task.loss(&task.start()).max(1e-10);
        let mut trained = task.train(None)?;
        let norm = trained.delta.norm();
        let factor = libm::pow(loss, q);
        let h = q * libm::pow(loss, q - 1.0) * lipschitz * norm * norm + factor;
        for d in trained.delta.values_mut() {
            *d *= factor as f32;
        }
        Ok(Answer::from(trained).number(h as f32).unweighted())
    }
    fn server(&self, cx: &mut ServerCx<'_>, _: &mut ()) {
        cx.step(1.0 / cx.mean.numbers[0]);
    }
}
