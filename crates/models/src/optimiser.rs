//! Local optimisers: SGD, momentum, Adagrad, Adam.
//!
//! Plain SGD moves the table rows that a batch touches and every dense row; the other rows have gradient 0 and rest. An
//! optimiser with a state (momentum, Adagrad, Adam) steps over all of the client's rows at every step, as a dense
//! optimiser over these rows does: a row that the batch does not touch has gradient 0, its velocity and its moving means
//! decay, and it goes on by them. So a step is a function of the gradient's values, not of which rows somebody wrote to:
//! an algorithm that edits the gradient by nothing changes nothing. The sparse variants of common toolkits, in which the
//! state of such rows rests, are other optimisers.
//!
//! Adagrad: Duchi, Hazan, Singer, JMLR 2011. Adam: Kingma, Ba, ICLR 2015, algorithm 1 in the order of the end of its
//! section 2: `epsilon` is added to the root before it is corrected.
//!
//! Cost of a step: SGD the parameters of the touched rows, the others one pass over all of the client's parameters.

use serde::{Deserialize, Serialize};
use sottovoce_core::dispatch;

/// Which optimiser, with its rates. All rates are finite; `lr` is positive. One with a state (all but SGD) steps over all
/// of a client's rows at every step, with gradient 0 where the batch does not touch them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimiser {
    /// `p ← p − lr · g`.
    Sgd {
        /// Learning rate.
        lr: f32,
    },
    /// `v ← momentum · v + g`, `p ← p − lr · v` (Polyak 1964).
    Momentum {
        /// Learning rate.
        lr: f32,
        /// Share of the velocity that stays, in [0, 1).
        momentum: f32,
    },
    /// `s ← s + g²`, `p ← p − lr · g / (√s + epsilon)`.
    Adagrad {
        /// Learning rate.
        lr: f32,
        /// Added to the root, positive.
        #[serde(default = "epsilon")]
        epsilon: f32,
    },
    /// `m ← beta1 · m + (1 − beta1) · g`, `s ← beta2 · s + (1 − beta2) · g²`,
    /// `p ← p − lr · √(1 − beta2ᵗ) / (1 − beta1ᵗ) · m / (√s + epsilon)` in step `t`, counted from 1.
    Adam {
        /// Learning rate.
        lr: f32,
        /// Share of the first mean that stays, in [0, 1).
        #[serde(default = "beta1")]
        beta1: f32,
        /// Share of the second mean that stays, in [0, 1).
        #[serde(default = "beta2")]
        beta2: f32,
        /// Added to the root, positive.
        #[serde(default = "epsilon")]
        epsilon: f32,
    },
}

fn epsilon() -> f32 {
    1e-8
}
fn beta1() -> f32 {
    0.9
}
fn beta2() -> f32 {
    0.999
}

impl Optimiser {
    /// Learning rate.
    pub fn lr(&self) -> f32 {
        match *self {
            Self::Sgd { lr }
            | Self::Momentum { lr, .. }
            | Self::Adagrad { lr, .. }
            | Self::Adam { lr, .. } => lr,
        }
    }

    /// Numbers of state that each parameter carries; with none, a step leaves parameters of gradient 0 where they are.
    pub(crate) fn states(&self) -> usize {
        match self {
            Self::Sgd { .. } => 0,
            Self::Momentum { .. } | Self::Adagrad { .. } => 1,
            Self::Adam { .. } => 2,
        }
    }
}

/// The state of an optimiser for one client's parameters.
#[derive(Debug, Default)]
pub struct State {
    first: Vec<f32>,
    second: Vec<f32>,
    steps: i32,
}

impl State {
    /// Forgets everything, for `params` parameters.
    pub fn reset(&mut self, optimiser: &Optimiser, params: usize) {
        let states = optimiser.states();
        for (at, state) in [&mut self.first, &mut self.second].into_iter().enumerate() {
            state.clear();
            state.resize(if at < states { params } else { 0 }, 0.0);
        }
        self.steps = 0;
    }

    /// One step. `rows` are the table rows, of `cols` parameters each, whose gradient may be other than 0, as everything
    /// from `dense` on may: SGD moves these. The others step over all parameters. The gradient of what a step went over
    /// is zero afterwards.
    pub fn step(
        &mut self,
        optimiser: &Optimiser,
        params: &mut [f32],
        gradient: &mut [f32],
        rows: &[u32],
        cols: usize,
        dense: usize,
    ) {
        self.steps += 1;
        match *optimiser {
            Optimiser::Sgd { lr } => sgd(params, gradient, rows, cols, dense, lr),
            Optimiser::Momentum { lr, momentum } => {
                momentum_step(params, gradient, &mut self.first, lr, momentum);
            }
            Optimiser::Adagrad { lr, epsilon } => adagrad(params, gradient, &mut self.first, lr, epsilon),
            Optimiser::Adam { lr, beta1, beta2, epsilon } => {
                let corrected = |beta: f32| 1.0 - libm::pow(f64::from(beta), f64::from(self.steps));
                let rate = f64::from(lr) * corrected(beta2).sqrt() / corrected(beta1);
                let (m, v) = (&mut self.first, &mut self.second);
                adam(params, gradient, m, v, rate as f32, beta1, beta2, epsilon);
            }
        }
    }
}

