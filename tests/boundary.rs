//! Raw text stays at its client: a planted canary is looked for in everything that a run lets out.
//!
//! That a transcript cannot be sent at all is shown where the gate is: the `compile_fail` example in
//! `crates/clients/src/gate.rs`.

mod common;

use common::{Done, sottovoce};
use serde_json::json;
use sottovoce::aggregator::MAX_WEIGHT_CAP;
use sottovoce::algorithms::FedAvg;
use sottovoce::clients::{Gate, Nodes, SourceKey, evaluation};
use sottovoce::config;
use sottovoce::core::{Broadcast, ClientError, ClientId, Population, Sent};
use sottovoce::experiment::{Experiment, evidence};
use sottovoce::simulation::{Cohort, Engine, Plan};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use tempfile::tempdir;

/// In the text of one client; no rule masks them.
const SAID: [&str; 2] = ["Xylofjordquartz", "獬豸鸑鷟饕餮"];
/// The natural key of that client.
const KEY: &str = "Deskvombatrix";
/// In the ids of its transcripts.
const ID: &str = "Ticketzephyrgnu";

fn base64(bytes: &[u8]) -> Vec<u8> {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let whole = bytes.chunks_exact(3).map(|c| u32::from_be_bytes([0, c[0], c[1], c[2]]));
    whole.flat_map(|n| [18, 12, 6, 0].map(|shift| SIGNS[(n >> shift) as usize & 63])).collect()
}

/// A secret in every form in which it might slip out.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for text in [secret.to_owned(), secret.to_lowercase(), secret.to_uppercase()] {
        let utf16: Vec<u16> = text.encode_utf16().collect();
        all.push(utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect());
        all.push(utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect());
        let escaped = utf16.iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
        all.push(escaped.into_bytes());
        let utf8 = text.into_bytes();
        let hexadecimal = utf8.iter().map(|b| format!("{b:02x}")).collect::<String>();
        all.push(hexadecimal.into_bytes());
        // Base64 depends on where in a group of three bytes the secret begins.
        all.extend((0..3).map(|skip| base64(&utf8[skip..])));
        all.push(utf8);
    }
    all
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

fn assert_clean(what: &str, bytes: &[u8]) {
    for secret in SAID.iter().chain([&KEY, &ID]) {
        for form in forms(secret) {
            assert!(!holds(bytes, &form), "{what} holds {secret} as {form:?}");
        }
    }
}

fn assert_silent(what: &str, done: &Done) {
    assert_clean(&format!("{what}: standard output"), &done.stdout);
    assert_clean(&format!("{what}: standard error"), &done.stderr);
}

/// Four support desks, one of which holds the canaries.
fn plant(folder: &Path) {
    for (split, rows) in [("train", 12), ("validation", 4), ("test", 4)] {
        let mut text = String::new();
        for desk in 0..4 {
            for row in 0..rows {
                let (intent, said) = [("refund", "money back please"), ("delay", "我的包裹在哪里")][row % 2];
                let (client, id, said) = if desk == 2 {
                    (KEY.to_owned(), format!("{ID}-{row}"), format!("{said} {} {}", SAID[0], SAID[1]))
                } else {
                    (format!("desk-{desk}"), format!("{desk}-{row}"), said.to_owned())
                };
                let lang = ["en", "zh"][row % 2];
                let line =
                    json!({ "id": id, "client": client, "lang": lang, "text": said, "intent": intent });
                writeln!(text, "{line}").expect("a string can be written to");
            }
        }
        fs::write(folder.join(format!("{split}.jsonl")), text).expect("a data file can be written");
    }
}

const CONFIG: &str = r#"
name = "canary"
seed = 5
data = { path = "DATA" }
model = { kind = "softmax_regression" }
features = { buckets = 512 }
local = { epochs = 1, batch = 4, optimiser = { kind = "sgd", lr = 1.0 } }
rounds = { count = 3, cohort = { kind = "all" }, checkpoint_every = 1 }
baselines = { training = { epochs = 1, batch = 4, optimiser = { kind = "sgd", lr = 1.0 } } }
"#;

fn config_for(data: &Path) -> String {
    CONFIG.replace("DATA", data.to_str().expect("a temporary folder has a plain name"))
}

