//! Text to hashed n-grams: texts, bytes and n-grams a second on one thread.

#![allow(missing_docs, clippy::print_stdout)] // A bench is a program whose output is its purpose.

#[allow(dead_code)] // Its limits are those of arithmetic and memory, which do not bound hashing.
mod limits;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use limits::fastest_call;
use sottovoce_core::sampling::index;
use sottovoce_core::{Address, Purpose};
use sottovoce_models::{FeatureConfig, Featuriser, Weighting};
use std::hint::black_box;

const TEXTS: usize = 500;
const ENGLISH: &str = "i my the to a card account payment transfer refund balance locked login password app order \
    parcel driver ticket why how cannot still yesterday please help charged twice missing wrong change";
const CHINESE: &str = "我你的了在不能没有红包转账退款订单支付余额登录密码账号冻结怎么为什么还没收到请帮查一下谢谢昨天充值游戏闪退小程序打开";

/// Texts of 12 English words, of 24 Han characters, or of both with full-width digits.
fn texts(language: &str) -> Vec<String> {
    let words: Vec<&str> = ENGLISH.split_whitespace().collect();
    let characters: Vec<char> = CHINESE.chars().collect();
    let mut s = Address::new(1, Purpose::Test).stream();
    let english =
        |n: usize, s: &mut _| (0..n).map(|_| words[index(s, words.len())]).collect::<Vec<_>>().join(" ");
    let han =
        |n: usize, s: &mut _| (0..n).map(|_| characters[index(s, characters.len())]).collect::<String>();
    (0..TEXTS)
        .map(|_| match language {
            "en" => english(12, &mut s),
            "zh" => han(24, &mut s),
            _ => format!("{}，{} １２３", han(12, &mut s), english(6, &mut s)),
        })
        .collect()
}

fn features(c: &mut Criterion) {
    let words = FeatureConfig { char_ngrams: [0, 0], ..FeatureConfig::default() };
    for (name, config) in [("default", FeatureConfig::default()), ("words_and_han", words)] {
        let mut group = c.benchmark_group(format!("features/{name}"));
        for language in ["en", "zh", "mixed"] {
            let texts = texts(language);
            let bytes: usize = texts.iter().map(String::len).sum();
            let mut into = Vec::new();
            let mut every = Featuriser::new(FeatureConfig { weighting: Weighting::Count, ..config.clone() });
            let mut ngrams = 0;
            for text in &texts {
                every.features([text.as_str()], &mut into);
                ngrams += into.len();
            }
            let mut featuriser = Featuriser::new(config.clone());
            group.throughput(Throughput::Bytes(bytes as u64));
            let id = BenchmarkId::new(language, format!("{TEXTS}x{}B", bytes / TEXTS));
            let seconds = fastest_call(&mut group, id, || {
                for text in &texts {
                    black_box(featuriser.features([text.as_str()], &mut into));
                }
            });
            if let Some(seconds) = seconds {
                println!(
                    "features/{name}/{language}: {:.0} texts/s, {:.1} MB/s, {:.1} million n-grams/s on one thread",
                    TEXTS as f64 / seconds,
                    bytes as f64 / seconds / 1e6,
                    ngrams as f64 / seconds / 1e6
                );
            }
        }
        group.finish();
    }
}

criterion_group!(benches, features);
criterion_main!(benches);
