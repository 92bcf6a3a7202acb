//! From paths to rows: compression, archives, encoding, then the reader of the format found inside.

use super::bounded::{Allowance, Bounded};
use super::columns::Field;
use super::encoding::{self, Decoded, With};
use super::error::ReadError;
use super::files::{DataFile, data_stem, found};
use super::foreign;
use super::report::{FileRead, ReadReport};
use super::sink::{Content, Halt, Hints, Reading, Sink};
use super::sniff::{self, Sniffed};
use super::source::{Format, Source, split_of_path};
use super::{abcd, clinc150, crosswoz, json, json_lines, multidogo, parquet, sgd, table, workbook, zstd};
use crate::{Language, Split, Transcript};
use encoding_rs::{Encoding, UTF_8};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};
use std::ops::ControlFlow;
use std::path::Path;

/// Largest `domains.json` that is read, bytes.
const DOMAINS_LIMIT: u64 = 1 << 20;

/// Reads every file of `source` and hands the transcripts to `visit`, in file and row order, until it breaks.
///
/// The same rows twice, and more rejected rows than [`Source::max_rejected`] allows, are errors.
pub fn read(
    source: &Source,
    visit: &mut dyn FnMut(Transcript) -> ControlFlow<()>,
) -> Result<ReadReport, ReadError> {
    let found = found(source)?;
    let mut all = Reading::new(visit);
    all.report.assumed.not_read = found.not_read.iter().map(|p| p.display().to_string()).collect();
    let mut labels: Vec<String> = Vec::new();
    let mut before: Vec<(String, Content)> = Vec::new();
    let mut whole = true;
    for DataFile { path, split } in &found.files {
        let file = path.display().to_string();
        let label = label_of(path, &mut labels);
        let digest = digest_of(path, &file)?;
        let (accepted, rejected, mut told) =
            (all.report.accepted, all.report.rejected_total(), Told::default());
        let halted =
            Inner { source, path, split: *split, file: &file, label: &label }.file(&mut told, &mut all);
        let accepted = all.report.accepted - accepted;
        if halted.is_ok() && accepted == 0 && all.report.rejected_total() == rejected {
            all.report.assumed.empty.push(file.clone());
        }
        let Told { formats, encoding, content } = told;
        let encoding = encoding.filter(|e| *e != UTF_8).map(Encoding::name);
        if let Some(encoding) = encoding.filter(|_| source.encoding.is_none()) {
            all.report.assumed.encodings.insert(file.clone(), encoding);
        }
        all.report.files.push(FileRead { file: file.clone(), digest, formats, encoding, accepted });
        match halted {
            Ok(()) => {}
            Err(Halt::Enough) => {
                whole = false;
                break;
            }
            Err(Halt::Error(error)) => return Err(error),
        }
        for (first, theirs) in before.iter().filter(|_| content.any()) {
            if theirs.split == content.split {
                return Err(ReadError::SameRows { first: first.clone(), second: file });
            }
            if theirs.text == content.text {
                all.report.assumed.same_rows.push((first.clone(), file.clone()));
            }
        }
        before.push((file, content));
    }
    // What no file has is misspelt; that one of several has not may well be.
    let first = || found.files.first().map_or(String::new(), |f| f.path.display().to_string());
    for field in
        Field::OF_TABLES.into_iter().filter(|f| whole && !all.fields.is_empty() && !all.fields.contains(f))
    {
        if let Some(name) = source.columns.named(field) {
            return Err(ReadError::MissingColumn { file: first(), field, named: Some(name.to_owned()) });
        }
    }
    finish(source, all, whole)
}

/// Reads one uncompressed stream as the file `name`; its report has no digest. Without a configured encoding it is UTF-8
/// or has a mark.
pub fn read_stream(
    source: &Source,
    name: &str,
    mut input: impl Read,
    visit: &mut dyn FnMut(Transcript) -> ControlFlow<()>,
) -> Result<ReadReport, ReadError> {
    let mut all = Reading::new(visit);
    let path = Path::new(name);
    let inner = Inner { source, path, split: split_of_path(path), file: name, label: name };
    let mut told = Told::default();
    let read = || -> Result<(), Halt> {
        let head = head_of(&mut input).map_err(|e| ReadError::of_io(name, e))?;
        let named = source.encoding.as_deref().map(encoding::named).transpose()?;
        let encoding = named.or_else(|| encoding::shown(&head)).unwrap_or(UTF_8);
        inner.text(&mut Cursor::new(head).chain(input), encoding, &mut told, &mut all)
    };
    match read() {
        Ok(()) => finish(source, all, true),
        Err(Halt::Enough) => finish(source, all, false),
        Err(Halt::Error(error)) => Err(error),
    }
}

fn finish(source: &Source, all: Reading<'_>, whole: bool) -> Result<ReadReport, ReadError> {
    let Reading { mut report, labels, .. } = all;
    report.assumed.labels(labels.iter());
    let (rejected, limit) = (report.rejected_total(), source.max_rejected);
    let rows = report.accepted + rejected;
    if whole && rejected as f64 > limit * rows as f64 {
        let (rejections, advice) = (report.rejections(), report.advice());
        return Err(ReadError::TooManyRejected { rejections, limit, advice });
    }
    Ok(report)
}

