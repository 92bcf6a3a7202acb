//! Headers of the npy format, versions 1.0 to 3.0, read and written.
//!
//! The format is described in NumPy's documentation (`numpy.lib.format`): magic, version, length of the header, and
//! the header, a Python literal of three keys. Only what NumPy writes there is understood; a general reader of Python
//! literals would bring two dozen crates and answers for headers that no array has.

use super::error::Fault;
use super::number::Dtype;
use super::stored::Stored;
use super::tensor::{Bytes, Tensor};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Numbers begin at a multiple of this, so that they are aligned where the file is mapped.
const ALIGNMENT: usize = 64;
/// As many dimensions as NumPy's arrays can have.
const MAX_DIMS: usize = 64;

/// What a header says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Header {
    /// Type as written: order of bytes, kind, size.
    pub(super) descr: String,
    /// Whether the first index runs fastest.
    pub(super) fortran: bool,
    pub(super) shape: Vec<usize>,
    /// Where the numbers begin in the file.
    pub(super) start: usize,
}

impl Header {
    /// Reads the header of a file.
    pub(super) fn parse(file: &[u8]) -> Result<Self, Fault> {
        let rest = file.strip_prefix(MAGIC).ok_or(Fault::Magic)?;
        let short = |claimed| Fault::Truncated { claimed };
        let (&[major, minor], rest) = rest.split_first_chunk::<2>().ok_or(short(2))?;
        let (length, rest) = match (major, minor) {
            (1, 0) => {
                let (length, rest) = rest.split_first_chunk::<2>().ok_or(short(2))?;
                (u64::from(u16::from_le_bytes(*length)), rest)
            }
            (2 | 3, 0) => {
                let (length, rest) = rest.split_first_chunk::<4>().ok_or(short(4))?;
                (u64::from(u32::from_le_bytes(*length)), rest)
            }
            _ => return Err(Fault::Version { major, minor }),
        };
        let text = usize::try_from(length).ok().and_then(|n| rest.get(..n)).ok_or(short(length))?;
        let start = file.len() - rest.len() + text.len();
        let mut literal = Literal { text, at: 0 };
        let (descr, fortran, shape) = literal.dictionary()?;
        Ok(Self { descr, fortran, shape, start })
    }

    /// The type of the numbers, if it is one of the two that can be read in place.
    pub(super) fn dtype(&self) -> Result<Dtype, Fault> {
        let found = self.descr.clone();
        match self.descr.as_str() {
            "<f4" => Ok(Dtype::F32),
            "<f8" => Ok(Dtype::F64),
            d if d.starts_with('>') => Err(Fault::BigEndian { found }),
            _ => Err(Fault::Type { tensor: None, found }),
        }
    }

    /// Numbers in the array, once `size` bytes for each of them are what the file of `length` bytes holds.
    pub(super) fn count(&self, size: usize, length: usize) -> Result<usize, Fault> {
        let count = self.shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d)).ok_or(Fault::Overflow)?;
        let expected = count.checked_mul(size).ok_or(Fault::Overflow)?;
        let got = length - self.start;
        if expected != got {
            return Err(Fault::Length { expected: expected as u64, got: got as u64 });
        }
        Ok(count)
    }

    /// Whether the order of the numbers differs from C order: with one long dimension both are the same.
    pub(super) fn transposed(&self) -> bool {
        self.fortran && self.shape.iter().filter(|d| **d > 1).count() > 1
    }
}

/// The array of a file, `name` its name in an archive.
pub(super) fn tensor(file: &[u8], name: &str) -> Result<Tensor, Fault> {
    let header = Header::parse(file)?;
    let (stored, big_endian) = Stored::of_descr(&header.descr);
    let Some(size) = stored.size() else {
        let tensor = (!name.is_empty()).then(|| name.to_owned());
        return Err(Fault::Type { tensor, found: header.descr });
    };
    let count = header.count(size, file.len())?;
    Ok(Tensor {
        name: name.to_owned(),
        stored,
        big_endian: big_endian && size > 1,
        transposed: header.transposed(),
        shape: header.shape,
        count,
        bytes: Bytes::At(header.start..file.len()),
    })
}

/// A file's beginning up to its elements, in C order.
pub(super) fn header(stored: &Stored, shape: &[usize]) -> Vec<u8> {
    let dims: Vec<String> = shape.iter().map(usize::to_string).collect();
    let dims = if let [one] = &dims[..] { format!("({one},)") } else { format!("({})", dims.join(", ")) };
    let mut text = format!("{{'descr': '{}', 'fortran_order': False, 'shape': {dims}, }}", stored.descr());
    let before = MAGIC.len() + 4;
    let padded = (before + text.len() + 1).next_multiple_of(ALIGNMENT);
    text.extend(std::iter::repeat_n(' ', padded - before - text.len() - 1));
    text.push('\n');
    let length = u16::try_from(text.len()).expect("64 dimensions of 20 digits are fewer than 65,536 bytes");
    [MAGIC, &[1, 0], &length.to_le_bytes(), text.as_bytes()].concat()
}

/// The part of Python's literals that headers are written in.
struct Literal<'a> {
    text: &'a [u8],
    at: usize,
}

