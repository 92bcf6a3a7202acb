//! `BLAKE3SUMS`: a digest of every file that a run has left, written when it ends and gone while it goes on.
//!
//! The format is that of `b3sum`, which checks it. A directory with this file, and files that it fits, holds a run that
//! has come to an end and that nothing else has changed since.

use crate::experiment::ExperimentError;
use crate::experiment::directory::{CONFIG, MANIFEST};
use crate::experiment::inputs::digest_of;
use crate::experiment::journal::{EGRESS, ROUNDS};
use crate::experiment::record::{CLIENTS, MODEL, SUMMARY};
use sottovoce_simulation::durable::{self, Access};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

/// The file.
pub const SUMS: &str = "BLAKE3SUMS";

const FILES: [&str; 7] = [CLIENTS, CONFIG, EGRESS, MANIFEST, MODEL, ROUNDS, SUMMARY];

/// Writes the digests of a run directory's files as they are.
pub(crate) fn write(folder: &Path) -> Result<(), ExperimentError> {
    let mut text = String::new();
    for name in FILES {
        let digest = digest_of(&folder.join(name))?;
        let _ = writeln!(text, "{digest}  {name}");
    }
    let path = folder.join(SUMS);
    durable::replace(&path, text.as_bytes(), Access::Owner, None).map_err(ExperimentError::at(&path))
}

/// The run goes on, so that its files change.
pub(crate) fn remove(folder: &Path) -> Result<(), ExperimentError> {
    let path = folder.join(SUMS);
    match fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(ExperimentError::at(&path)(e)),
        _ => Ok(()),
    }
}

/// Whether a run has come to an end in this folder and its files are what it left. The first file that is not is an error.
pub fn check(folder: &Path) -> Result<bool, ExperimentError> {
    let path = folder.join(SUMS);
    let text = match fs::read_to_string(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        text => text.map_err(ExperimentError::at(&path))?,
    };
    let sums: BTreeMap<&str, &str> =
        text.lines().filter_map(|line| line.split_once("  ")).map(|(digest, name)| (name, digest)).collect();
    for name in FILES {
        let path = folder.join(name);
        if sums.get(name) != Some(&digest_of(&path)?.as_str()) {
            let what =
                "is not what the run left here: something else has changed it; `sottovoce verify` says where";
            return Err(ExperimentError::RunDirectory { path, what });
        }
    }
    Ok(true)
}
