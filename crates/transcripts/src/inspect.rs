//! Inspection: what a partitioned data set looks like, from counts and hashes; no text is kept.

use crate::{Language, Split, Transcript};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use unicode_normalization::UnicodeNormalization;

/// How a number is spread over clients. All zero without clients.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Spread {
    /// Smallest.
    pub min: u64,
    /// Middle one, or the mean of the middle two.
    pub median: f64,
    /// Mean.
    pub mean: f64,
    /// Largest.
    pub max: u64,
    /// Gini coefficient: 0 where all are equal, near 1 where one has everything.
    pub gini: f64,
}

/// Equal texts, under one notion of equality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Duplicates {
    /// Different texts in the whole data set.
    pub distinct: u64,
    /// Training transcripts beyond the first of their text.
    pub repeated_in_train: u64,
    /// Different texts that occur in train and in test.
    pub in_train_and_test: u64,
    /// Test transcripts whose text occurs in train.
    pub test_seen_in_train: u64,
}

/// Equal texts, folded, with different labels: no classifier gets all of them right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Conflicts {
    /// Different texts that have more than one label.
    pub texts: u64,
    /// Transcripts with such a text.
    pub transcripts: u64,
}

/// Summary of a data set and its partition.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// Transcripts.
    pub transcripts: u64,
    /// Clients of the partition.
    pub clients: u64,
    /// Of these, without a training transcript.
    pub empty_clients: u64,
    /// Transcripts that belong to no client.
    pub unassigned: u64,
    /// Training transcripts for each client.
    pub examples: Spread,
    /// Different labels in training for each client.
    pub labels_per_client: Spread,
    /// Mean over non-empty clients of the total-variation distance between a client's training labels and all
    /// clients' together: 0 is IID, near 1 is one rare label each.
    pub label_skew: f64,
    /// Transcripts by language.
    pub languages: BTreeMap<Language, u64>,
    /// Transcripts by domain; the empty name stands for none.
    pub domains: BTreeMap<String, u64>,
    /// Transcripts by split.
    pub splits: BTreeMap<Split, u64>,
    /// Transcripts by label, in all splits.
    pub labels: BTreeMap<String, u64>,
    /// Customer texts that are equal byte for byte.
    pub exact: Duplicates,
    /// Customer texts that are equal after NFKC, lower case and folding of white space.
    pub folded: Duplicates,
    /// Test transcripts beyond the first of their folded text.
    pub repeated_in_test: u64,
    /// Folded texts under several labels.
    pub conflicts: Conflicts,
    /// Ids that more than one transcript has.
    pub repeated_ids: u64,
    /// Dialogues (the part of an id before its last `/`) with turns at more than one client.
    pub dialogues_across_clients: u64,
    /// Dialogues with turns in more than one split.
    pub dialogues_across_splits: u64,
}

/// A 128-bit BLAKE3 hash: what stands for a text or an id.
type Hash = [u8; 16];

/// Collects an [`Inspection`] while transcripts stream by. Memory: about 140 bytes a transcript.
#[derive(Debug, Default)]
pub struct Inspector {
    /// Training transcripts of each client by label.
    shards: Vec<BTreeMap<u32, u64>>,
    unassigned: u64,
    languages: BTreeMap<Language, u64>,
    domains: BTreeMap<String, u64>,
    splits: BTreeMap<Split, u64>,
    labels: BTreeMap<String, (u32, u64)>,
    exact: Vec<(Hash, Split)>,
    folded: Vec<(Hash, Split)>,
    labelled: Vec<(Hash, u32)>,
    ids: Vec<Hash>,
    dialogues: Vec<(Hash, Option<u32>, Split)>,
}

impl Inspector {
    /// An inspector of a partition into `clients` clients.
    pub fn new(clients: usize) -> Self {
        Self { shards: vec![BTreeMap::new(); clients], ..Self::default() }
    }

    /// Takes note of a transcript of a client (from 0); one that is out of range counts as unassigned.
    pub fn observe(&mut self, transcript: &Transcript, client: Option<u32>) {
        let number = self.labels.len() as u32;
        let label = self.labels.entry(transcript.intent.clone()).or_insert((number, 0));
        label.1 += 1;
        let number_of_label = label.0;
        match client.and_then(|c| self.shards.get_mut(c as usize)) {
            Some(shard) if transcript.split == Split::Train => *shard.entry(label.0).or_default() += 1,
            Some(_) => {}
            None => self.unassigned += 1,
        }
        *self.languages.entry(transcript.language).or_default() += 1;
        *self.domains.entry(transcript.domain.clone().unwrap_or_default()).or_default() += 1;
        *self.splits.entry(transcript.split).or_default() += 1;
        let (exact, folded) = text_hashes(transcript);
        self.exact.push((exact, transcript.split));
        self.folded.push((folded, transcript.split));
        self.labelled.push((folded, number_of_label));
        self.ids.push(hash(transcript.id.as_bytes()));
        let dialogue = transcript.id.rsplit_once('/').map_or(transcript.id.as_str(), |(d, _)| d);
        self.dialogues.push((hash(dialogue.as_bytes()), client, transcript.split));
    }

