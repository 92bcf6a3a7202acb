//! FedPer: the last layers never leave their client.
//!
//! M. G. Arivazhagan, V. Aggarwal, A. K. Singh, S. Choudhary: "Federated Learning with Personalization Layers", 2019,
//! algorithms 1 and 2. Symbols: `W_B` = the model's body, which is averaged, `W_{P_j}` = a client's state, its personal layers.
//!
//! Deviations: the personal layers are the model's head, its last layer. A model without a body in front of it, a softmax
//! regression, is refused. Cost: FedAvg's, less the upload of the head.

use crate::prelude::*;

/// The model's last layer never leaves its client; only the body in front of it is averaged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FedPer {}

impl Algorithm for FedPer {
    type Server = ();
    type Client = Values;
    fn name(&self) -> &'static str {
        "fedper"
    }
    fn client(&self, task: &mut dyn LocalTask, _: &(), own: &mut Values) -> Result<Answer, ClientError> {
        has_body(task)?;
        let start = with_head(task, own);
        let trained = task.train_from(Some(&start), 0..task.epochs(), None)?;
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

/// A head without a body would be the whole model.
pub(crate) fn has_body(task: &dyn LocalTask) -> Result<(), ClientError> {
    if task.head() > 0 { Ok(()) } else { Err(ClientError::NoRepresentation { client: task.client() }) }
}

/// The broadcast parameters with the client's own head, if it has one yet.
pub(crate) fn with_head(task: &dyn LocalTask, own: &Values) -> Vec<f32> {
    let mut start = task.start();
    if !own.is_empty() {
        start[task.body()..].copy_from_slice(own);
    }
    start
}

/// The client keeps its head, and the body is sent.
pub(crate) fn keep_head(
    task: &dyn LocalTask,
    own: &mut Values,
    start: &[f32],
    mut trained: Trained,
) -> Answer {
    let body = task.body();
    *own = start[body..].to_vec().into();
    add(own, 1.0, &trained.delta.values()[body..]);
    let rows = task.rows().len() - task.head();
    trained.delta.retain_rows(|row| row < rows);
    trained.into()
}
