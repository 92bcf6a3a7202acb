//! Updates of clients as they lie in files: one matrix, or a file for each client.

use super::error::{ArrayError, Fault};
use super::npy::Header;
use super::number::{Dtype, Number};
use super::source::{Mapped, Source};
use super::tensors::Index;
use super::write;
use rayon::prelude::*;
use sottovoce_aggregator::Stack;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Endings of the two kinds of file.
pub(super) const NPY: &str = ".npy";
pub(super) const SAFETENSORS: &str = ".safetensors";

/// What the files are, besides their numbers.
#[derive(Debug)]
pub(super) enum Form {
    /// One array, a row for each client.
    Matrix,
    /// An array for each client, all of this shape.
    Vectors(Vec<usize>),
    /// A file of tensors for each client; this is the first one's header.
    Tensors(Index),
}

/// Updates of `clients` clients with `params` numbers each, of one type.
#[derive(Debug)]
pub struct Updates<T> {
    pub(super) form: Form,
    pub(super) sources: Vec<Source<T>>,
    pub(super) params: usize,
}

/// Updates of either type.
#[derive(Debug)]
pub enum Any {
    /// Of `f32`.
    F32(Updates<f32>),
    /// Of `f64`.
    F64(Updates<f64>),
}

/// Which of the two kinds a file is, by its name.
pub(super) fn ending(path: &Path) -> Result<&'static str, Fault> {
    match path.extension().and_then(|e| e.to_str()) {
        Some("npy") => Ok(NPY),
        Some("safetensors") => Ok(SAFETENSORS),
        _ => Err(Fault::Kind),
    }
}

/// Opens updates: one `.npy` of shape clients × parameters, or an `.npy` or a `.safetensors` file for each client. A
/// folder stands for its files, in the order of their names; hidden ones are left out.
pub fn open(inputs: &[PathBuf]) -> Result<Any, ArrayError> {
    let paths = files(inputs)?;
    let first = paths.first().ok_or(ArrayError::NoInput)?;
    let fault = |path: &Path, fault| ArrayError::File { path: path.to_owned(), fault };
    let expected = ending(first).map_err(|f| fault(first, f))?;
    for path in &paths {
        if ending(path).map_err(|f| fault(path, f))? != expected {
            return Err(fault(path, Fault::OtherKind { expected }));
        }
    }
    let file = Mapped::open(first)?;
    let dtype = match expected {
        NPY => Header::parse(file.bytes()).and_then(|h| h.dtype()),
        _ => Index::parse(file.bytes()).map(|i| i.dtype),
    };
    match (expected, dtype.map_err(|f| file.fault(f))?) {
        (NPY, Dtype::F32) => arrays(&paths).map(Any::F32),
        (NPY, Dtype::F64) => arrays(&paths).map(Any::F64),
        (_, Dtype::F32) => tensors(&paths).map(Any::F32),
        (_, Dtype::F64) => tensors(&paths).map(Any::F64),
    }
}

