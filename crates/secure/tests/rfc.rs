//! The primitives against the vectors of their RFCs.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use ed25519_dalek::{Signer, SigningKey};
use hkdf::Hkdf;
use poly1305::Poly1305;
use sha2::Sha256;
use x25519_dalek::{PublicKey, StaticSecret, x25519};

fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(|c| !c.is_ascii_whitespace()).collect();
    let digit = |c: u8| (c as char).to_digit(16).unwrap() as u8;
    digits.as_chunks::<2>().0.iter().map(|[a, b]| digit(*a) << 4 | digit(*b)).collect()
}

fn array<const N: usize>(digits: &str) -> [u8; N] {
    hex(digits).try_into().unwrap()
}

const SUNSCREEN: &[u8] =
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the \
future, sunscreen would be it.";

#[test]
fn x25519_is_rfc_7748() {
    // Section 5.2.
    for (scalar, point, product) in [
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ),
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
        ),
    ] {
        assert_eq!(x25519(array(scalar), array(point)), array(product));
    }
    let mut nine = [0; 32];
    nine[0] = 9;
    let (mut scalar, mut point) = (nine, nine);
    for iteration in 1..=1000 {
        (scalar, point) = (x25519(scalar, point), scalar);
        if iteration == 1 {
            assert_eq!(scalar, array("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"));
        }
    }
    assert_eq!(scalar, array("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"));
    // Section 6.1.
    let alice =
        StaticSecret::from(array::<32>("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
    let bob =
        StaticSecret::from(array::<32>("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
    let (a, b) = (PublicKey::from(&alice), PublicKey::from(&bob));
    assert_eq!(a.to_bytes(), array("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"));
    assert_eq!(b.to_bytes(), array("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"));
    let shared = array("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    assert_eq!(alice.diffie_hellman(&b).to_bytes(), shared);
    assert_eq!(bob.diffie_hellman(&a).to_bytes(), shared);
}

#[test]
fn hkdf_is_rfc_5869() {
    let range = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
    for (ikm, salt, info, okm) in [
        (
            vec![0x0b; 22],
            Some(range(0, 0x0c)),
            range(0xf0, 0xf9),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            range(0, 0x4f),
            Some(range(0x60, 0xaf)),
            range(0xb0, 0xff),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09\
             da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (
            vec![0x0b; 22],
            None,
            vec![],
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ] {
        let okm = hex(okm);
        let mut made = vec![0; okm.len()];
        Hkdf::<Sha256>::new(salt.as_deref(), &ikm).expand(&info, &mut made).unwrap();
        assert_eq!(made, okm);
    }
}

#[test]
fn chacha20_is_rfc_8439() {
    let key: [u8; 32] = std::array::from_fn(|i| i as u8);
    let cipher = |nonce: &str| {
        let mut cipher = ChaCha20::new(&key.into(), &array::<12>(nonce).into());
        cipher.seek(64u32);
        cipher
    };
    // Section 2.3.2.
    let mut block = [0; 64];
    cipher("000000090000004a00000000").apply_keystream(&mut block);
    assert_eq!(
        block[..],
        hex("10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e\
             d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e")
    );
    // Section 2.4.2.
    let mut text = SUNSCREEN.to_vec();
    cipher("000000000000004a00000000").apply_keystream(&mut text);
    assert_eq!(
        text,
        hex("6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0b\
             f91b65c5524733ab8f593dabcd62b3571639d624e65152ab8f530c359f0861d8\
             07ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806818ce91ab7793736\
             5af90bbf74a35be6b40b8eedf2785e42874d")
    );
}

#[test]
fn poly1305_and_the_aead_are_rfc_8439() {
    // Section 2.5.2.
    let key = array::<32>("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b");
    let tag = Poly1305::new(&key.into()).compute_unpadded(b"Cryptographic Forum Research Group");
    assert_eq!(tag[..], hex("a8061dc1305136c6c22b8baf0c0127a9"));
    // Section 2.8.2.
    let key: [u8; 32] = std::array::from_fn(|i| 0x80 + i as u8);
    let nonce = array::<12>("070000004041424344454647").into();
    let mut text = SUNSCREEN.to_vec();
    let cipher = ChaCha20Poly1305::new(&key.into());
    let tag = cipher
        .encrypt_inout_detached(&nonce, &hex("50515253c0c1c2c3c4c5c6c7"), text.as_mut_slice().into())
        .unwrap();
    assert_eq!(
        text,
        hex("d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6\
             3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36\
             92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc\
             3ff4def08e4b7a9de576d26586cec64b6116")
    );
    assert_eq!(tag[..], hex("1ae10b594f09e26a7e902ecbd0600691"));
}

/// Section 7.1, tests 1 to 3.
#[test]
fn ed25519_is_rfc_8032() {
    for (secret, public, message, signature) in [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b\
             d25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c\
             387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659\
             4a7c15e9716ed28dc027beceea1ec40a",
        ),
    ] {
        let key = SigningKey::from_bytes(&array(secret));
        assert_eq!(key.verifying_key().to_bytes(), array(public));
        let (message, signature) = (hex(message), array(signature));
        let made = key.sign(&message);
        assert_eq!(made.to_bytes(), signature);
        assert!(key.verifying_key().verify_strict(&message, &made).is_ok());
        assert!(key.verifying_key().verify_strict(&[&message[..], b"."].concat(), &made).is_err());
    }
}
