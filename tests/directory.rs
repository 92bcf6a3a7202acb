//! Run directories: a refusal changes nothing, a run goes on only on what it began with, and `verify` and `diff` see every
//! file.

mod common;

use common::{PROGRAM, bytes, contents, copy, json, names, sottovoce};
use sottovoce::core::{Address, Purpose, Stream, sampling};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::{TempDir, tempdir};

fn name(path: &Path) -> &str {
    path.to_str().expect("a temporary folder has a plain name")
}

/// Files of transcripts, of which `changed` others are there with the same names.
fn data(folder: &Path, file: &str, changed: bool) -> PathBuf {
    let written = sottovoce(&["data", "synth"]).small().ok().out();
    let lines: Vec<&str> = written.lines().collect();
    // The last training transcript goes.
    let last =
        lines.iter().rposition(|line| line.contains("\"split\":\"train\"")).expect("one is trained on");
    let kept = lines.iter().enumerate().filter(|(i, _)| !changed || *i != last);
    let path = folder.join(file);
    fs::write(&path, kept.map(|(_, line)| format!("{line}\n")).collect::<String>())
        .expect("a file can be written");
    path
}

/// A folder with data and what a run on them is given.
struct Setting {
    folder: TempDir,
    set: Vec<String>,
}

impl Setting {
    fn new() -> Self {
        let folder = tempdir().expect("a folder can be made");
        let path = data(folder.path(), "d.jsonl", false);
        let set = vec![
            format!("data={{path={:?},unit=\"dialogue\"}}", name(&path)),
            "rounds.checkpoint_every=1".to_owned(),
            "rounds.count=5".to_owned(),
        ];
        Self { folder, set }
    }
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    fn run(&self, out: &str, words: &[&str]) -> common::Call {
        let set: Vec<&str> = self.set.iter().map(String::as_str).collect();
        sottovoce(&["run", "--quiet"]).small().set(&set).args(words).out(&self.path(out))
    }
    fn stopped(&self, out: &str, rounds: &str) {
        let done = self.run(out, &["--stop-after", rounds]).done();
        assert_eq!(done.code, Some(130), "{}", done.err());
    }
}

#[test]
fn a_refusal_changes_nothing() {
    let s = Setting::new();
    s.run("finished", &[]).ok();
    s.stopped("stopped", "3");
    s.stopped("earlier", "2");
    let other = |what: &str| s.run(what, &["--resume", "--set", "local.optimiser.lr=2.0"]);
    for what in ["finished", "stopped"] {
        let before = contents(&s.path(what));
        let said = other(what).fails(2);
        assert!(said.contains("local.optimiser.lr is 4.0 there and 2.0 here"), "{said}");
        assert!(said.contains("--allow-config-change"), "{said}");
        assert_eq!(contents(&s.path(what)), before);
    }

    // Other data under the same name, for a run that has ended and for one that has not.
    let good = bytes(&s.path("d.jsonl"));
    data(s.folder.path(), "d.jsonl", true);
    for what in ["finished", "stopped"] {
        for words in [&["--resume"][..], &["--resume", "--allow-config-change", "--set", "rounds.count=6"]] {
            let before = contents(&s.path(what));
            let said = s.run(what, words).fails(2);
            assert!(said.contains("other data: data file d.jsonl"), "{said}");
            assert_eq!(contents(&s.path(what)), before);
        }
        let done = sottovoce(&["verify", "--quiet", name(&s.path(what))]).done();
        assert!(
            done.code == Some(1) && done.out().contains("data file d.jsonl"),
            "{}{}",
            done.out(),
            done.err()
        );
    }
    fs::write(s.path("d.jsonl"), good).expect("the data can be put back");

    // Files that are not of this run, or no longer what it wrote.
    let line = |text: &[u8]| text.iter().position(|b| *b == b'\n').expect("a line") + 1;
    let mut digit = bytes(&s.path("stopped/rounds.jsonl"));
    let at = digit.windows(7).position(|w| w == b"\"loss\":").expect("it has a loss") + 9;
    digit[at] = if digit[at] == b'1' { b'2' } else { b'1' };
    let egress = bytes(&s.path("stopped/egress.jsonl"));
    for (file, content) in [
        ("checkpoint.bin", bytes(&s.path("earlier/checkpoint.bin"))),
        ("rounds.jsonl", bytes(&s.path("stopped/rounds.jsonl"))[..20].to_vec()),
        ("rounds.jsonl", digit),
        ("egress.jsonl", egress[line(&egress)..].to_vec()),
        ("egress.jsonl", [&egress[line(&egress)..], &egress[..line(&egress)]].concat()),
        ("manifest.json", b"{}".to_vec()),
        ("config.toml", b"seed = 1".to_vec()),
    ] {
        let out = s.path("copy");
        let _ = fs::remove_dir_all(&out);
        copy(&s.path("stopped"), &out);
        fs::write(out.join(file), &content).expect("a file can be written");
        let before = contents(&out);
        let done = s.run("copy", &["--resume"]).done();
        if file == "config.toml" || file == "checkpoint.bin" {
            // What is not looked at is written anew, and an older checkpoint of the same run is one to go on from.
            assert_eq!(done.code, Some(0), "{}", done.err());
            assert_eq!(bytes(&out.join("model.safetensors")), bytes(&s.path("finished/model.safetensors")));
            continue;
        }
        assert_eq!(done.code, Some(2), "{file}: {}", done.err());
        assert!(done.err().contains(file), "{file}: {}", done.err());
        assert_eq!(contents(&out), before, "{file}");
    }

    // A checkpoint of a run on other data.
    data(s.folder.path(), "d.jsonl", true);
    s.stopped("foreign", "2");
    data(s.folder.path(), "d.jsonl", false);
    let out = s.path("copy");
    let _ = fs::remove_dir_all(&out);
    copy(&s.path("stopped"), &out);
    for generation in ["checkpoint.bin", "checkpoint.previous.bin"] {
        fs::copy(s.path("foreign").join(generation), out.join(generation)).expect("it can be put there");
    }
    let before = contents(&out);
    let said = s.run("copy", &["--resume"]).fails(2);
    assert!(said.contains("a checkpoint that is not of this run"), "{said}");
    assert_eq!(contents(&out), before);
}

