//! Which files of a folder are data, and what their names say of the split.

use super::error::ReadError;
use super::source::{Source, Unit, split_named, split_of_name, split_of_path};
use crate::Split;
use std::path::{Path, PathBuf};

/// Folders within folders that are looked into.
const DEPTH: usize = 4;

/// Files beside data in released sets, without their endings: tables of names, not transcripts.
const BESIDE: &[&str] = &[
    "categories",
    "dataset_dict",
    "dataset_info",
    "dataset_infos",
    "domains",
    "guidelines",
    "kb",
    "ontology",
    "schema",
    "state",
    "utterances",
];

/// Endings of files that are no data here, but may well be meant: reading one of them says what it is.
const OTHERS: &[&str] = &[
    "txt", "text", "yml", "yaml", "xls", "db", "sqlite", "docx", "pdf", "ods", "arrow", "feather", "pkl",
    "xml",
];

/// A file to read, with the split of its name, if it has one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DataFile {
    pub(super) split: Option<Split>,
    pub(super) path: PathBuf,
}

/// What a source stands for.
#[derive(Default)]
pub(super) struct Found {
    pub(super) files: Vec<DataFile>,
    /// Data files of the same folders that are not read.
    pub(super) not_read: Vec<PathBuf>,
}

/// The files that `source` stands for, in reading order: of a folder its train, validation and test files, those of
/// folders of these names, or all its data files where no name speaks of a split. With dialogues as the unit,
/// `transcripts*` files go first.
pub fn files_of(source: &Source) -> Result<Vec<PathBuf>, ReadError> {
    Ok(found(source)?.files.into_iter().map(|file| file.path).collect())
}

pub(super) fn found(source: &Source) -> Result<Found, ReadError> {
    let mut all = Found::default();
    for path in &source.paths {
        if !path.is_dir() {
            // The folder above is not the data's: its name says nothing.
            let split = path.file_name().and_then(|n| n.to_str()).and_then(split_of_name);
            all.files.push(DataFile { split, path: path.clone() });
            continue;
        }
        let before = all.files.len();
        of_folder(path, source.unit, DEPTH, &mut all)?;
        if all.files.len() == before {
            return Err(ReadError::NothingInDirectory { directory: path.clone() });
        }
    }
    if all.files.is_empty() { Err(ReadError::NoFiles) } else { Ok(all) }
}

fn of_folder(folder: &Path, unit: Unit, depth: usize, all: &mut Found) -> Result<(), ReadError> {
    let listing = Listing::of(folder)?;
    let data: Vec<(&str, &str)> =
        listing.files.iter().filter_map(|name| data_stem(name).map(|stem| (name.as_str(), stem))).collect();
    let is_transcripts = |stem: &str| stem == "transcripts" || stem.starts_with("transcripts_");
    let file = |name: &str, split| DataFile { split, path: folder.join(name) };
    let take = |keep: &dyn Fn(&str) -> bool| -> Vec<DataFile> {
        data.iter()
            .filter(|(_, stem)| keep(stem))
            .map(|(name, stem)| file(name, split_of_name(stem)))
            .collect()
    };
    let mut found = if unit == Unit::Dialogue { take(&is_transcripts) } else { Vec::new() };
    if found.is_empty() {
        found = take(&|stem| is_split(stem));
        for inner in listing.folders.iter().filter(|name| split_named(name).is_some()) {
            let within = Listing::of(&folder.join(inner))?;
            for name in
                within.files.iter().filter(|name| data_stem(name).is_some_and(|stem| !is_beside(stem)))
            {
                let split = split_of_path(&Path::new(inner).join(name));
                found.push(DataFile { split, path: folder.join(inner).join(name) });
            }
        }
    }
    // Sets as released: CLINC150's whole file among its variants, ABCD among its tables.
    for keep in [
        &(|stem: &str| stem == "data_full") as &dyn Fn(&str) -> bool,
        &|stem| stem.starts_with("abcd_v"),
        &|stem| stem.starts_with("abcd_"),
        &|stem| split_of_name(stem).is_some() && !is_beside(stem) && !is_transcripts(stem),
        &|stem| !is_beside(stem) && !is_transcripts(stem),
    ] {
        if found.is_empty() {
            found = take(keep);
        }
    }
    let used = |name: &str| found.iter().any(|f| f.path == folder.join(name));
    let rest = data.iter().filter(|(name, stem)| !used(name) && !is_beside(stem) && !is_transcripts(stem));
    all.not_read.extend(rest.map(|(name, _)| folder.join(name)));
    if found.is_empty() && depth > 0 {
        for inner in &listing.folders {
            of_folder(&folder.join(inner), unit, depth - 1, all)?;
        }
    }
    if found.is_empty() && depth == DEPTH && all.files.is_empty() {
        let meant = |name: &&String| {
            let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
            OTHERS.contains(&ending) && !["README", "LICENSE", "NOTICE"].iter().any(|n| stem.starts_with(n))
        };
        found.extend(listing.files.iter().find(meant).map(|name| file(name, None)));
    }
    found.sort();
    all.files.extend(found);
    Ok(())
}

/// Names in a folder, sorted: a folder lists its files in no particular order. Hidden ones are left out.
struct Listing {
    files: Vec<String>,
    folders: Vec<String>,
}

impl Listing {
    fn of(folder: &Path) -> Result<Self, ReadError> {
        let fail = |source| ReadError::of_io(&folder.display().to_string(), source);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(fail)? {
            names.extend(entry.map_err(fail)?.file_name().into_string());
        }
        names.retain(|name| !name.starts_with('.') && name != "__MACOSX");
        names.sort();
        let (folders, files) = names.into_iter().partition(|name| folder.join(name).is_dir());
        Ok(Self { files, folders })
    }
}

/// `train`, `train-00000-of-00002`, `test_part3`.
fn is_split(stem: &str) -> bool {
    let mut words = stem.split(|c: char| !c.is_ascii_alphanumeric());
    let shard = |word: &str| {
        let number = word.trim_start_matches("part").trim_start_matches("shard");
        word == "of" || number.bytes().all(|b| b.is_ascii_digit())
    };
    words.next().is_some_and(|word| split_named(word).is_some()) && words.all(shard)
}

fn is_beside(stem: &str) -> bool {
    let name = stem.to_ascii_lowercase();
    BESIDE.iter().any(|beside| name == *beside || name.ends_with(&format!("_{beside}")))
}

/// A data file's name without its extensions.
pub(super) fn data_stem(name: &str) -> Option<&str> {
    let plain = [".gz", ".zst", ".zip"].iter().find_map(|e| name.strip_suffix(e)).unwrap_or(name);
    let endings = [".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".xlsx"];
    endings.iter().find_map(|e| plain.strip_suffix(e)).or_else(|| name.strip_suffix(".zip"))
}
