//! The clients of a run: shards, local training, transforms, the egress gate.

use crate::gate::Gate;
use crate::shard::Shards;
use sottovoce_core::{
    Address, Adjust, Algorithm, Broadcast, ClientError, ClientId, LedgerLine, LocalTask, Params, Population,
    Purpose, Trained, Transform, Update,
};
use sottovoce_models::{LocalExamples, LocalTraining, Model, Workspace, train};

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

struct Task<'a> {
    client: ClientId,
    model: &'a dyn Model,
    local: &'a LocalTraining,
    data: &'a LocalExamples,
    broadcast: &'a Params,
    order: Address,
    workspace: &'a mut Workspace,
}

impl LocalTask for Task<'_> {
    fn num_examples(&self) -> u64 {
        self.data.examples.len() as u64
    }
    fn train(&mut self, adjust: Option<&mut Adjust<'_>>) -> Result<Trained, ClientError> {
        train(self.model, self.local, self.data, self.broadcast, self.order, self.workspace, adjust)
            .map_err(|e| ClientError::NotFinite { client: self.client, at: e.at, value: e.value })
    }
}

impl<A: Algorithm, S: Shards + ?Sized> Population<A::Server> for Nodes<'_, A, S> {
    type Worker = Worker;

    fn clients(&self) -> u64 {
        self.shards.training_clients()
    }
    fn worker(&self) -> Worker {
        Worker::default()
    }
    fn answer<'w>(
        &self,
        worker: &'w mut Worker,
        broadcast: &Broadcast<'_, A::Server>,
        client: ClientId,
    ) -> Result<(&'w [u8], LedgerLine), ClientError> {
        let data = self.shards.shard(client);
        if data.examples.is_empty() {
            return Err(ClientError::EmptyShard { client });
        }
        let order = Address::new(self.seed, Purpose::BatchOrder).round(broadcast.round).client(client.0);
        let mut task = Task {
            client,
            model: self.model,
            local: &self.local,
            data: &data,
            broadcast: broadcast.params,
            order,
            workspace: &mut worker.workspace,
        };
        let mut trained = self.algorithm.client(&mut task, broadcast.server)?;
        for (slot, transform) in (0..).zip(self.transforms) {
            let at = Address::new(self.seed, Purpose::Transform).slot(slot);
            transform.client(at.round(broadcast.round).client(client.0), &mut trained.delta);
        }
        let update = Update {
            client,
            round: broadcast.round,
            base: broadcast.checksum,
            weight: data.examples.len() as u64,
            loss: trained.loss,
            delta: trained.delta,
        };
        let (message, line) = worker.gate.send(&update, data.checksum());
        worker.workspace.reuse(update.delta);
        Ok((message, line))
    }
}