/// A folder of somebody else's is left alone, the second time as the first.
#[test]
fn a_folder_that_is_no_run_directory_is_never_taken() {
    let s = Setting::new();
    for file in ["config.toml", "summary.json", "notes", "rounds.jsonl", ".lock"] {
        let out = s.path("mine");
        let _ = fs::remove_dir_all(&out);
        fs::create_dir(&out).expect("a folder can be made");
        fs::write(out.join(file), "precious").expect("a file can be written");
        fs::write(out.join("other"), "precious").expect("a file can be written");
        let before = contents(&out);
        for words in [&[][..], &["--resume"], &["--resume", "--allow-config-change"], &[], &["--resume"]] {
            let said = s.run("mine", words).fails(2);
            assert!(said.contains("is not empty") || said.contains("is no run directory"), "{said}");
            assert_eq!(contents(&out), before, "{file} {words:?}");
        }
    }
}

/// What happens to the content of a file.
type Change<'a> = &'a dyn Fn(&mut Vec<u8>);

#[test]
fn verify_and_diff_see_every_file() {
    let s = Setting::new();
    s.run("good", &[]).ok();
    s.run("same", &["--threads", "1"]).ok();
    let verify = |run: &Path| sottovoce(&["verify", "--quiet", name(run)]).done();
    let diff = |run: &Path| sottovoce(&["diff", "--quiet", name(&s.path("good")), name(run)]).done();
    assert_eq!(diff(&s.path("same")).code, Some(0));
    let out = s.path("changed");
    let changed = |file: &str, change: Change<'_>| {
        let _ = fs::remove_dir_all(&out);
        copy(&s.path("good"), &out);
        let mut content = bytes(&out.join(file));
        change(&mut content);
        fs::write(out.join(file), content).expect("a file can be written");
    };
    let put = |text: &'static str, by: &'static str| {
        move |content: &mut Vec<u8>| {
            let at = content.windows(text.len()).position(|w| w == text.as_bytes());
            let at = at.unwrap_or_else(|| panic!("{text} stands there")) + text.len();
            content.splice(at..at, by.bytes());
        }
    };
    let cut = |content: &mut Vec<u8>| {
        let first = content.iter().position(|b| *b == b'\n').expect("a line") + 1;
        content.drain(..first);
    };
    let twice = |content: &mut Vec<u8>| {
        let first = content.iter().position(|b| *b == b'\n').expect("a line") + 1;
        let line = content[..first].to_vec();
        content.extend(line);
    };
    let other_digit = |content: &mut Vec<u8>| {
        let at = content.windows(11).position(|w| w == b"\"digest\": \"").expect("it has one") + 11;
        content[at] = if content[at] == b'0' { b'1' } else { b'0' };
    };
    let all: [(&str, Change<'_>, &str); 13] = [
        ("model.safetensors", &|m| m.iter_mut().rev().take(8).for_each(|b| *b ^= 1), "model.safetensors"),
        ("egress.jsonl", &cut, "egress.jsonl line 1"),
        ("egress.jsonl", &twice, "egress.jsonl line"),
        ("egress.jsonl", &put("\"bytes\":", "1"), "egress.jsonl line 1: bytes"),
        ("rounds.jsonl", &put("\"loss\":", "9"), "rounds.jsonl line 1: loss"),
        ("rounds.jsonl", &put("\"bytes_up\":", "9"), "rounds.jsonl line 1: bytes_up"),
        ("rounds.jsonl", &twice, "rounds.jsonl line"),
        ("rounds.jsonl", &|m| m.truncate(m.len() / 2), "rounds.jsonl line"),
        ("clients.jsonl", &put("\"correct\":", "9"), "clients.jsonl line 1: correct"),
        ("clients.jsonl", &cut, "clients.jsonl line 1"),
        ("summary.json", &other_digit, "summary.json: digest"),
        ("summary.json", &put("\"accuracy\": 0.", "99"), "summary.json"),
        ("summary.json", &put("\"bytes_up\": ", "9"), "summary.json: bytes_up"),
    ];
    for (file, change, says) in all {
        changed(file, change);
        let done = verify(&out);
        assert_eq!(done.code, Some(1), "{file} {says}: {}{}", done.out(), done.err());
        assert!(done.out().starts_with("DIFFERENT") && done.out().contains(says), "{says}: {}", done.out());
        let done = diff(&out);
        assert_eq!(done.code, Some(1), "diff {file} {says}: {}{}", done.out(), done.err());
        let compared = sottovoce(&["compare", name(&out), name(&s.path("good"))]).done();
        assert!(compared.code == Some(2) && compared.err().contains(file), "{file}: {}", compared.err());
    }
    // Another configuration than the manifest's, and a manifest of something else.
    changed("config.toml", &put("seed = ", "8"));
    let done = verify(&out);
    assert!(done.code == Some(1) && done.out().contains("configuration"), "{}{}", done.out(), done.err());
    changed("manifest.json", &put("\"training_clients\": ", "9"));
    let done = verify(&out);
    assert!(done.code == Some(1) && done.out().contains("training_clients"), "{}{}", done.out(), done.err());
    // What cannot be read is no difference.
    changed("manifest.json", &|m| m.truncate(10));
    assert_eq!(verify(&out).code, Some(2));
    changed("summary.json", &|m| m.truncate(10));
    assert_eq!((verify(&out).code, diff(&out).code), (Some(2), Some(2)));
}

