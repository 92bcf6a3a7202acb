//! What never leaves a client: transcripts, how they are read, made, cleaned and dealt out.

#![forbid(unsafe_code)]

pub mod deident;
pub mod inspect;
mod language;
pub mod partition;
pub mod readers;
pub mod retention;
pub mod synthetic;
pub mod transcript;

pub use language::Language;
pub use synthetic::{Synthetic, SyntheticConfig};
pub use transcript::{Speaker, Split, Transcript, Turn};
