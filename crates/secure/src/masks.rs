//! Masks: key streams of ChaCha20 that are added to a vector, or taken from it, block by block in the first-level cache.

use crate::keys::{Key, Use, derive};
use crate::ring::Ring;
use chacha20::cipher::{KeyIvInit, StreamCipherCore, array::Array};
use chacha20::variants::Ietf;
use chacha20::{ChaChaCore, R20};
use sottovoce_core::{ClientId, Digest};
use x25519_dalek::SharedSecret;
use zeroize::Zeroize;

/// Bytes of a vector that all masks pass over while they are in the first-level cache.
const BLOCK_BYTES: usize = 16 * 1024;
/// Bytes of a block of ChaCha20.
const CHACHA: usize = 64;
/// Bytes of key stream that are made at a time.
const MADE: usize = 4 * 1024;

/// A mask: the key stream of ChaCha20 (RFC 8439) under a key that is used for nothing else, nonce and counter 0, read as
/// little-endian elements.
pub(crate) struct Mask {
    pub(crate) key: Key,
    /// Taken from the vector instead of added to it.
    pub(crate) negative: bool,
}

impl Mask {
    /// The mask that `own` and `other` share, as it lies on the vector of `own`: the lower of both adds it, the higher takes it
    /// away, so that it is not in their sum.
    pub(crate) fn of_pair(plan: &Digest, agreed: &SharedSecret, own: ClientId, other: ClientId) -> Self {
        let key = derive(plan, agreed.as_bytes(), Use::PairMask, own.min(other), own.max(other));
        Self { key, negative: own > other }
    }
}

/// Elements in a block of a vector.
pub(crate) const fn block<R: Ring>() -> usize {
    BLOCK_BYTES / R::BYTES
}

/// Adds the parts of all masks that belong to a block; `first` is the place of its first element, a multiple of
/// [`block`], and `block` is at most so long.
pub(crate) fn add<R: Ring>(masks: &[Mask], first: usize, block: &mut [R]) {
    let counter = u32::try_from(first as u64 * R::BYTES as u64 / CHACHA as u64);
    let counter = counter.expect("a plan's dimension is at most what a counter of 32 bits reaches");
    let mut made = [Array::default(); MADE / CHACHA];
    for mask in masks {
        let mut cipher = ChaChaCore::<R20, Ietf>::new((&*mask.key).into(), &Array::default());
        cipher.set_block_pos(counter);
        for part in block.chunks_mut(MADE / R::BYTES) {
            let made = &mut made[..size_of_val(part).div_ceil(CHACHA)];
            cipher.write_keystream_blocks(made);
            let bytes = Array::slice_as_flattened(made);
            if mask.negative { R::subtract_bytes(part, bytes) } else { R::add_bytes(part, bytes) }
        }
    }
    Array::slice_as_flattened_mut(&mut made).zeroize();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{agree, public};
    use x25519_dalek::StaticSecret;
    use zeroize::Zeroizing;

    fn pair() -> (Mask, Mask) {
        let [a, b] = [1, 2].map(|i| StaticSecret::from([i; 32]));
        let plan = Digest([7; 32]);
        let mask = |own, other, own_id, other_id| {
            Mask::of_pair(&plan, &agree(own, &public(other)).unwrap(), ClientId(own_id), ClientId(other_id))
        };
        (mask(&a, &b, 3, 5), mask(&b, &a, 5, 3))
    }

    /// Values of another implementation (Python's cryptography) of the same key agreement, derivation and stream.
    #[test]
    fn a_mask_is_the_stream_of_chacha20() {
        let (mask, _) = pair();
        let masks = [mask];
        let mut block = [0u32; 4];
        add(&masks, 0, &mut block);
        assert_eq!(block, [4_007_889_326, 3_978_902_216, 2_688_139_019, 3_243_744_385]);
        add(&masks, block_of::<u32>(), &mut block[..2]);
        let second =
            [4_007_889_326u32.wrapping_add(918_914_963), 3_978_902_216u32.wrapping_add(1_035_294_339)];
        assert_eq!(block[..2], second);
        let mut wide = [0u64; 1];
        add(&masks, block_of::<u64>(), &mut wide);
        assert_eq!(wide, [4_446_555_328_657_852_307]);
    }

    const fn block_of<R: Ring>() -> usize {
        super::block::<R>()
    }

    #[test]
    fn both_ends_of_a_pair_cancel_at_every_length() {
        let (a, b) = pair();
        assert!(!a.negative && b.negative);
        let masks = [a, b];
        for length in [0, 1, 15, 16, 17, 511, 512, 513, 4095, 4096] {
            let mut block = vec![0u32; length];
            add(&masks[..1], 0, &mut block);
            assert!(length < 15 || block.iter().any(|v| *v != 0));
            add(&masks[1..], 0, &mut block);
            assert!(block.iter().all(|v| *v == 0), "{length}");
        }
    }

    /// The last elements that the counter reaches, and the same whichever length a block has.
    #[test]
    fn far_and_short_blocks_are_parts_of_one_stream() {
        let masks = [Mask { key: Zeroizing::new([3; 32]), negative: false }];
        let mut whole = vec![0u32; block_of::<u32>()];
        add(&masks, 0, &mut whole);
        for length in [1, 16, 100, 600, 4000] {
            let mut part = vec![0u32; length];
            add(&masks, 0, &mut part);
            assert_eq!(part, whole[..length]);
        }
        let last = (1usize << 36) - block_of::<u32>();
        add(&masks, last, &mut whole);
    }
}
