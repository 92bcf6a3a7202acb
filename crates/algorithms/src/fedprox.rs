//! FedProx: local training is held near the broadcast parameters.
//!
//! T. Li, A. K. Sahu, M. Zaheer, M. Sanjabi, A. Talwalkar, V. Smith: "Federated Optimization in Heterogeneous
//! Networks", MLSys 2020, algorithm 2. Symbols: `w^t` = `step.start`, `w` = `step.params`, `∇F_k(w)` = `gradient`.
//!
//! Deviations: the inexact minimiser is a fixed number of local epochs, and clients are weighted by their examples.
//! The pull `μ (w − w^t)` is zero on rows that the client does not touch: the cost is FedAvg's and one more pass over the
//! client's rows at each step.

use crate::prelude::*;

/// FedAvg with a pull that holds local training near the broadcast parameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FedProx {
    /// Strength μ of the pull; 0 is FedAvg.
    #[schemars(extend("minimum" = 0))]
    pub mu: f32,
    /// Factor on the mean delta; 1 in the paper.
    #[serde(default = "one")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub server_lr: f32,
}

impl Algorithm for FedProx {
    type Server = ();
    type Client = ();
    fn name(&self) -> &'static str {
        "fedprox"
    }
    fn client(&self, task: &mut dyn LocalTask, _: &(), _: &mut ()) -> Result<Answer, ClientError> {
        let pull: &mut Adjust<'_> = &mut |step, gradient| {
            for ((g, w), w_t) in gradient.iter_mut().zip(step.params).zip(step.start) {
                *g += self.mu * (w - w_t);
            }
        };
        Ok(task.train((self.mu > 0.0).then_some(pull))?.into())
    }
    fn server(&self, cx: &mut ServerCx<'_>, _: &mut ()) {
        cx.step(self.server_lr);
    }
}
