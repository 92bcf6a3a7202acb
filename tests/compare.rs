//! `sottovoce compare`: statistics against independent values, and the command on real small runs.

mod common;

use common::{json, json_lines, sottovoce};
use proptest::prelude::*;
use serde_json::{Value, json};
use sottovoce::compare::flips::{DRAWS, lowest, sign_flip};
use sottovoce::compare::statistics::{Paired, holm};
use sottovoce::core::Digest;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tempfile::{TempDir, tempdir};

fn near(ours: f64, theirs: f64) -> bool {
    (ours - theirs).abs() <= 1e-10 * theirs.abs() + 1e-13
}

/// Figures of two ways, and what is expected of them at 95 and 99 %.
struct Case {
    baseline: &'static [f64],
    group: &'static [f64],
    intervals: [[f64; 2]; 2],
    unpaired: [[f64; 2]; 2],
    p_t: f64,
    /// Patterns of signs at least as far from 0, of all.
    flips: (f64, f64),
}

/// Independent generators: SciPy 1.17.1, `scipy.stats.ttest_rel(group, baseline)`, its `confidence_interval`, and that
/// of `ttest_ind(group, baseline, equal_var=False)`; `itertools.product` over the signs of differences as
/// `fractions.Fraction` (Python 3.11).
const CASES: &[Case] = &[
    Case {
        baseline: &[0.8125, 0.79, 0.8305],
        group: &[0.82, 0.8015, 0.8285],
        intervals: [
            [-0.011558877540102881, 0.022892210873436153],
            [-0.034067152453945655, 0.04540048578727892],
        ],
        unpaired: [[-0.03585724803949385, 0.047190581372827486], [-0.06598643474356812, 0.07731976807690176]],
        p_t: 0.2925871782099935,
        flips: (4.0, 8.0),
    },
    Case {
        baseline: &[0.5, 0.52, 0.49, 0.55, 0.61],
        group: &[0.51, 0.525, 0.5, 0.56, 0.6],
        intervals: [
            [-0.00575312565409016, 0.01575312565409017],
            [-0.012831582761097513, 0.02283158276109752],
        ],
        unpaired: [[-0.060605005002853374, 0.07060500500285338], [-0.09075326840047755, 0.10075326840047756]],
        p_t: 0.26626462796631006,
        flips: (12.0, 32.0),
    },
    Case {
        baseline: &[0.885, 0.8815, 0.8795, 0.8905, 0.8845, 0.883, 0.8875, 0.8725],
        group: &[0.8885, 0.885, 0.882, 0.8905, 0.8885, 0.8865, 0.8895, 0.8775],
        intervals: [
            [0.0017360551717261607, 0.004263944828273817],
            [0.0011294474957966626, 0.004870552504203315],
        ],
        unpaired: [
            [-0.0023230782694257848, 0.008323078269425568],
            [-0.004408210575957353, 0.010408210575957137],
        ],
        p_t: 0.0008053674295211467,
        flips: (4.0, 256.0),
    },
    Case {
        baseline: &[0.1, 0.9],
        group: &[0.2, 0.95],
        intervals: [[-0.24265511840436788, 0.3926551184043678], [-1.5164185290717904, 1.6664185290717903]],
        unpaired: [[-2.2935287644055817, 2.443528764405581], [-5.404918879106558, 5.554918879106558]],
        p_t: 0.2048327646991338,
        flips: (2.0, 4.0),
    },
];

#[test]
fn intervals_and_tests_are_those_of_scipy() {
    for case in CASES {
        let pairs: Vec<(f64, f64)> = case.baseline.iter().copied().zip(case.group.iter().copied()).collect();
        for (i, confidence) in [0.95, 0.99].into_iter().enumerate() {
            let p = Paired::of(&pairs, confidence).unwrap();
            let ours = [p.interval.unwrap(), p.unpaired_interval.unwrap()].concat();
            let theirs = [case.intervals[i], case.unpaired[i]].concat();
            assert!(ours.iter().zip(&theirs).all(|(a, b)| near(*a, *b)), "{ours:?}, expected {theirs:?}");
            assert!(near(p.p_t.unwrap(), case.p_t), "{p:?}");
            assert_eq!(p.p_sign_flip, case.flips.0 / case.flips.1);
        }
    }
}

