//! What content comes to in a few bytes: [`Digest`], which nobody can forge, and [`Checksum`], at the speed of memory.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::io;
use twox_hash::XxHash3_128;

/// 32 bytes of BLAKE3: of configurations, models and chains of rounds. 64 hexadecimal digits where people read it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        blake3::hash(bytes).into()
    }

    /// Digest of `bytes` with this as the key: without the key nobody can tell which bytes it is of, however few there are
    /// to try.
    pub fn keyed(&self, bytes: &[u8]) -> Self {
        blake3::keyed_hash(&self.0, bytes).into()
    }
}

impl From<blake3::Hash> for Digest {
    fn from(hash: blake3::Hash) -> Self {
        Self(*hash.as_bytes())
    }
}

/// 16 bytes of XXH3-128: of messages, aggregates, parameters and shards, a round after the other. Different content has
/// different checksums unless somebody meant otherwise. 32 hexadecimal digits where people read it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Checksum(pub [u8; 16]);

impl Checksum {
    /// Checksum of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(XxHash3_128::oneshot(bytes).to_be_bytes())
    }
    /// Checksum of values as little-endian bytes.
    pub fn of_values(values: &[f32]) -> Self {
        Self::of(&crate::bytes::le_bytes(values))
    }
}

/// Values of something long that are read for one checksum: a MiB.
pub const LONG: usize = 1 << 18;

/// The checksums of every [`LONG`] values: each can be taken by another thread.
pub fn pieces(values: &[f32]) -> Vec<Checksum> {
    values.chunks(LONG).map(Checksum::of_values).collect()
}

/// A checksum of several things: each is put with its length, so that no two lists of things look the same.
#[derive(Default)]
pub struct Summing(XxHash3_128);

impl Summing {
    /// Bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as u64);
        self.0.write(bytes);
        self
    }
    /// A number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.0.write(&number.to_le_bytes());
        self
    }
    /// Numbers.
    pub fn numbers(&mut self, numbers: &[u32]) -> &mut Self {
        self.bytes(&crate::bytes::le_bytes(numbers))
    }
    /// Values.
    pub fn values(&mut self, values: &[f32]) -> &mut Self {
        self.bytes(&crate::bytes::le_bytes(values))
    }
    /// Something long, by the checksums of its [`pieces`].
    pub fn pieces(&mut self, pieces: &[Checksum]) -> &mut Self {
        self.number(pieces.len() as u64);
        pieces.iter().for_each(|piece| self.0.write(&piece.0));
        self
    }
    /// So many bytes that `write` writes, one after another: for what need not lie in memory in one piece.
    pub fn written<E>(
        &mut self,
        bytes: u64,
        write: impl FnOnce(&mut dyn io::Write) -> Result<(), E>,
    ) -> Result<&mut Self, E> {
        self.number(bytes);
        write(&mut Summed(&mut self.0))?;
        Ok(self)
    }
    /// The checksum of all of them.
    pub fn finish(&self) -> Checksum {
        Checksum(self.0.finish_128().to_be_bytes())
    }
}

/// Takes bytes into a checksum.
struct Summed<'a>(&'a mut XxHash3_128);

impl io::Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Summing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Summing").field(&self.finish()).finish()
    }
}

/// The bytes behind lower-case hexadecimal digits, exactly as many as there is room for.
fn from_hex<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
    let mut out = [0; N];
    if pairs.len() != N {
        return None;
    }
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(out)
}

macro_rules! hexadecimal {
    ($name:ident, $digits:literal) => {
        impl $name {
            #[doc = concat!("The value behind ", $digits, " lower-case hexadecimal digits.")]
            pub fn from_hex(hex: &str) -> Option<Self> {
                from_hex(hex).map(Self)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut digits = [0; $digits];
                for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
                    *pair = [byte >> 4, byte & 15].map(|d| b"0123456789abcdef"[usize::from(d)]);
                }
                f.write_str(std::str::from_utf8(&digits).expect("digits and letters"))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    self.0.serialize(serializer)
                }
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let hex = String::deserialize(deserializer)?;
                    Self::from_hex(&hex).ok_or_else(|| {
                        serde::de::Error::custom(concat!("expected ", $digits, " hexadecimal digits"))
                    })
                } else {
                    Ok(Self(Deserialize::deserialize(deserializer)?))
                }
            }
        }
    };
}

