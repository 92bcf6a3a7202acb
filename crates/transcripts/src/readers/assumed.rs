//! What files did not say and was assumed, to be said once.

use crate::{Language, Split};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use unicode_normalization::UnicodeNormalization;

/// Names listed before "and N more".
const SHOWN: usize = 3;

/// What was assumed while files were read.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Assumed {
    /// Files with rows that have no split.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without_split: Vec<String>,
    /// Rows that were drawn for test.
    #[serde(skip_serializing_if = "is_zero")]
    pub drawn_test: u64,
    /// Share of every intent that was to be drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_share: Option<f64>,
    /// Files with rows that name no language.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without_language: Vec<String>,
    /// Rows of each language that was found from the script.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub languages: BTreeMap<Language, u64>,
    /// Encoding of files that are not UTF-8 and of which nobody said it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub encodings: BTreeMap<String, &'static str>,
    /// Data files beside those that were read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_read: Vec<String>,
    /// Files without a row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub empty: Vec<String>,
    /// Labels that differ in case, width or spacing only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alike_labels: Vec<Vec<String>>,
    /// Files of different splits that hold the same rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub same_rows: Vec<(String, String)>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Assumed {
    /// Takes note of a row without a language.
    pub(super) fn language(&mut self, file: &str, language: Language) {
        note(&mut self.without_language, file);
        *self.languages.entry(language).or_default() += 1;
    }

    /// Takes note of a row without a split and of the one that it got.
    pub(super) fn split(&mut self, file: &str, split: Split, share: f64) {
        note(&mut self.without_split, file);
        self.test_share = Some(share);
        self.drawn_test += u64::from(split == Split::Test);
    }

    /// Takes note of the labels of all files.
    pub(super) fn labels<'l>(&mut self, labels: impl Iterator<Item = &'l String>) {
        let mut alike: BTreeMap<String, BTreeSet<&String>> = BTreeMap::new();
        for label in labels {
            let folded: String =
                label.nfkc().flat_map(char::to_lowercase).filter(|c| !c.is_whitespace()).collect();
            alike.entry(folded).or_default().insert(label);
        }
        let several = alike.into_values().filter(|same| same.len() > 1);
        self.alike_labels = several.map(|same| same.into_iter().cloned().collect()).collect();
    }

    /// One line for each kind of thing, the common ones together.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let mut parts = Vec::new();
        if let Some(share) = self.test_share {
            let percent = (share * 1e4).round() / 100.0;
            parts.push(format!("no split: {percent} % of each intent drawn as test examples"));
        }
        if !self.languages.is_empty() {
            let found: Vec<String> = self.languages.iter().map(|(l, n)| format!("{l} {n}")).collect();
            parts.push(format!("language found from script: {}", found.join(", ")));
        }
        if !self.encodings.is_empty() {
            let all: BTreeSet<&str> = self.encodings.values().copied().collect();
            parts.push(format!("read as {}", all.into_iter().collect::<Vec<_>>().join(" and ")));
        }
        if !parts.is_empty() {
            let mut files: Vec<&str> = Vec::new();
            let all = self.without_split.iter().chain(&self.without_language).chain(self.encodings.keys());
            for file in all.map(String::as_str) {
                if !files.contains(&file) {
                    files.push(file);
                }
            }
            notes.push(format!("{}: {}", listed(&files), parts.join("; ")));
        }
        if !self.not_read.is_empty() {
            let files: Vec<&str> = self.not_read.iter().map(String::as_str).collect();
            notes.push(format!("not read: {} (beside the files of the splits)", listed(&files)));
        }
        if !self.empty.is_empty() {
            let files: Vec<&str> = self.empty.iter().map(String::as_str).collect();
            notes.push(format!("no transcript in {}", listed(&files)));
        }
        for (first, second) in &self.same_rows {
            notes.push(format!(
                "{first} and {second} hold the same rows: figures on them say nothing of new texts"
            ));
        }
        if !self.alike_labels.is_empty() {
            let pairs =
                self.alike_labels.iter().take(SHOWN).map(|same| {
                    same.iter().map(|label| format!("{label:?}")).collect::<Vec<_>>().join(" and ")
                });
            let pairs = pairs.collect::<Vec<_>>().join("; ") + &rest(self.alike_labels.len());
            notes.push(format!("different intents that differ in case or spacing only: {pairs}"));
        }
        notes
    }
}

fn note(files: &mut Vec<String>, file: &str) {
    if files.last().is_none_or(|last| last != file) {
        files.push(file.to_owned());
    }
}

fn listed(files: &[&str]) -> String {
    files[..files.len().min(SHOWN)].join(", ") + &rest(files.len())
}

fn rest(all: usize) -> String {
    if all > SHOWN { format!(" and {} more", all - SHOWN) } else { String::new() }
}
