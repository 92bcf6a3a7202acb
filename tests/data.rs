//! Data of one's own through the command: what is assumed, rejected and left out is said, and never in a circle.

mod common;

use common::sottovoce;
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::{TempDir, tempdir};

/// A folder with a configuration for `data.path`, and a file of data.
fn lab(name: &str, content: impl AsRef<[u8]>) -> TempDir {
    let folder = tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("a folder can be made");
    fs::write(&path, content).expect("a file can be written");
    let config = format!(
        "name = \"own\"\nseed = 3\ndata = {{ path = {path:?} }}\npartition = {{ scheme = \"iid\", clients = 4 }}\n\
         features = {{ buckets = 512 }}\nmodel = {{ kind = \"softmax_regression\" }}\n\
         local = {{ epochs = 1, batch = 8, optimiser = {{ kind = \"sgd\", lr = 5.0 }} }}\n\
         rounds = {{ count = 3, cohort = {{ kind = \"uniform\", size = 4 }} }}\n"
    );
    fs::write(folder.path().join("own.toml"), config).expect("a file can be written");
    folder
}

fn call(folder: &Path, words: &[&str], overrides: &[&str]) -> common::Call {
    sottovoce(words).arg(folder.join("own.toml")).set(overrides)
}

/// Two intents in turn, Chinese and English.
fn csv(n: usize) -> String {
    let row = |i: usize| {
        if i.is_multiple_of(2) {
            format!("我要退款 {i},refund\n")
        } else {
            format!("let me in {i},login\n")
        }
    };
    "text,intent\n".to_owned() + &(0..n).map(row).collect::<String>()
}

fn manifest(run: &Path) -> Value {
    serde_json::from_slice(&fs::read(run.join("manifest.json")).expect("a manifest")).expect("JSON")
}

#[test]
fn a_first_file_runs_and_one_line_says_what_was_assumed() {
    let lab = lab("data.csv", csv(100));
    let run = lab.path().join("run");
    let done = call(lab.path(), &["run", "-q", "--json"], &[]).out(&run).ok();
    let summary = done.json();
    assert_eq!((&summary["train_examples"], &summary["test_examples"]), (&80.into(), &20.into()));
    let err = done.err();
    let said =
        "no split: 20 % of each intent drawn as test examples; language found from script: zh 50, en 50";
    assert!(err.lines().count() == 1 && err.starts_with("note: ") && err.trim_end().ends_with(said), "{err}");
    assert_eq!(manifest(&run)["data"]["assumed"]["drawn_test"], 20);
    // Whoever runs it again or sweeps over it is told, too: once.
    let verified = sottovoce(&["verify", "--progress", "none"]).arg(&run).ok();
    assert_eq!(verified.err(), err);
    let swept = call(lab.path(), &["sweep", "--progress", "none", "--seeds", "1,2"], &[])
        .out(&lab.path().join("sweep"));
    assert_eq!(swept.ok().err(), err);
    // The same rows are drawn whenever the seed is the same, and `data inspect` shows what a run uses.
    let inspected = call(lab.path(), &["data", "inspect", "--json"], &[]).ok();
    assert_eq!(inspected.json()["splits"], serde_json::json!({ "train": 80, "test": 20 }));
    assert_eq!(inspected.err(), err);
    let again = call(lab.path(), &["run", "-q", "--json"], &[]).ok().json();
    assert_eq!(again["digest"], summary["digest"]);
    let other = call(lab.path(), &["run", "-q", "--json"], &["data.test_share=0.1"]).ok().json();
    assert_eq!(other["test_examples"], 10);
    let none = call(lab.path(), &["run", "-q"], &["data.test_share=0"]).fails(2);
    assert!(none.contains("data.test_share = 0.2"), "{none}");
}

#[test]
fn rejected_rows_are_seen_everywhere_and_too_many_are_an_error() {
    let lab = lab("data.csv", csv(300) + "one field\n,refund\n");
    let run = lab.path().join("run");
    let line = "2 of 302 rows rejected: wrong number of columns 1 (first ";
    let done = call(lab.path(), &["run", "-q"], &[]).out(&run).ok();
    assert!(done.err().contains(line) && done.err().contains("data.csv: line 302)"), "{}", done.err());
    for report in [
        manifest(&run)["data"].clone(),
        call(lab.path(), &["data", "inspect", "--json"], &[]).ok().json()["origin"].clone(),
    ] {
        assert_eq!(report["rejected"], serde_json::json!({ "wrong_columns": 1, "empty_text": 1 }));
        assert_eq!(report["first_rejected"]["empty_text"]["place"]["line"], 303);
    }
    let inspected = call(lab.path(), &["data", "inspect"], &[]).ok();
    assert!(
        inspected.err().contains(line) && inspected.out().contains("rejected rows"),
        "{}",
        inspected.out()
    );
    for words in [&["run", "-q"][..], &["data", "inspect"]] {
        let err = call(lab.path(), words, &["data.max_rejected=0.001"]).fails(1);
        assert!(err.contains(line) && err.contains("0.10 %") && err.contains("data.max_rejected"), "{err}");
    }
    let err = call(lab.path(), &["run", "-q"], &["data.strict=true"]).fails(1);
    assert!(err.contains("data.csv: line 302: wrong number of columns"), "{err}");
}

