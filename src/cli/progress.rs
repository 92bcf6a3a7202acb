//! How far long work has come, on standard error: a bar where somebody looks on, a line now and then in a file.

use crate::experiment::Stopwatch;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// What is shown on standard error while the command works.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ProgressArgs {
    /// How progress is shown on standard error: a bar, a line every ten seconds, or not at all. `auto` is a bar on a
    /// terminal and lines elsewhere.
    #[arg(long, value_enum, value_name = "HOW", default_value = "auto", hide_possible_values = false)]
    progress: How,
    /// No progress on standard error: the same as --progress none.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum How {
    Auto,
    Bar,
    Lines,
    None,
}

/// Seconds between two lines.
const EVERY: f64 = 10.0;

/// Shows how far work has come.
pub(crate) struct Show {
    pub(crate) bar: ProgressBar,
    lines: Option<Lines>,
}

struct Lines {
    name: String,
    started: Stopwatch,
    last: Stopwatch,
}

impl ProgressArgs {
    /// Of work of this name.
    pub(crate) fn show(self, name: &str) -> Show {
        let how = match self.progress {
            _ if self.quiet => How::None,
            How::Auto if io::stderr().is_terminal() => How::Bar,
            How::Auto => How::Lines,
            how => how,
        };
        let now = Stopwatch::start();
        let lines = Lines { name: name.to_owned(), started: now, last: now };
        let bar = if how == How::Bar { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        bar.set_prefix(name.to_owned());
        Show { bar, lines: (how == How::Lines).then_some(lines) }
    }
}

impl Show {
    /// Something begins whose length is not known.
    pub(crate) fn begin(&mut self, what: &str) {
        self.bar.set_style(style("{spinner} {prefix}: {msg}"));
        self.bar.set_message(what.to_owned());
        self.bar.enable_steady_tick(Duration::from_millis(120));
        self.line(|| what.to_owned());
    }

    /// Something begins that has so many steps.
    pub(crate) fn steps(&mut self, of: u64, step: &str) {
        self.bar.set_style(style(&format!(
            "{{prefix}}: {step} {{pos}}/{{len}} [{{bar:30}}] {{msg}}, {{eta}} left"
        )));
        self.bar.set_length(of);
    }

    /// So many steps are done.
    pub(crate) fn step(&mut self, done: u64, step: &str, state: &str) {
        self.bar.set_message(state.to_owned());
        self.bar.set_position(done);
        let of = self.bar.length().unwrap_or(done);
        self.line(|| match state {
            "" => format!("{step} {done} of {of}"),
            state => format!("{step} {done} of {of}, {state}"),
        });
    }

    /// Writes a line if the last one is long ago.
    fn line(&mut self, what: impl FnOnce() -> String) {
        let Some(lines) = self.lines.as_mut().filter(|lines| lines.last.seconds() >= EVERY) else { return };
        lines.last = Stopwatch::start();
        // With standard error closed there is nobody to tell.
        let _ = writeln!(io::stderr(), "{}: {}, {:.0} s", lines.name, what(), lines.started.seconds());
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
