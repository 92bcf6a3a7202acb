//! Every two settings that an experiment can combine: they run and keep the law of order, or are refused with a
//! reason. The table of it is `docs/combinations.md`, which this test writes anew with `SOTTOVOCE_WRITE=1`.
//!
//! The law of order: a run on one thread, in the order of the clients, and a run on two threads, in another order of
//! arrival, have one chain; the model of the end is finite.

use sottovoce::config;
use sottovoce::experiment::{Experiment, Record};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

const BASE: &str = r#"
name = "pairs"
seed = 7
[data]
test_examples = 20
[data.synthetic]
clients = 12
transcripts_per_client = 6
[features]
buckets = 256
[model]
kind = "embedding_bag"
dim = 4
[local]
epochs = 1
batch = 4
optimiser = { kind = "sgd", lr = 0.5 }
[rounds]
count = 3
cohort = { kind = "uniform", size = 8 }
"#;

/// An axis, and its settings: what a table calls them, and what they override.
type Axis = (&'static str, &'static [(&'static str, &'static [&'static str])]);

const AXES: &[Axis] = &[
    (
        "algorithm",
        &[
            ("fedavg", &["algorithm={kind=\"fedavg\"}"]),
            ("fedavgm", &["algorithm={kind=\"fedavgm\"}"]),
            ("fedbuff", &["algorithm={kind=\"fedbuff\"}"]),
            ("fedasync", &["algorithm={kind=\"fedasync\",rho=0.1}"]),
            ("fedprox", &["algorithm={kind=\"fedprox\",mu=0.1}"]),
            ("fedopt", &["algorithm={kind=\"fedopt\",optimiser=\"adam\",server_lr=0.05}"]),
            ("scaffold", &["algorithm={kind=\"scaffold\"}"]),
            ("fednova", &["algorithm={kind=\"fednova\"}"]),
            ("feddyn", &["algorithm={kind=\"feddyn\",alpha=0.1}"]),
            ("qfedavg", &["algorithm={kind=\"qfedavg\",q=1.0,lipschitz=2.0}"]),
            ("afl", &["algorithm={kind=\"afl\",lambda_lr=0.1}"]),
            ("mimelite", &["algorithm={kind=\"mimelite\"}"]),
            ("mime", &["algorithm={kind=\"mime\"}"]),
            ("fedlin", &["algorithm={kind=\"fedlin\"}"]),
            ("moon", &["algorithm={kind=\"moon\",mu=1.0}"]),
            ("ifca", &["algorithm={kind=\"ifca\",clusters=2}"]),
            ("hierarchical", &["algorithm={kind=\"hierarchical\",edges=2,cloud_every=2}"]),
            ("ditto", &["algorithm={kind=\"ditto\",lambda=0.5}"]),
            ("fedper", &["algorithm={kind=\"fedper\"}"]),
            ("fedrep", &["algorithm={kind=\"fedrep\",head_epochs=1}"]),
            ("apfl", &["algorithm={kind=\"apfl\",adaptive=true}"]),
            ("fine_tuning", &["algorithm={kind=\"fine_tuning\",epochs=1}"]),
        ],
    ),
    (
        "rule",
        &[
            ("mean", &[]),
            ("average", &["aggregation.rule=average"]),
            ("weighted-average", &["aggregation.rule=weighted-average"]),
            ("coordinate-median", &["aggregation.rule=coordinate-median"]),
            (
                "median, abstaining",
                &["aggregation.rule=coordinate-median", "aggregation.absent_rows=abstain"],
            ),
            ("trimmed-mean", &["aggregation.rule=trimmed-mean", "aggregation.params={f=1}"]),
            ("meamed", &["aggregation.rule=meamed", "aggregation.params={f=1}"]),
            ("krum", &["aggregation.rule=krum", "aggregation.params={f=1}"]),
            ("multi-krum", &["aggregation.rule=multi-krum", "aggregation.params={f=1}"]),
            ("bulyan", &["aggregation.rule=bulyan", "aggregation.params={f=1}"]),
            ("smoothed weiszfeld", &["aggregation.rule=geometric-median-smoothed-weiszfeld"]),
            ("geometric-median", &["aggregation.rule=geometric-median-exact"]),
            ("rfa", &["aggregation.rule=rfa"]),
            ("centered-clipping", &["aggregation.rule=centered-clipping", "aggregation.params={tau=1.0}"]),
            ("norm-bounding", &["aggregation.rule=norm-bounding-average", "aggregation.params={M=1.0}"]),
            ("fltrust", &["aggregation.rule=fltrust", "aggregation.root={transcripts=20}"]),
            ("monna", &["aggregation.rule=monna", "aggregation.params={f=1,idx=0}"]),
            ("mda", &["aggregation.rule=mda", "aggregation.params={f=1}"]),
            ("smea", &["aggregation.rule=smea", "aggregation.params={f=1}"]),
            ("caf", &["aggregation.rule=caf", "aggregation.params={f=1}"]),
            ("nnm+mean", &["aggregation.rule=nnm+average", "aggregation.params={f=1}"]),
            ("bucketing+median", &["aggregation.rule=bucketing+median", "aggregation.params={s=2}"]),
            (
                "static-clipping+mean",
                &["aggregation.rule=static-clipping+average", "aggregation.params={c=1.0}"],
            ),
            ("arc+mean", &["aggregation.rule=arc+average", "aggregation.params={f=1}"]),
        ],
    ),
    (
        "transform",
        &[
            ("clip_norm", &["transforms=[{kind=\"clip_norm\",max=0.5}]"]),
            ("clip_value", &["transforms=[{kind=\"clip_value\",max=0.1}]"]),
            ("gaussian_noise", &["transforms=[{kind=\"gaussian_noise\",std=0.001}]"]),
            ("top_rows", &["transforms=[{kind=\"top_rows\",share=0.5}]"]),
            ("quantise", &["transforms=[{kind=\"quantise\",bits=8}]"]),
        ],
    ),
    (
        "optimiser",
        &[
            ("sgd", &[]),
            ("momentum", &["local.optimiser={kind=\"momentum\",lr=0.1,momentum=0.9}"]),
            ("adagrad", &["local.optimiser={kind=\"adagrad\",lr=0.1}"]),
            ("adam", &["local.optimiser={kind=\"adam\",lr=0.01}"]),
        ],
    ),
    (
        "model",
        &[
            ("softmax_regression", &["model={kind=\"softmax_regression\"}"]),
            ("embedding_bag", &[]),
            ("low_rank", &["model={kind=\"low_rank\",rank=2,dim=4}"]),
            ("text_cnn", &["model={kind=\"text_cnn\",dim=4,filters=3}", "features.sequence=12"]),
            ("mlp", &["model={kind=\"mlp\",vectors=\"v.npy\",dim=4}"]),
        ],
    ),
    (
        "cohort",
        &[
            ("uniform", &[]),
            ("poisson", &["rounds.cohort={kind=\"poisson\",rate=0.7}"]),
            ("all", &["rounds.cohort={kind=\"all\"}"]),
            ("by_size", &["rounds.cohort={kind=\"by_size\",size=8}"]),
            ("least_available", &["rounds.cohort={kind=\"least_available\",size=8,ahead_seconds=60}"]),
            ("power_of_choice", &["rounds.cohort={kind=\"power_of_choice\",size=8,candidates=10}"]),
            ("oort", &["rounds.cohort={kind=\"oort\",size=8}"]),
        ],
    ),
    (
        "pace",
        &[
            ("synchronous", &[]),
            ("over-selection", &["rounds.pace={kind=\"synchronous\",over_selection=1.3}", WORLD]),
            ("late kept", &["rounds.pace={kind=\"synchronous\",deadline_seconds=5,late=\"keep\"}", WORLD]),
            ("asynchronous", &["rounds.pace={kind=\"asynchronous\",buffer=7}", WORLD]),
        ],
    ),
];

const WORLD: &str =
    "world={devices=[{share=2,pace_spread=0.4},{speed=0.1}],loses_answer=0.05,seconds_per_example=0.1}";

/// Runs a combination both ways; the reason where it is refused.
fn run(overrides: &[&str], pools: &[rayon::ThreadPool; 2]) -> Result<(), String> {
    let overrides: Vec<String> = overrides.iter().map(|o| (*o).to_owned()).collect();
    let config = config::parse("pairs.toml", BASE, &overrides).map_err(|e| said(&e.to_string()))?;
    let experiment = Experiment::new(config).map_err(|e| e.to_string())?;
    let chain = |experiment: &Experiment| {
        let ran = experiment.run(&mut Record::none(), &mut ());
        let (summary, params) = ran.unwrap_or_else(|e| panic!("{overrides:?}: {e}"));
        assert!(params.values().iter().all(|v| v.is_finite()), "{overrides:?}");
        (summary.chain, summary.digest)
    };
    let [one, two] = pools;
    let in_order = one.install(|| chain(&experiment));
    let arriving = two.install(|| chain(&experiment.arriving(5)));
    assert_eq!(in_order, arriving, "{overrides:?}: the law of order");
    Ok(())
}

/// A reason without the override that is blamed for it, and without the setting that it is about.
fn said(message: &str) -> String {
    let behind =
        |message: &str| message.split_once(": ").map_or(message.to_owned(), |(_, why)| why.to_owned());
    if message.starts_with("--set") { behind(&behind(message)) } else { behind(message) }
}

#[test]
fn every_two_settings_run_or_are_refused_with_a_reason() {
    let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().expect("threads can be had");
    let pools = [pool(1), pool(2)];
    let (mut text, mut reasons, mut ran) = (String::new(), BTreeMap::<String, usize>::new(), 0);
    for (i, (first, ones)) in AXES.iter().enumerate() {
        for (second, others) in &AXES[i + 1..] {
            let names: Vec<&str> = others.iter().map(|(name, _)| *name).collect();
            writeln!(text, "\n## {first} × {second}\n\n| {first} | {} |", names.join(" | "))
                .expect("a string");
            writeln!(text, "|---|{}", "---|".repeat(names.len())).expect("a string");
            for (name, one) in *ones {
                let cells = others.iter().map(|(_, other)| match run(&[*one, *other].concat(), &pools) {
                    Ok(()) => {
                        ran += 1;
                        "runs".to_owned()
                    }
                    Err(why) => {
                        let next = reasons.len() + 1;
                        format!("({})", reasons.entry(why).or_insert(next))
                    }
                });
                writeln!(text, "| {name} | {} |", cells.collect::<Vec<_>>().join(" | ")).expect("a string");
            }
        }
    }
    let mut reasons: Vec<(usize, String)> = reasons.into_iter().map(|(why, number)| (number, why)).collect();
    reasons.sort_unstable();
    let mut all = "# What can be combined\n\nEvery two settings of an experiment, on a small synthetic population. \
                   *runs*: the same chain of digests on one thread and on two, in two orders of arrival, and a finite \
                   model; a number: refused by the check of the configuration, with the reason below. Made by \
                   `SOTTOVOCE_WRITE=1 cargo test --release --test pairs`.\n"
        .to_owned();
    all.push_str(&text);
    all.push_str("\n## Reasons\n\n");
    for (number, why) in &reasons {
        writeln!(all, "{number}. {why}").expect("a string");
    }
    assert!(ran > 1_000 && reasons.len() > 4, "{ran} run, {} reasons", reasons.len());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/combinations.md");
    if std::env::var_os("SOTTOVOCE_WRITE").is_some() {
        std::fs::write(&path, &all).expect("the project's folder can be written to");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == all,
        "docs/combinations.md is not what is true now; write it anew with SOTTOVOCE_WRITE=1"
    );
}
