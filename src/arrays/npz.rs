//! Zips of arrays as NumPy's `savez` writes them: `NAME.npy` for each name, stored or deflated.
//!
//! What an entry claims is held against what its bytes can become, and all claims together against the memory that is
//! left, before any of it is asked for.

use super::error::Fault;
use super::layout::Layout;
use super::npy;
use super::number::Number;
use super::select::Select;
use super::stored::Stored;
use super::tensor::{Bytes, Contents};
use crate::limits::available_memory;
use std::io::{Cursor, Read, Seek, Write};
use zip::result::ZipResult;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Deflate makes no more bytes than this of one.
const DEFLATED: u64 = 1032;
/// Bytes to a multiple of which arrays lie in their archive.
const ALIGNMENT: u16 = 64;

/// First bytes of an archive's last record.
const END: &[u8] = b"PK\x05\x06";

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

fn open(file: &[u8]) -> Result<Archive<'_>, Fault> {
    let archive = ZipArchive::new(Cursor::new(file)).map_err(refused)?;
    // Of entries of one name only the last is in the list.
    match told(file) {
        Some(told) if told != archive.len() => {
            let what = format!("it lists {told} entries under {} names", archive.len());
            Err(Fault::Archive { what })
        }
        _ => Ok(archive),
    }
}

/// Entries that the end of an archive speaks of; nothing where another record has their number, because it is too large.
fn told(file: &[u8]) -> Option<usize> {
    let end = file.windows(END.len()).rposition(|window| window == END)?;
    let number = file.get(end + 10..end + 12)?;
    let number = u16::from_le_bytes([number[0], number[1]]);
    (number != u16::MAX).then_some(number.into())
}

fn refused(e: impl std::fmt::Display) -> Fault {
    Fault::Archive { what: e.to_string() }
}

/// An entry that is an array.
struct Entry {
    place: usize,
    name: String,
    size: u64,
}

fn entries(archive: &mut Archive<'_>) -> Result<Vec<Entry>, Fault> {
    let mut entries = Vec::new();
    for place in 0..archive.len() {
        let entry = archive.by_index_raw(place).map_err(refused)?;
        let path = entry.name().map_err(refused)?.into_owned();
        if entry.is_dir() {
            continue;
        }
        let Some(name) = path.strip_suffix(".npy") else { return Err(Fault::NoArray { entry: path }) };
        let (size, packed) = (entry.size(), entry.compressed_size());
        let most = match entry.compression() {
            CompressionMethod::Stored => packed,
            _ => packed.saturating_mul(DEFLATED),
        };
        if size > most {
            return Err(Fault::Claims { tensor: name.to_owned(), claimed: size, packed });
        }
        entries.push(Entry { place, name: name.to_owned(), size });
    }
    Ok(entries)
}

/// Names of the arrays.
pub(super) fn names(file: &[u8]) -> Result<Vec<String>, Fault> {
    Ok(entries(&mut open(file)?)?.into_iter().map(|e| e.name).collect())
}

/// Unpacks the arrays that count.
pub(super) fn contents(file: &[u8], select: &Select) -> Result<Contents, Fault> {
    let mut archive = open(file)?;
    let (wanted, others): (Vec<Entry>, Vec<Entry>) =
        entries(&mut archive)?.into_iter().partition(|e| select.takes(&e.name));
    // Unpacked here, and again as a row.
    let needed = wanted.iter().fold(0u64, |sum, e| sum.saturating_add(e.size.saturating_mul(2)));
    fits(needed)?;
    let mut contents =
        Contents { left_out: others.into_iter().map(|e| e.name).collect(), ..Contents::default() };
    for Entry { place, name, size } in wanted {
        let within = |fault| Fault::Within { tensor: name.clone(), fault: Box::new(fault) };
        let mut bytes = Vec::new();
        let room = usize::try_from(size).map(|size| bytes.try_reserve_exact(size));
        if !matches!(room, Ok(Ok(()))) {
            return Err(Fault::Memory { needed, available: available_memory().unwrap_or(0) });
        }
        let entry = archive.by_index(place).map_err(|e| within(refused(e)))?;
        entry.take(size + 1).read_to_end(&mut bytes).map_err(|e| within(refused(e)))?;
        if bytes.len() as u64 != size {
            return Err(within(Fault::Length { expected: size, got: bytes.len() as u64 }));
        }
        let mut tensor = npy::tensor(&bytes, &name).map_err(|fault| match fault {
            fault @ Fault::Type { .. } => fault,
            fault => within(fault),
        })?;
        if let Bytes::At(place) = &tensor.bytes {
            tensor.bytes = Bytes::Unpacked(bytes, place.start);
        }
        contents.tensors.push(tensor);
    }
    Ok(contents)
}

/// Holds memory that is needed against what is left.
pub(super) fn fits(needed: u64) -> Result<(), Fault> {
    match available_memory() {
        Some(available) if needed > available => Err(Fault::Memory { needed, available }),
        _ => Ok(()),
    }
}

/// Writes a result whose averaged numbers are `row`, its arrays stored. The same result gives the same bytes.
pub(super) fn write<T: Number, W: Write + Seek>(layout: &Layout, row: &[T], out: W) -> ZipResult<W> {
    const FOUR_GIB: u64 = 1 << 32;
    let (own, row) = (Stored::from(T::DTYPE), T::le_bytes(row));
    let mut archive = ZipWriter::new(out);
    for (name, stored, shape, bytes) in layout.pieces::<T>(&own, &row) {
        let head = npy::header(stored, shape);
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .with_alignment(ALIGNMENT)
            .large_file((head.len() + bytes.len()) as u64 >= FOUR_GIB);
        archive.start_file(format!("{name}.npy"), options)?;
        archive.write_all(&head)?;
        archive.write_all(bytes)?;
    }
    archive.finish()
}
