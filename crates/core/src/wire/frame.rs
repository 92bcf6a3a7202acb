//! Frames: lengths that add up, and a checksum of checksums.

use super::WireError;
use crate::bytes;
use crate::digest::Checksum;
use crate::update::Kind;
use bincode::Options;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

const MAGIC: [u8; 4] = *b"SVFL";
const VERSION: u16 = 4;
const PREFIX: usize = 20;
const CHECKSUM: usize = 16;
/// Bytes of the body under one checksum; the last piece has fewer.
pub const PIECE: usize = 1 << 15;
/// Heads are a handful of numbers; more is not one of ours.
pub(super) const MAX_HEAD: usize = 4096;

/// Bytes that a frame adds to head and body.
pub const OVERHEAD: usize = PREFIX + CHECKSUM;

fn codec() -> impl Options {
    bincode::DefaultOptions::new().with_fixint_encoding().with_little_endian().reject_trailing_bytes()
}

/// Appends a frame: `write` appends its body, of `body` bytes. Returns the BLAKE3 digest of its bytes.
pub(super) fn frame(
    out: &mut Vec<u8>,
    kind: Kind,
    head: &impl Serialize,
    body: usize,
    write: impl FnOnce(&mut Vec<u8>),
) -> Checksum {
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&(kind as u16).to_le_bytes());
    let lengths = out.len();
    out.extend_from_slice(&[0; 12]);
    let head_at = out.len();
    codec().serialize_into(&mut *out, head).expect("writing numbers to memory cannot fail");
    let head_len = (out.len() - head_at) as u32;
    out[lengths..lengths + 4].copy_from_slice(&head_len.to_le_bytes());
    out[lengths + 4..lengths + 12].copy_from_slice(&(body as u64).to_le_bytes());
    out.reserve(body + CHECKSUM);
    let body_at = out.len();
    write(out);
    debug_assert_eq!(out.len() - body_at, body);
    let checksum = seal(&out[start..body_at], out[body_at..].chunks(PIECE).map(XxHash3_128::oneshot));
    out.extend_from_slice(&checksum.to_le_bytes());
    Checksum(checksum.to_be_bytes())
}

/// The checksum of a frame: of what stands before its body, and of the checksums of the body's pieces.
fn seal(front: &[u8], pieces: impl Iterator<Item = u128>) -> u128 {
    let mut content = front.to_vec();
    content.extend(pieces.flat_map(u128::to_le_bytes));
    XxHash3_128::oneshot(&content)
}

/// What is known of a piece of a body after one look at it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Piece {
    checksum: u128,
    largest: f32,
}

impl Piece {
    /// Looks at all of a piece; its last `values` bytes are values of an update.
    pub fn of(bytes: &[u8], values: usize) -> Self {
        let largest = bytes::largest_magnitude(&bytes[bytes.len() - values..]);
        Self { checksum: XxHash3_128::oneshot(bytes), largest: f32::from_bits(largest) }
    }

    /// Largest magnitude of the values; not finite if one of them is not.
    pub fn largest(&self) -> f32 {
        self.largest
    }
}

/// A frame taken apart, its lengths checked and its checksum not yet.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    /// All before the body.
    front: &'a [u8],
    head: &'a [u8],
    pub(super) body: &'a [u8],
    checksum: u128,
}

impl<'a> Frame<'a> {
    /// The pieces of the body, its last `values` bytes values of an update.
    pub(super) fn pieces(&self, values: usize) -> impl Iterator<Item = Piece> + 'a {
        let mut before = self.body.len() - values;
        self.body.chunks(PIECE).map(move |piece| {
            let other = before.min(piece.len());
            before -= other;
            Piece::of(piece, piece.len() - other)
        })
    }

    /// Holds the checksum against the content. Returns the largest magnitude of the values.
    pub(super) fn check(&self, pieces: impl Iterator<Item = Piece>) -> Result<f32, WireError> {
        let mut largest = 0;
        // NaN lies above all numbers, as it does in a piece.
        let checksum = seal(
            self.front,
            pieces.map(|piece| {
                largest = largest.max(piece.largest.to_bits());
                piece.checksum
            }),
        );
        if checksum == self.checksum { Ok(f32::from_bits(largest)) } else { Err(WireError::ChecksumMismatch) }
    }
}

/// Takes a message apart, if it is one of the `expected` kind and its lengths add up.
pub(super) fn unframe(bytes: &[u8], expected: Kind) -> Result<Frame<'_>, WireError> {
    let short = |needed: u64| WireError::Truncated { needed, got: bytes.len() };
    if bytes.len() < OVERHEAD {
        return Err(short(OVERHEAD as u64));
    }
    let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    if bytes[..4] != MAGIC {
        return Err(WireError::Magic);
    }
    if u16_at(4) != VERSION {
        return Err(WireError::Version { expected: VERSION, got: u16_at(4) });
    }
    if u16_at(6) != expected as u16 {
        return Err(WireError::Kind { expected, got: u16_at(6) });
    }
    let head_len = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) as usize;
    let body_len = u64::from_le_bytes(std::array::from_fn(|i| bytes[12 + i]));
    if head_len > MAX_HEAD {
        return Err(WireError::HeadTooLarge { bytes: head_len });
    }
    let total = (OVERHEAD as u64 + head_len as u64).saturating_add(body_len);
    if total > bytes.len() as u64 {
        return Err(short(total));
    }
    let end = total as usize;
    if bytes.len() > end {
        return Err(WireError::TrailingBytes { extra: bytes.len() - end });
    }
    let (content, checksum) = bytes.split_at(end - CHECKSUM);
    let (front, body) = content.split_at(PREFIX + head_len);
    let head = &front[PREFIX..];
    Ok(Frame { front, head, body, checksum: u128::from_le_bytes(std::array::from_fn(|i| checksum[i])) })
}

/// The head, if it is nothing else.
pub(super) fn read_head<'a, T: Deserialize<'a>>(frame: &Frame<'a>) -> Result<T, WireError> {
    codec().with_limit(frame.head.len() as u64).deserialize(frame.head).map_err(|_| WireError::Head)
}
