//! Locks, verification and differences: the same run is the same, another one is told apart at the right place.

mod common;

use common::{bytes, sottovoce};
use sottovoce::core::{Address, Purpose, sampling};
use sottovoce::experiment::{Lock, LockError};
use sottovoce::simulation::CONTRACT;
use std::fs;
use std::path::Path;
use tempfile::tempdir;

fn name(path: &Path) -> &str {
    path.to_str().expect("a temporary folder has a plain name")
}

/// The last word of a line.
fn last(line: &str) -> &str {
    line.split_whitespace().next_back().unwrap_or_default()
}

#[test]
fn a_lock_and_a_run_directory_are_verified_on_any_threads_and_in_any_order() {
    let folder = tempdir().expect("a folder can be made");
    let (run, lock) = (folder.path().join("run"), folder.path().join("run.lock"));
    let summary = sottovoce(&["run", "--json", "--lock", name(&lock)]).small().out(&run).ok().json();
    let chain = summary["chain"].as_str().expect("the chain is text");
    for record in [&run, &lock] {
        for how in [&[][..], &["--threads", "1"], &["--threads", "8", "--arrival", "3"], &["--arrival", "4"]]
        {
            let said = sottovoce(&["verify", name(record)]).args(how).ok().out();
            assert!(said.starts_with("same") && last(&said) == chain, "{how:?}: {said}");
        }
        let said = sottovoce(&["verify", name(record), "--rounds", "2"]).ok().out();
        assert!(said.contains("2 rounds") && last(&said) != chain, "{said}");
        let verdict = sottovoce(&["verify", name(record), "--json"]).ok().json();
        assert_eq!((&verdict["rounds"], &verdict["chain"]), (&4.into(), &summary["chain"]));
        assert!(verdict["difference"].is_null(), "{verdict}");
    }
    // Run again, the lock is the same file.
    let again = folder.path().join("again.lock");
    sottovoce(&["run", "--threads", "1", "--lock", name(&again)]).small().ok();
    assert_eq!(bytes(&lock), bytes(&again));
}

#[test]
fn a_record_of_something_else_is_told_apart() {
    let folder = tempdir().expect("a folder can be made");
    let (run, lock) = (folder.path().join("run"), folder.path().join("run.lock"));
    sottovoce(&["run", "--lock", name(&lock)]).small().out(&run).ok();
    // Another configuration is not this run, whatever it would come to.
    let done = sottovoce(&["verify", name(&lock), "--set", "seed=8"]).done();
    assert!(done.code == Some(1) && done.out().contains("configuration"), "{}", done.out());

    // A message that is on record otherwise: round, client and stage.
    let journal = run.join("egress.jsonl");
    let text = String::from_utf8(bytes(&journal)).expect("JSON is UTF-8");
    let rounds = run.join("rounds.jsonl");
    let line: Vec<&str> = text.lines().filter(|l| l.starts_with("{\"round\":2,")).collect();
    let digest = serde_json::from_str::<serde_json::Value>(line[1]).expect("a line is JSON");
    let (client, digest) = (digest["client"].clone(), digest["checksum"].as_str().expect("text").to_owned());
    let other = digest.replace(|c: char| c.is_ascii_digit(), "0");
    fs::write(&journal, text.replace(&digest, &other)).expect("the journal can be written");
    let text = String::from_utf8(bytes(&rounds)).expect("JSON is UTF-8");
    let line: serde_json::Value =
        serde_json::from_str(text.lines().nth(2).expect("four rounds")).expect("a line is JSON");
    let leaf = line["leaves"]["messages"].as_str().expect("a leaf is text");
    fs::write(&rounds, text.replace(leaf, &"0".repeat(32))).expect("the journal can be written");
    let done = sottovoce(&["verify", name(&run), "--json"]).done();
    let verdict = done.json();
    assert_eq!(done.code, Some(1));
    let found = &verdict["difference"];
    assert_eq!((&found["round"], &found["client"]), (&2.into(), &client), "{verdict}");
    assert_eq!(found["stage"], "message");
}

