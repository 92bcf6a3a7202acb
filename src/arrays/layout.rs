//! The tensors of a result, and where each lies in a row: what all files are held against.

use super::error::Fault;
use super::number::{Dtype, Number};
use super::select::{Integers, Select};
use super::stored::Stored;
use super::tensor::{Contents, Tensor};
use std::collections::{BTreeMap, BTreeSet};

/// A tensor of the result.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) name: String,
    /// Its type in the first file.
    pub(super) stored: Stored,
    pub(super) shape: Vec<usize>,
    /// Elements.
    pub(super) count: usize,
    /// First number in a row, of what is averaged.
    pub(super) from: usize,
    /// The elements of what is not averaged, as they are written.
    pub(super) kept: Option<Vec<u8>>,
}

/// The tensors of a result in the order of the first file.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) slots: Vec<Slot>,
    /// Numbers that are averaged.
    pub(super) params: usize,
    pub(super) dtype: Dtype,
    /// Names in the first file that the result does not have.
    pub(super) left_out: BTreeSet<String>,
    /// Kept tensors that are not the same in all files.
    pub(super) differing: BTreeSet<String>,
    integers: Integers,
}

impl Layout {
    /// From the first file, whose bytes are `file`.
    pub(super) fn of(contents: &Contents, file: &[u8], select: &Select) -> Result<Self, Fault> {
        let mut dtype: Option<Dtype> = None;
        let mut left_out: BTreeSet<String> = contents.left_out.iter().cloned().collect();
        let (mut slots, mut params) = (Vec::new(), 0);
        for t in &contents.tensors {
            let mut kept = None;
            if let Some(got) = t.stored.averaged() {
                let expected = *dtype.get_or_insert(got);
                if got != expected {
                    return Err(Fault::MixedTypes { tensor: t.name.clone(), expected, got });
                }
            } else if t.name.is_empty() {
                return Err(Fault::IntegerArray { found: t.stored.clone() });
            } else {
                match select.integers {
                    Integers::Error => {
                        let (tensor, found) = (t.name.clone(), t.stored.clone());
                        return Err(Fault::Integers { tensor, found });
                    }
                    Integers::Skip => {
                        left_out.insert(t.name.clone());
                        continue;
                    }
                    Integers::First | Integers::Max => kept = Some(t.plain(file)),
                }
            }
            let (from, count) = (params, t.count);
            params += if kept.is_none() { count } else { 0 };
            let (name, stored, shape) = (t.name.clone(), t.stored.clone(), t.shape.clone());
            slots.push(Slot { name, stored, shape, count, from, kept });
        }
        let dtype = dtype.filter(|_| params > 0);
        let dtype = dtype.ok_or(if left_out.is_empty() { Fault::Empty } else { Fault::NothingLeft })?;
        let (integers, differing) = (select.integers, BTreeSet::new());
        Ok(Self { slots, params, dtype, left_out, differing, integers })
    }

    /// The tensors of another file in the order of these; it has to have the same ones.
    pub(super) fn arranged<'c>(&self, contents: &'c Contents) -> Result<Vec<&'c Tensor>, Fault> {
        let mut theirs: BTreeMap<&str, &Tensor> =
            contents.tensors.iter().map(|t| (t.name.as_str(), t)).collect();
        let mut arranged = Vec::with_capacity(self.slots.len());
        for slot in &self.slots {
            let tensor = slot.name.clone();
            let Some(t) = theirs.remove(slot.name.as_str()) else {
                return Err(Fault::OtherTensors { tensor, missing: true });
            };
            let same = match &slot.kept {
                None => slot.stored.averaged() == t.stored.averaged(),
                Some(_) => slot.stored == t.stored,
            };
            let (expected, got) = (slot.shape.clone(), t.shape.clone());
            match (same, expected == got, slot.name.is_empty()) {
                (true, true, _) => arranged.push(t),
                (true, false, true) => return Err(Fault::OtherShape { expected, got }),
                (true, false, false) => return Err(Fault::TensorShape { tensor, expected, got }),
                (false, _, alone) => {
                    let (expected, got) = (slot.stored.clone(), t.stored.clone());
                    let tensor = (!alone).then_some(tensor);
                    return Err(Fault::OtherType { tensor, expected, got });
                }
            }
        }
        let skipped = |t: &Tensor| self.integers == Integers::Skip && t.stored.is_integer();
        match theirs.into_values().find(|t| !skipped(t)) {
            Some(t) => Err(Fault::OtherTensors { tensor: t.name.clone(), missing: false }),
            None => Ok(arranged),
        }
    }

    /// Holds another file's tensors that are kept against those of the files before it.
    pub(super) fn keep(&mut self, arranged: &[&Tensor], file: &[u8]) {
        for (slot, t) in self.slots.iter_mut().zip(arranged) {
            let Some(kept) = &mut slot.kept else { continue };
            let bytes = t.plain(file);
            if bytes == *kept {
                continue;
            }
            self.differing.insert(slot.name.clone());
            if self.integers == Integers::Max {
                let size = slot.stored.size().expect("integers and truth values have a size");
                for (most, element) in kept.chunks_exact_mut(size).zip(bytes.chunks_exact(size)) {
                    if slot.stored.less(most, element) {
                        most.copy_from_slice(element);
                    }
                }
            }
        }
    }

    /// Those of the tensors that are averaged.
    pub(super) fn averaged<'t>(&self, arranged: &[&'t Tensor]) -> Vec<&'t Tensor> {
        let both = self.slots.iter().zip(arranged);
        both.filter(|(slot, _)| slot.kept.is_none()).map(|(_, t)| *t).collect()
    }

    /// The tensor that holds the number `at` of a row.
    pub(super) fn holding(&self, at: usize) -> Option<&Slot> {
        self.slots.iter().find(|s| s.kept.is_none() && (s.from..s.from + s.count).contains(&at))
    }

    /// Whether the result has the same header as the first file.
    pub(super) fn is_as_stored<T: Number>(&self) -> bool {
        let own = Stored::from(T::DTYPE);
        self.left_out.is_empty() && self.slots.iter().all(|s| s.kept.is_some() || s.stored == own)
    }

    /// Name, type, shape and bytes of each tensor of a result whose averaged numbers are `row`.
    pub(super) fn pieces<'a, T: Number>(&'a self, own: &'a Stored, row: &'a [u8]) -> Vec<Piece<'a>> {
        let size = T::DTYPE.size();
        let piece = |s: &'a Slot| match &s.kept {
            Some(kept) => (&s.name[..], &s.stored, &s.shape[..], &kept[..]),
            None => (&s.name[..], own, &s.shape[..], &row[s.from * size..][..s.count * size]),
        };
        self.slots.iter().map(piece).collect()
    }
}

/// Name, type, shape and elements of a tensor that is written.
pub(super) type Piece<'a> = (&'a str, &'a Stored, &'a [usize], &'a [u8]);
