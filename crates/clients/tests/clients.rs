//! What a client does beside training: intake, its own evaluation, and what the same data give without federation.

use sottovoce_clients::{
    Intake, Nodes, Shards, SourceKey, StoredShards, SyntheticShards, baselines, evaluation,
};
use sottovoce_core::evaluation::{Evaluation, Prediction};
use sottovoce_core::{
    Address, AnyAlgorithm, Broadcast, ClientError, ClientId, Exchange, Format, Params, Population, Purpose,
    StartCx,
};
use sottovoce_models::{
    Examples, FeatureConfig, Featuriser, LocalExamples, LocalTraining, Model, Optimiser, SoftmaxRegression,
    Workspace, train,
};
use sottovoce_transcripts::deident::{Policy, Redactor};
use sottovoce_transcripts::retention::{Retention, RetentionReport, Undated};
use sottovoce_transcripts::{Synthetic, SyntheticConfig};
use std::borrow::Cow;
use std::collections::BTreeSet;

const BUCKETS: usize = 50;
const CLASSES: usize = 4;
/// Powers of e.
const E2: f64 = 7.389_056_098_930_65;
const E3: f64 = 20.085_536_923_187_668;

fn model() -> SoftmaxRegression {
    SoftmaxRegression::new(BUCKETS, CLASSES).expect("a small model")
}

/// An example of each row, with a label.
fn examples(rows: impl IntoIterator<Item = (u32, u32)>) -> Examples {
    let mut all = Examples::default();
    for (row, label) in rows {
        all.push(&[row], 1.0, label);
    }
    all
}

/// Row `r` speaks for class `r % 4`, with a score of 3.
fn teacher(model: &dyn Model) -> Params {
    let mut params = Params::zeros(model.layout().clone());
    for row in 0..BUCKETS {
        params.values_mut()[row * CLASSES + row % CLASSES] = 3.0;
    }
    params
}

fn how() -> LocalTraining {
    LocalTraining { epochs: 2, batch: 3, shuffle: true, optimiser: Optimiser::Sgd { lr: 0.5 } }
}

#[test]
fn predictions_come_in_order_with_their_probabilities() {
    let model = model();
    // More than two of the pieces that threads take, and a rest.
    let rows: Vec<(u32, u32)> = (0..700).map(|i| (i * 7 % 50, i % 3)).collect();
    let predictions = evaluation::predict(&model, &teacher(&model), &examples(rows.iter().copied()));
    assert_eq!(predictions.len(), rows.len());
    let sure = E3 / (E3 + 3.0);
    for ((row, label), p) in rows.iter().zip(&predictions) {
        assert_eq!((p.label, p.predicted), (*label, row % 4));
        assert!((f64::from(p.confidence) - sure).abs() < 1e-6, "{}", p.confidence);
    }
    assert!(evaluation::predict(&model, &teacher(&model), &Examples::default()).is_empty());
}

#[test]
fn the_first_of_equal_scores_wins() {
    for (scores, class, confidence) in [
        (vec![1.0, 1.0, 1.0, 1.0], 0, 0.25),
        (vec![0.0, 2.0, 2.0], 1, E2 / (1.0 + 2.0 * E2)),
        (vec![-1.0, -5.0], 0, 1.0 / (1.0 + (1.0 / E2 / E2))),
        (vec![-5.0, -1.0], 1, 1.0 / (1.0 + (1.0 / E2 / E2))),
    ] {
        let (got, sure) = evaluation::decide(&mut scores.clone());
        assert_eq!(got, class, "{scores:?}");
        assert!((f64::from(sure) - confidence).abs() < 1e-6, "{scores:?}: {sure}");
    }
}

