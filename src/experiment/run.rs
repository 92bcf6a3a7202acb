//! The loop around the rounds: evaluation, early stopping, checkpoints, baselines.

use crate::config::Config;
use crate::experiment::ExperimentError;
use crate::experiment::data::{Data, HeldOut};
use crate::experiment::record::{Record, Resumed, Round};
use crate::experiment::stopwatch::Stopwatch;
use crate::experiment::summary::{Baseline, Baselines, Ended, OutOfScope, Summary};
use crate::experiment::totals::Totals;
use crate::memory::peak_rss_bytes;
use crate::parts::SharedAlgorithm;
use sottovoce_aggregator::Aggregation;
use sottovoce_clients::{Nodes, Shards, SourceKey, baselines, evaluation};
use sottovoce_core::evaluation::{Evaluation, OverClients, Prediction, recall};
use sottovoce_core::{
    Address, AnyAlgorithm, Checksum, ClientError, ClientId, Digest, Format, Params, Purpose, Summing,
    Transform, sampling,
};
use sottovoce_models::LocalTraining;
use sottovoce_simulation::{
    CheckpointError, Cohort, Engine, Leaves, Pace, Plan, RoundReport, State, World, WorldConfig,
};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::ControlFlow;

/// An experiment with its data, ready to run.
pub struct Experiment {
    config: Config,
    data: Data,
    algorithm: SharedAlgorithm,
    transforms: Vec<Box<dyn Transform>>,
    weight_cap: u64,
    arrival: Option<u64>,
    world: Option<World>,
    sources: SourceKey,
    started: Stopwatch,
}

/// What an experiment is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Rounds, this many in all.
    Rounds(u64),
    /// Final evaluation.
    Evaluation,
    /// The centralised baseline.
    Centralised,
    /// The local-only baseline.
    LocalOnly,
}

/// A round that is over.
#[derive(Debug)]
pub struct Progress<'a> {
    /// What it did.
    pub report: &'a RoundReport,
    /// Accuracy after it, where it was evaluated: on the validation split, or on the test split without one.
    pub accuracy: Option<f64>,
    /// A checksum for each stage, the evaluation's among them.
    pub leaves: Leaves,
    /// Digest of the run up to here.
    pub chain: Digest,
}

