//! A file in memory: mapped, and its numbers in place or copied where that cannot be.

use super::error::{ArrayError, Fault};
use super::number::Number;
use memmap2::Mmap;
use std::fs::{self, File};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A mapped file.
#[derive(Debug)]
pub(super) struct Mapped {
    pub(super) path: PathBuf,
    map: Mmap,
}

impl Mapped {
    pub(super) fn open(path: &Path) -> Result<Self, ArrayError> {
        let failed = |source| ArrayError::Io { path: path.to_owned(), source };
        // Asked before opening: opening a pipe would wait for somebody to write.
        if !fs::metadata(path).map_err(failed)?.is_file() {
            return Err(ArrayError::File { path: path.to_owned(), fault: Fault::NotAFile });
        }
        let file = File::open(path).map_err(failed)?;
        // SAFETY: the bytes are only read, and any bytes are good numbers. A file that is cut off meanwhile ends the
        // process with SIGBUS, as it does for every program that maps files.
        let map = unsafe { Mmap::map(&file) }.map_err(failed)?;
        Ok(Self { path: path.to_owned(), map })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// The error that this file is at fault.
    pub(super) fn fault(&self, fault: Fault) -> ArrayError {
        ArrayError::File { path: self.path.clone(), fault }
    }
}

/// A file and its numbers of one type.
#[derive(Debug)]
pub(super) struct Source<T> {
    file: Mapped,
    /// Bytes of the numbers in the file.
    place: Range<usize>,
    /// The numbers in the order that is wanted, where the file's bytes are not that.
    copy: Option<Vec<T>>,
}

impl<T: Number> Source<T> {
    /// The numbers from byte `start` of the file to its end, in place if they are aligned.
    pub(super) fn new(file: Mapped, start: usize) -> Self {
        let place = start..file.bytes().len();
        let numbers = &file.bytes()[place.clone()];
        let copy = T::in_place(numbers).is_none().then(|| T::copied(numbers));
        Self { file, place, copy }
    }

    /// The same numbers, rearranged by `arrange`.
    pub(super) fn rearranged(self, arrange: impl FnOnce(&[T]) -> Vec<T>) -> Self {
        let copy = Some(arrange(self.numbers()));
        Self { copy, ..self }
    }

    pub(super) fn numbers(&self) -> &[T] {
        match &self.copy {
            Some(copy) => copy,
            None => T::in_place(self.bytes()).expect("copied at the beginning if not aligned"),
        }
    }

    /// The bytes that hold the numbers in the file.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.file.bytes()[self.place.clone()]
    }

    /// The bytes before the numbers.
    pub(super) fn head(&self) -> &[u8] {
        &self.file.bytes()[..self.place.start]
    }

    pub(super) fn path(&self) -> &Path {
        &self.file.path
    }

    pub(super) fn is_copied(&self) -> bool {
        self.copy.is_some()
    }
}
