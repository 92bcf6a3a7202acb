//! Mime: clients step with the server's momentum, and their gradients are corrected by that of the cohort.
//!
//! S. P. Karimireddy, M. Jaggi, S. Kale, M. Mohri, S. Reddi, S. Stich, A. T. Suresh: "Breaking the centralized barrier
//! for cross-device federated learning", NeurIPS 2021, algorithm 1 (Mime) with SGD and momentum as the base.
//!
//! Symbols: `c` = mean of the cohort's gradients at the broadcast `x`, `s` = momentum, `β` = `beta`, `y` = local parameters,
//! `y ← y − η ((1 − β) (∇f_i(y) − ∇f_i(x) + c) + β s)`, `s ← (1 − β) c + β s`.
//!
//! Deviations: clients are weighted by their examples. The new `s` is what a step has beside the client's own gradients, so the
//! server makes it of `c` before the clients train, and sends it alone. Where a client touches no row, `y` moves by a multiple
//! of it; the server adds that (see `scaffold.rs`). Cost: two exchanges, a pass over the client's data before training, twice
//! the gradients in it.

use crate::prelude::*;

/// Clients step with the server's momentum along the gradient of the cohort, which a first exchange gathers, corrected by how
/// their own changes. Local steps have to be plain SGD.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mime {
    /// Share of the momentum that stays from round to round.
    #[serde(default = "beta")]
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    pub beta: f32,
    /// Factor on the mean delta; 1 in the paper.
    #[serde(default = "one")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub server_lr: f32,
}

fn beta() -> f32 {
    0.9
}

impl Algorithm for Mime {
    type Server = Values;
    type Client = ();
    fn name(&self) -> &'static str {
        "mime"
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
    fn news(&self, s: &Values) -> u64 {
        s.len() as u64
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
    fn gathered(&self, _: Exchange, mean: &Mean<'_>, s: &mut Values) {
        s.scale(self.beta);
        s.add_scaled(1.0 - self.beta, mean.delta());
    }
    fn client(&self, task: &mut dyn LocalTask, s: &Values, _: &mut ()) -> Result<Answer, ClientError> {
        let (own, share) = (task.gather(s), 1.0 - self.beta);
        let mut trained = task.train(Some(&mut |step, gradient| {
            corrected(step, gradient, &[], share);
            add(gradient, 1.0, &own);
        }))?;
        let rates = trained.rates;
        add(trained.delta.values_mut(), rates, &own);
        Ok(Answer::from(trained).number(rates))
    }
    fn server(&self, cx: &mut ServerCx<'_>, s: &mut Values) {
        cx.step(self.server_lr);
        cx.add(-self.server_lr * cx.mean.numbers[0], s);
    }
}
