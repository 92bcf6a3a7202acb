//! Laws that every model keeps: gradients are derivatives, losses are cross-entropies, rows not touched rest.

use sottovoce_core::sampling::{below, uniform_f32};
use sottovoce_core::{Address, Params, Purpose};
use sottovoce_models::{
    Batch, EmbeddingBag, Examples, FrozenTable, LocalTraining, LowRank, Mlp, Model, Optimiser, Scratch,
    SoftmaxRegression, TextCnn, Workspace, train,
};

const BUCKETS: usize = 23;
const INPUTS: usize = 6;

/// A table of numbers in ±0.5.
fn given() -> FrozenTable {
    let mut stream = Address::new(6, Purpose::Test).stream();
    FrozenTable::given((0..BUCKETS * 6).map(|_| uniform_f32(&mut stream, -0.5, 0.5)).collect())
}

fn models() -> Vec<(&'static str, Box<dyn Model>)> {
    vec![
        ("softmax regression", Box::new(SoftmaxRegression::new(BUCKETS, 5).unwrap())),
        ("softmax regression, many classes", Box::new(SoftmaxRegression::new(BUCKETS, 37).unwrap())),
        ("embedding bag", Box::new(EmbeddingBag::new(BUCKETS, 6, 5, 0.5).unwrap())),
        ("embedding bag, many classes", Box::new(EmbeddingBag::new(BUCKETS, 9, 70, 0.5).unwrap())),
        ("low rank", Box::new(LowRank::new(BUCKETS, 2, 6, 5, FrozenTable::random(3, 0.5)).unwrap())),
        (
            "low rank, many classes",
            Box::new(LowRank::new(BUCKETS, 5, 20, 40, FrozenTable::random(4, 0.5)).unwrap()),
        ),
        ("low rank, given table", Box::new(LowRank::new(BUCKETS, 2, 6, 5, given()).unwrap())),
        ("mlp", Box::new(Mlp::new(INPUTS, 7, 5).unwrap())),
        ("mlp, many classes", Box::new(Mlp::new(INPUTS, 40, 70).unwrap())),
        ("text cnn", Box::new(TextCnn::new(BUCKETS, 4, &[1, 3, 2], 3, 5, 0.5).unwrap())),
        ("text cnn, many filters", Box::new(TextCnn::new(BUCKETS, 3, &[2, 5], 33, 40, 0.5).unwrap())),
    ]
}

/// Examples as the model reads them: rows in any order, or a dense vector.
fn examples(model: &dyn Model, n: usize, seed: u64) -> Examples {
    let mut s = Address::new(seed, Purpose::Test).stream();
    let mut all = Examples::default();
    for i in 0..n {
        let (mut rows, mut dense) = (Vec::new(), Vec::new());
        if buckets(model) == 1 {
            dense.extend((0..INPUTS).map(|_| uniform_f32(&mut s, -1.0, 1.0)));
        } else {
            rows.extend((0..i % 8).map(|_| below(&mut s, BUCKETS as u64 / 2) as u32 * 2));
        }
        let (scale, label) = (uniform_f32(&mut s, 0.3, 1.0), below(&mut s, model.classes() as u64) as u32);
        all.push_dense(&rows, scale, &dense, label);
    }
    all
}

fn buckets(model: &dyn Model) -> usize {
    model.layout().tensors()[0].rows()
}

fn somewhere(model: &dyn Model) -> Params {
    let mut s = Address::new(5, Purpose::Test).stream();
    let mut p = model.init(1);
    for v in p.values_mut() {
        *v += uniform_f32(&mut s, -0.5, 0.5);
    }
    p
}

/// Mean cross-entropy in double precision, from the logits alone.
fn loss(model: &dyn Model, params: &[f32], examples: &Examples) -> f64 {
    let mut logits = vec![0.0; model.classes()];
    let mut total = 0.0;
    for e in examples.iter() {
        model.logits(params, e, &mut logits, &mut Scratch::default());
        let top = logits.iter().copied().fold(f32::MIN, f32::max);
        let sum: f64 = logits.iter().map(|l| libm::exp(f64::from(l - top))).sum();
        total += libm::log(sum) - f64::from(logits[e.label as usize] - top);
    }
    total / examples.len() as f64
}

