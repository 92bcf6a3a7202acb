//! Laws that every model keeps: gradients are derivatives, losses are cross-entropies, rows not touched rest.

mod common;

use common::{BUCKETS, buckets, examples, loss, models, somewhere};
use sottovoce_core::sampling::uniform_f32;
use sottovoce_core::{Address, Adjust, Purpose, Step, Trained};
use sottovoce_models::{
    Batch, EmbeddingBag, Examples, FrozenTable, LocalTraining, LowRank, Mlp, Model, Optimiser, Scratch,
    SoftmaxRegression, TextCnn, Workspace, train,
};

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

/// The head is the last layer and nothing else: representations depend on every tensor of the body, and on none of it.
#[test]
fn representations_depend_on_the_body_alone() {
    for (name, model) in models() {
        assert_eq!(model.head() > 0, model.representation() > 0, "{name}");
        let (data, at) = (examples(&*model, 11, 2), somewhere(&*model));
        let (body, head) = model.layout().tensors().split_at(model.layout().tensors().len() - model.head());
        if head.is_empty() {
            continue;
        }
        let numbers: usize = head.iter().map(|tensor| tensor.range().len()).sum();
        assert_eq!(numbers, (model.representation() + 1) * model.classes(), "{name}");
        let before = represent(&*model, at.values(), &data);
        let changed = |place: std::ops::Range<usize>| {
            let mut params = at.values().to_vec();
            params[place].iter_mut().for_each(|p| *p += 0.25);
            represent(&*model, &params, &data) != before
        };
        for tensor in head {
            assert!(!changed(tensor.range()), "{name}: {}", tensor.name());
        }
        let (table, dense) = body.split_first().expect("a table");
        for tensor in dense {
            assert!(changed(tensor.range()), "{name}: {}", tensor.name());
        }
        for row in 0..table.rows() {
            let touched = data.iter().any(|e| e.rows.contains(&(row as u32)));
            let place = row * table.cols()..(row + 1) * table.cols();
            assert_eq!(changed(place), touched, "{name}: {}, row {row}", table.name());
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
        let mut adjust = |step: &mut Step<'_>, gradient: &mut [f32]| {
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

fn optimisers() -> [Optimiser; 4] {
    [
        Optimiser::Sgd { lr: 0.3 },
        Optimiser::Momentum { lr: 0.1, momentum: 0.9 },
        Optimiser::Adagrad { lr: 0.1, epsilon: 1e-8 },
        Optimiser::Adam { lr: 0.02, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
    ]
}

/// The client's own rows are all that training can move: rows that none of its examples touches have gradient 0 and state
/// 0 at every step, under dense steps over the whole model, too.
#[test]
fn training_on_touched_rows_is_training_on_the_whole_model() {
    for (name, model) in models() {
        for optimiser in optimisers() {
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

/// Nothing, zeros, and what vanishes beside any gradient and any parameter, in rows of the batch and in others: FedProx
/// with a factor next to nothing is FedAvg, under any optimiser.
#[test]
fn an_adjustment_that_changes_nothing_changes_nothing() {
    let nothing = |_: &mut Step<'_>, _: &mut [f32]| {};
    let zeros = |_: &mut Step<'_>, gradient: &mut [f32]| gradient.iter_mut().for_each(|g| *g += 0.0);
    let tiny = |step: &mut Step<'_>, gradient: &mut [f32]| {
        for ((g, p), s) in gradient.iter_mut().zip(step.params).zip(step.start) {
            *g += 1e-30 * (p - s);
        }
    };
    let adjustments: [fn(&mut Step<'_>, &mut [f32]); 3] = [nothing, zeros, tiny];
    for (name, model) in models() {
        let data = examples(&*model, 20, 4);
        let rows = |batch: usize| data.iter().skip(4 * batch).take(4).flat_map(|e| e.rows.to_vec());
        let differ = rows(0).any(|row| rows(1).all(|other| other != row));
        assert!(differ || buckets(&*model) == 1, "{name}: batches that touch the same rows show nothing");
        let shard = data.clone().localise(model.layout());
        for optimiser in optimisers() {
            let (at, order) = (somewhere(&*model), Address::new(1, Purpose::BatchOrder));
            for shuffle in [false, true] {
                let how = LocalTraining { epochs: 2, batch: 4, shuffle, optimiser };
                let mut workspace = Workspace::default();
                let plain = train(&*model, &how, &shard, &at, order, &mut workspace, None).unwrap();
                for mut adjustment in adjustments {
                    let adjust: Option<&mut Adjust<'_>> = Some(&mut adjustment);
                    let same = train(&*model, &how, &shard, &at, order, &mut workspace, adjust).unwrap();
                    assert_eq!(plain, same, "{name} {optimiser:?}");
                    assert_eq!(bits(&plain), bits(&same), "{name} {optimiser:?}");
                }
            }
        }
    }
}

fn bits(trained: &Trained) -> Vec<u32> {
    trained.delta.values().iter().map(|v| v.to_bits()).collect()
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

/// Uniform within the bounds that the models' documentation gives, up to them, and none the numbers of another; the rest 0.
#[test]
fn models_start_where_they_say() {
    let (dim, hidden) = (16, 16 * 3);
    let bounds = |bounds: &[f64]| bounds.to_vec();
    let root = |n: usize| 1.0 / (n as f64).sqrt();
    let starts: [(Box<dyn Model>, Vec<f64>); 5] = [
        (Box::new(SoftmaxRegression::new(99, 40).unwrap()), bounds(&[0.0, 0.0])),
        (Box::new(EmbeddingBag::new(99, dim, 40, 0.2).unwrap()), bounds(&[0.2, root(dim), 0.0])),
        (
            Box::new(LowRank::new(99, 20, dim, 40, FrozenTable::random(3, 0.5)).unwrap()),
            bounds(&[0.0, (3.0 / dim as f64).sqrt(), root(dim), 0.0]),
        ),
        (Box::new(Mlp::new(20, hidden, 40).unwrap()), bounds(&[0.0, 3f64.sqrt(), 0.0, root(hidden), 0.0])),
        (
            Box::new(TextCnn::new(99, dim, &[1, 3, 2], 16, 40, 0.2).unwrap()),
            bounds(&[0.2, root(dim), root(3 * dim), root(2 * dim), 0.0, root(hidden), 0.0]),
        ),
    ];
    for (model, bounds) in starts {
        let start = model.init(7);
        assert_eq!(start.values(), model.init(7).values());
        let mut seen: Vec<f64> = Vec::new();
        assert_eq!(model.layout().tensors().len(), bounds.len());
        for (tensor, bound) in model.layout().tensors().iter().zip(bounds) {
            let values = &start.values()[tensor.range()];
            if bound == 0.0 {
                assert!(values.iter().all(|v| *v == 0.0), "{}", tensor.name());
                continue;
            }
            // 256 numbers or more: the largest of either sign is within 10 % of the bound, but for 4 in a million.
            let shares: Vec<f64> = values.iter().map(|v| f64::from(*v) / bound).collect();
            let [low, high] = [-1.0, 1.0].map(|sign| shares.iter().map(|v| v * sign).fold(0.0, f64::max));
            assert!(
                (0.9..1.0 + 1e-6).contains(&low) && (0.9..1.0 + 1e-6).contains(&high),
                "{}",
                tensor.name()
            );
            assert!(seen.iter().all(|first| (first - shares[0]).abs() > 1e-5), "{}", tensor.name());
            seen.push(shares[0]);
            assert!(values != &model.init(8).values()[tensor.range()]);
        }
    }
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
    // The first and the last window.
    assert_eq!(value(&[0, 1, 2]), 32.5);
    assert_eq!(value(&[2, 0, 1]), 32.5);
    // Shorter than the filter: zeros behind it. Nothing above zero: zero, also by way of the bias alone.
    assert_eq!(value(&[1]), 20.5);
    assert_eq!(value(&[2, 2]), 0.0);
    assert_eq!(value(&[]), 0.5);

    // The gradient goes to the tokens of the maximum, to each by its own weight.
    let mut data = Examples::default();
    data.push(&[0, 1, 2], 1.0, 0);
    let mut gradient = [0.0; 10];
    let batch = Batch { examples: &data, chosen: &[0] };
    model.gradient(&params, &batch, &mut gradient, &mut Scratch::default());
    let back = gradient[5];
    assert!(back < 0.0 && gradient[..5] == [2.0 * back, 3.0 * back, 0.0, back, 10.0 * back]);
}

/// Different tokens, the same maximum: 2 · 1 + 3 · 10 = 2 · 7 + 3 · 6, everything else is below zero.
#[test]
fn the_gradient_of_equal_maxima_goes_to_the_first_and_that_of_zero_goes_nowhere() {
    let model = TextCnn::new(5, 1, &[2], 1, 2, 0.1).unwrap();
    // Table 1, 10, 7, 6, −99; filter 2, 3; its bias; output 1, −1; biases 0.
    let gradient = |rows: &[u32], bias: f32| {
        let params = [1.0, 10.0, 7.0, 6.0, -99.0, 2.0, 3.0, bias, 1.0, -1.0, 0.0, 0.0];
        let (mut data, mut gradient) = (Examples::default(), [0.0; 12]);
        data.push(rows, 1.0, 1);
        let batch = Batch { examples: &data, chosen: &[0] };
        model.gradient(&params, &batch, &mut gradient, &mut Scratch::default());
        gradient
    };
    let [first, second] = [[0, 1], [2, 3]];
    let parted = |a: [u32; 2], b: [u32; 2]| [&a[..], &[4], &b].concat();
    let of_first = gradient(&parted(first, second), 0.5);
    let back = of_first[7];
    assert!(back > 0.5);
    assert_eq!(of_first[..7], [2.0 * back, 3.0 * back, 0.0, 0.0, 0.0, back, 10.0 * back]);
    let of_second = gradient(&parted(second, first), 0.5);
    assert_eq!(of_second[..8], [0.0, 0.0, 2.0 * back, 3.0 * back, 0.0, 7.0 * back, 6.0 * back, back]);
    assert!(gradient(&parted(first, second), -31.0)[..8].iter().any(|g| *g != 0.0));
    assert_eq!(gradient(&parted(first, second), -32.0)[..8], [0.0; 8]);
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

/// A given table is one of all rows: neither a number less nor one more; a random one has as many as are asked for.
#[test]
fn a_frozen_table_of_another_size_is_refused() {
    for (numbers, fits) in
        [(0, false), (BUCKETS * 6 - 1, false), (BUCKETS * 6, true), (BUCKETS * 6 + 1, false)]
    {
        let given = FrozenTable::given(vec![0.5; numbers].into());
        let made = std::panic::catch_unwind(|| LowRank::new(BUCKETS, 2, 6, 5, given).is_ok());
        assert_eq!(made.is_ok(), fits, "{numbers}");
    }
    for buckets in [1, 1000] {
        assert!(LowRank::new(buckets, 2, 6, 5, FrozenTable::random(3, 0.5)).is_ok());
    }
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
    // Hidden values of exactly 0 and of 5.5: nothing goes back through the first.
    let (mut data, mut gradient) = (Examples::default(), [0.0; 13]);
    data.push_dense(&[], 1.0, &[-0.5, 0.0], 0);
    let batch = Batch { examples: &data, chosen: &[0] };
    let params = [0.0, 1.0, -9.0, 3.0, -1.0, 0.5, 1.0, 1.0, 0.0, 0.0, 1.0, 0.25, 0.0];
    model.gradient(&params, &batch, &mut gradient, &mut Scratch::default());
    let back = gradient[6];
    assert!(back > 0.1);
    assert_eq!(gradient[..7], [0.0, 0.0, -0.5 * back, 0.0, 0.0, 0.0, back]);
}
