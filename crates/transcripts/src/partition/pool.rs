//! The part of a transcript that partitioning looks at: labels and keys as numbers, without text.

use crate::{Language, Split, Transcript};
use std::collections::BTreeMap;

/// A transcript without its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// Index of the intent in [`Pool::labels`].
    pub label: u32,
    /// Index of the natural client key in [`Pool::client_keys`].
    pub client_key: Option<u32>,
    /// Main language.
    pub language: Language,
    /// Index of the domain in [`Pool::domains`].
    pub domain: Option<u32>,
    /// Seconds since 1970-01-01 UTC.
    pub timestamp: Option<i64>,
}

/// Items of a data set by split, with what their numbers stand for. All names are in ascending order, so that
/// the numbers do not depend on the order of rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pool {
    /// Intents.
    pub labels: Vec<String>,
    /// Natural client keys.
    pub client_keys: Vec<String>,
    /// Domains.
    pub domains: Vec<String>,
    /// Training items, in order of reading.
    pub train: Vec<Item>,
    /// Validation items, in order of reading.
    pub validation: Vec<Item>,
    /// Test items, in order of reading.
    pub test: Vec<Item>,
}

/// Collects a [`Pool`] while transcripts stream by.
#[derive(Debug, Default)]
pub struct PoolBuilder {
    labels: Interner,
    client_keys: Interner,
    domains: Interner,
    pool: Pool,
}

impl PoolBuilder {
    /// Notes a transcript; its place in its split is its item's index there.
    pub fn push(&mut self, transcript: &Transcript) {
        let item = Item {
            label: self.labels.number(&transcript.intent),
            client_key: transcript.client.as_deref().map(|c| self.client_keys.number(c)),
            language: transcript.language,
            domain: transcript.domain.as_deref().map(|d| self.domains.number(d)),
            timestamp: transcript.timestamp,
        };
        match transcript.split {
            Split::Train => self.pool.train.push(item),
            Split::Validation => self.pool.validation.push(item),
            Split::Test => self.pool.test.push(item),
        }
    }

    /// The pool, with numbers in the order of names.
    pub fn finish(self) -> Pool {
        let mut pool = self.pool;
        let (labels, label_rank) = self.labels.sorted();
        let (client_keys, key_rank) = self.client_keys.sorted();
        let (domains, domain_rank) = self.domains.sorted();
        for item in pool.train.iter_mut().chain(&mut pool.validation).chain(&mut pool.test) {
            item.label = label_rank[item.label as usize];
            item.client_key = item.client_key.map(|k| key_rank[k as usize]);
            item.domain = item.domain.map(|d| domain_rank[d as usize]);
        }
        Pool { labels, client_keys, domains, ..pool }
    }
}

/// Numbers names in order of first sight.
#[derive(Debug, Default)]
struct Interner(BTreeMap<String, u32>);

impl Interner {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.0.get(name) {
            return *number;
        }
        let number = u32::try_from(self.0.len()).expect("four billion names do not fit into memory");
        self.0.insert(name.to_owned(), number);
        number
    }

    /// Names in ascending order, and for each first-sight number its place in that order.
    fn sorted(self) -> (Vec<String>, Vec<u32>) {
        let mut rank = vec![0; self.0.len()];
        let mut names = Vec::with_capacity(self.0.len());
        for ((name, number), place) in self.0.into_iter().zip(0u32..) {
            rank[number as usize] = place;
            names.push(name);
        }
        (names, rank)
    }
}
