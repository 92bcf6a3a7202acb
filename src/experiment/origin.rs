//! Transcripts in files: how a configuration reads them, and what there is to say about what was read.

use crate::config::Config;
use crate::experiment::ExperimentError;
use serde::Serialize;
use sottovoce_core::{Address, Purpose, sampling};
use sottovoce_transcripts::readers::{self, Assumed, Draw, FileRead, ReadReport, Reason, Rejected, Source};
use sottovoce_transcripts::retention::RetentionReport;
use sottovoce_transcripts::{Split, Transcript};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// Share of each intent that is drawn as test examples from rows without a split.
const TEST_SHARE: f64 = 0.2;

/// Where the data came from, for the manifest.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Origin {
    /// Files with their digests.
    pub files: Vec<FileRead>,
    /// Rows that could not be used, by reason.
    pub rejected: BTreeMap<Reason, u64>,
    /// The first such row for each reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub first_rejected: BTreeMap<Reason, Rejected>,
    /// Turns without a label.
    #[serde(skip_serializing_if = "is_zero")]
    pub unlabelled: u64,
    /// Transcripts whose intent the configuration leaves out.
    #[serde(skip_serializing_if = "is_zero")]
    pub excluded: u64,
    /// What the files did not say.
    #[serde(skip_serializing_if = "is_nothing")]
    pub assumed: Assumed,
    /// What retention did, if configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<RetentionReport>,
    /// The rejected rows in words.
    #[serde(skip)]
    rejections: String,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

fn is_nothing(assumed: &Assumed) -> bool {
    *assumed == Assumed::default()
}

impl Origin {
    /// Of files that were read.
    pub(crate) fn of(read: FilesRead) -> Self {
        let FilesRead { report, excluded, .. } = read;
        let rejections = if report.reasons.is_empty() { String::new() } else { report.rejections() };
        Self {
            files: report.files,
            rejected: report.reasons,
            first_rejected: report.first,
            unlabelled: report.unlabelled,
            excluded,
            assumed: report.assumed,
            retention: None,
            rejections,
        }
    }

    /// What whoever runs this should know: a line each.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.assumed.notes();
        if !self.rejections.is_empty() {
            notes.push(self.rejections.clone());
        }
        if let Some(undated) = self.retention.map(|r| r.dropped_undated).filter(|n| *n > 0) {
            notes.push(format!(
                "retention: {undated} transcripts without a time left out; retention.undated = \"keep\" keeps them"
            ));
        }
        notes
    }

    /// What became of everything, where nothing is left to train on.
    pub(crate) fn why_nothing(&self, config: &Config) -> String {
        let read: u64 = self.files.iter().map(|file| file.accepted).sum();
        let files = self.files.len();
        let mut parts =
            vec![format!("{read} transcripts read from {files} file{}", if files == 1 { "" } else { "s" })];
        if !self.rejections.is_empty() {
            parts.push(self.rejections.clone());
        }
        if self.unlabelled > 0 {
            parts.push(format!("{} turns without a label", self.unlabelled));
        }
        if self.excluded > 0 {
            parts.push(format!("{} left out by data.exclude_intents", self.excluded));
        }
        if let (Some(r), Some(limit)) = (&self.retention, &config.retention) {
            let RetentionReport { dropped_old, dropped_undated, .. } = r;
            let days = limit.retention_days;
            parts.push(format!(
                "{dropped_old} older than {days} days and {dropped_undated} without a time left out"
            ));
        }
        if read > 0 {
            parts.push(
                "what is left is not of the training split: see the names of files, the column split"
                    .to_owned(),
            );
        }
        parts.join("; ")
    }
}

/// Where the files of a configuration lie and how they are read.
pub fn source(config: &Config) -> Source {
    let data = &config.data;
    let mut source = Source::new(data.path.iter().chain(&data.also).cloned());
    source.format = data.format;
    source.encoding.clone_from(&data.encoding);
    source.language = data.language;
    source.strict = data.strict;
    source.max_rejected = data.max_rejected;
    source.max_row_bytes = usize::try_from(data.max_row_bytes).unwrap_or(usize::MAX);
    source.draw = Some(Draw {
        seed: config.seed,
        share: data.test_share.unwrap_or(TEST_SHARE),
        from_train: data.test_share.is_some(),
    });
    // The run's day itself counts to its end.
    let date = config
        .retention
        .as_ref()
        .map(|r| crate::config::date(&r.date).expect("the configuration was checked"));
    source.latest = date.map(|midnight| midnight + 86_399);
    if let Some(columns) = &data.columns {
        source.columns = columns.clone();
    }
    if let Some(unit) = data.unit {
        source.unit = unit;
    }
    source
}

/// What reading the files of a configuration came to.
pub struct FilesRead {
    /// Of the readers.
    pub report: ReadReport,
    /// Transcripts that were read, those left out among them.
    pub transcripts: usize,
    /// Left out for their intent.
    pub excluded: u64,
}

/// Hands every transcript of a configuration's files to `visit`, as the configuration wants it, with its number among
/// all that were read, those that the configuration leaves out among them.
pub fn visit_files(
    config: &Config,
    visit: &mut dyn FnMut(usize, Transcript) -> ControlFlow<()>,
) -> Result<FilesRead, ExperimentError> {
    let (data, mut read, mut excluded) = (&config.data, 0, 0);
    let mut intents: BTreeSet<String> = BTreeSet::new();
    let mut whole = true;
    let report = readers::read(&source(config), &mut |mut transcript| {
        read += 1;
        if !data.exclude_intents.is_empty() && !intents.contains(&transcript.intent) {
            intents.insert(transcript.intent.clone());
        }
        if data.exclude_intents.contains(&transcript.intent) {
            excluded += 1;
            return ControlFlow::Continue(());
        }
        if data.clients_are_domains {
            transcript.client.clone_from(&transcript.domain);
        }
        if data.validation_share > 0.0 && transcript.split == Split::Train {
            let address = Address::new(config.seed, Purpose::Validation).client(read as u64 - 1);
            if sampling::chance(&mut address.stream(), data.validation_share) {
                transcript.split = Split::Validation;
            }
        }
        if data.train_on_validation && transcript.split == Split::Validation {
            transcript.split = Split::Train;
        }
        let goes_on = visit(read - 1, transcript);
        whole = goes_on.is_continue();
        goes_on
    });
    let report = report.map_err(ExperimentError::Read)?;
    for name in data.exclude_intents.iter().filter(|_| whole && read > 0) {
        known_intent("data.exclude_intents", name, intents.iter())?;
    }
    Ok(FilesRead { report, transcripts: read, excluded })
}

/// An error where a key of the configuration names an intent that the data do not have, with the one that looks most
/// like it.
pub(crate) fn known_intent<'i>(
    key: &'static str,
    name: &str,
    intents: impl Iterator<Item = &'i String> + Clone,
) -> Result<(), ExperimentError> {
    if intents.clone().any(|intent| intent == name) {
        return Ok(());
    }
    let distance =
        |intent: &String| strsim::damerau_levenshtein(&intent.to_lowercase(), &name.to_lowercase());
    let near = intents.map(|intent| (distance(intent), intent)).min();
    let near =
        near.filter(|(distance, _)| *distance <= 2.max(name.len() / 3)).map(|(_, intent)| intent.clone());
    Err(ExperimentError::UnknownIntent { key, name: name.to_owned(), near })
}
