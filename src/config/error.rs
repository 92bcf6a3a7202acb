//! Why there is no configuration to run.

use miette::{NamedSource, SourceSpan};
use std::io;
use std::path::PathBuf;

/// Why there is no configuration to run.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
        /// What to do.
        #[help]
        help: Option<String>,
    },
    /// The same in a file that is not called `.toml`: it may be data, so nothing of it is shown.
    #[error("{name}, line {line}, column {column}: {message}")]
    Elsewhere {
        /// The file.
        name: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
        /// What to do.
        #[help]
        help: Option<String>,
    },
    /// Not TOML, an unknown key, a value of the wrong type, or one that cannot be.
    #[error(transparent)]
    #[diagnostic(transparent)]
    InFile(Box<InFile>),
    /// An override that does not fit.
    #[error("--set {given}: {message}")]
    Override {
        /// As given.
        given: String,
        /// What is wrong.
        message: String,
        /// What to do.
        #[help]
        help: Option<String>,
    },
}

/// What is wrong in a configuration's text, and where.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{message}")]
pub struct InFile {
    /// What is wrong.
    pub message: String,
    /// What to do.
    #[help]
    pub help: Option<String>,
    /// The text.
    #[source_code]
    pub text: NamedSource<String>,
    /// The place.
    #[label("here")]
    pub at: SourceSpan,
}