/// Independent generator: convolution of the two signs of each whole difference (`collections.Counter`, Python 3.11):
/// 431,216 of 2²⁰ patterns, and a share of 0.30141437554266304 of 2⁴⁰.
#[test]
fn sign_flips_are_counted_for_twenty_seeds_and_drawn_beyond() {
    let differences = |n: i32| (0..n).map(|i| f64::from((5 * i + 3) % 13 - (7 * i) % 11)).collect::<Vec<_>>();
    assert_eq!(sign_flip(&differences(20), 0.0), 431_216.0 / 1_048_576.0);
    // The same in thousandths, which are not exact in binary: equal sums still count as equal.
    let thousandths: Vec<f64> = differences(20).iter().map(|d| (0.8 + d / 1000.0) - 0.8).collect();
    assert_eq!(sign_flip(&thousandths, 1e-13), 431_216.0 / 1_048_576.0);

    let many = differences(40);
    let (p, exact) = (sign_flip(&many, 0.0), 0.301_414_375_542_663_04);
    let error = (exact * (1.0 - exact) / DRAWS as f64).sqrt();
    assert!((p - exact).abs() < 4.0 * error, "{p}, expected {exact} ± {error}");
    assert_eq!(p, sign_flip(&many, 0.0));
}

#[test]
fn sign_flips_at_their_ends() {
    assert_eq!(sign_flip(&[0.0; 5], 0.0), 1.0);
    assert_eq!(sign_flip(&[], 0.0), 1.0);
    for n in 2..=20 {
        assert_eq!(sign_flip(&vec![0.25; n], 0.0), lowest(n));
    }
    assert_eq!((lowest(3), lowest(6)), (0.25, 0.03125));
    // No pattern among the drawn ones is as extreme, but the one seen is.
    assert_eq!(sign_flip(&[0.25; 40], 0.0), lowest(40));
    // What is not a figure must not panic.
    for strange in [f64::NAN, f64::INFINITY, f64::MIN_POSITIVE, f64::MAX] {
        assert!((0.0..=1.0).contains(&sign_flip(&[strange, 1.0, -strange], 0.0)));
    }
}

#[test]
fn differences_without_spread_have_no_interval() {
    // The differences are 0.01 but for rounding.
    let same = Paired::of(&[(0.1, 0.11), (0.2, 0.21), (0.7, 0.71)], 0.95).unwrap();
    assert_eq!((same.interval, same.p_t, same.p_sign_flip, same.higher), (None, None, 0.25, 3));
    assert!(!same.identical && same.unpaired_interval.is_some());
    let none = Paired::of(&[(0.3, 0.3), (0.4, 0.4)], 0.95).unwrap();
    assert!(none.identical && none.equal == 2 && none.p_sign_flip == 1.0 && none.interval.is_none());
    let constant = Paired::of(&[(0.3, 0.5), (0.3, 0.5)], 0.95).unwrap();
    assert_eq!(constant.unpaired_interval, None);
    assert_eq!(Paired::of(&[(0.3, 0.3)], 0.95), None);
}

/// Independent generator: statsmodels 0.15.0, `multipletests(p, method="holm")`.
#[test]
fn adjusted_values_are_those_of_statsmodels() {
    for (family, adjusted) in [
        (vec![0.01, 0.04, 0.03, 0.005], vec![0.03, 0.06, 0.06, 0.02]),
        (vec![0.5, 0.25, 0.75], vec![1.0, 0.75, 1.0]),
        (vec![0.02, 0.02, 0.9], vec![0.06, 0.06, 0.9]),
    ] {
        let ours = holm(&family.into_iter().map(Some).collect::<Vec<_>>());
        assert!(
            ours.iter().zip(&adjusted).all(|(a, b)| near(a.unwrap(), *b)),
            "{ours:?}, expected {adjusted:?}"
        );
    }
    assert_eq!(holm(&[None, Some(0.2), None]), [None, Some(0.2 * 3.0), None]);
}

fn pairs() -> impl Strategy<Value = Vec<(f64, f64)>> {
    prop::collection::vec((0.0..1.0, 0.0..1.0), 2..10)
}

