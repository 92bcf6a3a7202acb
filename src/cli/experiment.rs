//! Watching a run: its progress on standard error, and signals that end it.

use super::progress::{ProgressArgs, Show};
use super::signals::Signals;
use crate::experiment::{Observer, Progress, Stage};
use crate::report::visible;
use crate::simulation::CheckpointError;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Shows progress, and ends a run when a signal asks for it: after its round, as long as there are rounds; at once while
/// data are read, while nothing can be lost, and in baselines, when the rounds are on the disk.
pub(crate) struct Watch {
    show: Show,
    accuracy: Option<f64>,
    signals: Signals,
    last: Option<u64>,
    /// Where the run is kept.
    out: Option<PathBuf>,
}

impl Watch {
    /// Of an experiment of this name.
    pub(crate) fn new(progress: ProgressArgs, name: &str) -> Self {
        let mut show = progress.show(name);
        show.begin("reading, masking and dealing out transcripts");
        let bar = show.bar.clone();
        let signals = Signals::watch(move || bar.finish_and_clear());
        Self { show, accuracy: None, signals, last: None, out: None }
    }

    /// Ends the run after this many rounds as well.
    pub(crate) fn stopping_after(self, rounds: Option<u64>) -> Self {
        Self { last: rounds, ..self }
    }

    /// The run is kept in this folder.
    pub(crate) fn keeping_in(self, out: Option<&Path>) -> Self {
        Self { out: out.map(Path::to_owned), ..self }
    }

    /// Whether somebody asked to stop.
    pub(crate) fn stopped(&self) -> bool {
        self.signals.received()
    }

    /// The exit code of an interrupted run.
    pub(crate) fn code(&self) -> ExitCode {
        self.signals.code()
    }

    /// Leaves the terminal as it was.
    pub(crate) fn end(&self) {
        self.show.end();
    }
}

impl Observer for Watch {
    /// Whether progress is shown or not.
    fn notes(&mut self, notes: &[String]) {
        self.show.bar.suspend(|| {
            for note in notes {
                // With standard error closed there is nobody to tell.
                let _ = writeln!(io::stderr(), "note: {}", visible(note));
            }
        });
    }

    fn damaged(&mut self, why: &CheckpointError) {
        // With standard error closed there is nobody to tell.
        let _ = writeln!(io::stderr(), "note: {why}; going on from the checkpoint before it");
    }

    fn stage(&mut self, stage: Stage) {
        if let Stage::Rounds(count) = stage {
            self.signals.patient(true);
            self.show.steps(count, "round");
            return;
        }
        self.signals.patient(false);
        let (bar, out) = (self.show.bar.clone(), self.out.clone());
        self.signals.farewell(move || {
            bar.finish_and_clear();
            if let Some(out) = &out {
                let _ = writeln!(
                    io::stderr(),
                    "interrupted after the last round, which is kept in {}; --resume goes on with what follows",
                    out.display()
                );
            }
        });
        self.show.begin(match stage {
            Stage::Rounds(_) | Stage::Evaluation => "evaluating",
            Stage::Centralised => "centralised baseline",
            Stage::LocalOnly => "local-only baseline",
        });
    }

    fn round(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
        self.accuracy = progress.accuracy.or(self.accuracy);
        let loss = progress.report.summary.loss;
        let state = match self.accuracy {
            Some(accuracy) => format!("accuracy {:.2} %, loss {loss:.3}", 100.0 * accuracy),
            None => format!("loss {loss:.3}"),
        };
        self.show.step(progress.report.round + 1, "round", &state);
        let done = self.last.is_some_and(|last| progress.report.round + 1 >= last);
        if done || self.stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
