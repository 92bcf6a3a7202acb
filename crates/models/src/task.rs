//! A client at work: its examples, behind what an algorithm may do with them.

use crate::examples::LocalExamples;
use crate::model::Model;
use crate::training::{LocalTraining, Start, Workspace, loss, train};
use sottovoce_core::layout::Tensor;
use sottovoce_core::{Address, Adjust, ClientError, ClientId, LocalTask, Params, Trained};
use std::ops::Range;
use std::sync::Arc;

/// A client at work in a round. Algorithms see it as [`LocalTask`].
pub struct Task<'a> {
    /// Who.
    pub client: ClientId,
    /// In which round.
    pub round: u64,
    /// The classifier.
    pub model: &'a dyn Model,
    /// How the client trains.
    pub local: &'a LocalTraining,
    /// Its examples.
    pub data: &'a LocalExamples,
    /// Parameters as broadcast.
    pub broadcast: &'a Params,
    /// Address of the first epoch's shuffle.
    pub order: Address,
    /// Buffers.
    pub workspace: &'a mut Workspace,
}

impl LocalTask for Task<'_> {
    fn client(&self) -> ClientId {
        self.client
    }
    fn round(&self) -> u64 {
        self.round
    }
    fn num_examples(&self) -> u64 {
        self.data.examples.len() as u64
    }
    fn rows(&self) -> &Arc<[u32]> {
        &self.data.rows
    }
    fn broadcast(&self) -> &Params {
        self.broadcast
    }
    fn epochs(&self) -> u32 {
        self.local.epochs
    }
    fn steps(&self) -> u64 {
        u64::from(self.local.epochs) * self.num_examples().div_ceil(self.local.batch.into())
    }
    fn representation(&self) -> usize {
        self.model.representation()
    }
    fn head(&self) -> usize {
        let tensors = self.model.layout().tensors();
        tensors[tensors.len() - self.model.head()..].iter().map(Tensor::rows).sum()
    }
    fn train_from(
        &mut self,
        start: Option<&[f32]>,
        epochs: Range<u32>,
        adjust: Option<&mut Adjust<'_>>,
    ) -> Result<Trained, ClientError> {
        let how = LocalTraining { epochs: epochs.len() as u32, ..*self.local };
        let start = start.map_or(Start::Model(self.broadcast), Start::Rows);
        let order = self.order.slot(epochs.start.into());
        train(self.model, &how, self.data, start, order, self.workspace, adjust)
            .map_err(|e| ClientError::NotFinite { client: self.client, at: e.at, value: e.value })
    }
    fn loss(&mut self, at: &[f32]) -> f64 {
        loss(self.model, self.data, at, self.workspace, &mut []) / self.num_examples() as f64
    }
    fn gradient(&mut self, at: &[f32]) -> Vec<f32> {
        let mut gradient = vec![0.0; at.len()];
        loss(self.model, self.data, at, self.workspace, &mut gradient);
        gradient
    }
}
