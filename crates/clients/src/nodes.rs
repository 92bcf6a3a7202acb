//! The clients of a run: shards, local training, transforms, the egress gate.

use crate::gate::Gate;
use crate::shard::Shards;
use crate::source::SourceKey;
use sottovoce_core::{
    Address, Answer, Broadcast, ClientError, ClientId, LocalTask, Params, Personal, Population, Purpose,
    Running, Sent, Transform, Update, transform,
};
use sottovoce_models::{LocalExamples, LocalTraining, Model, Task, Workspace};

/// All clients of a run. What a client is made of comes from [`Shards`]; what it does, from the algorithm.
pub struct Nodes<'a, S: ?Sized> {
    /// Every client's examples.
    pub shards: &'a S,
    /// The classifier.
    pub model: &'a dyn Model,
    /// How a client trains.
    pub local: LocalTraining,
    /// Run on each update, first to last, before it leaves.
    pub transforms: &'a [Box<dyn Transform>],
    /// What the server itself has to train on, for rules that trust its own update.
    pub root: Option<&'a LocalExamples>,
    /// Names the examples behind messages.
    pub sources: SourceKey,
    /// The run's seed.
    pub seed: u64,
}

/// One thread's memory for being client after client.
#[derive(Debug, Default)]
pub struct Worker {
    workspace: Workspace,
    gate: Gate,
}

impl<S: ?Sized> Nodes<'_, S> {
    /// A client at work in a round.
    fn task<'t>(
        &'t self,
        client: ClientId,
        data: &'t LocalExamples,
        round: u64,
        broadcast: &'t Params,
        workspace: &'t mut Workspace,
    ) -> Task<'t> {
        let order = Address::new(self.seed, Purpose::BatchOrder).round(round).client(client.0);
        Task { client, round, model: self.model, local: &self.local, data, broadcast, order, workspace }
    }
}

impl<S: Shards + ?Sized> Nodes<'_, S> {
    /// The model that a client uses for itself before `round`; `None` for one without examples. `own` is what it has
    /// kept.
    pub fn personal(
        &self,
        algorithm: &dyn Running,
        own: &[u8],
        round: u64,
        client: ClientId,
        global: &Params,
    ) -> Result<Option<Params>, ClientError> {
        let data = self.shards.shard(client);
        if data.examples.is_empty() {
            return Ok(None);
        }
        let workspace = &mut Workspace::default();
        let mut task = self.task(client, &data, round, global, workspace);
        let Personal { base, rows } = algorithm.personal(&mut task, own)?;
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

impl<S: Shards + ?Sized> Population for Nodes<'_, S> {
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
    fn trusted(
        &self,
        worker: &mut Worker,
        broadcast: &Broadcast<'_>,
    ) -> Result<Option<Vec<f32>>, ClientError> {
        let Some(data) = self.root else { return Ok(None) };
        let mut task =
            self.task(ClientId::SERVER, data, broadcast.round, broadcast.params, &mut worker.workspace);
        let trained = task.train(None)?;
        let mut all = Params::zeros(broadcast.params.layout().clone());
        all.add_scaled(1.0, &trained.delta);
        Ok(Some(all.values().to_vec()))
    }
    fn answer<'w>(
        &self,
        worker: &'w mut Worker,
        broadcast: &Broadcast<'_>,
        client: ClientId,
        own: &[u8],
    ) -> Result<Sent<'w>, ClientError> {
        let data = self.shards.shard(client);
        if data.examples.is_empty() {
            return Err(ClientError::EmptyShard { client });
        }
        let Broadcast { round, exchange, .. } = *broadcast;
        let mut task = self.task(client, &data, round, broadcast.params, &mut worker.workspace);
        let at = Address::new(self.seed, Purpose::Transform).round(round).client(client.0);
        let edit = |answer: &mut Answer| transform(self.transforms, at, exchange, answer);
        let (answer, state) = broadcast.algorithm.answer(exchange, &mut task, own, &edit)?;
        let (weight, loss) = (broadcast.weight(&answer, data.examples.len() as u64), answer.loss);
        let delta = broadcast.format.join(client, answer)?;
        let update = Update {
            client,
            round,
            exchange: exchange.number,
            base: broadcast.checksum,
            weight,
            loss,
            delta,
        };
        let (message, line) = worker.gate.send(&update, self.sources.name(data.checksum()));
        worker.workspace.reuse(update.delta);
        Ok(Sent { message, line, state })
    }
}
