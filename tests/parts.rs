//! Algorithms, models, transforms and rules of a program's own: runs with them are runs like any other, under their own names.

mod common;

use common::{SMALL, sottovoce};
use serde::Deserialize;
use sottovoce::aggregator::{CustomRule, Updates};
use sottovoce::config::{self, Config, ConfigError};
use sottovoce::core::{
    Address, Algorithm, Answer, ClientError, Digest, Layout, LocalTask, Params, RowBlock, ServerCx, Transform,
};
use sottovoce::experiment::diff::diff;
use sottovoce::experiment::verify::{Recorded, Replay, verify};
use sottovoce::experiment::{Experiment, Lock, Record};
use sottovoce::models::{Batch, Example, Model, Scratch, SoftmaxRegression};
use sottovoce::parts::{ModelShape, Parts};
use sottovoce::privacy::ClipNorm;
use sottovoce::saved::SavedModel;
use std::path::Path;
use std::sync::Arc;
use tempfile::tempdir;

const QUICKSTART: &str = include_str!("../examples/quickstart.toml");

/// FedAvg by another name.
#[derive(Deserialize)]
struct Steps {
    step: f32,
}

impl Algorithm for Steps {
    type Server = ();
    type Client = ();
    fn name(&self) -> &'static str {
        "steps"
    }
    fn client(&self, task: &mut dyn LocalTask, _: &(), _: &mut ()) -> Result<Answer, ClientError> {
        Ok(task.train(None)?.into())
    }
    fn server(&self, cx: &mut ServerCx<'_>, _: &mut ()) {
        cx.step(self.step);
    }
}

/// Goes half as far: another build's `steps`.
#[derive(Deserialize)]
struct Half(Steps);

impl Algorithm for Half {
    type Server = ();
    type Client = ();
    fn name(&self) -> &'static str {
        "steps"
    }
    fn client(&self, task: &mut dyn LocalTask, _: &(), _: &mut ()) -> Result<Answer, ClientError> {
        Ok(task.train(None)?.into())
    }
    fn server(&self, cx: &mut ServerCx<'_>, _: &mut ()) {
        cx.step(self.0.step / 2.0);
    }
}

/// Softmax regression by another name.
struct Lines(SoftmaxRegression);

