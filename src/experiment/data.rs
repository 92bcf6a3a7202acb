//! From a configuration to clients with shards, and held-out examples to evaluate on.

use crate::config::{Config, Invalid, ModelConfig};
use crate::experiment::ExperimentError;
use crate::experiment::origin::{known_intent, visit_files};
use crate::experiment::outside::Outside;
use crate::experiment::root;
use crate::experiment::vectors::Vectors;
use rayon::prelude::*;
use sottovoce_clients::{Featurised, Intake, Shards, StoredShards, SyntheticShards};
use sottovoce_core::{Checksum, ClientId, Layout, LayoutError, Summing};
use sottovoce_models::{
    EmbeddingBag, Examples, FrozenTable, LocalExamples, LowRank, Mlp, Model, SoftmaxRegression, TextCnn,
};
use sottovoce_transcripts::deident::{Policy, Redactor};
use sottovoce_transcripts::partition::{Item, Pool, PoolBuilder, Scheme, partition, partition_like};
use sottovoce_transcripts::retention::{Retention, RetentionReport};
use sottovoce_transcripts::{Language, Split, Synthetic, Transcript};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

pub use crate::experiment::origin::Origin;

/// Transcripts that are featurised together.
const BATCH: usize = 8192;
/// Populations up to this many transcripts are made once and kept; larger ones are made as they are asked for.
const KEEP_TRANSCRIPTS: u64 = 200_000;

/// Held-out examples with what they are grouped by in reports.
#[derive(Debug, Default)]
pub struct HeldOut {
    /// The examples, rows numbered in the whole table.
    pub examples: Examples,
    /// Language of each.
    pub languages: Vec<Language>,
    /// Index of each one's domain, if it has one.
    pub domains: Vec<Option<u32>>,
}

/// Everything that a run needs of its data.
pub struct Data {
    /// Intents; a class is an index here.
    pub labels: Vec<String>,
    /// Domains.
    pub domains: Vec<String>,
    /// The classifier for these labels.
    pub model: Box<dyn Model>,
    /// The clients' examples.
    pub shards: Box<dyn Shards>,
    /// Training examples of all clients; `None` where they are made as they are asked for.
    pub train_examples: Option<u64>,
    /// Examples of the largest shard, or a bound on it.
    pub largest_shard: u64,
    /// Held out for the final figures.
    pub test: HeldOut,
    /// Held out for early stopping; may be empty.
    pub validation: HeldOut,
    /// What was read, or made.
    pub origin: Origin,
    /// What was read beside transcripts.
    pub outside: Outside,
    /// The server's own examples, for rules that trust the update that it makes of them.
    pub root: Option<LocalExamples>,
}

impl Data {
    /// Reads or makes the data, masks, featurises and deals them out.
    pub fn prepare(config: &Config) -> Result<Self, ExperimentError> {
        let mut data = Self::of_clients(config)?;
        if let Some(name) = &config.evaluation.out_of_scope {
            known_intent("evaluation.out_of_scope", name, data.labels.iter())?;
        }
        data.root = root::root(config, &data)?;
        Ok(data)
    }

    fn of_clients(config: &Config) -> Result<Self, ExperimentError> {
        let outside = Outside::read(config)?;
        let intake = intake(config);
        let natural = config.partition.is_none_or(|p| p == Scheme::Natural {});
        match &config.data.synthetic {
            None => from_files(config, intake, outside),
            Some(synthetic) => {
                let corpus = Synthetic::new(synthetic.clone()).map_err(ExperimentError::Synthetic)?;
                if !natural {
                    return from_corpus(config, intake, &corpus, outside);
                }
                let transcripts = synthetic.clients.saturating_mul(synthetic.transcripts_per_client.into());
                let made = made_when_asked(config, intake, corpus, outside)?;
                Ok(if transcripts > KEEP_TRANSCRIPTS { made } else { made.kept() })
            }
        }
    }