fn stored(model: &dyn Model) -> StoredShards {
    let shard = |rows: &[(u32, u32)]| examples(rows.iter().copied()).localise(model.layout());
    StoredShards {
        train: vec![
            shard(&[(0, 1), (1, 2), (2, 3), (0, 1), (9, 0)]),
            shard(&[]),
            shard(&[(4, 0), (5, 1), (6, 2), (7, 3)]),
        ],
        // The last client has held-out examples only.
        held_out: vec![
            examples([(0, 0), (1, 1), (2, 0)]),
            examples([]),
            examples([(3, 0)]),
            examples([(4, 0), (5, 1), (6, 2), (7, 3)]),
        ],
    }
}

#[test]
fn clients_count_what_the_model_gets_right() {
    let model = model();
    let (shards, teacher) = (stored(&model), teacher(&model));
    assert_eq!((shards.clients(), shards.training_clients()), (4, 3));
    assert_eq!(shards.examples(ClientId(0)), 5);
    let sources = SourceKey::of(&shards);
    let some = |client: ClientId| Ok::<_, ()>((client.0 != 1).then_some(Cow::Borrowed(&teacher)));
    let all = evaluation::over_clients(&model, some, &shards, &sources, 6, &[0, 1, 2, 3]).expect("no errors");
    let counts: Vec<_> = all.iter().map(|(c, _)| (c.client.0, c.round, c.examples, c.correct)).collect();
    assert_eq!(counts, [(0, 6, 3, 2), (2, 6, 1, 0), (3, 6, 4, 4)]);
    for (counts, line) in &all {
        assert_eq!((line.client, line.round), (counts.client, 6));
        assert_eq!(line.source, sources.name(shards.held_out(counts.client).checksum()));
    }
    let failing =
        |client: ClientId| if client.0 == 2 { Err("no") } else { Ok(Some(Cow::Borrowed(&teacher))) };
    assert_eq!(evaluation::over_clients(&model, failing, &shards, &sources, 6, &[0, 2]).err(), Some("no"));
}

/// What a client learns alone, by hand: its own order, from the common start.
fn alone(model: &dyn Model, data: &LocalExamples, order: Address) -> Params {
    let mut params = model.init(3);
    let trained =
        train(model, &how(), data, &params, order, &mut Workspace::default(), None).expect("finite");
    params.add_scaled(1.0, &trained.delta);
    params
}

#[test]
fn baselines_are_models_trained_apart_and_together() {
    let model = model();
    let (shards, test) = (stored(&model), examples((0..300).map(|i| (i % 50, i % 4))));
    let order = Address::new(3, Purpose::BaselineOrder);
    let figures = |params: &Params| -> Evaluation {
        let predictions: Vec<Prediction> = evaluation::predict(&model, params, &test);
        Evaluation::of(&predictions, CLASSES)
    };
    let each: Vec<Evaluation> =
        [0u64, 2].map(|c| figures(&alone(&model, &shards.train[c as usize], order.client(c + 1)))).into();
    assert_ne!(each[0], each[1]);
    let (mean, clients) = baselines::local_only(&model, &how(), &shards, &test, 3, 9)
        .expect("finite")
        .expect("two have examples");
    assert_eq!((clients, mean.examples), (2, 300));
    let near =
        |got: f64, of: fn(&Evaluation) -> f64| (got - (of(&each[0]) + of(&each[1])) / 2.0).abs() < 1e-12;
    assert!(
        near(mean.accuracy, |e| e.accuracy)
            && near(mean.macro_f1, |e| e.macro_f1)
            && near(mean.ece, |e| e.ece)
    );

    let together = baselines::centralised(&model, &how(), &shards.train[0], 3).expect("finite");
    assert_eq!(together.values(), alone(&model, &shards.train[0], order).values());

    let nobody = StoredShards {
        train: vec![examples([]).localise(model.layout())],
        held_out: vec![Examples::default()],
    };
    assert_eq!(baselines::local_only(&model, &how(), &nobody, &test, 3, 9), Ok(None));
    assert_eq!(baselines::local_only(&model, &how(), &shards, &test, 3, 0), Ok(None));
}

