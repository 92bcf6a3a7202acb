//! Results as files, there whole or not at all, or on a stream.

use super::error::{ArrayError, Fault};
use super::kind::Kind;
use super::number::Number;
use super::stored::Stored;
use super::updates::{Form, Updates};
use super::{npy, npz, tensors};
use std::fs::{self, File};
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};

/// The file beside `path` that holds a result until it is whole.
pub fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

/// Checks that the kind of file can hold the result.
pub(super) fn holds<T: Number>(updates: &Updates<T>, path: &Path, matrix: bool) -> Result<(), ArrayError> {
    if matrix && updates.holds_tensors() {
        let fault = Fault::Rows { ending: updates.ending() };
        return Err(ArrayError::File { path: path.to_owned(), fault });
    }
    Ok(())
}

pub(super) fn check<T: Number>(
    updates: &Updates<T>,
    path: &Path,
    matrix: bool,
    other: &[PathBuf],
) -> Result<(), ArrayError> {
    let fault = |fault| Err(ArrayError::File { path: path.to_owned(), fault });
    holds(updates, path, matrix)?;
    let expected = updates.ending();
    if Kind::of_name(path).map(Kind::ending) != Ok(expected) {
        return fault(Fault::OtherKind { expected });
    }
    let folder = folder(path);
    let failed = |source| ArrayError::Io { path: folder.to_owned(), source };
    if !fs::metadata(folder).map_err(failed)?.is_dir() {
        return Err(failed(io::ErrorKind::NotADirectory.into()));
    }
    for written in [path, &partial(path)] {
        let Ok(existing) = fs::canonicalize(written) else { continue };
        if !existing.is_file() {
            return fault(Fault::NotAFile);
        }
        let is_existing = |p: &Path| fs::canonicalize(p).is_ok_and(|p| p == existing);
        if updates.files().chain(other.iter().map(PathBuf::as_path)).any(is_existing) {
            return fault(Fault::IsInput);
        }
    }
    Ok(())
}

pub(super) fn write<T: Number>(
    updates: &Updates<T>,
    path: &Path,
    rows: &[Vec<T>],
    matrix: bool,
) -> Result<(), ArrayError> {
    let partial = partial(path);
    let whole = || {
        let mut file = File::create(&partial)?;
        match updates.archive() {
            Some(named) => drop(npz::write(named, &rows[0], &mut file)?),
            None => plain(updates, &mut file, rows, matrix)?,
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

pub(super) fn stream<T: Number>(
    updates: &Updates<T>,
    mut out: impl Write,
    rows: &[Vec<T>],
    matrix: bool,
) -> io::Result<()> {
    match updates.archive() {
        // An archive goes back to what it has written, which a stream cannot.
        Some(named) => {
            out.write_all(npz::write(named, &rows[0], Cursor::new(Vec::new()))?.get_ref())?;
        }
        None => plain(updates, &mut out, rows, matrix)?,
    }
    out.flush()
}

/// Writes an array or safetensors.
fn plain<T: Number>(
    updates: &Updates<T>,
    out: &mut impl Write,
    rows: &[Vec<T>],
    matrix: bool,
) -> io::Result<()> {
    let own = Stored::from(T::DTYPE);
    let head = match &updates.form {
        Form::Tensors(named) => {
            let row = T::le_bytes(&rows[0]);
            let pieces = named.layout.pieces::<T>(&own, &row);
            // Where nothing but numbers changes, the header stays as it is.
            if named.layout.is_as_stored::<T>() {
                out.write_all(updates.sources[0].head(named.start))?;
            } else {
                out.write_all(&tensors::written(&named.metadata, &pieces))?;
            }
            return pieces.iter().try_for_each(|(.., bytes)| out.write_all(bytes));
        }
        _ if matrix => npy::header(&own, &[rows.len(), updates.params]),
        Form::Matrix => npy::header(&own, &[updates.params]),
        Form::Vectors(shape) => npy::header(&own, shape),
    };
    out.write_all(&head)?;
    rows.iter().try_for_each(|row| out.write_all(&T::le_bytes(row)))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
