//! Masking personal data: bytes a second on one thread, in text with and without any.

#![allow(missing_docs)] // A bench is a program whose output is its purpose.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sottovoce::transcripts::deident::{Policy, Redactor};
use sottovoce::transcripts::{Synthetic, SyntheticConfig};
use std::hint::black_box;

fn texts(personal_data: f64) -> Vec<String> {
    let config = SyntheticConfig { personal_data, ..SyntheticConfig::default() };
    let corpus = Synthetic::new(config).expect("the default configuration with another share");
    let transcripts = (0..10).flat_map(|client| corpus.transcripts(1, client));
    transcripts.flat_map(|t| t.customer_text().map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn redaction(c: &mut Criterion) {
    let redactor = Redactor::new(Policy::default());
    let mut group = c.benchmark_group("redaction");
    for share in [0.0, 0.12, 1.0] {
        let texts = texts(share);
        let bytes: usize = texts.iter().map(String::len).sum();
        group.throughput(Throughput::Bytes(bytes as u64));
        let id = BenchmarkId::new(
            format!("personal_data_{share}"),
            format!("{}x{}B", texts.len(), bytes / texts.len()),
        );
        group.bench_function(id, |b| {
            b.iter(|| {
                for text in &texts {
                    black_box(redactor.redact(text));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, redaction);
criterion_main!(benches);
