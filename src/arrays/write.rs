//! Results as files, there whole or not at all.

use super::error::{ArrayError, Fault};
use super::npy;
use super::number::Number;
use super::updates::{Form, Updates, ending};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file beside `path` that holds a result until it is whole.
pub fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

pub(super) fn check<T: Number>(updates: &Updates<T>, path: &Path) -> Result<(), ArrayError> {
    let fault = |fault| Err(ArrayError::File { path: path.to_owned(), fault });
    let expected = updates.ending();
    if ending(path) != Ok(expected) {
        return fault(Fault::OtherKind { expected });
    }
    let folder = folder(path);
    let failed = |source| ArrayError::Io { path: folder.to_owned(), source };
    if !fs::metadata(folder).map_err(failed)?.is_dir() {
        return Err(failed(io::ErrorKind::NotADirectory.into()));
    }
    let Ok(existing) = fs::canonicalize(path) else { return Ok(()) };
    if !existing.is_file() {
        return fault(Fault::NotAFile);
    }
    let is_input = |p: &Path| fs::canonicalize(p).is_ok_and(|p| p == existing);
    if updates.sources.iter().any(|s| is_input(s.path())) {
        return fault(Fault::IsInput);
    }
    Ok(())
}

pub(super) fn write<T: Number>(
    updates: &Updates<T>,
    path: &Path,
    rows: &[Vec<T>],
    matrix: bool,
) -> Result<(), ArrayError> {
    check(updates, path)?;
    let head = match &updates.form {
        // The result has the tensors of the first file, in its order, and its metadata: that is its header.
        Form::Tensors(_) if !matrix => updates.sources[0].head().to_vec(),
        Form::Tensors(_) => {
            let fault = Fault::Rows { rows: rows.len() };
            return Err(ArrayError::File { path: path.to_owned(), fault });
        }
        _ if matrix => npy::header(T::DTYPE, &[rows.len(), updates.params]),
        Form::Matrix => npy::header(T::DTYPE, &[updates.params]),
        Form::Vectors(shape) => npy::header(T::DTYPE, shape),
    };
    let partial = partial(path);
    let whole = || {
        let mut file = File::create(&partial)?;
        file.write_all(&head)?;
        for row in rows {
            file.write_all(&T::le_bytes(row))?;
        }
        file.sync_all()?;
        fs::rename(&partial, path)?;
        // A rename is safe once its folder is.
        File::open(folder(path))?.sync_all()
    };
    whole().map_err(|source| {
        // What is left of it is of no use; if it cannot be removed either, the first error is the one to tell.
        let _ = fs::remove_file(&partial);
        ArrayError::Io { path: path.to_owned(), source }
    })
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
