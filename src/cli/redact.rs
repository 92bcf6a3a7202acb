//! `sottovoce redact`.

use super::exit::Failure;
use crate::transcripts::deident::stream::{
    JsonParts, Report, StreamError, StreamOptions, StreamRedactor, TextEncoding,
};
use crate::transcripts::deident::{Policy, PseudonymKey, Redactor, Tier};
use clap::{Args, ValueEnum};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Mask personal data in text.
///
/// Reads files or standard input line by line and writes the lines with typed placeholders such as [CN_MOBILE], as
/// UTF-8. Masking masked text changes nothing. Text is processed here and goes nowhere else.
#[derive(Debug, Args)]
#[command(after_help = "\
It fails closed: what is not text in one encoding, not JSON under --json-lines, or a line longer than 16 MiB is an
error with its line and byte, and nothing of it is written. All files are checked before the first line is written.
Standard input is written line by line as it comes; an error says how many lines were written before it.

Examples:
  sottovoce redact chats.txt > masked.txt
  sottovoce redact --json-lines --key text --report report.json chats.jsonl > masked.jsonl
  sottovoce redact --encoding gb18030 --key-file key export.csv > masked.csv
  tail -f chat.log | sottovoce redact | tee masked.log")]
pub(crate) struct Redact {
    /// Files to read, - for standard input; standard input without any.
    files: Vec<PathBuf>,
    /// Rules to use: hard (checksums and strict forms), context (a keyword beside it), soft (names, addresses),
    /// stretch (spelled-out numbers). All without it.
    #[arg(long, value_delimiter = ',', value_name = "TIER,…")]
    tiers: Vec<TierName>,
    /// Keyed pseudonyms instead of plain placeholders: the same value, the same placeholder under one key. The key is
    /// the content of this file without the white space around it; 32 random bytes are right.
    #[arg(long, value_name = "FILE", value_parser = key)]
    key_file: Option<Key>,
    /// Encoding of the input, such as gb18030, big5 or utf-16le. Without it UTF-8, or UTF-16 by its byte-order mark or
    /// its zeros.
    #[arg(long, value_name = "LABEL", value_parser = encoding)]
    encoding: Option<TextEncoding>,
    /// Lines are JSON: mask every string at any depth, names of keys too; a key such as "qq" tells what is under it.
    /// Every other byte stays as it was.
    #[arg(long)]
    json_lines: bool,
    /// Of JSON, mask only what is under a key of this name, at any depth below it. May be given several times.
    #[arg(long, value_name = "NAME", requires = "json_lines")]
    key: Vec<String>,
    /// Of JSON, mask numbers too: one that is an identifier becomes a string with the placeholder.
    #[arg(long, requires = "json_lines")]
    numbers: bool,
    /// Say on standard error how many of each kind were masked.
    #[arg(long)]
    counts: bool,
    /// Write an account of what was masked where, by line and never by value, with rules, settings, digests of the
    /// input and known limits: JSON if the name ends in .json, text otherwise, - for standard error.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
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

/// A key and how many bytes it has.
#[derive(Debug, Clone)]
struct Key(PseudonymKey, usize);

/// A key with fewer bytes can be guessed.
const SHORT_KEY: usize = 16;

fn key(path: &str) -> Result<Key, String> {
    let key = std::fs::read(path).map_err(|e| format!("cannot be read: {e}"))?;
    match key.trim_ascii() {
        [] => Err("holds no key; make one with: head -c 32 /dev/urandom | base64".to_owned()),
        key => Ok(Key(PseudonymKey::new(key), key.len())),
    }
}

fn encoding(label: &str) -> Result<TextEncoding, String> {
    TextEncoding::from_label(label).ok_or_else(|| {
        "no encoding of this name is read; try utf-8, gb18030, big5, shift_jis, utf-16le".to_owned()
    })
}

/// Masks line by line.
pub(crate) fn redact(args: &Redact) -> Result<ExitCode, Failure> {
    let mut policy = match &args.tiers[..] {
        [] => Policy::default(),
        tiers => Policy::tiers(&tiers.iter().map(|t| Tier::from(*t)).collect::<Vec<_>>()),
    };
    if let Some(Key(key, len)) = &args.key_file {
        if *len < SHORT_KEY {
            writeln!(io::stderr(), "note: a key of {len} bytes can be guessed; 32 random bytes are right")?;
        }
        policy = policy.keyed(key.clone());
    }
    let json = args
        .json_lines
        .then(|| JsonParts { keys: args.key.iter().cloned().collect(), numbers: args.numbers });
    let redactor = Redactor::new(policy);
    let mut stream = StreamRedactor::new(&redactor, StreamOptions { encoding: args.encoding, json });
    let mut report = args.report.as_deref().map(|path| open_report(path, &args.files)).transpose()?;

    let done = mask_all(&mut stream, &args.files);
    let account = stream.report();
    for input in account.inputs.iter().filter(|i| !["", "UTF-8"].contains(&i.encoding)) {
        writeln!(io::stderr(), "note: {}: read as {}, written as UTF-8", input.name, input.encoding)?;
    }
    if let Some(place) = account.numbers_left.places.first() {
        let (n, name) = (account.numbers_left.count, &account.inputs[place.input].name);
        let text = "numbers of JSON look like identifiers and were left as they are; --numbers masks them";
        writeln!(io::stderr(), "note: {n} {text} ({name}, line {} first)", place.line)?;
    }
    if args.counts {
        for (kind, found) in &account.found {
            writeln!(io::stderr(), "{:>8}  {}", found.count, kind.name())?;
        }
    }
    if let (Some(out), Some(path)) = (&mut report, &args.report) {
        write_report(account, out, path.extension().is_some_and(|e| e == "json"))
            .map_err(|e| named(path, &e))?;
    }
    done.map(|()| ExitCode::SUCCESS)
}

fn mask_all(stream: &mut StreamRedactor<'_>, files: &[PathBuf]) -> Result<(), Failure> {
    let from_stdin = |path: &Path| path.as_os_str() == "-";
    let open = |path: &Path| File::open(path).map_err(|e| named(path, &e));
    // What can be read twice is masked whole or not at all.
    for path in files.iter().filter(|p| !from_stdin(p)) {
        let file = open(path)?;
        if file.metadata().is_ok_and(|m| m.is_file())
            && let Err(e) = stream.check(file)
        {
            let name = path.display().to_string();
            stream.refuse(format!("{name}: {e}"));
            return Err(failure(&name, e, 0).into());
        }
    }
    let stdin = [PathBuf::from("-")];
    for path in if files.is_empty() { &stdin } else { files } {
        let name = if from_stdin(path) { "standard input".to_owned() } else { path.display().to_string() };
        let input: Box<dyn Read> =
            if from_stdin(path) { Box::new(io::stdin().lock()) } else { Box::new(open(path)?) };
        let done = stream.mask(&name, input, io::stdout().lock());
        let written = stream.report().inputs.last().map_or(0, |i| i.lines);
        done.map_err(|e| failure(&name, e, written))?;
    }
    Ok(())
}

/// What to say of an error: where, what, how much was written, what to do.
fn failure(name: &str, e: StreamError, written: u64) -> io::Error {
    if let StreamError::Write(e) = e {
        return e;
    }
    let after = if written > 0 { format!("; {written} lines before it were written") } else { String::new() };
    let help = e.help().map(|help| format!("\n  help: {help}")).unwrap_or_default();
    io::Error::new(io::ErrorKind::InvalidData, format!("{name}: {e}{after}{help}"))
}

fn named(path: &Path, e: &io::Error) -> io::Error {
    io::Error::new(e.kind(), format!("{}: {e}", path.display()))
}

/// The file for the report, made before anything is read: what cannot be written is refused at once.
fn open_report(path: &Path, inputs: &[PathBuf]) -> io::Result<Box<dyn Write>> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(io::stderr()));
    }
    let same =
        |input: &PathBuf| input.canonicalize().is_ok_and(|i| path.canonicalize().is_ok_and(|p| i == p));
    if inputs.iter().any(same) {
        let what = io::Error::new(io::ErrorKind::InvalidInput, "is an input; the report would overwrite it");
        return Err(named(path, &what));
    }
    let file = File::create(path).map_err(|e| named(path, &e))?;
    Ok(Box::new(file))
}

fn write_report(report: &Report, out: &mut dyn Write, json: bool) -> io::Result<()> {
    let text = if json { serde_json::to_string_pretty(report)? + "\n" } else { report.to_string() };
    out.write_all(text.as_bytes())?;
    out.flush()
}