impl Model for Lines {
    fn layout(&self) -> &Arc<Layout> {
        self.0.layout()
    }
    fn classes(&self) -> usize {
        self.0.classes()
    }
    fn init(&self, seed: u64) -> Params {
        self.0.init(seed)
    }
    fn gradient(
        &self,
        params: &[f32],
        batch: &Batch<'_>,
        gradient: &mut [f32],
        scratch: &mut Scratch,
    ) -> f32 {
        self.0.gradient(params, batch, gradient, scratch)
    }
    fn logits(&self, params: &[f32], example: Example<'_>, logits: &mut [f32], scratch: &mut Scratch) {
        self.0.logits(params, example, logits, scratch);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinesConfig {
    rows: Option<usize>,
}

fn lines(shape: ModelShape) -> Result<Box<dyn Model>, String> {
    let rows = shape.parameters::<LinesConfig>()?.rows.unwrap_or(shape.buckets);
    let model = SoftmaxRegression::new(rows, shape.classes).map_err(|e| e.to_string())?;
    Ok(Box::new(Lines(model)))
}

/// The value in the middle of an odd number, by sorting.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Middle {
    least: usize,
}

impl CustomRule for Middle {
    fn combine(&self, updates: &Updates<'_>) -> Result<Vec<f32>, String> {
        let column = |i: usize| {
            let mut column: Vec<f32> = updates.rows.iter().map(|row| row[i]).collect();
            column.sort_by(f32::total_cmp);
            column[column.len() / 2]
        };
        Ok((0..updates.rows[0].len()).map(column).collect())
    }
    fn least_rows(&self) -> usize {
        self.least
    }
}

/// Clipping by another name.
#[derive(Deserialize)]
struct Short {
    most: f64,
}

impl Transform for Short {
    fn client(&self, at: Address, delta: &mut RowBlock) {
        ClipNorm { max: self.most }.client(at, delta);
    }
}

fn parts() -> Parts {
    Parts::none()
        .algorithm::<Steps>("steps")
        .model("lines", lines)
        .transform::<Short>("short")
        .rule::<Middle>("middle")
}

fn read(parts: &Parts, overrides: &[&str]) -> Result<Config, ConfigError> {
    let set: Vec<String> = SMALL.iter().chain(overrides).map(|s| (*s).to_owned()).collect();
    config::parse_with(parts, "quickstart.toml", QUICKSTART, &set)
}

fn experiment(overrides: &[&str]) -> Experiment {
    Experiment::new(read(&parts(), overrides).expect("a configuration")).expect("an experiment")
}

fn trained(overrides: &[&str]) -> Digest {
    let (_, params) = experiment(overrides).run(&mut Record::none(), &mut ()).expect("a run");
    params.digest()
}

const STEPS: &str = r#"algorithm={kind="custom",name="steps",parameters={step=0.5}}"#;
const LINES: &str = r#"model={kind="custom",name="lines"}"#;
const SHORT: &str = r#"transforms=[{kind="custom",name="short",parameters={most=0.1}}]"#;
const MIDDLE: &str = r#"aggregation={rule="middle",params={least=3}}"#;
const ODD: &str = "rounds.cohort.size=5";

#[test]
fn an_own_part_that_does_what_the_librarys_does_has_its_bits() {
    let plain = trained(&[]);
    let half = trained(&[r#"algorithm={kind="fedavg",server_lr=0.5}"#]);
    assert_ne!(plain, half);
    assert_eq!(trained(&[STEPS]), half);
    assert_eq!(trained(&[LINES]), plain);
    let clipped = trained(&[r#"transforms=[{kind="clip_norm",max=0.1}]"#]);
    assert_ne!(clipped, plain);
    assert_eq!(trained(&[SHORT]), clipped);
    let median = trained(&[r#"aggregation={rule="coordinate-median"}"#, ODD]);
    assert_ne!(median, trained(&[ODD]));
    assert_eq!(trained(&[MIDDLE, ODD]), median);
    // Behind a wrapper as well, which has its own parameters.
    let wrapped = trained(&[r#"aggregation={rule="nnm+coordinate-median",params={f=1}}"#, ODD]);
    assert_eq!(trained(&[r#"aggregation={rule="nnm+middle",params={f=1,least=3}}"#, ODD]), wrapped);
}

fn keep(overrides: &[&str], out: &Path) -> Lock {
    let experiment = experiment(overrides);
    let mut record = Record::create(out).expect("a new folder");
    let (summary, params) = experiment.run(&mut record, &mut ()).expect("a run");
    let lock = Lock::of(&experiment, &record, &summary).expect("a lock");
    record.finish(experiment.config(), experiment.data(), &params, &summary).expect("kept");
    lock
}

fn again(parts: &Parts, record: &Path) -> Option<String> {
    let recorded = Recorded::read(record).expect("a record");
    let config = config::parse_with(parts, "recorded.toml", recorded.config(), &[]).expect("a configuration");
    let verdict = verify(&recorded, config, Replay::default(), &mut ()).expect("a verdict");
    verdict.difference.map(|difference| difference.to_string())
}

#[test]
fn a_run_with_own_parts_is_a_run_like_any_other() {
    let folder = tempdir().expect("a folder can be made");
    let all = [STEPS, LINES, SHORT, MIDDLE, ODD];
    let (run, other, lock) =
        (folder.path().join("run"), folder.path().join("other"), folder.path().join("run.lock"));
    keep(&all, &run).write(&lock).expect("written");
    let config = std::fs::read_to_string(run.join("config.toml")).expect("kept");
    for name in ["steps", "lines", "short", "middle"] {
        assert!(config.contains(&format!("\"{name}\"")), "{config}");
    }
    for record in [&run, &lock] {
        assert_eq!(again(&parts(), record), None);
        // The same name with other mathematics is another run.
        let changed = Parts::none()
            .algorithm::<Half>("steps")
            .model("lines", lines)
            .transform::<Short>("short")
            .rule::<Middle>("middle");
        let said = again(&changed, record).expect("a difference");
        assert!(said.contains("round 0") && said.contains("server step"), "{said}");
    }

    // A model of one's own is read back, and answers text.
    let saved = SavedModel::read(&run.join("model.safetensors"), &parts()).expect("kept");
    let (intent, confidence) = {
        let mut classifier = saved.classifier().expect("it reads text");
        let (intent, confidence) = classifier.classify("where is my parcel");
        (intent.to_owned(), confidence)
    };
    assert!(!intent.is_empty() && confidence > 0.0);

    // Another rate is found at its number.
    keep(
        &[&all[1..], &[r#"algorithm={kind="custom",name="steps",parameters={step=0.25}}"#]].concat(),
        &other,
    );
    let found = diff(&run, &other, true, &parts(), &mut ()).expect("two runs");
    assert_eq!(found.configuration.len(), 1, "{:?}", found.configuration);
    assert_eq!(found.configuration[0].what, "algorithm.parameters.step");
    let place = found.first.expect("they part");
    assert!(place.round == 0 && place.value.is_some(), "{place:?}");
}

#[test]
fn the_command_without_the_parts_says_what_it_lacks() {
    let folder = tempdir().expect("a folder can be made");
    let quarter = r#"algorithm={kind="custom",name="steps",parameters={step=0.25}}"#;
    let [run, other, run_8, other_8] =
        ["run", "other", "run-8", "other-8"].map(|name| folder.path().join(name));
    keep(&[STEPS], &run);
    keep(&["seed=8", STEPS], &run_8);
    keep(&[quarter], &other);
    keep(&["seed=8", quarter], &other_8);
    let (run, other) = (run.to_str().expect("plain"), other.to_str().expect("plain"));
    let said = sottovoce(&["verify", run]).done();
    assert_eq!(said.code, Some(2));
    // Lines are as wide as the terminal.
    let err = said.err().replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(err.contains("algorithm.name = \"steps\": another program's own algorithm"), "{err}");
    // What needs no mathematics works: figures are compared, and places found.
    let table = sottovoce(&["compare"]).arg(folder.path()).ok().out();
    assert!(table.contains("algorithm.parameters.step"), "{table}");
    let said = sottovoce(&["diff", "--json", run, other]).done();
    assert_eq!(said.code, Some(1), "{}", said.err());
    let note = said.json()["first"]["note"].as_str().expect("a note").to_owned();
    assert!(note.contains("no numbers") && note.contains("steps"), "{note}");
    let same = sottovoce(&["diff", run, run]).done();
    assert_eq!(same.code, Some(0), "{}", same.out());
}

#[test]
fn what_cannot_be_made_is_refused_at_its_key() {
    let refused = |overrides: &[&str]| format!("{}", read(&parts(), overrides).expect_err("a bad part"));
    for (bad, words) in [
        (r#"algorithm={kind="custom",name="stairs"}"#, &["algorithm.name", "stairs", "has steps"][..]),
        (r#"algorithm={kind="custom",name="steps"}"#, &["algorithm.name", "step"]),
        (r#"algorithm={kind="custom",name="steps",parameters={step="a"}}"#, &["invalid type"]),
        (r#"algorithm={kind="custom",name="steps",step=1}"#, &["unknown key `step`"]),
        (r#"model={kind="custom",name="curves"}"#, &["model.name", "curves"]),
        (r#"model={kind="custom",name="lines",parameters={row=3}}"#, &["model.name", "row"]),
        (r#"transforms=[{kind="custom",name="third"}]"#, &["transforms.0.name", "third"]),
        (r#"aggregation={rule="midle"}"#, &["aggregation.rule", "midle"]),
        (r#"aggregation={rule="middle",params={}}"#, &["aggregation.rule", "least"]),
        (r#"aggregation={rule="middle",params={least=9}}"#, &["at least 9 rows"]),
        (r#"aggregation={rule="krum+middle",params={f=0,least=1}}"#, &["krum is a rule and comes last"]),
    ] {
        let said = refused(&[bad]);
        assert!(words.iter().all(|word| said.contains(word)), "{bad}: {said}");
    }
    // A table that is too short for the features would be read beyond its end.
    let config = read(&parts(), &[r#"model={kind="custom",name="lines",parameters={rows=7}}"#]);
    let said = Experiment::new(config.expect("it is seen with the data")).err().expect("refused").to_string();
    assert!(said.contains("7 rows") && said.contains("2048"), "{said}");
}
