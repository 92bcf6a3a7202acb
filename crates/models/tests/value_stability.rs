//! Features of fixed text under every option, and every kernel of models, optimisers and training on fixed numbers.
//!
//! Values that only pin what this version gives; changing one is a breaking change of the contract and must be said in
//! CHANGELOG.md together with a new contract version. MurmurHash3 is held against scikit-learn and another
//! crate beside the code, gradients against derivatives in `model_laws.rs`.

use sottovoce_core::{Address, Digest, Params, Purpose, bytes};
use sottovoce_models::optimiser::State;
use sottovoce_models::{
    Batch, EmbeddingBag, Examples, FeatureConfig, Featuriser, FrozenTable, LocalTraining, LowRank, Mlp,
    Model, Norm, Optimiser, Scratch, SoftmaxRegression, TextCnn, Weighting, Workspace, train,
};

/// Holds a table against what was found; if they differ, the message is the table as it would have to be.
fn pinned(pins: &[(&str, &str)], found: &[(&str, String)]) {
    let found: String = found.iter().map(|(name, value)| format!("    ({name:?}, {value:?}),\n")).collect();
    let pins: String = pins.iter().map(|(name, value)| format!("    ({name:?}, {value:?}),\n")).collect();
    assert!(found == pins, "the values are now\n{found}");
}

fn hex(content: &[u8]) -> String {
    Digest::of(content).to_string()[..16].to_owned()
}

fn bits(values: &[f32]) -> String {
    hex(&bytes::le_bytes(values))
}

/// `n` numbers between −0.5 and 0.5 that no sampler makes.
fn numbers(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5).collect()
}

const TEXTS: [&str; 6] = [
    "My card, MY card was stolen!! 42 times",
    "红包发不出去，請問APP登录1不了怎么办？",
    "Ｆｕｌｌ　ｗｉｄｔｈ　ÉTÉ straße ﬁn Ⅷ",
    "naïve e\u{301}te\u{301} İstanbul ΣΑΣ 한국어 ไทย",
    "x",
    "?! 😀 ",
];

const FEATURES: &[(&str, &str)] = &[
    ("default", "472 6a180f418609d956"),
    ("words", "46 ba89567da02d1e7f"),
    ("word 3-grams", "112 0ee9f33f9a17018b"),
    ("characters", "537 9c10a4658fcd96da"),
    ("Han", "53 2201cb93ba95620d"),
    ("counts", "515 2aa9cea6da398ec9"),
    ("mean", "515 a5ba21bf8805f1b8"),
    ("sum", "472 dbdc1f8971cec3bb"),
    ("1,000 buckets", "459 0a7af07c08722ba6"),
    ("67,108,864 buckets", "474 3c70329ac2c768f1"),
    ("sequences", "81 dcdcab9733850dd7"),
    ("short sequences", "34 78c6c5a568a8f699"),
];

#[test]
fn features_of_every_option_are_as_they_were() {
    let d = FeatureConfig::default;
    let none = FeatureConfig { word_ngrams: 0, char_ngrams: [0, 0], han_ngrams: 0, ..d() };
    let found: Vec<(&str, String)> = [
        ("default", d()),
        ("words", FeatureConfig { word_ngrams: 1, ..none.clone() }),
        ("word 3-grams", FeatureConfig { word_ngrams: 3, ..none.clone() }),
        ("characters", FeatureConfig { char_ngrams: [1, 4], ..none.clone() }),
        ("Han", FeatureConfig { han_ngrams: 2, ..none }),
        ("counts", FeatureConfig { weighting: Weighting::Count, ..d() }),
        ("mean", FeatureConfig { norm: Norm::Mean, weighting: Weighting::Count, ..d() }),
        ("sum", FeatureConfig { norm: Norm::Sum, ..d() }),
        ("1,000 buckets", FeatureConfig { buckets: 1000, ..d() }),
        ("67,108,864 buckets", FeatureConfig { buckets: 1 << 26, ..d() }),
        ("sequences", FeatureConfig { sequence: 64, ..d() }),
        ("short sequences", FeatureConfig { sequence: 6, norm: Norm::Mean, ..d() }),
    ]
    .map(|(name, config)| {
        let (mut featuriser, mut rows, mut content, mut count) =
            (Featuriser::new(config), Vec::new(), Vec::new(), 0);
        for texts in TEXTS.chunks(1).chain([&TEXTS[..]]) {
            let scale = featuriser.features(texts.iter().copied(), &mut rows);
            count += rows.len();
            content.extend(rows.iter().flat_map(|row| row.to_le_bytes()));
            content.extend_from_slice(&scale.to_bits().to_le_bytes());
        }
        (name, format!("{count} {}", hex(&content)))
    })
    .into();
    pinned(FEATURES, &found);
}

