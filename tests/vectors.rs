//! A model that reads sentence vectors from a file: it learns from them and nothing else, each beside its transcript; what
//! does not belong together is refused.

mod common;

use common::{Call, bytes, json, sottovoce, write_npy};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tempfile::{TempDir, tempdir};

const DIM: usize = 64;

/// Transcripts in a file, vectors that nearly say their intents in another, and a configuration of both.
fn prepared() -> TempDir {
    let folder = tempdir().expect("a folder can be made");
    let small =
        ["data.synthetic.clients=8", "data.synthetic.transcripts_per_client=100", "data.test_examples=100"];
    let transcripts = sottovoce(&["data", "synth"]).set(&small).ok().out();
    let mut classes = BTreeMap::new();
    let mut numbers = Vec::new();
    for (i, line) in transcripts.lines().enumerate() {
        let row: Value = serde_json::from_str(line).expect("every line is JSON");
        let intent = row["intent"].as_str().expect("every row has an intent").to_owned();
        let next = classes.len();
        let class = *classes.entry(intent).or_insert(next);
        let noise = |k: usize| ((i * 31 + k * 17) % 101) as f32 / 404.0;
        numbers.extend((0..DIM).map(|k| if k == class % DIM { 3.0 } else { noise(k) }));
    }
    let place = |name: &str| folder.path().join(name);
    fs::write(place("all.jsonl"), &transcripts).expect("a file can be written");
    write_npy(&place("v.npy"), DIM, &numbers);
    let text = format!(
        "name = 'vectors'\nseed = 3\ndata = {{ path = '{}', unit = 'dialogue' }}\ndeidentify.enabled = false\n\
         model = {{ kind = 'mlp', vectors = '{}', dim = {DIM} }}\n\
         local = {{ epochs = 2, batch = 8, optimiser = {{ kind = 'sgd', lr = 0.5 }} }}\n\
         rounds = {{ count = 30, cohort = {{ kind = 'all' }}, evaluate_every = 0 }}\n",
        place("all.jsonl").display(),
        place("v.npy").display()
    );
    fs::write(place("t.toml"), text).expect("a file can be written");
    folder
}

fn numbers(path: &Path) -> Vec<f32> {
    bytes(path)[128..]
        .chunks_exact(4)
        .map(|n| f32::from_le_bytes(n.try_into().expect("four bytes")))
        .collect()
}

fn run(folder: &Path, out: &str) -> Call {
    sottovoce(&["run"]).arg(folder.join("t.toml")).out(&folder.join(out))
}

#[test]
fn it_learns_from_vectors_and_gives_the_same_bytes_on_any_threads() {
    let folder = prepared();
    let folder = folder.path();
    run(folder, "one").args(&["--threads", "1"]).ok();
    run(folder, "two").args(&["--threads", "2"]).ok();
    for file in ["model.safetensors", "rounds.jsonl", "egress.jsonl"] {
        assert!(bytes(&folder.join("one").join(file)) == bytes(&folder.join("two").join(file)), "{file}");
    }
    let accuracy = |name: &str| {
        let summary = json(&folder.join(name).join("summary.json"));
        summary["accuracy"].as_f64().expect("a summary has an accuracy")
    };
    assert!(accuracy("one") > 0.75, "{}", accuracy("one"));

    // Longer vectors are the same: only their direction counts, here to the bit.
    let doubled: Vec<f32> = numbers(&folder.join("v.npy")).iter().map(|n| 2.0 * n).collect();
    write_npy(&folder.join("v.npy"), DIM, &doubled);
    run(folder, "doubled").ok();
    let backwards: Vec<f32> = doubled.chunks_exact(DIM).rev().flatten().copied().collect();
    write_npy(&folder.join("v.npy"), DIM, &backwards);
    run(folder, "backwards").ok();
    assert!(accuracy("backwards") < 0.25, "{}", accuracy("backwards"));

    let model = |name: &str| bytes(&folder.join(name).join("model.safetensors"));
    assert!(model("doubled") == model("one"));
    let said = sottovoce(&["classify"]).arg(folder.join("one")).input("my card\n").fails(1);
    assert!(said.contains("reads sentence vectors; it cannot classify text"), "{said}");
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let folder = prepared();
    let folder = folder.path();
    let path = folder.join("v.npy");
    let good = numbers(&path);
    let rows = good.len() / DIM;
    let fails = |said: &str, overrides: &[&str], code: i32| {
        let error = run(folder, "out").set(overrides).fails(code);
        let error = error.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(error.contains(said), "{said}: {error}");
    };
    write_npy(&path, DIM, &good[DIM..]);
    fails(&format!("{} rows for {rows} transcripts", rows - 1), &[], 1);
    write_npy(&path, DIM, &[&good[..], &good[..DIM]].concat());
    fails(&format!("{} rows for {rows} transcripts", rows + 1), &[], 1);
    let mut nan = good.clone();
    nan[5 * DIM + 2] = f32::NAN;
    write_npy(&path, DIM, &nan);
    fails("NaN in row 5, column 2", &[], 1);
    write_npy(&path, DIM / 2, &good);
    fails("vectors of 32 numbers, but model.dim = 64", &[], 1);
    write_npy(&path, DIM, &good);
    fails("deidentify.enabled = true", &["deidentify.enabled=true"], 2);
    fails("there is no such file", &["model.vectors=/no/such/file.npy"], 2);
}
