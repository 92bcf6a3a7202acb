//! The command as a test calls it: arguments and input go in, exit code and both streams come out.

// Every file of tests is a program of its own and uses a part of this.
#![allow(dead_code)]

use serde_json::Value;
use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_sottovoce");

/// Overrides that make the quickstart take a fraction of a second.
pub(crate) const SMALL: &[&str] = &[
    "data.synthetic.clients=8",
    "data.synthetic.transcripts_per_client=15",
    "data.test_examples=60",
    "features.buckets=2048",
    "local.optimiser.lr=4.0",
    "rounds.count=4",
    "rounds.cohort.size=4",
    "baselines.centralised=false",
    "baselines.local_only_clients=0",
];

/// A call of the command that has not been made yet.
pub(crate) struct Call {
    command: Command,
    input: Vec<u8>,
}

/// A call that has ended.
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// A call with these words.
pub(crate) fn sottovoce(words: &[&str]) -> Call {
    let mut command = Command::new(PROGRAM);
    command.args(words);
    Call { command, input: Vec::new() }
}

impl Call {
    pub(crate) fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.command.arg(word);
        self
    }

    pub(crate) fn args(mut self, words: &[&str]) -> Self {
        self.command.args(words);
        self
    }

    pub(crate) fn set(mut self, overrides: &[&str]) -> Self {
        for o in overrides {
            self.command.args(["--set", o]);
        }
        self
    }

    pub(crate) fn small(self) -> Self {
        self.set(SMALL)
    }

    pub(crate) fn out(self, directory: &Path) -> Self {
        self.arg("--out").arg(directory)
    }

    pub(crate) fn input(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.input = bytes.as_ref().to_vec();
        self
    }

    /// Starts the call and leaves it running.
    pub(crate) fn start(mut self) -> std::process::Child {
        self.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.command.spawn().expect("the program under test can be started")
    }

    pub(crate) fn done(mut self) -> Done {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("the program under test can be started");
        let mut stdin = child.stdin.take().expect("standard input is a pipe");
        let input = self.input;
        // On a thread of its own, or two full pipes would wait for each other. A program that does not read its
        // input closes the pipe: no error here.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().expect("the program under test can be waited for");
        writer.join().expect("the writing thread does not panic");
        Done { code: output.status.code(), stdout: output.stdout, stderr: output.stderr }
    }

    /// Makes the call, which has to succeed.
    pub(crate) fn ok(self) -> Done {
        let done = self.done();
        assert_eq!(done.code, Some(0), "{}", done.err());
        done
    }

    /// Makes the call, which has to fail with `code`, without a panic and without output. Returns what it said.
    pub(crate) fn fails(self, code: i32) -> String {
        let done = self.done();
        assert_eq!(done.code, Some(code), "{}{}", done.out(), done.err());
        assert!(!done.err().contains("panicked"), "{}", done.err());
        assert_eq!(done.out(), "");
        done.err()
    }
}

impl Done {
    pub(crate) fn out(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("standard output is UTF-8")
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8(self.stderr.clone()).expect("standard error is UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).expect("standard output is JSON")
    }
}

/// The bytes of a file.
pub(crate) fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The names of a folder's files, in order.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let entries = entries.map(|entry| entry.expect("an entry"));
    let files = entries.filter(|entry| entry.path().is_file());
    let mut names: Vec<String> =
        files.map(|entry| entry.file_name().into_string().expect("a plain name")).collect();
    names.sort();
    names
}

/// Every file of a folder with its content.
pub(crate) fn contents(folder: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    names(folder).into_iter().map(|name| (name.clone(), bytes(&folder.join(name)))).collect()
}

/// Copies the files of a folder into a new one.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for (name, content) in contents(from) {
        std::fs::write(to.join(name), content).expect("a file can be written");
    }
}

/// A file of JSON.
pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_slice(&bytes(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A file of JSON Lines.
pub(crate) fn json_lines(path: &Path) -> Vec<Value> {
    let text = String::from_utf8(bytes(path)).expect("JSON is UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("every line is JSON")).collect()
}

/// The sum of a number over lines.
pub(crate) fn sum(lines: &[Value], key: &str) -> u64 {
    lines.iter().map(|line| line[key].as_u64().unwrap_or_else(|| panic!("no number {key} in {line}"))).sum()
}

/// An array of rows, as NumPy writes it.
pub(crate) fn write_npy(path: &Path, cols: usize, numbers: &[f32]) {
    let text =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {cols}), }}", numbers.len() / cols);
    let header = format!("{text:<117}\n");
    let mut file = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    file.extend_from_slice(header.as_bytes());
    numbers.iter().for_each(|n| file.extend(n.to_le_bytes()));
    std::fs::write(path, file).expect("a file can be written");
}