proptest! {
    /// A shift of both sides changes nothing, a shift of one side moves the difference, a scale stretches it, and
    /// exchanging the sides turns it round.
    #[test]
    fn intervals_move_with_their_figures(pairs in pairs(), shift in -2.0..2.0, scale in 0.1..10.0) {
        let of = |f: &dyn Fn(f64, f64) -> (f64, f64)| {
            Paired::of(&pairs.iter().map(|(a, b)| f(*a, *b)).collect::<Vec<_>>(), 0.95).unwrap()
        };
        let base = of(&|a, b| (a, b));
        let Some([low, high]) = base.interval else { return Ok(()) };
        prop_assume!(high - low > 1e-6);
        let moved = |p: Paired, expected: [f64; 2]| {
            let interval = p.interval.unwrap();
            interval.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-9 * (1.0 + b.abs()))
        };
        prop_assert!(moved(of(&|a, b| (a + shift, b + shift)), [low, high]));
        prop_assert!(moved(of(&|a, b| (a, b + shift)), [low + shift, high + shift]));
        prop_assert!(moved(of(&|a, b| (scale * a, scale * b)), [scale * low, scale * high]));
        let turned = of(&|a, b| (b, a));
        prop_assert!(moved(turned, [-high, -low]));
        for same in [of(&|a, b| (a + shift, b + shift)), of(&|a, b| (scale * a, scale * b)), turned] {
            prop_assert_eq!(same.p_sign_flip, base.p_sign_flip);
            prop_assert!((same.p_t.unwrap() - base.p_t.unwrap()).abs() < 1e-6);
        }
        let wider = Paired::of(&pairs, 0.99).unwrap().interval.unwrap();
        prop_assert!(wider[0] < low && high < wider[1]);
    }
}

const PROX: &str = "algorithm={kind=\"fedprox\",mu=2.0}";

/// Real runs, made once: FedAvg and FedProx with seeds 1 to 3.
static RUNS: LazyLock<(TempDir, Vec<PathBuf>, Vec<PathBuf>)> = LazyLock::new(|| {
    let folder = tempdir().expect("a folder can be made");
    let run = |name: &str, seed: u64, set: &[&str]| {
        let out = folder.path().join(format!("{name}-{seed}"));
        sottovoce(&["run", "--quiet"]).small().set(&[&format!("seed={seed}")]).set(set).out(&out).ok();
        out
    };
    let plain = (1..=3).map(|seed| run("avg", seed, &[])).collect();
    let prox = (1..=3).map(|seed| run("prox", seed, &[PROX])).collect();
    (folder, plain, prox)
});

fn compare(runs: impl IntoIterator<Item = impl AsRef<Path>>, words: &[&str]) -> common::Call {
    let call = sottovoce(&["compare"]);
    let call = runs.into_iter().fold(call, |call, run| call.arg(run.as_ref()));
    words.iter().fold(call, |call, word| call.arg(word))
}

/// A copy of a run directory with its summary changed.
fn forged(run: &Path, to: &Path, change: impl FnOnce(&mut Value)) -> PathBuf {
    fs::create_dir_all(to).expect("a folder can be made");
    for name in common::names(run) {
        fs::copy(run.join(&name), to.join(&name)).expect("a run has this file");
    }
    let mut summary = json(&run.join("summary.json"));
    let before = Digest::of(&common::bytes(&run.join("summary.json"))).to_string();
    change(&mut summary);
    let summary = summary.to_string();
    let sums = String::from_utf8(common::bytes(&run.join("BLAKE3SUMS"))).expect("text");
    let sums = sums.replace(&before, &Digest::of(summary.as_bytes()).to_string());
    fs::write(to.join("summary.json"), summary).expect("the folder is ours");
    fs::write(to.join("BLAKE3SUMS"), sums).expect("the folder is ours");
    to.to_owned()
}

#[test]
fn runs_of_one_seed_have_the_same_cohorts_and_other_models() {
    let (_, plain, prox) = &*RUNS;
    for (a, b) in plain.iter().zip(prox) {
        let [a, b] = [a, b].map(|run| json_lines(&run.join("rounds.jsonl")));
        assert_eq!((a.len(), b.len()), (4, 4));
        for (a, b) in a.iter().zip(&b) {
            assert_eq!((&a["cohort"], &a["accepted"]), (&b["cohort"], &b["accepted"]));
            assert_ne!(a["chain"], b["params"]);
        }
    }
    let first = |run: &PathBuf| json_lines(&run.join("rounds.jsonl"))[0]["accepted"].clone();
    assert_ne!(first(&plain[0]), first(&plain[1]), "another seed has other cohorts");
}