#[test]
fn a_canary_is_found_in_every_form() {
    for secret in SAID {
        for form in forms(secret) {
            assert!(form.len() >= 10 && holds(&[b"before", &form[..], b"after"].concat(), &form));
        }
    }
    // Independent generator: `printf 'aXylofjordquartz' | base64`.
    assert!(forms(SAID[0]).iter().any(|form| holds(b"YVh5bG9mam9yZHF1YXJ0eg==", form)));
    // Independent generator: `printf Xylofjordquartz | xxd -p`.
    assert!(forms(SAID[0]).iter().any(|form| form == b"58796c6f666a6f726471756172747a"));
}

#[test]
fn no_artefact_and_no_stream_of_a_run_holds_the_canary() {
    let folder = tempdir().expect("a folder can be made");
    let (data, out, file) =
        (folder.path().join("data"), folder.path().join("run"), folder.path().join("c.toml"));
    fs::create_dir(&data).expect("a folder can be made");
    plant(&data);
    fs::write(&file, config_for(&data)).expect("a configuration can be written");
    let written = file.to_str().expect("a temporary folder has a plain name");

    let lock = folder.path().join("run.lock");
    let done = sottovoce(&["run", written, "--trace", "--lock"]).arg(&lock).out(&out).ok();
    assert_silent("run", &done);
    assert_clean("the lock", &common::bytes(&lock));
    for record in [&lock, &out] {
        assert_silent("verify", &sottovoce(&["verify"]).arg(record).ok());
    }
    assert_silent("diff", &sottovoce(&["diff"]).arg(&out).arg(&out).ok());
    assert_silent("run --json", &sottovoce(&["run", written, "--json"]).ok());
    assert_silent("data inspect", &sottovoce(&["data", "inspect", written]).ok());
    assert_silent("data inspect --json", &sottovoce(&["data", "inspect", written, "--json"]).ok());
    let input = format!("{} {}\n{KEY} {ID}\n", SAID[0], SAID[1]);
    for format in [&[][..], &["--json"]] {
        let answered = sottovoce(&["classify"]).arg(&out).input(&input);
        let answered = format.iter().fold(answered, |call, word| call.arg(word)).ok();
        assert_eq!(answered.out().lines().count(), 2);
        assert_silent("classify", &answered);
    }

    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(&out).expect("a run directory can be listed") {
        let path = entry.expect("a run directory can be listed").path();
        let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
        if path.is_file() {
            assert_clean(&name, &common::bytes(&path));
        }
        seen.insert(name);
    }
    for round in 0..3 {
        let kept = evidence::path(&out, round);
        assert_clean(&format!("what was kept of round {round}"), &common::bytes(&kept));
    }
    let expected = [
        ".lock",
        "BLAKE3SUMS",
        "checkpoint.bin",
        "checkpoint.previous.bin",
        "clients.jsonl",
        "config.toml",
        "egress.jsonl",
        "manifest.json",
        "model.safetensors",
        "rounds.jsonl",
        "summary.json",
        "trace",
    ];
    assert_eq!(seen, expected.map(str::to_owned).into());
    // The client with the canary took part, or nothing was shown.
    let clients = common::json_lines(&out.join("clients.jsonl"));
    assert!(
        clients.len() == 4 && clients.iter().all(|line| line["rounds"] == 3 && line["train_examples"] == 12)
    );
}

