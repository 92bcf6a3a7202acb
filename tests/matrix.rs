//! One scenario that uses everything, held against the locks in the repository: any number of threads, any order of
//! arrival, resumed at every round. `.ci/run` does the same in a debug build and on other processors.

mod common;

use common::{bytes, sottovoce};
use std::path::{Path, PathBuf};
use tempfile::tempdir;

/// A lock, and the settings with which `scenario.toml` comes to it.
const LOCKS: &[(&str, &[&str])] = &[
    ("softmax-regression", &[]),
    ("embedding-bag", &["model.kind=embedding_bag", "model.dim=6", "local.optimiser.lr=2.0"]),
    ("text-cnn", &[TEXT_CNN, "features.sequence=24", "local.optimiser.lr=1.0"]),
    ("low-rank", &[LOW_RANK, "local.optimiser.lr=0.6"]),
    ("scaffold", &["model.kind=embedding_bag", "model.dim=6", "local.optimiser.lr=2.0", SCAFFOLD]),
    ("moon", &["model.kind=embedding_bag", "model.dim=6", "local.optimiser.lr=2.0", MOON]),
    ("late", &[WORLD, LATE, "rounds.cohort={kind=\"oort\",size=6,preferred_seconds=20}"]),
    ("exchanges", &[WORLD, "rounds.pace={kind=\"synchronous\",deadline_seconds=60}", MIME]),
    ("asynchronous", &[WORLD, ASYNCHRONOUS, FEDASYNC, "rounds.cohort={kind=\"uniform\",size=6}"]),
];

const TEXT_CNN: &str = "model={kind=\"text_cnn\",dim=6,filters=4}";
const LOW_RANK: &str = "model={kind=\"low_rank\",rank=2,dim=6}";
/// Clients keep something, and messages have two blocks and a number.
const SCAFFOLD: &str = "algorithm={kind=\"scaffold\"}";
/// Models of earlier rounds, and passes up to the hidden vector only.
const MOON: &str = "algorithm={kind=\"moon\",mu=0.5}";
/// Devices that are slow, come and go, fail, and lose answers.
const WORLD: &str = "world={devices=[{share=2,pace_spread=0.4,up_mbps=1,down_mbps=4},{speed=0.1,up_mbps=1,down_mbps=4}],\
                     availability={kind=\"day\",peak=0.9,trough=0.7,minutes=2},fails_training=0.1,loses_answer=0.1,\
                     churn={present=0.8,joining_days=0.01,staying_days=2},seconds_per_example=0.3}";
/// Two exchanges a round, some of whose clients are lost between them.
const MIME: &str = "algorithm={kind=\"mime\",beta=0.5}";
const LATE: &str = "rounds.pace={kind=\"synchronous\",over_selection=1.3,deadline_seconds=30,late=\"keep\"}";
const ASYNCHRONOUS: &str = "rounds.pace={kind=\"asynchronous\",buffer=2}";
const FEDASYNC: &str = "algorithm={kind=\"fedasync\",rho=0.01}";

fn matrix(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/matrix").join(name)
}

fn path(path: &Path) -> &str {
    path.to_str().expect("the project lies in a folder with a plain name")
}

#[test]
fn every_lock_holds_on_any_threads_and_in_any_order() {
    for (name, _) in LOCKS {
        let lock = matrix(&format!("{name}.lock"));
        for threads in ["1", "2", "8"] {
            for arrival in [None, Some("1"), Some("2"), Some("3")] {
                let mut words = vec!["verify", path(&lock), "--threads", threads];
                words.extend(arrival.iter().flat_map(|seed| ["--arrival", seed]));
                let said = sottovoce(&words).ok().out();
                #[allow(clippy::print_stdout)]
                {
                    print!("{threads} threads, arrival {arrival:?}: {said}");
                }
            }
        }
    }
}

/// Stopped after each round, gone on with another number of threads: the lock is the one in the repository, byte for
/// byte.
#[test]
fn every_lock_comes_out_of_a_run_resumed_at_any_round() {
    let folder = tempdir().expect("a folder can be made");
    for (name, overrides) in LOCKS {
        let expected = bytes(&matrix(&format!("{name}.lock")));
        for round in 1..8u64 {
            let out = folder.path().join(format!("{name}-{round}"));
            let (scenario, lock) = (matrix("scenario.toml"), folder.path().join("run.lock"));
            let (before, after) = if round % 2 == 0 { ("1", "2") } else { ("2", "8") };
            let run =
                |words: &[&str]| sottovoce(&["run", path(&scenario)]).set(overrides).args(words).out(&out);
            assert_eq!(
                run(&["--threads", before, "--stop-after", &round.to_string()]).done().code,
                Some(130)
            );
            run(&["--threads", after, "--resume", "--lock", path(&lock)]).ok();
            assert!(bytes(&lock) == expected, "{name}, resumed after round {round}");
        }
    }
}
