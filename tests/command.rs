//! The command from outside: words and input in, exit code, streams and files out.

mod common;

use common::{bytes, json, json_lines, sottovoce, sum};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::tempdir;

fn name(path: &Path) -> &str {
    path.to_str().expect("a temporary folder has a plain name")
}

/// An error as one line, without the frame around it and the breaks that its width makes.
fn plain(message: &str) -> String {
    message.replace(['│', '×'], " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn help_of_every_command_names_its_options() {
    for (words, options) in [
        (
            &[][..],
            &["--set", "--threads", "--out", "--resume", "--json", "--quiet", "redact", "classify"][..],
        ),
        (&["run"], &["[CONFIG]", "--set", "--threads", "--out", "--resume", "--json", "--quiet"]),
        (&["classify"], &["<RUN_DIR>", "--json"]),
        (
            &["redact"],
            &[
                "[FILES]",
                "--tiers",
                "--key-file",
                "--encoding",
                "--json-lines",
                "--key",
                "--report",
                "--counts",
            ],
        ),
        (&["data"], &["synth", "inspect"]),
        (&["data", "synth"], &["[CONFIG]", "--set", "--clients", "--no-test"]),
        (&["data", "inspect"], &["[CONFIG]", "--set", "--json"]),
    ] {
        let help = sottovoce(words).arg("--help").ok().out();
        for option in options {
            assert!(help.contains(option), "{words:?} --help says nothing of {option}:\n{help}");
        }
    }
}

#[test]
fn a_summary_as_json_has_every_figure() {
    let baselines = &["baselines.centralised=true", "baselines.local_only_clients=2"];
    let done = sottovoce(&["run", "--json"]).small().set(baselines).ok();
    let summary = done.json();
    for pointer in [
        "/rounds",
        "/clients",
        "/train_examples",
        "/test_examples",
        "/intents",
        "/accuracy",
        "/macro_f1",
        "/baselines/centralised/accuracy",
        "/baselines/local_only/accuracy",
        "/bytes_up",
        "/bytes_down",
        "/wall_seconds",
        "/clients_per_second",
        "/peak_rss_bytes",
    ] {
        let figure = summary.pointer(pointer).and_then(|v| v.as_f64());
        assert!(figure.is_some_and(f64::is_finite), "{pointer}: {summary}");
    }
    let digest = summary["digest"].as_str().expect("the digest is text");
    assert!(digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()), "{digest}");
    assert_eq!(
        (&summary["rounds"], &summary["clients"], &summary["test_examples"]),
        (&4.into(), &8.into(), &60.into())
    );
    let table = sottovoce(&["run"]).small().ok().out();
    assert!(table.contains("accuracy") && table.contains("digest"), "{table}");
}

