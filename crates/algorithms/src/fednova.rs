//! FedNova: clients that take more local steps do not pull the mean towards themselves.
//!
//! J. Wang, Q. Liu, H. Liang, G. Joshi, H. V. Poor: "Tackling the Objective Inconsistency Problem in Heterogeneous Federated
//! Optimization", NeurIPS 2020, section 4, with plain SGD as the local solver: `a_i` is all ones.
//!
//! Symbols: `p_i` = weights, `τ_i` = `steps`, `d_i` = a client's delta over its steps, `τ_eff = Σ p_i τ_i`.
//!
//! Deviations: `p_i` is relative to the round's cohort. Cost: FedAvg's and one number.

use crate::prelude::*;

/// FedAvg over deltas divided by their number of local steps; local steps have to be plain SGD.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FedNova {
    /// Factor on the mean delta; 1 in the paper.
    #[serde(default = "one")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub server_lr: f32,
}

impl Algorithm for FedNova {
    type Server = ();
    type Client = ();
    fn name(&self) -> &'static str {
        "fednova"
    }
    fn plain_sgd(&self) -> bool {
        true
    }
    fn contents(&self, _clients: u64) -> Contents {
        Contents { blocks: 1, numbers: 1 }
    }
    fn client(&self, task: &mut dyn LocalTask, _: &(), _: &mut ()) -> Result<Answer, ClientError> {
        let mut trained = task.train(None)?;
        let steps = trained.steps as f32;
        for d in trained.delta.values_mut() {
            *d /= steps;
        }
        Ok(Answer::from(trained).number(steps))
    }
    fn server(&self, cx: &mut ServerCx<'_>, _: &mut ()) {
        cx.step(self.server_lr * cx.mean.numbers[0]);
    }
}
