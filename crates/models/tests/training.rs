//! Local training against the same in double precision, written out densely, and what it says about itself.

mod common;

use common::{BUCKETS, buckets, examples, loss as mean_loss, models, somewhere};
use sottovoce_core::{Address, Adjust, ClientId, LocalTask, Purpose, Step, Trained, sampling};
use sottovoce_models::{
    Batch, Examples, LocalTraining, Model, Optimiser, Scratch, SoftmaxRegression, Start, Task, Workspace,
    loss, train,
};

const CLASSES: usize = 5;

/// Softmax regression over every row of the table and the bias, with an optimiser that steps over all of it.
struct Dense {
    /// Counts of rows times scale, and a one for the bias: one number for each row of the parameters.
    inputs: Vec<Vec<f64>>,
    labels: Vec<usize>,
    params: Vec<Vec<f64>>,
    first: Vec<Vec<f64>>,
    second: Vec<Vec<f64>>,
    steps: i32,
}

impl Dense {
    fn new(data: &Examples, params: &[f32]) -> Self {
        let rows = params.len() / CLASSES;
        let inputs = data.iter().map(|example| {
            let mut input = vec![0.0; rows];
            example.rows.iter().for_each(|row| input[*row as usize] += f64::from(example.scale));
            input[rows - 1] = 1.0;
            input
        });
        let zeros = vec![vec![0.0; CLASSES]; rows];
        Self {
            inputs: inputs.collect(),
            labels: data.labels().iter().map(|label| *label as usize).collect(),
            params: params.chunks(CLASSES).map(|row| row.iter().map(|p| f64::from(*p)).collect()).collect(),
            first: zeros.clone(),
            second: zeros,
            steps: 0,
        }
    }

    /// Sum of the losses of some examples, and the gradient of their mean.
    fn gradient(&self, batch: &[u32]) -> (f64, Vec<Vec<f64>>) {
        let mut gradient = vec![vec![0.0; CLASSES]; self.params.len()];
        let mut loss = 0.0;
        for i in batch.iter().map(|i| *i as usize) {
            let mut scores = [0.0; CLASSES];
            for (x, row) in self.inputs[i].iter().zip(&self.params) {
                scores.iter_mut().zip(row).for_each(|(s, p)| *s += x * p);
            }
            let shares = scores.map(libm::exp);
            let sum: f64 = shares.iter().sum();
            loss += libm::log(sum) - scores[self.labels[i]];
            for (x, row) in self.inputs[i].iter().zip(&mut gradient) {
                for (c, g) in row.iter_mut().enumerate() {
                    let hit = if c == self.labels[i] { 1.0 } else { 0.0 };
                    *g += x * (shares[c] / sum - hit) / batch.len() as f64;
                }
            }
        }
        (loss, gradient)
    }

    fn step(&mut self, optimiser: Optimiser, gradient: &[Vec<f64>]) {
        self.steps += 1;
        for (r, row) in gradient.iter().enumerate() {
            for (c, g) in row.iter().enumerate() {
                let (p, m, v) = (&mut self.params[r][c], &mut self.first[r][c], &mut self.second[r][c]);
                match optimiser {
                    Optimiser::Sgd { lr } => *p -= f64::from(lr) * g,
                    Optimiser::Momentum { lr, momentum } => {
                        *m = f64::from(momentum) * *m + g;
                        *p -= f64::from(lr) * *m;
                    }
                    Optimiser::Adagrad { lr, epsilon } => {
                        *v += g * g;
                        *p -= f64::from(lr) * g / (v.sqrt() + f64::from(epsilon));
                    }
                    Optimiser::Adam { lr, beta1, beta2, epsilon } => {
                        let [lr, beta1, beta2] = [lr, beta1, beta2].map(f64::from);
                        *m = beta1 * *m + (1.0 - beta1) * g;
                        *v = beta2 * *v + (1.0 - beta2) * g * g;
                        // Means of the gradients so far, had all weights counted from the start.
                        let (mut left1, mut left2) = (1.0, 1.0);
                        for _ in 0..self.steps {
                            left1 *= beta1;
                            left2 *= beta2;
                        }
                        let (mean, square) = (*m / (1.0 - left1), *v / (1.0 - left2));
                        let epsilon = f64::from(epsilon) / (1.0 - left2).sqrt();
                        *p -= lr * mean / (square.sqrt() + epsilon);
                    }
                }
            }
        }
    }
}

