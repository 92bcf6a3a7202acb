//! A trained model as a file: parameters as safetensors, with all that classifying new text needs.

use crate::Parts;
use crate::config::{Config, ModelConfig};
use crate::experiment::ExperimentError;
use crate::experiment::data::{intake, model};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use sottovoce_clients::Intake;
use sottovoce_clients::evaluation::decide;
use sottovoce_core::{Params, bytes};
use sottovoce_models::{Example, Featuriser, Model, Scratch};
use sottovoce_transcripts::{Language, Speaker, Split, Transcript, Turn};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The one key of the file's metadata; its value is JSON.
const KEY: &str = "sottovoce";
/// The tensor of a frozen table that was read from a file.
const FROZEN: &str = "frozen";

/// Parameters and what they mean.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedModel {
    meaning: Meaning,
    parts: Parts,
    params: Params,
    /// A frozen table that was read from a file.
    table: Option<Arc<[f32]>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Meaning {
    config: String,
    labels: Vec<String>,
}

impl SavedModel {
    /// A trained model; `table` is what of it is frozen and not random.
    pub fn of(config: &Config, labels: &[String], params: &Params, table: Option<Arc<[f32]>>) -> Self {
        let meaning = Meaning { config: config.to_toml(), labels: labels.to_vec() };
        Self { meaning, parts: config.parts.clone(), params: params.clone(), table }
    }

    /// A safetensors file; the same model gives the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let values = bytes::le_bytes(self.params.values());
        let tensors = self.params.layout().tensors().iter().map(|t| {
            let range = t.range().start * 4..t.range().end * 4;
            let view = TensorView::new(Dtype::F32, vec![t.rows(), t.cols()], &values[range]);
            (t.name(), view.expect("a layout's ranges have the size of its shapes"))
        });
        let frozen = self.table.as_deref().map(bytes::le_bytes);
        let frozen = frozen.as_deref().map(|vectors| {
            let rows = self.params.layout().tensors()[0].rows();
            let view = TensorView::new(Dtype::F32, vec![rows, vectors.len() / 4 / rows], vectors);
            (FROZEN, view.expect("a table has as many rows as its correction"))
        });
        let meaning = serde_json::to_string(&self.meaning).expect("strings can be written as JSON");
        // One entry: a map of more would be written in random order.
        #[allow(clippy::disallowed_types)]
        let metadata = std::collections::HashMap::from([(KEY.to_owned(), meaning)]);
        safetensors::serialize(tensors.chain(frozen), Some(metadata))
            .expect("tensors of a layout have a size and names of their own")
    }

    /// Whether it does the same to any text: the configuration may be another.
    pub fn same(&self, other: &Self) -> bool {
        self.params == other.params
            && self.table == other.table
            && self.meaning.labels == other.meaning.labels
    }

    /// Reads a file of the bytes that [`SavedModel::to_bytes`] gives; `parts` has models of the program's own.
    pub fn read(path: &Path, parts: &Parts) -> Result<Self, ExperimentError> {
        let artefact = |source| ExperimentError::Artefact { path: path.to_owned(), source };
        let invalid = |what: String| artefact(io::Error::new(io::ErrorKind::InvalidData, what));
        let file = std::fs::read(path).map_err(artefact)?;
        let (_, header) = SafeTensors::read_metadata(&file).map_err(|e| invalid(e.to_string()))?;
        let meaning = header.metadata().as_ref().and_then(|m| m.get(KEY));
        let meaning = meaning.ok_or_else(|| invalid("has no sottovoce metadata".to_owned()))?;
        let meaning: Meaning = serde_json::from_str(meaning).map_err(|e| invalid(e.to_string()))?;
        let mut config: Config =
            toml::from_str(&meaning.config).map_err(|e| invalid(e.message().to_owned()))?;
        config.parts = parts.clone();
        let layout = model(&config, meaning.labels.len(), None)?.layout().clone();
        let tensors = SafeTensors::deserialize(&file).map_err(|e| invalid(e.to_string()))?;
        let numbers = |name: &str, shape: [usize; 2]| {
            let view = tensors.tensor(name).map_err(|e| invalid(e.to_string()))?;
            if view.dtype() != Dtype::F32 || view.shape() != shape {
                return Err(invalid(format!("tensor {name} has another type or shape than its model")));
            }
            Ok(bytes::f32s(view.data()))
        };
        // No memory is asked for before the file is known to hold as much.
        layout.tensors().iter().try_for_each(|t| numbers(t.name(), [t.rows(), t.cols()]).map(drop))?;
        let mut params = Params::zeros(layout.clone());
        for t in layout.tensors() {
            for (to, from) in
                params.values_mut()[t.range()].iter_mut().zip(numbers(t.name(), [t.rows(), t.cols()])?)
            {
                *to = from;
            }
        }
        let table = match config.model {
            ModelConfig::LowRank { table: Some(_), dim, .. } => {
                Some(numbers(FROZEN, [config.features.buckets as usize, dim as usize])?.collect())
            }
            _ => None,
        };
        Ok(Self { meaning, parts: parts.clone(), params, table })
    }

    /// The configuration of the run that it is of.
    pub fn config(&self) -> Config {
        let config: Config =
            toml::from_str(&self.meaning.config).expect("read or written as a configuration");
        Config { parts: self.parts.clone(), ..config }
    }

    /// The parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// What answers for this model. One that reads sentence vectors cannot be asked about text.
    pub fn classifier(&self) -> Result<Classifier<'_>, ExperimentError> {
        let config = self.config();
        if let ModelConfig::Mlp { .. } = config.model {
            return Err(ExperimentError::NeedsVectors);
        }
        let model = model(&config, self.meaning.labels.len(), self.table.clone())?;
        Ok(Classifier {
            saved: self,
            intake: intake(&config),
            featuriser: Featuriser::new(config.features),
            logits: vec![0.0; model.classes()],
            model,
            rows: Vec::new(),
            scratch: Scratch::default(),
        })
    }
}

/// Answers intents for text, with the masking and features that the model was trained with.
pub struct Classifier<'a> {
    saved: &'a SavedModel,
    intake: Intake,
    featuriser: Featuriser,
    model: Box<dyn Model>,
    logits: Vec<f32>,
    rows: Vec<u32>,
    scratch: Scratch,
}

impl Classifier<'_> {
    /// The intent of what a customer said, and its probability.
    pub fn classify(&mut self, text: &str) -> (&str, f32) {
        let transcript = Transcript {
            id: String::new(),
            client: None,
            language: Language::ZH,
            timestamp: None,
            domain: None,
            split: Split::Test,
            turns: vec![Turn { speaker: Speaker::Customer, text: text.to_owned() }],
            intent: String::new(),
        };
        let scale = self.intake.features(&mut self.featuriser, &transcript, &mut self.rows);
        let example = Example { rows: &self.rows, scale, ..Example::default() };
        self.model.logits(self.saved.params.values(), example, &mut self.logits, &mut self.scratch);
        let (class, confidence) = decide(&mut self.logits);
        (&self.saved.meaning.labels[class as usize], confidence)
    }
}
