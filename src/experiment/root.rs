//! Data of the server's own, for rules that trust the update that it makes of them.

use crate::config::{Config, RootConfig};
use crate::experiment::ExperimentError;
use crate::experiment::data::{Data, intake};
use crate::experiment::origin::source;
use sottovoce_core::{Address, Purpose};
use sottovoce_models::{Examples, LocalExamples};
use sottovoce_transcripts::{Split, Synthetic, Transcript, readers};
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Why there is nothing that the server could train on.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// No transcript is left.
    #[error("aggregation.root: no transcript in {} can be used", path.display())]
    Empty {
        /// The file or folder.
        path: PathBuf,
    },
    /// An intent that no client has.
    #[error("aggregation.root: {}: no training transcript has the intent {intent:?}", path.display())]
    UnknownIntent {
        /// The file or folder.
        path: PathBuf,
        /// The intent.
        intent: String,
    },
}

/// Reads or makes the server's own transcripts, masks and featurises them as clients do theirs.
pub(crate) fn root(config: &Config, data: &Data) -> Result<Option<LocalExamples>, ExperimentError> {
    let (transcripts, path) = match (&config.aggregation.root, &config.data.synthetic) {
        (Some(RootConfig::Files { path }), _) => (read(config, path.clone())?, path.clone()),
        (Some(RootConfig::Synthetic { transcripts }), Some(synthetic)) => {
            let corpus = Synthetic::new(synthetic.clone()).map_err(ExperimentError::Synthetic)?;
            let seed = Address::new(config.seed, Purpose::Root).stream().next_u64();
            (corpus.test(seed, (*transcripts).into()), PathBuf::new())
        }
        _ => return Ok(None),
    };
    let (intake, mut dropped) = (intake(config), Default::default());
    let kept: Vec<Transcript> = transcripts.into_iter().filter(|t| intake.keeps(t, &mut dropped)).collect();
    if kept.is_empty() {
        return Err(RootError::Empty { path }.into());
    }
    let mut examples = Examples::default();
    for (transcript, features) in kept.iter().zip(intake.features_of_all(&kept)) {
        let Some(label) = data.labels.iter().position(|label| *label == transcript.intent) else {
            return Err(RootError::UnknownIntent { path, intent: transcript.intent.clone() }.into());
        };
        examples.push(&features.rows, features.scale, label as u32);
    }
    Ok(Some(examples.localise(data.model.layout())))
}

fn read(config: &Config, path: PathBuf) -> Result<Vec<Transcript>, ExperimentError> {
    let mut own = source(config);
    own.paths = vec![path];
    // All of them are the server's to train on.
    own.split = Some(Split::Train);
    own.draw = None;
    let mut all = Vec::new();
    let report = readers::read(&own, &mut |transcript| {
        all.push(transcript);
        ControlFlow::Continue(())
    });
    report.map_err(ExperimentError::Read)?;
    Ok(all)
}