    /// The summary.
    pub fn finish(mut self) -> Inspection {
        let sizes: Vec<u64> = self.shards.iter().map(|s| s.values().sum()).collect();
        self.ids.sort_unstable();
        let repeated_ids = self.ids.chunk_by(|a, b| a == b).filter(|same| same.len() > 1).count() as u64;
        let (dialogues_across_clients, dialogues_across_splits) = crossings(self.dialogues);
        Inspection {
            transcripts: self.splits.values().sum(),
            clients: self.shards.len() as u64,
            empty_clients: sizes.iter().filter(|n| **n == 0).count() as u64,
            unassigned: self.unassigned,
            labels_per_client: spread(self.shards.iter().map(|s| s.len() as u64).collect()),
            label_skew: label_skew(&self.shards, &sizes, self.labels.len()),
            examples: spread(sizes),
            languages: self.languages,
            domains: self.domains,
            splits: self.splits,
            labels: self.labels.into_iter().map(|(name, (_, n))| (name, n)).collect(),
            exact: duplicates(self.exact),
            repeated_in_test: repeated_in_test(&mut self.folded),
            folded: duplicates(self.folded),
            conflicts: conflicts(self.labelled),
            repeated_ids,
            dialogues_across_clients,
            dialogues_across_splits,
        }
    }
}

/// The summary of transcripts with their clients, in one call.
pub fn inspect<'a>(
    clients: usize,
    transcripts: impl IntoIterator<Item = (&'a Transcript, Option<u32>)>,
) -> Inspection {
    let mut inspector = Inspector::new(clients);
    for (transcript, client) in transcripts {
        inspector.observe(transcript, client);
    }
    inspector.finish()
}

fn hash(bytes: &[u8]) -> Hash {
    let mut short = Hash::default();
    short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    short
}

/// Hashes of the customer's turns, as they are and folded. Turns are kept apart by a unit separator.
fn text_hashes(transcript: &Transcript) -> (Hash, Hash) {
    let (mut exact, mut folded) = (String::new(), String::new());
    for text in transcript.customer_text() {
        exact.push_str(text);
        exact.push('\u{1f}');
        let lower: String = text.nfkc().flat_map(char::to_lowercase).collect();
        for word in lower.split_whitespace() {
            folded.push_str(word);
            folded.push(' ');
        }
        folded.push('\u{1f}');
    }
    (hash(exact.as_bytes()), hash(folded.as_bytes()))
}

fn duplicates(mut texts: Vec<(Hash, Split)>) -> Duplicates {
    texts.sort_unstable();
    let mut found = Duplicates::default();
    for same in texts.chunk_by(|a, b| a.0 == b.0) {
        let of = |split| same.iter().filter(|t| t.1 == split).count() as u64;
        let (train, test) = (of(Split::Train), of(Split::Test));
        found.distinct += 1;
        found.repeated_in_train += train.saturating_sub(1);
        if train > 0 && test > 0 {
            found.in_train_and_test += 1;
            found.test_seen_in_train += test;
        }
    }
    found
}

fn repeated_in_test(texts: &mut [(Hash, Split)]) -> u64 {
    texts.sort_unstable();
    let same = texts.chunk_by(|a, b| a == b).filter(|same| same[0].1 == Split::Test);
    same.map(|same| same.len() as u64 - 1).sum()
}

fn conflicts(mut texts: Vec<(Hash, u32)>) -> Conflicts {
    texts.sort_unstable();
    let several = |same: &&[(Hash, u32)]| same.first().map(|t| t.1) != same.last().map(|t| t.1);
    let mut found = Conflicts::default();
    for same in texts.chunk_by(|a, b| a.0 == b.0).filter(several) {
        found.texts += 1;
        found.transcripts += same.len() as u64;
    }
    found
}

/// Dialogues at more than one client, and in more than one split.
fn crossings(mut dialogues: Vec<(Hash, Option<u32>, Split)>) -> (u64, u64) {
    dialogues.sort_unstable();
    let (mut clients, mut splits) = (0, 0);
    for same in dialogues.chunk_by(|a, b| a.0 == b.0) {
        clients += u64::from(same.iter().filter_map(|d| d.1).collect::<BTreeSet<_>>().len() > 1);
        splits += u64::from(same.iter().map(|d| d.2).collect::<BTreeSet<_>>().len() > 1);
    }
    (clients, splits)
}

fn spread(mut numbers: Vec<u64>) -> Spread {
    numbers.sort_unstable();
    let n = numbers.len();
    let (Some(&min), Some(&max)) = (numbers.first(), numbers.last()) else {
        return Spread::default();
    };
    let total: u64 = numbers.iter().sum();
    // G = Σ (2i − n − 1) x_i / (n Σ x), i from 1 in ascending order; in integers until the last step.
    let weighted: i128 = (1i128..).zip(&numbers).map(|(i, x)| (2 * i - n as i128 - 1) * i128::from(*x)).sum();
    Spread {
        min,
        median: (numbers[(n - 1) / 2] as f64 + numbers[n / 2] as f64) / 2.0,
        mean: total as f64 / n as f64,
        max,
        gini: if total == 0 { 0.0 } else { weighted as f64 / (n as f64 * total as f64) },
    }
}

fn label_skew(shards: &[BTreeMap<u32, u64>], sizes: &[u64], labels: usize) -> f64 {
    let mut global = vec![0u64; labels];
    for shard in shards {
        for (label, n) in shard {
            global[*label as usize] += n;
        }
    }
    let total: u64 = sizes.iter().sum();
    let (mut sum, mut clients) = (0.0, 0u64);
    for (shard, size) in shards.iter().zip(sizes).filter(|(_, size)| **size > 0) {
        // TV is the sum of positive differences, which only labels of the client can have.
        for (label, n) in shard {
            let excess = *n as f64 / *size as f64 - global[*label as usize] as f64 / total as f64;
            sum += excess.max(0.0);
        }
        clients += 1;
    }
    if clients == 0 { 0.0 } else { sum / clients as f64 }
}
