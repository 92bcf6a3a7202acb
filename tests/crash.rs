//! Whatever ends a run, it goes on to the same digest: kills, full disks, locked folders, damaged checkpoints.
//!
//! `SOTTOVOCE_THOROUGH=1` asks for as many kills as the project promises; without it a few.

mod common;

use common::{bytes, json, sottovoce};
use sottovoce::core::{Address, Purpose, sampling};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tempfile::tempdir;

const FIFTY: &[&str] = &["rounds.count=50", "rounds.checkpoint_every=1", "rounds.evaluate_every=10"];

fn thorough() -> bool {
    std::env::var_os("SOTTOVOCE_THOROUGH").is_some_and(|v| !v.is_empty())
}

/// Keeps the processors busy until it is dropped.
struct Load(std::sync::Arc<AtomicBool>);

impl Load {
    fn new() -> Self {
        let stop = std::sync::Arc::new(AtomicBool::new(false));
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            let stop = stop.clone();
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Self(stop)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
#[allow(clippy::disallowed_methods)]
fn killed_at_any_moment_it_goes_on_to_the_same_digest() {
    let _load = Load::new();
    let folder = tempdir().expect("a folder can be made");
    let whole = folder.path().join("whole");
    let begin = Instant::now();
    let summary = sottovoce(&["run", "--json"]).small().set(FIFTY).out(&whole).ok().json();
    let length = begin.elapsed();
    let mut stream = Address::new(3, Purpose::Test).stream();
    let (mut killed, mut kills) = (0, 0);
    let wanted = if thorough() { 200 } else { 8 };
    for run in 0..10 * wanted {
        if killed == wanted {
            break;
        }
        let out = folder.path().join(format!("{run}"));
        let mut cut_short = false;
        // Once at least, and again while it goes on, now and then.
        while !cut_short || sampling::chance(&mut stream, 0.3) {
            let mut child = sottovoce(&["run", "--resume"]).small().set(FIFTY).out(&out).start();
            std::thread::sleep(length.mul_f64(sampling::unit(&mut stream)));
            child.kill().expect("a child can be killed");
            let ended = child.wait().expect("the program under test can be waited for").code();
            if ended.is_some() {
                break;
            }
            (cut_short, kills) = (true, kills + 1);
        }
        if cut_short {
            let threads = ["1", "2", "8"][run % 3];
            let resumed = sottovoce(&["run", "--resume", "--json", "--threads", threads]);
            let resumed = resumed.small().set(FIFTY).out(&out).ok().json();
            assert_eq!(
                (&resumed["chain"], &resumed["digest"]),
                (&summary["chain"], &summary["digest"]),
                "run {run}"
            );
            for file in ["rounds.jsonl", "egress.jsonl", "clients.jsonl", "model.safetensors"] {
                assert!(bytes(&out.join(file)) == bytes(&whole.join(file)), "run {run}: {file}");
            }
            killed += 1;
        }
        fs::remove_dir_all(&out).expect("a folder can be removed");
    }
    assert_eq!(killed, wanted, "runs that were killed and went on");
    #[allow(clippy::print_stdout)]
    {
        println!("{killed} runs of 50 rounds, {kills} kills: every one went on to {}", summary["chain"]);
    }
}

#[test]
fn resumed_after_every_round_with_other_threads_it_is_the_same() {
    let folder = tempdir().expect("a folder can be made");
    let whole = folder.path().join("whole");
    sottovoce(&["run"]).small().out(&whole).ok();
    let out = folder.path().join("parts");
    for round in 1..=3u64 {
        let (after, threads) = (round.to_string(), ["1", "8", "2"][round as usize - 1]);
        let words = ["run", "--resume", "--stop-after", &after, "--threads", threads];
        assert_eq!(sottovoce(&words).small().out(&out).done().code, Some(130));
    }
    sottovoce(&["run", "--resume"]).small().out(&out).ok();
    for file in ["rounds.jsonl", "egress.jsonl", "clients.jsonl", "model.safetensors"] {
        assert!(bytes(&out.join(file)) == bytes(&whole.join(file)), "{file}");
    }
    assert_eq!(json(&out.join("summary.json"))["chain"], json(&whole.join("summary.json"))["chain"]);
}

/// A run directory with two generations of checkpoints, after round 3 of 4.
fn stopped(out: &Path) {
    let every = ["rounds.checkpoint_every=1", "features.buckets=64"];
    let words = ["run", "--stop-after", "3"];
    assert_eq!(sottovoce(&words).small().set(&every).out(out).done().code, Some(130));
}

#[test]
fn a_damaged_checkpoint_is_passed_over_for_the_one_before_it() {
    let every = ["rounds.checkpoint_every=1", "features.buckets=64"];
    let folder = tempdir().expect("a folder can be made");
    let whole = folder.path().join("whole");
    let summary = sottovoce(&["run", "--json"]).small().set(&every).out(&whole).ok().json();
    let out = folder.path().join("run");
    stopped(&out);
    let resume = || sottovoce(&["run", "--resume", "--json", "--quiet"]).small().set(&every).out(&out);
    let newest = out.join("checkpoint.bin");
    let mut damaged = bytes(&newest);
    damaged.truncate(1000);
    fs::write(&newest, &damaged).expect("the checkpoint can be damaged");
    let done = resume().ok();
    assert!(done.err().contains("damaged"), "{}", done.err());
    assert_eq!(done.json()["chain"], summary["chain"]);

    // Both generations: nothing is believed.
    for name in ["checkpoint.bin", "checkpoint.previous.bin"] {
        fs::write(out.join(name), &damaged).expect("the checkpoint can be damaged");
    }
    let message = resume().fails(1);
    assert!(message.contains("damaged"), "{message}");

    // A journal that was cut or changed behind the checkpoint's back.
    let out = folder.path().join("other");
    stopped(&out);
    let journal = bytes(&out.join("rounds.jsonl"));
    for (what, content) in [
        ("cut", journal[..journal.len() - 9].to_vec()),
        ("changed", replace(&journal, b"\"messages\":\"", 12)),
    ] {
        fs::write(out.join("rounds.jsonl"), content).expect("the journal can be damaged");
        let message = sottovoce(&["run", "--resume"]).small().set(&every).out(&out).fails(2);
        assert!(message.contains("rounds.jsonl") && message.contains("begin anew"), "{what}: {message}");
    }
}

/// Another digit at so many bytes behind the first place at which `before` stands.
fn replace(content: &[u8], before: &[u8], behind: usize) -> Vec<u8> {
    let at = content.windows(before.len()).position(|w| w == before).expect("it stands there") + behind;
    let mut content = content.to_vec();
    content[at] = if content[at] == b'0' { b'1' } else { b'0' };
    content
}

/// Truncation at every length and 10,000 flipped bits of a real checkpoint.
#[test]
fn no_damage_to_a_checkpoint_is_believed() {
    use sottovoce::simulation::{Checkpoint, CheckpointError};
    let folder = tempdir().expect("a folder can be made");
    let out = folder.path().join("run");
    stopped(&out);
    let good = bytes(&out.join("checkpoint.bin"));
    let config: sottovoce::config::Config =
        toml::from_str(&String::from_utf8(bytes(&out.join("config.toml"))).expect("text"))
            .expect("a configuration");
    let intents = json(&out.join("manifest.json"))["intents"].as_u64().expect("a number") as usize;
    let layout =
        sottovoce::experiment::data::model(&config, intents, None).expect("a model").layout().clone();
    let read = |content: &[u8]| {
        Checkpoint::from_bytes(content, Path::new("checkpoint.bin"), Some(config.digest()), &layout, u64::MAX)
    };
    assert!(read(&good).is_ok());
    let damaged = |content: &[u8]| matches!(read(content), Err(CheckpointError::Damaged { .. }));
    for length in 0..good.len() {
        assert!(damaged(&good[..length]), "{length} bytes");
    }
    let mut stream = Address::new(2, Purpose::Test).stream();
    for _ in 0..10_000 {
        let bit = sampling::index(&mut stream, good.len() * 8);
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(damaged(&flipped), "bit {bit}");
    }
}

#[test]
fn two_processes_do_not_share_a_folder() {
    let folder = tempdir().expect("a folder can be made");
    let out = folder.path().join("run");
    fs::create_dir(&out).expect("a folder can be made");
    let lock = fs::File::create(out.join(".lock")).expect("a file can be made");
    lock.lock().expect("nobody else holds it");
    for words in [&["run"][..], &["run", "--resume"]] {
        let message = sottovoce(words).small().out(&out).fails(2);
        assert!(message.contains("another process"), "{message}");
    }
    drop(lock);
    sottovoce(&["run"]).small().out(&out).ok();
}

/// A device that is always full stands for a full disk, a folder without the right to write for a read-only one.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_and_a_read_only_folder_are_said_by_name() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let every = ["rounds.checkpoint_every=1"];
    let folder = tempdir().expect("a folder can be made");
    let out = folder.path().join("run");
    let words = ["run", "--stop-after", "2"];
    assert_eq!(sottovoce(&words).small().set(&every).out(&out).done().code, Some(130));
    let before = bytes(&out.join("checkpoint.bin"));
    symlink("/dev/full", out.join("checkpoint.bin.partial")).expect("a link can be made");
    let message = sottovoce(&["run", "--resume"]).small().set(&every).out(&out).fails(1);
    assert!(message.contains("checkpoint.bin") && message.contains("bytes: No space left"), "{message}");
    assert!(bytes(&out.join("checkpoint.bin")) == before && !out.join("summary.json.partial").exists());
    // With room again it goes on.
    sottovoce(&["run", "--resume"]).small().set(&every).out(&out).ok();

    let locked = folder.path().join("locked");
    fs::create_dir(&locked).expect("a folder can be made");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).expect("rights can be taken");
    let done = sottovoce(&["run"]).small().out(&locked.join("run")).done();
    // Root may write anywhere.
    if done.code != Some(0) {
        assert!(done.code == Some(1) && done.err().contains("locked"), "{}", done.err());
    }
}
