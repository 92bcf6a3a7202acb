//! A tensor in a file, whatever the kind of file.

use super::number::Number;
use super::stored::Stored;
use std::collections::BTreeMap;
use std::ops::Range;

/// Name, type, shape and place of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    /// Empty for the one array of an npy file.
    pub(super) name: String,
    pub(super) stored: Stored,
    /// Whether the most significant byte of an element is first.
    pub(super) big_endian: bool,
    /// Whether the order of elements differs from C order.
    pub(super) transposed: bool,
    pub(super) shape: Vec<usize>,
    /// Elements.
    pub(super) count: usize,
    pub(super) bytes: Bytes,
}

/// Where the bytes of a tensor are.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Bytes {
    /// In its file.
    At(Range<usize>),
    /// Unpacked, from this byte on.
    Unpacked(Vec<u8>, usize),
}

/// What a file holds, as far as it was asked for.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// In the order of their places.
    pub(super) tensors: Vec<Tensor>,
    /// Names of those that were not asked for.
    pub(super) left_out: Vec<String>,
    /// Of safetensors: words by name.
    pub(super) metadata: BTreeMap<String, String>,
    /// Where the first tensor begins in the file.
    pub(super) start: usize,
}

impl Tensor {
    pub(super) fn bytes<'a>(&'a self, file: &'a [u8]) -> &'a [u8] {
        match &self.bytes {
            Bytes::At(place) => &file[place.clone()],
            Bytes::Unpacked(bytes, start) => &bytes[*start..],
        }
    }

    /// Its place in the file, if its bytes there are numbers of type `T` in C order.
    pub(super) fn place<T: Number>(&self) -> Option<Range<usize>> {
        match &self.bytes {
            Bytes::At(place) if !self.is_converted::<T>() && !self.transposed => Some(place.clone()),
            _ => None,
        }
    }

    /// Whether numbers of type `T` differ from the elements as they are stored.
    pub(super) fn is_converted<T: Number>(&self) -> bool {
        self.stored != Stored::from(T::DTYPE) || self.big_endian
    }

    /// The elements as numbers of type `T`, which they are averaged in, in C order.
    pub(super) fn numbers<T: Number>(&self, file: &[u8]) -> Vec<T> {
        let numbers = T::decoded(&self.stored, self.big_endian, self.bytes(file));
        if !self.transposed {
            return numbers;
        }
        InCOrder::of(&self.shape, self.count).map(|from| numbers[from]).collect()
    }

    /// The elements as they are, least significant byte first, in C order.
    pub(super) fn plain(&self, file: &[u8]) -> Vec<u8> {
        let size = self.stored.size().expect("asked for of types that are known");
        let mut bytes = self.bytes(file).to_vec();
        if self.big_endian {
            bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        if !self.transposed {
            return bytes;
        }
        let order = InCOrder::of(&self.shape, self.count);
        order.flat_map(|from| bytes[from * size..][..size].iter().copied()).collect()
    }
}

/// Places of elements in Fortran order, in C order.
struct InCOrder<'a> {
    shape: &'a [usize],
    strides: Vec<usize>,
    index: Vec<usize>,
    from: usize,
    left: usize,
}

impl<'a> InCOrder<'a> {
    fn of(shape: &'a [usize], count: usize) -> Self {
        let mut strides = Vec::with_capacity(shape.len());
        let mut stride = 1;
        for dim in shape {
            strides.push(stride);
            stride *= dim;
        }
        Self { shape, strides, index: vec![0; shape.len()], from: 0, left: count }
    }
}

impl Iterator for InCOrder<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let here = self.from;
        for axis in (0..self.shape.len()).rev() {
            self.index[axis] += 1;
            self.from += self.strides[axis];
            if self.index[axis] < self.shape[axis] {
                break;
            }
            self.from -= self.strides[axis] * self.shape[axis];
            self.index[axis] = 0;
        }
        Some(here)
    }
}