impl Literal<'_> {
    fn dictionary(&mut self) -> Result<(String, bool, Vec<usize>), Fault> {
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        self.must(b'{', "a dictionary")?;
        while !self.may(b'}') {
            let at = self.at;
            let again = Fault::Header { at, expected: "each key once" };
            let key = self.string("a key")?;
            self.must(b':', "a colon")?;
            let twice = match key.as_str() {
                "descr" => descr.replace(self.string("a plain type such as '<f4'")?).is_some(),
                "fortran_order" => fortran.replace(self.truth()?).is_some(),
                "shape" => shape.replace(self.tuple()?).is_some(),
                _ => {
                    let expected = "one of the keys descr, fortran_order and shape";
                    return Err(Fault::Header { at, expected });
                }
            };
            if twice {
                return Err(again);
            }
            if !self.may(b',') {
                self.must(b'}', "a comma or the dictionary's end")?;
                break;
            }
        }
        self.space();
        if self.at < self.text.len() {
            return Err(self.expected("nothing behind the dictionary"));
        }
        match (descr, fortran, shape) {
            (Some(d), Some(f), Some(s)) => Ok((d, f, s)),
            _ => Err(self.expected("descr, fortran_order and shape")),
        }
    }

    fn expected(&self, expected: &'static str) -> Fault {
        Fault::Header { at: self.at, expected }
    }

    fn space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
    }

    fn may(&mut self, byte: u8) -> bool {
        self.space();
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn must(&mut self, byte: u8, expected: &'static str) -> Result<(), Fault> {
        if self.may(byte) { Ok(()) } else { Err(self.expected(expected)) }
    }

    /// A string without escapes, printable, and no longer than any type or key is.
    fn string(&mut self, expected: &'static str) -> Result<String, Fault> {
        const LONGEST: usize = 64;
        let quote = if self.may(b'\'') { b'\'' } else { b'"' };
        if quote == b'"' {
            self.must(b'"', expected)?;
        }
        let rest = &self.text[self.at..];
        let end = rest.iter().take(LONGEST).position(|b| *b == quote).ok_or(self.expected(expected))?;
        let plain = rest[..end].iter().all(|b| b.is_ascii_graphic() && *b != b'\\');
        if !plain {
            return Err(self.expected(expected));
        }
        self.at += end + 1;
        Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
    }

    fn truth(&mut self) -> Result<bool, Fault> {
        self.space();
        for (word, truth) in [("True", true), ("False", false)] {
            if self.text[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(truth);
            }
        }
        Err(self.expected("True or False"))
    }

    fn tuple(&mut self) -> Result<Vec<usize>, Fault> {
        let mut dims = Vec::new();
        self.must(b'(', "a tuple")?;
        while !self.may(b')') {
            if dims.len() == MAX_DIMS {
                return Err(self.expected("at most 64 dimensions"));
            }
            dims.push(self.number()?);
            // Python 2 marked its long numbers.
            self.may(b'L');
            if !self.may(b',') {
                self.must(b')', "a comma or the tuple's end")?;
                break;
            }
        }
        Ok(dims)
    }

    fn number(&mut self) -> Result<usize, Fault> {
        self.space();
        let from = self.at;
        let mut number = 0usize;
        while let Some(digit) = self.text.get(self.at).filter(|b| b.is_ascii_digit()) {
            let next = number.checked_mul(10).and_then(|n| n.checked_add(usize::from(digit - b'0')));
            number = next.ok_or(Fault::Overflow)?;
            self.at += 1;
        }
        if self.at == from { Err(self.expected("a length")) } else { Ok(number) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, text: &str) -> Vec<u8> {
        let length = text.len() as u32;
        let length = length.to_le_bytes();
        let length = if version == 1 { &length[..2] } else { &length[..] };
        [MAGIC, &[version, 0], length, text.as_bytes()].concat()
    }

    #[test]
    fn headers_are_read_as_numpy_writes_them() {
        for version in [1, 2, 3] {
            let text = "{'descr': '<f8', 'fortran_order': True, 'shape': (3, 4), }   \n";
            let header = Header::parse(&file(version, text)).expect("a header of NumPy's");
            assert_eq!((header.dtype(), header.transposed()), (Ok(Dtype::F64), true));
            assert_eq!((header.shape, header.start % 64), (vec![3, 4], file(version, text).len() % 64));
        }
        let old = "{\"shape\": (5L,), \"fortran_order\": True, \"descr\": \"<f4\"}";
        let header = Header::parse(&file(1, old)).expect("keys in any order, as Python 2 wrote them");
        assert_eq!((header.shape.clone(), header.transposed()), (vec![5], false));
        for shape in [&[][..], &[7], &[2, 3], &[usize::MAX; 64]] {
            let written = header_of(shape);
            assert_eq!(written.len() % ALIGNMENT, 0);
            let read = Header::parse(&written).expect("what was written can be read");
            assert_eq!((read.shape.as_slice(), read.start), (shape, written.len()));
        }
    }

    fn header_of(shape: &[usize]) -> Vec<u8> {
        header(&Stored::F32, shape)
    }

    #[test]
    fn no_header_is_believed_more_than_its_file() {
        let good = file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
        for length in 0..good.len() {
            let read = Header::parse(&good[..length]);
            assert!(matches!(read, Err(Fault::Magic | Fault::Truncated { .. })), "{length}: {read:?}");
        }
        let read = Header::parse(&good).expect("a good header");
        assert_eq!(read.count(4, good.len()), Err(Fault::Length { expected: 24, got: 0 }));
        assert_eq!(read.count(4, good.len() + 24), Ok(6));
        for shape in ["(18446744073709551615, 2)", "(4611686018427387904,)", "(99999999999999999999999,)"] {
            let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}");
            let read = Header::parse(&file(1, &text)).and_then(|h| h.count(4, usize::MAX));
            assert_eq!(read, Err(Fault::Overflow), "{shape}");
        }
        for text in [
            "",
            "{",
            "[]",
            "{'descr': '<f4'}",
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}",
            "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': ((((((2,))))))}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} more",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}",
            "{'de\\'scr': '<f4'",
        ] {
            let read = Header::parse(&file(1, text));
            assert!(matches!(read, Err(Fault::Header { .. })), "{text}: {read:?}");
        }
    }
}
