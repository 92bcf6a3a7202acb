//! MOON's contrastive term through every model that has a representation, against differences of the term itself.

use sottovoce_algorithms::Moon;
use sottovoce_core::sampling::{below, uniform_f32};
use sottovoce_core::{Address, Params, Purpose};
use sottovoce_models::{Batch, EmbeddingBag, Examples, FrozenTable, LowRank, Mlp, Model, Scratch, TextCnn};

const BUCKETS: u64 = 12;
const INPUTS: usize = 5;
const EXAMPLES: usize = 9;
const MOON: Moon = Moon { mu: 1.5, temperature: 0.5 };

fn models() -> Vec<(&'static str, Box<dyn Model>)> {
    let buckets = BUCKETS as usize;
    vec![
        ("embedding bag", Box::new(EmbeddingBag::new(buckets, 6, 4, 0.5).unwrap())),
        ("low rank", Box::new(LowRank::new(buckets, 2, 6, 4, FrozenTable::random(3, 0.5)).unwrap())),
        ("mlp", Box::new(Mlp::new(INPUTS, 7, 4).unwrap())),
        ("text cnn", Box::new(TextCnn::new(buckets, 4, &[1, 3], 3, 4, 0.5).unwrap())),
    ]
}

/// Some with rows and some with a vector, as the model reads them; the first has no rows.
fn examples(model: &dyn Model) -> Examples {
    let mut s = Address::new(2, Purpose::Test).stream();
    let mut all = Examples::default();
    for i in 0..EXAMPLES {
        let table = model.layout().tensors()[0].rows() > 1;
        let rows: Vec<u32> = (0..if table { i } else { 0 }).map(|_| below(&mut s, BUCKETS) as u32).collect();
        let inputs = if table { 0 } else { INPUTS };
        let dense: Vec<f32> = (0..inputs).map(|_| uniform_f32(&mut s, -1.0, 1.0)).collect();
        all.push_dense(&rows, 0.6, &dense, 0);
    }
    all
}

fn somewhere(model: &dyn Model, seed: u64) -> Params {
    let mut s = Address::new(seed, Purpose::Test).stream();
    let mut p = model.init(1);
    for v in p.values_mut() {
        *v += uniform_f32(&mut s, -0.5, 0.5);
    }
    p
}

fn represent(model: &dyn Model, params: &[f32], data: &Examples) -> Vec<f32> {
    let chosen: Vec<u32> = (0..data.len() as u32).collect();
    let mut all = vec![0.0; data.len() * model.representation()];
    model.represent(params, &Batch { examples: data, chosen: &chosen }, &mut all, &mut Scratch::default());
    all
}

/// `μ` times the mean of `ℓ_con`, as the paper writes it.
fn term(width: usize, z: &[f32], glob: &[f32], prev: &[f32]) -> f64 {
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    let similarity = |a: &[f32], b: &[f32]| match dot(a, a) * dot(b, b) {
        0.0 => 0.0,
        squared => dot(a, b) / squared.sqrt(),
    };
    let each = z.chunks(width).zip(glob.chunks(width)).zip(prev.chunks(width)).map(|((z, glob), prev)| {
        let near = libm::exp(similarity(z, glob) / f64::from(MOON.temperature));
        let far = libm::exp(similarity(z, prev) / f64::from(MOON.temperature));
        -libm::log(near / (near + far))
    });
    f64::from(MOON.mu) * each.sum::<f64>() / (z.len() / width) as f64
}

#[test]
fn the_contrastive_term_has_its_gradient_through_every_model() {
    for (name, model) in models() {
        let (data, width) = (examples(&*model), model.representation());
        let [now, glob, prev] = [5, 6, 7].map(|seed| somewhere(&*model, seed));
        let [glob, prev] = [glob, prev].map(|p| represent(&*model, p.values(), &data));
        let mut back = Vec::new();
        MOON.contrast(width, &represent(&*model, now.values(), &data), &glob, &prev, &mut back);
        let chosen: Vec<u32> = (0..data.len() as u32).collect();
        let mut gradient = vec![0.0; now.values().len()];
        let batch = Batch { examples: &data, chosen: &chosen };
        model.pull_back(now.values(), &batch, &back, &mut gradient, &mut Scratch::default());

        let largest = gradient.iter().fold(0.0f32, |most, g| most.max(g.abs()));
        assert!(largest > 0.01, "{name}: nothing to see");
        let value = |i: usize, by: f32| {
            let mut p = now.values().to_vec();
            p[i] += by;
            term(width, &represent(&*model, &p, &data), &glob, &prev)
        };
        let mut kinks = 0;
        for (i, g) in gradient.iter().map(|g| f64::from(*g)).enumerate() {
            let h = 1.0 / 256.0;
            let slope = (value(i, h) - value(i, -h)) / f64::from(2.0 * h);
            if (slope - g).abs() < 2e-4 {
                continue;
            }
            // Where a maximum or a rectifier changes near by, one side at least is smooth.
            let near = h / 8.0;
            let sides = [value(i, near) - value(i, 0.0), value(i, 0.0) - value(i, -near)];
            let sides = sides.map(|d| d / f64::from(near));
            assert!(sides.iter().any(|s| (s - g).abs() < 2e-3), "{name}: {i}: {slope} {sides:?} {g}");
            kinks += 1;
        }
        let bends = ["text cnn", "mlp"].contains(&name);
        assert!(kinks <= if bends { gradient.len() / 20 } else { 0 }, "{name}: {kinks} kinks");
    }
}

/// Zeros have no direction; nothing overflows, and nothing is NaN, for vectors of any length and any temperature.
#[test]
fn a_cosine_of_zeros_is_flat_and_no_length_is_too_much() {
    let zero = [0.0; 2];
    for (z, glob, prev) in [
        (zero, [1.0, 2.0], [2.0, 1.0]),
        ([1.0, 2.0], zero, zero),
        (zero, zero, zero),
        ([3.0, 4.0], [6.0, 8.0], [-1.5, -2.0]),
    ] {
        let mut back = vec![9.0];
        MOON.contrast(2, &z, &glob, &prev, &mut back);
        assert!(back.len() == 2 && back.iter().all(|b| b.abs() < 1e-6), "{z:?}: {back:?}");
    }
    // Only one of the two is zero: the other still pulls, across z.
    for (glob, prev, up) in [(zero, [0.0, 5.0], true), ([0.0, 5.0], zero, false)] {
        let mut back = Vec::new();
        MOON.contrast(2, &[2.0, 0.0], &glob, &prev, &mut back);
        assert!(back[0] == 0.0 && (back[1] > 0.1) == up && (back[1] < -0.1) != up, "{back:?}");
    }
    for length in [f32::MAX, 1e-20, f32::MIN_POSITIVE] {
        for temperature in [1e-3, 0.5, 1e30] {
            let mut back = Vec::new();
            let moon = Moon { mu: 1.0, temperature };
            moon.contrast(2, &[length, 0.5 * length], &[length, 0.0], &[0.0, -length], &mut back);
            assert!(back.iter().all(|b| !b.is_nan()), "{length} {temperature}: {back:?}");
        }
    }
}
