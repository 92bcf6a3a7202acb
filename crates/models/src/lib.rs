//! Text to features, and classifiers as pure functions of their parameters.
//!
//! An example is rows of a table with one scale (n-grams of a text, or its tokens in their order), or a dense vector
//! that somebody else made of a text.
//!
//! ```
//! use sottovoce_core::{Address, Purpose};
//! use sottovoce_models::{Examples, FeatureConfig, Featuriser, LocalTraining, Model, Optimiser, SoftmaxRegression};
//! use sottovoce_models::{Scratch, Workspace, train};
//!
//! let mut featuriser = Featuriser::new(FeatureConfig::default());
//! let (mut examples, mut rows) = (Examples::default(), Vec::new());
//! for (text, intent) in [("my card was stolen", 0), ("红包发不出去", 1)] {
//!     let scale = featuriser.features([text], &mut rows);
//!     examples.push(&rows, scale, intent);
//! }
//! let model = SoftmaxRegression::new(1 << 16, 2)?;
//! let mut params = model.init(1);
//! let how = LocalTraining { epochs: 5, batch: 2, shuffle: true, optimiser: Optimiser::Sgd { lr: 1.0 } };
//! let shard = examples.localise(model.layout());
//! let order = Address::new(1, Purpose::BatchOrder);
//! let trained = train(&model, &how, &shard, &params, order, &mut Workspace::default(), None).unwrap();
//! params.add_scaled(1.0, &trained.delta);
//!
//! let scale = featuriser.features(["stolen card"], &mut rows);
//! let mut logits = [0.0; 2];
//! let example = sottovoce_models::Example { rows: &rows, scale, ..Default::default() };
//! model.logits(params.values(), example, &mut logits, &mut Scratch::default());
//! assert!(logits[0] > logits[1]);
//! # Ok::<(), sottovoce_core::LayoutError>(())
//! ```

#![forbid(unsafe_code)]

pub mod embedding_bag;
mod encoder;
pub mod examples;
pub mod features;
pub mod frozen;
mod head;
mod kernels;
pub mod low_rank;
pub mod mlp;
pub mod model;
mod murmur3;
pub mod optimiser;
mod scratch;
pub mod softmax;
pub mod task;
pub mod text_cnn;
pub mod training;

pub use embedding_bag::EmbeddingBag;
pub use examples::{Example, Examples, LocalExamples};
pub use features::{FeatureConfig, Featuriser, Norm, Weighting};
pub use frozen::FrozenTable;
pub use low_rank::LowRank;
pub use mlp::Mlp;
pub use model::{Batch, Model, Scratch};
pub use optimiser::Optimiser;
pub use softmax::SoftmaxRegression;
pub use task::Task;
pub use text_cnn::TextCnn;
pub use training::{LocalTraining, NotFinite, Start, Workspace, loss, train};
