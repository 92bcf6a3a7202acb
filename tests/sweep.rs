//! `sottovoce sweep`: every setting with every seed, nothing twice, and halving.

mod common;

use common::sottovoce;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;
use tempfile::tempdir;

const SMALL: &[&str] = &[
    "data.synthetic.clients=12",
    "data.test_examples=60",
    "features.buckets=512",
    "rounds.cohort.size=4",
    "rounds.count=8",
    "rounds.checkpoint_every=1",
    "baselines.centralised=false",
    "baselines.local_only_clients=0",
    "evaluation.clients=0",
];

fn sweep(out: &Path, words: &[&str]) -> Vec<Value> {
    let out = out.to_str().expect("a temporary folder has a plain name");
    let mut all = vec!["sweep", "--out", out, "--json", "--quiet"];
    all.extend(words);
    let done = sottovoce(&all).set(SMALL).ok();
    done.json().as_array().expect("a list of settings").clone()
}

fn written(out: &Path) -> BTreeMap<String, SystemTime> {
    let runs = fs::read_dir(out).expect("the sweep's folder");
    let run = |entry: fs::DirEntry| {
        let summary = entry.path().join("summary.json");
        let when = fs::metadata(&summary).and_then(|m| m.modified()).expect("a finished run has a summary");
        (entry.file_name().to_string_lossy().into_owned(), when)
    };
    runs.map(|entry| run(entry.expect("an entry"))).collect()
}

#[test]
fn every_setting_is_run_with_every_seed_and_none_of_them_twice() {
    let folder = tempdir().expect("a folder");
    let first = ["--grid", "local.optimiser.lr=1,40", "--seeds", "5,6"];
    let outcomes = sweep(folder.path(), &first);
    assert_eq!(outcomes.len(), 2);
    for outcome in &outcomes {
        let runs = outcome["runs"].as_array().expect("runs");
        let seeds: Vec<u64> = runs.iter().map(|run| run["seed"].as_u64().expect("a seed")).collect();
        assert_eq!(seeds, [5, 6]);
        assert!(runs.iter().all(|run| run["rounds"] == 8));
    }
    let before = written(folder.path());
    assert_eq!(before.len(), 4);
    assert_eq!(sweep(folder.path(), &first), outcomes, "the same again, from what is there");
    let more = ["--grid", "local.optimiser.lr=1,40,20", "--seeds", "5,6", "--jobs", "2", "--threads", "2"];
    assert_eq!(sweep(folder.path(), &more).len(), 3);
    let after = written(folder.path());
    assert_eq!(after.len(), 6);
    assert!(before.iter().all(|(run, when)| after[run] == *when), "a finished run was run again");
}

#[test]
fn halving_gives_most_rounds_to_the_best_and_the_bits_of_a_whole_run() {
    let (halved, whole) = (tempdir().expect("a folder"), tempdir().expect("a folder"));
    let grid = ["--grid", "local.optimiser.lr=0.001,0.01,10,40"];
    let outcomes = sweep(halved.path(), &[&grid[..], &["--halving", "2"]].concat());
    let rounds: Vec<u64> =
        outcomes.iter().map(|o| o["runs"][0]["rounds"].as_u64().expect("rounds")).collect();
    assert_eq!(rounds, [8, 4, 2, 2]);
    let best = outcomes[0]["setting"].as_str().expect("a setting");
    let alone = sweep(whole.path(), &["--grid", best]);
    assert_eq!(alone[0]["runs"], outcomes[0]["runs"]);
    let run = outcomes[0]["runs"][0]["folder"].as_str().expect("a folder");
    let model =
        |out: &Path| fs::read(out.join(run).join("model.safetensors")).expect("a finished run has a model");
    assert!(model(halved.path()) == model(whole.path()));
}

#[test]
fn a_setting_that_cannot_be_is_refused_before_anything_runs() {
    let folder = tempdir().expect("a folder");
    let out = folder.path().join("runs");
    let path = out.to_str().expect("a plain name");
    for (grid, says) in
        [("local.optimiser.lr=1,-1", "local.optimiser.lr"), ("local.optimiser.lr", "KEY=VALUE,VALUE")]
    {
        let done = sottovoce(&["sweep", "--out", path, "--grid", grid]).set(SMALL).done();
        assert_eq!(done.code, Some(2), "{}", done.err());
        assert!(done.err().contains(says), "{}", done.err());
        assert!(!out.exists());
    }
}

#[test]
fn a_setting_that_diverges_is_a_result_and_the_others_go_on() {
    let folder = tempdir().expect("a folder");
    let grid = "algorithm={kind=\"fedavg\",server_lr=3e38},{kind=\"fedavg\"}";
    let words = ["--grid", grid, "--set", "local.optimiser.lr=400"];
    let outcomes = sweep(folder.path(), &words);
    let [good, bad] = &outcomes[..] else { panic!("{outcomes:?}") };
    let run = |outcome: &Value| outcome["runs"][0].clone();
    assert!(run(good)["rounds"] == 8 && run(good).get("diverged").is_none(), "{good}");
    let why = run(bad)["diverged"].as_str().expect("a reason").to_owned();
    assert!(why.contains("the run diverged; lower its rates"), "{why}");
    assert_eq!(sweep(folder.path(), &words), outcomes, "the same again");
    // Alone such a run fails, with the reason and without a summary.
    let alone = sottovoce(&["run"]).set(SMALL).set(&["algorithm.kind=fedavg", "algorithm.server_lr=3e38"]);
    let said = alone.set(&["local.optimiser.lr=400"]).fails(1);
    assert!(said.contains("round 0: the server's step of fedavg gave a"), "{said}");
}