#[test]
fn a_run_directory_is_whole_and_agrees_with_itself() {
    let folder = tempdir().expect("a folder can be made");
    let (out, again) = (folder.path().join("run"), folder.path().join("again"));
    let summary = sottovoce(&["run", "--json"]).small().out(&out).ok().json();
    assert_eq!(json(&out.join("summary.json")), summary);
    assert_eq!(json(&out.join("manifest.json"))["clients"], summary["clients"]);
    assert!(
        bytes(&out.join("model.safetensors")).len() as u64
            > 4 * summary["parameters"].as_u64().unwrap_or(u64::MAX >> 2)
    );

    let rounds = json_lines(&out.join("rounds.jsonl"));
    assert_eq!(rounds.len(), 4);
    for (number, line) in rounds.iter().enumerate() {
        assert_eq!(line["round"], number);
        let accepted = line["accepted"].as_array().expect("a list of clients");
        let rejected = line["rejected"].as_object().expect("counts by reason");
        let rejected: u64 = rejected.values().map(|n| n.as_u64().expect("a count")).sum();
        assert_eq!(
            line["cohort"],
            accepted.len() as u64 + rejected + line["dropped"].as_u64().expect("a count")
        );
        let examples: u64 = accepted.iter().map(|a| a[1].as_u64().expect("a count")).sum();
        assert_eq!(line["examples"], examples);
    }
    assert_eq!(rounds[3]["chain"], summary["chain"]);
    assert_eq!(sum(&rounds, "bytes_up"), summary["bytes_up"]);
    assert_eq!(sum(&rounds, "bytes_down"), summary["bytes_down"]);

    let (counts, updates): (Vec<_>, Vec<_>) = json_lines(&out.join("egress.jsonl"))
        .into_iter()
        .partition(|line| line["kind"] == "evaluation_counts");
    assert!(updates.iter().all(|line| line["kind"] == "update"));
    assert_eq!(sum(&updates, "bytes"), summary["bytes_up"]);
    // After the last round every client is asked once how the model does on its own held-out transcripts.
    assert!(counts.len() == 8 && counts.iter().all(|line| line["round"] == 4));
    let clients = json_lines(&out.join("clients.jsonl"));
    assert_eq!((clients.len(), sum(&clients, "rounds")), (8, updates.len() as u64));

    let config = out.join("config.toml");
    let repeated = sottovoce(&["run", "--json", name(&config)]).out(&again).ok().json();
    assert_eq!(repeated["digest"], summary["digest"]);
    assert_eq!(bytes(&config), bytes(&again.join("config.toml")));

    let message = sottovoce(&["run"]).small().out(&out).fails(2);
    assert!(message.contains("is not empty"), "{message}");
    let message = sottovoce(&["run", "--resume"]).small().out(folder.path()).fails(2);
    assert!(message.contains("no run directory"), "{message}");
}

/// Begins a run, sends `signal` once there is a checkpoint, and returns the exit code.
fn interrupt(overrides: &[&str], out: &Path, signal: &str) -> Option<i32> {
    let mut child = sottovoce(&["run"]).small().set(overrides).out(out).start();
    let looks = (0..15_000).take_while(|_| !out.join("checkpoint.bin").exists());
    looks.for_each(|_| std::thread::sleep(Duration::from_millis(2)));
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(sent.is_ok(), "kill can be run");
    child.wait().expect("the program under test can be waited for").code()
}

#[test]
fn an_interrupted_run_goes_on_to_the_same_bytes() {
    // A machine may be done before it is interrupted: then once more, with more rounds.
    for (signal, code) in [("-INT", Some(130)), ("-KILL", None)] {
        let interrupted = [300, 3000, 30_000].iter().any(|rounds| {
            let folder = tempdir().expect("a folder can be made");
            let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
            let rounds = format!("rounds.count={rounds}");
            let overrides = [&rounds, "rounds.evaluate_every=3", "rounds.checkpoint_every=7"];
            let ended = interrupt(&overrides, &parts, signal);
            if ended == Some(0) {
                return false;
            }
            assert_eq!(ended, code, "{signal}");
            let resumed =
                sottovoce(&["run", "--resume", "--json"]).small().set(&overrides).out(&parts).ok().json();
            let summary = sottovoce(&["run", "--json"]).small().set(&overrides).out(&whole).ok().json();
            for figure in
                ["digest", "rounds", "accuracy", "bytes_up", "bytes_down", "train_examples", "ended"]
            {
                assert_eq!(resumed[figure], summary[figure], "{signal}: {figure}");
            }
            for file in ["rounds.jsonl", "egress.jsonl", "clients.jsonl", "model.safetensors", "config.toml"]
            {
                assert!(bytes(&whole.join(file)) == bytes(&parts.join(file)), "{signal}: {file} differs");
            }
            let other =
                sottovoce(&["run", "--resume"]).small().set(&overrides).set(&["seed=8"]).out(&parts).done();
            assert!(
                other.code == Some(2) && other.err().contains("seed is 7 there and 8 here"),
                "a run of another seed: {}",
                other.err()
            );
            true
        });
        assert!(interrupted, "every run ended before {signal} reached it");
    }
}