fn optimisers() -> [Optimiser; 4] {
    [
        Optimiser::Sgd { lr: 0.3 },
        Optimiser::Momentum { lr: 0.1, momentum: 0.7 },
        Optimiser::Adagrad { lr: 0.1, epsilon: 0.002 },
        Optimiser::Adam { lr: 0.05, beta1: 0.8, beta2: 0.95, epsilon: 0.002 },
    ]
}

/// Eleven examples in batches of 4, 4 and 3, few of whose rows are in every batch; as they are, and pulled back to the start
/// in all rows by an adjustment.
#[test]
fn training_is_that_of_a_dense_optimiser_in_double_precision() {
    let model = SoftmaxRegression::new(BUCKETS, CLASSES).unwrap();
    let (data, at) = (examples(&model, 11, 12), somewhere(&model));
    let shard = data.clone().localise(model.layout());
    let address = Address::new(1, Purpose::BatchOrder).round(3).client(7).slot(2);
    for optimiser in optimisers() {
        for (epochs, batch, shuffle) in
            [(1, 1, false), (1, 4, false), (5, 4, true), (3, 11, true), (2, 50, false)]
        {
            let how = LocalTraining { epochs, batch, shuffle, optimiser };
            for pull in [None, Some(0.4f32)] {
                let mut adjust = |step: &mut Step<'_>, gradient: &mut [f32]| {
                    for ((g, p), s) in gradient.iter_mut().zip(step.params).zip(step.start) {
                        *g += pull.unwrap_or_default() * (p - s);
                    }
                };
                let adjust: Option<&mut Adjust<'_>> = pull.is_some().then_some(&mut adjust);
                let trained =
                    train(&model, &how, &shard, &at, address, &mut Workspace::default(), adjust).unwrap();
                let mut dense = Dense::new(&data, at.values());
                let start = dense.params.clone();
                let mut order: Vec<u32> = (0..11).collect();
                let mut last = 0.0;
                for epoch in 0..u64::from(epochs) {
                    if shuffle {
                        sampling::shuffle(&mut address.slot(2 + epoch).stream(), &mut order);
                    }
                    last = 0.0;
                    for chosen in order.chunks(batch as usize) {
                        let (loss, mut gradient) = dense.gradient(chosen);
                        let rows = gradient.iter_mut().zip(dense.params.iter().zip(&start));
                        for (g, (p, s)) in rows.flat_map(|(g, (p, s))| g.iter_mut().zip(p.iter().zip(s))) {
                            *g += f64::from(pull.unwrap_or_default()) * (p - s);
                        }
                        last += loss;
                        dense.step(optimiser, &gradient);
                    }
                }
                let mut found = at.clone();
                found.add_scaled(1.0, &trained.delta);
                for (i, (found, expected)) in found.values().iter().zip(dense.params.concat()).enumerate() {
                    let far = (f64::from(*found) - expected).abs();
                    assert!(far < 2e-5, "{how:?}: parameter {i} is {found}, not {expected}");
                }
                // Of the last epoch only, each example before the step of its batch.
                assert!(
                    (f64::from(trained.loss) - last / 11.0).abs() < 1e-5,
                    "{how:?}: {} {last}",
                    trained.loss
                );
                let steps = u64::from(epochs) * u64::from(11u32.div_ceil(batch));
                assert_eq!(trained.steps, steps, "{how:?}");
                let rates = f64::from(optimiser.lr()) * steps as f64;
                assert!(
                    (f64::from(trained.rates) - rates).abs() < 1e-6 * rates,
                    "{how:?}: {}",
                    trained.rates
                );
            }
        }
    }
}

