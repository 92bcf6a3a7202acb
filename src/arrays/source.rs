//! A file in memory: mapped, and its numbers in place or copied where that cannot be.

use super::error::{ArrayError, Fault};
use super::number::Number;
use crate::limits::available_memory;
use memmap2::Mmap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The name that stands for standard input and output.
pub(super) const STANDARD: &str = "-";

/// A mapped file, or what came from standard input.
#[derive(Debug)]
pub(super) struct Mapped {
    pub(super) path: PathBuf,
    held: Held,
}

#[derive(Debug)]
enum Held {
    Map(Mmap),
    Memory(Vec<u8>),
}

impl Mapped {
    /// Reads standard input to its end.
    pub(super) fn standard_input() -> Result<Self, ArrayError> {
        let path = PathBuf::from(STANDARD);
        let available = available_memory().unwrap_or(u64::MAX - 1);
        let mut bytes = Vec::new();
        if let Err(source) = io::stdin().lock().take(available + 1).read_to_end(&mut bytes) {
            return Err(ArrayError::Io { path, source });
        }
        let needed = bytes.len() as u64;
        if needed > available {
            return Err(ArrayError::File { path, fault: Fault::Memory { needed, available } });
        }
        Ok(Self { path, held: Held::Memory(bytes) })
    }

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
        Ok(Self { path: path.to_owned(), held: Held::Map(map) })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match &self.held {
            Held::Map(map) => map,
            Held::Memory(bytes) => bytes,
        }
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
    numbers: Numbers<T>,
}

#[derive(Debug)]
enum Numbers<T> {
    /// Bytes of the file that are the numbers.
    InPlace(Range<usize>),
    Copied(Vec<T>),
}

impl<T: Number> Source<T> {
    /// The numbers from byte `start` of the file to its end, in place if they are aligned.
    pub(super) fn new(file: Mapped, start: usize) -> Self {
        let place = start..file.bytes().len();
        let numbers = &file.bytes()[place.clone()];
        let copy = T::in_place(numbers).is_none().then(|| T::copied(numbers));
        Self { file, numbers: copy.map_or(Numbers::InPlace(place), Numbers::Copied) }
    }

    /// The numbers behind these bytes of the file, which have been asked for in place before.
    pub(super) fn in_place(file: Mapped, place: Range<usize>) -> Self {
        Self { file, numbers: Numbers::InPlace(place) }
    }

    /// Numbers that the file's bytes are not as they lie.
    pub(super) fn copied(file: Mapped, numbers: Vec<T>) -> Self {
        Self { file, numbers: Numbers::Copied(numbers) }
    }

    pub(super) fn numbers(&self) -> &[T] {
        match &self.numbers {
            Numbers::InPlace(place) => {
                T::in_place(&self.file.bytes()[place.clone()]).expect("asked for before")
            }
            Numbers::Copied(numbers) => numbers,
        }
    }

    /// The file's first bytes.
    pub(super) fn head(&self, length: usize) -> &[u8] {
        &self.file.bytes()[..length]
    }

    pub(super) fn path(&self) -> &Path {
        &self.file.path
    }

    pub(super) fn is_copied(&self) -> bool {
        matches!(self.numbers, Numbers::Copied(_))
    }
}
