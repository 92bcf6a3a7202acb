//! Local fine-tuning: the global model, trained a little further on each client's own data before it is used.
//!
//! K. Wang, R. Mathews, C. Kiddon, H. Eichner, F. Beaufays, D. Ramage: "Federated Evaluation of On-device
//! Personalization", 2019. The baseline that every method of personalisation is held against.
//!
//! Deviations: none. Cost: FedAvg's; `epochs` more when a client's own model is asked for.

use crate::prelude::*;

/// FedAvg, whose model each client trains a little further before it uses it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FineTuning {
    /// Local epochs of the further training.
    #[schemars(extend("minimum" = 1, "maximum" = 1000))]
    pub epochs: u32,
}

impl Algorithm for FineTuning {
    type Server = ();
    type Client = ();
    fn name(&self) -> &'static str {
        "fine_tuning"
    }
    fn client(&self, task: &mut dyn LocalTask, _: &(), _: &mut ()) -> Result<Answer, ClientError> {
        Ok(task.train(None)?.into())
    }
    fn server(&self, cx: &mut ServerCx<'_>, _: &mut ()) {
        cx.step(1.0);
    }
    fn personalises(&self) -> bool {
        true
    }
    fn personal<'s>(&self, task: &mut dyn LocalTask, _: &'s (), _: &()) -> Result<Personal<'s>, ClientError> {
        let mut rows = task.start();
        let trained = task.train_from(None, 0..self.epochs, None)?;
        add(&mut rows, 1.0, trained.delta.values());
        Ok(Personal { base: None, rows: Some(rows) })
    }
}
