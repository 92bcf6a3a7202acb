//! A population that trains a small model for real, and may tamper with what it sends.

use sottovoce_core::sampling::{below, index};
use sottovoce_core::{
    Address, Answer, AnyAlgorithm, Broadcast, ClientError, ClientId, LedgerLine, LocalTask, Outbound, Params,
    Personal, Population, Purpose, Running, Sent, Transform, Update, transform,
};
use sottovoce_models::{
    EmbeddingBag, Examples, LocalExamples, LocalTraining, Model, Optimiser, SoftmaxRegression, Task,
    Workspace,
};
use sottovoce_simulation::State;

pub(crate) const BUCKETS: usize = 64;
pub(crate) const CLASSES: usize = 4;
/// Largest weight allowed in these runs; every shard is smaller.
pub(crate) const CAP: u64 = 64;

/// Clients with a few examples each. Some may hold none, some may stay silent, and `tamper` edits every update
/// on its way out.
pub(crate) struct Desks<'a> {
    pub(crate) algorithm: &'a dyn AnyAlgorithm,
    pub(crate) model: Box<dyn Model>,
    pub(crate) shards: Vec<LocalExamples>,
    /// Clients that answer nothing.
    pub(crate) silent: Vec<u64>,
    pub(crate) tamper: Box<dyn Fn(&mut Update) + Sync + 'a>,
    pub(crate) transforms: Vec<Box<dyn Transform>>,
    pub(crate) local: LocalTraining,
    /// What the server has to train on.
    pub(crate) root: Option<LocalExamples>,
    pub(crate) seed: u64,
}

impl<'a> Desks<'a> {
    /// `clients` honest clients with 3 to 11 examples each, who train a softmax regression, or, where the algorithm needs
    /// representations, an embedding bag.
    pub(crate) fn new(algorithm: &'a dyn AnyAlgorithm, clients: u64, seed: u64) -> Self {
        if algorithm.facts(1).represents {
            return Self::bags(algorithm, clients, seed);
        }
        Self::of(algorithm, Box::new(SoftmaxRegression::new(BUCKETS, CLASSES).unwrap()), clients, seed)
    }
    /// The same with an embedding bag.
    pub(crate) fn bags(algorithm: &'a dyn AnyAlgorithm, clients: u64, seed: u64) -> Self {
        Self::of(algorithm, Box::new(EmbeddingBag::new(BUCKETS, 6, CLASSES, 0.2).unwrap()), clients, seed)
    }
    pub(crate) fn of(
        algorithm: &'a dyn AnyAlgorithm,
        model: Box<dyn Model>,
        clients: u64,
        seed: u64,
    ) -> Self {
        let shards = (0..clients).map(|c| shard(&*model, 3 + c * 5 % 9, c)).collect();
        Self {
            algorithm,
            model,
            shards,
            silent: vec![],
            tamper: Box::new(|_| {}),
            transforms: vec![],
            root: None,
            local: LOCAL,
            seed,
        }
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
    pub(crate) fn transforming(mut self, transforms: Vec<Box<dyn Transform>>) -> Self {
        self.transforms = transforms;
        self
    }
    pub(crate) fn training(mut self, local: LocalTraining) -> Self {
        self.local = local;
        self
    }
    pub(crate) fn start(&self) -> Params {
        self.model.init(self.seed)
    }
}

impl Desks<'_> {
    /// The model that a client uses for itself.
    pub(crate) fn personal(&self, running: &dyn Running, state: &State, client: ClientId) -> Params {
        let data = &self.shards[client.0 as usize];
        let (order, workspace) = (self.order(state.round, client), &mut Workspace::default());
        let own = state.clients.bytes(client.0).unwrap();
        let (model, round, local) = (&*self.model, state.round, &self.local);
        let mut task = Task { client, round, model, local, data, broadcast: &state.params, order, workspace };
        let Personal { base, rows } =
            running.personal(&mut task, own.as_deref().unwrap_or_default()).unwrap();
        let mut params = state.params.clone();
        base.into_iter().for_each(|all| params.values_mut().copy_from_slice(all));
        let places = state.params.layout().ranges(data.rows.iter().copied()).flatten();
        for (place, v) in places.zip(rows.into_iter().flatten()) {
            params.values_mut()[place] = v;
        }
        params
    }

    /// Address of a client's first shuffle in a round.
    fn order(&self, round: u64, client: ClientId) -> Address {
        Address::new(self.seed, Purpose::BatchOrder).round(round).client(client.0)
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

#[derive(Default)]
pub(crate) struct Worker {
    workspace: Workspace,
    buffer: Vec<u8>,
}

impl Population for Desks<'_> {
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
    fn trusted(
        &self,
        worker: &mut Worker,
        broadcast: &Broadcast<'_>,
    ) -> Result<Option<Vec<f32>>, ClientError> {
        let Some(data) = &self.root else { return Ok(None) };
        let (client, order) = (ClientId::SERVER, self.order(broadcast.round, ClientId::SERVER));
        let (model, local, round, workspace) =
            (&*self.model, &self.local, broadcast.round, &mut worker.workspace);
        let mut task =
            Task { client, round, model, local, data, broadcast: broadcast.params, order, workspace };
        let mut all = Params::zeros(model.layout().clone());
        all.add_scaled(1.0, &task.train(None)?.delta);
        Ok(Some(all.values().to_vec()))
    }
    fn answer<'w>(
        &self,
        worker: &'w mut Worker,
        broadcast: &Broadcast<'_>,
        client: ClientId,
        own: &[u8],
    ) -> Result<Sent<'w>, ClientError> {
        let data = &self.shards[client.0 as usize];
        if data.examples.is_empty() || self.silent.contains(&client.0) {
            return Err(ClientError::EmptyShard { client });
        }
        // Some take longer than others, so that answers arrive out of order.
        for _ in 0..client.0 * 7 % 5 {
            std::thread::yield_now();
        }
        let order = self.order(broadcast.round, client);
        let Worker { workspace, buffer } = worker;
        let (model, round, exchange) = (&*self.model, broadcast.round, broadcast.exchange);
        let mut task = Task {
            client,
            round,
            model,
            local: &self.local,
            data,
            broadcast: broadcast.params,
            order,
            workspace,
        };
        let at = Address::new(self.seed, Purpose::Transform).round(round).client(client.0);
        let edit = |answer: &mut Answer| transform(&self.transforms, at, exchange, answer);
        let (answer, state) = broadcast.algorithm.answer(exchange, &mut task, own, &edit)?;
        let (weight, loss) = (broadcast.weight(&answer, data.examples.len() as u64), answer.loss);
        let delta = broadcast.format.join(client, answer)?;
        let mut update = Update {
            client,
            round: broadcast.round,
            exchange: exchange.number,
            base: broadcast.checksum,
            weight,
            loss,
            delta,
        };
        (self.tamper)(&mut update);
        buffer.clear();
        let checksum = update.encode(buffer);
        let (bytes, kind, source) = (buffer.len() as u64, Update::KIND, data.checksum());
        let exchange = exchange.number;
        let line = LedgerLine { round, exchange, client, kind, bytes, checksum, source, state: None };
        Ok(Sent { message: buffer, line, state })
    }
}