/// The gradient of each example by itself, their mean in double precision: of a batch, and of all examples of a client,
/// which are three batches.
#[test]
fn gradients_are_means_over_examples_however_many() {
    for (name, model) in models() {
        let (data, at) = (examples(&*model, 600, 8), somewhere(&*model));
        // In the order of the whole table, so that no row is renumbered.
        let mut shard = data.clone().localise(model.layout());
        shard.examples = data.clone();
        let alone: Vec<Vec<f32>> = (0..600)
            .map(|i| {
                let mut gradient = vec![0.0; at.values().len()];
                let batch = Batch { examples: &data, chosen: &[i] };
                model.gradient(at.values(), &batch, &mut gradient, &mut Scratch::default());
                gradient
            })
            .collect();
        let check = |what: &str, chosen: &[u32], gradient: &[f32], offset: f32| {
            for (i, g) in gradient.iter().enumerate() {
                let sum: f64 = chosen.iter().map(|e| f64::from(alone[*e as usize][i])).sum();
                let expected = sum / chosen.len() as f64;
                let far = (f64::from(*g) - f64::from(offset) - expected).abs();
                assert!(far < 2e-6, "{name}: {what}: parameter {i} is {g}, not {expected}");
            }
        };
        let mut workspace = Workspace::default();
        for few in [&[5][..], &[7, 3], &[9, 1, 4, 599, 2, 13, 26]] {
            let (mut gradient, batch) =
                (vec![0.0; at.values().len()], Batch { examples: &data, chosen: few });
            model.gradient(at.values(), &batch, &mut gradient, &mut Scratch::default());
            check("batch", few, &gradient, 0.0);
        }
        let mut gradient = vec![0.5; at.values().len()];
        let total = loss(&*model, &shard, at.values(), &mut workspace, &mut gradient);
        check("all", &(0..600).collect::<Vec<u32>>(), &gradient, 0.5);
        let mean = mean_loss(&*model, at.values(), &data);
        assert!((total / 600.0 - mean).abs() < 1e-5, "{name}: {total} {mean}");
        assert_eq!(loss(&*model, &shard, at.values(), &mut workspace, &mut []), total, "{name}");
    }
}

/// And by the dense gradient, for the client's own numbering of its rows.
#[test]
fn the_gradient_over_all_examples_is_the_dense_one() {
    let model = SoftmaxRegression::new(BUCKETS, CLASSES).unwrap();
    let (data, at) = (examples(&model, 600, 8), somewhere(&model));
    let shard = data.clone().localise(model.layout());
    let mut local = sottovoce_core::aligned::Aligned::default();
    at.gather(&shard.rows, &mut local);
    let mut gradient = vec![0.0; local.len()];
    let total = loss(&model, &shard, &local, &mut Workspace::default(), &mut gradient);
    let (sum, expected) = Dense::new(&data, at.values()).gradient(&(0..600).collect::<Vec<u32>>());
    assert!((total - sum).abs() < 1e-3, "{total} {sum}");
    for (row, found) in shard.rows.iter().zip(gradient.chunks(CLASSES)) {
        for (g, e) in found.iter().zip(&expected[*row as usize]) {
            assert!((f64::from(*g) - e).abs() < 1e-6, "row {row}: {g} {e}");
        }
    }
}