fn models() -> [(&'static str, Box<dyn Model>); 10] {
    [
        ("softmax regression, 5 classes", Box::new(SoftmaxRegression::new(23, 5).unwrap())),
        ("softmax regression, 37 classes", Box::new(SoftmaxRegression::new(23, 37).unwrap())),
        ("embedding bag, 6 and 5", Box::new(EmbeddingBag::new(23, 6, 5, 0.5).unwrap())),
        ("embedding bag, 33 and 70", Box::new(EmbeddingBag::new(23, 33, 70, 0.5).unwrap())),
        ("low rank, 3 of 6", Box::new(LowRank::new(23, 3, 6, 5, FrozenTable::random(2026, 0.5)).unwrap())),
        ("low rank, 7 of 33", Box::new(LowRank::new(23, 7, 33, 70, FrozenTable::random(2026, 0.5)).unwrap())),
        ("mlp, 6 of 7", Box::new(Mlp::new(7, 6, 5).unwrap())),
        ("mlp, 33 of 40", Box::new(Mlp::new(40, 33, 70).unwrap())),
        ("text cnn, 6 and 3 of 1 to 3", Box::new(TextCnn::new(23, 6, &[1, 2, 3], 3, 5, 0.5).unwrap())),
        ("text cnn, 5 and 40 of 4", Box::new(TextCnn::new(23, 5, &[4], 40, 70, 0.5).unwrap())),
    ]
}

fn examples(model: &dyn Model) -> Examples {
    let (classes, mut all) = (model.classes(), Examples::default());
    let [table, first, ..] = model.layout().tensors() else { unreachable!("every model has two tensors") };
    let inputs = if table.rows() == 1 { first.rows() } else { 0 };
    for i in 0..13u32 {
        let rows: Vec<u32> = (0..i % 6).map(|k| (i + 3 * k * k) % 23).collect();
        let mut rows = if inputs == 0 { rows } else { Vec::new() };
        rows.sort_unstable();
        let dense = &numbers(13 * inputs)[i as usize * inputs..][..inputs];
        all.push_dense(&rows, 1.0 / (1 + i % 4) as f32, dense, i * 5 % classes as u32);
    }
    all
}

/// Parameters at the start (seed 2026), logits, and gradient with loss.
const MODELS: &[(&str, &str)] = &[
    ("softmax regression, 5 classes", "bf1414afa9bd910b 67faff40937aedeb f366fdf88262256e"),
    ("softmax regression, 37 classes", "4690e61f7bae640c 0e5e96a469c23531 3ba8445f95545e6e"),
    ("embedding bag, 6 and 5", "89f659c6f21b3377 90ed0ee2d450ad1d c7c389b45bed229b"),
    ("embedding bag, 33 and 70", "8e648a7f78ec11dc 7c83d8ac90cd4eb4 4c340d7921d2673d"),
    ("low rank, 3 of 6", "c5a177aa46d90187 7256385412333609 0e874c77459dd8c5"),
    ("low rank, 7 of 33", "a7f3662fab56bc67 dcbd85e36f19e16f d39068d1de666a07"),
    ("mlp, 6 of 7", "7ca468d7f7b7f14b 204542c9b4cb22dc fc791139dfde50df"),
    ("mlp, 33 of 40", "6215b0c5f8470d11 b55bace8f5e57d0e c294537263f570b0"),
    ("text cnn, 6 and 3 of 1 to 3", "f750474344d9de73 42e0b7048d0a18c8 fed477fe2576d5d1"),
    ("text cnn, 5 and 40 of 4", "f3f8d76fe7eb29a4 84120b0a4719dd35 2372e004bd3cbd27"),
];

#[test]
fn models_give_the_bits_that_they_gave() {
    let found = models().map(|(name, model)| {
        let (data, mut scratch) = (examples(&*model), Scratch::default());
        let params = numbers(model.layout().params());
        let (mut logits, mut one) = (Vec::new(), vec![0.0; model.classes()]);
        for example in data.iter() {
            model.logits(&params, example, &mut one, &mut scratch);
            logits.extend_from_slice(&one);
        }
        let chosen: Vec<u32> = (0..13).collect();
        let mut gradient = vec![0.0; params.len()];
        let batch = Batch { examples: &data, chosen: &chosen };
        gradient.push(0.0);
        let end = gradient.len() - 1;
        gradient[end] = model.gradient(&params, &batch, &mut gradient[..end], &mut scratch);
        (name, format!("{} {} {}", bits(model.init(2026).values()), bits(&logits), bits(&gradient)))
    });
    pinned(MODELS, &found);
}

fn optimisers() -> [(&'static str, Optimiser); 4] {
    [
        ("sgd", Optimiser::Sgd { lr: 0.3 }),
        ("momentum", Optimiser::Momentum { lr: 0.3, momentum: 0.9 }),
        ("adagrad", Optimiser::Adagrad { lr: 0.3, epsilon: 1e-8 }),
        ("adam", Optimiser::Adam { lr: 0.03, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }),
    ]
}

/// Three steps on 41 parameters, of which 12 rest under SGD.
const OPTIMISERS: &[(&str, &str)] = &[
    ("sgd", "c708a1121ef8d043"),
    ("momentum", "c3f80034b8e7cf4a"),
    ("adagrad", "d5a7c63305697e57"),
    ("adam", "3494003fc4e0a234"),
];

#[test]
fn optimisers_step_to_the_bits_that_they_stepped_to() {
    let found = optimisers().map(|(name, optimiser)| {
        let all = numbers(4 * 41);
        let mut params = all[..41].to_vec();
        let mut state = State::default();
        state.reset(&optimiser, 41);
        for gradient in all[41..].chunks(41) {
            state.step(&optimiser, &mut params, &mut gradient.to_vec(), &[0, 2], 6, 24);
        }
        (name, bits(&params))
    });
    pinned(OPTIMISERS, &found);
}

/// Two epochs of batches of 4 from fixed parameters: delta, loss and steps, under SGD and under the others. With shuffles,
/// so the streams count, too.
const TRAINING: &[(&str, &str)] = &[
    ("softmax regression, 5 classes", "719a537f9edfbac2 fd277637700fa0e2"),
    ("softmax regression, 37 classes", "f0e78c1a1ef74aab 906fb27164319682"),
    ("embedding bag, 6 and 5", "7d2f63b569b8c56f 88972c95d1f68d7c"),
    ("embedding bag, 33 and 70", "4567b2f1a4af5ff0 88562a448a4057d2"),
    ("low rank, 3 of 6", "552b2df7d56ee0a5 4d028fb78a46296c"),
    ("low rank, 7 of 33", "2c7da78ab6750a2b 8c83a4638bb56ec5"),
    ("mlp, 6 of 7", "16dc7c6e165305fc ee11104ea40ee5c4"),
    ("mlp, 33 of 40", "12a8aeddc964557e bf50cd7f7ca1a092"),
    ("text cnn, 6 and 3 of 1 to 3", "fe93532f9ba3ac1d 377221f4ad51f899"),
    ("text cnn, 5 and 40 of 4", "cf52ea5439a1e1c9 c120a4d510f97151"),
];

#[test]
fn training_ends_where_it_ended() {
    let mut found = Vec::new();
    for (model_name, model) in models() {
        let broadcast =
            Params::from_values(model.layout().clone(), numbers(model.layout().params())).unwrap();
        let data = examples(&*model).localise(model.layout());
        let mut contents = [Vec::new(), Vec::new()];
        for (_, optimiser) in optimisers() {
            let content = &mut contents[usize::from(!matches!(optimiser, Optimiser::Sgd { .. }))];
            let how = LocalTraining { epochs: 2, batch: 4, shuffle: true, optimiser };
            let order = Address::new(2026, Purpose::BatchOrder).round(2).client(3);
            let out =
                train(&*model, &how, &data, &broadcast, order, &mut Workspace::default(), None).unwrap();
            content.extend_from_slice(&bytes::le_bytes(out.delta.values()));
            content.extend_from_slice(&out.loss.to_bits().to_le_bytes());
            content.extend_from_slice(&out.steps.to_le_bytes());
        }
        found.push((model_name, contents.map(|content| hex(&content)).join(" ")));
    }
    pinned(TRAINING, &found);
}
