//! What stands in the bodies of messages: lists of entries of one size, whose number follows from the length.

use super::{Kind, MessageError, Reader};
use crate::keys::SEALED;
use sottovoce_core::ClientId;

/// Public keys of a session, cipher key and mask key, and their owner's signature.
#[derive(Clone)]
pub(crate) struct SignedKeys {
    pub(crate) keys: [u8; 64],
    pub(crate) signature: [u8; 64],
}

impl SignedKeys {
    pub(crate) fn cipher(&self) -> &[u8; 32] {
        self.keys.first_chunk().expect("64 bytes begin with 32")
    }
    pub(crate) fn mask(&self) -> &[u8; 32] {
        self.keys.last_chunk().expect("64 bytes end with 32")
    }
}

/// Something of a client, or for it.
pub(crate) trait Entry<'a>: Sized {
    /// Bytes behind the client's number.
    const BYTES: usize;
    fn read(from: &mut Reader<'a>) -> Option<Self>;
    fn write(&self, out: &mut Vec<u8>);
}

impl Entry<'_> for () {
    const BYTES: usize = 0;
    fn read(_: &mut Reader<'_>) -> Option<Self> {
        Some(())
    }
    fn write(&self, _: &mut Vec<u8>) {}
}

impl<'a, const N: usize> Entry<'a> for &'a [u8; N] {
    const BYTES: usize = N;
    fn read(from: &mut Reader<'a>) -> Option<Self> {
        from.array()
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self[..]);
    }
}

impl Entry<'_> for SignedKeys {
    const BYTES: usize = 128;
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self { keys: *from.array()?, signature: *from.array()? })
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.keys);
        out.extend_from_slice(&self.signature);
    }
}

/// Which secret of an owner a share is of, and the share.
#[derive(Clone, Copy)]
pub(crate) struct Share<'a> {
    pub(crate) secret: Secret,
    pub(crate) share: &'a [u8; 32],
}

/// The secrets of which holders have shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secret {
    /// The mask key, wanted of those who dropped out.
    MaskKey,
    /// The self-mask seed, wanted of those in the sum.
    SelfSeed,
}

impl<'a> Entry<'a> for Share<'a> {
    const BYTES: usize = 33;
    fn read(from: &mut Reader<'a>) -> Option<Self> {
        let secret = match from.array()? {
            [0] => Secret::MaskKey,
            [1] => Secret::SelfSeed,
            _ => return None,
        };
        Some(Self { secret, share: from.array()? })
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.secret as u8);
        out.extend_from_slice(self.share);
    }
}

/// Bytes of a list.
pub(crate) fn list_bytes<'a, E: Entry<'a>>(entries: &[(ClientId, E)]) -> usize {
    entries.len() * (8 + E::BYTES)
}

pub(crate) fn write_list<'a, E: Entry<'a>>(entries: &[(ClientId, E)], out: &mut Vec<u8>) {
    for (client, entry) in entries {
        out.extend_from_slice(&client.0.to_le_bytes());
        entry.write(out);
    }
}

/// All entries of a list that `bytes` are nothing but.
pub(crate) fn read_list<'a, E: Entry<'a>>(
    kind: Kind,
    bytes: &'a [u8],
) -> Result<Vec<(ClientId, E)>, MessageError> {
    let error = || MessageError::Body { kind, got: bytes.len() };
    let mut reader = Reader(bytes);
    let mut entries = Vec::with_capacity(bytes.len() / (8 + E::BYTES));
    while !reader.0.is_empty() {
        let client = reader.client().ok_or_else(error)?;
        entries.push((client, E::read(&mut reader).ok_or_else(error)?));
    }
    Ok(entries)
}

/// A body that is signed keys.
pub(crate) fn read_keys(body: &[u8]) -> Result<SignedKeys, MessageError> {
    let mut reader = Reader(body);
    match SignedKeys::read(&mut reader) {
        Some(keys) if reader.0.is_empty() => Ok(keys),
        _ => Err(MessageError::Body { kind: Kind::Keys, got: body.len() }),
    }
}

/// A body that is a signature.
pub(crate) fn read_signature(body: &[u8]) -> Result<&[u8; 64], MessageError> {
    body.try_into().map_err(|_| MessageError::Body { kind: Kind::Confirmation, got: body.len() })
}

/// A client's sealed shares, by whom they are for, and the value that tells its self-mask seed from others.
pub(crate) struct SharesBody<'a> {
    pub(crate) commitment: &'a [u8; 32],
    pub(crate) sealed: Vec<(ClientId, &'a [u8; SEALED])>,
}