/// Writes synthetic transcripts, of which a third are held out for validation; returns the setting that reads them.
fn with_validation(file: &Path) -> String {
    let written = sottovoce(&["data", "synth"]).small().ok().out();
    let held_out = |line: &str| line.replacen("\"split\":\"train\"", "\"split\":\"validation\"", 1) + "\n";
    let lines = written.lines().enumerate();
    let lines = lines.map(|(i, line)| if i % 3 == 0 { held_out(line) } else { format!("{line}\n") });
    fs::write(file, lines.collect::<String>()).expect("a file can be written");
    format!(r#"data={{path={:?},unit="dialogue"}}"#, name(file))
}

#[test]
fn a_run_that_stopped_early_does_not_go_on() {
    let folder = tempdir().expect("a folder can be made");
    let (file, out) = (folder.path().join("all.jsonl"), folder.path().join("run"));
    let data = with_validation(&file);
    let stopping = [
        "rounds.early_stopping={patience=2,min_gain=0.9}",
        "rounds.evaluate_every=1",
        "rounds.checkpoint_every=1",
    ];
    let run = || sottovoce(&["run", "--json"]).small().set(&[&data]).set(&stopping).out(&out);
    let summary = run().ok().json();
    assert_eq!((&summary["ended"], &summary["rounds"]), (&"stopped_early".into(), &2.into()));
    let resumed = run().arg("--resume").ok().json();
    for figure in ["ended", "rounds", "digest", "bytes_up"] {
        assert_eq!(resumed[figure], summary[figure], "{figure}");
    }
}

/// The model of the end is the one with the highest accuracy on the validation split, also where the run was interrupted after
/// every round, and figures and file are of that model.
#[test]
fn early_stopping_ends_with_the_best_model() {
    let folder = tempdir().expect("a folder can be made");
    let file = folder.path().join("all.jsonl");
    let data = with_validation(&file);
    let settings = [
        "rounds.early_stopping={patience=4}",
        "rounds.evaluate_every=1",
        "rounds.checkpoint_every=1",
        "rounds.count=12",
        // So large that accuracy goes up and down.
        "local.optimiser.lr=400",
    ];
    let run = |out: &Path| sottovoce(&["run", "--json"]).small().set(&[&data]).set(&settings).out(out);
    let whole = folder.path().join("whole");
    let summary = run(&whole).ok().json();
    let rounds = json_lines(&whole.join("rounds.jsonl"));
    let accuracy = |line: &serde_json::Value| line["accuracy"].as_f64().expect("every round is evaluated");
    let best = rounds.iter().map(accuracy).fold(0.0, f64::max);
    let first = rounds.iter().position(|line| accuracy(line) == best).expect("it is among them");
    assert!(first + 1 < rounds.len(), "the last round is the best: nothing to see");
    assert_eq!(summary["validation"].as_f64(), Some(best));
    assert_eq!(summary["model_rounds"].as_u64(), Some(first as u64 + 1));
    let line = sottovoce(&["run"]).small().set(&[&data]).set(&settings).ok().out();
    assert!(
        line.contains(&format!(", the model of round {} (best on the validation split)", first + 1)),
        "{line}"
    );

    let parts = folder.path().join("parts");
    for stop in 1..rounds.len() {
        let resume: &[&str] = if stop == 1 { &[] } else { &["--resume"] };
        let done = run(&parts).args(&["--stop-after", &stop.to_string()]).args(resume).done();
        assert_eq!(done.code, Some(130), "{}", done.err());
    }
    let resumed = run(&parts).arg("--resume").ok().json();
    for figure in ["digest", "chain", "validation", "model_rounds", "accuracy"] {
        assert_eq!(resumed[figure], summary[figure], "{figure}");
    }
    assert!(bytes(&parts.join("model.safetensors")) == bytes(&whole.join("model.safetensors")));
}

#[test]
fn classify_answers_every_line() {
    let folder = tempdir().expect("a folder can be made");
    let out = folder.path().join("run");
    sottovoce(&["run"]).small().out(&out).ok();
    let input = b"where is my refund\n\n\x00\x07\n\xe6\x88\x91\xe7\x9a\x84\xe8\xb4\xa6\xe5\x8f\xb7\r\nno newline at the end";
    let lines = sottovoce(&["classify"]).arg(&out).input(input).ok().out();
    let objects = sottovoce(&["classify", "--json"]).arg(&out).input(input).ok().out();
    assert_eq!((lines.lines().count(), objects.lines().count()), (5, 5));
    for (line, object) in lines.lines().zip(objects.lines()) {
        let (intent, confidence) = line.split_once('\t').expect("intent and confidence");
        let object: serde_json::Value = serde_json::from_str(object).expect("every line is JSON");
        assert_eq!(object["intent"], intent);
        let exact = object["confidence"].as_f64().expect("a number");
        assert!((0.0..=1.0).contains(&exact) && confidence == format!("{:.4}", exact as f32), "{line}");
    }
    assert_eq!(sottovoce(&["classify"]).arg(&out).ok().out(), "");
    // What is no text gets no answer.
    let other = sottovoce(&["classify"]).arg(&out).input(b"where is my parcel\nm\xfcde\n").done();
    assert!(other.code == Some(1) && other.out().lines().count() == 1, "{}", other.out());
    assert!(other.err().contains("line 2 is not UTF-8 from its byte 2 on"), "{}", other.err());
    let message = sottovoce(&["classify"]).arg(folder.path()).fails(1);
    assert!(message.contains("model.safetensors"), "{message}");
    fs::write(folder.path().join("model.safetensors"), b"\xff\xff\xff\xff\xff\xff\xff\x7f{}")
        .expect("a file can be written");
    sottovoce(&["classify"]).arg(folder.path()).fails(1);
}

#[test]
fn written_transcripts_can_be_read_back() {
    let folder = tempdir().expect("a folder can be made");
    let file = folder.path().join("all.jsonl");
    let written = sottovoce(&["data", "synth"]).small().ok();
    let lines = written.out().lines().count() as u64;
    fs::write(&file, &written.stdout).expect("a file can be written");
    let data = format!(r#"data={{path={:?},unit="dialogue",strict=true}}"#, name(&file));

    let mut made = sottovoce(&["data", "inspect", "--json"]).small().ok().json();
    let mut read = sottovoce(&["data", "inspect", "--json"]).small().set(&[&data]).ok().json();
    assert_eq!(read["origin"]["files"][0]["accepted"], lines);
    // Only one of them comes from a file.
    made["origin"].take();
    read["origin"].take();
    assert_eq!(made, read);
    assert_eq!((&made["transcripts"], &made["clients"]), (&lines.into(), &8.into()));
    let table = sottovoce(&["data", "inspect"]).small().ok().out();
    assert!(table.contains("label skew") && table.contains("transcripts"), "{table}");

    let run = sottovoce(&["run", "--json"]).small().set(&[&data]).ok().json();
    assert_eq!(
        (&run["clients"], &run["test_examples"], &run["train_examples"]),
        (&8.into(), &60.into(), &(lines - 60).into())
    );

    let fewer = sottovoce(&["data", "synth", "--clients", "2", "--no-test"]).small().ok().out();
    assert!(written.out().starts_with(&fewer) && !fewer.is_empty() && fewer.len() < written.stdout.len());
}

#[test]
fn a_configuration_that_cannot_be_says_what_and_where() {
    let folder = tempdir().expect("a folder can be made");
    let file = folder.path().join("bad.toml");
    let good = include_str!("../examples/quickstart.toml");
    for (from, to, parts) in [
        ("epochs = 1", "epoch = 1", &["unknown key `epoch`", "did you mean `epochs`?", "bad.toml:"][..]),
        ("count = 150", "count = \"x\"", &["expected a whole number from 0 to", "bad.toml:"]),
        ("count = 150", "count = 0", &["rounds.count = 0: expected 1 to", "bad.toml:"]),
        ("[rounds]", "[rounds", &["bad.toml:"]),
        ("[data.synthetic]", "[data.synthetic]\nalpha = 0", &["data.synthetic", "bad.toml:"]),
    ] {
        assert!(good.contains(from), "{from}");
        fs::write(&file, good.replacen(from, to, 1)).expect("a file can be written");
        for command in [&["run"][..], &["data", "inspect"], &["data", "synth"]] {
            let message = plain(&sottovoce(command).arg(&file).fails(2));
            assert!(parts.iter().all(|part| message.contains(part)), "{to}: {message}");
        }
    }
    for (given, part) in [
        ("rounds.cout=3", "did you mean `count`?"),
        ("local.batch=many", "--set local.batch=many: expected a whole number from 0 to"),
        ("rounds.cohort.rate=2", "--set rounds.cohort.rate=2: unknown key `rate`"),
        ("data={path=\"nowhere\"}", "data.path = nowhere: there is no such file or folder"),
        ("data.path=.", "cannot stand beside [data.synthetic]"),
        ("partition={scheme=\"iid\",clients=0}", "partition: clients must be at least 1"),
        (
            "partition={scheme=\"pathological\",clients=900,shards_per_client=9}",
            "900 clients with 9 shards each",
        ),
        ("rounds.cohort.size=9", "rounds.cohort.size = 9, but 8 clients"),
    ] {
        let message = plain(&sottovoce(&["run"]).small().set(&[given]).fails(2));
        assert!(message.contains(part), "{given}: {message}");
    }
    let message = plain(&sottovoce(&["run", "nowhere.toml"]).fails(2));
    assert!(message.contains("cannot read the configuration nowhere.toml"), "{message}");
    for words in [&["run", "--bogus"][..], &["run", "--threads", "0"], &["run", "--resume"], &["fly", "away"]]
    {
        sottovoce(words).fails(2);
    }
}

#[test]
fn a_closed_pipe_ends_without_complaint() {
    let line =
        format!("\"{0}\" data synth | head -n 1; \"{0}\" data inspect --json | head -n 1", common::PROGRAM);
    let output = Command::new("sh").args(["-c", &line]).output().expect("there is a shell");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2);
}

#[test]
fn progress_keeps_to_standard_error() {
    let done = sottovoce(&["run", "--json", "--quiet"]).small().ok();
    assert!(done.stderr.is_empty() && done.json().is_object());

    // Progress is drawn on terminals only: `script` makes one, and standard output goes to a file.
    let folder = tempdir().expect("a folder can be made");
    let file = folder.path().join("json");
    let on_terminal = |quiet: &str| {
        let overrides: String = common::SMALL.iter().map(|o| format!(" --set {o}")).collect();
        let line = format!("{} run --json{quiet}{overrides} >{}", common::PROGRAM, name(&file));
        let output = Command::new("script").args(["-qec", &line, "/dev/null"]).env("TERM", "xterm").output();
        let shown = output.ok().filter(|o| o.status.success()).map(|o| o.stdout);
        shown.inspect(|_| assert!(json(&file).is_object()))
    };
    let (Some(loud), Some(quiet)) = (on_terminal(""), on_terminal(" --quiet")) else {
        use std::io::Write;
        drop(writeln!(std::io::stderr(), "skipped: there is no util-linux `script` to make a terminal"));
        return;
    };
    assert!(String::from_utf8_lossy(&loud).contains("quickstart: "));
    assert_eq!(String::from_utf8_lossy(&quiet), "");
}

/// Data given where the configuration belongs: what is wrong and where, and not a character of a transcript.
#[test]
fn nothing_of_data_given_as_configuration_is_shown() {
    let folder = tempdir().expect("a folder can be made");
    let put = |file: &str, content: &[u8]| {
        let path = folder.path().join(file);
        fs::write(&path, content).expect("a file can be written");
        path
    };
    let files = [
        put("d.jsonl", b"{\"text\":\"CANARY my card\",\"intent\":\"a\"}\n{\"text\":\"CANARY\"}\n"),
        put("d.csv", b"text,intent\nCANARY is lost,a\n"),
        put("d.txt", b"CANARY = 3\n[CANARY]\n"),
        put("d", "CANARY \u{9000}".as_bytes()),
        put("d.bin", b"CANARY\xff\xfe"),
        put("large", &b"CANARY\n".repeat(1 << 20)),
    ];
    for file in &files {
        for words in [&["run"][..], &["data", "inspect"], &["sweep", "--out", "s", "--grid", "seed=1"], &[]] {
            let said = sottovoce(words).arg(file).fails(2);
            assert!(!said.contains("CANARY"), "{words:?} {}: {said}", file.display());
            let words: Vec<&str> = said.split_whitespace().filter(|word| *word != "│").collect();
            assert!(words.join(" ").contains("if this is data, name it in one: data.path"), "{said}");
        }
    }
}

#[test]
fn a_misspelt_command_is_suggested() {
    for (word, command) in
        [("rnu", "run"), ("verfy", "verify"), ("sweeep", "sweep"), ("agregate", "aggregate")]
    {
        let said = sottovoce(&[word]).fails(2);
        assert!(said.contains(&format!("did you mean the command `{command}`?")), "{said}");
    }
    for file in ["nowhere.toml", "runs/rnu", "something"] {
        let said = sottovoce(&[file]).fails(2);
        assert!(said.contains("cannot read") && !said.contains("did you mean"), "{said}");
    }
}

/// Intents, domains and names of experiments are whatever somebody has written in a file.
#[test]
fn names_from_files_do_not_control_the_terminal() {
    let folder = tempdir().expect("a folder can be made");
    let (data, out) = (folder.path().join("all.jsonl"), folder.path().join("run"));
    let evil = "\u{1b}[2J\u{9b}31m\u{202e}";
    let line = |i: usize| {
        let split = if i.is_multiple_of(3) { "test" } else { "train" };
        let (intent, domain) = (format!("{evil}{}\n", i % 2), format!("{evil}d{}", i % 2));
        let text = ["where is my refund", "the game is down"][i % 2];
        serde_json::json!({"text": text, "intent": intent, "domain": domain, "lang": "en", "client": format!("{evil}{}", i % 4),
            "split": split}).to_string() + "\n"
    };
    fs::write(&data, (0..60).map(line).collect::<String>()).expect("a file can be written");
    let set = [
        format!("data={{path={:?}}}", name(&data)),
        format!("name={}", serde_json::json!(format!("\u{202e}name"))),
        "partition={scheme=\"iid\",clients=4}".to_owned(),
    ];
    let set: Vec<&str> = set.iter().map(String::as_str).collect();
    let harmless = |done: &common::Done| {
        for text in [done.out(), done.err()] {
            let bad = |c: char| sottovoce::report::is_control(c) && c != '\n' && c != '\t';
            assert!(!text.contains(bad), "{text:?}");
        }
    };
    let done = sottovoce(&["run"]).small().set(&set).out(&out).done();
    assert_eq!(done.code, Some(0), "{}", done.err());
    harmless(&done);
    assert!(done.out().contains("\\u{1b}[2J"), "{}", done.out());
    for words in [&["verify"][..], &["classify"]] {
        harmless(&sottovoce(words).arg(&out).input("where is my refund\n").ok());
    }
    harmless(&sottovoce(&["diff"]).arg(&out).arg(&out).ok());
    harmless(&sottovoce(&["run"]).small().set(&set).set(&["evaluation.out_of_scope=\"\u{1b}[2J\""]).done());
    let config = folder.path().join("evil.toml");
    fs::write(&config, format!("\"{}\" = 1\n\"\\u001b[2Jb\" = 2\n# \u{202e}\n", "\u{9b}2J"))
        .expect("a file can be written");
    harmless(&sottovoce(&["run"]).arg(&config).done());
}

/// A coarse grid is at work: its steps are in the model, and what has no place on it is refused.
#[test]
fn the_grid_of_the_mean_can_be_chosen() {
    let digest = |grid: &str| {
        let summary = sottovoce(&["run", "--json"]).small().set(&[grid]).ok().json();
        (summary["digest"].to_string(), summary["rejected"].as_u64())
    };
    let plain = digest("seed=7");
    assert_eq!(digest("aggregation.grid={bits=40,range=11}"), plain);
    let coarse = digest("aggregation.grid={bits=12,range=4}");
    assert!(coarse.0 != plain.0 && coarse.1 == Some(0), "{coarse:?}");
    // Updates of this run have values above 2^-10 in size.
    let narrow =
        sottovoce(&["run"]).small().set(&["aggregation.grid={bits=30,range=0}", "local.optimiser.lr=400.0"]);
    let refused = narrow.fails(1);
    assert!(refused.contains("rejected") && refused.contains("coordinate"), "{refused}");
}
