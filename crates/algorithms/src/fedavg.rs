//! Federated averaging.
//!
//! B. McMahan, E. Moore, D. Ramage, S. Hampson, B. Agüera y Arcas: "Communication-Efficient Learning of Deep
//! Networks from Decentralized Data", AISTATS 2017, algorithm 1.
//!
//! | symbol | here |
//! |---|---|
//! | `w_t` | `params` |
//! | `w_{t+1}^k − w_t` | a client's `delta` |
//! | `n_k` | a client's weight: its number of examples |
//! | `m_t` | sum of the cohort's weights |
//!
//! Deviations: clients send the difference, not the new parameters, and the server may scale its mean by a rate
//! (Reddi et al., "Adaptive Federated Optimization", ICLR 2021, section 2); rate 1 is the paper's. Cost: a
//! client's local training; upload of the rows that it touches; server memory of one model.

use sottovoce_core::{Aggregate, Algorithm, ClientError, LocalTask, Params, Trained};

/// Federated averaging with a server learning rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FedAvg {
    /// Factor on the mean delta; 1 in the paper.
    pub server_lr: f32,
}

impl Algorithm for FedAvg {
    type Server = ();
    fn name(&self) -> &'static str {
        "fedavg"
    }
    fn start(&self, _params: &Params) {}
    fn client(&self, task: &mut dyn LocalTask, _server: &()) -> Result<Trained, ClientError> {
        task.train(None)
    }
    fn server(&self, params: &mut Params, _server: &mut (), mean: &Aggregate) {
        params.add_scaled(self.server_lr, &mean.delta);
    }
}
