//! Masking streams: an input line by line, in one encoding, in bounded memory, with an account of what was done.
//!
//! It fails closed. Bytes that are no text in the encoding of the input, a line that is not JSON where JSON was
//! promised, or a line longer than [`LINE_LIMIT`] end the stream with an error; nothing of that line is written, and
//! nothing is passed on unmasked or with replacement characters.

mod encoding;
mod error;
mod json;
mod lines;
mod report;

use std::io::{BufWriter, Read, Write};

pub use encoding::TextEncoding;
pub use error::StreamError;
pub use json::JsonParts;
pub use report::{InputReport, KindReport, Place, Report};

use super::entity::EntityKind;
use super::redact::Redactor;
use json::{Refused, mask_line};
use lines::Lines;

/// The longest line, in bytes of the input with its line end.
pub const LINE_LIMIT: usize = 16 << 20;

/// How inputs are read.
#[derive(Debug, Clone, Default)]
pub struct StreamOptions {
    /// The encoding of every input; without it UTF-8, or what a byte-order mark or the zeros of UTF-16 say.
    pub encoding: Option<TextEncoding>,
    /// Every line is one JSON value, of which these parts are masked; plain text without it.
    pub json: Option<JsonParts>,
}

/// Masks inputs one after the other and keeps account.
#[derive(Debug)]
pub struct StreamRedactor<'r> {
    redactor: &'r Redactor,
    options: StreamOptions,
    report: Report,
}

impl<'r> StreamRedactor<'r> {
    /// A redactor of streams with an empty account.
    pub fn new(redactor: &'r Redactor, options: StreamOptions) -> Self {
        let report = Report::new(redactor.policy(), &options);
        Self { redactor, options, report }
    }

    /// Reads an input to its end without masking: whether [`mask`](Self::mask) would take it. A file that can be read
    /// twice is checked first, so that it is masked whole or not at all.
    ///
    /// # Errors
    /// As for [`mask`](Self::mask), writing excepted.
    pub fn check(&self, input: impl Read) -> Result<(), StreamError> {
        let mut lines = Lines::open(input, self.options.encoding)?;
        let mut number = 0;
        while let Some(line) = lines.next(|| Ok(()))? {
            number += 1;
            if self.options.json.is_some() {
                json::check(&line).map_err(|refused| refusal(refused, number))?;
            }
        }
        Ok(())
    }

    /// Masks an input. Lines are written as soon as no further input is waiting, as UTF-8.
    ///
    /// # Errors
    /// Input that is not text of one encoding or not JSON as promised, a line over the limit, reading, writing. Lines
    /// before the one at fault may have been written by then.
    pub fn mask(&mut self, name: &str, input: impl Read, output: impl Write) -> Result<(), StreamError> {
        let at = self.report.open(name);
        let done = self.mask_lines(at, input, output);
        if let Err(e) = &done {
            self.report.failed(format!("{name}: {e}"));
        }
        done
    }

    fn mask_lines(&mut self, at: usize, input: impl Read, output: impl Write) -> Result<(), StreamError> {
        let mut lines = Lines::open(input, self.options.encoding)?;
        self.report.inputs[at].encoding = lines.encoding();
        let out = std::cell::RefCell::new(BufWriter::with_capacity(1 << 16, output));
        let mut found = Vec::new();
        let done = loop {
            match lines.next(|| out.borrow_mut().flush()) {
                Ok(None) => break Ok(()),
                Err(e) => break Err(e),
                Ok(Some(line)) => {
                    let number = self.report.inputs[at].lines + 1;
                    found.clear();
                    match self.mask_line(at, number, &line, &mut found) {
                        Ok(masked) => {
                            out.borrow_mut().write_all(masked.as_bytes()).map_err(StreamError::Write)?;
                        }
                        Err(e) => break Err(e),
                    }
                    self.report.inputs[at].lines = number;
                    self.report.count(at, number, &found);
                }
            }
        };
        (self.report.inputs[at].bytes, self.report.inputs[at].blake3) = lines.read();
        out.borrow_mut().flush().map_err(StreamError::Write)?;
        done
    }

    fn mask_line(
        &mut self,
        at: usize,
        number: u64,
        line: &str,
        found: &mut Vec<EntityKind>,
    ) -> Result<String, StreamError> {
        let (text, end) = line.strip_suffix('\n').map_or((line, ""), |text| (text, "\n"));
        let mut masked = match &self.options.json {
            None => {
                let done = self.redactor.redact(text);
                found.extend(done.spans.iter().map(|s| s.kind));
                done.text.into_owned()
            }
            Some(parts) => {
                let mut left = 0;
                let masked = mask_line(self.redactor, parts, text, found, &mut left)
                    .map_err(|refused| refusal(refused, number))?;
                self.report.numbers_left(at, number, left);
                masked
            }
        };
        masked.push_str(end);
        Ok(masked)
    }

    /// Puts down in the account why an input was refused before masking.
    pub fn refuse(&mut self, why: String) {
        self.report.failed(why);
    }

    /// What was done so far.
    pub fn report(&self) -> &Report {
        &self.report
    }
}

fn refusal(refused: Refused, line: u64) -> StreamError {
    match refused {
        Refused::Syntax { column } => StreamError::NotJson { line, column },
        Refused::TooDeep => StreamError::TooDeep { line, limit: json::DEPTH },
    }
}
