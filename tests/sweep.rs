//! `sottovoce sweep`: every setting with every seed, nothing twice, and halving.

mod common;

use common::sottovoce;
use serde_json::Value;
use sottovoce::core::{Address, Purpose, sampling};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};
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

/// Halving, called again on its own folder, interrupted at any point, or after somebody has changed its files: the same
/// table.
#[test]
fn halving_gives_one_table_whatever_happens() {
    let whole = tempdir().expect("a folder");
    let words = ["--grid", "local.optimiser.lr=10,20,40,80", "--grid", "seed=1,2", "--halving", "2"];
    let expected = sweep(whole.path(), &words);
    assert!(expected.iter().all(|o| o["runs"].as_array().map(Vec::len) == Some(2)), "two seeds each");
    assert_eq!(sweep(whole.path(), &words), expected, "called again");
    let times = if std::env::var_os("SOTTOVOCE_THOROUGH").is_some() { 100 } else { 3 };
    let folder = tempdir().expect("a folder");
    for time in 0..times {
        let mut stream = Address::new(time, Purpose::Test).stream();
        let out = folder.path().join(format!("{time}"));
        let path = out.to_str().expect("a plain name");
        let mut child = sottovoce(&["sweep", "--out", path, "--quiet"]).set(SMALL).args(&words).start();
        std::thread::sleep(Duration::from_millis(sampling::index(&mut stream, 400) as u64));
        if time % 2 == 0 {
            let _ = child.kill();
        } else {
            let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        }
        let _ = child.wait();
        // Somebody edits what is there.
        for run in fs::read_dir(&out).into_iter().flatten() {
            let run = run.expect("an entry").path();
            for file in
                common::names(&run).iter().filter(|file| file.ends_with(".json") && *file != "manifest.json")
            {
                if sampling::index(&mut stream, 3) == 0 {
                    let text = fs::read_to_string(run.join(file)).expect("JSON is text");
                    let forged = text.replacen("\"accuracy\": 0.", "\"accuracy\": 0.9", 1);
                    fs::write(run.join(file), forged).expect("a file can be written");
                }
            }
        }
        assert_eq!(sweep(&out, &words), expected, "time {time}");
    }
}

/// A result on other data is none of this sweep's.
#[test]
fn a_sweep_on_other_data_is_refused() {
    let folder = tempdir().expect("a folder");
    let (file, out) = (folder.path().join("d.jsonl"), folder.path().join("runs"));
    let written = sottovoce(&["data", "synth"]).set(SMALL).ok().out();
    fs::write(&file, &written).expect("a file can be written");
    let data = format!("data={{path={:?},unit=\"dialogue\"}}", file.to_str().expect("a plain name"));
    let path = out.to_str().expect("a plain name");
    let words = ["sweep", "--out", path, "--quiet", "--json", "--grid", "local.optimiser.lr=1,20"];
    let again = || sottovoce(&words).set(SMALL).set(&[&data]);
    let outcomes = again().ok().json();
    let runs: Vec<_> =
        outcomes.as_array().expect("a list").iter().map(|o| o["runs"][0]["folder"].clone()).collect();
    let before: Vec<_> =
        runs.iter().map(|run| common::contents(&out.join(run.as_str().expect("a name")))).collect();
    let first = written.find('\n').expect("a line") + 1;
    fs::write(&file, &written[first..]).expect("a file can be written");
    let said = again().fails(2);
    assert!(said.contains("other data: data file d.jsonl"), "{said}");
    let after: Vec<_> =
        runs.iter().map(|run| common::contents(&out.join(run.as_str().expect("a name")))).collect();
    assert_eq!(before, after);
    fs::write(&file, &written).expect("a file can be written");
    assert_eq!(again().ok().json(), outcomes);
}

#[test]
fn folders_are_called_after_their_settings() {
    let folder = tempdir().expect("a folder");
    let grid = [
        "--set",
        "local.optimiser.lr=20",
        "--grid",
        "algorithm={kind=\"fedprox\",mu=0.1}",
        "--grid",
        "seed=3",
    ];
    let random =
        ["--random", "local.epochs=1..3:int", "--random", "rounds.dropout=0.0|0.5", "--samples", "2"];
    let outcomes = sweep(folder.path(), &[&grid[..], &random].concat());
    // A learning rate with which every update is beyond what a sum takes.
    let beyond = sweep(&folder.path().join("beyond"), &["--grid", "local.optimiser.lr=1e16,20"]);
    assert!(beyond[0]["runs"][0]["diverged"].is_null(), "{beyond:?}");
    assert!(
        beyond[1]["runs"][0]["diverged"].as_str().is_some_and(|why| why.contains("the sum takes")),
        "{beyond:?}"
    );
    for outcome in &outcomes {
        let name = outcome["runs"][0]["folder"].as_str().expect("a name");
        assert!(name.starts_with("algorithm=kind-fedprox-mu-0.1,epochs="), "{name}");
        assert!(name.contains(",dropout=0.") && name.contains(",seed=3-"), "{name}");
    }
    for (words, says) in [
        (&["--grid", "seed=1,2", "--seeds", "3"][..], "seeds are listed twice"),
        (&["--grid", "seed=1,1"], "the same seed twice"),
        (&["--grid", "seed=a"], "expected a whole number"),
        (&["--random", "seed=1..9:int", "--samples", "2"], "a seed is not drawn"),
    ] {
        let path = folder.path().to_str().expect("a plain name");
        let said = sottovoce(&["sweep", "--out", path]).set(SMALL).args(words).fails(2);
        assert!(said.contains(says), "{said}");
    }
}
