//! APFL: each client mixes a model of its own with the global one.
//!
//! Y. Deng, M. M. Kamani, M. Mahdavi: "Adaptive Personalized Federated Learning", 2020, algorithm 1 and section 4.1.
//!
//! Symbols: `α_i` = `alpha`, `v_i` = a client's state, `w_i` = its local copy of the global model, `v̄_i = α_i v_i + (1 − α_i) w_i`.
//!
//! Deviations: `v_i` starts at the first broadcast that the client hears; `α_i` is adapted at every step where it is
//! adapted. `v` steps by plain SGD at the local learning rate. Cost: a second gradient at each step, and a state of the
//! client's rows.

use crate::prelude::*;

/// Each client mixes a model of its own with the global one, in a share that may adapt itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Apfl {
    /// Share of the client's own model, at first.
    #[serde(default = "half")]
    #[schemars(extend("minimum" = 0, "maximum" = 1))]
    pub alpha: f32,
    /// Whether the share follows its gradient.
    #[serde(default)]
    pub adaptive: bool,
}

fn half() -> f32 {
    0.5
}

/// A client's own model, and its share.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Own {
    v: Values,
    alpha: f32,
}

fn mixed(alpha: f32, v: &[f32], w: &[f32]) -> Vec<f32> {
    v.iter().zip(w).map(|(v, w)| alpha * v + (1.0 - alpha) * w).collect()
}

impl Algorithm for Apfl {
    type Server = ();
    type Client = Own;
    fn name(&self) -> &'static str {
        "apfl"
    }
    fn client(&self, task: &mut dyn LocalTask, _: &(), own: &mut Own) -> Result<Answer, ClientError> {
        if own.v.is_empty() {
            *own = Own { v: task.start().into(), alpha: self.alpha };
        }
        let Own { v, alpha } = own;
        let mut gradient = vec![0.0; v.len()];
        let trained = task.train(Some(&mut |step, _| {
            gradient.fill(0.0);
            (step.gradient_at)(&mixed(*alpha, v, step.params), &mut gradient);
            let mut along = 0.0f64;
            for ((v, w), g) in v.iter_mut().zip(step.params).zip(&gradient) {
                along += f64::from(*v - w) * f64::from(*g);
                *v -= step.lr * *alpha * g;
            }
            if self.adaptive {
                *alpha = (*alpha - step.lr * along as f32).clamp(0.0, 1.0);
            }
        }))?;
        Ok(trained.into())
    }
    fn server(&self, cx: &mut ServerCx<'_>, _: &mut ()) {
        cx.step(1.0);
    }
    fn personalises(&self) -> bool {
        true
    }
    fn personal<'s>(
        &self,
        task: &mut dyn LocalTask,
        _: &'s (),
        own: &Own,
    ) -> Result<Personal<'s>, ClientError> {
        let rows = (!own.v.is_empty()).then(|| mixed(own.alpha, &own.v, &task.start()));
        Ok(Personal { base: None, rows })
    }
}