hexadecimal!(Digest, 64);
hexadecimal!(Checksum, 32);

#[cfg(test)]
mod tests {
    use super::*;

    /// Independent generator: Python's xxhash 4.1.0; BLAKE3's own test vectors.
    #[test]
    fn golden_values() {
        assert_eq!(Checksum::of(b"").to_string(), "99aa06d3014798d86001c324468d497f");
        assert_eq!(Checksum::of(b"content").to_string(), "917e1274274fc195b27a2d2388d9568c");
        let blake3 = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_eq!(Digest::of(b"").to_string(), blake3);
    }

    #[test]
    fn digits_come_back_and_nothing_else_does() {
        let checksum = Checksum::of(b"content");
        let hex = checksum.to_string();
        assert_eq!(Checksum::from_hex(&hex), Some(checksum));
        for bad in ["", &hex[1..], &format!("{hex}0"), &hex.to_uppercase(), &hex.replace('9', "g")] {
            assert_eq!(Checksum::from_hex(bad), None, "{bad}");
        }
        assert_eq!(Digest::from_hex(&hex), None);
    }

    /// BLAKE3's keyed hash, from its own crate; without the key it is another digest.
    #[test]
    fn a_key_makes_another_digest() {
        let keys = [Digest::of(b"one"), Digest::of(b"two")];
        for key in keys {
            assert_eq!(key.keyed(b"content").0, *blake3::keyed_hash(&key.0, b"content").as_bytes());
        }
        assert_ne!(keys[0].keyed(b"content"), keys[1].keyed(b"content"));
        assert_ne!(keys[0].keyed(b"content"), keys[0].keyed(b"other"));
    }

    /// By their bytes, with the length before them, and what is long by its pieces.
    #[test]
    fn numbers_are_summed_as_their_bytes() {
        let bytes = [1.0f32, -2.0].map(f32::to_le_bytes).concat();
        assert_eq!(Checksum::of_values(&[1.0, -2.0]), Checksum::of(&bytes));
        let sum = |with: &dyn Fn(&mut Summing)| {
            let mut all = Summing::default();
            with(&mut all);
            all.finish()
        };
        let of_bytes =
            |bytes: &[u8]| Checksum::of(&[&(bytes.len() as u64).to_le_bytes()[..], bytes].concat());
        assert_eq!(sum(&|all| _ = all.values(&[1.0, -2.0])), of_bytes(&bytes));
        assert_eq!(sum(&|all| _ = all.numbers(&[1, 2])), of_bytes(&[1, 0, 0, 0, 2, 0, 0, 0]));
        let long = vec![0.5f32; LONG + 1];
        let both = pieces(&long);
        assert_eq!(both, [Checksum::of_values(&long[..LONG]), Checksum::of_values(&[0.5])]);
        let by_hand = [&2u64.to_le_bytes()[..], &both[0].0, &both[1].0].concat();
        assert_eq!(sum(&|all| _ = all.pieces(&both)), Checksum::of(&by_hand));
    }

    #[test]
    fn things_in_a_row_are_not_one_thing() {
        let of = |parts: &[&[u8]]| {
            let mut all = Summing::default();
            parts.iter().for_each(|p| {
                all.bytes(p);
            });
            all.finish()
        };
        let mut written = Summing::default();
        for part in ["a", "bc"] {
            let write = |to: &mut dyn io::Write| part.bytes().try_for_each(|byte| to.write_all(&[byte]));
            written.written(part.len() as u64, write).unwrap();
        }
        assert_eq!(written.finish(), of(&[b"a", b"bc"]));
        let all =
            [of(&[]), of(&[b""]), of(&[b"ab"]), of(&[b"a", b"b"]), of(&[b"", b"ab"]), of(&[b"ab", b""])];
        for (i, a) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|b| a != b), "{i}");
        }
    }
}