#[test]
fn gradients_are_derivatives_of_the_loss() {
    for (name, model) in models() {
        let data = examples(&*model, 11, 2);
        let at = somewhere(&*model);
        let chosen: Vec<u32> = (0..data.len() as u32).collect();
        let mut gradient = vec![0.0; at.values().len()];
        let batch = Batch { examples: &data, chosen: &chosen };
        let sum = model.gradient(at.values(), &batch, &mut gradient, &mut Scratch::default());
        let mean = loss(&*model, at.values(), &data);
        assert!((f64::from(sum) / 11.0 - mean).abs() < 1e-5, "{name}: loss {sum} {mean}");
        let mut kinks = 0;
        for i in 0..gradient.len() {
            let h = 1e-2f32;
            let shifted = |by: f32| {
                let mut p = at.values().to_vec();
                p[i] += by;
                loss(&*model, &p, &data)
            };
            let g = f64::from(gradient[i]);
            let slope = (shifted(h) - shifted(-h)) / f64::from(2.0 * h);
            if (slope - g).abs() < 2e-4 {
                continue;
            }
            // Where the loss has a kink near by, a smaller step has none, on one side at least.
            let near = h / 10.0;
            let sides = [(shifted(near) - mean), (mean - shifted(-near))].map(|d| d / f64::from(near));
            assert!(
                sides.iter().any(|s| (s - g).abs() < 2e-3),
                "{name}: parameter {i}: {slope} {sides:?} {g}"
            );
            kinks += 1;
        }
        let most =
            if name.starts_with("text cnn") || name.starts_with("mlp") { gradient.len() / 50 } else { 0 };
        assert!(kinks <= most, "{name}: {kinks} kinks among {} parameters", gradient.len());
    }
}

/// The representations of all examples, one after another.
fn represent(model: &dyn Model, params: &[f32], examples: &Examples) -> Vec<f32> {
    let chosen: Vec<u32> = (0..examples.len() as u32).collect();
    let mut all = vec![f32::NAN; chosen.len() * model.representation()];
    model.represent(params, &Batch { examples, chosen: &chosen }, &mut all, &mut Scratch::default());
    all
}

#[test]
fn a_representation_is_what_the_last_layer_reads() {
    for (name, model) in models() {
        let (data, at, classes) = (examples(&*model, 11, 2), somewhere(&*model), model.classes());
        let tensors = model.layout().tensors();
        let width = model.representation();
        assert_eq!(width == 0, name.starts_with("softmax"), "{name}");
        if width == 0 {
            continue;
        }
        let [.., output, bias] = tensors else { panic!("{name} has no layer behind its table") };
        let (output, bias) = (&at.values()[output.range()], &at.values()[bias.range()]);
        let all = represent(&*model, at.values(), &data);
        let mut logits = vec![0.0; classes];
        for (z, e) in all.chunks_exact(width).zip(data.iter()) {
            model.logits(at.values(), e, &mut logits, &mut Scratch::default());
            for (c, logit) in logits.iter().enumerate() {
                let score = z.iter().zip(output[c..].iter().step_by(classes)).map(|(z, o)| z * o);
                let score = f64::from(bias[c]) + score.map(f64::from).sum::<f64>();
                assert!((score - f64::from(*logit)).abs() < 1e-5, "{name}: {score} {logit}");
            }
        }
    }
}

