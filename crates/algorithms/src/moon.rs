//! MOON: representations are drawn to the global model's, and away from those of the client's last model.
//!
//! Q. Li, B. He, D. Song: "Model-Contrastive Federated Learning", CVPR 2021, algorithm 1.
//!
//! | symbol | here |
//! |---|---|
//! | `z`, `z_glob`, `z_prev` | an example's representation now, as broadcast, and at the end of the client's last round |
//! | `μ`, `τ` | `mu`, `temperature` |
//! | `ℓ_con = −ln(e^{s_glob/τ} / (e^{s_glob/τ} + e^{s_prev/τ}))` | added to the loss `μ` times, `s` = cosine of `z` and the other |
//!
//! Deviations: a representation is what the last layer reads, without a projection head before it. The cosine with a vector
//! of zeros is 0, and so is its derivative. A client that takes part for the first time has no last model and no term, as in
//! the authors' program; in round 0 a last model equal to the broadcast would come to the same, since both pulls cancel.
//! The loss that is reported is the supervised one.
//!
//! Cost: a state of the client's rows; at each step three passes of the batch up to its representations, and one there and
//! back.

use crate::prelude::*;

/// FedAvg whose clients draw representations towards the global model's and away from those of their last one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Moon {
    /// Weight μ of the contrastive term; 0 is FedAvg.
    #[schemars(extend("minimum" = 0))]
    pub mu: f32,
    /// Temperature τ, by which similarities are divided.
    #[serde(default = "half")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub temperature: f32,
}

fn half() -> f32 {
    0.5
}

impl Moon {
    /// Writes the derivative by `z` of `μ` times the batch's mean contrastive term to `back`. Representations have `width`
    /// numbers and lie one after another.
    pub fn contrast(&self, width: usize, z: &[f32], glob: &[f32], prev: &[f32], back: &mut Vec<f32>) {
        back.clear();
        let (tau, share) = (f64::from(self.temperature), width as f64 / z.len() as f64);
        let others = glob.chunks_exact(width).zip(prev.chunks_exact(width));
        for (z, (glob, prev)) in z.chunks_exact(width).zip(others) {
            let ([s_glob, to_glob, from_glob], [s_prev, to_prev, from_prev]) =
                (cosine(z, glob), cosine(z, prev));
            let factor = f64::from(self.mu) * share / tau / (1.0 + libm::exp((s_glob - s_prev) / tau));
            back.extend(z.iter().zip(glob).zip(prev).map(|((z, glob), prev)| {
                let apart = to_prev * f64::from(*prev) - to_glob * f64::from(*glob);
                (factor * (apart + (from_glob - from_prev) * f64::from(*z))) as f32
            }));
        }
    }
}

/// The cosine of two vectors, and `a` and `b` such that its derivative by the first is `a · other − b · z`.
fn cosine(z: &[f32], other: &[f32]) -> [f64; 3] {
    let (mut zz, mut oo, mut zo) = (0.0, 0.0, 0.0);
    for (z, o) in z.iter().map(|v| f64::from(*v)).zip(other.iter().map(|v| f64::from(*v))) {
        zz += z * z;
        oo += o * o;
        zo += z * o;
    }
    if zz == 0.0 || oo == 0.0 {
        return [0.0; 3];
    }
    let norms = zz.sqrt() * oo.sqrt();
    [zo / norms, 1.0 / norms, zo / norms / zz]
}

impl Algorithm for Moon {
    type Server = ();
    type Client = Values;
    fn name(&self) -> &'static str {
        "moon"
    }
    fn represents(&self) -> bool {
        self.mu > 0.0
    }
    fn client(&self, task: &mut dyn LocalTask, _: &(), last: &mut Values) -> Result<Answer, ClientError> {
        if !self.represents() {
            return Ok(task.train(None)?.into());
        }
        let width = task.representation();
        if width == 0 {
            return Err(ClientError::NoRepresentation { client: task.client() });
        }
        let [mut z, mut glob, mut prev, mut back] = [const { Vec::new() }; 4];
        let pull: &mut Adjust<'_> = &mut |step, gradient| {
            (step.represent)(step.params, &mut z);
            (step.represent)(step.start, &mut glob);
            (step.represent)(last, &mut prev);
            self.contrast(width, &z, &glob, &prev, &mut back);
            (step.pull_back)(&back, gradient);
        };
        let trained = task.train((!last.is_empty()).then_some(pull))?;
        *last = task.start().into();
        add(last, 1.0, trained.delta.values());
        Ok(trained.into())
    }
    fn server(&self, cx: &mut ServerCx<'_>, _: &mut ()) {
        cx.step(1.0);
    }
}
