//! FedDyn: a dynamic regulariser that makes the minima of clients and server agree.
//!
//! D. A. E. Acar, Y. Zhao, R. Matas, M. Mattina, P. Whatmough, V. Saligrama: "Federated Learning Based on Dynamic
//! Regularization", ICLR 2021, algorithm 1.
//!
//! Symbols: `α` = `alpha`, `∇L_k(θ_k^{t−1})` = a client's state, `h` = the server's, `m` = `clients`, `|P_t|` = `updates`.
//!
//! Deviations: the inexact minimiser is a fixed number of local epochs. Clients count alike, as in the paper. A client's state
//! moves by its delta as it was sent, so that `h` stays the mean of all states, whatever transforms do. On rows that a client
//! does not touch its state stays 0. Cost: one more pass over the client's rows at each step, a state of
//! their size; the server keeps a number for each parameter and its step is dense.

use crate::prelude::*;

/// A dynamic regulariser for each client; clients count alike.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FedDyn {
    /// Strength α of the regulariser; 0.001 to 0.1 in the paper.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub alpha: f32,
}

impl Algorithm for FedDyn {
    type Server = Values;
    type Client = Values;
    fn name(&self) -> &'static str {
        "feddyn"
    }
    fn client(&self, task: &mut dyn LocalTask, _: &Values, own: &mut Values) -> Result<Answer, ClientError> {
        let alpha = self.alpha;
        let memory = &*own.at_least(task.start().len());
        let trained = task.train(Some(&mut |step, gradient| {
            let place = gradient.iter_mut().zip(memory).zip(step.params.iter().zip(step.start));
            for ((g, memory), (p, s)) in place {
                *g += alpha * (p - s) - memory;
            }
        }))?;
        Ok(Answer::from(trained).unweighted())
    }
    fn sent(&self, task: &dyn LocalTask, sent: &Answer, own: &mut Values) {
        task.add(own, -self.alpha, &sent.blocks[0].1);
    }
    fn server(&self, cx: &mut ServerCx<'_>, h: &mut Values) {
        h.add_scaled(-self.alpha * (cx.mean.updates as f32 / cx.clients as f32), cx.mean.delta());
        cx.step(1.0);
        cx.add(-1.0 / self.alpha, h);
    }
}
