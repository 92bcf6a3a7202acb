//! Measurements of the synthetic corpus, for an outside classifier and a stopwatch. Run by hand with
//! `cargo test --release -p sottovoce-transcripts --test synthetic_dump -- --ignored --nocapture`.

use sottovoce_transcripts::{Split, Synthetic, SyntheticConfig, Transcript};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Instant;

fn write(name: &str, transcripts: &[Transcript]) {
    let path = std::env::temp_dir().join(name);
    let mut out = BufWriter::new(File::create(path).unwrap());
    for t in transcripts {
        serde_json::to_writer(&mut out, t).unwrap();
        out.write_all(b"\n").unwrap();
    }
    out.flush().unwrap();
}

#[test]
#[ignore = "writes files and measures time"]
fn dump_the_default_corpus() {
    let corpus = Synthetic::new(SyntheticConfig::default()).unwrap();
    let start = Instant::now();
    let train: Vec<Transcript> =
        (0..corpus.config().clients).flat_map(|c| corpus.transcripts(7, c)).collect();
    let took = start.elapsed();
    let test = corpus.test(7, 2000);
    assert!(test.iter().all(|t| t.split == Split::Test));
    let each = took.as_secs_f64() * 1e6 / train.len() as f64;
    writeln!(std::io::stderr(), "{} transcripts, {each:.2} microseconds each", train.len()).unwrap();
    write("sottovoce-synthetic-train.jsonl", &train);
    write("sottovoce-synthetic-test.jsonl", &test);
}
