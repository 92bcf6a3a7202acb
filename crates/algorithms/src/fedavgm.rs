//! FedAvgM: server momentum.
//!
//! T.-M. H. Hsu, H. Qi, M. Brown: "Measuring the Effects of Non-Identical Data Distribution for Federated Visual
//! Classification", 2019, section 4.3. Symbols: `β` = `beta`, `v` = the server's state, `Δw` = the mean delta.
//!
//! Deviations: none. Cost: a client's is FedAvg's; the server keeps a number for each parameter, and its step is
//! dense, as the mathematics is: the velocity moves rows that nobody sent, too.

use crate::prelude::*;

/// FedAvg whose server carries on in the direction of earlier rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FedAvgM {
    /// Share of the velocity that stays from round to round; 0 is FedAvg.
    #[serde(default = "beta")]
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    pub beta: f32,
    /// Factor on the velocity.
    #[serde(default = "one")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub server_lr: f32,
}

fn beta() -> f32 {
    0.9
}

impl Algorithm for FedAvgM {
    type Server = Values;
    type Client = ();
    fn name(&self) -> &'static str {
        "fedavgm"
    }
    fn client(&self, task: &mut dyn LocalTask, _: &Values, _: &mut ()) -> Result<Answer, ClientError> {
        Ok(task.train(None)?.into())
    }
    fn server(&self, cx: &mut ServerCx<'_>, velocity: &mut Values) {
        if self.beta == 0.0 {
            return cx.step(self.server_lr);
        }
        let Self { beta, server_lr } = *self;
        cx.each([velocity.at_least(cx.params.values().len())], |x, d, [v]| {
            *v = beta * *v + d;
            *x += server_lr * *v;
        });
    }
}