/// The inputs with folders replaced by their files.
fn files(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, ArrayError> {
    let mut files = Vec::new();
    for input in inputs {
        let failed = |source| ArrayError::Io { path: input.clone(), source };
        if !fs::metadata(input).map_err(failed)?.is_dir() {
            files.push(input.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in fs::read_dir(input).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if !hidden && !entry.path().is_dir() {
                inside.push(entry.path());
            }
        }
        inside.sort();
        files.append(&mut inside);
    }
    Ok(files)
}

fn arrays<T: Number>(paths: &[PathBuf]) -> Result<Updates<T>, ArrayError> {
    let mut sources = Vec::with_capacity(paths.len());
    let mut shape: Option<Vec<usize>> = None;
    for path in paths {
        let file = Mapped::open(path)?;
        let read = || {
            let header = Header::parse(file.bytes())?;
            let got = header.dtype()?;
            if got != T::DTYPE {
                return Err(Fault::OtherType { expected: T::DTYPE, got });
            }
            if header.count(got.size(), file.bytes().len())? == 0 {
                return Err(Fault::Empty);
            }
            match &shape {
                Some(expected) if *expected != header.shape => {
                    Err(Fault::OtherShape { expected: expected.clone(), got: header.shape })
                }
                _ => Ok(header),
            }
        };
        let header = read().map_err(|f| file.fault(f))?;
        let source = Source::new(file, header.start);
        let transposed = header.transposed();
        let shape = &*shape.insert(header.shape);
        sources.push(if transposed { source.rearranged(|n| c_order(n, shape)) } else { source });
    }
    let shape = shape.ok_or(ArrayError::NoInput)?;
    let (form, params) = match (&sources[..], &shape[..]) {
        ([_], [_, params]) => (Form::Matrix, *params),
        ([one], [] | [_, _, ..]) => {
            let fault = Fault::Dimensions { dims: shape.len() };
            return Err(ArrayError::File { path: one.path().to_owned(), fault });
        }
        _ => (Form::Vectors(shape.clone()), sources[0].numbers().len()),
    };
    Ok(Updates { form, sources, params })
}

/// Numbers in Fortran order, put into C order.
fn c_order<T: Number>(numbers: &[T], shape: &[usize]) -> Vec<T> {
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1;
    for dim in shape {
        strides.push(stride);
        stride *= dim;
    }
    let mut place = vec![0; shape.len()];
    let mut from = 0;
    let mut ordered = Vec::with_capacity(numbers.len());
    while ordered.len() < numbers.len() {
        ordered.push(numbers[from]);
        for axis in (0..shape.len()).rev() {
            place[axis] += 1;
            from += strides[axis];
            if place[axis] < shape[axis] {
                break;
            }
            from -= strides[axis] * shape[axis];
            place[axis] = 0;
        }
    }
    ordered
}

fn tensors<T: Number>(paths: &[PathBuf]) -> Result<Updates<T>, ArrayError> {
    let mut sources = Vec::with_capacity(paths.len());
    let mut first: Option<Index> = None;
    for path in paths {
        let file = Mapped::open(path)?;
        let read = || {
            let index = Index::parse(file.bytes())?;
            if index.dtype != T::DTYPE {
                return Err(Fault::OtherType { expected: T::DTYPE, got: index.dtype });
            }
            if index.count == 0 {
                return Err(Fault::Empty);
            }
            let places = first.as_ref().map_or(Ok(None), |first| first.places_in(&index))?;
            Ok((index, places))
        };
        let (index, places) = read().map_err(|f| file.fault(f))?;
        let source = Source::new(file, index.start);
        sources.push(match places {
            None => source,
            Some(places) => source.rearranged(|numbers| {
                places.into_iter().flat_map(|place| numbers[place].iter().copied()).collect()
            }),
        });
        first.get_or_insert(index);
    }
    let index = first.ok_or(ArrayError::NoInput)?;
    let params = index.count;
    Ok(Updates { form: Form::Tensors(index), sources, params })
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
        if self.holds_tensors() { SAFETENSORS } else { NPY }
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
            Form::Tensors(index) => {
                let holding = index.holding(coordinate);
                let tensor = holding.map(|t| t.name.as_str());
                let coordinate = coordinate - holding.map_or(0, |t| t.from);
                Place { path: self.sources[client].path(), row: None, tensor, coordinate }
            }
        }
    }

    /// Checks that a result can go to `path`: of the same kind by its name, no input, in a folder that exists.
    pub fn may_write(&self, path: &Path) -> Result<(), ArrayError> {
        write::check(self, path)
    }

    /// Writes rows of a result as these updates are written: a single row as one update, several (`matrix`) as a
    /// matrix. The file is there whole or not at all.
    pub fn write(&self, path: &Path, rows: &[Vec<T>], matrix: bool) -> Result<(), ArrayError> {
        write::write(self, path, rows, matrix)
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
        write!(f, "{}", self.path.display())?;
        if let Some(row) = self.row {
            write!(f, ", row {row}")?;
        }
        if let Some(tensor) = self.tensor {
            write!(f, ", tensor {tensor}")?;
        }
        write!(f, ", coordinate {}", self.coordinate)
    }
}
