//! `sottovoce classify`.

use super::exit::Failure;
use crate::Parts;
use crate::report::visible;
use crate::saved::SavedModel;
use clap::Args;
use serde::Serialize;
use std::io::{self, BufRead, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Classify lines of text with the model of a finished run.
///
/// Reads standard input, one text a line, and answers intent and confidence, one line each.
#[derive(Debug, Args)]
pub(crate) struct Classify {
    /// Folder of a finished run (what --out named).
    run_dir: PathBuf,
    /// Answer as JSON Lines.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    intent: &'a str,
    confidence: f32,
}

/// Longest line, bytes: what is longer is no text of one customer, and is not held in memory.
const LONGEST: u64 = 16 << 20;

/// Answers line by line, so that it can stand in a pipe.
pub(crate) fn classify(args: &Classify, parts: &Parts) -> Result<ExitCode, Failure> {
    let model = SavedModel::read(&args.run_dir.join("model.safetensors"), parts)?;
    let mut classifier = model.classifier()?;
    let (mut input, mut out) = (io::stdin().lock(), io::stdout().lock());
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        if input.by_ref().take(LONGEST + 1).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.len() as u64 > LONGEST {
            let what = format!("standard input: line {number} is longer than {LONGEST} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what).into());
        }
        let text = std::str::from_utf8(&line).map_err(|e| {
            let (at, of) = (e.valid_up_to() + 1, "convert it first, with iconv say");
            let what = format!("standard input: line {number} is not UTF-8 from its byte {at} on; {of}");
            io::Error::new(io::ErrorKind::InvalidData, what)
        })?;
        let (intent, confidence) = classifier.classify(text.trim_start_matches('\u{feff}').trim_end());
        if args.json {
            serde_json::to_writer(&mut out, &Answer { intent, confidence })?;
            writeln!(out)?;
        } else {
            writeln!(out, "{}\t{confidence:.4}", visible(&intent.replace(['\n', '\t'], " ")))?;
        }
        out.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}
