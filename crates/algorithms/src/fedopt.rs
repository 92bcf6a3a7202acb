//! FedOpt: the server takes the mean delta for a gradient and steps with Adagrad, Adam or Yogi.
//!
//! S. Reddi, Z. Charles, M. Zaheer, Z. Garrett, K. Rush, J. Konečný, S. Kumar, B. McMahan: "Adaptive Federated
//! Optimization", ICLR 2021, algorithm 2 (FedAdagrad, FedAdam, FedYogi) and 1 (a server's SGD).
//!
//! Symbols: `Δ_t` = the mean delta, `m_t`, `v_t` = the server's state, `η` = `server_lr`, `τ` = `tau`. `v` starts at `τ²`.
//!
//! Deviations: clients are weighted by their examples, as in the paper's experiments. Without bias correction, as in the
//! paper. Cost: a client's is FedAvg's; the server keeps two numbers for each parameter and its step is dense.

use crate::prelude::*;

/// FedAvg whose server steps with an adaptive optimiser: FedAdagrad, FedAdam, FedYogi.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FedOpt {
    /// How the second moment is kept.
    pub optimiser: ServerOptimiser,
    /// Server learning rate η.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub server_lr: f32,
    /// Share of the first moment that stays.
    #[serde(default = "beta1")]
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    pub beta1: f32,
    /// Share of the second moment that stays; Adagrad has none.
    #[serde(default = "beta2")]
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    pub beta2: f32,
    /// Degree of adaptivity: the smaller, the more.
    #[serde(default = "tau")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub tau: f32,
}

/// The server's optimiser.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerOptimiser {
    /// `x ← x + η Δ`, which is FedAvg with a rate.
    Sgd,
    /// `v ← v + Δ²`.
    Adagrad,
    /// `v ← β₂ v + (1 − β₂) Δ²`.
    Adam,
    /// `v ← v − (1 − β₂) Δ² sign(v − Δ²)`.
    Yogi,
}

fn beta1() -> f32 {
    0.9
}
fn beta2() -> f32 {
    0.99
}
fn tau() -> f32 {
    1e-3
}

/// First and second moment.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Moments {
    m: Values,
    v: Values,
}

impl Algorithm for FedOpt {
    type Server = Moments;
    type Client = ();
    fn name(&self) -> &'static str {
        "fedopt"
    }
    fn client(&self, task: &mut dyn LocalTask, _: &Moments, _: &mut ()) -> Result<Answer, ClientError> {
        Ok(task.train(None)?.into())
    }
    fn server(&self, cx: &mut ServerCx<'_>, Moments { m, v }: &mut Moments) {
        if self.optimiser == ServerOptimiser::Sgd {
            return cx.step(self.server_lr);
        }
        let len = cx.params.values().len();
        if v.is_empty() {
            *v = vec![self.tau * self.tau; len].into();
        }
        cx.each([m.at_least(len), v], |x, d, [m, v]| {
            *m = self.beta1 * *m + (1.0 - self.beta1) * d;
            let square = d * d;
            match self.optimiser {
                ServerOptimiser::Adagrad => *v += square,
                ServerOptimiser::Yogi if *v > square => *v -= (1.0 - self.beta2) * square,
                ServerOptimiser::Yogi if *v < square => *v += (1.0 - self.beta2) * square,
                ServerOptimiser::Yogi | ServerOptimiser::Sgd => {}
                ServerOptimiser::Adam => *v = self.beta2 * *v + (1.0 - self.beta2) * square,
            }
            *x += self.server_lr * *m / (v.sqrt() + self.tau);
        });
    }
}
