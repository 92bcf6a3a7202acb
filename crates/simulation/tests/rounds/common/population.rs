//! A population that trains a small model for real, and may tamper with what it sends.

use sottovoce_core::sampling::{below, index};
use sottovoce_core::{
    Address, Adjust, Algorithm, Broadcast, ClientError, ClientId, LedgerLine, LocalTask, Outbound, Params,
    Population, Purpose, Trained, Update,
};
use sottovoce_models::{
    EmbeddingBag, Examples, LocalExamples, LocalTraining, Model, Optimiser, SoftmaxRegression, Start,
    Workspace, loss, train,
};
use std::ops::Range;
use std::sync::Arc;

pub(crate) const BUCKETS: usize = 64;
pub(crate) const CLASSES: usize = 4;
/// Largest weight allowed in these runs; every shard is smaller.
pub(crate) const CAP: u64 = 64;

/// Clients with a few examples each. Some may hold none, some may stay silent, and `tamper` edits every update
/// on its way out.
pub(crate) struct Desks<'a, A> {
    pub(crate) algorithm: &'a A,
    pub(crate) model: Box<dyn Model>,
    pub(crate) shards: Vec<LocalExamples>,
    /// Clients that answer nothing.
    pub(crate) silent: Vec<u64>,
    pub(crate) tamper: Box<dyn Fn(&mut Update) + Sync + 'a>,
    pub(crate) seed: u64,
}

impl<'a, A: Algorithm> Desks<'a, A> {
    /// `clients` honest clients with 3 to 11 examples each, who train a softmax regression, or, where the algorithm needs
    /// representations, an embedding bag.
    pub(crate) fn new(algorithm: &'a A, clients: u64, seed: u64) -> Self {
        if algorithm.represents() {
            return Self::bags(algorithm, clients, seed);
        }
        Self::of(algorithm, Box::new(SoftmaxRegression::new(BUCKETS, CLASSES).unwrap()), clients, seed)
    }
    /// The same with an embedding bag.
    pub(crate) fn bags(algorithm: &'a A, clients: u64, seed: u64) -> Self {
        Self::of(algorithm, Box::new(EmbeddingBag::new(BUCKETS, 6, CLASSES, 0.2).unwrap()), clients, seed)
    }
    pub(crate) fn of(algorithm: &'a A, model: Box<dyn Model>, clients: u64, seed: u64) -> Self {
        let shards = (0..clients).map(|c| shard(&*model, 3 + c * 5 % 9, c)).collect();
        Self { algorithm, model, shards, silent: vec![], tamper: Box::new(|_| {}), seed }
    }
    /// The same, but these hold no example.
    pub(crate) fn without_examples(mut self, clients: &[u64]) -> Self {
        for c in clients {
            self.shards[*c as usize] = shard(&*self.model, 0, *c);
        }
        self
    }
    pub(crate) fn silent(mut self, clients: &[u64]) -> Self {
        self.silent = clients.to_vec();
        self
    }
    pub(crate) fn tampering(mut self, tamper: impl Fn(&mut Update) + Sync + 'a) -> Self {
        self.tamper = Box::new(tamper);
        self
    }
    pub(crate) fn start(&self) -> Params {
        self.model.init(self.seed)
    }
}

/// Examples whose class shows in their rows; every client has a taste of its own.
fn shard(model: &dyn Model, examples: u64, client: u64) -> LocalExamples {
    let mut s = Address::new(77, Purpose::Test).client(client).stream();
    let mut all = Examples::default();
    for _ in 0..examples {
        let label = (client + below(&mut s, 2)) % CLASSES as u64;
        let mut rows: Vec<u32> =
            (0..4).map(|_| (index(&mut s, BUCKETS / CLASSES) * CLASSES) as u32 + label as u32).collect();
        rows.sort_unstable();
        all.push(&rows, 0.5, label as u32);
    }
    all.localise(model.layout())
}

pub(crate) const LOCAL: LocalTraining =
    LocalTraining { epochs: 2, batch: 4, shuffle: true, optimiser: Optimiser::Sgd { lr: 0.5 } };

/// One client's data, as its algorithm sees it.
pub(crate) struct Task<'a> {
    pub(crate) client: ClientId,
    pub(crate) round: u64,
    pub(crate) model: &'a dyn Model,
    pub(crate) data: &'a LocalExamples,
    pub(crate) start: &'a Params,
    pub(crate) order: Address,
    pub(crate) workspace: &'a mut Workspace,
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
        self.start
    }
    fn epochs(&self) -> u32 {
        LOCAL.epochs
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
        let how = LocalTraining { epochs: epochs.len() as u32, ..LOCAL };
        let start = start.map_or(Start::Model(self.start), Start::Rows);
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

#[derive(Default)]
pub(crate) struct Worker {
    workspace: Workspace,
    buffer: Vec<u8>,
}

impl<A: Algorithm> Population<A> for Desks<'_, A> {
    type Worker = Worker;

    fn clients(&self) -> u64 {
        self.shards.len() as u64
    }
    fn examples(&self, client: ClientId) -> u64 {
        self.shards[client.0 as usize].examples.len() as u64
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
        let data = &self.shards[client.0 as usize];
        if data.examples.is_empty() || self.silent.contains(&client.0) {
            return Err(ClientError::EmptyShard { client });
        }
        // Some take longer than others, so that answers arrive out of order.
        for _ in 0..client.0 * 7 % 5 {
            std::thread::yield_now();
        }
        let order = Address::new(self.seed, Purpose::BatchOrder).round(broadcast.round).client(client.0);
        let Worker { workspace, buffer } = worker;
        let (model, start) = (&*self.model, broadcast.params);
        let round = broadcast.round;
        let mut task = Task { client, round, model, data, start, order, workspace };
        let answer = self.algorithm.client(&mut task, broadcast.server, own)?;
        let (weight, loss) = (answer.weight.unwrap_or(data.examples.len() as u64), answer.loss);
        let delta = broadcast.format.join(client, answer)?;
        let mut update =
            Update { client, round: broadcast.round, base: broadcast.checksum, weight, loss, delta };
        (self.tamper)(&mut update);
        buffer.clear();
        let checksum = update.encode(buffer);
        let (round, bytes) = (broadcast.round, buffer.len() as u64);
        Ok((
            buffer,
            LedgerLine {
                round,
                client,
                kind: Update::KIND,
                bytes,
                checksum,
                source: data.checksum(),
                state: None,
            },
        ))
    }
}
