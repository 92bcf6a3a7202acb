//! FedLin: local gradients are corrected by the mean gradient of all, which a first exchange has gathered.
//!
//! A. Mitra, R. Jaafar, G. J. Pappas, H. Hassani: "Linear Convergence in Federated Learning: Tackling Client Heterogeneity
//! and Sparse Gradients", NeurIPS 2021, algorithm 1.
//!
//! Symbols: `g` = mean of the clients' gradients at the broadcast `x`, `y` = local parameters, `τ_i` = local steps,
//! `y ← y − (η / τ_i) (∇f_i(y) − ∇f_i(x) + g)`.
//!
//! Deviations: gradients are of batches, both of the same, where the paper has all of a client's data; clients are weighted by
//! their examples; no sparsification. Where a client touches no row, `y` moves by a multiple of `g`; the server adds that
//! (see `scaffold.rs`). Cost: two exchanges, a pass over the client's data before training, twice the gradients in it.

use crate::prelude::*;

/// Every client steps along the gradient of all, which a first exchange gathers, corrected by how its own changes; a client's
/// rate is divided by its number of steps. Local steps have to be plain SGD.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FedLin {
    /// Factor on the mean delta; 1 in the paper.
    #[serde(default = "one")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub server_lr: f32,
}

impl Algorithm for FedLin {
    type Server = Values;
    type Client = ();
    fn name(&self) -> &'static str {
        "fedlin"
    }
    fn plain_sgd(&self) -> bool {
        true
    }
    fn preliminary(&self, _clients: u64) -> Vec<Contents> {
        vec![Contents::DELTA]
    }
    fn contents(&self, _clients: u64) -> Contents {
        Contents { blocks: 1, numbers: 1 }
    }
    fn news(&self, g: &Values) -> u64 {
        g.len() as u64
    }
    fn prepare(
        &self,
        _: Exchange,
        task: &mut dyn LocalTask,
        _: &Values,
        _: &(),
    ) -> Result<Answer, ClientError> {
        gradient(task)
    }
    fn gathered(&self, _: Exchange, mean: &Mean<'_>, g: &mut Values) {
        g.add_scaled(1.0, mean.delta());
    }
    fn client(&self, task: &mut dyn LocalTask, g: &Values, _: &mut ()) -> Result<Answer, ClientError> {
        let (all, share) = (task.gather(g), 1.0 / task.steps() as f32);
        let mut trained = task.train(Some(&mut |step, gradient| corrected(step, gradient, &all, share)))?;
        let rates = trained.rates * share;
        add(trained.delta.values_mut(), rates, &all);
        Ok(Answer::from(trained).number(rates))
    }
    fn server(&self, cx: &mut ServerCx<'_>, g: &mut Values) {
        cx.step(self.server_lr);
        cx.add(-self.server_lr * cx.mean.numbers[0], g);
        g.0.clear();
    }
}
