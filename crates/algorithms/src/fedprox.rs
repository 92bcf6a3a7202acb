//! FedProx: local training is held near the broadcast parameters.
//!
//! T. Li, A. K. Sahu, M. Zaheer, M. Sanjabi, A. Talwalkar, V. Smith: "Federated Optimization in Heterogeneous
//! Networks", MLSys 2020, algorithm 2.
//!
//! | symbol | here |
//! |---|---|
//! | `μ` | `mu` |
//! | `w^t` | `step.start` |
//! | `w` | `step.params` |
//! | `∇F_k(w)` | `gradient` |
//!
//! Deviations: as usual, the inexact minimiser is a fixed number of local epochs, and clients are weighted by
//! their examples as in FedAvg. The pull `μ (w − w^t)` is zero on rows that the client does not touch, so the cost
//! is FedAvg's plus one pass over the client's rows at each step.

use crate::fedavg::FedAvg;
use sottovoce_core::{Aggregate, Algorithm, ClientError, LocalTask, Params, Step, Trained};

/// FedProx with strength `mu`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FedProx {
    /// Strength of the pull, at least 0; 0 is FedAvg.
    pub mu: f32,
    /// Factor on the mean delta; 1 in the paper.
    pub server_lr: f32,
}

impl Algorithm for FedProx {
    type Server = ();
    fn name(&self) -> &'static str {
        "fedprox"
    }
    fn start(&self, _params: &Params) {}
    fn client(&self, task: &mut dyn LocalTask, _server: &()) -> Result<Trained, ClientError> {
        let mu = self.mu;
        if mu == 0.0 {
            return task.train(None);
        }
        task.train(Some(&mut |step: &Step<'_>, gradient: &mut [f32]| {
            for ((g, w), w_t) in gradient.iter_mut().zip(step.params).zip(step.start) {
                *g += mu * (w - w_t);
            }
        }))
    }
    fn server(&self, params: &mut Params, server: &mut (), mean: &Aggregate) {
        FedAvg { server_lr: self.server_lr }.server(params, server, mean);
    }
}