fn intake(redactor: bool, retention: Option<(Retention, i64)>) -> Intake {
    let features = FeatureConfig { buckets: 512, ..FeatureConfig::default() };
    Intake { features, redactor: redactor.then(|| Redactor::new(Policy::default())), retention }
}

#[test]
fn features_are_of_masked_text_in_the_order_of_transcripts() {
    let corpus =
        Synthetic::new(SyntheticConfig { clients: 3, ..SyntheticConfig::default() }).expect("a corpus");
    let mut all: Vec<_> = (0..3).flat_map(|client| corpus.transcripts(5, client)).collect();
    for t in &mut all {
        t.turns.iter_mut().for_each(|turn| turn.text += " 我的手机号是13900007462");
    }
    let (masked, plain) = (intake(true, None), intake(false, None));
    let [a, b] = [&masked, &plain].map(|intake| intake.features_of_all(&all));
    assert_eq!((a.len(), b.len()), (all.len(), all.len()));
    let redactor = Redactor::new(Policy::default());
    for (i, t) in all.iter().enumerate() {
        let by_hand = |texts: &[String]| {
            let mut rows = Vec::new();
            let scale =
                Featuriser::new(plain.features.clone()).features(texts.iter().map(String::as_str), &mut rows);
            (rows, scale)
        };
        let said: Vec<String> = t.customer_text().map(str::to_owned).collect();
        let hidden: Vec<String> = said.iter().map(|text| redactor.redact(text).text.to_string()).collect();
        assert_eq!((b[i].rows.clone(), b[i].scale), by_hand(&said), "transcript {i}");
        assert_eq!((a[i].rows.clone(), a[i].scale), by_hand(&hidden), "transcript {i}");
        assert_ne!(a[i], b[i], "the number counts where it is not masked");
    }
}

#[test]
fn old_transcripts_do_not_get_in() {
    let corpus =
        Synthetic::new(SyntheticConfig { clients: 1, ..SyntheticConfig::default() }).expect("a corpus");
    let mut t = corpus.transcripts(5, 0).remove(0);
    let (day, date) = (86_400, 1_700_000_000);
    let limit = Retention { days: 30, undated: Undated::Drop };
    let mut report = RetentionReport::default();
    for (age, kept) in [(10 * day, true), (40 * day, false)] {
        t.timestamp = Some(date - age);
        assert_eq!(intake(false, Some((limit, date))).keeps(&t, &mut report), kept, "{age} seconds");
        assert!(intake(false, None).keeps(&t, &mut report));
    }
}

fn synthetic(seed: u64, intake: Intake) -> SyntheticShards {
    let corpus =
        Synthetic::new(SyntheticConfig { clients: 6, ..SyntheticConfig::default() }).expect("a corpus");
    let labels = Synthetic::intents().into_iter().map(str::to_owned).zip(0..).collect();
    let layout = SoftmaxRegression::new(512, Synthetic::intents().len()).expect("a model").layout().clone();
    SyntheticShards { corpus, intake, labels, layout, seed }
}

/// Every fifth transcript of a synthetic client is held out, and nothing is both.
#[test]
fn synthetic_clients_hold_out_every_fifth_transcript() {
    let shards = synthetic(5, intake(false, None));
    assert_eq!((shards.clients(), shards.training_clients()), (6, 6));
    for client in (0..6).map(ClientId) {
        let all = shards.corpus.transcripts(5, client.0);
        let (train, held_out) = (shards.shard(client), shards.held_out(client));
        assert_eq!(held_out.len(), all.len() / 5);
        assert_eq!(train.examples.len() + held_out.len(), all.len());
        assert_eq!(shards.examples(client), train.examples.len() as u64);
        let labels: Vec<u32> = all.iter().map(|t| shards.labels[&t.intent]).collect();
        let expected: Vec<u32> = labels.iter().skip(4).step_by(5).copied().collect();
        assert_eq!(held_out.iter().map(|e| e.label).collect::<Vec<_>>(), expected);
        let rest = labels.iter().enumerate().filter(|(i, _)| i % 5 != 4).map(|(_, label)| *label);
        assert_eq!(train.examples.iter().map(|e| e.label).collect::<Vec<_>>(), rest.collect::<Vec<_>>());
        let rows: BTreeSet<u32> = train.rows.iter().copied().collect();
        assert!(!rows.is_empty() && rows.iter().all(|row| *row <= 512));
    }
}