/// Whoever watches a run; may stop it after any round.
pub trait Observer {
    /// A run goes on from the checkpoint before the newest, because the newest is damaged.
    fn damaged(&mut self, _why: &CheckpointError) {}
    /// What was assumed of the data, and what of them cannot be used: sentences that somebody should see.
    fn notes(&mut self, _notes: &[String]) {}
    /// Something else begins.
    fn stage(&mut self, _stage: Stage) {}
    /// A round is over.
    fn round(&mut self, _progress: &Progress<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Watches nothing.
impl Observer for () {}

impl Experiment {
    /// Checks what can only be checked with the data at hand.
    pub fn new(config: Config) -> Result<Self, ExperimentError> {
        let started = Stopwatch::start();
        let data = Data::prepare(&config)?;
        if data.test.examples.is_empty() {
            return Err(ExperimentError::NoTestData);
        }
        let clients = data.shards.training_clients();
        if let Some(size) = config.rounds.cohort.size()
            && size > clients
        {
            return Err(ExperimentError::CohortTooLarge { size, clients });
        }
        if config.rounds.early_stopping.is_some() && data.validation.examples.is_empty() {
            return Err(ExperimentError::NoValidation);
        }
        if config.rounds.cohort == Cohort::All
            && let Some(recipe) = config.recipe().map_err(ExperimentError::Rule)?
        {
            recipe
                .check_rows(usize::try_from(clients).unwrap_or(usize::MAX))
                .map_err(ExperimentError::Rule)?;
        }
        let largest = data.largest_shard;
        let weight_cap = match config.rounds.weight_cap {
            Some(cap) if cap < largest && data.train_examples.is_some() => {
                return Err(ExperimentError::WeightCap { cap, largest });
            }
            Some(cap) => cap,
            None => largest.max(1),
        };
        let (algorithm, transforms) = (config.algorithm()?, config.transforms()?);
        let world = world(&config, &data);
        let sources = SourceKey::of(&*data.shards);
        Ok(Self { config, data, algorithm, transforms, weight_cap, arrival: None, world, sources, started })
    }

    /// Asks the clients of a cohort in an order drawn from this seed: no bit of the result depends on it.
    pub fn arriving(mut self, seed: u64) -> Self {
        self.arrival = Some(seed);
        self
    }

    /// Adds a transform behind the configured ones that the configuration does not know: what a faulty build does is tried
    /// with it. A transform of a program's own is named by the configuration ([`Parts`](crate::Parts)).
    #[doc(hidden)]
    pub fn with_transform(mut self, transform: Box<dyn Transform>) -> Self {
        self.transforms.push(transform);
        self
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }
    /// The model before the first round.
    pub fn initial(&self) -> Params {
        self.data.model.init(self.config.seed)
    }
    /// The data.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Runs with the configured algorithm.
    pub fn run(
        &self,
        record: &mut Record,
        observer: &mut dyn Observer,
    ) -> Result<(Summary, Params), ExperimentError> {
        self.run_with(&*self.algorithm, record, observer)
    }

    /// Runs with any algorithm, whatever the configuration names: what a faulty build does is tried with it. An algorithm of a
    /// program's own is named by the configuration ([`Parts`](crate::Parts)).
    #[doc(hidden)]
    pub fn run_with(
        &self,
        algorithm: &dyn AnyAlgorithm,
        record: &mut Record,
        observer: &mut dyn Observer,
    ) -> Result<(Summary, Params), ExperimentError> {
        let (config, data) = (&self.config, &self.data);
        observer.notes(&data.origin.notes());
        let facts = algorithm.facts(data.shards.training_clients());
        let nodes = Nodes {
            shards: &*data.shards,
            model: &*data.model,
            local: config.local,
            transforms: &self.transforms,
            root: data.root.as_ref(),
            sources: self.sources,
            seed: config.seed,
        };
        let plan = self.plan();
        Format::new(data.model.layout().clone(), facts.contents).map_err(ExperimentError::Model)?;
        let mut engine = match record.start(config, data)? {
            None => Engine::new(algorithm, &nodes, plan, data.model.init(config.seed)),
            Some(Resumed { state, server, damage }) => {
                damage.iter().for_each(|why| observer.damaged(why));
                Engine::at(algorithm, &nodes, plan, state, &server)
                    .ok_or_else(|| record.of_another_algorithm())?
            }
        };
        record.accept()?;
        let mut totals = Totals::of(record, config);
        observer.stage(Stage::Rounds(config.rounds.count));
        let (mut interrupted, mut kept) = (false, engine.round());
        // A resumed run may have been at its end already.
        while !interrupted && engine.round() < config.rounds.count && !totals.stalled(config) {
            let begin = Stopwatch::start();
            let report = match record.tap(engine.round()) {
                Some(tap) => engine.step_with(tap)?,
                None => engine.step()?,
            };
            totals.round_seconds += begin.seconds();
            totals.asked_here += report.cohort;
            if totals.first_round_seconds == 0.0 {
                totals.first_round_seconds = self.started.seconds();
            }
            let evaluated = self.evaluation_due(engine.round()).then(|| self.watch(engine.params()));
            let (accuracy, evaluation) = evaluated.unzip();
            let leaves = Leaves { evaluation: evaluation.unwrap_or_default(), ..report.leaves };
            record.round(&Round { report: &report, leaves, accuracy, params: engine.params() })?;
            totals.add(&report);
            if let Some(accuracy) = accuracy {
                let best = totals.watch(accuracy, report.round, config);
                if best && config.rounds.early_stopping.is_some() {
                    engine.keep_best();
                }
            }
            let progress = Progress { report: &report, accuracy, leaves, chain: record.chain() };
            interrupted = observer.round(&progress).is_break();
            let every = config.rounds.checkpoint_every;
            if interrupted || every > 0 && engine.round().is_multiple_of(every) {
                record.checkpoint(engine.state(), &engine.algorithm().state())?;
                kept = engine.round();
            }
        }
        // Baselines may take longer than the rounds, which nobody has to run again if they are interrupted.
        if kept < engine.round() {
            record.checkpoint(engine.state(), &engine.algorithm().state())?;
        }
        let ended = match (interrupted, totals.stalled(config)) {
            (true, _) => Ended::Interrupted,
            (false, true) => Ended::StoppedEarly,
            (false, false) => Ended::Completed,
        };
        observer.stage(Stage::Evaluation);
        let rounds = engine.round();
        let personal = if facts.personalises { self.personal(&nodes, &engine, record)? } else { None };
        let (model_rounds, params) = chosen(engine.state());
        let mut summary = self.summary(&params, rounds, ended, &totals, record, observer)?;
        (summary.personal, summary.model_rounds) = (personal, model_rounds);
        Ok((summary, params.into_owned()))
    }

    /// How rounds are run.
    fn plan(&self) -> Plan<'_> {
        let config = &self.config;
        Plan {
            seed: config.seed,
            cohort: config.rounds.cohort,
            dropout: config.rounds.dropout,
            aggregation: Aggregation {
                weight_cap: self.weight_cap,
                grid: config.aggregation.grid.grid().expect("the configuration was checked"),
                norm_bound: config.aggregation.norm_bound,
                recipe: config.recipe().expect("the configuration was checked"),
                absent: config.aggregation.absent_rows,
            },
            too_few: config.aggregation.too_few,
            alike: config.weighs_alike(),
            transforms: &self.transforms,
            arrival: self.arrival,
            state_memory: config.rounds.state_memory_mb << 20,
            pace: config.rounds.pace,
            world: self.world.as_ref(),
        }
    }

    fn evaluation_due(&self, rounds_done: u64) -> bool {
        let every = self.config.rounds.evaluate_every;
        every > 0 && rounds_done.is_multiple_of(every)
    }

    /// Accuracy on the split that is looked at while training, and a checksum of the predictions.
    fn watch(&self, params: &Params) -> (f64, Checksum) {
        let held_out =
            if self.data.validation.examples.is_empty() { &self.data.test } else { &self.data.validation };
        let (predictions, figures) = self.evaluate(params, held_out);
        (figures.accuracy, checksum_of(&predictions))
    }

    fn evaluate(&self, params: &Params, held_out: &HeldOut) -> (Vec<Prediction>, Evaluation) {
        let model = &*self.data.model;
        let predictions = evaluation::predict(model, params, &held_out.examples);
        let figures = Evaluation::of(&predictions, model.classes());
        (predictions, figures)
    }

    fn summary(
        &self,
        params: &Params,
        rounds: u64,
        ended: Ended,
        totals: &Totals,
        record: &mut Record,
        observer: &mut dyn Observer,
    ) -> Result<Summary, ExperimentError> {
        let (config, data) = (&self.config, &self.data);
        let (predictions, figures) = self.evaluate(params, &data.test);
        let grouped = |names: Vec<Option<String>>| {
            let mut groups: BTreeMap<String, Vec<Prediction>> = BTreeMap::new();
            for (prediction, name) in predictions.iter().zip(names) {
                groups.entry(name.unwrap_or_else(|| "none".to_owned())).or_default().push(*prediction);
            }
            groups.into_iter().map(|(name, p)| (name, Evaluation::of(&p, data.model.classes()))).collect()
        };
        let languages =
            grouped(data.test.languages.iter().map(|l| Some(format!("{l:?}").to_lowercase())).collect());
        let domains =
            grouped(data.test.domains.iter().map(|d| d.map(|d| data.domains[d as usize].clone())).collect());
        let over_clients = self.over_clients(params, rounds, totals, record)?;
        let baselines =
            if ended == Ended::Interrupted { Baselines::default() } else { self.baselines(observer)? };
        let validation = Some(&data.validation).filter(|v| !v.examples.is_empty());
        let validation = validation.map(|v| self.evaluate(params, v).1.accuracy);
        let wall = self.started.seconds();
        Ok(Summary {
            name: config.name.clone(),
            rounds,
            ended,
            model_rounds: None,
            clients: data.shards.clients(),
            train_examples: data.train_examples.unwrap_or_else(|| totals.examples()),
            test_examples: figures.examples,
            intents: data.labels.len() as u64,
            parameters: params.values().len() as u64,
            accuracy: figures.accuracy,
            macro_f1: figures.macro_f1,
            ece: figures.ece,
            validation,
            out_of_scope: self.out_of_scope(&predictions),
            languages,
            domains,
            over_clients,
            personal: None,
            baselines,
            digest: params.digest(),
            chain: record.chain(),
            bytes_up: totals.bytes_up,
            bytes_down: totals.bytes_down,
            dropped: totals.dropped,
            virtual_seconds: totals.virtual_seconds(),
            stale: totals.stale,
            targets: totals.reached.clone(),
            rejected: totals.rejected,
            updates: totals.updates,
            skipped: totals.skipped,
            wall_seconds: wall,
            round_seconds: totals.round_seconds,
            clients_per_second: totals.asked_here as f64 / totals.round_seconds.max(1e-9),
            first_round_seconds: totals.first_round_seconds,
            peak_rss_bytes: peak_rss_bytes(),
        })
    }

    fn out_of_scope(&self, predictions: &[Prediction]) -> Option<OutOfScope> {
        let name = self.config.evaluation.out_of_scope.as_ref()?;
        let class = self.data.labels.iter().position(|l| l == name)? as u32;
        let recall = recall(predictions, class)?;
        Some(OutOfScope { recall, in_scope_accuracy: without(predictions, class) })
    }

    /// The final model on each client's own held-out examples.
    fn over_clients(
        &self,
        params: &Params,
        rounds: u64,
        totals: &Totals,
        record: &mut Record,
    ) -> Result<Option<OverClients>, ExperimentError> {
        let (shards, chosen) = (&*self.data.shards, self.evaluated());
        let global = |_| Ok::<_, Infallible>(Some(Cow::Borrowed(params)));
        let Ok(answers) =
            evaluation::over_clients(&*self.data.model, global, shards, &self.sources, rounds, &chosen);
        record.ledger(answers.iter().map(|(_, line)| line))?;
        let counts: Vec<_> = answers.into_iter().map(|(counts, _)| counts).collect();
        record.clients(&totals.participants, &counts)?;
        Ok(OverClients::of(&counts))
    }

    /// Clients' own models, each on its client's held-out examples.
    fn personal(
        &self,
        nodes: &Nodes<'_, dyn Shards>,
        engine: &Engine<'_, Nodes<'_, dyn Shards>>,
        record: &mut Record,
    ) -> Result<Option<OverClients>, ExperimentError> {
        let (shards, state) = (&*self.data.shards, engine.state());
        let training = shards.training_clients();
        let chosen: Vec<u64> = self.evaluated().into_iter().filter(|client| *client < training).collect();
        let own = |client: ClientId| {
            let own = state.clients.bytes(client.0).map_err(|_| ClientError::State { client })?;
            let own = own.as_deref().unwrap_or_default();
            let params = nodes.personal(engine.algorithm(), own, state.round, client, &state.params);
            params.map(|p| p.map(Cow::Owned))
        };
        let answers =
            evaluation::over_clients(&*self.data.model, own, shards, &self.sources, state.round, &chosen)
                .map_err(ExperimentError::Personal)?;
        record.ledger(answers.iter().map(|(_, line)| line))?;
        let counts: Vec<_> = answers.into_iter().map(|(counts, _)| counts).collect();
        Ok(OverClients::of(&counts))
    }

    /// Clients that evaluate the final model.
    fn evaluated(&self) -> Vec<u64> {
        let population = self.data.shards.clients();
        let wanted = self.config.evaluation.clients.min(population);
        let mut stream = Address::new(self.config.seed, Purpose::Sample).slot(1).stream();
        sampling::distinct(&mut stream, population, wanted)
    }

    fn baselines(&self, observer: &mut dyn Observer) -> Result<Baselines, ExperimentError> {
        let Some(wanted) = &self.config.baselines else { return Ok(Baselines::default()) };
        let how: &LocalTraining = &wanted.training;
        let (data, seed) = (&self.data, self.config.seed);
        let mut out = Baselines::default();
        if wanted.centralised {
            observer.stage(Stage::Centralised);
            let all = data.in_one_place(wanted.max_examples);
            let params =
                baselines::centralised(&*data.model, how, &all, seed).map_err(ExperimentError::Baseline)?;
            let (predictions, figures) = self.evaluate(&params, &data.test);
            let in_scope = self.out_of_scope(&predictions).map(|o| o.in_scope_accuracy);
            out.centralised = Some(baseline(figures, in_scope, 1));
        }
        if wanted.local_only_clients > 0 {
            observer.stage(Stage::LocalOnly);
            let at_most = wanted.local_only_clients;
            let test = &data.test.examples;
            let figures = baselines::local_only(&*data.model, how, &*data.shards, test, seed, at_most)
                .map_err(ExperimentError::Baseline)?;
            out.local_only = figures.map(|(figures, clients)| baseline(figures, None, clients));
        }
        Ok(out)
    }
}

/// The parameters that a run comes to: those that early stopping has found best, the last ones otherwise. The number of
/// rounds comes with those that are not the last.
fn chosen(state: &State) -> (Option<u64>, Cow<'_, Params>) {
    let best = state.best.as_ref().filter(|best| best.rounds < state.round);
    let params =
        best.and_then(|best| Params::from_values(state.params.layout().clone(), best.params.to_vec()));
    (best.map(|best| best.rounds), params.map_or(Cow::Borrowed(&state.params), Cow::Owned))
}

/// The world, if there is any time.
fn world(config: &Config, data: &Data) -> Option<World> {
    // Who waits in another way than for everybody needs a clock, even one that stands still.
    let standing = WorldConfig { seconds_per_example: 0.0, ..WorldConfig::default() };
    let timed = config.rounds.pace != Pace::default();
    let world = config.world.clone().or(timed.then_some(standing))?;
    Some(World::new(world, data.outside.trace.clone(), config.seed, config.local.epochs))
}

fn checksum_of(predictions: &[Prediction]) -> Checksum {
    let mut all = Summing::default();
    for p in predictions {
        all.number(p.label.into()).number(p.predicted.into()).number(p.confidence.to_bits().into());
    }
    all.finish()
}

fn baseline(figures: Evaluation, in_scope_accuracy: Option<f64>, models: u64) -> Baseline {
    let Evaluation { accuracy, macro_f1, ece, .. } = figures;
    Baseline { accuracy, macro_f1, ece, in_scope_accuracy, models }
}

/// Accuracy on the examples of all other classes.
fn without(predictions: &[Prediction], class: u32) -> f64 {
    let others: Vec<&Prediction> = predictions.iter().filter(|p| p.label != class).collect();
    let right = others.iter().filter(|p| p.label == p.predicted).count();
    right as f64 / others.len().max(1) as f64
}
