//! FedBuff: asynchronous aggregation of a buffer of updates.
//!
//! J. Nguyen, K. Malik, H. Zhan, A. Yousefpour, M. Rabbat, M. Malek, D. Huba: "Federated Learning with Buffered Asynchronous
//! Aggregation", AISTATS 2022, algorithm 1.
//!
//! Symbols: `K` = `rounds.pace.buffer`, `M_c` = the cohort's size, `η_g` = `server_lr`, `τ_i` = the server's steps while a
//! client was at work, `s(τ) = (1 + τ)^-a` with `a` = `exponent`, `Δ_i` = a client's delta.
//!
//! Deviations: updates weigh by examples unless `weighted` is false, which is the paper's; so it is FedAvg, bit for bit, where
//! the buffer is the cohort and nothing takes time. Cost: FedAvg's.

use crate::prelude::*;

/// FedAvg of whatever has arrived, stale updates counting less.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FedBuff {
    /// Factor on the mean delta.
    #[serde(default = "one")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub server_lr: f32,
    /// How fast staleness makes an update count less; 0 for not at all.
    #[serde(default = "half")]
    #[schemars(extend("minimum" = 0, "maximum" = 10))]
    pub exponent: f32,
    /// Whether updates weigh by their clients' examples.
    #[serde(default = "yes")]
    pub weighted: bool,
}

pub(crate) fn half() -> f32 {
    0.5
}

fn yes() -> bool {
    true
}

impl Algorithm for FedBuff {
    type Server = ();
    type Client = ();
    fn name(&self) -> &'static str {
        "fedbuff"
    }
    fn client(&self, task: &mut dyn LocalTask, _: &(), _: &mut ()) -> Result<Answer, ClientError> {
        let answer = Answer::from(task.train(None)?);
        Ok(if self.weighted { answer } else { answer.unweighted() })
    }
    fn server(&self, cx: &mut ServerCx<'_>, _: &mut ()) {
        cx.step(self.server_lr);
    }
    fn staleness(&self, rounds: u64) -> f32 {
        polynomial(rounds, self.exponent)
    }
}

/// `(1 + τ)^-a`.
pub(crate) fn polynomial(rounds: u64, exponent: f32) -> f32 {
    libm::pow(1.0 + rounds as f64, -f64::from(exponent)) as f32
}
