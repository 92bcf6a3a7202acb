//! Updates of clients as they lie in files: one matrix, or a file for each client.

use super::error::{ArrayError, shown};
use super::kind::Kind;
use super::layout::Layout;
use super::number::Number;
use super::source::{STANDARD, Source};
use super::write;
use rayon::prelude::*;
use sottovoce_aggregator::Stack;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What the files are, besides their numbers.
#[derive(Debug)]
pub(super) enum Form {
    /// One array, a row for each client.
    Matrix,
    /// An array for each client, all of this shape.
    Vectors(Vec<usize>),
    /// A file of tensors by name for each client.
    Tensors(Named),
}

/// What a file of tensors has besides numbers.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) kind: Kind,
    pub(super) layout: Layout,
    /// Of the first file.
    pub(super) metadata: BTreeMap<String, String>,
    /// Bytes of the first file before its first tensor.
    pub(super) start: usize,
}

/// Updates of `clients` clients with `params` numbers each, of one type.
#[derive(Debug)]
pub struct Updates<T> {
    pub(super) form: Form,
    pub(super) sources: Vec<Source<T>>,
    pub(super) params: usize,
    pub(super) converted: BTreeSet<String>,
}

/// Updates of either type.
#[derive(Debug)]
pub enum Any {
    /// Of `f32`.
    F32(Updates<f32>),
    /// Of `f64`.
    F64(Updates<f64>),
}

impl<T: Number> Updates<T> {
    /// The rows, one for each client, where they lie.
    pub fn rows(&self) -> Vec<&[T]> {
        match self.form {
            Form::Matrix => self.sources[0].numbers().chunks_exact(self.params).collect(),
            _ => self.sources.iter().map(Source::numbers).collect(),
        }
    }

    /// The rows as rules take them.
    pub fn stack(&self) -> Stack<'_, T> {
        Stack::new(self.rows()).expect("opened only with numbers, and as many in each row")
    }

    /// Number of parameters, the length of each row.
    pub fn params(&self) -> usize {
        self.params
    }

    /// Whether the files hold one update each and nothing else: then a matrix cannot be written.
    pub fn holds_tensors(&self) -> bool {
        matches!(self.form, Form::Tensors(_))
    }

    /// Ending of the files' names, and of those that [`Updates::write`] makes.
    pub fn ending(&self) -> &'static str {
        if let Form::Tensors(named) = &self.form { named.kind.ending() } else { Kind::Npy.ending() }
    }

    /// The files, in the order of the clients.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.sources.iter().map(Source::path)
    }

    /// Types of number that were read as the result's, most significant byte first or of 16 bits.
    pub fn converted(&self) -> impl Iterator<Item = &str> {
        self.converted.iter().map(String::as_str)
    }

    /// Names of tensors that are not averaged, but in the result as they are.
    pub fn kept(&self) -> Vec<&str> {
        let slots = self.named().into_iter().flat_map(|n| &n.layout.slots);
        slots.filter(|s| s.kept.is_some()).map(|s| &s.name[..]).collect()
    }

    /// Names of the first file's tensors that the result does not have.
    pub fn left_out(&self) -> Vec<&str> {
        self.named().into_iter().flat_map(|n| &n.layout.left_out).map(String::as_str).collect()
    }

    /// Names of kept tensors that are not the same in all files.
    pub fn differing(&self) -> Vec<&str> {
        self.named().into_iter().flat_map(|n| &n.layout.differing).map(String::as_str).collect()
    }

    /// The tensors of an archive of arrays, if the files are such.
    pub(super) fn archive(&self) -> Option<&Layout> {
        self.named().filter(|n| n.kind == Kind::Npz).map(|n| &n.layout)
    }

    fn named(&self) -> Option<&Named> {
        if let Form::Tensors(named) = &self.form { Some(named) } else { None }
    }

    /// Files whose numbers could not be read in place and were copied.
    pub fn copies(&self) -> impl Iterator<Item = &Path> {
        self.sources.iter().filter(|s| s.is_copied()).map(Source::path)
    }

    /// Reads a byte of every page, so that what follows does not wait for the disk.
    pub fn touch(&self) {
        const PAGE: usize = 4096;
        self.rows().par_iter().for_each(|row| {
            row.chunks(PAGE / T::DTYPE.size()).for_each(|page| {
                std::hint::black_box(page[0]);
            });
        });
    }

    /// Where a number of a row comes from.
    pub fn place(&self, client: usize, coordinate: usize) -> Place<'_> {
        match &self.form {
            Form::Matrix => {
                Place { path: self.sources[0].path(), row: Some(client), tensor: None, coordinate }
            }
            Form::Vectors(_) => {
                Place { path: self.sources[client].path(), row: None, tensor: None, coordinate }
            }
            Form::Tensors(named) => {
                let holding = named.layout.holding(coordinate);
                let tensor = holding.map(|t| t.name.as_str());
                let coordinate = coordinate - holding.map_or(0, |t| t.from);
                Place { path: self.sources[client].path(), row: None, tensor, coordinate }
            }
        }
    }

    /// Checks that a result can go to `path` (`-`: standard output): of the same kind by its name, in a folder that exists, none of the inputs
    /// nor of the `other` files that are read, and no matrix where the kind of file holds one update.
    pub fn may_write(&self, path: &Path, matrix: bool, other: &[PathBuf]) -> Result<(), ArrayError> {
        if path.as_os_str() == STANDARD {
            return write::holds(self, path, matrix);
        }
        write::check(self, path, matrix, other)
    }

    /// Writes rows of a result as these updates are written: a single row as one update, several (`matrix`) as a
    /// matrix. The file is there whole or not at all. It has been asked whether it [may](Self::may_write).
    pub fn write(&self, path: &Path, rows: &[Vec<T>], matrix: bool) -> Result<(), ArrayError> {
        write::write(self, path, rows, matrix)
    }

    /// The same to a stream.
    pub fn write_to(&self, out: impl Write, rows: &[Vec<T>], matrix: bool) -> io::Result<()> {
        write::stream(self, out, rows, matrix)
    }
}

/// A number's file and place in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place<'a> {
    /// The file.
    pub path: &'a Path,
    /// Its row, in a matrix.
    pub row: Option<usize>,
    /// Its tensor, in a file of several.
    pub tensor: Option<&'a str>,
    /// Coordinate in the row or tensor, counted in C order from 0.
    pub coordinate: usize,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(self.path))?;
        if let Some(row) = self.row {
            write!(f, ", row {row}")?;
        }
        if let Some(tensor) = self.tensor {
            write!(f, ", tensor {tensor}")?;
        }
        write!(f, ", coordinate {}", self.coordinate)
    }
}