#[test]
fn pulled_back_gradients_are_derivatives_through_the_representation() {
    for (name, model) in models() {
        let (data, at, width) = (examples(&*model, 11, 2), somewhere(&*model), model.representation());
        let mut s = Address::new(9, Purpose::Test).stream();
        let back: Vec<f32> = (0..data.len() * width).map(|_| uniform_f32(&mut s, -0.2, 0.2)).collect();
        let chosen: Vec<u32> = (0..data.len() as u32).collect();
        let batch = Batch { examples: &data, chosen: &chosen };
        let mut gradient = vec![1.0; at.values().len()];
        model.pull_back(at.values(), &batch, &back, &mut gradient, &mut Scratch::default());
        let table = &model.layout().tensors()[0];
        let behind = gradient.len() - if width == 0 { 0 } else { (width + 1) * model.classes() };
        for (i, g) in gradient.iter().enumerate() {
            let row = (i / table.cols()) as u32;
            let named = i >= table.range().len() || data.iter().any(|e| e.rows.contains(&row));
            if i >= behind || !named || width == 0 {
                assert_eq!(*g, 1.0, "{name}: parameter {i}");
            }
        }
        let value = |params: &[f32]| -> f64 {
            let all = represent(&*model, params, &data);
            all.iter().zip(&back).map(|(z, b)| f64::from(*z) * f64::from(*b)).sum()
        };
        let kinks = (0..behind).filter(|i| {
            let shifted = |by: f32| {
                let mut p = at.values().to_vec();
                p[*i] += by;
                value(&p)
            };
            let (h, g) = (1e-2f32, f64::from(gradient[*i]) - 1.0);
            if ((shifted(h) - shifted(-h)) / f64::from(2.0 * h) - g).abs() < 2e-4 {
                return false;
            }
            let (near, mean) = (h / 10.0, value(at.values()));
            let sides = [shifted(near) - mean, mean - shifted(-near)].map(|d| d / f64::from(near));
            assert!(sides.iter().any(|s| (s - g).abs() < 2e-3), "{name}: parameter {i}: {sides:?} {g}");
            true
        });
        let most =
            if name.starts_with("text cnn") || name.starts_with("mlp") { gradient.len() / 50 } else { 0 };
        let kinks = kinks.count();
        assert!(kinks <= most, "{name}: {kinks} kinks among {} parameters", gradient.len());
    }
}

/// What an adjustment is given for the batch at hand, against the model asked directly.
#[test]
fn a_step_reaches_the_representations_of_its_batch() {
    for (name, model) in models() {
        let how =
            LocalTraining { epochs: 2, batch: 4, shuffle: false, optimiser: Optimiser::Sgd { lr: 0.3 } };
        let shard = examples(&*model, 10, 4).localise(model.layout());
        let (at, order) = (somewhere(&*model), Address::new(1, Purpose::BatchOrder));
        let (mut steps, mut all) = (0, vec![7.0]);
        let mut adjust = |step: &mut sottovoce_core::Step<'_>, gradient: &mut [f32]| {
            let chosen = [&[0, 1, 2, 3][..], &[4, 5, 6, 7], &[8, 9]][steps % 3];
            let batch = Batch { examples: &shard.examples, chosen };
            for at in [step.start, step.params] {
                (step.represent)(at, &mut all);
                let mut expected = vec![0.0; chosen.len() * model.representation()];
                model.represent(at, &batch, &mut expected, &mut Scratch::default());
                assert_eq!(all, expected, "{name}");
            }
            let mut expected = gradient.to_vec();
            model.pull_back(step.params, &batch, &all, &mut expected, &mut Scratch::default());
            (step.pull_back)(&all, gradient);
            assert_eq!(gradient, expected, "{name}");
            steps += 1;
        };
        train(&*model, &how, &shard, &at, order, &mut Workspace::default(), Some(&mut adjust)).unwrap();
        assert_eq!(steps, 6);
    }
}

#[test]
fn the_gradient_is_added_and_leaves_other_rows_alone() {
    for (name, model) in models() {
        let data = examples(&*model, 6, 3);
        let at = somewhere(&*model);
        let batch = Batch { examples: &data, chosen: &[1, 3] };
        let (mut once, mut on_top) = (vec![0.0; at.values().len()], vec![1.0f32; at.values().len()]);
        model.gradient(at.values(), &batch, &mut once, &mut Scratch::default());
        model.gradient(at.values(), &batch, &mut on_top, &mut Scratch::default());
        for (a, b) in once.iter().zip(&on_top) {
            assert!((a + 1.0 - b).abs() < 1e-5, "{name}");
        }
        let table = &model.layout().tensors()[0];
        for row in (0..buckets(&*model)).filter(|r| !batch.iter().any(|e| e.rows.contains(&(*r as u32)))) {
            assert!(
                once[row * table.cols()..][..table.cols()].iter().all(|g| *g == 0.0),
                "{name}: row {row}"
            );
        }
    }
}