/// One step, in which an adjustment writes values that are not finite: the first of them is named, by its place among the
/// client's parameters.
#[test]
fn what_is_not_finite_is_named_by_its_place() {
    let model = SoftmaxRegression::new(BUCKETS, CLASSES).unwrap();
    let at = somewhere(&model);
    let shard = examples(&model, 11, 12).localise(model.layout());
    let mut local = sottovoce_core::aligned::Aligned::default();
    at.gather(&shard.rows, &mut local);
    assert!(shard.rows.len() < BUCKETS && shard.rows.len() > 5);
    let how = LocalTraining { epochs: 1, batch: 64, shuffle: false, optimiser: Optimiser::Sgd { lr: 0.5 } };
    let order = Address::new(1, Purpose::BatchOrder);
    for (first, value) in
        [(0, f32::INFINITY), (17, f32::NEG_INFINITY), (22, f32::NAN), (local.len() - 1, f32::NAN)]
    {
        for start in [Start::Model(&at), Start::Rows(&local)] {
            let mut adjust = |_: &mut Step<'_>, gradient: &mut [f32]| {
                gradient[first] = -value;
                let other = if value.is_nan() { f32::INFINITY } else { f32::NAN };
                gradient.iter_mut().skip(first + 3).for_each(|g| *g = other);
            };
            let adjust: &mut Adjust<'_> = &mut adjust;
            let error = train(&model, &how, &shard, start, order, &mut Workspace::default(), Some(adjust))
                .unwrap_err();
            assert_eq!(error.at, first);
            assert!(error.value == value || (error.value.is_nan() && value.is_nan()), "{error:?}");
        }
    }
}

/// Each step of two epochs in batches of 4, 4 and 3: what it is told, and the gradient of its batch elsewhere.
#[test]
fn a_step_says_where_it_stands() {
    for (name, model) in models() {
        let (at, order) = (somewhere(&*model), Address::new(1, Purpose::BatchOrder));
        let shard = examples(&*model, 11, 12).localise(model.layout());
        let mut start = sottovoce_core::aligned::Aligned::default();
        at.gather(&shard.rows, &mut start);
        let elsewhere: Vec<f32> = start.iter().map(|p| 0.5 - p).collect();
        for optimiser in optimisers() {
            let how = LocalTraining { epochs: 2, batch: 4, shuffle: false, optimiser };
            let (mut steps, mut now) = (0, start.to_vec());
            let mut adjust = |step: &mut Step<'_>, gradient: &mut [f32]| {
                assert_eq!((step.start, step.rows, step.lr), (&start[..], &shard.rows[..], optimiser.lr()));
                assert_eq!(step.params == &start[..], steps == 0, "{name}");
                let chosen = [&[0, 1, 2, 3][..], &[4, 5, 6, 7], &[8, 9, 10]][steps % 3];
                let batch = Batch { examples: &shard.examples, chosen };
                for at in [step.params, &elsewhere] {
                    let (mut found, mut expected) = (vec![0.25; at.len()], vec![0.25; at.len()]);
                    (step.gradient_at)(at, &mut found);
                    model.gradient(at, &batch, &mut expected, &mut Scratch::default());
                    assert_eq!(found, expected, "{name}");
                }
                let mut own = vec![0.0; gradient.len()];
                model.gradient(step.params, &batch, &mut own, &mut Scratch::default());
                assert_eq!(gradient, own, "{name}");
                if let Optimiser::Sgd { lr } = optimiser {
                    assert_eq!(step.params, now, "{name}");
                    now = step.params.iter().zip(&own).map(|(p, g)| p - lr * g).collect();
                }
                steps += 1;
            };
            train(&*model, &how, &shard, &at, order, &mut Workspace::default(), Some(&mut adjust)).unwrap();
            assert_eq!(steps, 6);
        }
    }
}

/// Workspaces after other clients, larger and smaller, under other optimisers, and after one that diverged.
#[test]
fn a_workspace_carries_nothing_from_one_client_to_the_next() {
    let mut worn = Workspace::default();
    for (name, model) in models() {
        let at = somewhere(&*model);
        for (optimiser, n) in optimisers().into_iter().chain(optimisers()).zip([20, 6, 30, 3, 9, 30, 12, 7]) {
            let how = LocalTraining { epochs: 2, batch: 4, shuffle: true, optimiser };
            let shard = examples(&*model, n, 4 + n as u64).localise(model.layout());
            let order = Address::new(1, Purpose::BatchOrder);
            let of = |workspace: &mut Workspace, adjust: Option<&mut Adjust<'_>>| {
                let trained = train(&*model, &how, &shard, &at, order, workspace, adjust)?;
                let mut local = sottovoce_core::aligned::Aligned::default();
                at.gather(&shard.rows, &mut local);
                let mut gradient = vec![0.0; local.len()];
                let total = loss(&*model, &shard, &local, workspace, &mut gradient);
                Ok::<(Trained, f64, Vec<f32>), sottovoce_models::NotFinite>((trained, total, gradient))
            };
            let fresh = of(&mut Workspace::default(), None).unwrap();
            let again = of(&mut worn, None).unwrap();
            assert_eq!(fresh, again, "{name} {optimiser:?}");
            worn.reuse(again.0.delta);
            let mut spoil = |_: &mut Step<'_>, gradient: &mut [f32]| gradient.fill(f32::NAN);
            of(&mut worn, Some(&mut spoil)).unwrap_err();
        }
    }
}

