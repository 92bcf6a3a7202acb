//! FedAsync: the server mixes every model that arrives into its own.
//!
//! C. Xie, S. Koyejo, I. Gupta: "Asynchronous Federated Optimization", OPT 2020, algorithm 1.
//!
//! Symbols: `α` = `mixing`, `s(t − τ) = (1 + t − τ)^-a` with `a` = `exponent` (0 is the paper's constant), or its hinge, 1 up
//! to `b` and `1 / (a (t − τ − b) + 1)` beyond, `ρ` = `rho`, `x_τ` = what a client started from, `x_new` = `x_τ` + its delta;
//! `x_t = (1 − α_t) x_{t−1} + α_t x_new`, `α_t = α s(t − τ)`.
//!
//! Deviations: `rounds.pace.buffer` = 1 is the paper's. Of a larger buffer every model `k` has its own
//! `α_k = α s(t − τ_k) · n_k / Σ n`, and `x_t = (1 − Σ α_k) x_{t−1} + Σ α_k x_new,k`. Cost: a
//! client's is FedProx's; the server keeps each model that clients in flight started from, and mixing a stale one is dense.

use crate::fedbuff::{half, polynomial};
use crate::prelude::*;

/// The server's model moves towards each client's, less so for stale ones. For `rounds.pace.kind = "asynchronous"`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FedAsync {
    /// How far towards a model that is not stale.
    #[serde(default = "mixing")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
    pub mixing: f32,
    /// How fast staleness makes a model count less; 0 for not at all.
    #[serde(default = "half")]
    #[schemars(extend("minimum" = 0, "maximum" = 10))]
    pub exponent: f32,
    /// A hinge in the place of the exponent, `{ a = 10, b = 4 }` say: 1 up to a staleness of `b`, beyond it
    /// `1 / (a (staleness − b) + 1)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hinge: Option<Hinge>,
    /// Weight of the proximal term.
    #[serde(default)]
    #[schemars(extend("minimum" = 0))]
    pub rho: f32,
}

/// Staleness up to which a model counts in full, and how fast it counts less beyond.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hinge {
    /// Slope `a` of the inverse.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub a: f32,
    /// Rounds `b` that cost nothing.
    pub b: u64,
}

fn mixing() -> f32 {
    0.6
}

impl Algorithm for FedAsync {
    type Server = ();
    type Client = ();
    fn name(&self) -> &'static str {
        "fedasync"
    }
    fn client(&self, task: &mut dyn LocalTask, _: &(), _: &mut ()) -> Result<Answer, ClientError> {
        let rho = self.rho;
        let mut pull = |step: &mut Step<'_>, gradient: &mut [f32]| {
            for ((g, w), w0) in gradient.iter_mut().zip(step.params).zip(step.start) {
                *g += rho * (w - w0);
            }
        };
        let adjust: Option<&mut Adjust<'_>> = if rho > 0.0 { Some(&mut pull) } else { None };
        Ok(task.train(adjust)?.into())
    }
    fn server(&self, cx: &mut ServerCx<'_>, _: &mut ()) {
        // All of them are mixed into the model as it was, so that their order does not matter.
        let share = |stale: &Stale<'_>| self.mixing * self.staleness(stale.rounds) * stale.share;
        let stale: Vec<(f32, &[f32])> = cx.stale.iter().map(|stale| (share(stale), stale.base)).collect();
        if !stale.is_empty() {
            for (place, x) in cx.params.values_mut().iter_mut().enumerate() {
                let before = *x;
                for (share, base) in &stale {
                    *x += share * (base[place] - before);
                }
            }
        }
        cx.step(self.mixing);
    }
    fn staleness(&self, rounds: u64) -> f32 {
        match self.hinge {
            Some(Hinge { a, b }) => 1.0 / (a * rounds.saturating_sub(b) as f32 + 1.0),
            None => polynomial(rounds, self.exponent),
        }
    }
    fn keeps_bases(&self) -> bool {
        true
    }
}
