//! `sottovoce redact`.

use super::exit::Failure;
use clap::{Args, ValueEnum};
use serde_json::Value;
use sottovoce::transcripts::deident::{EntityKind, Policy, PseudonymKey, Redactor, Tier};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Mask personal data in text.
///
/// Reads files or standard input line by line and writes the lines with typed placeholders such as [CN_MOBILE].
/// Masking masked text changes nothing. Text is processed here and goes nowhere else.
#[derive(Debug, Args)]
pub(crate) struct Redact {
    /// Files to read; standard input without any.
    files: Vec<PathBuf>,
    /// Rules to use: hard (checksums and strict forms), context (a keyword beside it), soft (names, addresses),
    /// stretch (spelled-out numbers). All without it.
    #[arg(long, value_delimiter = ',', value_name = "TIER,…")]
    tiers: Vec<TierName>,
    /// Keyed pseudonyms instead of plain placeholders: the same value, the same placeholder under one key. The key is
    /// the content of this file.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Lines are JSON: mask every string under a key called "text".
    #[arg(long)]
    json_lines: bool,
    /// Say on standard error how many of each kind were masked.
    #[arg(long)]
    counts: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TierName {
    Hard,
    Context,
    Soft,
    Stretch,
}

impl From<TierName> for Tier {
    fn from(name: TierName) -> Self {
        match name {
            TierName::Hard => Self::Hard,
            TierName::Context => Self::Context,
            TierName::Soft => Self::Soft,
            TierName::Stretch => Self::Stretch,
        }
    }
}

/// Masks line by line.
pub(crate) fn redact(args: &Redact) -> Result<ExitCode, Failure> {
    let mut policy = match &args.tiers[..] {
        [] => Policy::default(),
        tiers => Policy::tiers(&tiers.iter().map(|t| Tier::from(*t)).collect::<Vec<_>>()),
    };
    if let Some(path) = &args.key_file {
        let key = std::fs::read(path).map_err(|e| named(path, e))?;
        policy = policy.keyed(PseudonymKey::new(key.trim_ascii()));
    }
    let redactor = Redactor::new(policy);
    let mut counts = BTreeMap::new();
    let mut out = BufWriter::new(io::stdout().lock());
    if args.files.is_empty() {
        lines(&redactor, args.json_lines, &mut io::stdin().lock(), &mut out, &mut counts)?;
    }
    for path in &args.files {
        let file = File::open(path).map_err(|e| named(path, e))?;
        lines(&redactor, args.json_lines, &mut BufReader::new(file), &mut out, &mut counts)
            .map_err(|e| named(path, e))?;
    }
    out.flush()?;
    if args.counts {
        for (kind, n) in counts {
            writeln!(io::stderr(), "{n:>8}  {}", kind.name())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn named(path: &std::path::Path, e: io::Error) -> io::Error {
    if e.kind() == io::ErrorKind::BrokenPipe {
        e
    } else {
        io::Error::new(e.kind(), format!("{}: {e}", path.display()))
    }
}

type Masked = BTreeMap<EntityKind, usize>;

fn lines(
    redactor: &Redactor,
    json: bool,
    input: &mut impl BufRead,
    out: &mut impl Write,
    counts: &mut Masked,
) -> io::Result<()> {
    let (mut line, mut number) = (Vec::new(), 0u64);
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        number += 1;
        // Bytes that are no text cannot be masked, so they do not pass.
        let text = String::from_utf8_lossy(&line);
        let (text, end) = text.strip_suffix('\n').map_or((&*text, ""), |t| (t, "\n"));
        if json && !text.trim().is_empty() {
            let mut value: Value = serde_json::from_str(text).map_err(|e| {
                let what = format!("line {number}, column {}: not JSON", e.column());
                io::Error::new(io::ErrorKind::InvalidData, what)
            })?;
            mask_texts(redactor, &mut value, counts);
            serde_json::to_writer(&mut *out, &value)?;
        } else {
            out.write_all(mask(redactor, text, counts).as_bytes())?;
        }
        out.write_all(end.as_bytes())?;
    }
}

fn mask<'t>(redactor: &Redactor, text: &'t str, counts: &mut Masked) -> std::borrow::Cow<'t, str> {
    let redacted = redactor.redact(text);
    for (kind, n) in redacted.counts() {
        *counts.entry(kind).or_default() += n;
    }
    redacted.text
}

fn mask_texts(redactor: &Redactor, value: &mut Value, counts: &mut Masked) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key == "text" => *text = mask(redactor, text, counts).into_owned(),
                    other => mask_texts(redactor, other, counts),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|v| mask_texts(redactor, v, counts)),
        _ => {}
    }
}
