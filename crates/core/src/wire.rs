//! The wire codec: frames that are checked before anything in them is believed.
//!
//! ```text
//! magic "SVFL" | version u16 | kind u16 | head bytes u32 | body bytes u64 | head (bincode) | body | checksum
//! ```
//! Everything is little-endian. The checksum is XXH3-128 of what stands before the body and of the XXH3-128 of each
//! [`PIECE`] of the body, so that pieces can be checked by several threads, and used while they are in the cache. It
//! finds damage, at the speed of memory. It does not find malice, and a cryptographic hash in the frame would not
//! either, because whoever forges a message writes its hash, too; the sender's ledger names a message
//! by it. The body of an update is its row numbers (`u32`) and its values (`f32`); a reader sees them in place. No length
//! field decides an allocation: lengths must add up to the bytes that are there before they are used.

mod frame;

use crate::bytes;
use crate::digest::{Checksum, Digest};
use crate::grid::Grid;
use crate::ids::ClientId;
use crate::layout::Layout;
use crate::row_block::{BlockError, RowBlock, Rows, check_rows};
use crate::update::{EvaluationCounts, Kind, Outbound, Update};
use frame::{Frame, MAX_HEAD, frame, read_head, unframe};
pub use frame::{OVERHEAD, PIECE, Piece};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;

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
    /// Content does not match its checksum.
    #[error("the message's checksum does not match its content")]
    ChecksumMismatch,
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
    /// In which exchange of the round.
    pub exchange: u32,
    /// Checksum of the parameters started from.
    pub base: Checksum,
    /// Schema of the model.
    pub schema: Digest,
    /// Training examples.
    pub weight: u64,
    /// Mean training loss.
    pub loss: f32,
    /// Number of rows; `None` for all.
    pub rows: Option<u32>,
}

/// Takes a body apart into row numbers and numbers of `width` bytes, checked against the layout.
fn numbers<'a>(
    frame: &Frame<'a>,
    layout: &Layout,
    schema: Digest,
    rows: Option<u32>,
    width: usize,
) -> Result<(&'a [u8], &'a [u8]), WireError> {
    if schema != layout.schema() {
        return Err(WireError::Schema { expected: layout.schema(), got: schema });
    }
    let row_bytes = 4 * u64::from(rows.unwrap_or(0));
    if row_bytes > frame.body.len() as u64 {
        return Err(WireError::Truncated { needed: row_bytes, got: frame.body.len() });
    }
    let (row_bytes, numbers) = frame.body.split_at(row_bytes as usize);
    let expected = match rows {
        None => layout.params(),
        Some(_) => {
            check_rows(layout, bytes::u32s(row_bytes))?;
            layout.params_in(bytes::u32s(row_bytes))
        }
    };
    if numbers.len() != width * expected {
        return Err(BlockError::Values { expected, got: numbers.len() / width }.into());
    }
    Ok((row_bytes, numbers))
}

impl Outbound for Update {
    const KIND: Kind = Kind::Update;
    fn client(&self) -> ClientId {
        self.client
    }
    fn round(&self) -> u64 {
        self.round
    }
    fn exchange(&self) -> u32 {
        self.exchange
    }
    fn encode(&self, out: &mut Vec<u8>) -> Checksum {
        let rows: &[u32] = match self.delta.rows() {
            Rows::All => &[],
            Rows::Some(rows) => rows,
        };
        let head = UpdateHead {
            client: self.client,
            round: self.round,
            exchange: self.exchange,
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
            out.extend_from_slice(&bytes::le_bytes(self.delta.values()));
        })
    }
}

/// An update read in place: checked against the layout, its numbers still in the message's bytes.
#[derive(Debug)]
pub struct UpdateView<'a> {
    /// Everything but the numbers.
    pub head: UpdateHead,
    layout: &'a Arc<Layout>,
    rows: &'a [u8],
    values: &'a [u8],
    largest: f32,
}

impl<'a> UpdateView<'a> {
    /// Checks frame, checksum, schema, row numbers and number of values. Values may still be NaN or infinite:
    /// [`largest`](Self::largest), found in the same pass, tells.
    pub fn parse(message: &'a [u8], layout: &'a Arc<Layout>) -> Result<Self, WireError> {
        let frame = unframe(message, Kind::Update)?;
        // Damage is reported as damage, whatever else it makes of the content.
        let shape = Self::shape(&frame, layout);
        let values = shape.as_ref().map_or(0, |(.., values)| values.len());
        let largest = frame.check(frame.pieces(values))?;
        let (head, rows, values) = shape?;
        Ok(Self { head, layout, rows, values, largest })
    }

    /// Head, row numbers and values.
    fn shape(frame: &Frame<'a>, layout: &Layout) -> Result<(UpdateHead, &'a [u8], &'a [u8]), WireError> {
        let head: UpdateHead = read_head(frame)?;
        let (rows, values) = numbers(frame, layout, head.schema, head.rows, 4)?;
        Ok((head, rows, values))
    }

    /// Largest magnitude of the values; not finite if one of them is not.
    pub fn largest(&self) -> f32 {
        self.largest
    }

