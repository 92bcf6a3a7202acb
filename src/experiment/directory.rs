//! Taking a folder as a run directory. Nothing in it is changed on the way: a folder that is refused is as it was.

use crate::experiment::ExperimentError;
use crate::experiment::inputs::Inputs;
use serde::Deserialize;
use sottovoce_core::Digest;
use sottovoce_simulation::durable::PARTIAL;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Held while a process writes in a run directory.
pub(crate) const LOCK: &str = ".lock";
/// What makes a folder a run directory; the first file that a run writes.
pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const CONFIG: &str = "config.toml";

/// A folder that this process holds.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) path: PathBuf,
    /// Whose it is, if a run has begun there.
    pub(crate) identity: Option<Identity>,
    /// Held as long as this is.
    _lock: File,
}

/// What a manifest says of the run that a directory belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Identity {
    pub(crate) contract: u32,
    pub(crate) config: Digest,
    pub(crate) inputs: Inputs,
}

impl Identity {
    /// Of a run directory; none where there is no manifest.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>, ExperimentError> {
        let path = folder.join(MANIFEST);
        match fs::read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(ExperimentError::at(&path)(e)),
            Ok(json) => serde_json::from_slice(&json).map(Some).map_err(|_| ExperimentError::RunDirectory {
                path,
                what: "is damaged, or of an earlier version; begin anew in another folder",
            }),
        }
    }
}

impl Claim {
    /// A folder that is empty or does not exist yet.
    pub(crate) fn new(path: &Path) -> Result<Self, ExperimentError> {
        let held = |folder: &Path| match nothing(folder)? {
            true => Ok(None),
            false => Err(refused(path, "is not empty; choose another folder, or go on with --resume")),
        };
        Self::of(path, held)
    }

    /// A run directory, or a folder in which nothing has begun.
    pub(crate) fn existing(path: &Path) -> Result<Self, ExperimentError> {
        let held = |folder: &Path| match Identity::read(folder)? {
            None if !nothing(folder)? => {
                Err(refused(path, "is no run directory; choose a folder that is, or a new one"))
            }
            identity => Ok(identity),
        };
        Self::of(path, held)
    }

    /// Looks before the folder is held, so that a refusal leaves no trace, and again when nobody else can change it.
    fn of(
        path: &Path,
        look: impl Fn(&Path) -> Result<Option<Identity>, ExperimentError>,
    ) -> Result<Self, ExperimentError> {
        look(path)?;
        let lock = lock(path)?;
        Ok(Self { path: path.to_owned(), identity: look(path)?, _lock: lock })
    }
}

fn refused(path: &Path, what: &'static str) -> ExperimentError {
    ExperimentError::RunDirectory { path: path.to_owned(), what }
}

/// Whether there is nothing yet, or what a process has left that was killed before its run began.
fn nothing(folder: &Path) -> Result<bool, ExperimentError> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(true),
        entries => entries.map_err(ExperimentError::at(folder))?,
    };
    let begun = format!("{MANIFEST}{PARTIAL}");
    for entry in entries {
        let name = entry.map_err(ExperimentError::at(folder))?.file_name();
        if name != LOCK && name != begun.as_str() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes a folder this process's own until the file is dropped, which the system sees to if the process is killed.
fn lock(folder: &Path) -> Result<File, ExperimentError> {
    fs::create_dir_all(folder).map_err(ExperimentError::at(folder))?;
    let path = folder.join(LOCK);
    let file = File::options().create(true).append(true).open(&path).map_err(ExperimentError::at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(refused(folder, "another process is running here; wait for it, or choose another folder"))
        }
        Err(TryLockError::Error(source)) => Err(ExperimentError::at(&path)(source)),
    }
}