#[test]
fn training_on_touched_rows_is_training_on_the_whole_model() {
    let optimisers = [
        Optimiser::Sgd { lr: 0.3 },
        Optimiser::Momentum { lr: 0.1, momentum: 0.9 },
        Optimiser::Adagrad { lr: 0.1, epsilon: 1e-8 },
        Optimiser::Adam { lr: 0.02, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
    ];
    for (name, model) in models() {
        for optimiser in optimisers {
            let how = LocalTraining { epochs: 3, batch: 4, shuffle: true, optimiser };
            let data = examples(&*model, 30, 4);
            let at = somewhere(&*model);
            let order = Address::new(1, Purpose::BatchOrder).client(7);
            let mut workspace = Workspace::default();
            let shard = data.clone().localise(model.layout());
            let trained = train(&*model, &how, &shard, &at, order, &mut workspace, None).unwrap();
            let mut whole = data.clone();
            // An example that touches every row, trained on by nobody: the shard holds the whole table.
            let every: Vec<u32> = (0..buckets(&*model) as u32).collect();
            whole.push_dense(&every, 0.0, data.get(0).dense, 0);
            let mut whole = whole.localise(model.layout());
            whole.examples = data.clone();
            let same = train(&*model, &how, &whole, &at, order, &mut workspace, None).unwrap();
            let (mut a, mut b) = (at.clone(), at.clone());
            a.add_scaled(1.0, &trained.delta);
            b.add_scaled(1.0, &same.delta);
            assert_eq!(a, b, "{name} {optimiser:?}");
            assert_eq!((trained.loss, trained.steps), (same.loss, 24));
            assert!(
                loss(&*model, a.values(), &data) < loss(&*model, at.values(), &data),
                "{name} {optimiser:?}"
            );
        }
    }
}

#[test]
fn an_adjustment_that_changes_nothing_changes_nothing() {
    for (name, model) in models() {
        let how = LocalTraining { epochs: 2, batch: 4, shuffle: true, optimiser: Optimiser::Sgd { lr: 0.3 } };
        let shard = examples(&*model, 20, 4).localise(model.layout());
        let (at, order) = (somewhere(&*model), Address::new(1, Purpose::BatchOrder));
        let mut workspace = Workspace::default();
        let plain = train(&*model, &how, &shard, &at, order, &mut workspace, None).unwrap();
        let mut adjust = |_: &mut sottovoce_core::Step<'_>, _: &mut [f32]| {};
        let adjusted = train(&*model, &how, &shard, &at, order, &mut workspace, Some(&mut adjust)).unwrap();
        assert_eq!(plain, adjusted, "{name}");
    }
}

#[test]
fn a_diverging_client_says_where() {
    let model = SoftmaxRegression::new(BUCKETS, 5).unwrap();
    let how =
        LocalTraining { epochs: 99, batch: 4, shuffle: false, optimiser: Optimiser::Sgd { lr: f32::MAX } };
    let shard = examples(&model, 20, 4).localise(model.layout());
    let order = Address::new(1, Purpose::BatchOrder);
    let error =
        train(&model, &how, &shard, &somewhere(&model), order, &mut Workspace::default(), None).unwrap_err();
    assert!(!error.value.is_finite());
}

/// TextCNN by hand: one filter of width 2 over vectors of one number, that is `max(0, c + max_i (a·xᵢ + b·xᵢ₊₁))`.
#[test]
fn a_filter_sees_neighbours_in_their_order() {
    let model = TextCnn::new(3, 1, &[2], 1, 2, 0.1).unwrap();
    // Table 1, 10, −5; filter 2, 3; its bias 0.5; output 1, −1; biases 0.
    let params = [1.0, 10.0, -5.0, 2.0, 3.0, 0.5, 1.0, -1.0, 0.0, 0.0];
    let value = |rows: &[u32]| {
        let mut logits = [0.0; 2];
        let example = sottovoce_models::Example { rows, scale: 1.0, ..Default::default() };
        model.logits(&params, example, &mut logits, &mut Scratch::default());
        assert_eq!(logits[0], -logits[1]);
        logits[0]
    };
    assert_eq!(value(&[0, 1]), 32.5);
    assert_eq!(value(&[1, 0]), 23.5);
    assert_eq!(value(&[1, 2, 0, 1, 2]), 32.5);
    // Shorter than the filter: zeros behind it. Nothing above zero: zero, also by way of the bias alone.
    assert_eq!(value(&[1]), 20.5);
    assert_eq!(value(&[2, 2]), 0.0);
    assert_eq!(value(&[]), 0.5);

    // The gradient goes to the first of equal maxima, tokens 0 and 1, and from there to each by its own weight.
    let mut data = Examples::default();
    data.push(&[0, 1, 2, 0, 1], 1.0, 0);
    let mut gradient = [0.0; 10];
    let batch = Batch { examples: &data, chosen: &[0] };
    model.gradient(&params, &batch, &mut gradient, &mut Scratch::default());
    let back = gradient[5];
    assert!(back < 0.0 && gradient[..5] == [2.0 * back, 3.0 * back, 0.0, back, 10.0 * back]);
}

/// Over a given table and without a correction it is the embedding bag of that table, to the bit.
#[test]
fn a_low_rank_model_without_a_correction_is_the_embedding_bag_of_its_table() {
    let bag = EmbeddingBag::new(BUCKETS, 6, 5, 0.5).unwrap();
    let of_bag = somewhere(&bag);
    let (table, layer) = of_bag.values().split_at(BUCKETS * 6);
    let low_rank = LowRank::new(BUCKETS, 2, 6, 5, FrozenTable::given(table.into())).unwrap();
    let mut params = low_rank.init(1);
    let from = params.values().len() - layer.len();
    params.values_mut()[from..].copy_from_slice(layer);
    let mut data = Examples::default();
    data.push(&[9, 4, 9, 22, 0], 0.3, 0);
    let logits = |model: &dyn Model, params: &[f32]| {
        let mut logits = [0.0; 5];
        model.logits(params, data.get(0), &mut logits, &mut Scratch::default());
        logits
    };
    assert_eq!(logits(&low_rank, params.values()), logits(&bag, of_bag.values()));
}

/// Without a correction the hidden vector is the frozen table's, another for another seed; a correction of a row by one of
/// `A` is that row's alone, and the same whether the row goes by its own number or by a client's.
#[test]
fn a_low_rank_model_knows_its_rows_by_their_number_in_the_whole_table() {
    let model = LowRank::new(BUCKETS, 2, 6, 5, FrozenTable::random(3, 0.5)).unwrap();
    let logits = |model: &LowRank, params: &[f32], example| {
        let mut logits = [0.0; 5];
        model.logits(params, example, &mut logits, &mut Scratch::default());
        logits
    };
    let start = model.init(1);
    let mut data = Examples::default();
    data.push(&[9, 4, 9], 0.5, 0);
    data.push(&[21], 1.0, 1);
    let of_start = logits(&model, start.values(), data.get(0));
    assert!(of_start != logits(&model, start.values(), data.get(1)));
    let other = LowRank::new(BUCKETS, 2, 6, 5, FrozenTable::random(4, 0.5)).unwrap();
    assert!(of_start != logits(&other, start.values(), data.get(0)));

    let at = somewhere(&model);
    assert!(of_start != logits(&model, at.values(), data.get(0)));
    let local = data.clone().localise(model.layout());
    let mut gathered = sottovoce_core::aligned::Aligned::default();
    at.gather(&local.rows, &mut gathered);
    for i in 0..2 {
        assert_eq!(
            logits(&model, at.values(), data.get(i)),
            logits(&model, &gathered, local.examples.get(i))
        );
    }
}

/// One hidden layer by hand: two inputs, two hidden values, of which one is rectified away.
#[test]
fn a_hidden_layer_is_rectified() {
    let model = Mlp::new(2, 2, 2).unwrap();
    // The unused number; rows of the input layer (1, −2) and (3, −1); its biases 0.5, 1; output rows (1, 0), (0, 1).
    let params = [0.0, 1.0, -2.0, 3.0, -1.0, 0.5, 1.0, 1.0, 0.0, 0.0, 1.0, 0.25, 0.0];
    let mut logits = [0.0; 2];
    for (x, expected) in [([2.0, 1.0], [5.75, 0.0]), ([-2.0, -1.0], [0.25, 6.0]), ([0.0, 0.0], [0.75, 1.0])] {
        let example = sottovoce_models::Example { dense: &x, ..Default::default() };
        model.logits(&params, example, &mut logits, &mut Scratch::default());
        assert_eq!(logits, expected);
    }
}