/// The server's own update is that of a client with its data, and there is none without.
#[test]
fn the_server_trains_on_its_own_data() {
    let model = model();
    let (shards, root) = (stored(&model), stored(&model).train.remove(2));
    let algorithm = sottovoce_algorithms::FedAvg::default();
    let params = model.init(3);
    let facts = algorithm.facts(3);
    let format = Format::new(model.layout().clone(), facts.contents).expect("a layout");
    let running = algorithm.begin(&StartCx { params: &params, clients: 3, weight: &|| 9, seed: 3 });
    let nodes = |root| Nodes {
        shards: &shards,
        model: &model,
        local: how(),
        transforms: &[],
        root,
        sources: SourceKey::of(&shards),
        seed: 3,
    };
    let broadcast = Broadcast {
        round: 7,
        exchange: Exchange::ONLY,
        params: &params,
        checksum: params.checksum(),
        format: &format,
        algorithm: &*running,
        alike: false,
    };
    let ask = |root| {
        let nodes = nodes(root);
        nodes.trusted(&mut nodes.worker(), &broadcast)
    };
    assert_eq!(ask(None), Ok(None));
    let update = ask(Some(&root)).expect("finite").expect("it has data");
    let order = Address::new(3, Purpose::BatchOrder).round(7).client(ClientId::SERVER.0);
    let trained =
        train(&model, &how(), &root, &params, order, &mut Workspace::default(), None).expect("finite");
    let mut expected = Params::zeros(model.layout().clone());
    expected.add_scaled(1.0, &trained.delta);
    assert_eq!(update, expected.values());
    assert!(update.iter().any(|v| *v != 0.0));
    let empty = nodes(None).answer(&mut nodes(None).worker(), &broadcast, ClientId(1), &[]).err();
    assert_eq!(empty, Some(ClientError::EmptyShard { client: ClientId(1) }));
}

/// A name tells examples apart within a run, and nothing to whoever does not know the training data of everybody.
#[test]
fn names_of_examples_are_keyed_by_all_training_data() {
    let model = model();
    let (shards, mut other) = (stored(&model), stored(&model));
    let (key, again) = (SourceKey::of(&shards), SourceKey::of(&stored(&model)));
    let own = shards.train[0].checksum();
    assert_eq!(key.name(own), again.name(own));
    assert_ne!(key.name(own), own);
    assert_ne!(key.name(own), key.name(shards.train[2].checksum()));
    // Another example of another client: the same examples have another name.
    other.train[2] = examples([(4, 0), (5, 1), (6, 2), (7, 2)]).localise(model.layout());
    assert_ne!(SourceKey::of(&other).name(own), key.name(own));
    // Held-out examples are no part of it.
    other.train[2] = shards.train[2].clone();
    other.held_out[0] = examples([(0, 0)]);
    assert_eq!(SourceKey::of(&other).name(own), key.name(own));
}

/// The key of clients that are made when they are asked for is their population's: none of them is made for it, so what is
/// done to their transcripts does not change it.
#[test]
fn names_of_synthetic_examples_are_keyed_by_the_population() {
    let population = |seed, redactor| synthetic(seed, intake(redactor, None));
    let own = population(5, false).shard(ClientId(0)).checksum();
    let name = |seed, redactor| SourceKey::of(&population(seed, redactor)).name(own);
    assert_ne!(own, population(5, true).shard(ClientId(0)).checksum());
    assert_eq!(name(5, false), name(5, true));
    assert_ne!(name(5, false), name(6, false));
    assert_ne!(name(5, false), own);
}