/// Truncation at every length and 10,000 flipped bits: always an error, never another run.
#[test]
fn a_damaged_lock_is_an_error() {
    let folder = tempdir().expect("a folder can be made");
    let path = folder.path().join("run.lock");
    sottovoce(&["run", "--lock", name(&path)]).small().ok();
    let good = bytes(&path);
    let read = |content: &[u8]| Lock::parse(content, &path);
    let whole = read(&good).expect("what was just written");
    for length in 0..good.len() {
        // Without its last line feed it still says the same.
        match read(&good[..length]) {
            Ok(lock) => assert!(lock == whole && length == good.len() - 1, "{length} bytes"),
            Err(error) => assert!(matches!(error, LockError::Damaged { .. }), "{error}"),
        }
    }
    let mut stream = Address::new(1, Purpose::Test).stream();
    for _ in 0..10_000 {
        let bit = sampling::index(&mut stream, good.len() * 8);
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match read(&flipped) {
            // White space at the end.
            Ok(lock) => assert!(lock == whole && bit / 8 == good.len() - 1, "bit {bit}"),
            Err(error) => assert!(matches!(error, LockError::Damaged { .. }), "{error}"),
        }
    }
    // A checkout that changed the line ends.
    let windows = String::from_utf8(good.clone()).expect("text").replace('\n', "\r\n");
    assert_eq!(read(windows.as_bytes()).expect("the same but for line ends"), whole);

    let text = String::from_utf8(good).expect("text");
    let (sealed, _) = text.split_once("\n[seal]\n").expect("a seal");
    let other = sealed.replace(&format!("contract = {CONTRACT}\n"), "contract = 1\n");
    let seal = sottovoce::core::Digest::of(other.as_bytes());
    let other = format!("{other}\n[seal]\nblake3 = \"{seal}\"\n");
    assert!(matches!(read(other.as_bytes()), Err(LockError::Contract { got: 1, .. })));
    fs::write(&path, other).expect("the lock can be written");
    let message = sottovoce(&["verify", name(&path)]).fails(2);
    assert!(message.contains("contract 1"), "{message}");
}

#[test]
fn differences_of_configuration_are_found_down_to_the_number() {
    let folder = tempdir().expect("a folder can be made");
    let run = |what: &str, overrides: &[&str]| {
        let out = folder.path().join(what);
        sottovoce(&["run"]).small().set(overrides).out(&out).ok();
        out
    };
    let (a, same) = (run("a", &[]), run("same", &[]));
    let said = sottovoce(&["diff", name(&a), name(&same)]).ok().out();
    assert!(said.contains("rounds         same, all 4") && said.contains("configuration  same"), "{said}");

    let b = run("b", &["local.optimiser.lr=4.0001"]);
    let done = sottovoce(&["diff", "--json", name(&a), name(&b)]).done();
    assert_eq!(done.code, Some(1), "{}", done.err());
    let found = done.json();
    assert_eq!(found["configuration"][0]["what"], "local.optimiser.lr");
    let first = &found["first"];
    assert_eq!((&first["round"], &first["stage"]), (&0.into(), &"message".into()), "{found}");
    let value = |side: &str| first["value"][side].as_f64().expect("both runs have the row");
    let (x, y) = (value("a"), value("b"));
    assert!(x != y && (x - y).abs() < 1e-3 * x.abs(), "{first}");
    let done = sottovoce(&["diff", "--no-numbers", "--json", name(&a), name(&b)]).done();
    assert!(done.json()["first"]["value"].is_null() && done.code == Some(1));

    let c = run("c", &["rounds.dropout=0.4"]);
    let found = sottovoce(&["diff", "--json", name(&a), name(&c)]).done().json();
    assert_eq!(found["first"]["stage"], "message");
    assert!(found["first"]["note"].as_str().is_some_and(|n| n.contains("dropped out")), "{found}");

    let message = sottovoce(&["diff", name(&a), name(folder.path())]).fails(2);
    assert!(message.contains("config.toml"), "{message}");
}

#[test]
fn a_run_that_is_not_one_run_has_no_lock() {
    let folder = tempdir().expect("a folder can be made");
    let (run, lock) = (folder.path().join("run"), folder.path().join("run.lock"));
    let stopped = sottovoce(&["run", "--stop-after", "2", "--lock", name(&lock)]).small().out(&run).done();
    assert!(stopped.code == Some(130) && !lock.exists(), "{}", stopped.err());
    let other = ["rounds.count=6"];
    let message = sottovoce(&["run", "--resume"]).small().set(&other).out(&run).fails(2);
    assert!(message.contains("rounds.count is 4 there and 6 here"), "{message}");
    assert!(message.contains("--allow-config-change"), "{message}");
    let changing = ["run", "--resume", "--allow-config-change", "--quiet"];
    let message =
        sottovoce(&changing).args(&["--lock", name(&lock)]).small().set(&other).out(&run).done().err();
    assert!(message.contains("changed its configuration"), "{message}");
    let message = sottovoce(&["verify", name(&run)]).fails(2);
    assert!(message.contains("changed its configuration"), "{message}");
}