    /// The receiver's layout.
    pub fn layout(&self) -> &'a Arc<Layout> {
        self.layout
    }

    /// Row numbers; `None` means every row.
    pub fn rows(&self) -> Option<impl ExactSizeIterator<Item = u32> + 'a> {
        self.head.rows.map(|_| bytes::u32s(self.rows))
    }

    /// Where the values lie among all parameters, row after row.
    pub fn ranges(&self) -> Box<dyn Iterator<Item = Range<usize>> + 'a> {
        match self.rows() {
            None => Box::new(self.layout.tensors().iter().map(|t| t.range())),
            Some(rows) => Box::new(self.layout.ranges(rows)),
        }
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
        let UpdateHead { client, round, exchange, base, weight, loss, .. } = self.head;
        Update { client, round, exchange, base, weight, loss, delta }
    }
}

/// A dense update of which only the lengths and the head have been read: for those who look at its pieces themselves,
/// one after the other or on several threads, and have a use for them meanwhile.
#[derive(Debug)]
pub struct Unchecked<'a> {
    frame: Frame<'a>,
    head: UpdateHead,
    layout: &'a Arc<Layout>,
}

impl<'a> Unchecked<'a> {
    /// Reads lengths and head. `None` if the update is not dense, or something is wrong with it;
    /// [`UpdateView::parse`] says what.
    pub fn open(message: &'a [u8], layout: &'a Arc<Layout>) -> Option<Self> {
        let frame = unframe(message, Kind::Update).ok()?;
        let (head, ..) = UpdateView::shape(&frame, layout).ok()?;
        head.rows.is_none().then_some(Self { frame, head, layout })
    }

    /// Everything but the numbers, as it would be if the checksum held.
    pub fn head(&self) -> &UpdateHead {
        &self.head
    }

    /// The values as little-endian bytes, all of them: their pieces are the body's.
    pub fn value_bytes(&self) -> &'a [u8] {
        self.frame.body
    }

    /// Holds the checksum against all pieces, in order.
    pub fn check(&self, pieces: impl Iterator<Item = Piece>) -> Result<UpdateView<'a>, WireError> {
        let largest = self.frame.check(pieces)?;
        let (head, layout, values) = (self.head.clone(), self.layout, self.frame.body);
        Ok(UpdateView { head, layout, rows: &[], values, largest })
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
    fn encode(&self, out: &mut Vec<u8>) -> Checksum {
        frame(out, Kind::EvaluationCounts, self, 0, |_| {})
    }
}

impl EvaluationCounts {
    /// Reads a framed message.
    pub fn decode(message: &[u8]) -> Result<Self, WireError> {
        let frame = unframe(message, Kind::EvaluationCounts)?;
        frame.check(frame.pieces(0))?;
        if !frame.body.is_empty() {
            return Err(WireError::TrailingBytes { extra: frame.body.len() });
        }
        read_head(&frame)
    }
}

/// Size on the wire of a broadcast of all parameters of `layout`: a frame with round and checksum, and the values.
pub fn broadcast_bytes(layout: &Layout) -> u64 {
    (OVERHEAD + size_of::<Checksum>() + 8) as u64 + 4 * layout.params() as u64
}

/// Everything of a partial sum but its rows and numbers: what an edge aggregator tells the one above it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialHead {
    /// In which round.
    pub round: u64,
    /// Checksum of the parameters that the updates started from.
    pub base: Checksum,
    /// Schema of the model.
    pub schema: Digest,
    /// Largest weight allowed, a power of two.
    pub cap: u64,
    /// What the sums are multiples of.
    pub grid: Grid,
    /// Sum of the weights.
    pub weight: u64,
    /// Number of updates.
    pub updates: u64,
    /// Bound on the magnitude of every sum.
    pub bound: u64,
    /// Number of rows; `None` for all, in the order of the layout.
    pub rows: Option<u32>,
}

impl PartialHead {
    /// Appends a framed partial sum to `out`: rows ascending, `sums` row after row.
    pub fn encode(&self, rows: &[u32], sums: impl ExactSizeIterator<Item = i64>, out: &mut Vec<u8>) {
        let body = 4 * rows.len() + 8 * sums.len();
        frame(out, Kind::PartialSum, self, body, |out| {
            for row in rows {
                out.extend_from_slice(&row.to_le_bytes());
            }
            for sum in sums {
                out.extend_from_slice(&sum.to_le_bytes());
            }
        });
    }
}

/// A partial sum read in place: checked against the layout, its numbers still in the message's bytes.
#[derive(Debug)]
pub struct PartialView<'a> {
    /// Everything but rows and numbers.
    pub head: PartialHead,
    rows: &'a [u8],
    sums: &'a [u8],
}

impl<'a> PartialView<'a> {
    /// Checks frame, checksum, schema, row numbers and number of sums.
    pub fn parse(message: &'a [u8], layout: &Layout) -> Result<Self, WireError> {
        let frame = unframe(message, Kind::PartialSum)?;
        frame.check(frame.pieces(0))?;
        let head: PartialHead = read_head(&frame)?;
        let (rows, sums) = numbers(&frame, layout, head.schema, head.rows, 8)?;
        Ok(Self { head, rows, sums })
    }

    /// Row numbers; `None` means every row.
    pub fn rows(&self) -> Option<impl ExactSizeIterator<Item = u32> + 'a> {
        self.head.rows.map(|_| bytes::u32s(self.rows))
    }

    /// The sums, row after row.
    pub fn sums(&self) -> impl ExactSizeIterator<Item = i64> + 'a {
        self.sums.as_chunks::<8>().0.iter().map(|c| i64::from_le_bytes(*c))
    }
}
