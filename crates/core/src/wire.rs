//! The wire codec: frames that are checked before anything in them is believed.
//!
//! ```text
//! magic "SVFL" | version u16 | kind u16 | head bytes u32 | body bytes u64 | head (bincode) | body | BLAKE3
//! ```
//! Everything is little-endian. The digest covers all bytes before it. The body of an update is its row numbers
//! (`u32`) and its values (`f32`); a reader sees them in place. No length field decides an allocation: lengths
//! must add up to the bytes that are there before they are used.

use crate::bytes;
use crate::digest::Digest;
use crate::ids::ClientId;
use crate::layout::Layout;
use crate::params::{BlockError, RowBlock, Rows, check_rows};
use crate::update::{EvaluationCounts, Kind, Outbound, Update};
use bincode::Options;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const MAGIC: [u8; 4] = *b"SVFL";
const VERSION: u16 = 1;
const PREFIX: usize = 20;
const DIGEST: usize = 32;
/// Heads are a handful of numbers; more is not one of ours.
const MAX_HEAD: usize = 4096;

/// Bytes that are not the message expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// Fewer bytes than a frame has, or than its lengths say.
    #[error("truncated: {got} bytes where at least {needed} are needed")]
    Truncated {
        /// Bytes needed.
        needed: u64,
        /// Bytes there.
        got: usize,
    },
    /// Bytes behind the frame.
    #[error("{extra} bytes behind the end of the message")]
    TrailingBytes {
        /// How many.
        extra: usize,
    },
    /// Not a frame of this protocol.
    #[error("not a sottovoce message")]
    Magic,
    /// A frame of another version.
    #[error("message of version {got}, this build reads version {expected}")]
    Version {
        /// This build's version.
        expected: u16,
        /// The frame's.
        got: u16,
    },
    /// Another kind of message.
    #[error("message of kind {got}, expected {expected:?}")]
    Kind {
        /// The kind expected.
        expected: Kind,
        /// The number found.
        got: u16,
    },
    /// A head larger than any of ours.
    #[error("head of {bytes} bytes, at most {MAX_HEAD} are allowed")]
    HeadTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Content does not match its digest.
    #[error("the message's digest does not match its content")]
    DigestMismatch,
    /// The head is not what the kind promises.
    #[error("the message's head cannot be read")]
    Head,
    /// The sender's model has other tensors.
    #[error("schema mismatch: expected {expected}, got {got}")]
    Schema {
        /// Schema of the receiver's layout.
        expected: Digest,
        /// Schema that the message names.
        got: Digest,
    },
    /// Row numbers or number of values do not fit the layout.
    #[error(transparent)]
    Block(#[from] BlockError),
}

/// Everything of an update but its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpdateHead {
    /// Who.
    pub client: ClientId,
    /// In which round.
    pub round: u64,
    /// Digest of the parameters started from.
    pub base: Digest,
    /// Schema of the model.
    pub schema: Digest,
    /// Training examples.
    pub weight: u64,
    /// Mean training loss.
    pub loss: f32,
    /// Number of rows; `None` for all.
    pub rows: Option<u32>,
}

fn codec() -> impl Options {
    bincode::DefaultOptions::new().with_fixint_encoding().with_little_endian().reject_trailing_bytes()
}

/// Bytes that a frame adds to head and body.
pub const OVERHEAD: usize = PREFIX + DIGEST;

fn frame(
    out: &mut Vec<u8>,
    kind: Kind,
    head: &impl Serialize,
    body: usize,
    write: impl FnOnce(&mut Vec<u8>),
) -> Digest {
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
    out.reserve(body + DIGEST);
    let body_at = out.len();
    write(out);
    debug_assert_eq!(out.len() - body_at, body);
    let digest = Digest::of(&out[start..]);
    out.extend_from_slice(&digest.0);
    digest
}

/// A frame taken apart, its lengths and digest checked.
struct Frame<'a> {
    head: &'a [u8],
    body: &'a [u8],
    digest: Digest,
}

fn unframe(bytes: &[u8], expected: Kind) -> Result<Frame<'_>, WireError> {
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
    let (content, digest) = bytes.split_at(end - DIGEST);
    if Digest::of(content).0 != digest {
        return Err(WireError::DigestMismatch);
    }
    let (head, body) = content[PREFIX..].split_at(head_len);
    Ok(Frame { head, body, digest: Digest(std::array::from_fn(|i| digest[i])) })
}

fn read_head<'a, T: Deserialize<'a>>(frame: &Frame<'a>) -> Result<T, WireError> {
    codec().with_limit(frame.head.len() as u64).deserialize(frame.head).map_err(|_| WireError::Head)
}

