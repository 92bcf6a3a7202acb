//! MimeLite: clients step with the server's momentum, which local data do not change.
//!
//! S. P. Karimireddy, M. Jaggi, S. Kale, M. Mohri, S. Reddi, S. Stich, A. T. Suresh: "Breaking the centralized barrier
//! for cross-device federated learning", NeurIPS 2021, algorithm 1 (MimeLite) with SGD and momentum as the base.
//!
//! Symbols: `m` = momentum, `β` = `beta`, `x` = broadcast, `y` = local parameters.
//!
//! Deviations: clients are weighted by their examples. Where a client touches no row, its parameters move by a
//! multiple of the momentum; the server adds that (see `scaffold.rs`). Mime itself, which corrects local gradients by the
//! mean gradient of the same cohort, is `mime.rs`.
//! Cost: two blocks up, and a pass over the client's data for its gradient.

use crate::prelude::*;

/// Clients step with the server's momentum, which follows the gradients at the broadcast parameters. Local steps have
/// to be plain SGD.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MimeLite {
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

impl Algorithm for MimeLite {
    type Server = Values;
    type Client = ();
    fn name(&self) -> &'static str {
        "mimelite"
    }
    fn plain_sgd(&self) -> bool {
        true
    }
    fn contents(&self, _clients: u64) -> Contents {
        Contents { blocks: 2, numbers: 1 }
    }
    fn broadcast(&self, m: &Values) -> u64 {
        m.len() as u64
    }
    fn client(&self, task: &mut dyn LocalTask, m: &Values, _: &mut ()) -> Result<Answer, ClientError> {
        let beta = self.beta;
        let mut kept = task.gather(m);
        kept.iter_mut().for_each(|m| *m *= beta);
        let mut trained = task.train(Some(&mut |_, gradient| {
            for (g, kept) in gradient.iter_mut().zip(&kept) {
                *g = (1.0 - beta) * *g + kept;
            }
        }))?;
        let rates = trained.rates;
        add(trained.delta.values_mut(), rates, &kept);
        let gradient = task.gradient(&task.start());
        let gradient = task.block(gradient);
        Ok(Answer::from(trained).block(gradient).number(rates))
    }
    fn server(&self, cx: &mut ServerCx<'_>, m: &mut Values) {
        cx.step(self.server_lr);
        cx.add(-self.server_lr * cx.mean.numbers[0] * self.beta, m);
        m.scale(self.beta);
        m.add_scaled(1.0 - self.beta, &cx.mean.blocks[1]);
    }
}
