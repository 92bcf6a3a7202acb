//! Messages of the exchange as bytes: a frame that is checked before anything in it is believed.
//!
//! ```text
//! magic "SVSA" | version u16 | kind u16 | run, 32 bytes | round u64 | exchange u32 | source u64 | destination u64 |
//! body bytes u64 | body | checksum, 16 bytes
//! ```
//! Everything is little-endian. The checksum is XXH3-128 of all that stands before it and finds damage. It does not find
//! malice: what only one client may say is signed or sealed in the body, and who else may speak for a client to the server
//! is a matter of their connection. No length decides an allocation: lengths must add up to the bytes that are there.

pub(crate) mod bodies;

use crate::plan::Session;
use sottovoce_core::{Checksum, ClientId};

const MAGIC: &[u8; 4] = b"SVSA";
const VERSION: u16 = 1;
/// Bytes before the body.
pub(crate) const HEAD: usize = 76;
/// Bytes behind the body.
const TAIL: usize = 16;

/// What a message is. Numbers are part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Kind {
    /// A client's signed public keys.
    Keys = 1,
    /// The keys of a client's neighbours.
    Roster = 2,
    /// A client's sealed shares, one for each neighbour.
    Shares = 3,
    /// The sealed shares that are for a client.
    Inbox = 4,
    /// A client's masked vector.
    Masked = 5,
    /// Whose vectors are in the sum.
    Survivors = 6,
    /// A client's signature on that.
    Confirmation = 7,
    /// The signatures of others, and which shares are wanted.
    Request = 8,
    /// The shares.
    Reveal = 9,
}

/// Bytes that are not the message expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Fewer bytes than a message has, or than its length says.
    #[error("truncated: {got} bytes where at least {needed} are needed")]
    Truncated {
        /// Bytes needed.
        needed: u64,
        /// Bytes there.
        got: usize,
    },
    /// Bytes behind the message.
    #[error("{extra} bytes behind the end of the message")]
    TrailingBytes {
        /// How many.
        extra: u64,
    },
    /// Not a message of a secure sum.
    #[error("not a message of a secure sum")]
    Magic,
    /// A message of another version.
    #[error("message of version {got}, this build reads version {VERSION}")]
    Version {
        /// The message's.
        got: u16,
    },
    /// Content does not match its checksum.
    #[error("the message's checksum does not match its content")]
    Checksum,
    /// Another kind of message.
    #[error("message of kind {got}, expected {expected:?}")]
    Kind {
        /// The kind expected.
        expected: Kind,
        /// The number found.
        got: u16,
    },
    /// A message of another run.
    #[error("message of another run")]
    Run,
    /// A message of another round.
    #[error("message of round {got} in round {expected}")]
    Round {
        /// This round.
        expected: u64,
        /// The message's.
        got: u64,
    },
    /// A message of another of the round's sums.
    #[error("message of exchange {got} in exchange {expected}")]
    Exchange {
        /// This exchange.
        expected: u32,
        /// The message's.
        got: u32,
    },
    /// From somebody who does not send this.
    #[error("message from {got}, expected one from {expected}")]
    Source {
        /// Who sends it.
        expected: ClientId,
        /// Who did.
        got: ClientId,
    },
    /// To somebody else.
    #[error("message to {got}, not to {expected}")]
    Destination {
        /// Who reads it.
        expected: ClientId,
        /// Whom it is for.
        got: ClientId,
    },
    /// A body of a length that this kind does not have.
    #[error("a body of {got} bytes is no {kind:?}")]
    Body {
        /// The kind.
        kind: Kind,
        /// Its bytes.
        got: usize,
    },
}

/// Who sends a message to whom, and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) session: Session,
    pub(crate) source: ClientId,
    pub(crate) destination: ClientId,
}

/// Writes a message whose body of exactly `bytes` bytes `body` appends.
pub(crate) fn encode(head: &Head, bytes: usize, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD + bytes + TAIL);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&(head.kind as u16).to_le_bytes());
    out.extend_from_slice(&head.session.run);
    out.extend_from_slice(&head.session.round.to_le_bytes());
    out.extend_from_slice(&head.session.exchange.to_le_bytes());
    out.extend_from_slice(&head.source.0.to_le_bytes());
    out.extend_from_slice(&head.destination.0.to_le_bytes());
    out.extend_from_slice(&(bytes as u64).to_le_bytes());
    body(&mut out);
    assert_eq!(out.len(), HEAD + bytes, "a body is as long as it was said to be");
    let checksum = Checksum::of(&out);
    out.extend_from_slice(&checksum.0);
    out
}

/// Reads numbers and arrays off the front of bytes.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(array)
    }
    pub(crate) fn client(&mut self) -> Option<ClientId> {
        self.array().map(|b| ClientId(u64::from_le_bytes(*b)))
    }
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(|b| u32::from_le_bytes(*b))
    }
    fn u16(&mut self) -> Option<u16> {
        self.array().map(|b| u16::from_le_bytes(*b))
    }
    fn u64(&mut self) -> Option<u64> {
        self.array().map(|b| u64::from_le_bytes(*b))
    }
}