/// The file's name as it stands in ids; a second file of the same name gets a number.
fn label_of(path: &Path, labels: &mut Vec<String>) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let same = labels.iter().filter(|l| **l == name).count();
    labels.push(name.clone());
    if same == 0 { name } else { format!("{name}#{}", same + 1) }
}

/// BLAKE3 of a file's bytes. Looks first whether it is one: a pipe would wait for ever.
fn digest_of(path: &Path, file: &str) -> Result<String, ReadError> {
    let fail = |e| ReadError::of_io(file, e);
    if !path.metadata().map_err(fail)?.is_file() {
        return Err(ReadError::NotRegular { file: file.to_owned() });
    }
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut File::open(path).map_err(fail)?, &mut hasher).map_err(fail)?;
    Ok(hasher.finalize().to_hex().to_string())
}

fn head_of(input: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    input.take(sniff::LOOK as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// What reading a file showed of it.
#[derive(Default)]
struct Told {
    formats: Vec<Format>,
    encoding: Option<&'static Encoding>,
    content: Content,
}

/// A file, or an entry of an archive, and where it came from.
#[derive(Clone, Copy)]
struct Inner<'a> {
    source: &'a Source,
    path: &'a Path,
    /// That its name speaks of.
    split: Option<Split>,
    file: &'a str,
    label: &'a str,
}

impl Inner<'_> {
    fn fail(&self, e: io::Error) -> ReadError {
        ReadError::of_io(self.file, e)
    }

    fn foreign(&self, (what, instead): foreign::Foreign) -> ReadError {
        ReadError::Foreign { file: self.file.to_owned(), what, instead }
    }

    /// Reads the file by its first bytes.
    fn file(&self, told: &mut Told, all: &mut Reading<'_>) -> Result<(), Halt> {
        let open = || File::open(self.path).map(BufReader::new);
        let mut raw = open().map_err(|e| self.fail(e))?;
        let magic = raw.fill_buf().map_err(|e| self.fail(e))?;
        if magic.starts_with(b"PK\x03\x04") || magic.starts_with(b"PK\x05\x06") {
            return self.archive(raw, told, all);
        }
        if magic.starts_with(parquet::MAGIC) {
            told.formats.push(Format::Parquet);
            let file = File::open(self.path).map_err(|e| self.fail(e))?;
            return parquet::read(file, &mut self.sink(None, told, all));
        }
        let is_gzip = magic.starts_with(&[0x1F, 0x8B]);
        if !is_gzip && !magic.starts_with(&zstd::MAGIC) {
            return self.stream(&mut |read| read(&mut open().map_err(|e| self.fail(e))?), told, all);
        }
        let size = self.path.metadata().map_err(|e| self.fail(e))?.len();
        let mut allowance = Allowance::of(size);
        let with: &mut With<'_> = &mut |read| {
            allowance.again();
            let raw = open().map_err(|e| self.fail(e))?;
            let allowance = &mut allowance;
            if is_gzip {
                read(&mut Bounded { input: flate2::bufread::MultiGzDecoder::new(raw), allowance })
            } else {
                read(&mut Bounded { input: zstd::Frames::new(raw), allowance })
            }
        };
        self.stream(with, told, all)
    }

    /// Reads the data files of a zip archive, or a workbook, which is one.
    fn archive(&self, raw: impl Read + Seek, told: &mut Told, all: &mut Reading<'_>) -> Result<(), Halt> {
        let zip_error = |source| ReadError::Zip { file: self.file.to_owned(), source };
        let size = self.path.metadata().map_err(|e| self.fail(e))?.len();
        let mut archive = zip::ZipArchive::new(raw).map_err(zip_error)?;
        let names: Vec<String> = archive
            .file_names()
            .map(|name| name.map(|n| n.into_owned()))
            .collect::<Result<_, _>>()
            .map_err(zip_error)?;
        let has = |name: &str| names.iter().any(|n| n == name);
        if has("xl/workbook.xml") {
            told.formats.push(Format::Xlsx);
            let mut allowance = Allowance::of(size);
            for index in 0..archive.len() {
                let mut entry =
                    Bounded { input: archive.by_index(index).map_err(zip_error)?, allowance: &mut allowance };
                io::copy(&mut entry, &mut io::sink()).map_err(|e| self.fail(e))?;
            }
            let file = File::open(self.path).map(BufReader::new).map_err(|e| self.fail(e))?;
            return workbook::read(file, &mut self.sink(None, told, all));
        }
        if let Some(foreign) = foreign::in_zip(&has) {
            return Err(self.foreign(foreign).into());
        }
        let is_data = |name: &str| {
            let packed = [".gz", ".zst", ".zip", ".xlsx", ".parquet"].iter().any(|e| name.ends_with(e));
            data_stem(name).is_some() && !packed && !name.starts_with("__MACOSX/")
        };
        let data: Vec<usize> = (0..names.len()).filter(|i| is_data(&names[*i])).collect();
        if data.is_empty() {
            let mut entries: Vec<&str> =
                names.iter().filter_map(|n| n.rsplit_once('.').map(|(_, ending)| ending)).collect();
            entries.sort_unstable();
            entries.dedup();
            let entries =
                if entries.is_empty() { "none".to_owned() } else { format!(".{}", entries.join(", .")) };
            return Err(ReadError::EmptyArchive { file: self.file.to_owned(), entries }.into());
        }
        let rest = (0..names.len()).filter(|i| !data.contains(i) && data_stem(&names[*i]).is_some());
        let rest = rest.filter(|i| !names[*i].starts_with("__MACOSX/"));
        all.report.assumed.not_read.extend(rest.map(|i| format!("{}!{}", self.file, names[i])));
        // One allowance for two passes over all entries.
        let mut allowance = Allowance::of(size.saturating_mul(2));
        for index in data {
            let name = &names[index];
            let (file, label) = (format!("{}!{name}", self.file), format!("{}!{name}", self.label));
            let split = split_of_path(Path::new(name)).or(self.split);
            let entry = Inner { file: &file, label: &label, split, ..*self };
            let with: &mut With<'_> = &mut |read| {
                let input = archive.by_index(index).map_err(zip_error)?;
                read(&mut Bounded { input, allowance: &mut allowance })
            };
            entry.stream(with, told, all)?;
        }
        Ok(())
    }

    /// Reads text of which the encoding has to be found, from its beginning several times.
    fn stream(&self, with: &mut With<'_>, told: &mut Told, all: &mut Reading<'_>) -> Result<(), Halt> {
        let mut head = Vec::new();
        with(&mut |input| {
            head = head_of(input).map_err(|e| self.fail(e))?;
            Ok(())
        })?;
        if let Some(foreign) = foreign::binary(&head) {
            return Err(self.foreign(foreign).into());
        }
        let encoding = match &self.source.encoding {
            Some(name) => encoding::named(name)?,
            None => match encoding::shown(&head) {
                Some(encoding) => encoding,
                None => encoding::of_file(self.file, with)?,
            },
        };
        with(&mut |input| self.text(input, encoding, told, all))
    }

    fn sink<'s, 'v>(
        &'s self,
        format: Option<Format>,
        told: &'s mut Told,
        all: &'s mut Reading<'v>,
    ) -> Sink<'s, 'v> {
        let language = match format {
            Some(Format::Crosswoz) => Some(Language::ZH),
            Some(Format::Clinc150 | Format::Banking77 | Format::Multidogo | Format::Sgd | Format::Abcd) => {
                Some(Language::EN)
            }
            _ => None,
        };
        let hints = Hints { split: self.split, language };
        Sink::new(self.source, [self.file, self.label], hints, all, &mut told.content)
    }

    /// Reads text of one encoding.
    fn text(
        &self,
        input: &mut dyn Read,
        encoding: &'static Encoding,
        told: &mut Told,
        all: &mut Reading<'_>,
    ) -> Result<(), Halt> {
        told.encoding = Some(encoding);
        let mut decoded;
        let input: &mut dyn Read = if encoding == UTF_8 {
            input
        } else {
            decoded = Decoded::new(input, encoding);
            &mut decoded
        };
        let head = head_of(input).map_err(|e| self.fail(e))?;
        let format = match (self.source.format, sniff::format_of(&head)) {
            (Some(format), _) | (None, Sniffed::Format(format)) => format,
            (None, Sniffed::Foreign(foreign)) => return Err(self.foreign(foreign).into()),
            (None, Sniffed::Unknown) if head.len() < sniff::LOOK && head.trim_ascii().is_empty() => {
                return Ok(());
            }
            (None, Sniffed::Unknown) => {
                return Err(ReadError::UnknownFormat { file: self.file.to_owned() }.into());
            }
        };
        told.formats.push(format);
        let mut sink = self.sink(Some(format), told, all);
        let mut input = BufReader::with_capacity(sniff::LOOK, Cursor::new(head).chain(input));
        let input: &mut dyn BufRead = &mut input;
        match format {
            Format::JsonLines => json_lines::read(input, &mut sink),
            Format::Json => json::read(input, &mut sink),
            Format::Csv | Format::Tsv | Format::Banking77 => table::read(format, input, &mut sink),
            Format::Clinc150 => {
                let domains = self.domains().map_err(|e| self.fail(e))?;
                clinc150::read(&domains, input, &mut sink)
            }
            Format::Multidogo => {
                let domain = self.path.parent().and_then(Path::file_name).and_then(|d| d.to_str());
                multidogo::read(domain, input, &mut sink)
            }
            Format::Crosswoz => crosswoz::read(input, &mut sink),
            Format::Sgd => sgd::read(input, &mut sink),
            Format::Abcd => abcd::read(input, &mut sink),
            // Found by their first bytes, before any text.
            Format::Parquet | Format::Xlsx => {
                Err(ReadError::UnknownFormat { file: self.file.to_owned() }.into())
            }
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