pub(crate) fn read_shares(body: &[u8]) -> Result<SharesBody<'_>, MessageError> {
    let mut reader = Reader(body);
    let commitment = reader.array().ok_or(MessageError::Body { kind: Kind::Shares, got: body.len() })?;
    Ok(SharesBody { commitment, sealed: read_list(Kind::Shares, reader.0)? })
}

/// Signatures on the set of survivors, and the clients whose seeds and whose mask keys are wanted.
pub(crate) struct RequestBody<'a> {
    pub(crate) signatures: Vec<(ClientId, &'a [u8; 64])>,
    pub(crate) survivors: Vec<(ClientId, ())>,
    pub(crate) dropped: Vec<(ClientId, ())>,
}

impl RequestBody<'_> {
    pub(crate) fn bytes(&self) -> usize {
        8 + list_bytes(&self.signatures) + list_bytes(&self.survivors) + list_bytes(&self.dropped)
    }
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for length in [self.signatures.len(), self.survivors.len()] {
            let length = u32::try_from(length).expect("a client has at most 255 neighbours");
            out.extend_from_slice(&length.to_le_bytes());
        }
        write_list(&self.signatures, out);
        write_list(&self.survivors, out);
        write_list(&self.dropped, out);
    }
}

pub(crate) fn read_request(body: &[u8]) -> Result<RequestBody<'_>, MessageError> {
    let kind = Kind::Request;
    let error = || MessageError::Body { kind, got: body.len() };
    let mut reader = Reader(body);
    let lengths = [reader.u32().ok_or_else(error)?, reader.u32().ok_or_else(error)?];
    let mut part = |length: u64| {
        let length = usize::try_from(length).ok().filter(|l| *l <= reader.0.len()).ok_or_else(error)?;
        let (part, rest) = reader.0.split_at(length);
        reader.0 = rest;
        Ok(part)
    };
    let signatures = part(72 * u64::from(lengths[0]))?;
    let survivors = part(8 * u64::from(lengths[1]))?;
    Ok(RequestBody {
        signatures: read_list(kind, signatures)?,
        survivors: read_list(kind, survivors)?,
        dropped: read_list(kind, reader.0)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_back_and_nothing_else_is_one() {
        let share = [7; 32];
        let entries = [
            (ClientId(3), Share { secret: Secret::SelfSeed, share: &share }),
            (ClientId(1), Share { secret: Secret::MaskKey, share: &share }),
        ];
        let mut bytes = Vec::new();
        write_list(&entries, &mut bytes);
        assert_eq!(bytes.len(), list_bytes(&entries));
        let read = read_list::<Share<'_>>(Kind::Reveal, &bytes).unwrap();
        let facts: Vec<_> = read.iter().map(|(c, s)| (c.0, s.secret, *s.share)).collect();
        assert_eq!(facts, [(3, Secret::SelfSeed, share), (1, Secret::MaskKey, share)]);
        for length in (0..bytes.len()).filter(|l| l % 41 != 0) {
            let error = MessageError::Body { kind: Kind::Reveal, got: length };
            assert_eq!(read_list::<Share<'_>>(Kind::Reveal, &bytes[..length]).err(), Some(error));
        }
        bytes[8] = 2;
        assert!(read_list::<Share<'_>>(Kind::Reveal, &bytes).is_err());
    }

    #[test]
    fn requests_come_back_and_their_lengths_are_not_believed() {
        let signature = [9; 64];
        let request = RequestBody {
            signatures: vec![(ClientId(1), &signature)],
            survivors: vec![(ClientId(1), ()), (ClientId(2), ())],
            dropped: vec![(ClientId(3), ())],
        };
        let mut bytes = Vec::new();
        request.write(&mut bytes);
        assert_eq!(bytes.len(), request.bytes());
        let read = read_request(&bytes).unwrap();
        assert_eq!(read.signatures, request.signatures);
        assert_eq!((read.survivors, read.dropped), (request.survivors, request.dropped));
        for place in [0, 4] {
            for length in [100, u32::MAX] {
                let mut forged = bytes.clone();
                forged[place..place + 4].copy_from_slice(&length.to_le_bytes());
                assert!(read_request(&forged).is_err());
            }
        }
        for length in 0..8 {
            assert!(read_request(&bytes[..length]).is_err());
        }
        assert!(read_keys(&[0; 127]).is_err() && read_keys(&[0; 129]).is_err());
        assert!(read_signature(&[0; 63]).is_err() && read_signature(&[0; 65]).is_err());
        assert!(read_shares(&[0; 31]).is_err() && read_shares(&[0; 33]).is_err());
    }
}
