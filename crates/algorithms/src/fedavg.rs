//! Federated averaging.
//!
//! B. McMahan, E. Moore, D. Ramage, S. Hampson, B. Agüera y Arcas: "Communication-Efficient Learning of Deep
//! Networks from Decentralized Data", AISTATS 2017, algorithm 1.
//!
//! Symbols: `w_t` = `params`, `w_{t+1}^k − w_t` = a client's delta, `n_k` = its weight, its number of examples.
//!
//! Deviations: clients send the difference, not the new parameters, and the server may scale its mean by a rate
//! (Reddi et al., "Adaptive Federated Optimization", ICLR 2021, section 2); rate 1 is the paper's. Cost: a
//! client's local training; upload of the rows that it touches; server memory of one model.

use crate::prelude::*;

/// The mean of the clients' parameters becomes the new model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FedAvg {
    /// Factor on the mean delta; 1 in the paper.
    #[serde(default = "one")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub server_lr: f32,
}

impl Default for FedAvg {
    fn default() -> Self {
        Self { server_lr: 1.0 }
    }
}

impl Algorithm for FedAvg {
    type Server = ();
    type Client = ();
    fn name(&self) -> &'static str {
        "fedavg"
    }
    fn client(&self, task: &mut dyn LocalTask, _: &(), _: &mut ()) -> Result<Answer, ClientError> {
        Ok(task.train(None)?.into())
    }
    fn server(&self, cx: &mut ServerCx<'_>, _: &mut ()) {
        cx.step(self.server_lr);
    }
}