    /// Checksum of what is no client's: intents, test and validation examples, what was read beside transcripts, the server's
    /// own examples.
    pub fn checksum(&self) -> Checksum {
        let mut all = Summing::default();
        self.labels.iter().for_each(|label| {
            all.bytes(label.as_bytes());
        });
        for held_out in [&self.test, &self.validation] {
            all.bytes(&held_out.examples.checksum().0);
        }
        self.outside.sum(&mut all);
        if let Some(root) = &self.root {
            all.bytes(&root.checksum().0);
        }
        all.finish()
    }

    /// The same shards, made once and kept in memory.
    fn kept(self) -> Self {
        let clients: Vec<ClientId> = (0..self.shards.training_clients()).map(ClientId).collect();
        let both = |c: &ClientId| (self.shards.shard(*c).into_owned(), self.shards.held_out(*c).into_owned());
        let (train, held_out): (Vec<_>, Vec<_>) = clients.par_iter().map(both).unzip();
        let sizes = || train.iter().map(|s: &LocalExamples| s.examples.len() as u64);
        let (train_examples, largest_shard) = (Some(sizes().sum()), sizes().max().unwrap_or(0));
        Self { train_examples, largest_shard, shards: Box::new(StoredShards { train, held_out }), ..self }
    }
}

/// The steps between a transcript and its features.
pub fn intake(config: &Config) -> Intake {
    let redactor = config.deidentify.enabled.then(|| Redactor::new(Policy::tiers(&config.deidentify.tiers)));
    let retention = config.retention.as_ref().map(|r| {
        let date = crate::config::date(&r.date).expect("the configuration was checked");
        (Retention { days: r.retention_days, undated: r.undated }, date)
    });
    Intake { features: config.features.clone(), redactor, retention }
}

/// The classifier of a configuration for that many classes. Without `table` a frozen one is random: shapes and start are
/// the same.
///
/// # Panics
/// If `table` does not have the configured size.
pub fn model(
    config: &Config,
    classes: usize,
    table: Option<Arc<[f32]>>,
) -> Result<Box<dyn Model>, ExperimentError> {
    let buckets = config.features.buckets as usize;
    let model: Result<Box<dyn Model>, LayoutError> = match &config.model {
        ModelConfig::Custom(custom) => {
            let value = format!("{:?}", custom.name);
            let of = |expected| Invalid { key: "model.name".to_owned(), value, expected };
            let made = config.parts.make_model(custom, buckets, classes).and_then(|made| {
                let (rows, answers) = (made.layout().tensors()[0].rows(), made.classes());
                match (rows, answers) == (buckets, classes) {
                    true => Ok(made),
                    false => Err(format!(
                        "has a table of {rows} rows and {answers} classes, and needs {buckets} rows (features.buckets) and \
                         {classes} classes"
                    )),
                }
            });
            Ok(made.map_err(of)?)
        }
        ModelConfig::SoftmaxRegression {} => SoftmaxRegression::new(buckets, classes).map(boxed),
        ModelConfig::EmbeddingBag { dim, table_init } => {
            let bound = table_init.unwrap_or(1.0 / *dim as f32);
            EmbeddingBag::new(buckets, *dim as usize, classes, bound).map(boxed)
        }
        ModelConfig::LowRank { rank, dim, table_init, .. } => {
            let bound = table_init.unwrap_or((3.0 / *dim as f32).sqrt());
            let frozen = table.map_or_else(|| FrozenTable::random(config.seed, bound), FrozenTable::given);
            LowRank::new(buckets, *rank as usize, *dim as usize, classes, frozen).map(boxed)
        }
        ModelConfig::Mlp { dim, hidden, .. } => Mlp::new(*dim as usize, *hidden as usize, classes).map(boxed),
        ModelConfig::TextCnn { dim, widths, filters, table_init } => {
            let widths: Vec<usize> = widths.iter().map(|w| *w as usize).collect();
            let bound = table_init.unwrap_or(0.25);
            TextCnn::new(buckets, *dim as usize, &widths, *filters as usize, classes, bound).map(boxed)
        }
    };
    let model = model.map_err(ExperimentError::Model)?;
    // Parameters are allocated by whoever asks for this model, so this is the place to refuse.
    let params = model.layout().params();
    if params > MOST_PARAMS {
        return Err(ExperimentError::ModelTooLarge { params });
    }
    Ok(model)
}

