//! From names to updates: folders, kinds of file, and rows in place or copied.

use super::error::{ArrayError, Fault};
use super::kind::Kind;
use super::layout::Layout;
use super::number::{Dtype, Number};
use super::select::Select;
use super::source::{Mapped, STANDARD, Source};
use super::tensor::{Contents, Tensor};
use super::updates::{Any, Form, Named, Updates};
use super::{natural, npy, npz, tensors};
use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;

/// Opens updates: one `.npy` of shape clients × parameters, or an `.npy`, `.npz` or `.safetensors` file for each client.
/// A folder stands for its files, in the order of their names with numbers in them counted; hidden ones are left out.
/// `-` stands for standard input, whose kind follows from its first bytes.
pub fn open(inputs: &[PathBuf], select: &Select) -> Result<Any, ArrayError> {
    let paths = files(inputs)?;
    let mut files: Vec<Mapped> = Vec::with_capacity(paths.len());
    let mut kind = None;
    for path in &paths {
        let fault = |fault| ArrayError::File { path: path.clone(), fault };
        let file;
        let got = if path.as_os_str() == STANDARD {
            if files.iter().any(|f| f.path == *path) {
                return Err(fault(Fault::Twice));
            }
            file = Mapped::standard_input()?;
            Kind::of_bytes(file.bytes()).map_err(fault)?
        } else {
            let named = Kind::of_name(path).map_err(fault)?;
            file = Mapped::open(path)?;
            named
        };
        let first = *kind.get_or_insert(got);
        if got != first {
            return Err(fault(Fault::OtherKind { expected: first.ending() }));
        }
        files.push(file);
    }
    let (Some(kind), Some(first)) = (kind, files.first()) else { return Err(ArrayError::NoInput) };
    if select.has_patterns() {
        let mut names = BTreeSet::new();
        for file in &files {
            names.extend(self::names(kind, file.bytes()).map_err(|f| file.fault(f))?);
        }
        select.check(&names).map_err(|f| first.fault(f))?;
    }
    let read = || {
        let contents = contents(kind, first.bytes(), select)?;
        Ok((Layout::of(&contents, first.bytes(), select)?, contents))
    };
    let (layout, contents) = read().map_err(|f| first.fault(f))?;
    match layout.dtype {
        Dtype::F32 => rows(kind, files, layout, contents, select).map(Any::F32),
        Dtype::F64 => rows(kind, files, layout, contents, select).map(Any::F64),
    }
}

/// The inputs with folders replaced by their files.
fn files(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, ArrayError> {
    let mut files = Vec::new();
    for input in inputs {
        let failed = |source| ArrayError::Io { path: input.clone(), source };
        if input.as_os_str() == STANDARD || !fs::metadata(input).map_err(failed)?.is_dir() {
            files.push(input.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in fs::read_dir(input).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if !hidden && !entry.path().is_dir() {
                inside.push(entry.file_name());
            }
        }
        inside.sort_by(|a, b| natural::compare(a.as_encoded_bytes(), b.as_encoded_bytes()));
        files.extend(inside.into_iter().map(|name| input.join(name)));
    }
    Ok(files)
}

fn names(kind: Kind, file: &[u8]) -> Result<Vec<String>, Fault> {
    match kind {
        Kind::Npy => Err(Fault::NoNames),
        Kind::Npz => npz::names(file),
        Kind::Safetensors => tensors::names(file),
    }
}

fn contents(kind: Kind, file: &[u8], select: &Select) -> Result<Contents, Fault> {
    match kind {
        Kind::Npy => Ok(Contents { tensors: vec![npy::tensor(file, "")?], ..Contents::default() }),
        Kind::Npz => npz::contents(file, select),
        Kind::Safetensors => tensors::contents(file, select),
    }
}

fn rows<T: Number>(
    kind: Kind,
    files: Vec<Mapped>,
    mut layout: Layout,
    first: Contents,
    select: &Select,
) -> Result<Updates<T>, ArrayError> {
    let mut converted = BTreeSet::new();
    let mut sources = Vec::with_capacity(files.len());
    let (metadata, start) = (first.metadata.clone(), first.start);
    let mut first = Some(first);
    for file in files {
        let mut read = || {
            let contents = first.take().map_or_else(|| contents(kind, file.bytes(), select), Ok)?;
            let arranged = layout.arranged(&contents)?;
            layout.keep(&arranged, file.bytes());
            let averaged = layout.averaged(&arranged);
            for t in averaged.iter().filter(|t| t.is_converted::<T>()) {
                let order = if t.big_endian { "big-endian " } else { "" };
                converted.insert(format!("{order}{}", t.stored));
            }
            Ok(match in_place::<T>(&averaged, file.bytes()) {
                Some(place) => Row::InPlace(place),
                None => Row::Copied(copied(&averaged, layout.params, file.bytes())?),
            })
        };
        sources.push(match read().map_err(|f| file.fault(f))? {
            Row::InPlace(place) => Source::in_place(file, place),
            Row::Copied(numbers) => Source::copied(file, numbers),
        });
    }
    let (form, params) = match (kind, &sources[..], &layout.slots[0].shape[..]) {
        (Kind::Npy, [_], [_, params]) => (Form::Matrix, *params),
        (Kind::Npy, [one], dims @ ([] | [_, _, ..])) => {
            let fault = Fault::Dimensions { dims: dims.len() };
            return Err(ArrayError::File { path: one.path().to_owned(), fault });
        }
        (Kind::Npy, _, shape) => (Form::Vectors(shape.to_owned()), layout.params),
        _ => {
            let params = layout.params;
            (Form::Tensors(Named { kind, layout, metadata, start }), params)
        }
    };
    Ok(Updates { form, sources, params, converted })
}

enum Row<T> {
    InPlace(Range<usize>),
    Copied(Vec<T>),
}

/// Where the tensors are as one run of numbers in the file, if they are.
fn in_place<T: Number>(tensors: &[&Tensor], file: &[u8]) -> Option<Range<usize>> {
    let mut places = tensors.iter().map(|t| t.place::<T>());
    let first = places.next()??;
    let all = places.try_fold(first, |all, next| {
        next.filter(|next| next.start == all.end).map(|next| all.start..next.end)
    })?;
    T::in_place(&file[all.clone()]).map(|_| all)
}

fn copied<T: Number>(tensors: &[&Tensor], params: usize, file: &[u8]) -> Result<Vec<T>, Fault> {
    let needed = params as u64 * T::DTYPE.size() as u64;
    npz::fits(needed)?;
    let mut row = Vec::with_capacity(params);
    for t in tensors {
        row.append(&mut t.numbers(file));
    }
    Ok(row)
}
