//! FedPer: the last layers never leave their client.
//!
//! M. G. Arivazhagan, V. Aggarwal, A. K. Singh, S. Choudhary: "Federated Learning with Personalization Layers", 2019,
//! algorithms 1 and 2. Symbols: `W_B` = the table, which is averaged, `W_{P_j}` = a client's state, its personal layers.
//!
//! Deviations: the personal layers are the tensors behind the table: output and bias of an embedding bag, the bias alone
//! of a softmax regression. Cost: FedAvg's, less the upload of these tensors.

use crate::prelude::*;

/// The tensors behind the table never leave their client; only the table is averaged.
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
    fn personal<'s>(
        &self,
        task: &mut dyn LocalTask,
        _: &'s (),
        own: &Values,
    ) -> Result<Personal<'s>, ClientError> {
        Ok(Personal { base: None, rows: Some(with_head(task, own)) })
    }
}

/// The broadcast parameters with the client's own layers, if it has any yet.
pub(crate) fn with_head(task: &dyn LocalTask, own: &Values) -> Vec<f32> {
    let mut start = task.start();
    if !own.is_empty() {
        let table = task.table();
        start[table..].copy_from_slice(own);
    }
    start
}

/// The client keeps its layers, and the rest is sent.
pub(crate) fn keep_head(
    task: &dyn LocalTask,
    own: &mut Values,
    start: &[f32],
    mut trained: Trained,
) -> Answer {
    let table = task.table();
    *own = start[table..].to_vec().into();
    add(own, 1.0, &trained.delta.values()[table..]);
    let rows = task.rows().len() - task.dense_rows();
    trained.delta.retain_rows(|row| row < rows);
    trained.into()
}