/// Most parameters of a model: 16 GiB of them.
pub const MOST_PARAMS: usize = 1 << 32;

fn boxed(model: impl Model + 'static) -> Box<dyn Model> {
    Box::new(model)
}

/// Featurised transcripts by split, and their metadata; the text is gone.
#[derive(Default)]
struct Collected {
    pool: PoolBuilder,
    features: BTreeMap<Split, Vec<Featurised>>,
    waiting: Vec<Transcript>,
    retention: RetentionReport,
}

impl Collected {
    /// Takes a transcript, with its vector where the model reads vectors and not text.
    fn push(&mut self, intake: &Intake, transcript: Transcript, vector: Option<Vec<f32>>) {
        if !intake.keeps(&transcript, &mut self.retention) {
            return;
        }
        self.pool.push(&transcript);
        if let Some(dense) = vector {
            let features = Featurised { dense, ..Featurised::default() };
            self.features.entry(transcript.split).or_default().push(features);
            return;
        }
        self.waiting.push(transcript);
        if self.waiting.len() >= BATCH {
            self.flush(intake);
        }
    }
    fn flush(&mut self, intake: &Intake) {
        let features = intake.features_of_all(&self.waiting);
        for (transcript, features) in self.waiting.drain(..).zip(features) {
            self.features.entry(transcript.split).or_default().push(features);
        }
    }
}