#[test]
fn differences_of_real_runs_are_those_of_their_summaries() {
    let (folder, plain, prox) = &*RUNS;
    let done = compare(plain.iter().chain(prox), &["--json"]).ok().json();
    assert_eq!(done["confidence"], 0.95);
    assert_eq!(done["baseline"]["label"], "algorithm.kind=fedavg");
    assert_eq!(done["baseline"]["seeds"], json!([1, 2, 3]));
    let group = &done["groups"][0];
    assert_eq!(group["label"], "algorithm.kind=fedprox algorithm.mu=2.0");
    assert_eq!(group["runs"].as_array().map(Vec::len), Some(3));
    assert_eq!(group["common_seeds"], json!([1, 2, 3]));
    assert_eq!((&group["identical_models"], &group["sign_flip_exact"]), (&json!(0), &json!(true)));
    assert_eq!((&group["sign_flip_patterns"], &group["sign_flip_lowest_p"]), (&json!(8), &json!(0.25)));
    let rows = group["metrics"].as_array().expect("metrics are a list");
    let names: Vec<&str> = rows.iter().map(|r| r["metric"].as_str().unwrap()).collect();
    let over = ["mean", "p10", "worst", "spread"].map(|n| format!("over_clients.{n}"));
    assert_eq!(names, [&["accuracy", "macro_f1", "ece"][..], &over.each_ref().map(String::as_str)].concat());
    for row in rows {
        let pointer = format!("/{}", row["metric"].as_str().unwrap().replace('.', "/"));
        let figure =
            |run: &PathBuf| json(&run.join("summary.json")).pointer(&pointer).unwrap().as_f64().unwrap();
        let pairs: Vec<(f64, f64)> = plain.iter().zip(prox).map(|(a, b)| (figure(a), figure(b))).collect();
        let p = Paired::of(&pairs, 0.95).unwrap();
        assert_eq!(row["difference"], json!(p.difference), "{row}");
        assert_eq!((&row["interval"], &row["p_t"]), (&json!(p.interval), &json!(p.p_t)));
        assert_eq!(
            (&row["p_sign_flip"], &row["p_sign_flip_holm"]),
            (&json!(p.p_sign_flip), &json!(p.p_sign_flip))
        );
        let better = if row["higher_is_better"] == true { p.higher } else { p.lower };
        assert_eq!(row["better"], json!(better), "{row}");
    }
    assert!(rows.iter().any(|row| row["identical"] == false), "nothing differs: the runs are no test");

    // The folder of all of them is in the order of names; another baseline turns the differences round.
    let whole = compare([folder.path()], &["--json"]).ok().json();
    assert_eq!(whole["groups"], done["groups"]);
    let turned =
        compare([folder.path()], &["--json", "--metric", "accuracy", "--baseline"]).arg(&prox[1]).ok().json();
    assert_eq!(turned["baseline"]["label"], group["label"]);
    let [there, back] =
        [group, &turned["groups"][0]].map(|g| g["metrics"][0]["difference"].as_f64().unwrap());
    assert_eq!(there, -back);
    assert_eq!(turned["groups"][0]["metrics"].as_array().map(Vec::len), Some(1));
}

