//! Keys of a session: agreement (X25519, RFC 7748), derivation (HKDF-SHA256, RFC 5869) and sealing
//! (ChaCha20-Poly1305, RFC 8439).

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce, Tag};
use hkdf::Hkdf;
use sha2::Sha256;
use sottovoce_core::{ClientId, Digest};
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};
use zeroize::Zeroizing;

/// Bytes of both shares that a holder gets: of the mask key and of the self-mask seed.
pub(crate) const SHARES: usize = 64;
/// The same, sealed.
pub(crate) const SEALED: usize = SHARES + 16;

/// A key of 32 bytes that is forgotten when it is dropped.
pub(crate) type Key = Zeroizing<[u8; 32]>;

/// What a derived key is for.
#[derive(Clone, Copy)]
pub(crate) enum Use {
    /// The mask that two clients share; from the lower to the higher.
    PairMask,
    /// The mask that a client puts on its own vector; from it to itself.
    SelfMask,
    /// Sealing shares, from their owner to their holder.
    Seal,
    /// A value that tells a self-mask seed from others without telling it; from its owner to itself.
    Commitment,
}

/// Derives a key for one use between two clients under one plan.
pub(crate) fn derive(plan: &Digest, secret: &[u8; 32], usage: Use, from: ClientId, to: ClientId) -> Key {
    let label: &[u8] = match usage {
        Use::PairMask => b"pair mask",
        Use::SelfMask => b"self mask",
        Use::Seal => b"seal",
        Use::Commitment => b"commitment",
    };
    let mut key = Key::default();
    let (from, to) = (from.0.to_le_bytes(), to.0.to_le_bytes());
    Hkdf::<Sha256>::new(Some(&plan.0), secret)
        .expand_multi_info(&[b"sottovoce secure 1 ", &from, &to, label], &mut *key)
        .expect("HKDF-SHA256 gives up to 8,160 bytes");
    key
}

/// The secret that two clients share. `None` if the other's key is one of the few with which everybody shares the same.
pub(crate) fn agree(own: &StaticSecret, other: &[u8; 32]) -> Option<SharedSecret> {
    let shared = own.diffie_hellman(&PublicKey::from(*other));
    shared.was_contributory().then_some(shared)
}

/// The public key of a secret one.
pub(crate) fn public(secret: &StaticSecret) -> [u8; 32] {
    PublicKey::from(secret).to_bytes()
}

fn context(plan: &Digest, from: ClientId, to: ClientId) -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[..32].copy_from_slice(&plan.0);
    bytes[32..40].copy_from_slice(&from.0.to_le_bytes());
    bytes[40..].copy_from_slice(&to.0.to_le_bytes());
    bytes
}

/// Seals an owner's shares for a holder: `agreed` is what both share. The key is used once, so the nonce is 0. The plan's
/// digest, which run, round and exchange are in, and both clients are authenticated with it.
pub(crate) fn seal(
    plan: &Digest,
    agreed: &SharedSecret,
    from: ClientId,
    to: ClientId,
    shares: &[u8; SHARES],
) -> [u8; SEALED] {
    let key = derive(plan, agreed.as_bytes(), Use::Seal, from, to);
    let mut sealed = [0; SEALED];
    let (text, tag) = sealed.split_at_mut(SHARES);
    text.copy_from_slice(shares);
    let made = ChaCha20Poly1305::new((&*key).into())
        .encrypt_inout_detached(&Nonce::default(), &context(plan, from, to), text.into())
        .expect("64 bytes are not too many");
    tag.copy_from_slice(&made);
    sealed
}

