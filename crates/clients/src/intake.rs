//! What happens to a transcript on its client before anything is learned: retention, de-identification, features.

use crate::shard::Shards;
use rayon::prelude::*;
use sottovoce_core::{ClientId, Digest, Layout};
use sottovoce_models::{Examples, FeatureConfig, Featuriser, LocalExamples};
use sottovoce_transcripts::deident::Redactor;
use sottovoce_transcripts::retention::{Retention, RetentionReport};
use sottovoce_transcripts::{Synthetic, Transcript};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The steps, in their order.
#[derive(Debug)]
pub struct Intake {
    /// How text becomes features.
    pub features: FeatureConfig,
    /// Masks personal data first, if given.
    pub redactor: Option<Redactor>,
    /// Drops old transcripts first, if given, as of this date (seconds since 1970-01-01 UTC).
    pub retention: Option<(Retention, i64)>,
}

/// The features of a transcript: what is left of its text, or what somebody else made of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Featurised {
    /// Table rows, ascending or, as a sequence, in the order of the text.
    pub rows: Vec<u32>,
    /// What each of them counts with.
    pub scale: f32,
    /// A dense vector; empty where the model reads rows.
    pub dense: Vec<f32>,
}

impl Intake {
    /// Whether a transcript is young enough to be used at all.
    pub fn keeps(&self, transcript: &Transcript, report: &mut RetentionReport) -> bool {
        self.retention.is_none_or(|(limit, date)| limit.keeps(transcript.timestamp, date, report))
    }

    /// Features of the customer's turns, masked first.
    pub fn features(&self, featuriser: &mut Featuriser, transcript: &Transcript, into: &mut Vec<u32>) -> f32 {
        match &self.redactor {
            None => featuriser.features(transcript.customer_text(), into),
            Some(redactor) => {
                let masked: Vec<_> = transcript.customer_text().map(|t| redactor.redact(t).text).collect();
                featuriser.features(masked.iter().map(|t| &**t), into)
            }
        }
    }

    /// Features of many transcripts, on all threads, in their order.
    pub fn features_of_all(&self, transcripts: &[Transcript]) -> Vec<Featurised> {
        transcripts
            .par_iter()
            .with_min_len(32)
            .map_init(
                || Featuriser::new(self.features.clone()),
                |featuriser, transcript| {
                    let mut rows = Vec::new();
                    let scale = self.features(featuriser, transcript, &mut rows);
                    Featurised { rows, scale, dense: Vec::new() }
                },
            )
            .collect()
    }
}

/// One transcript in this many is held out of a synthetic client's training, for its own evaluation.
const HELD_OUT_EVERY: usize = 5;

/// Clients whose transcripts are made when they are asked for, and forgotten afterwards.
#[derive(Debug)]
pub struct SyntheticShards {
    /// The corpus.
    pub corpus: Synthetic,
    /// The steps before training.
    pub intake: Intake,
    /// Class of each intent.
    pub labels: BTreeMap<String, u32>,
    /// The model's layout.
    pub layout: Arc<Layout>,
    /// The run's seed.
    pub seed: u64,
}

impl SyntheticShards {
    /// A client's transcripts that training or its own evaluation may use.
    fn transcripts(&self, client: ClientId, held_out: bool) -> impl Iterator<Item = Transcript> {
        let mut report = RetentionReport::default();
        let all = self.corpus.transcripts(self.seed, client.0).into_iter().enumerate();
        all.filter_map(move |(i, transcript)| {
            let is_held_out = i % HELD_OUT_EVERY == HELD_OUT_EVERY - 1;
            (is_held_out == held_out && self.intake.keeps(&transcript, &mut report)).then_some(transcript)
        })
    }

    fn featurised(&self, client: ClientId, held_out: bool) -> Examples {
        let mut featuriser = Featuriser::new(self.intake.features.clone());
        let (mut rows, mut examples) = (Vec::new(), Examples::default());
        for transcript in self.transcripts(client, held_out) {
            let scale = self.intake.features(&mut featuriser, &transcript, &mut rows);
            examples.push(&rows, scale, self.labels[&transcript.intent]);
        }
        examples
    }
}

impl Shards for SyntheticShards {
    fn clients(&self) -> u64 {
        self.corpus.config().clients
    }
    fn shard(&self, client: ClientId) -> Cow<'_, LocalExamples> {
        Cow::Owned(self.featurised(client, false).localise(&self.layout))
    }
    fn examples(&self, client: ClientId) -> u64 {
        self.transcripts(client, false).count() as u64
    }
    fn made_up(&self) -> Option<Digest> {
        Some(Digest::of(&self.seed.to_le_bytes()))
    }
    fn held_out(&self, client: ClientId) -> Cow<'_, Examples> {
        Cow::Owned(self.featurised(client, true))
    }
}
