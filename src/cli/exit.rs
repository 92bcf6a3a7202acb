//! How the command ends: 0 done or the same, 1 failed or different, 2 a configuration, arguments or files that cannot be,
//! 128 and the signal's number where one has ended it, 141 closed pipe.

use super::aggregate::AggregateFailure;
use crate::compare::CompareError;
use crate::config::ConfigError;
use crate::experiment::{ExperimentError, LockError};
use crate::report::visible;
use std::io::{self, Write};
use std::process::ExitCode;

/// Why the command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    Config(ConfigError),
    /// Arguments that cannot be.
    Arguments(String),
    Experiment(ExperimentError),
    /// Two things cannot be compared.
    CannotTell(ExperimentError),
    /// A run came to its end and left its model as it was.
    NothingLearned(&'static str),
    Aggregate(AggregateFailure),
    Compare(CompareError),
    Io(io::Error),
}

impl From<ConfigError> for Failure {
    fn from(e: ConfigError) -> Self {
        Self::Config(e)
    }
}
impl From<ExperimentError> for Failure {
    fn from(e: ExperimentError) -> Self {
        Self::Experiment(e)
    }
}
impl From<LockError> for Failure {
    fn from(e: LockError) -> Self {
        Self::Experiment(e.into())
    }
}
impl From<AggregateFailure> for Failure {
    fn from(e: AggregateFailure) -> Self {
        Self::Aggregate(e)
    }
}
impl From<CompareError> for Failure {
    fn from(e: CompareError) -> Self {
        Self::Compare(e)
    }
}
impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}
impl From<serde_json::Error> for Failure {
    fn from(e: serde_json::Error) -> Self {
        Self::Io(e.into())
    }
}

/// The shell's code for a program that wrote to a closed pipe.
const CLOSED_PIPE: u8 = 141;

impl Failure {
    /// Of a command that says whether two things are the same.
    pub(crate) fn cannot_tell(e: ExperimentError) -> Self {
        Self::CannotTell(e)
    }

    /// Says what happened on standard error, unless nobody is listening, and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        let (code, text) = match self {
            Self::Arguments(what) => (2, format!("error: {}", visible(&what))),
            Self::Config(e) => (2, format!("{:?}", miette::Report::new(e))),
            Self::Experiment(e) => (if from_configuration(&e) { 2 } else { 1 }, chain(&e)),
            Self::NothingLearned(why) => (1, format!("error: nothing was learned: {why}")),
            Self::CannotTell(e) => (2, chain(&e)),
            Self::Aggregate(e) => (if e.is_input() { 2 } else { 1 }, chain(&e)),
            Self::Compare(e) => (2, chain(&e)),
            Self::Io(e) if e.kind() == io::ErrorKind::BrokenPipe => return ExitCode::from(CLOSED_PIPE),
            Self::Io(e) => (1, chain(&e)),
        };
        // With standard error closed as well there is nobody left to tell.
        let _ = writeln!(io::stderr(), "{}", text.trim_end());
        ExitCode::from(code)
    }
}

fn from_configuration(e: &ExperimentError) -> bool {
    use ExperimentError as E;
    matches!(
        e,
        E::Partition(_)
            | E::Synthetic(_)
            | E::NoTrainingData { .. }
            | E::NoTestData
            | E::UnknownIntent { .. }
            | E::NoValidation
            | E::WeightCap { .. }
            | E::CohortTooLarge { .. }
            | E::Root(_)
            | E::Rule(_)
            | E::Model(_)
            | E::ModelTooLarge { .. }
            | E::RunDirectory { .. }
            | E::OtherConfiguration { .. }
            | E::OtherData { .. }
            | E::Lock(_)
    )
}

fn chain(e: &dyn std::error::Error) -> String {
    let mut text = format!("error: {e}");
    let mut source = e.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    visible(&text).into_owned()
}