#[test]
fn a_run_that_has_not_ended_is_verified_as_far_as_it_came() {
    let s = Setting::new();
    s.stopped("run", "3");
    let run = s.path("run");
    let verify = || sottovoce(&["verify", "--quiet", name(&run)]).done();
    let done = verify();
    assert!(
        done.code == Some(0) && done.out().contains("3 rounds of a run that was interrupted after 3"),
        "{}",
        done.out()
    );
    // As a kill leaves it: no summary, half a line.
    for file in ["summary.json", "BLAKE3SUMS", "model.safetensors", "clients.jsonl"] {
        fs::remove_file(run.join(file)).expect("an interrupted run has it");
    }
    for file in ["rounds.jsonl", "egress.jsonl"] {
        let mut content = bytes(&run.join(file));
        content.truncate(content.len() - 9);
        fs::write(run.join(file), content).expect("a file can be written");
    }
    let done = verify();
    assert_eq!(done.code, Some(0), "{}{}", done.out(), done.err());
    assert!(done.out().contains("2 rounds of a run that has not ended, with 2 on record"), "{}", done.out());
    let json = sottovoce(&["verify", "--quiet", "--json", name(&run)]).ok().json();
    assert!(json["ended"].is_null() && json["recorded"] == 2 && json["rounds"] == 2, "{json}");
}