fn from_files(config: &Config, intake: Intake, outside: Outside) -> Result<Data, ExperimentError> {
    let mut all = Collected::default();
    let (vectors, mut fault) = (Vectors::open(config)?, None);
    let read = visit_files(config, &mut |number, transcript| {
        match vectors.as_ref().map(|v| v.unit(number)).transpose() {
            Ok(vector) => all.push(&intake, transcript, vector.flatten()),
            Err(e) => fault = Some(e),
        }
        if fault.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if let Some(fault) = fault {
        return Err(fault.into());
    }
    if let Some(vectors) = vectors {
        vectors.all_read(read.transcripts)?;
    }
    let origin = Origin::of(read);
    deal(config, intake, all, origin, outside)
}

fn from_corpus(
    config: &Config,
    intake: Intake,
    corpus: &Synthetic,
    outside: Outside,
) -> Result<Data, ExperimentError> {
    let mut all = Collected::default();
    for client in 0..corpus.config().clients {
        for transcript in corpus.transcripts(config.seed, client) {
            all.push(&intake, transcript, None);
        }
    }
    for transcript in corpus.test(config.seed, config.data.test_examples) {
        all.push(&intake, transcript, None);
    }
    deal(config, intake, all, Origin::default(), outside)
}

/// Deals collected transcripts out to clients.
fn deal(
    config: &Config,
    intake: Intake,
    mut all: Collected,
    mut origin: Origin,
    outside: Outside,
) -> Result<Data, ExperimentError> {
    all.flush(&intake);
    origin.retention = intake.retention.is_some().then_some(all.retention);
    let mut features = |split| all.features.remove(&split).unwrap_or_default();
    let (train, validation, test) =
        (features(Split::Train), features(Split::Validation), features(Split::Test));
    let pool = all.pool.finish();
    if pool.train.is_empty() {
        return Err(ExperimentError::NoTrainingData { why: origin.why_nothing(config) });
    }
    let model = model(config, pool.labels.len(), outside.table.clone())?;
    let scheme = config.partition.unwrap_or(Scheme::Natural {});
    let dealt = partition(&scheme, &pool.train, &pool, config.seed)?;
    let own_test = partition_like(&scheme, &dealt, &pool.train, &pool.test, &pool, config.seed, 1)?;

    let shard = |indices: &[u32], features: &[Featurised], items: &[Item]| {
        let mut examples = Examples::default();
        for i in indices.iter().map(|i| *i as usize) {
            let Featurised { rows, scale, dense } = &features[i];
            examples.push_dense(rows, *scale, dense, items[i].label);
        }
        examples
    };
    let unseen =
        if scheme == (Scheme::Natural {}) { unseen_clients(&pool, &own_test.unassigned) } else { vec![] };
    let own_test = own_test.shards.iter().chain(&unseen);
    let stored = StoredShards {
        train: dealt.shards.iter().map(|s| shard(s, &train, &pool.train).localise(model.layout())).collect(),
        held_out: own_test.map(|s| shard(s, &test, &pool.test)).collect(),
    };
    let held_out = |features: &[Featurised], items: &[Item]| {
        let mut out = HeldOut::default();
        for (features, item) in features.iter().zip(items) {
            out.examples.push_dense(&features.rows, features.scale, &features.dense, item.label);
            out.languages.push(item.language);
            out.domains.push(item.domain);
        }
        out
    };
    Ok(Data {
        model,
        train_examples: Some(train.len() as u64),
        largest_shard: dealt.shards.iter().map(|s| s.len() as u64).max().unwrap_or(0),
        shards: Box::new(stored),
        test: held_out(&test, &pool.test),
        validation: held_out(&validation, &pool.validation),
        labels: pool.labels,
        domains: pool.domains,
        origin,
        outside,
        root: None,
    })
}

/// Test items of the natural clients that hold no training transcript, in the order of their keys.
fn unseen_clients(pool: &Pool, unassigned: &[u32]) -> Vec<Vec<u32>> {
    let mut unseen: BTreeMap<u32, Vec<u32>> =
        (0..pool.client_keys.len() as u32).map(|k| (k, vec![])).collect();
    for key in pool.train.iter().filter_map(|item| item.client_key) {
        unseen.remove(&key);
    }
    for item in unassigned {
        let own = pool.test[*item as usize].client_key.and_then(|key| unseen.get_mut(&key));
        own.into_iter().for_each(|own| own.push(*item));
    }
    unseen.into_values().collect()
}

/// A synthetic population whose clients exist while they are asked.
fn made_when_asked(
    config: &Config,
    intake: Intake,
    corpus: Synthetic,
    outside: Outside,
) -> Result<Data, ExperimentError> {
    let labels: Vec<String> = Synthetic::intents().into_iter().map(str::to_owned).collect();
    let domains: Vec<String> = Synthetic::domains().into_iter().map(str::to_owned).collect();
    let numbers: BTreeMap<String, u32> = labels.iter().cloned().zip(0..).collect();
    let model = model(config, labels.len(), outside.table.clone())?;
    let layout: Arc<Layout> = model.layout().clone();
    let transcripts = corpus.test(config.seed, config.data.test_examples);
    let mut test = HeldOut::default();
    for (transcript, features) in transcripts.iter().zip(intake.features_of_all(&transcripts)) {
        test.examples.push(&features.rows, features.scale, numbers[&transcript.intent]);
        test.languages.push(transcript.language);
        let domain = domains.iter().position(|d| Some(d) == transcript.domain.as_ref());
        test.domains.push(domain.map(|d| d as u32));
    }
    let shards = SyntheticShards { corpus, intake, labels: numbers, layout, seed: config.seed };
    Ok(Data {
        labels,
        domains,
        model,
        shards: Box::new(shards),
        train_examples: None,
        // The corpus gives no client more than 50 times the mean, of at most 100,000.
        largest_shard: 1 << 23,
        test,
        validation: HeldOut::default(),
        origin: Origin::default(),
        outside,
        root: None,
    })
}

impl Data {
    /// The training examples of clients in one place, client after client, up to `at_most`.
    pub fn in_one_place(&self, at_most: u64) -> LocalExamples {
        let mut all = Examples::default();
        let mut rows = Vec::new();
        for client in (0..self.shards.training_clients()).map(ClientId) {
            if all.len() as u64 >= at_most {
                break;
            }
            let shard = self.shards.shard(client);
            for example in shard.examples.iter() {
                rows.clear();
                rows.extend(example.rows.iter().map(|r| shard.rows[*r as usize]));
                all.push_dense(&rows, example.scale, example.dense, example.label);
            }
        }
        all.localise(self.model.layout())
    }
}