/// Opens what [`seal`] sealed; `None` if it was anything else.
pub(crate) fn open(
    plan: &Digest,
    agreed: &SharedSecret,
    from: ClientId,
    to: ClientId,
    sealed: &[u8; SEALED],
) -> Option<Zeroizing<[u8; SHARES]>> {
    let key = derive(plan, agreed.as_bytes(), Use::Seal, from, to);
    let (text, tag) = sealed.split_first_chunk::<SHARES>()?;
    let mut shares = Zeroizing::new(*text);
    let tag = Tag::try_from(tag).ok()?;
    ChaCha20Poly1305::new((&*key).into())
        .decrypt_inout_detached(
            &Nonce::default(),
            &context(plan, from, to),
            shares.as_mut_slice().into(),
            &tag,
        )
        .ok()?;
    Some(shares)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (StaticSecret, StaticSecret) {
        (StaticSecret::from([1; 32]), StaticSecret::from([2; 32]))
    }

    #[test]
    fn both_ends_derive_the_same_and_every_part_of_the_context_matters() {
        let (a, b) = pair();
        let (ab, ba) = (agree(&a, &public(&b)).unwrap(), agree(&b, &public(&a)).unwrap());
        assert_eq!(ab.as_bytes(), ba.as_bytes());
        let (one, two) = (ClientId(1), ClientId(2));
        let key = |plan, usage, from, to| derive(&Digest([plan; 32]), ab.as_bytes(), usage, from, to);
        let first = key(0, Use::PairMask, one, two);
        for other in [
            key(1, Use::PairMask, one, two),
            key(0, Use::SelfMask, one, two),
            key(0, Use::Seal, one, two),
            key(0, Use::Commitment, one, two),
            key(0, Use::PairMask, two, one),
            derive(&Digest([0; 32]), &[3; 32], Use::PairMask, one, two),
        ] {
            assert_ne!(first, other);
        }
    }

    /// Values of another implementation (Python's cryptography): X25519, HKDF with the plan as salt, the seal.
    #[test]
    fn keys_and_seals_are_what_the_documents_say() {
        let (a, b) = pair();
        let agreed = agree(&a, &public(&b)).unwrap();
        let (plan, from, to) = (Digest([7; 32]), ClientId(3), ClientId(5));
        for (usage, expected) in [
            (Use::PairMask, "b026bc7f06921094e4be5581ac8d84c366f546f96f72491ada3f1354a0d1a4bd"),
            (Use::SelfMask, "129479fbfcc179f1d4cffc11e15995c33841290a47a42636157735894e1a75ce"),
            (Use::Seal, "8a6cd42c9c7dc0e8c910aa6c7b3f355492b42df33315b696d080ca3abf9afd0c"),
            (Use::Commitment, "82478fb4e487fd4d3f39294dd0ce028d3180c8a061003a5657d63575e8a3c0bb"),
        ] {
            let key = derive(&plan, agreed.as_bytes(), usage, from, to);
            assert_eq!(Digest(*key), Digest::from_hex(expected).unwrap());
        }
        let sealed = seal(&plan, &agreed, from, to, &std::array::from_fn(|i| i as u8));
        let hex: String = sealed.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            hex,
            "5d3fcb51e55ce520704ebd3988fe80928df7fda64b9b41f097a4057e1d14fec149d6c67d29a3c64f6af59a1da949e769\
             f04d8d63831ecc929a3cc00cd03261b10728047b07cea6365587a3381e10573d"
        );
    }

    /// The points of small order on Curve25519 and its twist: 0, 1, two of order 8, p − 1, p, p + 1 (RFC 7748, section 6.1).
    #[test]
    fn keys_that_share_with_everybody_are_refused() {
        let (a, b) = pair();
        let of_order_8 = [
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        ];
        let mut low: Vec<[u8; 32]> = of_order_8.iter().map(|hex| Digest::from_hex(hex).unwrap().0).collect();
        for number in [0u8, 1] {
            low.push([0; 32]);
            low.last_mut().unwrap()[0] = number;
        }
        for last in [0xecu8, 0xed, 0xee] {
            let mut p = [0xff; 32];
            (p[0], p[31]) = (last, 0x7f);
            low.push(p);
        }
        for key in low {
            assert!(agree(&a, &key).is_none(), "{}", Digest(key));
        }
        assert!(agree(&a, &public(&b)).is_some());
    }

    #[test]
    fn a_seal_opens_for_its_holder_in_its_plan_and_unchanged() {
        let (a, b) = pair();
        let agreed = agree(&a, &public(&b)).unwrap();
        let (plan, one, two) = (Digest([9; 32]), ClientId(1), ClientId(2));
        let shares = std::array::from_fn(|i| i as u8);
        let sealed = seal(&plan, &agreed, one, two, &shares);
        assert_eq!(*open(&plan, &agreed, one, two, &sealed).unwrap(), shares);
        assert!(open(&plan, &agreed, two, one, &sealed).is_none());
        assert!(open(&Digest([8; 32]), &agreed, one, two, &sealed).is_none());
        let other = agree(&a, &public(&StaticSecret::from([5; 32]))).unwrap();
        assert!(open(&plan, &other, one, two, &sealed).is_none());
        for bit in 0..8 * SEALED {
            let mut flipped = sealed;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&plan, &agreed, one, two, &flipped).is_none());
        }
    }
}