#[test]
fn errors_about_data_do_not_quote_them() {
    let folder = tempdir().expect("a folder can be made");
    let secret = format!("{} {} {KEY} {ID}", SAID[0], SAID[1]);
    let good = r#"{"text":"money back","intent":"refund","lang":"en","client":"a"}"#;
    let bad = [
        ("broken off", format!(r#"{{"text":"{secret}","intent":"refund"#)),
        ("no JSON at all", secret.clone()),
        (
            "an intent that is no name",
            format!(r#"{{"text":"a","lang":"en","intent":{{"{secret}":"{secret}"}}}}"#),
        ),
        ("an empty intent", format!(r#"{{"text":"{secret}","lang":"en","intent":" ","id":"{ID}"}}"#)),
        (
            "a fraction for an intent",
            format!(r#"{{"text":"{secret}","lang":"en","intent":7.5,"id":"{ID}"}}"#),
        ),
        ("an unknown language", format!(r#"{{"text":"a","intent":"b","lang":"{secret}"}}"#)),
        ("an unknown split", format!(r#"{{"text":"a","intent":"b","lang":"en","split":"{secret}"}}"#)),
        ("a time that is none", format!(r#"{{"text":"a","intent":"b","lang":"en","timestamp":"{secret}"}}"#)),
        ("turns that are text", format!(r#"{{"turns":"{secret}","intent":"b","lang":"en"}}"#)),
        (
            "an unknown speaker",
            format!(r#"{{"turns":[{{"speaker":"{secret}","text":"a"}}],"intent":"b","lang":"en"}}"#),
        ),
        ("text that is a list", format!(r#"{{"text":["{secret}"],"intent":"b","lang":"en"}}"#)),
    ];
    let file = folder.path().join("c.toml");
    let data = folder.path().join("train.jsonl");
    fs::write(&file, config_for(&data)).expect("a configuration can be written");
    let written = file.to_str().expect("a temporary folder has a plain name");
    for (what, row) in bad {
        fs::write(&data, format!("{good}\n{row}\n")).expect("a data file can be written");
        for command in [&["run", written][..], &["data", "inspect", written]] {
            let done = sottovoce(command).set(&["data.strict=true"]).done();
            assert_eq!(done.code, Some(1), "{what}: {}", done.err());
            assert!(done.err().contains("train.jsonl: line 2"), "{what}: {}", done.err());
            assert_silent(what, &done);
            // Rows that are passed over are counted, not shown.
            assert_silent(what, &sottovoce(command).done());
        }
    }
    for table in [format!("{secret},intent\n{secret},b\n"), format!("text,intent,lang\n{secret}\n")] {
        fs::write(&data, table).expect("a data file can be written");
        let format = &["data.strict=true", r#"data.format="csv""#];
        let done = sottovoce(&["run", written]).set(format).done();
        assert_eq!(done.code, Some(1), "{}", done.err());
        assert_silent("a table", &done);
    }
}

#[test]
fn redact_does_not_quote_what_it_cannot_read() {
    let secret = format!("{} {} {KEY} {ID}", SAID[0], SAID[1]);
    for line in
        [secret.clone(), format!(r#"{{"text":"{secret}"#), format!(r#"{{"text":"{secret}"}} {secret}"#)]
    {
        let done =
            sottovoce(&["redact", "--json-lines"]).input(format!("{{\"text\":\"a\"}}\n{line}\n")).done();
        assert_eq!(done.code, Some(1), "{}", done.err());
        assert!(done.err().contains("line 2, column "), "{}", done.err());
        assert_silent("redact", &done);
    }
}

/// A population that keeps a copy of every message.
struct Tapped<'a, P> {
    inner: &'a P,
    heard: Mutex<Vec<(ClientId, Vec<u8>)>>,
}

impl<P: Population> Population for Tapped<'_, P> {
    type Worker = P::Worker;

    fn clients(&self) -> u64 {
        self.inner.clients()
    }
    fn examples(&self, client: ClientId) -> u64 {
        self.inner.examples(client)
    }
    fn worker(&self) -> P::Worker {
        self.inner.worker()
    }
    fn answer<'w>(
        &self,
        worker: &'w mut P::Worker,
        broadcast: &Broadcast<'_>,
        client: ClientId,
        own: &[u8],
    ) -> Result<Sent<'w>, ClientError> {
        let sent = self.inner.answer(worker, broadcast, client, own)?;
        self.heard.lock().expect("no test thread panics here").push((client, sent.message.to_vec()));
        Ok(sent)
    }
}

#[test]
fn no_message_that_passes_the_gate_holds_the_canary() {
    let folder = tempdir().expect("a folder can be made");
    plant(folder.path());
    let config =
        config::parse("canary.toml", &config_for(folder.path()), &[]).expect("the configuration is good");
    let (seed, local) = (config.seed, config.local);
    let experiment = Experiment::new(config).expect("the data can be read");
    let data = experiment.data();
    let algorithm = FedAvg { server_lr: 1.0 };
    let (model, shards) = (&*data.model, &*data.shards);
    let nodes =
        Nodes { shards, model, local, transforms: &[], root: None, sources: SourceKey::of(shards), seed };
    let tapped = Tapped { inner: &nodes, heard: Mutex::new(Vec::new()) };
    let plan = Plan::mean(seed, Cohort::All, MAX_WEIGHT_CAP);
    let mut engine = Engine::new(&algorithm, &tapped, plan, model.init(seed));
    for _ in 0..3 {
        let report = engine.step().expect("the round has a mean");
        assert_eq!(report.accepted.len(), 4);
        let heard = std::mem::take(&mut *tapped.heard.lock().expect("no test thread panics here"));
        let length: usize = heard.iter().map(|(_, message)| message.len()).sum();
        assert_eq!((heard.len(), length as u64), (4, report.bytes_up));
        for (client, message) in heard {
            assert_clean(&format!("the update of client {client}"), &message);
        }
    }
    let global = |_| Ok::<_, Infallible>(Some(Cow::Borrowed(engine.params())));
    let Ok(answers) = evaluation::over_clients(
        model,
        global,
        shards,
        &SourceKey::of(shards),
        engine.round(),
        &[0, 1, 2, 3],
    );
    for (counts, line) in answers {
        let mut gate = Gate::default();
        let (message, again) = gate.send(&counts, line.source);
        assert_eq!(again, line, "the message that was sent");
        assert_clean("counts of an evaluation", message);
    }
}

/// Somebody who reads a run directory tries words in a sentence, with a seed of his own and with the run's: no name of
/// examples and no leaf of shards is one of those that he gets. (Who knows the training data of everybody but one, and the
/// run's seed, can try that one's: docs/reproducibility.md says so.)
#[test]
fn a_dictionary_finds_no_transcript_in_a_ledger() {
    let folder = tempdir().expect("a folder can be made");
    let words =
        ["diabetes", "asthma", "cancer", "hiv", "depression", "epilepsy", "psoriasis", "migraine", "lupus"];
    let run = |what: &str, seed: u64, said: &[&str], others: &[&str]| {
        let row = |client: String, split: &str, text: String, intent: &str| {
            json!({"text": text, "intent": intent, "lang": "en", "client": client, "split": split})
                .to_string()
                + "\n"
        };
        let mut rows: Vec<String> = (said.iter().enumerate())
            .map(|(i, word)| {
                row(format!("a{i}"), "train", format!("I cannot work because I have {word}"), "sick_leave")
            })
            .collect();
        rows.extend(others.iter().map(|o| row(format!("z{o}"), "train", format!("other {o}"), "other")));
        rows.push(row("test".to_owned(), "test", "test".to_owned(), "other"));
        let (data, out) = (folder.path().join(format!("{what}.jsonl")), folder.path().join(what));
        fs::write(&data, rows.concat()).expect("a file can be written");
        let set = [
            format!("data={{path={:?}}}", data.to_str().expect("a plain name")),
            format!("seed={seed}"),
            "rounds={count=1,cohort={kind=\"all\"}}".to_owned(),
            "baselines={local_only_clients=0,centralised=false,training={epochs=1,batch=8,optimiser={kind=\"sgd\",lr=1.0}}}"
                .to_owned(),
        ];
        let set: Vec<&str> = set.iter().map(String::as_str).collect();
        sottovoce(&["run", "--quiet"]).set(&set).out(&out).ok();
        let sources: BTreeSet<String> = common::json_lines(&out.join("egress.jsonl"))
            .iter()
            .map(|line| line["source"].as_str().expect("a name").to_owned())
            .collect();
        let leaf = common::json_lines(&out.join("rounds.jsonl"))[0]["leaves"]["shards"].clone();
        (sources, leaf)
    };
    let (sources, leaf) = run("victim", 1, &["epilepsy"], &["p", "q", "r"]);
    assert!(sources.len() >= 4, "{sources:?}");
    for (i, seed) in [1, 2].into_iter().enumerate() {
        // Everything that he can think of at once, and each word beside others that he makes up.
        let (tried, _) = run(&format!("all{i}"), seed, &words, &["p", "q", "x"]);
        assert!(sources.is_disjoint(&tried), "seed {seed}");
        let (tried, other) = run(&format!("one{i}"), seed, &["epilepsy"], &["p", "q", "x"]);
        assert!(sources.is_disjoint(&tried) && leaf != other, "seed {seed}");
    }
    // The names are the run's own: the same data have them again.
    assert_eq!(run("again", 1, &["epilepsy"], &["p", "q", "r"]), (sources, leaf));
}