/// A run that something has happened to goes on to the very files of the run that nothing happened to, or is refused and
/// stays as it is.
#[test]
fn whatever_happens_to_a_run_it_ends_the_same_or_is_refused() {
    let s = Setting::new();
    s.run("whole", &[]).ok();
    s.run("other", &["--set", "seed=8"]).ok();
    let whole = contents(&s.path("whole"));
    let results = [
        "rounds.jsonl",
        "egress.jsonl",
        "clients.jsonl",
        "model.safetensors",
        "config.toml",
        "manifest.json",
    ];
    let times = if std::env::var_os("SOTTOVOCE_THOROUGH").is_some() { 200 } else { 24 };
    let (mut same, mut refused) = (0, 0);
    for time in 0..times {
        let mut stream = Address::new(time, Purpose::Test).stream();
        let out = s.path("run");
        let _ = fs::remove_dir_all(&out);
        let stop = 1 + sampling::index(&mut stream, 5);
        s.run("run", &["--stop-after", &stop.to_string()]).done();
        let what = happen(&mut stream, &s, &out);
        let before = contents(&out);
        let done = s.run("run", &["--resume"]).done();
        data(s.folder.path(), "d.jsonl", false);
        match done.code {
            Some(0) => {
                let after = contents(&out);
                for file in results {
                    assert!(after[file] == whole[file], "{time}, {what}: {file} differs");
                }
                same += 1;
            }
            Some(1 | 2) => {
                assert!(!done.err().contains("panicked"), "{time}, {what}: {}", done.err());
                assert_eq!(contents(&out), before, "{time}, {what}: {}", done.err());
                refused += 1;
            }
            other => panic!("{time}, {what}: exit code {other:?}: {}", done.err()),
        }
    }
    assert!(same > times / 6 && refused > times / 6, "{same} the same, {refused} refused");
}

/// Something that happens to a run directory, or to the data.
fn happen(stream: &mut Stream, s: &Setting, out: &Path) -> String {
    let files = names(out);
    let file = files[sampling::index(stream, files.len())].clone();
    let path = out.join(&file);
    let content = bytes(&path);
    let (what, content) = match sampling::index(stream, 7) {
        0 => ("nothing", content),
        1 => (
            "truncated",
            content[..sampling::index(stream, content.len().max(1)).min(content.len())].to_vec(),
        ),
        2 => ("extended", [&content[..], b"{}\n"].concat()),
        3 => {
            let mut content = content;
            if !content.is_empty() {
                let bit = sampling::index(stream, content.len() * 8);
                content[bit / 8] ^= 1 << (bit % 8);
            }
            ("a flipped bit", content)
        }
        4 => ("swapped", fs::read(s.path("other").join(&file)).unwrap_or(content)),
        5 => {
            fs::remove_file(&path).expect("a file can be removed");
            return format!("{file} removed");
        }
        _ => {
            data(s.folder.path(), "d.jsonl", true);
            return "other data".to_owned();
        }
    };
    fs::write(&path, content).expect("a file can be written");
    format!("{file} {what}")
}

