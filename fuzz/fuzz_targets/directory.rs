//! Any content in any file of a run directory: `verify` and `compare` read it or say why not, and a run that should go on
//! there leaves what it refuses as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sottovoce::compare::{Question, compare};
use sottovoce::experiment::Record;
use sottovoce::experiment::verify::Recorded;
use std::fs;

const FILES: [&str; 6] =
    ["manifest.json", "config.toml", "rounds.jsonl", "egress.jsonl", "summary.json", "BLAKE3SUMS"];

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a folder can be made");
    // The first byte says which files there are, and the rest is cut at zero bytes into their contents.
    let Some((which, rest)) = bytes.split_first() else { return };
    let mut contents = rest.split(|b| *b == 0);
    for (i, name) in FILES.iter().enumerate() {
        if which >> i & 1 == 1 {
            let content = contents.next().unwrap_or_default();
            fs::write(folder.path().join(name), content).expect("a file can be written");
        }
    }
    let before: Vec<_> = FILES.iter().map(|name| fs::read(folder.path().join(name)).ok()).collect();
    if let Err(e) = Recorded::read(folder.path()) {
        let _ = format!("{e}");
    }
    if let Err(e) = Record::reopen(folder.path()) {
        let _ = format!("{e}");
    }
    let runs = [folder.path().to_owned(), folder.path().to_owned()];
    if let Err(e) = compare(&Question { runs: &runs, baseline: None, metrics: &[], confidence: 0.95 }) {
        let _ = format!("{e}");
    }
    let after: Vec<_> = FILES.iter().map(|name| fs::read(folder.path().join(name)).ok()).collect();
    assert_eq!(before, after);
});