#[test]
fn the_table_says_what_a_reader_needs() {
    let (_, plain, prox) = &*RUNS;
    let text = compare(plain.iter().chain(prox), &["--confidence", "0.9"]).ok().out();
    for words in [
        "baseline: algorithm.kind=fedavg (seeds 1, 2, 3)",
        "\nalgorithm.kind=fedprox algorithm.mu=2.0\n",
        "90 % interval",
        "over_clients.worst",
        "exact test, all 2^3 patterns of signs; its p cannot be lower than 2/2^3 = 0.250; 5 seeds can reach 0.062",
        "models       differ for every seed",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    assert!(!text.contains("Holm"), "one group needs no adjustment:\n{text}");
}

#[test]
fn identical_runs_are_called_so() {
    let (_, plain, _) = &*RUNS;
    let folder = tempdir().expect("a folder can be made");
    let other: Vec<PathBuf> = (1..=3)
        .map(|seed| {
            let out = folder.path().join(format!("{seed}"));
            let set = [&format!("seed={seed}"), "rounds.checkpoint_every=3"];
            sottovoce(&["run", "--quiet"]).small().set(&set).out(&out).ok();
            out
        })
        .collect();
    let text = compare(plain.iter().chain(&other), &["--metric", "accuracy"]).ok().out();
    assert!(text.contains("identical  ") && text.contains("models       identical for every seed"), "{text}");
    let done = compare(plain.iter().chain(&other), &["--json"]).ok().json();
    let group = &done["groups"][0];
    assert_eq!(
        (&group["label"], &group["identical_models"]),
        (&json!("rounds.checkpoint_every=3"), &json!(3))
    );
    let row = &group["metrics"][0];
    assert_eq!(
        (&row["identical"], &row["interval"], &row["p_sign_flip"]),
        (&json!(true), &json!(null), &json!(1.0))
    );
}

#[test]
fn several_groups_are_adjusted_and_seeds_without_a_partner_left_out() {
    let (_, plain, prox) = &*RUNS;
    let folder = tempdir().expect("a folder can be made");
    let mut third = Vec::new();
    for seed in ["1", "3", "9"] {
        let out = folder.path().join(seed);
        let set = [&format!("seed={seed}"), "local.epochs=3", "name=longer"];
        sottovoce(&["run", "--quiet"]).small().set(&set).out(&out).ok();
        third.push(out);
    }
    let done = compare(plain.iter().chain(prox).chain(&third), &["--json"]).ok().json();
    let longer = &done["groups"][1];
    assert_eq!(longer["label"], "algorithm.kind=fedavg local.epochs=3");
    assert_eq!((&longer["common_seeds"], &longer["not_in_baseline"]), (&json!([1, 3]), &json!([9])));
    assert_eq!(longer["not_in_group"], json!([2]));
    for i in 0..3 {
        let ps = [0, 1].map(|g| done["groups"][g]["metrics"][i]["p_sign_flip"].as_f64().unwrap());
        let adjusted = [0, 1].map(|g| done["groups"][g]["metrics"][i]["p_sign_flip_holm"].as_f64());
        assert_eq!(adjusted.to_vec(), holm(&ps.map(Some)));
    }
    let text = compare(plain.iter().chain(prox).chain(&third), &[]).ok().out();
    assert!(
        text.contains("Holm (flips)") && text.contains("left out     9, which the baseline lacks"),
        "{text}"
    );

    // A folder given twice is one run, a copy of it a run to leave out, and the same seed with another model a mistake.
    let copy = forged(&plain[0], &folder.path().join("copy"), |_| ());
    let twice = compare(plain.iter().chain(&plain[..1]).chain([&copy]).chain(prox), &["--json"]).ok().json();
    assert_eq!(twice["repeated"], json!([{ "run": copy, "same_as": plain[0] }]));
    let other = forged(&plain[0], &folder.path().join("other"), |s| s["digest"] = json!("00".repeat(32)));
    let said = compare(plain.iter().chain([&other]).chain(prox), &[]).fails(2);
    assert!(said.contains("same configuration and seed 1, but different models"), "{said}");
}

#[test]
fn what_cannot_be_compared_is_an_answer() {
    let (whole, plain, prox) = &*RUNS;
    let folder = tempdir().expect("a folder can be made");
    let at = |name: &str| folder.path().join(name);
    let stopped = forged(&prox[0], &at("stopped"), |s| s["ended"] = json!("interrupted"));
    let absurd = forged(&prox[0], &at("absurd"), |s| s["accuracy"] = json!(1e300));
    let broken = forged(&prox[0], &at("broken"), |s| s["accuracy"] = json!("high"));
    let unfinished = forged(&prox[0], &at("unfinished"), |_| ());
    fs::remove_file(unfinished.join("BLAKE3SUMS")).expect("the file is ours");
    let changed = forged(&prox[0], &at("changed"), |_| ());
    fs::write(changed.join("config.toml"), "name = 3").expect("the folder is ours");
    fs::create_dir(at("empty")).expect("the folder is ours");
    let all = [whole.path().to_owned()];
    let with = |run: &PathBuf| vec![plain[0].clone(), run.clone()];
    for (runs, words, said) in [
        (with(&at("nowhere")), &[][..], "no run directory"),
        (with(&at("empty")), &[], "no run directory"),
        (with(&stopped), &[], "was interrupted"),
        (with(&absurd), &[], "accuracy = 1"),
        (with(&broken), &[], "summary.json"),
        (with(&unfinished), &[], "has failed"),
        (with(&changed), &[], "config.toml: is not what the run left here"),
        (plain.clone(), &[], "at least two configurations"),
        (with(&prox[0]), &[], "seed 1 in common, and at least two seeds are needed"),
        (with(&prox[1]), &[], "lacks seed 1, the baseline lacks seed 2"),
        (all.to_vec(), &["--metric", "accurcy"], "did you mean accuracy?"),
        (all.to_vec(), &["--metric", "worst"], "did you mean over_clients.worst, personal.worst?"),
        (all.to_vec(), &["--metric", "out_of_scope.recall"], "has no out_of_scope.recall"),
        (all.to_vec(), &["--confidence", "1"], "confidence 1"),
        (all.to_vec(), &["--confidence", "NaN"], "confidence NaN"),
    ] {
        let err = compare(&runs, words).fails(2);
        assert!(err.contains(said), "no {said:?} in {err}");
    }
    let err = compare(&all, &["--baseline"]).arg(whole.path()).fails(2);
    assert!(err.contains("its runs have 2 configurations"), "{err}");
    compare(&all, &["--confidence", "much"]).fails(2);
    sottovoce(&["compare"]).fails(2);
}
