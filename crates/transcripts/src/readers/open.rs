//! From paths to rows: directories, compression, archives, then the reader of the format found inside.

use super::report::{FileRead, ReadError, ReadReport};
use super::sink::{Halt, Hints, Sink};
use super::source::{Format, Source, Unit, split_named, split_of_path};
use super::{abcd, clinc150, crosswoz, json_lines, multidogo, sgd, sniff, table, zstd};
use crate::{Language, Transcript};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Largest `domains.json` that is read, bytes.
const DOMAINS_LIMIT: u64 = 1 << 20;

/// Reads every file of `source` and hands the transcripts to `visit`, in file and row order, until it breaks.
pub fn read(
    source: &Source,
    visit: &mut dyn FnMut(Transcript) -> ControlFlow<()>,
) -> Result<ReadReport, ReadError> {
    let files = files_of(source)?;
    let mut report = ReadReport::default();
    let mut labels: Vec<String> = Vec::new();
    for path in &files {
        let file = path.display().to_string();
        let label = label_of(path, &mut labels);
        let digest = digest_of(path).map_err(|source| ReadError::Io { file: file.clone(), source })?;
        let (before, mut formats) = (report.accepted, Vec::new());
        let halted = read_file(source, path, &file, &label, &mut formats, &mut report, visit);
        let accepted = report.accepted - before;
        report.files.push(FileRead { file, digest, formats, accepted });
        match halted {
            Ok(()) => {}
            Err(Halt::Enough) => break,
            Err(Halt::Error(error)) => return Err(error),
        }
    }
    Ok(report)
}

/// Reads one uncompressed stream as the file `name`; its report has no digest.
pub fn read_stream(
    source: &Source,
    name: &str,
    input: impl Read,
    visit: &mut dyn FnMut(Transcript) -> ControlFlow<()>,
) -> Result<ReadReport, ReadError> {
    let mut report = ReadReport::default();
    let inner = Inner { source, path: Path::new(name), entry: None, file: name, label: name };
    match inner.read(&mut { input }, &mut Vec::new(), &mut report, visit) {
        Ok(()) | Err(Halt::Enough) => Ok(report),
        Err(Halt::Error(error)) => Err(error),
    }
}

/// The files that `source` stands for, in reading order: of a directory its train, validation and test files,
/// and with dialogues as the unit its `transcripts*` files instead, if it has any.
pub fn files_of(source: &Source) -> Result<Vec<PathBuf>, ReadError> {
    let mut files = Vec::new();
    for path in &source.paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let fail = |source| ReadError::Io { file: path.display().to_string(), source };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path).map_err(fail)? {
            names.push(entry.map_err(fail)?.file_name());
        }
        // A directory lists its files in no particular order.
        names.sort();
        let (mut rows, mut dialogues) = (Vec::new(), Vec::new());
        for name in names.iter().filter_map(|n| n.to_str()) {
            let Some(stem) = data_stem(name) else { continue };
            if let Some(split) = split_named(stem) {
                rows.push((split, path.join(name)));
            } else if stem == "transcripts" || stem.starts_with("transcripts_") {
                dialogues.push((split_of_path(Path::new(name)), path.join(name)));
            }
        }
        rows.sort();
        dialogues.sort();
        let found: Vec<PathBuf> = if source.unit == Unit::Dialogue && !dialogues.is_empty() {
            dialogues.into_iter().map(|(_, p)| p).collect()
        } else {
            rows.into_iter().map(|(_, p)| p).collect()
        };
        if found.is_empty() {
            return Err(ReadError::NothingInDirectory { directory: path.clone() });
        }
        files.extend(found);
    }
    if files.is_empty() { Err(ReadError::NoFiles) } else { Ok(files) }
}

/// A data file's name without its extensions.
fn data_stem(name: &str) -> Option<&str> {
    let name = [".gz", ".zst", ".zip"].iter().find_map(|e| name.strip_suffix(e)).unwrap_or(name);
    [".jsonl", ".json", ".csv", ".tsv"].iter().find_map(|e| name.strip_suffix(e))
}

/// The file's name as it stands in ids; a second file of the same name gets a number.
fn label_of(path: &Path, labels: &mut Vec<String>) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let same = labels.iter().filter(|l| **l == name).count();
    labels.push(name.clone());
    if same == 0 { name } else { format!("{name}#{}", same + 1) }
}

fn digest_of(path: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(hasher.finalize().to_hex().to_string())
}

