//! Every model in small, examples as it reads them, parameters, and the loss by itself.

use sottovoce_core::sampling::{below, uniform_f32};
use sottovoce_core::{Address, Params, Purpose};
use sottovoce_models::{
    EmbeddingBag, Examples, FrozenTable, LowRank, Mlp, Model, Scratch, SoftmaxRegression, TextCnn,
};

pub(crate) const BUCKETS: usize = 23;
pub(crate) const INPUTS: usize = 6;

/// A table of numbers in ±0.5.
fn given() -> FrozenTable {
    let mut stream = Address::new(6, Purpose::Test).stream();
    FrozenTable::given((0..BUCKETS * 6).map(|_| uniform_f32(&mut stream, -0.5, 0.5)).collect())
}

pub(crate) fn models() -> Vec<(&'static str, Box<dyn Model>)> {
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
pub(crate) fn examples(model: &dyn Model, n: usize, seed: u64) -> Examples {
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

pub(crate) fn buckets(model: &dyn Model) -> usize {
    model.layout().tensors()[0].rows()
}

pub(crate) fn somewhere(model: &dyn Model) -> Params {
    let mut s = Address::new(5, Purpose::Test).stream();
    let mut p = model.init(1);
    for v in p.values_mut() {
        *v += uniform_f32(&mut s, -0.5, 0.5);
    }
    p
}

/// Mean cross-entropy in double precision, from the logits alone.
pub(crate) fn loss(model: &dyn Model, params: &[f32], examples: &Examples) -> f64 {
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