dispatch! {
    fn sgd(params: &mut [f32], gradient: &mut [f32], rows: &[u32], cols: usize, dense: usize, lr: f32) {
        let table = rows.iter().map(|row| *row as usize * cols..(*row as usize + 1) * cols);
        for range in table.chain(std::iter::once(dense..params.len())) {
            for (p, g) in params[range.clone()].iter_mut().zip(&mut gradient[range]) {
                *p -= lr * *g;
                *g = 0.0;
            }
        }
    }
}

dispatch! {
    fn momentum_step(params: &mut [f32], gradient: &mut [f32], velocity: &mut [f32], lr: f32, momentum: f32) {
        for ((p, g), v) in params.iter_mut().zip(gradient).zip(velocity) {
            *v = momentum * *v + *g;
            *p -= lr * *v;
            *g = 0.0;
        }
    }
}

dispatch! {
    fn adagrad(params: &mut [f32], gradient: &mut [f32], squares: &mut [f32], lr: f32, epsilon: f32) {
        for ((p, g), s) in params.iter_mut().zip(gradient).zip(squares) {
            *s += *g * *g;
            *p -= lr * *g / (s.sqrt() + epsilon);
            *g = 0.0;
        }
    }
}

dispatch! {
    fn adam(
        params: &mut [f32], gradient: &mut [f32], first: &mut [f32], second: &mut [f32],
        rate: f32, beta1: f32, beta2: f32, epsilon: f32,
    ) {
        for (((p, g), m), v) in params.iter_mut().zip(gradient).zip(first).zip(second) {
            *m = beta1 * *m + (1.0 - beta1) * *g;
            *v = beta2 * *v + (1.0 - beta2) * (*g * *g);
            *p -= rate * *m / (v.sqrt() + epsilon);
            *g = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two steps on one parameter with gradients 1 and −0.5, worked out by hand.
    #[test]
    fn steps_are_as_worked_out_by_hand() {
        let run = |optimiser: Optimiser| {
            let mut state = State::default();
            state.reset(&optimiser, 1);
            let mut p = [1.0f32];
            for g in [1.0, -0.5] {
                state.step(&optimiser, &mut p, &mut [g], &[0], 1, 1);
            }
            p[0]
        };
        let near = |a: f32, b: f32| assert!((a - b).abs() < 1e-6, "{a} {b}");
        near(run(Optimiser::Sgd { lr: 0.1 }), 0.95);
        near(run(Optimiser::Momentum { lr: 0.1, momentum: 0.9 }), 1.0 - 0.1 - 0.1 * (0.9 - 0.5));
        near(run(Optimiser::Adagrad { lr: 0.1, epsilon: 1e-8 }), 0.9 + 0.05 / 1.25f32.sqrt());
        // First step lr; second: m = 0.04 / 0.19, v = 0.001249 / 0.001999 after correction.
        let second = 0.1 * (0.04 / 0.19) / (0.001_249f32 / 0.001_999).sqrt();
        near(run(Optimiser::Adam { lr: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }), 0.9 - second);
    }

    /// Parameters 2 and 3 are a row that is not named.
    #[test]
    fn rows_that_are_not_named_rest_under_sgd_and_under_no_other() {
        for optimiser in [
            Optimiser::Sgd { lr: 0.5 },
            Optimiser::Momentum { lr: 0.5, momentum: 0.5 },
            Optimiser::Adagrad { lr: 0.5, epsilon: 1e-8 },
            Optimiser::Adam { lr: 0.5, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
        ] {
            let mut state = State::default();
            state.reset(&optimiser, 8);
            let (mut p, mut g) = ([1.0f32; 8], [1.0f32; 8]);
            state.step(&optimiser, &mut p, &mut g, &[0, 2], 2, 6);
            let rest = matches!(optimiser, Optimiser::Sgd { .. });
            let unmoved: Vec<usize> = (0..8).filter(|i| p[*i] == 1.0).collect();
            assert_eq!(unmoved, if rest { vec![2, 3] } else { vec![] }, "{optimiser:?}");
            let left: Vec<usize> = (0..8).filter(|i| g[*i] != 0.0).collect();
            assert_eq!(left, unmoved, "{optimiser:?}");
        }
    }
}
