//! The clients of a run: shards, local training, transforms, the egress gate.

use crate::gate::Gate;
use crate::shard::Shards;
use sottovoce_core::{
    Address, Adjust, Algorithm, Broadcast, ClientError, ClientId, LedgerLine, LocalTask, Params, Personal,
    Population, Purpose, Trained, Transform, Update,
};
use sottovoce_models::{LocalExamples, LocalTraining, Model, Start, Workspace, loss, train};
use std::ops::Range;
use std::sync::Arc;

/// All clients of a run. What a client is made of comes from [`Shards`]; what it does, from the algorithm.
pub struct Nodes<'a, A, S: ?Sized> {
    /// The federated algorithm.
    pub algorithm: &'a A,
    /// Every client's examples.
    pub shards: &'a S,
    /// The classifier.
    pub model: &'a dyn Model,
    /// How a client trains.
    pub local: LocalTraining,
    /// Run on each update, first to last, before it leaves.
    pub transforms: &'a [Box<dyn Transform>],
    /// The run's seed.
    pub seed: u64,
}

/// One thread's memory for being client after client.
#[derive(Debug, Default)]
pub struct Worker {
    workspace: Workspace,
    gate: Gate,
}

/// A client at work on its own data.
struct Task<'a> {
    client: ClientId,
    round: u64,
    model: &'a dyn Model,
    local: &'a LocalTraining,
    data: &'a LocalExamples,
    broadcast: &'a Params,
    /// Of the first epoch's shuffle.
    order: Address,
    workspace: &'a mut Workspace,
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
    fn representation(&self) -> usize {
        self.model.representation()
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

impl<A: Algorithm, S: Shards + ?Sized> Nodes<'_, A, S> {
    /// The model that a client uses for itself before `round`; `None` for one without examples. `own` is what it has
    /// kept.
    pub fn personal(
        &self,
        server: &A::Server,
        own: &A::Client,
        round: u64,
        client: ClientId,
        global: &Params,
    ) -> Result<Option<Params>, ClientError> {
        let data = self.shards.shard(client);
        if data.examples.is_empty() {
            return Ok(None);
        }
        let order = Address::new(self.seed, Purpose::BatchOrder).round(round).client(client.0);
        let (model, local, workspace) = (self.model, &self.local, &mut Workspace::default());
        let mut task = Task { client, round, model, local, data: &data, broadcast: global, order, workspace };
        let Personal { base, rows } = self.algorithm.personal(&mut task, server, own)?;
        let mut params = match base {
            Some(all) => Params::from_values(global.layout().clone(), all.to_vec()),
            None => Some(global.clone()),
        };
        if let (Some(params), Some(rows)) = (&mut params, rows) {
            let mut rest = &rows[..];
            for range in global.layout().ranges(data.rows.iter().copied()) {
                let (row, tail) = rest.split_at(range.len());
                rest = tail;
                params.values_mut()[range].copy_from_slice(row);
            }
        }
        Ok(params)
    }
}

impl<A: Algorithm, S: Shards + ?Sized> Population<A> for Nodes<'_, A, S> {
    type Worker = Worker;

    fn clients(&self) -> u64 {
        self.shards.training_clients()
    }
    fn examples(&self, client: ClientId) -> u64 {
        self.shards.examples(client)
    }
    fn worker(&self) -> Worker {
        Worker::default()
    }
    fn answer<'w>(
        &self,
        worker: &'w mut Worker,
        broadcast: &Broadcast<'_, A::Server>,
        client: ClientId,
        own: &mut A::Client,
    ) -> Result<(&'w [u8], LedgerLine), ClientError> {
        let data = self.shards.shard(client);
        if data.examples.is_empty() {
            return Err(ClientError::EmptyShard { client });
        }
        let round = broadcast.round;
        let mut task = Task {
            client,
            round,
            model: self.model,
            local: &self.local,
            data: &data,
            broadcast: broadcast.params,
            order: Address::new(self.seed, Purpose::BatchOrder).round(round).client(client.0),
            workspace: &mut worker.workspace,
        };
        let answer = self.algorithm.client(&mut task, broadcast.server, own)?;
        let weight = answer.weight.unwrap_or(data.examples.len() as u64);
        let loss = answer.loss;
        let mut delta = broadcast.format.join(client, answer)?;
        for (slot, transform) in (0..).zip(self.transforms) {
            let at = Address::new(self.seed, Purpose::Transform).slot(slot);
            transform.client(at.round(round).client(client.0), &mut delta);
        }
        let update = Update { client, round, base: broadcast.checksum, weight, loss, delta };
        let (message, line) = worker.gate.send(&update, data.checksum());
        worker.workspace.reuse(update.delta);
        Ok((message, line))
    }
}