#[test]
fn starting_at_values_of_the_clients_rows_is_starting_at_the_model() {
    for (name, model) in models() {
        let (at, order) = (somewhere(&*model), Address::new(1, Purpose::BatchOrder));
        let shard = examples(&*model, 11, 12).localise(model.layout());
        assert!(shard.rows.len() < model.layout().rows() || buckets(&*model) == 1, "{name}");
        let mut local = sottovoce_core::aligned::Aligned::default();
        at.gather(&shard.rows, &mut local);
        for optimiser in optimisers() {
            let how = LocalTraining { epochs: 2, batch: 4, shuffle: true, optimiser };
            let [a, b] = [Start::Model(&at), Start::Rows(&local)].map(|start| {
                train(&*model, &how, &shard, start, order, &mut Workspace::default(), None).unwrap()
            });
            assert_eq!(a, b, "{name} {optimiser:?}");
        }
    }
}

/// What an algorithm is told of a client, and that its numbers are those of the client's examples: the mean loss, its
/// gradient, and epochs that are shuffled by their own numbers.
#[test]
fn a_task_is_a_client_with_its_examples() {
    for (name, model) in models() {
        let (at, order) = (somewhere(&*model), Address::new(1, Purpose::BatchOrder));
        let all = examples(&*model, 11, 12);
        let data = all.clone().localise(model.layout());
        let how = LocalTraining { epochs: 3, batch: 4, shuffle: true, optimiser: optimisers()[0] };
        let mut task = Task {
            client: ClientId(5),
            round: 7,
            model: &*model,
            local: &how,
            data: &data,
            broadcast: &at,
            order,
            workspace: &mut Workspace::default(),
        };
        assert_eq!(
            (task.client(), task.round(), task.num_examples(), task.epochs()),
            (ClientId(5), 7, 11, 3)
        );
        assert_eq!((task.rows(), task.representation()), (&data.rows, model.representation()), "{name}");
        assert_eq!(task.broadcast().values(), at.values(), "{name}");
        // The output layer is the last but for its bias, one row; a model without a body has no head.
        let output = model.layout().tensor("output").map_or(0, |t| t.rows() + 1);
        assert_eq!(task.head(), output, "{name}");

        let start = task.start();
        let mean = mean_loss(&*model, at.values(), &all);
        assert!((task.loss(&start) - mean).abs() < 1e-6 * mean, "{name}");
        let chosen: Vec<u32> = (0..11).collect();
        let mut expected = vec![0.0; start.len()];
        let batch = Batch { examples: &data.examples, chosen: &chosen };
        model.gradient(&start, &batch, &mut expected, &mut Scratch::default());
        let found = task.gradient(&start);
        assert_eq!(found.len(), expected.len());
        for (g, e) in found.iter().zip(&expected) {
            assert!((g - e).abs() <= 1e-5 * (1.0 + e.abs()), "{name}: {g} {e}");
        }

        let trained = |epochs, slot| {
            let how = LocalTraining { epochs, ..how };
            train(&*model, &how, &data, &at, order.slot(slot), &mut Workspace::default(), None).unwrap()
        };
        assert_eq!(task.train(None).unwrap(), trained(3, 0), "{name}");
        assert_eq!(task.train_from(None, 2..4, None).unwrap(), trained(2, 2), "{name}");
        assert!(trained(2, 2) != trained(2, 0), "{name}");
    }
}