#[test]
fn nothing_left_says_what_became_of_the_rows() {
    let lab =
        lab("data.jsonl", "{\"text\": \"hi\", \"intent\": \"greet\"}\n".repeat(4) + "{\"text\": \"\"}\n");
    let all = ["data.max_rejected=1", "retention={retention_days=30, date=\"2026-03-01\"}"];
    for words in [&["run", "-q"][..], &["data", "inspect"]] {
        let err = call(lab.path(), words, &all).fails(2);
        for part in [
            "4 transcripts read from 1 file;",
            "no label 1 (first ",
            "line 5)",
            "0 older than 30 days and 4 without a time",
        ] {
            assert!(err.contains(part), "{err}");
        }
        assert!(!err.contains("inspect"), "advice in a circle: {err}");
    }
    // A time after the run's date cannot be; with it, nothing is kept for ever.
    let row =
        |day: &str| format!("{{\"text\": \"hi {day}\", \"intent\": \"greet\", \"time\": \"2026-0{day}\"}}\n");
    let lab =
        self::lab("data.jsonl", (1..9).map(|d| row(&format!("2-2{d}"))).collect::<String>() + &row("3-02"));
    let err = call(lab.path(), &["run", "-q"], &all[1..]).fails(1);
    assert!(
        err.contains("time before 1990 or after the run's date 1 (first ") && err.contains("retention.date"),
        "{err}"
    );
}

#[test]
fn intents_that_no_transcript_has_are_errors_with_a_suggestion() {
    let lab = lab("data.csv", csv(40));
    for (set, key) in [
        ("data.exclude_intents=[\"refnd\"]", "data.exclude_intents"),
        ("evaluation.out_of_scope=\"Refund\"", "evaluation.out_of_scope"),
    ] {
        for words in [&["run", "-q"][..], &["data", "inspect"]] {
            let err = call(lab.path(), words, &[set]).fails(2);
            assert!(err.contains(key) && err.contains("did you mean \"refund\"?"), "{err}");
        }
    }
    let left =
        call(lab.path(), &["data", "inspect", "--json"], &["data.exclude_intents=[\"refund\"]"]).ok().json();
    assert_eq!((&left["transcripts"], &left["origin"]["excluded"]), (&20.into(), &20.into()));
}

#[test]
fn inspection_can_refuse_data() {
    let text =
        "text,intent,split\nhi,greet,train\nhi,bye,train\nsee you,bye,train\nok,yes,test\nhi,greet,test\n";
    let lab = lab("data.csv", text);
    let deny = |what: &str| call(lab.path(), &["data", "inspect", "--deny", what], &[]);
    let done = deny("conflicts,rejected").done();
    assert_eq!(done.code, Some(1));
    assert!(
        done.err().contains("denied: 1 texts under several intents") && !done.err().contains("rejected"),
        "{}",
        done.err()
    );
    assert!(done.out().contains("1 texts under several intents, 3 transcripts"), "{}", done.out());
    assert!(deny("leaks").done().err().contains("1 test transcripts that occur in train"));
    assert!(deny("duplicates").done().err().contains("1 repeated texts"));
    assert!(deny("assumed").done().err().contains("1 assumptions"));
    deny("rejected,repeated-ids,split-dialogues,undated").ok();
}

#[test]
fn a_path_that_leads_nowhere_says_where_it_would() {
    let lab = lab("data/train.csv", csv(10));
    let wrong = format!("data.path={:?}", lab.path().join("dato"));
    let err = call(lab.path(), &["run", "-q"], &[&wrong]).fails(2);
    assert!(err.contains("there is no such file or folder") && err.contains("did you mean"), "{err}");
    let err = call(lab.path(), &["run", "-q"], &["data.path=\"nowhere/at/all\""]).fails(2);
    assert!(err.replace(['│', '\n'], " ").contains("relative paths start at"), "{err}");
}

#[test]
fn signs_alone_are_learned_from() {
    let row = |i: usize| if i.is_multiple_of(2) { "👍,yes\n" } else { "👎,no\n" };
    let train: String = (0..40).map(row).collect();
    let lab = lab("data/train.csv", "text,intent\n".to_owned() + &train);
    fs::write(lab.path().join("data/test.csv"), "text,intent\n👍👍,yes\n👎 👎,no\n")
        .expect("a file can be written");
    let path = format!("data.path={:?}", lab.path().join("data"));
    let summary = call(lab.path(), &["run", "-q", "--json"], &[&path]).ok().json();
    assert_eq!(summary["accuracy"], 1.0);
}