impl Outbound for Update {
    const KIND: Kind = Kind::Update;
    fn client(&self) -> ClientId {
        self.client
    }
    fn round(&self) -> u64 {
        self.round
    }
    fn encode(&self, out: &mut Vec<u8>) -> Digest {
        let rows: &[u32] = match self.delta.rows() {
            Rows::All => &[],
            Rows::Some(rows) => rows,
        };
        let head = UpdateHead {
            client: self.client,
            round: self.round,
            base: self.base,
            schema: self.delta.layout().schema(),
            weight: self.weight,
            loss: self.loss,
            rows: (*self.delta.rows() != Rows::All).then_some(rows.len() as u32),
        };
        let body = 4 * (rows.len() + self.delta.values().len());
        frame(out, Kind::Update, &head, body, |out| {
            for row in rows {
                out.extend_from_slice(&row.to_le_bytes());
            }
            bytes::with_le_bytes(self.delta.values(), |values| out.extend_from_slice(values));
        })
    }
}

/// An update read in place: checked against the layout, its numbers still in the message's bytes.
#[derive(Debug)]
pub struct UpdateView<'a> {
    /// Everything but the numbers.
    pub head: UpdateHead,
    /// The digest that the ledger has, too.
    pub digest: Digest,
    layout: &'a Arc<Layout>,
    rows: &'a [u8],
    values: &'a [u8],
}

impl<'a> UpdateView<'a> {
    /// Checks frame, digest, schema, row numbers and number of values. Values may still be NaN or infinite:
    /// that is for whoever sums them to find, in the same pass.
    pub fn parse(message: &'a [u8], layout: &'a Arc<Layout>) -> Result<Self, WireError> {
        let frame = unframe(message, Kind::Update)?;
        let head: UpdateHead = read_head(&frame)?;
        if head.schema != layout.schema() {
            return Err(WireError::Schema { expected: layout.schema(), got: head.schema });
        }
        let row_bytes = 4 * head.rows.unwrap_or(0) as u64;
        if row_bytes > frame.body.len() as u64 {
            return Err(WireError::Truncated { needed: row_bytes, got: frame.body.len() });
        }
        let (rows, values) = frame.body.split_at(row_bytes as usize);
        let expected = match head.rows {
            None => layout.params(),
            Some(_) => {
                check_rows(layout, bytes::u32s(rows))?;
                layout.params_in(bytes::u32s(rows))
            }
        };
        if values.len() != 4 * expected {
            return Err(BlockError::Values { expected, got: values.len() / 4 }.into());
        }
        Ok(Self { head, digest: frame.digest, layout, rows, values })
    }

    /// The receiver's layout.
    pub fn layout(&self) -> &'a Arc<Layout> {
        self.layout
    }

    /// Row numbers; `None` means every row.
    pub fn rows(&self) -> Option<impl ExactSizeIterator<Item = u32> + 'a> {
        self.head.rows.map(|_| bytes::u32s(self.rows))
    }

    /// The values as little-endian bytes, row after row.
    pub fn value_bytes(&self) -> &'a [u8] {
        self.values
    }

    /// Copies into an update of its own.
    pub fn to_update(&self) -> Update {
        let rows = match self.rows() {
            None => Rows::All,
            Some(rows) => Rows::Some(rows.collect()),
        };
        let values = bytes::f32s(self.values).collect();
        let delta =
            RowBlock::new(self.layout.clone(), rows, values).expect("parse has checked rows and values");
        let UpdateHead { client, round, base, weight, loss, .. } = self.head;
        Update { client, round, base, weight, loss, delta }
    }
}

impl Outbound for EvaluationCounts {
    const KIND: Kind = Kind::EvaluationCounts;
    fn client(&self) -> ClientId {
        self.client
    }
    fn round(&self) -> u64 {
        self.round
    }
    fn encode(&self, out: &mut Vec<u8>) -> Digest {
        frame(out, Kind::EvaluationCounts, self, 0, |_| {})
    }
}

impl EvaluationCounts {
    /// Reads a framed message.
    pub fn decode(message: &[u8]) -> Result<Self, WireError> {
        let frame = unframe(message, Kind::EvaluationCounts)?;
        if !frame.body.is_empty() {
            return Err(WireError::TrailingBytes { extra: frame.body.len() });
        }
        read_head(&frame)
    }
}

/// Size on the wire of a broadcast of all parameters of `layout`: a frame with schema and round, and the values.
pub fn broadcast_bytes(layout: &Layout) -> u64 {
    (OVERHEAD + DIGEST + 8) as u64 + 4 * layout.params() as u64
}
