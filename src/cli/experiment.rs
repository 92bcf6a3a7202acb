//! Progress of a run on standard error, and Ctrl-C.

use indicatif::{ProgressBar, ProgressStyle};
use sottovoce::experiment::{Observer, Progress, Stage};
use sottovoce::simulation::CheckpointError;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A progress bar, and whether somebody asked to stop.
pub(crate) struct Watch {
    bar: ProgressBar,
    accuracy: Option<f64>,
    stop: Arc<AtomicBool>,
    last: Option<u64>,
}

impl Watch {
    /// Shows nothing if `quiet` or if standard error is no terminal. A first Ctrl-C ends the run after its round, a
    /// second one at once.
    pub(crate) fn new(quiet: bool) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        // Without a handler Ctrl-C still ends the process, only less tidily.
        let _ = ctrlc::set_handler(move || {
            if asked.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        });
        Self { bar, accuracy: None, stop, last: None }
    }

    /// Ends the run after this many rounds as well.
    pub(crate) fn stopping_after(self, rounds: Option<u64>) -> Self {
        Self { last: rounds, ..self }
    }

    /// Data are being read.
    pub(crate) fn begin(&self, name: &str) {
        self.bar.set_style(style("{spinner} {prefix}: {msg}"));
        self.bar.set_prefix(name.to_owned());
        self.bar.set_message("reading, masking and dealing out transcripts");
        self.bar.enable_steady_tick(std::time::Duration::from_millis(120));
    }

    /// Says something of the data, whether progress is shown or not.
    pub(crate) fn notes(&self, notes: &[String]) {
        self.bar.suspend(|| {
            for note in notes {
                // With standard error closed there is nobody to tell.
                let _ = writeln!(io::stderr(), "note: {note}");
            }
        });
    }

    /// Whether somebody asked to stop.
    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Leaves the terminal as it was.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("a template that is part of the program")
        .progress_chars("=> ")
}

impl Observer for Watch {
    fn damaged(&mut self, why: &CheckpointError) {
        // With standard error closed there is nobody to tell.
        let _ = writeln!(io::stderr(), "note: {why}; going on from the checkpoint before it");
    }

    fn stage(&mut self, stage: Stage) {
        let message = match stage {
            Stage::Rounds(count) => {
                self.bar.set_style(style("{prefix}: round {pos}/{len} [{bar:30}] {msg}, {eta} left"));
                self.bar.set_length(count);
                self.bar.set_message("training");
                return;
            }
            Stage::Evaluation => "evaluating",
            Stage::Centralised => "centralised baseline",
            Stage::LocalOnly => "local-only baseline",
        };
        self.bar.set_style(style("{spinner} {prefix}: {msg}"));
        self.bar.set_message(message);
    }

    fn round(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
        self.accuracy = progress.accuracy.or(self.accuracy);
        let loss = progress.report.summary.loss;
        self.bar.set_message(match self.accuracy {
            Some(accuracy) => format!("accuracy {:.2} %, loss {loss:.3}", 100.0 * accuracy),
            None => format!("loss {loss:.3}"),
        });
        self.bar.set_position(progress.report.round + 1);
        let done = self.last.is_some_and(|last| progress.report.round + 1 >= last);
        if done || self.stop.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}
