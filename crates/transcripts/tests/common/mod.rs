//! Files of one's own, read as a run reads them.

// Every file of tests is a program of its own and uses a part of this.
#![allow(dead_code)]

pub(crate) mod made;

use sottovoce_transcripts::Transcript;
use sottovoce_transcripts::readers::{Draw, ReadError, ReadReport, Reason, Source, read};
use std::ops::ControlFlow;
use std::path::Path;
use tempfile::{TempDir, tempdir};

pub(crate) type Got = Result<(Vec<Transcript>, ReadReport), ReadError>;

pub(crate) fn read_all(source: &Source) -> Got {
    let mut got = Vec::new();
    let report = read(source, &mut |t| {
        got.push(t);
        ControlFlow::Continue(())
    })?;
    Ok((got, report))
}

/// As a run reads: 20 % are drawn for test, 1 % may be rejected.
pub(crate) fn as_a_run(path: impl AsRef<Path>) -> Source {
    let draw = Some(Draw { seed: 7, share: 0.2, from_train: false });
    Source { draw, max_rejected: 0.01, ..Source::new([path.as_ref()]) }
}

/// A folder with these files.
pub(crate) fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    folder
}

pub(crate) fn one(name: &str, bytes: impl AsRef<[u8]>) -> Got {
    let folder = folder(&[(name, bytes.as_ref())]);
    read_all(&as_a_run(folder.path().join(name)))
}

pub(crate) fn refused(name: &str, bytes: impl AsRef<[u8]>) -> String {
    one(name, bytes).unwrap_err().to_string()
}

/// Rows of `text,intent`: two intents in turn, Chinese and English.
pub(crate) fn rows(n: usize) -> Vec<(String, &'static str)> {
    (0..n)
        .map(|i| {
            if i.is_multiple_of(2) {
                (format!("我要退款 {i}"), "refund")
            } else {
                (format!("let me in {i}"), "login")
            }
        })
        .collect()
}

pub(crate) fn csv(n: usize) -> String {
    let lines: Vec<String> = rows(n).into_iter().map(|(text, intent)| format!("{text},{intent}\n")).collect();
    format!("text,intent\n{}", lines.concat())
}

pub(crate) fn said(got: &[Transcript]) -> Vec<(&str, &str)> {
    got.iter().map(|t| (t.customer_text().next().unwrap(), t.intent.as_str())).collect()
}

pub(crate) fn reasons(report: &ReadReport) -> Vec<(Reason, u64)> {
    report.reasons.iter().map(|(r, n)| (*r, *n)).collect()
}

pub(crate) fn encoded(text: &str, name: &str) -> Vec<u8> {
    encoding_rs::Encoding::for_label(name.as_bytes()).unwrap().encode(text).0.into_owned()
}