fn read_file(
    source: &Source,
    path: &Path,
    file: &str,
    label: &str,
    formats: &mut Vec<Format>,
    report: &mut ReadReport,
    visit: &mut dyn FnMut(Transcript) -> ControlFlow<()>,
) -> Result<(), Halt> {
    let io_error = |source| ReadError::Io { file: file.to_owned(), source };
    let inner = Inner { source, path, entry: None, file, label };
    let mut raw = BufReader::new(File::open(path).map_err(io_error)?);
    let magic = raw.fill_buf().map_err(io_error)?;
    if magic.starts_with(&[0x1F, 0x8B]) {
        return inner.read(&mut flate2::bufread::MultiGzDecoder::new(raw), formats, report, visit);
    }
    if magic.starts_with(&zstd::MAGIC) {
        return inner.read(&mut zstd::Frames::new(raw), formats, report, visit);
    }
    if !magic.starts_with(b"PK\x03\x04") {
        return inner.read(&mut raw, formats, report, visit);
    }
    let zip_error = |source| ReadError::Zip { file: file.to_owned(), source };
    let mut archive = zip::ZipArchive::new(raw).map_err(zip_error)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(zip_error)?;
        let name = entry.name().map_err(zip_error)?.into_owned();
        if entry.is_dir() || data_stem(&name).is_none() || name.starts_with("__MACOSX/") {
            continue;
        }
        let (file, label) = (format!("{file}!{name}"), format!("{label}!{name}"));
        let entry_of = Inner { file: &file, label: &label, entry: Some(Path::new(&name)), ..inner };
        entry_of.read(&mut entry, formats, report, visit)?;
    }
    Ok(())
}

/// An uncompressed stream and where it came from.
#[derive(Clone, Copy)]
struct Inner<'a> {
    source: &'a Source,
    path: &'a Path,
    /// Within an archive.
    entry: Option<&'a Path>,
    file: &'a str,
    label: &'a str,
}

impl Inner<'_> {
    fn read(
        &self,
        input: &mut dyn Read,
        formats: &mut Vec<Format>,
        report: &mut ReadReport,
        visit: &mut dyn FnMut(Transcript) -> ControlFlow<()>,
    ) -> Result<(), Halt> {
        let io_error = |source| ReadError::Io { file: self.file.to_owned(), source };
        let mut head = Vec::new();
        input.take(sniff::LOOK as u64).read_to_end(&mut head).map_err(io_error)?;
        let found = if head.trim_ascii().is_empty() { None } else { sniff::format_of(&head) };
        let format = match self.source.format.or(found) {
            Some(format) => format,
            None if head.is_empty() => return Ok(()),
            None => return Err(ReadError::UnknownFormat { file: self.file.to_owned() }.into()),
        };
        formats.push(format);
        let language = match format {
            Format::JsonLines | Format::Csv | Format::Tsv => None,
            Format::Crosswoz => Some(Language::Zh),
            Format::Clinc150 | Format::Banking77 | Format::Multidogo | Format::Sgd | Format::Abcd => {
                Some(Language::En)
            }
        };
        let split = self.entry.and_then(split_of_path).or_else(|| split_of_path(self.path));
        let hints = Hints { split, language };
        let mut sink = Sink { source: self.source, file: self.file, label: self.label, hints, report, visit };
        let mut input = BufReader::new(Cursor::new(head).chain(input));
        let input: &mut dyn BufRead = &mut input;
        match format {
            Format::JsonLines => json_lines::read(input, &mut sink),
            Format::Csv | Format::Tsv | Format::Banking77 => table::read(format, input, &mut sink),
            Format::Clinc150 => clinc150::read(&self.domains().map_err(io_error)?, input, &mut sink),
            Format::Multidogo => {
                let domain = self.path.parent().and_then(Path::file_name).and_then(|d| d.to_str());
                multidogo::read(domain, input, &mut sink)
            }
            Format::Crosswoz => crosswoz::read(input, &mut sink),
            Format::Sgd => sgd::read(input, &mut sink),
            Format::Abcd => abcd::read(input, &mut sink),
        }
    }

    /// The intents' domains from the `domains.json` beside the file; none where there is no such file.
    fn domains(&self) -> io::Result<clinc150::Domains> {
        let mut json = Vec::new();
        match File::open(self.path.with_file_name("domains.json")) {
            Ok(file) => file.take(DOMAINS_LIMIT).read_to_end(&mut json)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(clinc150::Domains::new()),
            Err(e) => return Err(e),
        };
        Ok(clinc150::domains(&json))
    }
}