/// Sends `signal` when `ready` says so.
fn signalled(mut child: std::process::Child, signal: &str, ready: impl Fn() -> bool) -> Option<i32> {
    for _ in 0..30_000 {
        if ready() || child.try_wait().expect("it can be looked at").is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(sent.is_ok(), "kill can be run");
    child.wait().expect("the program under test can be waited for").code()
}

#[cfg(unix)]
#[test]
fn a_signal_ends_reading_and_baselines_too() {
    let folder = tempdir().expect("a folder can be made");
    let (out, whole) = (folder.path().join("run"), folder.path().join("whole"));
    // Baselines that take long, and rounds that do not.
    let long = |clients: usize, epochs: usize| {
        let training = format!("{{epochs={epochs},batch=8,optimiser={{kind=\"sgd\",lr=20.0}}}}");
        format!("baselines={{local_only_clients={clients},training={training}}}")
    };
    let words = ["run", "--quiet", "--threads", "1", "--set", "data.synthetic.transcripts_per_client=300"];
    let call = |set: &[&str], out: &Path| sottovoce(&words[..4]).small().args(&words[4..]).set(set).out(out);
    let slow = long(8, 1000);
    for (signal, code) in [("-TERM", 143), ("-INT", 130)] {
        let _ = fs::remove_dir_all(&out);
        let ended = signalled(call(&[&slow], &out).start(), signal, || out.join("clients.jsonl").exists());
        assert_eq!(ended, Some(code), "{signal} in baselines");
        assert!(out.join("checkpoint.bin").exists() && !out.join("BLAKE3SUMS").exists());
    }
    // What follows is made again, under its own configuration.
    let quick = long(8, 1);
    let changing = ["--resume", "--allow-config-change", "--json"];
    let resumed = call(&[&quick], &out).args(&changing).ok().json();
    let summary = call(&[&quick], &whole).args(&["--json"]).ok().json();
    assert_eq!((&resumed["digest"], &resumed["baselines"]), (&summary["digest"], &summary["baselines"]));

    // While it waits for its data.
    let unread = folder.path().join("unread");
    let set: Vec<String> = common::SMALL.iter().map(|s| (*s).to_owned()).collect();
    let large = ["data.synthetic.clients=2000000", "partition={scheme=\"iid\",clients=10}"];
    let mut command = Command::new(PROGRAM);
    command.args(["run", "--quiet", "--out", name(&unread)]);
    for set in set.iter().map(String::as_str).chain(large) {
        command.args(["--set", set]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().expect("the program under test can be started");
    let begun = std::cell::Cell::new(0);
    let ended = signalled(child, "-TERM", || begun.replace(begun.get() + 1) > 150);
    assert_eq!(ended, Some(143), "while reading");
    assert!(!unread.exists(), "nothing was begun");
}

#[test]
fn a_lock_replaces_a_lock_and_nothing_else() {
    let folder = tempdir().expect("a folder can be made");
    let (out, notes) = (folder.path().join("run"), folder.path().join("notes.txt"));
    fs::write(&notes, "precious").expect("a file can be written");
    let missing = folder.path().join("missing").join("run.lock");
    for (lock, says) in [
        (&notes, "is no lock"),
        (&missing, "its folder does not exist"),
        (&folder.path().to_owned(), "is a folder"),
    ] {
        let said = sottovoce(&["run", "--quiet", "--lock", name(lock)]).small().out(&out).fails(2);
        assert!(said.contains(says), "{said}");
        assert!(!out.exists(), "it is found before the run");
    }
    assert_eq!(bytes(&notes), b"precious");
    let lock = folder.path().join("run.lock");
    let run = || sottovoce(&["run", "--quiet", "--lock", name(&lock)]).small().ok();
    run();
    let good = bytes(&lock);
    // A damaged one is a lock that is written again.
    fs::write(&lock, &good[..good.len() / 2]).expect("a file can be written");
    run();
    assert!(bytes(&lock) == good);
}

#[test]
fn a_run_that_has_learned_nothing_says_so() {
    let folder = tempdir().expect("a folder can be made");
    let nobody = "rounds.dropout=0.999999";
    // Below the grid of the sum.
    let still = "local.optimiser.lr=1e-20";
    for (set, says) in [(nobody, "no client's answer ever counted"), (still, "bit for bit what it was")] {
        let out = folder.path().join(says);
        let done = sottovoce(&["run", "--quiet", "--json"]).small().set(&[set]).out(&out).done();
        assert_eq!(done.code, Some(1), "{set}: {}", done.err());
        assert!(done.err().contains("nothing was learned") && done.err().contains(says), "{}", done.err());
        assert_eq!(json(&out.join("summary.json"))["rounds"], 4);
    }
}

/// What a run leaves can tell something about a client: nobody else on the machine reads it.
#[cfg(unix)]
#[test]
fn files_of_a_run_are_the_owners() {
    use std::os::unix::fs::PermissionsExt;
    let s = Setting::new();
    s.run("run", &["--trace"]).ok();
    for folder in [s.path("run"), s.path("run/trace")] {
        for file in names(&folder).into_iter().filter(|file| file != ".lock") {
            let mode = fs::metadata(folder.join(&file)).expect("it is there").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{file} has mode {mode:o}");
        }
    }
}
