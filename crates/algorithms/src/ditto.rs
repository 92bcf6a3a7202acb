//! Ditto: a model of each client's own, held near the global one.
//!
//! T. Li, S. Hu, A. Beirami, V. Smith: "Ditto: Fair and Robust Federated Learning Through Personalization", ICML 2021,
//! algorithm 1. Symbols: `λ` = `lambda`, `v_k` = a client's state, `w^t` = the broadcast parameters.
//!
//! Deviations: the global model is trained as FedAvg's, and `v_k` starts at the first broadcast that the client hears.
//! Cost: local training twice, and a state of the client's rows.

use crate::prelude::*;

/// FedAvg, and beside it a model of each client's own that is held near the global one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ditto {
    /// Strength λ of the pull; 0 leaves clients to themselves.
    #[schemars(extend("minimum" = 0))]
    pub lambda: f32,
}

impl Algorithm for Ditto {
    type Server = ();
    type Client = Values;
    fn name(&self) -> &'static str {
        "ditto"
    }
    fn client(&self, task: &mut dyn LocalTask, _: &(), own: &mut Values) -> Result<Answer, ClientError> {
        let global = task.start();
        if own.is_empty() {
            *own = global.clone().into();
        }
        let answer = task.train(None)?;
        let trained = task.train_from(
            Some(own),
            0..task.epochs(),
            Some(&mut |step, gradient| {
                for ((g, v), w) in gradient.iter_mut().zip(step.params).zip(&global) {
                    *g += self.lambda * (v - w);
                }
            }),
        )?;
        add(own, 1.0, trained.delta.values());
        Ok(answer.into())
    }
    fn server(&self, cx: &mut ServerCx<'_>, _: &mut ()) {
        cx.step(1.0);
    }
    fn personalises(&self) -> bool {
        true
    }
    fn personal<'s>(
        &self,
        _task: &mut dyn LocalTask,
        _: &'s (),
        own: &Values,
    ) -> Result<Personal<'s>, ClientError> {
        Ok(Personal { base: None, rows: (!own.is_empty()).then(|| own.to_vec()) })
    }
}