/// Source and body of a message of this kind, in this session, for `destination`.
pub(crate) fn decode<'a>(
    message: &'a [u8],
    kind: Kind,
    session: &Session,
    destination: ClientId,
) -> Result<(ClientId, &'a [u8]), MessageError> {
    let truncated = |needed: u64| MessageError::Truncated { needed, got: message.len() };
    let short = || truncated((HEAD + TAIL) as u64);
    let mut head = Reader(message);
    if head.array().ok_or_else(short)? != MAGIC {
        return Err(MessageError::Magic);
    }
    let version = head.u16().ok_or_else(short)?;
    if version != VERSION {
        return Err(MessageError::Version { got: version });
    }
    let got_kind = head.u16().ok_or_else(short)?;
    let run = *head.array().ok_or_else(short)?;
    let round = head.u64().ok_or_else(short)?;
    let exchange = head.u32().ok_or_else(short)?;
    let source = head.client().ok_or_else(short)?;
    let to = head.client().ok_or_else(short)?;
    let body = head.u64().ok_or_else(short)?;
    let needed = body.saturating_add((HEAD + TAIL) as u64);
    match (message.len() as u64).checked_sub(needed) {
        None => return Err(truncated(needed)),
        Some(0) => {}
        Some(extra) => return Err(MessageError::TrailingBytes { extra }),
    }
    let (content, checksum) = message.split_at(message.len() - TAIL);
    if Checksum::of(content).0 != checksum {
        return Err(MessageError::Checksum);
    }
    if got_kind != kind as u16 {
        return Err(MessageError::Kind { expected: kind, got: got_kind });
    }
    if run != session.run {
        return Err(MessageError::Run);
    }
    if round != session.round {
        return Err(MessageError::Round { expected: session.round, got: round });
    }
    if exchange != session.exchange {
        return Err(MessageError::Exchange { expected: session.exchange, got: exchange });
    }
    if to != destination {
        return Err(MessageError::Destination { expected: destination, got: to });
    }
    Ok((source, &content[HEAD..]))
}

/// The body of a message from the server.
pub(crate) fn from_server<'a>(
    message: &'a [u8],
    kind: Kind,
    session: &Session,
    destination: ClientId,
) -> Result<&'a [u8], MessageError> {
    let (source, body) = decode(message, kind, session, destination)?;
    if source != ClientId::SERVER {
        return Err(MessageError::Source { expected: ClientId::SERVER, got: source });
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Session = Session { run: [5; 32], round: 6, exchange: 7 };
    const HEAD_SENT: Head =
        Head { kind: Kind::Survivors, session: SESSION, source: ClientId::SERVER, destination: ClientId(4) };

    fn message() -> Vec<u8> {
        encode(&HEAD_SENT, 16, |out| out.extend_from_slice(&[9; 16]))
    }

    fn read(message: &[u8]) -> Result<&[u8], MessageError> {
        from_server(message, Kind::Survivors, &SESSION, ClientId(4))
    }

    /// Gives a changed message a checksum of its own, as whoever means harm would.
    fn forged(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
        let mut message = message();
        change(&mut message);
        let content = message.len() - TAIL;
        let checksum = Checksum::of(&message[..content]);
        message[content..].copy_from_slice(&checksum.0);
        message
    }

    #[test]
    fn damage_is_refused_wherever_it_is() {
        let message = message();
        assert_eq!(read(&message), Ok(&[9; 16][..]));
        for length in 0..message.len() {
            assert!(matches!(read(&message[..length]), Err(MessageError::Truncated { .. })), "{length}");
        }
        for extra in [1, 16, 1000] {
            let longer = [&message[..], &vec![0; extra]].concat();
            assert_eq!(read(&longer), Err(MessageError::TrailingBytes { extra: extra as u64 }));
        }
        for bit in 0..8 * message.len() {
            let mut flipped = message.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn what_is_meant_for_another_time_or_place_is_refused_by_its_name() {
        let expected = ClientId(4);
        let cases: [(usize, MessageError); 8] = [
            (0, MessageError::Magic),
            (4, MessageError::Version { got: 0 }),
            (6, MessageError::Kind { expected: Kind::Survivors, got: 7 }),
            (8, MessageError::Run),
            (40, MessageError::Round { expected: 6, got: 7 }),
            (48, MessageError::Exchange { expected: 7, got: 6 }),
            (52, MessageError::Source { expected: ClientId::SERVER, got: ClientId(u64::MAX - 1) }),
            (60, MessageError::Destination { expected, got: ClientId(5) }),
        ];
        for (place, error) in cases {
            let message = forged(|m| m[place] ^= 1);
            assert_eq!(read(&message), Err(error));
        }
    }

    #[test]
    fn a_length_that_promises_too_much_is_refused_before_it_is_used() {
        for length in [17, u64::from(u32::MAX), u64::MAX - 50, u64::MAX] {
            let message = forged(|m| m[68..76].copy_from_slice(&length.to_le_bytes()));
            let needed = length.saturating_add((HEAD + TAIL) as u64);
            assert_eq!(read(&message), Err(MessageError::Truncated { needed, got: message.len() }));
        }
        let message = forged(|m| m[68..76].copy_from_slice(&15u64.to_le_bytes()));
        assert_eq!(read(&message), Err(MessageError::TrailingBytes { extra: 1 }));
    }
}
