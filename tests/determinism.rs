//! The same configuration gives the same bytes, for any number of threads and every time.

mod common;

use common::{bytes, json, json_lines, sottovoce};
use serde_json::Value;
use std::collections::BTreeMap;
use tempfile::tempdir;

/// What a run leaves behind that has no time in it.
const FILES: &[&str] =
    &["rounds.jsonl", "egress.jsonl", "clients.jsonl", "model.safetensors", "config.toml", "manifest.json"];

const EMBEDDING_BAG: &str = r#"model={kind="embedding_bag",dim=6}"#;
const LOW_RANK: &str = r#"model={kind="low_rank",rank=3,dim=20}"#;
const TEXT_CNN: &str = r#"model={kind="text_cnn",dim=6,filters=5}"#;
const SEQUENCES: &str = "features.sequence=12";
const GENTLY: &str = "local.optimiser.lr=0.5";
const POISSON: &str = r#"rounds.cohort={kind="poisson",rate=0.4}"#;
const ALL: &str = r#"rounds.cohort={kind="all"}"#;
const CLIPPING: &str = r#"transforms=[{kind="clip_value",max=0.5},{kind="clip_norm",max=0.8}]"#;
const NOISE: &str = r#"transforms=[{kind="clip_norm",max=0.8},{kind="gaussian_noise",std=0.001}]"#;
const TOP_ROWS: &str = r#"transforms=[{kind="top_rows",share=0.3}]"#;
const QUANTISED: &str = r#"transforms=[{kind="top_rows",share=0.5},{kind="quantise",bits=3}]"#;
const FEDPROX: &str = r#"algorithm={kind="fedprox",mu=0.3}"#;
const DIRICHLET: &str = r#"partition={scheme="dirichlet",clients=9,alpha=0.3}"#;

/// What a run comes to: its files, and its figures without times and memory.
#[derive(PartialEq)]
struct Outcome {
    files: BTreeMap<&'static str, Vec<u8>>,
    figures: Value,
}

impl Outcome {
    fn digest(&self) -> &str {
        self.figures["digest"].as_str().expect("a summary has a digest")
    }
}

fn run(overrides: &[&str], threads: &str) -> Outcome {
    let folder = tempdir().expect("a folder for a run can be made");
    let out = folder.path().join("run");
    sottovoce(&["run", "--threads", threads]).small().set(overrides).out(&out).ok();
    let mut figures = json(&out.join("summary.json"));
    let fields = figures.as_object_mut().expect("a summary is an object");
    for measured in
        ["wall_seconds", "round_seconds", "clients_per_second", "first_round_seconds", "peak_rss_bytes"]
    {
        assert!(fields.remove(measured).is_some(), "{measured}");
    }
    Outcome { files: FILES.iter().map(|f| (*f, bytes(&out.join(f)))).collect(), figures }
}

/// One, two and eight threads, and eight once more; returns the digest.
fn same_bytes(overrides: &[&str]) -> String {
    let one = run(overrides, "1");
    for threads in ["2", "8", "8"] {
        let other = run(overrides, threads);
        for file in FILES {
            assert!(
                one.files[file] == other.files[file],
                "{file} differs with {threads} threads: {overrides:?}"
            );
        }
        assert_eq!(one.figures, other.figures, "{threads} threads: {overrides:?}");
    }
    one.digest().to_owned()
}

#[test]
fn softmax_regression_gives_the_same_bytes_with_every_cohort() {
    let digests = [&[][..], &[POISSON], &[ALL]].map(same_bytes);
    assert!(digests[0] != digests[1] && digests[1] != digests[2] && digests[0] != digests[2]);
}

#[test]
fn embedding_bag_gives_the_same_bytes_with_every_cohort() {
    let digests = [&[EMBEDDING_BAG][..], &[EMBEDDING_BAG, POISSON], &[EMBEDDING_BAG, ALL]].map(same_bytes);
    assert!(digests[0] != digests[1] && digests[1] != digests[2] && digests[0] != digests[2]);
}

#[test]
fn models_behind_a_table_give_the_same_bytes() {
    let digests = [
        &[LOW_RANK, GENTLY][..],
        &[TEXT_CNN, SEQUENCES, GENTLY],
        &[TEXT_CNN, "features.sequence=3", GENTLY],
        &[SEQUENCES],
        &[LOW_RANK, SEQUENCES, GENTLY],
        &[LOW_RANK, GENTLY, FEDPROX, DIRICHLET, TOP_ROWS],
    ]
    .map(same_bytes);
    assert!((1..digests.len()).all(|i| !digests[..i].contains(&digests[i])), "{digests:?}");
}

#[test]
fn transforms_algorithms_and_partitions_give_the_same_bytes_and_change_the_result() {
    let plain = run(&[], "2").digest().to_owned();
    let mut digests = vec![plain];
    for overrides in [
        &[CLIPPING][..],
        &[NOISE],
        &[TOP_ROWS],
        &[QUANTISED],
        &[FEDPROX],
        &[DIRICHLET],
        &[DIRICHLET, FEDPROX, CLIPPING, EMBEDDING_BAG],
        &[EMBEDDING_BAG, NOISE, POISSON],
    ] {
        let digest = same_bytes(overrides);
        assert!(!digests.contains(&digest), "{overrides:?}");
        digests.push(digest);
    }
}

#[test]
fn another_seed_gives_another_digest() {
    assert_ne!(run(&["seed=1"], "2").digest(), run(&["seed=2"], "2").digest());
}

#[test]
fn an_algorithm_does_not_change_who_takes_part() {
    let cohorts = |overrides: &[&str]| -> (Vec<Value>, Vec<Value>) {
        let folder = tempdir().expect("a folder for a run can be made");
        let out = folder.path().join("run");
        sottovoce(&["run"]).small().set(overrides).out(&out).ok();
        let rounds = json_lines(&out.join("rounds.jsonl"));
        let column = |key: &str| rounds.iter().map(|line| line[key].clone()).collect();
        (column("accepted"), column("chain"))
    };
    for cohort in [r#"rounds.cohort={kind="uniform",size=3}"#, POISSON] {
        let (asked, params) = cohorts(&[cohort]);
        for other in [FEDPROX, CLIPPING, NOISE, TOP_ROWS, QUANTISED, EMBEDDING_BAG] {
            let (asked_by_other, other_params) = cohorts(&[cohort, other]);
            assert_eq!(asked, asked_by_other, "{cohort} {other}");
            assert_ne!(params, other_params, "{cohort} {other}");
        }
    }
}
