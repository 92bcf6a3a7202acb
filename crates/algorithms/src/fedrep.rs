//! FedRep: a shared representation, and a head of each client's own that is trained first.
//!
//! L. Collins, H. Hassani, A. Mokhtari, S. Shakkottai: "Exploiting Shared Representations for Personalized Federated
//! Learning", ICML 2021, algorithm 1. Symbols: `φ` = the model's body, `h_i` = a client's state, its head, `τ` = `head_epochs`.
//!
//! Deviations: `τ` counts epochs, not steps; the body is trained for the configured local epochs. What is body and head is said
//! in `fedper.rs`. Cost: FedPer's, and the head's epochs.

use crate::fedper::{has_body, keep_head, with_head};
use crate::prelude::*;

/// A shared body; each client trains a head of its own first, then the body under it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FedRep {
    /// Local epochs for the head, before those for the body.
    #[schemars(extend("minimum" = 0, "maximum" = 1000))]
    pub head_epochs: u32,
}

impl Algorithm for FedRep {
    type Server = ();
    type Client = Values;
    fn name(&self) -> &'static str {
        "fedrep"
    }
    fn client(&self, task: &mut dyn LocalTask, _: &(), own: &mut Values) -> Result<Answer, ClientError> {
        has_body(task)?;
        let (mut start, body, epochs) = (with_head(task, own), task.body(), task.epochs());
        if self.head_epochs > 0 {
            // Numbers of their own, so that the body's epochs have the same shuffles with any number of the head's.
            let numbers = epochs..epochs + self.head_epochs;
            let head = task.train_from(Some(&start), numbers, Some(&mut |_, g| g[..body].fill(0.0)))?;
            add(&mut start, 1.0, head.delta.values());
        }
        let trained = task.train_from(Some(&start), 0..epochs, Some(&mut |_, g| g[body..].fill(0.0)))?;
        Ok(keep_head(task, own, &start, trained))
    }
    fn server(&self, cx: &mut ServerCx<'_>, _: &mut ()) {
        cx.step(1.0);
    }
    fn personalises(&self) -> bool {
        true
    }
    fn represents(&self) -> bool {
        true
    }
    fn personal<'s>(
        &self,
        task: &mut dyn LocalTask,
        _: &'s (),
        own: &Values,
    ) -> Result<Personal<'s>, ClientError> {
        Ok(Personal { base: None, rows: Some(with_head(task, own)) })
    }
}
